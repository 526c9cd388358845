//! The rules of create, swap, touch and end, and of removing.

use std::time::Duration;

use crate::conformance::Harness;
use crate::conformance::data::{AFTER_SOON, Dice, HOUR, SOON, all_states, next, tombstone};
use crate::conformance::hand::{Hand, budget, healthy};
use crate::record::{Record, State, Tombstone};
use crate::store::{Budget, Created, Ended, StoreError, Swapped, Touched};
use crate::version::Version;

/// A create where a record is, live, moved or ended, answers `Exists` and changes nothing.
pub async fn a_create_never_replaces_a_record(harness: &dyn Harness) {
    let (mut dice, hand) = (Dice::new(), Hand::of(harness));
    let now = hand.now().await;
    for state in all_states(now) {
        let key = dice.key();
        let there = Record { state, ..dice.live(now) };
        hand.put(&key, &there).await;
        let another = dice.live(now);
        assert_eq!(hand.create(&key, &another).await, Created::Exists, "create over a record that is {state:?}");
        assert_eq!(hand.load(&key).await, Some(there), "a create that answered Exists changed the record");
    }
}

/// A swap needs the equal version: another counter, another incarnation or no record are `Stale`, and nothing changes.
pub async fn a_swap_needs_the_equal_version(harness: &dyn Harness) {
    let (mut dice, hand) = (Dice::new(), Hand::of(harness));
    let now = hand.now().await;
    let (key, record) = (dice.key(), dice.live(now));
    let Version { incarnation, counter } = record.version;
    let new = next(&record, b"new".to_vec());
    assert_eq!(hand.swap(&key, record.version, &new).await, Swapped::Stale, "a swap where no record is");
    assert!(hand.load(&key).await.is_none(), "a stale swap made a record");
    hand.put(&key, &record).await;
    let others =
        [(incarnation, counter + 1), (incarnation, counter - 1), (incarnation ^ 1, counter), (counter, incarnation)];
    for (incarnation, counter) in others {
        let other = Version { incarnation, counter };
        assert_eq!(hand.swap(&key, other, &new).await, Swapped::Stale, "a swap that expected {other:?}");
        assert_eq!(hand.load(&key).await.as_ref(), Some(&record), "a stale swap changed the record");
    }
    assert_eq!(hand.swap(&key, record.version, &new).await, Swapped::Done);
    assert_eq!(hand.swap(&key, record.version, &new).await, Swapped::Stale, "a version matched after it was replaced");
    assert_eq!(hand.load(&key).await, Some(new));
}

/// A record made anew under an old key is not mistaken for the old one, though its counter is the same.
pub async fn a_record_made_anew_is_another_record(harness: &dyn Harness) {
    let (mut dice, hand) = (Dice::new(), Hand::of(harness));
    let Some(remove) = hand.0.remove() else { return };
    let now = hand.now().await;
    let (key, old) = (dice.key(), dice.live(now));
    hand.put(&key, &old).await;
    assert!(healthy("remove", remove.remove(budget(), &key, old.version).await));
    let version = Version { incarnation: old.version.incarnation ^ 1, counter: old.version.counter };
    let new = Record { version, ..dice.live(now) };
    hand.put(&key, &new).await;
    assert_eq!(hand.swap(&key, old.version, &next(&old, vec![1])).await, Swapped::Stale);
    assert_eq!(hand.touch(&key, old.version, now, now.plus(HOUR * 2)).await, Touched::Stale);
    assert!(!healthy("remove", remove.remove(budget(), &key, old.version).await));
    assert_eq!(hand.load(&key).await, Some(new));
}

/// A swap replaces every field, whether the record was live or moved and whatever it becomes: what is now none is gone.
pub async fn a_swap_replaces_every_field(harness: &dyn Harness) {
    let (mut dice, hand) = (Dice::new(), Hand::of(harness));
    let now = hand.now().await;
    let owner = dice.owner();
    let (key, mut record) = (dice.key(), dice.owned(now, &owner));
    record.absolute = Some(now.plus(HOUR * 9));
    record.envelope = dice.bytes(5000);
    hand.put(&key, &record).await;
    for state in all_states(now.plus(Duration::from_millis(7))) {
        let bare = Record { state, owner: None, absolute: None, envelope: Vec::new(), ..next(&record, vec![]) };
        assert_eq!(hand.swap(&key, record.version, &bare).await, Swapped::Done);
        assert_eq!(hand.load(&key).await.as_ref(), Some(&bare), "something of the old record stayed");
        record = Record { version: bare.version.next(), ..record };
        assert_eq!(hand.swap(&key, bare.version, &record).await, Swapped::Done);
        assert_eq!(hand.load(&key).await.as_ref(), Some(&record));
    }
}

/// A touch sets `touched` and raises the idle deadline, never lowers it; version and everything else stay.
pub async fn a_touch_never_lowers_the_deadline(harness: &dyn Harness) {
    let (mut dice, hand) = (Dice::new(), Hand::of(harness));
    let now = hand.now().await;
    let (key, mut record) = (dice.key(), dice.any_record(now));
    record.state = State::Live;
    record.idle = now.plus(HOUR);
    hand.put(&key, &record).await;
    for (touched, idle, expected) in [(1, 2, 2), (2, 1, 2), (3, 3, 3), (4, 0, 3), (5, 3, 3)] {
        let (touched, idle) = (now.plus(Duration::from_secs(touched)), now.plus(HOUR * idle));
        assert_eq!(hand.touch(&key, record.version, touched, idle).await, Touched::Done);
        record.touched = touched;
        record.idle = now.plus(HOUR * expected);
        assert_eq!(hand.load(&key).await.as_ref(), Some(&record), "after a touch to {idle:?}");
    }
}

/// A touch needs the equal version and a live record; else it is `Stale` and changes nothing.
pub async fn a_touch_is_for_live_records_of_the_equal_version(harness: &dyn Harness) {
    let (mut dice, hand) = (Dice::new(), Hand::of(harness));
    let now = hand.now().await;
    let later = now.plus(HOUR * 2);
    let absent = dice.key();
    assert_eq!(hand.touch(&absent, dice.version(), now, later).await, Touched::Stale);
    assert!(hand.load(&absent).await.is_none(), "a touch made a record");
    for state in all_states(now) {
        let (key, record) = (dice.key(), Record { state, ..dice.live(now) });
        hand.put(&key, &record).await;
        let Version { incarnation, counter } = record.version;
        for (incarnation, counter) in [(incarnation, counter + 1), (incarnation ^ 1, counter)] {
            let other = Version { incarnation, counter };
            assert_eq!(hand.touch(&key, other, later, later).await, Touched::Stale, "a touch that expected {other:?}");
        }
        if !state.is_live() {
            let outcome = hand.touch(&key, record.version, later, later).await;
            assert_eq!(outcome, Touched::Stale, "a touch of a record that is {state:?}");
        }
        assert_eq!(hand.load(&key).await, Some(record), "a stale touch changed the record");
    }
}

/// Ending leaves the reference's tombstone of what was there: owner, time of creation and tagged fields stay, payload
/// and deadlines go. The version does not matter; a tombstone that stands already stays as it was.
pub async fn an_end_leaves_a_tombstone_of_what_was_there(harness: &dyn Harness) {
    let (mut dice, hand) = (Dice::new(), Hand::of(harness));
    let now = hand.now().await;
    for state in all_states(now) {
        let (key, record) = (dice.key(), Record { state, ..dice.any_record(now) });
        hand.put(&key, &record).await;
        for kind in [crate::record::EndKind::Operator, crate::record::EndKind::Other(77)] {
            let stone = Tombstone { kind, ..tombstone(now) };
            let before = hand.load(&key).await;
            let outcome = hand.end(&key, &stone).await;
            let found = hand.load(&key).await;
            if matches!(before.as_ref().map(|r| r.state), Some(State::Ended { .. })) {
                assert_eq!(outcome, Ended::Already, "an end of an ended record");
                assert_eq!(found, before, "an end changed a tombstone that stood already");
            } else {
                assert_eq!(outcome, Ended::Done, "an end of a record that is {state:?}");
                assert_eq!(found, Some(stone.record(before.as_ref())), "the tombstone of a record that is {state:?}");
            }
        }
    }
}

/// Ending where nothing is leaves a tombstone too: a request that has loaded nothing yet can not bring the session back.
pub async fn an_end_where_nothing_is_leaves_a_tombstone(harness: &dyn Harness) {
    let (mut dice, hand) = (Dice::new(), Hand::of(harness));
    let now = hand.now().await;
    let (key, stone) = (dice.key(), tombstone(now));
    assert_eq!(hand.end(&key, &stone).await, Ended::Absent);
    assert_eq!(hand.load(&key).await, Some(stone.record(None)));
    assert_eq!(hand.create(&key, &dice.live(now)).await, Created::Exists, "a create over a tombstone");
    assert_eq!(hand.end(&key, &tombstone(now)).await, Ended::Already);
}

/// Logged out stays out: whatever a late request still believes, no verb makes an ended session live again.
pub async fn an_ended_session_is_not_revived_by_a_late_write(harness: &dyn Harness) {
    let (mut dice, hand, late) = (Dice::new(), Hand::of(harness), Hand::of(harness));
    let now = hand.now().await;
    let (key, record) = (dice.key(), dice.live(now));
    hand.put(&key, &record).await;
    let loaded = late.load(&key).await.expect("it was put there");
    assert_eq!(hand.end(&key, &tombstone(now)).await, Ended::Done);
    let stone = hand.load(&key).await;
    assert_eq!(late.swap_seen(&key, loaded.version, &next(&loaded, vec![1]), now).await, Swapped::Stale);
    assert_eq!(late.touch(&key, loaded.version, now, now.plus(HOUR * 9)).await, Touched::Stale);
    assert_eq!(late.create_seen(&key, &dice.live(now), now).await, Created::Exists);
    if let Some(remove) = late.0.remove() {
        assert!(!healthy("remove", remove.remove(budget(), &key, loaded.version).await));
    }
    assert_eq!(late.load(&key).await, stone, "a late write changed the tombstone");
}

/// Removing needs the equal version and leaves nothing; anything else stays.
pub async fn a_record_is_removed_by_its_version_only(harness: &dyn Harness) {
    let (mut dice, hand) = (Dice::new(), Hand::of(harness));
    let Some(remove) = hand.0.remove() else { return };
    let now = hand.now().await;
    let (key, record) = (dice.key(), dice.live(now));
    assert!(!healthy("remove", remove.remove(budget(), &key, record.version).await), "nothing was removed");
    hand.put(&key, &record).await;
    let Version { incarnation, counter } = record.version;
    for (incarnation, counter) in [(incarnation, counter + 1), (incarnation ^ 1, counter)] {
        let other = Version { incarnation, counter };
        assert!(!healthy("remove", remove.remove(budget(), &key, other).await), "a remove that expected {other:?}");
        assert_eq!(hand.load(&key).await.as_ref(), Some(&record), "a remove of another version removed");
    }
    assert!(healthy("remove", remove.remove(budget(), &key, record.version).await));
    assert!(hand.load(&key).await.is_none(), "a removed record is still there");
    assert!(!healthy("remove", remove.remove(budget(), &key, record.version).await), "it was removed twice");
    hand.put(&key, &dice.live(now)).await;
}

/// A verb whose budget is spent already returns at once; where it says that nothing was applied, nothing was.
pub async fn a_spent_budget_is_answered_at_once_and_honestly(harness: &dyn Harness) {
    let (mut dice, hand) = (Dice::new(), Hand::of(harness));
    let now = hand.now().await;
    let (key, record) = (dice.key(), dice.live(now));
    hand.put(&key, &record).await;
    let new = next(&record, vec![9]);
    let began = std::time::Instant::now();
    let outcome = hand.0.swap(Budget::of(Duration::ZERO), &key, record.version, &new, now).await;
    assert!(began.elapsed() < Duration::from_secs(1), "a verb with no time left took {:?}", began.elapsed());
    let found = hand.load(&key).await.expect("it was put there");
    match outcome {
        Ok(Swapped::Done) => assert_eq!(found, new),
        Err(StoreError::Unknown { .. }) => assert!(found == new || found == record),
        Ok(other) => panic!("the swap would have matched, and answered {other:?}"),
        Err(error) => assert_eq!(found, record, "it said {error}, and was applied"),
    }
    // The handle is still in step.
    assert_eq!(hand.load(&key).await, Some(found));
}

/// A create over a record past its idle or absolute deadline takes its place, in the same verb.
pub async fn a_create_takes_the_place_of_an_expired_record(harness: &dyn Harness) {
    let (mut dice, hand) = (Dice::new(), Hand::of(harness));
    let now = hand.now().await;
    let soon = now.plus(SOON);
    let mut expired = Vec::new();
    for state in all_states(now) {
        let idle = Record { state, idle: soon, ..dice.live(now) };
        let absolute = Record { state, absolute: Some(soon), ..dice.live(now) };
        for record in [idle, absolute] {
            let key = dice.key();
            hand.put(&key, &record).await;
            expired.push((key, record));
        }
    }
    harness.pass(AFTER_SOON).await;
    let now = hand.now().await;
    for (key, was) in expired {
        let found = hand.load(&key).await;
        assert!(found.is_none() || found == Some(was.clone()), "an expired record is there as it was, or not at all");
        let new = dice.live(now);
        assert_eq!(hand.create(&key, &new).await, Created::Done, "a create over an expired record ({:?})", was.state);
        assert_eq!(hand.load(&key).await, Some(new), "something of the expired record stayed");
    }
}

/// Ending what is past its deadline answers `Absent`, as ending nothing does, and leaves a tombstone.
pub async fn an_end_of_an_expired_record_leaves_a_tombstone(harness: &dyn Harness) {
    let (mut dice, hand) = (Dice::new(), Hand::of(harness));
    let now = hand.now().await;
    let mut expired = Vec::new();
    for state in all_states(now) {
        let (key, record) = (dice.key(), Record { state, idle: now.plus(SOON), ..dice.live(now) });
        hand.put(&key, &record).await;
        expired.push((key, record));
    }
    harness.pass(AFTER_SOON).await;
    let now = hand.now().await;
    for (key, was) in expired {
        let stone = tombstone(now);
        assert_eq!(hand.end(&key, &stone).await, Ended::Absent, "an end of an expired record ({:?})", was.state);
        let found = hand.load(&key).await;
        let possible = [Some(stone.record(None)), Some(stone.record(Some(&was)))];
        assert!(possible.contains(&found), "an end of an expired record left {found:?}");
        assert_eq!(hand.create(&key, &dice.live(now)).await, Created::Exists);
    }
}
