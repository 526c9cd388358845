//! Finding and ending a person's sessions.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::conformance::Harness;
use crate::conformance::data::{AFTER_SOON, Dice, HOUR, SOON, next};
use crate::conformance::hand::{Hand, budget, healthy};
use crate::key::Key;
use crate::record::{EndKind, MoveKind, Owner, Record, State, Tombstone};
use crate::store::{Created, EndedOwner, Swapped};
use crate::time::Time;

async fn find(hand: &Hand, owner: &Owner, limit: u32) -> BTreeSet<Key> {
    let owners = hand.0.owners().expect("asked for only where owners are kept");
    let (mut found, mut after) = (BTreeSet::new(), None::<Vec<u8>>);
    for _ in 0..2000 {
        let page = healthy("find", owners.find(budget(), owner, after.as_deref(), limit).await);
        assert!(page.records.len() <= limit as usize, "a page of at most {limit} has {}", page.records.len());
        for summary in page.records {
            assert_eq!(summary.owner.as_ref(), Some(owner), "somebody else's session was found");
            assert!(summary.state.is_live(), "a session that is {:?} was found", summary.state);
            found.insert(summary.key);
        }
        match page.next {
            Some(next) => after = Some(next),
            None => return found,
        }
    }
    panic!("two thousand pages of {limit} do not end");
}

async fn end_owner(hand: &Hand, owner: &Owner, at: Time, except: Option<&Key>) -> EndedOwner {
    let owners = hand.0.owners().expect("asked for only where owners are kept");
    let done = healthy("end_owner", owners.end_owner(budget(), owner, &stone(at), except).await);
    assert!(!(done.complete && hand.0.describe().may_evict), "a store that may evict claims to have ended all");
    done
}

fn stone(at: Time) -> Tombstone {
    Tombstone { kind: EndKind::Owner, ..Tombstone::new(EndKind::Owner, at, HOUR).expect("randomness") }
}

/// Finding gives all live sessions of the owner and nobody else's, however alike the owners are.
pub async fn an_owners_live_sessions_are_found(harness: &dyn Harness) {
    let (mut dice, hand) = (Dice::new(), Hand::of(harness));
    if hand.0.owners().is_none() {
        return;
    }
    let now = hand.now().await;
    let names = [&b"site:1"[..], b"site:10", b"SITE:1", b"site:1 ", b"site:1\0", b"\0", b"\xff\xff", b"%", b"site*"];
    let mut expected = Vec::new();
    for name in names {
        let owner = Owner::new(name).expect("length");
        let mut keys = BTreeSet::new();
        for n in 0..5 {
            let key = dice.key();
            let mut record = dice.owned(now, &owner);
            match n {
                0 => record.state = State::Moved { kind: MoveKind::Follow, at: now },
                1 => record.idle = now.plus(SOON),
                _ => _ = keys.insert(key),
            }
            hand.put(&key, &record).await;
        }
        expected.push((owner, keys));
    }
    hand.put(&dice.key(), &dice.live(now)).await;
    harness.pass(AFTER_SOON).await;
    for (owner, keys) in expected {
        for limit in [1, 2, 100] {
            assert_eq!(find(&hand, &owner, limit).await, keys, "of owner {owner:?} by pages of {limit}");
        }
    }
}

/// Who logs in is found and who logs out is not: a swap that changes the owner moves the session to the new one.
pub async fn a_swap_moves_a_session_to_its_new_owner(harness: &dyn Harness) {
    let (mut dice, hand) = (Dice::new(), Hand::of(harness));
    if hand.0.owners().is_none() {
        return;
    }
    let now = hand.now().await;
    let (key, anna, berta) = (dice.key(), dice.owner(), dice.owner());
    let mut record = dice.live(now);
    hand.put(&key, &record).await;
    for owner in [Some(&anna), Some(&berta), None, Some(&anna)] {
        let new = Record { owner: owner.cloned(), ..next(&record, vec![7]) };
        assert_eq!(hand.swap(&key, record.version, &new).await, Swapped::Done);
        record = new;
        for person in [&anna, &berta] {
            let found = find(&hand, person, 10).await.contains(&key);
            assert_eq!(found, owner == Some(person), "a session is found by an owner that it left, or not by its own");
        }
    }
    hand.end(&key, &crate::conformance::data::tombstone(now)).await;
    assert!(find(&hand, &anna, 10).await.is_empty(), "an ended session is found");
}

/// Ending an owner ends all live and moved sessions of theirs but the one excepted, and nobody else's.
pub async fn ending_an_owner_ends_all_but_the_one_excepted(harness: &dyn Harness) {
    let (mut dice, hand) = (Dice::new(), Hand::of(harness));
    if hand.0.owners().is_none() {
        return;
    }
    let now = hand.now().await;
    let (owner, other) = (dice.owner(), dice.owner());
    let (mut theirs, mut others) = (Vec::new(), Vec::new());
    for n in 0..30 {
        let (mine, record) = (dice.key(), dice.owned(now, &owner));
        hand.put(&mine, &record).await;
        theirs.push((mine, record));
        if n % 10 == 0 {
            let (key, record) = (dice.key(), dice.owned(now, &other));
            hand.put(&key, &record).await;
            others.push((key, record));
            let (key, record) = (dice.key(), dice.live(now));
            hand.put(&key, &record).await;
            others.push((key, record));
        }
    }
    let state = State::Moved { kind: MoveKind::Follow, at: now };
    let moved = (dice.key(), Record { state, ..dice.owned(now, &owner) });
    hand.put(&moved.0, &moved.1).await;
    let (except, kept) = theirs.pop().expect("there are thirty");
    let at = hand.now().await;
    let done = end_owner(&hand, &owner, at, Some(&except)).await;
    // A moved record is no session of its own; whether it is counted is left to the store.
    assert!((29..=30).contains(&done.ended), "29 sessions were ended and {} are told", done.ended);
    theirs.push(moved);
    for (key, was) in theirs {
        let found = hand.load(&key).await.expect("a session that was ended with its owner left no tombstone");
        let expected = stone(at).record(Some(&was));
        let told = Record { version: found.version, ..expected };
        assert_eq!(found, told, "what an ended owner's session became");
        assert_ne!(found.version, was.version, "an ended session kept its version");
    }
    assert_eq!(hand.load(&except).await, Some(kept), "the excepted session was changed");
    for (key, record) in others {
        assert_eq!(hand.load(&key).await, Some(record), "somebody else's session was ended");
    }
    assert_eq!(find(&hand, &owner, 10).await, BTreeSet::from([except]));
    assert_eq!(end_owner(&hand, &owner, at, None).await.ended, 1);
    assert!(find(&hand, &owner, 10).await.is_empty());
    assert_eq!(end_owner(&hand, &owner, at, None).await.ended, 0);
}

/// After an owner was ended, whatever loaded before that can neither log in nor write for them; what loaded since can.
pub async fn an_ended_owner_refuses_what_loaded_before(harness: &dyn Harness) {
    let (mut dice, hand) = (Dice::new(), Hand::of(harness));
    if hand.0.owners().is_none() || hand.0.describe().may_evict {
        return;
    }
    let now = hand.now().await;
    let (owner, other) = (dice.owner(), dice.owner());
    let (guest, visitor) = (dice.key(), dice.live(now));
    hand.put(&guest, &visitor).await;
    let at = hand.now().await;
    end_owner(&hand, &owner, at, None).await;
    let before = Time(at.0 - 1);
    let after = Time(at.0 + 1);
    for seen in [Time(0), before, at] {
        let key = dice.key();
        let outcome = hand.create_seen(&key, &dice.owned(now, &owner), seen).await;
        assert_eq!(outcome, Created::OwnerEnded, "a create for an owner that was ended after its load");
        assert!(hand.load(&key).await.is_none(), "a create was refused and written");
        let login = Record { owner: Some(owner.clone()), ..next(&visitor, vec![1]) };
        let outcome = hand.swap_seen(&guest, visitor.version, &login, seen).await;
        assert_eq!(outcome, Swapped::OwnerEnded, "a log-in of an owner that was ended after its load");
        assert_eq!(hand.load(&guest).await.as_ref(), Some(&visitor), "a swap was refused and written");
        // Who has no owner, or another one, is none of this tombstone's business.
        assert_eq!(hand.create_seen(&dice.key(), &dice.owned(now, &other), seen).await, Created::Done);
        assert_eq!(hand.create_seen(&dice.key(), &dice.live(now), seen).await, Created::Done);
    }
    let (key, record) = (dice.key(), dice.owned(now, &owner));
    assert_eq!(hand.create_seen(&key, &record, after).await, Created::Done, "a log-in after the owner was ended");
    let login = Record { owner: Some(owner.clone()), ..next(&visitor, vec![1]) };
    assert_eq!(hand.swap_seen(&guest, visitor.version, &login, after).await, Swapped::Done);
    assert_eq!(hand.swap_seen(&key, record.version, &next(&record, vec![1]), before).await, Swapped::OwnerEnded);
    assert_eq!(find(&hand, &owner, 10).await, BTreeSet::from([key, guest]));
    assert_eq!(
        hand.swap_seen(&guest, login.version, &Record { owner: None, ..next(&login, vec![2]) }, before).await,
        Swapped::Done
    );
}

/// A version that does not match is `Stale`, and a record that is there `Exists`, also for an ended owner; sweeping does
/// not forget the owner's tombstone before its time.
pub async fn an_owners_tombstone_is_kept_for_its_time(harness: &dyn Harness) {
    let (mut dice, hand) = (Dice::new(), Hand::of(harness));
    if hand.0.owners().is_none() || hand.0.describe().may_evict {
        return;
    }
    let now = hand.now().await;
    let owner = dice.owner();
    let (key, record) = (dice.key(), dice.owned(now, &owner));
    hand.put(&key, &record).await;
    let at = hand.now().await;
    end_owner(&hand, &owner, at, None).await;
    assert_eq!(hand.swap_seen(&key, record.version, &next(&record, vec![1]), at).await, Swapped::Stale);
    assert_eq!(hand.create_seen(&key, &record, at).await, Created::Exists);
    harness.pass(Duration::from_millis(50)).await;
    hand.sweep_all(100).await;
    assert_eq!(hand.create_seen(&dice.key(), &record, at).await, Created::OwnerEnded, "a sweep took a tombstone");
}

/// The session that was excepted goes on, though its load is older; until its owner is ended without an exception.
pub async fn the_excepted_session_goes_on(harness: &dyn Harness) {
    let (mut dice, hand) = (Dice::new(), Hand::of(harness));
    if hand.0.owners().is_none() || hand.0.describe().may_evict {
        return;
    }
    let now = hand.now().await;
    let owner = dice.owner();
    let (key, record) = (dice.key(), dice.owned(now, &owner));
    hand.put(&key, &record).await;
    let at = hand.now().await;
    end_owner(&hand, &owner, at, Some(&key)).await;
    let written = next(&record, b"a change of password ends the others".to_vec());
    assert_eq!(
        hand.swap_seen(&key, record.version, &written, now).await,
        Swapped::Done,
        "the excepted session's write"
    );
    assert_eq!(hand.load(&key).await.as_ref(), Some(&written));
    let outcome = hand.create_seen(&dice.key(), &dice.owned(now, &owner), at).await;
    assert_eq!(outcome, Created::OwnerEnded, "an exception is for one key only");
    let again = at.plus(Duration::from_millis(5));
    assert_eq!(end_owner(&hand, &owner, again, None).await.ended, 1);
    assert_eq!(hand.swap_seen(&key, written.version, &next(&written, vec![]), again).await, Swapped::Stale);
}

/// A person with very many sessions is ended as completely.
pub async fn an_owner_of_many_sessions_is_ended_too(harness: &dyn Harness) {
    const MANY: u64 = 300;
    let (mut dice, hand) = (Dice::new(), Hand::of(harness));
    if hand.0.owners().is_none() {
        return;
    }
    let now = hand.now().await;
    let owner = dice.owner();
    for _ in 0..MANY {
        hand.put(&dice.key(), &dice.owned(now, &owner)).await;
    }
    assert_eq!(find(&hand, &owner, 70).await.len() as u64, MANY);
    let at = hand.now().await;
    assert_eq!(end_owner(&hand, &owner, at, None).await.ended, MANY);
    assert!(find(&hand, &owner, 70).await.is_empty());
}
