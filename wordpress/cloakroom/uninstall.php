<?php
/**
 * Removes what the plugin has stored. Sessions are the extension's: they stay where they are and end by their deadlines.
 *
 * @package Cloakroom
 */

namespace Cloakroom;

if ( ! defined( 'WP_UNINSTALL_PLUGIN' ) ) {
	exit;
}

require_once __DIR__ . '/includes/class-autoloader.php';

Autoloader::register();
Footprint::remove();
