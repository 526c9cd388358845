<?php
/**
 * The record of one session of the shop.
 *
 * @package Cloakroom
 */

namespace Cloakroom\Shop;

use Cloakroom\Owner_Name;
use Cloakroom\Settings;

/**
 * A named record: it is found by the shop's session key, whatever device that comes from, and what two requests change is merged.
 * It belongs to no owner: who logs out everywhere does not mean the cart.
 */
final class Cart {

	/** A record is made for so many seconds at least. */
	private const SHORTEST = 60;

	/**
	 * The tree, as last loaded or stored.
	 *
	 * @var array<array-key, mixed>
	 */
	private array $tree;

	/**
	 * A record that was opened.
	 *
	 * @param int    $handle The extension's handle.
	 * @param string $key    The shop's session key.
	 */
	private function __construct( private readonly int $handle, public readonly string $key ) {
		$this->tree = cloakroom_named_data( $handle );
	}

	/**
	 * Gives the handle back.
	 */
	public function __destruct() {
		cloakroom_named_close( $this->handle );
	}

	/**
	 * Loads the record of a session key, or begins one that is stored with its first save.
	 *
	 * @param string   $key     The shop's session key.
	 * @param int|null $expires Until when it lives once it is stored (Unix time).
	 * @return self|null Null where the store fails.
	 */
	public static function open( string $key, ?int $expires = null ): ?self {
		if ( '' === $key || strlen( $key ) > 128 ) {
			return null;
		}
		$handle = cloakroom_named_open( self::name( $key ), self::options( $expires ) );
		return false === $handle ? null : new self( $handle, $key );
	}

	/**
	 * Whether there is a record.
	 */
	public function exists(): bool {
		return cloakroom_named_exists( $this->handle );
	}

	/**
	 * The shop's session.
	 *
	 * @return array<array-key, mixed>
	 */
	public function data(): array {
		return Parts::close( $this->tree );
	}

	/**
	 * When the record ends (Unix time); 0 while there is none.
	 */
	public function expires(): int {
		return (int) cloakroom_named_expires( $this->handle );
	}

	/**
	 * Stores the session, merged with what others have stored since it was loaded; {@see Cart::data()} is what is stored then.
	 *
	 * @param array<array-key, mixed> $data    The shop's session.
	 * @param int                     $expires Until when it lives (Unix time); it never comes to live shorter.
	 */
	public function save( array $data, int $expires ): bool {
		$before = $this->data();
		if ( ! $this->commit( $data ) ) {
			return false;
		}
		$stored = $this->data();
		$ours   = self::differ( $before, $data, 'cart' ) || self::differ( $before, $data, 'cart_totals' );
		if ( $ours && self::differ( $data, $stored, 'cart' ) ) {
			$this->sum_up_again();
		}
		if ( $expires > $this->expires() ) {
			$this->touch( $expires );
		}
		return true;
	}

	/**
	 * Moves what is stored to another session key: a guest's cart to the user who has logged in. Items of both are there; where both
	 * have the same, the guest's wins, but the user's address stays.
	 *
	 * @param string $key     The other key.
	 * @param int    $expires Until when it lives there (Unix time).
	 * @return self|null Null where nothing was moved.
	 */
	public function move_to( string $key, int $expires ): ?self {
		$brought = $this->data();
		if ( isset( $brought['customer'] ) && isset( self::open( $key )?->data()['customer'] ) ) {
			unset( $brought['customer'] );
			$this->commit( $brought );
		}
		$handle = cloakroom_named_move( $this->handle, self::name( $key ), self::options( $expires ) );
		if ( false === $handle ) {
			return null;
		}
		$target = new self( $handle, $key );
		if ( isset( $brought['cart'] ) && self::differ( $brought, $target->data(), 'cart' ) ) {
			$target->sum_up_again();
		}
		return $target;
	}

	/**
	 * Lets the record live until a time, if that is later.
	 *
	 * @param int $expires Unix time.
	 */
	public function touch( int $expires ): bool {
		return cloakroom_named_touch( $this->handle, $expires );
	}

	/**
	 * Ends the record. Requests that have loaded it can't bring it back.
	 */
	public function end(): bool {
		return cloakroom_named_end( $this->handle );
	}

	/**
	 * The cart is of two requests, the sums are of one: without them, the shop adds up at the next page.
	 */
	private function sum_up_again(): void {
		$data = $this->data();
		if ( isset( $data['cart_totals'] ) ) {
			unset( $data['cart_totals'] );
			$this->commit( $data );
		}
	}

	/**
	 * Stores.
	 *
	 * @param array<array-key, mixed> $data The shop's session.
	 */
	private function commit( array $data ): bool {
		$stored = cloakroom_named_commit( $this->handle, Parts::open( $data, $this->tree ) );
		if ( $stored ) {
			$this->tree = cloakroom_named_data( $this->handle );
		}
		return $stored;
	}

	/**
	 * Whether two sessions have different values under a key.
	 *
	 * @param array<array-key, mixed> $one   A session.
	 * @param array<array-key, mixed> $other Another.
	 * @param string                  $key   The key.
	 */
	private static function differ( array $one, array $other, string $key ): bool {
		return ( $one[ $key ] ?? null ) !== ( $other[ $key ] ?? null );
	}

	/**
	 * The record's name: of this network, this site, and since the shop's sessions were last cleared.
	 *
	 * @param string $key The shop's session key.
	 */
	private static function name( string $key ): string {
		$generation = (int) Settings::get( 'shop_generation' );
		return 'shop:' . Owner_Name::of( get_current_blog_id() ) . ( $generation ? '.' . $generation : '' ) . ':' . $key;
	}

	/**
	 * Options of a record.
	 *
	 * @param int|null $expires Until when it lives.
	 * @return array<string, mixed>
	 */
	private static function options( ?int $expires ): array {
		$options = array();
		if ( array() !== Site_Key::secrets() ) {
			$options['key'] = Site_Key::secrets();
		}
		if ( null !== $expires ) {
			$options['expires'] = max( $expires, time() + self::SHORTEST );
		}
		/**
		 * Merge rules of carts, in the form of `cloakroom.merge_rules`, such as `cart.*.quantity=max`. Where two requests have
		 * changed the same field of the same item, the later one wins otherwise.
		 *
		 * @param string $rules The rules.
		 */
		$rules = (string) apply_filters( 'cloakroom_shop_merge_rules', '' );
		if ( '' !== $rules ) {
			$options['rules'] = $rules;
		}
		return $options;
	}
}
