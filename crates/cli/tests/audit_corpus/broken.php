<?php
session_start();
function ( { $x = = ; session_id();
if (true { session_destroy();
$_SESSION["a"] = 1;
}
class { public function f() { session_abort(); $x->session_reset(); } 
