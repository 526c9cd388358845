<?php
/**
 * What came of an action.
 *
 * @package Cloakroom
 */

namespace Cloakroom\Admin;

/**
 * Kept for the one who did it until the next page shows it: an address that anyone can write says nothing.
 */
final class Result {

	/** What begins the transient's name. */
	private const NAME = 'cloakroom_result_';

	/**
	 * Keeps it.
	 *
	 * @param string               $text What is said.
	 * @param string               $kind `success`, `warning` or `error`.
	 * @param array<string, mixed> $more How an ending of many goes on: `older` (seconds, or ''), `cursor`, `ended`.
	 */
	public static function keep( string $text, string $kind = 'success', array $more = array() ): void {
		set_transient( self::NAME . get_current_user_id(), compact( 'text', 'kind', 'more' ), 10 * MINUTE_IN_SECONDS );
	}

	/**
	 * What is kept, and nothing any more.
	 *
	 * @return array{text: string, kind: string, more: array<string, mixed>}|null
	 */
	public static function take(): ?array {
		$name   = self::NAME . get_current_user_id();
		$result = get_transient( $name );
		if ( ! is_array( $result ) ) {
			return null;
		}
		delete_transient( $name );
		return $result;
	}

	/**
	 * Shows it; an ending that is not through goes on by itself, or by its button.
	 */
	public static function show(): void {
		$result = self::take();
		if ( null === $result ) {
			return;
		}
		echo '<div role="status">';
		Markup::note( $result['text'], $result['kind'] );
		if ( array() !== $result['more'] ) {
			Markup::form( 'end_many', array_map( 'strval', $result['more'] ), 'cloakroom-goes-on' );
			echo '<input type="hidden" name="confirm" value="1"><button class="button button-primary">' . esc_html__( 'Go on', 'cloakroom' ) . '</button> <a class="button" href="' . esc_url( Place::url( array( 'tab' => 'sessions' ) ) ) . '">' . esc_html__( 'Stop here', 'cloakroom' ) . '</a></form>';
		}
		echo '</div>';
	}
}
