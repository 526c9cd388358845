<?php
/**
 * The session cookie as the hosting company's plugin has it.
 *
 * @package Cloakroom
 */

namespace Cloakroom\Compat\Host;

use Cloakroom\Settings;

/**
 * Its name says to which host it belongs, and that host's page cache knows the name. Used on sites that come from that plugin
 * (setting `cookie_name` = `host`), so that visitors keep their sessions.
 */
final class Host_Cookie {

	/**
	 * Sets PHP's session settings for this request, when the site wants it and it still can be done.
	 */
	public static function apply(): void {
		if ( 'host' !== Settings::get( 'cookie_name' ) || self::is_off() || headers_sent() || PHP_SESSION_NONE !== session_status() ) {
			return;
		}
		$settings = self::settings();
		foreach ( $settings as $name => $value ) {
			// phpcs:ignore WordPress.PHP.IniSet -- what the site asked for.
			ini_set( 'session.' . $name, $value );
		}
		// Over HTTPS a ticket from before the site had HTTPS is taken, too: there is one key for both.
		$plain = substr( $settings['name'], 1 );
		if ( is_ssl() && ! isset( $_COOKIE[ $settings['name'] ] ) && isset( $_COOKIE[ $plain ] ) && is_string( $_COOKIE[ $plain ] ) ) {
			$_COOKIE[ $settings['name'] ] = $_COOKIE[ $plain ]; // phpcs:ignore WordPress.Security.ValidatedSanitizedInput -- PHP checks it.
		}
	}

	/**
	 * The settings, without `session.` in front.
	 *
	 * @return array<string, string>
	 */
	public static function settings(): array {
		return array(
			'name'             => self::name( is_ssl() ),
			'cookie_domain'    => self::domain(),
			'cookie_secure'    => is_ssl() ? '1' : '0',
			'cookie_httponly'  => '1',
			/**
			 * How long the browser keeps the cookie.
			 *
			 * @param int $seconds 0: until it is closed.
			 */
			'cookie_lifetime'  => (string) (int) apply_filters( 'pantheon_session_expiration', 0 ),
			'use_cookies'      => defined( 'WP_CLI' ) && WP_CLI ? '0' : '1',
			'use_only_cookies' => '1',
			'use_trans_sid'    => '0',
			'cache_limiter'    => '',
		);
	}

	/**
	 * The cookie's name.
	 *
	 * @param bool $secure Whether the request came over HTTPS.
	 */
	public static function name( bool $secure ): string {
		$base = self::constant_domain();
		if ( '' === $base ) {
			$base = (string) wp_parse_url( (string) get_option( 'home' ), PHP_URL_HOST );
		}
		return ( $secure ? 'SSESS' : 'SESS' ) . substr( hash( 'sha256', $base ), 0, 32 );
	}

	/**
	 * The cookie's domain; '' for this host alone.
	 */
	public static function domain(): string {
		$domain = self::constant_domain();
		if ( '' === $domain ) {
			$host   = (string) wp_parse_url( (string) get_option( 'home' ), PHP_URL_HOST );
			$domain = '.' . preg_replace( '/^www\./', '', $host );
		}
		$is_address = false !== filter_var( ltrim( $domain, '.' ), FILTER_VALIDATE_IP );
		return substr_count( $domain, '.' ) >= 2 && ! $is_address ? $domain : '';
	}

	/**
	 * The one in wp-config.php, or ''.
	 */
	private static function constant_domain(): string {
		return defined( 'COOKIE_DOMAIN' ) && is_string( COOKIE_DOMAIN ) ? COOKIE_DOMAIN : '';
	}

	/**
	 * Whether sessions were switched off for this request.
	 */
	private static function is_off(): bool {
		return wp_installing() || wp_doing_cron() || ( defined( 'PANTHEON_SESSIONS_ENABLED' ) && ! PANTHEON_SESSIONS_ENABLED );
	}
}
