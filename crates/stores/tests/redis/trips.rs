//! How often the store goes to the server.

use cloakroom::store::{Created, Ended, Holder, LeaseName, LeaseOutcome, Swapped, Touched};
use cloakroom_testbed::{Proxy, Redis};

use crate::common::*;

#[test]
fn each_verb_is_one_round_trip() {
    let redis = redis(&[]);
    let proxy = Proxy::start(redis.endpoint()).expect("a proxy starts");
    let (worker, store) = (Worker::new(), store(&format!("redis://{}", proxy.address())));
    let now = worker.run(store.now(ample())).expect("it answers");
    assert_eq!((proxy.round_trips(), proxy.connections()), (1, 1), "to connect");
    // Twice: the first time the server is handed the scripts.
    for (turn, count) in [(1, false), (2, true)] {
        let (record, theirs) = (live(now), owned(now, "site:42"));
        let mut before = proxy.round_trips();
        let mut one = |verb: &str| {
            if count {
                assert_eq!(proxy.round_trips() - before, 1, "round trips of {verb}");
            }
            before = proxy.round_trips();
        };
        let (a, b) = (key(turn), key(turn + 100));
        assert!(worker.run(store.load(ample(), &a)).expect("it answers").record.is_none());
        one("a load that finds nothing");
        assert_eq!(worker.run(store.create(ample(), &a, &record, now)), Ok(Created::Done));
        one("a create");
        assert_eq!(worker.run(store.create(ample(), &b, &theirs, now)), Ok(Created::Done));
        one("a create with an owner");
        assert!(worker.run(store.load(ample(), &a)).expect("it answers").record.is_some());
        one("a load");
        assert!(worker.run(store.now(ample())).expect("it answers") >= now);
        let new = next(&record, &[7; 20_000]);
        assert_eq!(worker.run(store.swap(ample(), &a, record.version, &new, now)), Ok(Swapped::Done));
        one("a swap (and a look at the clock)");
        let touch = store.touch(ample(), &b, theirs.version, now, now.plus(HOUR * 2));
        assert_eq!(worker.run(touch), Ok(Touched::Done));
        one("a touch");
        let new = next(&theirs, &[8; 20_000]);
        assert_eq!(worker.run(store.swap(ample(), &b, theirs.version, &new, now)), Ok(Swapped::Done));
        one("a swap with an owner");
        assert_eq!(worker.run(store.end(ample(), &b, &tombstone(now))), Ok(Ended::Done));
        one("an end");
        let remove = store.remove().expect("it removes");
        assert_eq!(worker.run(remove.remove(ample(), &a, record.version.next())), Ok(true));
        one("a remove");
        let (leases, lease) = (store.leases().expect("it has leases"), LeaseName::of(&a, b"commit"));
        let holder = Holder { host: [1; 16], pid: 2, started: 3 };
        let taken = worker.run(leases.take(ample(), &lease, 9, holder, HOUR, None));
        assert!(matches!(taken, Ok(LeaseOutcome::Taken(_))), "{taken:?}");
        one("taking a lease");
        assert_eq!(worker.run(leases.release(ample(), &lease, 9)), Ok(true));
        one("releasing a lease");
        worker.run(store.sweep(ample(), 10)).expect("it answers");
        one("a sweep");
    }
    assert_eq!(proxy.connections(), 1, "one connection is used again and again");
}

#[test]
fn verbs_go_on_when_the_server_has_forgotten_the_scripts() {
    let redis = redis(&[]);
    let (worker, store) = (Worker::new(), store(&redis.url()));
    let now = worker.run(store.now(ample())).expect("it answers");
    let record = live(now);
    assert_eq!(worker.run(store.create(ample(), &key(1), &record, now)), Ok(Created::Done));
    for turn in 0..2 {
        redis.command(&["SCRIPT", "FLUSH"]).expect("redis-server answers");
        let touched = worker.run(store.touch(ample(), &key(1), record.version, now, now));
        assert_eq!(touched, Ok(Touched::Done), "turn {turn}");
        redis.command(&["SCRIPT", "FLUSH"]).expect("redis-server answers");
        let tombstone = tombstone(now);
        let owners = store.owners().expect("it finds owners");
        worker.run(owners.end_owner(ample(), &owner("x"), &tombstone, None)).expect("it answers");
    }
}

#[test]
fn many_tasks_share_few_connections() {
    let redis = Redis::start().expect("redis-server starts");
    let proxy = Proxy::start(redis.endpoint()).expect("a proxy starts");
    let (worker, store) = (Worker::new(), store(&format!("redis://{}", proxy.address())));
    worker.run(async {
        for _ in 0..5 {
            let tasks: Vec<_> = (0..50u8)
                .map(|n| {
                    let store = store.clone();
                    tokio::spawn(async move { store.load(ample(), &key(n)).await.map(|loaded| loaded.now) })
                })
                .collect();
            for task in tasks {
                task.await.expect("it does not panic").expect("it answers");
            }
            // One look at each that is kept: those too many have been closed.
            let kept =
                cloakroom_testbed::wait_until("few connections are left", HOUR / 60, || proxy.open_connections() <= 8);
            kept.expect("few connections are kept");
        }
    });
}
