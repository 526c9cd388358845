//! Lines for the server's log. They wait here until the C shim takes them out, when no Rust frame is left on the stack.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// The same line is not written again within this time: one broken page must not flood the log.
const SAME_AGAIN: Duration = Duration::from_secs(60);
/// Lines remembered for that.
const REMEMBERED: usize = 32;
/// Lines that may wait; what comes on top is left out.
const WAITING: usize = 16;

/// Lines that wait to be written.
#[derive(Debug, Default)]
pub(crate) struct Log {
    waiting: VecDeque<String>,
    written: VecDeque<(String, Instant)>,
}

impl Log {
    /// Writes a line, unless it was written a short while ago. No ids, no passwords, no payload.
    pub(crate) fn say(&mut self, line: impl Into<String>) {
        let line = line.into();
        self.written.retain(|(_, at)| at.elapsed() < SAME_AGAIN);
        if self.waiting.len() >= WAITING || self.written.iter().any(|(known, _)| *known == line) {
            return;
        }
        if self.written.len() >= REMEMBERED {
            self.written.pop_front();
        }
        self.written.push_back((line.clone(), Instant::now()));
        self.waiting.push_back(format!("Cloakroom: {line}"));
    }

    /// Takes the oldest line.
    pub(crate) fn next(&mut self) -> Option<String> {
        self.waiting.pop_front()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_not_repeated_and_the_log_is_not_flooded() {
        let mut log = Log::default();
        log.say("a");
        log.say("a");
        (0..100).for_each(|n| log.say(format!("{n}")));
        assert_eq!(log.next().as_deref(), Some("Cloakroom: a"));
        assert_eq!(std::iter::from_fn(|| log.next()).count(), WAITING - 1);
        log.say("a");
        assert_eq!(log.next(), None, "said a moment ago");
    }
}
