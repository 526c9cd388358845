<?php
/**
 * `wp cloakroom`.
 *
 * @package Cloakroom
 */

namespace Cloakroom\Cli;

use WP_CLI;
use WP_CLI\Utils;
use Cloakroom\Owner_Name;
use Cloakroom\Environment\Diagnosis;
use Cloakroom\Environment\Runtime;
use Cloakroom\Health\Blame;

/**
 * Shows and ends sessions, and tells how their store is.
 *
 * It asks the store that PHP's settings on the command line name. Sessions are named by their keys; ids are shown nowhere, and
 * what is in a session nobody can read.
 */
final class Cloakroom_Command {

	/** Columns of the list. */
	private const COLUMNS = array( 'key', 'user', 'owner', 'size', 'created', 'touched', 'expires' );

	/** So many rows at a time. */
	private const PAGE = 500;

	/** So many records a batch are swept. */
	private const BATCH = 200;

	/**
	 * Says who keeps sessions, where, and how many there are.
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
	 * ---
	 *
	 * ## EXAMPLES
	 *
	 *     wp cloakroom status
	 *
	 * @param list<string>         $args       None.
	 * @param array<string, mixed> $assoc_args Options.
	 */
	public function status( array $args, array $assoc_args ): void {
		self::need_extension();
		$settings = cloakroom_settings();
		if ( ! $settings ) {
			WP_CLI::error( cloakroom_error() );
		}
		$count = self::counted();
		$this->facts(
			array(
				'handler'     => Runtime::here()->for_all,
				'extension'   => (string) phpversion( 'cloakroom' ),
				'engine'      => $settings['engine'],
				'store'       => $settings['store'],
				'concurrency' => $settings['concurrency'],
				'sessions'    => $count['live'],
				'owned'       => $count['owned'],
				'bytes'       => $count['bytes'],
			),
			$assoc_args
		);
	}

	/**
	 * Counts sessions.
	 *
	 * ## OPTIONS
	 *
	 * [--format=<format>]
	 * : The number alone, or all numbers.
	 * ---
	 * default: count
	 * options:
	 *   - count
	 *   - table
	 *   - csv
	 *   - json
	 * ---
	 *
	 * ## EXAMPLES
	 *
	 *     wp cloakroom count
	 *     wp cloakroom count --format=json
	 *
	 * @param list<string>         $args       None.
	 * @param array<string, mixed> $assoc_args Options.
	 */
	public function count( array $args, array $assoc_args ): void {
		self::need_extension();
		$count = self::counted();
		if ( 'count' === ( $assoc_args['format'] ?? 'count' ) ) {
			WP_CLI::line( (string) $count['live'] );
			return;
		}
		$this->facts( $count, $assoc_args );
	}

	/**
	 * Lists sessions, in the store's own order.
	 *
	 * ## OPTIONS
	 *
	 * [--user=<user>]
	 * : Those of a user: an ID, a log-in name or an e-mail address.
	 *
	 * [--owner=<owner>]
	 * : Those of an owner, as the list shows it.
	 *
	 * [--older-than=<age>]
	 * : Not used for so long, such as 90m, 36h or 30d.
	 *
	 * [--larger-than=<size>]
	 * : Larger than so much, such as 64K.
	 *
	 * [--smaller-than=<size>]
	 * : Smaller than so much.
	 *
	 * [--search=<key>]
	 * : Those whose key begins so.
	 *
	 * [--limit=<n>]
	 * : At most so many; 0 for all.
	 * ---
	 * default: 50
	 * ---
	 *
	 * [--fields=<fields>]
	 * : Columns, separated by commas, of: key, user, owner, size, created, touched, expires, device, address, named.
	 *
	 * [--format=<format>]
	 * : How.
	 * ---
	 * default: table
	 * options:
	 *   - table
	 *   - csv
	 *   - json
	 *   - ids
	 *   - count
	 * ---
	 *
	 * ## EXAMPLES
	 *
	 *     wp cloakroom list --user=anna
	 *     wp cloakroom end $(wp cloakroom list --larger-than=1M --limit=0 --format=ids)
	 *
	 * @subcommand list
	 *
	 * @param list<string>         $args       None.
	 * @param array<string, mixed> $assoc_args Options.
	 */
	public function list_( array $args, array $assoc_args ): void {
		self::need_extension();
		$format = (string) ( $assoc_args['format'] ?? 'table' );
		$limit  = (int) ( $assoc_args['limit'] ?? 50 );
		if ( 'count' === $format && ! isset( $assoc_args['limit'] ) ) {
			$limit = 0;
		}
		$rows = self::rows( self::filter( $assoc_args ), $limit );
		if ( 'ids' === $format ) {
			WP_CLI::line( implode( ' ', array_column( $rows, 'key' ) ) );
			return;
		}
		if ( 'count' === $format ) {
			WP_CLI::line( (string) count( $rows ) );
			return;
		}
		$fields = isset( $assoc_args['fields'] ) ? array_map( 'trim', explode( ',', (string) $assoc_args['fields'] ) ) : self::COLUMNS;
		Utils\format_items( $format, $rows, $fields );
	}

	/**
	 * Shows one session; never what is in it.
	 *
	 * ## OPTIONS
	 *
	 * <key>
	 * : Its key, or the first 8 digits or more.
	 *
	 * [--format=<format>]
	 * : How.
	 * ---
	 * default: table
	 * options:
	 *   - table
	 *   - csv
	 *   - json
	 * ---
	 *
	 * ## EXAMPLES
	 *
	 *     wp cloakroom show d8918238b8d5
	 *
	 * @param list<string>         $args       The key.
	 * @param array<string, mixed> $assoc_args Options.
	 */
	public function show( array $args, array $assoc_args ): void {
		self::need_extension();
		$row = cloakroom_show( (string) $args[0] );
		if ( null === $row ) {
			WP_CLI::error( self::why( __( 'There is no session of that key.', 'cloakroom' ) ) );
		}
		$this->facts( self::shown( $row ), $assoc_args );
	}

	/**
	 * Ends sessions. A session that was ended stays ended, also when one of its pages is just being made.
	 *
	 * ## OPTIONS
	 *
	 * [<key>...]
	 * : Keys, or their first 8 digits or more.
	 *
	 * [--user=<user>]
	 * : All of a user: an ID, a log-in name or an e-mail address.
	 *
	 * [--owner=<owner>]
	 * : All of an owner, as the list shows it.
	 *
	 * [--older-than=<age>]
	 * : All that were not used for so long, such as 30d.
	 *
	 * [--all]
	 * : All of this site.
	 *
	 * [--yes]
	 * : Do not ask.
	 *
	 * ## EXAMPLES
	 *
	 *     wp cloakroom end d8918238b8d5
	 *     wp cloakroom end --user=anna
	 *     wp cloakroom end --older-than=30d --yes
	 *
	 * @param list<string>         $args       Keys.
	 * @param array<string, mixed> $assoc_args Options.
	 */
	public function end( array $args, array $assoc_args ): void {
		self::need_extension();
		$ways = array_filter( array( (bool) $args, isset( $assoc_args['user'] ), isset( $assoc_args['owner'] ), isset( $assoc_args['older-than'] ), ! empty( $assoc_args['all'] ) ) );
		if ( 1 !== count( $ways ) ) {
			WP_CLI::error( __( 'Say one of: keys, --user, --owner, --older-than, --all.', 'cloakroom' ) );
		}
		if ( $args ) {
			$this->end_keys( $args );
			return;
		}
		$owner = self::owner( $assoc_args );
		if ( null !== $owner ) {
			/* translators: %s: an owner's name. */
			WP_CLI::confirm( sprintf( __( 'End all sessions of %s, on every device?', 'cloakroom' ), $owner ), $assoc_args );
			$done = cloakroom_end_owner( $owner );
			if ( '' !== cloakroom_error() ) {
				WP_CLI::error( cloakroom_error() );
			}
			if ( ! $done['complete'] ) {
				WP_CLI::warning( __( 'This store may drop records early: it is not certain that none is left.', 'cloakroom' ) );
			}
			self::say_ended( $done['ended'] );
			return;
		}
		$age = isset( $assoc_args['older-than'] ) ? self::age( (string) $assoc_args['older-than'] ) : null;
		WP_CLI::confirm( null === $age ? __( 'End all sessions of this site? All visitors start anew.', 'cloakroom' ) : __( 'End all sessions that were not used for so long?', 'cloakroom' ), $assoc_args );
		$this->end_all( $age );
	}

	/**
	 * Removes records of sessions that are over. PHP does so by itself, after some of its responses.
	 *
	 * ## OPTIONS
	 *
	 * [--limit=<n>]
	 * : At most so many; without it, all.
	 *
	 * ## EXAMPLES
	 *
	 *     wp cloakroom sweep
	 *
	 * @param list<string>         $args       None.
	 * @param array<string, mixed> $assoc_args Options.
	 */
	public function sweep( array $args, array $assoc_args ): void {
		self::need_extension();
		$limit = isset( $assoc_args['limit'] ) ? (int) $assoc_args['limit'] : PHP_INT_MAX;
		if ( $limit < 1 ) {
			WP_CLI::error( __( 'Say how many, at least 1.', 'cloakroom' ) );
		}
		// How many are over nobody knows before they are looked for.
		$progress = Utils\make_progress_bar( __( 'Sweeping', 'cloakroom' ), PHP_INT_MAX === $limit ? 0 : $limit );
		$removed  = 0;
		do {
			$step     = cloakroom_sweep( (int) min( self::BATCH, $limit - $removed ) );
			$removed += (int) ( $step['removed'] ?? 0 );
			$progress->tick( (int) ( $step['removed'] ?? 0 ) );
			$failure = cloakroom_error();
		} while ( '' === $failure && ! empty( $step['more'] ) && $removed < $limit );
		$progress->finish();
		if ( '' !== $failure ) {
			WP_CLI::error( $failure );
		}
		/* translators: %d: a number. */
		WP_CLI::success( sprintf( _n( 'Removed %d record.', 'Removed %d records.', $removed, 'cloakroom' ), $removed ) );
	}

	/**
	 * Tells who starts sessions, and what becomes of them. Counts are estimates: PHP looks at one request in so many.
	 *
	 * ## OPTIONS
	 *
	 * [--since=<age>]
	 * : How far back, in whole hours, such as 36h or 7d.
	 * ---
	 * default: 7d
	 * ---
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
	 * ---
	 *
	 * ## EXAMPLES
	 *
	 *     wp cloakroom blame --since=24h
	 *
	 * @param list<string>         $args       None.
	 * @param array<string, mixed> $assoc_args Options.
	 */
	public function blame( array $args, array $assoc_args ): void {
		self::need_extension();
		$hours  = (int) ceil( self::age( (string) ( $assoc_args['since'] ?? '7d' ) ) / HOUR_IN_SECONDS );
		$starts = Blame::starts( max( 1, $hours ) );
		if ( '' !== cloakroom_error() ) {
			WP_CLI::error( cloakroom_error() );
		}
		$format = (string) ( $assoc_args['format'] ?? 'table' );
		if ( 'count' === $format ) {
			WP_CLI::line( (string) count( $starts ) );
			return;
		}
		$starts = array_map( static fn ( array $start ): array => array( 'advice' => str_replace( '`', '', $start['advice'] ) ) + $start, $starts );
		Utils\format_items( $format, $starts, array( 'who', 'where', 'starts', 'changed', 'read', 'empty', 'pages', 'advice' ) );
	}

	/**
	 * Tells what is wrong or could be better, as seen by PHP on the command line. Ends with 1 if something is wrong.
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
	 * ---
	 *
	 * ## EXAMPLES
	 *
	 *     wp cloakroom doctor
	 *
	 * @param list<string>         $args       None.
	 * @param array<string, mixed> $assoc_args Options.
	 */
	public function doctor( array $args, array $assoc_args ): void {
		$rows      = array();
		$diagnosis = new Diagnosis( Runtime::here() );
		foreach ( $diagnosis->steps() as $step ) {
			$rows[] = array(
				'check'  => 'php.ini',
				'state'  => 'bad',
				/* translators: %s: a server, such as "PHP 8.2 (command line)". */
				'text'   => sprintf( __( '%s does not hand sessions to Cloakroom.', 'cloakroom' ), $diagnosis->server() ),
				'advice' => str_replace( '`', '', $step ),
			);
		}
		foreach ( Runtime::here()->loaded ? cloakroom_doctor() : array() as $finding ) {
			$rows[] = array(
				'check'  => $finding['check'],
				'state'  => $finding['ok'] ? 'good' : 'bad',
				'text'   => $finding['text'],
				'advice' => $finding['advice'],
			);
		}
		$bad = count( array_keys( array_column( $rows, 'state' ), 'bad', true ) );
		if ( 'count' === ( $assoc_args['format'] ?? 'table' ) ) {
			WP_CLI::line( (string) $bad );
		} else {
			Utils\format_items( (string) ( $assoc_args['format'] ?? 'table' ), $rows, array( 'check', 'state', 'text', 'advice' ) );
		}
		if ( $bad > 0 ) {
			WP_CLI::halt( 1 );
		}
	}

	/**
	 * Ends sessions one by one.
	 *
	 * @param list<string> $keys Their keys.
	 */
	private function end_keys( array $keys ): void {
		$progress = Utils\make_progress_bar( __( 'Ending sessions', 'cloakroom' ), count( $keys ) );
		$ended    = 0;
		$unknown  = array();
		foreach ( $keys as $key ) {
			if ( cloakroom_end( (string) $key ) ) {
				++$ended;
			} else {
				$unknown[] = $key . ( '' === cloakroom_error() ? '' : ': ' . cloakroom_error() );
			}
			$progress->tick();
		}
		$progress->finish();
		foreach ( $unknown as $key ) {
			/* translators: %s: what was typed. */
			WP_CLI::warning( sprintf( __( 'No session was ended: %s', 'cloakroom' ), $key ) );
		}
		if ( 0 === $ended ) {
			WP_CLI::error( __( 'No session was ended.', 'cloakroom' ) );
		}
		self::say_ended( $ended );
	}

	/**
	 * Ends all sessions, or those long unused.
	 *
	 * @param int|null $age Not used for so many seconds.
	 */
	private function end_all( ?int $age ): void {
		$progress = Utils\make_progress_bar( __( 'Ending sessions', 'cloakroom' ), (int) self::counted()['live'] );
		$ended    = 0;
		$next     = null;
		do {
			$step   = cloakroom_end_all( $age, $next );
			$ended += $step['ended'];
			$next   = $step['next'];
			$progress->tick( $step['ended'] );
			$failure = cloakroom_error();
		} while ( '' === $failure && $step['more'] );
		$progress->finish();
		if ( '' !== $failure ) {
			WP_CLI::error( $failure );
		}
		self::say_ended( $ended );
	}

	/**
	 * So many were ended.
	 *
	 * @param int $ended How many.
	 */
	private static function say_ended( int $ended ): void {
		/* translators: %d: a number. */
		WP_CLI::success( sprintf( _n( 'Ended %d session.', 'Ended %d sessions.', $ended, 'cloakroom' ), $ended ) );
	}

	/**
	 * Names and values as a table of two columns; as one object in JSON.
	 *
	 * @param array<string, mixed> $facts      Names and values.
	 * @param array<string, mixed> $assoc_args Options.
	 */
	private function facts( array $facts, array $assoc_args ): void {
		$format = (string) ( $assoc_args['format'] ?? 'table' );
		if ( 'json' === $format ) {
			WP_CLI::line( (string) wp_json_encode( $facts ) );
			return;
		}
		$rows = array();
		foreach ( $facts as $name => $value ) {
			$rows[] = array(
				'field' => $name,
				'value' => is_bool( $value ) ? ( $value ? 'yes' : 'no' ) : (string) $value,
			);
		}
		Utils\format_items( $format, $rows, array( 'field', 'value' ) );
	}

	/**
	 * Rows of the list.
	 *
	 * @param array<string, mixed> $filter For cloakroom_page().
	 * @param int                  $limit  At most so many; 0 for all.
	 * @return list<array<string, mixed>>
	 */
	private static function rows( array $filter, int $limit ): array {
		$rows   = array();
		$cursor = null;
		do {
			$page = cloakroom_page( $filter, $cursor, $limit > 0 ? min( self::PAGE, $limit - count( $rows ) ) : self::PAGE );
			if ( '' !== cloakroom_error() ) {
				WP_CLI::error( cloakroom_error() );
			}
			foreach ( $page['rows'] ?? array() as $row ) {
				$rows[] = self::shown( $row );
			}
			$cursor = $page['next'] ?? null;
		} while ( null !== $cursor && ( $limit <= 0 || count( $rows ) < $limit ) );
		return $rows;
	}

	/**
	 * A record as people read it.
	 *
	 * @param array<string, mixed> $row Of the extension.
	 * @return array<string, mixed>
	 */
	private static function shown( array $row ): array {
		$user = get_userdata( Owner_Name::user( $row['owner'] ?? null ) );
		$row['user'] = $user ? $user->user_login : '';
		foreach ( array( 'created', 'touched', 'expires' ) as $time ) {
			if ( isset( $row[ $time ] ) ) {
				$row[ $time ] = gmdate( 'Y-m-d H:i:s', (int) $row[ $time ] );
			}
		}
		foreach ( array( 'owner', 'device', 'address', 'named' ) as $maybe ) {
			$row[ $maybe ] = $row[ $maybe ] ?? '';
		}
		return $row;
	}

	/**
	 * What is looked for.
	 *
	 * @param array<string, mixed> $assoc_args Options.
	 * @return array<string, mixed>
	 */
	private static function filter( array $assoc_args ): array {
		$filter = array();
		$owner  = self::owner( $assoc_args );
		if ( null !== $owner ) {
			$filter['owner'] = $owner;
		}
		if ( isset( $assoc_args['older-than'] ) ) {
			$filter['older_than'] = self::age( (string) $assoc_args['older-than'] );
		}
		foreach ( array( 'larger-than', 'smaller-than' ) as $size ) {
			if ( isset( $assoc_args[ $size ] ) ) {
				$bytes = Units::bytes( (string) $assoc_args[ $size ] );
				if ( null === $bytes ) {
					WP_CLI::error( __( 'A size is a number with or without K, M or G, such as 64K.', 'cloakroom' ) );
				}
				$filter[ str_replace( '-', '_', $size ) ] = $bytes;
			}
		}
		if ( isset( $assoc_args['search'] ) ) {
			$filter['search'] = strtolower( (string) $assoc_args['search'] );
			if ( 1 !== preg_match( '/^[0-9a-f]{1,64}$/D', $filter['search'] ) ) {
				WP_CLI::error( __( 'A key has the digits 0 to 9 and a to f.', 'cloakroom' ) );
			}
		}
		return $filter;
	}

	/**
	 * The owner that is named, or null.
	 *
	 * @param array<string, mixed> $assoc_args Options.
	 */
	private static function owner( array $assoc_args ): ?string {
		if ( ! isset( $assoc_args['user'] ) ) {
			return isset( $assoc_args['owner'] ) ? (string) $assoc_args['owner'] : null;
		}
		$name = (string) $assoc_args['user'];
		$user = ctype_digit( $name ) ? get_userdata( (int) $name ) : ( get_user_by( 'login', $name ) ?: get_user_by( 'email', $name ) ); // phpcs:ignore Universal.Operators.DisallowShortTernary
		if ( ! $user && ! ctype_digit( $name ) ) {
			/* translators: %s: what was typed. */
			WP_CLI::error( sprintf( __( 'There is no user %s.', 'cloakroom' ), $name ) );
		}
		// Of a user who was deleted sessions may still be there.
		return Owner_Name::of( $user ? $user->ID : (int) $name );
	}

	/**
	 * An age in seconds.
	 *
	 * @param string $text What was typed.
	 */
	private static function age( string $text ): int {
		$seconds = Units::seconds( $text );
		if ( null === $seconds ) {
			WP_CLI::error( __( 'An age is a number of seconds, or one with m, h, d or w, such as 36h.', 'cloakroom' ) );
		}
		return $seconds;
	}

	/**
	 * How many there are.
	 *
	 * @return array<string, mixed>
	 */
	private static function counted(): array {
		$count = cloakroom_count();
		if ( ! $count ) {
			WP_CLI::error( self::why( __( 'The store does not answer.', 'cloakroom' ) ) );
		}
		return $count;
	}

	/**
	 * Why the last call failed.
	 *
	 * @param string $otherwise Said where the extension names no reason.
	 */
	private static function why( string $otherwise ): string {
		$why = cloakroom_error();
		return '' === $why ? $otherwise : $why;
	}

	/**
	 * Ends the command where the extension is not there.
	 */
	private static function need_extension(): void {
		if ( ! Runtime::here()->loaded ) {
			WP_CLI::error( __( 'PHP\'s command line has not loaded Cloakroom\'s extension: `wp cloakroom doctor` says what to do.', 'cloakroom' ) );
		}
	}
}
