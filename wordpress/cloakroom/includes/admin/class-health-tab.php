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
			$text   = esc_html( $check['text'] );
			$advice = '' === $check['advice'] ? '' : '<p class="description">' . esc_html( $check['advice'] ) . '</p>';
			$rows[] = array( esc_html( $check['check'] ), $state, $text . $advice );
		}
		echo '<p>' . esc_html__( 'What can be seen from within PHP, by the server that answered this page. What only shows from outside (rights of files, other pools) the command `cloakroom doctor` tells.', 'cloakroom' ) . '</p>';
		if ( array() === $rows ) {
			Markup::note( cloakroom_error(), 'error' );
			return;
		}
		Markup::table( __( 'Health of the session store', 'cloakroom' ), array( __( 'Check', 'cloakroom' ), __( 'State', 'cloakroom' ), __( 'What was found', 'cloakroom' ) ), $rows );
	}
}
