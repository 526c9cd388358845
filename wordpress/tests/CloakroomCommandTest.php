<?php
// phpcs:disable

namespace Cloakroom\Tests;

use Cloakroom\Cli\Units;

/** `wp cloakroom`. */
final class CloakroomCommandTest extends SessionCase {

	private function wp( string ...$arguments ): string {
		$output = Command::wp( 'cloakroom', ...$arguments );
		$this->assertDoesNotMatchRegularExpression( '/PHP (?:Warning|Notice|Deprecated|Fatal)/', Command::$errors );
		return $output;
	}

	private function json( string ...$arguments ): array {
		$rows = json_decode( $this->wp( ...array( ...$arguments, '--format=json' ) ), true );
		$this->assertIsArray( $rows, Command::$errors );
		return $rows;
	}

	/** A visitor's session, with an owner and so many bytes in it; its key. */
	private function visit( ?string $owner = null, int $bytes = 1 ): string {
		self::new_visitor();
		session_start();
		$_SESSION['text'] = str_repeat( 'x', $bytes );
		if ( null !== $owner ) {
			cloakroom_owner( $owner );
		}
		return \Cloakroom\Record_Key::of( self::next_request() );
	}

	protected function setUp(): void {
		parent::setUp();
		$this->wp( 'end', '--all', '--yes' );
		$this->assertSame( 0, Command::$status, Command::$errors );
	}

	public function test_status_and_count_say_what_there_is_in_every_format(): void {
		$this->visit();
		$this->visit( \Cloakroom\Owner_Name::of( 1 ), 5000 );
		$status = $this->json( 'status' );
		$this->assertSame( array( 'cloakroom', 'MariaDB', 2, 1 ), array( $status['handler'], $status['engine'], $status['sessions'], $status['owned'] ) );
		$this->assertStringNotContainsString( 'testbed', $status['store'], 'no password' );
		foreach ( array( 'table', 'csv' ) as $format ) {
			$this->assertStringContainsString( 'MariaDB', $this->wp( 'status', '--format=' . $format ) );
		}
		$this->assertSame( "2\n", $this->wp( 'count' ) );
		$this->assertSame( array( 2, 1 ), array( $this->json( 'count' )['live'], $this->json( 'count' )['owned'] ) );
	}

	public function test_the_list_is_narrowed_and_has_its_formats_and_no_id(): void {
		$guest = $this->visit();
		$admin = $this->visit( \Cloakroom\Owner_Name::of( 1 ), 5000 );
		$rows  = array_column( $this->json( 'list' ), null, 'key' );
		$this->assertSame( array( 'key', 'user', 'owner', 'size', 'created', 'touched', 'expires' ), array_keys( $rows[ $admin ] ) );
		$this->assertSame( array( 'admin', '' ), array( $rows[ $admin ]['user'], $rows[ $guest ]['user'] ) );
		$this->assertEqualsWithDelta( time(), strtotime( $rows[ $admin ]['created'] . ' UTC' ), 60 );
		foreach ( array( '--user=admin', '--user=1', '--owner=' . \Cloakroom\Owner_Name::of( 1 ), '--larger-than=4K', '--search=' . substr( $admin, 0, 10 ) ) as $filter ) {
			$this->assertSame( $admin, trim( $this->wp( 'list', $filter, '--format=ids' ) ), $filter );
		}
		$this->assertSame( $guest, trim( $this->wp( 'list', '--smaller-than=4K', '--format=ids' ) ) );
		$this->assertSame( "0\n", $this->wp( 'list', '--older-than=1h', '--format=count' ) );
		$this->assertSame( "2\n", $this->wp( 'list', '--format=count' ) );
		$this->assertCount( 1, explode( ' ', trim( $this->wp( 'list', '--limit=1', '--format=ids' ) ) ) );
		$this->assertStringContainsString( "key,size\n", $this->wp( 'list', '--fields=key,size', '--format=csv' ) );
		foreach ( array( '--user=nobody', '--larger-than=much', '--older-than=long', '--search=xyz' ) as $nonsense ) {
			$this->wp( 'list', $nonsense );
			$this->assertSame( 1, Command::$status, $nonsense );
		}
	}

	public function test_more_than_a_page_is_listed(): void {
		Command::wp( 'session', 'generate', '520' );
		$this->assertCount( 520, array_unique( explode( ' ', trim( $this->wp( 'list', '--limit=0', '--format=ids' ) ) ) ) );
		$this->assertSame( "520\n", $this->wp( 'list', '--format=count' ) );
		$this->assertSame( "50\n", $this->wp( 'list', '--limit=50', '--format=count' ) );
		$this->assertStringContainsString( '520', $this->wp( 'end', '--all', '--yes' ) );
	}

	public function test_one_is_shown_by_the_beginning_of_its_key(): void {
		$key = $this->visit( \Cloakroom\Owner_Name::of( 1 ) );
		$row = $this->json( 'show', substr( $key, 0, 12 ) );
		$this->assertSame( array( $key, 'live', 'admin' ), array( $row['key'], $row['state'], $row['user'] ) );
		$this->assertStringContainsString( $key, $this->wp( 'show', $key ) );
		$this->wp( 'show', str_repeat( 'ab', 32 ) );
		$this->assertSame( 1, Command::$status );
	}

	public function test_ending_takes_what_is_named_and_nothing_else(): void {
		$guests = array( $this->visit(), $this->visit(), $this->visit() );
		$this->visit( \Cloakroom\Owner_Name::of( 1 ) );
		$this->visit( \Cloakroom\Owner_Name::of( 1 ) );
		$this->assertStringContainsString( 'Ended 1 session.', $this->wp( 'end', $guests[0], str_repeat( 'ab', 32 ) ) );
		$this->assertStringContainsString( str_repeat( 'ab', 32 ), Command::$errors );
		$this->assertSame( "4\n", $this->wp( 'count' ) );
		$this->wp( 'end', '--user=admin' );
		$this->assertSame( 1, Command::$status, "asks first" );
		$this->assertStringContainsString( 'Ended 2 sessions.', $this->wp( 'end', '--user=admin', '--yes' ) );
		$this->assertStringContainsString( 'Ended 0 sessions.', $this->wp( 'end', '--older-than=1d', '--yes' ) );
		$left = explode( ' ', trim( $this->wp( 'list', '--format=ids' ) ) );
		sort( $left );
		sort( $guests );
		$this->assertSame( array_values( array_intersect( $guests, $left ) ), $left );
		$this->assertCount( 2, $left );
		foreach ( array( array(), array( '--all', '--user=admin' ), array( $left[0], '--all' ) ) as $unclear ) {
			$this->wp( 'end', ...array( ...$unclear, '--yes' ) );
			$this->assertSame( 1, Command::$status );
		}
		$this->assertSame( "2\n", $this->wp( 'count' ) );
	}

	public function test_sweeping_removes_what_is_over(): void {
		Command::wp( 'session', 'generate', '3', '--expires=1 second ago' );
		$this->visit();
		$deadline = microtime( true ) + 60;
		$removed  = 0;
		do {
			preg_match( '/Removed (\d+)/', $this->wp( 'sweep', '--limit=2' ), $found );
			$this->assertLessThanOrEqual( 2, (int) $found[1] );
			$removed += (int) $found[1];
		} while ( $removed < 3 && microtime( true ) < $deadline );
		$this->assertSame( 3, $removed );
		$this->assertStringContainsString( 'Removed 0 records.', $this->wp( 'sweep' ) );
		$this->assertSame( "1\n", $this->wp( 'count' ) );
	}

	public function test_blame_sums_up_places_with_advice(): void {
		$rows = \Cloakroom\Health\Blame::sum( array(
			array( 'label' => 'empty | plugin tracker | tracker.php:4', 'hour' => 0, 'count' => 90, 'sum' => 0, 'sample' => '/ /blog/' ),
			array( 'label' => 'kept | plugin tracker | tracker.php:4', 'hour' => 3600, 'count' => 6, 'sum' => 0, 'sample' => '/cart/ /' ),
			array( 'label' => 'changed | plugin tracker | tracker.php:4', 'hour' => 0, 'count' => 4, 'sum' => 0, 'sample' => '' ),
			array( 'label' => 'write cart | plugin shop | shop.php:9', 'hour' => 0, 'count' => 1000, 'sum' => 5, 'sample' => '/' ),
			array( 'label' => 'kept | theme wool | functions.php:2', 'hour' => 0, 'count' => 200, 'sum' => 0, 'sample' => '/' ),
			array( 'label' => 'changed | plugin fine | fine.php:2', 'hour' => 0, 'count' => 10, 'sum' => 0, 'sample' => '/' ),
			array( 'label' => 'empty | plugin rare | rare.php:2', 'hour' => 0, 'count' => 4, 'sum' => 0, 'sample' => '/' ),
			array( 'label' => 'nonsense', 'hour' => 0, 'count' => 4, 'sum' => 0, 'sample' => '/' ),
		) );
		$this->assertSame( array( 'theme wool', 'plugin tracker', 'plugin fine', 'plugin rare' ), array_column( $rows, 'who' ) );
		$this->assertSame( array( 100, 4, 6, 90, '/ /blog/ /cart/' ), array( $rows[1]['starts'], $rows[1]['changed'], $rows[1]['read'], $rows[1]['empty'], $rows[1]['pages'] ) );
		$this->assertStringContainsString( '90 stay empty', $rows[1]['advice'] );
		$this->assertStringContainsString( 'read_and_close', $rows[0]['advice'] );
		$this->assertSame( array( '', '' ), array( $rows[2]['advice'], $rows[3]['advice'] ) );
		$this->assertStringStartsWith( 'who,where,starts,changed,read,empty,pages,advice', $this->wp( 'blame', '--since=24h', '--format=csv' ) );
		$this->assertMatchesRegularExpression( '/^\d+$/', trim( $this->wp( 'blame', '--format=count' ) ) );
	}

	public function test_the_doctor_finds_nothing_wrong_here(): void {
		$checks = array_column( $this->json( 'doctor' ), null, 'check' );
		$this->assertSame( 0, Command::$status, Command::$errors );
		$this->assertSame( array( 'good', 'good' ), array( $checks['handler']['state'], $checks['store']['state'] ) );
		$this->assertSame( "0\n", $this->wp( 'doctor', '--format=count' ) );
	}

	public function test_ages_and_sizes_are_read_as_people_write_them(): void {
		$this->assertSame( array( 90, 900, 129600, 2592000, 1209600, null, null ), array_map( array( Units::class, 'seconds' ), array( '90', '15m', '36h', '30d', '2w', 'soon', '-1' ) ) );
		$this->assertSame( array( 500, 65536, 65536, 2097152, null ), array_map( array( Units::class, 'bytes' ), array( '500', '64K', '64 KiB', '2M', 'much' ) ) );
	}
}
