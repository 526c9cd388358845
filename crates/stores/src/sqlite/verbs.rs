//! The verbs on a connection. Each has a fast way, one statement that settles nearly every case, and where that one
//! changed nothing a slow way which looks why, in a transaction, in the words of the reference in memory.

use cloakroom::store::{Created, Ended, Swapped, Touched};
use cloakroom::wire::Damaged;
use cloakroom::{Key, Owner, Record, State, Time, Tombstone, Version};
use rusqlite::{Connection, OptionalExtension, Result, params};

use super::rows::{self, Read, bind, home, time, to_time};
use super::schema;

/// What decides about a write.
struct Found {
    id: i64,
    version: Version,
    expires: Time,
}

pub(super) fn load(db: &Connection, key: &Key) -> Result<Option<std::result::Result<Record, Damaged>>> {
    Ok(load_row(db, key)?.map(|read| read.record))
}

fn load_row(db: &Connection, key: &Key) -> Result<Option<Read>> {
    {
        let mut stmt = db.prepare_cached(schema::LOAD)?;
        let mut found = stmt.query([home(key)])?;
        if let Some(row) = found.next()? {
            let read = rows::read(row, true)?;
            if read.key.is_none_or(|k| k == *key) {
                return Ok(Some(read));
            }
        }
    }
    let mut stmt = db.prepare_cached(schema::LOAD_DISPLACED)?;
    stmt.query_row([key.as_bytes().as_slice()], |row| rows::read(row, true)).optional()
}

pub(super) fn create(db: &Connection, key: &Key, record: &Record, seen: Time, now: Time) -> Result<Created> {
    let place = home(key);
    let inserted = match &record.owner {
        None => {
            let mut stmt = db.prepare_cached(schema::CREATE_RECORD)?;
            bind(&mut stmt, place, key, record)?;
            stmt.raw_execute()?
        }
        Some(_) => {
            let mut stmt = db.prepare_cached(schema::CREATE_OWNED)?;
            bind(&mut stmt, place, key, record)?;
            stmt.raw_bind_parameter(19, time(seen))?;
            stmt.raw_execute()?
        }
    };
    if inserted == 1 {
        return Ok(Created::Done);
    }
    transaction(db, |db| {
        let found = find(db, key)?;
        if found.as_ref().is_some_and(|f| f.expires > now) {
            return Ok(Created::Exists);
        }
        if owner_ended(db, key, record.owner.as_ref(), seen)? {
            return Ok(Created::OwnerEnded);
        }
        let id = match found {
            Some(found) => found.id,
            None => free_place(db, key)?,
        };
        put(db, id, key, record)?;
        Ok(Created::Done)
    })
}

pub(super) fn swap(db: &Connection, key: &Key, expected: Version, record: &Record, seen: Time) -> Result<Swapped> {
    let mut stmt = db.prepare_cached(if record.owner.is_some() { schema::SWAP_OWNED } else { schema::SWAP })?;
    bind(&mut stmt, home(key), key, record)?;
    stmt.raw_bind_parameter(19, expected.incarnation.cast_signed())?;
    stmt.raw_bind_parameter(20, expected.counter.cast_signed())?;
    if record.owner.is_some() {
        stmt.raw_bind_parameter(21, time(seen))?;
    }
    if stmt.raw_execute()? == 1 {
        return Ok(Swapped::Done);
    }
    // A lost race is the usual reason; it is seen without the write lock.
    let current = |db: &Connection| Ok::<_, rusqlite::Error>(find(db, key)?.filter(|f| f.version == expected));
    if current(db)?.is_none() {
        return Ok(Swapped::Stale);
    }
    transaction(db, |db| {
        let Some(found) = current(db)? else {
            return Ok(Swapped::Stale);
        };
        if owner_ended(db, key, record.owner.as_ref(), seen)? {
            return Ok(Swapped::OwnerEnded);
        }
        put(db, found.id, key, record)?;
        Ok(Swapped::Done)
    })
}

pub(super) fn touch(db: &Connection, key: &Key, expected: Version, touched: Time, idle: Time) -> Result<Touched> {
    let at = |id: i64| {
        let (incarnation, counter) = (expected.incarnation.cast_signed(), expected.counter.cast_signed());
        let mut stmt = db.prepare_cached(schema::TOUCH)?;
        stmt.execute(params![id, key.as_bytes().as_slice(), incarnation, counter, time(touched), time(idle)])
    };
    Ok(if at_home_or_displaced(db, key, at)? { Touched::Done } else { Touched::Stale })
}

pub(super) fn remove(db: &Connection, key: &Key, expected: Version) -> Result<bool> {
    let at = |id: i64| {
        let (incarnation, counter) = (expected.incarnation.cast_signed(), expected.counter.cast_signed());
        let mut stmt = db.prepare_cached(schema::REMOVE)?;
        stmt.execute(params![id, key.as_bytes().as_slice(), incarnation, counter])
    };
    at_home_or_displaced(db, key, at)
}

pub(super) fn end(db: &Connection, key: &Key, tombstone: &Tombstone, now: Time) -> Result<Ended> {
    transaction(db, |db| {
        let row = load_row(db, key)?;
        let id = match &row {
            Some(read) => read.id,
            None => free_place(db, key)?,
        };
        let (was, outcome) = match row.map(|read| read.record) {
            None => (None, Ended::Absent),
            Some(Ok(record)) if record.expired(now) => (None, Ended::Absent),
            Some(Ok(record)) if matches!(record.state, State::Ended { .. }) => return Ok(Ended::Already),
            Some(Ok(record)) => (Some(record), Ended::Done),
            // Whatever it was, it is over.
            Some(Err(_)) => (None, Ended::Done),
        };
        put(db, id, key, &tombstone.record(was.as_ref()))?;
        Ok(outcome)
    })
}

/// Runs a statement on the key's place, and where it changed nothing, where the key was displaced to.
fn at_home_or_displaced(db: &Connection, key: &Key, at: impl Fn(i64) -> Result<usize>) -> Result<bool> {
    if at(home(key))? == 1 {
        return Ok(true);
    }
    let mut stmt = db.prepare_cached(schema::DISPLACED_ID)?;
    match stmt.query_row([key.as_bytes().as_slice()], |row| row.get(0)).optional()? {
        Some(id) => Ok(at(id)? == 1),
        None => Ok(false),
    }
}

fn find(db: &Connection, key: &Key) -> Result<Option<Found>> {
    let mut stmt = db.prepare_cached(schema::FIND)?;
    stmt.query_row(params![home(key), key.as_bytes().as_slice()], |row| {
        Ok(Found {
            id: row.get(0)?,
            version: Version {
                incarnation: row.get::<_, i64>(1)?.cast_unsigned(),
                counter: row.get::<_, i64>(2)?.cast_unsigned(),
            },
            expires: to_time(row.get(3)?),
        })
    })
    .optional()
}

fn owner_ended(db: &Connection, key: &Key, owner: Option<&Owner>, seen: Time) -> Result<bool> {
    let Some(owner) = owner else { return Ok(false) };
    let mut stmt = db.prepare_cached(schema::OWNER_ENDED)?;
    stmt.exists(params![owner.as_bytes(), time(seen), key.as_bytes().as_slice()])
}

/// Writes a whole row; inside a transaction that has looked what is there.
pub(super) fn put(db: &Connection, id: i64, key: &Key, record: &Record) -> Result<()> {
    let mut stmt = db.prepare_cached(schema::PUT)?;
    bind(&mut stmt, id, key, record)?;
    stmt.raw_execute().map(|_| ())
}

/// The key's own place, or where another key has it, any free negative one.
fn free_place(db: &Connection, key: &Key) -> Result<i64> {
    let mut taken = db.prepare_cached("SELECT 1 FROM record WHERE id=?1")?;
    let mut id = home(key);
    // Below every displaced one; the first is -1.
    if taken.exists([id])? {
        id = db.query_row("SELECT min(0, ifnull(min(id), 0)) - 1 FROM record WHERE id<0", [], |row| row.get(0))?;
    }
    Ok(id)
}

/// Runs `work` under the write lock, all or nothing.
pub(super) fn transaction<T>(db: &Connection, work: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
    db.prepare_cached("BEGIN IMMEDIATE")?.raw_execute()?;
    let done = work(db).and_then(|value| {
        db.prepare_cached("COMMIT")?.raw_execute()?;
        Ok(value)
    });
    if done.is_err() && !db.is_autocommit() {
        // The first error is the one to tell; a connection that can't roll back is closed by the caller.
        let _ = db.execute_batch("ROLLBACK");
    }
    done
}
