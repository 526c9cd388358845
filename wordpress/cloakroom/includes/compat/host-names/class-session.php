<?php
/**
 * Pantheon_Sessions\Session, as Native PHP Sessions has it.
 *
 * @package Cloakroom
 */

// phpcs:disable WordPress.NamingConventions.PrefixAllGlobals -- a name that other code calls.

namespace Pantheon_Sessions;

use Cloakroom\Callers;
use Cloakroom\Owner_Name;
use Cloakroom\Compat\Current_Session;
use Cloakroom\Compat\Records;
use Cloakroom\Compat\Host\Client_Address;
use Cloakroom\Compat\WP_Session\Php_Format;

/**
 * A session that the caller names by its id (or by its key, which opens nothing but can be counted and ended).
 */
class Session {

	/**
	 * The session that the caller named.
	 *
	 * @param string $sid     Its id or key.
	 * @param int    $user_id Whose it is.
	 */
	private function __construct( private readonly string $sid, private int $user_id ) {}

	/**
	 * The session of an id.
	 *
	 * @param string $sid The id.
	 * @return self|false False for an empty or unknown id.
	 */
	public static function get_by_sid( $sid ) {
		Callers::note( 'Pantheon_Sessions' );
		$sid = is_scalar( $sid ) ? (string) $sid : '';
		$row = Records::find( $sid );
		return null === $row ? false : new self( $sid, Owner_Name::user( $row['owner'] ?? null ) );
	}

	/**
	 * The session of an id, made if need be. Ids come from Cloakroom alone: made is only this visitor's.
	 *
	 * @param string $sid The id.
	 * @return self|false False for an id that is not this visitor's.
	 */
	public static function create_for_sid( $sid ) {
		Callers::note( 'Pantheon_Sessions' );
		$sid = is_scalar( $sid ) ? (string) $sid : '';
		if ( ! Records::is_own( $sid ) ) {
			return false;
		}
		$user = get_current_user_id();
		if ( $user ) {
			cloakroom_owner( Owner_Name::of( $user ) );
		}
		cloakroom_commit();
		return new self( $sid, $user );
	}

	/**
	 * The id, as the caller gave it.
	 */
	public function get_id(): string {
		return $this->sid;
	}

	/**
	 * Whose it is; 0: nobody's.
	 */
	public function get_user_id(): int {
		return $this->user_id;
	}

	/**
	 * Says whose it is, at once. Only this visitor's session can be given to somebody.
	 *
	 * @param int $user_id The user's ID; 0: nobody.
	 */
	public function set_user_id( $user_id ): void {
		$user_id = (int) $user_id;
		if ( Records::is_own( $this->sid ) && cloakroom_owner( $user_id ? Owner_Name::of( $user_id ) : null ) ) {
			cloakroom_commit();
			$this->user_id = $user_id;
		}
	}

	/**
	 * The variables, encoded as PHP encodes sessions; null where there are none yet, or where the caller has only the key.
	 *
	 * @return mixed
	 */
	public function get_data() {
		$data = Records::encoded( $this->sid );
		return null === $data || '' === $data ? null : maybe_unserialize( $data );
	}

	/**
	 * Replaces the variables of this visitor's session. The owner stays who logged in.
	 *
	 * @param mixed $data As PHP encodes sessions.
	 */
	public function set_data( $data ): void {
		if ( ! is_string( $data ) || ! Records::is_own( $this->sid ) || $this->get_data() === $data ) {
			return;
		}
		$values = Php_Format::decode( $data, true );
		if ( null !== $values && Current_Session::open_for_writing() ) {
			$_SESSION = $values;
			cloakroom_commit();
		}
	}

	/**
	 * Ends the session, and takes the tickets back if it is this visitor's.
	 */
	public function destroy(): void {
		$own = Records::is_own( $this->sid );
		Records::end( $this->sid );
		if ( ! $own || headers_sent() ) {
			return;
		}
		$name = (string) session_name();
		foreach ( array( $name, substr( $name, 1 ), 'S' . $name ) as $cookie ) {
			setcookie( $cookie, '', YEAR_IN_SECONDS, (string) ini_get( 'session.cookie_path' ), (string) ini_get( 'session.cookie_domain' ) );
			unset( $_COOKIE[ $cookie ] );
		}
	}

	/**
	 * The visitor's address.
	 */
	public static function get_client_ip_server(): string {
		return Client_Address::get();
	}

	/**
	 * The database connection, made anew if it is gone.
	 *
	 * @param \wpdb|null $wpdb_or_null The connection.
	 */
	public static function restore_wpdb_if_null( $wpdb_or_null ): \wpdb {
		if ( $wpdb_or_null instanceof \wpdb ) {
			return $wpdb_or_null;
		}
		$made = new \wpdb( DB_USER, DB_PASSWORD, DB_NAME, DB_HOST );
		$made->set_prefix( $GLOBALS['table_prefix'] );
		return $made;
	}
}
