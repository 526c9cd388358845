//! The store may fail: pages come, cookies stay, nothing believed without the store is written over what is stored.

mod support;

use std::time::{Duration, Instant};

use cloakroom_testbed::{Fpm, FpmOptions, PhpSettings, Proxy, Redis, Site as Servers, SiteOptions, wait_until};
use support::{Site, Visitor, extension};

/// Nobody listens on port 1, and the password must show nowhere.
const DEAD: &str = "redis://:hunter2@127.0.0.1:1/0";
const TICKET: &str = "0123456789012345678901234567890123456789abc";

#[test]
fn without_its_store_a_page_comes_empty_and_the_cookie_stays() {
    let site = Site::new().set("cloakroom.store", DEAD).set("display_errors", "1");
    for script in [
        "session_start(); $_SESSION['n'] = 1; echo json_encode(cloakroom_status()['state']);",
        "session_start(); session_regenerate_id(true); $_SESSION['n'] = 1; echo json_encode(cloakroom_status()['state']);",
        "session_start(); session_regenerate_id(false); session_write_close(); session_start(); echo json_encode(cloakroom_status()['state']);",
    ] {
        let mut visitor = Visitor { ticket: Some(TICKET.into()) };
        let reply = site.get(&mut visitor, script);
        assert_eq!((reply.status, reply.body.as_str()), (200, "\"detached\""), "{}", reply.log);
        assert!(!reply.sets_cookie(), "{:?}", reply.headers);
        assert_eq!(reply.log.matches("Cloakroom:").count(), 1, "one clear line: {}", reply.log);
        assert!(reply.log.contains("can't be reached"), "{}", reply.log);
        assert!(!reply.log.contains("hunter2") && !reply.log.contains(TICKET), "{}", reply.log);
    }
}

#[test]
fn a_new_visitor_gets_no_ticket_that_leads_nowhere() {
    let site = Site::new().set("cloakroom.store", DEAD);
    for script in [
        "session_start(); $_SESSION['n'] = 1;",
        "session_start(); session_id(); echo session_id();",
        "session_start(); $_SESSION['n'] = 1; session_write_close();",
        "session_start(); session_regenerate_id(); $_SESSION['n'] = 1;",
        "session_start(); $_SESSION['n'] = 1; echo str_repeat('x', 10000); while (ob_get_level()) ob_end_flush(); flush();",
    ] {
        let reply = site.get(&mut Visitor::default(), &format!("setcookie('other', '1'); {script}"));
        assert_eq!(reply.all("set-cookie").len(), 1, "only the application's own: {:?}", reply.headers);
        assert_eq!(reply.log.matches("Cloakroom:").count(), 1, "{}", reply.log);
        assert_ne!(reply.all("cache-control"), Vec::<String>::new(), "what was to be stored may be on the page");
    }
}

#[test]
fn a_log_out_that_can_not_be_stored_returns_false_without_a_warning() {
    let site = Site::new().set("cloakroom.store", DEAD);
    let handler = "set_error_handler(function ($n, $m) { throw new ErrorException($m); });";
    let script = format!("{handler} session_start(); echo json_encode(session_destroy());");
    let reply = site.get(&mut Visitor { ticket: Some(TICKET.into()) }, &script).shows("false");
    assert!(reply.log.contains("log-out") && !reply.sets_cookie(), "{}", reply.log);
    let script = format!("{handler} session_start(); $_SESSION['n'] = 1; echo json_encode(session_write_close());");
    site.get(&mut Visitor { ticket: Some(TICKET.into()) }, &script).shows("false");
}

#[test]
fn an_error_page_comes_where_the_site_asks_for_it() {
    let site = Site::new().set("cloakroom.store", DEAD).set("cloakroom.on_failure", "error");
    let script = "ob_start(); echo 'half a page'; try { session_start(); echo 'reached'; } finally { echo 'finally'; }";
    let reply = site.get(&mut Visitor { ticket: Some(TICKET.into()) }, script);
    assert_eq!(reply.status, 503, "{reply:?}");
    assert!(reply.body.contains("try again") && !reply.body.contains("reached"), "{}", reply.body);
    assert!(!reply.body.contains("half a page"), "{}", reply.body);
    assert!(!reply.sets_cookie());
    // Before the first line of code there is nothing to leave; the status still tells.
    let auto = site.set("session.auto_start", "1");
    let reply = auto.get(&mut Visitor { ticket: Some(TICKET.into()) }, "echo cloakroom_status()['state'];");
    assert_eq!((reply.status, reply.body.as_str()), (503, "detached"));
}

#[test]
fn warnings_come_only_where_the_site_asks_for_them() {
    let site = Site::new().set("cloakroom.store", DEAD).set("cloakroom.warn", "1").set("html_errors", "0");
    let script =
        "set_error_handler(function ($n, $m) { echo 'warned: ', $m; return true; }); session_start(); echo '.';";
    let reply = site.get(&mut Visitor { ticket: Some(TICKET.into()) }, script);
    assert!(reply.body.contains("warned: ") && !reply.body.contains("hunter2"), "{}", reply.body);
    // A handler that throws inside our warning.
    let script = "set_error_handler(function ($n, $m) { throw new Exception('thrown'); }); \
        try { session_start(); } catch (Exception $e) { echo $e->getMessage(); } echo session_status();";
    let reply = site.get(&mut Visitor { ticket: Some(TICKET.into()) }, script);
    assert!(reply.body.starts_with("thrown"), "{}", reply.body);
}

#[test]
fn settings_that_can_not_work_say_so_and_store_nothing() {
    for (name, value) in [("cloakroom.store", "ftp://x"), ("cloakroom.keys", "secret"), ("cloakroom.timeout", "soon")] {
        let site = Site::new().set(name, value).set("display_startup_errors", "0");
        let reply = site
            .get(&mut Visitor { ticket: Some(TICKET.into()) }, "session_start(); echo cloakroom_status()['state'];");
        assert!(reply.body.ends_with("detached"), "{reply:?}");
        assert!(reply.log.contains(name) && !reply.sets_cookie(), "{}", reply.log);
        assert!(!reply.log.contains("secret\""), "{}", reply.log);
    }
}

const PAGE: &str = "<?php session_start();
    if (isset($_GET['add'])) { $_SESSION['cart'][] = 1; }
    if (isset($_GET['rotate'])) { session_regenerate_id(true); }
    session_write_close();
    echo cloakroom_status()['state'], ' ', count($_SESSION['cart'] ?? []), ' ', getmypid();";

/// One server with one worker, so that what a worker remembers can be seen.
fn one_worker(store: &str) -> Servers {
    one_worker_with(store, PhpSettings::new())
}

fn one_worker_with(store: &str, settings: PhpSettings) -> Servers {
    let settings = settings
        .extension(extension())
        .set("session.save_handler", "cloakroom")
        .set("cloakroom.store", store)
        .set("cloakroom.timeout", "0.4");
    let fpm = FpmOptions { workers: 1, settings, ..FpmOptions::default() };
    let site = Servers::start_with(&SiteOptions { servers: 1, fpm, ..SiteOptions::default() }).expect("site");
    site.write("index.php", PAGE).expect("page");
    site
}

#[test]
fn an_outage_costs_one_time_out_and_ends_by_itself() {
    let redis = Redis::start().expect("redis");
    let site = one_worker(&redis.url());
    let visitor = site.browser();
    visitor.get("/index.php?add=1").expect("page");
    assert!(visitor.get("/index.php?add=1").expect("page").body.starts_with("live 2"));
    let ticket = visitor.cookie("PHPSESSID");

    redis.freeze();
    let began = Instant::now();
    let reply = visitor.get("/index.php?add=1").expect("page");
    assert!(reply.body.starts_with("detached 1"), "{}", reply.body);
    assert!(began.elapsed() < Duration::from_secs(2), "within the time-out: {:?}", began.elapsed());
    let began = Instant::now();
    for _ in 0..3 {
        let reply = visitor.get("/index.php?add=1&rotate=1").expect("page");
        assert!(reply.body.starts_with("detached") && reply.set_cookies().is_empty(), "{reply:?}");
    }
    assert!(began.elapsed() < Duration::from_millis(900), "the breaker answers at once: {:?}", began.elapsed());
    // A visitor without a ticket gets none that would lead nowhere.
    assert!(site.browser().get("/index.php?add=1").expect("page").set_cookies().is_empty());

    redis.thaw();
    wait_until("the worker finds its store again", Duration::from_secs(10), || {
        visitor.get("/index.php").is_ok_and(|reply| reply.body.starts_with("live 2"))
    })
    .expect("nothing that a detached request believed was written");
    assert_eq!(visitor.cookie("PHPSESSID"), ticket);
    let log = site.php_logs();
    assert_eq!(log.matches("Pages are served without their session").count(), 1, "{log}");
    assert_eq!(log.matches("answers again").count(), 1, "{log}");
}

#[test]
fn one_load_and_one_write_are_all_a_request_costs() {
    let redis = Redis::start().expect("redis");
    let proxy = Proxy::start(redis.endpoint()).expect("proxy");
    let site = one_worker(&format!("redis://{}/0", proxy.address()));
    let visitor = site.browser();
    visitor.get("/index.php?add=1").expect("page");
    visitor.get("/index.php?add=1").expect("page");
    let cost = |page: &dyn Fn()| {
        let before = proxy.round_trips();
        page();
        proxy.round_trips() - before
    };
    // One response in a hundred is followed by housekeeping, whose trips are no visitor's: look at the middle of many.
    let middle = |page: &dyn Fn()| {
        let mut costs: Vec<u64> = (0..9).map(|_| cost(page)).collect();
        costs.sort_unstable();
        costs[4]
    };
    let change = || assert!(visitor.get("/index.php?add=1").expect("page").body.starts_with("live"));
    assert_eq!(middle(&change), 2, "one to load and one to write");
    assert_eq!(middle(&|| drop(visitor.get("/index.php").expect("page"))), 1, "nothing changed, nothing written");
    assert_eq!(
        middle(&|| drop(site.browser().get("/index.php?add=1").expect("page"))),
        1,
        "a fresh id costs no lookup"
    );
}

#[test]
fn a_worker_killed_at_any_time_loses_nothing_that_was_acknowledged() {
    let folder = cloakroom_testbed::Folder::new("kill").expect("folder");
    std::fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o777)).expect("rights");
    let site = one_worker(&format!("sqlite:{}/sessions.sqlite", folder.path().display()));
    let visitor = site.browser();
    let mut acknowledged = 0;
    for round in 0..10 {
        for _ in 0..5 {
            if let Ok(reply) = visitor.get("/index.php?add=1")
                && let Some(count) = reply.body.strip_prefix("live ").and_then(|rest| rest.split(' ').next())
            {
                acknowledged = count.parse().expect("count");
            }
        }
        let fpm: &Fpm = &site.servers()[0];
        fpm.kill9_worker();
        wait_until("a new worker answers", Duration::from_secs(10), || {
            visitor.get("/index.php").is_ok_and(|reply| reply.body.starts_with(&format!("live {acknowledged} ")))
        })
        .unwrap_or_else(|error| panic!("round {round}: {error}"));
    }
    assert!(acknowledged >= 49, "{acknowledged}");
}

#[test]
fn cleaning_up_is_never_in_a_visitors_way() {
    let folder = cloakroom_testbed::Folder::new("sweep").expect("folder");
    std::fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o777)).expect("rights");
    let file = folder.join("sessions.sqlite");
    // PHP's own dice always say that it is time to clean up.
    let dice = PhpSettings::new().set("session.gc_probability", "1").set("session.gc_divisor", "1");
    let site = one_worker_with(&format!("sqlite:{}", file.display()), dice);
    let visitor = site.browser();
    visitor.get("/index.php?add=1").expect("page");
    visitor.get("/index.php").expect("page");
    // Something that is over a second later.
    site.write("old.php", "<?php ini_set('session.gc_maxlifetime', 1); session_start(); $_SESSION['old'] = 1;")
        .expect("page");
    site.browser().get("/old.php").expect("page");
    std::thread::sleep(Duration::from_millis(1100));
    // Somebody holds the write lock: a sweep must wait for it, a page that only reads must not.
    let other = rusqlite::Connection::open(&file).expect("store");
    other.execute_batch("BEGIN IMMEDIATE").expect("lock");
    let began = Instant::now();
    let reply = visitor.get("/index.php").expect("page");
    let first = began.elapsed();
    assert!(reply.body.starts_with("live 1"), "{}", reply.body);
    // The next page of the one worker waits for what the first one left to do: that is how we know that it waited.
    let began = Instant::now();
    visitor.get("/index.php").expect("page");
    let second = began.elapsed();
    assert!(first < Duration::from_millis(150), "the sweep was in the way: {first:?}");
    assert!(second > Duration::from_millis(100), "there was no sweep to wait for: {second:?}");
}
