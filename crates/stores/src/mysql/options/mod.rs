//! Sessions as rows of WordPress's options table, for sites that may not make tables.
//!
//! * A row a record, never autoloaded; its value is text that begins with the fixed fields, so that one statement
//!   compares and writes ([`text`]). Side tables become rows of other names.
//! * Every statement goes by whole names or by a range of them: the unique index on `option_name`, which must be there.
//! * A session with an owner is written behind the gate (see [`super::sql`]), together with a row that says whose it is.
//! * Nothing is read or changed but rows whose names begin as ours do.
//!
//! `docs/stores/wordpress.md` is the operator's page.

mod leases;
mod list;
mod owners;
mod reports;
mod sweep;
mod text;

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use async_trait::async_trait;
use cloakroom::store::{
    Count, Created, Description, Ended, Leases, List, Owners, Remove, Reports, Swapped, Swept, Touched,
};
use cloakroom::wire::Damaged;
use cloakroom::{Budget, Key, Loaded, Owner, Record, Store, StoreError, Time, Tombstone, Version};

use super::MysqlStore;
use super::link::Answer;
use super::row::Reader;
use super::run::Effect;
use super::settings::Settings;
use crate::Options;

/// What statements tell by `LAST_INSERT_ID`; far beyond any number that the table itself gives out.
const TOLD: u64 = 1 << 62;
/// A create found a record.
const THERE: u64 = TOLD + 1;
/// A create took over a row past its deadline; an end made a tombstone of one.
const EXPIRED: u64 = TOLD + 2;
/// An end made a tombstone of a live or moved record.
const DONE: u64 = TOLD + 3;

/// Never loaded with all options at once: both the old and the new releases of WordPress understand it.
const AUTOLOAD: &str = "no";

/// Sessions in the options table of a WordPress site.
#[derive(Debug)]
pub struct OptionsStore {
    /// Connections, clock, and what to do about each way a statement can fail.
    db: MysqlStore,
    /// The table has the index that all rests on.
    fit: AtomicBool,
    /// How far sweeps have come.
    walks: Mutex<sweep::Walks>,
}

impl OptionsStore {
    pub(super) fn with(settings: Settings, options: &Options) -> Self {
        Self { db: MysqlStore::with(settings, options), fit: AtomicBool::new(false), walks: Mutex::default() }
    }

    /// The table, quoted.
    fn table(&self) -> &str {
        &self.db.sql.records
    }

    fn damaged(&self, damage: Damaged) -> StoreError {
        self.db.damaged(damage)
    }

    /// Runs statements in one trip, once the table is known to fit.
    async fn run(&self, budget: Budget, effect: Effect, text: &str, count: usize) -> Result<Vec<Answer>, StoreError> {
        if !self.fit.load(Ordering::Relaxed) {
            self.look(budget).await?;
        }
        self.db.script(budget, effect, text, count).await
    }

    /// Without a unique index on the names two rows could have one name, and every verb would read the whole table.
    async fn look(&self, budget: Budget) -> Result<(), StoreError> {
        let name = &self.db.settings.table;
        let of = format!("table_schema=DATABASE() AND table_name='{name}'");
        let text = format!(
            "SELECT (SELECT COUNT(*) FROM information_schema.tables WHERE {of}),\
             (SELECT COUNT(*) FROM information_schema.statistics AS `a` WHERE {of} AND column_name='option_name' AND \
             non_unique=0 AND seq_in_index=1 AND NOT EXISTS(SELECT 1 FROM information_schema.statistics AS `b` WHERE \
             `b`.table_schema=`a`.table_schema AND `b`.table_name=`a`.table_name AND `b`.index_name=`a`.index_name AND \
             `b`.seq_in_index=2))"
        );
        let answers = self.db.script(budget, Effect::Read, &text, 1).await?;
        let row = answers.into_iter().flat_map(|a| a.rows).next().ok_or_else(|| self.damaged(Damaged::Short))?;
        let mut row = Reader::new(row);
        let tables = row.number().map_err(|d| self.damaged(d))?;
        let indexes = row.number().map_err(|d| self.damaged(d))?;
        let refused = |detail| Err(StoreError::Refused { engine: self.db.engine(), detail });
        if tables == 0 {
            return refused(self.db.no_table());
        }
        if indexes == 0 {
            return refused(format!(
                "the table {0} has no unique index on option_name, so that sessions can't be kept in it safely; make it: \
                 ALTER TABLE {0} ADD UNIQUE KEY option_name (option_name)",
                self.table()
            ));
        }
        self.fit.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// `INSERT INTO`, for `(name, value, autoload)`.
    fn insert(&self) -> String {
        format!("INSERT INTO {} (`option_name`,`option_value`,`autoload`)", self.table())
    }

    /// Writes behind the gate, in one transaction: `write` may use the condition that it is given, which holds where
    /// the gate is there and the owner was not ended since `seen`; `fits` says whether the row is as the write wants it.
    async fn guarded(&self, budget: Budget, guarded: Guarded<'_>) -> Result<Passed, StoreError> {
        let Guarded { key, owner, seen, write, fits } = guarded;
        let (table, insert, key) = (self.table(), self.insert(), text::hex(key.as_bytes()));
        let index = text::index(owner) + &key;
        let free = "@cloakroom_gate=1 AND @cloakroom_ended=0";
        let script = format!(
            "START TRANSACTION;\
             SELECT COUNT(*) INTO @cloakroom_gate FROM {table} WHERE `option_name`='{}' LOCK IN SHARE MODE;\
             SELECT COUNT(*) INTO @cloakroom_ended FROM {table} WHERE `option_name`='{}' AND \
             SUBSTRING(`option_value`,1,16)>='{}' AND SUBSTRING(`option_value`,33,64)<>'{key}' LOCK IN SHARE MODE;\
             SELECT COUNT(*) INTO @cloakroom_known FROM {table} WHERE `option_name`='{index}' LOCK IN SHARE MODE;\
             {insert} SELECT '{index}','','{AUTOLOAD}' FROM DUAL WHERE {free} AND @cloakroom_known=0 \
             ON DUPLICATE KEY UPDATE `autoload`=VALUES(`autoload`);\
             {};\
             SELECT @cloakroom_gate,@cloakroom_ended,{fits};\
             COMMIT",
            text::GATE,
            text::ended(owner),
            text::hex64(seen.0),
            write(free),
        );
        loop {
            let answers = self.run(budget, Effect::Once, &script, 8).await?;
            let (affected, said) = answers.get(5).map_or((0, 0), |a| (a.affected, a.said));
            let row = answers.into_iter().nth(6).and_then(|a| a.rows.into_iter().next());
            let mut row = Reader::new(row.ok_or_else(|| self.damaged(Damaged::Short))?);
            let mut next = || row.number().map_err(|d| self.damaged(d));
            let (gate, ended, fits) = (next()?, next()?, next()?);
            if gate == 1 {
                return Ok(Passed { affected, said, ended: ended > 0, fits: fits > 0 });
            }
            self.make_gate(budget).await?;
        }
    }

    async fn make_gate(&self, budget: Budget) -> Result<(), StoreError> {
        let gate = format!("{} ON DUPLICATE KEY UPDATE `autoload`=VALUES(`autoload`)", self.gate());
        self.run(budget, Effect::Repeatable, &gate, 1).await?;
        Ok(())
    }

    fn gate(&self) -> String {
        format!("{} VALUES ('{}','1','{AUTOLOAD}')", self.insert(), text::GATE)
    }
}

/// A write behind the gate.
struct Guarded<'a> {
    key: &'a Key,
    owner: &'a Owner,
    seen: Time,
    write: &'a (dyn Fn(&str) -> String + Sync),
    fits: String,
}

/// What became of it.
struct Passed {
    affected: u64,
    said: u64,
    ended: bool,
    fits: bool,
}

#[async_trait]
impl Store for OptionsStore {
    fn describe(&self) -> Description {
        self.db.describe()
    }

    async fn now(&self, budget: Budget) -> Result<Time, StoreError> {
        self.db.store_time(budget).await
    }

    async fn load(&self, budget: Budget, key: &Key) -> Result<Loaded, StoreError> {
        let script = format!(
            "SELECT `option_value`,UNIX_TIMESTAMP(NOW(3)) FROM {} WHERE `option_name`='{}'",
            self.table(),
            text::name(key)
        );
        let begun = Instant::now();
        let answers = self.run(budget, Effect::Read, &script, 1).await?;
        let Some(row) = answers.into_iter().flat_map(|a| a.rows).next() else {
            return Ok(Loaded { record: None, now: self.db.time() });
        };
        let mut row = Reader::new(row);
        let value = row.bytes().map_err(|d| self.damaged(d))?;
        let theirs = row.seconds().map_err(|d| self.damaged(d))?;
        self.db.measured(theirs, begun.elapsed());
        let record = text::record(&value).map_err(|d| self.damaged(d))?;
        Ok(Loaded { record: Some(record), now: self.db.time() })
    }

    async fn create(&self, budget: Budget, key: &Key, record: &Record, seen: Time) -> Result<Created, StoreError> {
        let now = text::hex64(self.db.store_time(budget).await?.0);
        let (name, value) = (text::name(key), text::of(record));
        let expired = format!("{}<='{now}'", text::expires("`option_value`"));
        // The value first asks itself, then says which it was.
        let replace = format!(
            "ON DUPLICATE KEY UPDATE `option_value`=IF({expired},IF(LAST_INSERT_ID({EXPIRED})>0,VALUES(`option_value`),''),\
             IF(LAST_INSERT_ID({THERE})>0,`option_value`,''))"
        );
        let insert = self.insert();
        let Some(owner) = &record.owner else {
            let script = format!("{insert} VALUES ('{name}','{value}','{AUTOLOAD}') {replace}");
            let answers = self.run(budget, Effect::Once, &script, 1).await?;
            let there = answers.first().is_some_and(|a| a.said == THERE);
            return Ok(if there { Created::Exists } else { Created::Done });
        };
        let write =
            |free: &str| format!("{insert} SELECT '{name}','{value}','{AUTOLOAD}' FROM DUAL WHERE {free} {replace}");
        let there = format!("EXISTS(SELECT 1 FROM {} WHERE `option_name`='{name}' AND NOT {expired})", self.table());
        let passed = self.guarded(budget, Guarded { key, owner, seen, write: &write, fits: there }).await?;
        Ok(match passed {
            Passed { ended: true, fits: false, .. } => Created::OwnerEnded,
            Passed { ended: true, .. } => Created::Exists,
            Passed { said: THERE, .. } => Created::Exists,
            _ => Created::Done,
        })
    }

    async fn swap(
        &self,
        budget: Budget,
        key: &Key,
        expected: Version,
        record: &Record,
        seen: Time,
    ) -> Result<Swapped, StoreError> {
        let (table, name, value) = (self.table(), text::name(key), text::of(record));
        let matches = text::has_version("`option_value`", expected);
        let update = format!("UPDATE {table} SET `option_value`='{value}' WHERE `option_name`='{name}' AND {matches}");
        let Some(owner) = &record.owner else {
            let answers = self.run(budget, Effect::Once, &update, 1).await?;
            let done = answers.first().is_some_and(|a| a.affected > 0);
            return Ok(if done { Swapped::Done } else { Swapped::Stale });
        };
        let write = |free: &str| format!("{update} AND {free}");
        let fits = format!("EXISTS(SELECT 1 FROM {table} WHERE `option_name`='{name}' AND {matches})");
        let passed = self.guarded(budget, Guarded { key, owner, seen, write: &write, fits }).await?;
        Ok(match passed {
            Passed { affected: 1.., .. } => Swapped::Done,
            Passed { ended: true, fits: true, .. } => Swapped::OwnerEnded,
            _ => Swapped::Stale,
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
        let value = "`option_value`";
        let script = format!(
            "UPDATE {} SET {value}={} WHERE `option_name`='{}' AND {} AND {}='00'",
            self.table(),
            text::touch(value, touched, idle),
            text::name(key),
            text::has_version(value, expected),
            text::state(value)
        );
        let answers = self.run(budget, Effect::Repeatable, &script, 1).await?;
        let done = answers.first().is_some_and(|a| a.affected > 0);
        Ok(if done { Touched::Done } else { Touched::Stale })
    }

    async fn end(&self, budget: Budget, key: &Key, tombstone: &Tombstone) -> Result<Ended, StoreError> {
        let now = text::hex64(self.db.store_time(budget).await?.0);
        let value = "`option_value`";
        let script = format!(
            "{} VALUES ('{}','{}','{AUTOLOAD}') ON DUPLICATE KEY UPDATE {value}=\
             IF({}<='{now}',IF(LAST_INSERT_ID({EXPIRED})>0,VALUES({value}),''),\
             IF({}='02',IF(LAST_INSERT_ID({THERE})>0,{value},''),\
             IF(LAST_INSERT_ID({DONE})>0,{},'')))",
            self.insert(),
            text::name(key),
            text::of(&tombstone.record(None)),
            text::expires(value),
            text::state(value),
            text::end(value, tombstone),
        );
        let answers = self.run(budget, Effect::Once, &script, 1).await?;
        Ok(match answers.first().map_or(0, |a| a.said) {
            DONE => Ended::Done,
            THERE => Ended::Already,
            _ => Ended::Absent,
        })
    }

    async fn sweep(&self, budget: Budget, limit: u32) -> Result<Swept, StoreError> {
        self.sweep_ranges(budget, limit).await
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
impl Remove for OptionsStore {
    /// The row that says whose it was is left to the sweep.
    async fn remove(&self, budget: Budget, key: &Key, expected: Version) -> Result<bool, StoreError> {
        let script = format!(
            "DELETE FROM {} WHERE `option_name`='{}' AND {}",
            self.table(),
            text::name(key),
            text::has_version("`option_value`", expected)
        );
        let answers = self.run(budget, Effect::Once, &script, 1).await?;
        Ok(answers.first().is_some_and(|a| a.affected > 0))
    }
}
