<?php
/**
 * What developers are told.
 *
 * @package Cloakroom
 */

namespace Cloakroom\Compat;

use Cloakroom\Callers;

/**
 * Notices that only appear with WP_DEBUG, and only for calls from outside.
 */
final class Notice {

	/**
	 * An old function was called.
	 *
	 * @param string $name    The function.
	 * @param string $instead What PHP has for it.
	 */
	public static function old( string $name, string $instead ): void {
		if ( Callers::note( 'wp_session_*' ) && WP_DEBUG ) {
			_deprecated_function( esc_html( $name ), 'WP Session Manager 3.0', esc_html( $instead ) );
		}
	}
}
