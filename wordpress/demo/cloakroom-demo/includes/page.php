<?php
/**
 * The demo's page, shown by the shortcode [cloakroom_demo].
 *
 * @package Cloakroom_Demo
 */

defined( 'ABSPATH' ) || exit;

/**
 * Styles for the page, few enough to go with it. They keep to the theme's colours.
 */
function cloakroom_demo_styles() {
	wp_register_style( 'cloakroom-demo', false, array(), '0.1.0' );
	wp_enqueue_style( 'cloakroom-demo' );
	wp_add_inline_style(
		'cloakroom-demo',
		'.cloakroom-demo-cache{border:2px dashed currentColor;padding:.6em 1em}'
		. '.cloakroom-demo form{display:inline-block;margin:0 .5em .5em 0}'
		. '.cloakroom-demo table{border-collapse:collapse;width:100%;margin-bottom:1em}'
		. '.cloakroom-demo caption{text-align:start;font-weight:bold}'
		. '.cloakroom-demo th,.cloakroom-demo td{border-bottom:1px solid currentColor;padding:.4em;text-align:start}'
		. '.cloakroom-demo button,.cloakroom-demo input{font:inherit;padding:.4em .8em}'
		. '.cloakroom-demo-server{border:2px solid currentColor;padding:.6em 1em}'
	);
}

/**
 * Says on the page what the page cache in front did. Only the reply itself knows: the page's text is the same for all who get
 * it out of the cache. The web server says it in the header Server-Timing, as an entry `cache`, for the page's script to read.
 */
function cloakroom_demo_cache_script() {
	$script = <<<'JS'
( function () {
	const place = document.querySelector( '.cloakroom-demo-cache' );
	const page = performance.getEntriesByType( 'navigation' )[ 0 ];
	const entry = page && page.serverTiming && page.serverTiming.find( ( timing ) => 'cache' === timing.name );
	if ( place && entry ) {
		place.dataset.state = entry.description;
		place.textContent = 'HIT' === entry.description ? place.dataset.hit : place.dataset.miss.replace( '%s', entry.description );
		place.hidden = false;
	}
	// The server that the page's text names did not answer this time: it made the page for somebody before.
	const server = document.querySelector( '.cloakroom-demo-answered' );
	if ( server && entry && 'HIT' === entry.description ) {
		server.textContent = server.dataset.hit;
	}
} )();
JS;
	wp_print_inline_script_tag( $script );
}

/**
 * The page.
 *
 * @return string HTML.
 */
function cloakroom_demo_page() {
	$count = array_sum( cloakroom_demo_cart() );
	ob_start();
	?>
	<div class="cloakroom-demo">
		<p class="cloakroom-demo-cache" data-hit="<?php esc_attr_e( 'HIT: this page came out of the page cache, and no application server had any work with it.', 'cloakroom-demo' ); ?>"
			data-miss="<?php /* translators: %s: what the cache says, such as BYPASS. */ esc_attr_e( '%s: an application server made this page for you.', 'cloakroom-demo' ); ?>" hidden></p>
		<p class="cloakroom-demo-server" role="status">
			<?php
			/* translators: %s: name of the server. */
			$made = sprintf( __( 'Made earlier by server %s.', 'cloakroom-demo' ), cloakroom_demo_server() );
			printf(
				'<span class="cloakroom-demo-answered" data-hit="%1$s">%2$s</span> %3$s',
				esc_attr( $made ),
				/* translators: %s: name of the server. */
				sprintf( esc_html__( 'Server %s answered.', 'cloakroom-demo' ), '<strong>' . esc_html( cloakroom_demo_server() ) . '</strong>' ), // phpcs:ignore WordPress.Security.EscapeOutput.OutputNotEscaped -- the name is.
				/* translators: %d: number of items. */
				esc_html( sprintf( _n( 'There is %d item in your cart.', 'There are %d items in your cart.', $count, 'cloakroom-demo' ), (int) $count ) )
			);
			?>
		</p>
		<?php
		// Which server took the click before this page; shown only, nothing depends on it.
		$took = isset( $_GET['took'] ) ? sanitize_text_field( wp_unslash( $_GET['took'] ) ) : ''; // phpcs:ignore WordPress.Security.NonceVerification.Recommended
		if ( preg_match( '/^[A-Za-z0-9-]{1,20}$/', $took ) ) {
			echo '<p>';
			printf(
				/* translators: 1, 2: names of servers. */
				esc_html__( 'Your click went to server %1$s, this page comes from server %2$s.', 'cloakroom-demo' ),
				esc_html( $took ),
				esc_html( cloakroom_demo_server() )
			);
			echo '</p>';
		}
		?>
		<h2><?php esc_html_e( 'The shelf', 'cloakroom-demo' ); ?></h2>
		<?php
		foreach ( cloakroom_demo_shelf() as $item => $name ) {
			/* translators: %s: name of an item. */
			cloakroom_demo_button( 'add', sprintf( __( 'Add: %s', 'cloakroom-demo' ), $name ), $item );
		}
		cloakroom_demo_cart_table();
		cloakroom_demo_log_in_form();
		cloakroom_demo_links();
		?>
	</div>
	<?php
	return (string) ob_get_clean();
}

/**
 * The cart, as a table.
 */
function cloakroom_demo_cart_table() {
	$cart = cloakroom_demo_cart();
	?>
	<h2><?php esc_html_e( 'Your cart', 'cloakroom-demo' ); ?></h2>
	<?php if ( ! $cart ) : ?>
		<p><?php esc_html_e( 'It is empty.', 'cloakroom-demo' ); ?></p>
		<?php return; ?>
	<?php endif; ?>
	<table>
		<caption><?php esc_html_e( 'What you have put in', 'cloakroom-demo' ); ?></caption>
		<thead>
			<tr>
				<th scope="col"><?php esc_html_e( 'Item', 'cloakroom-demo' ); ?></th>
				<th scope="col"><?php esc_html_e( 'Quantity', 'cloakroom-demo' ); ?></th>
				<th scope="col"><?php esc_html_e( 'Change', 'cloakroom-demo' ); ?></th>
			</tr>
		</thead>
		<tbody>
			<?php foreach ( $cart as $item => $quantity ) : ?>
				<tr>
					<th scope="row"><?php echo esc_html( cloakroom_demo_item_name( $item ) ); ?></th>
					<td><?php echo (int) $quantity; ?></td>
					<td>
						<?php
						/* translators: %s: name of an item. */
						cloakroom_demo_button( 'remove', sprintf( __( 'Remove: %s', 'cloakroom-demo' ), cloakroom_demo_item_name( $item ) ), $item );
						?>
					</td>
				</tr>
			<?php endforeach; ?>
		</tbody>
	</table>
	<?php
	cloakroom_demo_button( 'clear', __( 'Empty the cart', 'cloakroom-demo' ) );
}

/**
 * The form to log in, or the button to log out.
 */
function cloakroom_demo_log_in_form() {
	?>
	<h2><?php esc_html_e( 'Who you are', 'cloakroom-demo' ); ?></h2>
	<?php if ( '' !== cloakroom_demo_user() ) : ?>
		<p>
			<?php
			/* translators: %s: name of the visitor. */
			echo esc_html( sprintf( __( 'You are logged in as %s.', 'cloakroom-demo' ), cloakroom_demo_user() ) );
			?>
		</p>
		<?php cloakroom_demo_button( 'logout', __( 'Log out', 'cloakroom-demo' ) ); ?>
	<?php else : ?>
		<form method="post" action="<?php echo esc_url( home_url( '/' ) ); ?>">
			<?php cloakroom_demo_nonce(); ?>
			<label for="cloakroom-demo-user"><?php esc_html_e( 'Name', 'cloakroom-demo' ); ?></label>
			<input id="cloakroom-demo-user" name="user" type="text" required maxlength="60" autocomplete="nickname">
			<button type="submit" name="cloakroom_demo" value="login"><?php esc_html_e( 'Log in', 'cloakroom-demo' ); ?></button>
		</form>
	<?php endif; ?>
	<?php
}

/**
 * For who looks after the site: where the sessions of this shop's visitors are to be seen, if Cloakroom's plugin is active.
 */
function cloakroom_demo_links() {
	if ( ! current_user_can( 'manage_options' ) || ! function_exists( 'cloakroom_page' ) || ! defined( 'CLOAKROOM_PLUGIN_FILE' ) ) {
		return;
	}
	?>
	<p><a href="<?php echo esc_url( admin_url( 'tools.php?page=cloakroom' ) ); ?>"><?php esc_html_e( 'Sessions of all visitors', 'cloakroom-demo' ); ?></a></p>
	<?php
}

/**
 * The nonce of a form. WordPress's own helper would give each of the page's forms the same HTML id.
 */
function cloakroom_demo_nonce() {
	printf( '<input type="hidden" name="_wpnonce" value="%s">', esc_attr( wp_create_nonce( 'cloakroom_demo' ) ) );
}

/**
 * A form with one button.
 *
 * @param string $action What it does.
 * @param string $label  What it says.
 * @param int    $item   Item number, where the action is about one.
 */
function cloakroom_demo_button( $action, $label, $item = 0 ) {
	?>
	<form method="post" action="<?php echo esc_url( home_url( '/' ) ); ?>">
		<?php cloakroom_demo_nonce(); ?>
		<?php if ( $item ) : ?>
			<input type="hidden" name="item" value="<?php echo (int) $item; ?>">
		<?php endif; ?>
		<button type="submit" name="cloakroom_demo" value="<?php echo esc_attr( $action ); ?>"><?php echo esc_html( $label ); ?></button>
	</form>
	<?php
}
