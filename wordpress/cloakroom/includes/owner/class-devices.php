<?php
/**
 * A person's devices.
 *
 * @package Cloakroom
 */

namespace Cloakroom\Owner;

use Cloakroom\Owner_Name;

/**
 * WordPress remembers log-ins with the browsers they came from, Cloakroom sessions. Each log-in notes the key of its session
 * (never its id), so that both are shown as one device.
 */
final class Devices {

	/** Where a log-in keeps the beginning of its session's key. */
	private const NOTE = 'cloakroom';

	/** How much of the key. */
	private const DIGITS = 16;

	/** At most so many sessions of one person are shown. */
	private const MOST = 50;

	/** How often a change of log-ins is tried that others change at the same time. */
	private const ATTEMPTS = 5;

	/** At most so many pages of the store are looked at. */
	private const PAGES = 4;

	/**
	 * Notes with a log-in which session it has. Written when that changes, so after log-in and hardly ever again.
	 *
	 * @param int    $user  Whose log-in.
	 * @param string $token WordPress's token of it.
	 * @param string $key   The session's key, or ''.
	 */
	public static function remember( int $user, string $token, string $key ): void {
		$key = substr( $key, 0, self::DIGITS );
		if ( '' === $key || '' === $token ) {
			return;
		}
		$tokens = \WP_Session_Tokens::get_instance( $user );
		if ( $tokens instanceof \WP_User_Meta_Session_Tokens ) {
			self::change(
				$user,
				static function ( array $logins ) use ( $token, $key ): array {
					$verifier = hash( 'sha256', $token );
					if ( is_array( $logins[ $verifier ] ?? null ) ) {
						$logins[ $verifier ][ self::NOTE ] = $key;
					}
					return $logins;
				}
			);
			return;
		}
		// Kept elsewhere, by another plugin.
		$login = $tokens->get( $token );
		if ( is_array( $login ) && ( $login[ self::NOTE ] ?? '' ) !== $key ) {
			$login[ self::NOTE ] = $key;
			$tokens->update( $token, $login );
		}
	}

	/**
	 * Takes all notes out again; log-ins stay.
	 */
	public static function forget_all(): void {
		global $wpdb;
		// phpcs:ignore WordPress.DB.DirectDatabaseQuery -- there is no function for "all whose value has".
		$users = $wpdb->get_col( $wpdb->prepare( "SELECT user_id FROM {$wpdb->usermeta} WHERE meta_key = 'session_tokens' AND meta_value LIKE %s", '%' . $wpdb->esc_like( '"' . self::NOTE . '"' ) . '%' ) );
		foreach ( $users as $user ) {
			self::change(
				(int) $user,
				static fn ( array $logins ): array => array_map( static fn ( $login ) => is_array( $login ) ? array_diff_key( $login, array( self::NOTE => true ) ) : $login, $logins )
			);
		}
	}

	/**
	 * Changes a user's log-ins as they are now, not as they were when this request has read them: one that was ended or made
	 * meanwhile, on another device, stays ended or made.
	 *
	 * @param int                     $user Whose.
	 * @param callable(array): array $work Gives the log-ins as they are to be.
	 */
	private static function change( int $user, callable $work ): void {
		for ( $attempt = 0; $attempt < self::ATTEMPTS; ++$attempt ) {
			$now = get_user_meta( $user, 'session_tokens', true );
			if ( ! is_array( $now ) || array() === $now || $work( $now ) === $now ) {
				// Nothing to be written, as on nearly every page.
				return;
			}
			wp_cache_delete( $user, 'user_meta' );
			$now = get_user_meta( $user, 'session_tokens', true );
			if ( ! is_array( $now ) || array() === $now ) {
				return;
			}
			$then = $work( $now );
			// Only where it is still what was read.
			if ( $then === $now || false !== update_user_meta( $user, 'session_tokens', $then, $now ) ) {
				return;
			}
			wp_cache_delete( $user, 'user_meta' );
		}
	}

	/**
	 * Those of a person, this one first, then the one that was used last.
	 *
	 * @param int $user Who.
	 * @return list<array{name: string, address: string, since: int, used: int, size: int, current: bool, session: bool}>
	 */
	public static function of( int $user ): array {
		$sessions = self::sessions( $user );
		$tokens   = \WP_Session_Tokens::get_instance( $user );
		$own      = get_current_user_id() === $user ? $tokens->get( wp_get_session_token() ) : null;
		$devices  = array();
		foreach ( $tokens->get_all() as $login ) {
			$note = (string) ( $login[ self::NOTE ] ?? '' );
			$row  = '' === $note ? null : ( $sessions[ $note ] ?? null );
			unset( $sessions[ $note ] );
			$since     = (int) ( $login['login'] ?? 0 );
			$devices[] = array(
				'name'    => Device_Name::of( (string) ( $login['ua'] ?? '' ) ),
				'address' => (string) ( $login['ip'] ?? '' ),
				'since'   => $since,
				'used'    => max( $since, (int) ( $row['touched'] ?? 0 ) ),
				'size'    => (int) ( $row['size'] ?? 0 ),
				'current' => null !== $own && $own === $login,
				'session' => null !== $row,
			);
			// Two log-ins of one browser in one second are equal; only one of them is this one.
			if ( $own === $login ) {
				$own = null;
			}
		}
		foreach ( $sessions as $row ) {
			$devices[] = array(
				'name'    => null !== $row['device'] && '' !== $row['device'] ? (string) $row['device'] : __( 'Unknown device', 'cloakroom' ),
				'address' => (string) $row['address'],
				'since'   => (int) $row['created'],
				'used'    => (int) $row['touched'],
				'size'    => (int) $row['size'],
				'current' => Visit::own_key() === $row['key'],
				'session' => true,
			);
		}
		usort( $devices, static fn ( array $a, array $b ): int => array( $b['current'], $b['used'] ) <=> array( $a['current'], $a['used'] ) );
		return $devices;
	}

	/**
	 * A person's sessions, by the beginnings of their keys.
	 *
	 * @param int $user Who.
	 * @return array<string, array<string, mixed>>
	 */
	public static function sessions( int $user ): array {
		$found  = array();
		$cursor = null;
		$filter = array(
			'owner' => Owner_Name::of( $user ),
			'named' => false,
		);
		for ( $page = 0; $page < self::PAGES && count( $found ) < self::MOST; ++$page ) {
			$answer = cloakroom_page( $filter, $cursor, self::MOST );
			foreach ( $answer['rows'] ?? array() as $row ) {
				$found[ substr( $row['key'], 0, self::DIGITS ) ] = $row;
			}
			$cursor = $answer['next'] ?? null;
			if ( null === $cursor ) {
				break;
			}
		}
		return $found;
	}
}
