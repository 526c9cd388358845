//! What is told of writes: which variables they changed, what collided, what was dropped.

use cloakroom::{Committed, Dropped, EngineError, Session};
use cloakroom_format::{Format, decode};

use super::{Door, Write};
use crate::worker::Site;

/// Most names in one line of the log.
const NAMES: usize = 8;

impl Door {
    /// Keeps what collided in a save for `cloakroom_status()`, and tells it where the site asks.
    pub(super) fn note_conflicts(&mut self, site: &Site, result: Option<&Result<Committed, EngineError>>) {
        self.request.conflicts = match result {
            Some(Ok(Committed::Merged { conflicts })) => conflicts.clone(),
            Some(Err(EngineError::Conflict(name))) => vec![name.clone()],
            _ => Vec::new(),
        };
        if site.settings.conflict_log && matches!(result, Some(Ok(_))) && !self.request.conflicts.is_empty() {
            let key = self.request.session().map(|s| s.key().short()).unwrap_or_default();
            let names = self.request.conflicts.join(", ");
            self.log.say(format!(
                "Two requests of one session changed {names} at the same time, and one of the changes is not in the \
                 session (key {key}). cloakroom.merge_rules can say which, or how both are kept."
            ));
        }
    }

    /// Tells which variables a dropped write had changed. A drop leaves the session as it was loaded.
    pub(super) fn note_dropped(&mut self, session: &Session, write: &Write<'_>, why: Dropped) {
        let manners = &self.request.manners;
        if why == Dropped::ReadOnly {
            let debug = self.request.site.as_ref().is_some_and(|site| site.settings.debug);
            if debug {
                let started =
                    if manners.started.is_empty() { "by PHP itself".into() } else { format!("at {}", manners.started) };
                self.log.say(format!(
                    "A request that only reads (cloakroom.readonly_paths, {}) changed {} in a session that was started \
                     {started}; the change was dropped.{}",
                    manners.path.as_bytes().escape_ascii(),
                    changed(session, write),
                    self.writers_told(),
                ));
            }
            return;
        }
        self.log.say(format!(
            "A write was dropped ({}, key {}): {why}.",
            changed(session, write),
            session.key().short()
        ));
    }
}

/// The names of the variables that a write changes, adds or removes.
fn changed(session: &Session, write: &Write<'_>) -> String {
    let before = Format::from_code(session.format()).unwrap_or(Format::Opaque);
    let unknown = || "variables that can't be told".to_owned();
    let read = |format, payload| {
        if cloakroom_format::is_empty(format, payload) { Ok(None) } else { decode(format, payload).map(Some) }
    };
    let (Ok(before), Ok(after)) = (read(before, session.payload()), read(write.format(), write.payload)) else {
        return unknown();
    };
    let variables = |tree: Option<&cloakroom_format::Tree<'_>>| -> Vec<Vec<u8>> {
        tree.into_iter().flat_map(|tree| tree.variables()).map(|v| v.name().to_bytes().into_owned()).collect()
    };
    let same_format = before.as_ref().zip(after.as_ref()).is_none_or(|(a, b)| a.format() == b.format());
    let (was, is) = (variables(before.as_ref()), variables(after.as_ref()));
    let mut names: Vec<&Vec<u8>> = Vec::new();
    for name in is.iter().chain(&was) {
        let get = |tree: Option<&cloakroom_format::Tree<'_>>| tree.map(|tree| tree.get(name).is_some()) == Some(true);
        let both = get(before.as_ref()) && get(after.as_ref());
        let same = both
            && same_format
            && before.as_ref().zip(after.as_ref()).is_some_and(|(a, b)| match (a.get(name), b.get(name)) {
                (Some(a), Some(b)) => a.same_as(&b),
                _ => false,
            });
        if !same && !names.contains(&name) {
            names.push(name);
        }
    }
    if names.is_empty() {
        return if same_format { "the owner".into() } else { unknown() };
    }
    let more = names.len().saturating_sub(NAMES);
    let shown: Vec<String> =
        names.iter().take(NAMES).map(|n| n.escape_ascii().to_string().chars().take(60).collect()).collect();
    let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{}{rest}", shown.join(", "))
}
