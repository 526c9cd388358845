<?php
/**
 * Ages and sizes as people type them.
 *
 * @package Cloakroom
 */

namespace Cloakroom\Cli;

/**
 * Reads `90`, `15m`, `36h`, `30d`, and `500`, `64K`, `2M`.
 */
final class Units {

	/**
	 * An age in seconds, or null if it is none.
	 *
	 * @param string $text Such as `36h`.
	 */
	public static function seconds( string $text ): ?int {
		return self::scaled( $text, '/^(\d{1,9})\s*(s|m|h|d|w)?$/Di', array( 's' => 1, 'm' => 60, 'h' => 3600, 'd' => 86400, 'w' => 604800 ) ); // phpcs:ignore WordPress.Arrays.ArrayDeclarationSpacing
	}

	/**
	 * A size in bytes, or null if it is none.
	 *
	 * @param string $text Such as `64K`.
	 */
	public static function bytes( string $text ): ?int {
		return self::scaled( $text, '/^(\d{1,9})\s*(b|k|m|g)?(?:i?b)?$/Di', array( 'b' => 1, 'k' => KB_IN_BYTES, 'm' => MB_IN_BYTES, 'g' => GB_IN_BYTES ) ); // phpcs:ignore WordPress.Arrays.ArrayDeclarationSpacing
	}

	/**
	 * A number with a unit.
	 *
	 * @param string             $text    The text.
	 * @param string             $pattern Its form: number, unit.
	 * @param array<string, int> $units   What units are worth.
	 */
	private static function scaled( string $text, string $pattern, array $units ): ?int {
		if ( 1 !== preg_match( $pattern, trim( $text ), $found ) ) {
			return null;
		}
		$unit = strtolower( $found[2] ?? '' );
		return (int) $found[1] * ( $units[ $unit ] ?? 1 );
	}
}
