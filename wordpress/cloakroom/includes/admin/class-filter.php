<?php
/**
 * Which sessions are listed.
 *
 * @package Cloakroom
 */

namespace Cloakroom\Admin;

use Cloakroom\Owner_Name;

/**
 * What the list's form asks for, as the form shows it again and as the store understands it.
 */
final class Filter {

	/** Seconds since the last use. */
	public const AGES = array( HOUR_IN_SECONDS, DAY_IN_SECONDS, WEEK_IN_SECONDS, 4 * WEEK_IN_SECONDS );

	/** Bytes. */
	public const SIZES = array( KB_IN_BYTES, 10 * KB_IN_BYTES, 100 * KB_IN_BYTES, MB_IN_BYTES );

	/**
	 * What was asked for.
	 *
	 * @param string $search The beginning of a key, or ''.
	 * @param string $user   A user's name, address or number as it was typed, or ''.
	 * @param int    $older  Seconds since the last use; 0 for any.
	 * @param int    $larger Bytes; 0 for any.
	 * @param bool   $named  Named records (such as carts) instead of visitors' sessions.
	 */
	public function __construct(
		public readonly string $search = '',
		public readonly string $user = '',
		public readonly int $older = 0,
		public readonly int $larger = 0,
		public readonly bool $named = false,
	) {}

	/**
	 * The request's.
	 */
	public static function of_request(): self {
		$older  = (int) Place::asked( 'older' );
		$larger = (int) Place::asked( 'larger' );
		return new self(
			search: strtolower( trim( Place::asked( 's' ), " \t.…" ) ),
			user: trim( Place::asked( 'user' ) ),
			older: in_array( $older, self::AGES, true ) ? $older : 0,
			larger: in_array( $larger, self::SIZES, true ) ? $larger : 0,
			named: '1' === Place::asked( 'named' ),
		);
	}

	/**
	 * The query of an address that shows the same.
	 *
	 * @return array<string, int|string>
	 */
	public function query(): array {
		return array_filter(
			array(
				's'      => $this->search,
				'user'   => $this->user,
				'older'  => $this->older,
				'larger' => $this->larger,
				'named'  => $this->named ? 1 : 0,
			)
		);
	}

	/**
	 * The user who is meant, or null.
	 */
	public function person(): ?\WP_User {
		if ( '' === $this->user ) {
			return null;
		}
		$found = get_user_by( 'login', $this->user );
		if ( ! $found && is_email( $this->user ) ) {
			$found = get_user_by( 'email', $this->user );
		}
		if ( ! $found && ctype_digit( $this->user ) ) {
			$found = get_user_by( 'id', (int) $this->user );
		}
		return $found ? $found : null;
	}

	/**
	 * Why nothing can be found; '' where something may be.
	 */
	public function mistake(): string {
		if ( '' !== $this->search && 1 !== preg_match( '/^[0-9a-f]{1,64}$/D', $this->search ) ) {
			return __( 'A key consists of the digits 0 to 9 and a to f.', 'cloakroom' );
		}
		if ( '' !== $this->user && null === $this->person() ) {
			/* translators: %s: what was typed. */
			return sprintf( __( 'There is no user "%s". Try the name used to log in, the e-mail address, or the number.', 'cloakroom' ), $this->user );
		}
		return '';
	}

	/**
	 * As cloakroom_page() takes it.
	 *
	 * @return array<string, mixed>
	 */
	public function for_store(): array {
		$filter = array( 'named' => $this->named );
		if ( '' !== $this->search ) {
			$filter['search'] = $this->search;
		}
		$person = $this->person();
		if ( null !== $person ) {
			$filter['owner'] = Owner_Name::of( $person->ID );
		}
		if ( $this->older > 0 ) {
			$filter['older_than'] = $this->older;
		}
		if ( $this->larger > 0 ) {
			$filter['larger_than'] = $this->larger;
		}
		return $filter;
	}
}
