//! Three versions of a session into one: what a request loaded (base), what it has now (mine), and what another request
//! committed in between (theirs).
//!
//! The order in which a value is decided, at every path, from the variables inward:
//!
//! 1. Only one side changed it: that side.
//! 2. A rule named for the path, where it applies to such values (`sum`, `max`, `union`).
//! 3. Lists (keys 0…n-1) on both sides: as sequences. What was added comes from theirs, then from mine; equal additions
//!    both stay; what one side removed is gone; what both wrote over is decided element by element.
//! 4. Both changed it to the same: that; an array that was one before is looked into first (5), since two equal changes
//!    below may have to count twice (2, 3).
//! 5. Arrays on both sides: key by key, in the order of theirs, then mine's new keys.
//! 6. One side removed it, the other changed it, at any depth below: it is removed, and a conflict is counted.
//! 7. Else a conflict: mine wins, unless the path's rule or [`Winner`] says otherwise.
//!
//! Objects, and variables that references tie together in any of the three versions, are one piece each. So is an array in
//! which a reference leads from one element into another. Payloads that can't be taken apart at all are one piece as a
//! whole ([`Whole`]).

mod align;
mod diff;
mod output;
mod rules;
mod walk;

pub use rules::{Rule, RuleError, Rules};

use crate::error::DecodeError;
use crate::format::Format;
use crate::node::Key;
use crate::session::decode;
use std::fmt;

/// One of the three versions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Side {
    /// What the request loaded.
    Base,
    /// What the request has now.
    Mine,
    /// What another request committed in between.
    Theirs,
}

/// Who wins conflicts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Winner {
    /// The later committer, which is mine; removals beat changes; rules may say otherwise.
    #[default]
    Later,
    /// Mine, whatever it is, also against a removal: mine rotated the session or changed its owner.
    Mine,
    /// Theirs, whatever it is, also against a removal: theirs rotated the session or changed its owner.
    Theirs,
}

/// How to merge.
#[derive(Debug, Clone, Copy, Default)]
pub struct MergeOptions<'r> {
    /// What the site says about particular paths.
    pub rules: Option<&'r Rules>,
    /// Who wins conflicts.
    pub winner: Winner,
}

/// What collided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Cause {
    /// Both sides changed it, differently.
    Changed,
    /// One side removed it while the other changed it, or something below it.
    Removed,
}

/// Something that both sides touched, so that one side's change is not in the result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// The variable; empty if the payload as a whole could not be taken apart.
    pub name: Vec<u8>,
    /// Whether it happened below the variable itself. The deeper path is left out on purpose: it may hold visitors' data.
    pub nested: bool,
    /// What collided.
    pub cause: Cause,
    /// How often, for this name.
    pub count: u32,
}

impl fmt::Display for Conflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        show_path(f, &self.name, self.nested)
    }
}

fn show_path(f: &mut fmt::Formatter<'_>, name: &[u8], nested: bool) -> fmt::Result {
    if name.is_empty() {
        return f.write_str("(the whole session)");
    }
    write!(f, "{}{}", name.escape_ascii(), if nested { ".*" } else { "" })
}

/// Why a payload was merged as one piece.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Whole {
    /// Its format is carried unread.
    Opaque,
    /// It holds a custom-serialized object (`C:`), or a reference to the session itself.
    Indivisible,
    /// One of the versions is damaged or of another format.
    Unreadable(Side, DecodeError),
}

/// The result of a merge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Merged {
    /// The new payload.
    pub payload: Vec<u8>,
    /// What collided, by name.
    pub conflicts: Vec<Conflict>,
    /// Set if the payloads had to be taken as one piece, and both sides had changed.
    pub whole: Option<Whole>,
}

impl Merged {
    fn untouched(payload: &[u8]) -> Self {
        Self { payload: payload.to_vec(), conflicts: Vec::new(), whole: None }
    }
}

/// A conflict at a path whose rule is `fail`: nothing of mine may be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// The variable; empty if the payload as a whole could not be taken apart.
    pub name: Vec<u8>,
    /// Whether it happened below the variable itself.
    pub nested: bool,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Another request changed `")?;
        show_path(f, &self.name, self.nested)?;
        f.write_str(
            "` of this session at the same time, and its merge rule is `fail`: nothing of this request was written.",
        )
    }
}

impl std::error::Error for Refused {}

/// Merges three versions of a session. If only one side changed, its bytes are the result and nothing is read.
///
/// # Errors
/// [`Refused`] if there is a conflict where a rule says `fail`.
pub fn merge(
    format: Format,
    base: &[u8],
    mine: &[u8],
    theirs: &[u8],
    options: &MergeOptions<'_>,
) -> Result<Merged, Refused> {
    if base == mine {
        return Ok(Merged::untouched(theirs));
    }
    if base == theirs {
        return Ok(Merged::untouched(mine));
    }
    if format == Format::Opaque {
        return whole(mine, theirs, options, Whole::Opaque);
    }
    let read = |side, payload| decode(format, payload).map_err(|error| Whole::Unreadable(side, error));
    let trees = (|| Ok((read(Side::Base, base)?, read(Side::Mine, mine)?, read(Side::Theirs, theirs)?)))();
    match trees {
        Err(reason) => whole(mine, theirs, options, reason),
        Ok((base, mine_tree, theirs_tree)) => {
            if [&base, &mine_tree, &theirs_tree].iter().all(|tree| tree.is_divisible()) {
                walk::merge_trees(&base, &mine_tree, &theirs_tree, options)
            } else {
                whole(mine, theirs, options, Whole::Indivisible)
            }
        }
    }
}

fn whole(mine: &[u8], theirs: &[u8], options: &MergeOptions<'_>, reason: Whole) -> Result<Merged, Refused> {
    if mine == theirs {
        return Ok(Merged::untouched(mine));
    }
    // Every rule lies somewhere inside; only one for everything speaks of the whole.
    let rule = options.rules.and_then(|rules| rules.find(&[] as &[Key<'_>])).unwrap_or_default();
    if rule == Rule::Fail {
        return Err(Refused { name: Vec::new(), nested: false });
    }
    let payload = match (options.winner, rule) {
        (Winner::Theirs, _) | (Winner::Later, Rule::First) => theirs,
        _ => mine,
    };
    let conflict = Conflict { name: Vec::new(), nested: false, cause: Cause::Changed, count: 1 };
    Ok(Merged { payload: payload.to_vec(), conflicts: vec![conflict], whole: Some(reason) })
}
