//! Reports: bounded counters.

use crate::conformance::Harness;
use crate::conformance::data::Dice;
use crate::conformance::hand::{Hand, budget, healthy, race};
use crate::store::{TALLY_HOURS, TALLY_LABELS, Tally, TallyKind};

fn tally(kind: TallyKind, label: &str, hour: u32, count: u64) -> Tally {
    Tally { kind, label: label.into(), hour, count, sum: 10 * count, sample: format!("/page/{count}") }
}

async fn add(hand: &Hand, tallies: &[Tally]) {
    let reports = hand.0.reports().expect("asked for only where reports are kept");
    healthy("add", reports.add(budget(), tallies).await);
}

async fn read(hand: &Hand, kind: TallyKind, since: u32, limit: u32) -> Vec<Tally> {
    let reports = hand.0.reports().expect("asked for only where reports are kept");
    healthy("read", reports.read(budget(), kind, since, limit).await)
}

async fn hour(hand: &Hand) -> u32 {
    u32::try_from(hand.now().await.seconds() / 3600).expect("the year 490000 is far")
}

/// What is added to the same kind, label and hour is summed, the latest sample stays; other kinds, labels and hours are
/// apart. Largest first, from the hour asked for, at most as many as asked for.
pub async fn counters_are_summed_and_kept_apart(harness: &dyn Harness) {
    let (hand, other) = (Hand::of(harness), Hand::of(harness));
    if hand.0.reports().is_none() {
        return;
    }
    let h = hour(&hand).await;
    let (conflict, wait) = (TallyKind::Conflict, TallyKind::Wait);
    add(&hand, &[]).await;
    add(&hand, &[tally(conflict, "cart", h, 1), tally(conflict, "user", h, 9), tally(wait, "cart", h, 50)]).await;
    add(&other, &[tally(conflict, "cart", h, 2), tally(conflict, "cart", h - 1, 4), tally(conflict, "cart", h, 3)])
        .await;
    let cart = Tally { sum: 60, sample: "/page/3".into(), ..tally(conflict, "cart", h, 6) };
    let (user, before) = (tally(conflict, "user", h, 9), tally(conflict, "cart", h - 1, 4));
    assert_eq!(read(&hand, conflict, h, 10).await, [user.clone(), cart.clone()]);
    assert_eq!(read(&other, conflict, h - 1, 10).await, [user.clone(), cart, before]);
    assert_eq!(read(&hand, conflict, 0, 1).await, [user]);
    assert_eq!(read(&hand, wait, 0, 10).await, [tally(wait, "cart", h, 50)]);
    assert!(read(&hand, conflict, h + 1, 10).await.is_empty());
    assert!(read(&hand, TallyKind::Alarm, 0, 10).await.is_empty());
}

/// Labels are any text of up to 191 bytes, samples of up to 1,000, kinds any code; labels that a collation would fold
/// are apart.
pub async fn labels_and_samples_are_any_text(harness: &dyn Harness) {
    let hand = Hand::of(harness);
    if hand.0.reports().is_none() {
        return;
    }
    let h = hour(&hand).await;
    let long = "\u{1f9e5}".repeat(47);
    let labels = ["cart", "Cart", "cart ", "c\u{e4}rt", "", "\0", "'; --", "a|b:c\n", "%_*\\", &long];
    for kind in [TallyKind::Blame, TallyKind::Other(0), TallyKind::Other(255)] {
        let mut expected: Vec<Tally> = Vec::new();
        for (count, label) in labels.iter().enumerate() {
            let mut tally = tally(kind, label, h, 100 - count as u64);
            tally.sample = match count {
                0 => "\u{1f9e5}".repeat(250),
                1 => String::new(),
                _ => format!("/p\0\n'{label}"),
            };
            add(&hand, std::slice::from_ref(&tally)).await;
            expected.push(tally);
        }
        assert_eq!(read(&hand, kind, h, 100).await, expected, "of {kind:?}");
    }
}

/// Many who add at the same time lose no count.
pub async fn no_count_is_lost_in_a_crowd(harness: &dyn Harness) {
    const EACH: u64 = 25;
    let hand = Hand::of(harness);
    if hand.0.reports().is_none() {
        return;
    }
    let h = hour(&hand).await;
    race(harness, 4, move |n, hand| async move {
        for _ in 0..EACH {
            // Two orders of the same labels: a store that locks label by label must not lock itself up.
            let mut tallies = [tally(TallyKind::Wait, "a", h, 1), tally(TallyKind::Wait, "b", h, 2)];
            if n % 2 == 0 {
                tallies.reverse();
            }
            add(&hand, &tallies).await;
        }
    })
    .await;
    let counts: Vec<u64> = read(&hand, TallyKind::Wait, h, 10).await.iter().map(|t| t.count).collect();
    assert_eq!(counts, [8 * EACH, 4 * EACH]);
}

/// A flood of labels is bounded; those known already are still counted; what is old goes at a sweep.
pub async fn reports_are_bounded(harness: &dyn Harness) {
    let (mut dice, hand) = (Dice::new(), Hand::of(harness));
    if hand.0.reports().is_none() {
        return;
    }
    let h = hour(&hand).await;
    let kind = TallyKind::Unreadable;
    add(&hand, &[tally(kind, "first", h, 1)]).await;
    for _ in 0..16 {
        let flood: Vec<Tally> = (0..100).map(|_| tally(kind, &format!("{:x}", dice.next()), h, 1)).collect();
        add(&hand, &flood).await;
    }
    let kept = read(&hand, kind, h, 10 * TALLY_LABELS).await.len();
    let most = (TALLY_LABELS + TALLY_LABELS / 4) as usize;
    assert!(kept <= most, "{kept} labels of one kind and hour are kept");
    assert!(kept > 100, "a flood of labels left only {kept}");
    add(&hand, &[tally(kind, "first", h, 70)]).await;
    assert_eq!(read(&hand, kind, h, 1).await.first().map(|t| t.count), Some(71), "a known label is no longer counted");

    let (old, young) = (h - TALLY_HOURS - 2, h - TALLY_HOURS + 2);
    add(&hand, &[tally(TallyKind::Dropped, "old", old, 5), tally(TallyKind::Dropped, "young", young, 4)]).await;
    hand.sweep_all(100).await;
    let left = read(&hand, TallyKind::Dropped, 0, 10).await;
    assert_eq!(left, [tally(TallyKind::Dropped, "young", young, 4)], "after a sweep");
}
