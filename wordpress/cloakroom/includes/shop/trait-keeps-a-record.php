<?php
/**
 * What both of the shop's handlers do with their record.
 *
 * @package Cloakroom
 */

namespace Cloakroom\Shop;

/**
 * Between the properties of `WC_Session` and a record.
 */
trait Keeps_A_Record {

	/**
	 * The record that `$_data` was loaded from.
	 *
	 * @var Cart|null
	 */
	private ?Cart $cloakroom_record = null;

	/**
	 * Whether loading or moving failed. Nothing is stored then: who has not seen what is there can't know what has been changed.
	 *
	 * @var bool
	 */
	private bool $cloakroom_detached = false;

	/**
	 * Loads `$_data`.
	 *
	 * @param int $expires Until when the record lives once it is stored.
	 */
	private function load_record( int $expires ): void {
		$this->cloakroom_record   = Cart::open( (string) $this->_customer_id, $expires );
		$this->cloakroom_detached = null === $this->cloakroom_record;
		$this->_data              = $this->cloakroom_record?->data() ?? array();
	}

	/**
	 * Stores `$_data`, and takes over what others have stored meanwhile. What could not be stored stays to be stored.
	 *
	 * @param int $expires Until when the record lives.
	 */
	private function store_record( int $expires ): bool {
		if ( $this->cloakroom_detached ) {
			return false;
		}
		$data = $this->_data;
		if ( null === $this->cloakroom_record || $this->cloakroom_record->key !== (string) $this->_customer_id ) {
			$this->cloakroom_record = Cart::open( (string) $this->_customer_id, $expires );
			if ( null !== $this->cloakroom_record ) {
				// It was not loaded before, so nothing of it was taken out.
				$data = array_replace( $this->cloakroom_record->data(), $data );
			}
		}
		if ( null === $this->cloakroom_record || ! $this->cloakroom_record->save( $data, $expires ) ) {
			return false;
		}
		$this->_data  = $this->cloakroom_record->data();
		$this->_dirty = false;
		return true;
	}

	/**
	 * Moves the record of a guest to the user who has logged in.
	 *
	 * @param string $user    The user's ID.
	 * @param int    $expires Until when the record lives.
	 */
	private function move_record( string $user, int $expires ): bool {
		$guest = (string) $this->_customer_id;
		if ( null !== $this->cloakroom_record && $this->cloakroom_record->data() !== $this->_data ) {
			// What a filter has changed at loading, or this request since.
			$this->cloakroom_record->save( $this->_data, $expires );
		}
		$moved                  = $this->cloakroom_record?->move_to( $user, $expires );
		$this->_customer_id     = $user;
		$this->cloakroom_record = $moved;
		if ( null === $moved ) {
			// The browser keeps the guest's cookie, and the next request moves it.
			$this->cloakroom_detached = true;
			return false;
		}
		$this->_data  = $moved->data();
		$this->_dirty = false;
		/**
		 * The shop's own action: a guest's session has become a user's.
		 *
		 * @param string $guest The guest's session key.
		 * @param string $user  The user's.
		 */
		do_action( 'woocommerce_guest_session_to_user_id', $guest, $user ); // phpcs:ignore WordPress.NamingConventions.PrefixAllGlobals
		return true;
	}

	/**
	 * Whether a session key is a guest's.
	 *
	 * @param string $key The key.
	 */
	private static function is_guest( string $key ): bool {
		return 1 !== preg_match( '/^[1-9]\d{0,18}$/D', $key );
	}

	/**
	 * A stored session, whoever's it is.
	 *
	 * @param mixed $key      Its key.
	 * @param mixed $fallback What is given where there is none.
	 * @return mixed
	 */
	private static function stored( $key, $fallback ) {
		if ( defined( 'WP_SETUP_CONFIG' ) || ! is_scalar( $key ) ) {
			return $fallback;
		}
		$record = Cart::open( (string) $key );
		return null !== $record && $record->exists() ? $record->data() : $fallback;
	}
}
