//! Several requests of one visitor at once: who waits for whom, for how long, and whose changes are kept. Each request
//! stays in its session for two milliseconds, as a page does, and counts in a variable of its own.

use std::time::{Duration, Instant};

use cloakroom_testbed::{Error, Result};

use crate::fastcgi::Worker;
use crate::figures::{median, percentile};
use crate::subjects::Subject;

/// How many requests run at once.
const AT_ONCE: usize = 4;
/// What a session_start takes that has waited, in microseconds: far more than any takes that has not.
const WAITED: f64 = 1000.0;
/// Locks that are asked for every 150 ms would make this last for minutes.
const PATIENCE: Duration = Duration::from_secs(4);

/// What came of it.
#[derive(Debug, Clone, Copy, serde::Serialize)]
pub(crate) struct Shared {
    pub(crate) requests: usize,
    /// Requests that waited for another one in session_start.
    pub(crate) waited: usize,
    /// Milliseconds, of those that waited.
    pub(crate) wait_median: f64,
    pub(crate) wait_p99: f64,
    pub(crate) wait_longest: f64,
    /// Changes that are in the session afterwards.
    pub(crate) kept: u64,
    /// Requests that ended with an error instead of a page.
    pub(crate) failed: usize,
}

/// Sends up to `each` requests of one session over each of four workers.
pub(crate) fn measure(subject: &mut Subject, each: usize) -> Result<Shared> {
    let mut workers: Vec<&mut Worker> = subject.workers.iter_mut().take(AT_ONCE).collect();
    let first = workers[0].get("mode=hold&size=0&worker=0", None)?;
    let Some(session) = first.cookie() else {
        return Err(Error::Other(format!("{}: no session begins: {first:?}", subject.name)));
    };
    let until = Instant::now() + PATIENCE;
    let starts: Vec<Option<f64>> = std::thread::scope(|scope| {
        let threads: Vec<_> = workers
            .iter_mut()
            .enumerate()
            .map(|(number, worker)| {
                scope.spawn(move || {
                    let query = format!("mode=hold&size=0&worker={number}");
                    let in_time = (0..each).take_while(|_| Instant::now() < until);
                    in_time.map(|_| start_of(worker, &query, session)).collect::<Vec<_>>()
                })
            })
            .collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap_or_default()).collect()
    });
    let last = workers[0].get("mode=hold&size=0&worker=0", Some(session))?;
    let sum = last.body.split(' ').next().and_then(|sum| sum.parse::<u64>().ok()).unwrap_or(0);
    let waits: Vec<f64> =
        starts.iter().flatten().filter(|start| **start > WAITED).map(|start| start / 1000.0).collect();
    Ok(Shared {
        requests: starts.len(),
        waited: waits.len(),
        wait_median: median(&waits),
        wait_p99: percentile(&waits, 0.99),
        wait_longest: percentile(&waits, 1.0),
        // The first and the last request counted as well.
        kept: sum.saturating_sub(2),
        failed: starts.iter().filter(|start| start.is_none()).count(),
    })
}

/// Microseconds that session_start took; `None` where PHP answered with an error.
fn start_of(worker: &mut Worker, query: &str, session: &str) -> Option<f64> {
    worker.get(query, Some(session)).ok()?.body.split(' ').nth(1)?.parse().ok()
}
