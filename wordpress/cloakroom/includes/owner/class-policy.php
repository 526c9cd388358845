<?php
/**
 * What happens to sessions when somebody logs out, and across a network's sites.
 *
 * @package Cloakroom
 */

namespace Cloakroom\Owner;

/**
 * One setting for the whole network, or for the only site.
 */
final class Policy {

	/** The option (of the network). */
	public const OPTION = 'cloakroom_policy';

	/** Every site of the network has sessions of its own. */
	public const PER_SITE = 'site';

	/** All sites of the network share a visitor's session. */
	public const SHARED = 'network';

	/**
	 * What holds where nothing was set.
	 *
	 * `end_on_logout`: the session ends; otherwise it goes on as nobody's, under a new id. `end_on_password`: a person's sessions on
	 * other devices end. `network`: '' (as php.ini has the cookie), `site`, or `network`.
	 */
	private const DEFAULTS = array(
		'end_on_logout'   => true,
		'end_on_password' => true,
		'network'         => '',
	);

	/**
	 * All of it.
	 *
	 * @return array{end_on_logout: bool, end_on_password: bool, network: string}
	 */
	public static function all(): array {
		$stored = get_site_option( self::OPTION, array() );
		return array_merge( self::DEFAULTS, is_array( $stored ) ? array_intersect_key( $stored, self::DEFAULTS ) : array() );
	}

	/**
	 * Whether the session ends when its visitor logs out.
	 */
	public static function ends_on_logout(): bool {
		return (bool) self::all()['end_on_logout'];
	}

	/**
	 * Whether the sessions on other devices end when the password changes.
	 */
	public static function ends_on_password(): bool {
		return (bool) self::all()['end_on_password'];
	}

	/**
	 * Whose sessions are one: '', {@see Policy::PER_SITE} or {@see Policy::SHARED}.
	 */
	public static function network(): string {
		$network = self::all()['network'];
		return in_array( $network, array( self::PER_SITE, self::SHARED ), true ) ? $network : '';
	}

	/**
	 * Changes it; what is not named stays.
	 *
	 * @param array<string, mixed> $changes Names and values.
	 */
	public static function change( array $changes ): void {
		update_site_option( self::OPTION, array_merge( self::all(), array_intersect_key( $changes, self::DEFAULTS ) ) );
	}
}
