<?php
/**
 * Requests that a page sends to its own site.
 *
 * @package Cloakroom
 */

namespace Cloakroom\Health;

use Cloakroom\Module;

/**
 * A page that calls its own site with the visitor's cookie must not wait for itself, and the page it calls should find what this
 * one has put into the session.
 *
 * With Cloakroom nobody waits: requests run side by side, and where the site asks for locks the extension gives them back
 * before the call leaves. What is left to do here is saving. The session then stays open: closed, whatever the page puts into
 * it later would be lost without a word, and PHP can open none again once the page has begun. Only for Site Health's own
 * checks, which ask whether one is open, it is closed; the screen opens it again where that can be done.
 */
final class Own_Calls implements Module {

	/**
	 * The key of the session that was open when Site Health began its checks, shortened, or ''.
	 *
	 * @var string
	 */
	private static string $closed = '';

	/**
	 * Adds actions and filters.
	 */
	public function register(): void {
		add_filter( 'pre_http_request', array( $this, 'before_call' ), PHP_INT_MAX, 3 );
		add_action( 'admin_enqueue_scripts', array( $this, 'before_screen' ), PHP_INT_MIN );
		add_action( 'admin_enqueue_scripts', array( $this, 'after_screen' ), PHP_INT_MAX );
		add_filter( 'rest_pre_dispatch', array( $this, 'before_rest' ), PHP_INT_MAX, 3 );
		add_action( 'wp_site_health_scheduled_check', array( self::class, 'close' ), PHP_INT_MIN );
	}

	/**
	 * Saves the session before a call that carries its cookie to the own site.
	 *
	 * @param mixed                $answer What other code has answered in the call's place; false where nothing has.
	 * @param array<string, mixed> $args   What is sent.
	 * @param string               $url    Where it goes.
	 * @return mixed The same answer.
	 */
	public function before_call( mixed $answer, array $args, string $url ): mixed {
		if ( false === $answer && PHP_SESSION_ACTIVE === session_status() && self::is_own( $url ) && self::carries_ticket( $args ) ) {
			cloakroom_commit();
		}
		return $answer;
	}

	/**
	 * The screen is about to do its checks.
	 *
	 * @param string $page The screen's file.
	 */
	public function before_screen( string $page ): void {
		if ( 'site-health.php' === $page ) {
			self::close();
		}
	}

	/**
	 * The checks are done; what comes later on the page may use the session again.
	 *
	 * @param string $page The screen's file.
	 */
	public function after_screen( string $page ): void {
		if ( 'site-health.php' === $page && '' !== self::$closed && PHP_SESSION_NONE === session_status() && ! headers_sent() ) {
			session_start();
		}
	}

	/**
	 * The screen's checks that are asked for one by one, after it was shown.
	 *
	 * @param mixed            $answer  What other code answers.
	 * @param \WP_REST_Server  $server  Unused.
	 * @param \WP_REST_Request $request The request.
	 * @return mixed The same answer.
	 */
	public function before_rest( mixed $answer, $server, $request ): mixed {
		if ( str_starts_with( $request->get_route(), '/wp-site-health/' ) ) {
			self::close();
		}
		return $answer;
	}

	/**
	 * Saves and closes the session, if one is open.
	 */
	public static function close(): void {
		if ( PHP_SESSION_ACTIVE === session_status() ) {
			// A handler of somebody else's has no key.
			self::$closed = (string) ( cloakroom_status()['key'] ?? '' ) ?: '?'; // phpcs:ignore Universal.Operators.DisallowShortTernary
			session_write_close();
		}
	}

	/**
	 * Whether a session was open when Site Health began, or is now.
	 */
	public static function met_session(): bool {
		return '' !== self::$closed || PHP_SESSION_ACTIVE === session_status();
	}

	/**
	 * Whether an address is one of this site's.
	 *
	 * @param string $url The address.
	 */
	private static function is_own( string $url ): bool {
		$host = strtolower( (string) wp_parse_url( $url, PHP_URL_HOST ) );
		foreach ( array( home_url(), site_url(), network_home_url() ) as $own ) {
			if ( '' !== $host && strtolower( (string) wp_parse_url( $own, PHP_URL_HOST ) ) === $host ) {
				return true;
			}
		}
		return false;
	}

	/**
	 * Whether a call carries the session's cookie. Most carry none, such as those that wake cron: they are none of the session's
	 * business, and half of a log-in is nothing to store.
	 *
	 * @param array<string, mixed> $args What is sent.
	 */
	private static function carries_ticket( array $args ): bool {
		$name = (string) session_name();
		foreach ( (array) ( $args['cookies'] ?? array() ) as $key => $cookie ) {
			if ( $name === ( $cookie instanceof \WP_Http_Cookie ? $cookie->name : (string) $key ) ) {
				return true;
			}
		}
		$headers = $args['headers'] ?? array();
		$headers = array_change_key_case( is_array( $headers ) ? $headers : array() );
		return is_string( $headers['cookie'] ?? null ) && str_contains( $headers['cookie'], $name . '=' );
	}
}
