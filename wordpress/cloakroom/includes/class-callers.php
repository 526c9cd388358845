<?php
/**
 * Who calls the names of older session plugins.
 *
 * @package Cloakroom
 */

namespace Cloakroom;

/**
 * Remembers which plugin, theme or file called which of those names, for Site Health. Only a caller that was not known yet is
 * written, so that a page of a settled site writes nothing.
 */
final class Callers implements Module {

	/** The option: "API\0who" => array{api, who, file, line, since}. */
	public const OPTION = 'cloakroom_callers';

	/** So many are kept; more would tell nothing new. */
	private const MOST = 50;

	/** So many calls a request are looked at. */
	private const LOOKS = 40;

	/**
	 * Callers of this request that were not known.
	 *
	 * @var array<string, array{api: string, who: string, file: string, line: int, since: int}>
	 */
	private static array $fresh = array();

	/**
	 * Calls of this request.
	 *
	 * @var int
	 */
	private static int $looks = 0;

	/**
	 * Adds the action.
	 */
	public function register(): void {
		add_action( 'shutdown', array( self::class, 'save' ), 100 );
	}

	/**
	 * Notes that the code that called us uses an interface.
	 *
	 * @param string $api Its name, such as `WP_Session` or `Sessionz`.
	 * @return bool Whether somebody outside WordPress and this plugin was found to be the caller.
	 */
	public static function note( string $api ): bool {
		if ( ++self::$looks > self::LOOKS ) {
			return true;
		}
		$frame = self::outside();
		if ( null === $frame ) {
			return false;
		}
		self::add( $api, $frame['file'], $frame['line'] );
		return true;
	}

	/**
	 * Notes that a class of somebody else answers where ours would.
	 *
	 * @param string $api   The interface.
	 * @param string $class The class.
	 */
	public static function note_class( string $api, string $class ): void {
		if ( class_exists( $class ) ) {
			$reflected = new \ReflectionClass( $class );
			self::add( $api, wp_normalize_path( (string) $reflected->getFileName() ), (int) $reflected->getStartLine() );
		}
	}

	/**
	 * Adds a caller that is not known yet.
	 *
	 * @param string $api  The interface.
	 * @param string $file The caller's file, normalized.
	 * @param int    $line The line there.
	 */
	private static function add( string $api, string $file, int $line ): void {
		$entry = array(
			'api'   => $api,
			'who'   => self::who( $file ),
			'file'  => str_replace( wp_normalize_path( ABSPATH ), '', $file ),
			'line'  => $line,
			'since' => time(),
		);
		$key   = $api . ' ' . $entry['who'];
		if ( ! isset( self::all()[ $key ] ) ) {
			self::$fresh[ $key ] = $entry;
		}
	}

	/**
	 * All that are known.
	 *
	 * @return array<string, array{api: string, who: string, file: string, line: int, since: int}>
	 */
	public static function all(): array {
		$stored = get_option( self::OPTION, array() );
		return self::$fresh + ( is_array( $stored ) ? $stored : array() );
	}

	/**
	 * Whether anybody uses an interface.
	 *
	 * @param string $api Its name.
	 */
	public static function any( string $api ): bool {
		foreach ( self::all() as $entry ) {
			if ( ( $entry['api'] ?? '' ) === $api ) {
				return true;
			}
		}
		return false;
	}

	/**
	 * Writes what is new.
	 */
	public static function save(): void {
		if ( self::$fresh ) {
			update_option( self::OPTION, array_slice( self::all(), 0, self::MOST, true ), true );
			self::$fresh = array();
		}
	}

	/**
	 * The innermost frame that is neither WordPress nor ours.
	 *
	 * @return array{file: string, line: int}|null
	 */
	private static function outside(): ?array {
		$ours = array( __DIR__, wp_normalize_path( ABSPATH . WPINC ), wp_normalize_path( ABSPATH . 'wp-admin' ) );
		// phpcs:ignore WordPress.PHP.DevelopmentFunctions -- file and line of the caller are what is wanted.
		foreach ( debug_backtrace( DEBUG_BACKTRACE_IGNORE_ARGS, 20 ) as $frame ) {
			$file = wp_normalize_path( $frame['file'] ?? '' );
			if ( '' === $file ) {
				continue;
			}
			if ( self::is_entrance( $file ) ) {
				// What lies further out is whoever loads WordPress.
				return null;
			}
			foreach ( $ours as $folder ) {
				if ( str_starts_with( $file, wp_normalize_path( $folder ) . '/' ) ) {
					continue 2;
				}
			}
			return array(
				'file' => $file,
				'line' => (int) ( $frame['line'] ?? 0 ),
			);
		}
		return null;
	}

	/**
	 * Whose file it is: `plugin/NAME`, `theme/NAME`, or the file itself.
	 *
	 * @param string $file Its path.
	 */
	private static function who( string $file ): string {
		$must_use = wp_normalize_path( WPMU_PLUGIN_DIR ) . '/';
		if ( str_starts_with( $file, $must_use ) ) {
			return 'mu-plugin/' . explode( '/', substr( $file, strlen( $must_use ) ) )[0];
		}
		// Knows where linked plugins really are.
		$plugin = plugin_basename( $file );
		if ( ltrim( $file, '/' ) !== $plugin ) {
			return 'plugin/' . explode( '/', $plugin )[0];
		}
		$themes = wp_normalize_path( get_theme_root() ) . '/';
		if ( str_starts_with( $file, $themes ) ) {
			return 'theme/' . explode( '/', substr( $file, strlen( $themes ) ) )[0];
		}
		return basename( dirname( $file ) ) . '/' . basename( $file );
	}

	/**
	 * Whether a file is one of those through which requests come in.
	 *
	 * @param string $file Its path, normalized.
	 */
	private static function is_entrance( string $file ): bool {
		return dirname( $file ) . '/' === wp_normalize_path( ABSPATH )
			|| in_array( basename( $file ), array( 'wp-config.php', 'wp-settings.php', 'wp-load.php', 'wp-blog-header.php' ), true )
			|| ( 'index.php' === basename( $file ) && ! str_starts_with( $file, wp_normalize_path( WP_CONTENT_DIR ) . '/' ) );
	}
}
