<?php
// phpcs:disable

namespace Cloakroom\Tests;

use Pantheon_Sessions\Session;
use Pantheon_Sessions\Session_Handler;
use Cloakroom\Record_Key;
use Cloakroom\Compat\Host\Host_Cookie;

/** Native PHP Sessions. */
final class HostTest extends SessionCase {

	protected function tearDown(): void {
		parent::tearDown();
		foreach ( array( 'pantheon_session_expiration', 'pantheon_sessions_client_ip', 'pantheon_sessions_client_ip_default', 'pantheon_sessions_client_ip_filter_flags', 'cloakroom_trusted_proxies' ) as $hook ) {
			remove_all_filters( $hook );
		}
		foreach ( array( 'HTTP_CLIENT_IP', 'HTTP_X_FORWARDED_FOR', 'HTTP_X_FORWARDED', 'HTTP_FORWARDED_FOR', 'HTTP_FORWARDED', 'HTTPS' ) as $name ) {
			unset( $_SERVER[ $name ] );
		}
		$_SERVER['REMOTE_ADDR'] = '127.0.0.1';
		wp_set_current_user( 0 );
	}

	private function other_session(): string {
		self::new_visitor();
		session_start();
		$_SESSION = array( 'a' => 1 );
		cloakroom_owner( \Cloakroom\Owner_Name::of( 7 ) );
		$id = (string) session_id();
		session_write_close();
		self::new_visitor();
		return $id;
	}

	public function test_an_empty_or_unknown_id_is_false(): void {
		$this->assertFalse( Session::get_by_sid( '' ) );
		$this->assertFalse( Session::get_by_sid( 'unknown' ) );
		$this->assertFalse( Session::get_by_sid( null ) );
	}

	public function test_the_own_session_is_found_with_its_owner_and_its_data(): void {
		session_start();
		$_SESSION['a'] = 1;
		$session = Session::get_by_sid( session_id() );
		$this->assertSame( session_id(), $session->get_id() );
		$this->assertSame( 0, $session->get_user_id() );
		$this->assertSame( 'a|i:1;', $session->get_data() );
		$session->set_user_id( '7' );
		$this->assertSame( 7, $session->get_user_id() );
		$this->assertSame( 7, \Cloakroom\Owner_Name::user( cloakroom_show( Record_Key::of( session_id() ) )['owner'] ), 'written at once' );
		$this->assertSame( 7, Session::get_by_sid( session_id() )->get_user_id() );
		$session->set_user_id( 0 );
		$this->assertSame( 0, Session::get_by_sid( session_id() )->get_user_id() );
	}

	public function test_a_new_session_has_no_data(): void {
		session_start();
		$this->assertNull( Session::get_by_sid( session_id() )->get_data() );
	}

	public function test_data_is_replaced_and_the_owner_stays(): void {
		session_start();
		$_SESSION['a'] = 1;
		$session = Session::get_by_sid( session_id() );
		wp_set_current_user( 1 );
		$session->set_data( 'b|i:2;' );
		$this->assertSame( array( 'b' => 2 ), $_SESSION );
		$this->assertSame( 0, Session::get_by_sid( session_id() )->get_user_id() );
		$session->set_data( 'nonsense' );
		$this->assertSame( array( 'b' => 2 ), $_SESSION );
		self::next_request();
		session_start();
		$this->assertSame( array( 'b' => 2 ), $_SESSION );
	}

	public function test_a_session_is_made_for_the_own_id_alone(): void {
		$this->assertFalse( Session::create_for_sid( str_repeat( 'x', 32 ) ) );
		wp_set_current_user( 1 );
		session_start();
		$this->assertSame( 1, Session::create_for_sid( session_id() )->get_user_id() );
		$this->assertSame( 1, Session::create_for_sid( session_id() )->get_user_id(), 'twice is once' );
	}

	public function test_another_session_is_known_by_its_id_and_by_its_key(): void {
		$id = $this->other_session();
		foreach ( array( $id, Record_Key::of( $id ), substr( Record_Key::of( $id ), 0, 12 ) ) as $name ) {
			$this->assertSame( 7, Session::get_by_sid( $name )->get_user_id() );
		}
		$this->assertNull( Session::get_by_sid( Record_Key::of( $id ) )->get_data(), 'a key opens nothing' );
		$session = Session::get_by_sid( $id );
		$data    = $session->get_data();
		$this->assertNotEmpty( $data, 'the id opens it' );
		$this->assertSame( $data, _pantheon_session_read( $id ) );
		$session->set_data( 'b|i:2;' );
		$this->assertSame( $data, Session::get_by_sid( $id )->get_data(), 'only the own can be written' );
		$session->set_user_id( 8 );
		$this->assertSame( 7, Session::get_by_sid( $id )->get_user_id(), 'only the own can be given away' );
	}

	public function test_destroying_ends_and_empties(): void {
		session_start();
		$_SESSION['a'] = 1;
		$id = self::next_request();
		session_start();
		Session::get_by_sid( $id )->destroy();
		$this->assertSame( array(), $_SESSION );
		$this->assertFalse( Session::get_by_sid( $id ) );
		$other = $this->other_session();
		Session::get_by_sid( $other )->destroy();
		$this->assertFalse( Session::get_by_sid( $other ) );
	}

	public function test_destroying_or_rotating_what_was_never_written_succeeds(): void {
		session_start();
		Session::get_by_sid( session_id() )->destroy();
		session_start();
		$_SESSION['a'] = 1;
		session_regenerate_id( true );
		$this->assertSame( array( 'a' => 1 ), $_SESSION, 'variables are kept' );
	}

	public function test_the_handler_installed_by_hand_hands_on_to_ours(): void {
		$handler = new Session_Handler();
		$this->assertInstanceOf( \SessionHandlerInterface::class, $handler );
		foreach ( array( 'open', 'close', 'read', 'write', 'destroy', 'gc' ) as $method ) {
			$this->assertTrue( method_exists( $handler, $method ) );
		}
	}

	public function test_the_address_is_the_one_that_connected(): void {
		$_SERVER['REMOTE_ADDR']          = '203.0.113.9';
		$_SERVER['HTTP_X_FORWARDED_FOR'] = '198.51.100.1, 10.0.0.1';
		$this->assertSame( '203.0.113.9', Session::get_client_ip_server() );
		add_filter( 'cloakroom_trusted_proxies', static fn (): array => array( '203.0.113.0/24' ) );
		$this->assertSame( '198.51.100.1', Session::get_client_ip_server() );
		$_SERVER['HTTP_CLIENT_IP'] = 'nonsense';
		$this->assertSame( '198.51.100.1', Session::get_client_ip_server(), 'the first valid one' );
		$_SERVER['HTTP_CLIENT_IP'] = '2a00:db8::1';
		$this->assertSame( '2a00:db8::1', Session::get_client_ip_server() );
	}

	/** @dataProvider networks */
	public function test_trusted_proxies_are_addresses_and_networks( string $proxy, string $address, bool $trusted ): void {
		$_SERVER['REMOTE_ADDR']          = $address;
		$_SERVER['HTTP_X_FORWARDED_FOR'] = '198.51.100.1';
		add_filter( 'cloakroom_trusted_proxies', static fn (): array => array( $proxy ) );
		$this->assertSame( $trusted ? '198.51.100.1' : $address, Session::get_client_ip_server() );
	}

	public static function networks(): array {
		return array(
			array( '10.1.2.3', '10.1.2.3', true ),
			array( '10.1.2.3', '10.1.2.4', false ),
			array( '10.1.0.0/20', '10.1.15.255', true ),
			array( '10.1.0.0/20', '10.1.16.0', false ),
			array( '0.0.0.0/0', '10.1.16.0', true ),
			array( '2a00:db8::/33', '2a00:db8:7fff::1', true ),
			array( '2a00:db8::/33', '2a00:db8:8000::1', false ),
			array( '10.0.0.0/8', '2a00:db8::1', false ),
			array( 'nonsense', '10.0.0.1', false ),
		);
	}

	public function test_the_filters_of_the_address(): void {
		$given = null;
		add_filter( 'pantheon_sessions_client_ip', static function ( string $address, ?string $server ) use ( &$given ): string { $given = array( $address, $server ); return '192.0.2.1'; }, 10, 2 );
		$_SERVER['REMOTE_ADDR'] = '203.0.113.9';
		$this->assertSame( '192.0.2.1', Session::get_client_ip_server() );
		$this->assertSame( array( '203.0.113.9', 'REMOTE_ADDR' ), $given );
		$_SERVER['REMOTE_ADDR'] = 'nonsense';
		Session::get_client_ip_server();
		$this->assertSame( array( '127.0.0.1', null ), $given );
		add_filter( 'pantheon_sessions_client_ip_default', static fn (): string => '0.0.0.0' );
		Session::get_client_ip_server();
		$this->assertSame( array( '0.0.0.0', null ), $given );
		$_SERVER['REMOTE_ADDR'] = '10.0.0.1';
		add_filter( 'pantheon_sessions_client_ip_filter_flags', static fn (): int => FILTER_FLAG_NO_PRIV_RANGE );
		Session::get_client_ip_server();
		$this->assertSame( array( '0.0.0.0', null ), $given );
	}

	public function test_the_database_is_made_anew_only_if_it_is_gone(): void {
		global $wpdb;
		$this->assertSame( $wpdb, Session::restore_wpdb_if_null( $wpdb ) );
		$made = Session::restore_wpdb_if_null( null );
		$this->assertSame( $wpdb->options, $made->options );
		$this->assertSame( '1', $made->get_var( 'SELECT 1' ) );
	}

	public function test_the_cookies_name_is_a_hash_of_the_host(): void {
		$host = (string) wp_parse_url( home_url(), PHP_URL_HOST );
		$this->assertSame( 'SESS' . substr( hash( 'sha256', $host ), 0, 32 ), Host_Cookie::name( false ) );
		$this->assertSame( 'SSESS' . substr( hash( 'sha256', $host ), 0, 32 ), Host_Cookie::name( true ) );
	}

	/** @dataProvider homes */
	public function test_the_cookies_domain( string $home, string $domain ): void {
		add_filter( 'pre_option_home', $filter = static fn (): string => $home );
		$this->assertSame( $domain, Host_Cookie::domain() );
		remove_filter( 'pre_option_home', $filter );
	}

	public static function homes(): array {
		return array(
			array( 'http://www.example.com:8080/blog', '.example.com' ),
			array( 'https://shop.example.com', '.shop.example.com' ),
			array( 'https://localhost', '' ),
			array( 'http://192.0.2.1', '' ),
		);
	}

	public function test_the_settings_of_php_are_the_hosts(): void {
		add_filter( 'pantheon_session_expiration', static fn (): int => 3600 );
		$_SERVER['HTTPS'] = 'on';
		$settings = Host_Cookie::settings();
		$this->assertSame( '3600', $settings['cookie_lifetime'] );
		$this->assertSame( '1', $settings['cookie_secure'] );
		$this->assertSame( array( '1', '1', '0', '' ), array( $settings['cookie_httponly'], $settings['use_only_cookies'], $settings['use_trans_sid'], $settings['cache_limiter'] ) );
		$this->assertStringStartsWith( 'SSESS', $settings['name'] );
	}

	public function test_the_plugins_object_answers(): void {
		$plugin = Pantheon_Sessions();
		$this->assertSame( \Pantheon_Sessions::get_instance(), $plugin );
		$plugin->check_native_primary_keys();
		$plugin->add_index();
		$plugin->primary_key_finalize( 3 );
		$plugin->primary_key_revert();
		$this->assertSame( array( 1 ), $plugin->get_all_sites() );
		foreach ( array( 'add_single_index', 'primary_key_finalize_single', 'primary_key_revert_single' ) as $method ) {
			$this->assertCount( 2, $plugin->$method( 'wp_', array( 'before' ), true ) );
		}
	}

	public function test_the_owner_follows_log_in_and_log_out(): void {
		session_start();
		$_SESSION['a'] = 1;
		do_action( 'set_logged_in_cookie', 'cookie', 0, 0, 5, 'logged_in', 'token' );
		cloakroom_commit();
		$this->assertSame( 5, Session::get_by_sid( session_id() )->get_user_id() );
		do_action( 'clear_auth_cookie' );
		cloakroom_commit();
		$this->assertSame( 0, Session::get_by_sid( session_id() )->get_user_id() );
	}

	public function test_the_plugin_is_first_among_the_active_ones(): void {
		$before = get_option( 'active_plugins' );
		update_option( 'active_plugins', array( 'aaa/aaa.php', 'cloakroom/cloakroom.php', 'zzz/zzz.php' ) );
		Pantheon_Sessions()->force_first_load();
		$this->assertSame( array( 'cloakroom/cloakroom.php', 'aaa/aaa.php', 'zzz/zzz.php' ), get_option( 'active_plugins' ) );
		update_option( 'active_plugins', $before );
	}

	public function test_constants_the_tables_name_and_old_functions_are_there(): void {
		$this->assertSame( 1, PANTHEON_SESSIONS_ENABLED );
		$this->assertIsString( PANTHEON_SESSIONS_VERSION );
		$this->assertSame( $GLOBALS['wpdb']->prefix . 'pantheon_sessions', $GLOBALS['wpdb']->pantheon_sessions );
		$this->assertTrue( _pantheon_session_open() && _pantheon_session_close() && _pantheon_session_garbage_collection( 1 ) );
		$this->assertSame( '', _pantheon_session_read( 'unknown' ) );
		$this->assertFalse( _pantheon_session_write( 'unknown', 'a|i:1;' ) );
		session_start();
		$this->assertTrue( _pantheon_session_write( session_id(), 'a|i:1;' ) );
		$this->assertSame( 'a|i:1;', _pantheon_session_read( session_id() ) );
		$this->assertTrue( _pantheon_session_destroy( session_id() ) );
		$this->assertSame( array(), $_SESSION );
	}
}
