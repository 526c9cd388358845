//! Two requests of one session that change the same: what the rules say, what is told. And requests that only read.

mod support;

use std::time::Duration;

use cloakroom_testbed::{PhpSettings, wait_until};
use support::rig::{Rig, rig};
use support::{Site, Visitor};

/// A page that changes the session, lets another request of the same visitor change and save it in between, and saves.
fn collide(rig: &Rig, start: &str, mine: &str, theirs: &str) -> String {
    rig.page("first.php", &format!("session_start(); {start} echo 'first';"));
    rig.page("theirs.php", &format!("session_start(); {theirs}"));
    rig.page(
        "mine.php",
        &format!(
            "session_start(); {mine} call('/theirs.php');
            echo json_encode([session_write_close(), cloakroom_status()['last'], cloakroom_status()['conflicts']]), ' ';
            session_start(); ksort($_SESSION); echo json_encode($_SESSION);"
        ),
    );
    let visitor = rig.site.browser();
    assert_eq!(visitor.get("/first.php").expect("page").body, "first");
    visitor.get("/mine.php").expect("page").body
}

#[test]
fn merge_rules_say_what_becomes_of_what_both_changed() {
    let rig = rig(PhpSettings::new().set("cloakroom.merge_rules", "n=sum, cart.*.qty=sum, first=first"));
    let change = "$_SESSION['n']++;";
    let body = collide(
        &rig,
        "$_SESSION = ['n' => 10, 'cart' => ['tea' => ['qty' => 1]], 'first' => 0, 'last' => 0];",
        &format!("{change} $_SESSION['cart']['tea']['qty'] += 2; $_SESSION['first'] = $_SESSION['last'] = 'mine';"),
        &format!("{change} $_SESSION['cart']['tea']['qty'] += 2; $_SESSION['first'] = $_SESSION['last'] = 'theirs';"),
    );
    assert_eq!(
        body,
        r#"[true,"merged",["first","last"]] {"cart":{"tea":{"qty":5}},"first":"theirs","last":"mine","n":12}"#
    );
    assert_eq!(rig.site.php_logs(), "", "conflicts are silent unless the site asks");
}

#[test]
fn a_rule_that_fails_keeps_everything_of_the_request_out_and_says_so() {
    let rig = rig(PhpSettings::new().set("cloakroom.merge_rules", "order.*=fail"));
    let body = collide(
        &rig,
        "$_SESSION['order'] = ['state' => 'new', 'number' => 'secret-1234'];",
        "$_SESSION['order']['state'] = 'mine'; $_SESSION['other'] = 1;",
        "$_SESSION['order']['state'] = 'theirs';",
    );
    let stored = r#"{"order":{"state":"theirs","number":"secret-1234"}}"#;
    assert!(body.starts_with("[false,\"not stored: ") && body.contains(r#",["order.*"]]"#), "{body}");
    assert!(body.ends_with(stored), "{body}");
    let log = rig.site.php_logs();
    assert_eq!(log.matches("Cloakroom:").count(), 1, "{log}");
    assert!(log.contains("order.*") && log.contains("was not saved") && !log.contains("secret"), "{log}");
    let counted = || {
        let store = rusqlite::Connection::open(rig.store()).expect("store");
        store.query_row("SELECT count(*) FROM tally WHERE kind = 1 AND label = 'order.*'", [], |r| r.get::<_, i64>(0))
    };
    wait_until("the conflict is counted", Duration::from_secs(30), || {
        rig.site.browser().get("/show.php").is_ok() && counted() == Ok(1)
    })
    .expect("counted");
}

#[test]
fn conflicts_are_told_where_the_site_asks() {
    let rig = rig(PhpSettings::new().set("cloakroom.conflict_log", "1"));
    let body = collide(&rig, "$_SESSION['user'] = 0;", "$_SESSION['user'] = 'mine';", "$_SESSION['user'] = 'theirs';");
    assert_eq!(body, r#"[true,"merged",["user"]] {"user":"mine"}"#);
    let log = rig.site.php_logs();
    assert_eq!(log.matches("Cloakroom:").count(), 1, "{log}");
    assert!(log.contains("changed user at the same time"), "{log}");
}

#[test]
fn a_merge_rule_that_can_not_be_understood_is_told_once_and_sessions_go_on() {
    let rig = rig(PhpSettings::new());
    rig.site.write(".user.ini", "cloakroom.merge_rules = \"n=sum, cart=most\"\n").expect("settings");
    let body = collide(&rig, "$_SESSION['n'] = 1;", "$_SESSION['n'] = 5;", "$_SESSION['n'] = 7;");
    assert!(body.ends_with(r#"{"n":5}"#), "no rule is in force: {body}");
    for _ in 0..20 {
        rig.site.browser().get("/show.php").expect("page");
    }
    let log = rig.site.php_logs();
    let told = log.matches("`cart=most`").count();
    assert!((1..=8).contains(&told), "once by each worker that met it: {log}");
    assert_eq!(log.matches("Cloakroom:").count(), told, "{log}");
    // Where php.ini has it, PHP says so when it starts, and no page again.
    let site = Site::new().set("cloakroom.merge_rules", "cart=most");
    let reply = site.get(&mut Visitor::default(), "session_start(); $_SESSION['n'] = 1; echo session_write_close();");
    assert!(reply.body.ends_with('1'), "{reply:?}");
    assert_eq!(reply.log.matches("`cart=most`").count(), 1, "{}", reply.log);
}

#[test]
fn read_and_close_writes_nothing() {
    let site = Site::new();
    let mut visitor = Visitor::default();
    site.get(&mut visitor, "session_start(); $_SESSION['n'] = 1;").clean();
    let rows = || {
        let store = rusqlite::Connection::open(site.folder.join("sessions.sqlite")).expect("store");
        let count: i64 = store.query_row("SELECT count(*) FROM record", [], |r| r.get(0)).expect("row");
        let row: (i64, i64, i64) = store
            .query_row("SELECT counter, touched, idle FROM record", [], |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?)))
            .expect("row");
        (count, row)
    };
    let before = rows();
    let script = "session_start(['read_and_close' => true]); echo $_SESSION['n']; $_SESSION['n'] = 2;";
    site.get(&mut visitor, script).clean().shows("1");
    assert_eq!(rows(), before);
    site.get(&mut visitor, "session_start(); echo $_SESSION['n'];").clean().shows("1");
}

#[test]
fn a_path_that_only_reads_changes_nothing_and_gives_no_ticket() {
    let site = Site::new().set("cloakroom.readonly_paths", "/wp-json, /feed/*");
    let mut visitor = Visitor::default();
    site.get(&mut visitor, "session_start(); $_SESSION['n'] = 1;").clean();
    let change = "session_start(); $_SESSION['n']++; $_SESSION['x'] = 1; cloakroom_owner('site:1');
        echo json_encode([session_write_close(), cloakroom_status()['last']]);";
    let reply = site.get_at(&visitor, "/wp-json/v2/posts?x=1", change).clean();
    assert!(reply.body.starts_with("[false,\"not stored: the request was to read the session only"), "{}", reply.body);
    // Nothing changed is no failure; a new id keeps what is stored.
    site.get_at(
        &visitor,
        "/feed/atom",
        "session_start(); echo $_SESSION['n']; echo json_encode(session_write_close());",
    )
    .clean()
    .shows("1true");
    let reply = site.get_at(&Visitor::default(), "/wp-json/", "session_start(); $_SESSION['n'] = 7;").clean();
    assert!(!reply.sets_cookie(), "{:?}", reply.headers);
    site.get_at(&visitor, "/wp-jsonp", "session_start(); echo json_encode($_SESSION); $_SESSION['n'] = 2;")
        .clean()
        .shows(r#"{"n":1}"#);
    let store = rusqlite::Connection::open(site.folder.join("sessions.sqlite")).expect("store");
    let records: i64 = store.query_row("SELECT count(*) FROM record", [], |r| r.get(0)).expect("row");
    assert_eq!(records, 1);
    // A log-out is asked for by name.
    site.get_at(&visitor, "/wp-json/logout", "session_start(); echo json_encode(session_destroy());")
        .clean()
        .shows("true");
    site.get(&mut visitor, "session_start(); echo json_encode($_SESSION);").clean().shows("[]");
}

#[test]
fn a_new_id_on_a_path_that_only_reads_carries_no_change_along() {
    let site = Site::new().set("cloakroom.readonly_paths", "/api");
    let mut visitor = Visitor::default();
    site.get(&mut visitor, "session_start(); $_SESSION['n'] = 1;").clean();
    let change = "session_start(); $_SESSION['user'] = 1; cloakroom_owner('site:1'); session_regenerate_id(true); $_SESSION['n'] = 2; echo session_id();";
    let new = Visitor { ticket: Some(site.get_at(&visitor, "/api", change).clean().body) };
    assert_ne!(new.ticket, visitor.ticket);
    site.get_at(&new, "/page.php", "session_start(); echo json_encode([$_SESSION, cloakroom_status()['owner']]);")
        .clean()
        .shows(r#"[{"n":1},null]"#);
}

#[test]
fn the_debug_mode_names_what_a_read_only_request_changed_and_who_started_the_session() {
    let site = Site::new().set("cloakroom.readonly_paths", "/api").set("cloakroom.debug", "1");
    let mut visitor = Visitor::default();
    site.get(&mut visitor, "session_start(); $_SESSION = ['same' => ['a'], 'n' => 1, 'gone' => 'secret'];").clean();
    let change = "function start() {\n session_start();\n }\n start(); $_SESSION['n']++; unset($_SESSION['gone']); $_SESSION['new'] = 'secret';";
    let reply = site.get_at(&visitor, "/api/things?token=secret", change);
    assert_eq!(reply.log.matches("Cloakroom:").count(), 1, "{}", reply.log);
    assert!(reply.log.contains("/api/things)") && reply.log.contains("changed n, new, gone"), "{}", reply.log);
    assert!(reply.log.contains("/page.php:3;"), "{}", reply.log);
    assert!(!reply.log.contains("secret"), "{}", reply.log);
    site.get_at(&visitor, "/api/things", "session_start(); echo $_SESSION['n'];").clean().shows("1");
}

#[test]
fn a_write_that_a_log_out_stopped_is_named_in_the_log() {
    let rig = rig(PhpSettings::new());
    rig.page("first.php", "session_start(); $_SESSION['user'] = 'ann'; $_SESSION['cart'] = []; echo 'in';");
    rig.page("out.php", "session_start(); session_destroy();");
    rig.page(
        "slow.php",
        "session_start(); $_SESSION['cart'][] = 'secret-tea'; call('/out.php'); echo json_encode(session_write_close());",
    );
    let visitor = rig.site.browser();
    assert_eq!(visitor.get("/first.php").expect("page").body, "in");
    assert_eq!(visitor.get("/slow.php").expect("page").body, "false");
    assert_eq!(visitor.get("/show.php").expect("page").body, "[]");
    let log = rig.site.php_logs();
    assert_eq!(log.matches("Cloakroom:").count(), 1, "{log}");
    assert!(log.contains("A write was dropped (cart, key ") && log.contains("was ended"), "{log}");
    assert!(!log.contains("secret"), "{log}");
}

#[test]
fn an_old_id_after_its_grace_is_told_as_a_possible_theft() {
    let site = Site::new().set("cloakroom.grace", "0");
    let mut visitor = Visitor::default();
    site.get(&mut visitor, "session_start(); $_SESSION['user'] = 'ann';").clean();
    let thief = visitor.clone();
    site.get(&mut visitor, "session_start(); session_regenerate_id(true);").clean();
    let began = std::time::Instant::now();
    let reply = loop {
        // The store's clock decides when more than no time has passed.
        let reply = site.get_at(&thief, "/page.php", "session_start(); echo json_encode($_SESSION);");
        if !reply.log.is_empty() || began.elapsed().as_secs() > 10 {
            break reply;
        }
    };
    assert_eq!(reply.body, "[]");
    assert_eq!(reply.log.matches("Cloakroom: Possible theft").count(), 1, "{}", reply.log);
    let id = thief.ticket.expect("ticket");
    assert!(!reply.log.contains(&id), "{}", reply.log);
    site.get(&mut visitor, "session_start(); echo $_SESSION['user'];").clean().shows("ann");
}
