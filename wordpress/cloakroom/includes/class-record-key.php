<?php
/**
 * Keys of records.
 *
 * @package Cloakroom
 */

namespace Cloakroom;

/**
 * The key of the session that has an id: what the extension's functions list and take, and what people may see. It leads from the
 * id to the record, never back.
 */
final class Record_Key {

	private const DOMAIN = 'cloakroom/1 key of a session id';

	/**
	 * 64 hexadecimal digits: SHA-256 over a fixed text, the namespace and the id, each with its length in four bytes in front.
	 *
	 * @param string $id A session id.
	 */
	public static function of( string $id ): string {
		$text = '';
		foreach ( array( self::DOMAIN, (string) ini_get( 'cloakroom.namespace' ), $id ) as $part ) {
			$text .= pack( 'N', strlen( $part ) ) . $part;
		}
		return hash( 'sha256', $text );
	}

	/**
	 * Whether a text has the form of a key, or of a key's beginning that is long enough to name a record.
	 *
	 * @param string $text The text.
	 */
	public static function may_be( string $text ): bool {
		return 1 === preg_match( '/^[0-9a-f]{8,64}$/D', $text );
	}
}
