<?php
/**
 * The shop: what there is to buy, the cart, and who is logged in. All of a visitor's state is in $_SESSION.
 *
 * $_SESSION['cart'] is a map of item number to quantity; $_SESSION['user'] is the name of who is logged in.
 *
 * @package Cloakroom_Demo
 */

defined( 'ABSPATH' ) || exit;

/**
 * The items on the shelf.
 *
 * @return array<int, string> Names by item number.
 */
function cloakroom_demo_shelf() {
	return array(
		1 => __( 'A wool hat', 'cloakroom-demo' ),
		2 => __( 'A long scarf', 'cloakroom-demo' ),
		3 => __( 'A pair of gloves', 'cloakroom-demo' ),
		4 => __( 'An umbrella', 'cloakroom-demo' ),
		5 => __( 'A winter coat', 'cloakroom-demo' ),
	);
}

/**
 * An item's name; numbers that are not on the shelf are called by their number.
 *
 * @param int $item Item number.
 * @return string
 */
function cloakroom_demo_item_name( $item ) {
	$shelf = cloakroom_demo_shelf();
	/* translators: %d: item number. */
	return isset( $shelf[ $item ] ) ? $shelf[ $item ] : sprintf( __( 'Item %d', 'cloakroom-demo' ), $item );
}

/**
 * The visitor's cart.
 *
 * @return array<int, int> Quantities by item number.
 */
function cloakroom_demo_cart() {
	$cart = isset( $_SESSION['cart'] ) && is_array( $_SESSION['cart'] ) ? $_SESSION['cart'] : array();
	return array_map( 'absint', $cart );
}

/**
 * Puts one more of an item into the cart.
 *
 * @param int $item Item number.
 */
function cloakroom_demo_add( $item ) {
	$cart                      = cloakroom_demo_cart();
	$_SESSION['cart'][ $item ] = ( isset( $cart[ $item ] ) ? $cart[ $item ] : 0 ) + 1;
}

/**
 * Takes an item out of the cart, whatever its quantity. With the last item the cart goes, too.
 *
 * @param int $item Item number.
 */
function cloakroom_demo_remove( $item ) {
	unset( $_SESSION['cart'][ $item ] );
	if ( ! cloakroom_demo_cart() ) {
		unset( $_SESSION['cart'] );
	}
}

/**
 * Logs a visitor in. The session gets a new id, so that one who knew the old id has gained nothing; the cart stays.
 *
 * @param string $name The name; there is no password in a toy.
 */
function cloakroom_demo_log_in( $name ) {
	if ( function_exists( 'cloakroom_owner' ) ) {
		// So that an operator can find and end all sessions of a person.
		cloakroom_owner( 'demo:' . substr( $name, 0, 180 ) );
	}
	session_regenerate_id( true );
	$_SESSION['user'] = $name;
}

/**
 * Logs the visitor out: the session ends, with everything in it, and the browser is told to forget its cookie.
 */
function cloakroom_demo_log_out() {
	$_SESSION = array();
	$cookie   = session_get_cookie_params();
	setcookie(
		session_name(),
		'',
		array(
			'expires'  => time() - YEAR_IN_SECONDS,
			'path'     => $cookie['path'],
			'domain'   => $cookie['domain'],
			'secure'   => $cookie['secure'],
			'httponly' => $cookie['httponly'],
			'samesite' => $cookie['samesite'],
		)
	);
	session_destroy();
}

/**
 * Who is logged in.
 *
 * @return string A name; empty when nobody is.
 */
function cloakroom_demo_user() {
	return isset( $_SESSION['user'] ) && is_string( $_SESSION['user'] ) ? $_SESSION['user'] : '';
}

/**
 * The application server that runs this request, as its pool is named.
 *
 * @return string
 */
function cloakroom_demo_server() {
	return isset( $_SERVER['CLOAKROOM_SERVER'] ) ? sanitize_text_field( wp_unslash( $_SERVER['CLOAKROOM_SERVER'] ) ) : '?';
}
