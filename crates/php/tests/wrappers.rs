//! Userland handlers that extend or wrap ours.

mod support;

use support::{Site, Visitor};

/// The usual one: everything is the parent's, with something around it.
const WRAPPER: &str = "class Wrapper extends SessionHandler {
        function read($id): string|false { return strrev(base64_decode(parent::read($id))); }
        function write($id, $data): bool { return parent::write($id, base64_encode(strrev($data))); }
    }
    session_set_save_handler(new Wrapper, true);";

/// One that delegates instead of extending, and has every optional method.
const DELEGATE: &str =
    "class Delegate implements SessionHandlerInterface, SessionIdInterface, SessionUpdateTimestampHandlerInterface {
        private $h; function __construct() { $this->h = new SessionHandler; }
        function open($p, $n): bool { return $this->h->open($p, $n); }
        function close(): bool { return $this->h->close(); }
        function read($id): string|false { return $this->h->read($id); }
        function write($id, $d): bool { return $this->h->write($id, $d); }
        function destroy($id): bool { return $this->h->destroy($id); }
        function gc($m): int|false { return $this->h->gc($m); }
        function create_sid(): string { return $this->h->create_sid(); }
        function validateId($id): bool { return strlen($id) === 43; }
        function updateTimestamp($id, $d): bool { return $this->h->write($id, $d); }
    }
    session_set_save_handler(new Delegate, true);";

#[test]
fn a_handler_that_wraps_ours_keeps_rotates_and_ends_sessions() {
    for handler in [WRAPPER, DELEGATE] {
        let site = Site::new();
        let mut visitor = Visitor::default();
        let run =
            |visitor: &mut Visitor, script: &str| site.get(visitor, &format!("{handler} session_start(); {script}"));
        run(&mut visitor, "$_SESSION['cart'] = ['tea'];").clean();
        run(&mut visitor, "$_SESSION['cart'][] = 'jam'; echo json_encode($_SESSION);")
            .clean()
            .shows(r#"{"cart":["tea","jam"]}"#);
        run(&mut visitor, "echo json_encode($_SESSION);").clean().shows(r#"{"cart":["tea","jam"]}"#);
        for delete in ["true", "false"] {
            let before = visitor.ticket.clone();
            run(&mut visitor, &format!("session_regenerate_id({delete}); $_SESSION['u'] = 1;")).clean();
            assert_ne!(before, visitor.ticket);
            run(&mut visitor, "echo json_encode($_SESSION);").clean().shows(r#"{"cart":["tea","jam"],"u":1}"#);
        }
        let gone = visitor.clone();
        run(&mut visitor, "echo json_encode(session_destroy());").clean().shows("true");
        run(&mut gone.clone(), "echo json_encode($_SESSION);").clean().shows("[]");
    }
}

#[test]
fn a_wrapping_handler_does_not_adopt_planted_ids() {
    for handler in [WRAPPER, DELEGATE] {
        let site = Site::new();
        let planted = "p".repeat(43);
        let mut visitor = Visitor { ticket: Some(planted.clone()) };
        let script = format!(
            "{handler} session_start(); $_SESSION['n'] = 1; echo session_id() === '{planted}' ? 'adopted' : 'new';"
        );
        site.get(&mut visitor, &script).clean().shows("new");
        assert_ne!(visitor.ticket, Some(planted), "the browser has the new ticket");
        let script = format!("{handler} session_start(); echo $_SESSION['n'];");
        site.get(&mut visitor, &script).clean().shows("1");
    }
}

#[test]
fn a_wrapping_handler_with_ids_of_its_own_works_where_strictness_is_left_to_php() {
    let handler = "class Mapped extends SessionHandler {
            function read($id): string|false { return parent::read(sha1($id)); }
            function write($id, $data): bool { return parent::write(sha1($id), $data); }
            function destroy($id): bool { return parent::destroy(sha1($id)); }
        }
        session_set_save_handler(new Mapped, true);";
    let add = format!("{handler} session_start(); $_SESSION['n'] = ($_SESSION['n'] ?? 0) + 1; echo $_SESSION['n'];");
    let site = Site::new();
    let mut visitor = Visitor::default();
    let reply = site.get(&mut visitor, &add);
    assert!(reply.log.contains("ids of its own"), "it says why: {}", reply.log);
    site.get(&mut visitor, &add).shows("1");
    let site = site.set("cloakroom.strict", "php");
    let mut visitor = Visitor::default();
    site.get(&mut visitor, &add).clean().shows("1");
    site.get(&mut visitor, &add).clean().shows("2");
    site.get(&mut visitor, &format!("{add} session_regenerate_id(true); $_SESSION['u'] = 1;")).clean().shows("3");
    site.get(&mut visitor, &add).clean().shows("4");
}

#[test]
fn a_handler_that_has_nothing_to_do_with_ours_is_left_alone() {
    let site = Site::new();
    let handler = "class Own implements SessionHandlerInterface {
            function open($p, $n): bool { return true; } function close(): bool { return true; }
            function read($id): string|false { return ''; } function write($id, $d): bool { return true; }
            function destroy($id): bool { return true; } function gc($m): int|false { return 0; } }
        session_set_save_handler(new Own, true);";
    let script = format!(
        "{handler} session_id('mine'); session_start(); $_SESSION['n'] = 1; echo session_id(), cloakroom_status()['state'];"
    );
    site.get(&mut Visitor::default(), &script).clean().shows("minenone");
}

#[test]
fn a_crash_after_a_rotation_leaves_what_the_wrapping_handler_can_read() {
    for (delete, expected) in [("false", r#"{"cart":"tea","u":1}"#), ("true", r#"{"cart":"tea"}"#)] {
        let site = Site::new();
        let mut visitor = Visitor::default();
        site.get(&mut visitor, &format!("{WRAPPER} session_start(); $_SESSION['cart'] = 'tea';")).clean();
        let script = format!(
            "{WRAPPER} session_start(); $_SESSION['u'] = 1; session_regenerate_id({delete}); echo 'x';
            while (ob_get_level()) ob_end_flush(); flush(); posix_kill(getmypid(), 9);"
        );
        let before = visitor.ticket.clone();
        site.get(&mut visitor, &script);
        assert_ne!(visitor.ticket, before, "the new ticket has left");
        // What was to be deleted, the wrapper was not asked to encode: what it had stored last is carried over.
        site.get(&mut visitor, &format!("{WRAPPER} session_start(); echo json_encode($_SESSION);"))
            .clean()
            .shows(expected);
    }
}
