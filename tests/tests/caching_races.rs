//! A session that is being emptied, and a request beside it that puts something in: what was put in is never lost.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests, too")]

use cloakroom_system_tests::{Options, Rig, Store, Visitor, on_each_store};
use cloakroom_testbed::{PageCache, Reply, needs};

/// Rounds on each store; the orders in which two requests can meet come up many times in so many.
const ROUNDS: usize = 150;

fn rig(store: Store) -> Rig {
    let rig = Rig::with(store, Options { cache: Some(PageCache::default()), ..Options::default() });
    rig.page("basket.php", include_str!("../pages/basket.php"));
    rig
}

fn ask(visitor: &Visitor, query: &str) -> Reply {
    visitor.get(&format!("/basket.php?{query}"))
}

/// What the session holds, for one who has these cookies.
fn held(visitor: &Visitor) -> Vec<String> {
    serde_json::from_str(&ask(&visitor.copy(), "").body).unwrap()
}

/// Two requests of one session at once, each from a browser of its own, so that each one's reply decides over its own cookie.
fn at_once(visitor: &Visitor, one: &str, other: &str) -> (Visitor, Visitor) {
    let (left, right) = (visitor.copy(), visitor.copy());
    std::thread::scope(|scope| {
        scope.spawn(|| ask(&left, one));
        scope.spawn(|| ask(&right, other));
    });
    (left, right)
}

on_each_store! {
    /// One request takes the last variable out while another one puts a new one in.
    fn what_is_put_in_while_the_session_is_being_emptied_stays(store: Store) {
        let rig = rig(store);
        for round in 0..ROUNDS {
            let visitor = rig.visitor();
            ask(&visitor, "set=cart");
            let slow = [0, 3, 8][round % 3];
            let (_, adder) = at_once(&visitor, &format!("unset=cart&slow={slow}"), "set=wish&slow=4");
            assert_eq!(held(&adder), ["wish"], "round {round}: {}", rig.site.php_logs());
        }
        rig.assert_quiet();
    }

    /// The session is empty already: one request finds that and clears record and cookie away, another one puts something in.
    fn what_is_put_in_while_an_empty_session_is_cleared_away_stays(store: Store) {
        let rig = rig(store);
        let mut withdrawn = 0;
        for round in 0..ROUNDS {
            let visitor = rig.visitor();
            ask(&visitor, "set=cart");
            ask(&visitor, "unset=cart");
            assert!(visitor.has_ticket());
            let (slow, other) = [(0, 0), (4, 0), (0, 4), (4, 4), (2, 5)][round % 5];
            let (cleaner, adder) = at_once(&visitor, &format!("slow={slow}"), &format!("set=wish&slow={other}"));
            assert_eq!(held(&adder), ["wish"], "round {round}: {}", rig.site.php_logs());
            withdrawn += usize::from(!cleaner.has_ticket());
        }
        // Or the two would never have met.
        assert!(withdrawn > ROUNDS / 10, "the record was cleared away in {withdrawn} of {ROUNDS} rounds");
        rig.assert_quiet();
    }
}

/// A whole life, many times: after it there is nothing.
#[test]
fn an_emptied_session_leaves_neither_record_nor_cookie() {
    needs!("php-fpm", "nginx", "redis-server", "mariadbd");
    for store in [Store::Mysql, Store::Redis] {
        let rig = rig(store);
        let before = rig.backend.records();
        for _ in 0..20 {
            let visitor = rig.visitor();
            ask(&visitor, "set=cart");
            assert!(visitor.has_ticket());
            ask(&visitor, "unset=cart");
            assert!(visitor.has_ticket(), "for one request more");
            ask(&visitor, "");
            assert!(!visitor.has_ticket());
        }
        assert_eq!(rig.backend.records(), before, "{store:?}");
        rig.assert_quiet();
    }
}
