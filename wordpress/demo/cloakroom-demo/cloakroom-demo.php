<?php
/**
 * Plugin Name:       Cloakroom Demo
 * Description:       A cart and a log-in kept in $_SESSION, the way many plugins do it. The page says which server answered.
 * Version:           0.1.0
 * Requires at least: 6.0
 * Requires PHP:      8.1
 * License:           MIT OR Apache-2.0
 * Text Domain:       cloakroom-demo
 *
 * Nothing in here knows of Cloakroom: what it shows, it shows for every plugin that uses PHP's sessions.
 *
 * @package Cloakroom_Demo
 */

defined( 'ABSPATH' ) || exit;

require_once __DIR__ . '/includes/shop.php';
require_once __DIR__ . '/includes/actions.php';
require_once __DIR__ . '/includes/page.php';
require_once __DIR__ . '/includes/offline.php';

/**
 * Starts a session on every request, as over-eager plugins do: for visitors who never put anything into a cart, for the
 * administration, for REST and cron.
 */
function cloakroom_demo_start_session() {
	if ( PHP_SESSION_NONE === session_status() && ! headers_sent() ) {
		session_start();
	}
}
add_action( 'init', 'cloakroom_demo_start_session', 1 );

add_action( 'init', 'cloakroom_demo_handle_request' );
add_shortcode( 'cloakroom_demo', 'cloakroom_demo_page' );
add_action( 'wp_enqueue_scripts', 'cloakroom_demo_styles' );
add_action( 'wp_footer', 'cloakroom_demo_cache_script' );
add_filter( 'site_status_tests', 'cloakroom_demo_site_status_tests' );
add_action( 'wp_dashboard_setup', 'cloakroom_demo_dashboard' );
