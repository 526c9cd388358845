<?php
/**
 * A plot of sessions over time.
 *
 * @package Cloakroom
 */

namespace Cloakroom\Admin;

/**
 * An SVG that is part of the page: no script, no request. The same numbers stand below in a table that opens.
 */
final class Plot {

	private const WIDTH  = 760;
	private const HEIGHT = 220;
	private const LEFT   = 64;
	private const RIGHT  = 12;
	private const TOP    = 12;
	private const BOTTOM = 28;

	/**
	 * Shows it.
	 *
	 * @param array<int, array{int, int, int}> $samples As in {@see Samples::all()}.
	 */
	public static function show( array $samples ): void {
		$hours = array_keys( $samples );
		$last  = intdiv( time(), HOUR_IN_SECONDS );
		$first = min( $hours ? min( $hours ) : $last, $last - 24 );
		$top   = self::round_up( max( 1, ...array_map( static fn ( array $s ): int => $s[0], array_values( $samples ) ?: array( array( 1 ) ) ) ) ); // phpcs:ignore Universal.Operators.DisallowShortTernary
		$x     = static fn ( int $hour ): float => self::LEFT + ( $hour - $first ) / max( 1, $last - $first ) * ( self::WIDTH - self::LEFT - self::RIGHT );
		$y     = static fn ( int $count ): float => self::HEIGHT - self::BOTTOM - $count / $top * ( self::HEIGHT - self::TOP - self::BOTTOM );

		echo '<figure class="cloakroom-plot"><svg viewBox="0 0 ' . (int) self::WIDTH . ' ' . (int) self::HEIGHT . '" role="img" aria-labelledby="cloakroom-plot-title"><title id="cloakroom-plot-title">' . esc_html__( 'Sessions hour by hour; the numbers are in the table below.', 'cloakroom' ) . '</title>';
		foreach ( array( 0, 0.5, 1 ) as $part ) {
			$count = (int) round( $top * $part );
			if ( $count > 0 || 0 === $part ) {
				printf( '<line class="cloakroom-grid" x1="%d" x2="%d" y1="%.1F" y2="%.1F"/><text class="cloakroom-axis" text-anchor="end" x="%d" y="%.1F">%s</text>', (int) self::LEFT, (int) ( self::WIDTH - self::RIGHT ), (float) $y( $count ), (float) $y( $count ), (int) ( self::LEFT - 8 ), (float) $y( $count ) + 4, esc_html( number_format_i18n( $count ) ) );
			}
		}
		foreach ( self::days( $first, $last ) as $hour => $label ) {
			// What would stand over the edge stands before it.
			$edge = $x( $hour ) > self::WIDTH - self::RIGHT - 28;
			printf( '<line class="cloakroom-grid" x1="%1$.1F" x2="%1$.1F" y1="%2$d" y2="%3$d"/><text class="cloakroom-axis" text-anchor="%6$s" x="%7$.1F" y="%4$d">%5$s</text>', (float) $x( $hour ), (int) ( self::HEIGHT - self::BOTTOM ), (int) ( self::HEIGHT - self::BOTTOM + 5 ), (int) ( self::HEIGHT - 8 ), esc_html( $label ), $edge ? 'end' : 'middle', (float) ( $edge ? self::WIDTH - self::RIGHT : $x( $hour ) ) );
		}
		foreach ( self::runs( $hours ) as $run ) {
			foreach ( array( 'all', 'owned' ) as $line => $class ) {
				$points = implode( ' ', array_map( static fn ( int $hour ): string => sprintf( '%.1F,%.1F', $x( $hour ), $y( $samples[ $hour ][ $line ] ) ), $run ) );
				if ( 1 === count( $run ) ) {
					printf( '<circle class="cloakroom-%s" r="3.5" cx="%.1F" cy="%.1F"/>', esc_attr( $class ), (float) $x( $run[0] ), (float) $y( $samples[ $run[0] ][ $line ] ) );
					continue;
				}
				if ( 0 === $line ) {
					printf( '<polygon class="cloakroom-area" points="%.1F,%.1F %s %.1F,%.1F"/>', (float) $x( $run[0] ), (float) $y( 0 ), esc_attr( $points ), (float) $x( end( $run ) ), (float) $y( 0 ) );
				}
				printf( '<polyline class="cloakroom-%s" points="%s"/>', esc_attr( $class ), esc_attr( $points ) );
			}
		}
		echo '</svg><figcaption><span><span class="cloakroom-key cloakroom-key-all"></span>' . esc_html__( 'All sessions', 'cloakroom' ) . '</span><span><span class="cloakroom-key cloakroom-key-owned"></span>' . esc_html__( 'of people who are logged in', 'cloakroom' ) . '</span></figcaption></figure>';
		self::numbers( $samples );
	}

	/**
	 * The numbers, a row for each of the latest 48 hours.
	 *
	 * @param array<int, array{int, int, int}> $samples As above.
	 */
	private static function numbers( array $samples ): void {
		$rows = array();
		foreach ( array_reverse( array_slice( $samples, -48, null, true ), true ) as $hour => $sample ) {
			$rows[] = array( esc_html( (string) wp_date( get_option( 'date_format' ) . ' ' . get_option( 'time_format' ), $hour * HOUR_IN_SECONDS ) ), esc_html( number_format_i18n( $sample[0] ) ), esc_html( number_format_i18n( $sample[1] ) ), esc_html( Markup::size( $sample[2] ) ) );
		}
		echo '<details class="cloakroom-details"><summary>' . esc_html__( 'The numbers of the last two days', 'cloakroom' ) . '</summary>';
		Markup::table( __( 'Sessions hour by hour', 'cloakroom' ), array( __( 'Hour', 'cloakroom' ), '#' . __( 'Sessions', 'cloakroom' ), '#' . __( 'Logged in', 'cloakroom' ), '#' . __( 'Size', 'cloakroom' ) ), $rows );
		echo '</details>';
	}

	/**
	 * Hours in a row: where some are missing, nothing is drawn between.
	 *
	 * @param list<int> $hours Hours, in order.
	 * @return list<non-empty-list<int>>
	 */
	private static function runs( array $hours ): array {
		$runs = array();
		foreach ( $hours as $hour ) {
			$at = count( $runs ) - 1;
			// WordPress's clock goes with visits: an hour or two may be left out.
			if ( $at >= 0 && $hour - end( $runs[ $at ] ) <= 3 ) {
				$runs[ $at ][] = $hour;
			} else {
				$runs[] = array( $hour );
			}
		}
		return $runs;
	}

	/**
	 * At most seven marks on the time axis: days, or hours of one.
	 *
	 * @param int $first The first hour.
	 * @param int $last  The last.
	 * @return array<int, string>
	 */
	private static function days( int $first, int $last ): array {
		$marks = array();
		if ( $last - $first <= 48 ) {
			foreach ( range( $last, $first + 1, -6 ) as $hour ) {
				$marks[ $hour ] = (string) wp_date( get_option( 'time_format' ), $hour * HOUR_IN_SECONDS );
			}
			unset( $marks[ $last ] );
			return $marks;
		}
		$every = max( 1, (int) ceil( ( $last - $first ) / 24 / 7 ) );
		$day   = new \DateTimeImmutable( '@' . $last * HOUR_IN_SECONDS );
		for ( $at = $day->setTimezone( wp_timezone() )->setTime( 0, 0 ); $at->getTimestamp() > $first * HOUR_IN_SECONDS; $at = $at->modify( "-$every days" ) ) {
			$marks[ intdiv( $at->getTimestamp(), HOUR_IN_SECONDS ) ] = (string) wp_date( 'j M', $at->getTimestamp() );
		}
		return $marks;
	}

	/**
	 * The next number that is 1, 2, 4 or 5 with noughts.
	 *
	 * @param int $count A count.
	 */
	private static function round_up( int $count ): int {
		$unit = 10 ** max( 0, strlen( (string) $count ) - 1 );
		foreach ( array( 1, 2, 4, 5, 10 ) as $times ) {
			if ( $count <= $times * $unit ) {
				return max( 2, $times * $unit );
			}
		}
		return $count;
	}
}
