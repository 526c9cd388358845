<?php
/**
 * The PHP that answers this request, and what its settings lack.
 *
 * @package Cloakroom
 */

namespace Cloakroom\Environment;

/**
 * Facts about the server that answers. A host has several php.ini files, one for each kind of server; only this one counts here.
 *
 * What is not known from outside (which files there are, what they say) comes through the constructor, so that every case can be
 * looked at without a server that has it.
 */
final class Runtime {

	/** The line that loads the extension. */
	public const EXTENSION_LINE = 'extension=cloakroom';

	/** The line that hands sessions to it. */
	public const HANDLER_LINE = 'session.save_handler=cloakroom';

	/**
	 * This request's.
	 *
	 * @var self|null
	 */
	private static ?self $here = null;

	/**
	 * Facts.
	 *
	 * @param string       $sapi       The server's kind, such as `fpm-fcgi`.
	 * @param string       $ini        The php.ini that was read, or ''.
	 * @param string       $folder     The folder whose *.ini files are read as well, or ''.
	 * @param list<string> $scanned    The files that were read from it.
	 * @param string       $pool       The pool of php-fpm, or ''.
	 * @param bool         $loaded     Whether the extension is loaded.
	 * @param string       $library    Where the extension would be loaded from, if its file is there; else ''.
	 * @param string       $configured What php.ini says of `session.save_handler`.
	 * @param string       $for_all    The value that requests of this server begin with.
	 * @param string       $now        The value now.
	 * @param string       $php        PHP's version, such as `8.2`.
	 */
	public function __construct(
		public readonly string $sapi,
		public readonly string $ini,
		public readonly string $folder,
		public readonly array $scanned,
		public readonly string $pool,
		public readonly bool $loaded,
		public readonly string $library,
		public readonly string $configured,
		public readonly string $for_all,
		public readonly string $now,
		public readonly string $php,
	) {}

	/**
	 * Those of this request, read when the plugin was included: before other plugins change the handler.
	 */
	public static function here(): self {
		return self::$here ??= self::look();
	}

	/**
	 * Looks at this server.
	 */
	private static function look(): self {
		$scanned = array_values( array_filter( array_map( 'trim', explode( ',', (string) php_ini_scanned_files() ) ) ) );
		$folder  = $scanned ? dirname( $scanned[0] ) : explode( PATH_SEPARATOR, (string) ( getenv( 'PHP_INI_SCAN_DIR' ) ?: PHP_CONFIG_FILE_SCAN_DIR ) )[0]; // phpcs:ignore Universal.Operators.DisallowShortTernary
		$library = rtrim( (string) ini_get( 'extension_dir' ), '/' ) . '/cloakroom.' . PHP_SHLIB_SUFFIX;
		$all     = extension_loaded( 'session' ) ? (array) ini_get_all( 'session' ) : array();
		$pool    = function_exists( 'fpm_get_status' ) ? fpm_get_status() : array();
		return new self(
			sapi: PHP_SAPI,
			ini: (string) php_ini_loaded_file(),
			folder: $folder,
			scanned: $scanned,
			pool: is_array( $pool ) ? (string) ( $pool['pool'] ?? '' ) : '',
			loaded: extension_loaded( 'cloakroom' ),
			library: self::exists( $library ) ? $library : '',
			configured: (string) get_cfg_var( 'session.save_handler' ),
			for_all: (string) ( $all['session.save_handler']['global_value'] ?? '' ),
			now: (string) ( $all['session.save_handler']['local_value'] ?? '' ),
			php: PHP_MAJOR_VERSION . '.' . PHP_MINOR_VERSION,
		);
	}

	/**
	 * Whether the extension keeps this server's sessions. Code that has put a handler of its own in front is another matter
	 * (`user`): the extension is there and its functions answer.
	 */
	public function works(): bool {
		return $this->loaded && 'cloakroom' === $this->for_all;
	}

	/**
	 * Where the missing line belongs: a file of its own where the server reads a folder, else php.ini.
	 */
	public function place(): string {
		if ( '' !== $this->folder ) {
			return rtrim( $this->folder, '/' ) . '/30-cloakroom.ini';
		}
		return '' !== $this->ini ? $this->ini : PHP_CONFIG_FILE_PATH . '/php.ini';
	}

	/**
	 * The file of this server that already holds a line, or ''. Files that may not be read are passed over.
	 *
	 * @param string $line Such as {@see Runtime::EXTENSION_LINE}.
	 */
	public function file_with( string $line ): string {
		list( $name, $value ) = explode( '=', $line, 2 );
		$pattern              = '/^\s*' . preg_quote( $name, '/' ) . '\s*=\s*["\']?(?:\S*\/)?' . preg_quote( $value, '/' ) . '(?:\.so)?["\']?\s*(?:;.*)?$/m';
		// A file that was written after the server had started is in the folder, but not among those that were read.
		$files = array_merge( array( $this->ini, $this->place() ), $this->scanned );
		foreach ( array_unique( array_filter( $files ) ) as $file ) {
			if ( ! self::exists( $file ) ) {
				continue;
			}
			// phpcs:ignore WordPress.PHP.NoSilencedErrors,WordPress.WP.AlternativeFunctions -- a local file that may not be readable.
			$text = @file_get_contents( $file );
			if ( is_string( $text ) && 1 === preg_match( $pattern, $text ) ) {
				return $file;
			}
		}
		return '';
	}

	/**
	 * Whether a file is there and may be read; open_basedir would make PHP complain of the question.
	 *
	 * @param string $file Its path.
	 */
	private static function exists( string $file ): bool {
		// phpcs:ignore WordPress.PHP.NoSilencedErrors
		return @is_readable( $file );
	}
}
