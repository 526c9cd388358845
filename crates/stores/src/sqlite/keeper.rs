//! Keeping the log short. Commits go to the log (`-wal`); a checkpoint copies them into the file and waits for the disk,
//! so it belongs after the response, and into one process.
//!
//! * [`SqliteStore::maintain`](super::SqliteStore::maintain) costs nothing while the log is short. When it is long, one
//!   process at a time, elected by a lock on the file `-keeper` that dies with it, makes a passive checkpoint, which
//!   holds up nobody.
//! * Where readers and writers never leave a gap, passive checkpoints never end and the log only grows; then the keeper
//!   makes one that restarts the log, for which writers wait a few milliseconds.
//! * Where nobody calls `maintain`, the writer that finds the log far too long does the same after its own commit.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use rustix::fs::FlockOperation;

use super::connection::Conn;

/// Frames (pages with a small header) after which the log is worth a checkpoint: 16 MiB.
pub(super) const LONG: u32 = 4096;
/// Frames after which the keeper no longer waits for a gap.
pub(super) const VERY_LONG: u32 = 2 * LONG;
/// Frames after which any writer takes care itself.
pub(super) const FAR_TOO_LONG: u32 = 4 * LONG;
/// The least time between two checkpoints of all processes together: each waits for the disk twice.
const PAUSE: Duration = Duration::from_millis(250);
/// How long a restart of the log may wait for others.
const RESTART_WAIT: Duration = Duration::from_millis(50);

/// Checkpoints if the log is long and nobody else is at it. Errors do not matter: the next one tries again, and a file
/// that is damaged shows itself to the verbs.
pub(super) fn keep(conn: &Conn, path: &Path, deadline: Instant) {
    if conn.frames() < LONG {
        return;
    }
    let Some(keeper) = elect(path) else { return };
    let (log, copied) = checkpoint(conn, "PASSIVE");
    conn.patience.set(deadline.min(Instant::now() + RESTART_WAIT));
    if log > VERY_LONG && copied < log {
        checkpoint(conn, "RESTART");
    }
    // The next writer begins the log anew, and waits for the disk to do so: better here than in someone's request. This
    // writes one page and changes nothing.
    let _ = conn.db.pragma_update(None, "user_version", super::schema::SCHEMA_VERSION);
    conn.forget_frames();
    // A mark for the others; where it fails they only come a little early.
    let _ = keeper.set_modified(SystemTime::now());
}

/// After a commit, where `maintain` is not called or does not keep up.
pub(super) fn keep_bounded(conn: &Conn, deadline: Instant) {
    if conn.frames() < FAR_TOO_LONG {
        return;
    }
    conn.patience.set(deadline.min(Instant::now() + RESTART_WAIT));
    let (log, copied) = checkpoint(conn, "PASSIVE");
    if log > 0 && (copied < log || log >= FAR_TOO_LONG) {
        checkpoint(conn, "RESTART");
    }
    conn.forget_frames();
}

/// The lock, if nobody holds it and the last checkpoint is some time ago. It ends when the file is closed.
fn elect(path: &Path) -> Option<File> {
    let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(beside(path)).ok()?;
    rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive).ok()?;
    let meta = file.metadata().ok()?;
    // A new file was marked when it was made, which is no checkpoint; one more then does no harm, so no exception.
    let recent = meta.modified().ok()?.elapsed().is_ok_and(|age| age < PAUSE);
    (!recent).then_some(file)
}

/// The keeper's file. Not the database itself: closing a descriptor of that would drop this process's locks on it.
pub(super) fn beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push("-keeper");
    PathBuf::from(name)
}

/// Frames in the log, and how many of them are in the file now.
fn checkpoint(conn: &Conn, mode: &str) -> (u32, u32) {
    let sql = format!("PRAGMA wal_checkpoint({mode})");
    let pair = conn.db.query_row(&sql, [], |row| Ok((row.get::<_, i64>(1)?, row.get::<_, i64>(2)?)));
    let (log, copied) = pair.unwrap_or_default();
    (u32::try_from(log).unwrap_or(0), u32::try_from(copied).unwrap_or(0))
}
