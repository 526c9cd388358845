<?php
/**
 * Everything that the plugin leaves in a site's database, and the file of its key.
 *
 * @package Cloakroom
 */

namespace Cloakroom;

/**
 * Whoever stores something new adds it here; uninstall.php removes what is named here, and a test looks for what is not.
 */
final class Footprint {

	/** Options of each site. Transients whose names begin with `cloakroom_` go as well. */
	public const OPTIONS = array( Settings::OPTION, Callers::OPTION, Admin\Samples::OPTION, Owner\Policy::OPTION );

	/** Options of the network. */
	public const NETWORK_OPTIONS = array( Admin\Samples::OPTION, Owner\Policy::OPTION );

	/** User meta. */
	public const USER_META = array();

	/** Scheduled hooks. */
	public const HOOKS = array( 'wp_session_garbage_collection', Admin\Samples::HOOK );

	/**
	 * Takes our events out of this site's schedule.
	 */
	public static function clear_schedule(): void {
		foreach ( self::HOOKS as $hook ) {
			wp_unschedule_hook( $hook );
		}
	}

	/**
	 * The same for all sites of the network.
	 */
	public static function clear_all_schedules(): void {
		foreach ( self::sites() as $site ) {
			switch_to_blog( $site );
			self::clear_schedule();
			restore_current_blog();
		}
	}

	/**
	 * Removes everything from this site.
	 */
	public static function remove_from_site(): void {
		global $wpdb;
		self::clear_schedule();
		foreach ( self::OPTIONS as $option ) {
			delete_option( $option );
		}
		foreach ( array( '_transient_', '_transient_timeout_' ) as $prefix ) {
			// phpcs:ignore WordPress.DB.DirectDatabaseQuery -- there is no function for "all that begin with".
			$names = $wpdb->get_col( $wpdb->prepare( "SELECT option_name FROM {$wpdb->options} WHERE option_name LIKE %s", $wpdb->esc_like( $prefix . 'cloakroom_' ) . '%' ) );
			array_map( 'delete_option', $names );
		}
	}

	/**
	 * IDs of the network's sites.
	 *
	 * @return list<int>
	 */
	private static function sites(): array {
		return array_map(
			'intval',
			get_sites(
				array(
					'fields' => 'ids',
					'number' => 0,
				)
			)
		);
	}

	/**
	 * Removes everything from the network, or from the only site.
	 */
	public static function remove(): void {
		if ( is_multisite() ) {
			foreach ( self::sites() as $site ) {
				switch_to_blog( $site );
				self::remove_from_site();
				restore_current_blog();
			}
			array_map( 'delete_site_option', self::NETWORK_OPTIONS );
		} else {
			self::remove_from_site();
		}
		Owner\Devices::forget_all();
		Shop\Site_Key::remove();
		foreach ( self::USER_META as $key ) {
			delete_metadata( 'user', 0, $key, '', true );
		}
	}
}
