<?php
// phpcs:disable

namespace Cloakroom\Tests;

use PHPUnit\Framework\TestCase;
use Cloakroom\Environment\Diagnosis;
use Cloakroom\Environment\Runtime;

/** What is said where the extension is missing: the line, the file, the server. */
final class EnvironmentTest extends TestCase {

	private string $folder = '';

	protected function setUp(): void {
		$this->folder = sys_get_temp_dir() . '/cloakroom-env-' . bin2hex( random_bytes( 4 ) );
		mkdir( $this->folder . '/conf.d', 0777, true );
	}

	protected function tearDown(): void {
		array_map( 'unlink', array_merge( glob( $this->folder . '/conf.d/*' ), glob( $this->folder . '/*.*i*' ) ?: array() ) );
		rmdir( $this->folder . '/conf.d' );
		array_map( 'unlink', array_filter( glob( $this->folder . '/*' ), 'is_file' ) );
		rmdir( $this->folder );
	}

	private function runtime( array $facts = array() ): Runtime {
		return new Runtime( ...array_merge( array(
			'sapi'       => 'fpm-fcgi',
			'ini'        => $this->folder . '/php.ini',
			'folder'     => $this->folder . '/conf.d',
			'scanned'    => array(),
			'pool'       => 'www',
			'loaded'     => false,
			'library'    => '/ext/cloakroom.so',
			'configured' => '',
			'for_all'    => 'files',
			'now'        => 'files',
			'php'        => '8.2',
		), $facts ) );
	}

	private function text( Runtime $runtime ): string {
		return implode( "\n", ( new Diagnosis( $runtime ) )->steps() );
	}

	public function test_nothing_is_said_where_all_is_well(): void {
		$runtime = $this->runtime( array( 'loaded' => true, 'configured' => 'cloakroom', 'for_all' => 'cloakroom' ) );
		$this->assertTrue( $runtime->works() );
		$this->assertSame( '', $this->text( $runtime ) );
		$this->assertTrue( Runtime::here()->works(), 'here' );
	}

	public function test_both_lines_and_their_file_are_named_for_the_server_that_answers(): void {
		$text = $this->text( $this->runtime() );
		$this->assertStringContainsString( '`extension=cloakroom` into `' . $this->folder . '/conf.d/30-cloakroom.ini`', $text );
		$this->assertStringContainsString( '`session.save_handler=cloakroom`', $text );
		$this->assertStringContainsString( $this->folder . '/php.ini', $text );
		$this->assertStringContainsString( 'systemctl restart php8.2-fpm', $text );
		$this->assertSame( 'PHP 8.2 (php-fpm, pool www)', ( new Diagnosis( $this->runtime() ) )->server() );
	}

	public function test_without_a_folder_the_lines_belong_into_php_ini(): void {
		$text = $this->text( $this->runtime( array( 'folder' => '' ) ) );
		$this->assertStringContainsString( '`extension=cloakroom` into `' . $this->folder . '/php.ini`.', $text );
	}

	public function test_a_missing_library_is_named_with_its_place(): void {
		$text = $this->text( $this->runtime( array( 'library' => '' ) ) );
		$this->assertStringContainsString( '`cloakroom.so`, built for PHP 8.2, into `' . ini_get( 'extension_dir' ), $text );
	}

	/** @dataProvider lines */
	public function test_a_line_that_is_there_is_found( string $line, bool $found ): void {
		file_put_contents( $this->folder . '/php.ini', "[PHP]\n$line\nother=1\n" );
		$this->assertSame( $found ? $this->folder . '/php.ini' : '', $this->runtime()->file_with( Runtime::EXTENSION_LINE ) );
	}

	public static function lines(): array {
		return array(
			array( 'extension=cloakroom', true ),
			array( ' extension = "cloakroom.so" ; sessions', true ),
			array( 'extension=/usr/lib/php/cloakroom.so', true ),
			array( ';extension=cloakroom', false ),
			array( 'extension=cloakroom2', false ),
			array( 'zend_extension=cloakroom', false ),
		);
	}

	public function test_a_server_that_was_not_restarted_is_told_so(): void {
		file_put_contents( $this->folder . '/conf.d/30-cloakroom.ini', "extension=cloakroom\nsession.save_handler=cloakroom\n" );
		$text = $this->text( $this->runtime() );
		$this->assertStringContainsString( 'stands in `' . $this->folder . '/conf.d/30-cloakroom.ini`', $text );
		$this->assertStringNotContainsString( 'Write the line', $text );
	}

	public function test_only_the_handlers_line_is_missing(): void {
		$text = $this->text( $this->runtime( array( 'loaded' => true ) ) );
		$this->assertStringContainsString( '`session.save_handler=cloakroom`', $text );
		$this->assertStringNotContainsString( 'extension=', $text );
	}

	public function test_a_pool_that_says_otherwise_is_named(): void {
		$text = $this->text( $this->runtime( array( 'loaded' => true, 'configured' => 'cloakroom', 'for_all' => 'redis' ) ) );
		$this->assertStringContainsString( 'pool `www` sets `php_admin_value[session.save_handler]` to `redis`', $text );
		$text = $this->text( $this->runtime( array( 'sapi' => 'apache2handler', 'loaded' => true, 'configured' => 'cloakroom', 'for_all' => 'redis' ) ) );
		$this->assertStringContainsString( '.htaccess', $text );
		$this->assertStringContainsString( 'Apache', $text );
	}

	public function test_every_kind_of_server_has_a_name_and_an_end_to_its_steps(): void {
		foreach ( array( 'fpm-fcgi', 'apache2handler', 'cli', 'litespeed', 'cgi-fcgi' ) as $sapi ) {
			$diagnosis = new Diagnosis( $this->runtime( array( 'sapi' => $sapi, 'pool' => '' ) ) );
			$this->assertNotSame( '', $diagnosis->server() );
			$this->assertGreaterThanOrEqual( 3, count( $diagnosis->steps() ) );
		}
	}
}
