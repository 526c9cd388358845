<?php
/**
 * The shop's sessions: carts of guests and users.
 *
 * @package Cloakroom
 */

namespace Cloakroom\Shop;

use Cloakroom\Callers;
use Cloakroom\Module;
use Cloakroom\Settings;
use Cloakroom\Environment\Notices;

/**
 * Answers when the shop (WooCommerce) asks which class keeps its sessions. What a handler of somebody else's does is left to it, and
 * told in Site Health; where there is no secret to seal carts with, the shop keeps them as it did before.
 */
final class Shop implements Module {

	/** The shop's own handler. */
	public const ITS_HANDLER = 'WC_Session_Handler';

	/** The shop's handler of cart tokens; it is final, and would read and write the shop's table itself. */
	public const ITS_TOKEN_HANDLER = 'Automattic\\WooCommerce\\StoreApi\\SessionHandler';

	/** What callers of the filter are called in Site Health. */
	public const API = 'woocommerce_session_handler';

	/** Screens that tell of the key file. */
	private const SCREENS = array( 'plugins', 'site-health', 'tools_page_cloakroom', 'woocommerce_page_wc-status' );

	/**
	 * Adds filters and actions.
	 */
	public function register(): void {
		// Cart tokens' handler is put in at priority 10 while a request runs, after us: only the last one may decide.
		add_filter( 'woocommerce_session_handler', array( $this, 'choose' ), PHP_INT_MAX );
		add_action( 'deleted_user', array( $this, 'user_is_gone' ) );
		add_action( 'wpmu_delete_user', array( $this, 'user_leaves_network' ) );
		add_action( 'woocommerce_system_status_tool_executed', array( $this, 'tool_was_used' ) );
		add_action( 'woocommerce_rest_insert_system_status_tool', array( $this, 'tool_was_used' ) );
		add_action( 'admin_notices', array( $this, 'show_key' ) );
	}

	/**
	 * The class that keeps sessions.
	 *
	 * @param mixed $name The one that has been chosen so far.
	 * @return mixed The one that does.
	 */
	public function choose( $name ) {
		$chosen = is_string( $name ) ? ltrim( $name, '\\' ) : '';
		$ours   = match ( strtolower( $chosen ) ) {
			strtolower( self::ITS_HANDLER )       => Handler::class,
			strtolower( self::ITS_TOKEN_HANDLER ) => Token_Handler::class,
			default                               => null,
		};
		if ( null === $ours ) {
			if ( ! in_array( $chosen, array( '', Handler::class, Token_Handler::class ), true ) ) {
				Callers::note_class( self::API, $chosen );
			}
			return $name;
		}
		return class_exists( self::ITS_HANDLER ) && Site_Key::is_there() ? $ours : $name;
	}

	/**
	 * A user was deleted: the cart goes, too.
	 *
	 * @param int $user The user's ID.
	 */
	public function user_is_gone( $user ): void {
		if ( class_exists( self::ITS_HANDLER, false ) && Site_Key::is_there() ) {
			Cart::open( (string) (int) $user )?->end();
		}
	}

	/**
	 * A user is about to be deleted from the network: the carts on all sites that know the user go, too.
	 *
	 * @param int $user The user's ID.
	 */
	public function user_leaves_network( $user ): void {
		foreach ( array_keys( get_blogs_of_user( (int) $user, true ) ) as $blog ) {
			switch_to_blog( $blog );
			$this->user_is_gone( $user );
			restore_current_blog();
		}
	}

	/**
	 * The shop's tool "Clear customer sessions" empties its table; ours are left behind at once by looking for other names. They
	 * go with their deadlines.
	 *
	 * @param mixed $tool What the shop tells of the tool.
	 */
	public function tool_was_used( $tool ): void {
		if ( is_array( $tool ) && 'clear_sessions' === ( $tool['id'] ?? '' ) && false !== ( $tool['success'] ?? true ) ) {
			Settings::change( array( 'shop_generation' => 1 + (int) Settings::get( 'shop_generation' ) ) );
		}
	}

	/**
	 * Tells where the key of carts is, if it is not where it should be.
	 */
	public function show_key(): void {
		$screen = get_current_screen();
		if ( null === $screen || ! in_array( $screen->id, self::SCREENS, true ) || ! class_exists( self::ITS_HANDLER, false ) || ! current_user_can( 'activate_plugins' ) ) {
			return;
		}
		$text = self::about_key();
		if ( '' !== $text ) {
			echo '<div class="notice notice-warning"><p>' . wp_kses( Notices::marked( $text ), array( 'code' => array() ) ) . '</p></div>';
		}
	}

	/**
	 * What there is to say of the key of carts, or ''.
	 */
	public static function about_key(): string {
		if ( ! Site_Key::is_there() ) {
			return __( 'Cloakroom does not keep the shop\'s carts: there is no secret to seal them with. Set `cloakroom.keys` in php.ini, or replace the sample keys and salts in wp-config.php. Until then the shop keeps them as before.', 'cloakroom' );
		}
		$file = Site_Key::file_in_use();
		if ( '' === $file ) {
			return '';
		}
		/* translators: %s: a file's path. */
		return sprintf( __( 'The shop\'s carts are sealed with a key that Cloakroom made in `%s`, because wp-config.php has no secret keys and salts. Every server of this site needs the same file. Better: set `cloakroom.keys` in php.ini, or keys and salts in wp-config.php; carts of before are found with both.', 'cloakroom' ), $file );
	}
}
