<?php
// phpcs:disable

namespace Cloakroom\Tests;

require_once __DIR__ . '/ShopCase.php';

use Cloakroom\Shop\Handler;
use Cloakroom\Shop\Site_Key;

/** Guests become users, users leave. */
final class ShopLogInTest extends ShopCase {

	public function test_a_guests_cart_goes_to_the_user_with_the_cookie_and_the_action(): void {
		$guest = self::guest();
		$user  = $this->user();
		$this->put( $guest, array( 'cart' => self::cart( 1 ), 'chosen_payment_method' => 'cheque' ) );
		$this->come_with( $guest );
		wp_set_current_user( (int) $user );
		$told = array();
		add_action( 'woocommerce_guest_session_to_user_id', function ( ...$keys ) use ( &$told ) { $told[] = $keys; }, 10, 2 );
		$handler = $this->handler();
		$this->assertSame( $user, $handler->get_customer_id() );
		$this->assertSame( self::cart( 1 ), $handler->get( 'cart' ) );
		$this->assertSame( array( array( $guest, $user ) ), $told );
		$this->assertFalse( $this->stored( $guest ), 'the guest\'s record is gone' );
		$this->assertSame( array( 'cart' => self::cart( 1 ), 'chosen_payment_method' => 'cheque' ), $this->stored( $user ) );
		$sent = end( WC()->cookies );
		$this->assertStringStartsWith( $user . '|', $sent['value'] );
		$this->assertEqualsWithDelta( time() + WEEK_IN_SECONDS, $sent['expire'], 5 );
		$_COOKIE[ $this->cookie ] = $sent['value'];
		$this->new_request();
		$this->assertSame( self::cart( 1 ), $this->handler()->get( 'cart' ), 'the new cookie leads there' );
		$this->assertSame( array(), WC()->cookies );
	}

	public function test_the_users_earlier_cart_is_kept_and_the_users_address_stays(): void {
		$guest = self::guest();
		$user  = $this->user();
		$this->put( $user, array( 'cart' => array( md5( '1' ) => self::item( 1, 5 ) ) + self::cart( 2 ), 'customer' => array( 'id' => $user, 'city' => 'Home' ), 'cart_totals' => array( 'total' => 1 ), 'only' => 'user' ) );
		$this->put( $guest, array( 'cart' => self::cart( 1, 3 ), 'customer' => array( 'id' => '0', 'city' => '' ), 'cart_totals' => array( 'total' => 2 ) ) );
		$this->come_with( $guest );
		wp_set_current_user( (int) $user );
		$this->handler();
		$this->assertEquals( array( 'cart' => self::cart( 1, 2, 3 ), 'customer' => array( 'id' => $user, 'city' => 'Home' ), 'only' => 'user' ), $this->stored( $user ), 'the guest\'s item wins; sums are made anew' );
	}

	public function test_what_the_request_has_changed_before_it_logs_in_comes_along(): void {
		$guest = self::guest();
		$user  = $this->user();
		$this->put( $guest, array( 'cart' => self::cart( 1 ) ) );
		$this->come_with( $guest );
		$handler = $this->handler();
		$handler->set( 'order_awaiting_payment', 7 );
		wp_set_current_user( (int) $user );
		// As the shop does when a customer makes an account at the checkout.
		$handler->init_session_cookie();
		$this->assertSame( array( 'cart' => self::cart( 1 ), 'order_awaiting_payment' => 7 ), $this->stored( $user ) );
	}

	public function test_a_guest_of_this_very_request_who_logs_in_keeps_the_cart(): void {
		$user    = $this->user();
		$handler = $this->handler();
		$guest   = $handler->get_customer_id();
		$handler->set( 'cart', self::cart( 4 ) );
		$handler->set_customer_session_cookie( true );
		$handler->save_data();
		wp_set_current_user( (int) $user );
		$handler->init_session_cookie();
		$this->assertSame( self::cart( 4 ), $this->stored( $user )['cart'] );
		$this->assertFalse( $this->stored( $guest ) );
	}

	public function test_the_tokens_handler_moves_a_guests_cart_as_well(): void {
		$guest = self::guest();
		$user  = $this->user();
		$this->put( $guest, array( 'cart' => self::cart( 1 ) ) );
		$this->put( $user, array( 'cart' => self::cart( 2 ) ) );
		wp_set_current_user( (int) $user );
		$handler = $this->token_handler( self::token( $guest ) );
		$this->assertSame( $user, $handler->get_customer_id() );
		$this->assertEquals( self::cart( 1, 2 ), $this->stored( $user )['cart'] );
		$this->assertFalse( $this->stored( $guest ) );
	}

	public function test_a_users_cookie_without_log_in_is_forgotten_and_the_record_stays(): void {
		$user = $this->user();
		$this->put( $user, array( 'cart' => self::cart( 1 ) ) );
		foreach ( array( '0', $this->user() ) as $who ) {
			$this->new_request();
			$this->come_with( $user );
			wp_set_current_user( (int) $who );
			$handler = $this->handler();
			$this->assertNull( $handler->get( 'cart' ) );
			$this->assertNotSame( $user, $handler->get_customer_id() );
			$this->assertSame( '', end( WC()->cookies )['value'] );
			$this->assertSame( array( 'cart' => self::cart( 1 ) ), $this->stored( $user ) );
		}
	}

	public function test_log_out_on_one_device_leaves_the_cart_to_the_other(): void {
		$user = $this->user();
		wp_set_current_user( (int) $user );
		$this->put( $user, array( 'cart' => self::cart( 1 ) ) );
		$this->come_with( $user );
		$this->handler();
		wp_set_current_user( 0 );
		do_action( 'wp_logout', (int) $user );
		$this->assertSame( '', end( WC()->cookies )['value'] );
		$this->assertSame( array(), $this->read( WC()->session, '_data' ) );
		$this->assertStringStartsWith( 't_', WC()->session->get_customer_id() );
		$this->assertSame( array( 'cart' => self::cart( 1 ) ), $this->stored( $user ) );
		// The other device, without a cookie of the shop even.
		unset( $_COOKIE[ $this->cookie ] );
		$this->new_request();
		wp_set_current_user( (int) $user );
		$this->assertSame( self::cart( 1 ), $this->handler()->get( 'cart' ) );
	}

	public function test_who_destroys_the_own_session_ends_it(): void {
		$user = $this->user();
		wp_set_current_user( (int) $user );
		$this->put( $user, array( 'cart' => self::cart( 1 ) ) );
		$this->come_with( $user );
		$this->handler()->destroy_session();
		$this->assertFalse( $this->stored( $user ) );
		WC()->session->set( 'cart', self::cart( 2 ) );
		WC()->session->save_data();
		$this->assertSame( array( 'cart' => self::cart( 2 ) ), $this->stored( $user ), 'the key is used again' );
	}

	/** No record can be opened as long as this holds: without a key, as with a store that does not answer, the extension says false. */
	private static function let_it_fail( bool $fail ): void {
		( new \ReflectionProperty( Site_Key::class, 'secrets' ) )->setValue( null, $fail ? array() : null );
	}

	private function while_the_store_fails( \Closure $do ): void {
		self::let_it_fail( true );
		try {
			$this->assertNull( \Cloakroom\Shop\Cart::open( 'x' ) );
			$do();
		} finally {
			self::let_it_fail( false );
		}
	}

	public function test_when_the_store_fails_nothing_is_stored_and_no_cookie_changes(): void {
		$guest = self::guest();
		$this->put( $guest, array( 'cart' => self::cart( 1 ) ) );
		$this->come_with( $guest );
		WC()->session = new Handler();
		$this->while_the_store_fails( fn () => WC()->session->init() );
		// It is back at the end of the request, which has not seen what is there.
		WC()->session->set( 'cart', self::cart( 2 ) );
		WC()->session->set_customer_session_cookie( true );
		WC()->session->save_data();
		$this->assertSame( array( 'cart' => self::cart( 1 ) ), $this->stored( $guest ) );
		$this->assertSame( array(), WC()->cookies );
		$token = $this->token_handler( self::token( $guest ) );
		$this->while_the_store_fails( fn () => $token->init() );
		$token->set( 'cart', self::cart( 3 ) );
		$token->save_data();
		$this->assertSame( array( 'cart' => self::cart( 1 ) ), $this->stored( $guest ) );
	}

	public function test_a_cart_that_could_not_be_moved_is_moved_the_next_time(): void {
		$guest = self::guest();
		$user  = $this->user();
		$this->put( $guest, array( 'cart' => self::cart( 1 ) ) );
		$this->put( $user, array( 'cart' => self::cart( 2 ) ) );
		$this->come_with( $guest );
		wp_set_current_user( (int) $user );
		// Loaded, but not moved.
		add_filter( 'woocommerce_restored_session_data', function ( $data ) {
			$this->write( WC()->session, 'cloakroom_record', null );
			return $data;
		} );
		$handler = $this->handler();
		$handler->set( 'x', 1 );
		$handler->set_customer_session_cookie( true );
		$handler->save_data();
		$this->assertSame( array(), WC()->cookies );
		$this->assertSame( array( 'cart' => self::cart( 2 ) ), $this->stored( $user ) );
		$this->new_request();
		$this->handler();
		$this->assertEquals( array( 'cart' => self::cart( 1, 2 ) ), $this->stored( $user ) );
	}

	public function test_what_a_filter_drops_at_the_log_in_does_not_come_along(): void {
		$guest = self::guest();
		$user  = $this->user();
		$this->put( $guest, array( 'cart' => self::cart( 1 ), 'ext_tracking' => 'abc' ) );
		$this->come_with( $guest );
		wp_set_current_user( (int) $user );
		add_filter( 'woocommerce_restored_session_data', static fn ( $data ) => array_diff_key( $data, array( 'ext_tracking' => 1 ) ) );
		$this->handler();
		$this->assertSame( array( 'cart' => self::cart( 1 ) ), $this->stored( $user ) );
	}

	public function test_a_user_who_follows_a_link_gets_its_cart_and_keeps_the_rest(): void {
		$giver = self::guest();
		$user  = $this->user();
		$this->put( $giver, array( 'cart' => self::cart( 1 ) ) );
		$this->put( $user, array( 'cart' => self::cart( 2 ), 'only' => 'user' ) );
		wp_set_current_user( (int) $user );
		$_GET['session'] = self::token( $giver );
		$this->assertSame( self::cart( 1 ), $this->handler()->get( 'cart' ) );
		$this->assertEquals( array( 'cart' => self::cart( 1 ), 'only' => 'user', 'previous_customer_id' => $giver ), $this->stored( $user ) );
	}

	public function test_a_user_who_has_forgotten_the_session_and_writes_takes_nothing_out(): void {
		$user = $this->user();
		$this->put( $user, array( 'cart' => self::cart( 1 ) ) );
		wp_set_current_user( (int) $user );
		$handler = $this->handler();
		$handler->forget_session();
		$handler->set( 'x', 1 );
		$handler->save_data();
		$this->assertEquals( array( 'cart' => self::cart( 1 ), 'x' => 1 ), $this->stored( $user ) );
	}

	public function test_a_deleted_user_takes_the_cart_along(): void {
		require_once ABSPATH . 'wp-admin/includes/user.php';
		$user = $this->user();
		$this->put( $user, array( 'cart' => self::cart( 1 ) ) );
		wp_delete_user( (int) $user );
		$this->assertFalse( $this->stored( $user ) );
	}
}
