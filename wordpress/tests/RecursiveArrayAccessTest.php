<?php
// phpcs:disable

namespace Cloakroom\Tests;

use PHPUnit\Framework\TestCase;

/** Somebody's own class on top of the old one. */
final class Basket extends \Recursive_ArrayAccess {
	public function __construct( array $data = array() ) {
		parent::__construct( $data );
	}

	public function is_dirty(): bool {
		return $this->dirty;
	}
}

/** `Recursive_ArrayAccess`, line by line of its table. */
final class RecursiveArrayAccessTest extends TestCase {

	public function test_the_constructor_is_protected_and_wraps_arrays_at_every_depth(): void {
		$this->assertTrue( ( new \ReflectionMethod( \Recursive_ArrayAccess::class, '__construct' ) )->isProtected() );
		$basket = new Basket( array( 'a' => array( 'b' => array( 'c' => 1 ) ) ) );
		$this->assertInstanceOf( \Recursive_ArrayAccess::class, $basket['a'] );
		$this->assertInstanceOf( \Recursive_ArrayAccess::class, $basket['a']['b'] );
	}

	public function test_null_counts_as_absent_and_a_missing_key_is_null_without_a_warning(): void {
		$basket = new Basket( array( 'null' => null, 'zero' => 0 ) );
		$this->assertFalse( isset( $basket['null'] ) );
		$this->assertTrue( isset( $basket['zero'] ) );
		$this->assertNull( $basket['missing'] );
	}

	public function test_an_array_becomes_an_object_and_without_a_key_is_appended(): void {
		$basket = new Basket();
		$this->assertFalse( $basket->is_dirty() );
		$basket['list'] = array( 1 );
		$this->assertFalse( is_array( $basket['list'] ) );
		$this->assertTrue( $basket->is_dirty() );
		$basket[] = 'x';
		$this->assertSame( 'x', $basket[0] );
	}

	public function test_removing_what_is_not_there_is_silent_and_turns_dirty(): void {
		$basket = new Basket();
		unset( $basket['missing'] );
		$this->assertTrue( $basket->is_dirty() );
	}

	public function test_it_iterates_in_order_and_ends_at_the_first_null(): void {
		$basket = new Basket( array( 'b' => 1, 'a' => 2, 'n' => null, 'z' => 3 ) );
		$this->assertSame( array( 'b' => 1, 'a' => 2 ), iterator_to_array( $basket ) );
		$this->assertCount( 4, $basket, 'nulls are counted' );
	}

	public function test_to_array_and_clone_go_down(): void {
		$basket = new Basket( array( 'a' => array( 'b' => 1 ) ) );
		$copy   = clone $basket;
		$copy['a']['b'] = 2;
		$this->assertSame( array( 'a' => array( 'b' => 1 ) ), $basket->toArray() );
		$this->assertSame( array( 'a' => array( 'b' => 2 ) ), $copy->toArray() );
	}
}
