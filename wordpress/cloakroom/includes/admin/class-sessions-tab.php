<?php
/**
 * The list of sessions.
 *
 * @package Cloakroom
 */

namespace Cloakroom\Admin;

use Cloakroom\Owner_Name;
use Cloakroom\Owner\Visit;

/**
 * One page of the store at a time, whatever the number of sessions: no total is counted, no page is skipped.
 */
final class Sessions_Tab {

	/** Sessions on a page. */
	private const LIMIT = 50;

	/**
	 * Shows it.
	 */
	public function show(): void {
		$filter = Filter::of_request();
		$this->search_form( $filter );
		$mistake = $filter->mistake();
		if ( '' !== $mistake ) {
			Markup::note( $mistake, 'warning' );
		} else {
			$cursor = Place::asked( 'after' );
			$page   = $this->page( $filter, $cursor );
			if ( null !== $page ) {
				$this->rows( $page['rows'], $filter );
				$this->pages( $page, $filter, $cursor );
			}
		}
		$this->end_many( $filter );
	}

	/**
	 * A page of the store, or null where it does not answer.
	 *
	 * @param Filter $filter Which.
	 * @param string $cursor Where to go on; '' for the beginning.
	 * @return array{rows: list<array<string, mixed>>, next: ?string}|null
	 */
	private function page( Filter $filter, string $cursor ): ?array {
		try {
			$page = cloakroom_page( $filter->for_store(), '' === $cursor ? null : $cursor, self::LIMIT );
		} catch ( \ValueError ) {
			Markup::note( __( 'This page is no longer valid. Please begin again.', 'cloakroom' ), 'warning' );
			return null;
		}
		if ( ! isset( $page['rows'] ) || '' !== cloakroom_error() ) {
			/* translators: %s: the reason. */
			Markup::note( sprintf( __( 'The session store does not answer: %s', 'cloakroom' ), cloakroom_error() ), 'error' );
			return null;
		}
		return $page;
	}

	/**
	 * The form that chooses.
	 *
	 * @param Filter $filter What was chosen.
	 */
	private function search_form( Filter $filter ): void {
		echo '<form method="get" class="cloakroom-filter" role="search" aria-label="' . esc_attr__( 'Sessions', 'cloakroom' ) . '"><input type="hidden" name="page" value="' . esc_attr( Place::SLUG ) . '"><input type="hidden" name="tab" value="sessions">';
		$this->field( 's', __( 'Key begins with', 'cloakroom' ), $filter->search, 16 );
		$this->field( 'user', __( 'User (name, e-mail or number)', 'cloakroom' ), $filter->user, 24 );
		$ages = array( 0 => __( 'at any time', 'cloakroom' ) );
		foreach ( Filter::AGES as $age ) {
			/* translators: %s: a time, such as "1 day". */
			$ages[ $age ] = sprintf( __( 'more than %s ago', 'cloakroom' ), human_time_diff( 0, $age ) );
		}
		$this->choice( 'older', __( 'Last used', 'cloakroom' ), $ages, $filter->older );
		$sizes = array( 0 => __( 'any', 'cloakroom' ) );
		foreach ( Filter::SIZES as $size ) {
			/* translators: %s: a size, such as "10 KB". */
			$sizes[ $size ] = sprintf( __( 'more than %s', 'cloakroom' ), (string) size_format( $size ) );
		}
		$this->choice( 'larger', __( 'Size', 'cloakroom' ), $sizes, $filter->larger );
		$this->choice(
			'named',
			__( 'What', 'cloakroom' ),
			array(
				0 => __( 'visitors\' sessions', 'cloakroom' ),
				1 => __( 'named records, such as carts', 'cloakroom' ),
			),
			$filter->named ? 1 : 0
		);
		echo '<span class="cloakroom-buttons"><button class="button">' . esc_html__( 'Search', 'cloakroom' ) . '</button>';
		if ( array() !== $filter->query() ) {
			echo ' <a class="button-link" href="' . esc_url( Place::url( array( 'tab' => 'sessions' ) ) ) . '">' . esc_html__( 'Show all', 'cloakroom' ) . '</a>';
		}
		echo '</span></form>';
	}

	/**
	 * A text field.
	 *
	 * @param string $name  Its name.
	 * @param string $label What it is for.
	 * @param string $value What is in it.
	 * @param int    $width In letters.
	 */
	private function field( string $name, string $label, string $value, int $width ): void {
		echo '<label for="cloakroom-f-' . esc_attr( $name ) . '">' . esc_html( $label ) . '<input type="text" autocomplete="off" spellcheck="false" id="cloakroom-f-' . esc_attr( $name ) . '" name="' . esc_attr( $name ) . '" value="' . esc_attr( $value ) . '" size="' . (int) $width . '"></label>';
	}

	/**
	 * A choice.
	 *
	 * @param string             $name    Its name.
	 * @param string             $label   What it is for.
	 * @param array<int, string> $options Values and texts.
	 * @param int                $chosen  What is chosen.
	 */
	private function choice( string $name, string $label, array $options, int $chosen ): void {
		echo '<label for="cloakroom-f-' . esc_attr( $name ) . '">' . esc_html( $label ) . '<select id="cloakroom-f-' . esc_attr( $name ) . '" name="' . esc_attr( $name ) . '">';
		foreach ( $options as $value => $text ) {
			echo '<option value="' . (int) $value . '"' . selected( $chosen, $value, false ) . '>' . esc_html( $text ) . '</option>';
		}
		echo '</select></label>';
	}

	/**
	 * The list.
	 *
	 * @param list<array<string, mixed>> $rows   Rows of cloakroom_page().
	 * @param Filter                     $filter What was asked for.
	 */
	private function rows( array $rows, Filter $filter ): void {
		if ( array() === $rows ) {
			return;
		}
		$users = array_values( array_unique( array_filter( array_map( static fn ( array $row ): int => Owner_Name::user( $row['owner'] ), $rows ) ) ) );
		cache_users( $users );
		$own   = Visit::own_key();
		$cells = array();
		foreach ( $rows as $row ) {
			$cells[] = array(
				'<code dir="ltr">' . esc_html( substr( $row['key'], 0, Markup::DIGITS ) ) . '</code>' . ( $own === $row['key'] ? ' <span class="cloakroom-badge">' . esc_html__( 'yours', 'cloakroom' ) . '</span>' : '' ),
				$this->who( $row, $filter ),
				'<bdi>' . esc_html( Markup::size( (int) $row['size'] ) ) . '</bdi>',
				Markup::ago( (int) $row['created'] ),
				Markup::ago( (int) $row['touched'] ),
				Markup::ago( (int) $row['expires'] ),
				$this->end_button( (string) $row['key'] ),
			);
		}
		Markup::table( __( 'Sessions', 'cloakroom' ), array( __( 'Key', 'cloakroom' ), __( 'User', 'cloakroom' ), '#' . __( 'Size', 'cloakroom' ), __( 'Started', 'cloakroom' ), __( 'Last used', 'cloakroom' ), __( 'Ends', 'cloakroom' ), __( 'Action', 'cloakroom' ) ), $cells );
	}

	/**
	 * Whose it is, as HTML.
	 *
	 * @param array<string, mixed> $row    A row.
	 * @param Filter               $filter What was asked for.
	 */
	private function who( array $row, Filter $filter ): string {
		$device = array_filter( array( $row['device'], $row['address'] ), static fn ( $text ): bool => null !== $text && '' !== $text );
		$device = array() === $device ? '' : '<br><span class="description"><bdi>' . esc_html( implode( ', ', $device ) ) . '</bdi></span>';
		if ( null === $row['owner'] || '' === $row['owner'] ) {
			return '<span class="description">' . esc_html__( 'Guest', 'cloakroom' ) . '</span>' . $device;
		}
		$person = get_userdata( Owner_Name::user( $row['owner'] ) );
		if ( ! $person ) {
			return '<bdi>' . esc_html( $row['owner'] ) . '</bdi>' . $device;
		}
		if ( $filter->user === $person->user_login ) {
			return esc_html( $person->display_name ) . $device;
		}
		return '<a href="' . esc_url(
			Place::url(
				array(
					'tab'  => 'sessions',
					'user' => $person->user_login,
				)
			)
		) . '">' . esc_html( $person->display_name ) . '</a>' . $device;
	}

	/**
	 * The button that ends a session, as HTML.
	 *
	 * @param string $key Its key.
	 */
	private function end_button( string $key ): string {
		ob_start();
		Markup::form( 'end_one', array( 'key' => $key ) );
		/* translators: %s: a session's key, shortened. */
		echo '<button class="button button-small" aria-label="' . esc_attr( sprintf( __( 'End session %s', 'cloakroom' ), substr( $key, 0, Markup::DIGITS ) ) ) . '">' . esc_html__( 'End', 'cloakroom' ) . '</button></form>';
		return (string) ob_get_clean();
	}

	/**
	 * What is below the list.
	 *
	 * @param array{rows: list<array<string, mixed>>, next: ?string} $page   The page.
	 * @param Filter                                                 $filter What was asked for.
	 * @param string                                                 $cursor Where the page began.
	 */
	private function pages( array $page, Filter $filter, string $cursor ): void {
		$count = count( $page['rows'] );
		if ( 0 === $count ) {
			Markup::note( null !== $page['next'] ? __( 'Nothing was found in this part of the store. There is more to look at.', 'cloakroom' ) : __( 'No session was found.', 'cloakroom' ) );
		}
		echo '<nav class="cloakroom-pages" aria-label="' . esc_attr__( 'Pages of the list', 'cloakroom' ) . '">';
		if ( $count > 0 ) {
			/* translators: %s: a number. */
			echo '<span>' . esc_html( sprintf( _n( '%s session on this page', '%s sessions on this page', $count, 'cloakroom' ), number_format_i18n( $count ) ) ) . '</span>';
		}
		$query = array( 'tab' => 'sessions' ) + $filter->query();
		if ( '' !== $cursor ) {
			echo '<a class="button" href="' . esc_url( Place::url( $query ) ) . '">' . esc_html__( 'First page', 'cloakroom' ) . '</a>';
		}
		if ( null !== $page['next'] ) {
			echo '<a class="button" rel="next" href="' . esc_url( Place::url( $query + array( 'after' => $page['next'] ) ) ) . '">' . esc_html( $count > 0 ? __( 'Next page', 'cloakroom' ) : __( 'Look further', 'cloakroom' ) ) . '</a>';
		}
		echo '</nav>';
	}

	/**
	 * The buttons that end many.
	 *
	 * @param Filter $filter What was asked for.
	 */
	private function end_many( Filter $filter ): void {
		echo '<section class="cloakroom-many" aria-labelledby="cloakroom-many"><h2 id="cloakroom-many">' . esc_html__( 'End several at once', 'cloakroom' ) . '</h2>';
		$person = $filter->person();
		if ( null !== $person ) {
			Markup::form( 'end_user', array( 'user' => (string) $person->ID ) );
			/* translators: %s: a user's name. */
			echo '<button class="button">' . esc_html( sprintf( __( 'End all sessions of %s and log them out', 'cloakroom' ), $person->display_name ) ) . '</button> ';
			Markup::confirm( 'cloakroom-c-user', __( 'Yes, on all devices', 'cloakroom' ) );
			echo '</form>';
		}
		Markup::form( 'end_old' );
		echo '<label for="cloakroom-older">' . esc_html__( 'Sessions not used for', 'cloakroom' ) . '</label> <select id="cloakroom-older" name="older">';
		foreach ( Filter::AGES as $age ) {
			echo '<option value="' . (int) $age . '"' . selected( WEEK_IN_SECONDS, $age, false ) . '>' . esc_html( human_time_diff( 0, $age ) ) . '</option>';
		}
		echo '</select> <button class="button">' . esc_html__( 'End these', 'cloakroom' ) . '</button> ';
		Markup::confirm( 'cloakroom-c-old', __( 'Yes, end them', 'cloakroom' ) );
		echo '</form>';
		Markup::form( 'end_all' );
		echo '<button class="button cloakroom-danger">' . esc_html__( 'End all sessions', 'cloakroom' ) . '</button> ';
		Markup::confirm( 'cloakroom-c-all', __( 'Yes, all of them, mine as well', 'cloakroom' ) );
		echo '</form><p class="description">' . esc_html__( 'Visitors start anew with their next page. Named records, such as carts of registered customers, stay.', 'cloakroom' ) . '</p></section>';
	}
}
