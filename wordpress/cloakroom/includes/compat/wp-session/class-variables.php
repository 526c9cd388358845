<?php
/**
 * The variables of the visitor's session, as WP_Session sees them.
 *
 * @package Cloakroom
 */

namespace Cloakroom\Compat\WP_Session;

use Cloakroom\Compat\Current_Session;

/**
 * A variable of WP_Session is the variable of the same name in `$_SESSION`. Names that PHP can't encode there (numbers, names with
 * `|`) are kept in an array under the one name {@see Variables::REST}.
 */
final class Variables implements Source {

	/** Where the rest is. */
	public const REST = 'wp_session';

	/**
	 * All of them, starting nothing for a visitor who has no session.
	 */
	public function all(): array {
		Current_Session::open_for_reading();
		return self::of( isset( $_SESSION ) && is_array( $_SESSION ) ? $_SESSION : array() );
	}

	/**
	 * All of them, of what is in a session.
	 *
	 * @param array<int|string, mixed> $all What `$_SESSION` holds.
	 * @return array<int|string, mixed>
	 */
	public static function of( array $all ): array {
		$rest = $all[ self::REST ] ?? null;
		unset( $all[ self::REST ] );
		return is_array( $rest ) ? $all + $rest : $all;
	}

	/**
	 * `$_SESSION` or the rest, with a session to keep it.
	 *
	 * @param int|string|null $name The variable's name.
	 */
	public function &holder( int|string|null $name ): array {
		if ( ! Current_Session::open_for_writing() ) {
			self::complain();
		}
		if ( ! isset( $_SESSION ) || ! is_array( $_SESSION ) ) {
			$_SESSION = array();
		}
		if ( null !== $name && self::fits( $name ) ) {
			return $_SESSION;
		}
		if ( ! isset( $_SESSION[ self::REST ] ) || ! is_array( $_SESSION[ self::REST ] ) ) {
			$_SESSION[ self::REST ] = array();
		}
		return $_SESSION[ self::REST ];
	}

	/**
	 * Removes all.
	 */
	public function clear(): void {
		Current_Session::open_for_reading();
		if ( ! empty( $_SESSION ) && Current_Session::open_for_writing() ) {
			$_SESSION = array();
		}
	}

	/**
	 * Whether PHP's encoders keep a variable of this name.
	 *
	 * @param int|string $name The name.
	 */
	private static function fits( int|string $name ): bool {
		return is_string( $name ) && ! is_int( array_key_first( array( $name => true ) ) ) && self::REST !== $name
			&& ! str_contains( $name, '|' ) && ! str_starts_with( $name, '!' ) && strlen( $name ) <= 127;
	}

	/**
	 * Says, to developers, that what was written will be lost.
	 */
	private static function complain(): void {
		if ( Current_Session::has_visitor() ) {
			_doing_it_wrong( 'WP_Session', esc_html__( 'The session can no longer be opened, since the page\'s headers are sent: what is written now is gone after this request.', 'cloakroom' ), 'Cloakroom 0.1.0' );
		}
	}
}
