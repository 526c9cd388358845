<?php
/**
 * Who starts sessions.
 *
 * @package Cloakroom
 */

namespace Cloakroom\Health;

/**
 * The extension's report `blame`, summed up: one row for each place in the code that starts sessions, or writes a variable. PHP
 * counts under labels of three parts, `EVENT | WHO | WHERE`.
 *
 * @phpstan-type Start array{who: string, where: string, starts: int, changed: int, read: int, empty: int, pages: string, advice: string}
 */
final class Blame {

	/** How far back the site's health looks: a week. */
	public const HOURS = 168;

	/** Of how few sessions nothing is concluded. */
	private const FEW = 5;

	/** Most addresses shown of one row. */
	private const PAGES = 4;

	/**
	 * Places that start sessions, the most frequent first. Counts are estimates: PHP looks at one request in so many.
	 *
	 * @param int $hours How far back.
	 * @return list<Start>
	 */
	public static function starts( int $hours = self::HOURS ): array {
		return self::sum( cloakroom_report( 'blame', $hours ) );
	}

	/**
	 * Sums up rows of the report.
	 *
	 * @param list<array{label: string, hour: int, count: int, sum: int, sample: string}> $report Rows.
	 * @return list<Start>
	 */
	public static function sum( array $report ): array {
		$starts = array();
		foreach ( $report as $row ) {
			$parts = explode( ' | ', $row['label'], 3 );
			if ( 3 !== count( $parts ) || str_starts_with( $parts[0], 'write ' ) ) {
				continue;
			}
			list( $event, $who, $where ) = $parts;
			$start                       = $starts[ "$who\0$where" ] ?? array(
				'who'     => $who,
				'where'   => $where,
				'starts'  => 0,
				'changed' => 0,
				'read'    => 0,
				'empty'   => 0,
				'pages'   => array(),
			);
			$start['starts']            += $row['count'];
			$start[ array( 'empty' => 'empty', 'kept' => 'read' )[ $event ] ?? 'changed' ] += $row['count'];
			// The pages that start sessions for nothing tell most, so they come first.
			$pages          = array_filter( explode( ' ', $row['sample'] ) );
			$start['pages'] = 'empty' === $event ? array_merge( $pages, $start['pages'] ) : array_merge( $start['pages'], $pages );

			$starts[ "$who\0$where" ] = $start;
		}
		$list = array();
		foreach ( $starts as $start ) {
			$start['pages']  = implode( ' ', array_slice( array_unique( $start['pages'] ), 0, self::PAGES ) );
			$start['advice'] = self::advice( $start );
			$list[]          = $start;
		}
		usort( $list, static fn ( array $a, array $b ): int => $b['starts'] <=> $a['starts'] );
		return $list;
	}

	/**
	 * What is to be done about a place that starts sessions, or ''.
	 *
	 * @param array{who: string, starts: int, read: int, empty: int} $start The place.
	 */
	private static function advice( array $start ): string {
		if ( 'php.ini' === $start['who'] ) {
			/* translators: %s: a line of php.ini. */
			return sprintf( __( 'php.ini starts a session for every request. Unless something counts on it, set `%s`.', 'cloakroom' ), 'session.auto_start = 0' );
		}
		if ( $start['starts'] < self::FEW ) {
			return '';
		}
		$empty = intdiv( $start['empty'] * 100, $start['starts'] );
		if ( $empty >= 50 ) {
			/* translators: 1: a number, 2: a function. */
			return sprintf( __( 'Of 100 sessions started here %1$d stay empty: they are started on pages that do not use them. Ask its author to call `%2$s` only where something is stored, or the visitor has the cookie already.', 'cloakroom' ), $empty, 'session_start()' );
		}
		if ( $start['read'] * 100 >= $start['starts'] * 90 ) {
			/* translators: %s: a call. */
			return sprintf( __( 'Nearly all of these requests only read. Ask its author to call `%s` where nothing is written.', 'cloakroom' ), "session_start(['read_and_close' => true])" );
		}
		return '';
	}
}
