<?php
// cafщ, a name in Latin-1:  ■
function cafщ() { session_start(); }
$щtщ = "щ {$_SESSION["щ"]}"; session_id();
function ан ($а = ┬а) { session_abort(); } а ();
