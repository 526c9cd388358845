//! Locks on the real stores: strict order between handles that know nothing of each other, as the servers of a site have
//! them; holders killed, servers frozen.

#![cfg(all(feature = "sqlite", feature = "mysql", feature = "redis"))]

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

use cloakroom::lock::Other;
use cloakroom::{
    Budget, Committed, Engine, Lifetime, Locked, Locks, NotLocked, Opening, Scope, SessionId, Unlocked, Waiting,
};
use cloakroom_stores::{Options, open};
use cloakroom_testbed::{Mariadb, Redis};
use tokio::runtime::Runtime;

const LIFETIME: Lifetime = Lifetime { idle: Duration::from_secs(1440), absolute: None };
/// What the store may take, each time.
const TIME: Duration = Duration::from_secs(10);
const PHP: u8 = 1;
const PATIENT: Waiting = Waiting { lease: Duration::from_secs(120), wait: Duration::from_secs(60) };
const AT_ONCE: Waiting = Waiting { lease: Duration::from_secs(120), wait: Duration::ZERO };

/// One request of a server: a runtime and a store handle of its own.
struct Request {
    runtime: Runtime,
    engine: Engine,
    locks: Locks,
}

impl Request {
    fn to(url: &str) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let store = {
            let _guard = runtime.enter();
            open(url, &Options::default()).expect("the URL is right")
        };
        Self { runtime, engine: Engine::builder(store).build(), locks: Locks::default() }
    }

    fn store_new(&self, payload: &[u8]) -> SessionId {
        let mut session = self.engine.fresh(SessionId::draw().expect("randomness"), LIFETIME);
        let committed = self.runtime.block_on(session.commit(&self.engine, Budget::of(TIME), payload, PHP));
        assert_eq!(committed, Ok(Committed::Written));
        session.id().expect("an id").clone()
    }

    fn open_locked(&mut self, id: &SessionId, waiting: Waiting) -> (Opening, Locked) {
        self.runtime.block_on(self.engine.open_locked(&mut self.locks, TIME, id, LIFETIME, waiting))
    }

    fn lock(&mut self, id: &SessionId, waiting: Waiting) -> Locked {
        let key = self.engine.key_of(id);
        self.runtime.block_on(self.engine.lock(&mut self.locks, TIME, &key, &Scope::Session, waiting))
    }

    fn unlock(&mut self, id: &SessionId) -> Unlocked {
        let (key, budget) = (self.engine.key_of(id), Budget::of(TIME));
        let unlocked = self.runtime.block_on(self.engine.unlock(&mut self.locks, budget, &key, &Scope::Session));
        unlocked.expect("the store answers")
    }

    fn keep(&mut self) -> bool {
        self.runtime.block_on(self.engine.keep(&mut self.locks, Budget::of(TIME))).expect("the store answers")
    }

    fn payload(&self, id: &SessionId) -> Vec<u8> {
        match self.runtime.block_on(self.engine.open(Budget::of(TIME), id, LIFETIME)) {
            Opening::Live(session) => session.payload().to_vec(),
            other => panic!("{other:?}"),
        }
    }
}

fn number(payload: &[u8]) -> u32 {
    let text = std::str::from_utf8(payload).expect("text");
    text.strip_prefix("n|i:").and_then(|t| t.strip_suffix(';')).and_then(|t| t.parse().ok()).expect("a number")
}

/// Fifty requests at once, each reading a number and writing it raised by one.
fn fifty_locked_increments_are_fifty(url: &str) {
    let first = Request::to(url);
    let id = first.store_new(b"n|i:0;");
    let start = Arc::new(Barrier::new(50));
    let began = Instant::now();
    let requests: Vec<_> = (0..50)
        .map(|_| {
            let (url, id, start) = (url.to_owned(), id.clone(), start.clone());
            std::thread::spawn(move || {
                let mut request = Request::to(&url);
                start.wait();
                let (opening, locked) = request.open_locked(&id, PATIENT);
                assert!(locked.is_held(), "{locked:?}");
                let Opening::Live(mut session) = opening else { panic!("{opening:?}") };
                let payload = format!("n|i:{};", number(session.payload()) + 1);
                let budget = Budget::of(TIME);
                let commit = session.commit(&request.engine, budget, payload.as_bytes(), PHP);
                assert_eq!(request.runtime.block_on(commit), Ok(Committed::Written), "a locked commit met another");
                assert_eq!(request.unlock(&id), Unlocked::Given);
                locked.waited().time
            })
        })
        .collect();
    let waits: Vec<_> = requests.into_iter().map(|request| request.join().expect("done")).collect();
    assert_eq!(number(&first.payload(&id)), 50);
    assert!(waits.iter().filter(|wait| !wait.is_zero()).count() > 10, "nobody met anybody: {waits:?}");
    println!("{:?} for fifty, the longest wait {:?}", began.elapsed(), waits.iter().max());
}

fn a_wait_that_runs_out_is_told_and_only_the_holder_gives_back(url: &str) {
    let (mut one, mut two) = (Request::to(url), Request::to(url));
    let id = one.store_new(b"n|i:0;");
    assert!(one.lock(&id, PATIENT).is_held());
    let wait = Duration::from_millis(300);
    let began = Instant::now();
    let (opening, locked) = two.open_locked(&id, Waiting { wait, ..PATIENT });
    assert!(matches!(opening, Opening::Live(_)), "{opening:?}");
    let Locked::Merging(NotLocked::WaitedOut, waited) = locked else { panic!("{locked:?}") };
    assert!(waited.time >= wait && began.elapsed() < wait + TIME, "{waited:?}");
    // This very process has it.
    assert!(matches!(waited.other, Some(Other { same_host: true, dead: false, .. })), "{waited:?}");
    assert_eq!(two.unlock(&id), Unlocked::NotHeld);
    assert!(!two.lock(&id, AT_ONCE).is_held());
    assert_eq!(one.unlock(&id), Unlocked::Given);
    assert!(two.lock(&id, AT_ONCE).is_held());
}

fn a_lock_lasts_while_it_is_kept_and_runs_out_by_itself(url: &str) {
    let (mut one, mut two) = (Request::to(url), Request::to(url));
    let id = one.store_new(b"n|i:0;");
    let lease = Duration::from_millis(1500);
    assert!(one.lock(&id, Waiting { lease, ..PATIENT }).is_held());
    let began = Instant::now();
    while began.elapsed() < 2 * lease {
        assert!(one.keep(), "after {:?}", began.elapsed());
        let other = two.lock(&id, Waiting { wait: lease / 10, ..AT_ONCE });
        assert!(!other.is_held(), "after {:?}: {other:?}", began.elapsed());
    }
    // Kept no more.
    let other = two.lock(&id, PATIENT);
    assert!(other.is_held() && other.waited().time <= 2 * lease, "{other:?}");
    assert!(!one.keep(), "who lost the lock is not told");
    assert_eq!(one.unlock(&id), Unlocked::NotHeld);
    assert_eq!(two.unlock(&id), Unlocked::Given);
}

/// A process of its own that has the lock of a session and does not give it back.
struct OtherProcess(Child);

impl OtherProcess {
    fn holding(url: &str, id: &SessionId) -> Self {
        let id = String::from_utf8(id.expose().to_vec()).expect("ASCII");
        let mut child = Command::new(std::env::current_exe().expect("this test"))
            .args(["--exact", "holder", "--ignored", "--nocapture"])
            .env("CLOAKROOM_LOCK_TEST", format!("{id} {url}"))
            .stdout(Stdio::piped())
            .spawn()
            .expect("a process starts");
        let output = child.stdout.take().expect("output");
        let this = Self(child);
        let held = BufReader::new(output).lines().map_while(Result::ok).any(|line| line.contains("has the lock"));
        assert!(held, "the other process ended by itself");
        this
    }

    fn kill(&mut self) {
        self.0.kill().expect("killed");
        self.0.wait().expect("ended");
    }
}

impl Drop for OtherProcess {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
#[ignore = "a process of other tests: takes a lock and keeps it"]
fn holder() {
    let task = std::env::var("CLOAKROOM_LOCK_TEST").expect("started by another test");
    let (id, url) = task.split_once(' ').expect("two words");
    let mut request = Request::to(url);
    assert!(request.lock(&SessionId::parse(id.as_bytes()).expect("an id"), PATIENT).is_held());
    println!("has the lock");
    std::thread::sleep(Duration::from_secs(600));
}

fn a_killed_holder_s_lock_is_had_at_once(url: &str) {
    let mut request = Request::to(url);
    let id = request.store_new(b"n|i:0;");
    let mut other = OtherProcess::holding(url, &id);
    let alive = request.lock(&id, AT_ONCE);
    assert!(!alive.is_held());
    assert!(matches!(alive.waited().other, Some(Other { same_host: true, dead: false, .. })), "{alive:?}");
    other.kill();
    let began = Instant::now();
    let (opening, locked) = request.open_locked(&id, PATIENT);
    assert!(matches!(opening, Opening::Live(_)), "{opening:?}");
    assert!(locked.is_held(), "{locked:?}");
    let dead = locked.waited().other.expect("it was in the way");
    assert!(dead.dead && dead.holder.pid == other.0.id(), "{dead:?}");
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
}

fn all_of_it(url: &str) {
    fifty_locked_increments_are_fifty(url);
    a_wait_that_runs_out_is_told_and_only_the_holder_gives_back(url);
    a_lock_lasts_while_it_is_kept_and_runs_out_by_itself(url);
    a_killed_holder_s_lock_is_had_at_once(url);
}

/// Returns when every thread of the processes stands still; the signal that stops them is not waited for by itself.
fn until_frozen(pids: &[i32]) {
    let running = |pid: &i32| {
        let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).expect("it runs");
        let stats = tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("stat")).ok());
        stats.filter(|stat| !stat.rsplit(')').next().is_some_and(|rest| rest.starts_with(" T"))).count() > 0
    };
    while pids.iter().any(running) {
        std::thread::yield_now();
    }
}

/// A server that stands still costs its time-out once, and the request goes on.
fn a_frozen_server_is_told_and_costs_its_time_once(url: &str, freeze: impl FnOnce()) {
    let mut request = Request::to(url);
    let id = request.store_new(b"n|i:0;");
    assert!(request.lock(&id, PATIENT).is_held());
    assert_eq!(request.unlock(&id), Unlocked::Given);
    freeze();
    let time = Duration::from_millis(500);
    let began = Instant::now();
    let Request { runtime, engine, locks } = &mut request;
    let (opening, locked) = runtime.block_on(engine.open_locked(locks, time, &id, LIFETIME, PATIENT));
    assert!(matches!(locked, Locked::Merging(NotLocked::Store(_), _)), "{locked:?}");
    assert!(matches!(opening, Opening::Detached(..)), "{opening:?}");
    assert!(began.elapsed() < 2 * time, "{:?}", began.elapsed());
}

#[test]
fn sqlite_keeps_the_order() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    all_of_it(&format!("sqlite:{}", folder.path().join("sessions.sqlite").display()));
}

#[test]
fn mariadb_keeps_the_order() {
    let server = Mariadb::start_with(&["--max-connections=200"]).expect("mariadbd starts");
    all_of_it(&server.url());
    a_frozen_server_is_told_and_costs_its_time_once(&server.url(), || {
        server.freeze();
        until_frozen(&server.pids());
    });
    server.thaw();
}

#[test]
fn redis_keeps_the_order() {
    let server = Redis::start().expect("redis-server starts");
    all_of_it(&server.url());
    a_frozen_server_is_told_and_costs_its_time_once(&server.url(), || {
        server.freeze();
        until_frozen(&server.pids());
    });
    server.thaw();
}
