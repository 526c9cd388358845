<?php
/**
 * The plugin: which areas it has, and when each is there.
 *
 * @package Cloakroom
 */

namespace Cloakroom;

use Cloakroom\Environment\Runtime;

/**
 * Registers the modules.
 *
 * A new area is a folder under `includes/` with a class that implements {@see Module}, and a line in one of the two lists below.
 */
final class Plugin {

	/** This release. */
	public const VERSION = '0.1.0';

	/** Areas that are always there: they tell what is missing. */
	private const ALWAYS = array(
		Environment\Translations::class,
		Environment\Notices::class,
		Health\Site_Health::class,
		Cli\Commands::class,
	);

	/** Areas that are there when the extension keeps this server's sessions. Without it the site works as it did before. */
	private const WITH_EXTENSION = array(
		Callers::class,
		Compat\Compatibility::class,
		Owner\Owner::class,
		Owner\Profile::class,
		Privacy\Personal_Data::class,
		Admin\Screen::class,
		Cli\Old_Commands::class,
		Health\Own_Calls::class,
		Shop\Shop::class,
	);

	/**
	 * Whether it has been booted.
	 *
	 * @var bool
	 */
	private static bool $booted = false;

	/**
	 * Registers everything; called once, when WordPress includes the plugin.
	 */
	public static function boot(): void {
		if ( self::$booted ) {
			return;
		}
		self::$booted = true;
		foreach ( self::modules() as $module ) {
			( new $module() )->register();
		}
	}

	/**
	 * The modules of this request, in the order of registration.
	 *
	 * @return list<class-string<Module>>
	 */
	public static function modules(): array {
		return Runtime::here()->works() ? array_merge( self::ALWAYS, self::WITH_EXTENSION ) : self::ALWAYS;
	}

	/**
	 * The plugin was switched on.
	 */
	public static function activate(): void {
		Settings::remember_activation();
		( new Compat\Compatibility() )->load_first();
	}

	/**
	 * The plugin was switched off: nothing may call us any more.
	 *
	 * @param mixed $network Whether for all sites of the network.
	 */
	public static function deactivate( $network = false ): void {
		if ( $network && is_multisite() ) {
			Footprint::clear_all_schedules();
		} else {
			Footprint::clear_schedule();
		}
	}

	/**
	 * The plugin's name for WordPress, such as `cloakroom/cloakroom.php`.
	 */
	public static function basename(): string {
		return plugin_basename( CLOAKROOM_PLUGIN_FILE );
	}
}
