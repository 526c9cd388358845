//! What people put into sessions, how they name it, how it is encoded, under which ids, and through whose handlers: right
//! results on two servers, which are those of PHP's own files on one.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests, too")]

use std::time::Duration;

use cloakroom_system_tests::{Options, Rig, Store, Visitor, on_each_store};
use cloakroom_testbed::{needs, wait_until};

const VALUES: &str = include_str!("../pages/values.php");

/// PHP's own three, and igbinary where it is loaded.
fn encoders(rig: &Rig) -> Vec<&'static str> {
    rig.code("loaded.php", "echo json_encode(extension_loaded('igbinary'));");
    let igbinary = rig.visitor().get("/loaded.php").body == "true";
    ["php", "php_binary", "php_serialize"].into_iter().chain(igbinary.then_some("igbinary")).collect()
}

/// Fills a session, shows it, changes it, shows it again: each step on another server than the one before, where there are two.
fn story(rig: &Rig, encoder: &str) -> Vec<String> {
    let visitor = rig.visitor();
    let steps = ["fill", "show", "change", "show", "show"];
    steps.map(|step| visitor.get(&format!("/values.php?do={step}&s={encoder}")).body).to_vec()
}

/// The first line in which two stories differ, so that a failure can be read.
#[track_caller]
fn assert_same(what: &str, found: &[String], expected: &[String]) {
    for (step, (found, expected)) in found.iter().zip(expected).enumerate() {
        let differs = found.lines().zip(expected.lines()).find(|(one, other)| one != other);
        assert_eq!(differs, None, "{what}, step {step}");
        assert_eq!(found.len(), expected.len(), "{what}, step {step}");
    }
}

on_each_store! {
    fn every_value_comes_back_from_the_other_server_as_php_itself_gives_it_back(store: Store) {
        let (rig, files) = (Rig::new(store), Rig::with_files(1, Options::default()));
        rig.page("values.php", VALUES);
        files.page("values.php", VALUES);
        for encoder in encoders(&rig) {
            let expected = story(&files, encoder);
            assert!(expected[1].len() > 2000 && expected[1] != expected[3], "{encoder}: {}", expected[1]);
            assert_same(encoder, &story(&rig, encoder), &expected);
        }
    }

    /// One request changes much while another, which has read before, adds to it: the same as one after the other.
    fn a_merge_keeps_objects_and_references_as_they_are(store: Store) {
        let (rig, files) = (Rig::new(store), Rig::with_files(1, Options::default()));
        rig.page("values.php", VALUES);
        files.page("values.php", VALUES);
        for encoder in ["php", "php_binary", "php_serialize"] {
            let merge = |rig: &Rig| {
                let flag = |name: &str| rig.flag(&format!("{name}-{encoder}")).display().to_string();
                format!("/values.php?do=merge&s={encoder}&reading={}&go={}", flag("reading"), flag("go"))
            };
            let one_after_the_other = files.visitor();
            for step in ["fill", "change"] {
                one_after_the_other.get(&format!("/values.php?do={step}&s={encoder}"));
            }
            std::fs::write(files.flag(&format!("go-{encoder}")), "").unwrap();
            one_after_the_other.get(&merge(&files));
            let expected = one_after_the_other.get(&format!("/values.php?do=show&s={encoder}")).body;

            let visitor = rig.visitor();
            visitor.get(&format!("/values.php?do=fill&s={encoder}"));
            let other = visitor.copy();
            std::thread::scope(|scope| {
                let late = scope.spawn(|| other.get(&merge(&rig)).body);
                let reading = rig.flag(&format!("reading-{encoder}"));
                wait_until("it has read", Duration::from_secs(20), || reading.exists()).unwrap();
                assert_eq!(visitor.get(&format!("/values.php?do=change&s={encoder}")).body, "true");
                std::fs::write(rig.flag(&format!("go-{encoder}")), "").unwrap();
                assert_eq!(late.join().unwrap(), "true");
            });
            for _ in 0..2 {
                let found = visitor.get(&format!("/values.php?do=show&s={encoder}")).body;
                // The order of names within a session is no promise of PHP's; `show` sorts them.
                assert_same(encoder, &[found], std::slice::from_ref(&expected));
            }
        }
        rig.assert_quiet();
    }

    fn an_id_that_php_makes_with_a_prefix_is_kept_by_both_servers(store: Store) {
        let rig = Rig::new(store);
        // The way of PHP's manual to change an id by hand.
        rig.code("manual.php", "
            session_start();
            $new = session_create_id($_GET['prefix']);
            $_SESSION['moved'] = true;
            session_commit();
            ini_set('session.use_strict_mode', 0);
            session_id($new);
            session_start();
            $_SESSION['cart'] = ['hat'];
            echo json_encode(session_write_close());");
        for prefix in ["mine-", "A,b-9", "x", &"p".repeat(100)] {
            let visitor = rig.visitor();
            visitor.fill(&["old"]);
            let old = visitor.copy();
            assert_eq!(visitor.get(&format!("/manual.php?prefix={prefix}")).body, "true");
            // PHP percent-encodes the comma in a cookie's value.
            let ticket = visitor.ticket();
            assert!(ticket.replace("%2C", ",").starts_with(prefix), "{ticket}");
            assert_eq!((visitor.cart("").cart, visitor.cart("").cart), (vec!["hat".into()], vec!["hat".into()]));
            assert_eq!(old.cart("").cart, ["old"], "it was left, not ended");
            visitor.fill(&["scarf"]);
            assert_eq!((visitor.cart("").cart.len(), visitor.ticket()), (2, ticket));
        }
        rig.assert_quiet();
    }

    /// A class of the application that extends SessionHandler, and so wraps ours: it encodes what it is given.
    fn a_handler_of_the_application_that_wraps_ours_works_on_both_servers(store: Store) {
        let rig = Rig::new(store);
        rig.code("wrapped.php", "
            class Wrap extends SessionHandler {
                public function read($id): string|false { return strrev(base64_decode(parent::read($id))); }
                public function write($id, $data): bool { return parent::write($id, base64_encode(strrev($data))); }
            }
            ini_set('session.serialize_handler', $_GET['s']);
            session_set_save_handler(new Wrap(), true);
            session_start();
            if (isset($_GET['add'])) { $_SESSION['cart'][] = $_GET['add']; }
            if (isset($_GET['rotate'])) { session_regenerate_id(true); $_SESSION['user'] = 'ada'; }
            if (isset($_GET['out'])) { session_destroy(); $_SESSION = []; }
            echo json_encode([$_SESSION['cart'] ?? [], $_SESSION['user'] ?? null]);");
        for encoder in encoders(&rig) {
            let visitor = rig.visitor();
            let ask = |visitor: &Visitor, query: &str| visitor.get(&format!("/wrapped.php?s={encoder}&{query}")).body;
            for n in 0..6 {
                assert_eq!(ask(&visitor, "add=i").matches('i').count(), n + 1, "{encoder}");
            }
            let (old, all) = (visitor.ticket(), r#"["i","i","i","i","i","i"]"#);
            assert_eq!(ask(&visitor, "rotate=1"), format!("[{all},\"ada\"]"), "{encoder}");
            assert_ne!(visitor.ticket(), old);
            for _ in 0..2 {
                assert_eq!(ask(&visitor, ""), format!("[{all},\"ada\"]"), "{encoder}");
            }
            // Wrapping opens no door to ids from outside.
            let attacker = rig.visitor();
            attacker.hold("attackerchosen0123456789");
            ask(&attacker, "add=x");
            assert_ne!(attacker.ticket(), "attackerchosen0123456789");
            ask(&visitor, "out=1");
            assert_eq!(ask(&visitor, ""), "[[],null]", "{encoder}");
        }
        rig.assert_quiet();
    }
}

/// PHP's `php` encoder writes nothing at all when a name holds `|`; what was stored stays, and somebody is told.
#[test]
fn a_name_with_a_bar_wipes_nothing() {
    needs!("php-fpm", "nginx");
    let rig = Rig::new(Store::Sqlite);
    rig.code(
        "bar.php",
        "
        ini_set('session.serialize_handler', $_GET['s']);
        session_start();
        $_SESSION['a|b'] = 'bar';
        echo json_encode(session_write_close());",
    );
    rig.code(
        "show.php",
        "ini_set('session.serialize_handler', $_GET['s']); session_start(); echo json_encode($_SESSION);",
    );
    let visitor = rig.visitor();
    visitor.fill(&["hat"]);
    assert_eq!(visitor.get("/bar.php?s=php").body, "false");
    assert_eq!(rig.log_lines("|").len(), 1, "{}", rig.site.php_logs());
    assert_eq!(visitor.cart("").cart, ["hat"]);
    // The others can.
    for encoder in ["php_serialize", "php_binary", "igbinary"] {
        let visitor = rig.visitor();
        assert_eq!(visitor.get(&format!("/bar.php?s={encoder}")).body, "true", "{encoder}");
        for _ in 0..2 {
            assert_eq!(visitor.get(&format!("/show.php?s={encoder}")).body, r#"{"a|b":"bar"}"#, "{encoder}");
        }
    }
}

/// Names that PHP takes for numbers, and empty ones: whatever `files` makes of them.
#[test]
fn names_that_look_like_numbers_are_treated_as_php_treats_them() {
    needs!("php-fpm", "nginx");
    let (rig, files) = (Rig::new(Store::Sqlite), Rig::with_files(1, Options::default()));
    for rig in [&rig, &files] {
        rig.code(
            "set.php",
            "
            ini_set('session.serialize_handler', $_GET['s']);
            session_start();
            $_SESSION['before'] = 'b';
            $_SESSION['123'] = 'number'; $_SESSION[7] = [1]; $_SESSION['-5'] = 'minus'; $_SESSION['007'] = 'agent';
            $_SESSION['after'] = 'a';
            @session_write_close();",
        );
        rig.code("show.php", "ini_set('session.serialize_handler', $_GET['s']); session_start(); var_dump($_SESSION);");
    }
    for encoder in encoders(&rig) {
        let show = |rig: &Rig| {
            let visitor = rig.visitor();
            visitor.get(&format!("/set.php?s={encoder}"));
            visitor.get(&format!("/show.php?s={encoder}")).body
        };
        let expected = show(&files);
        assert!(expected.contains("agent"), "{encoder}: {expected}");
        assert_eq!(show(&rig), expected, "{encoder}");
    }
}

/// A session that was written by one of PHP's encoders is read by another one, as when php.ini is changed.
#[test]
fn a_change_of_the_encoder_keeps_sessions() {
    needs!("php-fpm", "nginx");
    let rig = Rig::new(Store::Sqlite);
    rig.page("values.php", VALUES);
    let encoders = ["php", "php_binary", "php_serialize"];
    for from in encoders {
        let visitor = rig.visitor();
        visitor.get(&format!("/values.php?do=fill&s={from}"));
        let expected = visitor.get(&format!("/values.php?do=show&s={from}")).body;
        for to in encoders {
            let found = visitor.get(&format!("/values.php?do=show&s={to}")).body;
            assert_same(&format!("{from} read as {to}"), &[found], std::slice::from_ref(&expected));
        }
    }
}

/// An id that the application names before the session starts is replaced, as PHP does in its own strict mode; the session
/// works all the same. Where strictness is handed to PHP, it is kept.
#[test]
fn an_id_that_is_named_before_the_start_is_replaced_unless_strictness_is_phps() {
    needs!("php-fpm", "nginx");
    for (strict, kept) in [("1", false), ("php", true)] {
        let rig = Rig::with(Store::Sqlite, Options::default().set("cloakroom.strict", strict));
        rig.code(
            "prefix.php",
            "
            if (empty($_COOKIE['PHPSESSID'])) { session_id(session_create_id('shop-')); }
            session_start();
            $_SESSION['n'] = ($_SESSION['n'] ?? 0) + 1;
            echo $_SESSION['n'];",
        );
        let visitor = rig.visitor();
        assert_eq!(visitor.get("/prefix.php").set_cookies().len(), 1);
        let ticket = visitor.ticket();
        assert_eq!(ticket.starts_with("shop-"), kept, "{ticket}");
        for n in 2..=5 {
            assert_eq!(visitor.get("/prefix.php").body, n.to_string());
        }
        assert_eq!(visitor.ticket(), ticket);
        rig.assert_quiet();
    }
}

/// Ids as PHP's own settings would have them, where the site hands them to PHP.
#[test]
fn ids_of_the_length_that_php_is_set_to_work() {
    needs!("php-fpm", "nginx");
    for (length, bits) in [("32", "4"), ("48", "4"), ("26", "5"), ("256", "6")] {
        let options = Options::default().set("cloakroom.id_bits", "php").set("session.sid_length", length);
        let rig = Rig::with(Store::Sqlite, options.set("session.sid_bits_per_character", bits));
        let visitor = rig.visitor();
        visitor.fill(&["hat", "scarf"]);
        assert_eq!(visitor.ticket().replace("%2C", ",").len().to_string(), length);
        assert_eq!(visitor.cart("").cart, ["hat", "scarf"]);
    }
}
