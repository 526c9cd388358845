<?php
/**
 * EAMann\WPSession\DatabaseHandler.
 *
 * @package Cloakroom
 */

// phpcs:disable WordPress.NamingConventions, Universal.NamingConventions -- names that other code calls.

namespace EAMann\WPSession;

use Cloakroom\Callers;
use Cloakroom\Compat\Records;

/**
 * The layer that stored sessions in a table.
 */
class DatabaseHandler extends SessionHandler {

	/**
	 * There is nothing to be made: the store makes what it needs.
	 */
	public static function createTable(): bool {
		Callers::note( 'EAMann\WPSession' );
		return ! ( defined( 'WP_SESSION_USE_OPTIONS' ) && WP_SESSION_USE_OPTIONS );
	}

	/**
	 * Removes one batch of sessions that are over.
	 */
	public static function directClean(): void {
		Callers::note( 'EAMann\WPSession' );
		Records::sweep( 1000 );
	}
}
