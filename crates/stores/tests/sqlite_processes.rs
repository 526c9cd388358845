//! The SQLite store between processes: killed, frozen, many at once.

#![cfg(feature = "sqlite")]

#[path = "sqlite/mod.rs"]
#[allow(dead_code)]
mod common;

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::time::{Duration, Instant};

use cloakroom::store::{Created, Swapped};
use cloakroom::{Budget, Record, Store, StoreError};
use cloakroom_stores::Options;
use common::{Place, at, budget, key, now, process, record, seen, task};
use rusqlite::Connection;

/// Sessions of one writer.
const OWN: u32 = 50;

#[test]
#[ignore = "a process of other tests: commits to sessions of its own until it is killed, and tells each that was acknowledged"]
fn writer() {
    let (path, number) = task();
    let store = at(&path, &Options::default());
    let mut out = std::io::stdout();
    for n in 0u32.. {
        let session = number * OWN + n % OWN;
        let key = key(session);
        let counter = match now(store.load(budget(), &key)).expect("loaded").record {
            None => {
                let made = now(store.create(budget(), &key, &filled(record(Vec::new())), seen()));
                assert_eq!(made, Ok(Created::Done));
                1
            }
            Some(was) => {
                let next = filled(Record { version: was.version.next(), ..was.clone() });
                assert_eq!(now(store.swap(budget(), &key, was.version, &next, seen())), Ok(Swapped::Done));
                next.version.counter
            }
        };
        // The newline comes with the line: a line cut short by the kill was not acknowledged.
        out.write_all(format!("ack {session} {counter}\n").as_bytes()).expect("told");
        if n % 64 == 0 {
            store.maintain(budget());
            now(store.sweep(budget(), 10)).expect("swept");
        }
    }
}

/// An envelope that tells of which commit it is, small or of several pages.
fn filled(mut record: Record) -> Record {
    let length =
        if record.version.counter.is_multiple_of(3) { 17_000 } else { 400 + (record.version.counter % 50) as usize };
    record.envelope = vec![(record.version.counter % 251) as u8; length];
    record
}

#[test]
fn twenty_times_killed_nothing_acknowledged_is_lost_and_nothing_half_written() {
    let place = Place::new();
    let mut acknowledged: HashMap<u32, u64> = HashMap::new();
    for round in 0..20u64 {
        let mut writers: Vec<_> = (0..4).map(|n| process("writer", &place.path(), n)).collect();
        // Kill them one after the other, the rest still writing, at moments that differ from round to round; the first
        // one when it has shown that it writes.
        let mut lines = Vec::new();
        for (n, writer) in writers.iter_mut().enumerate() {
            let mut reader = BufReader::new(writer.stdout.take().expect("output"));
            let mut line = String::new();
            while !line.contains("ack") {
                line.clear();
                assert_ne!(
                    reader.read_line(&mut line).expect("read"),
                    0,
                    "writer {n} ended by itself in round {round}"
                );
            }
            // Not a wait for anything: chance in where the kill hits.
            std::thread::sleep(Duration::from_micros(500 + (round * 7919 + n as u64 * 104_729) % 9000));
            writer.kill().expect("killed");
            let mut rest = String::new();
            reader.read_to_string(&mut rest).expect("read");
            writer.wait().expect("ended");
            lines.push(line + &rest);
        }
        for line in lines.iter().flat_map(|text| text.split_inclusive('\n')).filter(|line| line.ends_with('\n')) {
            if let Some((_, told)) = line.split_once("ack ") {
                let (session, counter) = told.trim().split_once(' ').expect("two numbers");
                acknowledged.insert(session.parse().expect("number"), counter.parse().expect("number"));
            }
        }
        let file = Connection::open(place.path()).expect("open");
        let verdict: String = file.query_row("PRAGMA integrity_check", [], |row| row.get(0)).expect("checked");
        assert_eq!(verdict, "ok", "round {round}");
        let store = place.store();
        for (session, counter) in &acknowledged {
            let found = now(store.load(budget(), &key(*session))).expect("loaded").record.expect("not lost");
            assert!(found.version.counter >= *counter, "round {round}: commit {counter} of {session} is lost");
            assert_eq!(found.envelope, filled(found.clone()).envelope, "round {round}: half-written");
        }
    }
    assert!(acknowledged.len() > 20, "{} sessions", acknowledged.len());
}

#[test]
#[ignore = "a process of other tests: takes the write lock and keeps it"]
fn holder() {
    let (path, _) = task();
    let file = Connection::open(path).expect("open");
    file.execute_batch("BEGIN IMMEDIATE").expect("locked");
    println!("held");
    std::thread::sleep(Duration::from_secs(600));
}

#[test]
fn a_frozen_holder_of_the_lock_costs_the_budget_and_no_more() {
    let place = Place::new();
    let store = place.store();
    now(store.create(budget(), &key(1), &record(vec![1]), seen())).expect("made");
    let mut holder = process("holder", &place.path(), 0);
    let mut reader = BufReader::new(holder.stdout.take().expect("output"));
    let mut line = String::new();
    while !line.contains("held") {
        line.clear();
        assert_ne!(reader.read_line(&mut line).expect("read"), 0, "the holder ended by itself");
    }
    let next = Record { version: record(vec![]).version.next(), ..record(vec![2]) };
    let began = Instant::now();
    let outcome =
        now(store.swap(Budget::of(Duration::from_millis(300)), &key(1), record(vec![]).version, &next, seen()));
    assert_eq!(outcome, Err(StoreError::TimedOut { engine: "SQLite" }));
    let took = began.elapsed();
    assert!(took >= Duration::from_millis(290) && took < Duration::from_millis(1500), "{took:?}");
    // Readers never wait for a writer, and a new process can come.
    let began = Instant::now();
    assert!(now(place.store().load(Budget::of(Duration::from_millis(300)), &key(1))).expect("read").record.is_some());
    assert!(began.elapsed() < Duration::from_secs(1));

    holder.kill().expect("killed");
    holder.wait().expect("ended");
    let outcome = now(store.swap(budget(), &key(1), record(vec![]).version, &next, seen()));
    assert_eq!(outcome, Ok(Swapped::Done), "the lock dies with its holder");
}

#[test]
#[ignore = "a process of other tests: adds to one shared session a hundred times"]
fn adder() {
    let (path, number) = task();
    let store = at(&path, &Options::default());
    let shared = key(1_000_000);
    for n in 0..100u32 {
        loop {
            let Some(was) = now(store.load(budget(), &shared)).expect("loaded").record else {
                let _ = now(store.create(budget(), &shared, &record(Vec::new()), seen())).expect("created, or there");
                continue;
            };
            let mut next = Record { version: was.version.next(), ..was.clone() };
            next.envelope.extend_from_slice(&(number * 1000 + n).to_be_bytes());
            match now(store.swap(budget(), &shared, was.version, &next, seen())).expect("answered") {
                Swapped::Done => break,
                Swapped::Stale => {}
                Swapped::OwnerEnded => unreachable!("nobody ended an owner"),
            }
        }
    }
}

#[test]
fn eight_processes_make_one_file_and_lose_no_update_of_one_session() {
    let place = Place::new();
    let adders: Vec<_> = (0..8).map(|n| process("adder", &place.path(), n)).collect();
    for mut adder in adders {
        assert!(adder.wait().expect("ended").success());
    }
    let found = now(place.store().load(budget(), &key(1_000_000))).expect("loaded").record.expect("there");
    let mut added: Vec<u32> =
        found.envelope.as_chunks::<4>().0.iter().map(|bytes| u32::from_be_bytes(*bytes)).collect();
    added.sort_unstable();
    let all: Vec<u32> = (0..8).flat_map(|p| (0..100).map(move |n| p * 1000 + n)).collect();
    assert_eq!(added, all);
    assert_eq!(found.version.counter, 801);
}

#[test]
fn many_threads_share_one_store_object() {
    let place = Place::new();
    let store = place.store();
    std::thread::scope(|scope| {
        for thread in 0..8u32 {
            let store = &store;
            scope.spawn(move || {
                for n in 0..50 {
                    let key = key(thread * 100 + n);
                    assert_eq!(now(store.create(budget(), &key, &record(vec![1; 50]), seen())), Ok(Created::Done));
                    assert!(now(store.load(budget(), &key)).expect("loaded").record.is_some());
                }
            });
        }
    });
    let counts = now(store.count().expect("counts").count(budget())).expect("counted");
    assert_eq!(counts.live, 400);
}
