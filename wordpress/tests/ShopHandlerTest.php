<?php
// phpcs:disable

namespace Cloakroom\Tests;

require_once __DIR__ . '/ShopCase.php';

use Automattic\WooCommerce\StoreApi\Utilities\CartTokenUtils;
use Automattic\WooCommerce\Utilities\FeaturesUtil;
use Cloakroom\Callers;
use Cloakroom\Settings;
use Cloakroom\Shop\Handler;
use Cloakroom\Shop\Shop;
use Cloakroom\Shop\Site_Key;
use Cloakroom\Shop\Token_Handler;

/** Each of the handler's methods, who is chosen, and the key. */
final class ShopHandlerTest extends ShopCase {

	public function test_ours_answers_for_the_shops_handlers_alone_and_after_everybody_else(): void {
		$this->assertSame( Handler::class, apply_filters( 'woocommerce_session_handler', 'WC_Session_Handler' ) );
		$this->assertSame( Handler::class, apply_filters( 'woocommerce_session_handler', '\WC_Session_Handler' ) );
		// As the Store API does while a request runs.
		$store_api = static fn () => Shop::ITS_TOKEN_HANDLER;
		add_filter( 'woocommerce_session_handler', $store_api );
		$this->assertSame( Token_Handler::class, apply_filters( 'woocommerce_session_handler', 'WC_Session_Handler' ) );
		remove_filter( 'woocommerce_session_handler', $store_api );
		$this->assertTrue( is_subclass_of( Handler::class, 'WC_Session_Handler' ) );
		$this->assertTrue( is_subclass_of( Token_Handler::class, 'WC_Session' ) );
	}

	public function test_a_foreign_handler_is_left_alone_and_told_of(): void {
		$foreign = new class() extends \WC_Session {};
		$this->assertSame( $foreign::class, apply_filters( 'woocommerce_session_handler', $foreign::class ) );
		$this->assertTrue( Callers::any( Shop::API ) );
		$known = array_values( array_filter( Callers::all(), static fn ( $entry ) => Shop::API === $entry['api'] ) );
		$this->assertStringEndsWith( 'ShopHandlerTest.php', $known[0]['file'] );
	}

	public function test_the_answer_may_change_within_a_request(): void {
		$guest = self::guest();
		$this->put( $guest, array( 'cart' => self::cart( 1 ) ) );
		WC()->initialize_session();
		$this->assertInstanceOf( Handler::class, WC()->session );
		$same = WC()->session;
		WC()->initialize_session();
		$this->assertSame( $same, WC()->session );
		$_SERVER['HTTP_CART_TOKEN'] = self::token( $guest );
		$store_api                  = static fn () => Shop::ITS_TOKEN_HANDLER;
		add_filter( 'woocommerce_session_handler', $store_api );
		WC()->initialize_session();
		remove_filter( 'woocommerce_session_handler', $store_api );
		$this->assertSame( self::cart( 1 ), WC()->session->get( 'cart' ) );
	}

	public function test_the_shops_table_is_never_asked(): void {
		global $wpdb;
		$asked = array();
		$watch = static function ( $query ) use ( &$asked ) {
			$asked[] = $query;
			return $query;
		};
		add_filter( 'query', $watch );
		$guest = self::guest();
		$user  = $this->user();
		$this->put( $guest, array( 'cart' => self::cart( 1 ) ) );
		$this->come_with( $guest );
		wp_set_current_user( (int) $user );
		$handler = $this->handler();
		$handler->cleanup_sessions();
		$handler->update_session_timestamp( $user, time() + 9 * DAY_IN_SECONDS );
		$handler->delete_session( $user );
		$handler->destroy_session();
		remove_filter( 'query', $watch );
		$this->assertStringNotContainsString( 'woocommerce_sessions', implode( "\n", $asked ) );
		$this->assertSame( $wpdb->prefix . 'woocommerce_sessions', $this->read( $handler, '_table' ), 'the property is filled' );
	}

	public function test_init_hangs_itself_where_the_shop_does(): void {
		$handler = $this->handler();
		foreach ( array(
			array( 'woocommerce_set_cart_cookies', 'set_customer_session_cookie', 10 ),
			array( 'wp', 'maybe_set_customer_session_cookie', 99 ),
			array( 'template_redirect', 'destroy_session_if_empty', 999 ),
			array( 'shutdown', 'save_data', 20 ),
			array( 'wp_logout', 'destroy_session', 10 ),
			array( 'nonce_user_logged_out', 'maybe_update_nonce_user_logged_out', 10 ),
		) as list( $hook, $method, $priority ) ) {
			$this->assertSame( $priority, has_filter( $hook, array( $handler, $method ) ), $hook );
		}
		wp_set_current_user( 1 );
		$this->assertFalse( has_filter( 'nonce_user_logged_out', array( $this->handler(), 'maybe_update_nonce_user_logged_out' ) ) );
		$this->assertSame( 20, has_action( 'shutdown', array( $this->token_handler( self::token( '1' ) ), 'save_data' ) ) );
	}

	public function test_deadlines_are_the_shops(): void {
		$handler = new Handler();
		$in      = function () use ( $handler ): array {
			$handler->set_session_expiration();
			return array( $this->read( $handler, '_session_expiring' ) - time(), $this->read( $handler, '_session_expiration' ) - time() );
		};
		$this->assertEqualsWithDelta( array( DAY_IN_SECONDS, 2 * DAY_IN_SECONDS ), $in(), 2 );
		wp_set_current_user( 1 );
		$this->assertEqualsWithDelta( array( DAY_IN_SECONDS, WEEK_IN_SECONDS ), $in(), 2 );
		add_filter( 'wc_session_expiration', static fn () => 1000 );
		$this->assertEqualsWithDelta( array( 900, 1000 ), $in(), 2 );
		add_filter( 'wc_session_expiring', static fn () => 100 );
		$this->assertEqualsWithDelta( array( 100, 1000 ), $in(), 2 );
		add_filter( 'wc_session_expiring', '__return_zero', 11 );
		add_filter( 'wc_session_expiration', '__return_zero', 11 );
		$this->assertEqualsWithDelta( array( DAY_IN_SECONDS, WEEK_IN_SECONDS ), $in(), 2 );
	}

	public function test_keys_are_the_users_or_made_up(): void {
		$handler = $this->handler();
		$this->assertMatchesRegularExpression( '/^t_[0-9a-f]{30}$/D', $handler->generate_customer_id() );
		$this->assertNotSame( $handler->generate_customer_id(), $handler->generate_customer_id() );
		$this->assertSame( '', $handler->get_customer_unique_id() );
		$handler->set_customer_session_cookie( true );
		$this->assertSame( $handler->get_customer_id(), $handler->get_customer_unique_id() );
		wp_set_current_user( 1 );
		$this->assertSame( '1', $handler->generate_customer_id() );
		$this->assertSame( '1', ( new Handler() )->get_customer_unique_id() );
	}

	public function test_a_session_is_stored_only_for_who_has_one_and_when_something_changed(): void {
		$handler = $this->handler();
		$handler->set( 'a', 1 );
		$handler->save_data();
		$this->assertFalse( $this->stored( $handler->get_customer_id() ) );
		$handler->set_customer_session_cookie( true );
		$handler->save_data();
		$this->assertSame( array( 'a' => 1 ), $this->stored( $handler->get_customer_id() ) );
		$this->assertFalse( $this->read( $handler, '_dirty' ) );
		$this->assertSame( array( 'a' => 1 ), $handler->get_session_data() );
		// A cookie of that name, valid or not, counts.
		$this->new_request();
		$_COOKIE[ $this->cookie ] = 'rubbish';
		$other                    = $this->handler();
		$this->assertTrue( $other->has_session() );
		$other->set( 'b', 2 );
		$other->save_data();
		$this->assertSame( array( 'b' => 2 ), $this->stored( $other->get_customer_id() ) );
	}

	public function test_values_come_back_as_the_shop_keeps_them(): void {
		$guest  = self::guest();
		$values = array( 'null_like' => '', 'text' => "a|b\0ü", 'number' => 1.1, 'yes' => true, 'looks' => 'a:0:{}', 'list' => array( 1, array( 'x' => null ) ), 'cart' => array(), 'object' => (object) array( 'a' => 1 ) );
		$this->put( $guest, $values );
		$this->come_with( $guest );
		$handler = $this->handler();
		foreach ( $values as $name => $value ) {
			$this->assertEquals( $value, $handler->get( $name, 'missing' ), $name );
			$this->assertTrue( isset( $handler->$name ) );
		}
		$this->assertSame( 'a:0:{}', $handler->looks );
		unset( $handler->text );
		$handler->number = 2;
		$handler->save_data();
		$this->assertArrayNotHasKey( 'text', $this->stored( $guest ) );
		$this->assertSame( 2, $this->stored( $guest )['number'] );
		$raw = $handler->get_session( $guest );
		$this->assertSame( 'a:0:{}', $raw['cart'], 'an empty cart is not none' );
		$this->assertIsString( $raw['list'] );
	}

	public function test_any_session_can_be_read_ended_and_kept_longer(): void {
		$handler = new Handler();
		$guest   = self::guest();
		$this->assertFalse( $handler->get_session( $guest ) );
		$this->assertSame( array( 'x' ), $handler->get_session( $guest, array( 'x' ) ) );
		$this->put( $guest, array( 'a' => 1 ) );
		$until = time() + 20 * DAY_IN_SECONDS;
		$handler->update_session_timestamp( $guest, $until );
		$this->assertSame( $until, \Cloakroom\Shop\Cart::open( $guest )->expires() );
		$handler->update_session_timestamp( $guest, time() + 10 );
		$this->assertSame( $until, \Cloakroom\Shop\Cart::open( $guest )->expires(), 'never shorter' );
		$handler->update_session_timestamp( self::guest(), $until );
		$handler->cleanup_sessions();
		$this->assertSame( array( 'a' => 1 ), $this->stored( $guest ), 'the cleaning job takes nothing that lives' );
		$handler->delete_session( $guest );
		$this->assertFalse( $handler->get_session( $guest ) );
		$handler->delete_session( '' );
		$handler->update_session_timestamp( '', 1 );
		$this->assertFalse( $handler->get_session( '' ) );
	}

	public function test_save_data_ends_the_guests_record_it_is_told_of_but_no_users(): void {
		$guest = self::guest();
		$user  = $this->user();
		$other = $this->user();
		$this->put( $guest, array( 'a' => 1 ) );
		$this->put( $other, array( 'a' => 1 ) );
		wp_set_current_user( (int) $user );
		$handler = $this->handler();
		foreach ( array( $guest, $other, $user ) as $n => $old ) {
			$handler->set( 'b', $n );
			$handler->save_data( $old );
		}
		$this->assertFalse( $this->stored( $guest ) );
		$this->assertSame( array( 'a' => 1 ), $this->stored( $other ) );
		$this->assertSame( array( 'b' => 2 ), $this->stored( $user ) );
	}

	public function test_forgetting_keeps_what_is_stored_and_begins_with_nothing(): void {
		$guest = self::guest();
		$this->put( $guest, array( 'cart' => self::cart( 1 ) ) );
		$this->come_with( $guest );
		$handler = $this->handler();
		$handler->forget_session();
		$this->assertSame( array(), $this->read( $handler, '_data' ) );
		$this->assertNotSame( $guest, $handler->get_customer_id() );
		$this->assertFalse( $this->read( $handler, '_has_cookie' ) );
		$this->assertSame( array( $this->cookie, '' ), array( WC()->cookies[0]['name'], WC()->cookies[0]['value'] ) );
		$handler->save_data();
		$this->assertSame( array( 'cart' => self::cart( 1 ) ), $this->stored( $guest ) );
	}

	public function test_an_empty_guest_session_goes_where_the_site_wants_that(): void {
		WC()->cart = new \Cart_Double();
		$this->come_with( self::guest() );
		$handler = $this->handler();
		$handler->destroy_session_if_empty();
		$this->assertSame( array(), WC()->cookies );
		FeaturesUtil::$enabled = array( 'destroy-empty-sessions' );
		$handler->set( 'x', 1 );
		$handler->destroy_session_if_empty();
		$this->assertSame( array(), WC()->cookies, 'something is in it' );
		$handler->set( 'x', null );
		$handler->destroy_session_if_empty();
		$this->assertSame( '', WC()->cookies[0]['value'] );
	}

	public function test_a_guests_nonces_of_the_shop_are_the_sessions(): void {
		$handler = $this->handler();
		$this->assertSame( 0, $handler->maybe_update_nonce_user_logged_out( 0, 'woocommerce-cart' ) );
		$handler->set_customer_session_cookie( true );
		$this->assertSame( $handler->get_customer_id(), $handler->maybe_update_nonce_user_logged_out( 0, 'woocommerce-cart' ) );
		$this->assertSame( 0, $handler->maybe_update_nonce_user_logged_out( 0, 'other' ) );
		$this->assertSame( 0, $handler->maybe_update_nonce_user_logged_out( 0, -1 ) );
	}

	public function test_a_link_hands_a_guests_cart_on_without_the_address(): void {
		$giver = self::guest();
		$this->put( $giver, array( 'cart' => self::cart( 1 ), 'customer' => array( 'city' => 'Home' ) ) );
		$_GET['session'] = self::token( $giver );
		$handler         = $this->handler();
		$taker           = $handler->get_customer_id();
		$this->assertNotSame( $giver, $taker );
		$this->assertEquals( array( 'cart' => self::cart( 1 ), 'previous_customer_id' => $giver ), $this->stored( $taker ) );
		$this->assertArrayHasKey( 'customer', $this->stored( $giver ) );
		$_COOKIE[ $this->cookie ] = WC()->cookies[0]['value'];
		$this->new_request();
		$this->assertSame( $taker, $this->handler()->get_customer_id(), 'the same link again is no third session' );
		$this->come_with( $giver );
		$this->assertSame( $giver, $this->handler()->get_customer_id(), 'the giver\'s own' );
		unset( $_COOKIE[ $this->cookie ] );
		foreach ( array( self::token( self::guest() ), self::token( $this->user() ), self::token( $giver ) . 'x', self::token( $giver, time() - 1 ), array( 'x' ) ) as $bad ) {
			$this->new_request();
			$_GET['session'] = $bad;
			$this->assertSame( array(), $this->read( $this->handler(), '_data' ) );
			$this->assertSame( array(), WC()->cookies );
		}
	}

	public function test_tokens_that_are_not_valid_open_nothing(): void {
		$guest = self::guest();
		$this->put( $guest, array( 'cart' => self::cart( 1 ) ) );
		$good  = self::token( $guest );
		$parts = explode( '.', $good );
		foreach ( array( '', 'x', 'a.b.c', $good . 'x', $parts[0] . '.' . $parts[1] . '.', self::token( $guest, time() - 1 ), CartTokenUtils::get_cart_token( $guest, null, 'none' ), self::token( '' ) ) as $bad ) {
			$handler = $this->token_handler( $bad );
			$this->assertNull( $handler->get( 'cart' ), $bad );
			$this->assertNotSame( $guest, $handler->get_customer_id() );
		}
		$handler = $this->token_handler( $good );
		$this->assertSame( self::cart( 1 ), $handler->get( 'cart' ) );
		$this->assertSame( array( 'cart' => self::cart( 1 ) ), array_map( 'maybe_unserialize', $handler->get_session( $guest ) ) );
		$this->assertFalse( $handler->get_session( self::guest() ) );
	}

	public function test_a_tokens_record_lives_as_long_as_the_token(): void {
		$guest   = self::guest();
		$handler = $this->token_handler( self::token( $guest, time() + 4 * DAY_IN_SECONDS ) );
		$handler->set( 'cart', self::cart( 1 ) );
		$handler->save_data();
		$this->assertEqualsWithDelta( time() + 4 * DAY_IN_SECONDS, \Cloakroom\Shop\Cart::open( $guest )->expires(), 5 );
	}

	public function test_a_deadline_that_is_set_anew_is_stored_with_the_next_save(): void {
		$guest = self::guest();
		$this->put( $guest, array( 'a' => 1 ) );
		$this->come_with( $guest );
		$handler = $this->handler();
		add_filter( 'wc_session_expiration', static fn () => 30 * DAY_IN_SECONDS );
		$handler->set_session_expiration();
		$handler->set( 'a', 2 );
		$handler->save_data();
		$this->assertEqualsWithDelta( time() + 30 * DAY_IN_SECONDS, \Cloakroom\Shop\Cart::open( $guest )->expires(), 5 );
	}

	public function test_a_record_ends_on_time_without_any_cleaning(): void {
		$guest  = self::guest();
		$handle = cloakroom_named_open( ( new \ReflectionMethod( \Cloakroom\Shop\Cart::class, 'name' ) )->invoke( null, $guest ), array( 'key' => Site_Key::secrets(), 'expires' => time() + 1 ) );
		$this->assertTrue( cloakroom_named_commit( $handle, array( 'a' => 1 ) ) );
		$this->assertNotFalse( $this->stored( $guest ) );
		$patience = microtime( true ) + 30;
		while ( false !== $this->stored( $guest ) && microtime( true ) < $patience ) {
			usleep( 20000 );
		}
		$this->assertFalse( $this->stored( $guest ) );
	}

	public function test_the_shops_tool_clears_all_sessions_at_once(): void {
		$guest = self::guest();
		$this->put( $guest, array( 'a' => 1 ) );
		do_action( 'woocommerce_system_status_tool_executed', array( 'id' => 'other' ) );
		$this->assertNotFalse( $this->stored( $guest ) );
		do_action( 'woocommerce_system_status_tool_executed', array( 'id' => 'clear_sessions', 'success' => true ) );
		$this->assertFalse( $this->stored( $guest ) );
		Settings::change( array( 'shop_generation' => 0 ) );
	}

	public function test_carts_are_listed_as_named_records_and_show_nothing(): void {
		$this->put( self::guest(), array( 'cart' => self::cart( 1 ) ) );
		$rows = cloakroom_page( array( 'named' => true ) )['rows'];
		$this->assertNotEmpty( $rows );
		$this->assertNull( $rows[0]['owner'] );
	}

	public function test_only_secrets_are_keys(): void {
		$good = array( 'AUTH_KEY' => str_repeat( 'a', 20 ), 'AUTH_SALT' => str_repeat( 'b', 20 ) );
		$key  = Site_Key::of_constants( $good );
		$this->assertMatchesRegularExpression( '/^[0-9a-f]{64}$/D', $key );
		$this->assertNotSame( $key, Site_Key::of_constants( array( 'AUTH_SALT' => str_repeat( 'c', 20 ) ) + $good ) );
		$sample = array( 'AUTH_KEY' => 'put your unique phrase here', 'AUTH_SALT' => str_repeat( 'b', 20 ) );
		foreach ( array( array(), $sample, array( 'AUTH_KEY' => 'short', 'AUTH_SALT' => 'x' ), array( 'AUTH_KEY' => str_repeat( 'a', 40 ) ), array( 'AUTH_KEY' => str_repeat( 'a', 40 ), 'AUTH_SALT' => str_repeat( 'a', 40 ) ), array( 'AUTH_KEY' => 7, 'AUTH_SALT' => null ) ) as $bad ) {
			$this->assertNull( Site_Key::of_constants( $bad ) );
		}
		$next = array( 'NONCE_KEY' => str_repeat( 'n', 20 ), 'NONCE_SALT' => str_repeat( 'm', 20 ) );
		$this->assertSame( Site_Key::of_constants( $next ), Site_Key::of_constants( $sample + $next ), 'the next pair' );
		// Salts that WordPress keeps in the database are not asked: the constants, and nothing else.
		$this->assertSame( array( Site_Key::of_constants( array_filter( get_defined_constants(), static fn ( $name ) => preg_match( '/^(SECURE_AUTH|AUTH|LOGGED_IN|NONCE)_(KEY|SALT)$/', $name ), ARRAY_FILTER_USE_KEY ) ) ), Site_Key::secrets() );
	}

	public function test_the_screen_says_what_is_missing_to_who_can_mend_it(): void {
		require_once ABSPATH . 'wp-admin/includes/class-wp-screen.php';
		require_once ABSPATH . 'wp-admin/includes/screen.php';
		$secrets = new \ReflectionProperty( Site_Key::class, 'secrets' );
		$shown   = static function ( string $screen, int $user ): string {
			set_current_screen( $screen );
			wp_set_current_user( $user );
			ob_start();
			( new Shop() )->show_key();
			return (string) ob_get_clean();
		};
		try {
			$this->assertSame( '', $shown( 'plugins', 1 ), 'all is well' );
			$secrets->setValue( null, array() );
			$this->assertStringContainsString( '<code>cloakroom.keys</code>', $shown( 'plugins', 1 ) );
			$this->assertSame( '', $shown( 'plugins', (int) $this->user() ) );
			$this->assertSame( '', $shown( 'edit-post', 1 ) );
			$this->assertSame( 'WC_Session_Handler', apply_filters( 'woocommerce_session_handler', 'WC_Session_Handler' ), 'the shop goes on as before' );
		} finally {
			$secrets->setValue( null, null );
			set_current_screen( 'front' );
		}
	}

	public function test_a_key_file_is_private_whole_and_made_once(): void {
		$folder = sys_get_temp_dir() . '/key' . bin2hex( random_bytes( 6 ) );
		mkdir( $folder );
		$file = $folder . '/cloakroom-key.php';
		$this->assertTrue( Site_Key::make( $file ) );
		$key = Site_Key::read( $file );
		$this->assertMatchesRegularExpression( '/^[0-9a-f]{64}$/D', $key );
		$this->assertSame( 0600, fileperms( $file ) & 0777 );
		$this->assertTrue( Site_Key::make( $file ) );
		$this->assertSame( $key, Site_Key::read( $file ), 'who comes second takes the first one\'s' );
		$this->assertSame( array( $file ), glob( "$folder/*" ) );
		$this->assertSame( '', (string) shell_exec( escapeshellarg( PHP_BINARY ) . ' ' . escapeshellarg( $file ) ), 'shows nothing' );
		unlink( $file );
		rmdir( $folder );
		$this->assertFalse( Site_Key::make( $file ) );
		$this->assertNull( Site_Key::read( $file ) );
	}
}
