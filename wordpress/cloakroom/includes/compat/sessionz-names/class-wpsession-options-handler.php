<?php
/**
 * EAMann\WPSession\OptionsHandler.
 *
 * @package Cloakroom
 */

// phpcs:disable WordPress.NamingConventions, Universal.NamingConventions -- names that other code calls.

namespace EAMann\WPSession;

/**
 * The layer that stored sessions in the options table.
 */
class OptionsHandler extends SessionHandler {

	/**
	 * Removes what is left there.
	 *
	 * @return int How many sessions that were.
	 */
	public static function deleteAll(): int {
		return \WP_Session_Utils::delete_all_sessions_from_options();
	}
}
