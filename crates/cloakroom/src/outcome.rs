//! What became of a commit, a rotation, an ending; and what can go wrong, told by who can mend it.

use crate::store::StoreError;

/// What became of a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Committed {
    /// Nothing was stored because there is nothing to store: a new session without variables.
    Nothing,
    /// The request changed nothing; the idle deadline moved up if that was due.
    Unchanged,
    /// Written.
    Written,
    /// Written together with what others had written meanwhile; the names of variables that both had changed.
    Merged {
        /// First-level names on which both sides differed; the rules decided.
        conflicts: Vec<String>,
    },
    /// Not written, on purpose.
    Dropped(Dropped),
    /// Not written: the load had failed, so nobody knows what is stored. What is stored stays as it is.
    Detached,
}

/// Why a write was dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Dropped {
    /// The session was ended while the request ran: logged out stays out.
    #[error("the session was ended while the request ran, so what the request wrote was dropped")]
    Ended,
    /// All sessions of this owner were ended while the request ran.
    #[error("all sessions of this owner were ended while the request ran, so what the request wrote was dropped")]
    OwnerEnded,
    /// The request had found its session moved to another id: what it wrote stays outside.
    #[error(
        "the session had moved to a new id before the request began, so what it wrote under the old id was dropped"
    )]
    Moved,
    /// The record is gone from the store, and it can't be told whether it had been ended.
    #[error(
        "the session's record is gone from the store and may have been ended, so what the request wrote was dropped"
    )]
    Gone,
    /// The session's absolute deadline has passed.
    #[error("the session's time is over, so what the request wrote was dropped")]
    Expired,
    /// What is stored under the key does not open.
    #[error("what is stored for this session does not open, so what the request wrote was dropped")]
    Unreadable,
    /// The request only reads.
    #[error("the request was to read the session only, so what it wrote was dropped")]
    ReadOnly,
}

/// What became of a rotation. The session goes on under its new id in every case but the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rotated {
    /// There was nothing in the store yet: only the id is new.
    Fresh,
    /// The old record is a moved one now, the new one holds the variables.
    Moved,
    /// Another request had rotated first and ours may follow: the session has that one's id now.
    Adopted,
    /// Another request had rotated first and ours may not follow: a session of its own, not linked to the other.
    Unlinked,
    /// The store could not be asked, or the session was over: the request goes on without a stored session.
    Dropped(Dropped),
    /// The load had failed: no cookie may be sent, nothing is stored.
    Detached,
}

/// A commit, rotation or ending that failed. What was stored before is as it was, unless the text says otherwise.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// The store failed.
    #[error("The session was not saved; what was stored before is unchanged. {0}")]
    Store(#[from] StoreError),
    /// The store was sent the change, the reply was lost, and too much has happened since to tell.
    #[error(
        "It can't be told whether the session was saved: the store's reply was lost, and it could not be asked again in time."
    )]
    OutcomeUnknown(Option<StoreError>),
    /// A rule `fail` matched.
    #[error("The session was not saved: another request changed {0} at the same time, and a rule asks to fail then.")]
    Conflict(String),
    /// More than the site allows.
    #[error(
        "The session was not saved: it has {size} bytes and cloakroom.max_size allows {limit}. What was stored before is unchanged."
    )]
    TooLarge {
        /// Bytes of the payload.
        size: usize,
        /// Bytes allowed.
        limit: u32,
    },
    /// The time budget ran out while others kept committing.
    #[error(
        "The session was not saved: other requests of the same session kept writing until cloakroom.timeout ran out."
    )]
    Busy,
    /// The operating system gave no random numbers, without which no session is safe.
    #[error("The operating system gave no random numbers; no session is issued or saved without them.")]
    NoRandomness,
}

impl From<getrandom::Error> for EngineError {
    fn from(_: getrandom::Error) -> Self {
        EngineError::NoRandomness
    }
}
