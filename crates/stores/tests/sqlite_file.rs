//! The SQLite store and its file: what it makes, what it refuses, what it notices.

#![cfg(feature = "sqlite")]

#[path = "sqlite/mod.rs"]
#[allow(dead_code)]
mod common;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use cloakroom::store::{Created, Swapped};
use cloakroom::{Store, StoreError, SystemClock, Version};
use cloakroom_stores::Options;
use common::{Place, budget, by, key, now, record, seen};
use rusqlite::Connection;

fn settings(error: &StoreError) -> &str {
    match error {
        StoreError::Settings(text) => text,
        other => panic!("not an error of settings: {other}"),
    }
}

#[test]
fn every_file_is_for_its_owner_alone() {
    let place = Place::new();
    let store = place.store();
    now(store.create(budget(), &key(1), &record(vec![1; 9]), seen())).expect("made");
    for suffix in ["", "-wal", "-shm"] {
        let mode = fs::metadata(place.beside(suffix)).expect("there").permissions().mode();
        assert_eq!(mode & 0o7777, 0o600, "{suffix}");
    }
}

#[test]
fn who_only_looks_makes_no_file_and_is_told_so() {
    let place = Place::new();
    let looking = place.store_with(Options { create: false, ..Options::default() });
    let error = now(looking.load(budget(), &key(1))).expect_err("nothing there");
    assert!(settings(&error).contains("no session store"), "{error}");
    fs::write(place.path(), b"").expect("written");
    let error = now(looking.load(budget(), &key(1))).expect_err("empty");
    assert!(settings(&error).contains("empty"), "{error}");
    assert_eq!(fs::read(place.path()).expect("there"), b"");
    now(place.store().create(budget(), &key(1), &record(vec![]), seen())).expect("an empty file holds nothing to lose");
    assert!(now(looking.load(budget(), &key(1))).expect("there now").record.is_some());
}

#[test]
fn a_file_that_is_not_ours_is_refused_and_left_as_it_is() {
    let place = Place::new();
    for garbage in [&b"<?php echo 'not a database'; "[..], &[0u8; 8192][..]] {
        fs::write(place.path(), garbage).expect("written");
        let error = now(place.store().load(budget(), &key(1))).expect_err("refused");
        assert!(settings(&error).contains("left as it is"), "{error}");
        assert_eq!(fs::read(place.path()).expect("there"), garbage);
        fs::remove_file(place.path()).expect("removed");
    }

    Connection::open(place.path())
        .expect("open")
        .execute_batch("CREATE TABLE posts(a); INSERT INTO posts VALUES(1)")
        .expect("made");
    let before = fs::read(place.path()).expect("there");
    let error = now(place.store().load(budget(), &key(1))).expect_err("refused");
    assert!(settings(&error).contains("another application"), "{error}");
    assert_eq!(fs::read(place.path()).expect("there"), before);
}

#[test]
fn a_file_of_a_newer_release_is_refused() {
    let place = Place::new();
    now(place.store().create(budget(), &key(1), &record(vec![]), seen())).expect("made");
    Connection::open(place.path()).expect("open").pragma_update(None, "user_version", 99).expect("set");
    let error = now(place.store().load(budget(), &key(1))).expect_err("refused");
    assert!(settings(&error).contains("newer release"), "{error}");
}

#[test]
fn a_damaged_file_is_told_and_left_as_it_is() {
    let place = Place::new();
    for n in 0..500 {
        now(place.store().create(budget(), &key(n), &record(vec![1; 900]), seen())).expect("made");
    }
    Connection::open(place.path()).expect("open").execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").expect("copied");
    let mut bytes = fs::read(place.path()).expect("there");
    bytes[4096..].fill(0xa5);
    fs::write(place.path(), &bytes).expect("written");
    let error = now(place.store().load(budget(), &key(1))).expect_err("damaged");
    assert!(matches!(&error, StoreError::Refused { detail, .. } if detail.contains("damaged")), "{error}");
    let error = now(place.store().create(budget(), &key(1), &record(vec![]), seen())).expect_err("damaged");
    assert!(matches!(error, StoreError::Refused { .. }), "{error}");
    assert_eq!(fs::read(place.path()).expect("there"), bytes);
}

#[test]
fn a_row_that_is_no_record_is_damage_and_no_outage() {
    let place = Place::new();
    let store = place.store();
    for (n, change) in ["state=9", "size=-1", "about=x'ff'", "owner=zeroblob(200)"].into_iter().enumerate() {
        let key = key(u32::try_from(n).expect("small"));
        now(store.create(budget(), &key, &record(vec![1]), seen())).expect("made");
        let file = Connection::open(place.path()).expect("open");
        let k = key.as_bytes().as_slice();
        assert_eq!(file.execute(&format!("UPDATE record SET {change} WHERE k=?1"), [k]).expect("changed"), 1);
        let error = now(store.load(budget(), &key)).expect_err("damaged");
        assert!(matches!(error, StoreError::Damaged { .. }) && !error.is_outage(), "{change}: {error}");
    }
}

#[test]
fn a_file_deleted_under_a_running_process_is_noticed_and_made_anew() {
    let place = Place::new();
    let store = place.store();
    now(store.create(budget(), &key(1), &record(vec![1]), seen())).expect("made");
    for suffix in ["", "-wal", "-shm"] {
        fs::remove_file(place.beside(suffix)).expect("removed");
    }
    let began = Instant::now();
    while now(store.load(budget(), &key(1))).expect("goes on").record.is_some() {
        assert!(began.elapsed() < Duration::from_secs(10), "the deleted file is still used");
        std::thread::yield_now();
    }
    assert!(place.path().exists());
    assert_eq!(now(store.create(budget(), &key(1), &record(vec![2]), seen())), Ok(Created::Done));
    assert!(now(place.store().load(budget(), &key(1))).expect("read").record.is_some(), "others see the new file");
}

#[test]
fn the_log_stays_bounded_though_nobody_maintains_it() {
    let place = Place::new();
    let store = place.store();
    let mut version = fill(&store, 0);
    let mut longest = 0;
    for _ in 0..40 {
        version = rewrite(&store, version, 200);
        longest = longest.max(fs::metadata(place.beside("-wal")).expect("there").len());
    }
    // 8,000 commits of six pages each would make 190 MiB.
    assert!(longest < 80 << 20, "the log has grown to {longest} bytes");
    assert!(longest > 32 << 20, "the test did not write enough to tell: {longest} bytes");
}

#[test]
fn maintaining_copies_the_log_into_the_file_by_one_process_at_a_time() {
    let place = Place::new();
    let store = place.store();
    // 600 records of six pages each fill the log until it is long enough.
    for n in 0..1000 {
        now(store.create(budget(), &key(n), &record(vec![5; 20 << 10]), seen())).expect("made");
    }
    let size = || fs::metadata(place.path()).expect("there").len();
    assert!(size() < 1 << 20);

    let keeper =
        fs::OpenOptions::new().write(true).create(true).truncate(false).open(place.beside("-keeper")).expect("open");
    let long_ago = std::time::SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
    keeper.set_modified(long_ago).expect("set");
    rustix::fs::flock(&keeper, rustix::fs::FlockOperation::LockExclusive).expect("locked");
    store.maintain(budget());
    assert!(size() < 1 << 20, "another process keeps the log");
    drop(keeper);

    let began = Instant::now();
    while size() < 20 << 20 {
        assert!(began.elapsed() < Duration::from_secs(20), "the log was not copied");
        store.maintain(budget());
        std::thread::yield_now();
    }
    let log = fs::metadata(place.beside("-wal")).expect("there").len();
    fill(&store, 5000);
    assert_eq!(fs::metadata(place.beside("-wal")).expect("there").len(), log, "the log begins anew and does not grow");
}

fn fill(store: &dyn Store, n: u32) -> Version {
    let record = record(vec![5; 20 << 10]);
    assert_eq!(now(store.create(budget(), &key(n), &record, seen())), Ok(Created::Done));
    record.version
}

fn rewrite(store: &dyn Store, mut version: Version, times: u32) -> Version {
    for _ in 0..times {
        let next =
            cloakroom::Record { version: version.next(), ..record(vec![(version.counter % 251) as u8; 20 << 10]) };
        assert_eq!(now(store.swap(budget(), &key(0), version, &next, seen())), Ok(Swapped::Done));
        version = next.version;
    }
    version
}

#[test]
fn a_store_is_opened_by_no_verb_before_the_first() {
    let place = Place::new();
    let store = place.store_with(by(std::sync::Arc::new(SystemClock)));
    now(store.now(budget())).expect("told");
    store.describe();
    assert!(!place.path().exists(), "nothing may be open when a master process forks");
}
