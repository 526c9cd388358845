<?php
/**
 * The secret that seals carts.
 *
 * @package Cloakroom
 */

namespace Cloakroom\Shop;

/**
 * A cart is found by a name that is no secret, so a secret of the site has to protect it: `cloakroom.keys`, else the keys and salts
 * of wp-config.php, else a file that is made for it. Never anything from the database: what is to be protected lies there.
 */
final class Site_Key {

	/** What wp-config-sample.php has in place of secrets. */
	private const PLACEHOLDER = 'put your unique phrase here';

	/** Pairs of constants; the first that is secret is taken. */
	private const PAIRS = array( 'AUTH', 'SECURE_AUTH', 'LOGGED_IN', 'NONCE' );

	/** The file's name. It is PHP, so that a web server that reaches it shows nothing. */
	private const FILE = 'cloakroom-key.php';

	/** What stands before the key in the file. */
	private const HEAD = "<?php exit; // Cloakroom: the key of this site's carts. Keep it secret; all servers of the site need the same.\n// ";

	/**
	 * The pairs of constants that are looked at.
	 *
	 * @var list<string>
	 */
	private static array $names = self::PAIRS;

	/**
	 * Secrets of this request; null while nobody has asked.
	 *
	 * @var list<string>|null
	 */
	private static ?array $secrets = null;

	/**
	 * The file that the secret comes from, or ''.
	 *
	 * @var string
	 */
	private static string $file = '';

	/**
	 * Whether there is a secret.
	 */
	public static function is_there(): bool {
		return self::has_ring() || array() !== self::secrets();
	}

	/**
	 * The file in use, or ''.
	 */
	public static function file_in_use(): string {
		self::secrets();
		return self::has_ring() ? '' : self::$file;
	}

	/**
	 * Secrets to hand in with a name: the first seals where `cloakroom.keys` is not set, all find.
	 *
	 * @return list<string> Each 64 hexadecimal digits.
	 */
	public static function secrets(): array {
		if ( null === self::$secrets ) {
			$salts      = self::of_constants( self::constants() );
			$file       = self::path_of_file( null === $salts && ! self::has_ring() );
			$of_file    = null === $file ? null : self::read( $file );
			self::$file = null === $salts && null !== $of_file ? (string) $file : '';
			// A site that gets salts later still finds what was sealed with the file.
			self::$secrets = array_values( array_filter( array( $salts, $of_file ) ) );
		}
		return self::$secrets;
	}

	/**
	 * Forgets what was found, for tests and for who changes it.
	 */
	public static function look_again(): void {
		self::$secrets = null;
		self::$file    = '';
	}

	/**
	 * The secret of wp-config.php's constants.
	 *
	 * @param array<string, mixed> $constants Names and values.
	 * @return string|null 64 hexadecimal digits; null where none of them is secret.
	 */
	public static function of_constants( array $constants ): ?string {
		// phpcs:ignore WordPress.WP.I18n -- WordPress's own text, as it stands in a translated sample.
		$placeholders = array( self::PLACEHOLDER, translate( self::PLACEHOLDER ) );
		foreach ( self::PAIRS as $pair ) {
			$key  = $constants[ $pair . '_KEY' ] ?? null;
			$salt = $constants[ $pair . '_SALT' ] ?? null;
			if ( ! is_string( $key ) || ! is_string( $salt ) || $key === $salt
				|| in_array( $key, $placeholders, true ) || in_array( $salt, $placeholders, true ) || strlen( $key . $salt ) < 32 ) {
				continue;
			}
			return hash_hmac( 'sha256', "cloakroom/1 key of a shop's carts", $key . "\0" . $salt );
		}
		return null;
	}

	/**
	 * Whether `cloakroom.keys` is set.
	 */
	private static function has_ring(): bool {
		static $has = null;
		return $has ??= (int) ( cloakroom_settings()['keys'] ?? 0 ) > 0;
	}

	/**
	 * The file: one that is there, else one that is made.
	 *
	 * @param bool $make Whether to make one.
	 */
	private static function path_of_file( bool $make ): ?string {
		$places = self::places();
		foreach ( $places as $place ) {
			if ( self::exists( $place ) ) {
				return $place;
			}
		}
		// On the command line it would belong to somebody else than the web server, which could not read it.
		if ( $make && 'cli' !== PHP_SAPI ) {
			foreach ( $places as $place ) {
				if ( self::make( $place ) ) {
					return $place;
				}
			}
		}
		return null;
	}

	/**
	 * Where the file may be, best first: outside of what the web server shows, where that can be written to.
	 *
	 * @return list<string>
	 */
	private static function places(): array {
		if ( defined( 'CLOAKROOM_KEY_FILE' ) ) {
			return array( (string) CLOAKROOM_KEY_FILE );
		}
		$places = array();
		foreach ( array( dirname( rtrim( ABSPATH, '/' ) ), WP_CONTENT_DIR ) as $folder ) {
			// phpcs:ignore WordPress.PHP.NoSilencedErrors -- open_basedir may forbid the question.
			$mode = @fileperms( $folder );
			// Where everybody may write, somebody else could have put a key.
			if ( false !== $mode && 0 === ( $mode & 0002 ) ) {
				$places[] = $folder . '/' . self::FILE;
			}
		}
		return $places;
	}

	/**
	 * Makes the file, whole or not at all, for its owner alone. Where another request was faster, its file stays.
	 *
	 * @param string $path Its path.
	 */
	public static function make( string $path ): bool {
		// phpcs:disable WordPress.WP.AlternativeFunctions, WordPress.PHP.NoSilencedErrors -- WP_Filesystem can't make a file exclusively, nor privately.
		if ( ! @is_writable( dirname( $path ) ) ) {
			return self::exists( $path );
		}
		$draft = $path . '.' . bin2hex( random_bytes( 8 ) );
		$mask  = umask( 0077 );
		$made  = @file_put_contents( $draft, self::HEAD . bin2hex( random_bytes( 32 ) ) . "\n" );
		umask( $mask );
		if ( false !== $made ) {
			@chmod( $draft, 0600 );
			@link( $draft, $path );
		}
		@unlink( $draft );
		// phpcs:enable
		return null !== self::read( $path );
	}

	/**
	 * Removes the file that was made, when the plugin goes. One whose place wp-config.php names is its administrator's; one above
	 * several WordPress folders is also the others'.
	 *
	 * @param list<string>|null $places Where it may be, instead of the site's places.
	 */
	public static function remove( ?array $places = null ): void {
		if ( null === $places && defined( 'CLOAKROOM_KEY_FILE' ) ) {
			return;
		}
		foreach ( $places ?? self::places() as $place ) {
			// phpcs:disable WordPress.WP.AlternativeFunctions, WordPress.PHP.NoSilencedErrors -- it may not be ours to remove.
			$is_ours = self::exists( $place ) && str_starts_with( (string) @file_get_contents( $place ), self::HEAD );
			if ( $is_ours && count( (array) @glob( dirname( $place ) . '/*/wp-load.php' ) ) <= 1 ) {
				@unlink( $place );
			}
			// phpcs:enable
		}
		self::look_again();
	}

	/**
	 * The key in a file; null where there is none that can be read.
	 *
	 * @param string $path Its path.
	 */
	public static function read( string $path ): ?string {
		// phpcs:ignore WordPress.PHP.NoSilencedErrors, WordPress.WP.AlternativeFunctions -- a local file that may not be readable.
		$text = @file_get_contents( $path );
		return is_string( $text ) && 1 === preg_match( '/^\/\/ ([0-9a-f]{64})$/m', $text, $found ) ? $found[1] : null;
	}

	/**
	 * Whether a file is there; open_basedir would make PHP complain of the question.
	 *
	 * @param string $path Its path.
	 */
	private static function exists( string $path ): bool {
		clearstatcache( true, $path );
		// phpcs:ignore WordPress.PHP.NoSilencedErrors
		return @is_file( $path );
	}

	/**
	 * The constants of wp-config.php that may be secrets.
	 *
	 * @return array<string, mixed>
	 */
	private static function constants(): array {
		$found = array();
		foreach ( self::$names as $pair ) {
			foreach ( array( $pair . '_KEY', $pair . '_SALT' ) as $name ) {
				if ( defined( $name ) ) {
					$found[ $name ] = constant( $name );
				}
			}
		}
		return $found;
	}
}
