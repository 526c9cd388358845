<?php
// phpcs:disable

namespace Cloakroom\Tests;

use Cloakroom\Health\Own_Calls;
use Cloakroom\Health\Site_Health;

/** Site Health's checks and facts, as WordPress calls them. */
final class SiteHealthTest extends SessionCase {

	protected function setUp(): void {
		parent::setUp();
		require_once ABSPATH . 'wp-admin/includes/class-wp-site-health.php';
		require_once ABSPATH . 'wp-admin/includes/class-wp-debug-data.php';
		require_once ABSPATH . 'wp-admin/includes/update.php';
		require_once ABSPATH . 'wp-admin/includes/misc.php';
		delete_option( \Cloakroom\Callers::OPTION );
		$fresh = new \ReflectionProperty( \Cloakroom\Callers::class, 'fresh' );
		$fresh->setValue( null, array() );
		$closed = new \ReflectionProperty( Own_Calls::class, 'closed' );
		$closed->setValue( null, '' );
	}

	/** @return array<string, mixed> */
	private static function check( string $name ): array {
		$test = \WP_Site_Health::get_tests()['direct'][ $name ]['test'];
		return is_string( $test ) ? \WP_Site_Health::get_instance()->{ 'get_test_' . $test }() : $test();
	}

	public function test_nothing_is_wrong_here_and_every_check_has_all_its_parts(): void {
		foreach ( array( 'cloakroom_handler', 'cloakroom_store', 'cloakroom_starts', 'php_sessions' ) as $name ) {
			$result = self::check( $name );
			$this->assertSame( array( 'label', 'status', 'badge', 'description', 'actions', 'test' ), array_keys( $result ) );
			$this->assertSame( $name, $result['test'] );
			$this->assertSame( 'good', $result['status'], $name . $result['description'] );
			$this->assertSame( $result['description'], wp_kses_post( $result['description'] ) );
		}
		$this->assertStringContainsString( 'MariaDB', self::check( 'cloakroom_store' )['description'] );
	}

	public function test_an_open_session_is_no_fault_and_told_as_it_is(): void {
		$this->assertStringContainsString( 'No PHP session is open', self::check( 'php_sessions' )['label'] );
		session_start();
		$_SESSION['a'] = 1;
		$this->assertSame( 'critical', \WP_Site_Health::get_instance()->get_test_php_sessions()['status'], 'WordPress alone' );
		$result = self::check( 'php_sessions' );
		$this->assertSame( 'good', $result['status'] );
		$this->assertStringContainsString( 'nothing waits for it', $result['label'] );
		$this->assertStringContainsString( 'side by side', $result['description'] );
		Own_Calls::close();
		$this->assertSame( 'good', \WP_Site_Health::get_instance()->get_test_php_sessions()['status'], 'WordPress after we closed it' );
		$this->assertStringContainsString( 'nothing waits for it', self::check( 'php_sessions' )['label'], 'still the truth' );
	}

	public function test_another_handler_in_front_keeps_wordpress_own_check(): void {
		$handler = new class() extends \SessionHandler {};
		session_set_save_handler( $handler, false );
		$this->assertSame( 'php_sessions', \WP_Site_Health::get_tests()['direct']['php_sessions']['test'] );
		session_module_name( 'cloakroom' );
	}

	public function test_callers_of_old_names_are_told(): void {
		$this->assertArrayNotHasKey( 'cloakroom_callers', \WP_Site_Health::get_tests()['direct'] );
		update_option( \Cloakroom\Callers::OPTION, array( 'WP_Session plugin/old' => array( 'api' => 'WP_Session', 'who' => 'plugin/old', 'file' => 'wp-content/plugins/old/<b>.php', 'line' => 7, 'since' => 0 ) ) );
		$text = self::check( 'cloakroom_callers' )['description'];
		$this->assertStringContainsString( 'plugin/old uses WP_Session (<code>wp-content/plugins/old/&lt;b&gt;.php:7</code>)', $text );
	}

	public function test_a_store_that_does_not_answer_is_critical_and_everything_else_a_recommendation(): void {
		$finding = static fn ( string $check, bool $ok ): array => array( 'check' => $check, 'ok' => $ok, 'text' => "text $check", 'advice' => "do $check" );
		$status  = static function ( array ...$findings ): array {
			$health   = new Site_Health();
			$property = new \ReflectionProperty( $health, 'findings' );
			$property->setValue( $health, $findings );
			return $health->store();
		};
		$this->assertSame( 'critical', $status( $finding( 'store', false ) )['status'] );
		$this->assertSame( 'critical', $status( $finding( 'settings', false ), $finding( 'clock', false ) )['status'] );
		$this->assertSame( 'recommended', $status( $finding( 'store', true ), $finding( 'clock', false ) )['status'] );
		$good = $status( $finding( 'store', true ), $finding( 'keys', true ) );
		$this->assertSame( 'good', $good['status'] );
		$this->assertStringContainsString( 'do keys', $good['description'] );
	}

	public function test_who_starts_sessions_for_nothing_is_named_with_advice(): void {
		$health   = new Site_Health();
		$property = new \ReflectionProperty( $health, 'starts' );
		$property->setValue( $health, \Cloakroom\Health\Blame::sum( array( array( 'label' => 'empty | plugin tracker | wp-content/plugins/tracker/tracker.php:4', 'hour' => 0, 'count' => 1200, 'sum' => 0, 'sample' => '/' ) ) ) );
		$result = $health->who_starts();
		$this->assertSame( 'recommended', $result['status'] );
		$this->assertStringContainsString( 'plugin tracker, in <code>wp-content/plugins/tracker/tracker.php:4</code>: about 1,200 sessions.', $result['description'] );
		$this->assertStringContainsString( '100 stay empty', $result['description'] );
	}

	public function test_the_debug_section_has_facts_and_no_password(): void {
		$fields = ( new \Cloakroom\Health\Debug_Section() )->add( array() )['cloakroom']['fields'];
		foreach ( array( 'extension', 'server', 'handler', 'setting_concurrency', 'count', 'finding_store' ) as $name ) {
			$this->assertNotSame( '', $fields[ $name ]['value'], $name );
		}
		$this->assertSame( array( true, true ), array( $fields['setting_store']['private'], $fields['finding_store']['private'] ) );
		$this->assertStringNotContainsString( DB_PASSWORD, implode( "\n", array_column( $fields, 'value' ) ) );
	}
}
