<?php
/**
 * A stand-in for the shop (WooCommerce), which neither the distribution nor npm nor PyPI has: what it promises to handlers of its
 * sessions, written from its documented behaviour. Its own handlers refuse to work: the shop's table is nowhere in the tests.
 *
 * @package Cloakroom
 */

// phpcs:disable

namespace {
	abstract class WC_Session {
		protected $_customer_id;
		protected $_data  = array();
		protected $_dirty = false;

		public function init() {}
		public function cleanup_sessions() {}

		public function __get( $key ) {
			return $this->get( $key );
		}
		public function __set( $key, $value ) {
			$this->set( $key, $value );
		}
		public function __isset( $key ) {
			return isset( $this->_data[ sanitize_key( $key ) ] );
		}
		public function __unset( $key ) {
			$key = sanitize_key( $key );
			if ( isset( $this->_data[ $key ] ) ) {
				unset( $this->_data[ $key ] );
				$this->_dirty = true;
			}
		}
		public function get( $key, $default = null ) {
			$value = $this->_data[ sanitize_key( $key ) ] ?? null;
			return null === $value ? $default : maybe_unserialize( $value );
		}
		public function set( $key, $value ) {
			if ( null === $value ) {
				$this->__unset( $key );
			} elseif ( $this->get( $key ) !== $value ) {
				$this->_data[ sanitize_key( $key ) ] = maybe_serialize( $value );
				$this->_dirty                        = true;
			}
		}
		public function get_customer_id() {
			return $this->_customer_id ?? '';
		}
	}

	class WC_Session_Handler extends WC_Session {
		protected $_cookie             = '';
		protected $_session_expiring   = 0;
		protected $_session_expiration = 0;
		protected $_has_cookie         = false;
		protected $_table              = '';

		public function __construct() {
			$this->_cookie = (string) apply_filters( 'woocommerce_cookie', 'wp_woocommerce_session_' . COOKIEHASH );
			$this->_table  = $GLOBALS['wpdb']->prefix . 'woocommerce_sessions';
			$this->set_session_expiration();
		}
		public function init() { $this->table(); }
		protected function init_hooks() { $this->table(); }
		public function init_session_cookie() { $this->table(); }
		public function set_customer_session_cookie( $set ) { $this->table(); }
		public function maybe_set_customer_session_cookie() { $this->table(); }
		public function has_session() { $this->table(); }
		public function set_session_expiration() { $this->table(); }
		public function generate_customer_id() { $this->table(); }
		public function get_customer_unique_id() { $this->table(); }
		public function get_session_cookie() { $this->table(); }
		public function get_session_data() { $this->table(); }
		public function get_session( $customer_id, $default_value = false ) { $this->table(); }
		public function save_data( $old_session_key = '' ) { $this->table(); }
		public function destroy_session() { $this->table(); }
		public function forget_session() { $this->table(); }
		public function delete_session( $customer_id ) { $this->table(); }
		public function update_session_timestamp( $customer_id, $timestamp ) { $this->table(); }
		public function cleanup_sessions() { $this->table(); }
		public function destroy_session_if_empty() { $this->table(); }
		public function maybe_update_nonce_user_logged_out( $uid, $action ) { $this->table(); }
		protected function use_secure_cookie() { $this->table(); }
		private function session_exists( $customer_id ) { $this->table(); }
		private function table() {
			throw new Error( 'the shop\'s own handler was called, which asks its table' );
		}
	}

	/** The shop itself. */
	final class Shop_Double {
		public static ?self $instance = null;
		public ?WC_Session $session   = null;
		public ?Cart_Double $cart     = null;
		/** @var list<array{name: string, value: string, expire: int, secure: bool, httponly: bool}> Cookies sent. */
		public array $cookies  = array();
		public bool $order_pay = false;

		/** As the shop does it: anew, unless the present one is of the class. */
		public function initialize_session(): void {
			$class = apply_filters( 'woocommerce_session_handler', 'WC_Session_Handler' );
			if ( ! $this->session instanceof $class ) {
				$this->session = new $class();
				$this->session->init();
			}
		}
	}

	final class Cart_Double {
		public function is_empty(): bool {
			return ! WC()->session->get( 'cart' );
		}
	}

	function WC() {
		return Shop_Double::$instance ??= new Shop_Double();
	}
	function wc_setcookie( $name, $value, $expire = 0, $secure = false, $httponly = false ) {
		WC()->cookies[] = compact( 'name', 'value', 'expire', 'secure', 'httponly' );
		if ( 'cli' !== PHP_SAPI ) {
			setcookie( $name, $value, array( 'expires' => (int) $expire, 'path' => '/', 'secure' => $secure, 'httponly' => $httponly ) );
		}
	}
	function wc_empty_cart() {
		WC()->session?->set( 'cart', null );
	}
	function is_wc_endpoint_url( $endpoint ) {
		return 'order-pay' === $endpoint && WC()->order_pay;
	}
	function wc_site_is_https() {
		return false !== strpos( (string) get_option( 'home' ), 'https:' );
	}
}

namespace Automattic\WooCommerce\StoreApi {
	final class SessionHandler extends \WC_Session {
		public function init() {
			throw new \Error( 'the shop\'s own handler of tokens was called, which asks its table' );
		}
	}
}

namespace Automattic\WooCommerce\StoreApi\Utilities {
	class CartTokenUtils {
		public static function get_cart_token( string $customer_id, ?int $exp = null, string $alg = 'HS256' ): string {
			$part = static fn ( string $bytes ): string => rtrim( strtr( base64_encode( $bytes ), '+/', '-_' ), '=' );
			$text = $part( json_encode( array( 'alg' => $alg, 'typ' => 'JWT' ) ) ) . '.' . $part( json_encode( array( 'user_id' => $customer_id, 'exp' => $exp ?? time() + 172800, 'iss' => 'store-api', 'iat' => time() ) ) );
			return $text . '.' . $part( hash_hmac( 'sha256', $text, '@' . wp_salt(), true ) );
		}
	}
}

namespace Automattic\WooCommerce\Utilities {
	class FeaturesUtil {
		public static array $enabled = array();
		public static function feature_is_enabled( string $id ): bool {
			return in_array( $id, self::$enabled, true );
		}
	}
}
