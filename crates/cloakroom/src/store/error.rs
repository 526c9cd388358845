//! What can go wrong in a store, told by who can mend it.

/// A store verb that failed. Nothing that was acknowledged before is affected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// No connection; nothing was sent, so nothing was changed. For the operator: is the server up, is the address right?
    #[error(
        "{engine} at {location} can't be reached: {detail}. Nothing was changed. Check that the server runs and that cloakroom.store names it."
    )]
    Unreachable {
        /// The engine.
        engine: &'static str,
        /// Where, password masked.
        location: String,
        /// What the system said.
        detail: String,
    },
    /// The budget ran out before the request was sent or could take effect; nothing was changed.
    #[error("{engine} did not answer within cloakroom.timeout; nothing was changed.")]
    TimedOut {
        /// The engine.
        engine: &'static str,
    },
    /// The request was sent and no reply came: it may or may not have been applied. The engine finds out by commit id.
    #[error("{engine} was sent a change and the reply was lost ({detail}); it may or may not have been applied.")]
    Unknown {
        /// The engine.
        engine: &'static str,
        /// What the system said.
        detail: String,
    },
    /// The server answered and refused: rights, disk full, read-only, wrong password. Nothing was changed.
    #[error("{engine} refused: {detail}. Nothing was changed.")]
    Refused {
        /// The engine.
        engine: &'static str,
        /// The server's words, without data.
        detail: String,
    },
    /// What is stored under the key is not a record. The engine treats it as absent, counts and reports it.
    #[error("A record in {engine} can't be read: {damage}. It is treated as absent.")]
    Damaged {
        /// The engine.
        engine: &'static str,
        /// What is wrong with it.
        damage: crate::wire::Damaged,
    },
    /// The record is larger than the engine takes. Nothing was changed.
    #[error(
        "{engine} takes records of at most {limit} bytes and this one has {size}; nothing was written. Store less in the session, or raise the server's limit."
    )]
    TooLarge {
        /// The engine.
        engine: &'static str,
        /// Bytes of the record.
        size: u64,
        /// Bytes the engine takes.
        limit: u64,
    },
    /// The store's settings can't work. For the operator.
    #[error("{0}")]
    Settings(String),
}

impl StoreError {
    /// Whether the verb may have been applied nevertheless.
    pub fn outcome_unknown(&self) -> bool {
        matches!(self, StoreError::Unknown { .. })
    }

    /// Whether the store as a whole is in trouble, so that the breaker should open; an error about one record is not.
    pub fn is_outage(&self) -> bool {
        !matches!(self, StoreError::Damaged { .. } | StoreError::TooLarge { .. })
    }
}
