//! The breaker: after a failure of the store a worker answers at once and probes once a second, so that an outage costs
//! visitors one time-out a worker and not one a request.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::store::{Budget, StoreError};

/// How often a broken store is tried again.
const PROBE_EVERY: Duration = Duration::from_secs(1);
/// How long a probe may take: it runs in a visitor's request, and a store that hangs must not take a large part of all
/// workers' time.
const PROBE_TIME: Duration = Duration::from_millis(200);
/// Every so many probes take all the time that a request has, for a store that answers, but slowly.
const FULL_PROBE: u32 = 20;

/// Remembers whether the store answers.
#[derive(Debug, Default)]
pub struct Breaker {
    outage: Mutex<Option<Outage>>,
}

#[derive(Debug)]
struct Outage {
    since: Instant,
    probed: Instant,
    error: StoreError,
    told: bool,
    over: bool,
    /// The store answers and refuses to write (full disk, read-only, missing rights): reading goes on, and a reading that
    /// went well says nothing.
    writes_only: bool,
    probes: u32,
    detached: u64,
}

/// What the door writes to the server's log: once when an outage begins, once when it is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// The store failed with this error; requests run without their session until it answers.
    Began(StoreError),
    /// The store answers again.
    Over {
        /// How long it did not.
        lasted: Duration,
        /// How many requests of this worker ran without their session.
        detached: u64,
    },
}

impl Breaker {
    /// Whether the store may be asked now, and with which budget: `Err` with the outage's error when it may not. During an
    /// outage one caller a second is let through, for a short time.
    pub(crate) fn admit(&self, budget: Budget) -> Result<Budget, StoreError> {
        let mut outage = self.outage.lock().unwrap_or_else(PoisonError::into_inner);
        match outage.as_mut() {
            Some(o) if !o.over && !o.writes_only => {
                if o.probed.elapsed() < PROBE_EVERY {
                    o.detached += 1;
                    return Err(o.error.clone());
                }
                o.probed = Instant::now();
                o.probes += 1;
                let full = o.probes.is_multiple_of(FULL_PROBE);
                Ok(if full { budget } else { Budget::of(PROBE_TIME.min(budget.left())) })
            }
            _ => Ok(budget),
        }
    }

    /// Notes how a reading verb went.
    pub(crate) fn note<T>(&self, result: Result<T, StoreError>) -> Result<T, StoreError> {
        self.noted(result, false)
    }

    /// Notes how a writing verb went.
    pub(crate) fn note_write<T>(&self, result: Result<T, StoreError>) -> Result<T, StoreError> {
        self.noted(result, true)
    }

    fn noted<T>(&self, result: Result<T, StoreError>, write: bool) -> Result<T, StoreError> {
        let mut outage = self.outage.lock().unwrap_or_else(PoisonError::into_inner);
        match &result {
            Err(error) if error.is_outage() => {
                let now = Instant::now();
                match outage.as_mut() {
                    Some(o) if !o.over => {
                        o.probed = now;
                        o.detached += 1;
                        o.writes_only &= write;
                    }
                    _ => {
                        *outage = Some(Outage {
                            since: now,
                            probed: now,
                            error: error.clone(),
                            told: false,
                            over: false,
                            writes_only: write && matches!(error, StoreError::Refused { .. }),
                            probes: 0,
                            detached: 1,
                        });
                    }
                }
            }
            _ => {
                if let Some(o) = outage.as_mut()
                    && (write || !o.writes_only)
                {
                    o.over = true;
                }
            }
        }
        result
    }

    /// Whether an outage is under way.
    pub fn is_open(&self) -> bool {
        self.outage.lock().unwrap_or_else(PoisonError::into_inner).as_ref().is_some_and(|o| !o.over)
    }

    /// What there is to say, each thing once.
    pub fn notice(&self) -> Option<Notice> {
        let mut outage = self.outage.lock().unwrap_or_else(PoisonError::into_inner);
        let o = outage.as_mut()?;
        if !o.told {
            o.told = true;
            return Some(Notice::Began(o.error.clone()));
        }
        if o.over {
            let notice = Notice::Over { lasted: o.since.elapsed(), detached: o.detached };
            *outage = None;
            return Some(notice);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn budget() -> Budget {
        Budget::of(Duration::from_secs(2))
    }

    #[test]
    fn a_probe_is_short_and_now_and_then_a_full_one() {
        let breaker = Breaker::default();
        breaker.note(failure()).expect_err("failed");
        let mut full = 0;
        for _ in 0..FULL_PROBE {
            if let Some(o) = breaker.outage.lock().expect("not poisoned").as_mut() {
                o.probed -= PROBE_EVERY;
            }
            let left = breaker.admit(budget()).expect("a probe").left();
            assert!(left <= PROBE_TIME || left > Duration::from_secs(1));
            full += u32::from(left > PROBE_TIME);
        }
        assert_eq!(full, 1);
    }

    fn failure() -> Result<(), StoreError> {
        Err(StoreError::TimedOut { engine: "test" })
    }

    #[test]
    fn an_outage_is_told_once_and_its_end_once() {
        let breaker = Breaker::default();
        assert_eq!(breaker.notice(), None);
        breaker.note(failure()).expect_err("failed");
        assert!(breaker.admit(budget()).is_err(), "the next request is answered at once");
        assert!(matches!(breaker.notice(), Some(Notice::Began(_))));
        breaker.note(failure()).expect_err("failed");
        assert_eq!(breaker.notice(), None);
        breaker.note(Ok(())).expect("fine");
        assert!(matches!(breaker.notice(), Some(Notice::Over { .. })));
        assert_eq!(breaker.notice(), None);
        assert!(breaker.admit(budget()).is_ok());
    }

    #[test]
    fn a_store_that_refuses_to_write_is_told_once_though_it_can_be_read() {
        let breaker = Breaker::default();
        let full = || Err::<(), _>(StoreError::Refused { engine: "test", detail: "disk full".into() });
        breaker.note_write(full()).expect_err("refused");
        assert!(matches!(breaker.notice(), Some(Notice::Began(_))));
        for _ in 0..3 {
            assert!(breaker.admit(budget()).is_ok(), "reading goes on");
            breaker.note(Ok(())).expect("read");
            breaker.note_write(full()).expect_err("refused");
            assert_eq!(breaker.notice(), None);
            assert!(breaker.is_open());
        }
        breaker.note_write(Ok(())).expect("written");
        assert!(matches!(breaker.notice(), Some(Notice::Over { .. })));
    }

    #[test]
    fn a_record_that_can_t_be_read_is_no_outage() {
        let breaker = Breaker::default();
        let damaged = StoreError::Damaged { engine: "test", damage: crate::wire::Damaged::Short };
        breaker.note::<()>(Err(damaged)).expect_err("failed");
        assert!(!breaker.is_open());
    }
}
