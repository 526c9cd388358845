//! What a load and a swap cost on the `sqlite:` store: processor time of the calling process, and how long it waited.
//!
//! `cargo run --release -p cloakroom-stores --example sqlite_bench [FOLDER [PROCESSES [BYTES]]]`;
//! the folder names the disk. Each row is
//! that many processes at once, each with requests of one load and one swap on sessions drawn by chance, `maintain`
//! after each as a door would, back to back: harsher than any site. CPU includes the checkpoints.

use std::io::Read;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use cloakroom::{About, Budget, CommitId, CommitLog, Key, Owner, Record, State, Store, Time, Version};
use cloakroom_stores::Options;
use cloakroom_stores::sqlite::SqliteStore;
use rustix::time::{ClockId, clock_gettime};

const SESSIONS: u64 = 2000;
const ENVELOPES: [usize; 3] = [90, 1100, 20 << 10];

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

fn main() -> Outcome<()> {
    let args: Vec<String> = std::env::args().collect();
    if let [_, role, url, envelope, seed, requests] = args.as_slice()
        && role == "worker"
    {
        return worker(url, envelope.parse()?, seed.parse()?, requests.parse()?);
    }
    let folder = match args.get(1) {
        Some(folder) => tempfile::tempdir_in(folder)?,
        None => tempfile::tempdir()?,
    };
    let only = |at: usize| args.get(at).map(|number| number.parse::<usize>()).transpose();
    println!("processes  envelope   CPU µs/request   load p50   p99   swap p50   p99   max (wall µs)   requests/s");
    for envelope in only(3)?.map_or(ENVELOPES.to_vec(), |n| vec![n]) {
        for processes in only(2)?.map_or(vec![1, 4, 8], |n| vec![n]) {
            run(folder.path(), envelope, processes)?;
        }
    }
    Ok(())
}

fn run(folder: &std::path::Path, envelope: usize, processes: usize) -> Outcome<()> {
    let path = folder.join(format!("bench-{envelope}-{processes}.sqlite"));
    let url = format!("sqlite:{}", path.display());
    let store = SqliteStore::open(&url, &Options::default())?;
    for n in 0..SESSIONS {
        now(store.create(budget(), &key(n), &record(n, envelope), Time(1)))?;
    }
    let requests = if std::env::var_os("QUICK").is_some() { 2000 } else { 24_000 } / processes.min(4);
    let began = Instant::now();
    let children: Vec<_> = (0..processes)
        .map(|n| {
            Command::new(std::env::current_exe()?)
                .args(["worker", &url, &envelope.to_string(), &n.to_string(), &requests.to_string()])
                .stdout(Stdio::piped())
                .spawn()
        })
        .collect::<Result<_, _>>()?;
    let (mut cpu, mut loads, mut swaps) = (0u64, Vec::new(), Vec::new());
    for mut child in children {
        let mut text = String::new();
        child.stdout.take().ok_or("no output")?.read_to_string(&mut text)?;
        child.wait()?;
        let mut numbers = text.split_whitespace().map(str::parse::<u64>);
        cpu += numbers.next().ok_or("a worker failed")??;
        while let (Some(load), Some(swap)) = (numbers.next(), numbers.next()) {
            loads.push(load?);
            swaps.push(swap?);
        }
    }
    let wall = began.elapsed();
    loads.sort_unstable();
    swaps.sort_unstable();
    let at = |sorted: &[u64], permille: usize| sorted[(sorted.len() - 1) * permille / 1000] as f64 / 1e3;
    println!(
        "{processes:9}  {envelope:8}   {:14.1}   {:8.1} {:5.0}   {:8.1} {:5.0} {:5.0}   {:26.0}",
        cpu as f64 / 1e3 / loads.len() as f64,
        at(&loads, 500),
        at(&loads, 990),
        at(&swaps, 500),
        at(&swaps, 990),
        at(&swaps, 1000),
        loads.len() as f64 / wall.as_secs_f64(),
    );
    Ok(())
}

fn worker(url: &str, envelope: usize, seed: u64, requests: u64) -> Outcome<()> {
    let store = SqliteStore::open(url, &Options::default())?;
    now(store.load(budget(), &key(0)))?;
    let fresh = record(seed, envelope).envelope;
    let mut random = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut times = Vec::new();
    let mut maintenance = Duration::ZERO;
    let cpu = cpu_nanos();
    for n in 0..requests {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let key = key(random % SESSIONS);
        let began = Instant::now();
        let found = now(store.load(budget(), &key))?.record.ok_or("a session is gone")?;
        let loaded = began.elapsed();
        // Sizes change a little from commit to commit, as they do once payloads are compressed.
        let length = envelope - (n as usize * 7) % (envelope / 16);
        let mut next = Record { version: found.version.next(), ..found.clone() };
        next.about.commits.push(CommitId(random));
        next.envelope.clear();
        next.envelope.extend_from_slice(&fresh[..length]);
        let began = Instant::now();
        now(store.swap(budget(), &key, found.version, &next, Time(1)))?;
        times.push((loaded, began.elapsed()));
        let began = Instant::now();
        store.maintain(budget());
        maintenance += began.elapsed();
    }
    let cpu = cpu_nanos() - cpu;
    if std::env::var_os("MAINTENANCE").is_some() {
        eprintln!("maintenance: {:.1} µs/request", maintenance.as_secs_f64() * 1e6 / requests as f64);
    }
    let times: Vec<String> = times.iter().map(|(l, s)| format!("{} {}", l.as_nanos(), s.as_nanos())).collect();
    println!("{cpu} {}", times.join(" "));
    Ok(())
}

fn cpu_nanos() -> u64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec.unsigned_abs() * 1_000_000_000 + time.tv_nsec.unsigned_abs()
}

fn budget() -> Budget {
    Budget::of(Duration::from_secs(10))
}

fn key(n: u64) -> Key {
    let mut bytes = [0u8; 32];
    let mut random = n.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    for chunk in bytes.chunks_mut(8) {
        random = (random ^ (random >> 31)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        chunk.copy_from_slice(&random.to_be_bytes());
    }
    Key::from_bytes(bytes)
}

fn record(n: u64, envelope: usize) -> Record {
    Record {
        version: Version { incarnation: n + 1, counter: 1 },
        state: State::Live,
        created: Time(1_700_000_000_000),
        touched: Time(1_700_000_000_000),
        idle: Time(1_900_000_000_000),
        absolute: None,
        owner: n.is_multiple_of(4).then(|| Owner::new(format!("site:{n}")).ok()).flatten(),
        format: 1,
        size: u32::try_from(envelope).unwrap_or(0),
        about: About { commits: CommitLog::from_ids([CommitId(n)]), ..About::default() },
        envelope: (0..envelope).map(|i| (i as u64 * 31 + n) as u8).collect(),
    }
}

/// The verbs of this store never wait for a runtime, so one poll is all there is.
fn now<T>(verb: impl Future<Output = T>) -> T {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match std::pin::pin!(verb).poll(&mut context) {
        std::task::Poll::Ready(value) => value,
        std::task::Poll::Pending => unreachable!("the verbs run inline"),
    }
}
