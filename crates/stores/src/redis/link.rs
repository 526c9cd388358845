//! The way to the server: few connections kept for reuse, the greeting of new ones, what was learned from them (clock,
//! eviction), and what a failure means for the verb that met it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use cloakroom::{Budget, Clock, StoreError, Time};

use super::ENGINE;
use super::conn::{Conn, Fault, IDLE};
use super::place::Place;
use super::refusal::{is_noscript, refused};
use super::resp::{Reply, Request};
use super::scripts::Script;

/// Connections kept for reuse at most.
const KEPT: usize = 8;
/// How often the clock is measured again, and what a new connection learns is asked for again.
const MEASURED_AGAIN: Duration = Duration::from_secs(60);
/// A measurement that took longer says too little.
const PROMPT: Duration = Duration::from_millis(50);

/// Whether a request changes anything: what a lost reply means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Read,
    Write,
}

/// The way to the server.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) place: Place,
    clock: Arc<dyn Clock>,
    /// Whether connections wait inside system calls: see [`crate::Options::blocking`].
    blocking: bool,
    idle: Mutex<Idle>,
    learned: Mutex<Learned>,
}

#[derive(Debug)]
struct Idle {
    process: u32,
    connections: Vec<Conn>,
}

#[derive(Debug, Default, Clone, Copy)]
struct Learned {
    /// Server's clock less ours, in milliseconds, and when that was measured.
    offset: i64,
    measured: Option<Instant>,
    may_evict: Option<bool>,
    asked: Option<Instant>,
}

impl Link {
    pub(super) fn new(place: Place, clock: Arc<dyn Clock>, blocking: bool) -> Self {
        let idle = Idle { process: std::process::id(), connections: Vec::new() };
        Self { place, clock, blocking, idle: Mutex::new(idle), learned: Mutex::default() }
    }

    /// Whether the server may drop keys before their time; true until it has said that it does not.
    pub(super) fn may_evict(&self) -> bool {
        lock(&self.learned).may_evict.unwrap_or(true)
    }

    /// The server's time as last measured plus what has passed since; `None` before the first connection.
    pub(super) fn known_time(&self) -> Option<Time> {
        let learned = *lock(&self.learned);
        learned.measured.map(|_| self.time(learned.offset))
    }

    /// The server's time; before the first connection our own.
    pub(super) fn time_or_own(&self) -> Time {
        self.time(lock(&self.learned).offset)
    }

    /// Whether the next load should ask for the server's time as well.
    pub(super) fn clock_is_old(&self) -> bool {
        lock(&self.learned).measured.is_none_or(|at| at.elapsed() > MEASURED_AGAIN)
    }

    fn time(&self, offset: i64) -> Time {
        Time(self.clock.now().0.saturating_add_signed(offset))
    }

    /// Makes sure that the server's time is known.
    pub(super) async fn connect(&self, budget: Budget) -> Result<(), StoreError> {
        let conn = match self.take() {
            Some(conn) => conn,
            None => self.open(budget).await.map_err(|trouble| trouble.error(&self.place, Kind::Read))?,
        };
        self.put_aside(conn);
        Ok(())
    }

    /// Sends a request and hands its replies to `read`. A read that meets a connection gone stale is tried once more on a
    /// new one; so is a write of which nothing was sent.
    pub(super) async fn ask<T>(
        &self,
        budget: Budget,
        kind: Kind,
        request: &Request,
        read: impl Fn(&[Reply<'_>]) -> Result<T, StoreError> + Send,
    ) -> Result<T, StoreError> {
        if budget.is_spent() {
            return Err(StoreError::TimedOut { engine: ENGINE });
        }
        let mut kept = self.take();
        loop {
            let reused = kept.is_some();
            let mut conn = match kept.take() {
                Some(conn) => conn,
                None => self.open(budget).await.map_err(|trouble| trouble.error(&self.place, kind))?,
            };
            match conn.ask(request, budget.deadline()).await {
                Ok(replies) => {
                    let result = read(&replies);
                    drop(replies);
                    // A server that refuses may be a replica or starting up: the next verb should look again.
                    if !matches!(result, Err(StoreError::Refused { .. })) {
                        self.put_aside(conn);
                    }
                    return result;
                }
                Err(Fault::NotSent(_)) if reused => {}
                Err(Fault::Lost(_)) if reused && kind == Kind::Read => {}
                Err(fault) => return Err(Trouble::Fault(fault).error(&self.place, kind)),
            }
            // What lies beside a stale connection is as old.
            lock(&self.idle).connections.clear();
        }
    }

    /// Runs a script that the server has cached, or hands it over if it has not.
    pub(super) async fn run<T>(
        &self,
        budget: Budget,
        script: &Script,
        keys: &[&[u8]],
        arguments: &[&[u8]],
        read: impl Fn(&Reply<'_>) -> Result<T, StoreError> + Send + Sync,
    ) -> Result<T, StoreError> {
        self.run_after(budget, None, script, keys, arguments, read).await
    }

    /// The same after a command that lays something down for the script, in the same request. Alone that command must
    /// change nothing that counts, and it must bear being repeated.
    pub(super) async fn run_after<T>(
        &self,
        budget: Budget,
        before: Option<&[&[u8]]>,
        script: &Script,
        keys: &[&[u8]],
        arguments: &[&[u8]],
        read: impl Fn(&Reply<'_>) -> Result<T, StoreError> + Send + Sync,
    ) -> Result<T, StoreError> {
        let request = |whole| {
            let mut request = before.map_or_else(Request::new, Request::of).where_the_last_counts();
            script.add_to(&mut request, whole, keys, arguments);
            request
        };
        let cached = |replies: &[Reply<'_>]| match replies {
            [.., Reply::Error(words)] if is_noscript(words) => Ok(None),
            // What could not be laid down tells more than the script that did not find it.
            [Reply::Error(words), ..] => Err(refused(words)),
            [.., reply] => read(reply).map(Some),
            [] => Err(odd()),
        };
        if let Some(done) = self.ask(budget, Kind::Write, &request(false), &cached).await? {
            return Ok(done);
        }
        self.ask(budget, Kind::Write, &request(true), |replies| cached(replies)?.ok_or_else(odd)).await
    }

    /// Takes note of the server's time that came with a reply.
    pub(super) fn learn_time(&self, reply: &Reply<'_>, asked: (Time, Instant)) {
        let (before, sent) = asked;
        let Some(theirs) = server_time(reply) else { return };
        let took = sent.elapsed();
        let mut learned = lock(&self.learned);
        if learned.measured.is_some() && took > PROMPT {
            // Keeps what is known; asks again a while later, not at each load.
            learned.measured = Some(Instant::now());
            return;
        }
        // It looked at its clock somewhere between our two looks.
        let ours = before.0 / 2 + self.clock.now().0 / 2;
        learned.offset = i64::try_from(i128::from(theirs) - i128::from(ours)).unwrap_or(0);
        learned.measured = Some(Instant::now());
    }

    /// Our clock and a stopwatch, to be taken just before the time is asked for.
    pub(super) fn stopwatch(&self) -> (Time, Instant) {
        (self.clock.now(), Instant::now())
    }

    fn take(&self) -> Option<Conn> {
        let mut idle = lock(&self.idle);
        let process = std::process::id();
        if idle.process != process {
            // After a fork these are the parent's, in its event queue too: not to be used, nor closed in an orderly way.
            std::mem::take(&mut idle.connections).into_iter().for_each(std::mem::forget);
            idle.process = process;
        }
        let now = Instant::now();
        while let Some(conn) = idle.connections.pop() {
            if now.saturating_duration_since(conn.idle_since) < IDLE && conn.is_alive() {
                return Some(conn);
            }
        }
        None
    }

    fn put_aside(&self, mut conn: Conn) {
        let mut idle = lock(&self.idle);
        let now = Instant::now();
        conn.idle_since = now;
        // The one used last is taken first, so the others age, and go here.
        idle.connections.retain(|c| now.saturating_duration_since(c.idle_since) < IDLE);
        if idle.connections.len() < KEPT {
            idle.connections.push(conn);
        }
    }

    /// Connects, logs in and learns what is to be learned, in one round trip.
    async fn open(&self, budget: Budget) -> Result<Conn, Trouble> {
        let mut conn = Conn::open(&self.place, self.blocking, budget.deadline()).await.map_err(Trouble::Fault)?;
        let mut request = Request::new();
        let place = &self.place;
        if let Some(password) = &place.password {
            request = match &place.user {
                Some(user) => request.and(&[b"AUTH", user.as_bytes(), password.as_bytes()]),
                None => request.and(&[b"AUTH", password.as_bytes()]),
            };
        }
        if place.database != 0 {
            request = request.and(&[b"SELECT", place.database.to_string().as_bytes()]);
        }
        let must_succeed = request.commands();
        request = request.and(&[b"TIME"]).and(&[b"CLIENT", b"SETNAME", b"cloakroom"]);
        let learn_policy = lock(&self.learned).asked.is_none_or(|at| at.elapsed() > MEASURED_AGAIN);
        if learn_policy {
            // CONFIG is closed on many hosted servers; this says the same.
            request = request.and(&[b"INFO", b"memory"]);
        }
        let asked = self.stopwatch();
        let replies = conn.ask(&request, budget.deadline()).await.map_err(|fault| match fault {
            // The request that matters was not sent.
            Fault::Lost(detail) => Trouble::Fault(Fault::NotSent(detail)),
            Fault::LostInTime => Trouble::Fault(Fault::NotSentInTime),
            fault => Trouble::Fault(fault),
        })?;
        // The time as well: who may not ask for that is not logged in, or not let in at all.
        for reply in &replies[..=must_succeed] {
            if let Reply::Error(words) = reply {
                return Err(Trouble::Refused(refused(words)));
            }
        }
        self.learn_time(&replies[must_succeed], asked);
        if learn_policy {
            let mut learned = lock(&self.learned);
            learned.asked = Some(Instant::now());
            learned.may_evict = match replies.last() {
                Some(Reply::Bulk(text)) => Some(may_evict(&String::from_utf8_lossy(text))),
                _ => None,
            };
        }
        Ok(conn)
    }
}

/// What keeps a verb from its reply.
enum Trouble {
    Fault(Fault),
    Refused(StoreError),
}

impl Trouble {
    fn error(self, place: &Place, kind: Kind) -> StoreError {
        let unreachable = |detail| StoreError::Unreachable { engine: ENGINE, location: place.shown.clone(), detail };
        match (self, kind) {
            (Trouble::Refused(error), _) => error,
            (Trouble::Fault(Fault::NotSent(detail)), _) | (Trouble::Fault(Fault::Lost(detail)), Kind::Read) => {
                unreachable(detail)
            }
            (Trouble::Fault(Fault::NotSentInTime), _) | (Trouble::Fault(Fault::LostInTime), Kind::Read) => {
                StoreError::TimedOut { engine: ENGINE }
            }
            (Trouble::Fault(Fault::Lost(detail)), Kind::Write) => StoreError::Unknown { engine: ENGINE, detail },
            (Trouble::Fault(Fault::LostInTime), Kind::Write) => {
                StoreError::Unknown { engine: ENGINE, detail: "it did not answer in time".into() }
            }
        }
    }
}

/// A reply of a kind that this command does not have.
pub(super) fn odd() -> StoreError {
    StoreError::Refused { engine: ENGINE, detail: "its answer is not what this command gives; is it Redis?".into() }
}

/// Whether these settings let the server drop keys before their time.
fn may_evict(info: &str) -> bool {
    let field = |name: &str| info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    field("maxmemory_policy") != Some("noeviction") && field("maxmemory") != Some("0")
}

/// Milliseconds since 1970 of a reply to TIME.
fn server_time(reply: &Reply<'_>) -> Option<u64> {
    let Reply::Array(parts) = reply else { return None };
    let [Reply::Bulk(seconds), Reply::Bulk(micros)] = parts[..] else { return None };
    let number = |text: &[u8]| std::str::from_utf8(text).ok()?.parse::<u64>().ok();
    number(seconds)?.checked_mul(1000)?.checked_add(number(micros)? / 1000)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As after a fork: the child has the parent's connections in its memory, and another process id.
    #[tokio::test]
    async fn a_child_leaves_its_parents_connections_alone() {
        for blocking in [false, true] {
            leaves_alone(blocking).await;
        }
    }

    async fn leaves_alone(blocking: bool) {
        let server = std::net::TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let url = format!("redis://{}", server.local_addr().expect("it has an address"));
        let link = Link::new(Place::parse(&url).expect("the URL is right"), Arc::new(cloakroom::SystemClock), blocking);
        let deadline = Instant::now() + Duration::from_secs(5);
        link.put_aside(Conn::open(&link.place, blocking, deadline).await.expect("it connects"));
        let (theirs, _) = server.accept().expect("it has connected");
        theirs.set_nonblocking(true).expect("it can");
        let end = || std::io::Read::read(&mut &theirs, &mut [0]).map_err(|error| error.kind());
        let kept = link.take().expect("a connection of our own is used again");
        link.put_aside(kept);
        lock(&link.idle).process = 0;
        assert!(link.take().is_none(), "a connection of another process was used");
        assert_eq!(end(), Err(std::io::ErrorKind::WouldBlock), "a connection of another process was closed");
    }

    #[test]
    fn a_server_may_evict_when_policy_and_limit_say_so() {
        assert!(!may_evict("# Memory\r\nmaxmemory:100\r\nmaxmemory_policy:noeviction\r\n"));
        assert!(!may_evict("maxmemory:0\r\nmaxmemory_policy:allkeys-lru\r\n"));
        assert!(may_evict("maxmemory:100\r\nmaxmemory_policy:volatile-ttl\r\n"));
        assert!(may_evict("nothing known"));
    }
}
