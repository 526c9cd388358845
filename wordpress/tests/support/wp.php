<?php
/**
 * A small stand-in for WP-CLI, which the distribution does not have: finds the command class and its method by name, @subcommand
 * and trailing underscore, sorts arguments from options, refuses what the command's synopsis does not know, and calls it.
 *
 * php wp.php session delete --all
 *
 * @package Cloakroom
 */

// phpcs:disable

namespace {
	define( 'WP_CLI', true );

	final class WP_CLI {
		/** @var array<string, class-string|object> */
		public static array $commands = array();

		public static function add_command( string $name, $callable ): bool {
			self::$commands[ $name ] = $callable;
			return true;
		}

		public static function line( string $text = '' ): void {
			echo $text . "\n";
		}

		public static function log( string $text ): void {
			fwrite( STDOUT, $text . "\n" );
		}

		public static function success( string $text ): void {
			fwrite( STDOUT, "Success: $text\n" );
		}

		public static function warning( string $text ): void {
			fwrite( STDERR, "Warning: $text\n" );
		}

		public static function error( string $text ): never {
			fwrite( STDERR, "Error: $text\n" );
			exit( 1 );
		}

		public static function halt( int $status ): never {
			exit( $status );
		}

		public static function confirm( string $question, array $assoc_args = array() ): void {
			if ( empty( $assoc_args['yes'] ) ) {
				self::error( 'not confirmed' );
			}
		}
	}
}

namespace WP_CLI\Utils {
	function make_progress_bar( string $message, int $count ): object {
		return new class() {
			public function tick(): void {}
			public function finish(): void {}
		};
	}

	function get_flag_value( array $assoc_args, string $flag, $default = null ) {
		return $assoc_args[ $flag ] ?? $default;
	}

	function format_items( string $format, iterable $items, array $fields ): void {
		$rows = array();
		foreach ( $items as $item ) {
			$rows[] = array_merge( array_flip( $fields ), array_intersect_key( (array) $item, array_flip( $fields ) ) );
		}
		if ( 'count' === $format ) {
			echo count( $rows );
		} elseif ( 'json' === $format ) {
			echo json_encode( $rows ) . "\n";
		} else {
			echo implode( ',', $fields ) . "\n";
			foreach ( $rows as $row ) {
				echo implode( ',', $row ) . "\n";
			}
		}
	}
}

namespace {
	global $wp, $wp_query, $wp_rewrite, $wpdb, $wp_filter, $table_prefix, $wp_version;
	$_SERVER['HTTP_HOST']       = '127.0.0.1';
	$_SERVER['REQUEST_METHOD']  = 'GET';
	$_SERVER['SERVER_PROTOCOL'] = 'HTTP/1.1';
	require getenv( 'CLOAKROOM_TEST_ROOT' ) . '/wp-load.php';

	$words = $assoc = array();
	foreach ( array_slice( $argv, 1 ) as $argument ) {
		if ( preg_match( '/^--(no-)?([a-z_-]+)(?:=(.*))?$/s', $argument, $m ) ) {
			$assoc[ $m[2] ] = $m[3] ?? ( '' === $m[1] );
		} else {
			$words[] = $argument;
		}
	}
	for ( $n = count( $words ); $n > 0; --$n ) {
		$name = implode( ' ', array_slice( $words, 0, $n ) );
		if ( ! isset( WP_CLI::$commands[ $name ] ) ) {
			continue;
		}
		$class = new ReflectionClass( WP_CLI::$commands[ $name ] );
		foreach ( $class->getMethods( ReflectionMethod::IS_PUBLIC ) as $method ) {
			$doc    = (string) $method->getDocComment();
			$called = preg_match( '/@subcommand\s+(\S+)/', $doc, $m ) ? $m[1] : rtrim( $method->getName(), '_' );
			if ( $called !== ( $words[ $n ] ?? '' ) ) {
				continue;
			}
			foreach ( array_keys( $assoc ) as $option ) {
				if ( ! preg_match( '/^\s*\* \[?--' . preg_quote( $option, '/' ) . '\b/m', $doc ) ) {
					WP_CLI::error( "unknown --$option parameter" );
				}
			}
			$arguments = array_slice( $words, $n + 1 );
			if ( preg_match( '/^\s*\* <\w/m', $doc ) && ! $arguments ) {
				WP_CLI::error( 'usage' );
			}
			if ( $arguments && ! preg_match( '/^\s*\* \[?<\w/m', $doc ) ) {
				WP_CLI::error( 'Too many positional arguments' );
			}
			$method->invoke( is_object( WP_CLI::$commands[ $name ] ) ? WP_CLI::$commands[ $name ] : $class->newInstance(), $arguments, $assoc );
			exit( 0 );
		}
	}
	WP_CLI::error( 'is not a registered wp command: ' . implode( ' ', $words ) );
}
