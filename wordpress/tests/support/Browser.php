<?php
/**
 * A visitor over HTTP, with cookies.
 *
 * @package Cloakroom
 */

// phpcs:disable

namespace Cloakroom\Tests;

final class Browser {

	/** @var array<string, string> */
	public array $cookies = array();
	public int $status = 0;
	/** @var list<string> */
	public array $headers = array();

	public function __construct( private readonly string $site = '' ) {}

	/** @param array<string, string>|null $form */
	public function get( string $path, ?array $form = null, array $more = array() ): string {
		$headers = $more;
		if ( $this->cookies ) {
			$headers[] = 'Cookie: ' . implode( '; ', array_map( static fn ( $n, $v ) => "$n=$v", array_keys( $this->cookies ), $this->cookies ) );
		}
		if ( null !== $form ) {
			$headers[] = 'Content-Type: application/x-www-form-urlencoded';
		}
		$context = stream_context_create(
			array(
				'http' => array(
					'method'          => null === $form ? 'GET' : 'POST',
					'header'          => $headers,
					'content'         => null === $form ? '' : http_build_query( $form ),
					'follow_location' => 0,
					'ignore_errors'   => true,
					'timeout'         => 60,
				),
			)
		);
		$body = (string) file_get_contents( ( '' === $this->site ? getenv( 'CLOAKROOM_TEST_URL' ) : $this->site ) . $path, false, $context );
		$this->headers = $http_response_header;
		$this->status  = (int) explode( ' ', $this->headers[0] )[1];
		foreach ( $this->set_cookies() as $name => $value ) {
			if ( '' === $value || 'deleted' === $value ) {
				unset( $this->cookies[ $name ] );
			} else {
				$this->cookies[ $name ] = $value;
			}
		}
		return $body;
	}

	/** @return array<string, string> */
	public function set_cookies(): array {
		$found = array();
		foreach ( $this->headers as $header ) {
			if ( preg_match( '/^Set-Cookie: ([^=]+)=([^;]*)/i', $header, $m ) ) {
				$found[ $m[1] ] = $m[2];
			}
		}
		return $found;
	}

	public function header( string $name ): ?string {
		foreach ( $this->headers as $header ) {
			if ( 0 === stripos( $header, $name . ':' ) ) {
				return trim( substr( $header, strlen( $name ) + 1 ) );
			}
		}
		return null;
	}
}
