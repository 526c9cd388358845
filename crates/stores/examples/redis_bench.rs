//! What a load and a swap cost on the `redis://` store: processor time of the calling process and of the server.
//!
//! `cargo run --release -p cloakroom-stores --example redis_bench [REQUESTS [ENVELOPE [WHAT]]]` starts a Redis of its own.
//! With `perf stat -e instructions:u,instructions:k --no-inherit` it tells instructions: two runs of one `WHAT`, named as in
//! the table, and their difference.
//! Compared with the
//! barest pair of commands that keeps a session, `GET` and `SETEX`, sent over the same connection code of the standard
//! library: what the server has to do at least, and the client with blocking calls and no checks.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use cloakroom::store::Swapped;
use cloakroom::{About, Budget, CommitId, CommitLog, Key, Record, State, Time, Version};
use cloakroom_stores::{Options, open};
use cloakroom_testbed::Redis;
use rustix::time::{ClockId, clock_gettime};

const ENVELOPES: [usize; 5] = [90, 1100, 2700, 5000, 20 << 10];
const SESSIONS: u8 = 200;

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let requests: u64 = arguments.first().map_or(Ok(20_000), |n| n.parse())?;
    let envelopes = arguments.get(1).map(|n| n.parse()).transpose()?.map_or(ENVELOPES.to_vec(), |n| vec![n]);
    let wanted = |what: &str| arguments.get(2).is_none_or(|only| only == what);
    let redis = Redis::start()?;
    println!("µs of CPU per request      envelope   client   server    sum");
    for envelope in envelopes {
        let unix = format!("redis+unix:{}", redis.socket().display());
        for (way, url) in [("tcp", redis.url()), ("unix", unix)] {
            for (kind, blocking) in [("", false), (", blocking", true)] {
                let what = format!("cloakroom, {way}{kind}");
                if wanted(&what) {
                    measure(&redis, &what, envelope, requests, || store(&url, blocking, envelope, requests))?;
                }
            }
        }
        if wanted("GET+SETEX, tcp") {
            let tcp = TcpStream::connect(("127.0.0.1", redis.port()))?;
            tcp.set_nodelay(true)?;
            measure(&redis, "GET+SETEX, tcp", envelope, requests, || bare(tcp, envelope, requests))?;
        }
        if wanted("GET+SETEX, unix") {
            let unix = UnixStream::connect(redis.socket())?;
            measure(&redis, "GET+SETEX, unix", envelope, requests, || bare(unix, envelope, requests))?;
        }
    }
    Ok(())
}

fn measure(
    redis: &Redis,
    what: &str,
    envelope: usize,
    requests: u64,
    work: impl FnOnce() -> Outcome<()>,
) -> Outcome<()> {
    let (ours, theirs) = (cpu(), redis.cpu_ticks());
    work()?;
    let client = (cpu() - ours).as_secs_f64() * 1e6 / requests as f64;
    let server = (redis.cpu_ticks() - theirs) as f64 * 10_000.0 / requests as f64;
    println!("{what:<25} {envelope:>9} {client:>8.1} {server:>8.1} {:>6.1}", client + server);
    Ok(())
}

fn store(url: &str, blocking: bool, envelope: usize, requests: u64) -> Outcome<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let store = open(url, &Options { blocking, ..Options::default() })?;
    let budget = || Budget::of(Duration::from_secs(2));
    let now = runtime.block_on(store.now(budget()))?;
    for n in 0..SESSIONS {
        let record = record(now, envelope);
        runtime.block_on(store.end(
            budget(),
            &key(n),
            &cloakroom::Tombstone::new(cloakroom::EndKind::Operator, now, Duration::from_millis(1))?,
        ))?;
        while runtime.block_on(store.create(budget(), &key(n), &record, now))? != cloakroom::store::Created::Done {}
    }
    for n in 0..requests {
        let key = key((n % u64::from(SESSIONS)) as u8);
        let loaded = runtime.block_on(store.load(budget(), &key))?;
        let mut record = loaded.record.ok_or("the session is gone")?;
        let expected = record.version;
        record.version = expected.next();
        record.about.commits.push(CommitId(n));
        let swapped = runtime.block_on(store.swap(budget(), &key, expected, &record, loaded.now))?;
        if swapped != Swapped::Done {
            return Err(format!("{swapped:?}").into());
        }
    }
    Ok(())
}

fn bare(mut stream: impl Read + Write, envelope: usize, requests: u64) -> Outcome<()> {
    let value = vec![7u8; envelope + 120];
    let mut buffer = vec![0; 64 << 10];
    let mut ask = |request: &[u8], ends: &dyn Fn(&[u8]) -> bool| -> Outcome<()> {
        stream.write_all(request)?;
        let mut length = 0;
        while length == 0 || !ends(&buffer[..length]) {
            length += stream.read(&mut buffer[length..])?;
        }
        Ok(())
    };
    for n in 0..requests {
        let key = format!("bare:{envelope}:{:064}", n % u64::from(SESSIONS));
        let get = format!("*2\r\n$3\r\nGET\r\n${}\r\n{key}\r\n", key.len());
        ask(get.as_bytes(), &|reply| reply.starts_with(b"$-1") || reply.len() > value.len())?;
        let mut set =
            format!("*4\r\n$5\r\nSETEX\r\n${}\r\n{key}\r\n$4\r\n1440\r\n${}\r\n", key.len(), value.len()).into_bytes();
        set.extend_from_slice(&value);
        set.extend_from_slice(b"\r\n");
        ask(&set, &|reply| reply.ends_with(b"\r\n"))?;
    }
    Ok(())
}

fn cpu() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

fn key(n: u8) -> Key {
    Key::from_bytes([n; 32])
}

fn record(now: Time, envelope: usize) -> Record {
    Record {
        version: Version { incarnation: 1, counter: 1 },
        state: State::Live,
        created: now,
        touched: now,
        idle: now.plus(Duration::from_secs(1440)),
        absolute: None,
        owner: None,
        format: 1,
        size: envelope as u32,
        about: About { commits: CommitLog::default(), ..About::default() },
        envelope: vec![7; envelope],
    }
}
