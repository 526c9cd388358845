<?php
// phpcs:disable

namespace Cloakroom\Tests;

use Cloakroom\Compat\WP_Session\Php_Format;

/** `wp_session_*`, constants, filters, actions and cron hooks. */
final class WpSessionFunctionsTest extends SessionCase {

	private function told( string $hook ): \Closure {
		$count = new \ArrayObject();
		add_action( $hook, static function () use ( $count ): void { $count[] = 1; } );
		return static fn (): int => count( $count );
	}

	/** Old functions say so under WP_DEBUG, once for each call; that is looked at in a test of its own. */
	protected function setUp(): void {
		parent::setUp();
		add_filter( 'deprecated_function_trigger_error', '__return_false' );
	}

	protected function tearDown(): void {
		parent::tearDown();
		remove_filter( 'deprecated_function_trigger_error', '__return_false' );
		remove_all_actions( 'wp_session_start' );
	}

	public function test_start_makes_the_instance_and_the_global_and_is_told(): void {
		$told = $this->told( 'wp_session_start' );
		$this->assertTrue( wp_session_start() );
		$this->assertSame( 1, $told() );
		$this->assertSame( \WP_Session::get_instance(), $GLOBALS['wp_session'] );
		$this->assertSame( PHP_SESSION_NONE, session_status() );
	}

	public function test_write_close_and_commit_save_and_are_told_and_close_nothing(): void {
		foreach ( array( 'wp_session_write_close', 'wp_session_commit' ) as $n => $function ) {
			$told                = $this->told( 'wp_session_commit' );
			self::session()['a'] = $n;
			$function();
			$this->assertSame( 1, $told() );
			self::session()['b'] = $n;
			self::next_request();
			$this->assertSame( array( 'a' => $n, 'b' => $n ), self::session()->toArray() );
			remove_all_actions( 'wp_session_commit' );
		}
	}

	public function test_encode_is_json_and_decode_takes_it(): void {
		self::session()['a'] = array( 'b' => 1 );
		$json = wp_session_encode();
		$this->assertSame( '{"a":{"b":1}}', $json );
		wp_session_unset();
		$this->assertSame( '[]', wp_session_encode() );
		$this->assertTrue( wp_session_decode( $json ) );
		$this->assertSame( array( 'a' => array( 'b' => 1 ) ), self::session()->toArray() );
		$this->assertFalse( wp_session_decode( '5' ) );
		$this->assertFalse( wp_session_decode( '' ) );
	}

	public function test_decode_takes_phps_format_too(): void {
		self::session()['old'] = 1;
		$this->assertTrue( wp_session_decode( 'a|i:1;list|a:2:{i:0;s:3:"x|y";i:1;b:1;}' ) );
		$this->assertSame( array( 'a' => 1, 'list' => array( 'x|y', true ) ), self::session()->toArray() );
	}

	public function test_decode_of_nonsense_changes_nothing_and_ends_no_session(): void {
		self::session()['old'] = 1;
		foreach ( array( 'x', 'a|', 'a|i:1', 'a|i:1;b', 'a|s:9:"x";', 'a|a:1:{i:0;}', 'a|O:1:"X":0:{', "a|i:1;\0", 'a|R:9;', 'a|' . str_repeat( 'a:1:{i:0;', 500 ) ) as $text ) {
			$this->assertFalse( wp_session_decode( $text ), $text );
		}
		self::next_request();
		$this->assertSame( array( 'old' => 1 ), self::session()->toArray() );
	}

	public function test_phps_format_is_read_as_php_writes_it(): void {
		session_start();
		$_SESSION = array( 'i' => -1, 'd' => 0.1, 's' => "a|b;\"}\n\xff", 'n' => null, 't' => true, 'a' => array( 'x' => array( 1, array() ) ), 'nan' => -INF );
		$this->assertSame( $_SESSION, Php_Format::decode( session_encode() ) );
		$_SESSION['p'] = (object) array( 'q' => 'r' );
		$decoded = Php_Format::decode( session_encode() );
		$this->assertInstanceOf( \__PHP_Incomplete_Class::class, $decoded['p'], 'no object is built of text' );
		$before   = session_encode();
		$_SESSION = $decoded;
		$this->assertSame( $before, session_encode(), 'and none is lost' );
		$_SESSION['o'] = new \ArrayObject( array( 1 ) );
		$this->assertNull( Php_Format::decode( session_encode() ), 'one that would be damaged is refused' );
		$this->assertEquals( $_SESSION['o'], Php_Format::decode( session_encode(), true )['o'] );
	}

	public function test_regenerate_id_is_true_and_gives_a_new_id(): void {
		self::session()['a'] = 1;
		$old = session_id();
		$this->assertTrue( wp_session_regenerate_id() );
		$this->assertNotSame( $old, session_id() );
		$this->assertTrue( wp_session_regenerate_id( true ) );
		$this->assertSame( 1, self::session()['a'] );
	}

	public function test_status_is_always_active_and_asking_starts_nothing(): void {
		$this->assertSame( PHP_SESSION_ACTIVE, wp_session_status() );
		$this->assertSame( PHP_SESSION_NONE, session_status() );
	}

	public function test_cache_expire_is_a_unix_time(): void {
		$this->assertEqualsWithDelta( time() + 1800, wp_session_cache_expire(), 2 );
	}

	public function test_cleanup_removes_what_is_over_and_is_told(): void {
		$told = $this->told( 'wp_session_cleanup' );
		$size = 0;
		add_filter( 'wp_session_delete_batch_size', static function ( int $n ) use ( &$size ): int { return $size = $n; } );
		wp_session_cleanup();
		$this->assertSame( 1, $told() );
		$this->assertSame( 1000, $size );
	}

	public function test_garbage_collection_is_scheduled_hourly_and_runs_the_cleanup(): void {
		wp_unschedule_hook( 'wp_session_garbage_collection' );
		wp_session_register_garbage_collection();
		wp_session_register_garbage_collection();
		$this->assertSame( 'hourly', wp_get_schedule( 'wp_session_garbage_collection' ) );
		$told = $this->told( 'wp_session_cleanup' );
		do_action( 'wp_session_garbage_collection' );
		$this->assertSame( 1, $told() );
		do_action( 'wp_session_database_gc' );
		wp_unschedule_hook( 'wp_session_garbage_collection' );
		add_filter( 'wp_session_gc_interval', static fn (): string => 'daily' );
		wp_session_register_garbage_collection();
		$this->assertSame( 'daily', wp_get_schedule( 'wp_session_garbage_collection' ) );
		remove_all_filters( 'wp_session_gc_interval' );
	}

	public function test_actions_have_their_old_places(): void {
		$this->assertSame( 10, has_action( 'plugins_loaded', 'wp_session_start' ) );
		$this->assertSame( 10, has_action( 'shutdown', 'wp_session_write_close' ) );
		$this->assertSame( 10, has_action( 'wp', 'wp_session_register_garbage_collection' ) );
		$this->assertSame( 10, has_action( 'wp_session_garbage_collection', 'wp_session_cleanup' ) );
		$this->assertNotFalse( has_action( 'wp_session_database_gc' ) );
	}

	public function test_constants_and_functions_of_all_versions_are_there(): void {
		$this->assertSame( '_wp_session', WP_SESSION_COOKIE );
		$this->assertTrue( defined( 'WP_SESSION_MINIMUM_PHP_VERSION' ) );
		foreach ( array( 'create_sm_sessions_table', 'wp_session_manager_initialize', 'wp_session_manager_multiple_sessions_notice', 'wp_session_manager_deactivated_notice' ) as $function ) {
			$function();
		}
		$this->assertSame( PHP_SESSION_NONE, session_status() );
		wp_session_manager_start_session();
		$this->assertSame( PHP_SESSION_ACTIVE, session_status() );
	}

	public function test_filters_for_cookie_flags_act_on_phps_cookie(): void {
		add_filter( 'wp_session_cookie_secure', '__return_true' );
		self::session()['a'] = 1;
		$this->assertTrue( session_get_cookie_params()['secure'] );
		remove_all_filters( 'wp_session_cookie_secure' );
		self::new_visitor();
		ini_restore( 'session.cookie_secure' );
		add_filter( 'wp_session_cookie_httponly', '__return_false' );
		self::session()['a'] = 1;
		$this->assertTrue( session_get_cookie_params()['httponly'], 'the extension hides it from scripts all the same' );
		remove_all_filters( 'wp_session_cookie_httponly' );
		ini_restore( 'session.cookie_httponly' );
	}

	public function test_old_functions_are_told_to_developers_alone(): void {
		$told = array();
		add_action( 'deprecated_function_run', static function ( string $function ) use ( &$told ): void { $told[] = $function; } );
		wp_session_status();
		$this->assertSame( array( 'wp_session_status' ), $told );
		remove_all_actions( 'deprecated_function_run' );
	}

	public function test_callers_are_remembered_by_name(): void {
		( new \ReflectionProperty( \Cloakroom\Callers::class, 'looks' ) )->setValue( null, 0 );
		self::session();
		\Cloakroom\Callers::save();
		$this->assertTrue( \Cloakroom\Callers::any( 'WP_Session' ) );
		$callers = array_filter( \Cloakroom\Callers::all(), static fn ( array $c ): bool => 'WP_Session' === $c['api'] );
		$this->assertStringContainsString( 'SessionCase.php', implode( ' ', array_column( $callers, 'file' ) ) );
	}
}
