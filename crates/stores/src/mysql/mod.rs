//! Sessions in MariaDB or MySQL: a table of their own, one statement a verb, many servers.
//!
//! * Each verb of a request's path is one prepared statement and one round trip, and commits by itself ([`sql`](self)).
//! * Deadlines are judged by the server's clock: the difference to ours is measured at connect and, once a minute, by
//!   the way of a load.
//! * Connections are made at the first verb, belong to one process and one runtime, and need nobody between calls.
//! * Tables are made on first use, and again when they are missing.
//!
//! `docs/stores/mysql.md` is the operator's page.

mod fault;
mod leases;
mod link;
mod list;
mod options;
mod owners;
mod reports;
mod row;
mod run;
mod schema;
mod settings;
mod site;
mod sql;
mod sweep;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use cloakroom::store::{
    Count, Created, Description, Ended, Leases, List, Owners, Remove, Reports, Swapped, Swept, Touched,
};
use cloakroom::wire::Damaged;
use cloakroom::{Budget, Clock, Key, Loaded, Record, State, Store, StoreError, Time, Tombstone, Version};
use mysql_async::Value;
use tokio::sync::Semaphore;

use self::link::{Link, Server};
pub use self::options::OptionsStore;
use self::row::Reader;
use self::run::Effect;
use self::settings::{Kind, Settings};
pub(crate) use self::site::{Site, open as open_site};
use self::sql::{DONE, EXPIRED, FRESH, OWNER_ENDED, Sql, THERE, Verb};
use crate::Options;

/// How often the difference between the clocks is measured anew.
const MEASURE_EVERY: Duration = Duration::from_secs(60);
/// A measurement that took longer says too little to replace an earlier one.
const MEASURED_WELL: Duration = Duration::from_millis(100);

/// Sessions in a table of a MariaDB or MySQL server.
#[derive(Debug)]
pub struct MysqlStore {
    settings: Settings,
    sql: Sql,
    clock: Arc<dyn Clock>,
    create: bool,
    idle: Mutex<Vec<Link>>,
    /// As many as connections may be in use at once.
    permits: Semaphore,
    difference: Mutex<Option<Difference>>,
    /// The server said that it is MySQL; until then it counts as MariaDB.
    mysql: AtomicBool,
    /// The server can skip locked rows.
    skip_locked: AtomicBool,
}

/// How far the server's clock is ahead of ours.
#[derive(Debug, Clone, Copy)]
struct Difference {
    millis: i64,
    measured: Instant,
}

impl Difference {
    /// Whether a measurement that is so old gives way to one that took so long.
    fn yields(&self, age: Duration, took: Duration) -> bool {
        age >= MEASURE_EVERY && took <= MEASURED_WELL
    }
}

impl MysqlStore {
    /// A store for `mysql://user:password@host:port/database`, with `?table=`, `?socket=` and `?connections=`. Connects
    /// at the first verb.
    ///
    /// # Errors
    /// [`StoreError::Settings`] where the URL is malformed.
    pub fn open(url: &str, options: &Options) -> Result<Self, StoreError> {
        Ok(Self::with(Settings::parse(url)?, options))
    }

    fn with(settings: Settings, options: &Options) -> Self {
        Self {
            sql: Sql::new(&settings.table),
            clock: options.clock.clone(),
            // The options table is WordPress's to make.
            create: options.create && settings.kind == Kind::Own,
            idle: Mutex::default(),
            permits: Semaphore::new(settings.connections),
            difference: Mutex::default(),
            mysql: AtomicBool::new(false),
            skip_locked: AtomicBool::new(false),
            settings,
        }
    }

    fn engine(&self) -> &'static str {
        if self.mysql.load(Ordering::Relaxed) { "MySQL" } else { "MariaDB" }
    }

    fn skips_locked(&self) -> bool {
        self.skip_locked.load(Ordering::Relaxed)
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Link>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn damaged(&self, damage: Damaged) -> StoreError {
        StoreError::Damaged { engine: self.engine(), damage }
    }

    /// Takes note of what a server said of itself.
    fn met(&self, server: &Server) {
        self.mysql.store(!server.mariadb, Ordering::Relaxed);
        self.skip_locked.store(server.skip_locked, Ordering::Relaxed);
        self.measured(server.time, server.took);
    }

    /// Takes note of the server's time, as told in the middle of a question that took so long.
    fn measured(&self, theirs: Time, took: Duration) {
        let signed = |time: Time| i64::try_from(time.0).unwrap_or(i64::MAX);
        let ours = signed(self.clock.now());
        let half = i64::try_from(took.as_millis() / 2).unwrap_or(0);
        let millis = signed(theirs).saturating_add(half).saturating_sub(ours);
        let mut kept = self.difference.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.is_none_or(|k| k.yields(k.measured.elapsed(), took)) {
            *kept = Some(Difference { millis, measured: Instant::now() });
        }
    }

    /// The store's time; ours while it was never measured.
    fn time(&self) -> Time {
        let kept = *self.difference.lock().unwrap_or_else(PoisonError::into_inner);
        Time(self.clock.now().0.saturating_add_signed(kept.map_or(0, |d| d.millis)))
    }

    /// The store's time, measured by a connection where it never was.
    async fn store_time(&self, budget: Budget) -> Result<Time, StoreError> {
        let measured = self.difference.lock().unwrap_or_else(PoisonError::into_inner).is_some();
        if !measured {
            let link = self.link(budget).await?;
            self.keep(link);
        }
        Ok(self.time())
    }
}

/// Opens `mysql://…`: sessions in tables of their own, or in WordPress's options table where `table=` names one.
///
/// # Errors
/// [`StoreError::Settings`] where the URL is malformed.
pub(crate) fn open(url: &str, options: &Options) -> Result<Arc<dyn Store>, StoreError> {
    Ok(of(Settings::parse(url)?, options))
}

fn of(settings: Settings, options: &Options) -> Arc<dyn Store> {
    match settings.kind {
        Kind::Own => Arc::new(MysqlStore::with(settings, options)),
        Kind::Options => Arc::new(OptionsStore::with(settings, options)),
    }
}

/// What a record binds: key, fields, and when it may go.
fn bind(key: &Key, record: &Record) -> Vec<Value> {
    let mut values = Vec::with_capacity(24);
    values.push(row::key(key));
    row::bind(record, &mut values);
    values.push(Value::UInt(record.expires().0));
    values
}

/// The bytes of a record that grow with the session.
fn size(record: &Record) -> usize {
    record.envelope.len() + record.about.encode().len()
}

fn owner(record: &Record) -> Option<Value> {
    record.owner.as_ref().map(|o| Value::Bytes(o.as_bytes().to_vec()))
}

#[async_trait]
impl Store for MysqlStore {
    fn describe(&self) -> Description {
        Description { engine: self.engine(), location: self.settings.location.clone(), shared: true, may_evict: false }
    }

    async fn now(&self, budget: Budget) -> Result<Time, StoreError> {
        self.store_time(budget).await
    }

    async fn load(&self, budget: Budget, key: &Key) -> Result<Loaded, StoreError> {
        let begun = Instant::now();
        let answer = self.verb(budget, Effect::Read, Verb::Load, 0, &|| vec![row::key(key)]).await?;
        let Some(row) = answer.rows.into_iter().next() else {
            return Ok(Loaded { record: None, now: self.time() });
        };
        let mut reader = Reader::new(row);
        let record = row::record(&mut reader).map_err(|d| self.damaged(d))?;
        let theirs = reader.seconds().map_err(|d| self.damaged(d))?;
        self.measured(theirs, begun.elapsed());
        Ok(Loaded { record: Some(record), now: self.time() })
    }

    async fn create(&self, budget: Budget, key: &Key, record: &Record, seen: Time) -> Result<Created, StoreError> {
        let now = Value::UInt(self.store_time(budget).await?.0);
        let answer = match owner(record) {
            None => {
                let values = || {
                    let mut values = bind(key, record);
                    values.push(now.clone());
                    values
                };
                self.verb(budget, Effect::Once, Verb::Create, size(record), &values).await?
            }
            Some(owner) => {
                let values = || {
                    let mut values = bind(key, record);
                    values.extend([owner.clone(), Value::UInt(seen.0), row::key(key)]);
                    values.extend([row::key(key), now.clone(), now.clone()]);
                    values
                };
                self.guarded(budget, Verb::CreateOwned, size(record), &values).await?
            }
        };
        match answer.said {
            FRESH | DONE => Ok(Created::Done),
            OWNER_ENDED => Ok(Created::OwnerEnded),
            _ => Ok(Created::Exists),
        }
    }

    async fn swap(
        &self,
        budget: Budget,
        key: &Key,
        expected: Version,
        record: &Record,
        seen: Time,
    ) -> Result<Swapped, StoreError> {
        let values = || {
            let mut values = Vec::with_capacity(24);
            row::bind(record, &mut values);
            values.extend([Value::UInt(record.expires().0), row::key(key)]);
            values.extend([Value::UInt(expected.incarnation), Value::UInt(expected.counter)]);
            if let Some(owner) = owner(record) {
                values.push(owner.clone());
                values.extend([owner.clone(), Value::UInt(seen.0), row::key(key)]);
                values.extend([owner, Value::UInt(seen.0), row::key(key)]);
            }
            values
        };
        let answer = match record.owner {
            None => self.verb(budget, Effect::Once, Verb::Swap, size(record), &values).await?,
            Some(_) => self.guarded(budget, Verb::SwapOwned, size(record), &values).await?,
        };
        Ok(match (answer.affected, answer.said) {
            (0, OWNER_ENDED) => Swapped::OwnerEnded,
            (0, _) => Swapped::Stale,
            _ => Swapped::Done,
        })
    }

    async fn touch(
        &self,
        budget: Budget,
        key: &Key,
        expected: Version,
        touched: Time,
        idle: Time,
    ) -> Result<Touched, StoreError> {
        let values = || {
            let version = [Value::UInt(expected.incarnation), Value::UInt(expected.counter)];
            [Value::UInt(touched.0), Value::UInt(idle.0), row::key(key)].into_iter().chain(version).collect()
        };
        let answer = self.verb(budget, Effect::Repeatable, Verb::Touch, 0, &values).await?;
        Ok(if answer.affected == 0 { Touched::Stale } else { Touched::Done })
    }

    async fn end(&self, budget: Budget, key: &Key, tombstone: &Tombstone) -> Result<Ended, StoreError> {
        let now = self.store_time(budget).await?;
        let (_, kind, at) = State::Ended { kind: tombstone.kind, at: tombstone.at }.codes();
        let version = tombstone.version;
        let until = tombstone.until.0;
        let values = || {
            let numbers = [version.incarnation, version.counter, kind.into(), at, at, at, until, until, now.0];
            std::iter::once(row::key(key)).chain(numbers.map(Value::UInt)).collect()
        };
        let answer = self.verb(budget, Effect::Once, Verb::End, 0, &values).await?;
        Ok(match answer.said {
            DONE => Ended::Done,
            THERE => Ended::Already,
            FRESH | EXPIRED => Ended::Absent,
            _ => return Err(self.damaged(Damaged::Field)),
        })
    }

    async fn sweep(&self, budget: Budget, limit: u32) -> Result<Swept, StoreError> {
        self.sweep_batches(budget, limit).await
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

#[async_trait]
impl Remove for MysqlStore {
    async fn remove(&self, budget: Budget, key: &Key, expected: Version) -> Result<bool, StoreError> {
        let values = || vec![row::key(key), Value::UInt(expected.incarnation), Value::UInt(expected.counter)];
        let answer = self.verb(budget, Effect::Once, Verb::Remove, 0, &values).await?;
        Ok(answer.affected > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_is_measured_anew_now_and_then_and_only_well() {
        let store = MysqlStore::open("mysql://u@h/d", &Options::default()).expect("the URL is right");
        let apart = |store: &MysqlStore, by: u64| {
            let ours = store.clock.now();
            store.measured(Time(ours.0 + by), Duration::from_millis(10));
            store.time().since(ours)
        };
        assert!(apart(&store, 5_000) >= Duration::from_secs(5), "the first measurement counts");
        assert!(apart(&store, 900_000) < Duration::from_secs(60), "the next one is too early");
        let kept = Difference { millis: 0, measured: Instant::now() };
        let (fast, slow) = (Duration::from_millis(5), Duration::from_secs(1));
        assert!(kept.yields(MEASURE_EVERY, fast));
        assert!(!kept.yields(MEASURE_EVERY, slow) && !kept.yields(Duration::from_secs(59), fast));
    }
}
