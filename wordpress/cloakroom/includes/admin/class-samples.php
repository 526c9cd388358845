<?php
/**
 * How many sessions there were, hour by hour.
 *
 * @package Cloakroom
 */

namespace Cloakroom\Admin;

/**
 * The store knows how many there are, not how many there were. Once an hour the plugin asks, by WordPress's clock or when the screen
 * is opened, and keeps two weeks of answers in one option that is never autoloaded (about 12 KB).
 */
final class Samples {

	/** The option (of the network). */
	public const OPTION = 'cloakroom_samples';

	/** The event. */
	public const HOOK = 'cloakroom_sample';

	/** How many are kept: two weeks. */
	public const MOST = 336;

	/** Beyond so many sessions the screen does not count by itself: some stores have to look at each one for that. */
	public const LARGE = 100_000;

	/**
	 * Adds actions.
	 */
	public function register(): void {
		add_action( self::HOOK, array( self::class, 'take' ) );
		add_action( 'admin_init', array( $this, 'schedule' ) );
	}

	/**
	 * Asks for the event, on the network's main site.
	 */
	public function schedule(): void {
		if ( is_main_site() && ! wp_doing_ajax() && ! wp_next_scheduled( self::HOOK ) ) {
			wp_schedule_event( time(), 'hourly', self::HOOK );
		}
	}

	/**
	 * Takes this hour's.
	 *
	 * @param array<string, mixed>|null $count What cloakroom_count() says, where that was asked already.
	 */
	public static function take( $count = null ): void {
		$count = is_array( $count ) ? $count : cloakroom_count();
		if ( ! isset( $count['live'] ) ) {
			return;
		}
		$samples = self::all();
		$hour    = intdiv( time(), HOUR_IN_SECONDS );
		// The first of an hour stays, unless the store has become large since: then the screen looks at the sample alone.
		if ( isset( $samples[ $hour ] ) && ( (int) $count['live'] <= self::LARGE || $samples[ $hour ][0] > self::LARGE ) ) {
			return;
		}
		$samples[ $hour ] = array( (int) $count['live'], (int) $count['owned'], (int) $count['bytes'] );
		ksort( $samples );
		$samples = array_slice( $samples, -self::MOST, null, true );
		if ( is_multisite() ) {
			update_site_option( self::OPTION, $samples );
		} else {
			update_option( self::OPTION, $samples, false );
		}
	}

	/**
	 * The hour whose sample the screen may show instead of counting, or null: there is one, not older than two hours, and the store
	 * is large.
	 */
	public static function recent(): ?int {
		$samples = self::all();
		$hour    = array_key_last( $samples );
		return null !== $hour && $hour >= intdiv( time(), HOUR_IN_SECONDS ) - 2 && $samples[ $hour ][0] > self::LARGE ? $hour : null;
	}

	/**
	 * What is kept.
	 *
	 * @return array<int, array{int, int, int}> Hour since 1970 => sessions, those with an owner, bytes.
	 */
	public static function all(): array {
		$samples = get_site_option( self::OPTION, array() );
		return is_array( $samples ) ? array_filter( $samples, 'is_array' ) : array();
	}
}
