<?php
// phpcs:disable

namespace Cloakroom\Tests;

use Cloakroom\Shop\Cart;

require_once __DIR__ . '/ShopCase.php';

/** What requests of one customer, or of others, try that is not meant for them. */
final class ShopStrangersTest extends ShopCase {

	public function test_a_token_of_another_user_opens_nothing_for_who_is_logged_in(): void {
		list( $anna, $bert ) = array( $this->user(), $this->user() );
		$this->put( $anna, array( 'cart' => self::cart( 1 ), 'customer' => array( 'city' => 'Ulm' ) ) );
		$this->put( $bert, array( 'cart' => self::cart( 2 ) ) );
		wp_set_current_user( (int) $bert );
		$handler = $this->token_handler( self::token( $anna ) );
		$this->assertNull( $handler->get( 'customer' ) );
		$this->assertSame( $bert, $handler->get_customer_id() );
		$this->assertSame( self::cart( 2 ), $handler->get( 'cart' ) );
		$handler->set( 'note', 'x' );
		$handler->save_data();
		$this->assertArrayNotHasKey( 'note', $this->stored( $anna ) );
		$this->assertSame( 'x', $this->stored( $bert )['note'] );
		wp_set_current_user( 0 );
		$this->new_request();
		$this->assertSame( self::cart( 1 ), $this->token_handler( self::token( $anna ) )->get( 'cart' ), 'as in the shop: the token alone is enough' );
	}

	public function test_a_guest_who_becomes_a_user_twice_has_everything_once(): void {
		$user  = $this->user();
		$guest = self::guest();
		$this->put( $guest, array( 'cart' => self::cart( 1, 2 ) ) );
		$this->put( $user, array( 'cart' => self::cart( 3 ) ) );
		$this->come_with( $guest );
		wp_set_current_user( (int) $user );
		$one = $this->handler();
		$this->new_request();
		$two = $this->handler();
		foreach ( array( $one, $two ) as $handler ) {
			$this->assertSame( $user, $handler->get_customer_id() );
			$cart = $handler->get( 'cart' );
			$this->assertCount( 3, $cart );
			$this->assertSame( array( 1, 1, 1 ), array_column( $cart, 'quantity' ) );
		}
		$two->set( 'later', 'kept' );
		$two->save_data();
		$this->assertSame( 'kept', $this->stored( $user )['later'], 'the second request is no dead end' );
	}

	public function test_two_guests_who_become_one_user_at_once_both_bring_their_carts(): void {
		$user = $this->user();
		$open = array();
		foreach ( array( 1, 2 ) as $product ) {
			$key = self::guest();
			$this->put( $key, array( 'cart' => self::cart( $product ) ) );
			$open[] = Cart::open( $key );
		}
		$ends = time() + DAY_IN_SECONDS;
		list( $one, $two ) = array_map( static fn ( Cart $cart ) => $cart->move_to( $user, $ends ), $open );
		$this->assertNotNull( $one );
		$this->assertNotNull( $two );
		$data         = $one->data();
		$data['late'] = 'one';
		$this->assertTrue( $one->save( $data, $ends ), 'loaded before the second came' );
		$this->assertCount( 2, $this->stored( $user )['cart'] );
		$this->assertSame( 'one', $this->stored( $user )['late'] );
	}

	public function test_forged_tokens_are_a_new_guests(): void {
		$anna = $this->user();
		$this->put( $anna, array( 'cart' => self::cart( 1 ) ) );
		$part  = static fn ( string $bytes ): string => rtrim( strtr( base64_encode( $bytes ), '+/', '-_' ), '=' );
		$claim = $part( json_encode( array( 'user_id' => $anna, 'exp' => time() + 600 ) ) );
		$none  = $part( '{"alg":"none","typ":"JWT"}' ) . '.' . $claim;
		$hs    = $part( '{"alg":"HS256","typ":"JWT"}' ) . '.' . $claim;
		$mac   = static fn ( string $text, string $key ): string => $text . '.' . $part( hash_hmac( 'sha256', $text, $key, true ) );
		foreach ( array( $none . '.', $none . '.x', $mac( $none, '@' . wp_salt() ), $mac( $hs, '@' ), $mac( $hs, '' ), $mac( $hs, wp_salt() ), $hs . '.' . $part( 'x' ), self::token( $anna, time() - 5 ), self::token( $anna ) . 'A', self::token( '' ) ) as $token ) {
			$this->new_request();
			$handler = $this->token_handler( $token );
			$this->assertStringStartsWith( 't_', $handler->get_customer_id(), $token );
			$this->assertNull( $handler->get( 'cart' ) );
			$this->new_request();
			unset( $_SERVER['HTTP_CART_TOKEN'] );
			$_GET['session'] = $token;
			$this->assertNull( $this->handler()->get( 'cart' ), $token );
			unset( $_GET['session'] );
		}
		$_GET['session'] = self::token( $anna );
		$this->new_request();
		$this->assertNull( $this->handler()->get( 'cart' ), 'a link hands on no user\'s cart' );
		unset( $_GET['session'] );
	}
}
