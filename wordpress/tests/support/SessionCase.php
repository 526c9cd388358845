<?php
/**
 * A test with a session of its own.
 *
 * @package Cloakroom
 */

// phpcs:disable

namespace Cloakroom\Tests;

use PHPUnit\Framework\TestCase;

abstract class SessionCase extends TestCase {

	protected function setUp(): void {
		$this->assertSame( 'cloakroom', ini_get( 'session.save_handler' ), 'the extension is the handler' );
		self::new_visitor();
	}

	protected function tearDown(): void {
		self::new_visitor();
		foreach ( array( 'wp_session_expiration', 'wp_session_expiration_variant', 'wp_session_cache_expiration', 'wp_session_init', 'wp_session_commit', 'wp_session_cleanup', 'wp_session_delete_batch_size' ) as $hook ) {
			remove_all_filters( $hook );
		}
	}

	/** Somebody comes who has no ticket; nothing of the request before is left. */
	protected static function new_visitor(): void {
		if ( PHP_SESSION_ACTIVE === session_status() ) {
			session_abort();
		}
		session_id( '' );
		ini_restore( 'session.gc_maxlifetime' );
		unset( $GLOBALS['_SESSION'] );
		$_COOKIE = array();
		self::forget( \WP_Session::class, 'instance', null );
		self::forget( \Cloakroom\Compat\WP_Session\View::class, 'pending', array() );
	}

	/** The request ends, and the visitor comes again with the ticket. */
	protected static function next_request(): string {
		\Cloakroom\Compat\WP_Session\View::settle();
		$id = (string) session_id();
		if ( PHP_SESSION_ACTIVE === session_status() ) {
			session_write_close();
		}
		self::come_with( $id );
		return $id;
	}

	/** A visitor comes with a ticket. */
	protected static function come_with( string $id ): void {
		self::new_visitor();
		$_COOKIE[ session_name() ] = $id;
		// PHP looks at cookies only before its first session of a request.
		session_id( $id );
	}

	protected static function session(): \WP_Session {
		return \WP_Session::get_instance();
	}

	private static function forget( string $class, string $property, mixed $value ): void {
		$reflected = new \ReflectionProperty( $class, $property );
		$reflected->setValue( null, $value );
	}
}
