//! Removing a session that was found empty and left empty: by its version and without a tombstone, so that whoever adds
//! something at the same time wins, and whoever adds something later makes it anew.

use crate::engine::Engine;
use crate::outcome::{Dropped, EngineError};
use crate::session::{Held, Session};
use crate::store::Budget;

impl Session {
    /// Removes the session's record, if it is still the one that this request has found or last written; whether it did. The
    /// caller knows that nothing in it counts. A session with an owner stays, and so do one whose id the
    /// application has asked for and what others have written.
    ///
    /// # Errors
    /// When the store fails: the record is there, or it is not.
    pub async fn remove(&mut self, engine: &Engine, budget: Budget) -> Result<bool, EngineError> {
        self.settle(engine, budget).await?;
        let Held::Live(record) = &self.held else { return Ok(false) };
        let of_others = self.stored.is_some() || record.owner.is_some() || self.owner.is_some();
        if of_others || self.readonly || self.is_asked() {
            return Ok(false);
        }
        let Some(remove) = engine.store.remove() else { return Ok(false) };
        let removed = engine.breaker.note_write(remove.remove(budget, &self.key, record.version).await)?;
        if removed {
            self.held = Held::Over(Dropped::Gone);
            self.base.clear();
        }
        Ok(removed)
    }
}
