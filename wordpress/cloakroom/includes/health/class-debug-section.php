<?php
/**
 * The section in Site Health's list of facts.
 *
 * @package Cloakroom
 */

namespace Cloakroom\Health;

use Cloakroom\Callers;
use Cloakroom\Plugin;
use Cloakroom\Environment\Diagnosis;
use Cloakroom\Environment\Other_Plugins;
use Cloakroom\Environment\Runtime;

/**
 * Facts for whoever helps the site's owner. Passwords and keys are not among them; where the store is, is left out of what is
 * copied to hand it on.
 */
final class Debug_Section {

	/**
	 * Adds the section.
	 *
	 * @param array<string, array<string, mixed>> $sections All sections.
	 * @return array<string, array<string, mixed>>
	 */
	public function add( array $sections ): array {
		$fields = $this->environment();
		if ( Runtime::here()->works() ) {
			$fields += $this->settings() + $this->numbers() + $this->findings();
		}
		$sections['cloakroom'] = array(
			'label'  => __( 'Cloakroom (sessions)', 'cloakroom' ),
			'fields' => $fields,
		);
		return $sections;
	}

	/**
	 * Who would keep sessions, and what is in the way.
	 *
	 * @return array<string, array<string, mixed>>
	 */
	private function environment(): array {
		$runtime = Runtime::here();
		$others  = implode( ', ', array_map( array( Other_Plugins::class, 'title' ), array_keys( Other_Plugins::active() ) ) );
		return array(
			'plugin'    => self::field( __( 'Plugin', 'cloakroom' ), Plugin::VERSION ),
			'extension' => self::field( __( 'PHP extension', 'cloakroom' ), $runtime->loaded ? (string) phpversion( 'cloakroom' ) : __( 'not loaded', 'cloakroom' ) ),
			'server'    => self::field( __( 'Server', 'cloakroom' ), ( new Diagnosis( $runtime ) )->server() ),
			'handler'   => self::field( __( 'Session handler: php.ini, server, now', 'cloakroom' ), $runtime->configured . ', ' . $runtime->for_all . ', ' . $runtime->now ),
			'others'    => self::field( __( 'Other session plugins', 'cloakroom' ), '' === $others ? __( 'none', 'cloakroom' ) : $others ),
		);
	}

	/**
	 * The extension's settings.
	 *
	 * @return array<string, array<string, mixed>>
	 */
	private function settings(): array {
		$fields = array();
		foreach ( cloakroom_settings() as $name => $value ) {
			$fields[ 'setting_' . $name ] = self::field( 'cloakroom.' . $name, is_bool( $value ) ? ( $value ? '1' : '0' ) : (string) $value, 'store' === $name );
		}
		if ( ! $fields ) {
			$fields['settings'] = self::field( __( 'Settings', 'cloakroom' ), cloakroom_error() );
		}
		return $fields;
	}

	/**
	 * How many sessions there are.
	 *
	 * @return array<string, array<string, mixed>>
	 */
	private function numbers(): array {
		$count = cloakroom_count();
		if ( ! $count ) {
			return array( 'count' => self::field( __( 'Sessions', 'cloakroom' ), cloakroom_error() ) );
		}
		/* translators: 1: number of sessions, 2: number of sessions of users who are logged in, 3: a size. */
		$text = sprintf( __( '%1$s, of these %2$s with an owner; %3$s', 'cloakroom' ), number_format_i18n( $count['live'] ), number_format_i18n( $count['owned'] ), (string) size_format( $count['bytes'] ) );
		return array( 'count' => self::field( __( 'Sessions', 'cloakroom' ), $text ) );
	}

	/**
	 * Findings, who starts sessions, and who calls old names.
	 *
	 * @return array<string, array<string, mixed>>
	 */
	private function findings(): array {
		$fields = array();
		foreach ( cloakroom_doctor() as $finding ) {
			$fields[ 'finding_' . $finding['check'] ] = self::field(
				/* translators: %s: name of a check, such as "store". */
				sprintf( __( 'Check: %s', 'cloakroom' ), $finding['check'] ),
				( $finding['ok'] ? '' : __( 'FAILED', 'cloakroom' ) . ': ' ) . trim( $finding['text'] . ' ' . $finding['advice'] ),
				'store' === $finding['check']
			);
		}
		foreach ( array_slice( Blame::starts(), 0, 10 ) as $n => $start ) {
			/* translators: 1: file and line, 2: number of sessions, 3: number of sessions that stayed empty. */
			$text = sprintf( __( '%1$s; about %2$s in a week, %3$s of these empty', 'cloakroom' ), $start['where'], number_format_i18n( $start['starts'] ), number_format_i18n( $start['empty'] ) );
			/* translators: %s: who, such as "plugin tracker". */
			$fields[ 'starts_' . $n ] = self::field( sprintf( __( 'Starts sessions: %s', 'cloakroom' ), $start['who'] ), $text );
		}
		foreach ( array_values( Callers::all() ) as $n => $caller ) {
			/* translators: %s: an interface, such as WP_Session. */
			$fields[ 'caller_' . $n ] = self::field( sprintf( __( 'Uses %s', 'cloakroom' ), $caller['api'] ), $caller['who'] . ' (' . $caller['file'] . ':' . $caller['line'] . ')' );
		}
		return $fields;
	}

	/**
	 * A field.
	 *
	 * @param string $label   Its name.
	 * @param string $value   What it says.
	 * @param bool   $private Whether it is left out of what is copied.
	 * @return array<string, mixed>
	 */
	private static function field( string $label, string $value, bool $private = false ): array {
		return array(
			'label'   => $label,
			'value'   => $value,
			'private' => $private,
		);
	}
}
