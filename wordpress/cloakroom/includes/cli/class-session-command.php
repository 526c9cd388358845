<?php
/**
 * `wp session`, as WP Session Manager 1.2 to 2.0 had it.
 *
 * @package Cloakroom
 */

namespace Cloakroom\Cli;

use WP_CLI;
use WP_CLI\Utils;
use Cloakroom\Compat\Records;

/**
 * Counts, deletes and generates sessions.
 */
final class Session_Command {

	/**
	 * Counts sessions.
	 *
	 * ## EXAMPLES
	 *
	 *     wp session count
	 *
	 * @param list<string>         $args       None.
	 * @param array<string, mixed> $assoc_args None.
	 */
	public function count( array $args, array $assoc_args ): void {
		/* translators: %d: a number. */
		WP_CLI::line( sprintf( __( '%d sessions currently exist.', 'cloakroom' ), Records::count() ) );
	}

	/**
	 * Deletes sessions that are over, or all.
	 *
	 * ## OPTIONS
	 *
	 * [--limit=<n>]
	 * : Delete one batch of at most so many sessions that are over.
	 *
	 * [--batch=<n>]
	 * : Delete in batches of so many until no session is left that is over. The filter wp_session_delete_batch_size names the default.
	 *
	 * [--all]
	 * : Delete all sessions.
	 *
	 * ## EXAMPLES
	 *
	 *     wp session delete --batch=500
	 *
	 * @param list<string>         $args       None.
	 * @param array<string, mixed> $assoc_args Options.
	 */
	public function delete( array $args, array $assoc_args ): void {
		if ( ! empty( $assoc_args['all'] ) ) {
			/* translators: %d: a number. */
			WP_CLI::line( sprintf( __( 'Deleted %d sessions.', 'cloakroom' ), Records::end_all() ) );
			return;
		}
		if ( isset( $assoc_args['limit'] ) ) {
			$this->say( Records::sweep( (int) $assoc_args['limit'] ) );
			return;
		}
		$batch = max( 1, (int) ( $assoc_args['batch'] ?? apply_filters( 'wp_session_delete_batch_size', 1000 ) ) );
		do {
			$removed = Records::sweep( $batch );
			$this->say( $removed );
		} while ( $removed > 0 );
	}

	/**
	 * Generates sessions to try things out with.
	 *
	 * ## OPTIONS
	 *
	 * <count>
	 * : How many.
	 *
	 * [--expires=<date>]
	 * : When they end, such as "+2 hours"; it can't be in the past.
	 *
	 * ## EXAMPLES
	 *
	 *     wp session generate 5000 --expires="2030-01-01"
	 *
	 * @param list<string>         $args       How many.
	 * @param array<string, mixed> $assoc_args Options.
	 */
	public function generate( array $args, array $assoc_args ): void {
		$count = (int) ( $args[0] ?? 0 );
		$end   = strtotime( (string) ( $assoc_args['expires'] ?? '+30 minutes' ) );
		if ( $count < 1 ) {
			WP_CLI::error( __( 'Say how many sessions, at least 1.', 'cloakroom' ) );
		}
		if ( false === $end ) {
			WP_CLI::error( __( 'This date can not be understood.', 'cloakroom' ) );
		}
		$progress = Utils\make_progress_bar( __( 'Generating sessions', 'cloakroom' ), $count );
		$made     = 0;
		for ( $i = 0; $i < $count; ++$i ) {
			$made += Records::make( $end - time() ) ? 1 : 0;
			$progress->tick();
		}
		$progress->finish();
		if ( $made < $count ) {
			/* translators: 1: a number, 2: another one. */
			WP_CLI::error( sprintf( __( 'Only %1$d of %2$d sessions were stored: ask `wp cloakroom doctor`.', 'cloakroom' ), $made, $count ) );
		}
		/* translators: %d: a number. */
		WP_CLI::success( sprintf( __( 'Generated %d sessions.', 'cloakroom' ), $made ) );
	}

	/**
	 * A batch is done.
	 *
	 * @param int $removed How many were in it.
	 */
	private function say( int $removed ): void {
		/* translators: %d: a number. */
		WP_CLI::line( sprintf( __( 'Deleted %d expired sessions.', 'cloakroom' ), $removed ) );
	}
}
