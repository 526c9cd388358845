//! What goes in comes out, under the key it went in by and no other.

use crate::conformance::Harness;
use crate::conformance::data::{Dice, all_states, next, tombstone};
use crate::conformance::hand::{Hand, budget, healthy};
use crate::key::Key;
use crate::record::{About, Owner, Record};
use crate::store::{Created, Ended, StoreError, Swapped, Touched};
use crate::time::Time;
use crate::version::{CommitId, CommitLog, Version};

/// Every field of every record comes back as it went, by another handle too, after a create as after a swap.
pub async fn a_record_comes_back_as_it_went(harness: &dyn Harness) {
    let (mut dice, hand, other) = (Dice::new(), Hand::of(harness), Hand::of(harness));
    let now = hand.now().await;
    for _ in 0..40 {
        let (key, first, second) = (dice.key(), dice.any_record(now), dice.any_record(now));
        hand.put(&key, &first).await;
        assert_eq!(other.load(&key).await.as_ref(), Some(&first), "a created record came back changed");
        assert_eq!(hand.swap(&key, first.version, &second).await, Swapped::Done);
        assert_eq!(other.load(&key).await.as_ref(), Some(&second), "a swapped record came back changed");
    }
}

/// Live, moved and ended records of every kind, codes of newer releases included, keep their state and its time.
pub async fn every_state_and_kind_is_kept(harness: &dyn Harness) {
    let (mut dice, hand) = (Dice::new(), Hand::of(harness));
    let now = hand.now().await;
    for state in all_states(now) {
        let (key, live) = (dice.key(), dice.live(now));
        hand.put(&key, &live).await;
        let record = Record { state, ..next(&live, dice.bytes(10)) };
        assert_eq!(hand.swap(&key, live.version, &record).await, Swapped::Done);
        assert_eq!(hand.load(&key).await.map(|r| r.state), Some(state), "a state came back changed");
    }
}

/// Envelopes are any bytes of any length: none, one, those around powers of two that engines stumble over, and 1 MiB.
/// A store may refuse large ones with [`StoreError::TooLarge`], but not below its own limit, and writes nothing then.
pub async fn an_envelope_may_be_empty_or_large_and_holds_any_bytes(harness: &dyn Harness) {
    let (mut dice, hand) = (Dice::new(), Hand::of(harness));
    let now = hand.now().await;
    let all_bytes: Vec<u8> = (0..=255).collect();
    let awkward =
        [&b"\0"[..], b"'", b"\\", b"\"; --", b"\r\n", b"\x1a", b" ", b"%s", b"\xff\xfe", b"\xc3\x28", &all_bytes];
    let sized = [0usize, 255, 256, 65_535, 65_536, 70_000, 1 << 20].map(|len| dice.bytes(len));
    for envelope in awkward.iter().map(|b| b.to_vec()).chain(sized) {
        let (key, size) = (dice.key(), envelope.len());
        let record = Record { envelope, size: size as u32, ..dice.live(now) };
        match hand.0.create(budget(), &key, &record, now).await {
            Err(StoreError::TooLarge { size, limit, .. }) => {
                assert!(size > limit, "a record of {size} bytes was refused by a store that takes {limit}");
                assert!(hand.load(&key).await.is_none(), "a record that was refused is there");
                continue;
            }
            outcome => assert_eq!(healthy("create", outcome), Created::Done),
        }
        let found = hand.load(&key).await.unwrap_or_else(|| panic!("an envelope of {size} bytes is gone"));
        assert!(found.envelope == record.envelope, "an envelope of {size} bytes came back changed");
        assert_eq!(found, record);
    }
}

/// Full logs and trails, long labels, and tagged fields of newer releases are carried along, by a touch and an end too.
pub async fn tagged_fields_are_carried_along(harness: &dyn Harness) {
    let (mut dice, hand) = (Dice::new(), Hand::of(harness));
    let now = hand.now().await;
    let about = About {
        commits: CommitLog::from_ids([0, u64::MAX, 1 << 63].map(CommitId).into_iter().chain((0..13).map(CommitId))),
        trail: (0..16).map(|_| dice.key()).collect(),
        device: Some("x".repeat(255)),
        address: Some("\u{e4}".repeat(32)),
        namespace: vec![0xff; 255],
        named: true,
        asked: true,
        unknown: vec![(99, Vec::new()), (100, dice.bytes(70_000)), (255, (0..=255).collect())],
    };
    let (key, record) = (dice.key(), Record { about: about.clone(), ..dice.live(now) });
    hand.put(&key, &record).await;
    assert_eq!(hand.load(&key).await.map(|r| r.about).as_ref(), Some(&about));
    assert_eq!(hand.touch(&key, record.version, now, record.idle).await, Touched::Done);
    assert_eq!(hand.load(&key).await.map(|r| r.about).as_ref(), Some(&about), "a touch changed the tagged fields");
    assert_eq!(hand.end(&key, &tombstone(now)).await, Ended::Done);
    assert_eq!(hand.load(&key).await.map(|r| r.about).as_ref(), Some(&about), "an end changed the tagged fields");
}

/// Versions, times and sizes keep their last bit up to what a signed 64-bit integer holds.
pub async fn large_numbers_are_kept_to_the_last_bit(harness: &dyn Harness) {
    let (mut dice, hand) = (Dice::new(), Hand::of(harness));
    let now = hand.now().await;
    // 2^53 + 1 is what a double rounds away; scripts inside engines compute with doubles.
    for number in [0, 1, (1 << 32) + 1, (1 << 53) + 1, i64::MAX as u64 - 1, i64::MAX as u64] {
        let (key, version) = (dice.key(), Version { incarnation: number, counter: number });
        let time = Time(number);
        let never = Time(i64::MAX as u64);
        let record = Record {
            version,
            created: time,
            touched: time,
            idle: never,
            absolute: Some(Time(i64::MAX as u64 - 1)),
            size: u32::MAX,
            format: u8::MAX,
            ..dice.live(now)
        };
        hand.put(&key, &record).await;
        assert_eq!(hand.load(&key).await, Some(record.clone()));
        let off_by_one = Version { counter: number ^ 1, ..version };
        assert_eq!(hand.swap(&key, off_by_one, &record).await, Swapped::Stale, "versions that differ by one matched");
        let off_by_one = Version { incarnation: number ^ 1, ..version };
        assert_eq!(
            hand.swap(&key, off_by_one, &record).await,
            Swapped::Stale,
            "incarnations that differ by one matched"
        );
        assert_eq!(hand.touch(&key, version, Time(number ^ 1), never).await, Touched::Done);
        assert_eq!(hand.load(&key).await.map(|r| (r.touched, r.idle)), Some((Time(number ^ 1), never)));
    }
}

/// Owners are bytes, not text: neither case, trailing blanks nor broken UTF-8 change or join them.
pub async fn an_owner_is_any_191_bytes(harness: &dyn Harness) {
    let (mut dice, hand) = (Dice::new(), Hand::of(harness));
    let now = hand.now().await;
    let all_bytes: Vec<u8> = (0..=190).collect();
    let high_bytes: Vec<u8> = (65..=255).collect();
    for owner in [&b"\0"[..], b" ", b"a", b"A", b"a ", b"a\0", b"\xff", b"'; --", &[b'x'; 191], &all_bytes, &high_bytes]
    {
        let owner = Owner::new(owner).expect("length");
        let (key, record) = (dice.key(), dice.owned(now, &owner));
        hand.put(&key, &record).await;
        assert_eq!(hand.load(&key).await.and_then(|r| r.owner).as_ref(), Some(&owner), "an owner came back changed");
    }
}

/// Keys that differ in a single byte, whichever, or in case, or in trailing blanks or zeros, are different keys. (A
/// store may index by a part of the key and must then compare the rest.)
pub async fn a_key_is_compared_in_all_its_bytes(harness: &dyn Harness) {
    let (mut dice, hand) = (Dice::new(), Hand::of(harness));
    let now = hand.now().await;
    let keys = alike_keys(&mut dice);
    let records: Vec<Record> = keys.iter().map(|_| dice.live(now)).collect();
    for (key, record) in keys.iter().zip(&records) {
        assert!(hand.load(key).await.is_none(), "{key} was found before it was made, by one that is like it");
        hand.put(key, record).await;
    }
    for (key, record) in keys.iter().zip(&records) {
        assert_eq!(hand.load(key).await.as_ref(), Some(record), "{key} gives another key's record");
    }
    // Removing one must not hide another that shares its place.
    for (at, key) in keys.iter().enumerate() {
        match hand.0.remove() {
            Some(remove) => assert!(healthy("remove", remove.remove(budget(), key, records[at].version).await)),
            None => assert_eq!(hand.end(key, &tombstone(now)).await, Ended::Done),
        }
        let gone = hand.load(key).await.is_none_or(|r| !r.state.is_live());
        assert!(gone, "{key} is still live, though it was ended or removed");
        for (key, record) in keys.iter().zip(&records).skip(at + 1) {
            assert_eq!(hand.load(key).await.as_ref(), Some(record), "{key} suffered when another key was removed");
        }
    }
}

/// No verb on a key changes the record of one that looks like it, even where it has the same version.
pub async fn a_verb_never_strays_to_a_similar_key(harness: &dyn Harness) {
    let (mut dice, hand) = (Dice::new(), Hand::of(harness));
    let now = hand.now().await;
    let keys = alike_keys(&mut dice);
    let (here, record) = (keys[0], dice.live(now));
    hand.put(&here, &record).await;
    let changed = next(&record, b"changed".to_vec());
    for absent in &keys[1..] {
        assert_eq!(hand.swap(absent, record.version, &changed).await, Swapped::Stale, "a swap strayed to another key");
        let later = record.idle.plus(std::time::Duration::from_secs(9));
        assert_eq!(hand.touch(absent, record.version, now, later).await, Touched::Stale, "a touch strayed");
        if let Some(remove) = hand.0.remove() {
            assert!(!healthy("remove", remove.remove(budget(), absent, record.version).await), "a remove strayed");
        }
        assert_eq!(hand.end(absent, &tombstone(now)).await, Ended::Absent, "an end strayed to another key");
        assert_eq!(hand.load(&here).await.as_ref(), Some(&record), "a verb on {absent} changed {here}");
    }
}

/// Keys as alike as they come: one and its neighbours, each differing in one byte; ends that collations fold.
fn alike_keys(dice: &mut Dice) -> Vec<Key> {
    let base = *dice.key().as_bytes();
    let mut keys = vec![base];
    for at in [0, 1, 3, 4, 7, 8, 12, 15, 16, 20, 23, 24, 27, 28, 30, 31] {
        let mut key = base;
        key[at] ^= 1 + (at as u8);
        keys.push(key);
    }
    let mut sign = base;
    sign[0] ^= 0x80;
    keys.push(sign);
    for end in *b"aA \0\xe4\xc4" {
        let mut key = [b'a'; 32];
        key[31] = end;
        keys.push(key);
    }
    keys.extend([[0; 32], [0xff; 32]]);
    keys.into_iter().map(Key::from_bytes).collect()
}
