<?php
/**
 * Installs WordPress for the demo and puts everything in its place; run again, it only repairs what is missing.
 * Run by `make up` on PHP's command line: CLOAKROOM_ADMIN_PASSWORD=… php install.php /path/to/wordpress
 *
 * @package Cloakroom_Demo
 */

// phpcs:disable WordPress.PHP.DiscouragedPHPFunctions, WordPress.WP.AlternativeFunctions -- a script, not a plugin.

if ( 'cli' !== PHP_SAPI ) {
	exit;
}
if ( 2 > $argc ) {
	fwrite( STDERR, "Usage: php install.php /path/to/wordpress\n" );
	exit( 2 );
}

define( 'WP_INSTALLING', true );
$_SERVER['HTTP_HOST']       = '127.0.0.1';
$_SERVER['REQUEST_METHOD']  = 'GET';
$_SERVER['SERVER_PROTOCOL'] = 'HTTP/1.1';

/**
 * Replaces WordPress's own, which would send mail.
 */
function wp_new_blog_notification() {
}

require $argv[1] . '/wp-load.php';
require_once ABSPATH . 'wp-admin/includes/upgrade.php';
require_once ABSPATH . 'wp-admin/includes/plugin.php';

if ( ! is_blog_installed() ) {
	wp_install( 'Cloakroom', 'admin', 'admin@example.invalid', false, '', (string) getenv( 'CLOAKROOM_ADMIN_PASSWORD' ) );
	// The posts that WordPress brings along would only be in the way.
	foreach ( get_posts(
		array(
			'post_type'   => array( 'post', 'page' ),
			'post_status' => 'any',
			'numberposts' => -1,
		)
	) as $stock_post ) {
		wp_delete_post( $stock_post->ID, true );
	}
}

if ( get_stylesheet() !== 'cloakroom-demo' ) {
	switch_theme( 'cloakroom-demo' );
}

$demo_page = (int) get_option( 'page_on_front' );
if ( ! $demo_page || 'publish' !== get_post_status( $demo_page ) ) {
	$demo_page = wp_insert_post(
		array(
			'post_type'    => 'page',
			'post_status'  => 'publish',
			'post_title'   => 'The little shop',
			'post_content' => '[cloakroom_demo]',
		),
		true
	);
	if ( is_wp_error( $demo_page ) ) {
		fwrite( STDERR, $demo_page->get_error_message() . "\n" );
		exit( 1 );
	}
	update_option( 'show_on_front', 'page' );
	update_option( 'page_on_front', $demo_page );
}

$active = (array) get_option( 'active_plugins', array() );
if ( ! in_array( 'cloakroom-demo/cloakroom-demo.php', $active, true ) ) {
	// Activated without being run: it would start a session here.
	$active[] = 'cloakroom-demo/cloakroom-demo.php';
	update_option( 'active_plugins', $active );
}

// Others are switched on as on the screen; sessions are PHP's own files here, so none of them finds the extension.
foreach ( array_filter( explode( ' ', (string) getenv( 'CLOAKROOM_PLUGINS' ) ) ) as $wanted_plugin ) {
	if ( is_plugin_active( $wanted_plugin ) ) {
		continue;
	}
	$activated = activate_plugin( $wanted_plugin );
	if ( is_wp_error( $activated ) ) {
		fwrite( STDERR, $activated->get_error_message() . "\n" );
		exit( 1 );
	}
}
