//! The `sqlite:` store: one file, no server, many processes of one host. The default.
//!
//! A load is one prepared SELECT and a commit one prepared UPDATE, each its own transaction: a handful of system calls
//! and no waiting for the disk. `schema` has the tables, `verbs` what a request does, `wait` how writers queue,
//! `pool` why a fork is safe, `keeper` how the log stays short, `upkeep` sweeping and counting.
//!
//! The verbs are `async` because the trait is, and run inline: none of them ever yields. They take some microseconds
//! unless the write lock is taken or the disk stalls; a web application that can't accept that on a runtime thread calls
//! them through its runtime's means for blocking work. A wait for the lock ends with the budget; a hung disk can't be
//! bounded by anyone.

mod capabilities;
mod connection;
mod default_path;
mod fault;
mod filesystem;
mod keeper;
mod place;
mod pool;
mod reports;
mod rows;
mod schema;
mod upkeep;
mod verbs;
mod wait;

pub use default_path::prepare_default;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use cloakroom::store::{
    Count, Created, Description, Ended, Leases, List, Owners, Remove, Reports, Swapped, Swept, Touched,
};
use cloakroom::{Budget, Clock, Key, Loaded, Record, Store, StoreError, Time, Tombstone, Version};
use rusqlite::Connection;

use crate::Options;
use fault::{ENGINE, Fault, Kind};
use pool::Pool;

/// How often a process looks whether the log is long.
const MAINTAIN_EVERY: Duration = Duration::from_millis(100);

/// Sessions in an SQLite file.
#[derive(Debug)]
pub struct SqliteStore {
    pool: Arc<Pool>,
    clock: Arc<dyn Clock>,
    /// When the next [`SqliteStore::maintain`] has something to look at.
    maintain_at: Mutex<Option<Instant>>,
}

impl SqliteStore {
    /// The store at `sqlite:PATH`, a full path. Nothing is opened before the first verb.
    ///
    /// # Errors
    /// [`StoreError::Settings`] for a URL that is no such path.
    pub fn open(url: &str, options: &Options) -> Result<Self, StoreError> {
        let pool = Pool::new(place::path_of(url)?, options.create);
        Ok(Self { pool, clock: options.clock.clone(), maintain_at: Mutex::default() })
    }

    /// Keeps the log short; to be called after a response was sent. Costs nothing most of the time; now and then, in
    /// one process of all, a checkpoint of some milliseconds. Safe to leave out: commits then do it where they must.
    pub fn maintain(&self, budget: Budget) {
        let now = Instant::now();
        {
            let mut at = self.maintain_at.lock().unwrap_or_else(PoisonError::into_inner);
            if at.is_some_and(|at| now < at) {
                return;
            }
            *at = Some(now + MAINTAIN_EVERY);
        }
        if let Ok(taken) = self.pool.take(budget.deadline()) {
            keeper::keep(taken.conn(), &self.pool.path, budget.deadline());
        }
    }

    /// Runs a verb: waits for the lock inside the budget, and makes missing tables once.
    fn run<T>(
        &self,
        budget: Budget,
        kind: Kind,
        verb: impl Fn(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        let timed_out = StoreError::TimedOut { engine: ENGINE };
        if budget.is_spent() {
            return Err(timed_out);
        }
        let taken = self.pool.take(budget.deadline())?;
        let conn = taken.conn();
        let mut healed = false;
        let mut tries = 0;
        loop {
            let error = match verb(&conn.db) {
                Ok(value) => {
                    if kind == Kind::Write {
                        keeper::keep_bounded(conn, budget.deadline());
                    }
                    return Ok(value);
                }
                Err(error) => error,
            };
            match fault::fault(&error, kind, &self.pool.path) {
                Fault::Busy if conn.patience.pause(tries) => tries += 1,
                Fault::Busy => return Err(timed_out),
                Fault::NoTable if self.pool.creates() && !healed => {
                    healed = true;
                    if let Err(Fault::Failed(error)) =
                        connection::make_tables(&conn.db).map_err(|e| fault::fault(&e, kind, &self.pool.path))
                    {
                        taken.give_up();
                        return Err(error);
                    }
                }
                Fault::NoTable => {
                    taken.give_up();
                    return Err(fault::foreign(&self.pool.path, "its tables are missing"));
                }
                Fault::Failed(error) => {
                    taken.give_up();
                    return Err(error);
                }
            }
        }
    }
}

#[async_trait]
impl Store for SqliteStore {
    fn describe(&self) -> Description {
        let location = self.pool.path.display().to_string();
        Description { engine: ENGINE, location, shared: false, may_evict: false }
    }

    async fn now(&self, _: Budget) -> Result<Time, StoreError> {
        Ok(self.clock.now())
    }

    async fn load(&self, budget: Budget, key: &Key) -> Result<Loaded, StoreError> {
        let record = match self.run(budget, Kind::Read, |db| verbs::load(db, key))? {
            None => None,
            Some(Ok(record)) => Some(record),
            Some(Err(damage)) => return Err(StoreError::Damaged { engine: ENGINE, damage }),
        };
        Ok(Loaded { record, now: self.clock.now() })
    }

    async fn create(&self, budget: Budget, key: &Key, record: &Record, seen: Time) -> Result<Created, StoreError> {
        let now = self.clock.now();
        self.run(budget, Kind::Write, |db| verbs::create(db, key, record, seen, now))
    }

    async fn swap(
        &self,
        budget: Budget,
        key: &Key,
        expected: Version,
        record: &Record,
        seen: Time,
    ) -> Result<Swapped, StoreError> {
        self.run(budget, Kind::Write, |db| verbs::swap(db, key, expected, record, seen))
    }

    async fn touch(
        &self,
        budget: Budget,
        key: &Key,
        expected: Version,
        touched: Time,
        idle: Time,
    ) -> Result<Touched, StoreError> {
        self.run(budget, Kind::Write, |db| verbs::touch(db, key, expected, touched, idle))
    }

    async fn end(&self, budget: Budget, key: &Key, tombstone: &Tombstone) -> Result<Ended, StoreError> {
        let now = self.clock.now();
        self.run(budget, Kind::Write, |db| verbs::end(db, key, tombstone, now))
    }

    async fn sweep(&self, budget: Budget, limit: u32) -> Result<Swept, StoreError> {
        let now = self.clock.now();
        self.run(budget, Kind::Write, |db| upkeep::sweep(db, now, limit, budget))
    }

    async fn maintain(&self, budget: Budget) {
        SqliteStore::maintain(self, budget);
    }

    fn remove(&self) -> Option<&dyn Remove> {
        Some(self)
    }
    fn leases(&self) -> Option<&dyn Leases> {
        Some(self)
    }
    fn count(&self) -> Option<&dyn Count> {
        Some(self)
    }
    fn list(&self) -> Option<&dyn List> {
        Some(self)
    }
    fn owners(&self) -> Option<&dyn Owners> {
        Some(self)
    }
    fn reports(&self) -> Option<&dyn Reports> {
        Some(self)
    }
}
