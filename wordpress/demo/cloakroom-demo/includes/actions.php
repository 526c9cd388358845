<?php
/**
 * What a visitor can do: by the page's forms (POST with a nonce, then a redirect), and on a local installation also by plain
 * addresses that answer in JSON, which are handy for tests and for curl:
 *
 *   /?cloakroom_demo=show · add&item=N · remove&item=N · clear · login&user=NAME · logout
 *
 * @package Cloakroom_Demo
 */

defined( 'ABSPATH' ) || exit;

/**
 * Handles a request for the demo, if this is one.
 */
function cloakroom_demo_handle_request() {
	if ( isset( $_POST['cloakroom_demo'] ) ) {
		$nonce = isset( $_POST['_wpnonce'] ) ? sanitize_text_field( wp_unslash( $_POST['_wpnonce'] ) ) : '';
		if ( ! wp_verify_nonce( $nonce, 'cloakroom_demo' ) ) {
			wp_die( esc_html__( 'This form is too old. Please go back, reload the page and try again.', 'cloakroom-demo' ), '', array( 'response' => 403 ) );
		}
		cloakroom_demo_act(
			sanitize_key( wp_unslash( $_POST['cloakroom_demo'] ) ),
			isset( $_POST['item'] ) ? absint( $_POST['item'] ) : 0,
			isset( $_POST['user'] ) ? sanitize_text_field( wp_unslash( $_POST['user'] ) ) : ''
		);
		wp_safe_redirect( add_query_arg( 'took', rawurlencode( cloakroom_demo_server() ), home_url( '/' ) ), 303 );
		exit;
	}
	// Addresses that change something without a nonce are for a developer's own machine only.
	// phpcs:disable WordPress.Security.NonceVerification.Recommended
	if ( isset( $_GET['cloakroom_demo'] ) && 'local' === wp_get_environment_type() ) {
		$known = cloakroom_demo_act(
			sanitize_key( wp_unslash( $_GET['cloakroom_demo'] ) ),
			isset( $_GET['item'] ) ? absint( $_GET['item'] ) : 0,
			isset( $_GET['user'] ) ? sanitize_text_field( wp_unslash( $_GET['user'] ) ) : ''
		);
		nocache_headers();
		wp_send_json( cloakroom_demo_state(), $known ? 200 : 400 );
	}
	// phpcs:enable
}

/**
 * Does one thing.
 *
 * @param string $action What.
 * @param int    $item   Item number, where the action is about one.
 * @param string $user   Name, where the action is a log-in.
 * @return bool False when there is no such action, or something it needs is missing.
 */
function cloakroom_demo_act( $action, $item, $user ) {
	if ( PHP_SESSION_ACTIVE !== session_status() ) {
		return false;
	}
	switch ( $action ) {
		case 'show':
			return true;
		case 'add':
			if ( $item > 0 ) {
				cloakroom_demo_add( $item );
			}
			return $item > 0;
		case 'remove':
			cloakroom_demo_remove( $item );
			return true;
		case 'clear':
			unset( $_SESSION['cart'] );
			return true;
		case 'login':
			if ( '' !== $user ) {
				cloakroom_demo_log_in( $user );
			}
			return '' !== $user;
		case 'logout':
			cloakroom_demo_log_out();
			return true;
		default:
			return false;
	}
}

/**
 * The visitor's state, for answers in JSON. The session's id is a secret and not part of it.
 *
 * @return array<string, mixed>
 */
function cloakroom_demo_state() {
	$cart = cloakroom_demo_cart();
	return array(
		'server' => cloakroom_demo_server(),
		'user'   => cloakroom_demo_user(),
		'count'  => array_sum( $cart ),
		// An object also when it is empty, or a list of numbers from 0.
		'cart'   => (object) $cart,
	);
}
