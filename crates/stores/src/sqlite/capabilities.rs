//! What SQLite can do beyond the verbs: everything there is.

use std::time::Duration;

use async_trait::async_trait;
use cloakroom::store::{
    Count, Counts, EndedOwner, Filter, Holder, Lease, LeaseName, LeaseOutcome, Leases, List, Owners, Page, Remove,
    Summary,
};
use cloakroom::{Budget, Key, Owner, Record, State, StoreError, Time, Tombstone, Version};
use rusqlite::{Connection, OptionalExtension, Result as Sqlite, params};

use super::fault::Kind;
use super::rows::{self, Read, home, time, to_time};
use super::{SqliteStore, schema, upkeep, verbs};

/// Rows that one call of `page` reads at most.
const SCAN: u32 = 2000;

#[async_trait]
impl Remove for SqliteStore {
    async fn remove(&self, budget: Budget, key: &Key, expected: Version) -> Result<bool, StoreError> {
        self.run(budget, Kind::Write, |db| verbs::remove(db, key, expected))
    }
}

#[async_trait]
impl Leases for SqliteStore {
    async fn take(
        &self,
        budget: Budget,
        name: &LeaseName,
        token: u64,
        holder: Holder,
        length: Duration,
        displacing: Option<u64>,
    ) -> Result<LeaseOutcome, StoreError> {
        let now = self.clock.now();
        let lease = Lease { token, holder, since: now, until: now.plus(length) };
        self.run(budget, Kind::Write, |db| {
            // The holder may give it back between the two statements; then it is free.
            loop {
                if take(db, name, &lease, displacing)? {
                    return Ok(LeaseOutcome::Taken(lease));
                }
                if let Some(held) = held(db, name)? {
                    return Ok(LeaseOutcome::Held(held));
                }
            }
        })
    }

    async fn release(&self, budget: Budget, name: &LeaseName, token: u64) -> Result<bool, StoreError> {
        let now = self.clock.now();
        self.run(budget, Kind::Write, |db| {
            let mut stmt = db.prepare_cached("DELETE FROM lease WHERE name=?1 AND token=?2 AND until>?3")?;
            Ok(stmt.execute(params![name.as_bytes().as_slice(), token.cast_signed(), time(now)])? == 1)
        })
    }
}

fn take(db: &Connection, name: &LeaseName, lease: &Lease, displacing: Option<u64>) -> Sqlite<bool> {
    let mut stmt = db.prepare_cached(
        "INSERT INTO lease(name,token,host,pid,started,since,until) VALUES(?1,?2,?3,?4,?5,?6,?7) \
         ON CONFLICT(name) DO UPDATE SET token=?2,host=?3,pid=?4,started=?5,since=?6,until=?7 \
         WHERE lease.until<=?6 OR lease.token=?2 OR lease.token=?8",
    )?;
    let changed = stmt.execute(params![
        name.as_bytes().as_slice(),
        lease.token.cast_signed(),
        lease.holder.host.as_slice(),
        lease.holder.pid,
        lease.holder.started.cast_signed(),
        time(lease.since),
        time(lease.until),
        displacing.map(u64::cast_signed),
    ])?;
    Ok(changed == 1)
}

fn held(db: &Connection, name: &LeaseName) -> Sqlite<Option<Lease>> {
    let mut stmt = db.prepare_cached("SELECT token,host,pid,started,since,until FROM lease WHERE name=?1")?;
    stmt.query_row([name.as_bytes().as_slice()], |row| {
        Ok(Lease {
            token: row.get::<_, i64>(0)?.cast_unsigned(),
            holder: Holder { host: row.get(1)?, pid: row.get(2)?, started: row.get::<_, i64>(3)?.cast_unsigned() },
            since: to_time(row.get(4)?),
            until: to_time(row.get(5)?),
        })
    })
    .optional()
}

#[async_trait]
impl Count for SqliteStore {
    async fn count(&self, budget: Budget) -> Result<Counts, StoreError> {
        let now = self.clock.now();
        self.run(budget, Kind::Read, |db| upkeep::count(db, now, budget))
    }
}

#[async_trait]
impl List for SqliteStore {
    async fn page(
        &self,
        budget: Budget,
        filter: &Filter,
        after: Option<&[u8]>,
        limit: u32,
    ) -> Result<Page, StoreError> {
        let now = self.clock.now();
        let after = match after {
            None => i64::MIN,
            Some(place) => i64::from_be_bytes(place.try_into().map_err(|_| {
                StoreError::Settings("The place to go on from is not one that this store gave.".into())
            })?),
        };
        self.run(budget, Kind::Read, |db| page(db, filter, after, limit.max(1), now))
    }
}

/// Displaced records come first (there are none, in practice), then the range of places that the prefix leaves open.
fn page(db: &Connection, filter: &Filter, after: i64, limit: u32, now: Time) -> Sqlite<Page> {
    let (low, high) = range(&filter.key_prefix);
    let stretches = [(after, -1), (after.max(low - 1), high)];
    let mut page = Page::default();
    let mut left = SCAN;
    for (mut at, end) in stretches.into_iter().filter(|(at, end)| at < end) {
        let sql = if filter.owner.is_some() { schema::PAGE_BY_OWNER } else { schema::PAGE_BY_ID };
        let mut stmt = db.prepare_cached(sql)?;
        let asked = left;
        let mut rows = match &filter.owner {
            Some(owner) => stmt.query(params![at, end, asked, owner.as_bytes()])?,
            None => stmt.query(params![at, end, asked])?,
        };
        while let Some(row) = rows.next()? {
            left -= 1;
            let Read { id, key, record } = rows::read(row, false)?;
            at = id;
            // A damaged row is nobody's session: `load` reports it.
            let (Some(key), Ok(record)) = (key, record) else { continue };
            if !record.expired(now) && filter.accepts(&key, &record) {
                page.records.push(Summary::of(key, &record));
            }
            if page.records.len() == limit as usize || left == 0 {
                page.next = Some(at.to_be_bytes().to_vec());
                return Ok(page);
            }
        }
    }
    Ok(page)
}

/// First and last place of keys that begin so.
fn range(prefix: &[u8]) -> (i64, i64) {
    let padded = |with: u8| {
        let mut key = [with; 32];
        key.iter_mut().zip(prefix).for_each(|(slot, byte)| *slot = *byte);
        home(&Key::from_bytes(key))
    };
    (padded(0), padded(0xff))
}

#[async_trait]
impl Owners for SqliteStore {
    async fn find(&self, budget: Budget, owner: &Owner, after: Option<&[u8]>, limit: u32) -> Result<Page, StoreError> {
        let filter = Filter { live: true, owner: Some(owner.clone()), ..Filter::default() };
        self.page(budget, &filter, after, limit).await
    }

    async fn end_owner(
        &self,
        budget: Budget,
        owner: &Owner,
        tombstone: &Tombstone,
        except: Option<&Key>,
    ) -> Result<EndedOwner, StoreError> {
        let now = self.clock.now();
        let ended = self.run(budget, Kind::Write, |db| {
            verbs::transaction(db, |db| {
                db.prepare_cached("INSERT OR REPLACE INTO ended_owner(owner,at,until,except_k) VALUES(?1,?2,?3,?4)")?
                    .execute(params![
                    owner.as_bytes(),
                    time(tombstone.at),
                    time(tombstone.until),
                    except.map(|k| k.as_bytes().as_slice())
                ])?;
                end_all(db, owner, tombstone, except, now)
            })
        })?;
        Ok(EndedOwner { ended, complete: true })
    }
}

fn end_all(db: &Connection, owner: &Owner, tombstone: &Tombstone, except: Option<&Key>, now: Time) -> Sqlite<u64> {
    let theirs: Vec<Read> = {
        let mut stmt = db.prepare_cached(schema::PAGE_BY_OWNER)?;
        let all = params![i64::MIN, i64::MAX, -1, owner.as_bytes()];
        stmt.query_map(all, |row| rows::read(row, false))?.collect::<Sqlite<_>>()?
    };
    let mut ended = 0;
    for Read { id, key, record } in theirs {
        let Some(key) = key.filter(|k| except != Some(k)) else { continue };
        let became = match record {
            Ok(record) if record.expired(now) || matches!(record.state, State::Ended { .. }) => continue,
            Ok(record) => {
                ended += u64::from(record.state.is_live());
                tombstone.record(Some(&record))
            }
            // Whatever it was, it is over.
            Err(_) => Record { owner: Some(owner.clone()), ..tombstone.record(None) },
        };
        verbs::put(db, id, &key, &became)?;
    }
    Ok(ended)
}
