<?php
namespace Shop\Cart {
    use function session_start as begin, session_id;
    use function Other\{session_destroy, session_name as n};
    use Some\Thing as T;
    begin();                        // found: session_start
    \session_start();               // found: session_start
    session_start();                // found: session_start
    SESSION_Start ( );              // found: session_start
    session_id();                   // found: session_id
    namespace\session_start();      // not PHP's
    T\session_start();              // not PHP's
    session_destroy();              // not PHP's: imported from elsewhere
    n();                            // not PHP's
}
namespace Own {
    function session_status() { return 0; }
    session_status();               // its own
    \session_status();              // found: session_status
    class A {
        public function session_start() { return $this->session_start() . self::session_start() . A::session_start(); }
        public function &session_id() { return $this?->session_id(); }
        const SESSION = 'session_start';
    }
    $x = new A;
    $x->session_start();
    $x?->session_start();
    A::session_start();
    new session_start();
    function &session_reset() { static $a; return $a; }
}
namespace {
    namespace\session_gc();         // found: session_gc
    begin();                        // the import ended
    $plain = 'session_start();';
    $plain = "session_start()";
    // session_start();
    # session_start();
    /* session_start(); $_SESSION['x'] = 1; */
    $now = <<<'DOC'
session_start(); {$_SESSION['a']} $_SESSION[b]
DOC;
    if (defined('SESSION')) { echo SESSION, PHP_SESSION_NONE, session_start; }
    #[session_start()]
    function session_starter(int $session_start) {}
    session_starter(session_start: 1);
    $array = ['session_start' => 1, 'id' => 'session_id'];
    function_exists('session_start');
    goto session_start;
    session_start:
    session_write_close
        // between
        ();                         // found: session_write_close
    $callable = session_start(...); // found: session_start
}
