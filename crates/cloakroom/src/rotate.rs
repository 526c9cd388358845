//! Rotation: carried out when it is asked for, not at the end of the request. The successor is made first, then the old
//! record is swapped to *moved*; a crash in between leaves the old session as it was.

use crate::commit::{pause, size, takes_owner};
use crate::end::end_with_trail;
use crate::engine::Engine;
use crate::envelope;
use crate::id::SessionId;
use crate::key::Key;
use crate::merge::{Prefer, Version as Payload};
use crate::open::MovedContent;
use crate::outcome::{Dropped, EngineError, Rotated};
use crate::record::{EndKind, MoveKind, Record, State, TRAIL_KEPT};
use crate::session::{Held, Predecessor, Session, Ticket, Unsure};
use crate::store::{Budget, Created, StoreError, Swapped};
use crate::time::Time;
use crate::version::{CommitId, Version};

impl Session {
    /// Gives the session a new id, with the variables as they are now. Afterwards this *is* the successor; its id may be
    /// another than `new_id` ([`Rotated::Adopted`]).
    ///
    /// # Errors
    /// [`EngineError`] when the store fails before anything was moved: the session stays under its old id. After
    /// [`EngineError::OutcomeUnknown`] it goes on under its old id, too; its next commit finds out first.
    pub async fn rotate(
        &mut self,
        engine: &Engine,
        budget: Budget,
        new_id: SessionId,
        payload: &[u8],
        format: u8,
    ) -> Result<Rotated, EngineError> {
        self.settle(engine, budget).await?;
        let before = self.clone();
        let mut sent = None;
        let rotated = self.rotate_settled(engine, budget, new_id, payload, format, &mut sent).await;
        let Err(error) = rotated else { return rotated };
        // What was loaded on the way is no base of what the request has: its next commit would take back others' changes.
        *self = before;
        let Some(commit) = sent else { return Err(error) };
        // Its next commit finds out first, so that what it changed is not added once more.
        let (owner, known) = (self.owner.clone(), self.known_commits());
        self.unsure = Some(Box::new(Unsure { commit, payload: payload.to_vec(), format, owner, known }));
        Err(match error {
            EngineError::OutcomeUnknown(_) => error,
            EngineError::Store(error) => EngineError::OutcomeUnknown(Some(error)),
            _ => EngineError::OutcomeUnknown(None),
        })
    }

    /// `sent` is set when a change was sent of which it is not known whether it was applied.
    async fn rotate_settled(
        &mut self,
        engine: &Engine,
        budget: Budget,
        new_id: SessionId,
        payload: &[u8],
        format: u8,
        sent: &mut Option<CommitId>,
    ) -> Result<Rotated, EngineError> {
        let Ticket::Id(old_id) = self.ticket.clone() else { return Ok(Rotated::Fresh) };
        match &self.held {
            Held::Detached => return Ok(Rotated::Detached),
            Held::Fresh => {
                self.renamed(engine, new_id);
                return Ok(Rotated::Fresh);
            }
            Held::Over(why) => {
                let why = *why;
                *self = Session::new(
                    engine,
                    Ticket::Id(new_id.clone()),
                    engine.key_of(&new_id),
                    self.lifetime,
                    Held::Over(why),
                );
                return Ok(Rotated::Dropped(why));
            }
            Held::Frozen => {
                // Whoever comes with an id that has moved gets a session of its own, of what it could read.
                self.unlink(engine, new_id);
                return Ok(Rotated::Unlinked);
            }
            Held::Live(_) => {}
        }
        if payload.len() > engine.policy.max_size as usize {
            return Err(EngineError::TooLarge { size: payload.len(), limit: engine.policy.max_size });
        }
        let commit = CommitId::draw()?;
        let old_key = self.key;
        let has = Payload { format, payload };
        let mut mine = payload.to_vec();
        let mut format = format;
        if let Some((stored_format, stored)) = self.stored.take() {
            // Others' changes that this request does not have go along.
            let theirs = Payload { format: stored_format, payload: &stored };
            let base = Payload { format: self.format, payload: &self.base };
            let merged = engine.merge.merge(base, has, theirs, Prefer::Mine).map_err(EngineError::Conflict)?;
            (mine, format) = (merged.payload, merged.format);
            (self.base, self.format) = (stored, stored_format);
        }
        let mut successor: Option<(Key, Record)> = None;
        loop {
            let Held::Live(head) = &self.held else { return Ok(Rotated::Fresh) };
            let head = head.as_ref().clone();
            let now = self.now(engine);
            if head.absolute.is_some_and(|end| end <= now) {
                self.over_with(engine, Dropped::Expired);
                return Ok(Rotated::Dropped(Dropped::Expired));
            }
            let made =
                self.make_successor(engine, budget, &new_id, &head, &mine, format, commit, successor.take()).await?;
            let (new_key, record) = match made {
                Made::Done(key, record) => (key, *record),
                Made::OwnerEnded => {
                    self.over_with(engine, Dropped::OwnerEnded);
                    return Ok(Rotated::Dropped(Dropped::OwnerEnded));
                }
            };
            let kind = self.move_kind(engine, &head, Payload { format, payload: &mine });
            let moved = self.moved_record(engine, &old_id, &head, kind, &new_id, now, commit)?;
            if kind == MoveKind::Bare {
                // Before the move, so that an error means that nothing has moved.
                end_with_trail_only(engine, budget, &head.about.trail, now).await?;
            }
            let result = engine.store.swap(budget, &old_key, head.version, &moved, now).await;
            match engine.breaker.note_write(result) {
                Ok(Swapped::Done) => {
                    self.succeeded(engine, old_id, &head, new_id, new_key, record, (has, &mine), kind);
                    return Ok(Rotated::Moved);
                }
                Ok(Swapped::Stale | Swapped::OwnerEnded) => {}
                Err(error) if error.outcome_unknown() => *sent = Some(commit),
                // The successor, if it was made, is an orphan that nobody knows and that dies by itself.
                Err(error) => return Err(error.into()),
            }
            // Somebody else was there first, or the reply was lost.
            let loaded = engine.load_noted(budget, &old_key).await?;
            let now = loaded.now;
            self.measured(engine, now);
            let found = loaded.record.filter(|r| !r.expired(now));
            match found {
                Some(found) if found.state.is_live() => {
                    let Some(theirs) = engine.opened(self.ticket.secret(), &old_key, &found, now) else {
                        self.over_with(engine, Dropped::Unreadable);
                        return Ok(Rotated::Dropped(Dropped::Unreadable));
                    };
                    // The side that rotates wins every conflict.
                    let merged = engine
                        .merge
                        .merge(
                            Payload { format: self.format, payload: &self.base },
                            Payload { format, payload: &mine },
                            Payload { format: found.format, payload: &theirs },
                            Prefer::Mine,
                        )
                        .map_err(EngineError::Conflict)?;
                    if self.owner == self.base_owner {
                        self.owner.clone_from(&found.owner);
                    }
                    self.base_owner.clone_from(&found.owner);
                    self.base = theirs;
                    self.format = found.format;
                    self.held = Held::Live(Box::new(Record { envelope: Vec::new(), ..found }));
                    mine = merged.payload;
                    format = merged.format;
                    successor = Some((new_key, record));
                    if budget.is_spent() {
                        return Err(EngineError::Busy);
                    }
                }
                Some(found) if matches!(found.state, State::Moved { .. }) => {
                    if found.version == moved.version && found.about.commits.contains(commit) {
                        self.succeeded(engine, old_id, &head, new_id, new_key, record, (has, &mine), kind);
                        return Ok(Rotated::Moved);
                    }
                    return self
                        .lost_rotation(
                            engine, budget, &old_id, new_id, new_key, record, &found, has, &mine, format, now, sent,
                        )
                        .await;
                }
                Some(found) if found.about.commits.contains(commit) => {
                    // Moved, and what it left behind was ended since; the successor tells for itself.
                    self.succeeded(engine, old_id, &head, new_id, new_key, record, (has, &mine), kind);
                    return Ok(Rotated::Moved);
                }
                Some(_) => {
                    discard(engine, budget, &new_key, &record, now).await?;
                    self.over_with(engine, Dropped::Ended);
                    self.renamed(engine, new_id);
                    return Ok(Rotated::Dropped(Dropped::Ended));
                }
                None if head.owner.is_some() => {
                    discard(engine, budget, &new_key, &record, now).await?;
                    self.over_with(engine, Dropped::Gone);
                    self.renamed(engine, new_id);
                    return Ok(Rotated::Dropped(Dropped::Gone));
                }
                None => {
                    // Evicted: the successor carries on, there is nothing to move.
                    self.renamed(engine, new_id);
                    self.rotated_to(record, has, &mine);
                    return Ok(Rotated::Moved);
                }
            }
        }
    }

    /// Another request rotated first. Ours adopts its id where promise 6 would let it follow, with what we changed;
    /// else it goes on under its own new id, unlinked.
    #[allow(clippy::too_many_arguments)] // the state of one rotation, handed over once
    async fn lost_rotation(
        &mut self,
        engine: &Engine,
        budget: Budget,
        old_id: &SessionId,
        new_id: SessionId,
        new_key: Key,
        record: Record,
        moved: &Record,
        has: Payload<'_>,
        mine: &[u8],
        format: u8,
        now: Time,
        sent: &mut Option<CommitId>,
    ) -> Result<Rotated, EngineError> {
        // Somebody else's rotation is there: ours was not applied and can't be any more.
        *sent = None;
        let follow = matches!(moved.state, State::Moved { kind: MoveKind::Follow, .. }) && self.owner == moved.owner;
        if follow
            && let Some(content) = engine.moved_content(old_id, &self.key, moved, now)
            && let Some(mut theirs) = engine.follow(budget, content.successor, self.lifetime, moved).await
        {
            // Its id is given to nobody: where it stays, it dies by itself.
            let _ = discard(engine, budget, &new_key, &record, now).await;
            let merged = engine
                .merge
                .merge(
                    Payload { format: self.format, payload: &self.base },
                    Payload { format, payload: mine },
                    Payload { format: theirs.format, payload: &theirs.base },
                    Prefer::Theirs,
                )
                .map_err(EngineError::Conflict)?;
            let committed = theirs.commit(engine, budget, &merged.payload, merged.format).await;
            if let Err(error) = committed {
                *sent = theirs.unsure.map(|unsure| unsure.commit);
                return Err(error);
            }
            theirs.count_conflicts(engine, now, &merged.conflicts);
            let stored = theirs.stored();
            let stored = (stored.format, stored.payload.to_vec());
            theirs.payload_is(has.payload, has.format);
            theirs.stored = Some(stored).filter(|(_, stored)| stored != has.payload);
            *self = theirs;
            return Ok(Rotated::Adopted);
        }
        // Not linked: what leads from the old session to here is cut.
        let mut record = record;
        let commit = CommitId::draw()?;
        record.about.trail.clear();
        let old = (self.ticket.clone(), self.key);
        self.renamed(engine, new_id);
        let expected = record.version;
        let next = self.next_record(engine, record, mine, format, commit, now)?;
        let why = match engine.breaker.note_write(engine.store.swap(budget, &new_key, expected, &next, now).await) {
            Ok(Swapped::Done) => {
                self.rotated_to(next, has, mine);
                return Ok(Rotated::Unlinked);
            }
            Ok(Swapped::Stale) => Dropped::Gone,
            Ok(Swapped::OwnerEnded) => Dropped::OwnerEnded,
            Err(error) => {
                // Its id is given to nobody.
                (self.ticket, self.key) = old;
                return Err(error.into());
            }
        };
        self.over_with(engine, why);
        Ok(Rotated::Dropped(why))
    }

    #[allow(clippy::too_many_arguments)] // the state of one rotation, handed over once
    async fn make_successor(
        &self,
        engine: &Engine,
        budget: Budget,
        new_id: &SessionId,
        head: &Record,
        mine: &[u8],
        format: u8,
        commit: CommitId,
        made: Option<(Key, Record)>,
    ) -> Result<Made, EngineError> {
        let now = self.now(engine);
        let key = engine.key_of(new_id);
        let mut about = head.about.clone();
        about.commits.push(commit);
        about.trail.insert(0, self.key);
        about.trail.truncate(TRAIL_KEPT);
        let version = match &made {
            None => Version::draw()?,
            Some((_, record)) => record.version.next(),
        };
        let mut record = Record {
            version,
            state: State::Live,
            created: head.created,
            touched: now,
            idle: head.idle.max(now.plus(self.lifetime.idle)),
            absolute: head.absolute,
            owner: self.owner.clone(),
            format,
            size: size(mine),
            about,
            envelope: Vec::new(),
        };
        record.envelope = envelope::seal(crate::envelope::Secret::Id(new_id), &engine.ring, &key, &record, mine)
            .map_err(|_| EngineError::NoRandomness)?;
        if let Some((key, before)) = made {
            // Made in an earlier round; nobody else knows it, so only the owner's ending can stand against it.
            let swapped = engine.store.swap(budget, &key, before.version, &record, self.seen).await;
            match engine.breaker.note_write(swapped)? {
                Swapped::Done => return Ok(Made::Done(key, Box::new(record))),
                Swapped::OwnerEnded => return Ok(Made::OwnerEnded),
                // Evicted, or ended with its owner: the create below tells.
                Swapped::Stale => record.version = Version::draw()?,
            }
            record.envelope = envelope::seal(crate::envelope::Secret::Id(new_id), &engine.ring, &key, &record, mine)
                .map_err(|_| EngineError::NoRandomness)?;
            let created = engine.store.create(budget, &key, &record, self.seen).await;
            return match engine.breaker.note_write(created)? {
                Created::Done => Ok(Made::Done(key, Box::new(record))),
                Created::Exists | Created::OwnerEnded => Ok(Made::OwnerEnded),
            };
        }
        let mut result = engine.store.create(budget, &key, &record, self.seen).await;
        if result.as_ref().is_err_and(StoreError::outcome_unknown) {
            // The id is ours alone: if it exists, our first try made it.
            result = match engine.store.create(budget, &key, &record, self.seen).await {
                Ok(Created::Exists) => Ok(Created::Done),
                other => other,
            };
        }
        match engine.breaker.note_write(result)? {
            Created::Done => Ok(Made::Done(key, Box::new(record))),
            Created::Exists => Err(EngineError::NoRandomness),
            Created::OwnerEnded => Ok(Made::OwnerEnded),
        }
    }

    fn move_kind(&self, engine: &Engine, head: &Record, mine: Payload<'_>) -> MoveKind {
        let before = Payload { format: self.format, payload: &self.base };
        let removed = engine.merge.removes(before, mine);
        if removed || takes_owner(head.owner.as_ref(), self.owner.as_ref()) {
            MoveKind::Bare
        } else if head.owner.is_some() && head.owner == self.owner {
            MoveKind::Follow
        } else {
            MoveKind::Frozen
        }
    }

    #[allow(clippy::too_many_arguments)] // the state of one rotation, handed over once
    fn moved_record(
        &self,
        engine: &Engine,
        old_id: &SessionId,
        head: &Record,
        kind: MoveKind,
        new_id: &SessionId,
        now: Time,
        commit: CommitId,
    ) -> Result<Record, EngineError> {
        let frozen = (kind == MoveKind::Frozen).then(|| (self.format, self.base.clone()));
        moved_record(engine, old_id, &self.key, head, kind, new_id, frozen, now, commit)
    }

    /// The session is its successor now.
    #[allow(clippy::too_many_arguments)] // the state of one rotation, handed over once
    fn succeeded(
        &mut self,
        engine: &Engine,
        old_id: SessionId,
        head: &Record,
        new_id: SessionId,
        new_key: Key,
        record: Record,
        (has, mine): (Payload<'_>, &[u8]),
        kind: MoveKind,
    ) {
        let before = std::mem::take(&mut self.base);
        if kind != MoveKind::Bare {
            self.predecessor = Some(Predecessor {
                id: old_id,
                key: self.key,
                kind,
                owner: head.owner.clone(),
                payload: before,
                format: self.format,
            });
        }
        debug_assert_eq!(engine.key_of(&new_id), new_key);
        self.ticket = Ticket::Id(new_id);
        self.key = new_key;
        self.rotated_to(record, has, mine);
    }

    /// The successor's record is held now; the request has `has`, the store `mine`.
    fn rotated_to(&mut self, record: Record, has: Payload<'_>, mine: &[u8]) {
        let format = record.format;
        self.held_is(record);
        self.payload_is(has.payload, has.format);
        self.stored = (has.payload != mine).then(|| (format, mine.to_vec()));
    }

    /// A removal after the rotation, in the same request: the old id must not read the variable any more. Where the owner
    /// becomes another one, nobody follows any more.
    pub(crate) async fn bare_predecessor(
        &mut self,
        engine: &Engine,
        budget: Budget,
        is: Payload<'_>,
    ) -> Result<(), EngineError> {
        let Some(before) = &self.predecessor else { return Ok(()) };
        let was = Payload { format: before.format, payload: &before.payload };
        let bare = takes_owner(before.owner.as_ref(), self.owner.as_ref()) || engine.merge.removes(was, is);
        let follows = before.kind == MoveKind::Follow && before.owner != self.owner;
        if !bare && !follows {
            return Ok(());
        }
        let Ticket::Id(new_id) = self.ticket.clone() else { return Ok(()) };
        let (old_id, old_key, payload, format) = (before.id.clone(), before.key, before.payload.clone(), before.format);
        let mut races = 0;
        let (trail, now) = loop {
            let loaded = engine.load_noted(budget, &old_key).await?;
            let now = loaded.now;
            let record = loaded.record.filter(|r| matches!(r.state, State::Moved { .. }) && !r.expired(now));
            let Some(record) = record else { break (Vec::new(), now) };
            let (kind, frozen) = match record.state {
                State::Moved { kind: MoveKind::Bare, .. } => break (record.about.trail, now),
                _ if bare => (MoveKind::Bare, None),
                State::Moved { kind: MoveKind::Follow, .. } => (MoveKind::Frozen, Some((format, payload.clone()))),
                _ => break (record.about.trail, now),
            };
            let next = moved_record(engine, &old_id, &old_key, &record, kind, &new_id, frozen, now, CommitId::draw()?)?;
            let swapped = engine.store.swap(budget, &old_key, record.version, &next, now).await;
            match engine.breaker.note_write(swapped) {
                Ok(Swapped::Done) => break (record.about.trail, now),
                // It is being ended, or the reply was lost: the next look tells.
                Ok(Swapped::Stale | Swapped::OwnerEnded) => {}
                Err(error) if error.outcome_unknown() => {}
                Err(error) => return Err(error.into()),
            }
            races += 1;
            pause(budget, races).await;
            if budget.is_spent() {
                return Err(EngineError::Busy);
            }
        };
        if bare {
            end_with_trail_only(engine, budget, &trail, now).await?;
            self.predecessor = None;
        } else if let Some(before) = &mut self.predecessor {
            before.kind = MoveKind::Frozen;
        }
        Ok(())
    }

    /// The same session under another id, before anything is stored.
    fn renamed(&mut self, engine: &Engine, new_id: SessionId) {
        self.key = engine.key_of(&new_id);
        self.ticket = Ticket::Id(new_id);
    }

    /// A new session of its own that begins with what this request could read.
    fn unlink(&mut self, engine: &Engine, new_id: SessionId) {
        let key = engine.key_of(&new_id);
        let fresh = Session::new(engine, Ticket::Id(new_id), key, self.lifetime, Held::Fresh);
        *self = fresh;
    }
}

enum Made {
    Done(Key, Box<Record>),
    OwnerEnded,
}

/// The record that stays under the old id. Its own deadline is the tombstone's.
#[allow(clippy::too_many_arguments)] // everything such a record is made of
fn moved_record(
    engine: &Engine,
    old_id: &SessionId,
    key: &Key,
    head: &Record,
    kind: MoveKind,
    new_id: &SessionId,
    frozen: Option<(u8, Vec<u8>)>,
    now: Time,
    commit: CommitId,
) -> Result<Record, EngineError> {
    let at = match head.state {
        // Made bare later: the grace counts from the rotation.
        State::Moved { at, .. } => at,
        _ => now,
    };
    let mut record = Record {
        version: head.version.next(),
        state: State::Moved { kind, at },
        touched: now,
        idle: now.plus(engine.policy.tombstone),
        size: frozen.as_ref().map_or(0, |(_, payload)| size(payload)),
        envelope: Vec::new(),
        ..head.clone()
    };
    record.about.commits.push(commit);
    let content = MovedContent { successor: new_id.clone(), frozen }.encode();
    record.envelope = envelope::seal(envelope::Secret::Id(old_id), &engine.ring, key, &record, &content)
        .map_err(|_| EngineError::NoRandomness)?;
    Ok(record)
}

/// Ends the moved records of a trail.
async fn end_with_trail_only(engine: &Engine, budget: Budget, trail: &[Key], now: Time) -> Result<(), EngineError> {
    match trail.split_first() {
        Some((first, rest)) => end_with_trail(engine, budget, first, rest, EndKind::Destroyed, now).await,
        None => Ok(()),
    }
}

/// Takes back a successor that nobody was told of. An error means that it may be there still, and that its id must not
/// be given to anybody.
async fn discard(engine: &Engine, budget: Budget, key: &Key, record: &Record, now: Time) -> Result<(), EngineError> {
    if let Some(remove) = engine.store.remove()
        && remove.remove(budget, key, record.version).await.is_ok()
    {
        return Ok(());
    }
    end_with_trail(engine, budget, key, &[], EndKind::Destroyed, now).await
}
