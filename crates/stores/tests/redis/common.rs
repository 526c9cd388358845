//! What these tests share.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use cloakroom::{Budget, CommitId, CommitLog, EndKind, Key, Owner, Record, State, Store, Time, Tombstone, Version};
use cloakroom_stores::{Options, open};
use cloakroom_testbed::Redis;

pub(crate) const HOUR: Duration = Duration::from_secs(3600);

/// Runs as a PHP worker does: nothing of the runtime goes on between two calls.
pub(crate) struct Worker(tokio::runtime::Runtime);

impl Worker {
    pub(crate) fn new() -> Self {
        Self(tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime can be made"))
    }

    pub(crate) fn run<T>(&self, future: impl Future<Output = T>) -> T {
        self.0.block_on(future)
    }
}

pub(crate) fn redis(options: &[(&str, &str)]) -> Redis {
    Redis::start_with(options).expect("redis-server starts")
}

pub(crate) fn store(url: &str) -> Arc<dyn Store> {
    open(url, &Options { blocking: crate::BLOCKING, ..Options::default() })
        .unwrap_or_else(|error| panic!("{url}: {error}"))
}

pub(crate) fn ample() -> Budget {
    Budget::of(Duration::from_secs(20))
}

pub(crate) fn key(n: u8) -> Key {
    Key::from_bytes([n; 32])
}

pub(crate) fn owner(name: &str) -> Owner {
    Owner::new(name).expect("its length is right")
}

pub(crate) fn live(now: Time) -> Record {
    let mut commits = CommitLog::default();
    commits.push(CommitId(7));
    Record {
        version: Version::draw().expect("the system has randomness"),
        state: State::Live,
        created: now,
        touched: now,
        idle: now.plus(HOUR),
        absolute: None,
        owner: None,
        format: 1,
        size: 10,
        about: cloakroom::About { commits, ..cloakroom::About::default() },
        envelope: b"sealed".to_vec(),
    }
}

pub(crate) fn owned(now: Time, name: &str) -> Record {
    Record { owner: Some(owner(name)), ..live(now) }
}

pub(crate) fn next(record: &Record, envelope: &[u8]) -> Record {
    Record { version: record.version.next(), envelope: envelope.to_vec(), ..record.clone() }
}

pub(crate) fn tombstone(now: Time) -> Tombstone {
    Tombstone::new(EndKind::Destroyed, now, HOUR).expect("the system has randomness")
}

/// The name of a record's key in Redis, as the documentation says.
pub(crate) fn name(key: &Key) -> String {
    format!("cloakroom:{{{}}}", key.to_hex())
}
