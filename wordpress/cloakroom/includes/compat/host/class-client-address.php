<?php
/**
 * The visitor's address.
 *
 * @package Cloakroom
 */

namespace Cloakroom\Compat\Host;

/**
 * Headers that name an address can be sent by anyone: they are believed only where the request comes from a proxy that the site
 * trusts. Filters and their order are those of the hosting company's plugin.
 */
final class Client_Address {

	/** Headers that proxies set, in the order in which they are looked at. */
	private const HEADERS = array( 'HTTP_CLIENT_IP', 'HTTP_X_FORWARDED_FOR', 'HTTP_X_FORWARDED', 'HTTP_FORWARDED_FOR', 'HTTP_FORWARDED' );

	/**
	 * The address.
	 */
	public static function get(): string {
		$address = self::valid( 'REMOTE_ADDR', FILTER_FLAG_IPV4 | FILTER_FLAG_IPV6 );
		/**
		 * Addresses of proxies whose headers are believed, such as `10.0.0.0/8`.
		 *
		 * @param list<string> $proxies Addresses, or networks.
		 */
		$proxies = (array) apply_filters( 'cloakroom_trusted_proxies', array() );
		/**
		 * Which addresses count as valid.
		 *
		 * @param int $flags FILTER_FLAG_*.
		 */
		$flags  = (int) apply_filters( 'pantheon_sessions_client_ip_filter_flags', FILTER_FLAG_IPV4 | FILTER_FLAG_IPV6 | FILTER_FLAG_NO_RES_RANGE );
		$found  = null;
		$server = null;
		foreach ( self::is_trusted( (string) $address, $proxies ) ? array( ...self::HEADERS, 'REMOTE_ADDR' ) : array( 'REMOTE_ADDR' ) as $header ) {
			$found = self::valid( $header, $flags );
			if ( null !== $found ) {
				$server = $header;
				break;
			}
		}
		/**
		 * The address where none was found.
		 *
		 * @param string $address An address.
		 */
		$found ??= (string) apply_filters( 'pantheon_sessions_client_ip_default', '127.0.0.1' );
		/**
		 * The address.
		 *
		 * @param string      $found  An address.
		 * @param string|null $server The name in `$_SERVER` under which it was found.
		 */
		return (string) apply_filters( 'pantheon_sessions_client_ip', $found, $server );
	}

	/**
	 * A valid address in `$_SERVER`: of a list its first.
	 *
	 * @param string $name  Its name there.
	 * @param int    $flags FILTER_FLAG_*.
	 */
	private static function valid( string $name, int $flags ): ?string {
		// phpcs:ignore WordPress.Security.ValidatedSanitizedInput -- checked in the next lines.
		$text  = isset( $_SERVER[ $name ] ) && is_string( $_SERVER[ $name ] ) ? wp_unslash( $_SERVER[ $name ] ) : '';
		$first = trim( explode( ',', $text )[0] );
		return false !== filter_var( $first, FILTER_VALIDATE_IP, $flags ) ? $first : null;
	}

	/**
	 * Whether an address is one of the proxies.
	 *
	 * @param string       $address The address.
	 * @param array<mixed> $proxies Addresses, or networks.
	 */
	private static function is_trusted( string $address, array $proxies ): bool {
		$bytes = '' === $address ? false : inet_pton( $address );
		foreach ( $proxies as $proxy ) {
			list( $network, $bits ) = array( ...explode( '/', (string) $proxy, 2 ), null );
			$start                  = false !== filter_var( $network, FILTER_VALIDATE_IP ) ? inet_pton( $network ) : false;
			if ( false === $bytes || false === $start || strlen( $start ) !== strlen( $bytes ) ) {
				continue;
			}
			$bits = null === $bits ? 8 * strlen( $start ) : min( (int) $bits, 8 * strlen( $start ) );
			$mask = str_pad( str_repeat( "\xff", intdiv( $bits, 8 ) ) . ( $bits % 8 ? chr( 0xff << ( 8 - $bits % 8 ) & 0xff ) : '' ), strlen( $start ), "\0" );
			if ( ( $bytes & $mask ) === ( $start & $mask ) ) {
				return true;
			}
		}
		return false;
	}
}
