<?php
/**
 * Pages of the shop's stand-in: `?shop=which`, `?shop=show`, `?shop=add&item=NAME`; `store_api`: as the Store API with a cart token;
 * `meanwhile=PATH`: another page is called between loading and storing. They say what is in the cart, as JSON.
 *
 * @package Cloakroom
 */

// phpcs:disable

add_action(
	'wp_loaded',
	static function (): void {
		if ( ! isset( $_GET['shop'] ) ) {
			return;
		}
		if ( get_option( 'shop_double_no_secret' ) ) {
			// As if wp-config.php had none: what it has is a constant, which can't be taken back.
			$key = new ReflectionProperty( Cloakroom\Shop\Site_Key::class, 'names' );
			$key->setValue( null, array( 'NO_SUCH' ) );
		}
		if ( isset( $_GET['store_api'] ) ) {
			add_filter( 'woocommerce_session_handler', static fn () => 'Automattic\WooCommerce\StoreApi\SessionHandler' );
		}
		if ( 'which' === $_GET['shop'] ) {
			header( 'Content-Type: application/json' );
			echo json_encode( array( 'class' => apply_filters( 'woocommerce_session_handler', 'WC_Session_Handler' ), 'said' => Cloakroom\Shop\Shop::about_key() ) );
			exit;
		}
		WC()->initialize_session();
		$session = WC()->session;
		$other   = null;
		$cart    = (array) $session->get( 'cart', array() );
		if ( isset( $_GET['meanwhile'] ) ) {
			$headers = array( 'Cookie: ' . ( $_SERVER['HTTP_COOKIE'] ?? '' ), 'Cart-Token: ' . ( $_GET['token'] ?? '' ) );
			$other   = json_decode( (string) file_get_contents( home_url( wp_unslash( $_GET['meanwhile'] ) ), false, stream_context_create( array( 'http' => array( 'header' => $headers, 'timeout' => 30 ) ) ) ), true );
		}
		if ( 'add' === $_GET['shop'] ) {
			$cart[ md5( $_GET['item'] ) ] = array( 'key' => md5( $_GET['item'] ), 'name' => $_GET['item'], 'quantity' => 1 );
			$session->set( 'cart', $cart );
			do_action( 'woocommerce_set_cart_cookies', true );
		}
		header( 'Content-Type: application/json' );
		echo json_encode(
			array(
				'key'       => (string) $session->get_customer_id(),
				'cart'      => array_column( (array) $session->get( 'cart', array() ), 'name' ),
				'class'     => $session::class,
				'process'   => getmypid(),
				'token'     => Automattic\WooCommerce\StoreApi\Utilities\CartTokenUtils::get_cart_token( (string) $session->get_customer_id() ),
				'file'      => Cloakroom\Shop\Site_Key::file_in_use(),
				'said'      => Cloakroom\Shop\Shop::about_key(),
				'meanwhile' => $other,
			)
		);
		exit;
	}
);
