<?php
/**
 * A must-use plugin for tests: `?probe=NAME` runs a piece of code of scenes.php inside a page and prints what it returns as JSON.
 *
 * @package Cloakroom
 */

// phpcs:disable

if ( isset( $_SERVER['HTTP_X_TEST_HTTPS'] ) ) {
	$_SERVER['HTTPS'] = 'on';
}
$cloakroom_probe = isset( $_GET['probe'] ) && is_string( $_GET['probe'] ) ? $_GET['probe'] : '';
if ( '' !== $cloakroom_probe ) {
	$cloakroom_scenes = require __DIR__ . '/scenes.php';
	$cloakroom_scene  = $cloakroom_scenes[ $cloakroom_probe ];
	if ( isset( $cloakroom_scene['early'] ) ) {
		( $cloakroom_scene['early'] )();
	}
	if ( isset( $cloakroom_scene['page'] ) ) {
		add_action(
			'template_redirect',
			static function () use ( $cloakroom_scene ): void {
				header( 'Content-Type: application/json' );
				echo json_encode( ( $cloakroom_scene['page'] )() );
				exit;
			}
		);
	}
}
