<?php
/**
 * What WP Session Manager did in every request.
 *
 * @package Cloakroom
 */

namespace Cloakroom\Compat\WP_Session;

use Cloakroom\Callers;
use Cloakroom\Module;
use Cloakroom\Compat\Current_Session;
use Cloakroom\Compat\Records;

/**
 * The actions have their old names and priorities, so that code that removes one finds it.
 */
final class Hooks implements Module {

	/**
	 * Adds them.
	 */
	public function register(): void {
		add_action( 'plugins_loaded', array( $this, 'open_early' ), 9 );
		if ( ! ( defined( 'WP_CLI' ) && WP_CLI ) ) {
			add_action( 'plugins_loaded', 'wp_session_start' );
		}
		add_action( 'shutdown', 'wp_session_write_close' );
		add_action( 'wp', 'wp_session_register_garbage_collection' );
		add_action( 'wp_session_garbage_collection', 'wp_session_cleanup' );
		// Scheduled by 3.x and later.
		add_action( 'wp_session_database_gc', array( $this, 'sweep' ) );
	}

	/**
	 * On a site whose code uses WP_Session the session of a visitor who has one is opened before the page begins: the first use may
	 * come when headers are sent.
	 */
	public function open_early(): void {
		if ( Callers::any( 'WP_Session' ) ) {
			Current_Session::open_for_reading();
		}
	}

	/**
	 * Removes one batch of sessions that are over.
	 */
	public function sweep(): void {
		Records::sweep( 1000 );
	}
}
