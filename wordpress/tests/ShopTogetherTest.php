<?php
// phpcs:disable

namespace Cloakroom\Tests;

require_once __DIR__ . '/ShopCase.php';

use Cloakroom\Shop\Handler;

/** Requests of one visitor of the shop at the same time. */
final class ShopTogetherTest extends ShopCase {

	/** Both kinds of visitors, and the Store API's handler. */
	public function visitors(): array {
		return array( 'guest' => array( 'guest' ), 'user' => array( 'user' ), 'token' => array( 'token' ) );
	}

	private string $key;

	/** A function that begins a request of the same visitor. */
	private function visitor( string $kind, array $initial ): \Closure {
		$this->key = 'user' === $kind ? $this->user() : self::guest();
		if ( $initial ) {
			$this->put( $this->key, $initial );
		}
		if ( 'token' === $kind ) {
			$token = self::token( $this->key );
			return fn () => $this->token_handler( $token );
		}
		if ( 'user' === $kind ) {
			wp_set_current_user( (int) $this->key );
		}
		$this->come_with( $this->key );
		return fn () => $this->handler();
	}

	/** @dataProvider visitors */
	public function test_what_two_change_is_both_there( string $kind ): void {
		$begin = $this->visitor( $kind, array( 'cart' => self::cart( 1 ), 'other' => 'x' ) );
		$a     = $begin();
		$b     = $begin();
		$a->set( 'cart', self::cart( 1, 2 ) );
		$a->save_data();
		$b->set( 'wc_notices', array( 'success' => array( array( 'notice' => 'Hello', 'data' => array() ) ) ) );
		$b->save_data();
		$expected = array( 'cart' => self::cart( 1, 2 ), 'other' => 'x', 'wc_notices' => array( 'success' => array( array( 'notice' => 'Hello', 'data' => array() ) ) ) );
		$this->assertSame( $expected, $this->stored( $this->key ) );
		$this->assertSame( self::cart( 1, 2 ), $b->get( 'cart' ), 'who stored last has what the other stored' );
	}

	/** @dataProvider visitors */
	public function test_two_that_begin_a_session_both_keep_theirs( string $kind ): void {
		$begin = $this->visitor( $kind, array() );
		$a     = $begin();
		$b     = $begin();
		$a->set( 'cart', self::cart( 1 ) );
		$a->save_data();
		$b->set( 'cart', self::cart( 2 ) );
		$b->save_data();
		$this->assertEquals( array( 'cart' => self::cart( 1, 2 ) ), $this->stored( $this->key ) );
	}

	/** @dataProvider visitors */
	public function test_a_changed_value_outlives_an_unrelated_write_and_what_was_removed_stays_away( string $kind ): void {
		$begin = $this->visitor( $kind, array( 'chosen' => 'old', 'gone' => 'x', 'cart' => self::cart( 1, 2 ) ) );
		$a     = $begin();
		$b     = $begin();
		$a->set( 'chosen', 'new' );
		$a->set( 'gone', null );
		$a->set( 'cart', self::cart( 2 ) );
		$a->save_data();
		$b->set( 'other', 1 );
		$b->save_data();
		$this->assertEquals( array( 'chosen' => 'new', 'cart' => self::cart( 2 ), 'other' => 1 ), $this->stored( $this->key ) );
	}

	/** @dataProvider visitors */
	public function test_saves_in_turn_keep_all_changes( string $kind ): void {
		$begin = $this->visitor( $kind, array( 'cart' => self::cart( 1 ) ) );
		$a     = $begin();
		$b     = $begin();
		$b->set( 'one', 1 );
		$b->save_data();
		$a->set( 'two', 2 );
		$a->save_data();
		$b->set( 'three', 3 );
		$b->save_data();
		$this->assertEquals( array( 'cart' => self::cart( 1 ), 'one' => 1, 'two' => 2, 'three' => 3 ), $this->stored( $this->key ) );
	}

	public function test_both_items_are_in_the_cart_and_the_sums_are_made_anew(): void {
		$begin = $this->visitor( 'guest', array( 'cart' => self::cart( 1 ), 'cart_totals' => array( 'total' => 10 ) ) );
		$a     = $begin();
		$b     = $begin();
		$a->set( 'cart', self::cart( 1, 2 ) );
		$a->set( 'cart_totals', array( 'total' => 20 ) );
		$a->save_data();
		$this->assertSame( array( 'total' => 20 ), $this->stored( $this->key )['cart_totals'], 'one alone keeps its sums' );
		$b->set( 'cart', self::cart( 1, 3 ) );
		$b->set( 'cart_totals', array( 'total' => 30 ) );
		$b->save_data();
		$this->assertEquals( array( 'cart' => self::cart( 1, 2, 3 ) ), $this->stored( $this->key ) );
	}

	public function test_who_empties_the_cart_does_not_take_out_what_another_puts_in_meanwhile(): void {
		$begin = $this->visitor( 'guest', array( 'cart' => self::cart( 1, 2 ) ) );
		$a     = $begin();
		$b     = $begin();
		$a->set( 'cart', null );
		$a->save_data();
		$this->assertNull( $a->get( 'cart' ), 'null, not an empty cart: the shop asks for that' );
		$b->set( 'cart', self::cart( 1, 2, 3 ) );
		$b->save_data();
		$this->assertSame( array( 'cart' => self::cart( 3 ) ), $this->stored( $this->key ) );
	}

	public function test_notices_that_were_shown_go_and_new_ones_stay(): void {
		$notice = static fn ( string $text ): array => array( 'notice' => $text, 'data' => array() );
		$begin  = $this->visitor( 'guest', array( 'wc_notices' => array( 'success' => array( $notice( 'one' ), $notice( 'one' ) ) ) ) );
		$a      = $begin();
		$b      = $begin();
		$a->set( 'wc_notices', null );
		$a->save_data();
		$b->set( 'wc_notices', array( 'success' => array( $notice( 'one' ), $notice( 'one' ), $notice( 'two' ) ), 'error' => array( $notice( 'bad' ) ) ) );
		$b->save_data();
		$this->assertSame( array( 'success' => array( $notice( 'two' ) ), 'error' => array( $notice( 'bad' ) ) ), $this->stored( $this->key )['wc_notices'] );
	}

	public function test_a_coupon_that_both_apply_is_there_once(): void {
		$begin = $this->visitor( 'guest', array( 'applied_coupons' => array( 'old', '5' ) ) );
		$a     = $begin();
		$b     = $begin();
		$a->set( 'applied_coupons', array( '5', 'ten' ) );
		$a->save_data();
		$b->set( 'applied_coupons', array( 'old', '5', 'ten', 'free' ) );
		$b->save_data();
		$this->assertSame( array( '5', 'ten', 'free' ), $this->stored( $this->key )['applied_coupons'] );
	}

	public function test_an_address_is_never_half_and_half(): void {
		$begin = $this->visitor( 'guest', array( 'customer' => array( 'city' => 'A', 'postcode' => '1' ) ) );
		$a     = $begin();
		$b     = $begin();
		$a->set( 'customer', array( 'city' => 'B', 'postcode' => '1' ) );
		$a->save_data();
		$b->set( 'customer', array( 'city' => 'A', 'postcode' => '2' ) );
		$b->save_data();
		$this->assertSame( array( 'city' => 'A', 'postcode' => '2' ), $this->stored( $this->key )['customer'] );
	}

	public function test_the_later_quantity_wins_unless_the_site_names_a_rule(): void {
		$both = function () {
			$begin = $this->visitor( 'guest', array( 'cart' => self::cart( 1 ) ) );
			$a     = $begin();
			$b     = $begin();
			$a->set( 'cart', array( md5( '1' ) => array( 'quantity' => 3 ) + self::item( 1 ) ) );
			$a->save_data();
			$b->set( 'cart', array( md5( '1' ) => array( 'quantity' => 2 ) + self::item( 1 ) ) );
			$b->save_data();
			return $this->stored( $this->key )['cart'][ md5( '1' ) ]['quantity'];
		};
		$this->assertSame( 2, $both() );
		add_filter( 'cloakroom_shop_merge_rules', static fn () => 'cart.*.quantity=sum' );
		$this->assertSame( 4, $both() );
	}

	public function test_items_with_objects_are_one_piece_each_and_come_back_as_they_were(): void {
		$with  = array( 'booking' => (object) array( 'day' => 1 ), 'at' => new \DateTimeImmutable( '2026-01-01' ) ) + self::item( 9 );
		$begin = $this->visitor( 'guest', array( 'cart' => array( md5( '9' ) => $with ), 'rates' => array( (object) array( 'cost' => 1 ) ) ) );
		$a     = $begin();
		$b     = $begin();
		$this->assertEquals( array( md5( '9' ) => $with ), $a->get( 'cart' ) );
		$a->set( 'cart', array( md5( '9' ) => $with ) + self::cart( 1 ) );
		$a->save_data();
		$b->set( 'cart', array( md5( '9' ) => $with ) + self::cart( 2 ) );
		$b->save_data();
		$this->assertEquals( array( md5( '9' ) => $with ) + self::cart( 1, 2 ), $this->stored( $this->key )['cart'] );
		$this->assertEquals( array( (object) array( 'cost' => 1 ) ), $this->stored( $this->key )['rates'] );
	}

	public function test_a_cart_that_cannot_be_opened_safely_is_one_piece_and_comes_back_as_it_was(): void {
		$shared = (object) array( 'day' => 1 );
		foreach ( array( array( 'x' => new \ArrayObject( array( 7 ) ) ), array( 'x' => $shared, 'y' => $shared ), array( '#' => array() ) ) as $odd ) {
			$guest = self::guest();
			$cart  = '#' === array_key_first( $odd ) ? $odd : array( md5( '9' ) => $odd + self::item( 9 ) );
			$this->put( $guest, array( 'cart' => $cart, 'wc_notices' => array( 'success' => 'no list' ), 'applied_coupons' => array( array() ) ) );
			$stored = $this->stored( $guest );
			$this->assertEquals( $cart, $stored['cart'] );
			$this->assertSame( serialize( $cart ), ( new Handler() )->get_session( $guest )['cart'], 'byte by byte' );
			$this->assertSame( array( 'success' => 'no list' ), $stored['wc_notices'] );
			$this->assertSame( array( array() ), $stored['applied_coupons'] );
		}
	}

	public function test_the_tokens_handler_and_the_cookies_share_one_cart(): void {
		$begin  = $this->visitor( 'guest', array( 'cart' => self::cart( 1 ) ) );
		$cookie = $begin();
		$token  = $this->token_handler( self::token( $this->key ) );
		$this->assertSame( self::cart( 1 ), $token->get( 'cart' ) );
		$this->assertSame( $this->key, $token->get_customer_id() );
		$token->set( 'cart', self::cart( 1, 2 ) );
		$token->save_data();
		$cookie->set( 'cart', self::cart( 1, 3 ) );
		$cookie->save_data();
		$this->assertEquals( self::cart( 1, 2, 3 ), $this->handler()->get( 'cart' ) );
		$this->assertEquals( self::cart( 1, 2, 3 ), $this->token_handler( null )->get( 'cart' ) );
		$this->assertSame( array(), WC()->cookies, 'tokens bring no cookie' );
	}

	public function test_what_a_filter_drops_at_loading_is_gone_with_the_next_save(): void {
		$key = $this->user();
		wp_set_current_user( (int) $key );
		$this->put( $key, array( 'ext_tracking' => 'abc' ) );
		add_filter( 'woocommerce_restored_session_data', static function ( $data ) {
			unset( $data['ext_tracking'] );
			return $data;
		} );
		$request = $this->getMockBuilder( Handler::class )->onlyMethods( array( 'get_session_cookie' ) )->getMock();
		$request->method( 'get_session_cookie' )->willReturn( array( $key, time() + DAY_IN_SECONDS, time() + HOUR_IN_SECONDS, 'hash' ) );
		$request->init();
		$request->set( 'wc_notices', array( 'notice' => array( 'Hello' ) ) );
		$request->save_data();
		$this->assertSame( array( 'wc_notices' => array( 'notice' => array( 'Hello' ) ) ), $this->stored( $key ) );
	}

	public function test_who_was_already_running_does_not_bring_an_ended_session_back(): void {
		$begin = $this->visitor( 'guest', array( 'cart' => self::cart( 1 ) ) );
		$late  = $begin();
		$begin()->destroy_session();
		$late->set( 'cart', self::cart( 1, 2 ) );
		$late->save_data();
		$this->assertFalse( $this->stored( $this->key ) );
	}
}
