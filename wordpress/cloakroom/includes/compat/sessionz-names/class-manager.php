<?php
/**
 * EAMann\Sessionz\Manager.
 *
 * @package Cloakroom
 */

// phpcs:disable WordPress.NamingConventions, Universal.NamingConventions -- names that other code calls.

namespace EAMann\Sessionz;

use Cloakroom\Callers;

/**
 * Takes Sessionz's calls. The layers are remembered and not used: Cloakroom stays the handler, so sessions are stored, sealed and
 * swept as everywhere. Who calls is named in Site Health. Installed by hand, it hands everything on to the extension.
 */
class Manager extends \SessionHandler {

	/**
	 * The latest one.
	 *
	 * @var self|null
	 */
	protected static $manager;

	/**
	 * Layers, the last one first.
	 *
	 * @var list<Handler>
	 */
	protected $handlers = array();

	/**
	 * Makes a new one.
	 */
	public static function initialize() {
		Callers::note( 'Sessionz' );
		self::$manager = new self();
		return self::$manager;
	}

	/**
	 * Remembers a layer.
	 *
	 * @param Handler $handler The layer.
	 * @return static
	 */
	public function addHandler( $handler ) {
		Callers::note( 'Sessionz' );
		array_unshift( $this->handlers, $handler );
		return $this;
	}
}
