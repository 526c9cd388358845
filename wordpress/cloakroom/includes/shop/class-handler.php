<?php
/**
 * The shop's session handler.
 *
 * @package Cloakroom
 */

// phpcs:disable PSR2.Classes.PropertyDeclaration.Underscore -- the shop's names.

namespace Cloakroom\Shop;

/**
 * What the shop and its extensions call, over a record instead of the shop's table. Every method of the original that would ask the
 * table is here; the cookie is the shop's.
 */
class Handler extends \WC_Session_Handler {

	use Keeps_A_Record;

	/**
	 * Hangs itself into WordPress and finds the visitor's session.
	 */
	public function init(): void {
		$this->init_hooks();
		if ( ! $this->init_from_link() ) {
			$this->init_session_cookie();
		}
	}

	/**
	 * Adds what happens later in the request.
	 */
	protected function init_hooks(): void {
		add_action( 'woocommerce_set_cart_cookies', array( $this, 'set_customer_session_cookie' ), 10 );
		add_action( 'wp', array( $this, 'maybe_set_customer_session_cookie' ), 99 );
		add_action( 'template_redirect', array( $this, 'destroy_session_if_empty' ), 999 );
		// After the customer's data have been put into the session, at 10.
		add_action( 'shutdown', array( $this, 'save_data' ), 20 );
		add_action( 'wp_logout', array( $this, 'destroy_session' ) );
		if ( ! is_user_logged_in() ) {
			add_filter( 'nonce_user_logged_out', array( $this, 'maybe_update_nonce_user_logged_out' ), 10, 2 );
		}
	}

	/**
	 * Finds the visitor's session: by the cookie, or as the user who is logged in. The shop calls it again after a log-in within a
	 * request.
	 */
	public function init_session_cookie(): void {
		$cookie = $this->get_session_cookie();
		if ( false === $cookie && $this->_has_cookie && null !== $this->cloakroom_record ) {
			// Sent in this request; the browser has not brought it back yet.
			$cookie = array( $this->_customer_id, $this->_session_expiration, $this->_session_expiring, '' );
		}
		// What this request has changed until now comes along.
		$this->save_data();
		if ( false === $cookie ) {
			$this->set_session_expiration();
			$this->_customer_id = $this->generate_customer_id();
			$this->load();
			return;
		}
		$this->_customer_id        = (string) $cookie[0];
		$this->_session_expiration = (int) $cookie[1];
		$this->_session_expiring   = (int) $cookie[2];
		$this->_has_cookie         = true;
		if ( ! $this->may_be_believed() ) {
			$this->forget_session();
			$this->set_session_expiration();
			$this->load();
			return;
		}
		$this->load();
		/**
		 * The shop's own filter: what a visitor's session is when it was found by a cookie.
		 *
		 * @param array $data The session.
		 */
		$this->_data = (array) apply_filters( 'woocommerce_restored_session_data', $this->_data ); // phpcs:ignore WordPress.NamingConventions.PrefixAllGlobals
		if ( is_user_logged_in() && (string) get_current_user_id() !== $this->_customer_id ) {
			$this->set_session_expiration();
			if ( $this->move_record( (string) get_current_user_id(), (int) $this->_session_expiration ) ) {
				$this->set_customer_session_cookie( true );
			}
		} elseif ( time() > $this->_session_expiring ) {
			$this->set_session_expiration();
			$this->update_session_timestamp( $this->_customer_id, $this->_session_expiration );
		}
	}

	/**
	 * Sends the cookie, if it is not what the browser has already.
	 *
	 * @param mixed $set Whether to do so.
	 */
	public function set_customer_session_cookie( $set ): void {
		if ( ! $set || $this->cloakroom_detached ) {
			return;
		}
		$value = Session_Cookie::write( (string) $this->_customer_id, (int) $this->_session_expiration, (int) $this->_session_expiring );
		// phpcs:ignore WordPress.Security.ValidatedSanitizedInput -- compared only.
		if ( ! isset( $_COOKIE[ $this->_cookie ] ) || wp_unslash( $_COOKIE[ $this->_cookie ] ) !== $value ) {
			wc_setcookie( $this->_cookie, $value, $this->_session_expiration, $this->use_secure_cookie(), true );
		}
		$this->_has_cookie = true;
	}

	/**
	 * Paying for an order needs a session, whether there is a cart or not.
	 */
	public function maybe_set_customer_session_cookie(): void {
		if ( is_wc_endpoint_url( 'order-pay' ) ) {
			$this->set_customer_session_cookie( true );
		}
	}

	/**
	 * Whether the cookie may go over HTTPS alone.
	 */
	protected function use_secure_cookie(): bool {
		/**
		 * The shop's own filter.
		 *
		 * @param bool $secure Whether it may.
		 */
		return (bool) apply_filters( 'wc_session_use_secure_cookie', wc_site_is_https() && is_ssl() ); // phpcs:ignore WordPress.NamingConventions.PrefixAllGlobals
	}

	/**
	 * Whether there is somebody whose session may be stored.
	 */
	public function has_session(): bool {
		return isset( $_COOKIE[ $this->_cookie ] ) || $this->_has_cookie || is_user_logged_in();
	}

	/**
	 * Sets both deadlines anew, from now on.
	 */
	public function set_session_expiration(): void {
		$lifetime = is_user_logged_in() ? WEEK_IN_SECONDS : 2 * DAY_IN_SECONDS;
		// phpcs:disable WordPress.NamingConventions.PrefixAllGlobals
		/**
		 * The shop's own filter: seconds until the session is renewed.
		 *
		 * @param int $seconds Seconds.
		 */
		$expiring = (int) apply_filters( 'wc_session_expiring', DAY_IN_SECONDS );
		/**
		 * The shop's own filter: seconds that the session lives.
		 *
		 * @param int $seconds Seconds.
		 */
		$expiration = (int) apply_filters( 'wc_session_expiration', $lifetime );
		// phpcs:enable
		$expiring   = 0 !== $expiring ? $expiring : DAY_IN_SECONDS;
		$expiration = 0 !== $expiration ? $expiration : $lifetime;
		if ( $expiring > $expiration ) {
			$expiring = (int) ( $expiration * 0.9 );
		}
		$this->_session_expiring   = time() + $expiring;
		$this->_session_expiration = time() + $expiration;
	}

	/**
	 * The session key of the user who is logged in, or a new guest's.
	 */
	public function generate_customer_id(): string {
		return is_user_logged_in() ? (string) get_current_user_id() : 't_' . bin2hex( random_bytes( 15 ) );
	}

	/**
	 * The session key, if there is a session, or the user's ID; else ''.
	 */
	public function get_customer_unique_id(): string {
		if ( $this->has_session() && $this->_customer_id ) {
			return (string) $this->_customer_id;
		}
		return is_user_logged_in() ? (string) get_current_user_id() : '';
	}

	/**
	 * The cookie that came in, if it is to be believed.
	 *
	 * @return array{string, int, int, string}|false Key, expiration, expiring, hash.
	 */
	public function get_session_cookie() {
		// phpcs:ignore WordPress.Security.ValidatedSanitizedInput -- parsed strictly.
		$value  = isset( $_COOKIE[ $this->_cookie ] ) ? wp_unslash( $_COOKIE[ $this->_cookie ] ) : '';
		$cookie = is_string( $value ) ? Session_Cookie::read( $value ) : null;
		if ( null === $cookie ) {
			return false;
		}
		if ( $cookie->signed ) {
			return array( $cookie->key, $cookie->expiration, $cookie->expiring, $cookie->hash );
		}
		if ( ! str_starts_with( $cookie->key, 't_' ) ) {
			return false;
		}
		$record = Cart::open( $cookie->key );
		if ( null === $record || ! $record->exists() ) {
			return false;
		}
		return array( $cookie->key, $record->expires(), min( $cookie->expiring, $record->expires() ), $cookie->hash );
	}

	/**
	 * What is stored of this session.
	 */
	public function get_session_data(): array {
		return $this->has_session() ? (array) $this->get_session( $this->_customer_id, array() ) : array();
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
	 *
	 * @param mixed $old_session_key A guest's key whose data have been taken over: that record goes.
	 */
	public function save_data( $old_session_key = '' ): void {
		if ( ! $this->_dirty || ! $this->has_session() || ! $this->_customer_id || ! $this->store_record( (int) $this->_session_expiration ) ) {
			return;
		}
		$old = is_scalar( $old_session_key ) ? (string) $old_session_key : '';
		if ( '' !== $old && $old !== (string) $this->_customer_id && self::is_guest( $old ) ) {
			$this->delete_session( $old );
		}
	}

	/**
	 * Ends the session. A user's who is not logged in here (any more) goes on: other devices use it.
	 */
	public function destroy_session(): void {
		if ( self::is_guest( (string) $this->_customer_id ) || (string) get_current_user_id() === (string) $this->_customer_id ) {
			$this->delete_session( $this->_customer_id );
		}
		$this->forget_session();
		$this->set_session_expiration();
	}

	/**
	 * Takes the cookie back and begins with nothing; what is stored stays.
	 */
	public function forget_session(): void {
		// Emptying the cart must not reach the record.
		$this->cloakroom_record   = null;
		$this->cloakroom_detached = false;
		wc_setcookie( $this->_cookie, '', time() - YEAR_IN_SECONDS, $this->use_secure_cookie(), true );
		if ( ! is_admin() ) {
			if ( ! function_exists( 'wc_empty_cart' ) && defined( 'WC_ABSPATH' ) ) {
				include_once WC_ABSPATH . 'includes/wc-cart-functions.php';
			}
			wc_empty_cart();
		}
		$this->_data        = array();
		$this->_dirty       = false;
		$this->_has_cookie  = false;
		$this->_customer_id = $this->generate_customer_id();
	}

	/**
	 * Ends a guest's session that has nothing in it, so that pages come from the page cache again.
	 */
	public function destroy_session_if_empty(): void {
		$features = 'Automattic\\WooCommerce\\Utilities\\FeaturesUtil';
		if ( ! class_exists( $features ) || ! $features::feature_is_enabled( 'destroy-empty-sessions' ) ) {
			return;
		}
		$cart = WC()->cart ?? null;
		if ( isset( $_COOKIE[ $this->_cookie ] ) && ! is_user_logged_in() && self::is_guest( (string) $this->_customer_id )
			&& array() === $this->_data && ( ! is_object( $cart ) || $cart->is_empty() ) ) {
			$this->destroy_session();
		}
	}

	/**
	 * Ends a session.
	 *
	 * @param mixed $customer_id Its key.
	 */
	public function delete_session( $customer_id ): void {
		$key = is_scalar( $customer_id ) ? (string) $customer_id : '';
		if ( '' === $key ) {
			return;
		}
		Cart::open( $key )?->end();
		if ( $key === (string) $this->_customer_id ) {
			$this->cloakroom_record = null;
		}
	}

	/**
	 * Lets a session live until a time, if that is later.
	 *
	 * @param mixed $customer_id Its key.
	 * @param mixed $timestamp   Unix time.
	 */
	public function update_session_timestamp( $customer_id, $timestamp ): void {
		$key = is_scalar( $customer_id ) ? (string) $customer_id : '';
		if ( '' === $key ) {
			return;
		}
		$record = $key === $this->cloakroom_record?->key ? $this->cloakroom_record : Cart::open( $key );
		if ( null !== $record && $record->exists() ) {
			$record->touch( (int) $timestamp );
		}
	}

	/**
	 * The shop's cleaning job: sessions end on time by themselves, and one bounded sweep removes what has.
	 */
	public function cleanup_sessions(): void {
		cloakroom_sweep();
	}

	/**
	 * A guest's nonces of the shop are the session's.
	 *
	 * @param mixed $uid    What they are bound to so far.
	 * @param mixed $action The nonce's action.
	 * @return mixed
	 */
	public function maybe_update_nonce_user_logged_out( $uid, $action ) {
		$applies = is_string( $action ) && str_starts_with( $action, 'woocommerce' ) && $this->has_session() && $this->_customer_id;
		return $applies ? $this->_customer_id : $uid;
	}

	/**
	 * A link that hands a guest's cart on (`?session=` and a cart token): a new guest session gets what is in it, but no address.
	 */
	private function init_from_link(): bool {
		// phpcs:ignore WordPress.Security -- the token is signed.
		$token = Cart_Token::read( $_GET['session'] ?? null );
		if ( null === $token || ! self::is_guest( $token->key ) ) {
			return false;
		}
		$source = Cart::open( $token->key );
		if ( null === $source || ! $source->exists() ) {
			return false;
		}
		$cookie = $this->get_session_cookie();
		if ( false !== $cookie ) {
			$own = (array) $this->get_session( $cookie[0], array() );
			if ( $token->key === (string) $cookie[0] || $token->key === ( $own['previous_customer_id'] ?? null ) ) {
				return false;
			}
		}
		$data = $source->data();
		unset( $data['customer'] );
		$this->set_session_expiration();
		$this->_customer_id = $this->generate_customer_id();
		$this->_data        = array( 'previous_customer_id' => $token->key ) + $data;
		$this->_dirty       = true;
		$this->set_customer_session_cookie( true );
		$this->save_data();
		return true;
	}

	/**
	 * Loads the session, if there may be one.
	 */
	private function load(): void {
		$this->cloakroom_record   = null;
		$this->cloakroom_detached = false;
		$this->_data              = array();
		if ( $this->has_session() ) {
			$this->load_record( (int) $this->_session_expiration );
		}
	}

	/**
	 * Whether the session of the cookie is the visitor's: it is not over, and a guest's or that of who is logged in.
	 */
	private function may_be_believed(): bool {
		$key = (string) $this->_customer_id;
		return time() <= $this->_session_expiration && ( self::is_guest( $key ) || (string) get_current_user_id() === $key );
	}
}
