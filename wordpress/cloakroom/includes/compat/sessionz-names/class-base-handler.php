<?php
/**
 * EAMann\Sessionz\Handlers\BaseHandler.
 *
 * @package Cloakroom
 */

// phpcs:disable WordPress.NamingConventions, Universal.NamingConventions -- names that other code calls.

namespace EAMann\Sessionz\Handlers;

use EAMann\Sessionz\Handler;

/**
 * A layer that does nothing: the last one of a stack.
 */
class BaseHandler implements Handler {

	/**
	 * True.
	 *
	 * @param string        $id   Ignored.
	 * @param callable|null $next Ignored.
	 */
	public function delete( $id, $next = null ) {
		return true;
	}

	/**
	 * Nothing.
	 *
	 * @param string        $id   Ignored.
	 * @param callable|null $next Ignored.
	 */
	public function read( $id, $next = null ) {
		return '';
	}

	/**
	 * True.
	 *
	 * @param string        $id   Ignored.
	 * @param string        $data Ignored.
	 * @param callable|null $next Ignored.
	 */
	public function write( $id, $data, $next = null ) {
		return true;
	}

	/**
	 * True.
	 *
	 * @param int           $maxlifetime Ignored.
	 * @param callable|null $next        Ignored.
	 */
	public function clean( $maxlifetime, $next = null ) {
		return true;
	}

	/**
	 * True.
	 *
	 * @param string        $path Ignored.
	 * @param string        $name Ignored.
	 * @param callable|null $next Ignored.
	 */
	public function create( $path, $name, $next = null ) {
		return true;
	}
}
