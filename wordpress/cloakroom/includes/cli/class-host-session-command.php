<?php
/**
 * `wp pantheon session`, as Native PHP Sessions has it.
 *
 * @package Cloakroom
 */

namespace Cloakroom\Cli;

use Pantheon_Sessions;
use WP_CLI;
use WP_CLI\Utils;
use Cloakroom\Owner_Name;
use Cloakroom\Compat\Records;

/**
 * Lists and deletes sessions. A session is named by its key, as far as it is needed to tell it from others: ids are shown nowhere.
 */
final class Host_Session_Command {

	/** So many rows at a time. */
	private const PAGE = 500;

	/**
	 * Lists sessions, newest first.
	 *
	 * ## OPTIONS
	 *
	 * [--format=<format>]
	 * : How.
	 * ---
	 * default: table
	 * options:
	 *   - table
	 *   - csv
	 *   - json
	 *   - count
	 *   - ids
	 * ---
	 *
	 * @subcommand list
	 *
	 * @param list<string>         $args       None.
	 * @param array<string, mixed> $assoc_args Options.
	 */
	public function list_( array $args, array $assoc_args ): void {
		$format = (string) ( $assoc_args['format'] ?? 'table' );
		$rows   = $this->rows();
		if ( ! $rows ) {
			WP_CLI::warning( __( 'No sessions found.', 'cloakroom' ) );
		}
		if ( 'ids' === $format ) {
			WP_CLI::line( implode( ' ', array_column( $rows, 'session_id' ) ) );
			return;
		}
		Utils\format_items( $format, $rows, array( 'session_id', 'user_id', 'datetime', 'ip_address', 'data' ) );
	}

	/**
	 * Deletes sessions.
	 *
	 * ## OPTIONS
	 *
	 * [<session-id>...]
	 * : Keys, as the list shows them.
	 *
	 * [--all]
	 * : All sessions.
	 *
	 * @param list<string>         $args       Keys.
	 * @param array<string, mixed> $assoc_args Options.
	 */
	public function delete( array $args, array $assoc_args ): void {
		if ( ! empty( $assoc_args['all'] ) ) {
			$args = array_column( $this->rows(), 'session_id' );
			if ( ! $args ) {
				WP_CLI::warning( __( 'No sessions to delete.', 'cloakroom' ) );
			}
		} elseif ( ! $args ) {
			WP_CLI::error( __( 'Name sessions, or say --all.', 'cloakroom' ) );
		}
		foreach ( $args as $name ) {
			if ( Records::end( (string) $name ) ) {
				/* translators: %s: a session's key, shortened. */
				WP_CLI::log( sprintf( __( 'Session deleted: %s', 'cloakroom' ), $name ) );
			} else {
				/* translators: %s: what was typed. */
				WP_CLI::warning( sprintf( __( 'Session does not exist: %s', 'cloakroom' ), $name ) );
			}
		}
	}

	/**
	 * Nothing is to be done any more.
	 *
	 * ## OPTIONS
	 *
	 * [--start_point=<n>]
	 * : Ignored.
	 *
	 * @subcommand add-index
	 *
	 * @param list<string>         $args       None.
	 * @param array<string, mixed> $assoc_args Options.
	 */
	public function add_index( array $args, array $assoc_args ): void {
		Pantheon_Sessions::get_instance()->add_index( (int) ( $assoc_args['start_point'] ?? 0 ) );
	}

	/**
	 * Nothing is to be done any more.
	 *
	 * ## OPTIONS
	 *
	 * [--start_point=<n>]
	 * : Ignored.
	 *
	 * @subcommand primary-key-finalize
	 *
	 * @param list<string>         $args       None.
	 * @param array<string, mixed> $assoc_args Options.
	 */
	public function primary_key_finalize( array $args, array $assoc_args ): void {
		Pantheon_Sessions::get_instance()->primary_key_finalize( (int) ( $assoc_args['start_point'] ?? 0 ) );
	}

	/**
	 * Nothing is to be done any more.
	 *
	 * ## OPTIONS
	 *
	 * [--start_point=<n>]
	 * : Ignored.
	 *
	 * @subcommand primary-key-revert
	 *
	 * @param list<string>         $args       None.
	 * @param array<string, mixed> $assoc_args Options.
	 */
	public function primary_key_revert( array $args, array $assoc_args ): void {
		Pantheon_Sessions::get_instance()->primary_key_revert( (int) ( $assoc_args['start_point'] ?? 0 ) );
	}

	/**
	 * All sessions, newest first.
	 *
	 * @return list<array{session_id: string, user_id: int, datetime: string, ip_address: string, data: string}>
	 */
	private function rows(): array {
		$rows   = array();
		$cursor = null;
		do {
			$page = cloakroom_page( array(), $cursor, self::PAGE );
			foreach ( $page['rows'] ?? array() as $row ) {
				$rows[] = array(
					'session_id' => substr( $row['key'], 0, 12 ),
					'user_id'    => Owner_Name::user( $row['owner'] ),
					'datetime'   => gmdate( 'Y-m-d H:i:s', $row['touched'] ),
					'ip_address' => (string) ( $row['address'] ?? '' ),
					/* translators: %d: a number. */
					'data'       => sprintf( __( '(sealed, %d bytes)', 'cloakroom' ), $row['size'] ),
				);
			}
			$cursor = $page['next'] ?? null;
		} while ( null !== $cursor );
		usort( $rows, static fn ( array $a, array $b ): int => strcmp( $b['datetime'], $a['datetime'] ) );
		return $rows;
	}
}
