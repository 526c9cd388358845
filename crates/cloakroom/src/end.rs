//! Ending: a tombstone stays, so that a request that was already running can't bring the session back.

use crate::engine::Engine;
use crate::key::Key;
use crate::outcome::{Dropped, EngineError};
use crate::record::{EndKind, MoveKind, State, Tombstone};
use crate::session::{Held, Session, Ticket};
use crate::store::{Budget, StoreError};
use crate::time::Time;

impl Session {
    /// Ends the session and the moved records that led to it. Where another request has rotated it meanwhile and ours
    /// could follow, the successor is ended too: a log-out stands. Writes of this request are dropped from now on.
    ///
    /// # Errors
    /// When the store fails: the session is not known to be ended, and the application must not say so.
    pub async fn end(&mut self, engine: &Engine, budget: Budget, kind: EndKind) -> Result<(), EngineError> {
        match &self.held {
            Held::Fresh | Held::Frozen | Held::Over(_) => {}
            Held::Detached => {
                return Err(StoreError::Unreachable {
                    engine: engine.store.describe().engine,
                    location: engine.store.describe().location,
                    detail: "it had failed at the start of this request".into(),
                }
                .into());
            }
            Held::Live(record) => {
                let trail = record.about.trail.clone();
                let now = self.now(engine);
                self.end_successor(engine, budget).await?;
                end_with_trail(engine, budget, &self.key, &trail, kind, now).await?;
            }
        }
        self.held = Held::Over(Dropped::Ended);
        self.base.clear();
        Ok(())
    }

    /// Where the record was moved since our load, and in a way that we may follow, ends where it went.
    async fn end_successor(&self, engine: &Engine, budget: Budget) -> Result<(), EngineError> {
        let Ticket::Id(_) = &self.ticket else { return Ok(()) };
        let loaded = engine.breaker.note(engine.store.load(budget, &self.key).await);
        let Ok(loaded) = loaded else { return Ok(()) };
        let Some(record) = loaded.record else { return Ok(()) };
        if !matches!(record.state, State::Moved { kind: MoveKind::Follow, .. }) {
            return Ok(());
        }
        if let Some((_, key, found)) = engine.successor(budget, &self.ticket, &self.key, &record, loaded.now).await?
            && let Some(next) = found.record
            && next.owner == record.owner
        {
            end_with_trail(engine, budget, &key, &next.about.trail, EndKind::Destroyed, found.now).await?;
        }
        Ok(())
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
    for key in std::iter::once(key).chain(trail) {
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
