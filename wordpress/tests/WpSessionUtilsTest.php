<?php
// phpcs:disable

namespace Cloakroom\Tests;

use WP_Session_Utils as Utils;

/** `WP_Session_Utils`. */
final class WpSessionUtilsTest extends SessionCase {

	private function other_session( array $variables = array( 'other' => 1 ) ): string {
		self::new_visitor();
		session_start();
		$_SESSION = $variables;
		$id       = (string) session_id();
		session_write_close();
		self::new_visitor();
		return $id;
	}

	public function test_sessions_are_counted(): void {
		$before = Utils::count_sessions();
		$this->other_session();
		$this->assertSame( $before + 1, Utils::count_sessions() );
	}

	public function test_a_dummy_session_is_made_with_its_end(): void {
		$before = Utils::count_sessions();
		$this->assertTrue( Utils::create_dummy_session() );
		$this->assertTrue( Utils::create_dummy_session( '+3 hours' ) );
		$this->assertSame( $before + 2, Utils::count_sessions() );
		$expires = array_column( cloakroom_page( array( 'named' => false ), null, 500 )['rows'], 'expires' );
		$this->assertEqualsWithDelta( time() + 3 * HOUR_IN_SECONDS, max( $expires ), 5 );
		$this->assertFalse( isset( $_SESSION ) );
		self::session()['a'] = 1;
		$this->assertFalse( Utils::create_dummy_session(), 'not while a visitor\'s is open' );
	}

	public function test_a_dummy_session_leaves_the_visitors_alone(): void {
		self::session()['a'] = 1;
		self::next_request();
		Utils::create_dummy_session();
		$this->assertSame( 1, self::session()['a'] );
	}

	public function test_a_session_is_there_by_its_id_its_key_and_its_public_id(): void {
		$id = $this->other_session();
		foreach ( array( $id, \Cloakroom\Record_Key::of( $id ), substr( \Cloakroom\Record_Key::of( $id ), 0, 32 ) ) as $name ) {
			$this->assertTrue( Utils::session_exists( $name ), $name );
		}
		$this->assertFalse( Utils::session_exists( '' ) );
		$this->assertFalse( Utils::session_exists( str_repeat( 'f', 32 ) ) );
		$this->assertFalse( Utils::session_exists( "' OR 1=1" ) );
	}

	public function test_the_own_session_is_read_and_replaced_by_its_public_id(): void {
		self::session()['a'] = array( 'b' => 1 );
		$public = self::session()->session_id;
		$this->assertSame( array( 'a' => array( 'b' => 1 ) ), Utils::get_session( $public ) );
		$this->assertSame( 1, Utils::update_session( $public, array( 'session_value' => array( 'c' => 2 ) ) ) );
		$this->assertSame( array( 'c' => 2 ), self::session()->toArray() );
		$this->assertSame( 1, Utils::add_session( array( 'session_key' => $public, 'session_value' => serialize( array( 'd' => 3 ) ) ) ) );
		$this->assertSame( array( 'd' => 3 ), self::session()->toArray() );
	}

	public function test_sessions_of_others_are_closed_to_who_has_only_the_key(): void {
		$id  = $this->other_session();
		$key = \Cloakroom\Record_Key::of( $id );
		$this->assertSame( array(), Utils::get_session( $key ) );
		$this->assertSame( 'mine', Utils::get_session( $key, 'mine' ) );
		$this->assertFalse( Utils::update_session( $key, array( 'session_value' => array() ) ) );
		$this->assertFalse( Utils::add_session( array( 'session_key' => Utils::generate_id(), 'session_value' => array() ) ) );
		$this->assertFalse( Utils::add_session( array() ) );
	}

	public function test_another_session_is_read_by_who_has_its_id_and_is_not_used_by_it(): void {
		$id     = $this->other_session( array( 'other' => 1, 'wp_session' => array( 7 => 'seven' ), 'thing' => new \WP_Error( 'x' ) ) );
		$known  = static fn() => array_diff_key( cloakroom_show( \Cloakroom\Record_Key::of( $id ) ), array( 'current' => 0 ) );
		$before = $known();
		self::session()['mine'] = 1;
		$seen = Utils::get_session( $id );
		$this->assertSame( array( 1, 'seven' ), array( $seen['other'], $seen[7] ) );
		$this->assertNotInstanceOf( \WP_Error::class, $seen['thing'], 'nothing of others\' wakes up here' );
		$this->assertSame( $before, $known() );
		$this->assertSame( array( 'mine' => 1 ), self::session()->toArray() );
		Utils::delete_session( $id );
		$this->assertSame( 'none', Utils::get_session( $id, 'none' ) );
	}

	public function test_deleting_one_ends_it(): void {
		$id = $this->other_session();
		$this->assertFalse( Utils::delete_session( '' ) );
		$this->assertTrue( Utils::delete_session( substr( \Cloakroom\Record_Key::of( $id ), 0, 32 ) ) );
		$this->assertFalse( Utils::session_exists( $id ) );
		self::come_with( $id );
		$this->assertNull( self::session()['other'] );
	}

	public function test_deleting_the_own_ends_it(): void {
		self::session()['a'] = 1;
		$this->assertTrue( Utils::delete_session( self::session()->session_id ) );
		$this->assertCount( 0, self::session() );
	}

	public function test_deleting_all_ends_all(): void {
		$id = $this->other_session();
		$this->assertGreaterThanOrEqual( 1, Utils::delete_all_sessions() );
		$this->assertFalse( Utils::session_exists( $id ) );
		$this->assertSame( array(), cloakroom_page( array( 'named' => false ) )['rows'], 'carts stay' );
	}

	public function test_deleting_old_ones_takes_no_living_one(): void {
		$id = $this->other_session();
		$this->assertIsInt( Utils::delete_old_sessions() );
		$this->assertSame( 0, Utils::delete_old_sessions( 0 ) );
		$this->assertTrue( Utils::session_exists( $id ) );
	}

	public function test_what_the_old_plugin_left_among_the_options_is_removed(): void {
		foreach ( array( '_wp_session_' . str_repeat( 'a', 32 ), '_wp_session_' . str_repeat( 'b', 32 ), '_wp_session_expires_' . str_repeat( 'a', 32 ) ) as $name ) {
			update_option( $name, array( 'x' ), false );
		}
		update_option( 'xwp_session_kept', 1, false );
		$this->assertSame( 2, Utils::delete_all_sessions_from_options() );
		$this->assertFalse( get_option( '_wp_session_expires_' . str_repeat( 'a', 32 ) ) );
		$this->assertSame( 1, (int) get_option( 'xwp_session_kept' ) );
		delete_option( 'xwp_session_kept' );
	}

	public function test_a_generated_id_has_32_hexadecimal_digits(): void {
		$this->assertMatchesRegularExpression( '/^[0-9a-f]{32}$/', Utils::generate_id() );
		$this->assertNotSame( Utils::generate_id(), Utils::generate_id() );
	}
}
