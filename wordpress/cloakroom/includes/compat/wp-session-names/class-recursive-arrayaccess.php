<?php
/**
 * Recursive_ArrayAccess, as WP Session Manager 1.1 to 2.x had it.
 *
 * @package Cloakroom
 */

// phpcs:disable WordPress.NamingConventions.PrefixAllGlobals, WordPress.NamingConventions.ValidFunctionName -- names that other code calls.

/**
 * An array as an object; arrays in it are such objects, too.
 */
class Recursive_ArrayAccess implements ArrayAccess, Iterator, Countable {

	/**
	 * The values.
	 *
	 * @var array<int|string, mixed>
	 */
	protected $container = array();

	/**
	 * Whether something was written.
	 *
	 * @var bool
	 */
	protected $dirty = false;

	/**
	 * Of an array.
	 *
	 * @param array<int|string, mixed> $data The values.
	 */
	protected function __construct( $data = array() ) {
		foreach ( (array) $data as $key => $value ) {
			$this->container[ $key ] = is_array( $value ) ? new self( $value ) : $value;
		}
	}

	/**
	 * Objects in it are copied, too.
	 */
	public function __clone() {
		foreach ( $this->container as $key => $value ) {
			if ( $value instanceof self ) {
				$this->container[ $key ] = clone $value;
			}
		}
	}

	/**
	 * As a plain array, at every depth.
	 *
	 * @return array<int|string, mixed>
	 */
	public function toArray() {
		return array_map( static fn ( mixed $value ): mixed => $value instanceof self ? $value->toArray() : $value, $this->container );
	}

	/**
	 * Whether a key is there and is not null.
	 *
	 * @param mixed $offset The key.
	 */
	#[\ReturnTypeWillChange]
	public function offsetExists( $offset ) {
		return isset( $this->container[ $offset ] );
	}

	/**
	 * The value of a key; null where there is none.
	 *
	 * @param mixed $offset The key.
	 * @return mixed
	 */
	#[\ReturnTypeWillChange]
	public function offsetGet( $offset ) {
		return $this->container[ $offset ] ?? null;
	}

	/**
	 * Sets a value; without a key it is appended.
	 *
	 * @param mixed $offset The key, or null.
	 * @param mixed $value  The value.
	 */
	#[\ReturnTypeWillChange]
	public function offsetSet( $offset, $value ) {
		$value = is_array( $value ) ? new self( $value ) : $value;
		if ( null === $offset ) {
			$this->container[] = $value;
		} else {
			$this->container[ $offset ] = $value;
		}
		$this->dirty = true;
	}

	/**
	 * Removes a key.
	 *
	 * @param mixed $offset The key.
	 */
	#[\ReturnTypeWillChange]
	public function offsetUnset( $offset ) {
		unset( $this->container[ $offset ] );
		$this->dirty = true;
	}

	/**
	 * The value under the cursor.
	 *
	 * @return mixed
	 */
	#[\ReturnTypeWillChange]
	public function current() {
		return current( $this->container );
	}

	/**
	 * The key under the cursor.
	 *
	 * @return int|string|null
	 */
	#[\ReturnTypeWillChange]
	public function key() {
		return key( $this->container );
	}

	/**
	 * Moves the cursor.
	 */
	#[\ReturnTypeWillChange]
	public function next() {
		next( $this->container );
	}

	/**
	 * Moves it to the beginning.
	 */
	#[\ReturnTypeWillChange]
	public function rewind() {
		reset( $this->container );
	}

	/**
	 * Whether there is a value under it; a null ends the iteration.
	 */
	#[\ReturnTypeWillChange]
	public function valid() {
		$key = $this->key();
		return null !== $key && $this->offsetExists( $key );
	}

	/**
	 * How many values there are on the first level, nulls included.
	 */
	#[\ReturnTypeWillChange]
	public function count() {
		return count( $this->container );
	}
}
