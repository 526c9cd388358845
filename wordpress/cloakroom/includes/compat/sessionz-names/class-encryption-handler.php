<?php
/**
 * EAMann\Sessionz\Handlers\EncryptionHandler.
 *
 * @package Cloakroom
 */

// phpcs:disable WordPress.NamingConventions, Universal.NamingConventions -- names that other code calls.

namespace EAMann\Sessionz\Handlers;

/**
 * The layer that encrypted. The extension seals every session, without a key or with those of `cloakroom.keys`.
 */
class EncryptionHandler extends BaseHandler {

	/**
	 * Takes the key and forgets it.
	 *
	 * @param string $key A key of the Defuse library.
	 */
	public function __construct( $key ) {}
}
