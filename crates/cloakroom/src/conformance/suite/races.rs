//! Many at the same time on the same keys.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::conformance::Harness;
use crate::conformance::data::{Dice, HOUR, next, tombstone};
use crate::conformance::faults::Fault;
use crate::conformance::hand::{Hand, budget, healthy, race};
use crate::conformance::history::{Event, OneRecord, Reply, Seen, Verb, check};
use crate::key::Key;
use crate::record::{Record, State};
use crate::store::{Budget, Created, Ended, StoreError, Swapped, Touched};
use crate::version::Version;

/// No lost update: every increment that a swap acknowledged is in the counter at the end, whoever else wrote.
pub async fn no_increment_is_lost(harness: &dyn Harness) {
    const CLIENTS: usize = 6;
    const EACH: u64 = 15;
    let (mut dice, hand) = (Dice::new(), Hand::of(harness));
    let now = hand.now().await;
    let key = dice.key();
    let count = |r: &Record| u64::from_be_bytes(r.envelope[..8].try_into().expect("eight bytes"));
    // Of some size, so that half a write would show.
    let payload = |n: u64| n.to_be_bytes().repeat(300);
    let first = Record { envelope: payload(0), ..dice.live(now) };
    let began = first.version.counter;
    hand.put(&key, &first).await;
    let lost_races: Vec<u64> = race(harness, CLIENTS, move |_, hand| async move {
        let (mut done, mut lost, mut dice) = (0, 0, Dice::quiet());
        while done < EACH {
            let was = hand.load(&key).await.expect("it was put there");
            assert_eq!(was.envelope, payload(count(&was)), "a load saw half a write");
            assert_eq!(was.version.counter - began, count(&was), "version and payload of two writes");
            // A request takes its time between load and commit; others come by meanwhile.
            tokio::time::sleep(Duration::from_micros(dice.below(2000))).await;
            match hand.swap_seen(&key, was.version, &next(&was, payload(count(&was) + 1)), now).await {
                Swapped::Done => done += 1,
                _ => lost += 1,
            }
        }
        lost
    })
    .await;
    let total = hand.load(&key).await.map(|r| count(&r));
    assert_eq!(total, Some(CLIENTS as u64 * EACH), "increments were lost; races lost and told: {lost_races:?}");
}

/// The same through one handle that many tasks share, as a web application does.
pub async fn a_handle_serves_many_tasks_at_once(harness: &dyn Harness) {
    const TASKS: u64 = 16;
    let (mut dice, hand) = (Dice::new(), Hand::of(harness));
    let now = hand.now().await;
    let shared = dice.key();
    let first = Record { envelope: vec![], ..dice.live(now) };
    hand.put(&shared, &first).await;
    let tasks: Vec<_> = (0..TASKS)
        .map(|_| {
            let (hand, own, record) = (hand.clone(), dice.key(), dice.live(now));
            tokio::spawn(async move {
                hand.put(&own, &record).await;
                for _ in 0..3 {
                    assert_eq!(hand.load(&own).await.as_ref(), Some(&record), "a task was given another's reply");
                }
                loop {
                    let was = hand.load(&shared).await.expect("it was put there");
                    let longer = [&was.envelope[..], b"+"].concat();
                    if hand.swap_seen(&shared, was.version, &next(&was, longer), now).await == Swapped::Done {
                        return;
                    }
                }
            })
        })
        .collect();
    for task in tasks {
        if let Err(failed) = task.await {
            std::panic::resume_unwind(failed.into_panic());
        }
    }
    let length = hand.load(&shared).await.map(|r| r.envelope.len());
    assert_eq!(length, Some(TASKS as usize), "increments of tasks that share a handle were lost");
}

/// Of many creates under one key exactly one succeeds, and its record is there.
pub async fn of_racing_creates_one_succeeds(harness: &dyn Harness) {
    const ROUNDS: usize = 12;
    let (mut dice, hand) = (Dice::new(), Hand::of(harness));
    let now = hand.now().await;
    let keys: Vec<Key> = (0..ROUNDS).map(|_| dice.key()).collect();
    // Half of them over a record that is past its deadline.
    for key in keys.iter().step_by(2) {
        let idle = now.plus(Duration::from_millis(600));
        assert_eq!(hand.create(key, &Record { idle, ..dice.live(now) }).await, Created::Done);
    }
    harness.pass(Duration::from_millis(900)).await;
    let now = hand.now().await;
    let places = keys.clone();
    let winners: Vec<Vec<Option<Record>>> = race(harness, 5, move |_, hand| {
        let keys = places.clone();
        async move {
            let mut dice = Dice::quiet();
            let mut won = Vec::new();
            for key in keys {
                let record = dice.live(now);
                let done = hand.create_seen(&key, &record, now).await == Created::Done;
                won.push(done.then_some(record));
            }
            won
        }
    })
    .await;
    for (n, key) in keys.iter().enumerate() {
        let won: Vec<&Record> = winners.iter().filter_map(|w| w[n].as_ref()).collect();
        assert_eq!(won.len(), 1, "creates that succeeded under one key");
        assert_eq!(hand.load(key).await.as_ref(), Some(won[0]), "the record is not that of the create that succeeded");
    }
}

/// Once an end was acknowledged nothing is live under the key again, however many swap, touch and create meanwhile; and of
/// many ends one made the tombstone.
pub async fn nothing_lives_after_an_end(harness: &dyn Harness) {
    let (mut dice, hand) = (Dice::new(), Hand::of(harness));
    let now = hand.now().await;
    for _ in 0..6 {
        let (key, record) = (dice.key(), dice.live(now));
        hand.put(&key, &record).await;
        let ended = Arc::new(AtomicBool::new(false));
        let ends: Vec<u32> = race(harness, 5, move |n, hand| {
            let ended = ended.clone();
            async move {
                if n < 2 {
                    let outcome = hand.end(&key, &tombstone(now)).await;
                    ended.store(true, Ordering::SeqCst);
                    let found = hand.load(&key).await.expect("an end leaves a tombstone");
                    assert!(matches!(found.state, State::Ended { .. }), "an end was acknowledged: {:?}", found.state);
                    return u32::from(outcome == Ended::Done);
                }
                let mut dice = Dice::quiet();
                loop {
                    let over = ended.load(Ordering::SeqCst);
                    let was = hand.load(&key).await.expect("nobody removes it");
                    assert!(!(over && was.state.is_live()), "a session is live after its end was acknowledged");
                    if !was.state.is_live() {
                        assert_eq!(hand.touch(&key, was.version, now, now.plus(HOUR * 3)).await, Touched::Stale);
                        assert_eq!(hand.create_seen(&key, &dice.live(now), now).await, Created::Exists);
                        return 0;
                    }
                    hand.swap_seen(&key, was.version, &next(&was, vec![n as u8]), now).await;
                    hand.touch(&key, was.version.next(), now, now.plus(HOUR * 2)).await;
                }
            }
        })
        .await;
        assert_eq!(ends.iter().sum::<u32>(), 1, "of two ends of one live session those that ended it");
    }
}

/// Whatever many clients do to a few keys at the same time, there is an order of their verbs that explains every reply.
pub async fn every_history_has_an_order(harness: &dyn Harness) {
    const CLIENTS: usize = 4;
    const KEYS: usize = 3;
    const VERBS: usize = 90;
    let mut dice = Dice::new();
    let keys: Arc<Vec<Key>> = Arc::new((0..KEYS).map(|_| dice.key()).collect());
    let began = Instant::now();
    let noted = race(harness, CLIENTS, {
        let keys = keys.clone();
        move |client, hand| {
            let keys = keys.clone();
            async move { wander(client, &hand, &keys, VERBS, began, Duration::ZERO).await }
        }
    })
    .await;
    assert_eq!(noted.iter().map(Vec::len).sum::<usize>(), CLIENTS * VERBS, "verbs failed on a healthy store");
    explain(KEYS, &noted);
}

/// The same while connections are cut and replies lost all the time: what is told as unknown may have happened or not,
/// but everything that was told is true.
pub async fn every_history_has_an_order_though_connections_are_cut(harness: &dyn Harness) {
    const KEYS: usize = 3;
    let Some(faults) = harness.faults() else { return };
    if faults.begin(Fault::Cut).is_err() {
        return;
    }
    let mut dice = Dice::new();
    let keys: Arc<Vec<Key>> = Arc::new((0..KEYS).map(|_| dice.key()).collect());
    let began = Instant::now();
    let clients = race(harness, 4, move |client, hand| {
        let keys = keys.clone();
        async move { wander(client, &hand, &keys, 70, began, Duration::from_millis(1)).await }
    });
    tokio::pin!(clients);
    let noted = loop {
        tokio::select! {
            noted = &mut clients => break noted,
            () = tokio::time::sleep(Duration::from_millis(3)) => {
                let fault = if dice.below(3) == 0 { Fault::Cut } else { Fault::LoseReply };
                // Not every harness can do both.
                let _ = faults.begin(fault);
            }
        }
    };
    faults.end(Fault::LoseReply);
    explain(KEYS, &noted);
}

fn explain(keys: usize, noted: &[Vec<(usize, Event<Verb, Reply>)>]) {
    for key in 0..keys {
        let history: Vec<_> = noted.iter().flatten().filter(|(k, _)| *k == key).map(|(_, e)| e.clone()).collect();
        if let Err(illegal) = check::<OneRecord>(None, &history) {
            panic!("verbs on one key are not atomic, or one told an untruth. {illegal}");
        }
    }
}

/// One client's walk: verbs drawn at random, mostly on what it last saw, all noted. It pauses between them where faults
/// need the time to happen.
async fn wander(
    client: usize,
    hand: &Hand,
    keys: &[Key],
    verbs: usize,
    began: Instant,
    pause: Duration,
) -> Vec<(usize, Event<Verb, Reply>)> {
    let mut dice = Dice::quiet();
    let now = hand.now_at_last().await;
    let mut last: Vec<Version> = keys.iter().map(|_| dice.version()).collect();
    let clock = || u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX);
    let mut notes = Vec::new();
    for _ in 0..verbs {
        if !pause.is_zero() {
            tokio::time::sleep(pause).await;
        }
        let at = dice.below(keys.len() as u64) as usize;
        let (key, known) = (&keys[at], last[at]);
        let value = dice.next();
        let new = Seen { version: Version { incarnation: dice.next() >> 1, counter: 1 }, live: true, value };
        let verb = match dice.below(20) {
            0..=6 => Verb::Load,
            7..=9 => Verb::Create(new),
            10..=15 => Verb::Swap(known, Seen { version: known.next(), ..new }),
            16 => Verb::Touch(known),
            // Ends are for good, so few; removes make room for creates.
            17 if dice.below(8) == 0 => Verb::End(new.version),
            _ if hand.0.remove().is_some() => Verb::Remove(known),
            _ => Verb::Load,
        };
        let sent = clock();
        let told = perform(hand, key, verb, now).await;
        let replied = clock();
        match (verb, &told) {
            (_, Ok(Reply::Found(Some(seen)))) => last[at] = seen.version,
            (Verb::Create(new) | Verb::Swap(_, new), Ok(Reply::Done)) => last[at] = new.version,
            // It says that nothing was done, so there is nothing to be explained; a load without an answer neither.
            (_, Err(error)) if verb == Verb::Load || !error.outcome_unknown() => continue,
            _ => {}
        }
        let replied = told.is_ok().then_some(replied);
        notes.push((at, Event { client, sent, replied, verb, reply: told.ok() }));
    }
    notes
}

async fn perform(hand: &Hand, key: &Key, verb: Verb, now: crate::time::Time) -> Result<Reply, StoreError> {
    let (mut dice, store) = (Dice::quiet(), &hand.0);
    let budget = Budget::of(Duration::from_secs(3));
    let mut record = |seen: Seen| {
        let envelope = seen.value.to_be_bytes().repeat(20);
        Record { version: seen.version, envelope, ..dice.live(now) }
    };
    let refused_unless = |done: bool| if done { Reply::Done } else { Reply::Refused };
    Ok(match verb {
        Verb::Load => Reply::Found(store.load(budget, key).await?.record.map(|r| {
            let value = r.envelope.first_chunk::<8>().map_or(0, |b| u64::from_be_bytes(*b));
            assert!(r.envelope.chunks(8).all(|c| c == value.to_be_bytes()), "a load saw half a write");
            Seen { version: r.version, live: r.state.is_live(), value }
        })),
        Verb::Create(new) => refused_unless(store.create(budget, key, &record(new), now).await? == Created::Done),
        Verb::Swap(known, new) => {
            refused_unless(store.swap(budget, key, known, &record(new), now).await? == Swapped::Done)
        }
        Verb::Touch(known) => {
            refused_unless(store.touch(budget, key, known, now, now.plus(HOUR)).await? == Touched::Done)
        }
        Verb::End(version) => {
            let stone = crate::record::Tombstone { version, ..tombstone(now) };
            match store.end(budget, key, &stone).await? {
                Ended::Done => Reply::Done,
                Ended::Already => Reply::Refused,
                Ended::Absent => Reply::Absent,
            }
        }
        Verb::Remove(known) => match store.remove() {
            Some(remove) => refused_unless(remove.remove(budget, key, known).await?),
            None => Reply::Refused,
        },
    })
}

/// Ending an owner while their sessions are written and begun leaves nothing live that had loaded before.
pub async fn an_owner_is_ended_in_the_midst_of_writes(harness: &dyn Harness) {
    let (mut dice, hand) = (Dice::new(), Hand::of(harness));
    if hand.0.owners().is_none() || hand.0.describe().may_evict {
        return;
    }
    let owner = dice.owner();
    let seen = hand.now().await;
    let keys: Vec<Key> = (0..8).map(|_| dice.key()).collect();
    for key in &keys {
        hand.put(key, &dice.owned(seen, &owner)).await;
    }
    let (all, theirs, ended) = (keys.clone(), owner.clone(), Arc::new(AtomicBool::new(false)));
    let made: Vec<Vec<Key>> = race(harness, 4, move |n, hand| {
        let (keys, owner, ended) = (all.clone(), theirs.clone(), ended.clone());
        async move {
            let mut dice = Dice::quiet();
            let mut made = Vec::new();
            if n == 0 {
                tokio::time::sleep(Duration::from_millis(15)).await;
                let stone = tombstone(hand.now().await);
                let owners = hand.0.owners().expect("asked above");
                healthy("end_owner", owners.end_owner(budget(), &owner, &stone, None).await);
                ended.store(true, Ordering::SeqCst);
                return made;
            }
            // Until the first refusal: then the end is done, and everything later must be refused as well.
            loop {
                let over = ended.load(Ordering::SeqCst);
                let fresh = dice.key();
                if hand.create_seen(&fresh, &dice.owned(seen, &owner), seen).await == Created::OwnerEnded {
                    return made;
                }
                assert!(!over, "a create for an owner was done after all of theirs was ended");
                made.push(fresh);
                let key = keys[dice.below(8) as usize];
                let was = hand.load(&key).await.expect("nobody removes it");
                if was.state.is_live() {
                    hand.swap_seen(&key, was.version, &next(&was, vec![n as u8]), seen).await;
                }
            }
        }
    })
    .await;
    for key in keys.iter().chain(made.iter().flatten()) {
        let state = hand.load(key).await.map(|r| r.state);
        assert!(matches!(state, Some(State::Ended { .. })), "a session of an ended owner is {state:?}");
    }
}

/// Sweeping beside writes takes nothing that was made anew or prolonged meanwhile.
pub async fn a_sweep_beside_writes_takes_nothing_alive(harness: &dyn Harness) {
    let (mut dice, hand) = (Dice::new(), Hand::of(harness));
    let now = hand.now().await;
    let keys: Arc<Vec<Key>> = Arc::new((0..60).map(|_| dice.key()).collect());
    for key in keys.iter() {
        hand.put(key, &Record { idle: now.plus(Duration::from_millis(900)), ..dice.live(now) }).await;
    }
    harness.pass(Duration::from_millis(1200)).await;
    let now = hand.now().await;
    let places = keys.clone();
    race(harness, 3, move |n, hand| {
        let keys = places.clone();
        async move {
            let mut dice = Dice::quiet();
            if n < 2 {
                hand.sweep_all(3).await;
                return;
            }
            for key in keys.iter() {
                hand.create_seen(key, &dice.live(now), now).await;
            }
        }
    })
    .await;
    for key in keys.iter() {
        assert!(
            hand.load(key).await.is_some(),
            "a sweep took a record that was made anew in the place of an expired one"
        );
    }
}
