//! Leases: one holder at a time, and never for ever.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crate::conformance::Harness;
use crate::conformance::data::{AFTER_SOON, Dice, HOUR, SOON};
use crate::conformance::hand::{Hand, budget, healthy, race};
use crate::store::{Holder, Lease, LeaseName, LeaseOutcome};

/// Numbers of the whole range: tokens and a process's start are not promised to fit a signed integer.
fn holder(n: u32) -> Holder {
    Holder { host: [n as u8 ^ 0xff; 16], pid: u32::MAX - n, started: u64::MAX - u64::from(n) }
}

fn token(dice: &mut Dice) -> u64 {
    dice.next() | 1 << 63
}

async fn take(
    hand: &Hand,
    name: &LeaseName,
    token: u64,
    n: u32,
    time: Duration,
    displacing: Option<u64>,
) -> LeaseOutcome {
    let leases = hand.0.leases().expect("asked for only where there are leases");
    healthy("take", leases.take(budget(), name, token, holder(n), time, displacing).await)
}

async fn release(hand: &Hand, name: &LeaseName, token: u64) -> bool {
    let leases = hand.0.leases().expect("asked for only where there are leases");
    healthy("release", leases.release(budget(), name, token).await)
}

fn taken(outcome: LeaseOutcome) -> Lease {
    match outcome {
        LeaseOutcome::Taken(lease) => lease,
        LeaseOutcome::Held(lease) => panic!("a lease that should be free is held: {lease:?}"),
    }
}

fn held(outcome: LeaseOutcome) -> Lease {
    match outcome {
        LeaseOutcome::Held(lease) => lease,
        LeaseOutcome::Taken(lease) => panic!("a lease was taken that another holds: {lease:?}"),
    }
}

/// A lease that is held is told with its holder's particulars, and stays theirs. Another name is another lease.
pub async fn a_lease_has_one_holder(harness: &dyn Harness) {
    let (mut dice, hand, other) = (Dice::new(), Hand::of(harness), Hand::of(harness));
    if hand.0.leases().is_none() {
        return;
    }
    let key = dice.key();
    let (name, another) = (LeaseName::of(&key, b"commit"), LeaseName::of(&key, b"session"));
    let (ours, theirs) = (token(&mut dice), token(&mut dice));
    let before = hand.now().await;
    let lease = taken(take(&hand, &name, ours, 1, HOUR, None).await);
    let after = hand.now().await;
    assert_eq!((lease.token, lease.holder), (ours, holder(1)), "a lease names another holder than took it");
    let slack = Duration::from_millis(400);
    assert!(
        lease.since.plus(slack) >= before && lease.since <= after.plus(slack),
        "{lease:?} began before or after now"
    );
    let told = lease.until.since(lease.since);
    assert!(told + slack >= HOUR && told <= HOUR + slack, "a lease of an hour lasts {told:?}");
    for _ in 0..2 {
        let seen = held(take(&other, &name, theirs, 2, HOUR, None).await);
        assert_eq!(seen, lease, "who holds a lease is told otherwise to others");
    }
    taken(take(&other, &another, theirs, 2, HOUR, None).await);
    assert!(hand.load(&key).await.is_none(), "a lease shows as a record");
}

/// Only who has the token can release; then the lease is free.
pub async fn a_lease_is_released_by_its_token_only(harness: &dyn Harness) {
    let (mut dice, hand, other) = (Dice::new(), Hand::of(harness), Hand::of(harness));
    if hand.0.leases().is_none() {
        return;
    }
    let name = LeaseName::of(&dice.key(), b"commit");
    let (ours, theirs) = (token(&mut dice), token(&mut dice));
    assert!(!release(&hand, &name, ours).await, "a lease that nobody took was released");
    taken(take(&hand, &name, ours, 1, HOUR, None).await);
    for wrong in [theirs, ours ^ 1, ours ^ (1 << 63), 0] {
        assert!(!release(&other, &name, wrong).await, "a lease was released with another's token");
    }
    held(take(&other, &name, theirs, 2, HOUR, None).await);
    assert!(release(&hand, &name, ours).await, "a lease was not released by its holder");
    assert!(!release(&hand, &name, ours).await, "a lease was released twice");
    taken(take(&other, &name, theirs, 2, HOUR, None).await);
    assert!(!release(&hand, &name, ours).await, "a lease was released by who had it before");
}

/// A lease ends by itself when its time is over, prolonged where its holder took it again; sweeps spare it till then.
pub async fn a_lease_runs_out_unless_it_is_prolonged(harness: &dyn Harness) {
    let (mut dice, hand) = (Dice::new(), Hand::of(harness));
    if hand.0.leases().is_none() {
        return;
    }
    let (short, long) = (LeaseName::of(&dice.key(), b"a"), LeaseName::of(&dice.key(), b"b"));
    let (ours, theirs) = (token(&mut dice), token(&mut dice));
    taken(take(&hand, &short, ours, 1, SOON, None).await);
    taken(take(&hand, &long, ours, 1, SOON, None).await);
    let prolonged = taken(take(&hand, &long, ours, 1, HOUR, None).await);
    assert!(prolonged.until.since(hand.now().await) > HOUR / 2, "taking a lease again did not prolong it");
    harness.pass(AFTER_SOON).await;
    hand.sweep_all(100).await;
    held(take(&hand, &long, theirs, 2, HOUR, None).await);
    let again = taken(take(&hand, &long, ours, 1, HOUR, None).await);
    assert!(again.since > prolonged.since, "a lease that was prolonged does not tell when: {again:?}");
    assert!(!release(&hand, &short, ours).await, "a lease that had run out was released as if held");
    taken(take(&hand, &short, theirs, 2, HOUR, None).await);
    assert!(!release(&hand, &short, ours).await, "a lease was released by who had it before it ran out");
}

/// A dead holder's lease is displaced by naming its token; naming another displaces nobody.
pub async fn a_lease_is_displaced_by_naming_its_holder(harness: &dyn Harness) {
    let (mut dice, hand) = (Dice::new(), Hand::of(harness));
    if hand.0.leases().is_none() {
        return;
    }
    let name = LeaseName::of(&dice.key(), b"commit");
    let [dead, ours, third] = [token(&mut dice), token(&mut dice), token(&mut dice)];
    taken(take(&hand, &name, dead, 1, HOUR, None).await);
    for wrong in [third, dead ^ 1, dead ^ (1 << 63)] {
        held(take(&hand, &name, ours, 2, HOUR, Some(wrong)).await);
    }
    let lease = taken(take(&hand, &name, ours, 2, HOUR, Some(dead)).await);
    assert_eq!((lease.token, lease.holder), (ours, holder(2)));
    // Two may see the same dead holder; only one may displace it.
    held(take(&hand, &name, third, 3, HOUR, Some(dead)).await);
    assert!(!release(&hand, &name, dead).await, "a displaced holder released its successor's lease");
    assert!(release(&hand, &name, ours).await);
}

/// Many who take and release at the same time are never two inside, and all get their turn.
pub async fn a_lease_is_exclusive_under_a_crowd(harness: &dyn Harness) {
    const TURNS: u32 = 12;
    let mut dice = Dice::new();
    if harness.store().leases().is_none() {
        return;
    }
    let name = LeaseName::of(&dice.key(), b"commit");
    let inside = Arc::new(AtomicU32::new(0));
    race(harness, 4, move |n, hand| {
        let inside = inside.clone();
        async move {
            let mut dice = Dice::quiet();
            for _ in 0..TURNS {
                let token = token(&mut dice);
                while let LeaseOutcome::Held(_) = take(&hand, &name, token, n as u32, HOUR, None).await {
                    tokio::time::sleep(Duration::from_micros(500 + dice.below(1000))).await;
                }
                let others = inside.fetch_add(1, Ordering::SeqCst);
                assert_eq!(others, 0, "two hold one lease at the same time");
                // Long enough inside that others come by and find it held.
                tokio::time::sleep(Duration::from_micros(dice.below(3000))).await;
                inside.fetch_sub(1, Ordering::SeqCst);
                assert!(release(&hand, &name, token).await, "a lease was lost while it was held");
            }
        }
    })
    .await;
}
