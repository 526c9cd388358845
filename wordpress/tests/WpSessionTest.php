<?php
// phpcs:disable

namespace Cloakroom\Tests;

use Cloakroom\Record_Key;

/** `WP_Session`, line by line of its table, and the faults that it must not have. */
final class WpSessionTest extends SessionCase {

	public function test_there_is_one_instance_and_its_first_use_is_told(): void {
		$told = 0;
		add_action( 'wp_session_init', static function () use ( &$told ): void { ++$told; } );
		$this->assertSame( self::session(), self::session() );
		$this->assertSame( 1, $told );
		$this->assertTrue( ( new \ReflectionClass( \WP_Session::class ) )->isFinal() );
		foreach ( array( \Recursive_ArrayAccess::class, \ArrayAccess::class, \Iterator::class, \Countable::class ) as $type ) {
			$this->assertInstanceOf( $type, self::session() );
		}
	}

	public function test_reading_starts_no_session_and_writing_does(): void {
		$session = self::session();
		$this->assertNull( $session['x'] );
		$this->assertFalse( isset( $session['x'] ) );
		$this->assertCount( 0, $session );
		$this->assertSame( array(), $session->toArray() );
		unset( $session['x'] );
		foreach ( $session as $nothing ) {
			$this->fail( 'there is nothing' );
		}
		$session->reset();
		$session->write_data();
		$this->assertSame( PHP_SESSION_NONE, session_status() );
		$session['x'] = 1;
		$this->assertSame( PHP_SESSION_ACTIVE, session_status() );
	}

	public function test_it_is_the_same_variable_as_in_dollar_session(): void {
		$session           = self::session();
		$session['x']      = 1;
		$this->assertSame( 1, $_SESSION['x'] );
		$_SESSION['y']     = array( 'z' => 2 );
		$this->assertSame( 2, $session['y']['z'] );
		$session['y']['z'] = 3;
		$this->assertSame( array( 'z' => 3 ), $_SESSION['y'], 'plain arrays are stored' );
	}

	public function test_what_was_written_is_there_at_the_next_request(): void {
		$session             = self::session();
		$session['n']        = 1;
		$session['deep']     = array( 'a' => array( 'b' => 1 ) );
		self::next_request();
		$session             = self::session();
		$this->assertSame( 1, $session['n'] );
		$this->assertSame( 1, $session['deep']['a']['b'] );
	}

	public function test_nested_writes_are_kept(): void {
		$session              = self::session();
		$session['cart']      = array( 'items' => array( 'apple' => 1 ) );
		self::next_request();
		$cart                 = self::session()['cart'];
		$cart['items']['pear'] = 2;
		$cart['items'][]      = 'note';
		unset( $cart['items']['apple'] );
		self::next_request();
		$this->assertSame( array( 'items' => array( 'pear' => 2, 0 => 'note' ) ), self::session()['cart']->toArray() );
	}

	public function test_nested_writes_into_what_is_not_there_yet_are_kept(): void {
		$session                = self::session();
		$session['new']['x']    = 1;
		$this->assertSame( array( 'x' => 1 ), $session['new']->toArray() );
		$session['new']['y']['z'] = 2;
		$session['list'][]      = 'a';
		$session['list'][]      = 'b';
		$session[]['k']         = 'appended';
		$session->write_data();
		$this->assertSame( array( 'x' => 1, 'y' => array( 'z' => 2 ) ), $_SESSION['new'] );
		$this->assertSame( array( 'a', 'b' ), $_SESSION['list'] );
		self::next_request();
		$this->assertSame( 2, self::session()['new']['y']['z'] );
		$this->assertSame( 'appended', self::session()[0]['k'] );
	}

	public function test_asking_for_what_is_not_there_makes_nothing(): void {
		$session      = self::session();
		$session['x'] = 1;
		$missing      = $session['missing'];
		$deep         = $session['a']['b']['c'] ?? 'default';
		$session->write_data();
		$this->assertNull( $missing );
		$this->assertSame( 'default', $deep );
		$this->assertSame( array( 'x' => 1 ), $_SESSION );
	}

	public function test_counting_up_works(): void {
		$session = self::session();
		$session['n'] = 1;
		$session['n'] += 2;
		++$session['n'];
		$session['s'] = 'a';
		$session['s'] .= 'b';
		$this->assertSame( 4, $_SESSION['n'] );
		$this->assertSame( 'ab', $_SESSION['s'] );
	}

	public function test_an_array_comes_back_as_an_object_of_the_class(): void {
		$session      = self::session();
		$session['a'] = array( 1, 2 );
		$this->assertFalse( is_array( $session['a'] ) );
		$this->assertInstanceOf( \Recursive_ArrayAccess::class, $session['a'] );
		$this->assertCount( 2, $session['a'] );
		$session['b'] = $session['a'];
		$this->assertSame( array( 1, 2 ), $_SESSION['b'] );
	}

	public function test_null_counts_as_absent_and_ends_an_iteration(): void {
		$session         = self::session();
		$session['b']    = 1;
		$session['a']    = 2;
		$session['null'] = null;
		$session['z']    = 3;
		$this->assertFalse( isset( $session['null'] ) );
		$this->assertSame( array( 'b' => 1, 'a' => 2 ), iterator_to_array( $session ) );
		$this->assertCount( 4, $session );
	}

	public function test_the_cursor_is_shared(): void {
		$session      = self::session();
		$session['a'] = 1;
		$session['b'] = 2;
		$session->rewind();
		$this->assertSame( array( 'a', 1 ), array( $session->key(), $session->current() ) );
		$session->next();
		$this->assertSame( 'b', self::session()->key() );
		$session->next();
		$this->assertFalse( $session->valid() );
		$this->assertNull( $session->key() );
	}

	public function test_names_that_php_can_not_encode_are_kept(): void {
		$session           = self::session();
		$session[]         = 'zero';
		$session[]         = 'one';
		$session['7']      = 'seven';
		$session['a|b']    = 'bar';
		$session['!bang']  = 'bang';
		$session['plain']  = 'plain';
		$session[ str_repeat( 'n', 200 ) ] = 'long';
		$expected = array( 'plain' => 'plain', 0 => 'zero', 1 => 'one', 7 => 'seven', 'a|b' => 'bar', '!bang' => 'bang', str_repeat( 'n', 200 ) => 'long' );
		$this->assertSame( $expected, $session->toArray() );
		self::next_request();
		$this->assertSame( $expected, self::session()->toArray() );
		foreach ( array_keys( $expected ) as $key ) {
			unset( self::session()[ $key ] );
		}
		$this->assertSame( array(), $_SESSION );
	}

	public function test_removing_is_kept(): void {
		$session      = self::session();
		$session['a'] = 1;
		$session['b'] = 2;
		self::next_request();
		unset( self::session()['a'] );
		self::next_request();
		$this->assertSame( array( 'b' => 2 ), self::session()->toArray() );
	}

	public function test_json_out_shows_nested_arrays(): void {
		$session = self::session();
		$this->assertSame( '[]', $session->json_out() );
		$session['a'] = array( 'b' => array( 1 ) );
		$this->assertSame( '{"a":{"b":[1]}}', $session->json_out() );
		$this->assertSame( '{"b":[1]}', json_encode( $session['a'] ) );
	}

	/** @dataProvider documents */
	public function test_json_in_replaces_all( mixed $json, bool $taken, array $left ): void {
		$session        = self::session();
		$session['old'] = 1;
		$this->assertSame( $taken, $session->json_in( $json ) );
		self::next_request();
		$this->assertSame( $left, self::session()->toArray() );
	}

	public static function documents(): array {
		return array(
			'object'      => array( '{"a":{"b":1}}', true, array( 'a' => array( 'b' => 1 ) ) ),
			'array'       => array( '["x"]', true, array( 'x' ) ),
			'empty array' => array( '[]', true, array() ),
			'number'      => array( '5', false, array( 'old' => 1 ) ),
			'text'        => array( '"x"', false, array( 'old' => 1 ) ),
			'null'        => array( 'null', false, array( 'old' => 1 ) ),
			'bad'         => array( '{', false, array( 'old' => 1 ) ),
			'no text'     => array( null, false, array( 'old' => 1 ) ),
		);
	}

	/** @dataProvider booleans */
	public function test_a_new_id_keeps_the_variables_even_if_nothing_else_changed( bool $delete_old ): void {
		$session      = self::session();
		$session['a'] = 1;
		$old          = self::next_request();
		self::session()->regenerate_id( $delete_old );
		$new = self::next_request();
		$this->assertNotSame( $old, $new );
		$this->assertSame( array( 'a' => 1 ), self::session()->toArray() );
	}

	public static function booleans(): array {
		return array( array( false ), array( true ) );
	}

	public function test_an_old_id_that_was_to_be_deleted_is_never_written_to_again(): void {
		self::session()['a'] = 1;
		$old = self::next_request();
		self::session()->regenerate_id( true );
		self::session()['b'] = 2;
		$new = self::next_request();
		self::come_with( $old );
		$this->assertNull( self::session()['b'] );
		self::session()['c'] = 3;
		self::next_request();
		self::come_with( $new );
		$this->assertSame( array( 'a' => 1, 'b' => 2 ), self::session()->toArray() );
	}

	public function test_a_new_id_of_a_visitor_without_a_session_starts_none(): void {
		self::session()->regenerate_id( true );
		$this->assertSame( PHP_SESSION_NONE, session_status() );
	}

	public function test_it_says_that_it_is_started_and_when_it_ends(): void {
		$this->assertTrue( self::session()->session_started() );
		$this->assertEqualsWithDelta( time() + 1800, self::session()->cache_expiration(), 2 );
		self::new_visitor();
		add_filter( 'wp_session_expiration', static fn (): int => 7200 );
		$this->assertEqualsWithDelta( time() + 7200, self::session()->cache_expiration(), 2 );
	}

	public function test_the_filter_for_expiration_decides_how_long_the_record_lives(): void {
		add_filter( 'wp_session_expiration', static fn (): int => 7200 );
		self::session()['a'] = 1;
		$id = self::next_request();
		$this->assertEqualsWithDelta( time() + 7200, cloakroom_show( Record_Key::of( $id ) )['expires'], 5 );
	}

	public function test_the_filter_can_not_shorten_what_php_ini_grants(): void {
		add_filter( 'wp_session_expiration', static fn (): int => 60 );
		self::session()['a'] = 1;
		$id = self::next_request();
		$this->assertEqualsWithDelta( time() + (int) get_cfg_var( 'session.gc_maxlifetime' ), cloakroom_show( Record_Key::of( $id ) )['expires'], 5 );
	}

	public function test_reset_empties(): void {
		self::session()['a'] = 1;
		self::next_request();
		self::session()->reset();
		$this->assertCount( 0, self::session() );
		self::next_request();
		$this->assertSame( array(), self::session()->toArray() );
	}

	public function test_write_data_saves_at_once_and_writing_on_is_allowed(): void {
		self::session()['a'] = 1;
		self::session()->write_data();
		$id = session_id();
		$this->assertNotNull( cloakroom_show( Record_Key::of( $id ) ) );
		self::session()['b'] = 2;
		self::next_request();
		$this->assertSame( array( 'a' => 1, 'b' => 2 ), self::session()->toArray() );
	}

	public function test_the_public_id_is_32_hexadecimal_digits_and_no_secret(): void {
		$id = self::session()->session_id;
		$this->assertMatchesRegularExpression( '/^[0-9a-f]{32}$/', $id );
		$this->assertTrue( isset( self::session()->session_id ) );
		$this->assertSame( $id, self::session()->session_id );
		$this->assertSame( PHP_SESSION_ACTIVE, session_status(), 'who asks for it gets a session that it names' );
		$this->assertNotSame( session_id(), $id );
		$this->assertStringStartsWith( $id, Record_Key::of( session_id() ) );
	}

	public function test_after_the_session_was_closed_it_can_be_read_and_written_to(): void {
		self::session()['a'] = 1;
		session_write_close();
		$this->assertSame( 1, self::session()['a'] );
		self::session()['b'] = 2;
		self::next_request();
		$this->assertSame( array( 'a' => 1, 'b' => 2 ), self::session()->toArray() );
	}

	public function test_a_clone_and_a_serialized_view_are_copies(): void {
		self::session()['a'] = array( 'b' => 1 );
		$copy                = clone self::session();
		$copy['a']['b']      = 2;
		$view                = unserialize( serialize( self::session()['a'] ) );
		$view['b']           = 3;
		$this->assertSame( 1, $_SESSION['a']['b'] );
		$this->assertSame( 2, $copy['a']['b'] );
		$this->assertSame( 3, $view['b'] );
	}

	public function test_an_id_that_we_did_not_issue_is_not_adopted(): void {
		$planted = str_repeat( 'a', 32 );
		self::come_with( $planted );
		self::session()['a'] = 1;
		$this->assertNotSame( $planted, session_id() );
	}

	public function test_binary_values_and_ids_over_32_characters_are_kept(): void {
		self::session()['bytes'] = "\xff\x00\xfe";
		$this->assertGreaterThan( 32, strlen( session_id() ) );
		self::next_request();
		$this->assertSame( "\xff\x00\xfe", self::session()['bytes'] );
		$this->assertIsString( self::session()->json_out() );
	}
}
