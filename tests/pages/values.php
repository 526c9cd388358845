<?php
// Everything that people put into sessions, by ?do=fill, change, merge or show; what `show` prints is compared with what
// PHP's own files handler gives. ?s= names the serializer.

class Plain {
	public $a = 1;
	protected $b = array( 'x' => "\0\xff" );
	private $c = 2.5;
	public $next;
}
class Sleepy {
	public $kept    = 'kept';
	public $dropped = 'dropped';
	public $woken   = false;
	public function __sleep() {
		return array( 'kept' );
	}
	public function __wakeup() {
		$this->woken = true;
	}
}
class Magic {
	public $data = array();
	public function __serialize(): array {
		return array( 'v' => $this->data, 5 => 'five' );
	}
	public function __unserialize( array $data ): void {
		$this->data = $data['v'];
	}
}
enum Suit: string {
	case Hearts = 'h';
	case Spades = 's';
}

if ( isset( $_GET['s'] ) ) {
	ini_set( 'session.serialize_handler', $_GET['s'] );
}
session_start();

function fill() {
	$all = implode( '', array_map( 'chr', range( 0, 255 ) ) );
	$_SESSION['scalars'] = array( 0, -1, PHP_INT_MAX, PHP_INT_MIN, 0.1, 1e300, -0.0, INF, true, false, null, '', '0', 'ünï' );
	$_SESSION['binary']  = $all . strrev( $all );
	$_SESSION['traps']   = array( 's:3:"abc";', 'a|i:1;', '";}', "N;\n", 'O:8:"stdClass":0:{}', '0:' );
	$_SESSION['keys']    = array( 7 => 'a', -3 => 'b', '007' => 'c', "\xff\0k" => 'd', '' => 'e', ' ' => 'f', $all => 'g' );
	$_SESSION['large']   = str_repeat( $all, 400 );
	$deep                = 'bottom';
	for ( $i = 0; $i < 60; $i++ ) {
		$deep = array( 'level' . $i => $deep, 'list' => array( 1, array( 2 ) ) );
	}
	$_SESSION['deep']    = $deep;
	$_SESSION['list']    = array( 'one', 'two' );
	$_SESSION['empty']   = array();
	$_SESSION['object']  = new Plain();
	$_SESSION['same']    = $_SESSION['object'];
	$_SESSION['object']->next = new Plain();
	$_SESSION['object']->next->next = $_SESSION['object'];
	$_SESSION['std']     = (object) array( 'a' => array( (object) array( 'b' => 'c' ) ), '1' => 'numeric' );
	$_SESSION['sleepy']  = new Sleepy();
	$_SESSION['magic']   = new Magic();
	$_SESSION['magic']->data = array( $_SESSION['std'], $_SESSION['object'] );
	$_SESSION['suits']   = array( Suit::Hearts, Suit::Spades, Suit::Hearts );
	$_SESSION['when']    = new DateTimeImmutable( '2024-02-29 12:34:56.789', new DateTimeZone( 'Europe/Vienna' ) );
	$_SESSION['array']   = new ArrayObject( array( 'x' => 1, 'y' => array( 2 ) ) );
	$shared              = array( 'shared' );
	$_SESSION['ref1']    = &$shared;
	$_SESSION['ref2']    = &$shared;
	$_SESSION['inner']   = array( 'a' => 1 );
	$_SESSION['inner']['b'] = &$_SESSION['inner']['a'];
	$_SESSION['123abc']  = 1;
	$_SESSION['0x1A']    = 2;
	$_SESSION['1e3']     = 3;
	$_SESSION['-5x']     = 4;
	$_SESSION['na me']   = 5;
	$_SESSION["b\xffn\1"] = 6;
	$_SESSION['!bang']   = 7;
	$_SESSION['n']       = 0;
}

function change() {
	++$_SESSION['n'];
	$_SESSION['list'][]          = 'three';
	$_SESSION['ref1'][]          = 'more';
	$_SESSION['inner']['a']     += 10;
	$_SESSION['object']->a       = 'changed';
	$_SESSION['std']->a[0]->b    = "\0\1\2";
	$_SESSION['magic']->data[]   = Suit::Spades;
	$_SESSION['array']['z']      = new Plain();
	$_SESSION['keys']["\xff\0k"] = 'D';
	unset( $_SESSION['empty'], $_SESSION['deep']['list'] );
}

// Waits in the middle, so that a change of another request comes in between; the two change different things.
function merge( $reading, $go ) {
	touch( $reading );
	for ( $i = 0; $i < 2000 && ! file_exists( $go ); $i++ ) {
		usleep( 5000 );
		clearstatcache();
	}
	$_SESSION['list'][]      = 'merged';
	$_SESSION['new']         = new Plain();
	$_SESSION['new']->next   = new DateTimeZone( 'UTC' );
	$_SESSION['array2']      = array( $_SESSION['new'], $_SESSION['new'] );
	$_SESSION['binary2']     = strrev( $_SESSION['binary'] );
}

switch ( $_GET['do'] ) {
	case 'fill':
		fill();
		break;
	case 'change':
		change();
		break;
	case 'merge':
		merge( $_GET['reading'], $_GET['go'] );
		break;
}
if ( 'show' !== $_GET['do'] ) {
	echo json_encode( session_write_close() );
	exit;
}
// Structure, then what only shows when something is touched: identity, references.
$session = $_SESSION;
ksort( $session, SORT_STRING );
$shown = array();
foreach ( $session as $name => $value ) {
	$shown[ bin2hex( $name ) ] = strlen( serialize( $value ) ) > 2000 ? md5( serialize( $value ) ) : bin2hex( serialize( $value ) );
}
if ( isset( $_SESSION['object'] ) ) {
	$shown['same object']    = $_SESSION['object'] === $_SESSION['same'];
	$shown['cycle']          = $_SESSION['object']->next->next === $_SESSION['object'];
	$shown['in magic']       = array( $_SESSION['magic']->data[0] === $_SESSION['std'], $_SESSION['magic']->data[1] === $_SESSION['object'] );
	$_SESSION['ref1'][]      = 'touched';
	$shown['reference']      = $_SESSION['ref2'];
	$_SESSION['inner']['b']  = 'touched';
	$shown['inner']          = $_SESSION['inner']['a'];
	$shown['woken']          = array( $_SESSION['sleepy']->woken, $_SESSION['sleepy']->dropped );
	$shown['enum']           = Suit::Hearts === $_SESSION['suits'][0];
}
if ( isset( $_SESSION['array2'] ) ) {
	$shown['new'] = array( $_SESSION['array2'][0] === $_SESSION['new'], $_SESSION['array2'][1] === $_SESSION['new'] );
}
// What was touched here is not to be kept.
session_abort();
echo json_encode( $shown, JSON_PRETTY_PRINT );
