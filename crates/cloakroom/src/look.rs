//! What people who look after sessions ask: how many, which, what was reported. Never a payload, unless they bring its
//! ticket. During an outage each of
//! these answers at once, as opening a session does.

use std::time::Duration;

use crate::engine::Engine;
use crate::envelope::Secret;
use crate::id::SessionId;
use crate::key::Key;
use crate::outcome::EngineError;
use crate::policy::Lifetime;
use crate::record::{EndKind, MoveKind, Record, State};
use crate::store::{Budget, Counts, Filter, Page, StoreError, Summary, Tally, TallyKind};
use crate::time::Time;

/// Records looked at in one step of ending many.
const STEP: u32 = 200;

/// What one bounded step of ending many sessions did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EndedSome {
    /// Live sessions ended.
    pub ended: u64,
    /// Where the next step begins; `None` when this was the last one.
    pub next: Option<Vec<u8>>,
}

impl Engine {
    /// Counts the store's records, those of all its sites.
    ///
    /// # Errors
    /// When the store fails, or can't count.
    pub async fn count(&self, budget: Budget) -> Result<Counts, EngineError> {
        let count = self.store.count().ok_or_else(|| self.unable("count"))?;
        let budget = self.breaker.admit(budget)?;
        Ok(self.breaker.note(count.count(budget).await)?)
    }

    /// At most `limit` of the store's records, as [`crate::store::List::page`].
    ///
    /// # Errors
    /// When the store fails, or can't list.
    pub async fn page(
        &self,
        budget: Budget,
        filter: &Filter,
        after: Option<&[u8]>,
        limit: u32,
    ) -> Result<Page, EngineError> {
        let list = self.store.list().ok_or_else(|| self.unable("list its sessions"))?;
        let budget = self.breaker.admit(budget)?;
        Ok(self.breaker.note(list.page(budget, filter, after, limit).await)?)
    }

    /// The record under a key, if it is not past its deadline; and the store's time.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn look(&self, budget: Budget, key: &Key) -> Result<(Option<Record>, Time), EngineError> {
        let budget = self.breaker.admit(budget)?;
        let loaded = self.load_noted(budget, key).await?;
        let now = loaded.now;
        Ok((loaded.record.filter(|r| !r.expired(now)), now))
    }

    /// Format code and payload of what is stored under an id, as a request with that id would read it, without becoming one:
    /// nothing is touched, prolonged, followed by a new ticket or reported as a possible theft. `None` where there is
    /// none: never issued, expired, ended, moved longer ago than the grace, or it does not open (which is counted).
    ///
    /// # Errors
    /// When the store fails.
    pub async fn peek(&self, budget: Budget, id: &SessionId) -> Result<Option<(u8, Vec<u8>)>, EngineError> {
        let key = self.key_of(id);
        let budget = self.breaker.admit(budget)?;
        let loaded = match self.load_noted(budget, &key).await {
            Err(StoreError::Damaged { .. }) => return Ok(None),
            loaded => loaded?,
        };
        let now = loaded.now;
        let Some(record) = loaded.record.filter(|record| !record.expired(now)) else { return Ok(None) };
        match record.state {
            State::Live => Ok(self.opened(Secret::Id(id), &key, &record, now).map(|payload| (record.format, payload))),
            State::Ended { .. } => Ok(None),
            State::Moved { at, .. } if now.since(at) > self.policy.grace => Ok(None),
            State::Moved { kind, .. } => {
                let Some(content) = self.moved_content(id, &key, &record, now) else { return Ok(None) };
                // Only what is read counts; nothing is written, so no deadline matters.
                let lifetime = Lifetime { idle: Duration::ZERO, absolute: None };
                if kind == MoveKind::Follow
                    && let Some(session) = self.follow(budget, content.successor, lifetime, &record).await
                {
                    return Ok(Some((session.format(), session.payload().to_vec())));
                }
                Ok(Some(content.frozen.unwrap_or_default()))
            }
        }
    }

    /// The counters of one kind since an hour (hours since 1970), largest count first; what this process has counted and
    /// not handed to the store yet is handed to it before.
    ///
    /// # Errors
    /// When the store fails, or keeps no reports.
    pub async fn report(
        &self,
        budget: Budget,
        kind: TallyKind,
        since_hour: u32,
        limit: u32,
    ) -> Result<Vec<Tally>, EngineError> {
        let reports = self.store.reports().ok_or_else(|| self.unable("keep reports"))?;
        let budget = self.breaker.admit(budget)?;
        self.flush_reports(budget).await?;
        Ok(self.breaker.note(reports.read(budget, kind, since_hour, limit).await)?)
    }

    /// Ends sessions that meet `filter` and are `wanted`, from `after` on, until half of the budget has passed or none is left. Each step
    /// ends at least one, if there is one.
    ///
    /// # Errors
    /// When the store fails, or can't list; some may have been ended then.
    pub async fn end_some(
        &self,
        budget: Budget,
        filter: &Filter,
        mut after: Option<Vec<u8>>,
        kind: EndKind,
        wanted: impl Fn(&Summary) -> bool,
    ) -> Result<EndedSome, EngineError> {
        let half = budget.left() / 2;
        let mut ended = 0;
        let mut any = false;
        loop {
            let page = self.page(budget, filter, after.as_deref(), STEP).await?;
            for summary in &page.records {
                if matches!(summary.state, State::Ended { .. }) || !wanted(summary) {
                    continue;
                }
                if any && budget.left() < half {
                    // Those that were ended here are seen again as such.
                    return Ok(EndedSome { ended, next: Some(after.unwrap_or_default()) });
                }
                any = true;
                let was_there = self.end_key(budget, &summary.key, kind).await?;
                ended += u64::from(was_there && summary.state.is_live());
            }
            after = page.next;
            if after.is_none() || budget.left() < half {
                return Ok(EndedSome { ended, next: after });
            }
        }
    }

    fn unable(&self, what: &str) -> StoreError {
        let engine = self.store.describe().engine;
        StoreError::Settings(format!("{engine} can't {what}; keep the sessions in another store for that."))
    }
}
