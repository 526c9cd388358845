<?php
/**
 * The functions of Native PHP Sessions.
 *
 * @package Cloakroom
 */

// phpcs:disable WordPress.NamingConventions -- names that other code calls.

use Pantheon_Sessions\Session;
use Cloakroom\Compat\Records;

if ( ! function_exists( 'Pantheon_Sessions' ) ) {
	/**
	 * The plugin's object.
	 */
	function Pantheon_Sessions(): Pantheon_Sessions {
		return Pantheon_Sessions::get_instance();
	}
}

if ( ! function_exists( '_pantheon_session_open' ) ) {
	/**
	 * Nothing has to be opened.
	 */
	function _pantheon_session_open(): bool {
		return true;
	}
}

if ( ! function_exists( '_pantheon_session_close' ) ) {
	/**
	 * Nothing has to be closed.
	 */
	function _pantheon_session_close(): bool {
		return true;
	}
}

if ( ! function_exists( '_pantheon_session_read' ) ) {
	/**
	 * A session's variables, encoded; '' where there are none.
	 *
	 * @param string $sid The session's id.
	 */
	function _pantheon_session_read( $sid ): string {
		return (string) Records::encoded( (string) $sid );
	}
}

if ( ! function_exists( '_pantheon_session_write' ) ) {
	/**
	 * Replaces the variables of this visitor's session.
	 *
	 * @param string $sid          The session's id.
	 * @param string $session_data The variables, encoded.
	 */
	function _pantheon_session_write( $sid, $session_data ): bool {
		$session = Records::is_own( (string) $sid ) ? Session::get_by_sid( $sid ) : false;
		if ( false === $session ) {
			return false;
		}
		$session->set_data( $session_data );
		return true;
	}
}

if ( ! function_exists( '_pantheon_session_destroy' ) ) {
	/**
	 * Ends a session.
	 *
	 * @param string $sid The session's id.
	 */
	function _pantheon_session_destroy( $sid ): bool {
		$session = Session::get_by_sid( $sid );
		if ( $session ) {
			$session->destroy();
		}
		return true;
	}
}

if ( ! function_exists( '_pantheon_session_garbage_collection' ) ) {
	/**
	 * Removes sessions that are over, by their own deadlines.
	 *
	 * @param int $lifetime Seconds; decides nothing.
	 */
	function _pantheon_session_garbage_collection( $lifetime ): bool {
		Records::sweep( 1000 );
		return true;
	}
}
