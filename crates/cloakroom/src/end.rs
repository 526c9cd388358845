//! Ending: a tombstone stays, so that a request that was already running can't bring the session back.

use crate::commit::pause;
use crate::engine::Engine;
use crate::key::Key;
use crate::outcome::{Dropped, EngineError};
use crate::record::{EndKind, Record, State, Tombstone};
use crate::session::{Held, Session, Ticket};
use crate::store::{Budget, StoreError, Swapped};
use crate::time::Time;

impl Session {
    /// Ends the session and the moved records that led to it. Where another request has rotated it since
    /// our load, the successor is ended too: a log-out stands. Writes of this request are dropped from now on.
    ///
    /// # Errors
    /// When the store fails: the session is not known to be ended, and the application must not say so.
    pub async fn end(&mut self, engine: &Engine, budget: Budget, kind: EndKind) -> Result<(), EngineError> {
        match &self.held {
            Held::Fresh | Held::Over(_) => {}
            // What this id still reads goes; the session it has moved to is not its to end.
            Held::Frozen => end_all(engine, budget, &[self.key], kind, self.now(engine)).await?,
            Held::Detached => {
                return Err(StoreError::Unreachable {
                    engine: engine.store.describe().engine,
                    location: engine.store.describe().location,
                    detail: "it had failed at the start of this request".into(),
                }
                .into());
            }
            Held::Live(record) => {
                let rest = self.end_where_it_is(engine, budget, kind, record.as_ref().clone()).await?;
                end_all(engine, budget, &rest, kind, self.now(engine)).await?;
            }
        }
        self.held = Held::Over(Dropped::Ended);
        self.base.clear();
        Ok(())
    }

    /// Ends the live record by its version, so that a rotation that comes in between is seen and not written over: where
    /// it moved after our load, ends what it has become, as a write of ours would have gone there. The keys that remain to be ended.
    async fn end_where_it_is(
        &self,
        engine: &Engine,
        budget: Budget,
        kind: EndKind,
        mut head: Record,
    ) -> Result<Vec<Key>, EngineError> {
        let mut now = self.now(engine);
        let (mut ticket, mut key) = (self.ticket.clone(), self.key);
        let mut races = 0;
        let done = loop {
            let tombstone = Tombstone::new(kind, now, engine.policy.tombstone)?;
            let ended = tombstone.record(Some(&head));
            let swapped = engine.store.swap(budget, &key, head.version, &ended, now).await;
            match engine.breaker.note_write(swapped) {
                Ok(Swapped::Done) => break true,
                Ok(Swapped::OwnerEnded) => break false,
                Ok(Swapped::Stale) => {}
                Err(error) if error.outcome_unknown() => {}
                Err(error) => return Err(error.into()),
            }
            if races > 0 {
                pause(budget, races).await;
            }
            if budget.is_spent() {
                return Err(EngineError::Busy);
            }
            races += 1;
            let mut loaded = match engine.load_noted(budget, &key).await {
                Err(StoreError::Damaged { .. }) => break false,
                loaded => loaded?,
            };
            if let Some(moved) = loaded.record.as_ref().filter(|r| !r.expired(loaded.now))
                && matches!(moved.state, State::Moved { .. })
                && let Some((id, next, found)) = engine.successor(budget, &ticket, &key, moved, loaded.now).await?
            {
                (ticket, key, loaded) = (Ticket::Id(id), next, found);
            }
            now = loaded.now;
            match loaded.record {
                Some(record) if record.state.is_live() && !record.expired(now) => head = record,
                _ => break false,
            }
        };
        let mut rest = head.about.trail;
        if !done {
            rest.insert(0, key);
        }
        if key != self.key && !rest.contains(&self.key) {
            rest.push(self.key);
        }
        Ok(rest)
    }
}

/// Leaves tombstones under `key` and under every key of the trail.
pub(crate) async fn end_with_trail(
    engine: &Engine,
    budget: Budget,
    key: &Key,
    trail: &[Key],
    kind: EndKind,
    now: Time,
) -> Result<(), EngineError> {
    end_all(engine, budget, std::slice::from_ref(key), kind, now).await?;
    end_all(engine, budget, trail, kind, now).await
}

async fn end_all(engine: &Engine, budget: Budget, keys: &[Key], kind: EndKind, now: Time) -> Result<(), EngineError> {
    for key in keys {
        let tombstone = Tombstone::new(kind, now, engine.policy.tombstone)?;
        let mut result = engine.store.end(budget, key, &tombstone).await;
        if result.as_ref().is_err_and(StoreError::outcome_unknown) && !budget.is_spent() {
            // Ending twice is ending once.
            result = engine.store.end(budget, key, &tombstone).await;
        }
        engine.breaker.note_write(result)?;
    }
    Ok(())
}
