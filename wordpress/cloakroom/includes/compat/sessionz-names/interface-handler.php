<?php
/**
 * EAMann\Sessionz\Handler.
 *
 * @package Cloakroom
 */

// phpcs:disable WordPress.NamingConventions, Universal.NamingConventions -- names that other code calls.

namespace EAMann\Sessionz;

/**
 * A layer of a Sessionz stack. Code may implement it; Cloakroom calls none of it.
 */
interface Handler {

	/**
	 * Would delete a session.
	 *
	 * @param string   $id   Its id.
	 * @param callable $next The next layer.
	 */
	public function delete( $id, $next );

	/**
	 * Would read a session.
	 *
	 * @param string   $id   Its id.
	 * @param callable $next The next layer.
	 */
	public function read( $id, $next );

	/**
	 * Would write a session.
	 *
	 * @param string   $id   Its id.
	 * @param string   $data Its variables, encoded.
	 * @param callable $next The next layer.
	 */
	public function write( $id, $data, $next );

	/**
	 * Would remove sessions that are over.
	 *
	 * @param int      $maxlifetime Seconds.
	 * @param callable $next        The next layer.
	 */
	public function clean( $maxlifetime, $next );

	/**
	 * Would open the store.
	 *
	 * @param string   $path A path.
	 * @param string   $name The session's name.
	 * @param callable $next The next layer.
	 */
	public function create( $path, $name, $next );
}
