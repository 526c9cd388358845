<?php
/**
 * Cart tokens of the shop's Store API.
 *
 * @package Cloakroom
 */

namespace Cloakroom\Shop;

/**
 * Reads a signed token (JWT, HS256). The shop's own classes for that have had several names; the form is one.
 */
final class Cart_Token {

	/**
	 * A token that was found to be valid.
	 *
	 * @param string $key     The session key.
	 * @param int    $expires Until when it is valid (Unix time).
	 */
	private function __construct( public readonly string $key, public readonly int $expires ) {}

	/**
	 * Reads a token.
	 *
	 * @param mixed $token What came in, slashed as WordPress has it.
	 * @return self|null Null unless it is one of ours and not over.
	 */
	public static function read( $token ): ?self {
		if ( ! is_string( $token ) || 1 !== preg_match( '/^([\w-]+)\.([\w-]+)\.([\w-]+)$/D', trim( wp_unslash( $token ) ), $parts ) ) {
			return null;
		}
		$signature = self::encoded( hash_hmac( 'sha256', $parts[1] . '.' . $parts[2], '@' . wp_salt(), true ) );
		if ( ! hash_equals( $signature, $parts[3] ) ) {
			return null;
		}
		$header = json_decode( self::decoded( $parts[1] ), true );
		$claims = json_decode( self::decoded( $parts[2] ), true );
		if ( ! is_array( $header ) || 'JWT' !== ( $header['typ'] ?? null ) || 'HS256' !== ( $header['alg'] ?? null ) || ! is_array( $claims ) ) {
			return null;
		}
		$key     = $claims['user_id'] ?? null;
		$expires = $claims['exp'] ?? null;
		if ( ( ! is_string( $key ) && ! is_int( $key ) ) || '' === (string) $key || ! is_numeric( $expires ) || time() > (int) $expires ) {
			return null;
		}
		return new self( (string) $key, (int) $expires );
	}

	/**
	 * Base64 as tokens have it.
	 *
	 * @param string $bytes Bytes.
	 */
	private static function encoded( string $bytes ): string {
		return rtrim( strtr( base64_encode( $bytes ), '+/', '-_' ), '=' ); // phpcs:ignore WordPress.PHP.DiscouragedPHPFunctions
	}

	/**
	 * Its reverse.
	 *
	 * @param string $text Text.
	 */
	private static function decoded( string $text ): string {
		return (string) base64_decode( strtr( $text, '-_', '+/' ), true ); // phpcs:ignore WordPress.PHP.DiscouragedPHPFunctions
	}
}
