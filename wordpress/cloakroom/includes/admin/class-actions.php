<?php
/**
 * What the screen's buttons do.
 *
 * @package Cloakroom
 */

namespace Cloakroom\Admin;

use Cloakroom\Owner\Owner;
use Cloakroom\Owner\Policy;
use Cloakroom\Record_Key;

/**
 * Each comes by POST, with a nonce for exactly this, from someone who may; what concerns many also with the confirming box.
 */
final class Actions {

	/** What begins the names of the actions. */
	public const PREFIX = 'cloakroom_';

	/** Action => fields that its nonce is for. */
	private const FIELDS = array(
		'end_one'  => array( 'key' ),
		'end_user' => array( 'user' ),
		'end_old'  => array(),
		'end_all'  => array(),
		'end_many' => array( 'older', 'cursor', 'ended' ),
		'settings' => array(),
	);

	/**
	 * Adds actions.
	 */
	public function register(): void {
		foreach ( array_keys( self::FIELDS ) as $action ) {
			add_action( 'admin_post_' . self::PREFIX . $action, fn () => $this->run( $action ) );
		}
	}

	/**
	 * What a nonce is for.
	 *
	 * @param string                $action The action.
	 * @param array<string, string> $fields Its fields.
	 */
	public static function nonce( string $action, array $fields ): string {
		return self::PREFIX . $action . '|' . implode( '|', array_map( static fn ( string $name ): string => (string) ( $fields[ $name ] ?? '' ), self::FIELDS[ $action ] ) );
	}

	/**
	 * Does it, if it may be done.
	 *
	 * @param string $action The action.
	 */
	private function run( string $action ): void {
		$fields = array();
		foreach ( self::FIELDS[ $action ] as $name ) {
			$fields[ $name ] = self::sent( $name );
		}
		if ( 'POST' !== ( $_SERVER['REQUEST_METHOD'] ?? '' ) || ! isset( $_POST['_wpnonce'] ) ) {
			wp_die( esc_html__( 'This page is only for the buttons under Tools → Sessions.', 'cloakroom' ), '', array( 'response' => 403 ) );
		}
		check_admin_referer( self::nonce( $action, $fields ) );
		if ( ! current_user_can( Place::capability() ) ) {
			wp_die( esc_html__( 'You are not allowed to change sessions.', 'cloakroom' ), '', array( 'response' => 403 ) );
		}
		if ( in_array( $action, array( 'end_user', 'end_old', 'end_all', 'end_many' ), true ) && '1' !== self::sent( 'confirm' ) ) {
			Result::keep( __( 'Nothing was ended: tick the box beside the button first.', 'cloakroom' ), 'warning' );
			self::back( 'sessions' );
		}
		match ( $action ) {
			'end_one'  => $this->end_one( $fields['key'] ),
			'end_user' => $this->end_user( (int) $fields['user'] ),
			'end_old'  => $this->end_many( (string) max( HOUR_IN_SECONDS, (int) self::sent( 'older' ) ), '', 0 ),
			'end_all'  => $this->end_many( '', '', 0 ),
			'end_many' => $this->end_many( $fields['older'], $fields['cursor'], (int) $fields['ended'] ),
			'settings' => $this->settings(),
		};
		self::back( 'settings' === $action ? 'settings' : 'sessions' );
	}

	/**
	 * A field of the form.
	 *
	 * @param string $name Its name.
	 */
	private static function sent( string $name ): string {
		// phpcs:ignore WordPress.Security.NonceVerification -- it is part of what the nonce is for.
		return isset( $_POST[ $name ] ) && is_string( $_POST[ $name ] ) ? sanitize_text_field( wp_unslash( $_POST[ $name ] ) ) : '';
	}

	/**
	 * Back to the screen.
	 *
	 * @param string $tab The tab.
	 */
	private static function back( string $tab ): never {
		wp_safe_redirect( Place::url( array( 'tab' => $tab ) ) );
		exit;
	}

	/**
	 * Ends one session.
	 *
	 * @param string $key Its key.
	 */
	private function end_one( string $key ): void {
		if ( ! Record_Key::may_be( $key ) ) {
			Result::keep( __( 'That is no session\'s key.', 'cloakroom' ), 'error' );
			return;
		}
		$ended = cloakroom_end( $key );
		$error = cloakroom_error();
		if ( $ended ) {
			/* translators: %s: a session's key, shortened. */
			Result::keep( sprintf( __( 'Session `%s` was ended.', 'cloakroom' ), substr( $key, 0, Markup::DIGITS ) ) );
		} else {
			Result::keep( '' !== $error ? $error : __( 'There is no such session any more.', 'cloakroom' ), 'warning' );
		}
	}

	/**
	 * Ends a person's sessions, and logs them out.
	 *
	 * @param int $user Who.
	 */
	private function end_user( int $user ): void {
		$person = get_userdata( $user );
		if ( ! $person ) {
			Result::keep( __( 'There is no such user.', 'cloakroom' ), 'error' );
			return;
		}
		$result = Owner::log_out_everywhere( $user, get_current_user_id() === $user );
		if ( empty( $result['complete'] ) ) {
			Result::keep( __( 'The person was logged out, but the session store could not promise that no session is left. Please try again.', 'cloakroom' ) . ' ' . cloakroom_error(), 'warning' );
			return;
		}
		$count = (int) $result['ended'];
		/* translators: 1: a number, 2: a user's name. */
		Result::keep( sprintf( _n( '%1$s session of %2$s was ended, and the person was logged out.', '%1$s sessions of %2$s were ended, and the person was logged out.', $count, 'cloakroom' ), number_format_i18n( $count ), $person->display_name ) );
	}

	/**
	 * Ends all sessions, or those long unused: one bounded step.
	 *
	 * @param string $older  Seconds since the last use; '' for all.
	 * @param string $cursor Where the step before has stopped; '' for the first.
	 * @param int    $ended  How many were ended before.
	 */
	private function end_many( string $older, string $cursor, int $ended ): void {
		try {
			$step = cloakroom_end_all( '' === $older ? null : (int) $older, '' === $cursor ? null : $cursor );
		} catch ( \ValueError ) {
			Result::keep( __( 'This page is no longer valid. Please begin again.', 'cloakroom' ), 'error' );
			return;
		}
		$error  = cloakroom_error();
		$ended += (int) ( $step['ended'] ?? 0 );
		$next   = $step['next'] ?? null;
		/* translators: %s: a number. */
		$text = sprintf( _n( '%s session was ended.', '%s sessions were ended.', $ended, 'cloakroom' ), number_format_i18n( $ended ) );
		if ( '' !== $error ) {
			Result::keep( $text . ' ' . $error, 'error' );
		} elseif ( ! empty( $step['more'] ) && is_string( $next ) ) {
			Result::keep(
				$text . ' ' . __( 'There are more.', 'cloakroom' ),
				'info',
				array(
					'older'  => $older,
					'cursor' => $next,
					'ended'  => $ended,
				)
			);
		} else {
			Result::keep( $text );
		}
	}

	/**
	 * Stores the settings.
	 */
	private function settings(): void {
		$network = self::sent( 'network' );
		Policy::change(
			array(
				'end_on_logout'   => '1' === self::sent( 'end_on_logout' ),
				'end_on_password' => '1' === self::sent( 'end_on_password' ),
				'network'         => in_array( $network, array( Policy::PER_SITE, Policy::SHARED ), true ) ? $network : '',
			)
		);
		Result::keep( __( 'Settings saved.', 'cloakroom' ) );
	}
}
