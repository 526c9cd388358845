//! Commit: compare-and-swap in the usual case, merge where a race was lost, each commit at most once.

use std::time::Duration;

use crate::engine::Engine;
use crate::envelope;
use crate::key::Key;
use crate::merge::{Merged, Prefer, Version as Payload};
use crate::outcome::{Committed, Dropped, EngineError};
use crate::record::{About, Owner, Record, State};
use crate::session::{Held, Session, Ticket, Unsure};
use crate::store::{Budget, Created, LeaseName, LeaseOutcome, StoreError, Swapped, TallyKind};
use crate::time::Time;
use crate::version::{CommitId, CommitLog, Version};

/// Lost races after which committers queue on a lease.
const RACES_BEFORE_QUEUE: u32 = 3;

/// What a request wants to commit.
struct Mine<'a> {
    payload: &'a [u8],
    format: u8,
    commit: CommitId,
}

/// The lease under which committers queue, while this one holds it.
struct Queued {
    name: LeaseName,
    token: u64,
}

impl Session {
    /// Writes back what the request changed: `payload` in `format`, and the owner. Where nothing changed, at most a touch.
    ///
    /// # Errors
    /// [`EngineError`]; what was stored before is unchanged unless the error says that the outcome is unknown.
    pub async fn commit(
        &mut self,
        engine: &Engine,
        budget: Budget,
        payload: &[u8],
        format: u8,
    ) -> Result<Committed, EngineError> {
        self.commit_as(engine, budget, payload, format, None).await
    }

    /// As [`Session::commit`], under a commit id that was chosen before: who commits under it again changes nothing.
    pub(crate) async fn commit_as(
        &mut self,
        engine: &Engine,
        budget: Budget,
        payload: &[u8],
        format: u8,
        commit: Option<CommitId>,
    ) -> Result<Committed, EngineError> {
        self.settle(engine, budget).await?;
        let same_payload = payload == self.base && (format == self.format || payload.is_empty());
        let same = same_payload && self.owner == self.base_owner;
        match &self.held {
            Held::Detached => return Ok(Committed::Detached),
            Held::Over(_) | Held::Frozen if same => return Ok(Committed::Unchanged),
            Held::Over(why) => return Ok(self.dropped(engine, *why)),
            Held::Frozen => return Ok(self.dropped(engine, Dropped::Moved)),
            Held::Fresh if self.owner.is_none() && engine.merge.is_empty(Payload { format, payload }) => {
                return Ok(Committed::Nothing);
            }
            // A session that holds something is not written for this alone.
            Held::Live(record) if same && !(self.asked && !record.about.asked && self.base.is_empty()) => {
                return self.touch(engine, budget).await;
            }
            Held::Fresh | Held::Live(_) if self.readonly => {
                self.touch(engine, budget).await?;
                return Ok(self.dropped(engine, Dropped::ReadOnly));
            }
            Held::Fresh | Held::Live(_) => {}
        }
        let limit = engine.policy.max_size;
        if payload.len() > limit as usize {
            return Err(EngineError::TooLarge { size: payload.len(), limit });
        }
        let commit = commit.map_or_else(CommitId::draw, Ok)?;
        let mine = Mine { payload, format, commit };
        if self.predecessor.is_some() {
            // First, so that an error means that nothing was saved.
            let all = self.with_stored(engine, &mine)?;
            let all = all.as_ref().map_or((format, payload), |m| (m.format, &m.payload));
            self.bare_predecessor(engine, budget, Payload { format: all.0, payload: all.1 }).await?;
        }
        let committed = match &self.held {
            Held::Live(_) => self.swap_own(engine, budget, &mine).await,
            _ => self.create_own(engine, budget, &mine).await,
        };
        if let Err(EngineError::OutcomeUnknown(_)) = &committed {
            self.unsure = Some(Box::new(Unsure {
                commit: mine.commit,
                payload: payload.to_vec(),
                format,
                owner: self.owner.clone(),
                known: self.known_commits(),
            }));
        }
        committed
    }

    /// After a commit whose outcome stayed unknown: finds out what became of it before anything else is written, so that
    /// what it wrote is not written once more.
    pub(crate) async fn settle(&mut self, engine: &Engine, budget: Budget) -> Result<(), EngineError> {
        let Some(unsure) = &self.unsure else { return Ok(()) };
        let unknown = |error| EngineError::OutcomeUnknown(Some(error));
        let loaded = engine.load_noted(budget, &self.key).await.map_err(unknown)?;
        let now = loaded.now;
        if let Some(record) = loaded.record.filter(|r| !r.expired(now)) {
            let mut applied = record.about.commits.contains(unsure.commit);
            let mut hidden = record.about.commits.may_have_lost(&unsure.known);
            if !applied && matches!(record.state, State::Moved { .. }) {
                let found = engine.successor(budget, &self.ticket, &self.key, &record, now).await.map_err(unknown)?;
                if let Some(log) = found.and_then(|(_, _, l)| l.record).map(|r| r.about.commits) {
                    applied = log.contains(unsure.commit);
                    hidden = log.may_have_lost(&unsure.known);
                }
            }
            if applied {
                let Some(unsure) = self.unsure.take() else { return Ok(()) };
                let stored = engine.opened(self.ticket.secret(), &self.key, &record, now);
                let mine = Mine { payload: &unsure.payload, format: unsure.format, commit: unsure.commit };
                let asked = (self.owner != unsure.owner).then(|| self.owner.clone());
                match stored {
                    Some(payload) if record.state.is_live() => {
                        let stored = Merged { payload, format: record.format, conflicts: Vec::new() };
                        self.owner.clone_from(&record.owner);
                        self.written(record, &mine, Some(stored));
                    }
                    _ => {
                        self.owner.clone_from(&unsure.owner);
                        self.payload_is(mine.payload, mine.format);
                    }
                }
                if let Some(asked) = asked {
                    self.owner = asked;
                }
                return Ok(());
            }
            if hidden && !matches!(record.state, State::Ended { .. }) {
                return Err(EngineError::OutcomeUnknown(None));
            }
        }
        self.unsure = None;
        Ok(())
    }

    /// Stores an empty record under a new id whose ticket leaves although nothing is in the session yet, so that the id
    /// is ours when it comes back. It lives for `idle` at most, until something is stored. Does nothing otherwise.
    ///
    /// # Errors
    /// [`EngineError`]; nothing was stored.
    pub async fn hold_place(
        &mut self,
        engine: &Engine,
        budget: Budget,
        idle: Duration,
    ) -> Result<Committed, EngineError> {
        if !matches!(self.held, Held::Fresh) {
            return Ok(Committed::Unchanged);
        }
        let lifetime = self.lifetime;
        self.lifetime.idle = idle.min(lifetime.idle);
        let format = self.format;
        let commit = CommitId::draw()?;
        let placed = self.create_own(engine, budget, &Mine { payload: &[], format, commit }).await;
        self.lifetime = lifetime;
        placed
    }

    /// The usual case: nobody else has written since our load. One round trip.
    async fn swap_own(&mut self, engine: &Engine, budget: Budget, mine: &Mine<'_>) -> Result<Committed, EngineError> {
        let Held::Live(head) = &self.held else { return Ok(Committed::Nothing) };
        let now = self.now(engine);
        if head.absolute.is_some_and(|end| end <= now) {
            return Ok(self.over_with(engine, Dropped::Expired));
        }
        let (expected, head) = (head.version, head.as_ref().clone());
        let merged = self.with_stored(engine, mine)?;
        let (payload, format) = merged.as_ref().map_or((mine.payload, mine.format), |m| (&m.payload, m.format));
        let record = self.next_record(engine, head, payload, format, mine.commit, now)?;
        let result = engine.store.swap(budget, &self.key, expected, &record, self.seen).await;
        match engine.breaker.note_write(result) {
            Ok(Swapped::Done) => {
                self.written(record, mine, merged);
                Ok(Committed::Written)
            }
            Ok(Swapped::OwnerEnded) => Ok(self.over_with(engine, Dropped::OwnerEnded)),
            Ok(Swapped::Stale) => self.resolve(engine, budget, mine, None).await,
            Err(error) if error.outcome_unknown() => self.resolve(engine, budget, mine, Some(error)).await,
            Err(error) => Err(error.into()),
        }
    }

    /// The first write of a session.
    async fn create_own(&mut self, engine: &Engine, budget: Budget, mine: &Mine<'_>) -> Result<Committed, EngineError> {
        // A time that was told from memory is no sign that the store answers.
        let now = match engine.store.now(budget).await {
            Ok(now) => now,
            Err(error) => engine.breaker.note_write(Err(error))?,
        };
        self.measured(engine, now);
        let record = self.first_record(engine, mine, now, None)?;
        let result = engine.store.create(budget, &self.key, &record, self.seen).await;
        match engine.breaker.note_write(result) {
            Ok(Created::Done) => {
                self.written(record, mine, None);
                Ok(Committed::Written)
            }
            Ok(Created::OwnerEnded) => Ok(self.over_with(engine, Dropped::OwnerEnded)),
            Ok(Created::Exists) => self.resolve(engine, budget, mine, None).await,
            Err(error) if error.outcome_unknown() => self.resolve(engine, budget, mine, Some(error)).await,
            Err(error) => Err(error.into()),
        }
    }

    /// A lost race or a lost reply: look what is there, merge, try again until the budget ends.
    async fn resolve(
        &mut self,
        engine: &Engine,
        budget: Budget,
        mine: &Mine<'_>,
        unknown: Option<StoreError>,
    ) -> Result<Committed, EngineError> {
        let mut queued = None;
        let result = self.resolve_queued(engine, budget, mine, unknown, &mut queued).await;
        if let (Some(Queued { name, token }), Some(leases)) = (queued, engine.store.leases()) {
            // A lease that can't be given back runs out by itself.
            let _ = leases.release(budget, &name, token).await;
        }
        result
    }

    async fn resolve_queued(
        &mut self,
        engine: &Engine,
        budget: Budget,
        mine: &Mine<'_>,
        mut unknown: Option<StoreError>,
        queued: &mut Option<Queued>,
    ) -> Result<Committed, EngineError> {
        let known = self.known_commits();
        let mut races = 0u32;
        // The successor that was sent our commit, after a reply from there was lost.
        let mut sent_on = None;
        loop {
            if races >= RACES_BEFORE_QUEUE && queued.is_none() {
                *queued = queue(engine, budget, &self.key).await;
            } else if races > 0 {
                pause(budget, races).await;
            }
            if budget.is_spent() {
                return Err(unknown.map_or(EngineError::Busy, |e| EngineError::OutcomeUnknown(Some(e))));
            }
            let loaded = match engine.load_noted(budget, &self.key).await {
                Ok(loaded) => loaded,
                Err(StoreError::Damaged { .. }) => return Ok(self.over_with(engine, Dropped::Unreadable)),
                // Not known whether an earlier try was applied, and no way to find out now.
                Err(error) if unknown.is_some() => return Err(EngineError::OutcomeUnknown(Some(error))),
                Err(error) => return Err(error.into()),
            };
            let now = loaded.now;
            self.measured(engine, now);
            let Some(record) = loaded.record.filter(|r| !r.expired(now)) else {
                let tried = self.make_anew(engine, budget, mine, now).await;
                match tried.map_err(|error| still_unknown(error, unknown.as_ref()))? {
                    Tried::Done(committed) => return Ok(committed),
                    Tried::Unknown(error) => unknown = Some(error),
                    Tried::Lost => races += 1,
                }
                continue;
            };
            if record.about.commits.contains(mine.commit) {
                return Ok(self.applied_before(engine, record, mine, now));
            }
            if unknown.is_some() && record.about.commits.may_have_lost(&known) {
                return Err(EngineError::OutcomeUnknown(unknown));
            }
            let tried = match record.state {
                State::Ended { .. } => {
                    if let (Some(key), Some(error)) = (sent_on, &unknown) {
                        // Ended with its successor, where our commit may have been applied before: that one's tombstone tells.
                        let unknown = || EngineError::OutcomeUnknown(Some(error.clone()));
                        let loaded = engine.load_noted(budget, &key).await.map_err(|_| unknown())?;
                        let record = loaded.record.filter(|r| !r.expired(loaded.now)).ok_or_else(unknown)?;
                        if record.about.commits.contains(mine.commit) {
                            return Ok(self.applied_before(engine, record, mine, loaded.now));
                        }
                        if record.about.commits.may_have_lost(&known) {
                            return Err(unknown());
                        }
                    }
                    return Ok(self.over_with(engine, Dropped::Ended));
                }
                State::Moved { .. } => {
                    let known = unknown.as_ref().map(|_| &known);
                    self.commit_to_successor(engine, budget, mine, &record, now, known, &mut sent_on).await
                }
                State::Live => self.merge_in(engine, budget, mine, record, now).await,
            };
            match tried.map_err(|error| still_unknown(error, unknown.as_ref()))? {
                Tried::Done(committed) => return Ok(committed),
                Tried::Unknown(error) => unknown = Some(error),
                Tried::Lost => races += 1,
            }
        }
    }

    /// The reply had been lost, the commit had not.
    fn applied_before(&mut self, engine: &Engine, record: Record, mine: &Mine<'_>, now: Time) -> Committed {
        let stored = engine.opened(self.ticket.secret(), &self.key, &record, now);
        match stored {
            Some(payload) if record.state.is_live() => {
                let stored = Merged { payload, format: record.format, conflicts: Vec::new() };
                // Who was logged out after it was applied stays logged out.
                self.owner.clone_from(&record.owner);
                self.written(record, mine, Some(stored));
            }
            _ => self.payload_is(mine.payload, mine.format),
        }
        Committed::Written
    }

    /// What is to be written where the store holds more than our base: that, with our changes.
    fn with_stored(&self, engine: &Engine, mine: &Mine<'_>) -> Result<Option<Merged>, EngineError> {
        let Some((format, payload)) = &self.stored else { return Ok(None) };
        // What others removed stays removed, also where this request goes on changing what it still has.
        let prefer = if self.owner == self.base_owner { Prefer::Later } else { Prefer::Mine };
        self.merged(engine, mine, payload, *format, prefer).map(Some)
    }

    /// Merges into the live record that somebody else has written.
    async fn merge_in(
        &mut self,
        engine: &Engine,
        budget: Budget,
        mine: &Mine<'_>,
        record: Record,
        now: Time,
    ) -> Result<Tried, EngineError> {
        let Some(theirs) = engine.opened(self.ticket.secret(), &self.key, &record, now) else {
            return Ok(Tried::Done(self.over_with(engine, Dropped::Unreadable)));
        };
        let i_changed_owner = self.owner != self.base_owner;
        let they_changed_owner = record.owner != self.base_owner;
        let prefer = match (i_changed_owner, they_changed_owner) {
            (true, _) => Prefer::Mine,
            (false, true) => Prefer::Theirs,
            (false, false) => Prefer::Later,
        };
        let merged = self.merged(engine, mine, &theirs, record.format, prefer)?;
        if !i_changed_owner {
            self.owner.clone_from(&record.owner);
        }
        if merged.payload == theirs && self.owner == record.owner {
            // Everything of ours is there already.
            self.base_owner.clone_from(&record.owner);
            let conflicts = merged.conflicts.clone();
            self.written(record, mine, Some(merged));
            return Ok(Tried::Done(Committed::Merged { conflicts }));
        }
        let expected = record.version;
        let next = self.next_record(engine, record, &merged.payload, merged.format, mine.commit, now)?;
        let result = engine.store.swap(budget, &self.key, expected, &next, self.seen).await;
        Ok(match engine.breaker.note_write(result) {
            Ok(Swapped::Done) => {
                self.count_conflicts(engine, now, &merged.conflicts);
                let conflicts = merged.conflicts.clone();
                self.written(next, mine, Some(merged));
                Tried::Done(Committed::Merged { conflicts })
            }
            Ok(Swapped::OwnerEnded) => Tried::Done(self.over_with(engine, Dropped::OwnerEnded)),
            Ok(Swapped::Stale) => Tried::Lost,
            Err(error) if error.outcome_unknown() => Tried::Unknown(error),
            Err(error) => return Err(error.into()),
        })
    }

    /// The session was rotated while this request ran: what does not conflict goes into the successor, whose side wins. `known`
    /// are the commits before ours, where a reply to ours was lost; where one is lost here, `sent_on` is set.
    #[allow(clippy::too_many_arguments)] // the state of one commit, handed over once
    async fn commit_to_successor(
        &mut self,
        engine: &Engine,
        budget: Budget,
        mine: &Mine<'_>,
        moved: &Record,
        now: Time,
        known: Option<&CommitLog>,
        sent_on: &mut Option<Key>,
    ) -> Result<Tried, EngineError> {
        let found = engine.successor(budget, &self.ticket, &self.key, moved, now).await?;
        let Some((id, key, loaded)) = found else {
            return Ok(Tried::Done(self.over_with(engine, Dropped::Unreadable)));
        };
        let Some(record) = loaded.record.filter(|r| !r.expired(loaded.now)) else {
            return Ok(Tried::Done(self.over_with(engine, Dropped::Gone)));
        };
        // Before its state: what was applied stays told as applied, also where the session was ended since.
        if record.about.commits.contains(mine.commit) {
            self.payload_is(mine.payload, mine.format);
            return Ok(Tried::Done(Committed::Written));
        }
        if known.is_some_and(|known| record.about.commits.may_have_lost(known)) {
            return Err(EngineError::OutcomeUnknown(None));
        }
        if !record.state.is_live() {
            return Ok(Tried::Done(self.over_with(engine, Dropped::Ended)));
        }
        let ticket = Ticket::Id(id);
        let Some(theirs) = engine.opened(ticket.secret(), &key, &record, loaded.now) else {
            return Ok(Tried::Done(self.over_with(engine, Dropped::Unreadable)));
        };
        let merged = self.merged(engine, mine, &theirs, record.format, Prefer::Theirs)?;
        // The successor's owner stays: an overlapping request adds only what it could have added before.
        let mut successor = Session::new(engine, ticket, key, self.lifetime, Held::Fresh);
        successor.adopt(engine, record.clone(), Vec::new(), loaded.now);
        if merged.payload == theirs {
            self.payload_is(mine.payload, mine.format);
            return Ok(Tried::Done(Committed::Merged { conflicts: merged.conflicts }));
        }
        let expected = record.version;
        let next = successor.next_record(engine, record, &merged.payload, merged.format, mine.commit, loaded.now)?;
        let result = engine.store.swap(budget, &successor.key, expected, &next, loaded.now).await;
        Ok(match engine.breaker.note_write(result) {
            Ok(Swapped::Done) => {
                self.count_conflicts(engine, loaded.now, &merged.conflicts);
                self.payload_is(mine.payload, mine.format);
                Tried::Done(Committed::Merged { conflicts: merged.conflicts })
            }
            Ok(Swapped::OwnerEnded) => Tried::Done(self.over_with(engine, Dropped::OwnerEnded)),
            Ok(Swapped::Stale) => Tried::Lost,
            Err(error) if error.outcome_unknown() => {
                *sent_on = Some(successor.key);
                Tried::Unknown(error)
            }
            Err(error) => return Err(error.into()),
        })
    }

    /// The record is gone. It is made anew only where it can't have been ended: it had no owner, and a tombstone of its
    /// ending would still be there.
    async fn make_anew(
        &mut self,
        engine: &Engine,
        budget: Budget,
        mine: &Mine<'_>,
        now: Time,
    ) -> Result<Tried, EngineError> {
        let was = match &self.held {
            Held::Live(head) => Some(head.as_ref().clone()),
            _ => None,
        };
        if let Some(head) = &was {
            let may_have_ended = head.owner.is_some() || now.since(self.seen) >= engine.policy.tombstone;
            if may_have_ended {
                return Ok(Tried::Done(self.over_with(engine, Dropped::Gone)));
            }
            if head.absolute.is_some_and(|end| end <= now) {
                return Ok(Tried::Done(self.over_with(engine, Dropped::Expired)));
            }
        }
        let record = self.first_record(engine, mine, now, was.as_ref())?;
        let result = engine.store.create(budget, &self.key, &record, self.seen).await;
        Ok(match engine.breaker.note_write(result) {
            Ok(Created::Done) => {
                self.written(record, mine, None);
                Tried::Done(Committed::Written)
            }
            Ok(Created::OwnerEnded) => Tried::Done(self.over_with(engine, Dropped::OwnerEnded)),
            Ok(Created::Exists) => Tried::Lost,
            Err(error) if error.outcome_unknown() => Tried::Unknown(error),
            Err(error) => return Err(error.into()),
        })
    }

    /// Nothing changed: the idle deadline moves up, if it is due. A failure is the breaker's to tell, not the visitor's.
    async fn touch(&mut self, engine: &Engine, budget: Budget) -> Result<Committed, EngineError> {
        let now = self.now(engine);
        let idle = now.plus(self.lifetime.idle);
        let Held::Live(head) = &mut self.held else { return Ok(Committed::Unchanged) };
        let due = now.since(head.touched) >= self.lifetime.touch_after() && idle > head.idle;
        if due {
            let result = engine.store.touch(budget, &self.key, head.version, now, idle).await;
            if engine.breaker.note_write(result).is_ok() {
                head.touched = now;
                head.idle = head.idle.max(idle);
            }
        }
        Ok(Committed::Unchanged)
    }

    fn merged(
        &self,
        engine: &Engine,
        mine: &Mine<'_>,
        theirs: &[u8],
        theirs_format: u8,
        prefer: Prefer,
    ) -> Result<Merged, EngineError> {
        engine
            .merge
            .merge(
                Payload { format: self.format, payload: &self.base },
                Payload { format: mine.format, payload: mine.payload },
                Payload { format: theirs_format, payload: theirs },
                prefer,
            )
            .map_err(EngineError::Conflict)
    }

    pub(crate) fn count_conflicts(&self, engine: &Engine, now: Time, conflicts: &[String]) {
        for name in conflicts {
            engine.reporter.count(now, TallyKind::Conflict, name, 0, &self.key.short());
        }
    }

    /// The record of a first write; of one made anew after its record was lost, with what is inherited.
    fn first_record(
        &self,
        engine: &Engine,
        mine: &Mine<'_>,
        now: Time,
        was: Option<&Record>,
    ) -> Result<Record, EngineError> {
        let mut record = Record {
            version: Version::draw()?,
            state: State::Live,
            created: was.map_or(now, |r| r.created),
            touched: now,
            idle: now.plus(self.lifetime.idle),
            absolute: was.map_or_else(|| self.lifetime.absolute.map(|a| now.plus(a)), |r| r.absolute),
            owner: self.owner.clone(),
            format: mine.format,
            size: size(mine.payload),
            about: was.map_or_else(|| self.first_about(engine), |r| r.about.clone()),
            envelope: Vec::new(),
        };
        record.about.commits.push(mine.commit);
        record.about.asked |= self.asked;
        self.seal(engine, &mut record, mine.payload)?;
        Ok(record)
    }

    fn first_about(&self, engine: &Engine) -> About {
        let namespace = engine.namespace.as_bytes().to_vec();
        About { namespace, named: matches!(self.ticket, Ticket::Named(_)), ..About::default() }
    }

    /// The record that follows `head` when `payload` is written.
    pub(crate) fn next_record(
        &self,
        engine: &Engine,
        head: Record,
        payload: &[u8],
        format: u8,
        commit: CommitId,
        now: Time,
    ) -> Result<Record, EngineError> {
        // A named record that was ended begins anew: nobody who loaded before may take it for the old one.
        let anew = !head.state.is_live();
        let mut record = Record {
            version: if anew { Version::draw()? } else { head.version.next() },
            state: State::Live,
            created: if anew { now } else { head.created },
            absolute: if anew { self.lifetime.absolute.map(|a| now.plus(a)) } else { head.absolute },
            touched: now,
            idle: head.idle.max(now.plus(self.lifetime.idle)),
            owner: self.owner.clone(),
            format,
            size: size(payload),
            ..head
        };
        record.about.commits.push(commit);
        record.about.asked |= self.asked;
        self.seal(engine, &mut record, payload)?;
        Ok(record)
    }

    pub(crate) fn seal(&self, engine: &Engine, record: &mut Record, payload: &[u8]) -> Result<(), EngineError> {
        record.envelope = envelope::seal(self.ticket.secret(), &engine.ring, &self.key, record, payload)
            .map_err(|_| EngineError::NoRandomness)?;
        Ok(())
    }

    /// What this request has is the new base, so that its next commit sees only new changes; what the store holds beyond
    /// that is remembered.
    fn written(&mut self, record: Record, mine: &Mine<'_>, stored: Option<Merged>) {
        self.held_is(record);
        self.payload_is(mine.payload, mine.format);
        self.stored = stored.filter(|m| m.payload != mine.payload).map(|m| (m.format, m.payload));
    }

    pub(crate) fn held_is(&mut self, mut record: Record) {
        record.envelope = Vec::new();
        self.base_owner.clone_from(&record.owner);
        self.held = Held::Live(Box::new(record));
    }

    pub(crate) fn payload_is(&mut self, payload: &[u8], format: u8) {
        self.format = format;
        self.base.clear();
        self.base.extend_from_slice(payload);
        self.stored = None;
        self.base_owner.clone_from(&self.owner);
    }

    pub(crate) fn over_with(&mut self, engine: &Engine, why: Dropped) -> Committed {
        self.held = Held::Over(why);
        self.dropped(engine, why)
    }

    fn dropped(&self, engine: &Engine, why: Dropped) -> Committed {
        engine.reporter.count(self.now(engine), TallyKind::Dropped, &why.to_string(), 0, &self.key.short());
        Committed::Dropped(why)
    }
}

/// How one try of a commit went.
enum Tried {
    Done(Committed),
    Lost,
    Unknown(StoreError),
}

/// What a later try says of itself says nothing of an earlier one whose reply was lost.
fn still_unknown(error: EngineError, unknown: Option<&StoreError>) -> EngineError {
    if unknown.is_some() { EngineError::OutcomeUnknown(unknown.cloned()) } else { error }
}

pub(crate) fn size(payload: &[u8]) -> u32 {
    u32::try_from(payload.len()).unwrap_or(u32::MAX)
}

/// Whether `before` had an owner that `after` takes away.
pub(crate) fn takes_owner(before: Option<&Owner>, after: Option<&Owner>) -> bool {
    before.is_some() && before != after
}

/// A short random pause between two tries, longer the more races were lost.
pub(crate) async fn pause(budget: Budget, races: u32) {
    let most = 500u64 << races.min(6);
    let micros = getrandom::u64().map_or(most, |r| r % most + 100);
    tokio::time::sleep(Duration::from_micros(micros).min(budget.left())).await;
}

/// Waits for the commit lease of a record. `None` where the store has no leases, fails, or the budget ends first: then the
/// tries go on without it.
async fn queue(engine: &Engine, budget: Budget, key: &Key) -> Option<Queued> {
    let leases = engine.store.leases()?;
    let name = LeaseName::of(key, b"commit");
    let token = getrandom::u64().ok()? >> 1;
    let mut tries = 0;
    while !budget.is_spent() {
        let taken = leases.take(budget, &name, token, engine.holder(), engine.policy.commit_lease, None).await;
        match taken {
            Ok(LeaseOutcome::Taken(_)) => return Some(Queued { name, token }),
            Ok(LeaseOutcome::Held(_)) => {
                tries += 1;
                pause(budget, tries.min(4)).await;
            }
            Err(_) => return None,
        }
    }
    None
}
