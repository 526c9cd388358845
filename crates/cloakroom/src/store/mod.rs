//! What a store is: few verbs, split by meaning, each one round trip and atomic.
//!
//! A store moves opaque [`Record`]s under a [`Key`], compares [`Version`]s and expires. It never opens an envelope and
//! never decides anything by the owner but what [`Owners`] says. To write one:
//!
//! 1. Implement [`Store`]: `load`, `create`, `swap`, `touch`, `end`, `sweep` and `now`.
//! 2. Implement the capabilities the engine can give ([`Remove`], [`Leases`], [`Count`], [`List`], [`Owners`],
//!    [`Reports`]) and return them from the methods of the same names.
//! 3. Certify it: [`conformance_tests!`](crate::conformance_tests) runs the whole suite against it.
//!
//! # Rules for every verb
//!
//! * **Atomic**: two verbs on one key have some order; nothing is ever half-written.
//! * **Bounded**: it returns by [`Budget::deadline`], with [`StoreError::TimedOut`] where nothing was applied for
//!   certain, else with [`StoreError::Unknown`].
//! * **Honest about the unknown**: a request that was sent and whose reply is missing is [`StoreError::Unknown`], never
//!   "failed"; the engine finds out by commit id. Reading verbs may be tried again inside the budget.
//! * **Expired is not absent**: `load` returns what is there; deadlines are the engine's to judge, with the `now` that
//!   the store gave. A store may drop records past [`Record::expires`] at any time, and never before. A `create` over
//!   a record that is past its deadline succeeds (the record counts as swept).
//! * **A record past its deadline** may still be swapped, touched or removed by its version: the engine does not do so.
//! * **An owner's tombstone** refuses until its `until`; a later `end_owner` moves it on, never back.
//! * **Silent**: no key, owner or payload in error texts beyond the shortened key, no password from the URL.

mod capability;
mod error;

pub use capability::{
    Count, Counts, EndedOwner, Filter, Holder, Lease, LeaseName, LeaseOutcome, Leases, List, Owners, Page, Remove,
    Reports, Summary, TALLY_HOURS, TALLY_LABELS, Tally, TallyKind,
};
pub use error::StoreError;

use std::fmt;
use std::time::{Duration, Instant};

use async_trait::async_trait;

use crate::key::Key;
use crate::record::{Record, Tombstone};
use crate::time::Time;
use crate::version::Version;

/// How long the verbs of one request may take together.
#[derive(Debug, Clone, Copy)]
pub struct Budget {
    deadline: Instant,
}

impl Budget {
    /// A budget that ends after `time` from now.
    pub fn of(time: Duration) -> Self {
        Self { deadline: Instant::now() + time }
    }

    /// When it ends, on the monotonic clock.
    pub fn deadline(&self) -> Instant {
        self.deadline
    }

    /// What is left; zero when it has ended.
    pub fn left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }

    /// Whether nothing is left.
    pub fn is_spent(&self) -> bool {
        self.left().is_zero()
    }
}

/// What a load found, and the store's time when it did.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The record, past its deadline or not; `None` where there is none.
    pub record: Option<Record>,
    /// The store's time.
    pub now: Time,
}

/// What became of a create.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Created {
    /// The record is there.
    Done,
    /// There is a record under this key already (live, moved or ended) that is not past its deadline.
    Exists,
    /// All sessions of this owner were ended after this request had loaded; nothing was written.
    OwnerEnded,
}

/// What became of a swap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Swapped {
    /// The new record is there.
    Done,
    /// The record has another version, or there is none; nothing was written. A load tells which.
    Stale,
    /// All sessions of this owner were ended after this request had loaded; nothing was written.
    OwnerEnded,
}

/// What became of a touch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Touched {
    /// The idle deadline is at least the one given.
    Done,
    /// Another version, not live, or no record; nothing was written.
    Stale,
}

/// What an end found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// A live or moved record; it is a tombstone now.
    Done,
    /// An ended record; it stays as it was.
    Already,
    /// Nothing; a tombstone is there now.
    Absent,
}

/// What a sweep did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Swept {
    /// Records and tombstones removed.
    pub removed: u64,
    /// Whether there may be more to remove.
    pub more: bool,
}

/// What kind of store it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Description {
    /// The engine, as people call it: "SQLite", "MariaDB", "Redis".
    pub engine: &'static str,
    /// Where it is, password masked.
    pub location: String,
    /// Whether several servers can share it.
    pub shared: bool,
    /// Whether it may drop records before their deadline when memory runs short, tombstones included. Promise 2 then
    /// holds while the tombstone does, and "end all of this owner" is incomplete.
    pub may_evict: bool,
}

/// Keeps records. See the [module's page](self) for the rules.
#[async_trait]
pub trait Store: Send + Sync + fmt::Debug {
    /// What kind of store it is; no round trip.
    fn describe(&self) -> Description;

    /// The store's time: its own clock where it has one, as last measured plus the time passed since. A round trip only
    /// where there was no connection yet.
    async fn now(&self, budget: Budget) -> Result<Time, StoreError>;

    /// Reads the record under `key`.
    async fn load(&self, budget: Budget, key: &Key) -> Result<Loaded, StoreError>;

    /// Writes a record where there is none. `seen` is the store's time when this request loaded, or began.
    async fn create(&self, budget: Budget, key: &Key, record: &Record, seen: Time) -> Result<Created, StoreError>;

    /// Replaces the record if its version is `expected`. `seen` as in `create`.
    async fn swap(
        &self,
        budget: Budget,
        key: &Key,
        expected: Version,
        record: &Record,
        seen: Time,
    ) -> Result<Swapped, StoreError>;

    /// Sets `touched`, and raises the idle deadline to `idle` (never lowers it), of a live record whose version is
    /// `expected`. The version stays.
    async fn touch(
        &self,
        budget: Budget,
        key: &Key,
        expected: Version,
        touched: Time,
        idle: Time,
    ) -> Result<Touched, StoreError>;

    /// Leaves a tombstone, whatever was there, and whatever its version. What was there keeps its owner, its time of
    /// creation and its tagged fields; format, size, absolute deadline and envelope go ([`Tombstone::record`] is the
    /// reference). An ended record that is not past its deadline stays.
    async fn end(&self, budget: Budget, key: &Key, tombstone: &Tombstone) -> Result<Ended, StoreError>;

    /// Removes at most `limit` records past their deadline, and as many other things of its own that have run out.
    /// Never holds up other verbs for long.
    async fn sweep(&self, budget: Budget, limit: u32) -> Result<Swept, StoreError>;

    /// Housekeeping of the store's own (a log to be shortened, say), for the time after a response was sent. Costs
    /// nothing most of the time, and is safe to leave out.
    async fn maintain(&self, _budget: Budget) {}

    /// Whether it can remove without a tombstone.
    fn remove(&self) -> Option<&dyn Remove> {
        None
    }
    /// Whether it can keep leases.
    fn leases(&self) -> Option<&dyn Leases> {
        None
    }
    /// Whether it can count.
    fn count(&self) -> Option<&dyn Count> {
        None
    }
    /// Whether it can page through its records.
    fn list(&self) -> Option<&dyn List> {
        None
    }
    /// Whether it can find and end the sessions of an owner.
    fn owners(&self) -> Option<&dyn Owners> {
        None
    }
    /// Whether it can keep reports.
    fn reports(&self) -> Option<&dyn Reports> {
        None
    }
}
