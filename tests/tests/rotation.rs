//! Rotation and log-in: cart and user are there, also when it is the very first request, and also when PHP dies at any moment
//! of it.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests, too")]

use std::time::Duration;

use cloakroom_system_tests::{Options, Page, Rig, on_each_server, on_each_store};
use cloakroom_testbed::{Direction, wait_until};

/// Both servers show this cart and this user.
#[track_caller]
fn assert_shown(visitor: &cloakroom_system_tests::Visitor, cart: &[&str], user: Option<&str>) {
    for _ in 0..2 {
        let page = visitor.cart("");
        assert_eq!((page.cart.as_slice(), page.user.as_deref()), (cart.map_strings().as_slice(), user), "{page:?}");
    }
}

trait Strings {
    fn map_strings(&self) -> Vec<String>;
}

impl Strings for [&str] {
    fn map_strings(&self) -> Vec<String> {
        self.iter().map(ToString::to_string).collect()
    }
}

on_each_store! {
    fn a_log_in_keeps_the_cart_and_changes_the_ticket(store: Store) {
        let rig = Rig::new(store);
        for delete in ["true", "false"] {
            let visitor = rig.visitor();
            visitor.fill(&["hat", "scarf"]);
            let stolen = visitor.copy();
            let page = visitor.cart(&format!("rotate={delete}&login=ada&add=gloves"));
            assert!(page.saved && page.cookies.len() == 1, "{page:?}");
            assert_ne!(visitor.ticket(), stolen.ticket());
            assert_shown(&visitor, &["hat", "scarf", "gloves"], Some("ada"));
            // Whoever has the old ticket has what was there before, and what it adds goes nowhere.
            let page = stolen.cart("add=bomb");
            assert_eq!((page.user, page.saved), (None, false));
            assert_shown(&visitor, &["hat", "scarf", "gloves"], Some("ada"));
        }
    }

    fn a_log_in_in_the_very_first_request_is_there(store: Store) {
        let rig = Rig::new(store);
        for delete in ["true", "false"] {
            let visitor = rig.visitor();
            let page = visitor.cart(&format!("add=hat&rotate={delete}&login=ada"));
            assert!(page.saved, "{page:?}");
            assert_eq!(page.cookies.len(), 1, "one cookie, that of the new id");
            assert_shown(&visitor, &["hat"], Some("ada"));
        }
        rig.assert_quiet();
    }

    fn a_periodic_rotation_of_a_known_visitor_is_followed(store: Store) {
        let rig = Rig::new(store);
        let visitor = rig.visitor();
        visitor.cart("add=hat&owner=user7&login=ada");
        let tab = visitor.copy();
        visitor.cart("rotate=true");
        // The reply to another tab, with the new ticket in it.
        let page = tab.cart("add=scarf");
        assert!(page.saved && page.cookies.len() == 1, "{page:?}");
        assert_eq!(tab.ticket(), visitor.ticket());
        assert_shown(&visitor, &["hat", "scarf"], Some("ada"));
    }

    fn a_php_killed_right_after_the_rotation_has_not_lost_the_session(store: Store) {
        let rig = Rig::new(store);
        rig.code("die.php", "
            session_start();
            if (isset($_GET['owner'])) { cloakroom_owner($_GET['owner']); }
            session_regenerate_id($_GET['delete'] === 'true');
            posix_kill(getmypid(), 9);");
        for delete in ["true", "false"] {
            let visitor = rig.visitor();
            visitor.fill(&["hat", "scarf"]);
            let reply = visitor.browser.get(&format!("/die.php?delete={delete}")).unwrap();
            assert_eq!((reply.status, reply.set_cookies().len()), (502, 0), "{reply:?}");
            // The visitor comes back with the ticket it has.
            assert_shown(&visitor, &["hat", "scarf"], None);

            // Who is known goes on as if nothing had happened.
            let visitor = rig.visitor();
            visitor.cart("add=hat&owner=user7&login=ada");
            assert_eq!(visitor.browser.get(&format!("/die.php?delete={delete}")).unwrap().status, 502);
            let page = visitor.cart("add=scarf");
            assert!(page.saved && page.cookies.len() == 1, "{page:?}");
            assert_shown(&visitor, &["hat", "scarf"], Some("ada"));
        }
    }

    fn a_php_killed_anywhere_in_a_log_in_has_not_lost_the_session(store: Store) {
        let rig = Rig::with(store, Options { workers: 2, ..Options::default() });
        let visitor = rig.visitor();
        visitor.fill(&["hat"]);
        for round in 0..12_u64 {
            std::thread::scope(|scope| {
                let log_in = scope.spawn(|| visitor.try_cart("rotate=true&login=ada"));
                // No condition can be awaited here: any moment will do, and each round takes another.
                std::thread::sleep(Duration::from_micros(400 * round));
                rig.site.servers().iter().for_each(|server| server.workers().into_iter().for_each(|_| {
                    server.kill9_worker();
                }));
                // Answered or not: the ticket that the visitor has now is a good one.
                let _answer: Result<Page, String> = log_in.join().unwrap();
            });
            let mut page = Err(String::new());
            wait_until("a worker answers", Duration::from_secs(20), || {
                page = visitor.try_cart("");
                page.is_ok()
            })
            .unwrap();
            let page = page.unwrap();
            assert_eq!(page.cart, ["hat"], "round {round}: {page:?}: {}", rig.site.php_logs());
        }
    }
}

on_each_server! {
    /// The successor is there and the old record has not moved: the very gap between the two writes.
    fn a_php_killed_between_the_two_writes_of_a_rotation_has_not_lost_the_session(store: Store) {
        let options = Options { proxied: true, ..Options::default() }.one_worker().set("cloakroom.timeout", "30");
        let rig = Rig::with(store, options);
        let visitor = rig.visitor();
        visitor.fill(&["hat", "scarf"]);
        let records = rig.backend.records();
        // The reply to the load passes; then the server hears everything and PHP nothing any more.
        let trips = rig.proxy().round_trips();
        rig.proxy().delay(Direction::ToClient, Duration::from_millis(200));
        std::thread::scope(|scope| {
            let log_in = scope.spawn(|| visitor.try_cart("rotate=true&login=ada"));
            wait_until("it has loaded", Duration::from_secs(20), || rig.proxy().round_trips() > trips).unwrap();
            rig.proxy().stall(Direction::ToClient);
            wait_until("the successor is there", Duration::from_secs(20), || rig.backend.records() > records).unwrap();
            rig.site.servers()[0].kill9_worker().unwrap();
            assert!(log_in.join().unwrap().is_err());
        });
        rig.proxy().heal();
        assert_shown(&visitor, &["hat", "scarf"], None);
        visitor.fill(&["coat"]);
        assert_shown(&visitor, &["hat", "scarf", "coat"], None);
    }
}
