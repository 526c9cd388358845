<?php
// The loop that callgrind counts: so many requests' worth of start, change, write, over twenty sessions in turn.
// Usage: php loop.php REQUESTS BYTES
ini_set( 'session.use_cookies', '0' );
ini_set( 'session.cache_limiter', '' );
$_GET = array(
	'mode' => 'library',
	'size' => '0',
);
require dirname( __DIR__, 2 ) . '/crates/testbed/examples/bench/page.php';

$ids = array();
for ( $number = -20; $number < (int) $argv[1]; $number++ ) {
	if ( $number >= 0 ) {
		session_id( $ids[ $number % 20 ] );
	} else {
		session_id( '' );
	}
	session_start();
	$count = $_SESSION['count'] = ( $_SESSION['count'] ?? 0 ) + 1;
	if ( (int) $argv[2] > 0 ) {
		change( (int) $argv[2], $count );
	}
	session_write_close();
	if ( $number < 0 ) {
		$ids[] = session_id();
	} elseif ( intdiv( $number, 20 ) + 2 !== $count ) {
		fwrite( STDERR, "a session was lost: $count in round $number\n" );
		exit( 1 );
	}
}
