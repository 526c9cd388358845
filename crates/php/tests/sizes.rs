//! Large variables are told of and counted; a session that is too large is refused, and what was stored stays.

mod support;

use support::{Site, Visitor};

/// Labels, counts and bytes of the counted large variables.
fn large(site: &Site) -> Vec<(String, i64, i64)> {
    let store = rusqlite::Connection::open(site.folder.join("sessions.sqlite")).expect("store");
    let mut rows =
        store.prepare("SELECT label, count, sum FROM tally WHERE kind = 8 ORDER BY label").expect("counters");
    let rows = rows.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).expect("rows");
    rows.map(|row| row.expect("row")).collect()
}

const LARGE: &str = "session_start();
    $_SESSION['small'] = 1;
    $_SESSION['catalogue'] = str_repeat('x', 40000) . random_int(0, 99999);
    $_SESSION['list'] = str_repeat('y', 20000);
    echo json_encode(session_write_close());";

#[test]
fn a_large_variable_is_told_of_with_who_wrote_it_and_counted() {
    let site = Site::new().set("cloakroom.warn_size", "30K").set("display_errors", "1").set("html_errors", "0");
    let mut visitor = Visitor::default();
    let reply = site.get(&mut visitor, LARGE).shows("true");
    assert_eq!(reply.log.matches("Cloakroom:").count(), 1, "{}", reply.log);
    for part in ["The variable catalogue of a session has 39 KiB", "(cloakroom.warn_size is 30 KiB)", "page.php:4)"] {
        assert!(reply.log.contains(part), "{part}: {}", reply.log);
    }
    let counted = large(&site);
    assert_eq!(counted.len(), 1, "{counted:?}");
    let (label, count, bytes) = &counted[0];
    assert!(label.starts_with("large catalogue | application ") && label.ends_with("page.php:4"), "{label}");
    assert!(*count == 1 && (40_000..40_020).contains(bytes), "{counted:?}");
    // What is only read, and what is not large, is told of by nobody.
    site.get(&mut visitor, "session_start(); echo strlen($_SESSION['list']);").clean().shows("20000");
    site.get(&mut Visitor::default(), "session_start(); $_SESSION['a'] = str_repeat('x', 29000);").clean();
    assert_eq!(large(&site), counted);
}

#[test]
fn where_nobody_was_seen_writing_the_address_is_named() {
    let site = Site::new().set("cloakroom.warn_size", "30K").set("cloakroom.blame", "0");
    let reply = site.get_at(&Visitor::default(), "/shop/cart?token=hunter2", LARGE);
    assert!(reply.log.contains("written by a request for /shop/cart."), "{}", reply.log);
    assert!(!reply.log.contains("hunter2"), "{}", reply.log);
}

#[test]
fn a_worker_tells_of_one_variable_once_a_minute_and_counts_each_time() {
    let site = Site::new().set("cloakroom.warn_size", "30K");
    let script = "for ($i = 0; $i < 5; $i++) {
        session_start(); $_SESSION['a'] = str_repeat('x', 40000 + 2000 * $i); $_SESSION['b'] = str_repeat('y', 31000 + $i);
        session_write_close(); }";
    let reply = site.get(&mut Visitor::default(), script);
    assert_eq!(reply.log.matches("Cloakroom:").count(), 2, "{}", reply.log);
    let counts: Vec<i64> = large(&site).into_iter().map(|(_, count, _)| count).collect();
    assert_eq!(counts, [5, 5]);
}

#[test]
fn a_warning_of_php_comes_only_where_the_site_asks_for_it() {
    let site = Site::new().set("cloakroom.warn_size", "30K").set("display_errors", "1").set("html_errors", "0");
    assert!(!site.get(&mut Visitor::default(), LARGE).body.contains("Warning"));
    let site = site.set("cloakroom.warn", "1");
    let reply = site.get(&mut Visitor::default(), LARGE);
    assert!(reply.body.contains("Warning") && reply.body.contains("catalogue"), "{}", reply.body);
}

#[test]
fn without_warn_size_nothing_is_told() {
    let site = Site::new().set("cloakroom.warn_size", "0");
    site.get(&mut Visitor::default(), LARGE).clean().shows("true");
    assert!(large(&site).is_empty());
}

#[test]
fn a_session_that_is_too_large_is_refused_with_the_variable_named_and_the_stored_one_stays() {
    let site = Site::new().set("cloakroom.max_size", "64K").set("html_errors", "0");
    let mut visitor = Visitor::default();
    site.get(&mut visitor, "session_start(); $_SESSION['cart'] = 'socks';").clean();
    let reply = site.get(
        &mut visitor,
        "session_start(); $_SESSION['cart'] = 'shoes';
        $_SESSION['export'] = str_repeat('x', 70000);
        echo json_encode([session_write_close(), cloakroom_status()['last']]);",
    );
    assert!(reply.body.starts_with("[false,\"not stored: "), "{}", reply.body);
    for text in [&reply.log, &reply.body] {
        assert!(text.contains("Its largest variable is export with 68 KiB, written by application "), "{text}");
        assert!(text.contains("page.php:3)") && text.contains("cloakroom.max_size allows 65536"), "{text}");
    }
    site.get(&mut visitor, "session_start(); echo json_encode($_SESSION);").clean().shows(r#"{"cart":"socks"}"#);
}

#[test]
fn a_rotation_of_a_session_that_is_too_large_names_the_variable_and_moves_nothing() {
    let site = Site::new().set("cloakroom.max_size", "64K").set("html_errors", "0");
    let mut visitor = Visitor::default();
    site.get(&mut visitor, "session_start(); $_SESSION['cart'] = 'socks';").clean();
    let same = visitor.clone();
    let reply = site
        .get(&mut visitor, "session_start(); $_SESSION['export'] = str_repeat('x', 70000); session_regenerate_id();");
    assert!(reply.log.contains("Its largest variable is export with 68 KiB"), "{}", reply.log);
    assert_eq!(visitor.ticket, same.ticket);
    site.get(&mut visitor, "session_start(); echo json_encode($_SESSION);").clean().shows(r#"{"cart":"socks"}"#);
}

#[test]
fn the_status_tells_the_largest_variables() {
    let site = Site::new();
    let mut visitor = Visitor::default();
    site.get(&mut visitor, "session_start(); $_SESSION = ['a' => 1, 'b' => str_repeat('x', 1000), 'c d' => [1]];");
    let script = "session_start(); echo json_encode(cloakroom_status()['largest']);";
    for serializer in ["php", "php_serialize", "php_binary"] {
        let mut copy = visitor.clone();
        let site_of = |s: &str| format!("ini_set('session.serialize_handler', '{s}'); {script}");
        site.get(&mut copy, &site_of(serializer)).clean().shows(r#"{"b":1010,"c d":14,"a":4}"#);
    }
    site.get(&mut Visitor::default(), "echo json_encode(cloakroom_status()['largest']);").clean().shows("[]");
}
