//! Where the engine hands three payloads to whoever knows their format. The engine itself never parses one.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;

use cloakroom_format::{Format, MergeOptions, Rules, Winner};

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
    /// The later committer's; a removal beats a change.
    Later,
    /// The committer's, because it rotated or changed the owner.
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

/// Merges payloads of PHP's formats and JSON as trees, with the site's rules; what can't be taken apart is one piece.
#[derive(Debug, Default)]
pub struct PayloadMerge {
    rules: Rules,
}

impl PayloadMerge {
    /// With these rules by path.
    pub fn new(rules: Rules) -> Self {
        Self { rules }
    }
}

impl Merge for PayloadMerge {
    fn merge(
        &self,
        base: Version<'_>,
        mine: Version<'_>,
        theirs: Version<'_>,
        prefer: Prefer,
    ) -> Result<Merged, String> {
        let winner = match prefer {
            Prefer::Later => Winner::Later,
            Prefer::Mine => Winner::Mine,
            Prefer::Theirs => Winner::Theirs,
        };
        let their_format = theirs.format;
        let options = MergeOptions { rules: Some(&self.rules), winner };
        // Where the site changed its serializer while the session lived, all are read as what is written from now on.
        let converted = in_format(base, mine.format).zip(in_format(theirs, mine.format));
        let (format, base, theirs) = match &converted {
            Some((base, theirs)) => (known(mine.format), base.as_ref(), theirs.as_ref()),
            None => (Format::Opaque, base.payload, theirs.payload),
        };
        let merged = cloakroom_format::merge(format, base, mine.payload, theirs, &options).map_err(|r| {
            let name = r.name.escape_ascii();
            format!("{name}{}", if r.nested { ".*" } else { "" })
        })?;
        // Of payloads in different formats that can't be converted, one was chosen whole.
        let chose_theirs = converted.is_none() && merged.payload != mine.payload;
        Ok(Merged {
            payload: merged.payload,
            format: if chose_theirs { their_format } else { mine.format },
            conflicts: merged.conflicts.iter().map(ToString::to_string).collect(),
        })
    }

    fn is_empty(&self, payload: Version<'_>) -> bool {
        cloakroom_format::is_empty(known(payload.format), payload.payload)
    }

    fn removes(&self, before: Version<'_>, after: Version<'_>) -> bool {
        if before.payload == after.payload || self.is_empty(before) {
            return false;
        }
        match (names(before), names(after)) {
            (Some(before), Some(after)) => !before.is_subset(&after),
            _ => true,
        }
    }
}

fn known(code: u8) -> Format {
    Format::from_code(code).unwrap_or(Format::Opaque)
}

fn in_format(version: Version<'_>, code: u8) -> Option<Cow<'_, [u8]>> {
    if version.format == code {
        return Some(Cow::Borrowed(version.payload));
    }
    let to = known(code);
    if cloakroom_format::is_empty(known(version.format), version.payload) {
        return Some(Cow::Borrowed(cloakroom_format::empty(to)));
    }
    cloakroom_format::convert(known(version.format), version.payload, to).ok().map(|c| Cow::Owned(c.payload))
}

fn names(version: Version<'_>) -> Option<HashSet<String>> {
    let summary = cloakroom_format::summary(known(version.format), version.payload).ok()?;
    Some(summary.iter().map(|v| format!("{:?}", v.name)).collect())
}
