<?php
/**
 * Pieces of the screen that several tabs have.
 *
 * @package Cloakroom
 */

namespace Cloakroom\Admin;

/**
 * Everything that goes through here is escaped here.
 */
final class Markup {

	/** How much of a key is shown. */
	public const DIGITS = 12;

	/**
	 * How long ago, with the time itself for who wants it.
	 *
	 * @param int $time Unix time.
	 */
	public static function ago( int $time ): string {
		$away = time() - $time;
		if ( abs( $away ) < 5 ) {
			$text = __( 'just now', 'cloakroom' );
		} elseif ( $away > 0 ) {
			/* translators: %s: a time, such as "5 minutes". */
			$text = sprintf( __( '%s ago', 'cloakroom' ), human_time_diff( $time ) );
		} else {
			/* translators: %s: a time, such as "5 minutes". */
			$text = sprintf( __( 'in %s', 'cloakroom' ), human_time_diff( $time ) );
		}
		return '<time datetime="' . esc_attr( gmdate( 'c', $time ) ) . '" title="' . esc_attr( (string) wp_date( get_option( 'date_format' ) . ' ' . get_option( 'time_format' ), $time ) ) . '">' . esc_html( $text ) . '</time>';
	}

	/**
	 * A size.
	 *
	 * @param int $bytes Bytes.
	 */
	public static function size( int $bytes ): string {
		return $bytes < 1 ? '0 B' : (string) size_format( $bytes, $bytes < KB_IN_BYTES ? 0 : 1 );
	}

	/**
	 * A note.
	 *
	 * @param string $text What it says; what is in backticks becomes code.
	 * @param string $kind `info`, `success`, `warning` or `error`.
	 */
	public static function note( string $text, string $kind = 'info' ): void {
		echo '<div class="notice notice-' . esc_attr( $kind ) . ' inline"><p>' . wp_kses( \Cloakroom\Environment\Notices::marked( $text ), array( 'code' => array() ) ) . '</p></div>';
	}

	/**
	 * The beginning of a form that does something, with what {@see Actions} needs.
	 *
	 * @param string                $action What it does.
	 * @param array<string, string> $fields Hidden fields; they are part of the nonce.
	 * @param string                $css    Classes.
	 */
	public static function form( string $action, array $fields = array(), string $css = '' ): void {
		echo '<form method="post" class="' . esc_attr( $css ) . '" action="' . esc_url( admin_url( 'admin-post.php' ) ) . '">';
		foreach ( array( 'action' => Actions::PREFIX . $action ) + $fields + array( '_wpnonce' => wp_create_nonce( Actions::nonce( $action, $fields ) ) ) as $name => $value ) {
			echo '<input type="hidden" name="' . esc_attr( $name ) . '" value="' . esc_attr( $value ) . '">';
		}
	}

	/**
	 * The box without which nothing that concerns many is done.
	 *
	 * @param string $id   Its id on the page.
	 * @param string $text What is confirmed.
	 */
	public static function confirm( string $id, string $text ): void {
		echo '<label for="' . esc_attr( $id ) . '"><input type="checkbox" required name="confirm" value="1" id="' . esc_attr( $id ) . '"> ' . esc_html( $text ) . '</label> ';
	}

	/**
	 * A table.
	 *
	 * @param string             $caption What it is, for screen readers.
	 * @param list<string>       $heads   Columns; those that begin with `#` hold numbers.
	 * @param list<list<string>> $rows    Cells, as HTML that is safe. The first of each names the row.
	 */
	public static function table( string $caption, array $heads, array $rows ): void {
		echo '<table class="widefat striped cloakroom-table"><caption class="screen-reader-text">' . esc_html( $caption ) . '</caption><thead><tr>';
		foreach ( $heads as $head ) {
			$class = str_starts_with( $head, '#' ) ? ' class="cloakroom-number"' : '';
			echo '<th scope="col"' . $class . '>' . esc_html( ltrim( $head, '#' ) ) . '</th>'; // phpcs:ignore WordPress.Security.EscapeOutput -- a fixed text.
		}
		echo '</tr></thead><tbody>';
		foreach ( $rows as $cells ) {
			echo '<tr>';
			foreach ( $cells as $n => $cell ) {
				$class = str_starts_with( $heads[ $n ], '#' ) ? ' class="cloakroom-number"' : '';
				$label = ' data-label="' . esc_attr( ltrim( $heads[ $n ], '#' ) ) . '"';
				echo 0 === $n ? '<th scope="row"' . $class . $label . '>' . $cell . '</th>' : '<td' . $class . $label . '>' . $cell . '</td>'; // phpcs:ignore WordPress.Security.EscapeOutput -- see above.
			}
			echo '</tr>';
		}
		echo '</tbody></table>';
	}
}
