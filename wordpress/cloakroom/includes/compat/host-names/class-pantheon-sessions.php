<?php
/**
 * Pantheon_Sessions, as Native PHP Sessions has it.
 *
 * @package Cloakroom
 */

// phpcs:disable WordPress.NamingConventions.PrefixAllGlobals -- a name that other code calls.

use Cloakroom\Callers;
use Cloakroom\Owner_Name;
use Cloakroom\Compat\Compatibility;

/**
 * The plugin's object. What concerned its table has nothing to do any more.
 */
class Pantheon_Sessions {

	/**
	 * The one of this request.
	 *
	 * @var self|null
	 */
	private static ?self $instance = null;

	/**
	 * The one of this request.
	 */
	public static function get_instance(): self {
		Callers::note( 'Pantheon_Sessions' );
		return self::$instance ??= new self();
	}

	/**
	 * Somebody logs in: the session is theirs.
	 *
	 * @param string $cookie     The log-in's cookie.
	 * @param int    $expire     Unix time until which the browser keeps it.
	 * @param int    $expiration Unix time until which it is valid.
	 * @param int    $user_id    Who logs in.
	 */
	public static function action_set_logged_in_cookie( $cookie, $expire, $expiration, $user_id ): void {
		cloakroom_owner( $user_id ? Owner_Name::of( (int) $user_id ) : null );
	}

	/**
	 * Somebody logs out: the session is nobody's.
	 */
	public static function action_clear_auth_cookie(): void {
		cloakroom_owner( null );
	}

	/**
	 * Puts this plugin first among the active ones, so that its names are there when the others are loaded.
	 */
	public function force_first_load(): void {
		( new Compatibility() )->load_first();
	}

	/**
	 * There is no table whose key could be missing.
	 */
	public function check_native_primary_keys(): void {}

	/**
	 * Nothing is to be done.
	 *
	 * @param int $start_position Where to begin among the sites.
	 */
	public function add_index( $start_position = 0 ): void {
		self::say_nothing_to_do();
	}

	/**
	 * Nothing is to be done.
	 *
	 * @param int $start_position Where to begin among the sites.
	 */
	public function primary_key_finalize( $start_position = 0 ): void {
		self::say_nothing_to_do();
	}

	/**
	 * Nothing is to be done.
	 *
	 * @param int $start_position Where to begin among the sites.
	 */
	public function primary_key_revert( $start_position = 0 ): void {
		self::say_nothing_to_do();
	}

	/**
	 * IDs of the network's sites.
	 *
	 * @param int $start_position Where to begin.
	 * @return list<int>
	 */
	public function get_all_sites( $start_position = 0 ): array {
		if ( ! is_multisite() ) {
			return array( get_current_blog_id() );
		}
		return array_map(
			'intval',
			get_sites(
				array(
					'fields' => 'ids',
					'number' => 0,
					'offset' => (int) $start_position,
				)
			)
		);
	}

	/**
	 * Nothing is to be done.
	 *
	 * @param string       $prefix    The site's prefix.
	 * @param list<string> $output    What was said so far.
	 * @param bool         $multisite Whether there are several sites.
	 * @return list<string>
	 */
	public function add_single_index( $prefix, $output = array(), $multisite = false ): array {
		return array( ...$output, self::nothing_to_do() );
	}

	/**
	 * Nothing is to be done.
	 *
	 * @param string       $prefix    The site's prefix.
	 * @param list<string> $output    What was said so far.
	 * @param bool         $multisite Whether there are several sites.
	 * @return list<string>
	 */
	public function primary_key_finalize_single( $prefix, $output = array(), $multisite = false ): array {
		return array( ...$output, self::nothing_to_do() );
	}

	/**
	 * Nothing is to be done.
	 *
	 * @param string       $prefix    The site's prefix.
	 * @param list<string> $output    What was said so far.
	 * @param bool         $multisite Whether there are several sites.
	 * @return list<string>
	 */
	public function primary_key_revert_single( $prefix, $output = array(), $multisite = false ): array {
		return array( ...$output, self::nothing_to_do() );
	}

	/**
	 * What is said instead.
	 */
	private static function nothing_to_do(): string {
		return __( 'Nothing is to be done: Cloakroom keeps its store in order by itself.', 'cloakroom' );
	}

	/**
	 * Says it where somebody listens.
	 */
	private static function say_nothing_to_do(): void {
		if ( defined( 'WP_CLI' ) && WP_CLI ) {
			WP_CLI::success( self::nothing_to_do() );
		}
	}
}
