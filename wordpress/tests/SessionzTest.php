<?php
// phpcs:disable

namespace Cloakroom\Tests;

use EAMann\Sessionz\Manager;
use EAMann\Sessionz\Handlers\BaseHandler;
use EAMann\Sessionz\Handlers\DefaultHandler;
use EAMann\Sessionz\Handlers\EncryptionHandler;
use EAMann\Sessionz\Handlers\MemoryHandler;
use EAMann\Sessionz\Handlers\NoopHandler;

/** Sessionz and the classes of WP Session Manager 3 and 4: calls are accepted, the handler stays ours. */
final class SessionzTest extends SessionCase {

	public function test_layers_are_accepted_and_called_by_nobody(): void {
		$layer = new class() extends BaseHandler {
			public function read( $id, $next = null ) {
				throw new \RuntimeException( 'called' );
			}
		};
		$manager = Manager::initialize();
		$this->assertInstanceOf( \SessionHandlerInterface::class, $manager );
		$this->assertSame( $manager, $manager->addHandler( new DefaultHandler() )->addHandler( new EncryptionHandler( 'def0…' ) )->addHandler( new MemoryHandler() )->addHandler( new NoopHandler() )->addHandler( $layer ) );
		$this->assertNotSame( $manager, Manager::initialize() );
		session_start();
		$_SESSION['a'] = 1;
		$this->assertSame( 'live', in_array( cloakroom_status()['state'], array( 'fresh', 'live' ), true ) ? 'live' : cloakroom_status()['state'] );
		self::next_request();
		session_start();
		$this->assertSame( 1, $_SESSION['a'] );
	}

	public function test_the_caller_is_known(): void {
		Manager::initialize();
		$this->assertTrue( \Cloakroom\Callers::any( 'Sessionz' ) );
	}

	public function test_the_classes_of_the_manager_answer(): void {
		$this->assertTrue( \EAMann\WPSession\DatabaseHandler::createTable() );
		\EAMann\WPSession\DatabaseHandler::directClean();
		$this->assertIsInt( \EAMann\WPSession\OptionsHandler::deleteAll() );
		foreach ( array( \EAMann\WPSession\SessionHandler::class, \EAMann\WPSession\CacheHandler::class ) as $class ) {
			$this->assertInstanceOf( \EAMann\Sessionz\Handler::class, new $class() );
		}
		$option = new \EAMann\WPSession\Objects\Option( 'data', 5 );
		$this->assertSame( array( 'data', 5 ), array( $option->data, $option->time ) );
	}
}
