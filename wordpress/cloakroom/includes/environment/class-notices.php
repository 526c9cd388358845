<?php
/**
 * What the people who run the site are told when something is missing or in the way.
 *
 * @package Cloakroom
 */

namespace Cloakroom\Environment;

use Cloakroom\Module;

/**
 * Notices on the dashboard and beside the plugins, and the button that hands sessions over.
 */
final class Notices implements Module {

	/** The action of the button, and of its nonce. */
	private const ACTION = 'cloakroom_take_over';

	/** Screens that show notices. */
	private const SCREENS = array( 'dashboard', 'plugins', 'site-health', 'tools_page_cloakroom', 'dashboard-network', 'plugins-network' );

	/**
	 * Adds actions.
	 */
	public function register(): void {
		add_action( 'admin_notices', array( $this, 'show' ) );
		add_action( 'network_admin_notices', array( $this, 'show' ) );
		add_action( 'admin_post_' . self::ACTION, array( $this, 'take_over' ) );
	}

	/**
	 * Shows what there is to say, where it belongs, to whom it concerns.
	 */
	public function show(): void {
		$screen = get_current_screen();
		if ( null === $screen || ! in_array( $screen->id, self::SCREENS, true ) || ! current_user_can( 'activate_plugins' ) ) {
			return;
		}
		$this->show_missing();
		foreach ( Other_Plugins::active() as $folder => $plugin ) {
			$this->show_other( $folder, $plugin );
		}
	}

	/**
	 * What the server lacks.
	 */
	private function show_missing(): void {
		$diagnosis = new Diagnosis( Runtime::here() );
		$steps     = $diagnosis->steps();
		if ( array() === $steps ) {
			return;
		}
		echo '<div class="notice notice-warning"><p><strong>';
		/* translators: %s: a server, such as "PHP 8.2 (php-fpm, pool www)". */
		echo esc_html( sprintf( __( 'Cloakroom does not keep this site\'s sessions yet: %s has not been told to. Until then everything is as it was.', 'cloakroom' ), $diagnosis->server() ) );
		echo '</strong></p><ol>';
		foreach ( $steps as $step ) {
			echo '<li>' . wp_kses( self::marked( $step ), array( 'code' => array() ) ) . '</li>';
		}
		echo '</ol></div>';
	}

	/**
	 * Another session plugin that is active.
	 *
	 * @param string $folder Its folder.
	 * @param string $plugin Its name for WordPress.
	 */
	private function show_other( string $folder, string $plugin ): void {
		echo '<div class="notice notice-warning"><p><strong>';
		/* translators: %s: a plugin's title. */
		echo esc_html( sprintf( __( 'Cloakroom stays out of the way of %s.', 'cloakroom' ), Other_Plugins::title( $folder ) ) );
		echo '</strong> ' . esc_html( Other_Plugins::effect( $folder ) ) . '</p>';
		if ( Runtime::here()->works() && self::may_deactivate( $plugin ) ) {
			echo '<form method="post" action="' . esc_url( admin_url( 'admin-post.php' ) ) . '">';
			wp_nonce_field( self::ACTION . $folder );
			echo '<input type="hidden" name="action" value="' . esc_attr( self::ACTION ) . '"><input type="hidden" name="plugin" value="' . esc_attr( $folder ) . '">';
			/* translators: %s: a plugin's title. */
			echo '<p><button class="button">' . esc_html( sprintf( __( 'Deactivate %s and let Cloakroom answer in its place', 'cloakroom' ), Other_Plugins::title( $folder ) ) ) . '</button></p></form>';
		}
		echo '</div>';
	}

	/**
	 * The button was pressed.
	 */
	public function take_over(): void {
		$folder = isset( $_POST['plugin'] ) && is_string( $_POST['plugin'] ) ? sanitize_key( wp_unslash( $_POST['plugin'] ) ) : '';
		check_admin_referer( self::ACTION . $folder );
		$plugin = Other_Plugins::active()[ $folder ] ?? null;
		if ( null !== $plugin && ! self::may_deactivate( $plugin ) ) {
			wp_die( esc_html__( 'You are not allowed to deactivate this plugin.', 'cloakroom' ), '', array( 'response' => 403 ) );
		}
		if ( null !== $plugin ) {
			deactivate_plugins( $plugin );
			if ( Other_Plugins::HOST === $folder ) {
				\Cloakroom\Settings::change( array( 'cookie_name' => 'host' ) );
			}
		}
		wp_safe_redirect( admin_url( 'plugins.php' ) );
		exit;
	}

	/**
	 * Whether the user may deactivate a plugin.
	 *
	 * @param string $plugin Its name for WordPress.
	 */
	private static function may_deactivate( string $plugin ): bool {
		return current_user_can( is_plugin_active_for_network( $plugin ) ? 'manage_network_plugins' : 'deactivate_plugin', $plugin );
	}

	/**
	 * Text with what stands in backticks marked as code, everything else escaped.
	 *
	 * @param string $text The text.
	 */
	public static function marked( string $text ): string {
		return (string) preg_replace( '/`([^`]*)`/', '<code>$1</code>', esc_html( $text ) );
	}
}
