<?php
/**
 * The session cookie in a network of sites.
 *
 * @package Cloakroom
 */

namespace Cloakroom\Owner;

/**
 * Decides which of the network's sites see the same ticket. Only where the network's setting says so; else php.ini decides.
 */
final class Network_Cookie {

	/**
	 * Sets PHP's cookie for this request, if that can still be done.
	 */
	public static function apply(): void {
		if ( ! is_multisite() || headers_sent() || PHP_SESSION_NONE !== session_status() ) {
			return;
		}
		foreach ( self::settings( Policy::network() ) as $name => $value ) {
			// phpcs:ignore WordPress.PHP.IniSet -- what the network asked for.
			ini_set( 'session.' . $name, $value );
		}
	}

	/**
	 * The settings, without `session.` in front.
	 *
	 * @param string $network As in {@see Policy::network()}.
	 * @return array<string, string>
	 */
	public static function settings( string $network ): array {
		$base = (string) get_cfg_var( 'session.name' );
		$base = '' === $base ? 'PHPSESSID' : $base;
		if ( Policy::PER_SITE === $network ) {
			// A name of its own as well: the main site's path is above the others', and browsers send its cookies there, too.
			return array(
				'name'          => $base . '_' . get_current_blog_id(),
				'cookie_path'   => self::path( (string) get_blog_details()->path ),
				'cookie_domain' => '',
			);
		}
		if ( Policy::SHARED === $network ) {
			$network_of = get_network();
			$domain     = (string) preg_replace( '/:\d+$/', '', (string) $network_of->cookie_domain );
			return array(
				'name'          => $base,
				'cookie_path'   => self::path( (string) $network_of->path ),
				// Subdomains see it; an address or a single word has none.
				'cookie_domain' => is_subdomain_install() && ! filter_var( $domain, FILTER_VALIDATE_IP ) && str_contains( $domain, '.' ) ? '.' . ltrim( $domain, '.' ) : '',
			);
		}
		return array();
	}

	/**
	 * A path that is one.
	 *
	 * @param string $path The path.
	 */
	private static function path( string $path ): string {
		return str_starts_with( $path, '/' ) ? $path : '/';
	}
}
