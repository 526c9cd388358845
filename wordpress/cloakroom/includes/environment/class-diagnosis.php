<?php
/**
 * What keeps the extension from working, in words.
 *
 * @package Cloakroom
 */

namespace Cloakroom\Environment;

/**
 * Turns a {@see Runtime} into sentences for the person who runs the server. Lines to be written are marked by backticks.
 */
final class Diagnosis {

	/**
	 * Of that server.
	 *
	 * @param Runtime $runtime The server.
	 */
	public function __construct( private readonly Runtime $runtime ) {}

	/**
	 * What is to be done, in order; empty where everything is as it should be.
	 *
	 * @return list<string>
	 */
	public function steps(): array {
		if ( $this->runtime->works() ) {
			return array();
		}
		$steps   = array_merge( $this->loading(), $this->handing_over() );
		$steps[] = $this->restart();
		return $steps;
	}

	/**
	 * The server's name for people, such as "PHP 8.2 (php-fpm, pool www)".
	 */
	public function server(): string {
		$kind = match ( true ) {
			'fpm-fcgi' === $this->runtime->sapi && '' !== $this->runtime->pool
				/* translators: %s: name of a pool. */
				=> sprintf( __( 'php-fpm, pool %s', 'cloakroom' ), $this->runtime->pool ),
			'fpm-fcgi' === $this->runtime->sapi => 'php-fpm',
			'apache2handler' === $this->runtime->sapi => __( 'Apache module', 'cloakroom' ),
			'cli' === $this->runtime->sapi => __( 'command line', 'cloakroom' ),
			default => $this->runtime->sapi,
		};
		return sprintf( 'PHP %s (%s)', $this->runtime->php, $kind );
	}

	/**
	 * How the extension comes to be loaded.
	 *
	 * @return list<string>
	 */
	private function loading(): array {
		if ( $this->runtime->loaded ) {
			return array();
		}
		$there = $this->runtime->file_with( Runtime::EXTENSION_LINE );
		if ( '' !== $there && '' !== $this->runtime->library ) {
			return array(
				sprintf(
					/* translators: 1: a line, 2: a file, 3: another file. */
					__( 'The line `%1$s` stands in `%2$s`, and `%3$s` is there, but this server has not loaded it: it was started before, or its log says why it refused.', 'cloakroom' ),
					Runtime::EXTENSION_LINE,
					$there,
					$this->runtime->library
				),
			);
		}
		$steps = array();
		if ( '' === $this->runtime->library ) {
			$steps[] = sprintf(
				/* translators: 1: a file's name, 2: PHP's version, 3: a folder. */
				__( 'Put `%1$s`, built for PHP %2$s, into `%3$s`.', 'cloakroom' ),
				'cloakroom.' . PHP_SHLIB_SUFFIX,
				$this->runtime->php,
				(string) ini_get( 'extension_dir' )
			);
		}
		if ( '' === $there ) {
			$steps[] = $this->missing( Runtime::EXTENSION_LINE );
		}
		return $steps;
	}

	/**
	 * How sessions come to be handed to it.
	 *
	 * @return list<string>
	 */
	private function handing_over(): array {
		if ( 'cloakroom' === $this->runtime->for_all ) {
			return array();
		}
		if ( 'cloakroom' !== $this->runtime->configured ) {
			$there = $this->runtime->file_with( Runtime::HANDLER_LINE );
			if ( '' === $there ) {
				return array( $this->missing( Runtime::HANDLER_LINE ) );
			}
			/* translators: 1: a line, 2: a file. */
			return array( sprintf( __( 'The line `%1$s` stands in `%2$s`, but this server was started before, or a later line says otherwise.', 'cloakroom' ), Runtime::HANDLER_LINE, $there ) );
		}
		if ( 'fpm-fcgi' === $this->runtime->sapi ) {
			return array(
				sprintf(
					/* translators: 1: name of a pool, 2: a setting, 3: its value, 4: another value. */
					__( 'php.ini is right, but the configuration of php-fpm\'s pool `%1$s` sets `%2$s` to `%3$s`: remove that line, or write `%4$s` there.', 'cloakroom' ),
					$this->runtime->pool,
					'php_admin_value[session.save_handler]',
					$this->runtime->for_all,
					'cloakroom'
				),
			);
		}
		return array(
			sprintf(
				/* translators: 1: a setting, 2: its value. */
				__( 'php.ini is right, but the web server\'s configuration, `.htaccess` or `.user.ini` sets `%1$s` to `%2$s`: remove that line.', 'cloakroom' ),
				'session.save_handler',
				$this->runtime->for_all
			),
		);
	}

	/**
	 * A line that is to be written.
	 *
	 * @param string $line The line.
	 */
	private function missing( string $line ): string {
		$place = $this->runtime->place();
		if ( '' !== $this->runtime->ini && $place !== $this->runtime->ini ) {
			/* translators: 1: a line, 2: a file, 3: another file. */
			return sprintf( __( 'Write the line `%1$s` into `%2$s` (or into `%3$s`).', 'cloakroom' ), $line, $place, $this->runtime->ini );
		}
		/* translators: 1: a line, 2: a file. */
		return sprintf( __( 'Write the line `%1$s` into `%2$s`.', 'cloakroom' ), $line, $place );
	}

	/**
	 * How the server comes to read it.
	 */
	private function restart(): string {
		return match ( $this->runtime->sapi ) {
			/* translators: %s: a command. */
			'fpm-fcgi' => sprintf( __( 'Then restart php-fpm, for instance by `%s`.', 'cloakroom' ), 'systemctl restart php' . $this->runtime->php . '-fpm' ),
			/* translators: %s: a command. */
			'apache2handler' => sprintf( __( 'Then restart Apache, for instance by `%s`.', 'cloakroom' ), 'systemctl restart apache2' ),
			'cli' => __( 'The next command will find it.', 'cloakroom' ),
			default => __( 'Then restart the server.', 'cloakroom' ),
		};
	}
}
