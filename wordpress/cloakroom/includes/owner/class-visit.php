<?php
/**
 * The visitor's session when its owner changes.
 *
 * @package Cloakroom
 */

namespace Cloakroom\Owner;

use Cloakroom\Record_Key;
use Cloakroom\Compat\Cookie;
use Cloakroom\Compat\Current_Session;

/**
 * Opens the session of a visitor who has one, and leaves it as open or closed as it was. It never makes one.
 */
final class Visit {

	/**
	 * The session has an owner from now on, or none any more, and a new id: who planted or copied the old one gains nothing.
	 *
	 * @param string|null $owner The owner's name.
	 * @return string The key of the session as it is now; '' for a visitor without one.
	 */
	public static function becomes( ?string $owner ): string {
		return self::with_session(
			static function () use ( $owner ): void {
				// First the owner: the new id is made with it, and the old one, which has another, can't follow.
				cloakroom_owner( $owner );
				if ( ! headers_sent() ) {
					session_regenerate_id( true );
				}
			}
		);
	}

	/**
	 * The session ends, and with it the ticket.
	 */
	public static function end(): void {
		$ticket = self::ticket();
		if ( Current_Session::is_active() || ( '' !== $ticket && self::open() ) ) {
			$_SESSION = array();
			session_destroy();
		} elseif ( '' !== $ticket ) {
			// The page has begun; the record can be ended all the same.
			cloakroom_end( Record_Key::of( $ticket ) );
		}
		if ( '' !== $ticket && ! headers_sent() && ini_get( 'session.use_cookies' ) ) {
			$cookie = session_get_cookie_params();
			unset( $cookie['lifetime'] );
			$cookie['secure'] = $cookie['secure'] || is_ssl();
			setcookie( (string) session_name(), '', array( 'expires' => 1 ) + $cookie );
		}
	}

	/**
	 * Lets the extension know which session this request belongs to, for calls that spare it.
	 */
	public static function make_known(): void {
		self::with_session( static function (): void {} );
	}

	/**
	 * Whether a session is open that has something in it. One that stays empty is left to vanish.
	 */
	public static function is_used(): bool {
		return Current_Session::is_active() && ! empty( $_SESSION );
	}

	/**
	 * The key of the open session, or ''.
	 */
	public static function key(): string {
		$id = Current_Session::is_active() ? (string) session_id() : '';
		return '' === $id ? '' : Record_Key::of( $id );
	}

	/**
	 * The key of the session that this request's visitor has, open or not; '' where there is none.
	 */
	public static function own_key(): string {
		$ticket = self::ticket();
		return Current_Session::is_active() || '' === $ticket ? self::key() : Record_Key::of( $ticket );
	}

	/**
	 * The ticket that the visitor brought, or ''. With `cloakroom.cookie_prefix` and `cloakroom.host_preset` PHP learns the cookie's
	 * name only when the session starts; before that it is looked for under the names that these give.
	 */
	private static function ticket(): string {
		$ticket = Current_Session::ticket();
		if ( '' !== $ticket || Current_Session::is_active() ) {
			return $ticket;
		}
		$pattern = '/^(?:__(?:Host|Secure)-)?(?:' . preg_quote( (string) session_name(), '/' ) . '|S?SESS[0-9a-f]{32})$/D';
		foreach ( $_COOKIE as $name => $value ) { // phpcs:ignore WordPress.Security.ValidatedSanitizedInput -- the extension checks it.
			if ( is_string( $value ) && '' !== $value && 1 === preg_match( $pattern, (string) $name ) ) {
				return $value;
			}
		}
		return '';
	}

	/**
	 * Does something with the visitor's session open.
	 *
	 * @param callable(): void $work What is done. Not called for visitors without a session.
	 * @return string The session's key afterwards; '' for visitors without a session.
	 */
	private static function with_session( callable $work ): string {
		if ( Current_Session::is_active() ) {
			// Something that starts a session for everyone has just made this one: it has nothing in it, and nobody knows its id.
			if ( self::is_used() || self::ticket() === session_id() ) {
				$work();
				return self::key();
			}
			return '';
		}
		// A ticket that is not ours, or long over, would be answered with a new session.
		$ticket = self::ticket();
		if ( '' !== $ticket && null !== cloakroom_show( Record_Key::of( $ticket ) ) && self::open() ) {
			if ( session_id() !== $ticket && ! self::is_used() ) {
				// It lay under a name that does not count in this request.
				session_abort();
				return '';
			}
			$work();
			$key = self::key();
			session_write_close();
			return $key;
		}
		return '';
	}

	/**
	 * Opens it, if that is still possible.
	 */
	private static function open(): bool {
		if ( ! Current_Session::has_visitor() || ( headers_sent() && ini_get( 'session.use_cookies' ) ) ) {
			return false;
		}
		Cookie::prepare();
		return session_start();
	}
}
