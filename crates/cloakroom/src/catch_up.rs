//! Catching up: a request that has the session loaded already loads it again in the middle, and goes on with what others
//! have written since and its own changes on top. Nothing is stored by it.

use crate::engine::Engine;
use crate::merge::{Merged, Prefer, Version as Payload};
use crate::outcome::EngineError;
use crate::session::{Held, Session};
use crate::store::{Budget, TallyKind};

/// What a session looks like after catching up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CaughtUp {
    /// Nobody has written since it was loaded.
    Same,
    /// Others have: this is their session with this request's changes, for the request to go on with.
    Changed(Merged),
    /// There is no live record under its key any more (ended, moved, gone), or none yet. The request goes on with what it
    /// has, and the commit decides what becomes of it.
    NotLive,
}

impl Session {
    /// Loads the session again under a lock that was taken after it had been loaded, so that what follows is in strict
    /// order with the lock's other holders. `payload` in `format` is what the request has now. One load.
    ///
    /// # Errors
    /// When the store fails, or a rule `fail` matches; the session is as it was.
    pub async fn catch_up(
        &mut self,
        engine: &Engine,
        budget: Budget,
        payload: &[u8],
        format: u8,
    ) -> Result<CaughtUp, EngineError> {
        let Held::Live(head) = &self.held else { return Ok(CaughtUp::NotLive) };
        let version = head.version;
        let loaded = engine.load_noted(budget, &self.key).await?;
        let now = loaded.now;
        let record = loaded.record.filter(|record| record.state.is_live() && !record.expired(now));
        let Some(record) = record else { return Ok(CaughtUp::NotLive) };
        if record.version == version && self.stored.is_none() {
            self.seen = now;
            self.measured(engine, now);
            return Ok(CaughtUp::Same);
        }
        let Some(theirs) = engine.opened(self.ticket.secret(), &self.key, &record, now) else {
            return Ok(CaughtUp::NotLive);
        };
        // As at a commit: who changed the owner decides.
        let changed_owner = self.owner != self.base_owner;
        let prefer = match (changed_owner, record.owner != self.base_owner) {
            (true, _) => Prefer::Mine,
            (false, true) => Prefer::Theirs,
            (false, false) => Prefer::Later,
        };
        let merged = engine
            .merge
            .merge(
                Payload { format: self.format, payload: &self.base },
                Payload { format, payload },
                Payload { format: record.format, payload: &theirs },
                prefer,
            )
            .map_err(EngineError::Conflict)?;
        for name in &merged.conflicts {
            engine.reporter.count(now, TallyKind::Conflict, name, 0, &self.key.short());
        }
        let mine = self.owner.clone();
        self.adopt(engine, record, theirs, now);
        if changed_owner {
            self.owner = mine;
        }
        Ok(CaughtUp::Changed(merged))
    }
}
