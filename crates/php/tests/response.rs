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
    let made = "SELECT count(*) FROM sqlite_master WHERE name = 'record'";
    if store.query_row(made, [], |row| row.get::<_, u32>(0)).expect("tables") == 0 {
        return 0;
    }
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

#[test]
fn an_emptied_session_goes_at_the_first_later_request_that_leaves_it_empty() {
    let site = Site::new()
        .set("session.cookie_path", "/shop")
        .set("session.cookie_domain", "example.org")
        .set("session.cookie_secure", "1")
        .set("session.cookie_samesite", "Lax");
    let mut visitor = Visitor::default();
    site.get(&mut visitor, "session_start(); $_SESSION['cart'] = 1;").clean();
    let empty = "session_start(); unset($_SESSION['cart']); session_write_close(); session_start(); echo 'empty';";
    let emptied = site.get(&mut visitor, empty).clean();
    // Opening it again, PHP sends the cookie once more, whatever the handler.
    assert!(!emptied.all("set-cookie").concat().contains("deleted"), "{:?}", emptied.headers);
    assert_eq!(records(&site), 1, "it first stays, as an empty record");
    let ticket = visitor.ticket.clone();
    let gone = site.get(&mut visitor, "session_start(); echo json_encode($_SESSION);").clean();
    assert_eq!(
        gone.all("set-cookie"),
        [
            "PHPSESSID=deleted; expires=Thu, 01 Jan 1970 00:00:01 GMT; Max-Age=0; path=/shop; domain=example.org; secure; \
          HttpOnly; SameSite=Lax"
        ],
        "withdrawn with the same attributes"
    );
    assert!(gone.all("cache-control")[0].contains("no-store"), "who withdraws a cookie speaks to one visitor");
    assert_eq!((records(&site), &visitor.ticket), (0, &None), "no tombstone");
    assert_cacheable(&site.get(&mut visitor, "session_start();").clean());
    // A ticket that leads nowhere is withdrawn as well.
    let mut stale = Visitor { ticket };
    site.get(&mut stale, "session_start(); echo 'page';").clean();
    assert_eq!((records(&site), &stale.ticket), (0, &None));
}

/// Requests of one session: the others run while the first one is between its load and its end. Its reply, and the last one's.
fn crossing(site: &Site, ticket: &Visitor, first: &str, second: &[&str]) -> (Reply, Reply) {
    let (loaded, done) = (site.folder.join("loaded"), site.folder.join("done"));
    let _ = (std::fs::remove_file(&loaded), std::fs::remove_file(&done));
    let script = format!(
        "session_start(); touch('{}'); for ($i = 0; $i < 2000 && !file_exists('{}'); $i++) {{ usleep(5000); clearstatcache(); }}
        {first}",
        loaded.display(),
        done.display()
    );
    let cookie = ticket.ticket.as_deref().map(|t| format!("PHPSESSID={t}"));
    std::thread::scope(|scope| {
        let running = scope.spawn(|| site.ask(cookie.as_deref(), &script));
        cloakroom_testbed::wait_until("it has loaded", std::time::Duration::from_secs(10), || loaded.exists())
            .expect("loaded");
        let mut meanwhile: Vec<Reply> = second.iter().map(|script| site.ask(cookie.as_deref(), script)).collect();
        std::fs::write(&done, "").expect("told");
        (running.join().expect("a reply"), meanwhile.pop().expect("a reply"))
    })
}

/// A site and a visitor whose session is empty.
fn emptied() -> (Site, Visitor) {
    let (site, mut visitor) = (Site::new(), Visitor::default());
    site.get(&mut visitor, "session_start(); $_SESSION['cart'] = 1;").clean();
    site.get(&mut visitor, "session_start(); $_SESSION = [];").clean();
    (site, visitor)
}

#[test]
fn what_is_added_while_an_empty_session_is_removed_is_kept_and_its_cookie_sent_again() {
    let (site, mut visitor) = emptied();
    let add = "$_SESSION['cart'] = 2; echo str_repeat('x', 9000);";
    let (added, removed) = crossing(&site, &visitor, add, &["session_start(); echo 'page';"]);
    assert!(removed.all("set-cookie")[0].contains("=deleted"), "{:?}", removed.headers);
    let cookies = added.all("set-cookie");
    let ticket = visitor.ticket.clone().expect("a ticket").replace(',', "%2C");
    assert_eq!(cookies.len(), 1, "{:?}", added.headers);
    assert!(cookies[0].starts_with(&format!("PHPSESSID={ticket}")), "{cookies:?}");
    site.get(&mut visitor, "session_start(); echo $_SESSION['cart'];").clean().shows("2");
}

#[test]
fn a_removal_that_comes_too_late_takes_nothing_away() {
    let (site, mut visitor) = emptied();
    let (late, added) =
        crossing(&site, &visitor, "echo json_encode($_SESSION);", &["session_start(); $_SESSION['cart'] = 2;"]);
    assert_eq!(added.all("set-cookie").len(), 1, "{:?}", added.headers);
    assert!(!late.sets_cookie(), "nothing is withdrawn: {:?}", late.headers);
    assert!(late.all("cache-control")[0].contains("no-store"));
    site.get(&mut visitor, "session_start(); echo $_SESSION['cart'];").clean().shows("2");
}

#[test]
fn an_application_that_asks_for_the_id_keeps_its_cookie_and_an_empty_record() {
    for script in [
        "session_start(); echo session_id();",
        "session_start(); session_write_close(); $x = session_id();",
        "session_start(); $key = 'cart_' . session_id();",
        "session_start(); $f = 'session_id'; echo $f();",
        "session_start(); echo array_map('session_id', [null])[0];",
    ] {
        let site = Site::new();
        let mut visitor = Visitor::default();
        assert_personal(&site.get(&mut visitor, script).clean());
        assert_eq!(records(&site), 1, "{script}");
        let ticket = visitor.ticket.clone();
        for _ in 0..2 {
            // Other pages of the same application do not ask, and must not take its key away.
            let reply = site.get(&mut visitor, "session_start(); echo 'page';").clean();
            assert!(!reply.sets_cookie(), "{:?}", reply.headers);
        }
        assert_eq!((records(&site), &visitor.ticket), (1, &ticket), "{script}");
    }
    let site = Site::new();
    for script in [
        "session_start(); if (session_id() != '') echo 'a'; if (!session_id()) echo 'b'; echo session_name();",
        "session_start(); if (session_id() && strlen(session_id()) > 0 && session_id() !== null) echo 'a'; session_id();",
        "if (session_id() == '') { session_start(); } echo empty(session_id()) ? 'a' : 'b';",
    ] {
        assert_cacheable(&site.ask(None, script).clean());
    }
}

#[test]
fn only_what_phps_limiter_added_is_taken_out() {
    let site = Site::new();
    let own = |reply: &Reply| (reply.all("cache-control"), reply.all("expires"), reply.all("pragma"));
    let list = |text: &str| vec![text.to_owned()];
    for (script, cache, expires) in [
        // Sent before: comes back.
        ("header('Cache-Control: max-age=60'); session_start();", list("max-age=60"), vec![]),
        (
            "header('Cache-Control: a'); header('Cache-Control: b', false); session_start();",
            vec!["a".into(), "b".into()],
            vec![],
        ),
        ("header('Expires: 0'); session_start(); session_write_close(); session_start();", vec![], list("0")),
        // Sent after: stays, also where it is the same.
        ("session_start(); header('Cache-Control: max-age=60');", list("max-age=60"), vec![]),
        (
            "session_start(); header('Cache-Control: no-store, no-cache, must-revalidate');",
            list("no-store, no-cache, must-revalidate"),
            vec![],
        ),
        ("session_start(); header('Cache-Control: private', false);", list("private"), vec![]),
        ("header('Cache-Control: a'); session_start(); header_remove('Cache-Control');", vec![], vec![]),
        ("header('Cache-Control: a'); session_start(); header_remove();", vec![], vec![]),
        ("header('Cache-Control: a'); session_start(); header_remove(); header('Expires: 1');", vec![], list("1")),
        (
            "set_error_handler(function () { header('Cache-Control: mine'); }); session_start(['nonsense' => 1]);",
            list("mine"),
            vec![],
        ),
    ] {
        let reply = site.ask(None, script).clean();
        assert!(!reply.sets_cookie(), "{:?}", reply.headers);
        assert_eq!(own(&reply), (cache, expires, vec![]), "{script}");
    }
    for limiter in ["nocache", "private", "private_no_expire", ""] {
        let site = Site::new().set("session.cache_limiter", limiter);
        let reply = site.ask(None, "session_start(); echo 'page';").clean();
        assert_cacheable(&reply);
        assert_eq!(reply.all("last-modified"), Vec::<String>::new(), "{limiter}");
    }
    let site = Site::new().set("session.cache_limiter", "public");
    let reply = site.ask(None, "session_start(); echo 'page';").clean();
    assert!(!reply.sets_cookie() && reply.all("cache-control")[0].starts_with("public"), "{:?}", reply.headers);
}

#[test]
fn a_page_made_personal_by_something_else_keeps_its_no_store() {
    let site = Site::new();
    let page = "session_start(); echo 'page';";
    let personal = |reply: Reply| {
        let reply = reply.clean();
        assert!(!reply.all("set-cookie").iter().any(|c| c.starts_with("PHPSESSID")), "{:?}", reply.headers);
        assert!(reply.all("cache-control")[0].contains("no-store"), "{:?}", reply.headers);
    };
    personal(site.ask_with(&[("REQUEST_METHOD", "POST")], page));
    personal(site.ask_with(&[("HTTP_AUTHORIZATION", "Bearer x")], page));
    personal(site.ask_with(&[("HTTP_AUTHORIZATION", "Basic dTpw")], page));
    personal(site.ask_with(&[("REDIRECT_HTTP_AUTHORIZATION", "Bearer x")], page));
    personal(site.ask_with(&[("REMOTE_USER", "bob"), ("AUTH_TYPE", "Negotiate")], page));
    personal(site.ask_with(&[("REDIRECT_REMOTE_USER", "bob")], page));
    personal(site.ask(Some("_ga=1; wordpress_logged_in_x=1"), page));
    personal(site.ask(Some("wp-settings-1=x"), page));
    personal(site.ask(None, "setcookie('a', 'b'); session_start();"));
    personal(site.ask(None, "session_start(); setcookie('a', 'b');"));
    for code in ["http_response_code(404);", "http_response_code(500);", "header('Location: /');"] {
        personal(site.ask(None, &format!("session_start(); {code} echo 'x';")));
    }
    for cookies in ["_ga=1; _gid=2", "_ga_X1=1;_fbp=2; _pk_id.1.2=3", "", " ; "] {
        assert_cacheable(&site.ask(Some(cookies), page).clean());
    }
    assert_cacheable(&site.ask_with(&[("REQUEST_METHOD", "HEAD")], page).clean());
    let site = Site::new().set("cloakroom.cache_cookies", "theme, lang_*").set("cloakroom.vary_cookie", "1");
    let reply = site.ask(Some("theme=dark; lang_x=de"), "header('Vary: Accept-Language'); session_start();").clean();
    assert_cacheable(&reply);
    assert_eq!(reply.all("vary"), ["Accept-Language, Cookie"], "one line: some caches obey the last one alone");
    let several = "header('Vary: A'); header('Vary: B', false); session_start();";
    assert_eq!(site.ask(None, several).clean().all("vary"), ["A", "B, Cookie"]);
    assert_eq!(site.ask(None, page).clean().all("vary"), ["Cookie"]);
    personal(site.ask(Some("_ga=1"), page));
}

#[test]
fn keys_that_do_not_count_make_no_session() {
    let site = Site::new().set("cloakroom.ignore_keys", "flash_*, _token");
    let mut visitor = Visitor::default();
    let only =
        "session_start(); $_SESSION['_token'] = 'abc'; $_SESSION['flash_old'] = ['x']; echo str_repeat('x', 9000);";
    assert_cacheable(&site.get(&mut visitor, only).clean());
    assert_eq!(records(&site), 0);
    site.get(&mut visitor, "session_start(); $_SESSION['_token'] = 'abc'; $_SESSION['cart'] = 1;").clean();
    site.get(&mut visitor, "session_start(); echo $_SESSION['_token'], $_SESSION['cart'];").clean().shows("abc1");
    site.get(&mut visitor, "session_start(); unset($_SESSION['cart']); echo $_SESSION['_token'];").clean().shows("abc");
    let gone = site.get(&mut visitor, only).clean();
    assert_eq!((gone.all("set-cookie").len(), &visitor.ticket, records(&site)), (1, &None, 0));
}

#[test]
fn eager_cookie_restores_phps_way() {
    let site = Site::new().set("cloakroom.eager_cookie", "1");
    let mut visitor = Visitor::default();
    assert_personal(&site.get(&mut visitor, "session_start(); echo 'page';").clean());
    assert_eq!(records(&site), 1);
    let reply = site.get(&mut visitor, "session_start(); echo 'page';").clean();
    assert!(!reply.sets_cookie() && visitor.ticket.is_some() && records(&site) == 1, "nothing is withdrawn");
}

#[test]
fn other_sessions_of_the_same_request_are_told_apart() {
    let site = Site::new();
    let script = "session_name('A'); session_start(); $_SESSION['n'] = 1; session_write_close();
        session_name('B'); session_id(''); session_start(); echo 'page';";
    let reply = site.ask(None, script).clean();
    let cookies = reply.all("set-cookie");
    assert_eq!((cookies.len(), cookies[0].starts_with("A=")), (1, true), "{cookies:?}");
    assert!(reply.all("cache-control")[0].contains("no-store"));
    assert_eq!(records(&site), 1);
}

#[test]
fn a_session_that_could_not_be_saved_is_no_empty_one() {
    let site = Site::new();
    let mut visitor = Visitor::default();
    let reply = site.get(&mut visitor, "session_start(); $_SESSION['a|b'] = 'secret'; echo $_SESSION['a|b'];");
    assert!(!reply.sets_cookie() && reply.all("cache-control")[0].contains("no-store"), "{:?}", reply.headers);
    let site = Site::new().set("cloakroom.max_size", "1K");
    let reply = site.get(&mut visitor, "session_start(); $_SESSION['n'] = str_repeat('x', 2000);");
    assert!(reply.all("cache-control")[0].contains("no-store"), "{:?}", reply.headers);
}

#[test]
fn what_php_code_sees_of_the_headers_is_as_without_us() {
    let site = Site::new();
    let script =
        "session_start(); $a = headers_sent(); echo str_repeat('x', 10); flush(); ob_flush(); $b = headers_sent();
        @header('X-Late: 1'); http_response_code(500); echo json_encode([$a, $b]);";
    let held = Site::new().set("output_buffering", "0").ask(None, &script.replace("flush(); ob_flush();", "")).clean();
    assert_eq!((held.body.as_str(), held.status, held.all("x-late").len()), ("xxxxxxxxxx[false,true]", 200, 0));
    let reply = site.ask(None, "session_start(); header('HTTP/1.1 203 Fine'); echo str_repeat('x', 9000);").clean();
    assert_eq!((reply.status, reply.body.len()), (203, 9000));
    let reply =
        site.ask(None, "header_register_callback(function () { header('X-Called: 1'); }); session_start();").clean();
    assert_eq!(reply.all("x-called"), ["1"]);
    assert_cacheable(&reply);
    let site = site.set("zlib.output_compression", "1");
    let reply =
        site.ask_with(&[("HTTP_ACCEPT_ENCODING", "gzip")], "session_start(); echo str_repeat('x', 9000);").clean();
    assert_eq!(reply.all("content-encoding"), ["gzip"]);
    assert_cacheable(&reply);
}

#[test]
fn auto_start_leaves_no_trace_either() {
    let site = Site::new().set("session.auto_start", "1");
    assert_cacheable(&site.ask(None, "echo str_repeat('x', 9000);").clean());
    assert_eq!(records(&site), 0);
    let mut visitor = Visitor::default();
    assert_personal(&site.get(&mut visitor, "$_SESSION['n'] = 1; echo str_repeat('x', 9000);").clean());
    site.get(&mut visitor, "echo $_SESSION['n'];").clean().shows("1");
}

#[test]
fn a_cookie_is_never_sent_twice() {
    let site = Site::new();
    for script in [
        "session_start(); $_SESSION['n'] = 1; setcookie(session_name(), session_id(), time() + 3600, '/'); echo str_repeat('x', 9000);",
        "session_start(); $_SESSION['n'] = 1; session_regenerate_id(true); session_regenerate_id(); ",
        "session_start(); $_SESSION['n'] = 1; session_write_close(); session_start();",
        "session_start(); $_SESSION['n'] = 1; session_destroy(); setcookie(session_name(), '', 1, '/');",
    ] {
        let reply = site.ask(None, script).clean();
        assert_eq!(reply.all("set-cookie").len(), 1, "{script}: {:?}", reply.headers);
    }
    let reply = site
        .ask(None, "session_start(); $_SESSION['n'] = 1; setcookie(session_name(), session_id(), time() + 3600, '/');");
    assert!(reply.all("set-cookie")[0].contains("expires="), "the application's own, which comes last");
    let other = "session_start(); $_SESSION['n'] = 1; setcookie(session_name(), 'x', 0, '/other'); setcookie('a', 'b', 0, '/');";
    assert_eq!(site.ask(None, other).clean().all("set-cookie").len(), 3, "another path is another cookie");
    // As a browser does it that has such a cookie.
    let (site, mut visitor) = emptied();
    let reply =
        site.get(&mut visitor, "session_start(); session_destroy(); setcookie(session_name(), '', 1, '/');").clean();
    assert_eq!((reply.all("set-cookie").len(), &visitor.ticket), (1, &None), "{:?}", reply.headers);
}

#[test]
fn an_add_that_finds_its_record_gone_sends_the_cookie_again_while_it_can() {
    let site = Site::new();
    let mut visitor = Visitor::default();
    site.get(&mut visitor, "session_start(); $_SESSION['cart'] = 1;").clean();
    let (added, removed) = crossing(
        &site,
        &visitor,
        "$_SESSION['x'] = 2; session_write_close();",
        &["session_start(); $_SESSION = []; session_write_close(); session_start();", "session_start();"],
    );
    assert!(removed.all("set-cookie")[0].contains("=deleted"), "{:?}", removed.headers);
    assert_eq!(added.all("set-cookie").len(), 1, "{:?}", added.headers);
    site.get(&mut visitor, "session_start(); echo $_SESSION['x'];").clean().shows("2");
}

#[test]
fn a_child_process_does_not_send_what_its_parent_holds_back() {
    let site = Site::new().set("output_buffering", "0");
    let script = "session_start(); echo 'page'; if (!($child = pcntl_fork())) exit; pcntl_waitpid($child, $s);";
    let reply = site.ask(None, script).clean().shows("page");
    assert_cacheable(&reply);
}

#[test]
fn what_is_set_after_the_headers_does_not_make_an_error_page_a_cacheable_one() {
    let site = Site::new().set("output_buffering", "0");
    let script = "session_start(); http_response_code(404); echo 'none'; http_response_code(200);";
    let reply = site.ask(None, script);
    assert_eq!(reply.status, 404);
    assert!(reply.all("cache-control").concat().contains("no-store"), "{:?}", reply.headers);
}

#[test]
fn a_session_that_was_opened_again_keeps_its_cookie_when_the_page_leaves_early() {
    let again = "session_start(); session_write_close(); session_start();";
    for early in ["echo 'x'; flush();", "echo str_repeat('x', 2000000);"] {
        let site = Site::new().set("output_buffering", "0");
        let mut visitor = Visitor::default();
        assert_personal(&site.get(&mut visitor, &format!("{again} {early} $_SESSION['n'] = 1;")).clean());
        site.get(&mut visitor, "session_start(); echo $_SESSION['n'];").clean().shows("1");
        // And one that was found empty.
        let (site, mut visitor) = emptied();
        let site = site.set("output_buffering", "0");
        let before = visitor.ticket.clone();
        site.get(&mut visitor, &format!("{again} {early} $_SESSION['n'] = 2;")).clean();
        assert_eq!(visitor.ticket, before, "it is not withdrawn");
        site.get(&mut visitor, "session_start(); echo $_SESSION['n'];").clean().shows("2");
    }
}

#[test]
fn a_wrapping_handler_that_keeps_variables_elsewhere_keeps_its_cookie() {
    let wrapper = "class Elsewhere extends SessionHandler {
            function read($id): string|false { parent::read($id); return (string) @file_get_contents(__DIR__ . '/side-' . md5($id)); }
            function write($id, $data): bool { return file_put_contents(__DIR__ . '/side-' . md5($id), $data) !== false; }
        }
        session_set_save_handler(new Elsewhere);";
    let site = Site::new();
    let mut visitor = Visitor::default();
    assert_cacheable(&site.get(&mut visitor, &format!("{wrapper} session_start(); echo 'page';")).clean());
    assert_personal(&site.get(&mut visitor, &format!("{wrapper} session_start(); $_SESSION['n'] = 1;")).clean());
    for _ in 0..2 {
        let reply =
            site.get(&mut visitor, &format!("{wrapper} session_start(); echo $_SESSION['n'];")).clean().shows("1");
        assert!(!reply.headers.iter().any(|(_, value)| value.contains("deleted")), "{:?}", reply.headers);
        assert!(reply.all("cache-control").concat().contains("no-store"), "{:?}", reply.headers);
    }
}

#[test]
fn what_is_counted_of_pages_that_leave_early_names_no_token_and_nobody() {
    let site = Site::new().set("output_buffering", "0");
    let address = "/reset/Ab3dEf7hIjKlMn9pQrStUv/ann@example.org/go?secret=1";
    let reply = site.get_at(&Visitor::default(), address, "session_start(); echo 'x'; flush();").clean();
    assert_personal(&reply);
    let store = rusqlite::Connection::open(site.folder.join("sessions.sqlite")).expect("store");
    let mut samples = store.prepare("SELECT DISTINCT sample FROM tally").expect("counters");
    let samples: Vec<String> =
        samples.query_map([], |row| row.get(0)).expect("samples").collect::<Result<_, _>>().expect("text");
    assert_eq!(samples, ["/reset/*/*/go"]);
}
