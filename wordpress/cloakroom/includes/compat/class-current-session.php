<?php
/**
 * The visitor's session, started when it is needed.
 *
 * @package Cloakroom
 */

namespace Cloakroom\Compat;

/**
 * A visitor without a ticket has no session until something is written: so pages that only look stay in the page cache.
 */
final class Current_Session {

	/**
	 * Whether a session of this request is open.
	 */
	public static function is_active(): bool {
		return PHP_SESSION_ACTIVE === session_status();
	}

	/**
	 * The ticket that the visitor brought, or ''.
	 */
	public static function ticket(): string {
		$name = session_name();
		// phpcs:ignore WordPress.Security.ValidatedSanitizedInput -- PHP and the extension check it.
		return is_string( $name ) && isset( $_COOKIE[ $name ] ) && is_string( $_COOKIE[ $name ] ) ? $_COOKIE[ $name ] : '';
	}

	/**
	 * Whether there is somebody to keep a session for: not for commands, not for WordPress's own clock, not while it is installed.
	 */
	public static function has_visitor(): bool {
		return ! wp_doing_cron() && ! wp_installing() && ! ( defined( 'WP_CLI' ) && WP_CLI ) && PHP_SESSION_DISABLED !== session_status();
	}

	/**
	 * Opens the session of a visitor who has one. What was read before stays readable after the session was closed.
	 */
	public static function open_for_reading(): void {
		if ( ! self::is_active() && ! isset( $_SESSION ) && '' !== self::ticket() ) {
			self::start();
		}
	}

	/**
	 * Opens the session, and makes one where there is none.
	 *
	 * @return bool Whether what is written now will be kept.
	 */
	public static function open_for_writing(): bool {
		return self::is_active() || self::start();
	}

	/**
	 * Starts it, if that is still possible.
	 */
	private static function start(): bool {
		if ( ! self::has_visitor() || ( headers_sent() && ini_get( 'session.use_cookies' ) ) ) {
			return false;
		}
		Cookie::prepare();
		return session_start();
	}
}
