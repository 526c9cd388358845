<?php
/**
 * The session handler of cart tokens.
 *
 * @package Cloakroom
 */

namespace Cloakroom\Shop;

/**
 * The shop's Store API finds a session by a signed token in a header instead of a cookie. It is the same record that the visitor's
 * cookie leads to. No cookie is read or sent.
 */
final class Token_Handler extends \WC_Session {

	use Keeps_A_Record;

	/**
	 * Until when the token is valid (Unix time).
	 *
	 * @var int
	 */
	private int $expires = 0;

	/**
	 * Finds the session and adds what happens at the end of the request.
	 */
	public function init(): void {
		$this->init_session_from_token();
		add_action( 'shutdown', array( $this, 'save_data' ), 20 );
	}

	/**
	 * Finds the session. A token of another user than the one who is logged in, such as the browser's last user's, leads to the
	 * latter's own. Without a valid token it is a new guest's, whose key only the answer's token knows. A guest's cart
	 * becomes the user's who is logged in.
	 */
	protected function init_session_from_token(): void {
		// phpcs:ignore WordPress.Security.ValidatedSanitizedInput -- the token is signed.
		$token              = Cart_Token::read( $_SERVER['HTTP_CART_TOKEN'] ?? null );
		$this->_customer_id = null === $token ? 't_' . bin2hex( random_bytes( 15 ) ) : $token->key;
		$this->expires      = null === $token ? time() + 2 * DAY_IN_SECONDS : $token->expires;
		if ( null === $token ) {
			return;
		}
		if ( is_user_logged_in() && ! self::is_guest( $token->key ) ) {
			$this->_customer_id = (string) get_current_user_id();
		}
		$this->load_record( $this->expires );
		if ( is_user_logged_in() && self::is_guest( (string) $this->_customer_id ) ) {
			$this->move_record( (string) get_current_user_id(), $this->expires );
		}
	}

	/**
	 * What is stored of a session.
	 *
	 * @param mixed $customer_id Its key.
	 * @param mixed $fallback    What is given where there is none.
	 * @return mixed
	 */
	public function get_session( $customer_id, $fallback = false ) {
		return self::stored( $customer_id, $fallback );
	}

	/**
	 * Stores what has changed, merged with what others have stored meanwhile.
	 */
	public function save_data(): void {
		if ( $this->_dirty && $this->_customer_id ) {
			$this->store_record( $this->expires );
		}
	}
}
