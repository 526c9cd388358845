<?php
/**
 * Cloakroom's own commands.
 *
 * @package Cloakroom
 */

namespace Cloakroom\Cli;

use Cloakroom\Module;

/**
 * Adds `wp cloakroom`. It is there without the extension, too: `wp cloakroom doctor` then says what is missing.
 */
final class Commands implements Module {

	/**
	 * Adds them.
	 */
	public function register(): void {
		if ( defined( 'WP_CLI' ) && WP_CLI ) {
			\WP_CLI::add_command( 'cloakroom', Cloakroom_Command::class );
		}
	}
}
