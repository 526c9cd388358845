<?php
// phpcs:disable

namespace Cloakroom\Tests;

use PHPUnit\Framework\TestCase;
use Cloakroom\Owner\Devices;

/** What is noted with WordPress's log-ins. */
final class DevicesTest extends TestCase {

	private int $user = 0;

	protected function setUp(): void {
		$name       = 'u' . bin2hex( random_bytes( 6 ) );
		$this->user = (int) wp_create_user( $name, $name, "$name@example.invalid" );
	}

	private function stored(): array {
		global $wpdb;
		return (array) maybe_unserialize( $wpdb->get_var( $wpdb->prepare( "SELECT meta_value FROM {$wpdb->usermeta} WHERE user_id = %d AND meta_key = 'session_tokens'", $this->user ) ) );
	}

	public function test_a_log_in_that_another_server_has_ended_meanwhile_does_not_come_back(): void {
		global $wpdb;
		$tokens = \WP_Session_Tokens::get_instance( $this->user );
		$desk   = $tokens->create( time() + 600 );
		$phone  = $tokens->create( time() + 600 );
		$this->assertIsArray( $tokens->get( $phone ), 'this request has seen both' );
		$left = array( hash( 'sha256', $desk ) => $tokens->get( $desk ) );
		$wpdb->update( $wpdb->usermeta, array( 'meta_value' => serialize( $left ) ), array( 'user_id' => $this->user, 'meta_key' => 'session_tokens' ) );
		Devices::remember( $this->user, $phone, str_repeat( 'a', 64 ) );
		$this->assertSame( $left, $this->stored() );
		Devices::remember( $this->user, $desk, str_repeat( 'b', 64 ) );
		$this->assertSame( str_repeat( 'b', 16 ), $this->stored()[ hash( 'sha256', $desk ) ]['cloakroom'] );
		$this->assertSame( str_repeat( 'b', 16 ), $tokens->get( $desk )['cloakroom'], 'and this request knows' );
	}

	public function test_a_log_in_that_another_server_has_made_meanwhile_stays(): void {
		global $wpdb;
		$tokens = \WP_Session_Tokens::get_instance( $this->user );
		$desk   = $tokens->create( time() + 600 );
		$login  = $tokens->get( $desk );
		$both   = array( hash( 'sha256', $desk ) => $login, str_repeat( 'c', 64 ) => $login );
		$wpdb->update( $wpdb->usermeta, array( 'meta_value' => serialize( $both ) ), array( 'user_id' => $this->user, 'meta_key' => 'session_tokens' ) );
		Devices::remember( $this->user, $desk, str_repeat( 'a', 64 ) );
		$this->assertCount( 2, $this->stored() );
	}

	public function test_a_password_that_is_only_hashed_anew_is_no_new_password(): void {
		$before = get_userdata( $this->user );
		$made   = function (): void {
			session_id( '' );
			session_start( array( 'use_cookies' => 0 ) );
			$_SESSION['x'] = 1;
			cloakroom_owner( \Cloakroom\Owner_Name::of( $this->user ) );
			session_write_close();
			$this->assertCount( 1, Devices::sessions( $this->user ) );
		};
		$made();
		do_action( 'wp_set_password', $before->user_login, $this->user, $before );
		$this->assertCount( 1, Devices::sessions( $this->user ), 'as newer releases of WordPress do at a log-in' );
		do_action( 'wp_set_password', 'another', $this->user, $before );
		$this->assertSame( array(), Devices::sessions( $this->user ) );
		// What begins in the very millisecond of an end counts as begun before.
		$ended = (int) ( microtime( true ) * 1000 );
		while ( (int) ( microtime( true ) * 1000 ) <= $ended + 1 ) {
			usleep( 100 );
		}
		$made();
		do_action( 'wp_set_password', $before->user_login, $this->user );
		$this->assertSame( array(), Devices::sessions( $this->user ), 'who does not say what was before' );
	}

	public function test_uninstalling_takes_the_notes_out_of_log_ins_and_leaves_the_log_ins(): void {
		$tokens = \WP_Session_Tokens::get_instance( $this->user );
		$desk   = $tokens->create( time() + 600 );
		$before = $tokens->get( $desk );
		Devices::remember( $this->user, $desk, str_repeat( 'a', 64 ) );
		$this->assertNotSame( $before, $tokens->get( $desk ) );
		\Cloakroom\Footprint::remove();
		$this->assertSame( array( hash( 'sha256', $desk ) => $before ), $this->stored() );
	}
}
