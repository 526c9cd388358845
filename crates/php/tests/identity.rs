//! Ids come from us: nothing planted is adopted, rotations happen when they are asked for, logged out stays out.

mod support;

use support::{Site, Visitor};

const ADD: &str = "session_start(); $_SESSION['n'] = ($_SESSION['n'] ?? 0) + 1; echo session_id();";
const SHOW: &str = "session_start(); echo json_encode($_SESSION);";

fn debian_ini() -> String {
    format!("/etc/php/{}/fpm/php.ini", cloakroom_testbed::php_version().expect("php"))
}

#[test]
fn an_id_we_did_not_issue_is_never_adopted_with_the_distributions_php_ini() {
    let text = std::fs::read_to_string(debian_ini()).expect("php.ini");
    assert!(text.lines().any(|l| l.starts_with("session.use_strict_mode = 0")), "the ini must set the unsafe value");
    let site = Site::new().ini(debian_ini());
    for planted in ["planted0planted0planted0pl", "a", &"x".repeat(256), &"y".repeat(300), "sp%20ace", "%00", "a%2Fb"] {
        let mut visitor = Visitor { ticket: Some((*planted).to_owned()) };
        let reply = site.get(&mut visitor, ADD).clean();
        assert_ne!(reply.body, *planted);
        assert_eq!(reply.body.len(), 43);
        let cookie = reply.all("set-cookie");
        assert!(cookie.len() == 1 && cookie[0].contains("; HttpOnly"), "{cookie:?}");
        assert!(!cookie[0].contains("SameSite"), "SameSite stays as configured");
    }
}

#[test]
fn an_id_set_by_the_application_is_refused_unless_strictness_is_left_to_php() {
    let script = "session_id('chosen'); session_start(); $_SESSION['n'] = 1; echo session_id();";
    let site = Site::new().ini(debian_ini());
    assert_ne!(site.get(&mut Visitor::default(), script).clean().body, "chosen");
    let site = site.set("cloakroom.strict", "php");
    site.get(&mut Visitor::default(), script).clean().shows("chosen");
    site.ask(Some("PHPSESSID=chosen"), SHOW).clean().shows(r#"{"n":1}"#);
    // PHP's own unusual ids: as long as it allows, and of every character it allows.
    let long = "A,-".repeat(85) + "z";
    let script = format!("session_id('{long}'); session_start(); $_SESSION['n'] = 2; echo session_id();");
    site.get(&mut Visitor::default(), &script).clean().shows(&long);
    site.ask(Some(&format!("PHPSESSID={}", long.replace(',', "%2C"))), SHOW).clean().shows(r#"{"n":2}"#);
}

#[test]
fn safe_settings_are_ours_unless_handed_to_php() {
    let script = "session_start(); $_SESSION['n'] = 1; echo strlen(session_id());";
    let site = Site::new().ini(debian_ini()).set("cloakroom.httponly", "php").set("cloakroom.id_bits", "php");
    let reply = site.get(&mut Visitor::default(), script).clean().shows("26");
    assert!(!reply.all("set-cookie")[0].contains("HttpOnly"));
    // And they are ours only while our handler is at work.
    let site = Site::new().ini(debian_ini()).set("session.save_handler", "files");
    let folder = site.folder.path().display().to_string();
    let site = site.set("session.save_path", &folder);
    let reply = site.get(&mut Visitor::default(), script).clean().shows("26");
    assert!(!reply.all("set-cookie")[0].contains("HttpOnly"));
}

#[test]
fn a_rotation_carries_everything_over_at_once() {
    for delete in ["true", "false"] {
        let site = Site::new();
        let mut visitor = Visitor::default();
        site.get(&mut visitor, "session_start(); $_SESSION['cart'] = 'tea';").clean();
        let old = visitor.clone();
        let script = format!(
            "session_start(); $_SESSION['before'] = 1; $old = session_id(); session_regenerate_id({delete});
            $_SESSION['user'] = 'ann'; echo json_encode([$old !== session_id(), strlen(session_id())]);"
        );
        let reply = site.get(&mut visitor, &script).clean().shows("[true,43]");
        assert_eq!(reply.all("set-cookie").len(), 1);
        assert_ne!(old.ticket, visitor.ticket);
        site.get(&mut visitor, SHOW).clean().shows(r#"{"cart":"tea","before":1,"user":"ann"}"#);
        // The old ticket reads what was there before the rotation, and never learns the new id.
        let mut thief = old;
        let reply = site.get(&mut thief, "session_start(); $_SESSION['evil'] = 1; echo json_encode($_SESSION);");
        assert!(!reply.sets_cookie() && reply.body == r#"{"cart":"tea","evil":1}"#, "{reply:?}");
        site.get(&mut visitor, SHOW).clean().shows(r#"{"cart":"tea","before":1,"user":"ann"}"#);
    }
}

#[test]
fn a_crash_after_the_rotation_loses_nothing() {
    let site = Site::new();
    let mut visitor = Visitor::default();
    site.get(&mut visitor, "session_start(); $_SESSION['cart'] = 'tea';").clean();
    // php-cgi prints its headers at the flush; the kill comes before the session's last write.
    let script = "session_start(); $_SESSION['user'] = 'ann'; session_regenerate_id(true); echo 'x'; while (ob_get_level()) ob_end_flush(); flush(); \
        posix_kill(getmypid(), 9);";
    site.get(&mut visitor, script);
    site.get(&mut visitor, SHOW).clean().shows(r#"{"cart":"tea","user":"ann"}"#);
}

#[test]
fn a_log_in_in_the_very_first_request_keeps_cart_and_user() {
    for delete in ["true", "false"] {
        let site = Site::new();
        let mut visitor = Visitor::default();
        let script = format!(
            "session_start(); $_SESSION['cart'] = 'tea'; session_regenerate_id({delete}); $_SESSION['user'] = 'ann';
            session_regenerate_id({delete}); echo session_id();"
        );
        let reply = site.get(&mut visitor, &script).clean();
        assert_eq!(reply.all("set-cookie").len(), 1, "only the last one leaves: {:?}", reply.headers);
        site.get(&mut visitor, SHOW).clean().shows(r#"{"cart":"tea","user":"ann"}"#);
    }
}

#[test]
fn a_lost_reply_of_a_periodic_rotation_is_followed() {
    let site = Site::new();
    let mut visitor = Visitor::default();
    site.get(&mut visitor, "session_start(); $_SESSION['n'] = 1; var_dump(cloakroom_owner('site:42'));").clean();
    let mut late = visitor.clone();
    site.get(&mut visitor, "session_start(); session_regenerate_id(true);").clean();
    assert_ne!(late.ticket, visitor.ticket);
    // The reply with the new id never arrived; the browser comes with the old one.
    let reply = site.get(&mut late, SHOW).clean().shows(r#"{"n":1}"#);
    assert!(reply.sets_cookie());
    assert_eq!(late.ticket, visitor.ticket);
}

#[test]
fn a_log_out_by_emptying_and_rotating_leaves_nothing_under_the_old_id() {
    let site = Site::new();
    let mut visitor = Visitor::default();
    site.get(&mut visitor, "session_start(); $_SESSION['user'] = 'ann'; cloakroom_owner('1');").clean();
    let mut old = visitor.clone();
    site.get(&mut visitor, "session_start(); $_SESSION = []; session_regenerate_id(true);").clean();
    site.get(&mut old, SHOW).shows("[]");
    site.get(&mut visitor, SHOW).shows("[]");
}

#[test]
fn a_destroyed_session_stays_destroyed() {
    let site = Site::new();
    let mut visitor = Visitor::default();
    site.get(&mut visitor, ADD).clean();
    let old = visitor.clone();
    let script = "session_start(); echo json_encode([session_destroy(), session_id()]); session_start(); \
        echo json_encode($_SESSION); $_SESSION['new'] = 1;";
    let reply = site.get(&mut visitor, script).clean().shows(r#"[true,""][]"#);
    assert!(reply.sets_cookie(), "what comes after is a session of its own");
    assert_ne!(old.ticket, visitor.ticket);
    site.get(&mut old.clone(), SHOW).clean().shows("[]");
    site.get(&mut visitor, SHOW).clean().shows(r#"{"new":1}"#);
}

#[test]
fn a_request_that_runs_across_a_log_out_does_not_bring_the_session_back() {
    let site = Site::new();
    let mut visitor = Visitor::default();
    site.get(&mut visitor, ADD).clean();
    let ticket = visitor.ticket.clone().expect("ticket");
    // The slow request's session is closed by a log-out in the middle, as another request would.
    let mut slow = visitor.clone();
    let script = format!(
        "session_start(); $_SESSION['late'] = 1;
        $pid = pcntl_fork();
        if ($pid === 0) {{ session_abort(); session_id('{ticket}'); session_start(); session_destroy(); posix_kill(getmypid(), 9); }}
        pcntl_waitpid($pid, $s); echo json_encode(session_write_close());"
    );
    let reply = site.get(&mut slow, &script.replace("session_id(", "@session_id("));
    assert!(reply.body.contains("false"), "the write was dropped, and said so: {reply:?}");
    site.get(&mut visitor, SHOW).clean().shows("[]");
}

#[test]
fn session_create_id_gives_an_id_that_may_be_used_and_rotates_nothing() {
    let site = Site::new();
    let mut visitor = Visitor::default();
    site.get(&mut visitor, ADD).clean();
    let before = visitor.clone();
    let script = "session_start(); $a = session_create_id(); $b = session_create_id('pre-');
        $ok = [strlen($a), strlen($b), substr($b, 0, 4), $a !== session_id()];
        session_write_close(); session_id($b); session_start(); $ok[] = session_id() === $b; $ok[] = $_SESSION === [];
        $_SESSION['x'] = 1; echo json_encode($ok);";
    site.get(&mut visitor, script).clean().shows(r#"[43,47,"pre-",true,true,true]"#);
    site.get(&mut visitor, SHOW).clean().shows(r#"{"x":1}"#);
    site.get(&mut before.clone(), SHOW).clean().shows(r#"{"n":1}"#);
}

#[test]
fn the_database_holds_neither_ids_nor_values() {
    // Who writes which variable is counted with its name, where that stands in the site's code.
    let site = Site::new().set("cloakroom.blame", "0");
    let mut visitor = Visitor::default();
    site.get(&mut visitor, "session_start(); $_SESSION['secret'] = 'correct horse battery';").clean();
    let ticket = visitor.ticket.expect("ticket").replace("%2C", ",");
    let mut seen = 0;
    for file in std::fs::read_dir(site.folder.path()).expect("folder").flatten() {
        if file.file_name().to_string_lossy().starts_with("sessions.sqlite") {
            let bytes = std::fs::read(file.path()).expect("file");
            seen += bytes.len();
            for word in [ticket.as_bytes(), b"correct horse", b"secret"] {
                assert!(!bytes.windows(word.len()).any(|w| w == word), "{:?}", file.path());
            }
        }
    }
    assert!(seen > 1000, "the store is elsewhere");
}

#[test]
fn a_session_under_an_id_with_a_prefix_is_read_again_and_a_log_out_of_it_stands() {
    let site = Site::new();
    let mut visitor = Visitor::default();
    let script = "session_start(); $id = session_create_id('pre-'); session_write_close();
        session_id($id); session_start(); $_SESSION['user'] = 'alice'; session_write_close();
        session_start(); echo json_encode($_SESSION);";
    site.get(&mut visitor, script).clean().shows("{\"user\":\"alice\"}");
    site.get(&mut visitor, "session_start(); echo json_encode($_SESSION);").clean().shows("{\"user\":\"alice\"}");
    let script = "session_start(); $id = session_create_id('pre-'); session_write_close();
        session_id($id); session_start(); $_SESSION['user'] = 'bob'; session_write_close();
        session_start(); echo json_encode(session_destroy());";
    let mut other = Visitor::default();
    site.get(&mut other, script).clean().shows("true");
    site.get(&mut other, "session_start(); echo json_encode($_SESSION);").clean().shows("[]");
}

#[test]
fn a_removal_after_rotating_closing_and_opening_again_takes_the_old_copy_away() {
    let site = Site::new();
    let mut visitor = Visitor::default();
    site.get(&mut visitor, "session_start(); $_SESSION = ['user' => 'alice', 'cart' => 1];").clean();
    let mut old = visitor.clone();
    site.get(
        &mut visitor,
        "session_start(); session_regenerate_id(true); session_write_close(); session_start(); unset($_SESSION['user']);",
    )
    .clean();
    site.get(&mut old, "session_start(); echo json_encode($_SESSION);").clean().shows("[]");
    site.get(&mut visitor, "session_start(); echo json_encode($_SESSION);").clean().shows("{\"cart\":1}");
}
