//! The record: what a store holds under a key. Everything but the envelope is in the clear, and whatever decides who
//! may read the payload is bound into the envelope, so that changing it makes the envelope fail to open.

use std::fmt;
use std::time::Duration;

use crate::key::Key;
use crate::time::Time;
use crate::version::{CommitLog, Version};

/// Who is logged in: 1 to 191 bytes (191 characters is what every engine can index).
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Owner(Vec<u8>);

/// An owner that is empty or too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "An owner has 1 to 191 bytes (a user's id with its scope, say \"site:42\"); to say that nobody is logged in, set none."
)]
pub struct OwnerError;

impl Owner {
    /// An owner of 1 to 191 bytes.
    ///
    /// # Errors
    /// [`OwnerError`] for other lengths.
    pub fn new(owner: impl Into<Vec<u8>>) -> Result<Self, OwnerError> {
        let owner = owner.into();
        if owner.is_empty() || owner.len() > 191 { Err(OwnerError) } else { Ok(Self(owner)) }
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Owner({})", String::from_utf8_lossy(&self.0))
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.0))
    }
}

/// Why a session was ended. The codes are stored for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EndKind {
    /// The application destroyed it (a log-out).
    Destroyed,
    /// An operator ended it.
    Operator,
    /// All sessions of its owner were ended.
    Owner,
    /// Written by a newer release that knows more kinds.
    Other(u8),
}

/// How a session was moved to another id. The codes are stored for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MoveKind {
    /// Old and new have the same owner and nothing was removed: a request with the old id may follow.
    Follow,
    /// A log-in or the like: the old id reads the frozen copy from before and never learns the new one.
    Frozen,
    /// A variable or the owner was removed: the old id reads an empty session.
    Bare,
    /// Written by a newer release; treated as `Bare`.
    Other(u8),
}

/// What has become of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    /// In use.
    Live,
    /// Carried on under another id since then.
    Moved {
        /// How.
        kind: MoveKind,
        /// Since when, by the store's clock.
        at: Time,
    },
    /// Over since then; carries nothing.
    Ended {
        /// Why.
        kind: EndKind,
        /// Since when, by the store's clock.
        at: Time,
    },
}

impl State {
    /// State, kind and time as they are stored: 0 live, 1 moved, 2 ended.
    pub fn codes(self) -> (u8, u8, u64) {
        match self {
            State::Live => (0, 0, 0),
            State::Moved { kind, at } => {
                let kind = match kind {
                    MoveKind::Follow => 1,
                    MoveKind::Frozen => 2,
                    MoveKind::Bare => 3,
                    MoveKind::Other(code) => code,
                };
                (1, kind, at.0)
            }
            State::Ended { kind, at } => {
                let kind = match kind {
                    EndKind::Destroyed => 1,
                    EndKind::Operator => 2,
                    EndKind::Owner => 3,
                    EndKind::Other(code) => code,
                };
                (2, kind, at.0)
            }
        }
    }

    /// The state of these stored codes; `None` for a state that no release has written.
    pub fn from_codes(state: u8, kind: u8, at: u64) -> Option<Self> {
        let at = Time(at);
        match state {
            0 => Some(State::Live),
            1 => {
                let kind = match kind {
                    1 => MoveKind::Follow,
                    2 => MoveKind::Frozen,
                    3 => MoveKind::Bare,
                    code => MoveKind::Other(code),
                };
                Some(State::Moved { kind, at })
            }
            2 => {
                let kind = match kind {
                    1 => EndKind::Destroyed,
                    2 => EndKind::Operator,
                    3 => EndKind::Owner,
                    code => EndKind::Other(code),
                };
                Some(State::Ended { kind, at })
            }
            _ => None,
        }
    }

    /// Whether it is live.
    pub fn is_live(self) -> bool {
        self == State::Live
    }
}

/// What a record says of itself beside the fixed fields; stored as tagged fields, so that releases can add some.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct About {
    /// The last commits.
    pub commits: CommitLog,
    /// Keys of the moved records that led here, newest first, at most 16; ended together with this one.
    pub trail: Vec<Key>,
    /// A label of the visitor's device, where the site asks for one; at most 255 bytes.
    pub device: Option<String>,
    /// The visitor's shortened address, where the site asks for it; at most 64 bytes.
    pub address: Option<String>,
    /// The namespace it was made in, so that a site's own can be listed; nothing is decided by it. Empty is the default one.
    pub namespace: Vec<u8>,
    /// Whether it is a named record and no visitor's session.
    pub named: bool,
    /// The application has asked for the session id, and may key data of its own by it: the session stays, also empty.
    pub asked: bool,
    /// Fields of newer releases, tag and content, carried along untouched.
    pub unknown: Vec<(u8, Vec<u8>)>,
}

/// Longest trail that is kept.
pub(crate) const TRAIL_KEPT: usize = 16;

/// What a store holds under a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The version that a swap must match.
    pub version: Version,
    /// Live, moved or ended.
    pub state: State,
    /// When the session began; inherited by successors.
    pub created: Time,
    /// When the idle deadline last moved.
    pub touched: Time,
    /// When it ends if nobody comes; for tombstones, when they go.
    pub idle: Time,
    /// When it ends in any case; never `Time(0)`, which is how "none" is stored.
    pub absolute: Option<Time>,
    /// Who is logged in.
    pub owner: Option<Owner>,
    /// Format of the payload, a code of `cloakroom_format`; 0 where unknown.
    pub format: u8,
    /// Size of the payload in bytes before compression and sealing.
    pub size: u32,
    /// The tagged fields.
    pub about: About,
    /// The sealed payload; empty for an ended record.
    pub envelope: Vec<u8>,
}

impl Record {
    /// When the store may drop it: the earlier of idle and absolute deadline.
    pub fn expires(&self) -> Time {
        self.absolute.map_or(self.idle, |a| a.min(self.idle))
    }

    /// Whether it is past its deadline.
    pub fn expired(&self, now: Time) -> bool {
        self.expires() <= now
    }
}

/// What ending a session leaves behind, so that a request still running can't bring it back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tombstone {
    /// A fresh version, so that no swap matches.
    pub version: Version,
    /// Why it was ended.
    pub kind: EndKind,
    /// When, by the store's clock.
    pub at: Time,
    /// When the tombstone itself goes.
    pub until: Time,
}

impl Tombstone {
    /// A tombstone set now that lives for `life`.
    ///
    /// # Errors
    /// When the operating system has no randomness to give.
    pub fn new(kind: EndKind, at: Time, life: Duration) -> Result<Self, getrandom::Error> {
        Ok(Self { version: Version::draw()?, kind, at, until: at.plus(life) })
    }

    /// The record this tombstone makes where there was none, or of what was there.
    pub fn record(&self, was: Option<&Record>) -> Record {
        let about = was.map(|r| r.about.clone()).unwrap_or_default();
        Record {
            version: self.version,
            state: State::Ended { kind: self.kind, at: self.at },
            created: was.map_or(self.at, |r| r.created),
            touched: self.at,
            idle: self.until,
            absolute: None,
            owner: was.and_then(|r| r.owner.clone()),
            format: 0,
            size: 0,
            about,
            envelope: Vec::new(),
        }
    }
}
