//! A session in the hands of one request: what was loaded (the *base*), and what the store held then.

use crate::engine::Engine;
use crate::envelope::Secret;
use crate::id::SessionId;
use crate::key::{Key, NamedSecret};
use crate::merge::Version as Payload;
use crate::outcome::Dropped;
use crate::policy::Lifetime;
use crate::record::{MoveKind, Owner, Record};
use crate::time::Time;
use crate::version::{CommitId, CommitLog, Version};

/// What opens and names this session.
#[derive(Debug, Clone)]
pub(crate) enum Ticket {
    Id(SessionId),
    Named(NamedSecret),
}

impl Ticket {
    pub(crate) fn secret(&self) -> Secret<'_> {
        match self {
            Ticket::Id(id) => Secret::Id(id),
            Ticket::Named(secret) => Secret::Named(secret),
        }
    }
}

/// What the store held when this request loaded, as far as later verbs need it.
#[derive(Debug, Clone)]
pub(crate) enum Held {
    /// Nothing: the id was issued by this request and costs no lookup.
    Fresh,
    /// A live record; its envelope is left out.
    Live(Box<Record>),
    /// A moved record that may not be followed: reads a frozen copy, writes nothing.
    Frozen,
    /// The session is over; writes are dropped for this reason.
    Over(Dropped),
    /// The load failed.
    Detached,
}

/// The record that this request itself rotated away from.
#[derive(Debug, Clone)]
pub(crate) struct Predecessor {
    pub(crate) id: SessionId,
    pub(crate) key: Key,
    pub(crate) kind: MoveKind,
    pub(crate) owner: Option<Owner>,
    pub(crate) payload: Vec<u8>,
    pub(crate) format: u8,
}

/// A commit of which it is not known whether it was applied.
#[derive(Debug, Clone)]
pub(crate) struct Unsure {
    pub(crate) commit: CommitId,
    pub(crate) payload: Vec<u8>,
    pub(crate) format: u8,
    pub(crate) owner: Option<Owner>,
    /// The commits known before it.
    pub(crate) known: CommitLog,
}

/// A rotation that this request has carried out.
#[derive(Debug, Clone)]
pub struct OwnRotation {
    of: Key,
    predecessor: Predecessor,
}

/// A session as one request has it. Made by [`Engine::open`] or [`Engine::fresh`].
#[derive(Debug, Clone)]
pub struct Session {
    pub(crate) ticket: Ticket,
    pub(crate) key: Key,
    pub(crate) lifetime: Lifetime,
    pub(crate) held: Held,
    /// The payload as loaded, or as last committed by this request.
    pub(crate) base: Vec<u8>,
    pub(crate) format: u8,
    /// What the store holds, with its format, where that is more than the base: others' changes, merged in at our commit,
    /// which this request does not have and so does not remove.
    pub(crate) stored: Option<(u8, Vec<u8>)>,
    pub(crate) owner: Option<Owner>,
    pub(crate) base_owner: Option<Owner>,
    /// The store's time when this request loaded; for a fresh session the local time when it began.
    pub(crate) seen: Time,
    /// The store's clock less ours, in milliseconds; `None` until the store was asked.
    pub(crate) skew: Option<i64>,
    pub(crate) predecessor: Option<Predecessor>,
    pub(crate) unsure: Option<Box<Unsure>>,
    /// What this request changes is dropped.
    pub(crate) readonly: bool,
    /// The application knows the session id.
    pub(crate) asked: bool,
}

impl Session {
    /// The session id, where it has one (a named record has none).
    pub fn id(&self) -> Option<&SessionId> {
        match &self.ticket {
            Ticket::Id(id) => Some(id),
            Ticket::Named(_) => None,
        }
    }

    /// The key under which it is stored; safe to show.
    pub fn key(&self) -> &Key {
        &self.key
    }

    /// The payload as loaded, or as this request last committed it.
    pub fn payload(&self) -> &[u8] {
        &self.base
    }

    /// Format code of the payload (`cloakroom_format::Format::code`).
    pub fn format(&self) -> u8 {
        self.format
    }

    /// Who is logged in.
    pub fn owner(&self) -> Option<&Owner> {
        self.owner.as_ref()
    }

    /// Says who is logged in (`None`: nobody) from the next commit or rotation on.
    pub fn set_owner(&mut self, owner: Option<Owner>) {
        self.owner = owner;
    }

    /// Whether this request only reads: its commits move the idle deadline on, and drop and count what was changed
    /// ([`Dropped::ReadOnly`]). Ending and rotating are asked for by name and are carried out; a rotation takes along the
    /// payload that it is given.
    pub fn set_readonly(&mut self, readonly: bool) {
        self.readonly = readonly;
    }

    /// Whether this request only reads.
    pub fn is_readonly(&self) -> bool {
        self.readonly
    }

    /// Notes that the application has asked for the session id: from the next commit on the session stays also when it is
    /// empty.
    pub fn set_asked(&mut self) {
        self.asked = true;
    }

    /// Whether the application has asked for the session id, in this request or before.
    pub fn is_asked(&self) -> bool {
        self.asked || matches!(&self.held, Held::Live(record) if record.about.asked)
    }

    /// Whether its record only keeps the place of a ticket that has left ([`Session::hold_place`]) and never held anything.
    /// Who made it may still be running, and about to add something.
    pub fn is_placeholder(&self) -> bool {
        matches!(&self.held, Held::Live(record) if record.size == 0 && record.about.commits.ids().len() == 1)
    }

    /// Whether a record was found for it, or made since.
    pub fn is_stored(&self) -> bool {
        matches!(self.held, Held::Live(_))
    }

    /// Whether the load failed: nothing will be stored, no cookie may be sent or withdrawn.
    pub fn is_detached(&self) -> bool {
        matches!(self.held, Held::Detached)
    }

    /// Whether it was found moved and reads a frozen copy: what is written to it is dropped.
    pub fn is_frozen(&self) -> bool {
        matches!(self.held, Held::Frozen)
    }

    /// Why writes of this request are dropped, if they are.
    pub fn over(&self) -> Option<Dropped> {
        match &self.held {
            Held::Over(why) => Some(*why),
            Held::Frozen => Some(Dropped::Moved),
            _ => None,
        }
    }

    /// What this request must remember of its own rotation when it closes the session and opens it again: a removal after
    /// that still takes the old id's copy away.
    pub fn take_rotation(&mut self) -> Option<OwnRotation> {
        self.predecessor.take().map(|predecessor| OwnRotation { of: self.key, predecessor })
    }

    /// Hands back what [`Session::take_rotation`] gave, if it belongs to this session.
    pub fn put_rotation(&mut self, rotation: OwnRotation) {
        if rotation.of == self.key && self.predecessor.is_none() {
            self.predecessor = Some(rotation.predecessor);
        }
    }

    /// The version of its record; `None` while it is not stored.
    pub fn version(&self) -> Option<Version> {
        match &self.held {
            Held::Live(record) => Some(record.version),
            _ => None,
        }
    }

    /// When the session began and when it ends, by the store's clock; `None` while it is not stored.
    pub fn deadlines(&self) -> Option<(Time, Time)> {
        match &self.held {
            Held::Live(record) => Some((record.created, record.expires())),
            _ => None,
        }
    }

    /// How long ago the session began; nothing while it is not stored.
    pub fn age(&self, engine: &Engine) -> std::time::Duration {
        match &self.held {
            Held::Live(record) => self.now(engine).since(record.created),
            _ => std::time::Duration::ZERO,
        }
    }

    pub(crate) fn new(engine: &Engine, ticket: Ticket, key: Key, lifetime: Lifetime, held: Held) -> Self {
        Self {
            ticket,
            key,
            lifetime,
            held,
            base: Vec::new(),
            format: 0,
            stored: None,
            owner: None,
            base_owner: None,
            seen: engine.clock.now(),
            skew: None,
            predecessor: None,
            unsure: None,
            readonly: false,
            asked: false,
        }
    }

    /// The store's time now, as far as known: our clock moved by the difference measured at the load.
    pub(crate) fn now(&self, engine: &Engine) -> Time {
        Time(engine.clock.now().0.saturating_add_signed(self.skew.unwrap_or(0)))
    }

    /// Notes what the store's clock showed just now.
    pub(crate) fn measured(&mut self, engine: &Engine, store_now: Time) {
        let ours = engine.clock.now().0;
        let skew = i64::try_from(i128::from(store_now.0) - i128::from(ours)).unwrap_or(0);
        if self.skew.is_none() && matches!(self.held, Held::Fresh) {
            // `seen` was ours until now; in the store's time it is as long ago.
            self.seen = Time(self.seen.0.saturating_add_signed(skew));
        }
        self.skew = Some(skew);
    }

    /// What the store holds as far as this request knows.
    pub(crate) fn stored(&self) -> Payload<'_> {
        match &self.stored {
            Some((format, payload)) => Payload { format: *format, payload },
            None => Payload { format: self.format, payload: &self.base },
        }
    }

    /// The commits known when this request loaded.
    pub(crate) fn known_commits(&self) -> CommitLog {
        match &self.held {
            Held::Live(record) => record.about.commits.clone(),
            _ => CommitLog::default(),
        }
    }
}
