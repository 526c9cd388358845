//! An id that we did not issue is never adopted, with the distribution's unmodified php.ini; and a session that was ended
//! stays ended, whatever is still running.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests, too")]

use std::time::Duration;

use cloakroom_system_tests::{Options, Rig, Store, Visitor, on_each_store, session_cookies};
use cloakroom_testbed::{Browser, needs, wait_until};

/// Ids as attackers choose them: in the shapes of PHP's own, of ours, and in no shape at all.
fn chosen() -> Vec<String> {
    vec![
        "attackerchosen".into(),
        "a".repeat(26),
        "0123456789abcdef0123456789abcdef".into(),
        "0123456789012345678901234567890123456789abc".into(),
        "A,-".repeat(85),
        "x".repeat(4000),
        "../../etc/passwd".into(),
        "%00".into(),
        "'%20OR%20'1'='1".into(),
        "%ff%fe".into(),
        String::new(),
    ]
}

on_each_store! {
    fn a_ticket_that_we_did_not_issue_is_replaced(store: Store) {
        let rig = Rig::new(store);
        for id in chosen() {
            let victim = rig.visitor();
            victim.hold(&id);
            let page = victim.cart("add=hat");
            assert_eq!((page.cookies.len(), page.saved), (1, true), "{id}: {page:?}");
            let ticket = victim.ticket();
            assert!(ticket != id && ticket.len() >= 40, "{id} led to {ticket}");
            // Whoever planted it has nothing.
            let attacker = rig.visitor();
            attacker.hold(&id);
            assert_eq!(attacker.cart("").cart, Vec::<String>::new(), "{id}");
            assert_eq!(victim.cart("").cart, ["hat"]);
        }
    }

    fn a_planted_ticket_does_not_see_the_log_in(store: Store) {
        let rig = Rig::new(store);
        // One of ours, got by the attacker in the usual way, with a cart as bait.
        let attacker = rig.visitor();
        attacker.fill(&["bait"]);
        let victim = rig.visitor();
        victim.hold(&attacker.ticket());
        let page = victim.cart("rotate=true&login=victim&add=secret");
        assert!(page.saved, "{page:?}");
        for _ in 0..2 {
            let page = attacker.cart("add=more");
            assert_eq!((page.cart, page.user), (vec!["bait".into(), "more".into()], None));
        }
        let page = victim.cart("");
        assert_eq!((page.cart, page.user.as_deref()), (vec!["bait".into(), "secret".into()], Some("victim")));
    }

    /// Two sites on one store: a ticket of one is nothing at the other, unless they are one site by their namespace.
    fn a_ticket_of_one_site_opens_nothing_at_another(store: Store) {
        let rig = Rig::with(store, Options::default().set("cloakroom.namespace", "shop"));
        let visitor = rig.visitor();
        visitor.fill(&["hat"]);
        for (namespace, same) in [("blog", false), ("", false), ("shop", true)] {
            let options = Options { servers: 1, ..Options::default() }.set("cloakroom.namespace", namespace);
            let site = rig.neighbour(&options);
            let there = Visitor::new(site.browser());
            there.hold(&visitor.ticket());
            let page = there.cart("");
            assert_eq!(page.cart == ["hat"], same, "{namespace}: {page:?}");
            // What opens nothing there is withdrawn by a page that leaves its session empty.
            assert_eq!(there.has_ticket(), same, "{namespace}");
            assert!(!same || there.ticket() == visitor.ticket(), "{namespace}");
        }
    }

    fn a_request_that_runs_across_a_log_out_does_not_bring_the_session_back(store: Store) {
        let rig = Rig::new(store);
        // It has read the session, waits for a word, and writes.
        rig.code("slow.php", &format!("
            session_start();
            $_SESSION['cart'][] = 'late';
            touch('{}' . $_GET['n']);
            for ($i = 0; $i < 2000 && !file_exists('{}' . $_GET['n']); $i++) {{ usleep(5000); clearstatcache(); }}
            echo json_encode(session_write_close());", rig.flag("reading").display(), rig.flag("go").display()));
        rig.code("leave.php", "session_start(); $_SESSION = []; session_regenerate_id(true); echo 'gone';");
        // Where the session has moved on instead, what does not conflict is committed to the successor: here, nothing.
        let ways = [("/cart.php?logout=1", Some("false")), ("/leave.php", None)];
        for (round, (way, said)) in ways.into_iter().enumerate() {
            let visitor = rig.visitor();
            visitor.fill(&["hat"]);
            visitor.cart("rotate=true&login=ada&owner=user7");
            let (ticket, slow) = (visitor.ticket(), visitor.copy());
            let page = format!("/slow.php?n={round}");
            std::thread::scope(|scope| {
                let late = scope.spawn(|| slow.browser.get(&page).unwrap());
                let reading = rig.flag(&format!("reading{round}"));
                wait_until("it has read", Duration::from_secs(20), || reading.exists()).unwrap();
                visitor.get(way);
                std::fs::write(rig.flag(&format!("go{round}")), "").unwrap();
                let late = late.join().unwrap();
                assert!(said.is_none_or(|said| late.body == said), "{way}: it says {}", late.body);
                assert_eq!(late.set_cookies(), Vec::<&str>::new(), "{way}: a ticket left");
            });
            for old in [&ticket, &slow.ticket(), &visitor.ticket()] {
                let somebody = rig.visitor();
                somebody.hold(old);
                let page = somebody.cart("");
                assert_eq!((page.cart, page.user), (vec![], None), "{way} was undone");
            }
        }
    }
}

/// In an address or a form, an id is nothing, also where php.ini lets PHP look there.
#[test]
fn an_id_in_an_address_or_a_form_is_never_adopted() {
    needs!("php-fpm", "nginx");
    let lax = Options::default().set("session.use_only_cookies", "0").set("session.use_trans_sid", "1");
    for options in [Options::default(), lax] {
        let rig = Rig::with(Store::Sqlite, options);
        let id = "0123456789012345678901234567890123456789abc";
        let victim = rig.visitor();
        let page = victim.cart(&format!("PHPSESSID={id}&add=hat"));
        assert!(page.cookies.len() == 1 && victim.ticket() != id, "{page:?}");
        assert!(rig.visitor().cart(&format!("PHPSESSID={id}")).cart.is_empty());

        let victim = rig.visitor();
        victim.browser.post("/cart.php?add=hat", &[("PHPSESSID", id)]).unwrap();
        assert_ne!(victim.ticket(), id);
        let other: &Browser = &rig.visitor().browser;
        let reply = other.get_with("/cart.php?add=hat", &[("cookie", "PHPSESSID[]=a; PHPSESSID[b]=c")]).unwrap();
        assert_eq!((reply.status, session_cookies(&reply).len()), (200, 1), "{}", reply.body);
    }
}

/// That the tests above can fail: where the site hands strictness back to PHP, whose default is to adopt.
#[test]
fn only_where_strictness_is_handed_to_php_is_a_foreign_id_adopted() {
    needs!("php-fpm", "nginx");
    let rig = Rig::with(Store::Sqlite, Options::default().set("cloakroom.strict", "php"));
    let victim = rig.visitor();
    victim.hold("attackerchosen0123456789");
    victim.fill(&["hat"]);
    let attacker = rig.visitor();
    attacker.hold("attackerchosen0123456789");
    assert_eq!(attacker.cart("").cart, ["hat"]);
}

#[test]
fn a_cookie_is_hidden_from_scripts_with_the_distributions_settings() {
    needs!("php-fpm", "nginx");
    let rig = Rig::new(Store::Sqlite);
    let page = rig.visitor().cart("add=hat");
    assert!(page.cookies[0].to_ascii_lowercase().contains("; httponly"), "{page:?}");
    let page = Rig::with_files(1, Options::default()).visitor().cart("add=hat");
    assert!(!page.cookies[0].to_ascii_lowercase().contains("httponly"), "the distribution's php.ini has changed");
}
