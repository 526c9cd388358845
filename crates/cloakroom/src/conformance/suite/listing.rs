//! Counting and paging.

use std::collections::{BTreeMap, BTreeSet};

use crate::conformance::Harness;
use crate::conformance::data::{AFTER_SOON, Dice, HOUR, SOON, all_states, tombstone};
use crate::conformance::hand::{Hand, budget, healthy};
use crate::key::Key;
use crate::record::{Owner, Record, State};
use crate::store::{Counts, Filter, Summary};
use crate::time::Time;

/// Walks through all pages; panics where a page is too long or the walk does not end.
async fn walk(hand: &Hand, filter: &Filter, limit: u32) -> Vec<Summary> {
    let list = hand.0.list().expect("asked for only where there is paging");
    let (mut found, mut after) = (Vec::new(), None::<Vec<u8>>);
    for _ in 0..2000 {
        let page = healthy("page", list.page(budget(), filter, after.as_deref(), limit).await);
        assert!(page.records.len() <= limit as usize, "a page of at most {limit} has {}", page.records.len());
        found.extend(page.records);
        match page.next {
            Some(next) => after = Some(next),
            None => return found,
        }
    }
    panic!("two thousand pages of {limit} do not end");
}

/// Forty records of all kinds, owners, ages and sizes; half of the keys share their first byte.
async fn various(dice: &mut Dice, hand: &Hand, now: Time) -> BTreeMap<Key, Record> {
    let owners = [Owner::new(*b"site:1").expect("length"), Owner::new(*b"site:10").expect("length"), dice.owner()];
    let states = all_states(now);
    let mut all = BTreeMap::new();
    for n in 0..40_usize {
        let mut key = *dice.key().as_bytes();
        key[0] = if n % 2 == 0 { 0x5f } else { 0x60 + n as u8 };
        let key = Key::from_bytes(key);
        let record = Record {
            state: if n % 2 == 0 { State::Live } else { states[n / 2 % states.len()] },
            owner: owners.get(n % 4).cloned(),
            created: Time(now.0 - 1000 * n as u64),
            touched: Time(now.0 - 700 * (n as u64 % 20)),
            size: 100 * (n as u32 % 10),
            idle: now.plus(HOUR),
            absolute: None,
            ..dice.any_record(now)
        };
        hand.put(&key, &record).await;
        all.insert(key, record);
    }
    all
}

/// Counts tell live ones, owned ones, both tombstones, and the bytes of live payloads; what is expired is left out.
pub async fn a_count_tells_what_is_there(harness: &dyn Harness) {
    let (mut dice, hand) = (Dice::new(), Hand::of(harness));
    let Some(count) = hand.0.count() else { return };
    assert_eq!(healthy("count", count.count(budget()).await), Counts::default(), "the harness gave a store in use");
    let now = hand.now().await;
    let all = various(&mut dice, &hand, now).await;
    let ended = dice.key();
    hand.end(&ended, &tombstone(now)).await;
    for _ in 0..3 {
        hand.put(&dice.key(), &Record { idle: now.plus(SOON), ..dice.live(now) }).await;
    }
    harness.pass(AFTER_SOON).await;
    let mut expected = Counts { ended: 1, ..Counts::default() };
    for record in all.values() {
        match record.state {
            State::Live => {
                expected.live += 1;
                expected.owned += u64::from(record.owner.is_some());
                expected.bytes += u64::from(record.size);
            }
            State::Moved { .. } => expected.moved += 1,
            State::Ended { .. } => expected.ended += 1,
        }
    }
    assert_eq!(healthy("count", count.count(budget()).await), expected);
}

/// Paging sees every record whatever the size of the pages, with everything but its envelope, and no expired one.
pub async fn paging_sees_every_record(harness: &dyn Harness) {
    let (mut dice, hand) = (Dice::new(), Hand::of(harness));
    if hand.0.list().is_none() {
        return;
    }
    let now = hand.now().await;
    assert!(walk(&hand, &Filter::default(), 10).await.is_empty(), "the harness gave a store in use");
    let all = various(&mut dice, &hand, now).await;
    hand.put(&dice.key(), &Record { idle: now.plus(SOON), ..dice.live(now) }).await;
    hand.put(&dice.key(), &Record { absolute: Some(now.plus(SOON)), ..dice.live(now) }).await;
    harness.pass(AFTER_SOON).await;
    for limit in [1, 7, 40, 41, 1000] {
        let found = walk(&hand, &Filter::default(), limit).await;
        let seen: BTreeSet<Key> = found.iter().map(|s| s.key).collect();
        assert_eq!(seen, all.keys().copied().collect(), "by pages of {limit}");
        for summary in found {
            assert_eq!(summary, Summary::of(summary.key, &all[&summary.key]));
        }
    }
}

/// Each condition of a filter is kept, alone and together with others.
pub async fn paging_keeps_every_condition(harness: &dyn Harness) {
    let (mut dice, hand) = (Dice::new(), Hand::of(harness));
    if hand.0.list().is_none() {
        return;
    }
    let now = hand.now().await;
    let all = various(&mut dice, &hand, now).await;
    let owner = Some(Owner::new(*b"site:1").expect("length"));
    let key = *all.keys().nth(3).expect("there are forty").as_bytes();
    let time = |ms: u64| Some(Time(now.0 - ms));
    let filters = [
        Filter { live: true, ..Filter::default() },
        Filter { owner: owner.clone(), ..Filter::default() },
        Filter { owner: Some(Owner::new(*b"SITE:1").expect("length")), ..Filter::default() },
        // Both are times that records have: before is before, not at.
        Filter { touched_before: time(700 * 10), ..Filter::default() },
        Filter { created_before: time(1000 * 20), ..Filter::default() },
        Filter { min_size: Some(500), ..Filter::default() },
        Filter { min_size: Some(0), ..Filter::default() },
        Filter { key_prefix: vec![0x5f], ..Filter::default() },
        Filter { key_prefix: key[..4].to_vec(), ..Filter::default() },
        Filter { key_prefix: key.to_vec(), ..Filter::default() },
        Filter { key_prefix: vec![0xff; 3], ..Filter::default() },
        Filter { live: true, owner: owner.clone(), min_size: Some(300), ..Filter::default() },
        Filter { live: true, key_prefix: vec![0x5f], created_before: time(9000), ..Filter::default() },
        Filter { touched_before: time(2100), created_before: time(9000), owner, ..Filter::default() },
    ];
    for filter in filters {
        let expected: BTreeSet<Key> = all.iter().filter(|(k, r)| filter.accepts(k, r)).map(|(k, _)| *k).collect();
        for limit in [3, 100] {
            let seen: BTreeSet<Key> = walk(&hand, &filter, limit).await.iter().map(|s| s.key).collect();
            assert_eq!(seen, expected, "by pages of {limit}, {filter:?}");
        }
    }
}

/// Records that live through a walk are seen though others come and go meanwhile.
pub async fn paging_goes_on_while_records_come_and_go(harness: &dyn Harness) {
    let (mut dice, hand) = (Dice::new(), Hand::of(harness));
    let Some(list) = hand.0.list() else { return };
    let now = hand.now().await;
    let all = various(&mut dice, &hand, now).await;
    let mut staying: BTreeSet<Key> = all.keys().copied().collect();
    let mut live = all.iter().filter(|(_, r)| r.state.is_live());
    let (mut seen, mut after) = (BTreeSet::new(), None::<Vec<u8>>);
    for _ in 0..500 {
        let page = healthy("page", list.page(budget(), &Filter::default(), after.as_deref(), 4).await);
        // The place a page ended at may be the very record that goes.
        if let (Some(remove), Some(last)) = (hand.0.remove(), page.records.last()) {
            healthy("remove", remove.remove(budget(), &last.key, last.version).await);
            staying.remove(&last.key);
        }
        if let (Some(remove), Some((key, record))) = (hand.0.remove(), live.next()) {
            healthy("remove", remove.remove(budget(), key, record.version).await);
            staying.remove(key);
        }
        seen.extend(page.records.iter().map(|s| s.key));
        let Some(next) = page.next else {
            assert!(staying.is_subset(&seen), "records that were there all the time were not seen");
            return;
        };
        after = Some(next);
        hand.put(&dice.key(), &Record { idle: now.plus(HOUR), ..dice.live(now) }).await;
    }
    panic!("five hundred pages of four do not end");
}
