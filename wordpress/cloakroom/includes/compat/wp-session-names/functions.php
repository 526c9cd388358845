<?php
/**
 * The functions of WP Session Manager, with the meanings of 1.x and 2.x. Each stands aside where somebody else has declared it.
 *
 * @package Cloakroom
 */

// phpcs:disable WordPress.NamingConventions.PrefixAllGlobals -- names that other code calls.

use Cloakroom\Compat\Notice;
use Cloakroom\Compat\Records;
use Cloakroom\Compat\WP_Session\Php_Format;

if ( ! function_exists( 'wp_session_start' ) ) {
	/**
	 * Makes the session's object. No session is started before something is written.
	 */
	function wp_session_start(): bool {
		$GLOBALS['wp_session'] = WP_Session::get_instance();
		/**
		 * The session's object is there.
		 */
		do_action( 'wp_session_start' );
		return $GLOBALS['wp_session']->session_started();
	}
}

if ( ! function_exists( 'wp_session_write_close' ) ) {
	/**
	 * Saves the session. Nothing is closed: writing on is allowed.
	 */
	function wp_session_write_close(): void {
		WP_Session::get_instance()->write_data();
		/**
		 * The session was saved.
		 */
		do_action( 'wp_session_commit' );
	}
}

if ( ! function_exists( 'wp_session_commit' ) ) {
	/**
	 * Saves the session, like wp_session_write_close().
	 */
	function wp_session_commit(): void {
		wp_session_write_close();
	}
}

if ( ! function_exists( 'wp_session_encode' ) ) {
	/**
	 * All variables as JSON.
	 */
	function wp_session_encode(): string {
		Notice::old( __FUNCTION__, '$_SESSION' );
		return WP_Session::get_instance()->json_out();
	}
}

if ( ! function_exists( 'wp_session_decode' ) ) {
	/**
	 * Replaces all variables.
	 *
	 * @param string $data JSON, or PHP's format of sessions.
	 * @return bool False, and nothing is changed, for anything else.
	 */
	function wp_session_decode( $data ): bool {
		Notice::old( __FUNCTION__, '$_SESSION' );
		$session = WP_Session::get_instance();
		if ( $session->json_in( $data ) ) {
			return true;
		}
		$values = is_string( $data ) && '' !== $data ? Php_Format::decode( $data ) : null;
		if ( null === $values ) {
			return false;
		}
		$session->replace( $values );
		return true;
	}
}

if ( ! function_exists( 'wp_session_regenerate_id' ) ) {
	/**
	 * Gives the session a new id; the variables stay.
	 *
	 * @param bool $delete_old_session Whether the old id ends at once.
	 * @return bool True.
	 */
	function wp_session_regenerate_id( $delete_old_session = false ): bool {
		Notice::old( __FUNCTION__, 'session_regenerate_id()' );
		WP_Session::get_instance()->regenerate_id( $delete_old_session );
		return true;
	}
}

if ( ! function_exists( 'wp_session_unset' ) ) {
	/**
	 * Removes all variables.
	 */
	function wp_session_unset(): void {
		Notice::old( __FUNCTION__, '$_SESSION' );
		WP_Session::get_instance()->reset();
	}
}

if ( ! function_exists( 'wp_session_cache_expire' ) ) {
	/**
	 * Unix time at which the session ends if nobody comes before.
	 */
	function wp_session_cache_expire(): int {
		Notice::old( __FUNCTION__, 'ini_get()' );
		return WP_Session::get_instance()->cache_expiration();
	}
}

if ( ! function_exists( 'wp_session_status' ) ) {
	/**
	 * Always PHP_SESSION_ACTIVE: there is an object to write to.
	 */
	function wp_session_status(): int {
		Notice::old( __FUNCTION__, 'session_status()' );
		return WP_Session::get_instance()->session_started() ? PHP_SESSION_ACTIVE : PHP_SESSION_NONE;
	}
}

if ( ! function_exists( 'wp_session_cleanup' ) ) {
	/**
	 * Removes one batch of sessions that are over.
	 */
	function wp_session_cleanup(): void {
		if ( defined( 'WP_SETUP_CONFIG' ) ) {
			return;
		}
		if ( ! defined( 'WP_INSTALLING' ) ) {
			/**
			 * So many at once.
			 *
			 * @param int $size A number.
			 */
			Records::sweep( (int) apply_filters( 'wp_session_delete_batch_size', 1000 ) );
		}
		/**
		 * What was over is removed.
		 */
		do_action( 'wp_session_cleanup' );
	}
}

if ( ! function_exists( 'wp_session_register_garbage_collection' ) ) {
	/**
	 * Schedules wp_session_cleanup().
	 */
	function wp_session_register_garbage_collection(): void {
		if ( ! wp_next_scheduled( 'wp_session_garbage_collection' ) ) {
			/**
			 * How often, by a name of wp_get_schedules().
			 *
			 * @param string $interval The name.
			 */
			wp_schedule_event( time(), (string) apply_filters( 'wp_session_gc_interval', 'hourly' ), 'wp_session_garbage_collection' );
		}
	}
}

if ( ! function_exists( 'create_sm_sessions_table' ) ) {
	/**
	 * Does nothing: Cloakroom's store makes what it needs.
	 */
	function create_sm_sessions_table(): void {}
}

if ( ! function_exists( 'wp_session_manager_initialize' ) ) {
	/**
	 * Does nothing: the extension is the handler.
	 */
	function wp_session_manager_initialize(): void {}
}

if ( ! function_exists( 'wp_session_manager_start_session' ) ) {
	/**
	 * Starts the visitor's session, for whom asks. Nothing calls it by itself any more.
	 */
	function wp_session_manager_start_session(): void {
		Notice::old( __FUNCTION__, 'session_start()' );
		\Cloakroom\Compat\Current_Session::open_for_writing();
	}
}

if ( ! function_exists( 'wp_session_manager_multiple_sessions_notice' ) ) {
	/**
	 * Does nothing: it does not matter who starts a session first.
	 */
	function wp_session_manager_multiple_sessions_notice(): void {}
}

if ( ! function_exists( 'wp_session_manager_deactivated_notice' ) ) {
	/**
	 * Does nothing: see the plugin's own notices.
	 */
	function wp_session_manager_deactivated_notice(): void {}
}
