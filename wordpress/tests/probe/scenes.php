<?php
/**
 * What pages do in tests.
 *
 * @package Cloakroom
 */

// phpcs:disable

return array(
	'read'       => array( 'page' => static fn () => array( 'x' => WP_Session::get_instance()['x'], 'status' => session_status() ) ),
	'count_up'   => array(
		'page' => static function () {
			$session      = WP_Session::get_instance();
			$session['n'] = ( $session['n'] ?? 0 ) + 1;
			return array( 'n' => $session['n'], 'native' => $_SESSION['n'] );
		},
	),
	'nested'     => array(
		'page' => static function () {
			$session                      = WP_Session::get_instance();
			$session['deep']['a']['b']    = ( $session['deep']['a']['b'] ?? 0 ) + 1;
			return $session->toArray();
		},
	),
	'regenerate' => array(
		'page' => static function () {
			wp_session_regenerate_id( true );
			return WP_Session::get_instance()->toArray();
		},
	),
	'empty'      => array(
		'page' => static function () {
			wp_session_unset();
			return WP_Session::get_instance()->toArray();
		},
	),
	'name'       => array(
		'page' => static function () {
			session_start();
			$before           = $_SESSION['here'] ?? null;
			$_SESSION['here'] = 1;
			return array( 'before' => $before, 'name' => session_name(), 'params' => session_get_cookie_params(), 'limiter' => session_cache_limiter() );
		},
	),
	'destroy'    => array(
		'page' => static function () {
			session_start();
			$session = Pantheon_Sessions\Session::get_by_sid( session_id() );
			$session->destroy();
			return array( 'session' => $_SESSION );
		},
	),
	'late'       => array(
		'page' => static function () {
			$session = WP_Session::get_instance();
			$before  = $session['late'];
			echo str_repeat( ' ', (int) ( $_GET['bytes'] ?? 1000 ) );
			$session['late'] = 1;
			return array( 'before' => $before, 'sent' => headers_sent() );
		},
	),
	'late_read'  => array(
		'page' => static function () {
			echo str_repeat( ' ', 100000 );
			return array( 'n' => WP_Session::get_instance()['n'], 'sent' => headers_sent() );
		},
	),
	'whose'      => array(
		'page' => static fn () => array(
			'mine'      => WP_Session::get_instance()->mine ?? null,
			'functions' => function_exists( 'wp_session_encode' ),
			'utils'     => class_exists( 'WP_Session_Utils' ),
		),
	),
	'without'    => array(
		'page' => static function () {
			session_start();
			$_SESSION['a'] = 1;
			return array(
				'class'    => class_exists( 'WP_Session' ),
				'function' => function_exists( 'wp_session_start' ),
				'handler'  => ini_get( 'session.save_handler' ),
				'session'  => $_SESSION,
			);
		},
	),
	// A copy that another plugin brings along, declared without asking.
	'copy'       => array(
		'early' => static function () {
			eval( 'class Recursive_ArrayAccess {} final class WP_Session { public static function get_instance() { return new self(); } public $mine = "copy"; }' );
		},
		'page'  => static fn () => array(
			'mine'      => WP_Session::get_instance()->mine ?? null,
			'functions' => function_exists( 'wp_session_encode' ),
			'utils'     => class_exists( 'WP_Session_Utils', false ),
		),
	),
);
