//! What a load and a swap cost on the `mysql://` store: processor time of the calling process and of the server.
//!
//! `cargo run --release -p cloakroom-stores --example mysql_bench [REQUESTS [ENVELOPE]]` starts a MariaDB of its own. What
//! the server takes includes its log on the disk: one write and one wait for each swap.

use std::time::{Duration, Instant};

use cloakroom::store::Swapped;
use cloakroom::{About, Budget, CommitId, CommitLog, Key, Owner, Record, State, Time, Version};
use cloakroom_stores::{Options, open};
use cloakroom_testbed::Mariadb;
use rustix::time::{ClockId, clock_gettime};

const ENVELOPES: [usize; 3] = [90, 1100, 20 << 10];
const SESSIONS: u8 = 200;

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

fn main() -> Outcome<()> {
    let mut arguments = std::env::args().skip(1);
    let requests: u64 = arguments.next().map_or(Ok(5_000), |n| n.parse())?;
    let envelopes = arguments.next().map(|n| n.parse()).transpose()?.map_or(ENVELOPES.to_vec(), |n| vec![n]);
    let server = Mariadb::start()?;
    let unix = format!(
        "mysql://{}:{}@localhost/cloakroom?socket={}",
        server.user(),
        server.password(),
        server.socket().display()
    );
    println!("CPU µs            envelope   load: client   server   swap: client   server   both, wall");
    for envelope in envelopes {
        for (way, url) in [("tcp", server.url()), ("unix", unix.clone())] {
            for owned in [false, true] {
                let what = format!("{way}{}", if owned { ", owned" } else { "" });
                measure(&server, &what, &url, owned, envelope, requests)?;
            }
        }
    }
    Ok(())
}

fn measure(server: &Mariadb, what: &str, url: &str, owned: bool, envelope: usize, requests: u64) -> Outcome<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let store = open(url, &Options::default())?;
    let budget = || Budget::of(Duration::from_secs(10));
    let now = runtime.block_on(store.now(budget()))?;
    let mut records = Vec::new();
    for n in 0..SESSIONS {
        let tombstone = cloakroom::Tombstone::new(cloakroom::EndKind::Operator, now, Duration::ZERO)?;
        runtime.block_on(store.end(budget(), &key(n), &tombstone))?;
        let record = record(now, owned, envelope);
        while runtime.block_on(store.create(budget(), &key(n), &record, now))? != cloakroom::store::Created::Done {}
        records.push(record);
    }
    let at = |n: u64| (n % u64::from(SESSIONS)) as u8;
    let began = Instant::now();
    let (ours, theirs) = (cpu(), served(server)?);
    for n in 0..requests {
        let found = runtime.block_on(store.load(budget(), &key(at(n))))?;
        found.record.ok_or("the session is gone")?;
    }
    let (loads, served_loads) = (cpu() - ours, served(server)? - theirs);
    let (ours, theirs) = (cpu(), served(server)?);
    for n in 0..requests {
        let record = &mut records[usize::from(at(n))];
        let expected = record.version;
        record.version = expected.next();
        record.about.commits.push(CommitId(n));
        let swapped = runtime.block_on(store.swap(budget(), &key(at(n)), expected, record, now))?;
        if swapped != Swapped::Done {
            return Err(format!("{swapped:?}").into());
        }
    }
    let (swaps, served_swaps) = (cpu() - ours, served(server)? - theirs);
    let each = |time: Duration| time.as_secs_f64() * 1e6 / requests as f64;
    println!(
        "{what:<16} {envelope:>9} {:>14.1} {:>8.1} {:>14.1} {:>8.1} {:>12.0}",
        each(loads),
        each(served_loads),
        each(swaps),
        each(served_swaps),
        each(began.elapsed())
    );
    Ok(())
}

/// What the server's threads have used.
fn served(server: &Mariadb) -> Outcome<Duration> {
    let mut nanos = 0;
    for pid in server.pids() {
        for thread in std::fs::read_dir(format!("/proc/{pid}/task"))? {
            let used = std::fs::read_to_string(thread?.path().join("schedstat"))?;
            nanos += used.split(' ').next().ok_or("no number")?.parse::<u64>()?;
        }
    }
    Ok(Duration::from_nanos(nanos))
}

fn cpu() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

fn key(n: u8) -> Key {
    Key::from_bytes([n; 32])
}

fn record(now: Time, owned: bool, envelope: usize) -> Record {
    Record {
        version: Version { incarnation: 1, counter: 1 },
        state: State::Live,
        created: now,
        touched: now,
        idle: now.plus(Duration::from_secs(86_400)),
        absolute: None,
        owner: owned.then(|| Owner::new("site:42").ok()).flatten(),
        format: 1,
        size: envelope as u32,
        about: About { commits: CommitLog::default(), ..About::default() },
        envelope: vec![7; envelope],
    }
}
