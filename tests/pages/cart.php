<?php
// A cart and a log-in in $_SESSION, and everything a test wants to know of a request. What comes in as `add` goes into the
// cart; `saved` is what session_write_close() returned.
session_start();
if ( isset( $_GET['add'] ) ) {
	$_SESSION['cart'][] = $_GET['add'];
}
if ( isset( $_GET['rotate'] ) ) {
	session_regenerate_id( 'true' === $_GET['rotate'] );
}
if ( isset( $_GET['owner'] ) ) {
	cloakroom_owner( $_GET['owner'] );
}
if ( isset( $_GET['login'] ) ) {
	$_SESSION['user'] = $_GET['login'];
}
$saved = isset( $_GET['logout'] ) ? session_destroy() : session_write_close();
if ( isset( $_GET['logout'] ) ) {
	$_SESSION = array();
}
$status = function_exists( 'cloakroom_status' ) ? cloakroom_status() : array();
header( 'Content-Type: application/json' );
echo json_encode(
	array(
		'server' => $_SERVER['CLOAKROOM_SERVER'],
		'pid'    => getmypid(),
		'saved'  => $saved,
		'state'  => $status['state'] ?? '',
		'key'    => $status['key'] ?? '',
		'cart'   => $_SESSION['cart'] ?? array(),
		'user'   => $_SESSION['user'] ?? null,
	)
);
