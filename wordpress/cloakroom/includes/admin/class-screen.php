<?php
/**
 * Tools → Sessions.
 *
 * @package Cloakroom
 */

namespace Cloakroom\Admin;

use Cloakroom\Module;

/**
 * The screen's frame: menu, tabs, notices. What is in a tab is a class of its own.
 */
final class Screen implements Module {

	/**
	 * Adds actions.
	 */
	public function register(): void {
		add_action( is_multisite() ? 'network_admin_menu' : 'admin_menu', array( $this, 'menu' ) );
		( new Actions() )->register();
		( new Samples() )->register();
	}

	/**
	 * Adds the screen to the menu.
	 */
	public function menu(): void {
		$title = __( 'Sessions', 'cloakroom' );
		$hook  = is_multisite()
			? add_submenu_page( 'settings.php', $title, $title, Place::capability(), Place::SLUG, array( $this, 'show' ) )
			: add_management_page( $title, $title, Place::capability(), Place::SLUG, array( $this, 'show' ) );
		if ( is_string( $hook ) ) {
			add_action( 'load-' . $hook, array( $this, 'prepare' ) );
		}
	}

	/**
	 * Before the page begins.
	 */
	public function prepare(): void {
		wp_enqueue_style( 'cloakroom-admin', plugins_url( 'assets/admin.css', CLOAKROOM_PLUGIN_FILE ), array(), \Cloakroom\Plugin::VERSION );
		wp_enqueue_script( 'cloakroom-admin', plugins_url( 'assets/admin.js', CLOAKROOM_PLUGIN_FILE ), array(), \Cloakroom\Plugin::VERSION, true );
		$screen = get_current_screen();
		if ( null === $screen ) {
			return;
		}
		$screen->add_help_tab(
			array(
				'id'      => 'cloakroom-keys',
				'title'   => __( 'Keys', 'cloakroom' ),
				'content' => '<p>' . esc_html__( 'A session is named by the beginning of its key. The key is made from the number in the visitor\'s cookie, and nobody can go back from it: who sees a key can end the session here, but can\'t open it.', 'cloakroom' ) . '</p>',
			)
		);
		$screen->add_help_tab(
			array(
				'id'      => 'cloakroom-ending',
				'title'   => __( 'Ending sessions', 'cloakroom' ),
				'content' => '<p>' . esc_html__( 'A session that was ended stays ended, also when one of its pages is just being loaded. The visitor starts anew: what was in the session, such as a guest\'s cart, is gone. A log-in of WordPress is kept by another cookie; it ends where this screen says so.', 'cloakroom' ) . '</p>',
			)
		);
	}

	/**
	 * Shows it.
	 */
	public function show(): void {
		if ( ! current_user_can( Place::capability() ) ) {
			wp_die( esc_html__( 'You are not allowed to see sessions.', 'cloakroom' ), '', array( 'response' => 403 ) );
		}
		$tab = Place::asked( 'tab' );
		$tab = in_array( $tab, Place::TABS, true ) ? $tab : Place::TABS[0];
		echo '<div class="wrap cloakroom"><h1>' . esc_html__( 'Sessions', 'cloakroom' ) . '</h1>';
		$this->tabs( $tab );
		Result::show();
		match ( $tab ) {
			'sessions' => ( new Sessions_Tab() )->show(),
			'reports'  => ( new Reports_Tab() )->show(),
			'health'   => ( new Health_Tab() )->show(),
			'settings' => ( new Settings_Tab() )->show(),
			default    => ( new Overview_Tab() )->show(),
		};
		echo '</div>';
	}

	/**
	 * The row of tabs.
	 *
	 * @param string $current The one that is shown.
	 */
	private function tabs( string $current ): void {
		$titles = array(
			'overview' => __( 'Overview', 'cloakroom' ),
			'sessions' => __( 'Sessions', 'cloakroom' ),
			'reports'  => __( 'Reports', 'cloakroom' ),
			'health'   => __( 'Health', 'cloakroom' ),
			'settings' => __( 'Settings', 'cloakroom' ),
		);
		echo '<nav class="nav-tab-wrapper" aria-label="' . esc_attr__( 'Parts of this screen', 'cloakroom' ) . '">';
		foreach ( $titles as $tab => $title ) {
			$here = $tab === $current;
			echo '<a class="nav-tab' . ( $here ? ' nav-tab-active" aria-current="page' : '' ) . '" href="' . esc_url( Place::url( array( 'tab' => $tab ) ) ) . '">' . esc_html( $title ) . '</a>';
		}
		echo '</nav>';
	}
}
