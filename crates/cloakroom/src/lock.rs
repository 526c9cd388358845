//! Locks: for sites that want the requests of a session one after the other, all of it or what they name. A lock is a
//! lease in the session's own store, so it ends by itself; a holder that is known to be dead is displaced at once.
//!
//! # The order that makes it strict
//!
//! **Lock, then load, then change, then commit, then unlock.** What was loaded before the lock was had may be stale, and
//! a commit on top of it is merged as any other. At the start of a request [`Engine::open_locked`] keeps that order;
//! where the session is loaded already, [`Session::catch_up`](crate::Session::catch_up) loads it again under the lock.
//! After a rotation the session has another key: lock that, too, before its id leaves.
//!
//! A lock that can't be had (the wait ran out, the store failed or has no leases) is told, counted, and never an error:
//! the request goes on and merges.
//!
//! # Giving back
//!
//! Giving back needs the store, so dropping [`Locks`] gives back nothing: call [`Engine::unlock_all`] after the commit
//! (`session_write_close`), before the request calls its own site, and when it ends in whatever way. What is left over
//! runs out by itself.

use std::time::Duration;

use tokio::time::Instant;

use crate::concurrency::Waiting;
use crate::engine::Engine;
use crate::id::SessionId;
use crate::key::Key;
use crate::open::Opening;
use crate::policy::Lifetime;
use crate::store::{Budget, Holder, Lease, LeaseName, LeaseOutcome, Leases, StoreError, TallyKind};
use crate::time::Time;

/// Shortest and longest pause between two attempts.
const PAUSES: (Duration, Duration) = (Duration::from_millis(1), Duration::from_millis(50));
/// Longest pause of who has waited for more than half of its time, so that newcomers do not always come first.
const IMPATIENT: Duration = Duration::from_millis(10);
/// Most rotations that are followed while locking.
const MOST_HOPS: usize = 16;

/// What a lock is for. Each excludes only itself: the session's lock and a path's are had side by side.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Scope {
    /// The whole session.
    Session,
    /// What the site calls by this name, a variable's path for instance. Names are compared as they are.
    Path(String),
}

impl Scope {
    fn lease(&self, key: &Key) -> LeaseName {
        match self {
            Scope::Session => LeaseName::of(key, b"session"),
            Scope::Path(path) => LeaseName::of(key, &[b"path:", path.as_bytes()].concat()),
        }
    }

    /// What reports call it. Below its first level a path may hold what is nobody's business.
    fn label(&self) -> String {
        match self {
            Scope::Session => "session".into(),
            Scope::Path(path) => match path.split_once('.') {
                Some((first, _)) => format!("path:{first}.*"),
                None => format!("path:{path}"),
            },
        }
    }
}

/// The locks of one request. Whoever has one of them may take it again, as often as it is given back.
#[derive(Debug, Default)]
pub struct Locks {
    token: Option<u64>,
    held: Vec<Lock>,
    /// Leases that may have been taken: the reply was lost, or nobody waited for it.
    doubtful: Vec<LeaseName>,
    alone: bool,
}

#[derive(Debug)]
struct Lock {
    name: LeaseName,
    label: String,
    depth: u32,
    length: Duration,
    until: Time,
    /// Since when it is held at least, by our own clock.
    taken: Instant,
}

impl Locks {
    /// For a process that serves one request at a time, as PHP's workers do: a lease that this very process holds
    /// and this request does not was left behind by an earlier request, so its holder counts as dead.
    pub fn alone_in_process() -> Self {
        Self { alone: true, ..Self::default() }
    }

    /// Whether this request has the lock, as far as it knows.
    pub fn holds(&self, key: &Key, scope: &Scope) -> bool {
        self.held(&scope.lease(key)).is_some()
    }

    /// Whether there is nothing to give back.
    pub fn is_empty(&self) -> bool {
        self.held.is_empty() && self.doubtful.is_empty()
    }

    fn held(&self, name: &LeaseName) -> Option<usize> {
        self.held.iter().position(|lock| lock.name == *name)
    }

    fn token(&mut self) -> Result<u64, getrandom::Error> {
        let token = match self.token {
            Some(token) => token,
            None => getrandom::u64()?,
        };
        self.token = Some(token);
        Ok(token)
    }
}

/// What became of an attempt to lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Locked {
    /// The lock is this request's.
    Held(Waited),
    /// It is not: the request goes on by merging.
    Merging(NotLocked, Waited),
}

impl Locked {
    /// Whether the lock is this request's.
    pub fn is_held(&self) -> bool {
        matches!(self, Locked::Held(_))
    }

    /// How long it took, and because of whom.
    pub fn waited(&self) -> &Waited {
        match self {
            Locked::Held(waited) | Locked::Merging(_, waited) => waited,
        }
    }
}

/// Why a lock was not had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotLocked {
    /// Somebody else held it until the wait ran out.
    #[error(
        "another request held the session's lock for longer than this one waits, so the two run side by side and what both change is merged"
    )]
    WaitedOut,
    /// The store can't lock.
    #[error("{engine} has no leases, so sessions kept there can't be locked; what requests change is merged")]
    NoLeases {
        /// The store's engine.
        engine: &'static str,
    },
    /// The store failed.
    #[error("the session could not be locked, so what this request changes is merged. {0}")]
    Store(StoreError),
    /// The operating system gave no random numbers.
    #[error(
        "the operating system gave no random numbers, without which nothing is locked; what requests change is merged"
    )]
    NoRandomness,
}

/// What a lock has cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Waited {
    /// How long this request waited for others; zero where nobody was in the way.
    pub time: Duration,
    /// Who was in the way last.
    pub other: Option<Other>,
}

/// Who was in the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Other {
    /// The process.
    pub holder: Holder,
    /// Since when it has the lock, or has prolonged it, by the store's clock.
    pub since: Time,
    /// Whether it runs on this host.
    pub same_host: bool,
    /// Whether it is known to be dead; its lease was displaced then.
    pub dead: bool,
}

/// What became of giving back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unlocked {
    /// Others may have it now.
    Given,
    /// It had been taken more than once; this request still has it.
    StillHeld,
    /// It had run out before, so others may have changed the session meanwhile; what both changed was merged.
    Lapsed,
    /// This request did not have it. Nothing was done.
    NotHeld,
}

impl Engine {
    /// Takes the lock of a session or of a path in it, waiting for others as `waiting` says. The store may take
    /// `store_time` for each attempt. See the [order](crate::lock) that gives strict results.
    pub async fn lock(
        &self,
        locks: &mut Locks,
        store_time: Duration,
        key: &Key,
        scope: &Scope,
        waiting: Waiting,
    ) -> Locked {
        let name = scope.lease(key);
        if let Some(at) = locks.held(&name) {
            locks.held[at].depth += 1;
            return Locked::Held(Waited::default());
        }
        let mut waited = Waited::default();
        let taken = self.take(locks, store_time, &name, waiting, &mut waited).await;
        let label = scope.label();
        if taken.is_err() || waited.other.is_some() {
            self.count_wait(&label, key, taken.as_ref().err(), &waited);
        }
        match taken {
            Ok((lease, taken)) => {
                let (until, length) = (lease.until, waiting.lease);
                locks.held.push(Lock { name, label, depth: 1, length, until, taken });
                Locked::Held(waited)
            }
            Err(why) => Locked::Merging(why, waited),
        }
    }

    async fn take(
        &self,
        locks: &mut Locks,
        store_time: Duration,
        name: &LeaseName,
        waiting: Waiting,
        waited: &mut Waited,
    ) -> Result<(Lease, Instant), NotLocked> {
        let leases = self.store.leases().ok_or_else(|| NotLocked::NoLeases { engine: self.store.describe().engine })?;
        let store_time = self.breaker.admit(Budget::of(store_time)).map_err(NotLocked::Store)?.left();
        let token = locks.token().map_err(|_| NotLocked::NoRandomness)?;
        let me = self.holder();
        let began = Instant::now();
        let mut tries = 0u32;
        let mut displacing = None;
        // Until the store has said that it is not ours.
        locks.doubtful.push(*name);
        loop {
            let before = Instant::now();
            let result = leases.take(Budget::of(store_time), name, token, me, waiting.lease, displacing).await;
            let outcome = self.breaker.note_write(result);
            if !outcome.as_ref().is_err_and(StoreError::outcome_unknown) {
                locks.doubtful.retain(|doubtful| doubtful != name);
            }
            let other = match outcome.map_err(NotLocked::Store)? {
                LeaseOutcome::Taken(lease) => return Ok((lease, before)),
                LeaseOutcome::Held(other) => other,
            };
            let same_host = other.holder.is_on_host_of(&me);
            let left_behind = locks.alone && same_host && other.holder == me;
            let dead = left_behind || other.holder.is_known_dead(&me);
            waited.other = Some(Other { holder: other.holder, since: other.since, same_host, dead });
            waited.time = began.elapsed();
            let left = waiting.wait.saturating_sub(waited.time);
            if dead && displacing != Some(other.token) {
                displacing = Some(other.token);
            } else if left.is_zero() {
                return Err(NotLocked::WaitedOut);
            } else {
                displacing = None;
                tokio::time::sleep(pause(tries, left < waiting.wait / 2).min(left)).await;
                tries += 1;
                waited.time = began.elapsed();
            }
            locks.doubtful.push(*name);
        }
    }

    /// Opens the session of a ticket under its lock: as [`Engine::open`], in the [order](crate::lock) that strict
    /// results need. Where a moved session is followed, the lock is its successor's. What opens to no live session is
    /// not kept locked, whatever [`Locked`] says of the waiting; [`Locks::holds`] tells what is held. The store may take
    /// `store_time` for each attempt to lock, and again from when the lock was had.
    pub async fn open_locked(
        &self,
        locks: &mut Locks,
        store_time: Duration,
        id: &SessionId,
        lifetime: Lifetime,
        waiting: Waiting,
    ) -> (Opening, Locked) {
        let began = Instant::now();
        let mut key = self.key_of(id);
        let mut sum = Waited::default();
        for _ in 0..MOST_HOPS {
            let left = waiting.wait.saturating_sub(began.elapsed());
            let locked = self.lock(locks, store_time, &key, &Scope::Session, Waiting { wait: left, ..waiting }).await;
            sum.time += locked.waited().time;
            sum.other = locked.waited().other.or(sum.other);
            let budget = Budget::of(store_time);
            let opening = self.open(budget, id, lifetime).await;
            if let Locked::Merging(why, _) = locked {
                return (opening, Locked::Merging(why, sum));
            }
            let found = match &opening {
                Opening::Live(session) | Opening::Follow(session) => Some(*session.key()),
                Opening::Frozen(_) | Opening::Absent(_) | Opening::Detached(..) => None,
            };
            if found == Some(key) {
                return (opening, Locked::Held(sum));
            }
            // Nothing was changed under it; one that can't be given back runs out by itself.
            let _ = self.unlock(locks, budget, &key, &Scope::Session).await;
            let Some(successor) = found else { return (opening, Locked::Held(sum)) };
            key = successor;
        }
        (self.open(Budget::of(store_time), id, lifetime).await, Locked::Merging(NotLocked::WaitedOut, sum))
    }

    /// Gives a lock back; one that was taken several times when it is given back for the last time.
    ///
    /// # Errors
    /// When the store fails: then the lock runs out by itself.
    pub async fn unlock(
        &self,
        locks: &mut Locks,
        budget: Budget,
        key: &Key,
        scope: &Scope,
    ) -> Result<Unlocked, StoreError> {
        let Some(at) = locks.held(&scope.lease(key)) else { return Ok(Unlocked::NotHeld) };
        if locks.held[at].depth > 1 {
            locks.held[at].depth -= 1;
            return Ok(Unlocked::StillHeld);
        }
        let lock = locks.held.swap_remove(at);
        let (Some(leases), Some(token)) = (self.store.leases(), locks.token) else { return Ok(Unlocked::NotHeld) };
        let given = self.breaker.note_write(leases.release(budget, &lock.name, token).await)?;
        if !given {
            self.count_lapse(&lock);
        }
        Ok(if given { Unlocked::Given } else { Unlocked::Lapsed })
    }

    /// Gives back all locks of a request, however often they were taken. Whether the request had them to the last;
    /// `false` where one had run out before.
    ///
    /// # Errors
    /// When the store fails: what was not given back runs out by itself.
    pub async fn unlock_all(&self, locks: &mut Locks, budget: Budget) -> Result<bool, StoreError> {
        let (held, doubtful) = (std::mem::take(&mut locks.held), std::mem::take(&mut locks.doubtful));
        let (Some(leases), Some(token)) = (self.store.leases(), locks.token) else { return Ok(true) };
        let (mut to_the_last, mut failed) = (true, None);
        for lock in &held {
            match self.breaker.note_write(leases.release(budget, &lock.name, token).await) {
                Ok(true) => {}
                Ok(false) => {
                    self.count_lapse(lock);
                    to_the_last = false;
                }
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        for name in &doubtful {
            let given = self.breaker.note_write(leases.release(budget, name, token).await);
            failed = failed.or(given.err());
        }
        failed.map_or(Ok(to_the_last), Err)
    }

    /// Prolongs the locks whose time is more than half over; asks the store only for those. To be called where a long
    /// request passes anyhow. Whether the request still has all of them: `false` where one had run out, which it then
    /// no longer has, so that others may change the session.
    ///
    /// # Errors
    /// When the store fails: the locks are held until their time is over.
    pub async fn keep(&self, locks: &mut Locks, budget: Budget) -> Result<bool, StoreError> {
        let (Some(leases), Some(token)) = (self.store.leases(), locks.token) else { return Ok(true) };
        let mut all = true;
        for at in (0..locks.held.len()).rev() {
            if locks.held[at].taken.elapsed() < locks.held[at].length / 2 {
                continue;
            }
            if !self.prolong(leases, budget, token, &mut locks.held[at]).await? {
                let lock = locks.held.swap_remove(at);
                self.count_lapse(&lock);
                all = false;
            }
        }
        Ok(all)
    }

    async fn prolong(
        &self,
        leases: &dyn Leases,
        budget: Budget,
        token: u64,
        lock: &mut Lock,
    ) -> Result<bool, StoreError> {
        let before = Instant::now();
        let result = leases.take(budget, &lock.name, token, self.holder(), lock.length, None).await;
        let LeaseOutcome::Taken(lease) = self.breaker.note_write(result)? else { return Ok(false) };
        // Begun after the old one ended: free in between, so somebody else may have had it.
        let unbroken = lease.since < lock.until;
        if unbroken {
            (lock.until, lock.taken) = (lease.until, before);
        } else {
            self.breaker.note_write(leases.release(budget, &lock.name, token).await)?;
        }
        Ok(unbroken)
    }

    fn count_wait(&self, label: &str, key: &Key, not_locked: Option<&NotLocked>, waited: &Waited) {
        let micros = u64::try_from(waited.time.as_micros()).unwrap_or(u64::MAX);
        let who = match waited.other {
            None => "nobody in the way".to_owned(),
            Some(Other { same_host: false, .. }) => "a process on another host".to_owned(),
            Some(Other { holder, dead, .. }) => {
                format!("{} process {} on this host", if dead { "dead" } else { "running" }, holder.pid)
            }
        };
        let sample = format!("{}: {who}{}", key.short(), not_locked.map_or(String::new(), |why| format!("; {why}")));
        let label = if not_locked.is_some() { format!("{label}, not had") } else { label.to_owned() };
        self.reporter.count(self.clock.now(), TallyKind::Wait, &label, micros, &sample);
    }

    fn count_lapse(&self, lock: &Lock) {
        let label = format!("{}, ran out while held", lock.label);
        self.reporter.count(self.clock.now(), TallyKind::Wait, &label, 0, "");
    }
}

/// A random pause, longer the more attempts there were.
fn pause(tries: u32, impatient: bool) -> Duration {
    let most = (PAUSES.0 * 2u32.pow(tries.min(6))).min(if impatient { IMPATIENT } else { PAUSES.1 });
    let most = u64::try_from(most.as_micros()).unwrap_or(u64::MAX).max(1);
    Duration::from_micros(getrandom::u64().map_or(most, |dice| most / 2 + dice % most)).clamp(PAUSES.0, PAUSES.1)
}
