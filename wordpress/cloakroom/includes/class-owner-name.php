<?php
/**
 * Names of owners.
 *
 * @package Cloakroom
 */

namespace Cloakroom;

/**
 * How a user of this site, or of this network, is called where sessions of several sites may be in one store.
 */
final class Owner_Name {

	/**
	 * A user's, such as `wp-1f3a9c02:42`.
	 *
	 * @param int $user The user's ID.
	 */
	public static function of( int $user ): string {
		return self::scope() . ':' . $user;
	}

	/**
	 * The user's ID in a name; 0 for nobody and for owners of elsewhere.
	 *
	 * @param string|null $name The name.
	 */
	public static function user( ?string $name ): int {
		$prefix = self::scope() . ':';
		return null !== $name && str_starts_with( $name, $prefix ) ? (int) substr( $name, strlen( $prefix ) ) : 0;
	}

	/**
	 * This site, or network: users belong to a set of tables, so it is named by those.
	 */
	private static function scope(): string {
		global $wpdb;
		$scope = 'wp-' . substr( hash( 'sha256', DB_NAME . "\0" . $wpdb->base_prefix ), 0, 8 );
		/**
		 * The first part of owners' names. Sites with equal database names and prefixes that share one store need different ones.
		 *
		 * @param string $scope At most 100 bytes.
		 */
		return (string) apply_filters( 'cloakroom_owner_scope', $scope );
	}
}
