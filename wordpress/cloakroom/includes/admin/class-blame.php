<?php
/**
 * Who starts sessions and who writes to them.
 *
 * @package Cloakroom
 */

namespace Cloakroom\Admin;

/**
 * The extension counts under labels of three parts, `EVENT | WHO | WHERE`; here they become rows, and advice.
 */
final class Blame {

	/** Of how few sessions that were looked at nothing is concluded. */
	private const FEW = 5;

	/**
	 * Rows, the most frequent first.
	 *
	 * @param list<array{who: string, where: string, starts: int, changed: int, kept: int, empty: int, pages: list<string>, advice: string}> $starts Who starts.
	 * @param list<array{variable: string, who: string, where: string, count: int, sum: int}>                                               $writes Who writes.
	 * @param list<array{variable: string, who: string, where: string, count: int, sum: int}>                                               $large  What is large.
	 */
	private function __construct(
		public readonly array $starts,
		public readonly array $writes,
		public readonly array $large,
	) {}

	/**
	 * Reads a report.
	 *
	 * @param list<array<string, mixed>> $report Rows of cloakroom_report().
	 */
	public static function of( array $report ): self {
		$starts = array();
		$writes = array();
		$large  = array();
		foreach ( $report as $row ) {
			$parts = explode( ' | ', (string) $row['label'], 3 );
			if ( 3 !== count( $parts ) ) {
				continue;
			}
			list( $event, $who, $where ) = array_map( array( self::class, 'shown' ), $parts );
			if ( str_starts_with( $event, 'write ' ) ) {
				self::add( $writes, substr( $event, 6 ), $who, $where, $row );
			} elseif ( str_starts_with( $event, 'large ' ) ) {
				self::add( $large, substr( $event, 6 ), $who, $where, $row );
			} else {
				$place            = $who . "\0" . $where;
				$starts[ $place ] = $starts[ $place ] ?? array(
					'who'     => $who,
					'where'   => $where,
					'starts'  => 0,
					'changed' => 0,
					'kept'    => 0,
					'empty'   => 0,
					'pages'   => array(),
				);
				$event            = in_array( $event, array( 'kept', 'empty' ), true ) ? $event : 'changed';
				$pages            = array_map( array( self::class, 'shown' ), array_filter( explode( ' ', (string) $row['sample'] ) ) );

				$starts[ $place ]['starts'] += (int) $row['count'];
				$starts[ $place ][ $event ] += (int) $row['count'];
				// Pages that start sessions for nothing tell most.
				$starts[ $place ]['pages'] = array_values( array_unique( 'empty' === $event ? array( ...$pages, ...$starts[ $place ]['pages'] ) : array( ...$starts[ $place ]['pages'], ...$pages ) ) );
			}
		}
		$starts = array_map( static fn ( array $start ): array => $start + array( 'advice' => self::advice( $start ) ), array_values( $starts ) );
		usort( $starts, static fn ( array $a, array $b ): int => $b['starts'] <=> $a['starts'] );
		foreach ( array( &$writes, &$large ) as &$list ) {
			$list = array_values( $list );
			usort( $list, static fn ( array $a, array $b ): int => $b['count'] <=> $a['count'] );
		}
		return new self( $starts, $writes, $large );
	}

	/**
	 * Adds a row of a write.
	 *
	 * @param array<string, array<string, int|string>> $list     The list.
	 * @param string                                   $variable Its name.
	 * @param string                                   $who      By whom.
	 * @param string                                   $where    File and line.
	 * @param array<string, mixed>                     $row      The report's row.
	 */
	private static function add( array &$list, string $variable, string $who, string $where, array $row ): void {
		$place          = $variable . "\0" . $who . "\0" . $where;
		$list[ $place ] = array(
			'variable' => $variable,
			'who'      => $who,
			'where'    => $where,
			'count'    => ( $list[ $place ]['count'] ?? 0 ) + (int) $row['count'],
			'sum'      => ( $list[ $place ]['sum'] ?? 0 ) + (int) $row['sum'],
		);
	}

	/**
	 * What is to be done, or ''.
	 *
	 * @param array<string, mixed> $start A row.
	 */
	private static function advice( array $start ): string {
		if ( 'php.ini' === $start['who'] ) {
			return __( 'php.ini starts a session for every request. Unless a plugin counts on it, set session.auto_start = 0.', 'cloakroom' );
		}
		// One that was looked at may be counted as so many.
		if ( $start['starts'] < self::FEW * max( 1, (int) ini_get( 'cloakroom.blame' ) ) ) {
			return '';
		}
		$empty = intdiv( $start['empty'] * 100, $start['starts'] );
		if ( $empty >= 50 ) {
			/* translators: %s: a number from 50 to 100. */
			return sprintf( __( 'Of 100 sessions started here %s stay empty, on pages that could come from the page cache. Ask the author to call session_start() only where something is stored, or where the visitor already has the cookie.', 'cloakroom' ), number_format_i18n( $empty ) );
		}
		if ( intdiv( $start['kept'] * 100, $start['starts'] ) >= 90 ) {
			return __( 'Nearly all of these requests only read. Ask the author to call session_start( array( \'read_and_close\' => true ) ) where nothing is written.', 'cloakroom' );
		}
		return '';
	}

	/**
	 * Who it is, for people.
	 *
	 * @param string $who Such as `plugin tracker`.
	 */
	public static function who( string $who ): string {
		list( $kind, $name ) = explode( ' ', $who, 2 ) + array( '', '' );
		return match ( $kind ) {
			/* translators: %s: a folder's name. */
			'plugin' => sprintf( __( 'Plugin %s', 'cloakroom' ), $name ),
			/* translators: %s: a folder's name. */
			'theme' => sprintf( __( 'Theme %s', 'cloakroom' ), $name ),
			default => $who,
		};
	}

	/**
	 * A text without what may be a session id. Reports hold none; a plugin may have put one into a name.
	 *
	 * @param string $text The text.
	 */
	public static function shown( string $text ): string {
		return (string) preg_replace( '/(?<![a-zA-Z0-9,])(?=[a-zA-Z,]*[0-9])[a-zA-Z0-9,]{20,}/', '(…)', $text );
	}
}
