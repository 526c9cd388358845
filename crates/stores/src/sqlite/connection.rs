//! One connection: opened, checked, set up.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

use cloakroom::StoreError;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::fault::{Fault, Kind, fault, foreign};
use super::place::{self, Identity};
use super::schema;
use super::wait::Patience;

/// Settings of every connection. `synchronous=NORMAL` writes a commit to the log without waiting for the disk: the death
/// of a process loses nothing, a power cut may lose the last moments but never damages the file.
const SETTINGS: &str = "\
PRAGMA synchronous=NORMAL;\
PRAGMA temp_store=MEMORY;\
PRAGMA journal_size_limit=67108864;\
PRAGMA trusted_schema=OFF;";

/// An open file, with everything that a verb needs of it.
#[derive(Debug)]
pub(super) struct Conn {
    pub(super) db: Connection,
    pub(super) patience: Patience,
    identity: Identity,
    /// When the identity was last compared.
    pub(super) looked: Instant,
    /// Frames in the log after our last commit.
    frames: Arc<AtomicU32>,
}

impl Conn {
    /// Opens the file, makes file and tables where `create` says so, and refuses what is not ours.
    pub(super) fn open(path: &Path, create: bool, deadline: Instant) -> Result<Self, StoreError> {
        place::prepare(path, create)?;
        let patience = Patience::new();
        patience.set(deadline);
        let failed = |e: rusqlite::Error| match fault(&e, Kind::Read, path) {
            Fault::Failed(error) => error,
            Fault::Busy | Fault::NoTable => StoreError::TimedOut { engine: super::fault::ENGINE },
        };
        // No mutex: a connection is used by one thread at a time. No URI: a path is a path.
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let mut db = Connection::open_with_flags(path, flags).map_err(failed)?;
        let handler = patience.clone();
        db.busy_handler(Some(move |n: i32| handler.pause(n.unsigned_abs()))).map_err(failed)?;
        // Nobody ever unlinks the log: see the module's page on fork. It also spares the last worker a checkpoint.
        db.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true).map_err(failed)?;
        Self::check(&db, path, create, &patience).map_err(|error| match error {
            Checked::Engine(e) => failed(e),
            Checked::Ours(e) => e,
        })?;
        db.execute_batch(SETTINGS).map_err(failed)?;
        db.set_prepared_statement_cache_capacity(48);
        let frames = Arc::new(AtomicU32::new(0));
        let counter = frames.clone();
        // In the place of SQLite's own hook, which would checkpoint inside someone's request.
        db.wal_hook(Some(move |_: &mut rusqlite::hooks::Wal, frames: i32| {
            counter.store(frames.unsigned_abs(), Ordering::Relaxed);
            Ok(())
        }))
        .map_err(failed)?;
        let identity = place::identity(path)
            .ok_or_else(|| StoreError::Settings(format!("{} went away while it was opened.", path.display())))?;
        Ok(Self { db, patience, identity, looked: Instant::now(), frames })
    }

    /// Whether the path still leads to the file that is open.
    pub(super) fn still_there(&self, path: &Path) -> bool {
        place::identity(path) == Some(self.identity)
    }

    /// Frames in the log after this connection's last commit.
    pub(super) fn frames(&self) -> u32 {
        self.frames.load(Ordering::Relaxed)
    }

    /// Forgets them until the next commit.
    pub(super) fn forget_frames(&self) {
        self.frames.store(0, Ordering::Relaxed);
    }

    fn check(db: &Connection, path: &Path, create: bool, patience: &Patience) -> Result<(), Checked> {
        // Each of these may meet another process that is making the file just now.
        let mut tries = 0;
        loop {
            match Self::check_once(db, path, create) {
                Err(Checked::Engine(e)) if is_busy(&e) && patience.pause(tries) => tries += 1,
                done => return done,
            }
        }
    }

    fn check_once(db: &Connection, path: &Path, create: bool) -> Result<(), Checked> {
        // All of it in one snapshot: between two looks another process may have made the tables.
        let snapshot = db.unchecked_transaction()?;
        let number = |pragma: &str| db.pragma_query_value(None, pragma, |row| row.get::<_, i64>(0));
        let (application, version) = (number("application_id")?, number("user_version")?);
        let tables: i64 = db.query_row("SELECT count(*) FROM sqlite_master", [], |row| row.get(0))?;
        snapshot.finish()?;
        match (application, version) {
            (schema::APPLICATION_ID, schema::SCHEMA_VERSION) => {}
            (schema::APPLICATION_ID, newer) => {
                return Err(Checked::Ours(foreign(path, &format!("a newer release wrote it (layout {newer})"))));
            }
            (0, 0) => {
                if tables > 0 {
                    return Err(Checked::Ours(foreign(path, "it is the database of another application")));
                }
                if !create {
                    return Err(Checked::Ours(StoreError::Settings(format!(
                        "There is no session store at {}: the file is empty.",
                        path.display()
                    ))));
                }
                db.execute_batch(&format!("PRAGMA page_size={}", schema::PAGE_SIZE))?;
            }
            _ => return Err(Checked::Ours(foreign(path, "it is the database of another application"))),
        }
        let mode: String = db.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))?;
        if mode != "wal" {
            return Err(Checked::Ours(StoreError::Settings(format!(
                "cloakroom.store names {}, where SQLite can't share memory between processes (journal mode {mode}); use a local disk.",
                path.display()
            ))));
        }
        if version == 0 { make_tables(db).map_err(Checked::Engine) } else { Ok(()) }
    }
}

/// Makes the tables that are missing, and says whose file this is. Any number of processes may do so at once.
pub(super) fn make_tables(db: &Connection) -> rusqlite::Result<()> {
    db.execute_batch("BEGIN IMMEDIATE")?;
    let made = db.execute_batch(schema::CREATE).and_then(|()| {
        db.execute_batch(&format!(
            "PRAGMA application_id={}; PRAGMA user_version={}; COMMIT",
            schema::APPLICATION_ID,
            schema::SCHEMA_VERSION
        ))
    });
    if made.is_err() {
        // The first error is the one to tell.
        let _ = db.execute_batch("ROLLBACK");
    }
    made
}

pub(super) fn is_busy(error: &rusqlite::Error) -> bool {
    use rusqlite::ErrorCode::{DatabaseBusy, DatabaseLocked};
    matches!(error.sqlite_error_code(), Some(DatabaseBusy | DatabaseLocked))
}

enum Checked {
    Engine(rusqlite::Error),
    Ours(StoreError),
}

impl From<rusqlite::Error> for Checked {
    fn from(error: rusqlite::Error) -> Self {
        Checked::Engine(error)
    }
}
