//! What one process keeps: a runtime, stores and engines. Made at the first session after a fork, never before; no
//! threads, so no signal of PHP's goes astray.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use cloakroom::{Engine, PayloadMerge, Store};
use cloakroom_stores::Options;
use tokio::runtime::Runtime;

#[cfg(feature = "sqlite")]
use crate::place;
use crate::settings::{Settings, StoreAt};

/// Most sets of settings (sites of one pool) that a worker keeps apart; the one used longest ago goes.
const KEPT: usize = 8;

/// A site's settings with the engine made for them.
#[derive(Debug)]
pub(crate) struct Site {
    pub(crate) settings: Settings,
    pub(crate) engine: Engine,
}

/// A process's runtime, stores and engines.
#[derive(Debug)]
pub(crate) struct Worker {
    pid: u32,
    runtime: Runtime,
    stores: Vec<(String, Arc<dyn Store>)>,
    /// With their fingerprints; the one used last comes last.
    sites: Vec<(Vec<u8>, Arc<Site>)>,
    /// The generation of the settings for which the last of `sites` was found.
    generation: Option<u64>,
}

impl Worker {
    /// An empty worker for this process.
    pub(crate) fn new() -> Result<Self, String> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| format!("no runtime could be made in this process: {error}."))?;
        Ok(Self { pid: std::process::id(), runtime, stores: Vec::new(), sites: Vec::new(), generation: None })
    }

    /// Whether it was made by this process and not by the one it was forked from.
    pub(crate) fn is_of_this_process(&self) -> bool {
        self.pid == std::process::id()
    }

    /// The site of the last request, if the settings have not changed since.
    pub(crate) fn last_site(&self, generation: u64) -> Option<Arc<Site>> {
        let (_, site) = self.sites.last().filter(|_| self.generation == Some(generation))?;
        Some(site.clone())
    }

    /// The site with these settings, kept from an earlier request.
    pub(crate) fn known_site(&mut self, generation: u64, fingerprint: &[u8]) -> Option<Arc<Site>> {
        let at = self.sites.iter().position(|(known, _)| known == fingerprint)?;
        let site = self.sites.remove(at);
        self.sites.push(site);
        self.generation = Some(generation);
        self.sites.last().map(|(_, site)| site.clone())
    }

    /// Makes the site for these settings. `url_from_file` is what `cloakroom.store_file` holds, if it was read at start-up.
    pub(crate) fn make_site(
        &mut self,
        generation: u64,
        fingerprint: Vec<u8>,
        settings: Settings,
        save_path: &[u8],
        url_from_file: Option<&str>,
    ) -> Result<Arc<Site>, String> {
        let url = match &settings.store {
            StoreAt::Url(url) => url.clone(),
            StoreAt::File(_) if url_from_file.is_some() => url_from_file.unwrap_or_default().to_owned(),
            StoreAt::File(path) => read_url(path)?,
            StoreAt::Default => default_url(save_path)?,
        };
        let store = match self.stores.iter().find(|(known, _)| *known == url) {
            Some((_, store)) => store.clone(),
            None => {
                let store = {
                    // Some clients want to be made inside a runtime.
                    let _guard = self.runtime.enter();
                    // Nothing else runs in this thread, so a store may hold it up while its server thinks.
                    let options = Options { blocking: true, ..Options::default() };
                    cloakroom_stores::open(&url, &options).map_err(|error| error.to_string())?
                };
                if self.stores.len() >= KEPT {
                    self.stores.remove(0);
                }
                self.stores.push((url, store.clone()));
                store
            }
        };
        let engine = Engine::builder(store)
            .namespace(settings.namespace.clone())
            .ring(settings.ring.clone())
            .policy(settings.policy.clone())
            .merge(Arc::new(PayloadMerge::new(settings.rules.clone())))
            .build();
        let site = Arc::new(Site { settings, engine });
        if self.sites.len() >= KEPT {
            self.sites.remove(0);
        }
        self.sites.push((fingerprint, site.clone()));
        self.generation = Some(generation);
        Ok(site)
    }

    /// Every site of this worker, for housekeeping.
    pub(crate) fn sites(&self) -> impl Iterator<Item = &Arc<Site>> {
        self.sites.iter().map(|(_, site)| site)
    }

    /// Waits for an answer of the store.
    pub(crate) fn wait<T>(&self, future: impl Future<Output = T>) -> T {
        let mut future = pin!(future);
        {
            // Most stores have the answer at the first asking, and then the runtime need not be started.
            let _guard = self.runtime.enter();
            if let Poll::Ready(answer) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                return answer;
            }
        }
        self.runtime.block_on(future)
    }
}

/// The URL in a file: its first line that is neither empty nor a comment.
pub(crate) fn read_url(path: &str) -> Result<String, String> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| format!("cloakroom.store_file {path} can't be read: {error}. Check its path and rights."))?;
    text.lines()
        .map(str::trim)
        .find(|line| !line.is_empty() && !line.starts_with('#'))
        .map(str::to_owned)
        .ok_or_else(|| format!("cloakroom.store_file {path} is empty; put the store's URL into it."))
}

#[cfg(feature = "sqlite")]
fn default_url(save_path: &[u8]) -> Result<String, String> {
    let uid = rustix::process::geteuid().as_raw();
    let file = cloakroom_stores::sqlite::prepare_default(&place::session_folder(save_path), uid, true)
        .map_err(|error| error.to_string())?;
    Ok(format!("sqlite:{}", file.display()))
}

#[cfg(not(feature = "sqlite"))]
fn default_url(_: &[u8]) -> Result<String, String> {
    Err("This build has no SQLite, so cloakroom.store must name a store.".into())
}
