//! One connection through the proxy: a thread for each direction that reads, obeys the rules, and passes on.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use super::rules::{Direction, Fate, Shared};
use crate::Stream;

/// How much of a request a trap's condition gets to see.
const REQUEST_SEEN: usize = 4 << 20;

/// A client's connection and the one to the server that belongs to it.
pub(super) struct Connection {
    client: Stream,
    server: Stream,
    shared: Arc<Shared>,
    closed: AtomicBool,
    turn: Mutex<Turn>,
}

/// Where the two are in their conversation.
#[derive(Default)]
struct Turn {
    /// The client has asked and the server has not begun to answer.
    asked: bool,
    /// The bytes of the present request, kept while a trap is set.
    request: Vec<u8>,
    swallow: bool,
}

/// What is to be done with bytes that were read.
enum Verdict {
    /// Pass on, all of them.
    Pass,
    /// Pass on so many, then cut.
    CutAfter(usize),
}

impl Connection {
    /// Starts both directions; the connection lives as long as its threads.
    pub(super) fn open(client: Stream, server: Stream, shared: Arc<Shared>) -> Weak<Self> {
        let connection =
            Arc::new(Self { client, server, shared, closed: AtomicBool::new(false), turn: Mutex::default() });
        let weak = Arc::downgrade(&connection);
        for direction in [Direction::ToServer, Direction::ToClient] {
            let connection = Arc::clone(&connection);
            std::thread::spawn(move || connection.run(direction));
        }
        weak
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::SeqCst)
    }

    /// Ends both halves, by a reset if asked for (TCP only; a unix socket has none).
    pub(super) fn cut(&self, reset: bool) {
        let mut how = Shutdown::Both;
        if reset {
            // With no time to linger, the close sends a reset; the sender's half must not say goodbye before.
            for stream in [&self.client, &self.server] {
                if let Stream::Tcp(tcp) = stream {
                    let _ = rustix::net::sockopt::set_socket_linger(tcp, Some(Duration::ZERO));
                    how = Shutdown::Read;
                }
            }
        }
        self.closed.store(true, Ordering::SeqCst);
        let _ = self.client.shutdown(how);
        let _ = self.server.shutdown(how);
        self.shared.wake();
    }

    fn run(&self, direction: Direction) {
        let (mut from, mut to) = match direction {
            Direction::ToServer => (&self.client, &self.server),
            Direction::ToClient => (&self.server, &self.client),
        };
        let mut buffer = vec![0; 64 << 10];
        loop {
            let length = match from.read(&mut buffer) {
                Ok(0) if !self.is_closed() => {
                    // One side has said all it had to say; the other may still answer.
                    let _ = to.shutdown(Shutdown::Write);
                    return;
                }
                Ok(0) => return,
                Ok(length) => length,
                Err(_) => return self.cut(false),
            };
            if self.hold(direction).is_none() {
                return;
            }
            let verdict = self.judge(direction, &buffer[..length]);
            let passed = match verdict {
                Verdict::Pass => length,
                Verdict::CutAfter(bytes) => bytes,
            };
            if to.write_all(&buffer[..passed]).is_err() {
                return self.cut(false);
            }
            self.shared.counters.bytes[direction.index()].fetch_add(passed as u64, Ordering::SeqCst);
            if let Verdict::CutAfter(_) = verdict {
                self.shared.counters.sprung.fetch_add(1, Ordering::SeqCst);
                let reset = self.shared.rules().reset;
                return self.cut(reset);
            }
        }
    }

    /// Keeps a burst back for as long as the rules say; `None` when the connection was cut meanwhile.
    fn hold(&self, direction: Direction) -> Option<()> {
        let begin = Instant::now();
        let mut rules = self.shared.rules();
        loop {
            if self.is_closed() {
                return None;
            }
            let patience = match rules.stall[direction.index()] {
                true => Duration::from_secs(1),
                false => rules.delay[direction.index()].saturating_sub(begin.elapsed()),
            };
            if patience.is_zero() {
                return Some(());
            }
            rules = self.shared.wait(rules, patience);
        }
    }

    fn judge(&self, direction: Direction, bytes: &[u8]) -> Verdict {
        let mut turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let mut rules = self.shared.rules();
        match direction {
            Direction::ToServer => {
                if !turn.asked {
                    turn.request.clear();
                }
                turn.asked = true;
                if let Some(trap) = &rules.trap {
                    let room = REQUEST_SEEN.saturating_sub(turn.request.len()).min(bytes.len());
                    turn.request.extend_from_slice(&bytes[..room]);
                    if (trap.matches)(&turn.request) {
                        let fate = trap.fate;
                        rules.trap = None;
                        match fate {
                            Fate::LoseRequest => return Verdict::CutAfter(0),
                            Fate::SwallowReply => turn.swallow = true,
                        }
                    }
                }
            }
            Direction::ToClient => {
                if std::mem::take(&mut turn.asked) {
                    self.shared.counters.round_trips.fetch_add(1, Ordering::SeqCst);
                }
                if turn.swallow {
                    return Verdict::CutAfter(0);
                }
            }
        }
        if let Some(left) = &mut rules.cut_after[direction.index()] {
            let length = bytes.len() as u64;
            if *left <= length {
                let bytes = *left as usize;
                rules.cut_after[direction.index()] = None;
                return Verdict::CutAfter(bytes);
            }
            *left -= length;
        }
        Verdict::Pass
    }
}
