<?php
// phpcs:disable

namespace Cloakroom\Tests;

require_once __DIR__ . '/ShopCase.php';

use Cloakroom\Shop\Session_Cookie;

/** The shop's cookie, of every era. */
final class ShopCookieTest extends ShopCase {

	private const KEY = 't_0123456789abcdef0123456789abcd';

	/** The vector was made with these. */
	private function with_the_vectors_salts( \Closure $do ): void {
		$salt = static fn () => 'test-auth-keytest-auth-salt';
		add_filter( 'salt', $salt );
		try {
			$do();
		} finally {
			remove_filter( 'salt', $salt );
		}
	}

	public function test_the_newest_is_written_as_the_vector_has_it(): void {
		$this->with_the_vectors_salts( function () {
			$this->assertSame( self::KEY . '|1800000000|1799990000|ac32e9a0dc0fa591e53c7d9ac02838e0', Session_Cookie::write( self::KEY, 1800000000, 1799990000 ) );
		} );
	}

	public function test_every_era_is_read(): void {
		$this->with_the_vectors_salts( function () {
			$eras = array(
				'2.0-2.4' => self::KEY . '||1800000000||1799990000||4b7560a7c1bf713cf70e5ce5937f7e10',
				'2.5-9.x' => self::KEY . '||1800000000||1799990000||ac32e9a0dc0fa591e53c7d9ac02838e0',
				'newest'  => self::KEY . '|1800000000|1799990000|ac32e9a0dc0fa591e53c7d9ac02838e0',
			);
			foreach ( $eras as $era => $value ) {
				$cookie = Session_Cookie::read( $value );
				$this->assertNotNull( $cookie, $era );
				$this->assertSame( array( self::KEY, 1800000000, 1799990000, true ), array( $cookie->key, $cookie->expiration, $cookie->expiring, $cookie->signed ), $era );
			}
		} );
	}

	public function test_forged_and_broken_ones_are_not_believed(): void {
		$this->with_the_vectors_salts( function () {
			foreach ( array(
				self::KEY . '|1800000001|1799990000|ac32e9a0dc0fa591e53c7d9ac02838e0',
				'1|1800000000|1799990000|ac32e9a0dc0fa591e53c7d9ac02838e0',
				self::KEY . '|1800000000|1799990000|',
				self::KEY . '|1800000000|1799990000|ac32e9a0dc0fa591e53c7d9ac02838e0|x',
				self::KEY . '|1800000000|1799990000|4b7560a7c1bf713cf70e5ce5937f7e10',
				// The oldest form has nothing between key and expiration: a digit that changes sides is no other session.
				substr( self::KEY, 0, -1 ) . '||d1800000000||1799990000||4b7560a7c1bf713cf70e5ce5937f7e10',
				'|1800000000|1799990000|' . hash_hmac( 'md5', '|1800000000', wp_hash( '|1800000000' ) ),
				'', '|||', '||||||', 'x', self::KEY . '|' . self::KEY . '|1|1',
			) as $value ) {
				$this->assertNull( Session_Cookie::read( $value ), $value );
			}
			// A user's: 1 and 11800000000 is not 11 and 1800000000.
			$hash = hash_hmac( 'md5', '111800000000', wp_hash( '111800000000' ) );
			$this->assertSame( '11', Session_Cookie::read( "11||1800000000||1799990000||$hash" )->key );
			$this->assertNull( Session_Cookie::read( "1||11800000000||1799990000||$hash" ) );
		} );
	}

	/** A cookie that anybody can make. */
	private function keyless( string $key, int $expiration ): string {
		$hash = '$generic$' . rtrim( strtr( base64_encode( sodium_crypto_generichash( "$key|$expiration", 'wp_fast_hash_6.8+', 30 ) ), '+/', '-_' ), '=' );
		if ( function_exists( 'wp_fast_hash' ) ) {
			$this->assertSame( wp_fast_hash( "$key|$expiration" ), $hash );
		}
		return "$key|$expiration|$expiration|$hash";
	}

	public function test_a_keyless_one_is_believed_for_a_guest_whose_record_exists_with_the_records_deadline(): void {
		$guest = self::guest();
		$far   = time() + 10 * YEAR_IN_SECONDS;
		$_COOKIE[ $this->cookie ] = $this->keyless( $guest, $far );
		$this->assertFalse( ( new \Cloakroom\Shop\Handler() )->get_session_cookie(), 'no record' );
		$this->put( $guest, array( 'cart' => self::cart( 1 ) ) );
		$cookie = ( new \Cloakroom\Shop\Handler() )->get_session_cookie();
		$this->assertSame( $guest, $cookie[0] );
		$this->assertEqualsWithDelta( time() + 2 * DAY_IN_SECONDS, $cookie[1], 5 );
		$this->assertLessThanOrEqual( $cookie[1], $cookie[2] );
		$this->assertSame( self::cart( 1 ), $this->handler()->get( 'cart' ) );
		do_action( 'woocommerce_set_cart_cookies', true );
		$this->assertTrue( Session_Cookie::read( end( WC()->cookies )['value'] )->signed, 'it is replaced by a signed one' );

		$user = $this->user();
		$this->put( $user, array( 'cart' => self::cart( 1 ) ) );
		wp_set_current_user( (int) $user );
		$_COOKIE[ $this->cookie ] = $this->keyless( $user, $far );
		$this->assertFalse( ( new \Cloakroom\Shop\Handler() )->get_session_cookie(), 'a user\'s' );
		$_COOKIE[ $this->cookie ] = substr( $this->keyless( $guest, $far ), 0, -1 ) . '!';
		$this->assertFalse( ( new \Cloakroom\Shop\Handler() )->get_session_cookie(), 'a broken one' );
	}

	public function test_it_is_sent_when_the_shop_says_so_and_only_if_it_changed(): void {
		$handler = $this->handler();
		$this->assertFalse( $handler->has_session() );
		do_action( 'wp' );
		do_action( 'woocommerce_set_cart_cookies', false );
		$this->assertSame( array(), WC()->cookies, 'nobody without a cart gets one' );
		do_action( 'woocommerce_set_cart_cookies', true );
		$this->assertTrue( $handler->has_session() );
		$this->assertCount( 1, WC()->cookies );
		$sent = WC()->cookies[0];
		$this->assertSame( $this->cookie, $sent['name'] );
		$this->assertTrue( $sent['httponly'] );
		$this->assertFalse( $sent['secure'] );
		$this->assertSame( $this->read( $handler, '_session_expiration' ), $sent['expire'] );
		$_COOKIE[ $this->cookie ] = wp_slash( $sent['value'] );
		$this->assertSame( $handler->get_customer_id(), $handler->get_session_cookie()[0] );
		do_action( 'woocommerce_set_cart_cookies', true );
		$this->assertCount( 1, WC()->cookies );
	}

	public function test_paying_for_an_order_brings_it_and_filters_name_and_secure_it(): void {
		add_filter( 'woocommerce_cookie', static fn () => 'mine' );
		add_filter( 'wc_session_use_secure_cookie', '__return_true' );
		WC()->order_pay = true;
		$this->handler()->maybe_set_customer_session_cookie();
		$this->assertSame( array( 'mine', true ), array( WC()->cookies[0]['name'], WC()->cookies[0]['secure'] ) );
	}

	public function test_an_expired_one_is_taken_back_and_leads_nowhere(): void {
		$guest = self::guest();
		$this->put( $guest, array( 'cart' => self::cart( 1 ) ) );
		$this->come_with( $guest, time() - 1, time() - 2 );
		$handler = $this->handler();
		$this->assertNull( $handler->get( 'cart' ) );
		$this->assertNotSame( $guest, $handler->get_customer_id() );
		$this->assertSame( '', WC()->cookies[0]['value'] );
		$this->assertLessThan( time(), WC()->cookies[0]['expire'] );
	}

	public function test_past_the_renewal_both_deadlines_move_and_the_records_with_them(): void {
		$guest = self::guest();
		$this->put( $guest, array( 'cart' => self::cart( 1 ) ) );
		add_filter( 'wc_session_expiration', static fn () => 5 * DAY_IN_SECONDS );
		$this->come_with( $guest, time() + 1000, time() - 1 );
		$handler = $this->handler();
		$this->assertEqualsWithDelta( time() + 5 * DAY_IN_SECONDS, $this->read( $handler, '_session_expiration' ), 5 );
		$this->assertEqualsWithDelta( time() + DAY_IN_SECONDS, $this->read( $handler, '_session_expiring' ), 5 );
		$this->assertEqualsWithDelta( time() + 5 * DAY_IN_SECONDS, \Cloakroom\Shop\Cart::open( $guest )->expires(), 5 );
	}
}
