//! Requests of one session at the same time: each keeps what it changed, on every store, and none waits for another.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests, too")]

use std::collections::BTreeSet;
use std::sync::Barrier;
use std::time::Instant;

use cloakroom_system_tests::{Options, Rig, Visitor, on_each_store};

const AT_ONCE: usize = 50;

/// Sixteen requests side by side, the others in the queue.
fn options() -> Options {
    Options { workers: 8, ..Options::default() }
}

/// Sends 50 requests of one visitor at the same time; every one must be acknowledged.
fn all_at_once(rig: &Rig, visitor: &Visitor, path: impl Fn(usize) -> String + Sync) {
    let barrier = Barrier::new(AT_ONCE);
    std::thread::scope(|scope| {
        for number in 1..=AT_ONCE {
            // Each with a connection of its own, as a browser's tabs have.
            let (copy, barrier, path) = (visitor.copy(), &barrier, &path);
            scope.spawn(move || {
                barrier.wait();
                let reply = copy.get(&path(number));
                assert_eq!(reply.body, "true", "request {number}: {}", rig.site.php_logs());
                assert_eq!(reply.set_cookies(), Vec::<&str>::new());
            });
        }
    });
}

/// A page that waits between reading and writing, and says whether it was saved.
fn writing(rig: &Rig, name: &str, code: &str) {
    rig.code(name, &format!("session_start(); {code} echo json_encode(session_write_close());"));
}

fn show(rig: &Rig, visitor: &Visitor) -> serde_json::Value {
    rig.code("show.php", "session_start(); echo json_encode($_SESSION);");
    serde_json::from_str(&visitor.get("/show.php").body).unwrap()
}

on_each_store! {
    fn fifty_adds_of_different_items_at_once_are_fifty_items(store: Store) {
        let rig = Rig::with(store, options());
        writing(&rig, "put.php", "usleep(20000); $_SESSION['cart']['item' . $_GET['n']] = (int) $_GET['n'];");
        let visitor = rig.visitor();
        visitor.get("/put.php?n=0");
        all_at_once(&rig, &visitor, |n| format!("/put.php?n={n}"));
        let cart = show(&rig, &visitor);
        for n in 0..=AT_ONCE {
            assert_eq!(cart["cart"][format!("item{n}")], n, "{cart}");
        }
        rig.assert_quiet();
    }

    fn fifty_variables_set_at_once_are_fifty_variables(store: Store) {
        let rig = Rig::with(store, options());
        writing(&rig, "set.php", "usleep(20000); $_SESSION['v' . $_GET['n']] = (int) $_GET['n'];");
        let visitor = rig.visitor();
        visitor.get("/set.php?n=0");
        all_at_once(&rig, &visitor, |n| format!("/set.php?n={n}"));
        let session = show(&rig, &visitor);
        for n in 0..=AT_ONCE {
            assert_eq!(session[format!("v{n}")], n, "{session}");
        }
    }

    fn fifty_appends_to_one_list_at_once_are_fifty_entries(store: Store) {
        let rig = Rig::with(store, options());
        writing(&rig, "append.php", "usleep(20000); $_SESSION['list'][] = $_GET['n'];");
        let visitor = rig.visitor();
        visitor.get("/append.php?n=0");
        all_at_once(&rig, &visitor, |n| format!("/append.php?n={n}"));
        let list = show(&rig, &visitor);
        let list = list["list"].as_array().expect("still a list");
        let entries: Vec<&str> = list.iter().filter_map(|entry| entry.as_str()).collect();
        let expected: BTreeSet<String> = (0..=AT_ONCE).map(|n| n.to_string()).collect();
        assert_eq!(entries.len(), AT_ONCE + 1, "{entries:?}");
        assert_eq!(entries.iter().map(ToString::to_string).collect::<BTreeSet<_>>(), expected);
    }

    fn fifty_increments_at_once_under_the_rule_sum_are_fifty(store: Store) {
        let rig = Rig::with(store, options().set("cloakroom.merge_rules", "count=sum, cart.*=sum"));
        writing(&rig, "add.php", "usleep(20000); $_SESSION['count'] += 1; $_SESSION['cart']['hat'] += 1;");
        let visitor = rig.visitor();
        rig.code("first.php", "session_start(); $_SESSION['count'] = 0; $_SESSION['cart']['hat'] = 0;");
        visitor.get("/first.php");
        all_at_once(&rig, &visitor, |_| "/add.php".into());
        let session = show(&rig, &visitor);
        assert_eq!((&session["count"], &session["cart"]["hat"]), (&AT_ONCE.into(), &AT_ONCE.into()));
    }

    fn fifty_increments_at_once_under_lock_are_fifty(store: Store) {
        let rig = Rig::with(store, options().set("cloakroom.concurrency", "lock").set("cloakroom.lock_wait", "60"));
        writing(&rig, "add.php", "usleep(5000); $_SESSION['count'] += 1;");
        let visitor = rig.visitor();
        rig.code("first.php", "session_start(); $_SESSION['count'] = 0;");
        visitor.get("/first.php");
        all_at_once(&rig, &visitor, |_| "/add.php".into());
        assert_eq!(show(&rig, &visitor)["count"], AT_ONCE);
    }

    /// Promise 3: PHP's own files would do these one after the other.
    fn slow_requests_of_one_visitor_run_side_by_side(store: Store) {
        let rig = Rig::with(store, options());
        writing(&rig, "slow.php", "usleep(500000); $_SESSION['v' . $_GET['n']] = 1;");
        let visitor = rig.visitor();
        visitor.fill(&["hat"]);
        let began = Instant::now();
        std::thread::scope(|scope| {
            for n in 0..6 {
                let copy = visitor.copy();
                scope.spawn(move || assert_eq!(copy.get(&format!("/slow.php?n={n}")).body, "true"));
            }
        });
        let took = began.elapsed().as_millis();
        assert!((500..2500).contains(&took), "six times half a second took {took} ms");
        let session = show(&rig, &visitor);
        assert!((0..6).all(|n| session[format!("v{n}")] == 1), "{session}");
    }
}
