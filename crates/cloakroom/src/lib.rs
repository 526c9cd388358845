//! The session engine of Cloakroom.
//!
//! A *door* (PHP extension, tower layer, operator's command) hands in a session id and gets the session's payload;
//! at the end it hands back what the request changed. The engine decides who may read what, seals and opens the
//! payload, and commits without losing updates. A [`Store`] below it moves opaque [`Record`]s and knows nothing of
//! what is inside. Nothing here knows HTTP, PHP or SQL.
//!
//! The words used are those of the project's design: *session id*, *key*, *record*, *envelope*, *payload*, *owner*,
//! *commit*, *version*, *tombstone*, *named record*, *namespace*.

#![forbid(unsafe_code)]

mod breaker;
mod catch_up;
mod commit;
mod concurrency;
pub mod conformance;
mod end;
mod engine;
mod envelope;
mod holder;
mod id;
mod key;
pub mod lock;
mod look;
mod memory;
mod merge;
mod named;
mod named_move;
mod open;
mod outcome;
mod policy;
mod record;
mod remove;
mod report;
mod ring;
mod rotate;
mod session;
pub mod store;
mod time;
mod tlv;
mod version;
pub mod wire;

pub use breaker::{Breaker, Notice};
pub use catch_up::CaughtUp;
pub use concurrency::{BadConcurrency, Concurrency, LockPaths, Waiting};
pub use engine::{Engine, EngineBuilder};
pub use envelope::{EnvelopeError, Secret};
pub use id::{BadSessionId, SessionId};
pub use key::{BadNamespace, Key, NamedSecret, Namespace};
pub use lock::{Locked, Locks, NotLocked, Scope, Unlocked, Waited};
pub use look::EndedSome;
pub use memory::MemoryStore;
pub use merge::{Merge, Merged, PayloadMerge, Prefer, Version as Payload};
pub use named_move::Onto;
pub use open::{Absent, Opening};
pub use outcome::{Committed, Dropped, EngineError, Rotated};
pub use policy::{Lifetime, Policy};
pub use record::{About, EndKind, MoveKind, Owner, OwnerError, Record, State, Tombstone};
pub use report::Reporter;
pub use ring::{BadSiteKey, KeyRing, SiteKey};
pub use session::{OwnRotation, Session};
pub use store::{Budget, Loaded, Store, StoreError};
pub use time::{Clock, ManualClock, SystemClock, Time};
pub use version::{CommitId, CommitLog, Version};
