<?php
/**
 * The shop's cookie.
 *
 * @package Cloakroom
 */

namespace Cloakroom\Shop;

/**
 * Four fields: session key, expiration, expiring, hash. Its form has changed over the years; all are read, the newest is written.
 */
final class Session_Cookie {

	/**
	 * What came in.
	 *
	 * @param string $key        The session key.
	 * @param int    $expiration When it ends (Unix time).
	 * @param int    $expiring   When it is to be renewed (Unix time).
	 * @param string $hash       The hash.
	 * @param bool   $signed     Whether the hash was made with a secret of the site. Else anybody can have made it: no more is to be
	 *                           believed than that somebody knows the key, and the deadline is the record's.
	 */
	private function __construct(
		public readonly string $key,
		public readonly int $expiration,
		public readonly int $expiring,
		public readonly string $hash,
		public readonly bool $signed,
	) {}

	/**
	 * Reads a cookie of any era.
	 *
	 * @param string $value Its value, unslashed.
	 * @return self|null Null where it is none, or its hash is wrong.
	 */
	public static function read( string $value ): ?self {
		$doubled = str_contains( $value, '||' );
		$fields  = explode( $doubled ? '||' : '|', $value );
		if ( 4 !== count( $fields ) ) {
			return null;
		}
		list( $key, $expiration, $expiring, $hash ) = $fields;
		if ( '' === $key || 1 !== preg_match( '/^\d{1,18}$/D', $expiration ) || 1 !== preg_match( '/^\d{1,18}$/D', $expiring ) ) {
			return null;
		}
		if ( hash_equals( self::hash( $key . '|' . $expiration ), $hash ) ) {
			return new self( $key, (int) $expiration, (int) $expiring, $hash, true );
		}
		// 2.0 to 2.4: nothing between key and expiration. Only forms that leave no doubt where one ends and the other begins.
		$clear = 10 === strlen( $expiration ) && 1 === preg_match( '/^(?:t_[0-9a-f]{30}|[0-9a-f]{32}|[1-9]\d*)$/D', $key );
		if ( $doubled && $clear && hash_equals( self::hash( $key . $expiration ), $hash ) ) {
			return new self( $key, (int) $expiration, (int) $expiring, $hash, true );
		}
		if ( ! $doubled && str_starts_with( $hash, '$generic$' ) && hash_equals( self::keyless( $key . '|' . $expiration ), $hash ) ) {
			return new self( $key, (int) $expiration, (int) $expiring, $hash, false );
		}
		return null;
	}

	/**
	 * The newest form.
	 *
	 * @param string $key        The session key.
	 * @param int    $expiration When it ends (Unix time).
	 * @param int    $expiring   When it is to be renewed (Unix time).
	 */
	public static function write( string $key, int $expiration, int $expiring ): string {
		return implode( '|', array( $key, $expiration, $expiring, self::hash( $key . '|' . $expiration ) ) );
	}

	/**
	 * The shop's hash.
	 *
	 * @param string $message What is hashed.
	 */
	private static function hash( string $message ): string {
		return hash_hmac( 'md5', $message, wp_hash( $message ) );
	}

	/**
	 * About 10.0 to 10.2 on WordPress 6.8 and newer: a hash without a secret.
	 *
	 * @param string $message What is hashed.
	 */
	private static function keyless( string $message ): string {
		$hash = sodium_crypto_generichash( $message, 'wp_fast_hash_6.8+', 30 );
		return '$generic$' . rtrim( strtr( base64_encode( $hash ), '+/', '-_' ), '=' ); // phpcs:ignore WordPress.PHP.DiscouragedPHPFunctions
	}
}
