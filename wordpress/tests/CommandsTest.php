<?php
// phpcs:disable

namespace Cloakroom\Tests;

/** `wp session` and `wp pantheon session`. */
final class CommandsTest extends SessionCase {

	private function wp( string ...$arguments ): string {
		$output = Command::wp( ...$arguments );
		$this->assertDoesNotMatchRegularExpression( '/PHP (?:Warning|Notice|Deprecated|Fatal)/', Command::$errors );
		return $output;
	}

	protected function setUp(): void {
		parent::setUp();
		$this->wp( 'session', 'delete', '--all' );
		$this->assertSame( 0, Command::$status, Command::$errors );
	}

	public function test_sessions_are_generated_counted_and_deleted(): void {
		$this->wp( 'session', 'generate', '3', '--expires=+2 hours' );
		$this->assertSame( 0, Command::$status, Command::$errors );
		$this->assertMatchesRegularExpression( '/^3 /', $this->wp( 'session', 'count' ) );
		foreach ( cloakroom_page()['rows'] as $row ) {
			$this->assertEqualsWithDelta( time() + 2 * HOUR_IN_SECONDS, $row['expires'], 60 );
		}
		$this->assertStringContainsString( '3', $this->wp( 'session', 'delete', '--all' ) );
		$this->assertMatchesRegularExpression( '/^0 /', $this->wp( 'session', 'count' ) );
	}

	public function test_deleting_takes_only_what_is_over(): void {
		$this->wp( 'session', 'generate', '1' );
		$this->assertSame( 1, substr_count( $this->wp( 'session', 'delete', '--limit=5' ), "\n" ), 'one line for one batch' );
		$this->assertStringContainsString( '0', $this->wp( 'session', 'delete', '--batch=5' ) );
		$this->assertMatchesRegularExpression( '/^1 /', $this->wp( 'session', 'count' ) );
	}

	public function test_what_is_over_is_deleted_in_batches_until_none_is_left(): void {
		$this->wp( 'session', 'generate', '5', '--expires=1 second ago' );
		// They live for a second at least; a sweep finds them when the store's clock says so.
		$deadline = microtime( true ) + 60;
		$removed  = 0;
		do {
			$output   = $this->wp( 'session', 'delete', '--batch=2' );
			preg_match_all( '/\d+/', $output, $numbers );
			$removed += array_sum( $numbers[0] );
		} while ( $removed < 5 && microtime( true ) < $deadline );
		$this->assertSame( 5, $removed );
	}

	public function test_nonsense_is_refused(): void {
		$this->wp( 'session', 'generate', '0' );
		$this->assertSame( 1, Command::$status );
		$this->wp( 'session', 'generate', '1', '--expires=nonsense' );
		$this->assertSame( 1, Command::$status );
	}

	public function test_the_hosts_list_shows_keys_owners_and_sizes_newest_first_and_no_id(): void {
		session_start();
		$_SESSION['a'] = 1;
		cloakroom_owner( \Cloakroom\Owner_Name::of( 7 ) );
		$id = self::next_request();
		$rows = json_decode( $this->wp( 'pantheon', 'session', 'list', '--format=json' ), true );
		$this->assertNotNull( $rows, Command::$errors );
		$this->assertSame( array( 'session_id', 'user_id', 'datetime', 'ip_address', 'data' ), array_keys( $rows[0] ) );
		$this->assertSame( 7, $rows[0]['user_id'] );
		$this->assertSame( substr( \Cloakroom\Record_Key::of( $id ), 0, 12 ), $rows[0]['session_id'] );
		foreach ( array( 'table', 'csv', 'ids' ) as $format ) {
			$output = $this->wp( 'pantheon', 'session', 'list', '--format=' . $format );
			$this->assertStringContainsString( $rows[0]['session_id'], $output, $format . Command::$errors );
			$this->assertStringNotContainsString( $id, $output );
		}
		$this->assertSame( '1', trim( $this->wp( 'pantheon', 'session', 'list', '--format=count' ) ) );
		$this->wp( 'session', 'generate', '1', '--expires=+9 hours' );
		$dates = array_column( json_decode( $this->wp( 'pantheon', 'session', 'list', '--format=json' ), true ), 'datetime' );
		$sorted = $dates;
		rsort( $sorted );
		$this->assertSame( $sorted, $dates );
	}

	public function test_the_hosts_delete_says_a_line_for_each_and_warns(): void {
		$this->wp( 'session', 'generate', '2' );
		$ids = explode( ' ', trim( $this->wp( 'pantheon', 'session', 'list', '--format=ids' ) ) );
		$this->assertStringContainsString( $ids[0], $this->wp( 'pantheon', 'session', 'delete', $ids[0], 'unknown' ) );
		$this->assertStringContainsString( 'unknown', Command::$errors );
		$this->assertStringContainsString( $ids[1], $this->wp( 'pantheon', 'session', 'delete', '--all' ) );
		$this->wp( 'pantheon', 'session', 'delete', '--all' );
		$this->assertStringContainsString( 'Warning', Command::$errors );
		$this->wp( 'pantheon', 'session', 'delete' );
		$this->assertSame( 1, Command::$status );
	}

	public function test_there_is_nothing_to_be_done_for_tables(): void {
		foreach ( array( 'add-index', 'primary-key-finalize', 'primary-key-revert' ) as $command ) {
			$this->assertStringContainsString( 'Success', $this->wp( 'pantheon', 'session', $command, '--start_point=2' ) );
		}
	}
}
