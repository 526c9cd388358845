//! Which keys the store has, how long they live, and what it makes of keys that are not its own.

use std::time::Duration;

use cloakroom::store::{Created, Filter, Swapped, Touched};
use cloakroom::wire::Damaged;
use cloakroom::{Record, StoreError};

use crate::common::*;

#[test]
fn what_is_no_record_is_said_to_be_damaged_and_hides_no_other() {
    let redis = redis(&[]);
    let (worker, store) = (Worker::new(), store(&redis.url()));
    let now = worker.run(store.now(ample())).expect("it answers");
    let record = live(now);
    assert_eq!(worker.run(store.create(ample(), &key(1), &record, now)), Ok(Created::Done));
    let alien = "something of another application, and long enough to hold a header of ours";
    redis.command(&["SET", &name(&key(2)), alien]).expect("redis-server answers");
    redis.command(&["SET", &name(&key(3)), "short"]).expect("redis-server answers");
    redis.command(&["RPUSH", &name(&key(4)), "a list"]).expect("redis-server answers");
    redis.command(&["SET", "wordpress:option", "of somebody else"]).expect("redis-server answers");
    redis.command(&["SET", "cloakroom:{nonsense}", "of nobody"]).expect("redis-server answers");
    for (n, damage) in [(2, Damaged::Magic), (3, Damaged::Short), (4, Damaged::Magic)] {
        let loaded = worker.run(store.load(ample(), &key(n))).expect_err("it is no record");
        assert_eq!(loaded, StoreError::Damaged { engine: "Redis", damage }, "of {n}");
    }
    let list = store.list().expect("it lists");
    let page = worker.run(list.page(ample(), &Filter::default(), None, 10)).expect("it answers");
    assert_eq!(page.records.iter().map(|r| r.key).collect::<Vec<_>>(), [key(1)]);
    let counts = worker.run(store.count().expect("it counts").count(ample())).expect("it answers");
    assert_eq!((counts.live, counts.moved, counts.ended), (1, 0, 0));
    // Ending it makes it a tombstone whatever it was: an operator can mend it.
    worker.run(store.end(ample(), &key(2), &tombstone(now))).expect("it ends");
    assert!(worker.run(store.load(ample(), &key(2))).expect("it is a tombstone now").record.is_some());
}

#[test]
fn every_key_of_ours_goes_by_itself() {
    let redis = redis(&[]);
    let (worker, store) = (Worker::new(), store(&redis.url()));
    worker.run(async {
        let now = store.now(ample()).await.expect("it answers");
        store.create(ample(), &key(1), &live(now), now).await.expect("it answers");
        store.create(ample(), &key(2), &owned(now, "site:42"), now).await.expect("it answers");
        store.end(ample(), &key(3), &tombstone(now)).await.expect("it answers");
        let owners = store.owners().expect("it finds owners");
        owners.end_owner(ample(), &owner("site:7"), &tombstone(now), None).await.expect("it answers");
        let lease = cloakroom::store::LeaseName::of(&key(1), b"commit");
        let holder = cloakroom::store::Holder { host: [0; 16], pid: 1, started: 1 };
        store.leases().expect("it has leases").take(ample(), &lease, 1, holder, HOUR, None).await.expect("it answers");
        let tally = cloakroom::store::Tally {
            kind: cloakroom::store::TallyKind::Alarm,
            label: "x".into(),
            hour: 1,
            count: 1,
            sum: 0,
            sample: String::new(),
        };
        store.reports().expect("it reports").add(ample(), &[tally]).await.expect("it answers");
    });
    let script = "local n=0 for _,k in ipairs(redis.call('KEYS','*')) do n=n+1 \
                  if redis.call('PTTL',k)<0 then return k end end return n";
    assert_eq!(redis.command(&["EVAL", script, "0"]).expect("redis-server answers"), ":8\r\n");
    redis.command(&["SET", "another", "application's"]).expect("redis-server answers");
    assert!(redis.command(&["EVAL", script, "0"]).expect("redis-server answers").contains("another"));
}

/// The index of an owner lives as long as the last of the owner's sessions, also of one that was only ever touched.
#[test]
fn a_session_that_was_only_touched_is_still_found_by_its_owner() {
    let redis = redis(&[]);
    let (worker, store) = (Worker::new(), store(&redis.url()));
    let now = worker.run(store.now(ample())).expect("it answers");
    let short = Record { idle: now.plus(Duration::from_millis(800)), ..owned(now, "site:42") };
    assert_eq!(worker.run(store.create(ample(), &key(1), &short, now)), Ok(Created::Done));
    let touched = worker.run(store.touch(ample(), &key(1), short.version, now, now.plus(HOUR)));
    assert_eq!(touched, Ok(Touched::Done));
    let passed = || worker.run(store.now(ample())).expect("it answers") > now.plus(Duration::from_millis(1000));
    cloakroom_testbed::wait_until("the first deadline has passed", HOUR / 60, passed).expect("it has");
    let owners = store.owners().expect("it finds owners");
    let page = worker.run(owners.find(ample(), &owner("site:42"), None, 10)).expect("it answers");
    assert_eq!(page.records.len(), 1, "the index went before the session");
    let ended = worker.run(owners.end_owner(ample(), &owner("site:42"), &tombstone(now), None)).expect("it answers");
    assert_eq!((ended.ended, ended.complete), (1, true));
}

#[test]
fn an_owners_index_does_not_grow_for_ever() {
    let redis = redis(&[]);
    let (worker, store) = (Worker::new(), store(&redis.url()));
    let now = worker.run(store.now(ample())).expect("it answers");
    // As if left by sessions that ran out long ago.
    for n in 0..50 {
        redis.command(&["ZADD", "cloakroom:owner:{=api}:sessions", "1000", &format!("{n:064}")]).expect("it answers");
    }
    assert_eq!(worker.run(store.create(ample(), &key(1), &owned(now, "api"), now)), Ok(Created::Done));
    let left = redis.command(&["ZCARD", "cloakroom:owner:{=api}:sessions"]).expect("redis-server answers");
    assert_eq!(left, ":1\r\n");
}

#[test]
fn sites_with_prefixes_of_their_own_do_not_see_each_other() {
    let redis = redis(&[]);
    let worker = Worker::new();
    let (a, b) = (store(&format!("{}?prefix=a:", redis.url())), store(&format!("{}?prefix=b:", redis.url())));
    let now = worker.run(a.now(ample())).expect("it answers");
    assert_eq!(worker.run(a.create(ample(), &key(1), &live(now), now)), Ok(Created::Done));
    assert!(worker.run(b.load(ample(), &key(1))).expect("it answers").record.is_none());
    let list = b.list().expect("it lists");
    let page = worker.run(list.page(ample(), &Filter::default(), None, 10)).expect("it answers");
    assert!(page.records.is_empty() && page.next.is_none());
}

/// Large records are laid down beside their place first; whatever becomes of the write, nothing stays there.
#[test]
fn a_large_record_that_loses_its_race_leaves_nothing_behind() {
    let redis = redis(&[]);
    let (worker, store) = (Worker::new(), store(&redis.url()));
    let now = worker.run(store.now(ample())).expect("it answers");
    let large = Record { envelope: vec![7; 100_000], ..owned(now, "site:42") };
    let keys = || redis.command(&["DBSIZE"]).expect("redis-server answers");
    assert_eq!(worker.run(store.create(ample(), &key(1), &large, now)), Ok(Created::Done));
    // The record and its owner's index.
    assert_eq!(keys(), ":2\r\n");
    assert_eq!(worker.run(store.create(ample(), &key(1), &large, now)), Ok(Created::Exists));
    let new = next(&large, &[8; 100_000]);
    assert_eq!(worker.run(store.swap(ample(), &key(1), new.version, &new, now)), Ok(Swapped::Stale));
    assert_eq!(worker.run(store.swap(ample(), &key(2), large.version, &new, now)), Ok(Swapped::Stale));
    assert_eq!(keys(), ":2\r\n");
    let owners = store.owners().expect("it finds owners");
    worker.run(owners.end_owner(ample(), &owner("site:42"), &tombstone(now), Some(&key(1)))).expect("it answers");
    assert_eq!(worker.run(store.create(ample(), &key(3), &large, now)), Ok(Created::OwnerEnded));
    // And the owner's tombstone.
    assert_eq!(keys(), ":3\r\n");
    assert_eq!(worker.run(store.swap(ample(), &key(1), large.version, &new, now)), Ok(Swapped::Done));
    assert_eq!(worker.run(store.load(ample(), &key(1))).expect("it answers").record, Some(new.clone()));
    let left: i64 = {
        let reply = redis.command(&["PTTL", &name(&key(1))]).expect("redis-server answers");
        reply.trim_matches([':', '\r', '\n']).parse().expect("it is a number")
    };
    assert!((3_500_000..=3_600_000).contains(&left), "it lives for {left} ms");
    assert_eq!(keys(), ":3\r\n");
}
