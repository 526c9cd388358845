<?php
/**
 * Where the screen is, and who may see it.
 *
 * @package Cloakroom
 */

namespace Cloakroom\Admin;

/**
 * In a network of sites the store has the sessions of all of them, so the screen is the network's.
 */
final class Place {

	/** The screen's slug. */
	public const SLUG = 'cloakroom';

	/** The tabs, the first of them shown where none is named. */
	public const TABS = array( 'overview', 'sessions', 'reports', 'health', 'settings' );

	/**
	 * What one must be able to do.
	 */
	public static function capability(): string {
		return is_multisite() ? 'manage_network_options' : 'manage_options';
	}

	/**
	 * The address of the screen.
	 *
	 * @param array<string, int|string> $query What is appended.
	 */
	public static function url( array $query = array() ): string {
		$query = array_map( 'rawurlencode', array_map( 'strval', array( 'page' => self::SLUG ) + $query ) );
		return add_query_arg( $query, is_multisite() ? network_admin_url( 'settings.php' ) : admin_url( 'tools.php' ) );
	}

	/**
	 * A text of the request's query.
	 *
	 * @param string $name Its name.
	 */
	public static function asked( string $name ): string {
		// phpcs:ignore WordPress.Security.NonceVerification -- it only chooses what is shown.
		return isset( $_GET[ $name ] ) && is_string( $_GET[ $name ] ) ? sanitize_text_field( wp_unslash( $_GET[ $name ] ) ) : '';
	}
}
