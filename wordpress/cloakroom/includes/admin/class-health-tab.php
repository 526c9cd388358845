<?php
/**
 * How the session store is.
 *
 * @package Cloakroom
 */

namespace Cloakroom\Admin;

/**
 * What the extension's doctor sees from within PHP.
 */
final class Health_Tab {

	/**
	 * Shows it.
	 */
	public function show(): void {
		$rows = array();
		foreach ( cloakroom_doctor() as $check ) {
			$ok     = (bool) $check['ok'];
			$state  = $ok
				? '<span class="cloakroom-good"><span aria-hidden="true">✓</span> ' . esc_html__( 'Good', 'cloakroom' ) . '</span>'
				: '<span class="cloakroom-bad"><span aria-hidden="true">✗</span> ' . esc_html__( 'Needs attention', 'cloakroom' ) . '</span>';
			if ( $ok && '' !== $check['advice'] ) {
				$state = '<span class="cloakroom-advised"><span aria-hidden="true">➜</span> ' . esc_html__( 'Good, with advice', 'cloakroom' ) . '</span>';
			}
			$text   = self::marked( (string) $check['text'] );
			$advice = '' === $check['advice'] ? '' : '<p class="cloakroom-advice">' . self::marked( (string) $check['advice'] ) . '</p>';
			$rows[] = array( esc_html( $check['check'] ), $state, $text . $advice );
		}
		echo '<p>' . self::marked( __( 'What can be seen from within PHP, by the server that answered this page. What only shows from outside (rights of files, other pools) the command `cloakroom doctor` tells.', 'cloakroom' ) ) . '</p>'; // phpcs:ignore WordPress.Security.EscapeOutput -- escaped there.
		if ( array() === $rows ) {
			Markup::note( cloakroom_error(), 'error' );
			return;
		}
		Markup::table( __( 'Health of the session store', 'cloakroom' ), array( __( 'Check', 'cloakroom' ), __( 'State', 'cloakroom' ), __( 'What was found', 'cloakroom' ) ), $rows );
	}

	/**
	 * Text with what stands in backticks marked as code, everything else escaped.
	 *
	 * @param string $text The text.
	 */
	private static function marked( string $text ): string {
		return wp_kses( \Cloakroom\Environment\Notices::marked( $text ), array( 'code' => array() ) );
	}
}
