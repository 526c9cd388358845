//! What the SQLite tests share: a store on a folder of its own, and the test binary started again as another process.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use cloakroom::{About, Budget, Clock, Key, Record, State, SystemClock, Time, Version};
use cloakroom_stores::Options;
use cloakroom_stores::sqlite::SqliteStore;

pub(crate) struct Place(pub(crate) tempfile::TempDir);

impl Place {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().expect("a folder"))
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.0.path().join("sessions.sqlite")
    }

    pub(crate) fn beside(&self, suffix: &str) -> PathBuf {
        self.0.path().join(format!("sessions.sqlite{suffix}"))
    }

    pub(crate) fn store(&self) -> SqliteStore {
        self.store_with(Options::default())
    }

    pub(crate) fn store_with(&self, options: Options) -> SqliteStore {
        at(&self.path(), &options)
    }
}

pub(crate) fn at(path: &Path, options: &Options) -> SqliteStore {
    SqliteStore::open(&format!("sqlite:{}", path.display()), options).expect("the URL is right")
}

pub(crate) fn by(clock: Arc<dyn Clock>) -> Options {
    Options { clock, ..Options::default() }
}

pub(crate) fn budget() -> Budget {
    Budget::of(Duration::from_secs(20))
}

pub(crate) fn seen() -> Time {
    SystemClock.now()
}

pub(crate) fn key(n: u32) -> Key {
    let mut bytes = [7u8; 32];
    bytes[..4].copy_from_slice(&n.wrapping_mul(0x9e37_79b1).to_be_bytes());
    bytes[28..].copy_from_slice(&n.to_be_bytes());
    Key::from_bytes(bytes)
}

pub(crate) fn record(envelope: Vec<u8>) -> Record {
    let now = SystemClock.now();
    Record {
        version: Version { incarnation: 5, counter: 1 },
        state: State::Live,
        created: now,
        touched: now,
        idle: now.plus(Duration::from_secs(3600)),
        absolute: None,
        owner: None,
        format: 1,
        size: 3,
        about: About::default(),
        envelope,
    }
}

/// The verbs run inline, so one poll is all there is.
pub(crate) fn now<T>(verb: impl Future<Output = T>) -> T {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match std::pin::pin!(verb).poll(&mut context) {
        std::task::Poll::Ready(value) => value,
        std::task::Poll::Pending => panic!("a verb of SQLite went to sleep"),
    }
}

/// Starts this test binary again to run `task`, an ignored test, on the file at `path`.
pub(crate) fn process(task: &str, path: &Path, number: u32) -> Child {
    Command::new(std::env::current_exe().expect("a test has a path"))
        .args(["--ignored", "--exact", task, "--nocapture", "--test-threads=1"])
        .env("CLOAKROOM_TEST_FILE", path)
        .env("CLOAKROOM_TEST_NUMBER", number.to_string())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .expect("another process")
}

/// What [`process`] handed over.
pub(crate) fn task() -> (PathBuf, u32) {
    let file = std::env::var_os("CLOAKROOM_TEST_FILE").expect("started by another test");
    let number = std::env::var("CLOAKROOM_TEST_NUMBER").expect("started by another test");
    (file.into(), number.parse().expect("a number"))
}
