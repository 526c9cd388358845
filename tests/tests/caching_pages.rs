//! Replies that are large, early or slow: right bytes, right headers, bounded memory, and no cookie lost that carries data.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests, too")]

use std::io::{Read, Write};
use std::time::Duration;

use cloakroom_system_tests::{Options, Rig, Store, Visitor, session_cookies};
use cloakroom_testbed::{PageCache, Stream, needs};

/// One block of 64 KiB, different for each number.
const BLOCKS: &str =
    "function block( $number ) { return substr( str_repeat( hash( 'sha256', (string) $number ), 1024 ), 0, 65536 ); }";

fn cached() -> Options {
    Options { cache: Some(PageCache::default()), ..Options::default() }
}

/// A page of so many blocks; `before` and `after` are code around them.
fn blocks(rig: &Rig, name: &str, count: usize, before: &str, after: &str) {
    rig.code(
        name,
        &format!(
            "{BLOCKS} session_start(); {before} for ( $i = 0; $i < {count}; $i++ ) {{ echo block( $i ); }} {after}"
        ),
    );
}

/// The bytes that such a page must have.
fn expected(rig: &Rig, count: usize) -> String {
    rig.code("expected.php", &format!("{BLOCKS} for ( $i = 0; $i < {count}; $i++ ) {{ echo block( $i ); }}"));
    rig.visitor().get("/expected.php").body
}

/// The session of a visitor, as `values.php` tells it.
fn stored(rig: &Rig, visitor: &Visitor) -> String {
    rig.code("stored.php", "session_start(); echo json_encode( $_SESSION );");
    visitor.get("/stored.php").body
}

#[test]
fn a_small_page_with_an_unused_session_is_a_hit_and_its_own_headers_stay() {
    needs!("php-fpm", "nginx");
    let rig = Rig::with(Store::Sqlite, cached());
    rig.code("small.php", "session_start(); header( 'X-Own: 1' ); echo str_repeat( 'x', 20000 );");
    rig.code(
        "own.php",
        "header( 'Cache-Control: max-age=60' ); session_start(); header( 'Cache-Control: max-age=60' ); echo 'own';",
    );
    rig.code("private.php", "session_start(); header( 'Cache-Control: private, max-age=60' ); echo 'private';");
    let states = |path: &str| -> Vec<String> {
        let reply = || rig.visitor().get(path);
        (0..3).map(|_| reply().header("x-cache").unwrap_or("none").to_string()).collect()
    };
    assert_eq!(states("/small.php"), ["MISS", "HIT", "HIT"]);
    assert_eq!(states("/own.php"), ["MISS", "HIT", "HIT"]);
    assert_eq!(states("/private.php"), ["MISS", "MISS", "MISS"]);
    let reply = rig.visitor().get("/own.php");
    assert_eq!(reply.header("cache-control"), Some("max-age=60"));
    let reply = rig.visitor().get("/private.php");
    assert_eq!(reply.header("cache-control"), Some("private, max-age=60"));
    assert_eq!(reply.body, "private");
    rig.assert_quiet();
}

/// What PHP's session did by accident for pages that are personal by something else must not be taken from them.
#[test]
fn a_page_that_is_personal_by_something_else_is_never_kept() {
    needs!("php-fpm", "nginx");
    let rig = Rig::with(Store::Sqlite, cached());
    rig.code("hello.php", "session_start(); echo 'Hello ', htmlspecialchars( $_COOKIE['name'] ?? 'nobody' );");
    rig.code("key.php", "session_start(); echo 'Key ', $_SERVER['HTTP_AUTHORIZATION'] ?? 'none';");
    rig.code("other.php", "session_start(); setcookie( 'theme', bin2hex( random_bytes( 4 ) ) ); echo 'theme';");
    rig.code("gone.php", "session_start(); http_response_code( 404 ); echo 'not yet';");
    rig.code("moved.php", "session_start(); header( 'Location: /hello.php?' . random_int( 1, 9 ) );");
    let ann = rig.visitor();
    ann.browser.set_cookie("name", Some("Ann"));
    for _ in 0..2 {
        let reply = ann.get("/hello.php");
        assert_eq!((reply.header("x-cache"), reply.body.as_str()), (Some("MISS"), "Hello Ann"));
        assert!(reply.header("cache-control").is_some_and(|line| line.contains("no-store")), "{:?}", reply.headers);
        let reply = rig.visitor().browser.get_with("/key.php", &[("authorization", "Bearer secret")]).unwrap();
        assert_eq!((reply.header("x-cache"), reply.body.as_str()), (Some("MISS"), "Key Bearer secret"));
        for path in ["/other.php", "/gone.php", "/moved.php"] {
            let reply = rig.visitor().browser.get(path).unwrap();
            assert_eq!(reply.header("x-cache"), Some("MISS"), "{path}");
            assert_eq!(session_cookies(&reply).len(), 0, "{path}: {:?}", reply.headers);
            assert!(reply.header("cache-control").is_some_and(|line| line.contains("no-store")), "{path}");
        }
    }
    // The same page for one who is nobody, and for one whom only a script of statistics knows.
    let reader = rig.visitor();
    assert_eq!(reader.get("/hello.php").body, "Hello nobody");
    reader.browser.set_cookie("_ga", Some("GA1.1.1.1"));
    let reply = reader.get("/hello.php");
    assert_eq!((reply.header("x-cache"), reply.body.as_str()), (Some("HIT"), "Hello nobody"));
    rig.assert_quiet();
}

/// Compressed by PHP itself, page and headers are what they are without a session.
#[test]
fn a_page_that_php_compresses_comes_whole() {
    needs!("php-fpm", "nginx");
    let options = cached().set("zlib.output_compression", "1").set("output_buffering", "0");
    let rig = Rig::with(Store::Sqlite, options);
    for length in [100, 20_000, 3_000_000] {
        let text = format!("for ( $i = 0; $i < {length}; $i += 8 ) {{ printf( '%08d', $i ); }}");
        rig.code(&format!("with{length}.php"), &format!("session_start(); {text}"));
        rig.code(&format!("without{length}.php"), &text);
        let ask = |name: &str| {
            let asked = [("accept-encoding", "gzip")];
            rig.visitor().browser.get_with(&format!("/{name}{length}.php"), &asked).unwrap()
        };
        let (with, without) = (ask("with"), ask("without"));
        assert_eq!(with.header("content-encoding"), Some("gzip"), "{:?}", with.headers);
        assert_eq!(without.header("content-encoding"), Some("gzip"));
        assert!(with.body == without.body, "{length}: {} and {} bytes", with.body.len(), without.body.len());
        assert_eq!(ask("with").header("x-cache"), Some("HIT"), "{length}");
    }
    rig.assert_quiet();
}

#[test]
fn five_megabytes_come_whole_and_what_is_stored_after_them_is_kept() {
    needs!("php-fpm", "nginx");
    let rig = Rig::with(Store::Sqlite, cached());
    blocks(&rig, "large.php", 80, "", "");
    blocks(&rig, "late.php", 80, "", "$_SESSION['late'] = 'kept';");
    let expected = expected(&rig, 80);
    assert_eq!(expected.len(), 5 << 20);
    for path in ["/large.php", "/late.php"] {
        let visitor = rig.visitor();
        let reply = visitor.get(path);
        assert!(reply.body == expected, "{path}: {} bytes", reply.body.len());
        // More than is held back: the cookie goes out, and a cookie that is out has its record.
        assert_eq!(session_cookies(&reply).len(), 1, "{path}: {:?}", reply.headers);
        assert!(
            reply.header("cache-control").is_some_and(|line| line.contains("no-store")),
            "{path}: {:?}",
            reply.headers
        );
        let ticket = visitor.ticket();
        let wanted = if path == "/late.php" { r#"{"late":"kept"}"# } else { "[]" };
        assert_eq!(stored(&rig, &visitor), wanted);
        if path == "/late.php" {
            assert_eq!(visitor.ticket(), ticket, "another id was sent");
        }
    }
    rig.assert_quiet();
}

#[test]
fn what_is_stored_at_the_very_end_is_kept_with_its_cookie() {
    needs!("php-fpm", "nginx");
    let rig = Rig::with(Store::Sqlite, cached());
    let pages = [
        ("shutdown", "register_shutdown_function( function () { $_SESSION['end'] = 'kept'; } );"),
        ("destructor", "class D { function __destruct() { $_SESSION['end'] = 'kept'; } } $d = new D();"),
        ("callback", "ob_start( function ( $text ) { $_SESSION['end'] = 'kept'; return $text; } );"),
        ("exit", "register_shutdown_function( function () { $_SESSION['end'] = 'kept'; } ); echo 'x'; exit;"),
    ];
    for (name, code) in pages {
        for length in [10, 20_000, 300_000] {
            let page = format!("{name}{length}.php");
            rig.code(&page, &format!("session_start(); {code} echo str_repeat( 'x', {length} );"));
            let visitor = rig.visitor();
            let reply = visitor.get(&format!("/{page}"));
            assert_eq!(session_cookies(&reply).len(), 1, "{page}: {:?}", reply.headers);
            assert_eq!(stored(&rig, &visitor), r#"{"end":"kept"}"#, "{page}");
        }
    }
    rig.assert_quiet();
}

/// Sends a request and hands out its reply as it comes.
struct Slow {
    stream: Stream,
    text: String,
}

impl Slow {
    fn ask(rig: &Rig, path: &str) -> Self {
        let stream = rig.site.nginx().endpoint().connect().unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        (&stream)
            .write_all(format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n").as_bytes())
            .unwrap();
        Self { stream, text: String::new() }
    }

    /// Reads until this has come.
    fn until(&mut self, wanted: &str) {
        let mut piece = [0; 65536];
        while !self.text.contains(wanted) {
            let length = (&self.stream).read(&mut piece).unwrap();
            assert!(length > 0, "the reply ended without {wanted}: {}", self.text);
            self.text.push_str(&String::from_utf8_lossy(&piece[..length]));
        }
    }

    fn rest(mut self) -> String {
        let mut rest = Vec::new();
        (&self.stream).read_to_end(&mut rest).unwrap();
        self.text.push_str(&String::from_utf8_lossy(&rest));
        self.text
    }
}

/// Code that waits until the test makes a file.
fn wait_for(rig: &Rig, name: &str) -> String {
    format!("while ( ! file_exists( '{}' ) ) {{ usleep( 2000 ); clearstatcache(); }}", rig.flag(name).display())
}

#[test]
fn a_page_that_flushes_early_is_seen_early_and_keeps_its_cookie() {
    needs!("php-fpm", "nginx");
    let rig = Rig::with(Store::Sqlite, cached());
    let wait = wait_for(&rig, "go");
    rig.code("early.php", &format!("header( 'X-Accel-Buffering: no' ); session_start(); echo 'first;'; ob_flush(); flush(); {wait} $_SESSION['after'] = 'kept'; echo 'second;';"));
    let mut reply = Slow::ask(&rig, "/early.php");
    reply.until("first;");
    assert!(!reply.text.contains("second;"));
    std::fs::write(rig.flag("go"), "").unwrap();
    let text = reply.rest();
    assert!(text.contains("second;"), "{text}");
    let ticket = text.split("PHPSESSID=").nth(1).expect(&text).split(';').next().unwrap().to_string();
    assert_eq!(text.matches("Set-Cookie: PHPSESSID=").count(), 1, "{text}");
    let visitor = rig.visitor();
    visitor.hold(&ticket);
    assert_eq!(stored(&rig, &visitor), r#"{"after":"kept"}"#);
    rig.assert_quiet();
}

/// Events as they happen: each one must be seen before the next one is made.
#[test]
fn a_stream_is_seen_piece_by_piece() {
    needs!("php-fpm", "nginx");
    let rig = Rig::with(Store::Sqlite, cached());
    let steps: String = (0..5)
        .map(|step| format!("echo 'event{step};'; ob_flush(); flush(); {}", wait_for(&rig, &format!("seen{step}"))))
        .collect();
    let head = "header( 'X-Accel-Buffering: no' ); header( 'Content-Type: text/event-stream' );";
    for (name, session) in [("open", ""), ("closed", "session_write_close();")] {
        rig.code("stream.php", &format!("{head} session_start(); {session} {steps}"));
        let mut reply = Slow::ask(&rig, "/stream.php");
        for step in 0..5 {
            reply.until(&format!("event{step};"));
            std::fs::write(rig.flag(&format!("seen{step}")), "").unwrap();
        }
        let text = reply.rest();
        assert!(text.starts_with("HTTP/1.1 200"), "{name}: {text}");
        (0..5).for_each(|step| std::fs::remove_file(rig.flag(&format!("seen{step}"))).unwrap());
    }
    rig.assert_quiet();
}

/// A page that neither ends nor flushes: what it has written must not wait for ever.
#[test]
fn what_is_held_back_goes_out_after_a_second_when_more_is_written() {
    needs!("php-fpm", "nginx");
    let rig = Rig::with(Store::Sqlite, cached());
    let wait = wait_for(&rig, "on");
    // Larger than PHP's own output buffer, so that each piece reaches us.
    let page = format!(
        "header( 'X-Accel-Buffering: no' ); session_start(); echo str_repeat( 'a', 8192 ), 'one;'; usleep( 1200000 ); echo str_repeat( 'b', 8192 ), 'two;', str_repeat( 'c', 8192 ); {wait} $_SESSION['slow'] = 'kept'; echo 'three;';"
    );
    rig.code("slow.php", &page);
    let mut reply = Slow::ask(&rig, "/slow.php");
    reply.until("one;");
    std::fs::write(rig.flag("on"), "").unwrap();
    let text = reply.rest();
    assert!(text.contains("three;"));
    let ticket = text.split("PHPSESSID=").nth(1).expect("a cookie").split(';').next().unwrap().to_string();
    let visitor = rig.visitor();
    visitor.hold(&ticket);
    assert_eq!(stored(&rig, &visitor), r#"{"slow":"kept"}"#);
    rig.assert_quiet();
}

/// The most memory that a process has had, in KiB.
fn peak(pid: i32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
fn a_large_page_costs_a_worker_no_more_than_what_is_held_back() {
    needs!("php-fpm", "nginx");
    let rig =
        Rig::with(Store::Sqlite, Options { cache: Some(PageCache::default()), ..Options::default().one_worker() });
    blocks(&rig, "large.php", 800, "", "");
    blocks(&rig, "small.php", 8, "", "");
    for _ in 0..5 {
        rig.visitor().get("/small.php");
    }
    let worker = rig.site.servers()[0].workers()[0];
    let before = peak(worker);
    for _ in 0..3 {
        assert_eq!(rig.visitor().get("/large.php").body.len(), 50 << 20);
    }
    assert_eq!(rig.site.servers()[0].workers()[0], worker);
    let grown = peak(worker) - before;
    // 1 MB is held back, in a buffer that may double as it grows.
    assert!(grown < 4 << 10, "a page of 50 MB made the worker grow by {grown} KiB");
}

/// What a cache that does not look at cookies shows a visitor whose cart has an item, by the setting `cloakroom.vary_cookie`.
#[test]
fn a_cache_that_ignores_cookies_keeps_visitors_apart_by_vary() {
    needs!("php-fpm", "nginx");
    for (vary, shown) in [("0", "0 items"), ("1", "1 items")] {
        let cache = PageCache { cookie: "of_nobody".into(), ..PageCache::default() };
        let options = Options { cache: Some(cache), ..Options::default() }.set("cloakroom.vary_cookie", vary);
        let rig = Rig::with(Store::Sqlite, options);
        rig.code("add.php", "session_start(); $_SESSION['cart'][] = 1; echo 'added';");
        rig.code("cart.php", "session_start(); echo count( $_SESSION['cart'] ?? array() ), ' items';");
        let (reader, buyer) = (rig.visitor(), rig.visitor());
        for (round, state) in ["MISS", "HIT"].iter().enumerate() {
            let reply = reader.get("/cart.php");
            assert_eq!((reply.header("x-cache"), reply.body.as_str()), (Some(*state), "0 items"), "{round}");
            assert_eq!(
                reply.header("vary").is_some_and(|line| line.contains("Cookie")),
                vary == "1",
                "{:?}",
                reply.headers
            );
        }
        buyer.get("/add.php");
        assert_eq!(buyer.get("/cart.php").body, shown, "vary_cookie={vary}");
        assert_eq!(reader.get("/cart.php").body, "0 items");
        rig.assert_quiet();
    }
}
