<?php
/**
 * Where a view's values are.
 *
 * @package Cloakroom
 */

namespace Cloakroom\Compat\WP_Session;

/**
 * Variables by name.
 */
interface Source {

	/**
	 * All of them. Nothing is started or made for it.
	 *
	 * @return array<int|string, mixed>
	 */
	public function all(): array;

	/**
	 * The array in which a variable is, or would be, to be written to; null: one with the next free number.
	 *
	 * @param int|string|null $name Its name.
	 * @return array<int|string, mixed>
	 */
	public function &holder( int|string|null $name ): array;

	/**
	 * Removes all.
	 */
	public function clear(): void;
}
