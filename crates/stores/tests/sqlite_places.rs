//! Keys whose 63 bits are equal share a place in the SQLite file. It never happens by chance, and must be right all the
//! same: any sequence of verbs on such keys ends as it does in the reference in memory.

#![cfg(feature = "sqlite")]

#[path = "sqlite/mod.rs"]
#[allow(dead_code)]
mod common;

use std::sync::Arc;
use std::time::Duration;

use cloakroom::store::Filter;
use cloakroom::{Clock, EndKind, Key, ManualClock, MemoryStore, Owner, Record, Store, Time, Tombstone, Version};
use common::{Place, budget, by, now, record};
use proptest::prelude::*;

/// Three keys of one place, two of another at the end of the range, one alone.
const KEYS: u8 = 6;

fn key(n: u8) -> Key {
    let mut bytes = match n {
        0..3 => [0x11; 32],
        3..5 => [0xff; 32],
        _ => [0x80; 32],
    };
    bytes[31] = n;
    // Bit 64 is not part of the place.
    bytes[7] = (bytes[7] & 0xfe) | (n & 1);
    Key::from_bytes(bytes)
}

#[derive(Debug, Clone)]
enum Step {
    Create(u8, u64, Option<u8>, u64),
    Swap(u8, u64, u64, Option<u8>, u64),
    Touch(u8, u64, u64),
    End(u8, u64),
    Remove(u8, u64),
    EndOwner(u8, u64, Option<u8>),
    Pass(u64),
    Sweep,
}

fn step() -> impl Strategy<Value = Step> {
    // Few versions, owners and moments, so that they meet often.
    let (k, v, t) = (0..KEYS, 1..4u64, 0..30u64);
    let owner = prop::option::of(0..2u8);
    prop_oneof![
        4 => (k.clone(), v.clone(), owner.clone(), t.clone()).prop_map(|(k, v, o, t)| Step::Create(k, v, o, t)),
        4 => (k.clone(), v.clone(), v.clone(), owner, t.clone()).prop_map(|(k, v, w, o, t)| Step::Swap(k, v, w, o, t)),
        2 => (k.clone(), v.clone(), t.clone()).prop_map(|(k, v, t)| Step::Touch(k, v, t)),
        1 => (k.clone(), t.clone()).prop_map(|(k, t)| Step::End(k, t)),
        2 => (k.clone(), v).prop_map(|(k, v)| Step::Remove(k, v)),
        1 => (0..2u8, t.clone(), prop::option::of(k)).prop_map(|(o, t, k)| Step::EndOwner(o, t, k)),
        2 => t.prop_map(Step::Pass),
        1 => Just(Step::Sweep),
    ]
}

fn owner(n: u8) -> Owner {
    Owner::new(vec![b'a' + n]).expect("short")
}

fn made(clock: &ManualClock, version: u64, owned: Option<u8>, life: u64) -> Record {
    let at = clock.now();
    Record {
        version: Version { incarnation: 9, counter: version },
        created: at,
        touched: at,
        idle: at.plus(Duration::from_secs(life)),
        owner: owned.map(owner),
        ..record(vec![1; 40])
    }
}

fn take(store: &dyn Store, clock: &ManualClock, step: &Step) -> String {
    let version = |counter| Version { incarnation: 9, counter };
    let tombstone = |counter, life| Tombstone {
        version: version(counter + 100),
        kind: EndKind::Destroyed,
        at: clock.now(),
        until: clock.now().plus(Duration::from_secs(life)),
    };
    // As a request that began a moment ago, so that owners' tombstones bite.
    let seen = Time(clock.now().0.saturating_sub(5000));
    match *step {
        Step::Create(k, v, o, t) => format!("{:?}", now(store.create(budget(), &key(k), &made(clock, v, o, t), seen))),
        Step::Swap(k, v, w, o, t) => {
            format!("{:?}", now(store.swap(budget(), &key(k), version(v), &made(clock, w, o, t), seen)))
        }
        Step::Touch(k, v, t) => {
            let idle = clock.now().plus(Duration::from_secs(t));
            format!("{:?}", now(store.touch(budget(), &key(k), version(v), clock.now(), idle)))
        }
        Step::End(k, t) => format!("{:?}", now(store.end(budget(), &key(k), &tombstone(u64::from(k), t)))),
        Step::Remove(k, v) => {
            format!("{:?}", now(store.remove().expect("removes").remove(budget(), &key(k), version(v))))
        }
        Step::EndOwner(o, t, except) => {
            let owners = store.owners().expect("owners");
            let except = except.map(key);
            format!("{:?}", now(owners.end_owner(budget(), &owner(o), &tombstone(50, t), except.as_ref())))
        }
        Step::Pass(seconds) => {
            clock.advance(Duration::from_secs(seconds));
            String::new()
        }
        Step::Sweep => {
            let mut removed = 0;
            // Where a deadline moved ahead a sweep may find nothing to remove in a batch and say that there is more.
            loop {
                let swept = now(store.sweep(budget(), 3)).expect("swept");
                removed += swept.removed;
                if !swept.more {
                    return removed.to_string();
                }
            }
        }
    }
}

fn everything(store: &dyn Store) -> (Vec<Option<Record>>, Vec<String>, String) {
    let loaded = (0..KEYS).map(|k| now(store.load(budget(), &key(k))).expect("loaded").record).collect();
    let list = store.list().expect("lists");
    let mut shown = Vec::new();
    for filter in [
        Filter::default(),
        Filter { owner: Some(owner(0)), ..Filter::default() },
        Filter { key_prefix: vec![0x11; 7], ..Filter::default() },
        Filter { key_prefix: vec![0xff], live: true, ..Filter::default() },
    ] {
        let (mut after, mut names) = (None, Vec::new());
        loop {
            let page = now(list.page(budget(), &filter, after.as_deref(), 2)).expect("listed");
            names.extend(page.records.iter().map(|s| s.key.to_hex()));
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        names.sort();
        shown.extend(names);
        shown.push("--".into());
    }
    (loaded, shown, format!("{:?}", now(store.count().expect("counts").count(budget()))))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]
    #[test]
    fn keys_that_share_a_place_are_never_confused(steps in prop::collection::vec(step(), 1..50)) {
        let place = Place::new();
        let clock = Arc::new(ManualClock::new(Time(1_800_000_000_000)));
        let (sqlite, memory) = (place.store_with(by(clock.clone())), MemoryStore::new(clock.clone()));
        for (n, step) in steps.iter().enumerate() {
            let was = clock.now();
            let expected = take(&memory, &clock, step);
            clock.set(was);
            prop_assert_eq!(take(&sqlite, &clock, step), expected, "step {} of {:?}", n, steps);
        }
        prop_assert_eq!(everything(&sqlite), everything(&memory), "after {:?}", steps);
    }
}
