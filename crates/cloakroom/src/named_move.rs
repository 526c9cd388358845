//! A named record moves to another name (a guest's cart to the user who has logged in): first into the target, then the
//! source is ended by its version. Whatever breaks off in between loses nothing, and doing it again adds nothing twice: the
//! commit into the target is named after the source's version.

use sha2::{Digest, Sha256};

use crate::commit::pause;
use crate::engine::Engine;
use crate::key::Key;
use crate::merge::{Prefer, Version as Payload};
use crate::named::unreadable;
use crate::outcome::{Committed, Dropped, EngineError};
use crate::record::{EndKind, Tombstone};
use crate::session::{Held, Session};
use crate::store::{Budget, Swapped};
use crate::version::{CommitId, Version};

/// What becomes of what the target has already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Onto {
    /// Both together; where both have the same variable in different forms, the rules decide, and then the source wins.
    Merge,
    /// It goes, and the source's takes its place.
    Replace,
}

impl Engine {
    /// Moves what is stored for `source`, a record of the engine `from`, into `target`, one of this engine. What the
    /// source's own request has not committed does not come along. How the last write to the target went: anything but
    /// [`Committed::Dropped`] and [`Committed::Detached`] means that all is there and the source is ended.
    ///
    /// # Errors
    /// [`EngineError`]; the source is as it was, and the move can be tried again.
    pub async fn move_named(
        &self,
        budget: Budget,
        from: &Engine,
        source: &mut Session,
        target: &mut Session,
        onto: Onto,
    ) -> Result<Committed, EngineError> {
        let mut done = Committed::Nothing;
        // What of the source is in the target already: others may write to the source until it is ended.
        let mut carried: Option<(u8, Vec<u8>)> = None;
        let mut races = 0;
        while source.key != target.key {
            let loaded = from.load_noted(budget, &source.key).await?;
            let now = loaded.now;
            let Some(record) = loaded.record.filter(|r| r.state.is_live() && !r.expired(now)) else { break };
            let Some(payload) = from.opened(source.ticket.secret(), &source.key, &record, now) else {
                return Err(unreadable(from));
            };
            let commit = commit_of(&source.key, record.version);
            if !target.known_commits().contains(commit) {
                let mine = Payload { format: record.format, payload: &payload };
                let merged = match (&carried, onto) {
                    (None, Onto::Replace) => None,
                    (None, Onto::Merge) => Some((record.format, &[][..])),
                    (Some((format, payload)), _) => Some((*format, payload.as_slice())),
                };
                let (format, whole) = match merged {
                    None => (record.format, payload.clone()),
                    Some((format, base)) => {
                        let base = Payload { format, payload: base };
                        let merged = self
                            .merge
                            .merge(base, mine, target.stored(), Prefer::Mine)
                            .map_err(EngineError::Conflict)?;
                        (merged.format, merged.payload)
                    }
                };
                done = target.commit_as(self, budget, &whole, format, Some(commit)).await?;
                if matches!(done, Committed::Dropped(_) | Committed::Detached) {
                    return Ok(done);
                }
                target.rebase();
            }
            carried = Some((record.format, payload));
            let tombstone = Tombstone::new(EndKind::Destroyed, now, from.policy.tombstone)?.record(Some(&record));
            let ended = from.store.swap(budget, &source.key, record.version, &tombstone, now).await;
            match from.breaker.note_write(ended) {
                Ok(Swapped::Done | Swapped::OwnerEnded) => break,
                Ok(Swapped::Stale) => {}
                Err(error) if error.outcome_unknown() => {}
                Err(error) => return Err(error.into()),
            }
            races += 1;
            pause(budget, races).await;
            if budget.is_spent() {
                return Err(EngineError::Busy);
            }
        }
        if source.key != target.key {
            source.held = Held::Over(Dropped::Ended);
            source.base.clear();
        }
        Ok(done)
    }
}

/// The commit by which a version of the source comes into the target.
fn commit_of(source: &Key, version: Version) -> CommitId {
    let mut hash = Sha256::new();
    hash.update(b"cloakroom/1 move of a named record");
    hash.update(source.as_bytes());
    hash.update(version.incarnation.to_be_bytes());
    hash.update(version.counter.to_be_bytes());
    let digest: [u8; 32] = hash.finalize().into();
    let mut id = [0; 8];
    id.copy_from_slice(&digest[..8]);
    CommitId(u64::from_be_bytes(id))
}
