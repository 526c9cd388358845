<?php
/**
 * Names of devices.
 *
 * @package Cloakroom
 */

namespace Cloakroom\Owner;

/**
 * What a browser says of itself, in words that its owner recognizes. Nothing depends on it: browsers may say what they like.
 */
final class Device_Name {

	/** Words in what browsers send, the telling ones first. */
	private const BROWSERS = array(
		'Edg'            => 'Edge',
		'OPR/'           => 'Opera',
		'SamsungBrowser' => 'Samsung Internet',
		'Vivaldi'        => 'Vivaldi',
		'Firefox/'       => 'Firefox',
		'FxiOS'          => 'Firefox',
		'CriOS'          => 'Chrome',
		'Chromium'       => 'Chromium',
		'Chrome/'        => 'Chrome',
		'Safari/'        => 'Safari',
		'curl/'          => 'curl',
		'WordPress/'     => 'WordPress',
	);

	/** The same for systems. */
	private const SYSTEMS = array(
		'iPhone'    => 'iPhone',
		'iPad'      => 'iPad',
		'Android'   => 'Android',
		'CrOS'      => 'ChromeOS',
		'Windows'   => 'Windows',
		'Macintosh' => 'Mac',
		'Linux'     => 'Linux',
	);

	/**
	 * Such as "Firefox on Linux".
	 *
	 * @param string $agent What the browser sent.
	 */
	public static function of( string $agent ): string {
		$browser = self::first( self::BROWSERS, $agent );
		$system  = self::first( self::SYSTEMS, $agent );
		if ( '' !== $browser && '' !== $system ) {
			/* translators: 1: a browser, 2: an operating system or a device. */
			return sprintf( __( '%1$s on %2$s', 'cloakroom' ), $browser, $system );
		}
		return '' !== $browser . $system ? $browser . $system : __( 'Unknown device', 'cloakroom' );
	}

	/**
	 * The first that is in the text.
	 *
	 * @param array<string, string> $names Words and names.
	 * @param string                $text  The text.
	 */
	private static function first( array $names, string $text ): string {
		foreach ( $names as $word => $name ) {
			if ( str_contains( $text, $word ) ) {
				return $name;
			}
		}
		return '';
	}
}
