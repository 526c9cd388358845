<?php
// phpcs:disable

namespace Cloakroom\Tests;

use PHPUnit\Framework\TestCase;
use Cloakroom\Settings;

/** The plugin in pages, over HTTP, on two application servers. */
final class PagesTest extends TestCase {

	/** @var list<string> */
	private array $made = array();
	/** @var list<resource> */
	private array $servers = array();

	protected function tearDown(): void {
		Settings::change( array( 'cookie_name' => '' ) );
		update_option( 'active_plugins', array( 'cloakroom/cloakroom.php' ) );
		foreach ( $this->made as $slug ) {
			array_map( 'unlink', glob( WP_PLUGIN_DIR . "/$slug/*" ) );
			rmdir( WP_PLUGIN_DIR . "/$slug" );
		}
		foreach ( $this->servers as $server ) {
			proc_terminate( $server );
			proc_close( $server );
		}
	}

	private function page( Browser $visitor, string $scene, array $headers = array() ): array {
		$text = $visitor->get( '/?probe=' . $scene, null, $headers );
		$this->assertSame( 200, $visitor->status, $text );
		$result = json_decode( $text, true );
		$this->assertIsArray( $result, $text );
		return $result;
	}

	private function plugin( string $slug, string $code ): void {
		mkdir( WP_PLUGIN_DIR . "/$slug", 0755 );
		$this->made[] = $slug;
		file_put_contents( WP_PLUGIN_DIR . "/$slug/$slug.php", "<?php\n/** Plugin Name: $slug */\n$code" );
		$this->active( 'cloakroom/cloakroom.php', "$slug/$slug.php" );
	}

	private function active( string ...$plugins ): void {
		update_option( 'active_plugins', $plugins );
	}

	private function admin( string $site = '' ): Browser {
		$browser = new Browser( $site );
		$browser->cookies[ AUTH_COOKIE ]      = rawurlencode( wp_generate_auth_cookie( 1, time() + HOUR_IN_SECONDS, 'auth', 't' ) );
		$browser->cookies[ LOGGED_IN_COOKIE ] = rawurlencode( wp_generate_auth_cookie( 1, time() + HOUR_IN_SECONDS, 'logged_in', 't' ) );
		return $browser;
	}

	public static function setUpBeforeClass(): void {
		// The token of admin()'s cookies.
		$manager = \WP_Session_Tokens::get_instance( 1 );
		$manager->update( 't', array( 'expiration' => time() + HOUR_IN_SECONDS, 'login' => time() ) );
	}

	public function test_a_page_that_only_reads_sends_no_cookie_and_stays_cacheable(): void {
		$visitor = new Browser();
		$this->assertSame( array( 'x' => null, 'status' => PHP_SESSION_NONE ), $this->page( $visitor, 'read' ) );
		$this->assertSame( array(), $visitor->set_cookies() );
		$this->assertNull( $visitor->header( 'Expires' ) );
		$this->assertNull( $visitor->header( 'Pragma' ) );
	}

	public function test_a_page_that_writes_sends_phps_cookie_alone_and_the_next_page_reads_it(): void {
		$visitor = new Browser();
		$this->assertSame( array( 'n' => 1, 'native' => 1 ), $this->page( $visitor, 'count_up' ) );
		$this->assertSame( array( 'PHPSESSID' ), array_keys( $visitor->set_cookies() ) );
		foreach ( array( 2, 3, 4, 5 ) as $n ) {
			$this->assertSame( $n, $this->page( $visitor, 'count_up' )['n'] );
			$this->assertSame( array(), $visitor->set_cookies(), 'the cookie is not sent again and again' );
		}
	}

	public function test_nested_writes_are_kept_from_page_to_page(): void {
		$visitor = new Browser();
		$this->page( $visitor, 'nested' );
		$this->assertSame( array( 'deep' => array( 'a' => array( 'b' => 2 ) ) ), $this->page( $visitor, 'nested' ) );
	}

	public function test_a_new_id_comes_with_the_variables(): void {
		$visitor = new Browser();
		$this->page( $visitor, 'count_up' );
		$old = $visitor->cookies['PHPSESSID'];
		$this->assertSame( array( 'n' => 1 ), $this->page( $visitor, 'regenerate' ) );
		$this->assertNotSame( $old, $visitor->cookies['PHPSESSID'] );
		$this->assertSame( 2, $this->page( $visitor, 'count_up' )['n'] );
	}

	public function test_an_emptied_session_ends_with_its_cookie(): void {
		$visitor = new Browser();
		$this->page( $visitor, 'count_up' );
		$this->assertSame( array(), $this->page( $visitor, 'empty' ) );
		$this->page( $visitor, 'read' );
		$this->page( $visitor, 'read' );
		$this->assertArrayNotHasKey( 'PHPSESSID', $visitor->cookies );
	}

	public function test_the_first_write_may_come_late_in_a_small_page(): void {
		$visitor = new Browser();
		$this->page( $visitor, 'late' );
		$this->assertSame( 1, $this->page( $visitor, 'late' )['before'] );
	}

	public function test_who_has_a_session_may_be_written_to_late_in_a_large_page(): void {
		$visitor = new Browser();
		$this->page( $visitor, 'count_up' );
		$this->page( $visitor, 'late&bytes=100000' );
		$this->assertSame( 1, $this->page( $visitor, 'late' )['before'] );
	}

	public function test_on_a_site_that_uses_it_the_first_read_may_come_late(): void {
		$visitor = new Browser();
		$this->page( $visitor, 'count_up' );
		$this->assertSame( array( 'n' => 1, 'sent' => true ), $this->page( $visitor, 'late_read' ) );
	}

	public function test_the_cookies_name_is_phps_unless_the_site_comes_from_the_hosts_plugin(): void {
		$this->assertSame( 'PHPSESSID', $this->page( new Browser(), 'name' )['name'] );
		Settings::change( array( 'cookie_name' => 'host' ) );
		$expected = 'SESS' . substr( hash( 'sha256', (string) wp_parse_url( home_url(), PHP_URL_HOST ) ), 0, 32 );
		$visitor  = new Browser();
		$result   = $this->page( $visitor, 'name' );
		$this->assertSame( $expected, $result['name'] );
		$this->assertTrue( $result['params']['httponly'] );
		$this->assertFalse( $result['params']['secure'] );
		$this->assertSame( array( $expected ), array_keys( $visitor->set_cookies() ) );
		$secure = $this->page( $visitor, 'name', array( 'X-Test-Https: on' ) );
		$this->assertSame( 'S' . $expected, $secure['name'] );
		$this->assertTrue( $secure['params']['secure'] );
		$this->assertSame( 1, $secure['before'], 'over HTTPS the session from before is found' );
	}

	public function test_destroying_takes_three_cookies_back(): void {
		Settings::change( array( 'cookie_name' => 'host' ) );
		$visitor = new Browser();
		$name    = $this->page( $visitor, 'name' )['name'];
		$this->assertSame( array( 'session' => array() ), $this->page( $visitor, 'destroy' ) );
		foreach ( array( $name, substr( $name, 1 ), 'S' . $name ) as $cookie ) {
			$this->assertArrayHasKey( $cookie, $visitor->set_cookies() );
		}
		$this->assertSame( array(), $visitor->cookies );
	}

	public function test_a_copy_that_does_not_ask_stays_what_it_is(): void {
		$this->assertSame( array( 'mine' => 'copy', 'functions' => false, 'utils' => false ), $this->page( new Browser(), 'copy' ) );
	}

	public function test_a_copy_that_asks_steps_aside(): void {
		$this->plugin( 'zz-bundle', 'if ( ! defined( "WP_SESSION_COOKIE" ) ) { define( "WP_SESSION_COOKIE", "zz_session" ); }
			if ( ! class_exists( "Recursive_ArrayAccess" ) ) { throw new Error( "no class" ); }
			if ( ! class_exists( "WP_Session" ) ) { throw new Error( "no class" ); }
			WP_Session::get_instance()["early"] = 1;' );
		$visitor = new Browser();
		$result  = $this->page( $visitor, 'nested' );
		$this->assertSame( 1, $result['early'] );
		$this->assertSame( array( 'PHPSESSID' ), array_keys( $visitor->set_cookies() ) );
	}

	public function test_the_session_manager_keeps_its_names_until_it_is_told_to_go(): void {
		$this->plugin( 'wp-session-manager', 'if ( ! class_exists( "Recursive_ArrayAccess" ) ) { class Recursive_ArrayAccess {} }
			if ( ! class_exists( "WP_Session" ) ) { final class WP_Session { public $mine = "manager"; public static function get_instance() { return new self(); } } }
			if ( ! class_exists( "WP_Session_Utils" ) ) { class WP_Session_Utils {} }
			function wp_session_start() {} function wp_session_encode() { return "manager"; }' );
		$this->assertSame( array( 'mine' => 'manager', 'functions' => true, 'utils' => true ), $this->page( new Browser(), 'whose' ) );

		$admin = $this->admin();
		$text  = $admin->get( '/wp-admin/plugins.php' );
		$this->assertSame( 200, $admin->status );
		$this->assertStringContainsString( 'Cloakroom stays out of the way of WP Session Manager.', $text );
		$this->assertStringContainsString( 'starts a session for every visitor', $text );
		preg_match( '/<form method="post" action="([^"]*admin-post\.php)">(.*?)<\/form>/s', $text, $form );
		preg_match_all( '/name="([^"]+)" value="([^"]*)"/', str_replace( "'", '"', $form[2] ), $fields, PREG_SET_ORDER );
		$post = array_column( $fields, 2, 1 );

		$nobody = new Browser();
		$nobody->get( '/wp-admin/admin-post.php', $post );
		$forged = $this->admin();
		$forged->get( '/wp-admin/admin-post.php', array( '_wpnonce' => 'forged' ) + $post );
		$this->assertSame( 403, $forged->status );
		wp_cache_delete( 'alloptions', 'options' );
		$this->assertContains( 'wp-session-manager/wp-session-manager.php', get_option( 'active_plugins' ) );

		$admin->get( '/wp-admin/admin-post.php', $post );
		$this->assertSame( 302, $admin->status );
		wp_cache_delete( 'alloptions', 'options' );
		$this->assertSame( array( 'cloakroom/cloakroom.php' ), get_option( 'active_plugins' ) );
		$this->assertSame( array( 'mine' => null, 'functions' => true, 'utils' => true ), $this->page( new Browser(), 'whose' ) );
	}

	public function test_the_dashboard_says_nothing_where_all_is_well(): void {
		$admin = $this->admin();
		$text  = $admin->get( '/wp-admin/plugins.php' );
		$this->assertSame( 200, $admin->status );
		$this->assertStringNotContainsString( 'notice-warning"><p><strong>', $text );
	}

	public function test_without_the_extension_the_site_works_as_before_and_the_missing_line_is_named(): void {
		$site    = $this->server_without_extension();
		$host    = array( 'Host: ' . wp_parse_url( home_url(), PHP_URL_HOST ) . ':' . wp_parse_url( home_url(), PHP_URL_PORT ) );
		$visitor = new Browser( $site );
		$text    = $visitor->get( '/?probe=without', null, $host );
		$this->assertSame( 200, $visitor->status, $text );
		$this->assertSame( array( 'class' => false, 'function' => false, 'handler' => 'files', 'session' => array( 'a' => 1 ) ), json_decode( $text, true ), $text );
		$this->assertStringContainsString( '<html', $visitor->get( '/', null, $host ) );
		$admin = $this->admin( $site );
		$text  = $admin->get( '/wp-admin/plugins.php', null, $host );
		$this->assertSame( 200, $admin->status );
		$this->assertStringContainsString( '<code>extension=cloakroom</code>', $text );
		$this->assertStringContainsString( '<code>session.save_handler=cloakroom</code>', $text );
		$this->assertStringContainsString( '(cli-server)', $text );
		$this->assertStringContainsString( '/conf.d/30-cloakroom.ini</code>', $text );
		$this->assertStringNotContainsString( 'Notice: ', $text );
	}

	private function server_without_extension(): string {
		$environment = getenv();
		unset( $environment['PHP_INI_SCAN_DIR'] );
		$log    = tempnam( sys_get_temp_dir(), 'server' );
		$server = proc_open( array( PHP_BINARY, '-d', 'session.save_handler=files', '-d', 'session.save_path=' . sys_get_temp_dir(), '-S', '127.0.0.1:0', '-t', (string) getenv( 'CLOAKROOM_TEST_ROOT' ) ), array( 1 => array( 'file', $log, 'a' ), 2 => array( 'file', $log, 'a' ) ), $pipes, null, $environment );
		$this->servers[] = $server;
		$patience = microtime( true ) + 30;
		while ( microtime( true ) < $patience ) {
			if ( preg_match( '#\((http://127\.0\.0\.1:[1-9]\d*)\) started#', (string) file_get_contents( $log ), $m ) ) {
				unlink( $log );
				return $m[1];
			}
			usleep( 20000 );
		}
		$this->fail( 'PHP\'s own server did not start: ' . file_get_contents( $log ) );
	}
}
