<?php
/**
 * The screen's first tab.
 *
 * @package Cloakroom
 */

namespace Cloakroom\Admin;

/**
 * How many sessions there are and were, and what wants attention. One count, one report of each kind.
 */
final class Overview_Tab {

	/**
	 * Shows it.
	 */
	public function show(): void {
		$hour  = Samples::recent();
		$count = null === $hour ? cloakroom_count() : array_combine( array( 'live', 'owned', 'bytes' ), Samples::all()[ $hour ] ) + array( 'estimate' => true );
		if ( ! isset( $count['live'] ) ) {
			/* translators: %s: the reason. */
			Markup::note( sprintf( __( 'The session store does not answer: %s', 'cloakroom' ), cloakroom_error() ), 'error' );
			return;
		}
		if ( null === $hour ) {
			Samples::take( $count );
		}
		$live  = (int) $count['live'];
		/* translators: %s: a number. */
		$about = $count['estimate'] ? _x( 'about %s', 'a number that is estimated', 'cloakroom' ) : '%s';
		echo '<ul class="cloakroom-facts">';
		$this->fact( sprintf( $about, number_format_i18n( $live ) ), __( 'sessions', 'cloakroom' ) );
		$this->fact( sprintf( $about, number_format_i18n( (int) $count['owned'] ) ), __( 'of people who are logged in', 'cloakroom' ) );
		$this->fact( sprintf( $about, Markup::size( (int) $count['bytes'] ) ), __( 'all together', 'cloakroom' ) );
		$this->fact( Markup::size( $live > 0 ? intdiv( (int) $count['bytes'], $live ) : 0 ), __( 'each, on average', 'cloakroom' ) );
		if ( isset( $count['ended'] ) ) {
			$this->fact( sprintf( $about, number_format_i18n( (int) $count['ended'] ) ), __( 'ended lately', 'cloakroom' ) );
		}
		echo '</ul>';
		if ( null !== $hour ) {
			/* translators: %s: a time. */
			echo '<p class="description">' . esc_html( sprintf( __( 'There are so many that they are counted only once an hour, the last time after %s.', 'cloakroom' ), (string) wp_date( get_option( 'time_format' ), $hour * HOUR_IN_SECONDS ) ) ) . '</p>';
		}
		$this->attention();
		$samples = Samples::all();
		echo '<h2>' . esc_html( self::since( $samples ) ) . '</h2>';
		Plot::show( $samples );
		echo '<p class="description">' . esc_html__( 'Counted once an hour. Where several sites share the session store, all of them are in these numbers.', 'cloakroom' ) . '</p>';
	}

	/**
	 * How far back the plot goes, in words: no more is promised than there is.
	 *
	 * @param array<int, array{int, int, int}> $samples As in {@see Samples::all()}.
	 */
	private static function since( array $samples ): string {
		$hour  = array() === $samples ? intdiv( time(), HOUR_IN_SECONDS ) : min( array_keys( $samples ) );
		$first = $hour * HOUR_IN_SECONDS;
		if ( time() - $first >= 2 * WEEK_IN_SECONDS - DAY_IN_SECONDS ) {
			return __( 'The last two weeks', 'cloakroom' );
		}
		if ( wp_date( 'Ymd', $first ) === wp_date( 'Ymd' ) ) {
			return __( 'Since today', 'cloakroom' );
		}
		/* translators: %s: a date. */
		return sprintf( __( 'Since %s', 'cloakroom' ), (string) wp_date( get_option( 'date_format' ), $first ) );
	}

	/**
	 * A number with its meaning.
	 *
	 * @param string $number The number.
	 * @param string $what   What it counts.
	 */
	private function fact( string $number, string $what ): void {
		echo '<li><strong><bdi>' . esc_html( $number ) . '</bdi></strong> <span>' . esc_html( $what ) . '</span></li>';
	}

	/**
	 * What was reported in the last day and needs somebody.
	 */
	private function attention(): void {
		$alarms = array_sum( array_column( cloakroom_report( 'alarms', 24 ), 'count' ) );
		if ( $alarms > 0 ) {
			/* translators: %s: a number. */
			Markup::note( sprintf( _n( 'In the last 24 hours %s request came with a ticket that had been replaced long before: a slow browser, or somebody with a copy of it. It got an empty session.', 'In the last 24 hours %s requests came with tickets that had been replaced long before: slow browsers, or somebody with copies of them. They got empty sessions.', $alarms, 'cloakroom' ), number_format_i18n( $alarms ) ), 'warning' );
		}
		$conflicts = array_sum( array_column( cloakroom_report( 'conflicts', 24 ), 'count' ) );
		if ( $conflicts > 0 ) {
			/* translators: %s: a number. */
			Markup::note( sprintf( _n( 'In the last 24 hours %s variable was changed by two requests at once, each in its own way. Reports says which.', 'In the last 24 hours %s times a variable was changed by two requests at once, each in its own way. Reports says which.', $conflicts, 'cloakroom' ), number_format_i18n( $conflicts ) ), 'info' );
		}
	}
}
