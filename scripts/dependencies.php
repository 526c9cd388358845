<?php
/**
 * What cargo knows about this workspace, for scripts/check.sh.
 *
 * php dependencies.php features   each of our packages that has cargo features, with them
 * php dependencies.php audit      fails on a licence we have not agreed to, or a source other than crates.io;
 *                                 names packages that are there in two versions
 */

declare( strict_types = 1 );

// Licences that a user of MIT or Apache-2.0 software can live with: they ask for their notice and nothing else.
const ACCEPTED = array(
	'MIT',
	'MIT-0',
	'Apache-2.0',
	'Apache-2.0 WITH LLVM-exception',
	'BSD-1-Clause',
	'BSD-2-Clause',
	'BSD-3-Clause',
	'ISC',
	'Zlib',
	'0BSD',
	'CC0-1.0',
	'Unlicense',
	'BSL-1.0',
	'Unicode-3.0',
	'CDLA-Permissive-2.0',
);

/**
 * What `cargo metadata` says, decoded.
 *
 * @param string $options Further options.
 */
function metadata( string $options ): array {
	$json = shell_exec( 'cargo metadata --format-version 1 --locked ' . $options );
	if ( ! is_string( $json ) || '' === $json ) {
		fwrite( STDERR, "cargo metadata gave no answer\n" );
		exit( 1 );
	}
	return json_decode( $json, true, 512, JSON_THROW_ON_ERROR );
}

/**
 * Whether a licence expression can be met with accepted licences: one alternative of an OR, all parts of an AND.
 *
 * @param string $expression SPDX, also in the old form with a slash for OR.
 */
function is_accepted( string $expression ): bool {
	preg_match_all( '/[()]|[^\s()]+(?:\s+WITH\s+[^\s()]+)?/', str_replace( '/', ' OR ', $expression ), $matches );
	$tokens = $matches[0];
	$at     = 0;
	return any_of( $tokens, $at ) && count( $tokens ) === $at;
}

/** One alternative of several. */
function any_of( array $tokens, int &$at ): bool {
	$result = all_of( $tokens, $at );
	while ( 'OR' === ( $tokens[ $at ] ?? '' ) ) {
		++$at;
		$result = all_of( $tokens, $at ) || $result;
	}
	return $result;
}

/** All of several. */
function all_of( array $tokens, int &$at ): bool {
	$result = one( $tokens, $at );
	while ( 'AND' === ( $tokens[ $at ] ?? '' ) ) {
		++$at;
		$result = one( $tokens, $at ) && $result;
	}
	return $result;
}

/** A single licence, or an expression in parentheses. */
function one( array $tokens, int &$at ): bool {
	$token = $tokens[ $at++ ] ?? '';
	if ( '(' !== $token ) {
		return in_array( $token, ACCEPTED, true );
	}
	$result = any_of( $tokens, $at );
	return ')' === ( $tokens[ $at++ ] ?? '' ) && $result;
}

/** Prints our packages with their features. */
function features(): int {
	foreach ( metadata( '--no-deps' )['packages'] as $package ) {
		$features = array_diff( array_map( 'strval', array_keys( $package['features'] ) ), array( 'default' ) );
		if ( $features ) {
			echo $package['name'], ' ', implode( ' ', $features ), "\n";
		}
	}
	return 0;
}

/** Checks every package that we build with. */
function audit(): int {
	$metadata = metadata( '--all-features' );
	$own      = array_flip( $metadata['workspace_members'] );
	$problems = array();
	$versions = array();
	foreach ( $metadata['packages'] as $package ) {
		if ( isset( $own[ $package['id'] ] ) ) {
			continue;
		}
		$name                           = $package['name'] . ' ' . $package['version'];
		$versions[ $package['name'] ][] = $package['version'];
		if ( ! is_accepted( (string) $package['license'] ) ) {
			$problems[] = "$name: the licence '{$package['license']}' is not one we have agreed to";
		}
		if ( ! str_starts_with( (string) $package['source'], 'registry+https://github.com/rust-lang/crates.io-index' ) ) {
			$problems[] = "$name comes from '{$package['source']}' and not from crates.io";
		}
	}
	foreach ( $versions as $name => $several ) {
		if ( count( $several ) > 1 ) {
			echo "There twice: $name ", implode( ', ', $several ), "\n";
		}
	}
	foreach ( $problems as $problem ) {
		fwrite( STDERR, $problem . "\n" );
	}
	echo count( $versions ), ' dependencies looked at, ', count( $problems ), " problems\n";
	return $problems ? 1 : 0;
}

// The parser decides what we ship: a quick look at itself before it judges others.
foreach ( array( 'MIT' => true, 'MIT/Apache-2.0' => true, 'GPL-3.0 OR MIT' => true, 'GPL-3.0 AND MIT' => false, '(MIT OR GPL-2.0) AND Unicode-3.0' => true, '' => false, 'MIT AND (GPL-2.0 OR LGPL-2.1)' => false ) as $expression => $expected ) {
	if ( is_accepted( $expression ) !== $expected ) {
		fwrite( STDERR, "the licence parser misjudges '$expression'\n" );
		exit( 1 );
	}
}

exit( match ( $argv[1] ?? '' ) {
	'features' => features(),
	'audit'    => audit(),
	default    => 2,
} );
