<?php
/**
 * EAMann\Sessionz\Handlers\NoopHandler.
 *
 * @package Cloakroom
 */

// phpcs:disable WordPress.NamingConventions, Universal.NamingConventions -- names that other code calls.

namespace EAMann\Sessionz\Handlers;

/**
 * A layer that hands everything on.
 */
class NoopHandler extends BaseHandler {}
