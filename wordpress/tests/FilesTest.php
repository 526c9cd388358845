<?php
// phpcs:disable

namespace Cloakroom\Tests;

use PHPUnit\Framework\TestCase;

/** What can be seen in the plugin's files, and what it leaves behind. */
final class FilesTest extends TestCase {

	private static function project(): string {
		return (string) getenv( 'CLOAKROOM_TEST_PROJECT' );
	}

	public function test_every_text_is_in_the_template_for_translations(): void {
		exec( PHP_BINARY . ' ' . escapeshellarg( self::project() . '/scripts/wordpress-pot.php' ) . ' --check 2>&1', $output, $status );
		$this->assertSame( 0, $status, implode( "\n", $output ) );
	}

	public function test_the_plugin_readme_and_class_name_the_same_release(): void {
		$data   = get_plugin_data( self::project() . '/wordpress/cloakroom/cloakroom.php', false, false );
		$readme = (string) file_get_contents( self::project() . '/wordpress/cloakroom/readme.txt' );
		$this->assertSame( \Cloakroom\Plugin::VERSION, $data['Version'] );
		$this->assertStringContainsString( 'Stable tag: ' . $data['Version'], $readme );
		$this->assertStringContainsString( 'Requires at least: ' . $data['RequiresWP'], $readme );
		$this->assertStringContainsString( 'Requires PHP: ' . $data['RequiresPHP'], $readme );
		$this->assertSame( 'cloakroom', $data['TextDomain'] );
	}

	public function test_no_file_can_be_called_by_itself_to_any_effect(): void {
		foreach ( array( 'cloakroom.php', 'uninstall.php' ) as $file ) {
			$output = shell_exec( PHP_BINARY . ' ' . escapeshellarg( self::project() . "/wordpress/cloakroom/$file" ) . ' 2>&1' );
			$this->assertEmpty( $output );
		}
	}

	public function test_every_name_of_ours_that_the_old_plugins_had_has_its_file(): void {
		$families = ( new \ReflectionClassConstant( \Cloakroom\Compat\Compatibility::class, 'CLASSES' ) )->getValue();
		foreach ( array_merge( ...array_values( $families ) ) as $name => $file ) {
			$this->assertFileExists( self::project() . '/wordpress/cloakroom/includes/' . $file );
			$this->assertTrue( class_exists( $name ) || interface_exists( $name ), $name );
		}
	}

	public function test_uninstalling_leaves_nothing(): void {
		global $wpdb;
		\Cloakroom\Settings::change( array() );
		update_option( \Cloakroom\Callers::OPTION, array( 'x' => array( 'api' => 'x' ) ) );
		set_transient( 'cloakroom_something', 1, 600 );
		wp_session_register_garbage_collection();
		$left = static fn (): array => $wpdb->get_col( "SELECT option_name FROM {$wpdb->options} WHERE option_name LIKE '%cloakroom%' AND option_name NOT LIKE 'theme_mods%'" );
		$this->assertCount( 4, $left() );
		\Cloakroom\Footprint::remove();
		wp_cache_flush();
		$this->assertSame( array(), $left() );
		$this->assertSame( array(), $wpdb->get_col( "SELECT meta_key FROM {$wpdb->usermeta} WHERE meta_key LIKE '%cloakroom%'" ) );
		$this->assertFalse( wp_next_scheduled( 'wp_session_garbage_collection' ) );
		$this->assertStringNotContainsString( 'cloakroom', serialize( get_option( 'cron' ) ) );
	}

	public function test_uninstalling_removes_the_key_file_that_was_made_and_none_that_somebody_else_needs(): void {
		$parent = sys_get_temp_dir() . '/cloakroom-key-' . bin2hex( random_bytes( 4 ) );
		mkdir( $parent . '/one', 0700, true );
		mkdir( $parent . '/two', 0700 );
		$file = $parent . '/cloakroom-key.php';
		touch( $parent . '/one/wp-load.php' );
		touch( $parent . '/two/wp-load.php' );
		$this->assertTrue( \Cloakroom\Shop\Site_Key::make( $file ) );
		\Cloakroom\Shop\Site_Key::remove( array( $file ) );
		$this->assertFileExists( $file, 'two sites use it' );
		unlink( $parent . '/two/wp-load.php' );
		\Cloakroom\Shop\Site_Key::remove( array( $file ) );
		$this->assertFileDoesNotExist( $file );
		file_put_contents( $file, "<?php // not ours\n" );
		\Cloakroom\Shop\Site_Key::remove( array( $file ) );
		$this->assertFileExists( $file );
		array_map( 'unlink', array( $file, $parent . '/one/wp-load.php' ) );
		array_map( 'rmdir', array( $parent . '/one', $parent . '/two', $parent ) );
		$here = WP_CONTENT_DIR . '/cloakroom-key.php';
		$this->assertTrue( \Cloakroom\Shop\Site_Key::make( $here ) );
		\Cloakroom\Footprint::remove();
		$this->assertFileDoesNotExist( $here );
	}

	public function test_a_site_that_comes_from_the_hosts_plugin_keeps_its_cookies_name(): void {
		delete_option( \Cloakroom\Settings::OPTION );
		\Cloakroom\Plugin::activate();
		$this->assertSame( '', \Cloakroom\Settings::get( 'cookie_name' ) );
		delete_option( \Cloakroom\Settings::OPTION );
		update_option( 'pantheon_session_version', '1.4.3' );
		\Cloakroom\Plugin::activate();
		$this->assertSame( 'host', \Cloakroom\Settings::get( 'cookie_name' ) );
		delete_option( 'pantheon_session_version' );
		\Cloakroom\Settings::change( array( 'cookie_name' => '' ) );
	}
}
