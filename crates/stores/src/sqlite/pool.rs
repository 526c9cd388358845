//! The connections of one store object, and what becomes of them in a forked child.
//!
//! SQLite must not be carried across a fork. A child that only let the parent's connections lie and opened its own would
//! be worse off than it looks: SQLite keeps one list of open files per process, the child inherits it, finds the file
//! there as "locked by this process" and takes no lock of its own (seen in /proc/locks). Then any other program that
//! opens the file may believe itself alone and unlink the log under the child: acknowledged writes are lost.
//!
//! So a child *closes* what it inherited before it opens anything. That is safe here, though not for SQLite at large:
//! * closing drops only locks of the closing process (POSIX locks are not inherited), so the parent keeps its own;
//! * a connection in the pool is between two verbs: no transaction to roll back, no statement under way;
//! * `NO_CKPT_ON_CLOSE` keeps the closing child from checkpointing and from unlinking the log.
//!
//! A connection that another thread was using at the moment of the fork can be neither closed nor forgotten. A child
//! born then is refused: there is no right answer left.

use std::path::PathBuf;
use std::process;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError, Weak};
use std::time::{Duration, Instant};

use cloakroom::StoreError;

use super::connection::Conn;

/// How many connections lie idle. Writers queue for one lock anyway.
const IDLE: usize = 4;
/// How often the path is compared with the open file.
const LOOK: Duration = Duration::from_secs(1);

/// All pools of this process: they share SQLite's list of open files, so a child must empty all of them at once.
static POOLS: Mutex<Vec<Weak<Pool>>> = Mutex::new(Vec::new());
/// The process that filled them; 0 before the first verb.
static OWNER: AtomicU32 = AtomicU32::new(0);
/// Connections in use, in all pools.
static IN_USE: AtomicUsize = AtomicUsize::new(0);

#[derive(Debug)]
pub(super) struct Pool {
    pub(super) path: PathBuf,
    create: bool,
    idle: Mutex<Vec<Conn>>,
}

impl Pool {
    pub(super) fn new(path: PathBuf, create: bool) -> Arc<Self> {
        let pool = Arc::new(Self { path, create, idle: Mutex::default() });
        let mut pools = POOLS.lock().unwrap_or_else(PoisonError::into_inner);
        pools.retain(|pool| pool.strong_count() > 0);
        pools.push(Arc::downgrade(&pool));
        pool
    }

    /// Whether missing files and tables may be made.
    pub(super) fn creates(&self) -> bool {
        self.create
    }

    /// A connection of this very process to the file that the path leads to now.
    pub(super) fn take(&self, deadline: Instant) -> Result<Taken<'_>, StoreError> {
        let pid = process::id();
        if OWNER.load(Ordering::Acquire) != pid {
            adopt(pid)?;
        }
        // Counted first: a fork between the two must not see it as idle.
        IN_USE.fetch_add(1, Ordering::AcqRel);
        let mut taken = Taken { pool: self, conn: None };
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let conn = match idle {
            Some(mut conn) => {
                let now = Instant::now();
                if now.duration_since(conn.looked) < LOOK {
                    Some(conn)
                } else {
                    conn.looked = now;
                    conn.still_there(&self.path).then_some(conn)
                }
            }
            None => None,
        };
        let conn = match conn {
            Some(conn) => conn,
            None => Conn::open(&self.path, self.create, deadline)?,
        };
        conn.patience.set(deadline);
        taken.conn = Some(conn);
        Ok(taken)
    }
}

/// A connection in use; goes back into the pool, unless it is [given up](Taken::give_up).
#[derive(Debug)]
pub(super) struct Taken<'p> {
    pool: &'p Pool,
    conn: Option<Conn>,
}

impl Taken<'_> {
    pub(super) fn conn(&self) -> &Conn {
        self.conn.as_ref().expect("a taken connection is there until it is given back")
    }

    /// Closes it: after an error that may have to do with the file.
    pub(super) fn give_up(mut self) {
        self.conn = None;
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        if let Some(conn) = self.conn.take() {
            let mut idle = self.pool.idle.lock().unwrap_or_else(PoisonError::into_inner);
            if idle.len() < IDLE {
                idle.push(conn);
            }
        }
        IN_USE.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Makes the pools this process's own: nothing to do in the first one, closes what was inherited in a child.
fn adopt(pid: u32) -> Result<(), StoreError> {
    // A lock that a thread of the parent held at the fork stays locked for ever.
    let refused = || {
        StoreError::Settings(
            "This process was forked while another thread was using the SQLite store, which can't be mended; \
             fork before the first use of sessions, or use exec."
                .into(),
        )
    };
    let parent = OWNER.load(Ordering::Acquire);
    if parent == 0 {
        // Two threads may come here; both write the same.
        OWNER.store(pid, Ordering::Release);
        return Ok(());
    }
    let pools = lock_soon(&POOLS).ok_or_else(refused)?;
    if OWNER.load(Ordering::Acquire) == pid {
        return Ok(());
    }
    if IN_USE.load(Ordering::Acquire) > 0 {
        return Err(refused());
    }
    for pool in pools.iter().filter_map(Weak::upgrade) {
        lock_soon(&pool.idle).ok_or_else(refused)?.clear();
    }
    OWNER.store(pid, Ordering::Release);
    Ok(())
}

/// The lock, unless it is held for longer than any thread of this process ever holds it.
fn lock_soon<T>(mutex: &Mutex<T>) -> Option<MutexGuard<'_, T>> {
    for _ in 0..1000 {
        match mutex.try_lock() {
            Ok(guard) => return Some(guard),
            Err(TryLockError::Poisoned(poisoned)) => return Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_micros(50)),
        }
    }
    None
}
