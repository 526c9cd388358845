//! Counters for people: conflicts, alarms, what did not open, what was dropped. Kept in the process, bounded, and handed
//! to the store in one batch after the response.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use crate::engine::Engine;
use crate::outcome::EngineError;
use crate::store::{Budget, Tally, TallyKind};
use crate::time::Time;

/// Most counters that are kept between two flushes; what comes on top is left out.
const KEPT: usize = 200;

/// Counts what happened since the last flush.
#[derive(Debug, Default)]
pub struct Reporter {
    counters: Mutex<HashMap<(TallyKind, u32, String), Tally>>,
}

impl Reporter {
    /// Counts one event. `label` is cut to 191 bytes, `sample` to 1,000.
    pub fn count(&self, now: Time, kind: TallyKind, label: &str, sum: u64, sample: &str) {
        self.add(now, kind, label, 1, sum, sample);
    }

    /// As [`Reporter::count`] for `count` events at once, with their sum: what a sample stands for.
    pub fn add(&self, now: Time, kind: TallyKind, label: &str, count: u64, sum: u64, sample: &str) {
        let hour = u32::try_from(now.seconds() / 3600).unwrap_or(u32::MAX);
        let label = cut(label, 191);
        let mut counters = self.counters.lock().unwrap_or_else(PoisonError::into_inner);
        let full = counters.len() >= KEPT;
        let place = (kind, hour, label.to_owned());
        if full && !counters.contains_key(&place) {
            return;
        }
        let tally = counters.entry(place).or_insert_with(|| Tally {
            kind,
            label: label.to_owned(),
            hour,
            count: 0,
            sum: 0,
            sample: String::new(),
        });
        tally.count = tally.count.saturating_add(count);
        tally.sum = tally.sum.saturating_add(sum);
        cut(sample, 1000).clone_into(&mut tally.sample);
    }

    /// Whether there is something to flush.
    pub fn is_empty(&self) -> bool {
        self.counters.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    fn take(&self) -> Vec<Tally> {
        let mut counters = self.counters.lock().unwrap_or_else(PoisonError::into_inner);
        counters.drain().map(|(_, tally)| tally).collect()
    }
}

impl Engine {
    /// Hands the counters to the store; for the time after the response. Counters that can't be stored are lost.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn flush_reports(&self, budget: Budget) -> Result<(), EngineError> {
        if self.reporter.is_empty() {
            return Ok(());
        }
        let tallies = self.reporter.take();
        match self.store.reports() {
            Some(reports) => Ok(reports.add(budget, &tallies).await?),
            None => Ok(()),
        }
    }
}

fn cut(text: &str, most: usize) -> &str {
    let mut end = text.len().min(most);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}
