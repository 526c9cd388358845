<?php
/**
 * Records of sessions, for interfaces that name them by an id.
 *
 * @package Cloakroom
 */

namespace Cloakroom\Compat;

use Cloakroom\Record_Key;

/**
 * Callers name a session by its id, by its key, or by the beginning of the key (what `WP_Session::$session_id` is).
 */
final class Records {

	/**
	 * How many there are.
	 */
	public static function count(): int {
		return (int) ( cloakroom_count()['live'] ?? 0 );
	}

	/**
	 * Whether a name means this visitor's session.
	 *
	 * @param string $name An id, a key, or a key's beginning.
	 */
	public static function is_own( string $name ): bool {
		if ( '' === $name ) {
			return false;
		}
		Current_Session::open_for_reading();
		$id = Current_Session::is_active() ? (string) session_id() : '';
		return '' !== $id && ( hash_equals( $id, $name ) || ( Record_Key::may_be( $name ) && str_starts_with( Record_Key::of( $id ), $name ) ) );
	}

	/**
	 * What the store says of a live session, or null.
	 *
	 * @param string $name An id, a key, or a key's beginning.
	 * @return array<string, mixed>|null
	 */
	public static function find( string $name ): ?array {
		if ( '' === $name ) {
			return null;
		}
		if ( self::is_own( $name ) ) {
			$key = Record_Key::of( (string) session_id() );
			// It may not be stored yet.
			return cloakroom_show( $key ) ?? array( 'key' => $key );
		}
		$row = cloakroom_show( Record_Key::of( $name ) );
		if ( null === $row && Record_Key::may_be( $name ) ) {
			$row = cloakroom_show( $name );
		}
		return null !== $row && 'live' === ( $row['state'] ?? 'live' ) ? $row : null;
	}

	/**
	 * The variables: this visitor's, or those of another session whose id the caller has. A key opens nothing. Objects of others'
	 * are not built.
	 *
	 * @param string $name An id, a key, or a key's beginning.
	 * @return array<int|string, mixed>|null
	 */
	public static function variables( string $name ): ?array {
		if ( self::is_own( $name ) ) {
			WP_Session\View::settle();
			return ( new WP_Session\Variables() )->all();
		}
		$text = self::encoded( $name );
		if ( null === $text || 'php' !== ini_get( 'session.serialize_handler' ) ) {
			return null;
		}
		$values = WP_Session\Php_Format::decode( $text );
		return null === $values ? null : WP_Session\Variables::of( $values );
	}

	/**
	 * The variables, encoded as PHP encodes sessions: this visitor's, or those of another session whose id the caller has.
	 * Who has only the key gets nothing: they are sealed.
	 *
	 * @param string $name An id, a key, or a key's beginning.
	 */
	public static function encoded( string $name ): ?string {
		if ( '' === $name ) {
			return null;
		}
		if ( self::is_own( $name ) ) {
			WP_Session\View::settle();
			return (string) session_encode();
		}
		return function_exists( 'cloakroom_peek' ) ? cloakroom_peek( $name ) : null;
	}

	/**
	 * Ends a session.
	 *
	 * @param string $name An id, a key, or a key's beginning.
	 */
	public static function end( string $name ): bool {
		if ( self::is_own( $name ) ) {
			$ended    = session_destroy();
			$_SESSION = array();
			return $ended;
		}
		$row = self::find( $name );
		return null !== $row && cloakroom_end( $row['key'] );
	}

	/**
	 * Ends all of them.
	 *
	 * @return int How many.
	 */
	public static function end_all(): int {
		$ended  = 0;
		$cursor = null;
		do {
			$step   = cloakroom_end_all( null, $cursor );
			$ended += (int) ( $step['ended'] ?? 0 );
			$cursor = $step['next'] ?? null;
		} while ( ! empty( $step['more'] ) && null !== $cursor );
		return $ended;
	}

	/**
	 * Removes what is over.
	 *
	 * @param int $limit At most so many.
	 * @return int How many.
	 */
	public static function sweep( int $limit ): int {
		return $limit > 0 ? (int) cloakroom_sweep( $limit )['removed'] : 0;
	}

	/**
	 * Makes a session that no visitor has the ticket of.
	 *
	 * @param int $seconds How long it lives; at least one.
	 */
	public static function make( int $seconds ): bool {
		if ( Current_Session::is_active() || ( headers_sent() && ini_get( 'session.use_cookies' ) ) ) {
			return false;
		}
		$before = array(
			'session.use_cookies'    => ini_get( 'session.use_cookies' ),
			'session.cache_limiter'  => ini_get( 'session.cache_limiter' ),
			'session.gc_maxlifetime' => ini_get( 'session.gc_maxlifetime' ),
		);
		$kept   = $_SESSION ?? null;
		session_id( (string) session_create_id() );
		$made = session_start(
			array(
				'use_cookies'    => 0,
				'cache_limiter'  => '',
				'gc_maxlifetime' => max( 1, $seconds ),
			)
		);
		if ( $made ) {
			$_SESSION = array( 'dummy' => true );
			$made     = session_write_close();
		}
		// PHP will not look at the visitor's cookie again.
		session_id( Current_Session::ticket() );
		foreach ( $before as $name => $value ) {
			// phpcs:ignore WordPress.PHP.IniSet -- as it was.
			ini_set( $name, (string) $value );
		}
		if ( null === $kept ) {
			unset( $GLOBALS['_SESSION'] );
		} else {
			$_SESSION = $kept;
		}
		return $made;
	}
}
