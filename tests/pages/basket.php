<?php
// A session that is filled and emptied, and what a test wants to know of a request. `slow` makes the request last a little, in
// milliseconds, between its change and its end; whether it was saved is known when its reply is there.
session_start();
$seen = $_SESSION;
if ( isset( $_GET['set'] ) ) {
	$_SESSION[ $_GET['set'] ] = 1;
}
if ( isset( $_GET['unset'] ) ) {
	unset( $_SESSION[ $_GET['unset'] ] );
}
if ( isset( $_GET['slow'] ) ) {
	usleep( 1000 * (int) $_GET['slow'] );
}
header( 'Content-Type: application/json' );
echo json_encode( array_keys( $seen ) );
