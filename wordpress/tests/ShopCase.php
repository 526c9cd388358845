<?php
// phpcs:disable

namespace Cloakroom\Tests;

use Automattic\WooCommerce\StoreApi\Utilities\CartTokenUtils;
use Automattic\WooCommerce\Utilities\FeaturesUtil;
use PHPUnit\Framework\TestCase;
use Cloakroom\Shop\Handler;
use Cloakroom\Shop\Shop;
use Cloakroom\Shop\Token_Handler;

require_once __DIR__ . '/doubles/shop.php';

/** A request to the shop after the other. */
abstract class ShopCase extends TestCase {

	protected const HOOKS = array( 'woocommerce_restored_session_data', 'woocommerce_guest_session_to_user_id', 'wc_session_expiring', 'wc_session_expiration', 'wc_session_use_secure_cookie', 'woocommerce_cookie', 'cloakroom_shop_merge_rules', 'woocommerce_set_cart_cookies', 'nonce_user_logged_out', 'wp_logout' );

	protected string $cookie;

	protected function setUp(): void {
		$this->cookie = 'wp_woocommerce_session_' . COOKIEHASH;
		$this->new_request();
		unset( $_COOKIE[ $this->cookie ], $_SERVER['HTTP_CART_TOKEN'], $_GET['session'] );
		wp_set_current_user( 0 );
		FeaturesUtil::$enabled = array();
	}

	protected function tearDown(): void {
		$this->setUp();
	}

	/** Other tests count what lives. */
	public static function tearDownAfterClass(): void {
		self::end_all_carts();
	}

	public static function end_all_carts(): void {
		$cursor = null;
		do {
			$page = cloakroom_page( array( 'named' => true ), $cursor, 500 );
			array_map( 'cloakroom_end', array_column( $page['rows'], 'key' ) );
			$cursor = $page['next'];
		} while ( null !== $cursor );
	}

	/** Nothing of the request before is left but the browser's cookies. */
	protected function new_request(): void {
		\Shop_Double::$instance = new \Shop_Double();
		array_map( 'remove_all_filters', self::HOOKS );
	}

	/** A guest's session key that nobody has had. */
	protected static function guest(): string {
		return 't_' . bin2hex( random_bytes( 15 ) );
	}

	protected function user(): string {
		$name = 'u' . bin2hex( random_bytes( 6 ) );
		$id   = wp_insert_user( array( 'user_login' => $name, 'user_pass' => $name, 'user_email' => "$name@example.invalid" ) );
		$this->assertIsInt( $id );
		return (string) $id;
	}

	/** The newest cookie of a key, valid unless told otherwise. */
	protected function come_with( string $key, ?int $expiration = null, ?int $expiring = null ): void {
		$expiration               ??= time() + 2 * DAY_IN_SECONDS;
		$expiring                 ??= time() + DAY_IN_SECONDS;
		$_COOKIE[ $this->cookie ] = "$key|$expiration|$expiring|" . hash_hmac( 'md5', "$key|$expiration", wp_hash( "$key|$expiration" ) );
	}

	/** A request's handler, as the shop makes it. */
	protected function handler(): Handler {
		$class = apply_filters( 'woocommerce_session_handler', 'WC_Session_Handler' );
		$this->assertSame( Handler::class, $class );
		$handler = new $class();
		WC()->session = $handler;
		$handler->init();
		return $handler;
	}

	protected function token_handler( ?string $token ): Token_Handler {
		if ( null !== $token ) {
			$_SERVER['HTTP_CART_TOKEN'] = $token;
		}
		$class = apply_filters( 'woocommerce_session_handler', Shop::ITS_TOKEN_HANDLER );
		$this->assertSame( Token_Handler::class, $class );
		$handler = new $class();
		WC()->session = $handler;
		$handler->init();
		return $handler;
	}

	protected static function token( string $key, ?int $exp = null ): string {
		return CartTokenUtils::get_cart_token( $key, $exp );
	}

	/** What is stored, in the values that `get()` gives. */
	protected function stored( string $key ): array|false {
		$data = ( new Handler() )->get_session( $key );
		return is_array( $data ) ? array_map( 'maybe_unserialize', $data ) : $data;
	}

	/** Stores a session through the API. */
	protected function put( string $key, array $values ): void {
		$handler = new Handler();
		$this->write( $handler, '_customer_id', $key );
		$this->write( $handler, '_has_cookie', true );
		foreach ( $values as $name => $value ) {
			$handler->set( $name, $value );
		}
		$handler->save_data();
		$this->assertIsArray( $handler->get_session( $key ), cloakroom_error() );
	}

	protected function read( object $handler, string $property ): mixed {
		return ( new \ReflectionProperty( $handler, $property ) )->getValue( $handler );
	}

	protected function write( object $handler, string $property, mixed $value ): void {
		( new \ReflectionProperty( $handler, $property ) )->setValue( $handler, $value );
	}

	/** An item of a cart as the shop has it. */
	protected static function item( int $product, int $quantity = 1 ): array {
		return array( 'key' => md5( "$product" ), 'product_id' => $product, 'variation_id' => 0, 'variation' => array(), 'quantity' => $quantity, 'line_tax_data' => array( 'subtotal' => array(), 'total' => array() ), 'line_total' => 9.99 * $quantity );
	}

	/** A cart of products. */
	protected static function cart( int ...$products ): array {
		$items = array();
		foreach ( $products as $product ) {
			$items[ md5( "$product" ) ] = self::item( $product );
		}
		return $items;
	}
}
