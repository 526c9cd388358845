//! A session exists when something is in it: no record, no cookie and no cache-killing header before.

mod support;

use support::{Reply, Site, Visitor};

const LIMITER: [&str; 3] = ["expires", "cache-control", "pragma"];

/// How many records there are.
fn records(site: &Site) -> i64 {
    let path = site.folder.join("sessions.sqlite");
    if !path.exists() {
        return 0;
    }
    let store = rusqlite::Connection::open(path).expect("store");
    store.query_row("SELECT count(*) FROM record", [], |row| row.get(0)).expect("records")
}

#[track_caller]
fn assert_cacheable(reply: &Reply) {
    assert!(!reply.sets_cookie(), "{:?}", reply.headers);
    for name in LIMITER {
        assert_eq!(reply.all(name), Vec::<String>::new(), "{:?}", reply.headers);
    }
}

#[track_caller]
fn assert_personal(reply: &Reply) {
    assert!(reply.sets_cookie(), "{:?}", reply.headers);
    assert!(reply.all("cache-control")[0].contains("no-store"), "{:?}", reply.headers);
}

#[test]
fn a_new_session_that_stays_empty_leaves_no_cookie_no_limiter_header_and_no_record() {
    let site = Site::new();
    for script in [
        "session_start(); echo 'page';",
        "session_start(); echo str_repeat('page', 5000);",
        "session_start();",
        "session_start(); session_write_close(); echo 'page';",
        "session_start(['read_and_close' => true]); echo 'page';",
        "session_start(); $_SESSION['x'] = 1; session_abort(); echo 'page';",
        "session_start(); $_SESSION['x'] = 1; unset($_SESSION['x']); echo 'page';",
        "session_start(); $_SESSION = ['a' => null, 'b' => '', 'c' => []]; echo 'page';",
        "session_start(); session_regenerate_id(); echo 'page';",
        "session_start(); session_regenerate_id(true); echo 'page';",
        "session_start(); session_destroy(); echo 'page';",
        "session_start(); session_write_close(); session_start(); session_write_close(); session_start(); echo 'page';",
        "session_name('SHOP'); session_start(); echo session_name();",
        "if (!session_id()) session_start(); if (session_id() === '') exit; if ('' == session_id()) exit; echo 'page';",
        "session_start(); exit('page');",
        "ob_start(fn($b) => strtoupper($b)); session_start(); echo 'page';",
    ] {
        let reply = site.ask(None, script).clean();
        assert_cacheable(&reply);
        assert_eq!(records(&site), 0, "{script}");
    }
}

#[test]
fn whatever_is_stored_at_whatever_time_has_its_cookie_and_its_record() {
    for script in [
        "session_start(); $_SESSION['n'] = 1; echo 'page';",
        "session_start(); echo str_repeat('page', 5000); $_SESSION['n'] = 1;",
        "session_start(); echo str_repeat('page', 5000); session_write_close(); ",
        "session_start(); register_shutdown_function(function () { $_SESSION['n'] = 1; }); echo str_repeat('page', 5000);",
        "session_start(); class Late { function __destruct() { $_SESSION['n'] = 1; } } $l = new Late; echo str_repeat('page', 5000);",
        "ob_start(function ($b) { $_SESSION['n'] = 1; return $b; }); session_start(); echo str_repeat('page', 5000);",
        "header_register_callback(function () { $_SESSION['n'] = 1; }); session_start(); echo str_repeat('page', 5000);",
        "session_start(); $_SESSION['n'] = 1; session_regenerate_id(true); echo 'page';",
        "session_start(); session_regenerate_id(); $_SESSION['n'] = 1; echo 'page';",
        "session_start(); session_write_close(); session_start(); $_SESSION['n'] = 1; echo 'page';",
        "session_start(); $_SESSION['n'] = 1; echo str_repeat('page', 5000); undefined_function();",
        "session_start(); $_SESSION['n'] = 1; header('Location: /'); exit;",
    ] {
        let site = Site::new();
        let mut visitor = Visitor::default();
        let reply = site.get(&mut visitor, script);
        if script.ends_with("session_write_close(); ") {
            assert_cacheable(&reply);
            continue;
        }
        assert_personal(&reply);
        assert_eq!(reply.all("set-cookie").len(), 1, "{script}");
        site.get(&mut visitor, "session_start(); echo $_SESSION['n'];").clean().shows("1");
    }
}
