<?php
/**
 * Pantheon_Sessions\Session_Handler, as Native PHP Sessions has it since 0.9.
 *
 * @package Cloakroom
 */

// phpcs:disable WordPress.NamingConventions.PrefixAllGlobals -- a name that other code calls.

namespace Pantheon_Sessions;

/**
 * A handler that hands everything on to the extension: whoever installs it changes nothing.
 */
class Session_Handler extends \SessionHandler {}
