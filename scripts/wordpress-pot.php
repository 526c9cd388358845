<?php
/**
 * Writes wordpress/cloakroom/languages/cloakroom.pot: every text of the plugin that can be translated.
 *
 * php scripts/wordpress-pot.php [--check]   --check writes nothing and ends with 1 when the file is not what it should be
 */

// phpcs:disable -- a script, not a plugin.

$plugin = dirname( __DIR__ ) . '/wordpress/cloakroom';
$target = $plugin . '/languages/cloakroom.pot';
/** Function => places of: the text, the plural, the context. */
$functions = array(
	'__' => array( 0, null, null ), '_e' => array( 0, null, null ), 'esc_html__' => array( 0, null, null ), 'esc_html_e' => array( 0, null, null ),
	'esc_attr__' => array( 0, null, null ), 'esc_attr_e' => array( 0, null, null ), '_x' => array( 0, null, 1 ), '_ex' => array( 0, null, 1 ),
	'esc_html_x' => array( 0, null, 1 ), 'esc_attr_x' => array( 0, null, 1 ), '_n' => array( 0, 1, null ), '_nx' => array( 0, 1, 3 ),
	'_n_noop' => array( 0, 1, null ), '_nx_noop' => array( 0, 1, 2 ),
);

/** The value of a string literal. */
function literal( string $token ): string {
	$body = substr( $token, 1, -1 );
	return "'" === $token[0] ? strtr( $body, array( "\\'" => "'", '\\\\' => '\\' ) ) : stripcslashes( $body );
}

function quoted( string $text ): string {
	return '"' . strtr( $text, array( '\\' => '\\\\', '"' => '\\"', "\n" => '\\n', "\t" => '\\t' ) ) . '"';
}

$entries = array();
// The plugin's own description is shown in the list of plugins.
if ( preg_match( '/^ \* Description:\s*(.+)$/m', (string) file_get_contents( $plugin . '/cloakroom.php' ), $m ) ) {
	$entries[ "\0" . trim( $m[1] ) ] = array( 'text' => trim( $m[1] ), 'plural' => null, 'context' => null, 'notes' => array( 'Description of the plugin' => 1 ), 'places' => array( 'cloakroom.php' => 1 ) );
}
$files = array();
foreach ( new RecursiveIteratorIterator( new RecursiveDirectoryIterator( $plugin, FilesystemIterator::SKIP_DOTS ) ) as $file ) {
	if ( 'php' === $file->getExtension() ) {
		$files[] = $file->getPathname();
	}
}
sort( $files );
foreach ( $files as $file ) {
	$tokens = array_values( array_filter( PhpToken::tokenize( (string) file_get_contents( $file ) ), static fn ( PhpToken $t ): bool => T_WHITESPACE !== $t->id ) );
	$note   = '';
	$noted  = 0;
	foreach ( $tokens as $i => $token ) {
		if ( T_COMMENT === $token->id && preg_match( '/translators:\s*(.*?)\s*\*?\/?$/s', $token->text, $m ) ) {
			list( $note, $noted ) = array( $m[1], $token->line );
		}
		if ( ! in_array( $token->id, array( T_STRING, T_NAME_FULLY_QUALIFIED ), true ) || ! isset( $functions[ ltrim( $token->text, '\\' ) ] ) || '(' !== ( $tokens[ $i + 1 ]->text ?? '' ) || in_array( $tokens[ $i - 1 ]->id, array( T_OBJECT_OPERATOR, T_DOUBLE_COLON, T_FUNCTION ), true ) ) {
			continue;
		}
		$arguments = array( array() );
		for ( $n = $i + 2, $depth = 1; $depth > 0; ++$n ) {
			$text   = $tokens[ $n ]->text;
			$depth += in_array( $text, array( '(', '[' ), true ) ? 1 : ( in_array( $text, array( ')', ']' ), true ) ? -1 : 0 );
			if ( 1 === $depth && ',' === $text ) {
				$arguments[] = array();
			} elseif ( $depth > 0 ) {
				$arguments[ count( $arguments ) - 1 ][] = $tokens[ $n ];
			}
		}
		$value = static function ( ?int $at ) use ( $arguments, $file, $token ): ?string {
			if ( null === $at ) {
				return null;
			}
			$argument = $arguments[ $at ] ?? array();
			if ( 1 !== count( $argument ) || T_CONSTANT_ENCAPSED_STRING !== $argument[0]->id ) {
				fwrite( STDERR, "$file:$token->line: a text must be one string literal\n" );
				exit( 1 );
			}
			return literal( $argument[0]->text );
		};
		list( $text, $plural, $context ) = array_map( $value, $functions[ ltrim( $token->text, '\\' ) ] );
		$domain = array_filter( $arguments, static fn ( array $a ): bool => 1 === count( $a ) && "'cloakroom'" === $a[0]->text );
		if ( ! $domain ) {
			fwrite( STDERR, "$file:$token->line: the text domain 'cloakroom' is missing\n" );
			exit( 1 );
		}
		$key               = $context . "\0" . $text;
		$entries[ $key ] ??= array( 'text' => $text, 'plural' => null, 'context' => $context, 'notes' => array(), 'places' => array() );
		$entries[ $key ]['plural'] ??= $plural;
		// The file is enough: line numbers would change this file with every edit.
		$entries[ $key ]['places'][ substr( $file, strlen( $plugin ) + 1 ) ] = 1;
		if ( '' !== $note && $token->line - $noted <= 2 ) {
			$entries[ $key ]['notes'][ $note ] = 1;
		} elseif ( preg_match( '/%(\d\$)?[sd]/', $text ) && ! $entries[ $key ]['notes'] ) {
			fwrite( STDERR, "$file:$token->line: a text with places needs a comment for translators\n" );
			exit( 1 );
		}
		$note = '';
	}
}

$pot = "# Texts of Cloakroom. Written by scripts/wordpress-pot.php.\nmsgid \"\"\nmsgstr \"\"\n" . quoted( "Project-Id-Version: Cloakroom\n" ) . "\n" . quoted( "MIME-Version: 1.0\n" ) . "\n" . quoted( "Content-Type: text/plain; charset=UTF-8\n" ) . "\n" . quoted( "Content-Transfer-Encoding: 8bit\n" ) . "\n" . quoted( "X-Domain: cloakroom\n" ) . "\n";
foreach ( $entries as $entry ) {
	$pot .= "\n";
	foreach ( array_keys( $entry['notes'] ) as $note ) {
		$pot .= '#. translators: ' . preg_replace( '/\s+/', ' ', $note ) . "\n";
	}
	foreach ( array_keys( $entry['places'] ) as $place ) {
		$pot .= "#: $place\n";
	}
	if ( str_contains( $entry['text'], '%' ) ) {
		$pot .= "#, php-format\n";
	}
	if ( null !== $entry['context'] ) {
		$pot .= 'msgctxt ' . quoted( $entry['context'] ) . "\n";
	}
	$pot .= 'msgid ' . quoted( $entry['text'] ) . "\n";
	$pot .= null === $entry['plural'] ? "msgstr \"\"\n" : 'msgid_plural ' . quoted( $entry['plural'] ) . "\nmsgstr[0] \"\"\nmsgstr[1] \"\"\n";
}
if ( in_array( '--check', $argv, true ) ) {
	if ( ! is_file( $target ) || file_get_contents( $target ) !== $pot ) {
		fwrite( STDERR, "languages/cloakroom.pot is not what the plugin says: run php scripts/wordpress-pot.php\n" );
		exit( 1 );
	}
	exit( 0 );
}
file_put_contents( $target, $pot );
echo count( $entries ), " texts\n";
