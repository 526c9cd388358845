//! The holder of a session's lock is killed with -9: how long the visitor's next request takes, and whether it gets its page.
//! Holder and next request run on one host; on another host the lock's lease is what ends it.

use std::path::Path;
use std::time::{Duration, Instant};

use cloakroom_testbed::{Error, Fpm, FpmOptions, PhpSettings, Result, wait_until};
use rustix::process::{Pid, Signal, kill_process};

use crate::fastcgi::{Page, Worker};
use crate::figures::{median, percentile};

/// What issue 3 allows, in milliseconds.
pub(crate) const AT_MOST: f64 = 2000.0;

/// What came of it, for one handler.
#[derive(Debug, Clone, serde::Serialize)]
pub(crate) struct Killed {
    pub(crate) name: &'static str,
    /// Milliseconds of the request after the kill, by round.
    pub(crate) waits: Vec<f64>,
    /// Next requests that got an error, not what was stored before the kill, or whose own change was not stored.
    pub(crate) failed: usize,
}

impl Killed {
    pub(crate) fn median(&self) -> f64 {
        median(&self.waits)
    }

    pub(crate) fn longest(&self) -> f64 {
        percentile(&self.waits, 1.0)
    }
}

/// Kills so many holders under these settings, one after another, each of a session of its own; `folder` takes a file.
pub(crate) fn measure(
    name: &'static str,
    settings: PhpSettings,
    rounds: usize,
    script: &Path,
    folder: &Path,
) -> Result<Killed> {
    let options = FpmOptions { workers: 3, user: Some("root".into()), settings, ..FpmOptions::default() };
    let fpm = Fpm::start_with(&FpmOptions { own_session_folder: false, ..options })?;
    let script = script.display().to_string();
    let flag = folder.join("holder");
    let mut killed = Killed { name, waits: Vec::new(), failed: 0 };
    for _ in 0..rounds {
        let _gone = std::fs::remove_file(&flag);
        let mut next = Worker::connect(&fpm.endpoint(), &script)?;
        let mut holder = Worker::connect(&fpm.endpoint(), &script)?;
        let first = next.get("mode=hold&size=0&worker=0", None)?;
        let Some(session) = first.cookie() else {
            return Err(Error::Other(format!("{name}: no session begins: {first:?}")));
        };
        let took = std::thread::scope(|scope| {
            let query = format!("mode=keep&size=0&flag={}", flag.display());
            let ended = scope.spawn(move || holder.get(&query, Some(session)));
            let mut pid = None;
            wait_until("the holder has its lock", Duration::from_secs(20), || {
                pid = std::fs::read_to_string(&flag).ok().and_then(|text| Pid::from_raw(text.parse().ok()?));
                pid.is_some()
            })?;
            if let Some(pid) = pid {
                kill_process(pid, Signal::KILL).map_err(|error| Error::Other(format!("could not kill it: {error}")))?;
            }
            // Its connection breaks: it is dead.
            let _broken = ended.join();
            let began = Instant::now();
            let page = next.get("mode=hold&size=0&worker=1", Some(session));
            let took = began.elapsed();
            // The first request and this one have counted, and what they wrote is kept: one more finds it.
            let right = |page: Result<Page>, count: &str| page.is_ok_and(|page| page.body.starts_with(count));
            let kept = right(next.get("mode=hold&size=0&worker=2", Some(session)), "3 ");
            killed.failed += usize::from(!(right(page, "2 ") && kept));
            Ok::<Duration, Error>(took)
        })?;
        killed.waits.push(took.as_secs_f64() * 1000.0);
    }
    Ok(killed)
}
