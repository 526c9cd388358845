//! Where the engine hands three payloads to whoever knows their format. The engine itself never parses one.

use std::fmt;

/// A merged payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Merged {
    /// The payload to be stored.
    pub payload: Vec<u8>,
    /// Its format code.
    pub format: u8,
    /// First-level names on which both sides differed.
    pub conflicts: Vec<String>,
}

/// Which side wins where both changed the same thing and no rule says otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Prefer {
    /// The committer's: the last one wins.
    Mine,
    /// The stored one's, because it rotated or changed the owner.
    Theirs,
}

/// One version of a session's payload.
#[derive(Debug, Clone, Copy)]
pub struct Version<'a> {
    /// Format code.
    pub format: u8,
    /// The payload.
    pub payload: &'a [u8],
}

/// Merges three versions of a session.
pub trait Merge: Send + Sync + fmt::Debug {
    /// What both sides changed, together; or the name of the variable for which a rule asks to fail.
    ///
    /// # Errors
    /// The first-level name on which a rule `fail` matched.
    fn merge(
        &self,
        base: Version<'_>,
        mine: Version<'_>,
        theirs: Version<'_>,
        prefer: Prefer,
    ) -> Result<Merged, String>;

    /// Whether a payload holds no variable.
    fn is_empty(&self, payload: Version<'_>) -> bool;

    /// Whether `after` lacks a variable that `before` has; true where it can't be told.
    fn removes(&self, before: Version<'_>, after: Version<'_>) -> bool;
}

/// Merges by variable with `cloakroom_format`.
#[derive(Debug, Default)]
pub struct MergeByVariable {}

impl Merge for MergeByVariable {
    fn merge(
        &self,
        _base: Version<'_>,
        mine: Version<'_>,
        _theirs: Version<'_>,
        _prefer: Prefer,
    ) -> Result<Merged, String> {
        Ok(Merged { payload: mine.payload.to_vec(), format: mine.format, conflicts: vec!["*".into()] })
    }

    fn is_empty(&self, payload: Version<'_>) -> bool {
        payload.payload.is_empty() || payload.payload == b"a:0:{}"
    }

    fn removes(&self, before: Version<'_>, after: Version<'_>) -> bool {
        before.payload != after.payload
    }
}
