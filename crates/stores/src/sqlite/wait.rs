//! Waiting for the one write lock that an SQLite file has. It is held for some ten microseconds at a time, while
//! SQLite's own busy handler sleeps whole milliseconds after a few tries, which is where its bad tail comes from.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Until when a connection may wait; shared with its busy handler, which SQLite keeps.
#[derive(Debug, Clone)]
pub(super) struct Patience {
    epoch: Instant,
    /// Microseconds after `epoch`.
    until: Arc<AtomicU64>,
}

impl Patience {
    pub(super) fn new() -> Self {
        Self { epoch: Instant::now(), until: Arc::default() }
    }

    /// Waits end at `deadline` from now on.
    pub(super) fn set(&self, deadline: Instant) {
        let micros = deadline.saturating_duration_since(self.epoch).as_micros();
        self.until.store(u64::try_from(micros).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// The busy handler: pauses before the `n`th new try, or says that it is too late.
    pub(super) fn pause(&self, n: u32) -> bool {
        let left = Duration::from_micros(self.until.load(Ordering::Relaxed)).saturating_sub(self.epoch.elapsed());
        if left.is_zero() {
            return false;
        }
        match n {
            0..SPINS => (0..SPIN << n).for_each(|_| std::hint::spin_loop()),
            SPINS..PATIENT => std::thread::yield_now(),
            _ => std::thread::sleep(nap(n - PATIENT, noise()).min(left)),
        }
        true
    }
}

/// Tries that keep the processor: the lock is mostly free again within three microseconds.
const SPINS: u32 = 3;
/// Turns of the first of them, a microsecond or two; each next one is twice as long.
const SPIN: u32 = 50;
/// After that and until here the processor is given away: on a busy machine the holder needs it.
const PATIENT: u32 = SPINS + 2;
/// The first sleep. The kernel adds its timer slack, usually 50 microseconds.
const FIRST: u64 = 20;
/// The longest sleep: a waiter notices soon that a long holder (a checkpoint that restarts the log) is done.
const LONGEST: u64 = 500;

/// Half of the nap is chance, so that waiters do not come back in step.
fn nap(n: u32, noise: u64) -> Duration {
    let long = (FIRST << n.min(6)).min(LONGEST);
    Duration::from_micros(long / 2 + noise % (long / 2 + 1))
}

/// Cheap noise: neither secret nor even, only different from the neighbour's.
fn noise() -> u64 {
    static STATE: AtomicU64 = AtomicU64::new(0);
    let before = STATE.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
    let mixed = (before ^ u64::from(std::process::id()).wrapping_mul(0xff51_afd7_ed55_8ccd))
        .wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    mixed >> 33
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn naps_begin_short_and_stay_bounded() {
        for n in 0..40 {
            for noise in [0, 1, 77, u64::MAX] {
                let nap = nap(n, noise);
                assert!(nap >= Duration::from_micros(FIRST / 2) && nap <= Duration::from_micros(LONGEST));
            }
        }
        assert!(nap(0, 5) <= Duration::from_micros(FIRST));
    }

    #[test]
    fn a_wait_ends_with_the_budget() {
        let patience = Patience::new();
        patience.set(Instant::now() + Duration::from_millis(20));
        let began = Instant::now();
        let tries = (0u32..).take_while(|n| patience.pause(*n)).count();
        assert!(tries > 10, "{tries} tries");
        assert!(began.elapsed() < Duration::from_secs(1));
    }
}
