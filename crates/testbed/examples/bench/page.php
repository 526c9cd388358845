<?php
// One request of the measurement. The page does nothing but what a session costs: start, change, write.
//   size    bytes that the session holds beside its counter
//   mode    none: no session. count: one request of a visitor's own. hold: several of one visitor at once.
//           encode: what PHP itself does to a session's content, and nothing that a handler does.
//           make: that content, for mode encode.
//           keep: takes the session's lock, writes its process into the file `flag`, and stays.
//   worker  in mode hold, which of them this is

function item( int $number ): array {
	return array(
		'key'            => md5( "item $number" ),
		'product_id'     => 1000 + $number,
		'variation_id'   => $number % 7,
		'variation'      => array( 'attribute_size' => 'M', 'attribute_colour' => 'dark green' ),
		'name'           => 'Product ' . substr( sha1( "name $number" ), 0, 12 ),
		'quantity'       => 1,
		'line_subtotal'  => 4.25 * $number,
		'line_total'     => 3.5 * $number,
		'line_tax_data'  => array( 'subtotal' => array( 1 => 0.8 ), 'total' => array( 1 => 0.7 ) ),
		'on_sale'        => 0 === $number % 2,
		'note'           => null,
	);
}

// What a visitor's click changes of a cart: one line, what was seen last, a time.
function change( int $size, int $count ): void {
	if ( ! isset( $_SESSION['cart'] ) ) {
		$cart = array();
		do {
			$cart[ 'line' . count( $cart ) ] = item( count( $cart ) );
		} while ( strlen( serialize( $cart ) ) < $size - 250 );
		$_SESSION['cart'] = $cart;
		$_SESSION['seen'] = array_fill( 0, 5, '/shop/product-00000/' );
	}
	++$_SESSION['cart'][ 'line' . $count % count( $_SESSION['cart'] ) ]['quantity'];
	array_shift( $_SESSION['seen'] );
	$_SESSION['seen'][] = sprintf( '/shop/product-%05d/', $count * 7919 % 99991 );
	$_SESSION['last']   = sprintf( '2030-01-02 03:%02d:%02d', $count / 60 % 60, $count % 60 );
}

$mode = $_GET['mode'];
$size = (int) $_GET['size'];
if ( 'count' === $mode ) {
	session_start();
	$count = $_SESSION['count'] = ( $_SESSION['count'] ?? 0 ) + 1;
	if ( $size > 0 ) {
		change( $size, $count );
	}
	session_write_close();
	echo $count;
} elseif ( 'none' === $mode ) {
	echo 'none';
} elseif ( 'encode' === $mode ) {
	$_SESSION = unserialize( require __DIR__ . "/content-$size.php" );
	$count    = ++$_SESSION['count'];
	if ( $size > 0 ) {
		change( $size, $count );
	}
	echo strlen( serialize( $_SESSION ) ) > 0 ? 'encode' : '';
} elseif ( 'make' === $mode ) {
	$_SESSION = array( 'count' => 1 );
	if ( $size > 0 ) {
		change( $size, 1 );
	}
	echo '<?php return ', var_export( serialize( $_SESSION ), true ), ';';
} elseif ( 'keep' === $mode ) {
	session_start();
	file_put_contents( $_GET['flag'], (string) getmypid() );
	sleep( 60 );
} elseif ( 'hold' === $mode ) {
	$begin = hrtime( true );
	session_start();
	$open = hrtime( true );
	usleep( 2000 );
	$name              = 'by' . (int) $_GET['worker'];
	$_SESSION[ $name ] = ( $_SESSION[ $name ] ?? 0 ) + 1;
	$close             = hrtime( true );
	session_write_close();
	echo array_sum( $_SESSION ), ' ', intdiv( $open - $begin, 1000 ), ' ', intdiv( hrtime( true ) - $close, 1000 );
}
