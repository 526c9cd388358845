//! What a store may be able to do beyond the verbs every store has. Each is a trait of its own.

use std::time::Duration;

use async_trait::async_trait;

use super::{Budget, StoreError};
use crate::key::Key;
use crate::record::{Owner, State, Tombstone};
use crate::time::Time;
use crate::version::Version;

/// Removing without a tombstone, for sessions that became empty.
#[async_trait]
pub trait Remove: Send + Sync {
    /// Removes the record if its version is `expected`; whether it did.
    async fn remove(&self, budget: Budget, key: &Key, expected: Version) -> Result<bool, StoreError>;
}

/// What a lease is for: a hash of key and purpose, 32 bytes, no secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LeaseName([u8; 32]);

impl LeaseName {
    /// The lease of `purpose` (`commit`, `session`, `path:cart`) on the record under `key`.
    pub fn of(key: &Key, purpose: &[u8]) -> Self {
        use sha2::{Digest, Sha256};
        let mut hash = Sha256::new();
        hash.update(b"cloakroom/1 lease");
        hash.update(key.as_bytes());
        hash.update(purpose);
        Self(hash.finalize().into())
    }

    /// The bytes for the store.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// Who holds a lease: enough for others on the same host to see whether it still lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Holder {
    /// A hash of the host's identity and boot.
    pub host: [u8; 16],
    /// Process id.
    pub pid: u32,
    /// The process's start time in the kernel's ticks; a reused process id differs.
    pub started: u64,
}

/// A lease that is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lease {
    /// Random; only who knows it may release.
    pub token: u64,
    /// Who holds it.
    pub holder: Holder,
    /// When it was taken or last prolonged, by the store's clock.
    pub since: Time,
    /// When it ends by itself.
    pub until: Time,
}

/// What became of an attempt to take a lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeaseOutcome {
    /// Ours now.
    Taken(Lease),
    /// Somebody else's.
    Held(Lease),
}

/// Short exclusive leases.
#[async_trait]
pub trait Leases: Send + Sync {
    /// Takes the lease for `time` if it is free, has run out, or is held with the token `displacing` (whose holder is
    /// known to be dead). Taking it again with the same token prolongs it; [`Lease::since`] is then when that was.
    async fn take(
        &self,
        budget: Budget,
        name: &LeaseName,
        token: u64,
        holder: Holder,
        time: Duration,
        displacing: Option<u64>,
    ) -> Result<LeaseOutcome, StoreError>;

    /// Gives the lease back if it is held with this token; whether it was.
    async fn release(&self, budget: Budget, name: &LeaseName, token: u64) -> Result<bool, StoreError>;
}

/// How many records there are, those past their deadline left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Live ones.
    pub live: u64,
    /// Of these, with an owner.
    pub owned: u64,
    /// Tombstones of moved ones.
    pub moved: u64,
    /// Tombstones of ended ones.
    pub ended: u64,
    /// Bytes of all live payloads before compression and sealing.
    pub bytes: u64,
    /// Whether a part was counted and taken for the whole.
    pub estimate: bool,
}

/// Counting.
#[async_trait]
pub trait Count: Send + Sync {
    /// Counts. May be an estimate where the engine can't do better in bounded time; `list` is exact.
    async fn count(&self, budget: Budget) -> Result<Counts, StoreError>;
}

/// A record without its envelope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// Its key.
    pub key: Key,
    /// Its version.
    pub version: Version,
    /// Its state.
    pub state: State,
    /// When the session began.
    pub created: Time,
    /// When the idle deadline last moved.
    pub touched: Time,
    /// When it ends.
    pub expires: Time,
    /// Who is logged in.
    pub owner: Option<Owner>,
    /// Format code of the payload.
    pub format: u8,
    /// Bytes of the payload before compression and sealing.
    pub size: u32,
    /// The tagged fields: commits, trail, device, address.
    pub about: crate::record::About,
}

/// Which records to page through; all conditions must hold. Records past their deadline are never shown.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Only live ones.
    pub live: bool,
    /// Only this owner's.
    pub owner: Option<Owner>,
    /// Only those last touched before.
    pub touched_before: Option<Time>,
    /// Only those created before.
    pub created_before: Option<Time>,
    /// Only payloads of at least so many bytes.
    pub min_size: Option<u32>,
    /// Only keys that begin with these bytes.
    pub key_prefix: Vec<u8>,
}

/// A page of records, and where the next one begins.
#[derive(Debug, Clone, Default)]
pub struct Page {
    /// The records. A page may be shorter than the limit, even empty, though more follow.
    pub records: Vec<Summary>,
    /// What to hand in for the next page; `None` when this is the last one.
    pub next: Option<Vec<u8>>,
}

/// Paging.
#[async_trait]
pub trait List: Send + Sync {
    /// At most `limit` records from `after` on, in an order of the store's own. Each call is bounded. Records that live
    /// through the whole walk are seen at least once.
    async fn page(&self, budget: Budget, filter: &Filter, after: Option<&[u8]>, limit: u32)
    -> Result<Page, StoreError>;
}

/// What ending all of an owner did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EndedOwner {
    /// Live sessions ended.
    pub ended: u64,
    /// Whether no other one can be left or come: false on stores that may evict the owner's tombstone.
    pub complete: bool,
}

/// Finding and ending a person's sessions.
#[async_trait]
pub trait Owners: Send + Sync {
    /// Live sessions of an owner, as [`List::page`].
    async fn find(&self, budget: Budget, owner: &Owner, after: Option<&[u8]>, limit: u32) -> Result<Page, StoreError>;

    /// Ends all live and moved sessions of an owner but `except`, and leaves an owner tombstone until
    /// `tombstone.until`: a create or swap for that owner with `seen` at or before `tombstone.at` answers `OwnerEnded`,
    /// unless it is a swap of `except`.
    async fn end_owner(
        &self,
        budget: Budget,
        owner: &Owner,
        tombstone: &Tombstone,
        except: Option<&Key>,
    ) -> Result<EndedOwner, StoreError>;
}

/// What a tally counts. The codes are stored for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum TallyKind {
    /// A conflict on a variable.
    Conflict,
    /// Something that may be a theft: an id used after its grace.
    Alarm,
    /// Who started or wrote a session.
    Blame,
    /// A wait for a lease.
    Wait,
    /// A record that did not open.
    Unreadable,
    /// A write that was dropped.
    Dropped,
    /// A page that left before it was known whether anything would be in its session.
    Early,
    /// A variable above the size that a site warns of.
    Large,
    /// Written by a newer release.
    Other(u8),
}

impl TallyKind {
    /// The stored code.
    pub fn code(self) -> u8 {
        match self {
            TallyKind::Conflict => 1,
            TallyKind::Alarm => 2,
            TallyKind::Blame => 3,
            TallyKind::Wait => 4,
            TallyKind::Unreadable => 5,
            TallyKind::Dropped => 6,
            TallyKind::Early => 7,
            TallyKind::Large => 8,
            TallyKind::Other(code) => code,
        }
    }

    /// The kind of a stored code.
    pub fn from_code(code: u8) -> Self {
        match code {
            1 => TallyKind::Conflict,
            2 => TallyKind::Alarm,
            3 => TallyKind::Blame,
            4 => TallyKind::Wait,
            5 => TallyKind::Unreadable,
            6 => TallyKind::Dropped,
            7 => TallyKind::Early,
            8 => TallyKind::Large,
            code => TallyKind::Other(code),
        }
    }
}

/// A counter of a report: how often something happened in one hour.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tally {
    /// What is counted.
    pub kind: TallyKind,
    /// Of what: a variable's first-level name, a plugin with file and line; at most 191 bytes.
    pub label: String,
    /// The hour it belongs to, in hours since 1970.
    pub hour: u32,
    /// How often.
    pub count: u64,
    /// A sum that goes with it: microseconds waited, bytes written.
    pub sum: u64,
    /// A sample for people (an address of a page, say), at most 1,000 bytes; the latest one is kept.
    pub sample: String,
}

/// Bounded counters, written in batches after the response.
#[async_trait]
pub trait Reports: Send + Sync {
    /// Adds to the counters of the same kind, label and hour. A store keeps at most some thousand labels a kind and
    /// hour, and drops what is older than `keep` hours at a sweep.
    async fn add(&self, budget: Budget, tallies: &[Tally]) -> Result<(), StoreError>;

    /// Reads the counters of one kind since an hour, largest count first, at most `limit`.
    async fn read(
        &self,
        budget: Budget,
        kind: TallyKind,
        since_hour: u32,
        limit: u32,
    ) -> Result<Vec<Tally>, StoreError>;
}

/// How long tallies are kept: 30 days, in hours.
pub const TALLY_HOURS: u32 = 720;
/// How many labels a store keeps for one kind and hour.
pub const TALLY_LABELS: u32 = 1000;

impl Filter {
    /// Whether a record meets the conditions; for stores that can't leave all of them to their engine.
    pub fn accepts(&self, key: &Key, record: &crate::record::Record) -> bool {
        (!self.live || record.state.is_live())
            && self.owner.as_ref().is_none_or(|o| record.owner.as_ref() == Some(o))
            && self.touched_before.is_none_or(|t| record.touched < t)
            && self.created_before.is_none_or(|t| record.created < t)
            && self.min_size.is_none_or(|s| record.size >= s)
            && key.as_bytes().starts_with(&self.key_prefix)
    }
}

impl Summary {
    /// The summary of a record.
    pub fn of(key: Key, record: &crate::record::Record) -> Self {
        Self {
            key,
            version: record.version,
            state: record.state,
            created: record.created,
            touched: record.touched,
            expires: record.expires(),
            owner: record.owner.clone(),
            format: record.format,
            size: record.size,
            about: record.about.clone(),
        }
    }
}
