<?php
/**
 * EAMann\WPSession\CacheHandler.
 *
 * @package Cloakroom
 */

// phpcs:disable WordPress.NamingConventions, Universal.NamingConventions -- names that other code calls.

namespace EAMann\WPSession;

/**
 * The layer that put the object cache in front.
 */
class CacheHandler extends SessionHandler {}
