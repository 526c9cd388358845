//! Servers that die, stand still and come back; replies and requests that are lost on the way.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use cloakroom::store::{Created, Swapped, Touched};
use cloakroom::{Budget, Key, Record, Store, StoreError, Version};
use cloakroom_testbed::{Direction, Proxy, Redis};

use crate::common::*;

/// Longest that a verb may outlast its budget on a busy machine.
const SLACK: Duration = Duration::from_millis(300);

fn behind_proxy() -> (Redis, Proxy, Worker, Arc<dyn Store>) {
    let redis = redis(&[]);
    let proxy = Proxy::start(redis.endpoint()).expect("a proxy starts");
    let store = store(&format!("redis://{}", proxy.address()));
    (redis, proxy, Worker::new(), store)
}

fn put(worker: &Worker, store: &Arc<dyn Store>, key: &Key) -> Record {
    let now = worker.run(store.now(ample())).expect("it answers");
    let record = live(now);
    assert_eq!(worker.run(store.create(ample(), key, &record, now)), Ok(Created::Done));
    record
}

fn found(worker: &Worker, store: &Arc<dyn Store>, key: &Key) -> Option<Record> {
    worker.run(store.load(ample(), key)).expect("it answers").record
}

#[test]
fn a_lost_reply_is_unknown_and_a_look_tells() {
    let (_redis, proxy, worker, store) = behind_proxy();
    let record = put(&worker, &store, &key(1));
    let new = next(&record, b"applied");
    proxy.swallow_reply_where(|request| request.windows(4).any(|w| w == b"EVAL"));
    // Once without the script in the cache: the first call is refused and the second one is not sent.
    let first = worker.run(store.swap(ample(), &key(1), record.version, &new, record.created));
    assert!(matches!(first, Err(StoreError::Unknown { .. })), "{first:?}");
    assert_eq!(worker.run(store.swap(ample(), &key(1), record.version, &new, record.created)), Ok(Swapped::Done));
    let newer = next(&new, b"applied too");
    proxy.swallow_next_reply();
    let outcome = worker.run(store.swap(ample(), &key(1), new.version, &newer, record.created));
    assert!(matches!(outcome, Err(StoreError::Unknown { .. })), "{outcome:?}");
    assert_eq!(found(&worker, &store, &key(1)), Some(newer));
    assert_eq!(proxy.sprung(), 2);
}

#[test]
fn a_lost_reply_to_a_load_is_asked_for_again() {
    let (_redis, proxy, worker, store) = behind_proxy();
    let record = put(&worker, &store, &key(1));
    proxy.swallow_next_reply();
    assert_eq!(found(&worker, &store, &key(1)), Some(record));
    assert_eq!((proxy.sprung(), proxy.connections()), (1, 2));
}

#[test]
fn a_reply_cut_in_its_midst_is_never_taken_for_whole() {
    let (_redis, proxy, worker, store) = behind_proxy();
    let record = put(&worker, &store, &key(1));
    let large = next(&record, &[b'x'; 200_000]);
    let swapped = worker.run(store.swap(ample(), &key(1), record.version, &large, record.created));
    assert_eq!(swapped, Ok(Swapped::Done));
    for cut in [1, 3, 40, 100_000] {
        proxy.cut_after(Direction::ToClient, cut);
        assert!(found(&worker, &store, &key(1)).as_ref() == Some(&large), "cut after {cut} bytes");
    }
    assert_eq!(proxy.sprung(), 4);
}

#[test]
fn a_write_on_a_connection_gone_stale_is_not_noticed() {
    let (redis, proxy, worker, far) = behind_proxy();
    let near = store(&redis.url());
    let mut record = put(&worker, &far, &key(1));
    let mut commit = |store: &Arc<dyn Store>, what: &str| {
        let new = next(&record, what.as_bytes());
        let outcome = worker.run(store.swap(ample(), &key(1), record.version, &new, record.created));
        assert_eq!(outcome, Ok(Swapped::Done), "{what}");
        record = new;
    };
    commit(&near, "as it should be");
    // The server closes connections before it answers.
    redis.command(&["CLIENT", "KILL", "TYPE", "normal"]).expect("redis-server answers");
    commit(&near, "after the server closed the connection");
    proxy.cut();
    commit(&far, "after the network did");
}

#[test]
fn a_server_started_again_is_found_again() {
    let redis = Redis::start_durable().expect("redis-server starts");
    let (worker, store) = (Worker::new(), store(&redis.url()));
    let record = put(&worker, &store, &key(1));
    redis.restart().expect("redis-server starts again");
    assert_eq!(found(&worker, &store, &key(1)), Some(record.clone()));
    redis.restart().expect("redis-server starts again");
    let new = next(&record, b"later");
    let swapped = worker.run(store.swap(ample(), &key(1), record.version, &new, record.created));
    assert_eq!(swapped, Ok(Swapped::Done));
}

#[test]
fn a_server_that_is_gone_is_said_at_once() {
    let redis = redis(&[]);
    let (worker, store) = (Worker::new(), store(&redis.url()));
    let record = put(&worker, &store, &key(1));
    redis.kill9();
    let began = Instant::now();
    let loaded = worker.run(store.load(ample(), &key(1))).map(|l| l.record);
    assert!(matches!(loaded, Err(StoreError::Unreachable { .. })), "{loaded:?}");
    let swapped = worker.run(store.swap(ample(), &key(1), record.version, &record, record.created));
    assert!(matches!(swapped, Err(StoreError::Unreachable { .. })), "{swapped:?}");
    assert!(began.elapsed() < Duration::from_secs(2), "it took {:?}", began.elapsed());
}

#[test]
fn a_frozen_server_costs_no_more_than_the_budget() {
    let redis = redis(&[]);
    let (worker, used, fresh) = (Worker::new(), store(&redis.url()), store(&redis.url()));
    let record = put(&worker, &used, &key(1));
    let new = next(&record, b"new");
    let budget = Duration::from_millis(200);
    let timed = |what: &str, began: Instant| {
        assert!(began.elapsed() < budget + SLACK, "{what} took {:?} of {budget:?}", began.elapsed());
    };
    redis.freeze();
    let began = Instant::now();
    let swapped = worker.run(used.swap(Budget::of(budget), &key(1), record.version, &new, record.created));
    timed("a swap", began);
    assert!(matches!(swapped, Err(StoreError::Unknown { .. })), "{swapped:?}");
    for store in [&used, &fresh] {
        let began = Instant::now();
        let loaded = worker.run(store.load(Budget::of(budget), &key(1))).map(|l| l.record);
        timed("a load", began);
        assert!(matches!(loaded, Err(StoreError::TimedOut { .. })), "{loaded:?}");
        let began = Instant::now();
        let touched = worker.run(store.touch(Budget::of(budget), &key(1), record.version, record.touched, record.idle));
        timed("a touch", began);
        // On a connection that was yet to be made: nothing was sent.
        assert!(matches!(touched, Err(StoreError::TimedOut { .. })), "{touched:?}");
    }
    redis.thaw();
    // No reply of before is taken for one of now.
    let now = found(&worker, &used, &key(1)).expect("it is there");
    assert!(now == record || now == new);
    let touched = worker.run(used.touch(ample(), &key(1), now.version, now.touched, now.idle));
    assert_eq!(touched, Ok(Touched::Done));
    assert!(found(&worker, &used, &key(2)).is_none());
}

#[test]
fn a_stalled_network_costs_no_more_than_the_budget() {
    let (_redis, proxy, worker, store) = behind_proxy();
    let record = put(&worker, &store, &key(1));
    for direction in [Direction::ToServer, Direction::ToClient] {
        proxy.stall(direction);
        let began = Instant::now();
        // More than the buffers on the way take: part of it is never sent.
        let large = next(&record, &vec![1; 40_000_000]);
        let budget = Budget::of(Duration::from_millis(200));
        let swapped = worker.run(store.swap(budget, &key(1), record.version, &large, record.created));
        assert!(began.elapsed() < Duration::from_secs(2), "it took {:?}", began.elapsed());
        match swapped {
            Err(StoreError::TimedOut { .. }) => assert_eq!(direction, Direction::ToServer),
            Err(StoreError::Unknown { .. }) => {}
            other => panic!("{other:?}"),
        }
        proxy.heal();
        proxy.cut();
        let now = found(&worker, &store, &key(1)).expect("it is there");
        if matches!(swapped, Err(StoreError::TimedOut { .. })) {
            assert!(now == record, "it said that nothing was changed");
        }
        if now != record {
            break;
        }
    }
}

/// Workers commit to a session each while the server is killed; what they were told is there afterwards.
#[test]
fn nothing_acknowledged_is_lost_by_a_kill() {
    let redis = Arc::new(Redis::start_durable().expect("redis-server starts"));
    let mut acknowledged: Vec<Version> = Vec::new();
    for round in 0..5u8 {
        let done = Arc::new(AtomicBool::new(false));
        let workers: Vec<_> = (0..4u8)
            .map(|n| {
                let (url, done, before) = (redis.url(), done.clone(), acknowledged.get(usize::from(n)).copied());
                std::thread::spawn(move || {
                    let (worker, store) = (Worker::new(), store(&url));
                    let mut known = match before {
                        Some(version) => {
                            let found = found(&worker, &store, &key(n)).expect("the session is there");
                            assert!(found.version.counter >= version.counter, "an acknowledged commit is gone");
                            assert_eq!(found.version.incarnation, version.incarnation);
                            found
                        }
                        None => put(&worker, &store, &key(n)),
                    };
                    while !done.load(Ordering::Relaxed) {
                        let new = next(&known, &known.version.counter.to_be_bytes().repeat(100));
                        match worker.run(store.swap(ample(), &key(n), known.version, &new, known.created)) {
                            Ok(Swapped::Done) => known = new,
                            Err(
                                StoreError::Unknown { .. }
                                | StoreError::Unreachable { .. }
                                | StoreError::Refused { .. },
                            ) => {
                                break;
                            }
                            other => panic!("{other:?}"),
                        }
                    }
                    known.version
                })
            })
            .collect();
        let before = redis.cpu_ticks();
        // Enough of them are under way when it has worked for a while.
        let busy = cloakroom_testbed::wait_until("commits are under way", HOUR / 60, || redis.cpu_ticks() > before + 3);
        busy.expect("they are");
        redis.kill9();
        done.store(true, Ordering::Relaxed);
        acknowledged = workers.into_iter().map(|worker| worker.join().expect("no worker panics")).collect();
        redis.start().expect("redis-server starts again");
        eprintln!(
            "round {round}: killed after {:?} commits",
            acknowledged.iter().map(|v| v.counter).collect::<Vec<_>>()
        );
    }
    let (worker, store) = (Worker::new(), store(&redis.url()));
    for (n, version) in (0u8..).zip(&acknowledged) {
        let found = found(&worker, &store, &key(n)).expect("the session is there");
        assert!(found.version.counter >= version.counter && found.version.incarnation == version.incarnation);
    }
    assert!(acknowledged.iter().all(|version| version.counter > 5), "too little was tried: {acknowledged:?}");
}
