<?php
/**
 * Whose a session is.
 *
 * @package Cloakroom
 */

namespace Cloakroom\Owner;

use Cloakroom\Module;
use Cloakroom\Owner_Name;

/**
 * Follows log-in, log-out, changes of passwords, and the deletion of users.
 */
final class Owner implements Module {

	/**
	 * Who has logged in in this very request, or 0 for out; the browser's cookie is still that of before.
	 *
	 * @var array{user: int, token: string}|null
	 */
	private ?array $fresh = null;

	/**
	 * Adds actions.
	 */
	public function register(): void {
		Network_Cookie::apply();
		// After WordPress has made the log-in's token, and before anything that comes to greet the user.
		add_action( 'set_logged_in_cookie', array( $this, 'logged_in' ), 5, 6 );
		add_action( 'wp_logout', array( $this, 'logged_out' ), 5 );
		add_action( 'shutdown', array( $this, 'keep_up' ), 0 );
		add_action( 'after_password_reset', array( $this, 'password_reset' ), 5 );
		add_action( 'wp_set_password', array( $this, 'password_set' ), 5, 3 );
		add_action( 'profile_update', array( $this, 'profile_updated' ), 5, 2 );
		add_action( 'deleted_user', array( $this, 'deleted' ), 5 );
		add_action( 'wpmu_delete_user', array( $this, 'deleted' ), 5 );
		add_action( 'wp_ajax_destroy-sessions', array( $this, 'core_button' ), 0 );
	}

	/**
	 * Somebody logs in.
	 *
	 * @param string $cookie     The log-in's cookie.
	 * @param int    $expire     Until when the browser keeps it.
	 * @param int    $expiration Until when it is valid.
	 * @param int    $user       Who.
	 * @param string $scheme     Always `logged_in`.
	 * @param string $token      WordPress's token of this log-in.
	 */
	public function logged_in( $cookie, $expire, $expiration, $user, $scheme = '', $token = '' ): void {
		$user = (int) $user;
		if ( $user > 0 ) {
			$this->fresh = array(
				'user'  => $user,
				'token' => (string) $token,
			);
			Devices::remember( $user, (string) $token, Visit::becomes( Owner_Name::of( $user ) ) );
		}
	}

	/**
	 * Somebody has logged out.
	 */
	public function logged_out(): void {
		// The browser's cookie is still the request's.
		$this->fresh = array(
			'user'  => 0,
			'token' => '',
		);
		if ( Policy::ends_on_logout() ) {
			Visit::end();
		} else {
			Visit::becomes( null );
		}
	}

	/**
	 * A session that began after the log-in gets its owner when the page is done, and the log-in learns which session it has.
	 * Who is logged in says the log-in's cookie: code may have played somebody else (`wp_set_current_user()`), for a moment or
	 * to the page's end.
	 */
	public function keep_up(): void {
		if ( ! did_action( 'init' ) || ! Visit::is_used() ) {
			return;
		}
		$user = $this->fresh['user'] ?? (int) wp_validate_auth_cookie( '', 'logged_in' );
		if ( $user <= 0 ) {
			return;
		}
		$owner = Owner_Name::of( $user );
		if ( ( cloakroom_status()['owner'] ?? null ) !== $owner ) {
			cloakroom_owner( $owner );
		}
		Devices::remember( $user, $this->fresh['token'] ?? wp_get_session_token(), Visit::key() );
	}

	/**
	 * Somebody has set a new password by mail.
	 *
	 * @param \WP_User $user Who.
	 */
	public function password_reset( $user ): void {
		$this->password_changed( (int) $user->ID );
	}

	/**
	 * A password was set. The same one again is no new one: newer releases of WordPress hash it anew at a log-in.
	 *
	 * @param string        $password The password.
	 * @param int           $user     Whose.
	 * @param \WP_User|null $before   The user as it was; WordPress 6.7 and newer say so.
	 */
	public function password_set( $password, $user, $before = null ): void {
		if ( ! $before instanceof \WP_User || ! wp_check_password( (string) $password, $before->user_pass ) ) {
			$this->password_changed( (int) $user );
		}
	}

	/**
	 * A profile was saved.
	 *
	 * @param int      $user   Whose.
	 * @param \WP_User $before The user as it was.
	 */
	public function profile_updated( $user, $before ): void {
		$now = get_userdata( (int) $user );
		if ( $now && $before instanceof \WP_User && $now->user_pass !== $before->user_pass ) {
			$this->password_changed( (int) $user );
		}
	}

	/**
	 * The sessions of who knew the old password end, all but the one in which it was changed.
	 *
	 * @param int $user Whose.
	 */
	private function password_changed( int $user ): void {
		if ( Policy::ends_on_password() ) {
			self::end_sessions( $user, get_current_user_id() === $user );
		}
	}

	/**
	 * A user was deleted.
	 *
	 * @param int $user Who.
	 */
	public function deleted( $user ): void {
		self::end_sessions( (int) $user, false );
	}

	/**
	 * WordPress's own button "Log Out Everywhere" was pressed. Its log-ins end by WordPress; what is asked here is asked there again.
	 */
	public function core_button(): void {
		$user = isset( $_POST['user_id'] ) ? absint( $_POST['user_id'] ) : 0;
		$sent = isset( $_POST['nonce'] ) && is_string( $_POST['nonce'] ) ? sanitize_text_field( wp_unslash( $_POST['nonce'] ) ) : '';
		if ( $user > 0 && current_user_can( 'edit_user', $user ) && wp_verify_nonce( $sent, 'update-user_' . $user ) ) {
			self::end_sessions( $user, get_current_user_id() === $user );
		}
	}

	/**
	 * Ends a person's sessions on all devices, or on all others.
	 *
	 * @param int  $user         Whose.
	 * @param bool $keep_current Whether this request's stays.
	 * @return array{ended: int, complete: bool} How many, and whether none can be left.
	 */
	public static function end_sessions( int $user, bool $keep_current ): array {
		if ( $user <= 0 ) {
			return array(
				'ended'    => 0,
				'complete' => true,
			);
		}
		if ( $keep_current ) {
			Visit::make_known();
		}
		return cloakroom_end_owner( Owner_Name::of( $user ), $keep_current );
	}

	/**
	 * Logs a person out of everything: PHP sessions and WordPress's log-ins.
	 *
	 * @param int  $user         Who.
	 * @param bool $keep_current Whether this request's stays; only for the person themself.
	 * @return array{ended: int, complete: bool} Of the sessions.
	 */
	public static function log_out_everywhere( int $user, bool $keep_current ): array {
		$tokens = \WP_Session_Tokens::get_instance( $user );
		if ( $keep_current ) {
			$tokens->destroy_others( wp_get_session_token() );
		} else {
			$tokens->destroy_all();
		}
		return self::end_sessions( $user, $keep_current );
	}
}
