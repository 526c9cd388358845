<?php
/**
 * EAMann\Sessionz\Handlers\MemoryHandler.
 *
 * @package Cloakroom
 */

// phpcs:disable WordPress.NamingConventions, Universal.NamingConventions -- names that other code calls.

namespace EAMann\Sessionz\Handlers;

/**
 * The layer that kept what was read in memory. The extension does.
 */
class MemoryHandler extends BaseHandler {}
