<?php
/**
 * Values that belong to no session.
 *
 * @package Cloakroom
 */

namespace Cloakroom\Compat\WP_Session;

/**
 * What a clone of a view stands on: an array of its own.
 */
final class Copy implements Source {

	/**
	 * Of these values.
	 *
	 * @param array<int|string, mixed> $values The values.
	 */
	public function __construct( private array $values ) {}

	/**
	 * All of them.
	 */
	public function all(): array {
		return $this->values;
	}

	/**
	 * The array itself.
	 *
	 * @param int|string|null $name Any.
	 */
	public function &holder( int|string|null $name ): array {
		return $this->values;
	}

	/**
	 * Empties it.
	 */
	public function clear(): void {
		$this->values = array();
	}
}
