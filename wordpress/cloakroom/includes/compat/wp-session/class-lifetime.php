<?php
/**
 * How long a session that WP_Session starts lives without being used.
 *
 * @package Cloakroom
 */

namespace Cloakroom\Compat\WP_Session;

/**
 * The old filters are asked. There is one session for everything on the site, so they can make its life longer, never shorter than
 * php.ini has it.
 */
final class Lifetime {

	/**
	 * Seconds, from `wp_session_expiration` (1.x and 2.x, 30 minutes) and `wp_session_cache_expiration` (4.x, php.ini's).
	 */
	public static function seconds(): int {
		$usual = (int) ini_get( 'session.gc_maxlifetime' );
		return max(
			$usual,
			(int) apply_filters( 'wp_session_expiration', 30 * MINUTE_IN_SECONDS ),
			(int) apply_filters( 'wp_session_cache_expiration', $usual )
		);
	}

	/**
	 * Seconds after which the end used to be moved.
	 */
	public static function variant(): int {
		return (int) apply_filters( 'wp_session_expiration_variant', 24 * MINUTE_IN_SECONDS );
	}
}
