//! `cloakroom_peek()`: who has an id can look, and nothing changes by it.

mod support;

use support::{Site, Visitor};

/// What is known of a session by its key, as JSON, without its last use where that is not asked for.
fn known(site: &Site, key: &str) -> String {
    site.cli(&format!("echo json_encode(cloakroom_show('{key}'));")).clean().body
}

fn key_of(site: &Site, visitor: &Visitor) -> String {
    let mut again = visitor.clone();
    let short = site.get(&mut again, "session_start(['read_and_close' => true]); echo cloakroom_status()['key'];");
    site.cli(&format!("echo cloakroom_show('{}')['key'];", short.body)).clean().body
}

#[test]
fn who_has_the_id_reads_what_is_stored_and_the_session_is_not_used_by_it() {
    let site = Site::new().set("cloakroom.concurrency", "lock");
    let mut a = Visitor::default();
    site.get(&mut a, "session_start(); $_SESSION = ['a' => 1, 'b' => ['c' => 'tea']];").clean();
    let id = a.ticket.clone().expect("a ticket");
    let key = key_of(&site, &a);
    let before = known(&site, &key);
    let reply = site.ask(None, &format!("var_dump(cloakroom_peek('{id}'), cloakroom_error(), session_id());"));
    assert_eq!(
        reply.body, "string(32) \"a|i:1;b|a:1:{s:1:\"c\";s:3:\"tea\";}\"\nstring(0) \"\"\nstring(0) \"\"\n",
        "{}",
        reply.log
    );
    assert!(reply.all("set-cookie").is_empty(), "{:?}", reply.headers);
    assert_eq!(known(&site, &key), before, "version, deadline and last use are as they were");
    // The session that looks has its own variables, and what it has not saved is not in what it sees of itself.
    let mut b = Visitor::default();
    site.get(
        &mut b,
        &format!("session_start(); $_SESSION['own'] = 1; $p = cloakroom_peek('{id}'); echo strlen($p), json_encode([$_SESSION, cloakroom_peek(session_id())]);"),
    )
    .clean()
    .shows(r#"32[{"own":1},null]"#);
    site.get(&mut b, "session_start(); $_SESSION['own'] = 2; echo cloakroom_peek(session_id());")
        .clean()
        .shows("own|i:1;");
    // Encoded as this request's serializer has it.
    site.cli(&format!("ini_set('session.serialize_handler', 'php_serialize'); echo cloakroom_peek('{id}');"))
        .clean()
        .shows(r#"a:2:{s:1:"a";i:1;s:1:"b";a:1:{s:1:"c";s:3:"tea";}}"#);
}

#[test]
fn what_no_request_could_read_is_null_and_the_id_is_never_repeated() {
    let site = Site::new().set("cloakroom.namespace", "a");
    let look =
        |site: &Site, id: &str| site.cli(&format!("echo json_encode(cloakroom_peek('{id}')), cloakroom_error();"));
    let over = "nullThere is no session with this id that opens; it may have expired, or was ended.";
    let mut a = Visitor::default();
    site.get(&mut a, "session_start(); $_SESSION['a'] = 1;").clean();
    let id = a.ticket.clone().expect("a ticket");
    look(&site, &id).clean().shows("\"a|i:1;\"");
    // Its key is no id, nor is anything else.
    let key = key_of(&site, &a);
    for wrong in [key.as_str(), "", "x", "with blank", &"y".repeat(43), &"z".repeat(500)] {
        look(&site, wrong).clean().shows(over);
    }
    let site = site.set("cloakroom.namespace", "b");
    look(&site, &id).clean().shows(over);
    let site = site.set("cloakroom.namespace", "a");
    site.get(&mut a, "session_start(); session_destroy();").clean();
    look(&site, &id).clean().shows(over);
    let down = site.set("cloakroom.store", "redis://127.0.0.1:1/0");
    let reply = look(&down, &id);
    assert!(reply.body.starts_with("null") && reply.body.len() > 4, "{}", reply.body);
    assert!(!reply.body.contains(&id) && !reply.log.contains(&id), "{} {}", reply.body, reply.log);
}

#[test]
fn an_old_id_reads_what_its_request_would_and_is_no_alarm() {
    let site = Site::new().set("cloakroom.grace", "1");
    let mut a = Visitor::default();
    site.get(&mut a, "session_start(); $_SESSION['cart'] = 1;").clean();
    let old = a.ticket.clone().expect("a ticket");
    site.get(&mut a, "session_start(); $_SESSION['user'] = 1; session_regenerate_id(true); cloakroom_owner('42');")
        .clean();
    let new = a.ticket.clone().expect("a ticket");
    assert_ne!(old, new);
    let at = std::time::Instant::now();
    let look = |id: &str| site.cli(&format!("echo json_encode(cloakroom_peek('{id}'));")).clean().body;
    let seen = look(&old);
    assert!(seen == "\"cart|i:1;\"" || at.elapsed().as_millis() > 900, "never the successor's: {seen}");
    assert_eq!(look(&new), "\"cart|i:1;user|i:1;\"");
    while look(&old) != "null" {
        assert!(at.elapsed().as_secs() < 20, "the grace is over");
    }
    site.cli("echo count(cloakroom_report('alarms'));").clean().shows("0");
    site.ask(Some(&format!("PHPSESSID={old}")), "session_start();");
    site.cli("echo count(cloakroom_report('alarms'));").clean().shows("1");
}
