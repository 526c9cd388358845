<?php
/**
 * Finds the file of a class of ours.
 *
 * @package Cloakroom
 */

namespace Cloakroom;

/**
 * `Cloakroom\Site_Health\Debug_Section` is in `includes/site-health/class-debug-section.php`.
 */
final class Autoloader {

	/**
	 * Class names outside our namespace, in lower case, with their files under `includes/`.
	 *
	 * @var array<string, string>
	 */
	private static array $names = array();

	/**
	 * Whether the autoloader is on.
	 *
	 * @var bool
	 */
	private static bool $registered = false;

	/**
	 * Switches it on.
	 */
	public static function register(): void {
		if ( ! self::$registered ) {
			self::$registered = spl_autoload_register( array( self::class, 'load' ) );
		}
	}

	/**
	 * Takes on names outside our namespace: the classes of the plugins that Cloakroom succeeds. Theirs are loaded at the first use,
	 * so that a copy that another plugin brings along and declares by itself wins without an error.
	 *
	 * @param array<string, string> $names Class names, with files under `includes/`.
	 */
	public static function take_on( array $names ): void {
		self::$names += array_change_key_case( $names );
	}

	/**
	 * Loads a class, an interface, or a trait.
	 *
	 * @param string $name Its full name.
	 */
	public static function load( string $name ): void {
		$foreign = self::$names[ strtolower( $name ) ] ?? null;
		if ( null !== $foreign ) {
			require_once __DIR__ . '/' . $foreign;
			return;
		}
		if ( ! str_starts_with( $name, __NAMESPACE__ . '\\' ) ) {
			return;
		}
		$parts  = explode( '\\', strtolower( str_replace( '_', '-', substr( $name, strlen( __NAMESPACE__ ) + 1 ) ) ) );
		$last   = array_pop( $parts );
		$folder = implode( '', array_map( static fn ( string $part ): string => $part . '/', $parts ) );
		foreach ( array( 'class', 'interface', 'trait' ) as $kind ) {
			$file = __DIR__ . '/' . $folder . $kind . '-' . $last . '.php';
			if ( is_file( $file ) ) {
				require_once $file;
				return;
			}
		}
	}
}
