//! An open store and what a command needs to work on it.

use std::future::Future;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use cloakroom::{Budget, Engine, Store, StoreError};
use cloakroom_stores::Options;
use rustix::process::{Gid, Uid};
use tokio::runtime::Runtime;

use crate::place::Place;
use crate::rights::{READ, SEARCH, User, WRITE};
use crate::{Failure, Surroundings};

/// A store with an engine over it, driven on this thread.
#[derive(Debug)]
pub struct Desk {
    /// The engine.
    pub engine: Engine,
    /// How the store was found.
    pub place: Place,
    name: String,
    runtime: Runtime,
    timeout: Duration,
    // Last: the store is closed as the user that it was opened as.
    _user: Option<AsOwner>,
}

impl Desk {
    /// Opens the store; never makes one. Connects to nothing yet.
    ///
    /// # Errors
    /// When the URL can't be used.
    pub fn open(place: Place, around: &Surroundings, timeout: Duration) -> Result<Self, Failure> {
        let file = place.url.strip_prefix("sqlite:").map(Path::new);
        if let Some(failure) = file.and_then(|path| closed(path, around)) {
            return Err(failure);
        }
        let options = Options { clock: around.clock.clone(), create: false, ..Options::default() };
        Self::over(place, around, timeout, |place| Ok(cloakroom_stores::open(&place.url, &options)?))
    }

    /// As [`open`](Self::open), over a store that `open` makes.
    pub(crate) fn over(
        place: Place,
        around: &Surroundings,
        timeout: Duration,
        open: impl FnOnce(&Place) -> Result<Arc<dyn Store>, Failure>,
    ) -> Result<Self, Failure> {
        let user = place.url.strip_prefix("sqlite:").and_then(|path| AsOwner::of(Path::new(path)));
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|e| Failure::could_not(format!("The command could not start: {e}.")))?;
        let store = {
            let _guard = runtime.enter();
            open(&place)?
        };
        let engine = Engine::builder(store).clock(around.clock.clone()).build();
        let about = engine.store().describe();
        let name = format!("{} {}", about.engine, around.told(&about.location));
        Ok(Self { engine, place, name, runtime, timeout, _user: user })
    }

    /// The store.
    pub fn store(&self) -> &dyn Store {
        self.engine.store()
    }

    /// Engine and place of the store, for people: `SQLite /var/lib/…`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The time for one verb.
    pub fn budget(&self) -> Budget {
        Budget::of(self.timeout)
    }

    /// Waits for an answer.
    pub fn wait<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }

    /// A capability that the store must have for this command.
    ///
    /// # Errors
    /// When it has it not.
    pub fn must<T>(&self, capability: Option<T>, what: &str) -> Result<T, Failure> {
        let engine = self.store().describe().engine;
        capability.ok_or_else(|| {
            Failure::could_not(format!("{engine} can't {what}; keep the sessions in another store for that."))
        })
    }
}

/// Whether a store answers and has nothing to look at, since its tables are made with the first session.
pub(crate) fn nothing_yet(error: &StoreError) -> bool {
    matches!(error, StoreError::Refused { detail, .. } if detail.starts_with("there is no table"))
}

/// A file that this user may not open: said with its owner, before SQLite says less.
fn closed(path: &Path, around: &Surroundings) -> Option<Failure> {
    let user = User::of(around.uid, around);
    // Whose folder is closed, its files can't be seen.
    let seen = path.symlink_metadata().or_else(|_| path.parent().unwrap_or(path).symlink_metadata()).ok()?;
    let folder = path.parent().unwrap_or(path);
    if user.may(READ | WRITE, path, around) && user.may(SEARCH, folder, around) {
        return None;
    }
    let owner = around.user_name(seen.uid()).unwrap_or_else(|| format!("#{}", seen.uid()));
    let or = if seen.uid() == 0 { String::new() } else { format!(", or with `sudo -u {owner}`") };
    Some(Failure::could_not(format!(
        "The session store {} belongs to {owner}, and you may not open it; run the command as root{or}.",
        path.display()
    )))
}

/// Where root opens a file of somebody else's, it does so as that user: what that user planted around the file then
/// reaches no further than the user does, and files that SQLite makes beside it belong to the right one.
#[derive(Debug)]
struct AsOwner;

impl AsOwner {
    fn of(path: &Path) -> Option<Self> {
        if !rustix::process::geteuid().is_root() {
            return None;
        }
        // The folder decides where the file is not there yet or is a link.
        let meta = std::fs::symlink_metadata(path).ok().filter(std::fs::Metadata::is_file);
        let meta = meta.or_else(|| std::fs::symlink_metadata(path.parent()?).ok())?;
        if meta.uid() == 0 {
            return None;
        }
        let (uid, gid) = (Uid::from_raw(meta.uid()), Gid::from_raw(meta.gid()));
        // This thread only; there is no other, and tests have theirs.
        let group = rustix::thread::set_thread_res_gid(None, gid, None);
        if group.is_err() || rustix::thread::set_thread_res_uid(None, uid, None).is_err() {
            let _ = rustix::thread::set_thread_res_gid(None, Gid::ROOT, None);
            return None;
        }
        Some(Self)
    }
}

impl Drop for AsOwner {
    fn drop(&mut self) {
        let _ = rustix::thread::set_thread_res_uid(None, Uid::ROOT, None);
        let _ = rustix::thread::set_thread_res_gid(None, Gid::ROOT, None);
    }
}
