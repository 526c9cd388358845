<?php
/**
 * The shop's session, as a tree that can be merged.
 *
 * @package Cloakroom
 */

namespace Cloakroom\Shop;

/**
 * The shop keeps arrays as text of their serialization, so that a cart would be one piece. What is a collection of things that come
 * and go one by one is opened: items of the cart, items taken out, coupons, notices. Everything else stays one piece for each key:
 * half of one address and half of another is nobody's address, and sums, rates and packages belong together.
 *
 * An opened key has the element `#` while the shop has a value there. Without it the rest is what another request has added after
 * this one had taken everything out: both stand.
 *
 * What was opened is given back byte by byte as it was; what can't be stays closed. No object is ever made here.
 */
final class Parts {

	/** Keys that are opened, with how. */
	private const OPENED = array(
		'cart'                  => 'items',
		'removed_cart_contents' => 'items',
		'applied_coupons'       => 'codes',
		'wc_notices'            => 'notices',
	);

	/** Says that the shop has a value. */
	private const MARK = '#';

	/**
	 * The tree of a session.
	 *
	 * @param array<array-key, mixed> $data The shop's session.
	 * @param array<array-key, mixed> $base The tree that it was once made from.
	 * @return array<array-key, mixed>
	 */
	public static function open( array $data, array $base ): array {
		foreach ( self::OPENED as $key => $kind ) {
			if ( isset( $data[ $key ] ) ) {
				$parts        = is_string( $data[ $key ] ) ? self::opened( $kind, $data[ $key ] ) : null;
				$data[ $key ] = $parts ?? $data[ $key ];
			} elseif ( isset( $base[ $key ] ) && is_array( $base[ $key ] ) ) {
				$data[ $key ] = array();
			}
		}
		return $data;
	}

	/**
	 * The session of a tree.
	 *
	 * @param array<array-key, mixed> $tree The tree.
	 * @return array<array-key, mixed>
	 */
	public static function close( array $tree ): array {
		foreach ( self::OPENED as $key => $kind ) {
			if ( isset( $tree[ $key ] ) && is_array( $tree[ $key ] ) ) {
				$there = isset( $tree[ $key ][ self::MARK ] );
				unset( $tree[ $key ][ self::MARK ] );
				if ( $there || array() !== $tree[ $key ] ) {
					$tree[ $key ] = self::closed( $kind, $tree[ $key ] );
				} else {
					unset( $tree[ $key ] );
				}
			}
		}
		return $tree;
	}

	/**
	 * One value's parts.
	 *
	 * @param string $kind How it is opened.
	 * @param string $text The shop's text.
	 * @return array<array-key, mixed>|null Null where it has to stay in one piece.
	 */
	private static function opened( string $kind, string $text ): ?array {
		if ( ! str_starts_with( $text, 'a:' ) ) {
			return null;
		}
		// phpcs:ignore WordPress.PHP.NoSilencedErrors, WordPress.PHP.DiscouragedPHPFunctions -- the shop's own text; makes no objects.
		$value = @unserialize( $text, array( 'allowed_classes' => false ) );
		if ( ! is_array( $value ) || array_key_exists( self::MARK, $value ) ) {
			return null;
		}
		$parts = match ( $kind ) {
			'items'   => self::items( $value ),
			'codes'   => self::codes( $value ),
			'notices' => self::notices( $value ),
		};
		// References count the values of the whole text: an item that has some is another text when it stands alone.
		if ( null === $parts || self::closed( $kind, $parts ) !== $text ) {
			return null;
		}
		return array( self::MARK => 1 ) + $parts;
	}

	/**
	 * The shop's text of parts.
	 *
	 * @param string                  $kind  How it was opened.
	 * @param array<array-key, mixed> $parts The parts.
	 */
	private static function closed( string $kind, array $parts ): string {
		// phpcs:disable WordPress.PHP.DiscouragedPHPFunctions -- the shop's own form.
		if ( 'codes' === $kind ) {
			return serialize( array_values( $parts ) );
		}
		if ( 'notices' === $kind ) {
			$notices = array();
			foreach ( $parts as $name => $notice ) {
				if ( 1 === preg_match( '/^n:(.*):[0-9a-f]{32}:\d+$/Ds', (string) $name, $found ) ) {
					$notices[ $found[1] ][] = $notice;
				} elseif ( str_starts_with( (string) $name, 't:' ) ) {
					$notices[ substr( (string) $name, 2 ) ] ??= array();
				}
			}
			return serialize( $notices );
		}
		$text = '';
		foreach ( $parts as $name => $item ) {
			$text .= serialize( $name ) . ( is_string( $item ) ? $item : serialize( $item ) );
		}
		// phpcs:enable
		return 'a:' . count( $parts ) . ':{' . $text . '}';
	}

	/**
	 * Items by their keys. One that holds objects stays one piece: the text of its serialization.
	 *
	 * @param array<array-key, mixed> $value The cart.
	 * @return array<array-key, mixed>|null
	 */
	private static function items( array $value ): ?array {
		foreach ( $value as $key => $item ) {
			if ( ! is_array( $item ) ) {
				return null;
			}
			// phpcs:ignore WordPress.PHP.DiscouragedPHPFunctions
			$value[ $key ] = self::is_plain( $item ) ? $item : serialize( $item );
		}
		return $value;
	}

	/**
	 * Codes, each its own key: one that two requests apply is there once.
	 *
	 * @param array<array-key, mixed> $value A list of codes.
	 * @return array<array-key, string>|null
	 */
	private static function codes( array $value ): ?array {
		foreach ( $value as $code ) {
			if ( ! is_string( $code ) || self::MARK === $code ) {
				return null;
			}
		}
		return array_combine( $value, $value );
	}

	/**
	 * Notices, each under its kind, its content, and the how many-th like it it is: those that one request has shown go, those that
	 * another adds stay.
	 *
	 * @param array<array-key, mixed> $value Lists of notices by kind.
	 * @return array<string, mixed>|null
	 */
	private static function notices( array $value ): ?array {
		$parts = array();
		$seen  = array();
		foreach ( $value as $kind => $notices ) {
			if ( ! is_array( $notices ) || ! self::is_plain( $notices ) ) {
				return null;
			}
			$parts[ 't:' . $kind ] = 1;
			foreach ( $notices as $notice ) {
				// phpcs:ignore WordPress.PHP.DiscouragedPHPFunctions
				$name                            = 'n:' . $kind . ':' . md5( serialize( $notice ) );
				$seen[ $name ]                   = 1 + ( $seen[ $name ] ?? 0 );
				$parts[ $name . ':' . $seen[ $name ] ] = $notice;
			}
		}
		return $parts;
	}

	/**
	 * Whether there are no objects in an array.
	 *
	 * @param array<array-key, mixed> $value The array.
	 */
	private static function is_plain( array $value ): bool {
		foreach ( $value as $element ) {
			if ( is_object( $element ) || ( is_array( $element ) && ! self::is_plain( $element ) ) ) {
				return false;
			}
		}
		return true;
	}
}
