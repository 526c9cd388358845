<?php
/**
 * The site's language.
 *
 * @package Cloakroom
 */

namespace Cloakroom\Environment;

use Cloakroom\Module;
use Cloakroom\Plugin;

/**
 * Loads translations that lie in the plugin's own folder; those of translate.wordpress.org WordPress finds itself.
 */
final class Translations implements Module {

	/**
	 * Adds the action.
	 */
	public function register(): void {
		add_action( 'init', array( $this, 'load' ), 0 );
	}

	/**
	 * Loads them.
	 */
	public function load(): void {
		load_plugin_textdomain( 'cloakroom', false, dirname( Plugin::basename() ) . '/languages' );
	}
}
