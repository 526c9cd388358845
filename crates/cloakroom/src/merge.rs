//! Where the engine hands three payloads to whoever knows their format. The engine itself never parses one.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;

use cloakroom_format::{Format, Key, Kind, MergeOptions, Rules, Value, Winner};

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

    /// Whether `after` lacks something that `before` has: a variable, an element at any depth, or a value that has become
    /// null, false, zero or empty; true where it can't be told.
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
        let Some(after_payload) = in_format(after, before.format) else { return true };
        let format = known(before.format);
        let trees =
            (cloakroom_format::decode(format, before.payload), cloakroom_format::decode(format, &after_payload));
        let (Ok(before), Ok(after)) = trees else { return true };
        let after: HashMap<_, _> = after.variables().map(|v| (v.name(), v.value())).collect();
        before.variables().any(|was| after.get(&was.name()).is_none_or(|is| loses(was.value(), *is, LOOK_DEEP)))
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

/// How deep removals are looked for; below that any difference counts as one.
const LOOK_DEEP: usize = 100;

fn loses(was: Value<'_, '_>, is: Value<'_, '_>, depth: usize) -> bool {
    if was.text() == is.text() {
        return false;
    }
    if is_void(is) || depth == 0 {
        return !is_void(was);
    }
    let inside = |kind| matches!(kind, Kind::Array | Kind::List | Kind::Map | Kind::Object);
    if !inside(was.kind()) {
        // One value became another: changed, and nothing that was there is gone; what has an encoding of its own can't be
        // looked into.
        return was.kind() == Kind::Custom;
    }
    if !inside(is.kind()) || was.class() != is.class() {
        return true;
    }
    if is_list(was) && is_list(is) && was.entries().count() != is.entries().count() {
        // Elements come and go from lists (a queue, the last pages seen); what a log-out takes away has a name.
        return false;
    }
    let now: HashMap<_, _> = is.entries().collect();
    was.entries().any(|(key, value)| now.get(&key).is_none_or(|is| loses(value, *is, depth - 1)))
}

fn is_list(value: Value<'_, '_>) -> bool {
    let mut place = 0;
    value.entries().all(|(key, _)| {
        place += 1;
        key == Key::Int(place - 1)
    })
}

fn is_void(value: Value<'_, '_>) -> bool {
    match value.kind() {
        Kind::Null => true,
        Kind::Bool => value.as_bool() == Some(false),
        Kind::Int => value.as_int() == Some(0),
        Kind::Str | Kind::EscapedStr => value.as_bytes().is_some_and(|b| b.is_empty()),
        Kind::Array | Kind::List | Kind::Map => value.entries().next().is_none(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_removal_is_seen_at_any_depth_and_an_emptied_value_is_one() {
        let merge = PayloadMerge::default();
        let removes = |before: &str, after: &str| {
            let version = |payload| Version { format: 1, payload };
            merge.removes(version(before.as_bytes()), version(after.as_bytes()))
        };
        let token = "_attributes|a:1:{s:5:\"token\";s:3:\"abc\";}";
        assert!(removes(token, "_attributes|a:0:{}"));
        assert!(removes("a|a:1:{i:0;a:1:{s:1:\"t\";i:5;}}", "a|a:1:{i:0;a:1:{s:1:\"u\";i:5;}}"));
        assert!(removes("user|s:5:\"alice\";", "user|N;"));
        assert!(removes("user|i:7;", "user|i:0;"));
        assert!(removes("user|s:5:\"alice\";", ""));
        assert!(removes("a|O:1:\"U\":1:{s:1:\"n\";i:7;}", "a|O:1:\"U\":1:{s:1:\"n\";N;}"));
        assert!(removes("a|damaged", "a|i:1;"));
        assert!(!removes(token, &format!("{token}user|i:7;")));
        assert!(!removes("cart|a:1:{i:5;i:1;}", "cart|a:2:{i:5;i:2;i:6;i:1;}"));
        assert!(!removes("seen|a:2:{i:0;i:7;i:1;i:8;}", "seen|a:1:{i:0;i:8;}"), "a queue moves on");
        assert!(removes("seen|a:1:{i:0;i:8;}", "seen|a:0:{}"));
        assert!(!removes("user|N;", "user|s:5:\"alice\";"));
        assert!(!removes("", "user|i:7;"));
    }
}
