<?php
/**
 * Counts, by PHP's own tokenizer, what `cloakroom audit` is to find: per file and kind. Knows nothing of how the audit works.
 *
 * php -n audit_count.php FOLDER…   prints JSON: { "file": { "session_start": 2, "$_SESSION read": 5, … }, … }
 *
 * Kinds: each session function by its name; "dynamic NAME"; "$_SESSION read|write|unset" (references count as reads: only
 * the audit knows which functions take their arguments by reference); "ini_set"; "setcookie"; "plugin session".
 */

declare( strict_types = 1 );
error_reporting( E_ALL & ~E_DEPRECATED );
ini_set( 'memory_limit', '1G' );

const ENDINGS = array( 'php', 'php3', 'php4', 'php5', 'php7', 'php8', 'phtml', 'inc', 'module', 'install', 'theme', 'engine', 'profile' );

const FUNCTIONS = array(
	'session_abort', 'session_cache_expire', 'session_cache_limiter', 'session_commit', 'session_create_id', 'session_decode',
	'session_destroy', 'session_encode', 'session_gc', 'session_get_cookie_params', 'session_id', 'session_is_registered',
	'session_module_name', 'session_name', 'session_regenerate_id', 'session_register', 'session_register_shutdown',
	'session_reset', 'session_save_path', 'session_set_cookie_params', 'session_set_save_handler', 'session_start',
	'session_status', 'session_unregister', 'session_unset', 'session_write_close',
);

// Which argument is called: the first or the second.
const CALLERS = array(
	'call_user_func' => 0, 'call_user_func_array' => 0, 'forward_static_call' => 0, 'forward_static_call_array' => 0,
	'array_map' => 0, 'register_shutdown_function' => 0, 'register_tick_function' => 0, 'header_register_callback' => 0,
	'spl_autoload_register' => 0, 'ob_start' => 0, 'set_error_handler' => 0, 'set_exception_handler' => 0,
	'array_walk' => 1, 'array_walk_recursive' => 1, 'array_filter' => 1, 'array_reduce' => 1, 'usort' => 1, 'uasort' => 1,
	'uksort' => 1, 'iterator_apply' => 1, 'preg_replace_callback' => 1, 'add_action' => 1, 'add_filter' => 1,
	'add_shortcode' => 1, 'register_activation_hook' => 1, 'register_deactivation_hook' => 1,
);

/** The files, each once. */
function files( array $roots ): array {
	$found = array();
	$seen  = array();
	$open  = array_reverse( $roots );
	while ( $open ) {
		$path = array_pop( $open );
		$real = realpath( $path );
		if ( false === $real || isset( $seen[ $real ] ) ) {
			continue;
		}
		if ( is_dir( $path ) ) {
			$seen[ $real ] = true;
			foreach ( scandir( $path ) as $name ) {
				if ( '.' !== $name && '..' !== $name ) {
					$open[] = "$path/$name";
				}
			}
		} elseif ( is_file( $path ) && is_php( $path ) ) {
			// The links to a file are one file; which of its names is shown is no matter, so that its real one is taken.
			$seen[ $real ] = true;
			$found[]       = $real;
		}
	}
	return $found;
}

/** Whether there is PHP in it. */
function is_php( string $path ): bool {
	$ending = pathinfo( $path, PATHINFO_EXTENSION );
	if ( '' === $ending || ! str_contains( basename( $path ), '.' ) ) {
		$line = strtok( (string) file_get_contents( $path, false, null, 0, 64 ), "\n" );
		return is_string( $line ) && str_starts_with( $line, '#!' ) && str_contains( $line, 'php' );
	}
	return in_array( strtolower( $ending ), ENDINGS, true );
}

/** The counts of one file, with what may turn out to be a function of the application's own. */
function count_file( string $path ): array {
	$code   = str_ireplace( '<?xml', '<_xml', (string) file_get_contents( $path ) );
	$tokens = array();
	foreach ( @PhpToken::tokenize( $code ) as $token ) {
		if ( ! in_array( $token->id, array( T_WHITESPACE, T_COMMENT, T_DOC_COMMENT ), true ) ) {
			$tokens[] = $token;
		}
		if ( T_HALT_COMPILER === $token->id ) {
			break;
		}
	}
	return ( new Counter( $tokens ) )->run();
}

/** One file's tokens. */
final class Counter {
	private array $counts     = array();
	private array $own        = array();
	private array $maybe      = array();
	private string $namespace = '';
	private array $aliases    = array();
	private array $callables  = array();

	public function __construct( private array $tokens ) {}

	public function run(): array {
		$count = count( $this->tokens );
		for ( $i = 0; $i < $count; $i++ ) {
			$token = $this->tokens[ $i ];
			switch ( $token->id ) {
				case T_NAMESPACE:
					if ( '\\' !== $this->text( $i + 1 ) ) {
						$this->namespace = '{' === $this->text( $i + 1 ) ? '' : strtolower( $this->text( $i + 1 ) );
						$this->aliases   = array();
					}
					break;
				case T_USE:
					$this->import( $i );
					break;
				case T_FUNCTION:
					$name = '&' === $this->text( $i + 1 ) ? $i + 2 : $i + 1;
					if ( '' !== $this->namespace && in_array( strtolower( $this->text( $name ) ), FUNCTIONS, true ) ) {
						$this->own[ $this->namespace . '\\' . strtolower( $this->text( $name ) ) ] = true;
					}
					break;
				case T_STRING:
				case T_NAME_FULLY_QUALIFIED:
				case T_NAME_RELATIVE:
				case T_NAME_QUALIFIED:
				// A name that is also a keyword of the language is none of ours.
					$this->name( $i );
					break;
				case T_VARIABLE:
					$this->variable( $i );
					break;
				case T_STRING_VARNAME:
					if ( '_SESSION' === $token->text ) {
						$this->add( '$_SESSION read' );
					}
					break;
				case T_CONSTANT_ENCAPSED_STRING:
					if ( '(' === $this->text( $i + 1 ) && $this->function_in( $i ) ) {
						$this->add( 'dynamic ' . $this->function_in( $i ) );
					}
					break;
			}
		}
		return array( $this->counts, $this->maybe, array_keys( $this->own ) );
	}

	private function text( int $i ): string {
		return isset( $this->tokens[ $i ] ) ? $this->tokens[ $i ]->text : '';
	}

	private function id( int $i ): int {
		return isset( $this->tokens[ $i ] ) ? $this->tokens[ $i ]->id : 0;
	}

	private function add( string $kind, int $many = 1 ): void {
		$this->counts[ $kind ] = ( $this->counts[ $kind ] ?? 0 ) + $many;
	}

	/** The session function that a string names. */
	private function function_in( int $i ): ?string {
		if ( T_CONSTANT_ENCAPSED_STRING !== $this->id( $i ) ) {
			return null;
		}
		$name = strtolower( ltrim( substr( $this->text( $i ), 1, -1 ), '\\' ) );
		return in_array( $name, FUNCTIONS, true ) ? $name : null;
	}

	/** `use function a\b as c, d;` and `use function a\{b, c};`. */
	private function import( int $i ): void {
		if ( T_FUNCTION !== $this->id( $i + 1 ) ) {
			return;
		}
		$prefix = '';
		for ( $i += 2; ';' !== $this->text( $i ) && '' !== $this->text( $i ); $i++ ) {
			if ( '{' === $this->text( $i + 1 ) || ( '\\' === $this->text( $i + 1 ) && '{' === $this->text( $i + 2 ) ) ) {
				$prefix = rtrim( $this->text( $i ), '\\' ) . '\\';
				continue;
			}
			if ( ! preg_match( '/^[\\\\\w]*\w$/', $this->text( $i ) ) || T_AS === $this->id( $i ) || T_AS === $this->id( $i - 1 ) ) {
				continue;
			}
			$full  = strtolower( ltrim( $prefix . $this->text( $i ), '\\' ) );
			$alias = T_AS === $this->id( $i + 1 ) ? $this->text( $i + 2 ) : substr( strrchr( '\\' . $full, '\\' ), 1 );
			$this->aliases[ strtolower( $alias ) ] = $full;
		}
	}

	private function name( int $i ): void {
		if ( 'WP_Session' === ltrim( $this->text( $i ), '\\' )
			&& ( T_NEW === $this->id( $i - 1 ) || ( T_DOUBLE_COLON === $this->id( $i + 1 ) && '(' === $this->text( $i + 3 ) ) ) ) {
			$this->add( 'plugin session' );
		}
		if ( '(' !== $this->text( $i + 1 ) ) {
			return;
		}
		$before = '&' === $this->text( $i - 1 ) ? $this->id( $i - 2 ) : $this->id( $i - 1 );
		if ( in_array( $this->id( $i - 1 ), array( T_OBJECT_OPERATOR, T_NULLSAFE_OBJECT_OPERATOR, T_DOUBLE_COLON, T_NEW ), true )
			|| T_FUNCTION === $before ) {
			if ( in_array( strtolower( $this->text( $i ) ), array( 'add_action', 'add_filter', 'add_shortcode' ), true )
				&& T_FUNCTION !== $before ) {
				$this->callers( strtolower( $this->text( $i ) ), $i + 1 );
			}
			return;
		}
		$name = strtolower( $this->text( $i ) );
		$own  = null;
		if ( str_starts_with( $name, '\\' ) ) {
			$name = substr( $name, 1 );
		} elseif ( str_starts_with( $name, 'namespace\\' ) && '' === $this->namespace ) {
			$name = substr( $name, 10 );
		} elseif ( isset( $this->aliases[ $name ] ) ) {
			$name = $this->aliases[ $name ];
		} elseif ( '' !== $this->namespace ) {
			$own = $this->namespace . '\\' . $name;
		}
		if ( in_array( $name, FUNCTIONS, true ) ) {
			if ( null !== $own ) {
				$this->maybe[ $own ] = ( $this->maybe[ $own ] ?? 0 ) + 1;
			} else {
				$this->add( $name );
			}
			return;
		}
		if ( in_array( $name, array( 'ini_set', 'ini_alter' ), true )
			&& T_CONSTANT_ENCAPSED_STRING === $this->id( $i + 2 )
			&& in_array( $this->text( $i + 3 ), array( ',', ')' ), true )
			&& str_starts_with( strtolower( substr( $this->text( $i + 2 ), 1 ) ), 'session.' ) ) {
			$this->add( 'ini_set' );
		}
		if ( in_array( $name, array( 'setcookie', 'setrawcookie' ), true ) && $this->of_session( $i + 2 ) ) {
			$this->add( 'setcookie' );
		}
		if ( str_starts_with( $name, 'wp_session_' ) ) {
			$this->add( 'plugin session' );
		}
		if ( 'wc' === $name && ')' === $this->text( $i + 2 ) && 'session' === $this->text( $i + 4 )
			&& in_array( $this->text( $i + 3 ), array( '->', '?->' ), true ) && '(' !== $this->text( $i + 5 ) ) {
			$this->add( 'plugin session' );
		}
		$this->callers( $name, $i + 1 );
	}

	/** Whether a cookie's name is a session's. */
	private function of_session( int $i ): bool {
		if ( in_array( strtolower( $this->text( $i ) ), array( 'session_name', '\\session_name' ), true ) ) {
			return '(' === $this->text( $i + 1 ) && ')' === $this->text( $i + 2 ) && in_array( $this->text( $i + 3 ), array( ',', ')' ), true );
		}
		return T_CONSTANT_ENCAPSED_STRING === $this->id( $i )
			&& in_array( $this->text( $i + 1 ), array( ',', ')' ), true )
			&& 1 === preg_match( '/sess|^sid$|[_.]sid$|^wordpress_|^(woocommerce|comment_author|wp-postpass)_|^(phpMyAdmin|cacti|SimpleSAML|PrestaShop-)|^(XSRF-TOKEN|CAKEPHP)$/i', substr( $this->text( $i ), 1, -1 ) );
	}

	/** A session function's name as the argument that is called. */
	private function callers( string $function, int $open ): void {
		if ( ! isset( CALLERS[ $function ] ) ) {
			return;
		}
		$depth    = 0;
		$argument = 0;
		for ( $i = $open; '' !== $this->text( $i ); $i++ ) {
			$text = $this->text( $i );
			if ( in_array( $text, array( '(', '[', '{' ), true ) || in_array( $this->id( $i ), array( T_CURLY_OPEN, T_DOLLAR_OPEN_CURLY_BRACES ), true ) ) {
				++$depth;
			} elseif ( in_array( $text, array( ')', ']', '}' ), true ) ) {
				if ( 0 === --$depth ) {
					return;
				}
			} elseif ( ',' === $text && 1 === $depth ) {
				++$argument;
			} elseif ( 1 === $depth && $argument === CALLERS[ $function ] && $this->function_in( $i )
				&& in_array( $this->text( $i + 1 ), array( ',', ')' ), true ) && in_array( $this->text( $i - 1 ), array( ',', '(' ), true ) ) {
				$this->add( 'dynamic ' . $this->function_in( $i ) );
			}
		}
	}

	private function variable( int $i ): void {
		$text = $this->text( $i );
		if ( '$GLOBALS' === $text && '[' === $this->text( $i + 1 ) && "'_SESSION'" === str_replace( '"', "'", $this->text( $i + 2 ) ) && ']' === $this->text( $i + 3 ) ) {
			$this->add( '$_SESSION ' . $this->how( $i, $i + 3 ) );
			return;
		}
		if ( '$_SESSION' === $text ) {
			$this->add( '$_SESSION ' . $this->how( $i, $i ) );
			return;
		}
		if ( '=' === $this->text( $i + 1 ) && $this->function_in( $i + 2 ) && ';' === $this->text( $i + 3 ) ) {
			$this->callables[ $text ] = $this->function_in( $i + 2 );
		} elseif ( '(' === $this->text( $i + 1 ) && isset( $this->callables[ $text ] ) && ! in_array( $this->id( $i - 1 ), array( T_OBJECT_OPERATOR, T_DOUBLE_COLON, T_NEW ), true ) ) {
			$this->add( 'dynamic ' . $this->callables[ $text ] );
		}
	}

	/** What happens to the variable whose first token is at $first and whose last at $last. */
	private function how( int $first, int $last ): string {
		// `$_SESSION['a'][$b]->c`: to its end.
		$i = $last + 1;
		while ( true ) {
			if ( '[' === $this->text( $i ) || ( '{' === $this->text( $i ) && T_OBJECT_OPERATOR === $this->id( $i - 1 ) ) ) {
				$i = $this->closing( $i ) + 1;
			} elseif ( in_array( $this->id( $i ), array( T_OBJECT_OPERATOR, T_NULLSAFE_OBJECT_OPERATOR ), true ) ) {
				++$i;
				if ( '{' !== $this->text( $i ) ) {
					++$i;
				}
				if ( '(' === $this->text( $i ) ) {
					return 'read';
				}
			} else {
				break;
			}
		}
		// Parentheses around it say nothing: ($_SESSION['a']) = 1 is no PHP, but isset(($x)) is.
		$after = $this->tokens[ $i ] ?? null;
		if ( T_INC === $this->id( $first - 1 ) || T_DEC === $this->id( $first - 1 ) ) {
			return 'write';
		}
		if ( null !== $after ) {
			if ( '=' === $after->text ) {
				// A reference is told by the audit alone; here it counts as read.
				return '&' === $this->text( $i + 1 ) ? 'read' : ( '&' === $this->text( $first - 1 ) && ! $this->binary_before( $first - 1 ) ? 'read' : 'write' );
			}
			if ( in_array( $after->id, array( T_PLUS_EQUAL, T_MINUS_EQUAL, T_MUL_EQUAL, T_DIV_EQUAL, T_CONCAT_EQUAL, T_MOD_EQUAL, T_AND_EQUAL, T_OR_EQUAL, T_XOR_EQUAL, T_SL_EQUAL, T_SR_EQUAL, T_POW_EQUAL, T_COALESCE_EQUAL, T_INC, T_DEC ), true ) ) {
				return 'write';
			}
		}
		if ( '&' === $this->text( $first - 1 ) ) {
			return 'read';
		}
		return $this->around( $first, $i );
	}

	/** Whether the & is an operator between two values. */
	private function binary_before( int $amp ): bool {
		return in_array( $this->id( $amp - 1 ), array( T_VARIABLE, T_LNUMBER ), true ) || in_array( $this->text( $amp - 1 ), array( ')', ']' ), true );
	}

	private function closing( int $open ): int {
		$depth = 0;
		for ( $i = $open; '' !== $this->text( $i ); $i++ ) {
			if ( in_array( $this->text( $i ), array( '(', '[', '{' ), true ) || in_array( $this->id( $i ), array( T_CURLY_OPEN, T_DOLLAR_OPEN_CURLY_BRACES ), true ) ) {
				++$depth;
			} elseif ( in_array( $this->text( $i ), array( ')', ']', '}' ), true ) && 0 === --$depth ) {
				return $i;
			}
		}
		return $i;
	}

	/** What stands around it: unset(), a foreach's `as`, a list that is assigned. */
	private function around( int $first, int $after ): string {
		if ( T_AS === $this->id( $first - 1 ) && ')' === $this->text( $after ) ) {
			return 'write';
		}
		if ( T_DOUBLE_ARROW === $this->id( $first - 1 ) && ')' === $this->text( $after ) ) {
			// foreach (… as $k => $_SESSION['x'])?
			for ( $i = $first - 1; $i > 0 && ! in_array( $this->text( $i ), array( '(', ';', '{' ), true ); $i-- ) {
				if ( T_AS === $this->id( $i ) ) {
					return 'write';
				}
			}
		}
		if ( ! in_array( $this->text( $after ), array( ',', ')', ']' ), true ) ) {
			return 'read';
		}
		// The bracket that is open here.
		$depth = 0;
		for ( $i = $first - 1; $i >= 0; $i-- ) {
			if ( in_array( $this->text( $i ), array( ')', ']', '}' ), true ) ) {
				++$depth;
			} elseif ( in_array( $this->text( $i ), array( '(', '[', '{' ), true ) || in_array( $this->id( $i ), array( T_CURLY_OPEN, T_DOLLAR_OPEN_CURLY_BRACES ), true ) ) {
				if ( 0 === $depth ) {
					break;
				}
				--$depth;
			} elseif ( ';' === $this->text( $i ) ) {
				return 'read';
			}
		}
		// Only what is a whole element of it is meant.
		$whole = in_array( $this->text( $first - 1 ), array( '(', '[', ',' ), true ) || T_DOUBLE_ARROW === $this->id( $first - 1 );
		if ( ! $whole ) {
			return 'read';
		}
		if ( '(' === $this->text( $i ) && T_UNSET === $this->id( $i - 1 ) ) {
			return 'unset';
		}
		if ( '(' === $this->text( $i ) && T_LIST === $this->id( $i - 1 ) ) {
			return 'write';
		}
		$close = $this->closing( $i );
		if ( '[' === $this->text( $i ) && '=' === $this->text( $close + 1 )
			&& ! in_array( $this->id( $i - 1 ), array( T_VARIABLE, T_STRING ), true ) && ! in_array( $this->text( $i - 1 ), array( ']', ')' ), true ) ) {
			return 'write';
		}
		return 'read';
	}
}

$all = array();
$own = array();
foreach ( files( array_slice( $argv, 1 ) ) as $path ) {
	$all[ $path ] = count_file( $path );
	$own          = array_merge( $own, array_flip( $all[ $path ][2] ) );
}
$result = array();
foreach ( $all as $path => list( $counts, $maybe ) ) {
	// In a namespace the application's own function of that name comes first.
	foreach ( $maybe as $name => $many ) {
		if ( ! isset( $own[ $name ] ) ) {
			$function            = substr( strrchr( $name, '\\' ), 1 );
			$counts[ $function ] = ( $counts[ $function ] ?? 0 ) + $many;
		}
	}
	if ( $counts ) {
		ksort( $counts );
		$result[ $path ] = $counts;
	}
}
echo json_encode( array( 'files' => count( $all ), 'counts' => $result ? $result : new stdClass() ), JSON_THROW_ON_ERROR | JSON_INVALID_UTF8_SUBSTITUTE ), "\n";
