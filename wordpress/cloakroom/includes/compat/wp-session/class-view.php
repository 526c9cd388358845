<?php
/**
 * An array in a session, as an object.
 *
 * @package Cloakroom
 */

namespace Cloakroom\Compat\WP_Session;

/**
 * Holds no values: whatever is read or written through it, at any depth, is read from and written to where it stands. So nothing
 * that is written below is forgotten, and plain arrays are stored.
 */
class View extends \Recursive_ArrayAccess implements \JsonSerializable {

	/**
	 * What was handed out, and may be written into. `$session['new']['x'] = 1` makes PHP ask for `new`, and write into what it gets;
	 * `++$session['n']` does the same. So it gets a variable that is looked at again before anything else happens.
	 *
	 * @var list<array{View, int|string, mixed, mixed}> View, key, the variable, and what was in it.
	 */
	private static array $pending = array();

	/**
	 * Whether something was written that has not been saved since.
	 *
	 * @var bool
	 */
	protected static bool $unsaved = false;

	/**
	 * Where the values are.
	 *
	 * @var Source
	 */
	private Source $source;

	/**
	 * The keys that lead from there to here.
	 *
	 * @var list<int|string>
	 */
	private array $path;

	/**
	 * Keys of an iteration that is under way.
	 *
	 * @var list<int|string>
	 */
	private array $keys = array();

	/**
	 * Its place among them.
	 *
	 * @var int
	 */
	private int $cursor = 0;

	/**
	 * At a place.
	 *
	 * @param Source           $source Where the values are.
	 * @param list<int|string> $path   The keys that lead here.
	 */
	protected function __construct( Source $source, array $path = array() ) {
		$this->source = $source;
		$this->path   = $path;
	}

	/**
	 * The values here, as they are.
	 *
	 * @return array<int|string, mixed>
	 */
	protected function values(): array {
		self::settle();
		$values = $this->source->all();
		foreach ( $this->path as $key ) {
			$values = is_array( $values ) ? $values[ $key ] ?? null : null;
		}
		return is_array( $values ) ? $values : array();
	}

	/**
	 * The array in which a key is to be written.
	 *
	 * @param int|string|null $key The key; null: the next number.
	 * @return array<int|string, mixed>
	 */
	private function &place( int|string|null $key ): array {
		$this->dirty   = true;
		self::$unsaved = true;
		$place         = &$this->source->holder( array() === $this->path ? $key : $this->path[0] );
		foreach ( $this->path as $step ) {
			if ( ! isset( $place[ $step ] ) || ! is_array( $place[ $step ] ) ) {
				$place[ $step ] = array();
			}
			$place = &$place[ $step ];
		}
		return $place;
	}

	/**
	 * Puts what was written into empty places where it belongs.
	 */
	public static function settle(): void {
		while ( self::$pending ) {
			list( $view, $key, $value, $before ) = array_shift( self::$pending );
			if ( $value !== $before ) {
				$place         = &$view->place( $key );
				$place[ $key ] = self::plain( $value );
				unset( $place );
			}
		}
	}

	/**
	 * A value without objects of ours.
	 *
	 * @param mixed $value The value.
	 */
	private static function plain( mixed $value ): mixed {
		if ( $value instanceof \Recursive_ArrayAccess ) {
			return $value->toArray();
		}
		return is_array( $value ) ? array_map( self::plain( ... ), $value ) : $value;
	}

	/**
	 * A value for the outside.
	 *
	 * @param int|string $key   Its key.
	 * @param mixed      $value The value.
	 */
	private function shown( int|string $key, mixed $value ): mixed {
		return is_array( $value ) ? new self( $this->source, array( ...$this->path, $key ) ) : $value;
	}

	/**
	 * A key as PHP's arrays have it.
	 *
	 * @param mixed $offset Whatever stands between the brackets.
	 */
	private static function key_of( mixed $offset ): int|string {
		$key = is_float( $offset ) || is_bool( $offset ) || is_resource( $offset ) ? (int) $offset : (string) $offset;
		return array_key_first( array( $key => true ) );
	}

	/**
	 * A clone is a copy: writing to it changes no session.
	 */
	public function __clone() {
		$this->source = new Copy( $this->toArray() );
		$this->path   = array();
	}

	/**
	 * As a plain array, at every depth.
	 *
	 * @return array<int|string, mixed>
	 */
	public function toArray() {
		return self::plain( $this->values() );
	}

	/**
	 * What `json_encode` makes of it.
	 */
	public function jsonSerialize(): mixed {
		return $this->toArray();
	}

	/**
	 * What `serialize` makes of it: a copy.
	 *
	 * @return array<int|string, mixed>
	 */
	public function __serialize(): array {
		return $this->toArray();
	}

	/**
	 * A copy, from `unserialize`.
	 *
	 * @param array<int|string, mixed> $data The values.
	 */
	public function __unserialize( array $data ): void {
		$this->source = new Copy( $data );
		$this->path   = array();
	}

	/**
	 * What `var_dump` shows.
	 *
	 * @return array<int|string, mixed>
	 */
	public function __debugInfo(): array {
		return $this->values();
	}

	/**
	 * Whether a key is there and is not null.
	 *
	 * @param mixed $offset The key.
	 */
	public function offsetExists( mixed $offset ): bool {
		return isset( $this->values()[ self::key_of( $offset ) ] );
	}

	/**
	 * The value of a key; null where there is none.
	 *
	 * @param mixed $offset The key.
	 */
	public function &offsetGet( mixed $offset ): mixed {
		if ( null === $offset ) {
			// `$session[]['x'] = 1`.
			$numbers   = $this->place( null );
			$numbers[] = null;
			$key       = array_key_last( $numbers );
		} else {
			$key = self::key_of( $offset );
		}
		$value = $this->values()[ $key ] ?? null;
		if ( is_array( $value ) ) {
			$view = $this->shown( $key, $value );
			return $view;
		}
		self::$pending[] = array( $this, $key, &$value, $value );
		return $value;
	}

	/**
	 * Sets a value; without a key it is appended.
	 *
	 * @param mixed $offset The key, or null.
	 * @param mixed $value  The value.
	 */
	public function offsetSet( mixed $offset, mixed $value ): void {
		$value = self::plain( $value );
		self::settle();
		if ( null === $offset ) {
			$place   = &$this->place( null );
			$place[] = $value;
		} else {
			$key           = self::key_of( $offset );
			$place         = &$this->place( $key );
			$place[ $key ] = $value;
		}
	}

	/**
	 * Removes a key; nothing is started for one that is not there.
	 *
	 * @param mixed $offset The key.
	 */
	public function offsetUnset( mixed $offset ): void {
		$key = self::key_of( $offset );
		if ( array_key_exists( $key, $this->values() ) ) {
			$place = &$this->place( $key );
			unset( $place[ $key ] );
			$rest = Variables::REST;
			if ( array() === $this->path && $this->source instanceof Variables && array() === ( $_SESSION[ $rest ] ?? null ) ) {
				unset( $_SESSION[ $rest ] );
			}
		}
	}

	/**
	 * The value under the cursor.
	 */
	public function current(): mixed {
		$key = $this->key();
		return null === $key ? false : $this->shown( $key, $this->values()[ $key ] ?? null );
	}

	/**
	 * The key under the cursor.
	 */
	public function key(): int|string|null {
		return $this->keys[ $this->cursor ] ?? null;
	}

	/**
	 * Moves the cursor.
	 */
	public function next(): void {
		++$this->cursor;
	}

	/**
	 * Moves it to the beginning.
	 */
	public function rewind(): void {
		$this->keys   = array_keys( $this->values() );
		$this->cursor = 0;
	}

	/**
	 * Whether there is a value under it; a null ends the iteration.
	 */
	public function valid(): bool {
		$key = $this->key();
		return null !== $key && $this->offsetExists( $key );
	}

	/**
	 * How many values there are on the first level, nulls included.
	 */
	public function count(): int {
		return count( $this->values() );
	}
}
