<?php
/**
 * WP_Session, as WP Session Manager 1.x to 2.x had it.
 *
 * @package Cloakroom
 */

// phpcs:disable WordPress.NamingConventions.PrefixAllGlobals -- a name that other code calls.

use Cloakroom\Callers;
use Cloakroom\Record_Key;
use Cloakroom\Compat\Current_Session;
use Cloakroom\Compat\WP_Session\Lifetime;
use Cloakroom\Compat\WP_Session\Variables;
use Cloakroom\Compat\WP_Session\View;

/**
 * The visitor's session as an object: `$wp_session['x']` is `$_SESSION['x']`.
 *
 * @property-read string $session_id 32 hexadecimal digits that name the session without opening it. Asking for it starts the session.
 */
final class WP_Session extends View {

	/**
	 * The one of this request.
	 *
	 * @var self|null
	 */
	private static ?self $instance = null;

	/**
	 * Where the variables are.
	 *
	 * @var Variables
	 */
	private Variables $variables;

	/**
	 * Unix time at which it ends if nobody comes before.
	 *
	 * @var int
	 */
	protected $expires;

	/**
	 * Unix time from which on that end used to be moved. Cloakroom moves it by itself.
	 *
	 * @var int
	 */
	protected $exp_variant;

	/**
	 * The session of this request. Nothing is started, and no cookie is sent, before something is written.
	 */
	public static function get_instance(): self {
		Callers::note( 'WP_Session' );
		if ( null === self::$instance ) {
			/**
			 * Before the session of this request is looked at for the first time.
			 */
			do_action( 'wp_session_init' );
			// An action may have asked for it.
			self::$instance ??= new self();
		}
		return self::$instance;
	}

	/**
	 * Of this request.
	 */
	protected function __construct() {
		$this->variables = new Variables();
		parent::__construct( $this->variables );
		$this->expires     = time() + Lifetime::seconds();
		$this->exp_variant = time() + Lifetime::variant();
	}

	/**
	 * What is made when it is asked for.
	 *
	 * @param string $name The property.
	 * @return mixed
	 */
	public function __get( string $name ): mixed {
		if ( 'session_id' !== $name ) {
			// phpcs:ignore WordPress.PHP.DevelopmentFunctions -- what PHP itself says.
			trigger_error( esc_html( sprintf( 'Undefined property: WP_Session::$%s', $name ) ), E_USER_WARNING );
			return null;
		}
		// Whoever asks may keep data of its own under it: there has to be a session that this names.
		Current_Session::open_for_writing();
		$id = (string) session_id();
		return substr( '' === $id ? hash( 'sha256', '' ) : Record_Key::of( $id ), 0, 32 );
	}

	/**
	 * Whether there is such a property.
	 *
	 * @param string $name The property.
	 */
	public function __isset( string $name ): bool {
		return 'session_id' === $name;
	}

	/**
	 * Saves now what was written through this object. What was written to `$_SESSION` is saved at the end, as always.
	 */
	public function write_data(): void {
		self::settle();
		if ( self::$unsaved && Current_Session::is_active() ) {
			self::$unsaved = ! cloakroom_commit();
		}
	}

	/**
	 * All variables as JSON.
	 */
	public function json_out(): string {
		return (string) wp_json_encode( $this->toArray(), JSON_PARTIAL_OUTPUT_ON_ERROR | JSON_INVALID_UTF8_SUBSTITUTE );
	}

	/**
	 * Replaces all variables.
	 *
	 * @param mixed $data JSON: an array or an object.
	 * @return bool False, and nothing is changed, for anything else.
	 */
	public function json_in( $data ): bool {
		$values = is_string( $data ) ? json_decode( $data, true ) : null;
		if ( ! is_array( $values ) ) {
			return false;
		}
		$this->replace( $values );
		return true;
	}

	/**
	 * Replaces all variables by others.
	 *
	 * @param array<int|string, mixed> $values The others.
	 */
	public function replace( array $values ): void {
		$this->reset();
		foreach ( $values as $key => $value ) {
			$this->offsetSet( $key, $value );
		}
	}

	/**
	 * Gives the session a new id; the variables stay. A visitor without a session has none that could become old.
	 *
	 * @param bool $delete_old Whether the old id ends at once. Otherwise it has its grace.
	 */
	public function regenerate_id( $delete_old = false ): void {
		self::settle();
		Current_Session::open_for_reading();
		if ( Current_Session::is_active() && ! headers_sent() ) {
			session_regenerate_id( (bool) $delete_old );
		}
	}

	/**
	 * Whether there is an instance: always.
	 */
	public function session_started(): bool {
		return null !== self::$instance;
	}

	/**
	 * Unix time at which the session ends if nobody comes before.
	 */
	public function cache_expiration(): int {
		return $this->expires;
	}

	/**
	 * Removes all variables.
	 */
	public function reset(): void {
		self::settle();
		$this->dirty   = true;
		self::$unsaved = true;
		$this->variables->clear();
	}
}
