<p><?= $_SESSION['read in a short echo tag'] ?> $_SESSION['in text'] <?php session_start() ?></p>
<?php
$_SESSION['a'] = 1;
$_SESSION['a']['b'][] = $_SESSION['c'];
$_SESSION['n'] += 1; $_SESSION['n']++; --$_SESSION['n'];
$_SESSION['d'] ??= [];
unset($_SESSION['a'], $_SESSION['b']['c']);
unset($x[$_SESSION['key']]);
$r = &$_SESSION['r'];
$_SESSION['s'] = &$r;
foreach ($_SESSION['list'] as $k => $v) {}
foreach ($list as $_SESSION['each']) {}
foreach ($list as $k => $_SESSION['each']) {}
foreach ($_SESSION as $k => &$v) {}
[$_SESSION['l'], $b] = f();
list($a, 'k' => $_SESSION['m']) = f();
$array = [$_SESSION['x'], 'k' => $_SESSION['y']];
array_push($_SESSION['stack'], 1);
sort($_SESSION['stack']);
count($_SESSION['stack']);
isset($_SESSION['a']) && !empty($_SESSION['b']);
echo "a {$_SESSION['a']} $_SESSION[b] ${_SESSION['c']}", "\$_SESSION";
echo <<<DOC
  {$_SESSION['a']} and $_SESSION[b] and \$_SESSION
  DOC;
echo '$_SESSION';
$GLOBALS['_SESSION']['g'] = 1;
echo $GLOBALS["_SESSION"]['g'];
$_SESSION['cart']->total = 5;
$_SESSION['cart']->add(5);
f(fn() => $_SESSION['arrow']);
$_SESSION = [];
$_session = 1; $_SESSIONS = 2; $x->_SESSION = 3; A::$_SESSIONS = 4;
$a & $_SESSION['bits'];
switch ($_SESSION['s']) { case $_SESSION['t']: break; }
