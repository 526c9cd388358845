//! What a request costs: one round trip to load, one to write.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests, too")]

use cloakroom_system_tests::{Options, Page, Rig, Store, on_each_server};

/// How many round trips a request takes, as most of thirty do: one in a hundred is followed by cleaning up, in nobody's way.
#[track_caller]
fn cost(rig: &Rig, mut request: impl FnMut() -> Page) -> u64 {
    let mut costs: Vec<u64> = (0..30)
        .map(|_| {
            let before = rig.proxy().round_trips();
            let page = request();
            assert!(page.saved && page.state != "detached", "{page:?}");
            rig.proxy().round_trips() - before
        })
        .collect();
    costs.sort_unstable();
    assert_eq!((costs[0], costs[22]), (costs[15], costs[15]), "{costs:?}");
    costs[15]
}

fn rig(store: Store) -> Rig {
    let rig = Rig::with(store, Options { proxied: true, ..Options::default() }.one_worker());
    // A worker's connection, and what it prepares at the first use of each verb.
    let visitor = rig.visitor();
    visitor.fill(&["one", "two", "three"]);
    visitor.cart("rotate=true&login=ada");
    visitor.cart("logout=1");
    rig
}

on_each_server! {
    fn a_request_loads_once_and_writes_once_in_one_round_trip_each(store: Store) {
        let rig = rig(store);
        let visitor = rig.visitor();
        visitor.fill(&["one", "two", "three"]);
        assert_eq!(cost(&rig, || visitor.cart("add=a")), 2, "one to load, one to write");
        assert_eq!(cost(&rig, || visitor.cart("")), 1, "nothing changed: one to load");
        assert_eq!(cost(&rig, || rig.visitor().cart("add=a")), 1, "a fresh id costs no look-up: one to write");
        // After all of it there is one connection, the first one.
        assert_eq!(rig.proxy().connections(), 1);
        rig.assert_quiet();
    }

    fn a_log_in_costs_three_writes(store: Store) {
        let rig = rig(store);
        let visitor = rig.visitor();
        visitor.fill(&["one", "two"]);
        // Load; make the successor, move the old record; write what came after the rotation.
        let mut name = 0;
        let log_in = || {
            name += 1;
            visitor.cart(&format!("rotate=true&login=ada{name}"))
        };
        assert_eq!(cost(&rig, log_in), 4);
    }
}
