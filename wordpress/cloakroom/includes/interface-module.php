<?php
/**
 * What every area of the plugin is to the plugin.
 *
 * @package Cloakroom
 */

namespace Cloakroom;

/**
 * An area that hangs itself into WordPress. It is made without arguments, and only when it is needed.
 */
interface Module {

	/**
	 * Adds actions and filters. It does no work yet: nothing is read, written, or started here.
	 */
	public function register(): void;
}
