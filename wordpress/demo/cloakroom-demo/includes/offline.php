<?php
/**
 * The demo is cut off from the Internet (WP_HTTP_BLOCK_EXTERNAL in its wp-config.php), as it should be: what WordPress would
 * ask wordpress.org for can only fail. Those of Site Health's tests and the dashboard's news are left out, so that what is
 * red there is worth a look.
 *
 * @package Cloakroom_Demo
 */

defined( 'ABSPATH' ) || exit;

/**
 * Whether the site may not call others.
 */
function cloakroom_demo_is_offline() {
	return defined( 'WP_HTTP_BLOCK_EXTERNAL' ) && WP_HTTP_BLOCK_EXTERNAL;
}

/**
 * Leaves out the tests that need wordpress.org. Those that call the site itself stay.
 *
 * @param array $tests Site Health's tests, direct and async.
 */
function cloakroom_demo_site_status_tests( $tests ) {
	if ( cloakroom_demo_is_offline() ) {
		unset( $tests['direct']['http_requests'], $tests['async']['dotorg_communication'], $tests['async']['background_updates'] );
	}
	return $tests;
}

/**
 * Leaves out WordPress's news and events, which would show two errors.
 */
function cloakroom_demo_dashboard() {
	if ( cloakroom_demo_is_offline() ) {
		remove_meta_box( 'dashboard_primary', 'dashboard', 'side' );
	}
}
