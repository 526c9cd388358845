/* An ending of very many sessions goes on by itself; without scripts its button does the same. */
( function () {
	'use strict';
	var form = document.querySelector( 'form.cloakroom-goes-on' );
	if ( form ) {
		window.setTimeout( function () {
			form.submit();
		}, 700 );
	}
}() );
