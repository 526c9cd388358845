//! What a proxy shall do to bytes that pass, and what it has counted.

use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Which way bytes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From the client to the server: requests.
    ToServer,
    /// From the server to the client: replies.
    ToClient,
}

impl Direction {
    pub(super) fn index(self) -> usize {
        match self {
            Self::ToServer => 0,
            Self::ToClient => 1,
        }
    }
}

/// What happens to a request that a trap was set for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    SwallowReply,
    LoseRequest,
}

/// Judges the bytes of a request.
pub(super) type Condition = Box<dyn Fn(&[u8]) -> bool + Send>;

pub(super) struct Trap {
    pub(super) matches: Condition,
    pub(super) fate: Fate,
}

/// Everything a test has asked for; indexed by [`Direction`].
#[derive(Default)]
pub(super) struct Rules {
    pub(super) delay: [Duration; 2],
    pub(super) stall: [bool; 2],
    pub(super) cut_after: [Option<u64>; 2],
    pub(super) reset: bool,
    pub(super) refuse: bool,
    pub(super) trap: Option<Trap>,
}

#[derive(Default)]
pub(super) struct Counters {
    pub(super) connections: AtomicU64,
    pub(super) round_trips: AtomicU64,
    pub(super) bytes: [AtomicU64; 2],
    pub(super) sprung: AtomicU64,
}

/// What the proxy and its connections share.
#[derive(Default)]
pub(super) struct Shared {
    rules: Mutex<Rules>,
    changed: Condvar,
    pub(super) counters: Counters,
    pub(super) closed: AtomicBool,
}

impl Shared {
    pub(super) fn rules(&self) -> MutexGuard<'_, Rules> {
        // A condition of a test that panicked must not turn into a proxy that hangs.
        self.rules.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn change(&self, change: impl FnOnce(&mut Rules)) {
        change(&mut self.rules());
        self.changed.notify_all();
    }

    /// Wakes those who wait, since something other than a rule has changed.
    pub(super) fn wake(&self) {
        // Taking the lock keeps the wake-up from falling between a waiter's look and its sleep.
        drop(self.rules());
        self.changed.notify_all();
    }

    /// Waits for a change of rules, at most that long.
    pub(super) fn wait<'a>(&self, rules: MutexGuard<'a, Rules>, time: Duration) -> MutexGuard<'a, Rules> {
        match self.changed.wait_timeout(rules, time) {
            Ok((rules, _)) => rules,
            Err(poisoned) => poisoned.into_inner().0,
        }
    }
}
