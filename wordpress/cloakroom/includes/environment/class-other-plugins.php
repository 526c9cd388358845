<?php
/**
 * Plugins that keep sessions themselves.
 *
 * @package Cloakroom
 */

namespace Cloakroom\Environment;

/**
 * Knows them by their files. While one of them is active, its names are its own, and its handler is left alone.
 */
final class Other_Plugins {

	/** WP Session Manager: `WP_Session`, `wp_session_*`. */
	public const MANAGER = 'wp-session-manager';

	/** Native PHP Sessions: `Pantheon_Sessions`. */
	public const HOST = 'wp-native-php-sessions';

	/**
	 * Those that are active, by folder.
	 *
	 * @return array<string, string> Folder => plugin's name for WordPress.
	 */
	public static function active(): array {
		$plugins = (array) get_option( 'active_plugins', array() );
		if ( is_multisite() ) {
			$plugins = array_merge( $plugins, array_keys( (array) get_site_option( 'active_sitewide_plugins', array() ) ) );
		}
		$found = array();
		foreach ( $plugins as $plugin ) {
			$folder = dirname( (string) $plugin );
			if ( in_array( $folder, array( self::MANAGER, self::HOST ), true ) ) {
				$found[ $folder ] = (string) $plugin;
			}
		}
		return $found;
	}

	/**
	 * Its title.
	 *
	 * @param string $folder One of the constants.
	 */
	public static function title( string $folder ): string {
		return self::MANAGER === $folder ? 'WP Session Manager' : 'Native PHP Sessions';
	}

	/**
	 * What it does while it is active, and what becomes different without it.
	 *
	 * @param string $folder One of the constants.
	 */
	public static function effect( string $folder ): string {
		return self::MANAGER === $folder
			? __( 'It puts its own session handler in front of Cloakroom\'s, starts a session for every visitor (which keeps pages out of the page cache), and stores sessions in this site\'s database without merging what two requests change.', 'cloakroom' )
			: __( 'It puts its own session handler in front of Cloakroom\'s, renames the session cookie, and stores sessions in this site\'s database without merging what two requests change.', 'cloakroom' );
	}
}
