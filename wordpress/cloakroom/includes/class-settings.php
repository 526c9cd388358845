<?php
/**
 * The site's settings.
 *
 * @package Cloakroom
 */

namespace Cloakroom;

/**
 * All settings are one autoloaded option, so that asking for one costs no query.
 */
final class Settings {

	/** The option. */
	public const OPTION = 'cloakroom_settings';

	/**
	 * What holds where nothing was set.
	 *
	 * `cookie_name`: '' (PHP's `session.name`) or `host` (the hosting company's plugin's `SESS…`).
	 */
	private const DEFAULTS = array(
		'cookie_name' => '',
	);

	/**
	 * One setting.
	 *
	 * @param string $name Its name.
	 * @return mixed Its value, or its default; null for a name that nobody knows.
	 */
	public static function get( string $name ): mixed {
		return self::all()[ $name ] ?? null;
	}

	/**
	 * All settings.
	 *
	 * @return array<string, mixed>
	 */
	public static function all(): array {
		$stored = get_option( self::OPTION, array() );
		return array_merge( self::DEFAULTS, is_array( $stored ) ? $stored : array() );
	}

	/**
	 * Changes settings; the others stay.
	 *
	 * @param array<string, mixed> $changes Names and values.
	 */
	public static function change( array $changes ): void {
		update_option( self::OPTION, array_merge( self::all(), $changes ), true );
	}

	/**
	 * What can only be known when the plugin is switched on: a site that comes from the hosting company's plugin keeps its cookie's
	 * name, so that nobody is logged out and the rules of its page cache still fit.
	 */
	public static function remember_activation(): void {
		if ( false === get_option( self::OPTION ) ) {
			$from_host = false !== get_option( 'pantheon_session_version' );
			self::change( array( 'cookie_name' => $from_host ? 'host' : '' ) );
		}
	}
}
