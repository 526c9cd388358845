<?php
/**
 * Who starts sessions.
 *
 * @package Cloakroom
 */

namespace Cloakroom\Health;

use Cloakroom\Admin\Blame as Report;

/**
 * The extension's report `blame` as rows of texts and numbers, one for each place in the code that starts sessions.
 *
 * @phpstan-type Start array{who: string, where: string, starts: int, changed: int, read: int, empty: int, pages: string, advice: string}
 */
final class Blame {

	/** How far back the site's health looks: a week. */
	public const HOURS = 168;

	/** Most addresses shown of one row. */
	private const PAGES = 4;

	/**
	 * Places that start sessions, the most frequent first. Counts are estimates: PHP looks at one request in so many.
	 *
	 * @param int $hours How far back.
	 * @return list<Start>
	 */
	public static function starts( int $hours = self::HOURS ): array {
		return self::sum( cloakroom_report( 'blame', $hours ) );
	}

	/**
	 * Sums up rows of the report.
	 *
	 * @param list<array{label: string, hour: int, count: int, sum: int, sample: string}> $report Rows.
	 * @return list<Start>
	 */
	public static function sum( array $report ): array {
		$list = array();
		foreach ( Report::of( $report )->starts as $start ) {
			$list[] = array(
				'who'     => $start['who'],
				'where'   => $start['where'],
				'starts'  => $start['starts'],
				'changed' => $start['changed'],
				'read'    => $start['kept'],
				'empty'   => $start['empty'],
				'pages'   => implode( ' ', array_slice( $start['pages'], 0, self::PAGES ) ),
				'advice'  => $start['advice'],
			);
		}
		return $list;
	}
}
