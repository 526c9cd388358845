<?php
/**
 * The names of the plugins that Cloakroom succeeds.
 *
 * @package Cloakroom
 */

namespace Cloakroom\Compat;

use Cloakroom\Autoloader;
use Cloakroom\Module;
use Cloakroom\Environment\Other_Plugins;
use Cloakroom\Compat\Host\Host_Cookie;

/**
 * Makes classes and functions answer, unless the plugin whose they are is active, or another plugin has brought a copy along.
 *
 * Classes are loaded at their first use, from the moment on in which this plugin is included: a copy that asks `class_exists()`
 * first steps aside, one that does not ask declares its own without an error. Functions are declared when all plugins have been
 * included. A family of classes is ours as a whole or not at all.
 */
final class Compatibility implements Module {

	/** Families of classes, with their files under `includes/`. */
	private const CLASSES = array(
		'wp-session' => array(
			'Recursive_ArrayAccess' => 'compat/wp-session-names/class-recursive-arrayaccess.php',
			'WP_Session'            => 'compat/wp-session-names/class-wp-session.php',
			'WP_Session_Utils'      => 'compat/wp-session-names/class-wp-session-utils.php',
		),
		'manager'    => array(
			'EAMann\WPSession\SessionHandler'  => 'compat/sessionz-names/class-wpsession-session-handler.php',
			'EAMann\WPSession\DatabaseHandler' => 'compat/sessionz-names/class-wpsession-database-handler.php',
			'EAMann\WPSession\OptionsHandler'  => 'compat/sessionz-names/class-wpsession-options-handler.php',
			'EAMann\WPSession\CacheHandler'    => 'compat/sessionz-names/class-wpsession-cache-handler.php',
			'EAMann\WPSession\Objects\Option'  => 'compat/sessionz-names/class-wpsession-option.php',
		),
		'sessionz'   => array(
			'EAMann\Sessionz\Manager'                    => 'compat/sessionz-names/class-manager.php',
			'EAMann\Sessionz\Handler'                    => 'compat/sessionz-names/interface-handler.php',
			'EAMann\Sessionz\Handlers\BaseHandler'       => 'compat/sessionz-names/class-base-handler.php',
			'EAMann\Sessionz\Handlers\NoopHandler'       => 'compat/sessionz-names/class-noop-handler.php',
			'EAMann\Sessionz\Handlers\DefaultHandler'    => 'compat/sessionz-names/class-default-handler.php',
			'EAMann\Sessionz\Handlers\MemoryHandler'     => 'compat/sessionz-names/class-memory-handler.php',
			'EAMann\Sessionz\Handlers\EncryptionHandler' => 'compat/sessionz-names/class-encryption-handler.php',
		),
		'host'       => array(
			'Pantheon_Sessions'                 => 'compat/host-names/class-pantheon-sessions.php',
			'Pantheon_Sessions\Session'         => 'compat/host-names/class-session.php',
			'Pantheon_Sessions\Session_Handler' => 'compat/host-names/class-session-handler.php',
		),
	);

	/** Families that belong to a plugin. */
	private const PLUGINS = array(
		'wp-session' => Other_Plugins::MANAGER,
		'manager'    => Other_Plugins::MANAGER,
		'sessionz'   => Other_Plugins::MANAGER,
		'host'       => Other_Plugins::HOST,
	);

	/**
	 * Families that we answer for.
	 *
	 * @var array<string, true>
	 */
	private array $ours = array();

	/**
	 * Takes the names on.
	 */
	public function register(): void {
		$others = Other_Plugins::active();
		foreach ( self::CLASSES as $family => $classes ) {
			if ( ! isset( $others[ self::PLUGINS[ $family ] ] ) && null === self::brought_along( $family ) ) {
				$this->ours[ $family ] = true;
				Autoloader::take_on( $classes );
			}
		}
		if ( isset( $this->ours['host'] ) ) {
			Host_Cookie::apply();
		}
		add_action( 'plugins_loaded', array( $this, 'declare_functions' ), PHP_INT_MIN );
		add_action( 'activated_plugin', array( $this, 'load_first' ) );
	}

	/**
	 * Declares functions and constants of families that are still ours, and adds what they do in a request.
	 */
	public function declare_functions(): void {
		if ( isset( $this->ours['wp-session'] ) && null === self::brought_along( 'wp-session' ) ) {
			require_once __DIR__ . '/wp-session-names/functions.php';
			self::constants(
				array(
					'WP_SESSION_COOKIE'              => '_wp_session',
					'WP_SESSION_MINIMUM_PHP_VERSION' => '8.1',
				)
			);
			( new WP_Session\Hooks() )->register();
		}
		if ( isset( $this->ours['host'] ) && null === self::brought_along( 'host' ) ) {
			require_once __DIR__ . '/host-names/functions.php';
			self::constants(
				array(
					'PANTHEON_SESSIONS_ENABLED' => 1,
					'PANTHEON_SESSIONS_VERSION' => '1.4.5',
				)
			);
			$GLOBALS['wpdb']->pantheon_sessions = $GLOBALS['wpdb']->prefix . 'pantheon_sessions';
			add_action( 'set_logged_in_cookie', array( 'Pantheon_Sessions', 'action_set_logged_in_cookie' ), 10, 4 );
			add_action( 'clear_auth_cookie', array( 'Pantheon_Sessions', 'action_clear_auth_cookie' ) );
		}
	}

	/**
	 * Keeps this plugin first among the active ones, so that copies that ask whether the classes are there find them.
	 */
	public function load_first(): void {
		$plugins = (array) get_option( 'active_plugins', array() );
		$place   = array_search( \Cloakroom\Plugin::basename(), $plugins, true );
		if ( is_int( $place ) && $place > 0 ) {
			unset( $plugins[ $place ] );
			update_option( 'active_plugins', array( \Cloakroom\Plugin::basename(), ...array_values( $plugins ) ) );
		}
	}

	/**
	 * The file from which another plugin has declared a class of a family, or null.
	 *
	 * @param string $family A key of {@see Compatibility::CLASSES}.
	 */
	public static function brought_along( string $family ): ?string {
		foreach ( self::CLASSES[ $family ] as $name => $file ) {
			if ( class_exists( $name, false ) || interface_exists( $name, false ) ) {
				$found = (string) ( new \ReflectionClass( $name ) )->getFileName();
				if ( dirname( __DIR__ ) . '/' . $file !== $found ) {
					return $found;
				}
			}
		}
		return null;
	}

	/**
	 * What Site Health tells: who has brought copies along.
	 *
	 * @return array<string, string> Family => file.
	 */
	public static function copies(): array {
		return array_filter( array_map( self::brought_along( ... ), array_combine( array_keys( self::CLASSES ), array_keys( self::CLASSES ) ) ) );
	}

	/**
	 * Defines constants that nobody has defined.
	 *
	 * @param array<string, int|string> $constants Names and values.
	 */
	private static function constants( array $constants ): void {
		foreach ( $constants as $name => $value ) {
			if ( ! defined( $name ) ) {
				define( $name, $value );
			}
		}
	}
}
