//! Responses that are held back under PHP-FPM: right bytes, right headers, bounded memory and time, no cookie lost that
//! carries data.

mod support;

use std::time::Duration;

use cloakroom_testbed::{PhpSettings, Reply, wait_until};
use support::rig::{Rig, rig};

fn records(rig: &Rig) -> u32 {
    // It is made by who stores the first session, and must belong to him.
    if !rig.store().exists() {
        return 0;
    }
    let store = rusqlite::Connection::open(rig.store()).expect("store");
    let made = "SELECT count(*) FROM sqlite_master WHERE name = 'record'";
    if store.query_row(made, [], |row| row.get::<_, u32>(0)).expect("tables") == 0 {
        return 0;
    }
    store.query_row("SELECT count(*) FROM record", [], |row| row.get(0)).expect("records")
}

fn body(size: usize) -> String {
    (0..size).map(|n| char::from(b'a' + u8::try_from(n % 26).expect("small"))).collect()
}

/// PHP code that prints `size` bytes in pieces.
fn print(size: usize, piece: usize) -> String {
    format!(
        "$all = ''; for ($i = 0; $i < {size}; $i++) $all .= chr(97 + $i % 26);
        foreach (str_split($all, {piece}) as $part) echo $part;"
    )
}

#[track_caller]
fn clean(reply: &Reply) {
    assert!(reply.set_cookies().is_empty() && reply.header("cache-control").is_none(), "{reply:?}");
}

#[test]
fn long_pages_arrive_whole_and_what_is_stored_after_their_first_byte_has_its_cookie() {
    let rig = rig(PhpSettings::new());
    for (size, piece) in
        [(0, 1), (100, 7), (20_000, 100), (900_000, 8192), (1 << 20, 4096), (5_000_000, 8191), (5_000_000, 5_000_000)]
    {
        rig.page("empty.php", &format!("session_start(); {}", print(size, piece)));
        rig.page("full.php", &format!("session_start(); {} $_SESSION['n'] = {size};", print(size, piece)));
        let reply = rig.site.browser().get("/empty.php").expect("page");
        assert!(reply.body == body(size), "{size} bytes in pieces of {piece}: {} came", reply.body.len());
        if size <= 1 << 20 {
            clean(&reply);
        } else {
            assert_eq!(reply.set_cookies().len(), 1, "beyond the bound the cookie goes out");
        }
        let visitor = rig.site.browser();
        let reply = visitor.get("/full.php").expect("page");
        assert!(reply.body == body(size) && reply.set_cookies().len() == 1, "{size}: {:?}", reply.set_cookies());
        assert_eq!(visitor.get("/show.php").expect("page").body, format!("{{\"n\":{size}}}"));
    }
    assert_eq!(rig.site.php_logs(), "");
}

#[test]
fn what_is_held_back_is_bounded_in_memory_and_not_on_the_pages_account() {
    let rig = rig(PhpSettings::new().set("memory_limit", "8M"));
    let peak = "preg_match('/VmHWM:\\s+(\\d+)/', file_get_contents('/proc/self/status'), $m); $peak = $m[1];";
    rig.page(
        "large.php",
        &format!(
            "ob_end_clean(); session_start(); $piece = str_repeat('x', 65536); echo $piece; {peak} $before = $peak;
            for ($i = 0; $i < 1000; $i++) echo $piece; {peak} echo ' ', $peak - $before;"
        ),
    );
    let reply = rig.site.browser().get("/large.php").expect("page");
    let (bytes, grown) = reply.body.split_once(' ').expect("both");
    assert_eq!(bytes.len(), 1001 * 65536);
    let grown: u64 = grown.parse().expect("kilobytes");
    assert!(grown < 8 * 1024, "held back 64 MB in {grown} kB");
}

#[test]
fn a_page_that_leaves_early_has_its_cookie_a_record_and_is_counted() {
    let rig = rig(PhpSettings::new().set("output_buffering", "0"));
    let status = "echo ' ', cloakroom_status()['worker_early_cookies'] > 0 ? 'counted' : 'missed';";
    let wait = "$end = hrtime(true) + 1100000000; while (hrtime(true) < $end) usleep(10000);";
    for (name, code) in [
        ("flush", format!("session_start(); echo 'early'; flush(); {status} $_SESSION['late'] = 1;")),
        ("implicit", format!("ob_implicit_flush(); session_start(); echo 'early'; {status} $_SESSION['late'] = 1;")),
        ("slow", format!("session_start(); echo 'early'; {wait} echo '.'; {status} $_SESSION['late'] = 1;")),
    ] {
        rig.page(&format!("{name}.php"), &code);
        let visitor = rig.site.browser();
        let before = records(&rig);
        let reply = visitor.get(&format!("/{name}.php")).expect("page");
        assert!(reply.body.starts_with("early") && reply.body.ends_with(" counted"), "{name}: {reply:?}");
        assert_eq!(
            (reply.set_cookies().len(), records(&rig) - before),
            (1, 1),
            "{name}: {reply:?} {}",
            rig.site.php_logs()
        );
        wait_until("it is saved", Duration::from_secs(10), || {
            visitor.get("/show.php").is_ok_and(|reply| reply.body == r#"{"late":1}"#)
        })
        .expect("saved");
    }
    // Who has left early may be about to add something: nobody takes its place away meanwhile, nor makes it last longer.
    rig.page("leaves.php", "session_start(); echo 'early'; flush();");
    let visitor = rig.site.browser();
    visitor.get("/leaves.php").expect("page");
    let left = || {
        let store = rusqlite::Connection::open(rig.store()).expect("store");
        store
            .query_row("SELECT max(idle) FROM record WHERE size = 0", [], |row| row.get::<_, i64>(0))
            .expect("a record")
    };
    let (before, now) = (left(), std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("now"));
    assert!(before <= i64::try_from(now.as_millis()).expect("small") + 600_000, "ten minutes at most");
    assert!(visitor.get("/show.php").expect("page").set_cookies().is_empty());
    assert_eq!(left(), before);
    // Nothing can come into a session that is closed: nothing to wait for, and nothing to keep.
    for code in ["flush();", "fastcgi_finish_request();", "echo str_repeat('x', 2000000);"] {
        rig.page("closed.php", &format!("session_start(); session_write_close(); echo 'early'; {code}"));
        clean(&rig.site.browser().get("/closed.php").expect("page"));
    }
    assert_eq!(rig.site.php_logs(), "");
}

#[test]
fn what_was_finished_early_leaves_at_once_and_keeps_what_comes_later() {
    let rig = rig(PhpSettings::new());
    let wait = "for ($i = 0; $i < 2000 && !file_exists(__DIR__ . '/go'); $i++) { usleep(5000); clearstatcache(); }";
    rig.page(
        "finish.php",
        &format!("session_start(); echo 'early'; fastcgi_finish_request(); {wait} $_SESSION['late'] = 1;"),
    );
    let visitor = rig.site.browser();
    // It answers although the script waits for a file that only comes afterwards.
    let reply = visitor.get("/finish.php").expect("page");
    assert_eq!((reply.body.as_str(), reply.set_cookies().len(), records(&rig)), ("early", 1, 1));
    rig.site.write("go", "").expect("file");
    wait_until("it is saved", Duration::from_secs(10), || {
        visitor.get("/show.php").is_ok_and(|reply| reply.body == r#"{"late":1}"#)
    })
    .expect("saved");
}

#[test]
fn what_was_put_in_before_the_response_was_finished_is_there_when_the_browser_is_back() {
    let rig = rig(PhpSettings::new());
    let wait = "for ($i = 0; $i < 2000 && !file_exists(__DIR__ . '/go'); $i++) { usleep(5000); clearstatcache(); }";
    rig.page(
        "login.php",
        &format!("session_start(); $_SESSION['user'] = 7; fastcgi_finish_request(); {wait} $_SESSION['late'] = 1;"),
    );
    let visitor = rig.site.browser();
    assert_eq!(visitor.get("/login.php").expect("page").set_cookies().len(), 1);
    // The script still waits.
    assert_eq!(visitor.get("/show.php").expect("page").body, r#"{"user":7}"#);
    rig.site.write("go", "").expect("file");
    wait_until("the rest is saved", Duration::from_secs(10), || {
        visitor.get("/show.php").is_ok_and(|reply| reply.body == r#"{"late":1,"user":7}"#)
    })
    .expect("saved");
}

#[test]
fn a_stream_arrives_piece_by_piece() {
    let rig = rig(PhpSettings::new());
    let wait = "for ($i = 0; $i < 2000 && !file_exists(__DIR__ . '/go'); $i++) { usleep(5000); clearstatcache(); }";
    rig.page(
        "stream.php",
        &format!(
            "header('X-Accel-Buffering: no'); session_start(); while (ob_get_level()) ob_end_flush();
            echo 'first'; flush(); file_put_contents(__DIR__ . '/flushed', ''); {wait} $_SESSION['n'] = 1; echo 'second';"
        ),
    );
    use std::io::{Read, Write};
    let mut stream = std::net::TcpStream::connect(rig.site.url().trim_start_matches("http://")).expect("nginx");
    stream.set_read_timeout(Some(Duration::from_secs(10))).expect("time-out");
    stream.write_all(b"GET /stream.php HTTP/1.0\r\nHost: x\r\n\r\n").expect("sent");
    let mut got = Vec::new();
    let mut piece = [0; 4096];
    while !got.ends_with(b"first") {
        let n = stream.read(&mut piece).expect("the first piece while the page still runs");
        assert_ne!(n, 0, "{}", got.escape_ascii());
        got.extend_from_slice(&piece[..n]);
    }
    rig.site.write("go", "").expect("file");
    stream.read_to_end(&mut got).expect("the rest");
    assert!(got.ends_with(b"firstsecond"), "{}", got.escape_ascii());
    assert_eq!(String::from_utf8_lossy(&got).matches("Set-Cookie: PHPSESSID").count(), 1);
}

#[test]
fn a_visitor_who_goes_away_leaves_a_whole_worker_behind() {
    let rig = rig(PhpSettings::new());
    rig.page(
        "gone.php",
        &format!(
            "session_start(); $_SESSION['n'] = 1; ignore_user_abort(isset($_GET['stay'])); {}",
            print(900_000, 8192)
        ),
    );
    rig.page("empty.php", "session_start(); echo 'page';");
    use std::io::Write;
    for _ in 0..20 {
        for path in ["/gone.php", "/gone.php?stay"] {
            let mut stream = std::net::TcpStream::connect(rig.site.url().trim_start_matches("http://")).expect("nginx");
            stream.write_all(format!("GET {path} HTTP/1.0\r\nHost: x\r\n\r\n").as_bytes()).expect("sent");
        }
        let reply = rig.site.browser().get("/empty.php").expect("page");
        assert_eq!(reply.body, "page");
        clean(&reply);
    }
    assert_eq!(rig.site.php_logs(), "");
}

#[test]
fn a_visitor_with_a_session_is_not_held_back() {
    let rig = rig(PhpSettings::new().set("output_buffering", "0"));
    rig.page("add.php", "session_start(); $_SESSION['n'] = 1;");
    // A cookie that is added after the first byte would only be taken while the headers are held back.
    rig.page("held.php", "session_start(); ob_start(); echo 'x'; ob_end_flush(); echo connection_status(), cloakroom_status()['held_back'] ? 'held' : 'sent';");
    let visitor = rig.site.browser();
    assert_eq!(visitor.get("/held.php").expect("page").body, "x0held");
    visitor.get("/add.php").expect("page");
    assert_eq!(visitor.get("/held.php").expect("page").body, "x0sent");
}

#[test]
fn heads_and_redirects_and_errors_have_no_cookie_either() {
    let rig = rig(PhpSettings::new());
    rig.page("head.php", "session_start(); echo str_repeat('x', 9000);");
    rig.page("redirect.php", "session_start(); header('Location: /show.php'); exit;");
    rig.page("fatal.php", "session_start(); echo str_repeat('x', 9000); undefined_function();");
    rig.page("memory.php", "ini_set('memory_limit', '4M'); session_start(); echo 'x'; str_repeat('x', 1 << 26);");
    rig.page("length.php", "session_start(); header('Content-Length: 4'); echo 'page';");
    for (page, status) in [("redirect", 302), ("fatal", 200), ("memory", 500), ("length", 200)] {
        let reply = rig.site.browser().get(&format!("/{page}.php")).expect("page");
        assert!(reply.set_cookies().is_empty(), "{page}: {reply:?}");
        assert_eq!(reply.status, status, "{page}");
    }
    assert_eq!(records(&rig), 0);
}

#[test]
fn a_fatal_error_in_an_output_callback_leaves_the_headers_whole() {
    let rig = rig(PhpSettings::new());
    let broken = "ob_start(function ($page) { ob_start(); return $page; }); session_start(); echo 'page';";
    rig.page("empty.php", broken);
    rig.page("full.php", &format!("{broken} $_SESSION['n'] = 1;"));
    let reply = rig.site.browser().get("/empty.php").expect("page");
    assert_eq!((reply.status, reply.body.as_str()), (200, ""), "as PHP answers it: {reply:?}");
    clean(&reply);
    let visitor = rig.site.browser();
    let reply = visitor.get("/full.php").expect("page");
    assert_eq!((reply.status, reply.set_cookies().len()), (200, 1), "{reply:?}");
    assert_eq!(visitor.get("/show.php").expect("page").body, r#"{"n":1}"#);
}
