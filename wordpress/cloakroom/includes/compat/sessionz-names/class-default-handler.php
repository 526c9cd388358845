<?php
/**
 * EAMann\Sessionz\Handlers\DefaultHandler.
 *
 * @package Cloakroom
 */

// phpcs:disable WordPress.NamingConventions, Universal.NamingConventions -- names that other code calls.

namespace EAMann\Sessionz\Handlers;

/**
 * The layer that was PHP's own handler. Here that is Cloakroom, without being called.
 */
class DefaultHandler extends BaseHandler {}
