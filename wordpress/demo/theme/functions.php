<?php
/**
 * What the demo theme asks of WordPress.
 *
 * @package Cloakroom_Demo_Theme
 */

defined( 'ABSPATH' ) || exit;

/**
 * Lets WordPress write the page's title, and drops what would ask other hosts for pictures.
 */
function cloakroom_demo_theme_setup() {
	add_theme_support( 'title-tag' );
	remove_action( 'wp_head', 'print_emoji_detection_script', 7 );
	remove_action( 'wp_print_styles', 'print_emoji_styles' );
	add_filter( 'emoji_svg_url', '__return_false' );
	// Filters for pictures that this page has not.
	remove_action( 'wp_body_open', 'wp_global_styles_render_svg_filters' );
}
add_action( 'after_setup_theme', 'cloakroom_demo_theme_setup' );

/**
 * Loads the theme's one style sheet.
 */
function cloakroom_demo_theme_styles() {
	wp_enqueue_style( 'cloakroom-demo-theme', get_stylesheet_uri(), array(), '0.1.0' );
}
add_action( 'wp_enqueue_scripts', 'cloakroom_demo_theme_styles' );
