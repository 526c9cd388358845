//! CPU time of processes in nanoseconds, as the scheduler counts it.

use std::collections::HashMap;
use std::fs;
use std::time::{Duration, Instant};

/// What each thread has used so far, in nanoseconds, by its number.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Used(HashMap<i32, u64>);

impl Used {
    /// Of all threads of these processes, now.
    pub(crate) fn now(processes: &[i32]) -> Self {
        let mut used = HashMap::new();
        for process in processes {
            let Ok(threads) = fs::read_dir(format!("/proc/{process}/task")) else { continue };
            for thread in threads.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()) {
                // Its first field; clock ticks (utime, stime) would be a thousand times too coarse.
                let text = fs::read_to_string(format!("/proc/{process}/task/{thread}/schedstat")).unwrap_or_default();
                let nanoseconds = text.split_whitespace().next().and_then(|field| field.parse().ok());
                used.insert(thread, nanoseconds.unwrap_or(0));
            }
        }
        Self(used)
    }

    /// As [`now`](Self::now), once the processes have come to rest: what PHP does after its reply belongs to the request.
    pub(crate) fn at_rest(processes: &[i32]) -> Self {
        let patience = Instant::now() + Duration::from_millis(100);
        let mut before = Self::now(processes);
        loop {
            std::thread::sleep(Duration::from_millis(2));
            let after = Self::now(processes);
            if after == before || Instant::now() > patience {
                return after;
            }
            before = after;
        }
    }

    /// Nanoseconds used since `before`. A thread that has ended in between takes its last moments with it.
    pub(crate) fn since(&self, before: &Self) -> u64 {
        let gone = |thread: &i32| before.0.get(thread).copied().unwrap_or(0);
        self.0.iter().map(|(thread, used)| used.saturating_sub(gone(thread))).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_is_seen_to_the_microsecond() {
        let me = [std::process::id() as i32];
        let before = Used::now(&me);
        let begin = Instant::now();
        while begin.elapsed() < Duration::from_millis(30) {
            std::hint::spin_loop();
        }
        // The scheduler counts a running thread's time when it leaves the processor.
        std::thread::sleep(Duration::from_millis(5));
        let used = Used::now(&me).since(&before);
        assert!(used > 5_000_000, "{used} ns");
    }
}
