<?php
/**
 * Tools → Site Health.
 *
 * @package Cloakroom
 */

namespace Cloakroom\Health;

use Cloakroom\Callers;
use Cloakroom\Module;
use Cloakroom\Admin\Place;
use Cloakroom\Environment\Diagnosis;
use Cloakroom\Environment\Notices;
use Cloakroom\Environment\Runtime;

/**
 * Our checks, and the true answer to WordPress's own check for open sessions.
 */
final class Site_Health implements Module {

	/** Findings of the extension that mean that sessions are not kept. */
	private const GRAVE = array( 'store', 'settings' );

	/** So many places that start sessions are named. */
	private const PLACES = 5;

	/**
	 * What the extension found, asked once a request.
	 *
	 * @var list<array{check: string, ok: bool, text: string, advice: string}>|null
	 */
	private ?array $findings = null;

	/**
	 * What the blame report says, asked once a request.
	 *
	 * @var list<array<string, mixed>>|null
	 */
	private ?array $starts = null;

	/**
	 * Adds filters.
	 */
	public function register(): void {
		add_filter( 'site_status_tests', array( $this, 'tests' ), 20 );
		add_filter( 'debug_information', array( new Debug_Section(), 'add' ) );
	}

	/**
	 * Our checks among WordPress's.
	 *
	 * @param array<string, array<string, array<string, mixed>>> $tests All checks.
	 * @return array<string, array<string, array<string, mixed>>>
	 */
	public function tests( array $tests ): array {
		$tests['direct']['cloakroom_handler'] = array(
			'label' => __( 'Who keeps sessions', 'cloakroom' ),
			'test'  => array( $this, 'handler' ),
		);
		if ( ! Runtime::here()->works() ) {
			return $tests;
		}
		$tests['direct']['cloakroom_store']  = array(
			'label' => __( 'Where sessions are kept', 'cloakroom' ),
			'test'  => array( $this, 'store' ),
		);
		$tests['direct']['cloakroom_starts'] = array(
			'label' => __( 'Who starts sessions', 'cloakroom' ),
			'test'  => array( $this, 'who_starts' ),
		);
		if ( Callers::all() ) {
			$tests['direct']['cloakroom_callers'] = array(
				'label' => __( 'Old session plugins\' names', 'cloakroom' ),
				'test'  => array( $this, 'callers' ),
			);
		}
		if ( isset( $tests['direct']['php_sessions'] ) && 'user' !== session_module_name() ) {
			$tests['direct']['php_sessions']['test'] = array( $this, 'open_session' );
		}
		return $tests;
	}

	/**
	 * Whether the extension is there and keeps this site's sessions.
	 *
	 * @return array<string, mixed>
	 */
	public function handler(): array {
		$diagnosis = new Diagnosis( Runtime::here() );
		$steps     = $diagnosis->steps();
		if ( $steps ) {
			return self::result(
				'cloakroom_handler',
				'recommended',
				__( 'Cloakroom does not keep this site\'s sessions yet', 'cloakroom' ),
				/* translators: %s: a server, such as "PHP 8.2 (php-fpm, pool www)". */
				self::paragraph( sprintf( __( 'The plugin is active, but %s has not been told to hand sessions over. Until then everything is as it was.', 'cloakroom' ), $diagnosis->server() ) )
					. self::items( $steps, 'ol' )
			);
		}
		$finding = $this->finding( 'handler' );
		if ( null !== $finding && ! $finding['ok'] ) {
			return self::result( 'cloakroom_handler', 'recommended', __( 'Another session handler is in front of Cloakroom', 'cloakroom' ), self::paragraph( self::said( $finding ) ) );
		}
		return self::result(
			'cloakroom_handler',
			'good',
			__( 'Cloakroom keeps this site\'s sessions', 'cloakroom' ),
			/* translators: 1: a server, such as "PHP 8.2 (php-fpm, pool www)", 2: a version. */
			self::paragraph( sprintf( __( 'Whatever plugins keep for a visitor from page to page (carts, forms, log-ins) is kept by Cloakroom: sealed, so that a stolen database opens nothing, and merged, so that two requests at once lose nothing. %1$s, extension %2$s.', 'cloakroom' ), $diagnosis->server(), (string) phpversion( 'cloakroom' ) ) )
		);
	}

	/**
	 * What the extension finds about its store and its settings.
	 *
	 * @return array<string, mixed>
	 */
	public function store(): array {
		$wrong  = array();
		$advice = array();
		$grave  = false;
		foreach ( $this->findings() as $finding ) {
			if ( 'handler' === $finding['check'] ) {
				continue;
			}
			if ( ! $finding['ok'] ) {
				$wrong[] = self::said( $finding );
				$grave   = $grave || in_array( $finding['check'], self::GRAVE, true );
			} elseif ( '' !== $finding['advice'] ) {
				$advice[] = self::said( $finding );
			}
		}
		$store = $this->finding( 'store' );
		$text  = null !== $store && $store['ok'] ? self::paragraph( $store['text'] ) : '';
		if ( $wrong ) {
			$label = $grave ? __( 'Sessions can not be stored at the moment', 'cloakroom' ) : __( 'Something about sessions should be looked at', 'cloakroom' );
			return self::result( 'cloakroom_store', $grave ? 'critical' : 'recommended', $label, $text . self::items( $wrong ) );
		}
		if ( $advice ) {
			$text .= self::paragraph( __( 'Nothing is wrong. What could still be done:', 'cloakroom' ) ) . self::items( $advice );
		}
		return self::result( 'cloakroom_store', 'good', __( 'Sessions can be stored', 'cloakroom' ), $text );
	}

	/**
	 * Who starts sessions, and who does so for nothing.
	 *
	 * @return array<string, mixed>
	 */
	public function who_starts(): array {
		$bad = array_filter( $this->starts(), static fn ( array $start ): bool => '' !== $start['advice'] );
		if ( ! $bad ) {
			return self::result(
				'cloakroom_starts',
				'good',
				__( 'No plugin starts sessions needlessly', 'cloakroom' ),
				self::paragraph( __( 'Nobody was seen in the last week who starts many sessions and leaves them unused.', 'cloakroom' ) ) . $this->places( $this->starts() )
			);
		}
		$items = array();
		foreach ( array_slice( $bad, 0, self::PLACES ) as $start ) {
			$items[] = self::place( $start ) . ' ' . $start['advice'];
		}
		return self::result(
			'cloakroom_starts',
			'recommended',
			__( 'Sessions are started that nobody uses', 'cloakroom' ),
			self::paragraph( __( 'This costs time on every page. Cloakroom stores none of these sessions and sends no cookie for them, so they do no other harm.', 'cloakroom' ) ) . self::items( $items )
		);
	}

	/**
	 * Who uses the names of older session plugins.
	 *
	 * @return array<string, mixed>
	 */
	public function callers(): array {
		$items = array();
		foreach ( Callers::all() as $caller ) {
			/* translators: 1: a plugin or theme, 2: an interface such as WP_Session, 3: a file and a line. */
			$items[] = sprintf( __( '%1$s uses %2$s (%3$s).', 'cloakroom' ), $caller['who'], $caller['api'], '`' . $caller['file'] . ':' . $caller['line'] . '`' );
		}
		return self::result(
			'cloakroom_callers',
			'good',
			__( 'Old session plugins\' names are used, and answered', 'cloakroom' ),
			self::paragraph( __( 'Some code still calls session plugins that are no longer maintained. Cloakroom answers in their place, so nothing has to be done while it is active. Whoever writes new code uses $_SESSION.', 'cloakroom' ) ) . self::items( $items )
		);
	}

	/**
	 * In place of WordPress's own check, which takes every open session for a fault.
	 *
	 * @return array<string, mixed>
	 */
	public function open_session(): array {
		if ( ! Own_Calls::met_session() ) {
			return self::result( 'php_sessions', 'good', __( 'No PHP session is open on this page', 'cloakroom' ), $this->places( $this->starts() ) );
		}
		$locks = 'lock' === ( cloakroom_settings()['concurrency'] ?? '' );
		$why   = $locks
			? __( 'This site has locks switched on (`cloakroom.concurrency=lock`). Cloakroom gives the lock back before a page calls its own site, so no page waits for itself.', 'cloakroom' )
			: __( 'With Cloakroom the requests of a visitor run side by side, and what they change is merged. No page waits for another one.', 'cloakroom' );
		return self::result(
			'php_sessions',
			'good',
			__( 'A PHP session is open on this page, and nothing waits for it', 'cloakroom' ),
			self::paragraph( __( 'WordPress calls an open session critical, because PHP itself lets only one request of a visitor run at a time: a page that calls its own site, as this screen and many plugins do, would wait for itself.', 'cloakroom' ) )
				. self::paragraph( $why . ' ' . __( 'For the checks on this screen the session was stored and closed.', 'cloakroom' ) )
				. $this->places( $this->starts() )
		);
	}

	/**
	 * The places that start sessions, as a list; says so where none is known.
	 *
	 * @param list<array<string, mixed>> $starts Of the report.
	 */
	private function places( array $starts ): string {
		if ( ! $starts ) {
			$text = '0' === (string) ini_get( 'cloakroom.blame' )
				/* translators: %s: a line of php.ini. */
				? sprintf( __( 'Who starts sessions is not known: `%s` is set.', 'cloakroom' ), 'cloakroom.blame = 0' )
				: __( 'Nobody was seen yet who starts sessions; one request in a few is looked at.', 'cloakroom' );
			return self::paragraph( $text );
		}
		return self::paragraph( __( 'Who starts sessions on this site, in the last week:', 'cloakroom' ) ) . self::items( array_map( array( self::class, 'place' ), array_slice( $starts, 0, self::PLACES ) ) );
	}

	/**
	 * One place that starts sessions.
	 *
	 * @param array<string, mixed> $start Of the report.
	 */
	private static function place( array $start ): string {
		/* translators: 1: who, such as "plugin tracker", 2: file and line, 3: a number. */
		return sprintf( _n( '%1$s, in `%2$s`: about %3$s session.', '%1$s, in `%2$s`: about %3$s sessions.', $start['starts'], 'cloakroom' ), $start['who'], $start['where'], number_format_i18n( $start['starts'] ) );
	}

	/**
	 * One finding of the extension.
	 *
	 * @param string $check Its name.
	 * @return array{check: string, ok: bool, text: string, advice: string}|null
	 */
	private function finding( string $check ): ?array {
		foreach ( $this->findings() as $finding ) {
			if ( $check === $finding['check'] ) {
				return $finding;
			}
		}
		return null;
	}

	/**
	 * All findings.
	 *
	 * @return list<array{check: string, ok: bool, text: string, advice: string}>
	 */
	private function findings(): array {
		return $this->findings ??= cloakroom_doctor();
	}

	/**
	 * The blame report.
	 *
	 * @return list<array<string, mixed>>
	 */
	private function starts(): array {
		return $this->starts ??= Blame::starts();
	}

	/**
	 * A finding as a sentence or two.
	 *
	 * @param array{text: string, advice: string} $finding The finding.
	 */
	private static function said( array $finding ): string {
		return trim( $finding['text'] . ' ' . $finding['advice'] );
	}

	/**
	 * What a check returns.
	 *
	 * @param string $test        Its name.
	 * @param string $status      `good`, `recommended` or `critical`.
	 * @param string $label       Its headline.
	 * @param string $description HTML.
	 * @return array<string, mixed>
	 */
	private static function result( string $test, string $status, string $label, string $description ): array {
		$actions = Runtime::here()->works() && current_user_can( Place::capability() )
			? sprintf( '<p><a href="%s">%s</a></p>', esc_url( Place::url() ), esc_html__( 'Sessions of this site', 'cloakroom' ) )
			: '';
		return array(
			'label'       => $label,
			'status'      => $status,
			'badge'       => array(
				'label' => __( 'Sessions', 'cloakroom' ),
				'color' => 'blue',
			),
			'description' => $description,
			'actions'     => $actions,
			'test'        => $test,
		);
	}

	/**
	 * A paragraph.
	 *
	 * @param string $text Text; what stands in backticks becomes code.
	 */
	private static function paragraph( string $text ): string {
		return '<p>' . Notices::marked( $text ) . '</p>';
	}

	/**
	 * A list.
	 *
	 * @param list<string> $items Texts; what stands in backticks becomes code.
	 * @param string       $tag   `ul` or `ol`.
	 */
	private static function items( array $items, string $tag = 'ul' ): string {
		return "<$tag>" . implode( '', array_map( static fn ( string $item ): string => '<li>' . Notices::marked( $item ) . '</li>', $items ) ) . "</$tag>";
	}
}
