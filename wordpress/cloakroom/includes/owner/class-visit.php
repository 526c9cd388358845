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
		$ticket = Current_Session::ticket();
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
		$ticket = Current_Session::ticket();
		return Current_Session::is_active() || '' === $ticket ? self::key() : Record_Key::of( $ticket );
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
			if ( self::is_used() || Current_Session::ticket() === session_id() ) {
				$work();
				return self::key();
			}
			return '';
		}
		// A ticket that is not ours, or long over, would be answered with a new session.
		if ( '' !== Current_Session::ticket() && null !== cloakroom_show( Record_Key::of( Current_Session::ticket() ) ) && self::open() ) {
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
