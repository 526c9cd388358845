//! One request: the session it has open, the ids it was given, and the time it has spent on the store.

use std::sync::Arc;
use std::time::{Duration, Instant};

use cloakroom::{Dropped, Key, Lifetime, OwnRotation, Session, SessionId};

use cloakroom_format::Rules;

use super::encoding::Pending;
use super::lives::Life;
use super::locks::Manners;
use super::response::{Hold, Response};
use crate::settings::Raw;
use crate::worker::Site;

/// Most ids of this request that are remembered as ours but not stored yet.
const ISSUED: usize = 64;

/// Shorter waits are the store's work and not trouble; they are not taken off the request's budget.
pub(crate) const NO_TROUBLE: Duration = Duration::from_millis(20);

/// How long after the last trouble a request that goes on and on has a budget of its own again.
const BUDGET_RENEWED: Duration = Duration::from_secs(5);

/// What PHP is told; `enum cr_verdict` in `shim/door.h`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Verdict(pub(crate) i32);

impl Verdict {
    /// No, or it failed.
    pub(crate) const NO: Self = Self(0);
    /// Yes.
    pub(crate) const YES: Self = Self(1);
    /// Yes, and no cookie is sent.
    pub(crate) const NO_COOKIE: Self = Self(Self::YES.0 | Self::HIDE_COOKIE);
    const HIDE_COOKIE: i32 = 2;
    const ERROR_PAGE: i32 = 4;
    const HOLD_NEW: i32 = 16;
    const HOLD_EMPTY: i32 = 32;
    const SEND_COOKIE: i32 = 64;
    /// PHP has to go on under another id.
    pub(crate) const NEW_ID: i32 = 8;

    /// Yes, and the cookie is sent again: somebody may have withdrawn it.
    pub(crate) const SEND_AGAIN: Self = Self(Self::YES.0 | Self::SEND_COOKIE);
    /// And the response is held back.
    pub(crate) fn with(self, hold: Hold) -> Self {
        match hold {
            Hold::No => self,
            Hold::New => Self(self.0 | Self::HOLD_NEW),
            Hold::Empty => Self(self.0 | Self::HOLD_EMPTY),
        }
    }

    fn detached(error_page: bool) -> Self {
        Self(Self::YES.0 | Self::HIDE_COOKIE | if error_page { Self::ERROR_PAGE } else { 0 })
    }
}

/// What of PHP's own settings is overridden while the session is open.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Hardening {
    /// `session.use_strict_mode` on.
    pub(crate) strict: bool,
    /// `session.cookie_httponly` on.
    pub(crate) httponly: bool,
    /// `session.cookie_secure` on.
    pub(crate) secure: bool,
    /// No cookie is sent.
    pub(crate) hide_cookie: bool,
    /// It is to be told who starts the session and who writes to it.
    pub(crate) blame: bool,
}

/// What became of the last attempt to store something.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Nothing was tried.
    #[default]
    None,
    /// As the application wished; how, in a word.
    Done(&'static str),
    /// Not stored; why, in words for people.
    Not(String),
}

/// What `cloakroom_status()` says of a session that is closed already.
#[derive(Debug, Clone, Default)]
pub(crate) struct Last {
    pub(crate) state: Option<&'static str>,
    pub(crate) key: Option<String>,
    pub(crate) full: Option<Key>,
}

/// The session that is open.
#[derive(Debug)]
struct Held {
    /// The id PHP knows it by.
    asked: Vec<u8>,
    session: Session,
    /// Whether PHP has read it; a second reading asks the store again.
    read: bool,
}

/// The state of one request. Everything here goes when it is over.
#[derive(Debug, Default)]
pub(crate) struct Request {
    pub(crate) site: Option<Arc<Site>>,
    pub(crate) hardening: Hardening,
    pub(crate) strict: bool,
    pub(crate) lifetime: Option<Lifetime>,
    /// How long sessions live that have just begun.
    pub(super) life: Life,
    pub(crate) serializer: String,
    pub(crate) sid_length: i64,
    pub(crate) sid_bits: i64,
    /// Time spent waiting for the store.
    pub(crate) spent: Duration,
    /// When the store last kept this request waiting.
    pub(crate) troubled: Option<Instant>,
    /// What this request rotated away from, for when it opens the session again.
    rotation: Option<OwnRotation>,
    /// Whether the store has failed in this request.
    pub(crate) failed: bool,
    /// Validation found a moved session whose successor PHP is to be given as the new id.
    pub(crate) following: bool,
    pub(crate) pending: Option<Pending>,
    pub(crate) outcome: Outcome,
    pub(crate) last: Last,
    /// Variables that the last save and another request had both changed.
    pub(crate) conflicts: Vec<String>,
    /// Whether it locks, whether it may write.
    pub(crate) manners: Manners,
    /// Time spent waiting for locks.
    pub(crate) waited: Duration,
    /// Whether the store was used.
    pub(crate) used: bool,
    /// Whether PHP's own dice said that it is time to clean up.
    pub(crate) sweep_due: bool,
    /// The open or last session's ticket leads nowhere: it could not be stored.
    pub(crate) ticket_is_void: bool,
    /// Merge rules that the application has added.
    pub(crate) rules: Rules,
    /// What is to be decided of the response.
    pub(crate) response: Response,
    /// What is seen of who uses the session.
    pub(crate) blame: Option<Box<super::blame::Blame>>,
    issued: Vec<Vec<u8>>,
    held: Option<Held>,
}

impl Request {
    /// A session is being opened.
    pub(crate) fn opened(&mut self, raw: &Raw<'_>) {
        self.used = true;
        self.serializer = String::from_utf8_lossy(raw.serializer).into_owned();
        self.sid_length = raw.sid_length;
        self.sid_bits = raw.sid_bits;
        self.held = None;
        self.following = false;
        self.pending = None;
        self.outcome = Outcome::None;
        self.conflicts.clear();
        self.renew_budget();
    }

    /// Before the store is asked: how long it may take.
    pub(crate) fn renew_budget(&mut self) {
        // One budget for the whole request; a long-running program gets a new one after a while without trouble.
        if !self.failed && self.troubled.is_none_or(|at| at.elapsed() > BUDGET_RENEWED) {
            self.spent = Duration::ZERO;
        }
    }

    /// The session is closed; it is handed back with the id PHP knew it by.
    pub(crate) fn closed(&mut self) -> Option<(Vec<u8>, Session)> {
        let key = self.session().map(|s| *s.key());
        self.last = Last { state: Some(self.state()), key: key.map(|k| k.short()), full: key };
        if let Some(rotation) = self.session_mut().and_then(Session::take_rotation) {
            self.rotation = Some(rotation);
        }
        self.following = false;
        self.pending = None;
        self.held.take().map(|held| (held.asked, held.session))
    }

    /// Remembers an id of ours that is not stored yet.
    pub(crate) fn issue(&mut self, id: &[u8]) {
        if self.issued.len() >= ISSUED {
            self.issued.remove(0);
        }
        self.issued.push(id.to_vec());
    }

    /// It is stored now, or will not be used: from here on the store is asked.
    pub(crate) fn forget_issued(&mut self, id: &[u8]) {
        // With an application's prefix as well: what counts as issued must be forgotten as such.
        self.issued.retain(|known| !id.ends_with(known));
    }

    /// Whether this id was drawn by us in this request, or is one of those with the application's prefix
    /// (`session_create_id('prefix-')`).
    pub(crate) fn is_issued(&self, id: &[u8]) -> bool {
        self.issued.iter().any(|known| id.ends_with(known))
    }

    pub(crate) fn hold(&mut self, asked: Vec<u8>, mut session: Session) {
        if let Some(rotation) = &self.rotation {
            session.put_rotation(rotation.clone());
        }
        self.held = Some(Held { asked, session, read: false });
        self.following = false;
    }

    /// There is no engine to make a session with: PHP gets an empty one that is never stored.
    pub(crate) fn without_store(&mut self, _: SessionId) {
        self.held = None;
    }

    pub(crate) fn session(&self) -> Option<&Session> {
        self.held.as_ref().map(|held| &held.session)
    }

    pub(crate) fn session_mut(&mut self) -> Option<&mut Session> {
        self.held.as_mut().map(|held| &mut held.session)
    }

    /// The session PHP knows by this id, out of the request's hands.
    pub(crate) fn take(&mut self, id: &[u8]) -> Option<Session> {
        self.held.take_if(|held| held.asked == id).map(|held| held.session)
    }

    /// A session back from a verb of the engine, as PHP knows it now.
    pub(crate) fn put_back(&mut self, asked: Vec<u8>, session: Session) {
        if session.is_stored() {
            self.ticket_is_void = false;
            self.forget_issued(&asked);
        }
        self.held = Some(Held { asked, session, read: true });
    }

    /// The id PHP knows the open session by.
    pub(crate) fn asked(&self) -> Option<&[u8]> {
        self.held.as_ref().map(|held| held.asked.as_slice())
    }

    pub(crate) fn has_unread(&self, id: &[u8]) -> bool {
        self.held.as_ref().is_some_and(|held| held.asked == id && !held.read)
    }

    pub(crate) fn mark_read(&mut self) {
        if let Some(held) = &mut self.held {
            held.read = true;
        }
    }

    /// The successor that validation found, as PHP's new id.
    pub(crate) fn successor_id(&mut self) -> Option<Vec<u8>> {
        if !std::mem::take(&mut self.following) {
            return None;
        }
        self.asked().map(<[u8]>::to_vec)
    }

    /// What PHP is told of the open session.
    pub(crate) fn verdict(&self) -> Verdict {
        let error_page = self.site.as_ref().is_some_and(|site| site.settings.error_page);
        match self.session() {
            Some(session) if !session.is_detached() => {
                let ticketless = session.is_readonly() && !session.is_stored() && session.over().is_none();
                if ticketless { Verdict::NO_COOKIE } else { Verdict::YES }
            }
            _ => Verdict::detached(error_page),
        }
    }

    /// The state of the session in a word.
    pub(crate) fn state(&self) -> &'static str {
        match self.session() {
            None if self.used && self.site.is_none() => "detached",
            None => "none",
            Some(session) if session.is_detached() => "detached",
            Some(session) if session.is_frozen() => "frozen",
            Some(session) if session.over() == Some(Dropped::Ended) => "ended",
            Some(session) if session.over().is_some() => "over",
            Some(session) if session.is_stored() => "live",
            Some(_) => "fresh",
        }
    }
}
