<?php
/**
 * What is settled before a session is started through an old interface.
 *
 * @package Cloakroom
 */

namespace Cloakroom\Compat;

use Cloakroom\Compat\WP_Session\Lifetime;

/**
 * The filters that WP Session Manager had for its cookie act on PHP's: there is one session and one ticket. The cookie `_wp_session`
 * is not sent: a second ticket for the same session would only keep pages out of the page cache.
 */
final class Cookie {

	/**
	 * Sets lifetime and flags, if something has to be another than php.ini has it.
	 */
	public static function prepare(): void {
		if ( headers_sent() ) {
			return;
		}
		$secure   = (bool) ini_get( 'session.cookie_secure' );
		$httponly = (bool) ini_get( 'session.cookie_httponly' );
		$wanted   = array(
			'session.gc_maxlifetime'  => (string) Lifetime::seconds(),
			/**
			 * Whether the cookie is for HTTPS alone.
			 *
			 * @param bool $secure php.ini's choice.
			 */
			'session.cookie_secure'   => apply_filters( 'wp_session_cookie_secure', $secure ) ? '1' : '0',
			/**
			 * Whether the cookie is hidden from scripts. The extension hides it in any case, unless cloakroom.httponly=php.
			 *
			 * @param bool $httponly php.ini's choice.
			 */
			'session.cookie_httponly' => apply_filters( 'wp_session_cookie_httponly', $httponly ) ? '1' : '0',
		);
		foreach ( $wanted as $name => $value ) {
			if ( ( '' === ini_get( $name ) ? '0' : ini_get( $name ) ) !== $value ) {
				// phpcs:ignore WordPress.PHP.IniSet -- this is what the filters are for.
				ini_set( $name, $value );
			}
		}
	}
}
