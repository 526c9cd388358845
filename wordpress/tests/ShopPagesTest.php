<?php
// phpcs:disable

namespace Cloakroom\Tests;

require_once __DIR__ . '/ShopCase.php';

use PHPUnit\Framework\TestCase;

/** The shop's sessions in pages, over HTTP, on two application servers: several PHP processes, one cart. */
final class ShopPagesTest extends TestCase {

	private const SLUG = 'shop-double';

	private string $folder;

	public static function tearDownAfterClass(): void {
		ShopCase::end_all_carts();
	}

	protected function setUp(): void {
		$this->folder = WP_PLUGIN_DIR . '/' . self::SLUG;
		@mkdir( $this->folder );
		file_put_contents( $this->folder . '/' . self::SLUG . '.php', '<?php
/** Plugin Name: shop double */
require_once ' . var_export( __DIR__ . '/doubles/shop.php', true ) . ';
require_once ' . var_export( __DIR__ . '/doubles/pages.php', true ) . ';' );
		update_option( 'active_plugins', array( 'cloakroom/cloakroom.php', self::SLUG . '/' . self::SLUG . '.php' ) );
		delete_option( 'shop_double_no_secret' );
	}

	protected function tearDown(): void {
		update_option( 'active_plugins', array( 'cloakroom/cloakroom.php' ) );
		delete_option( 'shop_double_no_secret' );
		unlink( $this->folder . '/' . self::SLUG . '.php' );
		rmdir( $this->folder );
		array_map( 'unlink', array_merge( glob( dirname( ABSPATH ) . '/cloakroom-key.php*' ), glob( WP_CONTENT_DIR . '/cloakroom-key.php*' ) ) );
	}

	private function page( Browser $visitor, string $query, array $headers = array() ): array {
		$text   = $visitor->get( '/?shop=' . $query, null, $headers );
		$result = json_decode( $text, true );
		$this->assertIsArray( $result, $text );
		return $result;
	}

	/** Sends the cookies along percent-encoded, as PHP wrote them. */
	private function shop_cookie( Browser $visitor ): string {
		return rawurldecode( $visitor->cookies[ 'wp_woocommerce_session_' . COOKIEHASH ] ?? '' );
	}

	public function test_a_cart_makes_a_cookie_and_looking_around_makes_none(): void {
		$visitor = new Browser();
		$this->assertSame( array(), $this->page( $visitor, 'show' )['cart'] );
		$this->assertSame( array(), $visitor->set_cookies() );
		$this->page( $visitor, 'add&item=tea' );
		$this->assertSame( array( 'wp_woocommerce_session_' . COOKIEHASH ), array_keys( $visitor->set_cookies() ), 'and none of PHP\'s' );
		$this->assertMatchesRegularExpression( '/^t_[0-9a-f]{30}\|\d{10}\|\d{10}\|[0-9a-f]{32}$/D', $this->shop_cookie( $visitor ) );
		$this->page( $visitor, 'add&item=mug' );
		$this->assertSame( array(), $visitor->set_cookies() );
		foreach ( array( 1, 2, 3, 4 ) as $time ) {
			$this->assertSame( array( 'tea', 'mug' ), $this->page( $visitor, 'show' )['cart'], 'on both servers' );
		}
	}

	public function test_two_processes_at_once_both_keep_their_items(): void {
		$visitor = new Browser();
		$this->page( $visitor, 'add&item=tea' );
		// This page has loaded the cart when it calls the other, and stores after it.
		$result = $this->page( $visitor, 'add&item=mug&meanwhile=' . rawurlencode( '/?shop=add&item=hat' ) );
		$this->assertNotSame( $result['process'], $result['meanwhile']['process'] );
		$this->assertSame( array( 'tea', 'hat' ), $result['meanwhile']['cart'] );
		$this->assertEqualsCanonicalizing( array( 'tea', 'hat', 'mug' ), $this->page( $visitor, 'show' )['cart'] );
	}

	public function test_cart_token_and_cookie_at_once_as_well(): void {
		$visitor = new Browser();
		$token   = $this->page( $visitor, 'add&item=tea' )['token'];
		$result  = $this->page( $visitor, 'add&item=mug&token=' . rawurlencode( $token ) . '&meanwhile=' . rawurlencode( '/?shop=add&item=hat&store_api=1' ) );
		$this->assertSame( 'Cloakroom\Shop\Token_Handler', $result['meanwhile']['class'] );
		$this->assertEqualsCanonicalizing( array( 'tea', 'hat', 'mug' ), $this->page( $visitor, 'show' )['cart'] );
		$headless = $this->page( new Browser(), 'show&store_api=1', array( 'Cart-Token: ' . $token ) );
		$this->assertEqualsCanonicalizing( array( 'tea', 'hat', 'mug' ), $headless['cart'] );
	}

	public function test_many_at_once_lose_nothing(): void {
		$visitor = new Browser();
		$this->page( $visitor, 'add&item=tea' );
		$cookie = 'wp_woocommerce_session_' . COOKIEHASH . '=' . $visitor->cookies[ 'wp_woocommerce_session_' . COOKIEHASH ];
		$multi  = curl_multi_init();
		$all    = array();
		for ( $n = 0; $n < 8; ++$n ) {
			$one = curl_init( getenv( 'CLOAKROOM_TEST_URL' ) . "/?shop=add&item=i$n" );
			curl_setopt_array( $one, array( CURLOPT_RETURNTRANSFER => true, CURLOPT_COOKIE => $cookie, CURLOPT_TIMEOUT => 60 ) );
			curl_multi_add_handle( $multi, $one );
			$all[] = $one;
		}
		do {
			curl_multi_exec( $multi, $running );
			curl_multi_select( $multi );
		} while ( $running > 0 );
		foreach ( $all as $one ) {
			$this->assertSame( 200, curl_getinfo( $one, CURLINFO_RESPONSE_CODE ), (string) curl_multi_getcontent( $one ) );
		}
		$this->assertEqualsCanonicalizing( array( 'tea', 'i0', 'i1', 'i2', 'i3', 'i4', 'i5', 'i6', 'i7' ), $this->page( $visitor, 'show' )['cart'] );
	}

	public function test_a_log_in_takes_the_cart_along_and_leaves_no_second_one(): void {
		$visitor = new Browser();
		$this->page( $visitor, 'add&item=tea' );
		$guest = $this->shop_cookie( $visitor );
		$name  = 'c' . bin2hex( random_bytes( 6 ) );
		$user  = wp_insert_user( array( 'user_login' => $name, 'user_pass' => $name, 'user_email' => "$name@example.invalid" ) );
		$visitor->get( '/wp-login.php', array( 'log' => $name, 'pwd' => $name ) );
		$this->assertSame( 302, $visitor->status );
		$result = $this->page( $visitor, 'show' );
		$this->assertSame( array( (string) $user, array( 'tea' ) ), array( $result['key'], $result['cart'] ) );
		$this->assertStringStartsWith( $user . '|', $this->shop_cookie( $visitor ) );
		$old = new Browser();
		$old->cookies[ 'wp_woocommerce_session_' . COOKIEHASH ] = rawurlencode( $guest );
		$this->assertSame( array(), $this->page( $old, 'show' )['cart'], 'the guest\'s cookie leads nowhere' );
		// A second device of the same user.
		$phone = new Browser();
		$phone->get( '/wp-login.php', array( 'log' => $name, 'pwd' => $name ) );
		$this->assertSame( array( 'tea' ), $this->page( $phone, 'show' )['cart'] );
		$this->page( $phone, 'add&item=mug' );
		$this->assertSame( array( 'tea', 'mug' ), $this->page( $visitor, 'show' )['cart'] );
	}

	public function test_without_a_secret_a_key_file_is_made_and_the_screen_says_so(): void {
		$parent = dirname( ABSPATH );
		$mode   = fileperms( $parent ) & 07777;
		$owner  = fileowner( $parent );
		chmod( $parent, 0777 );
		update_option( 'shop_double_no_secret', 1 );
		$none = $this->page( new Browser(), 'which' );
		$this->assertSame( 'WC_Session_Handler', $none['class'], 'where everybody may write no key is made, and the shop goes on as before' );
		$this->assertStringContainsString( 'cloakroom.keys', $none['said'] );
		$this->assertFileDoesNotExist( $parent . '/cloakroom-key.php' );
		// The web server's user may write there, others may not.
		chmod( $parent, 0755 );
		if ( 0 === posix_geteuid() ) {
			chown( $parent, fileowner( WP_CONTENT_DIR . '/uploads' ) );
		}
		try {
			$this->with_a_key_file();
		} finally {
			chown( $parent, $owner );
			chmod( $parent, $mode );
		}
	}

	private function with_a_key_file(): void {
		update_option( 'shop_double_no_secret', 1 );
		$visitor = new Browser();
		$result  = $this->page( $visitor, 'add&item=tea' );
		$this->assertSame( 'Cloakroom\Shop\Handler', $result['class'] );
		$file = $result['file'];
		$this->assertSame( 'cloakroom-key.php', basename( $file ) );
		$this->assertFileExists( $file );
		$this->assertSame( 0600, fileperms( $file ) & 0777 );
		$this->assertStringContainsString( $file, $result['said'] );
		foreach ( array( 1, 2, 3 ) as $time ) {
			$this->assertSame( array( 'tea' ), $this->page( $visitor, 'show' )['cart'] );
		}
		$this->assertSame( dirname( ABSPATH ) . '/cloakroom-key.php', $file, 'outside of what the web server shows' );
		// Somebody sets salts: what is there is found, and told no more.
		delete_option( 'shop_double_no_secret' );
		$result = $this->page( $visitor, 'show' );
		$this->assertSame( array( array( 'tea' ), '', '' ), array( $result['cart'], $result['file'], $result['said'] ) );
	}
}
