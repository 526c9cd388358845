//! Bursts of requests: who comes, what is checked, what it took.

use std::time::Instant;

use cloakroom_testbed::{Error, Result};

use crate::fastcgi::Worker;
use crate::figures::percentile;
use crate::subjects::{Subject, WORKERS};

/// Bytes in a session beside its counter.
pub(crate) const SIZES: [usize; 3] = [0, 1024, 20 * 1024];
/// How many workers are busy at once.
pub(crate) const CROWDS: [usize; 3] = [1, 4, 8];

/// A session that exists, and its counter: each reply must show the next number, or a session was lost.
#[derive(Debug)]
struct Visitor {
    id: String,
    count: u64,
}

/// The sessions of one subject: by worker, by size. No two workers share one.
#[derive(Debug)]
pub(crate) struct Visitors(Vec<Vec<Vec<Visitor>>>);

impl Visitors {
    /// Begins `each` sessions for every worker and size, with ids that the handler gives out.
    pub(crate) fn begin(subject: &mut Subject, each: usize) -> Result<Self> {
        let with_session = subject.has_sessions();
        let mut all = Vec::with_capacity(WORKERS);
        for worker in &mut subject.workers {
            let mut by_size = Vec::with_capacity(SIZES.len());
            for size in SIZES {
                let begin = |_| match with_session {
                    true => begin(worker, size),
                    false => Ok(Visitor { id: String::new(), count: 0 }),
                };
                by_size.push((0..each).map(begin).collect::<Result<Vec<_>>>()?);
            }
            all.push(by_size);
        }
        Ok(Self(all))
    }
}

fn begin(worker: &mut Worker, size: usize) -> Result<Visitor> {
    let page = worker.get(&format!("mode=count&size={size}"), None)?;
    match (page.cookie(), page.body.as_str()) {
        (Some(id), "1") => Ok(Visitor { id: id.into(), count: 1 }),
        _ => Err(Error::Other(format!("no session begins: {page:?}"))),
    }
}

/// What one request took, on average over a burst, in microseconds; and what waiting for it was like.
#[derive(Debug, Clone, Copy, Default, serde::Serialize)]
pub(crate) struct Sample {
    pub(crate) php: f64,
    pub(crate) server: f64,
    pub(crate) p50: f64,
    pub(crate) p99: f64,
}

/// Sends `requests` over each of the first `crowd` connections, one after another on each.
pub(crate) fn burst(
    subject: &mut Subject,
    visitors: &mut Visitors,
    size: usize,
    crowd: usize,
    requests: usize,
) -> Result<Sample> {
    let kind = SIZES.iter().position(|known| *known == size).unwrap_or(0);
    let (php_before, server_before) = subject.used();
    let mode = subject.mode();
    let results: Vec<Result<Vec<f64>>> = std::thread::scope(|scope| {
        let crowd = subject.workers.iter_mut().zip(&mut visitors.0).take(crowd);
        let threads: Vec<_> = crowd
            .map(|(worker, visitors)| {
                let visitors = &mut visitors[kind];
                scope.spawn(move || visit(worker, visitors, size, requests, mode))
            })
            .collect();
        let ended = |_| Err(Error::Other("a client panicked".into()));
        threads.into_iter().map(|thread| thread.join().unwrap_or_else(ended)).collect()
    });
    let mut waits = Vec::with_capacity(crowd * requests);
    for result in results {
        waits.extend(result.map_err(|error| Error::Other(format!("{}: {error}\n{}", subject.name, subject.log())))?);
    }
    let (php_after, server_after) = subject.used();
    let each = |nanoseconds: u64| nanoseconds as f64 / 1000.0 / waits.len() as f64;
    Ok(Sample {
        php: each(php_after.since(&php_before)),
        server: each(server_after.since(&server_before)),
        p50: percentile(&waits, 0.5),
        p99: percentile(&waits, 0.99),
    })
}

/// One worker's part; microseconds that each reply took.
fn visit(worker: &mut Worker, visitors: &mut [Visitor], size: usize, requests: usize, mode: &str) -> Result<Vec<f64>> {
    let query = format!("mode={mode}&size={size}");
    let with_session = mode == "count";
    let mut waits = Vec::with_capacity(requests);
    let seats = visitors.len();
    for number in 0..requests {
        let visitor = &mut visitors[number % seats];
        let begin = Instant::now();
        let page = worker.get(&query, with_session.then_some(visitor.id.as_str()))?;
        waits.push(begin.elapsed().as_secs_f64() * 1e6);
        visitor.count += 1;
        let right = if with_session { page.body == visitor.count.to_string() } else { page.body == mode };
        if !right {
            return Err(Error::Other(format!("the counter should be {}: {page:?}", visitor.count)));
        }
    }
    Ok(waits)
}
