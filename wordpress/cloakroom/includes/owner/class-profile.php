<?php
/**
 * A person's devices on their profile.
 *
 * @package Cloakroom
 */

namespace Cloakroom\Owner;

use Cloakroom\Module;

/**
 * Shows them, with "log out everywhere else".
 */
final class Profile implements Module {

	/** The action of the button. */
	private const ACTION = 'cloakroom_devices';

	/** The form, which stands outside the profile's own. */
	private const FORM = 'cloakroom-devices-form';

	/**
	 * Whose form is to be printed at the page's end.
	 *
	 * @var int
	 */
	private int $shown = 0;

	/**
	 * Adds actions.
	 */
	public function register(): void {
		add_action( 'show_user_profile', array( $this, 'show' ) );
		add_action( 'edit_user_profile', array( $this, 'show' ) );
		add_action( 'admin_footer', array( $this, 'form' ) );
		add_action( 'admin_post_' . self::ACTION, array( $this, 'log_out' ) );
		add_action( 'admin_notices', array( $this, 'notice' ) );
		add_action( 'network_admin_notices', array( $this, 'notice' ) );
		add_action( 'user_admin_notices', array( $this, 'notice' ) );
	}

	/**
	 * Shows a person's devices.
	 *
	 * @param \WP_User $user Whose profile it is.
	 */
	public function show( $user ): void {
		if ( ! current_user_can( 'edit_user', $user->ID ) ) {
			return;
		}
		$this->shown = (int) $user->ID;
		$own         = get_current_user_id() === $this->shown;
		$devices = Devices::of( $this->shown );
		wp_enqueue_style( 'cloakroom-admin', plugins_url( 'assets/admin.css', CLOAKROOM_PLUGIN_FILE ), array(), \Cloakroom\Plugin::VERSION );
		echo '<div id="cloakroom-devices" class="cloakroom"><h2>' . esc_html__( 'Devices', 'cloakroom' ) . '</h2>';
		echo '<p>' . esc_html( $own ? __( 'Where you are logged in, and when you were last seen there.', 'cloakroom' ) : __( 'Where this person is logged in, and when they were last seen there.', 'cloakroom' ) ) . '</p>';
		if ( array() === $devices ) {
			echo '<p>' . esc_html__( 'Nowhere at the moment.', 'cloakroom' ) . '</p></div>';
			return;
		}
		$this->table( $devices );
		$others = array_filter( $devices, static fn ( array $device ): bool => ! $device['current'] );
		echo '<p><button type="submit" class="button" form="' . esc_attr( self::FORM ) . '"' . ( $own && array() === $others ? ' disabled' : '' ) . '>';
		echo esc_html( $own ? __( 'Log out everywhere else', 'cloakroom' ) : __( 'Log out everywhere', 'cloakroom' ) ) . '</button></p>';
		echo '<p class="description">' . esc_html__( 'Ends the log-in and the session on those devices at once, also for pages that are just being loaded there. WordPress\'s own button does the same while Cloakroom is active.', 'cloakroom' ) . '</p></div>';
	}

	/**
	 * The table.
	 *
	 * @param list<array<string, mixed>> $devices As in {@see Devices::of()}.
	 */
	private function table( array $devices ): void {
		echo '<table class="widefat striped cloakroom-table"><caption class="screen-reader-text">' . esc_html__( 'Devices', 'cloakroom' ) . '</caption><thead><tr>';
		foreach ( array( __( 'Device', 'cloakroom' ), __( 'Address', 'cloakroom' ), __( 'Last used', 'cloakroom' ), __( 'Since', 'cloakroom' ) ) as $head ) {
			echo '<th scope="col">' . esc_html( $head ) . '</th>';
		}
		echo '</tr></thead><tbody>';
		foreach ( $devices as $device ) {
			echo '<tr><th scope="row">' . esc_html( $device['name'] );
			if ( $device['current'] ) {
				echo ' <span class="cloakroom-badge">' . esc_html__( 'this one', 'cloakroom' ) . '</span>';
			}
			echo '</th><td>' . ( '' === $device['address'] ? '—' : '<bdi>' . esc_html( $device['address'] ) . '</bdi>' ) . '</td>';
			echo '<td>' . esc_html( self::ago( $device['used'] ) ) . '</td><td>' . esc_html( (string) wp_date( get_option( 'date_format' ) . ' ' . get_option( 'time_format' ), $device['since'] ) ) . '</td></tr>';
		}
		echo '</tbody></table>';
	}

	/**
	 * How long ago, for people.
	 *
	 * @param int $time Unix time.
	 */
	private static function ago( int $time ): string {
		if ( time() - $time < MINUTE_IN_SECONDS ) {
			return __( 'just now', 'cloakroom' );
		}
		/* translators: %s: a time, such as "5 minutes". */
		return sprintf( __( '%s ago', 'cloakroom' ), human_time_diff( $time ) );
	}

	/**
	 * The button's form: the profile is one large form, and forms can't stand in each other.
	 */
	public function form(): void {
		if ( $this->shown > 0 ) {
			echo '<form id="' . esc_attr( self::FORM ) . '" method="post" action="' . esc_url( admin_url( 'admin-post.php' ) ) . '"><input type="hidden" name="action" value="' . esc_attr( self::ACTION ) . '"><input type="hidden" name="user" value="' . esc_attr( (string) $this->shown ) . '"><input type="hidden" name="_wpnonce" value="' . esc_attr( wp_create_nonce( self::ACTION . $this->shown ) ) . '"></form>';
		}
	}

	/**
	 * The button was pressed.
	 */
	public function log_out(): void {
		$user = isset( $_POST['user'] ) ? absint( $_POST['user'] ) : 0;
		check_admin_referer( self::ACTION . $user );
		if ( 0 === $user || ! current_user_can( 'edit_user', $user ) ) {
			wp_die( esc_html__( 'You are not allowed to log this person out.', 'cloakroom' ), '', array( 'response' => 403 ) );
		}
		$own    = get_current_user_id() === $user;
		$result = Owner::log_out_everywhere( $user, $own );
		$back   = $own ? get_edit_profile_url( $user ) : get_edit_user_link( $user );
		wp_safe_redirect( add_query_arg( 'cloakroom_out', empty( $result['complete'] ) ? 'partly' : 'done', $back ) . '#cloakroom-devices' );
		exit;
	}

	/**
	 * What came of it.
	 */
	public function notice(): void {
		$screen = get_current_screen();
		// phpcs:ignore WordPress.Security.NonceVerification -- only words are chosen by it.
		$out = isset( $_GET['cloakroom_out'] ) && is_string( $_GET['cloakroom_out'] ) ? sanitize_key( $_GET['cloakroom_out'] ) : '';
		if ( '' === $out || null === $screen || ! in_array( $screen->base, array( 'profile', 'user-edit', 'profile-network', 'user-edit-network', 'profile-user' ), true ) ) {
			return;
		}
		if ( 'done' === $out ) {
			echo '<div class="notice notice-success is-dismissible"><p>' . esc_html__( 'Logged out on all other devices.', 'cloakroom' ) . '</p></div>';
		} else {
			echo '<div class="notice notice-warning is-dismissible"><p>' . esc_html__( 'Logged out of WordPress, but the session store could not promise that no session is left. Please try again.', 'cloakroom' ) . '</p></div>';
		}
	}
}
