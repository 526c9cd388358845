//! How far a long run is, on a terminal's standard error; nothing elsewhere.

use std::io::{IsTerminal, Write};
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// Runs shorter than this show nothing.
const PATIENCE: Duration = Duration::from_secs(1);
/// How often the line is written anew.
const EVERY: Duration = Duration::from_millis(200);

/// A line that is written again and again.
#[derive(Debug)]
pub struct Progress {
    shown: bool,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    last: Instant,
    written: bool,
}

impl Progress {
    /// On standard error, if that is a terminal.
    pub fn of_this_process() -> Self {
        Self { shown: std::io::stderr().is_terminal(), state: Mutex::new(State::new()) }
    }

    /// `at` of `all` have begun; `what` they are.
    pub fn at(&self, at: usize, all: usize, what: &str) {
        if !self.shown {
            return;
        }
        let Ok(mut state) = self.state.try_lock() else { return };
        if state.last.elapsed() < if state.written { EVERY } else { PATIENCE } {
            return;
        }
        state.last = Instant::now();
        state.written = true;
        let mut error = std::io::stderr().lock();
        let _ = write!(error, "\r{at} of {all} {what} \u{1b}[K").and_then(|()| error.flush());
    }

    /// Takes the line away.
    pub fn done(&self) {
        let Ok(mut state) = self.state.lock() else { return };
        if state.written {
            eprint!("\r\u{1b}[K");
        }
        *state = State::new();
    }
}

impl State {
    fn new() -> Self {
        Self { last: Instant::now(), written: false }
    }
}
