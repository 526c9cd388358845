<?php
/**
 * Cloakroom: sessions for WordPress.
 *
 * @package Cloakroom
 *
 * Plugin Name:       Cloakroom
 * Description:       PHP sessions that lose nothing: see and end them, and keep every plugin that calls an older session plugin working. Needs the PHP extension of the same name.
 * Version:           0.1.0
 * Requires at least: 6.1
 * Requires PHP:      8.1
 * License:           MIT OR Apache-2.0
 * Text Domain:       cloakroom
 * Domain Path:       /languages
 */

namespace Cloakroom;

if ( ! defined( 'ABSPATH' ) ) {
	exit;
}

// A second copy, such as one among the must-use plugins, has nothing to add.
if ( defined( 'CLOAKROOM_PLUGIN_FILE' ) || PHP_VERSION_ID < 80100 ) {
	return;
}

define( 'CLOAKROOM_PLUGIN_FILE', __FILE__ );

require_once __DIR__ . '/includes/class-autoloader.php';

Autoloader::register();
register_activation_hook( __FILE__, array( Plugin::class, 'activate' ) );
register_deactivation_hook( __FILE__, array( Plugin::class, 'deactivate' ) );
Plugin::boot();
