<?php
/**
 * Sessions as personal data.
 *
 * @package Cloakroom
 */

namespace Cloakroom\Privacy;

use Cloakroom\Module;
use Cloakroom\Owner\Devices;
use Cloakroom\Owner\Owner;

/**
 * Exports what is known of a person's sessions, and ends them when the person's data are erased. What is in a session is sealed:
 * nobody but the visitor's own browser can open it, so it can't be exported.
 */
final class Personal_Data implements Module {

	/**
	 * Adds filters.
	 */
	public function register(): void {
		add_filter( 'wp_privacy_personal_data_exporters', array( $this, 'exporters' ) );
		add_filter( 'wp_privacy_personal_data_erasers', array( $this, 'erasers' ) );
		add_action( 'admin_init', array( $this, 'suggest' ) );
	}

	/**
	 * Adds ours.
	 *
	 * @param array<string, array<string, mixed>> $exporters Others'.
	 * @return array<string, array<string, mixed>>
	 */
	public function exporters( $exporters ): array {
		$exporters['cloakroom'] = array(
			'exporter_friendly_name' => __( 'Sessions', 'cloakroom' ),
			'callback'               => array( $this, 'export' ),
		);
		return $exporters;
	}

	/**
	 * Adds ours.
	 *
	 * @param array<string, array<string, mixed>> $erasers Others'.
	 * @return array<string, array<string, mixed>>
	 */
	public function erasers( $erasers ): array {
		$erasers['cloakroom'] = array(
			'eraser_friendly_name' => __( 'Sessions', 'cloakroom' ),
			'callback'             => array( $this, 'erase' ),
		);
		return $erasers;
	}

	/**
	 * What is known of a person's sessions.
	 *
	 * @param string $email The person's address.
	 * @return array{data: list<array<string, mixed>>, done: bool}
	 */
	public function export( $email ): array {
		$user = get_user_by( 'email', (string) $email );
		$data = array();
		foreach ( $user ? Devices::sessions( $user->ID ) : array() as $key => $row ) {
			$facts = array(
				__( 'Started', 'cloakroom' )   => (string) wp_date( DATE_RFC3339, (int) $row['created'] ),
				__( 'Last used', 'cloakroom' ) => (string) wp_date( DATE_RFC3339, (int) $row['touched'] ),
				__( 'Ends', 'cloakroom' )      => (string) wp_date( DATE_RFC3339, (int) $row['expires'] ),
				__( 'Size', 'cloakroom' )      => (string) size_format( (int) $row['size'] ),
				__( 'Device', 'cloakroom' )    => (string) $row['device'],
				__( 'Address', 'cloakroom' )   => (string) $row['address'],
			);
			$item  = array();
			foreach ( array_filter( $facts, 'strlen' ) as $name => $value ) {
				$item[] = compact( 'name', 'value' );
			}
			$data[] = array(
				'group_id'          => 'cloakroom',
				'group_label'       => __( 'Sessions', 'cloakroom' ),
				'group_description' => __( 'Visits to this site that have not ended yet.', 'cloakroom' ),
				'item_id'           => 'session-' . substr( $key, 0, 12 ),
				'data'              => $item,
			);
		}
		return array(
			'data' => $data,
			'done' => true,
		);
	}

	/**
	 * Ends a person's sessions.
	 *
	 * @param string $email The person's address.
	 * @return array{items_removed: bool, items_retained: bool, messages: list<string>, done: bool}
	 */
	public function erase( $email ): array {
		$user   = get_user_by( 'email', (string) $email );
		$result = $user ? Owner::end_sessions( $user->ID, false ) : array(
			'ended'    => 0,
			'complete' => true,
		);
		$all    = ! empty( $result['complete'] );
		return array(
			'items_removed'  => ( $result['ended'] ?? 0 ) > 0,
			'items_retained' => ! $all,
			'messages'       => $all ? array() : array( __( 'The session store could not promise that no session is left; sessions that nobody uses end by themselves.', 'cloakroom' ) ),
			'done'           => true,
		);
	}

	/**
	 * A paragraph for the site's privacy policy.
	 */
	public function suggest(): void {
		wp_add_privacy_policy_content(
			'Cloakroom',
			wp_kses_post( wpautop( __( 'When you use functions of this site that have to remember something from page to page, such as a cart, your browser gets a cookie with a random number. What is kept under it is stored encrypted, together with when it was last used and, if you are logged in, your user number. It ends when you log out, or when it has not been used for some time.', 'cloakroom' ) ) )
		);
	}
}
