<?php
add_action('init', 'session_start');
add_action('session_start', 'no_session');
$this->add_filter('wp_loaded', '\session_start', 1);
call_user_func('session_start');
call_user_func("session_id", 'x');
call_user_func('f', 'session_start');
array_map('session_unset', $list);
array_walk($list, 'session_destroy');
register_shutdown_function('session_write_close');
$f = 'session_start';
$f();
$g = 'session_start';
function other() { $g(); }
'session_start'();
('session_abort')();
$query->get('session_id'); in_array('session_id', $columns); is_callable('session_start');
ini_set('session.gc_maxlifetime', 60); ini_set('memory_limit', 1); @ini_set("session.name", 'x'); ini_set('Session.name', 1);
setcookie(session_name(), '', 1); setcookie('PHPSESSID', '', 1); setcookie('colour', 'red'); setrawcookie("shop_session", 'x');
WC()->session->set('a', 1); WC()->cart; $x = new WP_Session; WP_Session::get_instance(); wp_session_start();
