//! `$_SESSION` simply works: what goes in comes out, in the next request, whatever it is.

mod support;

use support::{Site, Visitor};

#[test]
fn what_one_request_stores_the_next_one_finds() {
    let site = Site::new();
    let mut visitor = Visitor::default();
    for n in 1..=5 {
        let reply =
            site.get(&mut visitor, "session_start(); $_SESSION['cart'][] = 'tea'; echo count($_SESSION['cart']);");
        assert_eq!(reply.sets_cookie(), n == 1, "one cookie, set once");
        reply.clean().shows(&n.to_string());
    }
}

#[test]
fn objects_arrays_references_and_binary_come_back_as_they_were() {
    let site = Site::new();
    let classes = "class Item { public $a = 1; protected $b = [1.5, null]; private $self; \
        function __construct() { $this->self = $this; } function ok() { return $this->self === $this; } } \
        class Custom { public $x; function __serialize(): array { return ['v' => $this->x]; } \
        function __unserialize(array $d): void { $this->x = $d['v']; } }";
    let mut visitor = Visitor::default();
    let store = format!(
        "{classes} session_start();
        $_SESSION['object'] = new Item;
        $_SESSION['same'] = $_SESSION['object'];
        $c = new Custom; $c->x = \"\\0\\xff\\x80\"; $_SESSION['custom'] = $c;
        $_SESSION['deep'] = ['a' => ['b' => ['c' => ['d' => [true, false, PHP_INT_MIN, 0.1]]]]];
        $shared = 'one'; $_SESSION['ref'] = ['x' => &$shared, 'y' => &$shared];
        $_SESSION[\"bin\\xff\\0key\"] = str_repeat(\"\\0\\1\\xfe|}}\", 1000);
        $_SESSION['12a'] = 'twelve'; $_SESSION['-0'] = 'minus'; $_SESSION['1.5'] = 'point'; $_SESSION['!x'] = 'bang';
        $_SESSION['empty'] = ''; $_SESSION[''] = 'no name'; $_SESSION['null'] = null;"
    );
    site.get(&mut visitor, &store).clean();
    let check = format!(
        "{classes} session_start();
        $s = &$_SESSION; $ok = [];
        $ok[] = $s['object']->ok(); $ok[] = $s['same'] === $s['object'];
        $ok[] = $s['custom']->x === \"\\0\\xff\\x80\";
        $ok[] = $s['deep']['a']['b']['c']['d'] === [true, false, PHP_INT_MIN, 0.1];
        $s['ref']['x'] = 'two'; $ok[] = $s['ref']['y'] === 'two';
        $ok[] = $s[\"bin\\xff\\0key\"] === str_repeat(\"\\0\\1\\xfe|}}\", 1000);
        $ok[] = $s['12a'] === 'twelve' && $s['-0'] === 'minus' && $s['1.5'] === 'point' && $s['!x'] === 'bang';
        $ok[] = $s['empty'] === '' && $s[''] === 'no name' && array_key_exists('null', $s) && $s['null'] === null;
        echo json_encode($ok);"
    );
    site.get(&mut visitor, &check).clean().shows("[true,true,true,true,true,true,true,true]");
}

#[test]
fn every_serializer_keeps_its_variables() {
    for serializer in ["php", "php_binary", "php_serialize", "igbinary", "msgpack"] {
        let site = Site::new().set("session.serialize_handler", serializer);
        let mut visitor = Visitor::default();
        site.get(&mut visitor, "session_start(); $_SESSION['a'] = ['x' => 1, 'y' => [true, 'ü']];").clean();
        for _ in 0..2 {
            let script =
                "session_start(); $_SESSION['n'] = ($_SESSION['n'] ?? 0) + 1; echo json_encode($_SESSION['a']);";
            site.get(&mut visitor, script).clean().shows(r#"{"x":1,"y":[true,"\u00fc"]}"#);
        }
    }
}

#[test]
fn a_site_that_changes_its_serializer_keeps_its_sessions() {
    let mut site = Site::new();
    let mut visitor = Visitor::default();
    site.get(&mut visitor, "session_start(); $_SESSION['a'] = [1, 'b']; $_SESSION['c'] = new ArrayObject([7]);")
        .clean();
    for serializer in ["php_serialize", "php_binary", "php", "php_serialize"] {
        site = site.set("session.serialize_handler", serializer);
        let script =
            "session_start(); echo json_encode([$_SESSION['a'], count($_SESSION['c'])]); $_SESSION['t'] = microtime();";
        site.get(&mut visitor, script).clean().shows(r#"[[1,"b"],1]"#);
    }
}

#[test]
fn numeric_names_work_where_php_can_write_them() {
    let site = Site::new().set("session.serialize_handler", "php_serialize");
    let mut visitor = Visitor::default();
    site.get(
        &mut visitor,
        "session_start(); $_SESSION[5] = 'five'; $_SESSION['7'] = 'seven'; $_SESSION['a|b'] = 'pipe';",
    )
    .clean();
    let script = "session_start(); echo $_SESSION[5], $_SESSION['7'], $_SESSION['a|b'];";
    site.get(&mut visitor, script).clean().shows("fivesevenpipe");
}

#[test]
fn a_name_with_a_pipe_is_an_error_and_not_an_emptied_session() {
    let site = Site::new();
    let mut visitor = Visitor::default();
    site.get(&mut visitor, "session_start(); $_SESSION['cart'] = 'full';").clean();
    let reply = site.get(&mut visitor, "session_start(); $_SESSION['a|b'] = 1; var_dump(@session_write_close());");
    assert!(reply.body.contains("bool(false)"), "{}", reply.body);
    assert_eq!(reply.log.matches("Cloakroom: The session was not saved").count(), 1, "{}", reply.log);
    site.get(&mut visitor, "session_start(); echo $_SESSION['cart'];").clean().shows("full");
}

#[test]
fn an_object_that_throws_while_it_is_encoded_leaves_the_stored_session() {
    let site = Site::new();
    let mut visitor = Visitor::default();
    site.get(&mut visitor, "session_start(); $_SESSION['cart'] = 'full';").clean();
    let script = "class Bad { function __serialize(): array { throw new Exception('no'); } }
        session_start(); $_SESSION['cart'] = 'changed'; $_SESSION['bad'] = new Bad;
        try { session_write_close(); } catch (Exception $e) { echo $e->getMessage(); }";
    site.get(&mut visitor, script).shows("no");
    site.get(&mut visitor, "session_start(); echo $_SESSION['cart'];").clean().shows("full");
}

#[test]
fn a_session_can_be_closed_and_opened_again_in_one_request() {
    let site = Site::new();
    let mut visitor = Visitor::default();
    let script = "session_start(); $id = session_id(); session_write_close();   // empty: not stored
        session_start(); $a = $id === session_id(); $_SESSION['n'] = 1; session_write_close();
        session_start(); $b = $id === session_id() && $_SESSION['n'] === 1; $_SESSION['n']++; session_write_close();
        session_start(); $_SESSION['n'] = 99; session_abort();
        session_start(); $c = $_SESSION['n'] === 2; $_SESSION['n'] = 50; session_reset(); $d = $_SESSION['n'] === 2;
        session_write_close(); session_start(['read_and_close' => true]);
        echo json_encode([$a, $b, $c, $d, $_SESSION['n']]);";
    site.get(&mut visitor, script).clean().shows("[true,true,true,true,2]");
    site.get(&mut visitor, "session_start(); session_start(); echo $_SESSION['n'];").shows("2");
}

#[test]
fn exit_fatal_errors_and_exceptions_keep_what_was_written() {
    let site = Site::new();
    let mut visitor = Visitor::default();
    site.get(&mut visitor, "session_start(); $_SESSION['n'] = 1; exit;").clean();
    site.get(&mut visitor, "session_start(); $_SESSION['n']++; throw new Exception('x');");
    site.get(&mut visitor, "session_start(); $_SESSION['n']++; undefined_function();");
    site.get(
        &mut visitor,
        "session_start(); register_shutdown_function(function () { $_SESSION['n']++; exit; }); exit;",
    )
    .clean();
    site.get(&mut visitor, "ob_start(fn ($b) => $b); session_start(); $_SESSION['n']++; echo str_repeat('x', 100000);")
        .clean();
    let late = "session_start(); class Late { function __destruct() { $_SESSION['n']++; } } $l = new Late;";
    site.get(&mut visitor, late).clean();
    site.get(
        &mut visitor,
        "session_start(); $_SESSION['n']++; ini_set('memory_limit', '8M'); str_repeat('x', 1 << 28);",
    );
    site.get(&mut visitor, "session_start(); echo $_SESSION['n'];").clean().shows("7");
}

#[test]
fn a_session_that_php_can_not_decode_stays_as_it_is() {
    let site = Site::new().set("cloakroom.warn_size", "0");
    let mut visitor = Visitor::default();
    site.get(&mut visitor, "session_start(); $_SESSION['big'] = str_repeat('x', 1 << 22); $_SESSION['n'] = 1;").clean();
    // Not enough memory to hold it: PHP gives up in session_start and calls destroy.
    let reply = site.get(&mut visitor, "ini_set('memory_limit', '6M'); session_start(); echo 'reached';");
    assert!(!reply.body.contains("reached"), "the test must run out of memory: {}", reply.body);
    let auto = site.set("memory_limit", "6M").set("session.auto_start", "1");
    let reply = auto.get(&mut visitor, "echo 'reached';");
    assert!(!reply.body.contains("reached"), "the test must run out of memory: {}", reply.body);
    let site = auto.set("memory_limit", "128M").set("session.auto_start", "0");
    // Damage that only PHP's decoder sees: the other encoding, asked for by the application.
    site.get(&mut visitor, "session_start(); echo @session_decode('broken') ? 'yes' : 'no';").shows("no");
    site.get(&mut visitor, "session_start(); echo strlen($_SESSION['big']), $_SESSION['n'];").clean().shows("41943041");
}

#[test]
fn a_class_that_saves_while_php_still_reads_the_session_does_not_store_half_of_it() {
    let site = Site::new().set("cloakroom.concurrency", "lock");
    let class = "class Waker { function __wakeup() { global $way; if ($way) { echo json_encode($way()); } } } ";
    let mut visitor = Visitor::default();
    for (way, code) in [
        ("cloakroom_commit", "$way = 'cloakroom_commit'; session_start();"),
        ("cloakroom_unlock", "$way = 'cloakroom_unlock'; session_start();"),
        ("cloakroom_lock", "$way = 'cloakroom_lock'; session_start();"),
        ("session_write_close", "$way = 'session_write_close'; @session_start();"),
        ("session_regenerate_id", "$way = 'session_regenerate_id'; session_start();"),
        ("cloakroom_commit", "session_start(); $way = 'cloakroom_commit'; session_reset();"),
        ("cloakroom_commit", "session_start(); $way = 'cloakroom_commit'; session_decode(session_encode());"),
    ] {
        let fill = format!("{class} session_start(); $_SESSION = ['a' => 1, 'waker' => new Waker, 'z' => 'kept'];");
        site.get(&mut visitor, &fill).clean();
        let reply =
            site.get(&mut visitor, &format!("ob_start(); {class} {code} @session_abort(); echo ob_get_clean();"));
        assert!(reply.body.ends_with("false"), "{code}: {reply:?}");
        assert!(reply.log.contains(&format!("{way}() was called while PHP was still reading")), "{code}: {reply:?}");
        let show = format!("{class} session_start(); echo $_SESSION['a'] ?? 'no a', $_SESSION['z'] ?? 'no z';");
        site.get(&mut visitor, &show).clean().shows("1kept");
    }
    // Under session.auto_start there is no function on the stack; only preloaded classes can do this.
    let preload = site.folder.write("preload.php", format!("<?php {class}")).expect("preload");
    let auto = site.set("session.auto_start", "1").set("opcache.preload", &preload.display().to_string());
    let auto = auto.set("opcache.preload_user", "root");
    let reply = auto.get(&mut visitor, "echo get_class($_SESSION['waker']);");
    assert!(reply.body == "Waker", "{reply:?}");
}

#[test]
fn auto_start_works_and_is_hardened() {
    let site = Site::new().set("session.auto_start", "1");
    let mut visitor = Visitor { ticket: Some("planted".into()) };
    let reply = site.get(&mut visitor, "$_SESSION['n'] = 1; echo strlen(session_id());").clean().shows("43");
    assert!(reply.all("set-cookie")[0].contains("HttpOnly"));
    site.get(&mut visitor, "echo $_SESSION['n'];").clean().shows("1");
}

#[test]
fn it_works_on_the_command_line_and_in_a_forked_child() {
    let site = Site::new();
    let script = "ini_set('session.use_cookies', '0'); session_start(); $_SESSION['n'] = 1; $id = session_id(); session_write_close();
        $pid = pcntl_fork();
        if ($pid === 0) { session_id($id); session_start(); $_SESSION['child'] = 1; session_write_close(); exit; }
        pcntl_waitpid($pid, $status);
        session_id($id); session_start(); $_SESSION['n']++; session_write_close();
        session_start(); echo json_encode($_SESSION), pcntl_wexitstatus($status);";
    site.cli(script).clean().shows(r#"{"n":2,"child":1}0"#);
}

#[test]
fn gc_removes_only_what_is_over() {
    let site = Site::new().set("session.gc_maxlifetime", "1");
    let mut visitor = Visitor::default();
    site.get(&mut visitor, "session_start(); $_SESSION['n'] = 1;").clean();
    let mut other = Visitor::default();
    let site = site.set("session.gc_maxlifetime", "1000");
    site.get(&mut other, "session_start(); $_SESSION['n'] = 2;").clean();
    // The deadline is what is waited for; the loop ends with it.
    let reply = site.get(
        &mut other,
        "session_start(); $end = microtime(true) + 10; $n = 0;
        while (!$n && microtime(true) < $end) { $n = session_gc(); usleep(50000); } echo $n, $_SESSION['n'];",
    );
    reply.clean().shows("12");
    site.get(&mut visitor, "session_start(); echo json_encode($_SESSION);").clean().shows("[]");
}

#[test]
fn a_ticket_that_left_is_known_when_it_comes_back() {
    for script in
        ["session_start();", "session_start(['read_and_close' => true]);", "session_start(); session_abort();"]
    {
        let site = Site::new().set("cloakroom.eager_cookie", "1");
        let mut visitor = Visitor::default();
        assert!(site.get(&mut visitor, script).clean().sets_cookie());
        let ticket = visitor.ticket.clone();
        let reply = site.get(&mut visitor, "session_start(); echo json_encode($_SESSION); $_SESSION['n'] = 1;").clean();
        assert!(!reply.sets_cookie(), "one ticket, issued once");
        reply.shows("[]");
        site.get(&mut visitor, "session_start(); echo json_encode($_SESSION);").clean().shows(r#"{"n":1}"#);
        assert_eq!(visitor.ticket, ticket);
    }
}
