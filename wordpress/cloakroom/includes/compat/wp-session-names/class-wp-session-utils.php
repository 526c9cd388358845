<?php
/**
 * WP_Session_Utils, as WP Session Manager 1.2 to 2.x had it.
 *
 * @package Cloakroom
 */

// phpcs:disable WordPress.NamingConventions.PrefixAllGlobals -- a name that other code calls.

use Cloakroom\Callers;
use Cloakroom\Record_Key;
use Cloakroom\Compat\Records;

/**
 * Counts and ends sessions. An id is what `WP_Session::$session_id` says of this visitor's session, a record's key, or a session id
 * that the caller has. Another visitor's variables can't be read by a key: without the id nothing opens them.
 */
class WP_Session_Utils {

	/**
	 * How many sessions there are. There is no query, so the filter `wp_session_count_query` has nothing to change.
	 */
	public static function count_sessions(): int {
		Callers::note( 'WP_Session_Utils' );
		return Records::count();
	}

	/**
	 * Makes a session to try things out with. In the request of a visitor who has one there is none: false.
	 *
	 * @param string|null $date When it ends, in words of `strtotime`; half an hour from now if nothing is said. It can't have ended.
	 */
	public static function create_dummy_session( $date = null ): bool {
		Callers::note( 'WP_Session_Utils' );
		$end = null === $date ? false : strtotime( (string) $date );
		return Records::make( false === $end ? 30 * MINUTE_IN_SECONDS : $end - time() );
	}

	/**
	 * Removes sessions that are over.
	 *
	 * @param int $limit At most so many.
	 */
	public static function delete_old_sessions( $limit = 1000 ): int {
		Callers::note( 'WP_Session_Utils' );
		return Records::sweep( (int) $limit );
	}

	/**
	 * Ends all sessions, this visitor's included.
	 */
	public static function delete_all_sessions(): int {
		Callers::note( 'WP_Session_Utils' );
		return Records::end_all();
	}

	/**
	 * Removes what WP Session Manager left in the options table.
	 *
	 * @return int How many sessions that were.
	 */
	public static function delete_all_sessions_from_options(): int {
		global $wpdb;
		Callers::note( 'WP_Session_Utils' );
		$removed = 0;
		do {
			// phpcs:ignore WordPress.DB.DirectDatabaseQuery -- there is no function for "all that begin with".
			$names = $wpdb->get_col( $wpdb->prepare( "SELECT option_name FROM {$wpdb->options} WHERE option_name LIKE %s LIMIT 1000", $wpdb->esc_like( '_wp_session_' ) . '%' ) );
			foreach ( $names as $name ) {
				$removed += delete_option( $name ) && ! str_starts_with( $name, '_wp_session_expires_' ) ? 1 : 0;
			}
		} while ( $names );
		return $removed;
	}

	/**
	 * 32 hexadecimal digits at random.
	 */
	public static function generate_id(): string {
		return bin2hex( random_bytes( 16 ) );
	}

	/**
	 * A session's variables.
	 *
	 * @param string $session_id    Which one.
	 * @param mixed  $default_value What is returned for none that can be read.
	 * @return mixed
	 */
	public static function get_session( $session_id, $default_value = array() ) {
		Callers::note( 'WP_Session_Utils' );
		return Records::variables( (string) $session_id ) ?? $default_value;
	}

	/**
	 * Whether there is such a session.
	 *
	 * @param string $session_id Which one.
	 */
	public static function session_exists( $session_id ): bool {
		Callers::note( 'WP_Session_Utils' );
		return null !== Records::find( (string) $session_id );
	}

	/**
	 * Ids come from Cloakroom alone: a row is added only as the variables of this visitor's session.
	 *
	 * @param array<string, mixed> $data `session_key`, `session_value`.
	 * @return int|false 1, or false.
	 */
	public static function add_session( $data = array() ) {
		return is_array( $data ) && isset( $data['session_key'] ) ? self::update_session( $data['session_key'], $data ) : false;
	}

	/**
	 * Replaces the variables of this visitor's session; those of others are closed.
	 *
	 * @param string               $session_id Which one.
	 * @param array<string, mixed> $data       `session_value`: an array, plain or serialized.
	 * @return int|false 1, or false.
	 */
	public static function update_session( $session_id, $data = array() ) {
		Callers::note( 'WP_Session_Utils' );
		$value = is_array( $data ) ? $data['session_value'] ?? null : null;
		if ( is_string( $value ) ) {
			// phpcs:ignore WordPress.PHP.NoSilencedErrors,WordPress.PHP.DiscouragedPHPFunctions -- no classes are allowed.
			$value = @unserialize( $value, array( 'allowed_classes' => false ) );
		}
		if ( ! is_array( $value ) || ! Records::is_own( (string) $session_id ) ) {
			return false;
		}
		WP_Session::get_instance()->replace( $value );
		return 1;
	}

	/**
	 * Ends a session.
	 *
	 * @param string $session_id Which one.
	 * @return bool False for an empty id, and where the store could not be told.
	 */
	public static function delete_session( $session_id = '' ): bool {
		Callers::note( 'WP_Session_Utils' );
		return '' !== (string) $session_id && Records::end( (string) $session_id );
	}
}
