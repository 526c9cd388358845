//! Opening: from a ticket to a session, by the promises. Nothing that we did not issue is adopted, nothing that is over
//! comes back, and a moved session is followed only where that gives nobody more than they had.

use crate::engine::Engine;
use crate::envelope::{self, Secret};
use crate::id::SessionId;
use crate::key::Key;
use crate::policy::Lifetime;
use crate::record::{MoveKind, Record, State};
use crate::session::{Held, Session, Ticket};
use crate::store::{Budget, Loaded, StoreError, TallyKind};
use crate::time::Time;

/// How many rotations a request is led through; more within one grace are no periodic rotation any more.
const MOST_HOPS: usize = 16;

/// What a ticket opened.
#[derive(Debug)]
pub enum Opening {
    /// A live session.
    Live(Session),
    /// It has moved, and this request may follow: the session is the successor's, and the visitor is to get its id.
    Follow(Session),
    /// It has moved, and this request may not follow: it reads what was there before, and what it writes is dropped.
    Frozen(Session),
    /// There is no such session for this visitor: a new id must be issued.
    Absent(Absent),
    /// The store failed: an empty session that stores nothing. No cookie may be sent or withdrawn.
    Detached(Session, StoreError),
}

/// Why a ticket opened nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Absent {
    /// Never issued by us, or gone long ago.
    Unknown,
    /// Past its idle or absolute deadline.
    Expired,
    /// Ended: logged out stays out.
    Ended,
    /// Moved, and used after the grace: possibly a theft. Counted as an alarm.
    MovedLate,
    /// What is stored does not open or can't be read. Counted.
    Unreadable,
}

/// What a moved record carries, sealed under the old id.
pub(crate) struct MovedContent {
    pub(crate) successor: SessionId,
    /// Format and payload from before the rotation, where promise 6 allows it.
    pub(crate) frozen: Option<(u8, Vec<u8>)>,
}

impl MovedContent {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let id = self.successor.expose();
        let mut out = vec![1, 0, 0];
        out[1..3].copy_from_slice(&u16::try_from(id.len()).unwrap_or(u16::MAX).to_be_bytes());
        out.extend_from_slice(id);
        match &self.frozen {
            None => out.push(0),
            Some((format, payload)) => {
                out.extend_from_slice(&[1, *format]);
                out.extend_from_slice(payload);
            }
        }
        out
    }

    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let ([1, high, low], rest) = bytes.split_first_chunk::<3>()? else { return None };
        let (id, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes([*high, *low])))?;
        let successor = SessionId::parse(id).ok()?;
        let frozen = match rest {
            [0] => None,
            [1, format, payload @ ..] => Some((*format, payload.to_vec())),
            _ => return None,
        };
        Some(Self { successor, frozen })
    }
}

impl Engine {
    /// Opens the session of a ticket: one load, more only where a moved session is followed.
    pub async fn open(&self, budget: Budget, id: &SessionId, lifetime: Lifetime) -> Opening {
        let key = self.key_of(id);
        let ticket = Ticket::Id(id.clone());
        let budget = match self.breaker.admit(budget) {
            Ok(budget) => budget,
            Err(error) => {
                return Opening::Detached(Session::new(self, ticket, key, lifetime, Held::Detached), error);
            }
        };
        let loaded = match self.load_noted(budget, &key).await {
            Ok(loaded) => loaded,
            Err(StoreError::Damaged { .. }) => return Opening::Absent(Absent::Unreadable),
            Err(error) => {
                return Opening::Detached(Session::new(self, ticket, key, lifetime, Held::Detached), error);
            }
        };
        let now = loaded.now;
        let Some(record) = loaded.record else { return Opening::Absent(Absent::Unknown) };
        if record.expired(now) {
            return Opening::Absent(if record.state.is_live() { Absent::Expired } else { Absent::Unknown });
        }
        match record.state {
            State::Live => match self.session(ticket, key, lifetime, record, now) {
                Some(session) => Opening::Live(session),
                None => Opening::Absent(Absent::Unreadable),
            },
            State::Ended { .. } => Opening::Absent(Absent::Ended),
            State::Moved { kind, at } => {
                if now.since(at) > self.policy.grace {
                    self.reporter.count(now, TallyKind::Alarm, "old id used after its grace", 0, &key.short());
                    return Opening::Absent(Absent::MovedLate);
                }
                self.open_moved(budget, id, key, lifetime, record, kind, now).await
            }
        }
    }

    #[allow(clippy::too_many_arguments)] // one caller; a struct would only rename them
    async fn open_moved(
        &self,
        budget: Budget,
        id: &SessionId,
        key: Key,
        lifetime: Lifetime,
        record: Record,
        kind: MoveKind,
        now: Time,
    ) -> Opening {
        let Some(content) = self.moved_content(id, &key, &record, now) else {
            return Opening::Absent(Absent::Unreadable);
        };
        if kind == MoveKind::Follow
            && let Some(session) = self.follow(budget, content.successor.clone(), lifetime, &record).await
        {
            return Opening::Follow(session);
        }
        let mut session = Session::new(self, Ticket::Id(id.clone()), key, lifetime, Held::Frozen);
        if let Some((format, payload)) = content.frozen {
            session.format = format;
            session.base = payload;
        }
        Opening::Frozen(session)
    }

    /// The live session at the end of a chain of moves, if every step may be followed.
    pub(crate) async fn follow(
        &self,
        budget: Budget,
        mut id: SessionId,
        lifetime: Lifetime,
        from: &Record,
    ) -> Option<Session> {
        let owner = from.owner.as_ref()?;
        for _ in 0..MOST_HOPS {
            let key = self.key_of(&id);
            let Loaded { record, now } = self.load_noted(budget, &key).await.ok()?;
            let record = record.filter(|r| !r.expired(now) && r.owner.as_ref() == Some(owner))?;
            match record.state {
                State::Live => return self.session(Ticket::Id(id), key, lifetime, record, now),
                State::Moved { kind: MoveKind::Follow, .. } => {
                    id = self.moved_content(&id, &key, &record, now)?.successor;
                }
                State::Moved { .. } | State::Ended { .. } => return None,
            }
        }
        None
    }

    /// The id at the end of a chain of moves of any kind, with its record, for a commit that overlapped a rotation.
    pub(crate) async fn successor(
        &self,
        budget: Budget,
        ticket: &Ticket,
        key: &Key,
        record: &Record,
        now: Time,
    ) -> Result<Option<(SessionId, Key, Loaded)>, StoreError> {
        let Ticket::Id(id) = ticket else { return Ok(None) };
        let (mut id, mut key, mut record, mut now) = (id.clone(), *key, record.clone(), now);
        for _ in 0..MOST_HOPS {
            let Some(content) = self.moved_content(&id, &key, &record, now) else { return Ok(None) };
            id = content.successor;
            key = self.key_of(&id);
            let loaded = self.load_noted(budget, &key).await?;
            now = loaded.now;
            match &loaded.record {
                Some(r) if matches!(r.state, State::Moved { .. }) && !r.expired(now) => record = r.clone(),
                _ => return Ok(Some((id, key, loaded))),
            }
        }
        Ok(None)
    }

    pub(crate) fn moved_content(&self, id: &SessionId, key: &Key, record: &Record, now: Time) -> Option<MovedContent> {
        let content = self.opened(Secret::Id(id), key, record, now)?;
        let content = MovedContent::decode(&content);
        if content.is_none() {
            self.unreadable(now, key, "a moved record's content can't be read");
        }
        content
    }

    /// The session of a live record; `None`, counted, where it does not open.
    pub(crate) fn session(
        &self,
        ticket: Ticket,
        key: Key,
        lifetime: Lifetime,
        mut record: Record,
        now: Time,
    ) -> Option<Session> {
        let envelope = std::mem::take(&mut record.envelope);
        let base = self.opened_from(envelope, ticket.secret(), &key, &record, now)?;
        let mut session = Session::new(self, ticket, key, lifetime, Held::Fresh);
        session.adopt(self, record, base, now);
        Some(session)
    }

    /// The opened payload; `None`, counted, where it does not open.
    pub(crate) fn opened(&self, secret: Secret<'_>, key: &Key, record: &Record, now: Time) -> Option<Vec<u8>> {
        self.opened_from(record.envelope.clone(), secret, key, record, now)
    }

    /// As [`Engine::opened`], with the envelope taken out of the record: nothing is copied.
    fn opened_from(
        &self,
        envelope: Vec<u8>,
        secret: Secret<'_>,
        key: &Key,
        record: &Record,
        now: Time,
    ) -> Option<Vec<u8>> {
        match envelope::open(secret, &self.ring, key, record, envelope) {
            Ok(payload) => Some(payload),
            Err(error) => {
                self.unreadable(now, key, &error.to_string());
                None
            }
        }
    }

    pub(crate) async fn load_noted(&self, budget: Budget, key: &Key) -> Result<Loaded, StoreError> {
        let result = self.breaker.note(self.store.load(budget, key).await);
        if let Err(error @ StoreError::Damaged { .. }) = &result {
            self.unreadable(self.clock.now(), key, &error.to_string());
        }
        result
    }

    fn unreadable(&self, now: Time, key: &Key, why: &str) {
        self.reporter.count(now, TallyKind::Unreadable, why, 0, &key.short());
    }
}

impl Session {
    /// Takes a live record and its opened payload as the new base.
    pub(crate) fn adopt(&mut self, engine: &Engine, mut record: Record, base: Vec<u8>, now: Time) {
        record.envelope = Vec::new();
        self.format = record.format;
        self.owner = record.owner.clone();
        self.base_owner = record.owner.clone();
        self.base = base;
        self.stored = None;
        self.held = Held::Live(Box::new(record));
        self.seen = now;
        self.measured(engine, now);
    }
}
