//! How long things live and what is allowed: the site's settings as the engine needs them.

use std::time::Duration;

use crate::concurrency::{Concurrency, LockPaths, Waiting};

/// The deadlines of the sessions of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lifetime {
    /// A session ends when nobody has come for so long.
    pub idle: Duration,
    /// A session ends so long after it began, whoever comes; `None` for no such end.
    pub absolute: Option<Duration>,
}

impl Lifetime {
    /// The least time between two touches: 60 seconds or a twentieth of the idle time, whichever is less.
    pub fn touch_after(&self) -> Duration {
        (self.idle / 20).min(Duration::from_secs(60))
    }
}

/// What holds for all sessions of a site.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// How long a tombstone lives; longer than any request. Default 1 hour.
    pub tombstone: Duration,
    /// How long after a rotation the old id may still be used. Default 60 seconds.
    pub grace: Duration,
    /// Largest payload that is stored, in bytes. Default 16 MiB; a larger one is refused, the stored session stays.
    pub max_size: u32,
    /// How long the lease lives under which committers queue after three lost races. Default 2 seconds.
    pub commit_lease: Duration,
    /// Whether requests of one session run side by side. Default: they do.
    pub concurrency: Concurrency,
    /// Paths of which requests take the session's lock though others run side by side. Default: none.
    pub lock_paths: LockPaths,
    /// How long locks are held and waited for.
    pub waiting: Waiting,
}

impl Policy {
    /// Whether a request for this path takes the session's lock before it loads.
    pub fn locks(&self, path: &str) -> bool {
        self.concurrency == Concurrency::Lock || self.lock_paths.cover(path)
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            tombstone: Duration::from_secs(3600),
            grace: Duration::from_secs(60),
            max_size: 16 << 20,
            commit_lease: Duration::from_secs(2),
            concurrency: Concurrency::default(),
            lock_paths: LockPaths::default(),
            waiting: Waiting::default(),
        }
    }
}
