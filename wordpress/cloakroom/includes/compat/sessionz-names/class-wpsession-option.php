<?php
/**
 * EAMann\WPSession\Objects\Option.
 *
 * @package Cloakroom
 */

// phpcs:disable WordPress.NamingConventions, Universal.NamingConventions -- names that other code calls.

namespace EAMann\WPSession\Objects;

/**
 * A session as the options table had it.
 *
 * @property-read mixed $data What it holds.
 * @property-read int   $time When it began.
 */
class Option {

	/**
	 * Of that data.
	 *
	 * @param mixed    $data What it holds.
	 * @param int|null $time When it began; now if nothing is said.
	 */
	public function __construct( private $data, private $time = null ) {
		$this->time ??= time();
	}

	/**
	 * A property.
	 *
	 * @param string $name Its name.
	 * @return mixed
	 */
	public function __get( string $name ): mixed {
		return match ( $name ) {
			'data'  => $this->data,
			'time'  => $this->time,
			default => null,
		};
	}

	/**
	 * Whether there is such a property.
	 *
	 * @param string $name Its name.
	 */
	public function __isset( string $name ): bool {
		return in_array( $name, array( 'data', 'time' ), true );
	}
}
