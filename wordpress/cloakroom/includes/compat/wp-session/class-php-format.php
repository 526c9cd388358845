<?php
/**
 * PHP's format of sessions.
 *
 * @package Cloakroom
 */

namespace Cloakroom\Compat\WP_Session;

/**
 * Reads `name|value name|value …`. `session_decode()` can't be asked: it ends the visitor's session when the text is bad.
 * Unless the caller says that the text is its own, no objects are built: they are kept as they are, and become themselves at the
 * next request.
 */
final class Php_Format {

	/** So deep may values lie in each other. */
	private const DEPTH = 128;

	/**
	 * Where the reader stands.
	 *
	 * @var int
	 */
	private int $at = 0;

	/**
	 * Of a text.
	 *
	 * @param string $text The text.
	 */
	private function __construct( private readonly string $text ) {}

	/**
	 * The variables, or null if the text is not of this format from its beginning to its end.
	 *
	 * @param string $text    The text; '' is a session without variables.
	 * @param bool   $objects Whether objects are built.
	 * @return array<int|string, mixed>|null
	 */
	public static function decode( string $text, bool $objects = false ): ?array {
		$reader = new self( $text );
		$values = array();
		$length = strlen( $text );
		while ( $reader->at < $length ) {
			$bar = strpos( $text, '|', $reader->at );
			if ( false === $bar ) {
				return null;
			}
			$name       = substr( $text, $reader->at, $bar - $reader->at );
			$reader->at = $bar + 1;
			if ( ! $reader->skip( self::DEPTH ) ) {
				return null;
			}
			$value = self::value( substr( $text, $bar + 1, $reader->at - $bar - 1 ), $objects );
			if ( null === $value ) {
				return null;
			}
			$values[ $name ] = $value[0];
		}
		return $values;
	}

	/**
	 * One value in an array, or null if it can't be read, or not without being damaged.
	 *
	 * @param string $text    The value's text.
	 * @param bool   $objects Whether objects are built.
	 * @return array{mixed}|null
	 */
	private static function value( string $text, bool $objects ): ?array {
		// phpcs:ignore WordPress.PHP.NoSilencedErrors,WordPress.PHP.DiscouragedPHPFunctions -- no classes are allowed, unless the text is ours.
		$value = @unserialize( $text, array( 'allowed_classes' => $objects ) );
		if ( false === $value && 'b:0;' !== $text ) {
			return null;
		}
		// An object with numbers for names does not survive without its class.
		// phpcs:ignore WordPress.PHP.DiscouragedPHPFunctions -- compared, not stored.
		if ( ! $objects && 1 === preg_match( '/[OCE]:\d/', $text ) && serialize( $value ) !== $text ) {
			return null;
		}
		return array( $value );
	}

	/**
	 * Steps over one value.
	 *
	 * @param int $depth How deep it may be.
	 */
	private function skip( int $depth ): bool {
		if ( $depth < 0 || 1 !== preg_match( '/\G(?:N;|[bidrR]:[^;]{1,64};|[sE]:(\d{1,10}):"|(?:O:\d{1,10}:"[^"]*"|a):(\d{1,10}):\{)/', $this->text, $found, 0, $this->at ) ) {
			return false;
		}
		$this->at += strlen( $found[0] );
		if ( isset( $found[2] ) ) {
			for ( $rest = 2 * (int) $found[2]; $rest > 0; --$rest ) {
				if ( ! $this->skip( $depth - 1 ) ) {
					return false;
				}
			}
			return $this->expect( '}' );
		}
		if ( isset( $found[1] ) ) {
			$this->at += (int) $found[1];
			return $this->expect( '";' );
		}
		return true;
	}

	/**
	 * Steps over a mark.
	 *
	 * @param string $mark The mark.
	 */
	private function expect( string $mark ): bool {
		if ( $this->at > strlen( $this->text ) || substr( $this->text, $this->at, strlen( $mark ) ) !== $mark ) {
			return false;
		}
		$this->at += strlen( $mark );
		return true;
	}
}
