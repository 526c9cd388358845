<?php
/**
 * EAMann\WPSession\SessionHandler.
 *
 * @package Cloakroom
 */

// phpcs:disable WordPress.NamingConventions, Universal.NamingConventions -- names that other code calls.

namespace EAMann\WPSession;

use EAMann\Sessionz\Handlers\BaseHandler;

/**
 * The layer on which WP Session Manager's stores stood. Nothing is stored by it any more.
 */
class SessionHandler extends BaseHandler {}
