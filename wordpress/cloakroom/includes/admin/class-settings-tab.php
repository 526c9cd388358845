<?php
/**
 * The screen's settings.
 *
 * @package Cloakroom
 */

namespace Cloakroom\Admin;

use Cloakroom\Owner\Policy;

/**
 * When sessions end, and whose they are in a network. Everything else is php.ini's.
 */
final class Settings_Tab {

	/**
	 * Shows it.
	 */
	public function show(): void {
		$policy = Policy::all();
		Markup::form( 'settings' );
		echo '<table class="form-table" role="presentation"><tr><th scope="row">' . esc_html__( 'Sessions end', 'cloakroom' ) . '</th><td><fieldset><legend class="screen-reader-text">' . esc_html__( 'Sessions end', 'cloakroom' ) . '</legend>';
		$this->box( 'end_on_logout', __( 'when their visitor logs out', 'cloakroom' ), (bool) $policy['end_on_logout'], __( 'Otherwise what is in them, such as a cart, stays with the browser, under a new ticket.', 'cloakroom' ) );
		$this->box( 'end_on_password', __( 'on a person\'s other devices, when their password changes', 'cloakroom' ), (bool) $policy['end_on_password'], '' );
		echo '</fieldset></td></tr>';
		if ( is_multisite() ) {
			echo '<tr><th scope="row"><label for="cloakroom-network">' . esc_html__( 'A visitor\'s session', 'cloakroom' ) . '</label></th><td><select name="network" id="cloakroom-network">';
			foreach ( array(
				''               => __( 'is as php.ini has the cookie', 'cloakroom' ),
				Policy::PER_SITE => __( 'is another one on each site', 'cloakroom' ),
				Policy::SHARED   => __( 'is the same on all sites of the network', 'cloakroom' ),
			) as $value => $text ) {
				echo '<option value="' . esc_attr( $value ) . '"' . selected( $policy['network'], $value, false ) . '>' . esc_html( $text ) . '</option>';
			}
			echo '</select><p class="description">' . esc_html__( 'A change gives visitors new, empty sessions.', 'cloakroom' ) . '</p></td></tr>';
		}
		echo '</table><p class="submit"><button class="button button-primary">' . esc_html__( 'Save Changes', 'cloakroom' ) . '</button></p></form>';
		echo '<p class="description">' . esc_html__( 'Where sessions are kept, and how long, is set in php.ini: it counts from the first line of the first plugin.', 'cloakroom' ) . '</p>';
	}

	/**
	 * A box.
	 *
	 * @param string $name  The setting.
	 * @param string $text  What it says.
	 * @param bool   $on    Whether it is ticked.
	 * @param string $about What becomes different.
	 */
	private function box( string $name, string $text, bool $on, string $about ): void {
		echo '<label for="cloakroom-' . esc_attr( $name ) . '"><input type="checkbox" name="' . esc_attr( $name ) . '" value="1" id="cloakroom-' . esc_attr( $name ) . '"' . checked( $on, true, false ) . '> ' . esc_html( $text ) . '</label><br>';
		if ( '' !== $about ) {
			echo '<p class="description">' . esc_html( $about ) . '</p>';
		}
	}
}
