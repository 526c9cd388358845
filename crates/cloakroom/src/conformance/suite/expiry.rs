//! Deadlines, sweeping and the store's clock.

use std::time::{Duration, Instant};

use crate::conformance::Harness;
use crate::conformance::data::{AFTER_SOON, Dice, HOUR, SOON, next, tombstone};
use crate::conformance::hand::{Hand, budget, healthy};
use crate::record::{Record, Tombstone};
use crate::store::{Created, Ended, Swapped, Touched};

/// A record that is touched, or swapped, lives until its new deadline and not just until the old one. (Engines that
/// expire by themselves must be told.)
pub async fn a_raised_deadline_counts(harness: &dyn Harness) {
    let (mut dice, hand) = (Dice::new(), Hand::of(harness));
    let now = hand.now().await;
    let short = |dice: &mut Dice| Record { idle: now.plus(SOON), ..dice.live(now) };
    let (touched, mut a) = (dice.key(), short(&mut dice));
    let (swapped, b) = (dice.key(), short(&mut dice));
    let (lowering, mut c) = (dice.key(), dice.live(now));
    hand.put(&touched, &a).await;
    hand.put(&swapped, &b).await;
    hand.put(&lowering, &c).await;
    assert_eq!(hand.touch(&touched, a.version, now, now.plus(HOUR)).await, Touched::Done);
    let new = Record { idle: now.plus(HOUR), ..next(&b, vec![2]) };
    assert_eq!(hand.swap(&swapped, b.version, &new).await, Swapped::Done);
    // A touch that would lower the deadline must not lower the engine's own either.
    assert_eq!(hand.touch(&lowering, c.version, now, now.plus(SOON)).await, Touched::Done);
    harness.pass(AFTER_SOON).await;
    hand.sweep_all(100).await;
    a.idle = now.plus(HOUR);
    a.touched = now;
    c.touched = now;
    assert_eq!(hand.load(&touched).await, Some(a), "a touched record went at its old deadline");
    assert_eq!(hand.load(&swapped).await, Some(new), "a swapped record went at its old deadline");
    assert_eq!(hand.load(&lowering).await, Some(c), "a touch that could not lower the deadline lowered it");
}

/// A swap to an earlier deadline counts: then the place is free.
pub async fn a_lowered_deadline_counts(harness: &dyn Harness) {
    let (mut dice, hand) = (Dice::new(), Hand::of(harness));
    let now = hand.now().await;
    let (key, record) = (dice.key(), dice.live(now));
    hand.put(&key, &record).await;
    let short = Record { idle: now.plus(SOON), ..next(&record, vec![3]) };
    assert_eq!(hand.swap(&key, record.version, &short).await, Swapped::Done);
    harness.pass(AFTER_SOON).await;
    hand.sweep_all(100).await;
    assert!(hand.load(&key).await.is_none(), "a sweep left a record whose deadline a swap had lowered");
}

/// A tombstone lives as long as it says, whatever deadlines the record had that it came of.
pub async fn a_tombstone_keeps_its_own_time(harness: &dyn Harness) {
    let (mut dice, hand) = (Dice::new(), Hand::of(harness));
    let now = hand.now().await;
    let soon = now.plus(SOON);
    let long = dice.key();
    hand.put(&long, &Record { idle: soon, absolute: Some(soon), ..dice.live(now) }).await;
    assert_eq!(hand.end(&long, &tombstone(now)).await, Ended::Done);
    let short = dice.key();
    hand.put(&short, &dice.live(now)).await;
    assert_eq!(hand.end(&short, &Tombstone { until: soon, ..tombstone(now) }).await, Ended::Done);
    harness.pass(AFTER_SOON).await;
    hand.sweep_all(100).await;
    assert_eq!(
        hand.create(&long, &dice.live(now)).await,
        Created::Exists,
        "a tombstone went at the deadline of the record that it came of"
    );
    assert_eq!(hand.create(&short, &dice.live(now)).await, Created::Done, "a tombstone outlived its time");
}

/// A sweep removes at most its limit, says whether there is more, ends, and removes everything past its deadline.
pub async fn a_sweep_is_bounded_and_ends(harness: &dyn Harness) {
    let (mut dice, hand) = (Dice::new(), Hand::of(harness));
    let now = hand.now().await;
    let mut keys = Vec::new();
    for n in 0..25 {
        let key = dice.key();
        let soon = now.plus(SOON);
        let record = match n % 3 {
            0 => Record { idle: soon, ..dice.live(now) },
            1 => Record { absolute: Some(soon), ..dice.live(now) },
            _ => Record { idle: soon, ..tombstone(now).record(None) },
        };
        hand.put(&key, &record).await;
        keys.push(key);
    }
    harness.pass(AFTER_SOON).await;
    let swept = hand.sweep(10).await;
    assert!(swept.removed <= 10, "a sweep of at most 10 removed {}", swept.removed);
    let mut left = 0;
    for key in &keys {
        left += u64::from(hand.load(key).await.is_some());
    }
    assert!(swept.more || left == 0, "a sweep said that there is no more, and left {left}");
    if left > 0 {
        assert!(swept.removed > 0, "a sweep removed nothing, and {left} expired records are there");
    }
    let removed = swept.removed + hand.sweep_all(10).await;
    assert!(removed <= keys.len() as u64, "{removed} of {} records were removed", keys.len());
    for key in &keys {
        assert!(hand.load(key).await.is_none(), "the sweeps ended and left an expired record");
    }
}

/// A sweep never removes a record or tombstone before its deadline.
pub async fn a_sweep_spares_what_is_not_expired(harness: &dyn Harness) {
    let (mut dice, hand) = (Dice::new(), Hand::of(harness));
    let now = hand.now().await;
    let owner = dice.owner();
    let mut kept = Vec::new();
    for n in 0..12 {
        let (key, record) = (dice.key(), dice.any_record(now));
        let record = if n == 0 { Record { idle: now.plus(Duration::from_secs(60)), ..record } } else { record };
        hand.put(&key, &record).await;
        kept.push((key, record));
        let expired = Record { idle: now.plus(SOON), owner: Some(owner.clone()), ..dice.live(now) };
        hand.put(&dice.key(), &expired).await;
    }
    harness.pass(AFTER_SOON).await;
    hand.sweep_all(5).await;
    hand.sweep_all(1000).await;
    for (key, record) in kept {
        assert_eq!(hand.load(&key).await, Some(record), "a sweep touched a record that is not past its deadline");
    }
}

/// An expired record under a key that looks like another's goes alone.
pub async fn a_sweep_never_strays_to_a_similar_key(harness: &dyn Harness) {
    let (mut dice, hand) = (Dice::new(), Hand::of(harness));
    let now = hand.now().await;
    let base = *dice.key().as_bytes();
    let mut kept = Vec::new();
    for at in 0..32 {
        let mut bytes = base;
        bytes[at] ^= 0x55;
        let key = crate::key::Key::from_bytes(bytes);
        let record = if at % 2 == 0 { Record { idle: now.plus(SOON), ..dice.live(now) } } else { dice.live(now) };
        hand.put(&key, &record).await;
        kept.push((key, record, at % 2 == 0));
    }
    harness.pass(AFTER_SOON).await;
    hand.sweep_all(3).await;
    for (key, record, expired) in kept {
        let expected = (!expired).then_some(record);
        assert_eq!(hand.load(&key).await, expected, "a sweep took the wrong one of two keys that are alike");
    }
}

/// The store's time goes on, does not jump back, and is the same for all handles and for loads.
pub async fn the_clock_goes_on_and_is_shared(harness: &dyn Harness) {
    const SLACK: Duration = Duration::from_millis(400);
    let (mut dice, hand, other) = (Dice::new(), Hand::of(harness), Hand::of(harness));
    let key = dice.key();
    let began = Instant::now();
    let first = hand.now().await;
    let mut last = first;
    for _ in 0..20 {
        let now = hand.now().await;
        assert!(last.since(now) < Duration::from_millis(50), "the clock jumped back by {:?}", last.since(now));
        last = now;
    }
    let step = SLACK * 2;
    harness.pass(step).await;
    let told = [
        hand.now().await,
        other.now().await,
        healthy("load", hand.0.load(budget(), &key).await).now,
        healthy("load", other.0.load(budget(), &key).await).now,
    ];
    let most = began.elapsed().max(step) + SLACK;
    for now in told {
        let passed = now.since(first);
        assert!(passed + SLACK >= step, "{step:?} passed, and the store's clock went on by {passed:?}");
        assert!(passed <= most, "at most {most:?} passed, and the store's clock went on by {passed:?}");
    }
}
