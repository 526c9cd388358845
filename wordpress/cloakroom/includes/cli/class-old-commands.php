<?php
/**
 * Commands of the plugins that Cloakroom succeeds.
 *
 * @package Cloakroom
 */

namespace Cloakroom\Cli;

use Cloakroom\Module;
use Cloakroom\Environment\Other_Plugins;

/**
 * Adds `wp session` and `wp pantheon session`, unless the plugin whose they are is active.
 */
final class Old_Commands implements Module {

	/**
	 * Adds them when all plugins have been loaded.
	 */
	public function register(): void {
		if ( defined( 'WP_CLI' ) && WP_CLI ) {
			add_action( 'plugins_loaded', array( $this, 'add' ) );
		}
	}

	/**
	 * Adds them.
	 */
	public function add(): void {
		$others = Other_Plugins::active();
		if ( ! isset( $others[ Other_Plugins::MANAGER ] ) ) {
			\WP_CLI::add_command( 'session', Session_Command::class );
		}
		if ( ! isset( $others[ Other_Plugins::HOST ] ) ) {
			\WP_CLI::add_command( 'pantheon session', Host_Session_Command::class );
		}
	}
}
