//! Named records: sessions found by a name that is no secret (a shop's user 42). Only the site keys protect them, so one
//! is required; that is their exception to promise 4. How one moves to another name is in `named_move`.

use crate::commit::pause;
use crate::engine::Engine;
use crate::key::{Key, NamedSecret};
use crate::outcome::{Committed, Dropped, EngineError};
use crate::policy::Lifetime;
use crate::record::{EndKind, Record, State};
use crate::session::{Held, Session, Ticket};
use crate::store::{Budget, StoreError, Swapped};
use crate::time::Time;
use crate::version::CommitId;

impl Engine {
    /// Opens the record of `name`, or a new one that is stored at its first commit. Every key of the ring is tried, and
    /// what is found under an old one moves under the first. A name may be used again after its record was ended.
    ///
    /// # Errors
    /// Without a site key, or when the store fails.
    pub async fn open_named(&self, budget: Budget, name: &[u8], lifetime: Lifetime) -> Result<Session, EngineError> {
        let budget = self.breaker.admit(budget)?;
        let mut first = None;
        let mut ended = None;
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
                // Left behind by a move under the first key that broke off, and ended there since.
                State::Live if ended.is_some_and(|at| record.created <= at) => {}
                State::Live => {
                    let Some(found) = self.session(ticket, key, lifetime, record, now) else { continue };
                    if place.key == key {
                        return Ok(found);
                    }
                    return self.moved_under_first(budget, place.clone(), &found).await;
                }
                // The tombstone keeps requests out that began before it; this one began after.
                State::Ended { at, .. } if place.key == key => {
                    ended = Some(at);
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
        let lifetime = place.lifetime;
        if let Some((_, expires)) = found.deadlines() {
            place.lifetime.idle = lifetime.idle.max(expires.since(place.now(self)));
        }
        let done = place.commit(self, budget, &found.base, found.format).await?;
        place.lifetime = lifetime;
        let written = matches!(done, Committed::Written | Committed::Merged { .. });
        if let (true, Held::Live(head), Some(remove)) = (written, &found.held, self.store.remove()) {
            // What stays behind is not looked at again while there is one under the first key.
            let _ = remove.remove(budget, &found.key, head.version).await;
        }
        place.rebase();
        Ok(place)
    }
}

impl Session {
    /// Whether a live record was found for it, or made since. Unlike [`Session::is_stored`] this is false for a named
    /// record that was ended and not begun anew.
    pub fn has_record(&self) -> bool {
        matches!(&self.held, Held::Live(record) if record.state.is_live())
    }

    /// Takes what the store holds after a commit, others' changes included, as this request's own: its next commit is
    /// compared with that. Only for who hands in from here on what [`Session::payload`] gives now, changed or not.
    pub fn rebase(&mut self) {
        if let Some((format, payload)) = self.stored.take() {
            self.format = format;
            self.base = payload;
        }
    }

    /// Sets how long the record lives after each commit from now on; a deadline never moves down.
    pub fn set_lifetime(&mut self, lifetime: Lifetime) {
        self.lifetime = lifetime;
    }

    /// Until when the record lives if it is used now.
    pub fn until(&self, engine: &Engine) -> Time {
        self.now(engine).plus(self.lifetime.idle)
    }

    /// How long from now a record lives whose deadline is `until`; at least a second.
    pub fn idle_until(&self, engine: &Engine, until: Time) -> std::time::Duration {
        until.since(self.now(engine)).max(std::time::Duration::from_secs(1))
    }

    /// Moves the idle deadline up to `until` (never down), whoever has written to the record since. Whether there is a
    /// live record. It is written under a new version: who has loaded before and lets records live for less would else
    /// move the deadline down again with a commit of its own.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn extend(&mut self, engine: &Engine, budget: Budget, until: Time) -> Result<bool, EngineError> {
        let mut now = self.now(engine);
        let Held::Live(head) = &self.held else { return Ok(false) };
        if !head.state.is_live() || head.expired(now) {
            return Ok(false);
        }
        if head.idle >= until {
            return Ok(true);
        }
        let (format, payload) = (self.stored().format, self.stored().payload.to_vec());
        let (mut head, mut content) = (head.as_ref().clone(), Some((format, payload)));
        let mut races = 0;
        loop {
            let Some((format, payload)) = &content else {
                return Err(unreadable(engine));
            };
            let expected = head.version;
            let mut next = Record { version: expected.next(), touched: now, idle: head.idle.max(until), ..head };
            next.format = *format;
            next.about.commits.push(CommitId::draw()?);
            self.seal(engine, &mut next, payload)?;
            let swapped = engine.store.swap(budget, &self.key, expected, &next, now).await;
            match engine.breaker.note_write(swapped) {
                // What others wrote meanwhile is not this request's: its next commit has to find that out.
                Ok(Swapped::Done) if races > 0 => return Ok(true),
                Ok(Swapped::Done) => {
                    next.envelope = Vec::new();
                    self.held = Held::Live(Box::new(next));
                    return Ok(true);
                }
                Ok(Swapped::OwnerEnded) => return Ok(false),
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
            let loaded = engine.load_noted(budget, &self.key).await?;
            now = loaded.now;
            let Some(record) = loaded.record.filter(|r| r.state.is_live() && !r.expired(now)) else { return Ok(false) };
            if record.idle >= until {
                return Ok(true);
            }
            content = engine.opened(self.ticket.secret(), &self.key, &record, now).map(|p| (record.format, p));
            head = record;
        }
    }

    /// Ends a named record: what is stored under its name, also where it was made after this request had looked.
    ///
    /// # Errors
    /// When the store fails: the record is not known to be ended.
    pub async fn end_named(&mut self, engine: &Engine, budget: Budget) -> Result<(), EngineError> {
        if self.has_record() {
            return self.end(engine, budget, EndKind::Destroyed).await;
        }
        if !matches!(self.held, Held::Over(_)) {
            engine.end_key(budget, &self.key, EndKind::Destroyed).await?;
        }
        self.held = Held::Over(Dropped::Ended);
        self.base.clear();
        Ok(())
    }
}

/// What is stored does not open, so that nothing of it can be carried on.
pub(crate) fn unreadable(engine: &Engine) -> EngineError {
    StoreError::Damaged { engine: engine.store.describe().engine, damage: crate::wire::Damaged::Field }.into()
}
