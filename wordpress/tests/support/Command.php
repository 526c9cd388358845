<?php
/**
 * Runs `wp …`: through the stand-in of support/wp.php, or the program that CLOAKROOM_TEST_WP_CLI names.
 *
 * @package Cloakroom
 */

// phpcs:disable

namespace Cloakroom\Tests;

final class Command {

	public static int $status = 0;
	public static string $errors = '';

	public static function wp( string ...$arguments ): string {
		$real    = (string) getenv( 'CLOAKROOM_TEST_WP_CLI' );
		$command = '' !== $real
			? array( PHP_BINARY, $real, '--allow-root', '--path=' . getenv( 'CLOAKROOM_TEST_ROOT' ), ...$arguments )
			: array( PHP_BINARY, __DIR__ . '/wp.php', ...$arguments );
		$process = proc_open( $command, array( 1 => array( 'pipe', 'w' ), 2 => array( 'file', $file = tempnam( sys_get_temp_dir(), 'wp' ), 'w' ) ), $pipes );
		$output  = (string) stream_get_contents( $pipes[1] );
		self::$status = proc_close( $process );
		self::$errors = (string) file_get_contents( $file );
		unlink( $file );
		return $output;
	}
}
