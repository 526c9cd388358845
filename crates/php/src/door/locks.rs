//! Locks in a request: taken before the session is loaded where the site asks for it, or when the application does; given
//! back when the session is closed, before the page calls its own site, and when the request ends in whatever way.

use std::sync::Arc;
use std::time::Duration;

use cloakroom::{
    CaughtUp, Concurrency, Key, LockPaths, Locked, Locks, NotLocked, Opening, Scope, Session, SessionId, Waiting,
};

use super::{Door, Write, seconds};
use crate::settings::{Raw, Settings};
use crate::worker::Site;

/// Longest name of a lock, in bytes.
const LONGEST_NAME: usize = 191;
/// Giving back what is left at the end of a request must not take longer.
const LAST_BUDGET: Duration = Duration::from_millis(500);

/// The locks of this request, and the site in whose store they are. Not part of [`super::Request`]: they are to be given
/// back also where that was thrown away.
#[derive(Debug)]
pub(super) struct Held {
    locks: Locks,
    site: Option<Arc<Site>>,
}

impl Default for Held {
    fn default() -> Self {
        Self { locks: Locks::alone_in_process(), site: None }
    }
}

/// What a request's address and settings mean for locks and writing.
#[derive(Debug, Default)]
pub(crate) struct Manners {
    /// The session's lock is taken before it is loaded.
    pub(crate) lock: bool,
    /// What is changed is dropped.
    pub(crate) readonly: bool,
    /// The request's path, for people.
    pub(crate) path: String,
    /// Where the session was started, for people.
    pub(crate) started: String,
}

impl Manners {
    pub(super) fn of(settings: &Settings, raw: &Raw<'_>) -> Self {
        let path = path_of(raw.path);
        let covers = |paths: &LockPaths| !path.is_empty() && paths.cover(&path);
        let readonly = covers(&settings.readonly_paths);
        // Who only reads need not wait: it sees the last commit, which is complete.
        let reads = readonly || raw.read_and_close;
        let lock = !reads && (settings.concurrency == Concurrency::Lock || covers(&settings.lock_paths));
        let started = if settings.debug && !raw.file.is_empty() {
            format!("{}:{}", raw.file.escape_ascii(), raw.line)
        } else {
            String::new()
        };
        Self { lock, readonly, path, started }
    }
}

/// The path of a request's address: without scheme, host and query. It is compared as the visitor wrote it.
fn path_of(address: &[u8]) -> String {
    let address = String::from_utf8_lossy(address);
    let end = address.find(['?', '#']).unwrap_or(address.len());
    let address = &address[..end];
    match address.split_once("://") {
        Some((scheme, rest)) if !scheme.contains('/') => rest.find('/').map_or("/", |at| &rest[at..]).to_owned(),
        _ => address.to_owned(),
    }
}

/// What `cloakroom_lock()` comes to.
#[derive(Debug)]
pub(crate) enum LockTaken {
    /// The lock is held, and `$_SESSION` is what is stored.
    Held,
    /// The lock is held; others have written, and `$_SESSION` has to become this.
    Changed(Vec<u8>),
    /// It is not held.
    Not,
}

impl Door {
    /// Opens a session as this request is to: under its lock or without.
    pub(super) fn open_in_order(&mut self, site: &Arc<Site>, id: &SessionId) -> Option<Opening> {
        let lifetime = self.request.lifetime?;
        let budget = self.budget(site);
        if !self.request.manners.lock {
            return self.wait(site, site.engine.open(budget, id, lifetime));
        }
        let mut held = self.borrow(site);
        let waiting = site.settings.waiting;
        let opened = self.wait(site, site.engine.open_locked(&mut held.locks, budget.left(), id, lifetime, waiting));
        self.held = held;
        let (opening, locked) = opened?;
        self.waited(&locked);
        Some(opening)
    }

    /// Locks a key that nobody but this request knows yet, before others get to know it.
    pub(super) fn lock_new(&mut self, site: &Arc<Site>, key: &Key) {
        self.take_lock(site, key, &Scope::Session, site.settings.waiting);
    }

    /// Whether this request has the lock of this session.
    pub(super) fn held_lock_of(&self, session: &Session) -> bool {
        self.held.locks.holds(session.key(), &Scope::Session)
    }

    /// Whether there is anything to give back.
    pub(crate) fn holds_locks(&self) -> bool {
        !self.held.locks.is_empty()
    }

    /// `cloakroom_lock()`: takes the lock, and brings the session up to what others have stored until now. `write` is
    /// `$_SESSION` as it is; not present where a handler that wraps ours encodes it in a way of its own.
    pub(crate) fn lock(&mut self, path: Option<&[u8]>, wait: Option<Duration>, write: &Write<'_>) -> LockTaken {
        let Some((site, scope, key)) = self.place_of(path) else { return LockTaken::Not };
        let waiting = Waiting { wait: wait.unwrap_or(site.settings.waiting.wait), ..site.settings.waiting };
        self.keep_locks(&site);
        if !self.take_lock(&site, &key, &scope, waiting) {
            return LockTaken::Not;
        }
        if !write.present || write.is_torso() || self.request.session().is_none_or(|s| !s.is_stored()) {
            return LockTaken::Held;
        }
        let Some(asked) = self.request.asked().map(<[u8]>::to_vec) else { return LockTaken::Held };
        let Some(mut session) = self.request.take(&asked) else { return LockTaken::Held };
        self.before_lock = Some(session.clone());
        let budget = self.budget(&site);
        let result = self.wait(&site, session.catch_up(&site.engine, budget, write.payload, write.format().code()));
        self.request.put_back(asked, session);
        match result {
            Some(Ok(CaughtUp::Changed(merged))) => LockTaken::Changed(self.readable(merged.format, &merged.payload)),
            Some(Ok(CaughtUp::Same | CaughtUp::NotLive)) => LockTaken::Held,
            Some(Err(error)) => {
                self.failed(&error);
                self.give_back(&site, &key, &scope);
                LockTaken::Not
            }
            None => LockTaken::Not,
        }
    }

    /// PHP could not read what [`Door::lock`] has brought: `$_SESSION` and the session are as before, without the lock.
    pub(crate) fn lock_undo(&mut self) {
        if let (Some(session), Some(asked)) = (self.before_lock.take(), self.request.asked().map(<[u8]>::to_vec)) {
            self.request.put_back(asked, session);
        }
        self.release_locks();
    }

    /// `cloakroom_unlock()`, after the session was saved. Whether it was held to the last.
    pub(crate) fn unlock(&mut self, path: Option<&[u8]>) -> bool {
        let Some((site, scope, key)) = self.place_of(path) else { return false };
        self.give_back(&site, &key, &scope)
    }

    /// Gives back everything.
    pub(crate) fn release_locks(&mut self) {
        if self.held.locks.is_empty() {
            return;
        }
        let mut held = std::mem::take(&mut self.held);
        let Some(site) = held.site.take() else { return };
        // A child process has the parent's locks in its memory; they are not its own.
        let Some(worker) = self.worker.as_ref().filter(|worker| worker.is_of_this_process()) else { return };
        let budget = cloakroom::Budget::of(LAST_BUDGET.max(self.budget(&site).left()));
        // A store that fails: the breaker tells, and the leases run out by themselves.
        if worker.wait(site.engine.unlock_all(&mut held.locks, budget)) == Ok(false) {
            self.say_lapsed(&site);
        }
    }

    /// Prolongs what has been held for long; asks the store only then.
    pub(super) fn keep_locks(&mut self, site: &Arc<Site>) {
        if self.held.locks.is_empty() {
            return;
        }
        let mut held = self.borrow(site);
        let budget = self.budget(site);
        let kept = self.wait(site, site.engine.keep(&mut held.locks, budget));
        self.held = held;
        if kept == Some(Ok(false)) {
            self.say_lapsed(site);
        }
    }

    fn place_of(&self, path: Option<&[u8]>) -> Option<(Arc<Site>, Scope, Key)> {
        let site = self.request.site.clone()?;
        let key = *self.request.session().filter(|s| !s.is_detached())?.key();
        let scope = match path {
            None => Scope::Session,
            Some(name) if name.is_empty() || name.len() > LONGEST_NAME => return None,
            Some(name) => Scope::Path(String::from_utf8_lossy(name).into_owned()),
        };
        Some((site, scope, key))
    }

    fn take_lock(&mut self, site: &Arc<Site>, key: &Key, scope: &Scope, waiting: Waiting) -> bool {
        let mut held = self.borrow(site);
        let store_time = self.budget(site).left();
        let locked = self.wait(site, site.engine.lock(&mut held.locks, store_time, key, scope, waiting));
        self.held = held;
        let Some(locked) = locked else { return false };
        self.waited(&locked);
        locked.is_held()
    }

    fn give_back(&mut self, site: &Arc<Site>, key: &Key, scope: &Scope) -> bool {
        use cloakroom::Unlocked;
        let mut held = self.borrow(site);
        let budget = self.budget(site);
        let unlocked = self.wait(site, site.engine.unlock(&mut held.locks, budget, key, scope));
        self.held = held;
        match unlocked {
            Some(Ok(Unlocked::Given | Unlocked::StillHeld)) => true,
            Some(Ok(Unlocked::Lapsed)) => {
                self.say_lapsed(site);
                false
            }
            Some(Ok(Unlocked::NotHeld) | Err(_)) | None => false,
        }
    }

    fn borrow(&mut self, site: &Arc<Site>) -> Held {
        let mut held = std::mem::take(&mut self.held);
        held.site = Some(site.clone());
        held
    }

    /// What a lock has cost: outside the store's time, counted, and told where it was not had.
    fn waited(&mut self, locked: &Locked) {
        let waited = locked.waited();
        self.request.spent = self.request.spent.saturating_sub(waited.time);
        self.request.waited += waited.time;
        if waited.other.is_some() {
            self.counters.waits += 1;
        }
        if let Locked::Merging(why, _) = locked
            && !matches!(why, NotLocked::Store(error) if error.is_outage())
        {
            let after = if waited.time.is_zero() { String::new() } else { format!(", after {}", seconds(waited.time)) };
            self.log.say(format!("A lock was not had{after}: {why}."));
        }
    }

    fn say_lapsed(&mut self, site: &Site) {
        self.log.say(format!(
            "A lock ran out after {} while its request was still at work; another request may have changed the session \
             meanwhile, and what both changed was merged. Raise cloakroom.lock_lease above the time such requests take.",
            seconds(site.settings.waiting.lease)
        ));
    }
}

/// A session that only reads is told so.
pub(super) fn mark(session: &mut Session, manners: &Manners) {
    if manners.readonly {
        session.set_readonly(true);
    }
}

#[cfg(test)]
mod tests {
    use super::path_of;

    #[test]
    fn the_path_is_what_the_visitor_asked_for_without_the_query() {
        for (address, path) in [
            ("/wp-json/wp/v2/posts?x=/a", "/wp-json/wp/v2/posts"),
            ("/", "/"),
            ("http://host/a/b", "/a/b"),
            ("http://host", "/"),
            ("/go?to=http://host/", "/go"),
            ("/go/http://host/", "/go/http://host/"),
            ("", ""),
        ] {
            assert_eq!(path_of(address.as_bytes()), path, "{address}");
        }
    }
}
