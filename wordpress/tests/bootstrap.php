<?php
/**
 * Loads the real WordPress that the testbed has started (crates/testbed/examples/wordpress-tests):
 *
 * CLOAKROOM_TEST_ROOT      its folder
 * CLOAKROOM_TEST_URL       its address; CLOAKROOM_TEST_PASSWORD is the password of its user `admin`
 * CLOAKROOM_TEST_PROJECT   the project's folder
 *
 * @package Cloakroom
 */

// phpcs:disable

$_SERVER['HTTP_HOST']       = (string) parse_url( (string) getenv( 'CLOAKROOM_TEST_URL' ), PHP_URL_HOST ) . ':' . parse_url( (string) getenv( 'CLOAKROOM_TEST_URL' ), PHP_URL_PORT );
$_SERVER['REQUEST_METHOD']  = 'GET';
$_SERVER['REQUEST_URI']     = '/';
$_SERVER['SERVER_PROTOCOL'] = 'HTTP/1.1';
$_SERVER['REMOTE_ADDR']     = '127.0.0.1';

// What WordPress takes for granted at its top level is so in a function only if it is said.
global $wp, $wp_query, $wp_rewrite, $wpdb, $wp_filter, $table_prefix, $wp_version, $wp_session, $pagenow, $current_user, $wp_plugin_paths, $shortcode_tags, $wp_object_cache, $wp_locale;

require getenv( 'CLOAKROOM_TEST_ROOT' ) . '/wp-load.php';
require_once ABSPATH . 'wp-admin/includes/plugin.php';
require_once __DIR__ . '/support/SessionCase.php';
require_once __DIR__ . '/support/Browser.php';
require_once __DIR__ . '/support/Command.php';

ini_set( 'display_errors', 'stderr' );
fwrite( STDERR, 'WordPress ' . $GLOBALS['wp_version'] . ', PHP ' . PHP_VERSION . "\n" );
