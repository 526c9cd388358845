<?php
/**
 * What was counted.
 *
 * @package Cloakroom
 */

namespace Cloakroom\Admin;

/**
 * Who starts sessions, and what collided, waited and was refused. Reports are bounded by the extension; of each only the first
 * rows are shown.
 */
final class Reports_Tab {

	/** Rows of a table. */
	private const ROWS = 25;

	/** Hours to choose from. */
	private const HOURS = array( 24, 168, 720 );

	/**
	 * Shows it.
	 */
	public function show(): void {
		$hours = (int) Place::asked( 'hours' );
		$hours = in_array( $hours, self::HOURS, true ) ? $hours : self::HOURS[0];
		$this->choice( $hours );
		$blame = Blame::of( cloakroom_report( 'blame', $hours ) );
		$this->starts( $blame );
		$this->writes( $blame, cloakroom_report( 'sizes', $hours ) );
		$this->counted( __( 'Conflicts', 'cloakroom' ), __( 'Two requests of one session changed the same variable at once, each in its own way; one of the changes is lost. Where both must count, name a rule in php.ini, such as `cloakroom.merge_rules = "cart.*.quantity=sum"`.', 'cloakroom' ), __( 'Variable', 'cloakroom' ), 'conflicts', $hours );
		$this->counted( __( 'Alarms', 'cloakroom' ), __( 'A ticket that had been replaced was used long afterwards: by a slow browser, or by somebody who has a copy. Either got an empty session.', 'cloakroom' ), __( 'What', 'cloakroom' ), 'alarms', $hours );
		$this->counted( __( 'Waits', 'cloakroom' ), __( 'What requests waited for.', 'cloakroom' ), __( 'For what', 'cloakroom' ), 'waits', $hours );
		$this->counted( __( 'Not saved', 'cloakroom' ), __( 'Changes that were dropped, so that what was ended stays ended, or because the store had lost the session.', 'cloakroom' ), __( 'Why', 'cloakroom' ), 'dropped', $hours );
	}

	/**
	 * The time that is looked at.
	 *
	 * @param int $hours What was chosen.
	 */
	private function choice( int $hours ): void {
		echo '<form method="get" class="cloakroom-filter"><input type="hidden" name="page" value="' . esc_attr( Place::SLUG ) . '"><input type="hidden" name="tab" value="reports"><label for="cloakroom-hours">' . esc_html__( 'Look at the last', 'cloakroom' ) . '<select id="cloakroom-hours" name="hours">';
		foreach ( self::HOURS as $choice ) {
			echo '<option value="' . (int) $choice . '"' . selected( $hours, $choice, false ) . '>' . esc_html( human_time_diff( 0, $choice * HOUR_IN_SECONDS ) ) . '</option>';
		}
		echo '</select></label><span class="cloakroom-buttons"><button class="button">' . esc_html__( 'Show', 'cloakroom' ) . '</button></span></form>';
	}

	/**
	 * Who starts sessions.
	 *
	 * @param Blame $blame What was seen.
	 */
	private function starts( Blame $blame ): void {
		echo '<h2>' . esc_html__( 'Who starts sessions', 'cloakroom' ) . '</h2>';
		if ( array() === $blame->starts ) {
			echo '<p>' . esc_html__( 'No session was started in a request that was looked at.', 'cloakroom' ) . '</p>';
			return;
		}
		$rows = array();
		foreach ( array_slice( $blame->starts, 0, self::ROWS ) as $start ) {
			$advice = '' === $start['advice'] ? '' : '<p class="cloakroom-advice">' . esc_html( $start['advice'] ) . '</p>';
			$pages  = array() === $start['pages'] ? '' : '<br><span class="description"><bdi>' . esc_html( implode( ', ', array_slice( $start['pages'], 0, 4 ) ) ) . '</bdi></span>';
			$rows[] = array(
				esc_html( Blame::who( $start['who'] ) ) . '<br><code dir="ltr">' . esc_html( $start['where'] ) . '</code>' . $pages . $advice,
				esc_html( number_format_i18n( $start['starts'] ) ),
				esc_html( number_format_i18n( $start['changed'] ) ),
				esc_html( number_format_i18n( $start['kept'] ) ),
				esc_html( number_format_i18n( $start['empty'] ) ),
			);
		}
		Markup::table( __( 'Who starts sessions', 'cloakroom' ), array( __( 'By', 'cloakroom' ), '#' . __( 'Starts', 'cloakroom' ), '#' . __( 'Changed', 'cloakroom' ), '#' . __( 'Only read', 'cloakroom' ), '#' . __( 'Stayed empty', 'cloakroom' ) ), $rows );
		echo '<p class="description">' . esc_html__( 'Estimates: one request in so many is looked at. A session that stays empty was started for nothing.', 'cloakroom' ) . '</p>';
	}

	/**
	 * Who writes what, and what is large.
	 *
	 * @param Blame                      $blame What was seen.
	 * @param list<array<string, mixed>> $sizes Rows of the report of sizes.
	 */
	private function writes( Blame $blame, array $sizes ): void {
		$large = Blame::of( $sizes )->large;
		foreach ( array(
			array( __( 'Who writes which variable', 'cloakroom' ), $blame->writes ),
			array( __( 'Large variables', 'cloakroom' ), $large ),
		) as list( $title, $writes ) ) {
			if ( array() === $writes ) {
				continue;
			}
			$rows = array();
			foreach ( array_slice( $writes, 0, self::ROWS ) as $write ) {
				$rows[] = array( '<code dir="ltr">' . esc_html( $write['variable'] ) . '</code>', esc_html( Blame::who( $write['who'] ) ) . '<br><code dir="ltr">' . esc_html( $write['where'] ) . '</code>', esc_html( number_format_i18n( $write['count'] ) ), esc_html( Markup::size( intdiv( $write['sum'], max( 1, $write['count'] ) ) ) ) );
			}
			echo '<h2>' . esc_html( $title ) . '</h2>';
			Markup::table( $title, array( __( 'Variable', 'cloakroom' ), __( 'By', 'cloakroom' ), '#' . __( 'How often', 'cloakroom' ), '#' . __( 'Size each', 'cloakroom' ) ), $rows );
		}
	}

	/**
	 * A plain report.
	 *
	 * @param string $title What it is.
	 * @param string $about What it means.
	 * @param string $what  The head of its labels.
	 * @param string $kind  For cloakroom_report().
	 * @param int    $hours How far back.
	 */
	private function counted( string $title, string $about, string $what, string $kind, int $hours ): void {
		echo '<h2>' . esc_html( $title ) . '</h2>';
		$sums = array();
		foreach ( cloakroom_report( $kind, $hours ) as $row ) {
			$sum                   = $sums[ $row['label'] ] ?? array( 0, 0, 0 );
			$sums[ $row['label'] ] = array( $sum[0] + $row['count'], $sum[1] + $row['sum'], max( $sum[2], $row['hour'] ) );
		}
		if ( array() === $sums ) {
			echo '<p>' . esc_html__( 'None.', 'cloakroom' ) . '</p>';
			return;
		}
		uasort( $sums, static fn ( array $a, array $b ): int => $b[0] <=> $a[0] );
		$rows  = array();
		$heads = array( $what, '#' . __( 'How often', 'cloakroom' ), __( 'Last time', 'cloakroom' ) );
		if ( 'waits' === $kind ) {
			$heads[] = '#' . __( 'Mean wait', 'cloakroom' );
		}
		foreach ( array_slice( $sums, 0, self::ROWS, true ) as $label => list( $count, $sum, $hour ) ) {
			$row = array( '<code dir="ltr">' . esc_html( Blame::shown( (string) $label ) ) . '</code>', esc_html( number_format_i18n( $count ) ), Markup::ago( $hour ) );
			if ( 'waits' === $kind ) {
				/* translators: %s: a number of milliseconds. */
				$row[] = esc_html( sprintf( __( '%s ms', 'cloakroom' ), number_format_i18n( $sum / 1000 / max( 1, $count ), 1 ) ) );
			}
			$rows[] = $row;
		}
		Markup::table( $title, $heads, $rows );
		echo '<p class="description">' . wp_kses( \Cloakroom\Environment\Notices::marked( $about ), array( 'code' => array() ) ) . '</p>';
	}
}
