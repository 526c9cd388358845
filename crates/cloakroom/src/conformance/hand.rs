//! A handle to a healthy store: its verbs panic where they would fail, since nothing excuses a failure there.

use std::future::Future;
use std::sync::{Arc, Barrier};
use std::time::Duration;

use super::Harness;
use crate::key::Key;
use crate::record::{Record, Tombstone};
use crate::store::{Budget, Created, Ended, Store, StoreError, Swapped, Swept, Touched};
use crate::time::Time;
use crate::version::Version;

/// What a verb may take on a healthy store under a busy machine.
pub(crate) const AMPLE: Duration = Duration::from_secs(20);

pub(crate) fn budget() -> Budget {
    Budget::of(AMPLE)
}

#[derive(Debug, Clone)]
pub(crate) struct Hand(pub(crate) Arc<dyn Store>);

impl Hand {
    pub(crate) fn of(harness: &dyn Harness) -> Self {
        Self(harness.store())
    }

    pub(crate) async fn now(&self) -> Time {
        healthy("now", self.0.now(budget()).await)
    }

    /// The time, where faults may already be under way: asked until there is an answer.
    pub(crate) async fn now_at_last(&self) -> Time {
        let budget = budget();
        loop {
            match self.0.now(budget).await {
                Ok(now) => return now,
                Err(error) => assert!(!budget.is_spent(), "the store never told its time: {error}"),
            }
        }
    }

    pub(crate) async fn load(&self, key: &Key) -> Option<Record> {
        healthy("load", self.0.load(budget(), key).await).record
    }

    /// Creates as a request that began just now.
    pub(crate) async fn create(&self, key: &Key, record: &Record) -> Created {
        let seen = self.now().await;
        self.create_seen(key, record, seen).await
    }

    pub(crate) async fn create_seen(&self, key: &Key, record: &Record, seen: Time) -> Created {
        healthy("create", self.0.create(budget(), key, record, seen).await)
    }

    /// Puts a record where none is.
    pub(crate) async fn put(&self, key: &Key, record: &Record) {
        assert_eq!(self.create(key, record).await, Created::Done, "create where no record is must be Done");
    }

    /// Swaps as a request that loaded just now.
    pub(crate) async fn swap(&self, key: &Key, expected: Version, record: &Record) -> Swapped {
        let seen = self.now().await;
        self.swap_seen(key, expected, record, seen).await
    }

    pub(crate) async fn swap_seen(&self, key: &Key, expected: Version, record: &Record, seen: Time) -> Swapped {
        healthy("swap", self.0.swap(budget(), key, expected, record, seen).await)
    }

    pub(crate) async fn touch(&self, key: &Key, expected: Version, touched: Time, idle: Time) -> Touched {
        healthy("touch", self.0.touch(budget(), key, expected, touched, idle).await)
    }

    pub(crate) async fn end(&self, key: &Key, tombstone: &Tombstone) -> Ended {
        healthy("end", self.0.end(budget(), key, tombstone).await)
    }

    pub(crate) async fn sweep(&self, limit: u32) -> Swept {
        healthy("sweep", self.0.sweep(budget(), limit).await)
    }

    /// Sweeps until the store says that nothing more is to be done.
    pub(crate) async fn sweep_all(&self, limit: u32) -> u64 {
        let mut removed = 0;
        for _ in 0..1000 {
            let swept = self.sweep(limit).await;
            assert!(swept.removed <= u64::from(limit), "a sweep of at most {limit} removed {}", swept.removed);
            removed += swept.removed;
            if !swept.more {
                return removed;
            }
        }
        panic!("a thousand sweeps of {limit} each say that there is more to remove");
    }
}

pub(crate) fn healthy<T>(verb: &str, result: Result<T, StoreError>) -> T {
    result.unwrap_or_else(|error| panic!("{verb} failed on a healthy store: {error} ({error:?})"))
}

/// Runs `work` in `count` threads at once, each with a runtime and a handle of its own, as so many PHP workers would;
/// gives back what they return, in order.
pub(crate) async fn race<T, F, W>(harness: &dyn Harness, count: usize, work: W) -> Vec<T>
where
    T: Send + 'static,
    F: Future<Output = T>,
    W: Fn(usize, Hand) -> F + Send + Sync + 'static,
{
    let work = Arc::new(work);
    let start = Arc::new(Barrier::new(count));
    let threads: Vec<_> = (0..count)
        .map(|n| {
            let (hand, work, start) = (Hand::of(harness), work.clone(), start.clone());
            std::thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
                start.wait();
                runtime.expect("a runtime can be made").block_on(work(n, hand))
            })
        })
        .collect();
    // Joined only when finished: a harness may need this thread's runtime meanwhile.
    while !threads.iter().all(std::thread::JoinHandle::is_finished) {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let outcomes = threads.into_iter().map(std::thread::JoinHandle::join);
    outcomes.map(|outcome| outcome.unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect()
}
