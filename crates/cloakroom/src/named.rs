//! Named records: sessions found by a name that is no secret (a shop's user 42). Only the site keys protect them, so one
//! is required; that is their exception to promise 4.

use crate::engine::Engine;
use crate::key::{Key, NamedSecret};
use crate::outcome::{Committed, EngineError};
use crate::policy::Lifetime;
use crate::record::State;
use crate::session::{Held, Session, Ticket};
use crate::store::{Budget, StoreError};

impl Engine {
    /// Opens the record of `name`, or a new one that is stored at its first commit. Every key of the ring is tried, and
    /// what is found under an old one moves under the first. A name may be used again after its record was ended.
    ///
    /// # Errors
    /// Without a site key, or when the store fails.
    pub async fn open_named(&self, budget: Budget, name: &[u8], lifetime: Lifetime) -> Result<Session, EngineError> {
        let mut first = None;
        for site_key in self.ring.keys() {
            let key = Key::named(&self.namespace, name, site_key);
            let ticket = Ticket::Named(NamedSecret::of(&self.namespace, name, site_key));
            let loaded = self.load_noted(budget, &key).await?;
            let now = loaded.now;
            let mut empty = Session::new(self, ticket.clone(), key, lifetime, Held::Fresh);
            empty.measured(self, now);
            let place = first.get_or_insert_with(|| empty.clone());
            let Some(record) = loaded.record.filter(|r| !r.expired(now)) else { continue };
            match record.state {
                State::Live => {
                    let Some(found) = self.session(ticket, key, lifetime, record, now) else { continue };
                    if place.key == key {
                        return Ok(found);
                    }
                    return self.moved_under_first(budget, place.clone(), &found).await;
                }
                // The tombstone keeps requests out that began before it; this one began after.
                State::Ended { .. } if place.key == key => {
                    place.held = Held::Live(Box::new(record));
                }
                State::Ended { .. } | State::Moved { .. } => {}
            }
        }
        first.ok_or_else(|| {
            StoreError::Settings("Named records need a site key; set cloakroom.keys to 64 hexadecimal digits.".into())
                .into()
        })
    }

    async fn moved_under_first(
        &self,
        budget: Budget,
        mut place: Session,
        found: &Session,
    ) -> Result<Session, EngineError> {
        place.set_owner(found.owner.clone());
        let done = place.commit(self, budget, &found.base, found.format).await?;
        let written = matches!(done, Committed::Written | Committed::Merged { .. });
        if let (true, Held::Live(head), Some(remove)) = (written, &found.held, self.store.remove()) {
            remove.remove(budget, &found.key, head.version).await?;
        }
        Ok(place)
    }
}
