//! What `cloakroom_status()` says. Never an id, never a password.

use super::request::Outcome;
use super::{Caller, Door};

/// A value of the status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Item {
    /// Unknown, or there is none.
    Null,
    /// Yes or no.
    Bool(bool),
    /// A number.
    Number(u64),
    /// Text.
    Text(String),
    /// Several texts, with line ends between them.
    List(String),
    /// Numbers by name: lines of a number, a space and a name.
    Numbers(String),
}

impl Door {
    /// Names and values, in the order people read them.
    pub(crate) fn status(&self) -> Vec<(&'static str, Item)> {
        let request = &self.request;
        let text = |text: Option<String>| text.map_or(Item::Null, Item::Text);
        let site = request.site.as_ref().or_else(|| self.worker.as_ref().and_then(|w| w.sites().last()));
        let store = site.map(|site| site.engine.store().describe());
        let (state, key) = match request.session() {
            Some(session) => (request.state(), Some(session.key().short())),
            None => (request.last.state.unwrap_or_else(|| request.state()), request.last.key.clone()),
        };
        vec![
            ("version", Item::Text(env!("CARGO_PKG_VERSION").into())),
            ("engine", text(store.as_ref().map(|s| s.engine.into()))),
            ("location", text(store.as_ref().map(|s| s.location.clone()))),
            ("shared", store.as_ref().map_or(Item::Null, |s| Item::Bool(s.shared))),
            ("state", Item::Text(state.into())),
            ("detached", Item::Bool(state == "detached")),
            ("key", text(key)),
            ("owner", text(request.session().and_then(|s| s.owner()).map(|o| o.to_string()))),
            (
                "last",
                match &request.outcome {
                    Outcome::None => Item::Null,
                    Outcome::Done(word) => Item::Text((*word).into()),
                    Outcome::Not(why) => Item::Text(format!("not stored: {why}")),
                },
            ),
            ("held_back", Item::Bool(request.response.is_held_back())),
            ("conflicts", Item::List(request.conflicts.join("\n"))),
            ("largest", Item::Numbers(self.largest_told())),
            ("locked", Item::Bool(self.holds_locks())),
            ("waited_milliseconds", Item::Number(u64::try_from(request.waited.as_millis()).unwrap_or(u64::MAX))),
            ("store_answers", site.map_or(Item::Null, |site| Item::Bool(!site.engine.breaker().is_open()))),
            ("store_milliseconds", Item::Number(u64::try_from(request.spent.as_millis()).unwrap_or(u64::MAX))),
            ("worker_loads", Item::Number(self.counters.loads)),
            ("worker_commits", Item::Number(self.counters.commits)),
            ("worker_rotations", Item::Number(self.counters.rotations)),
            ("worker_waits", Item::Number(self.counters.waits)),
            ("worker_early_cookies", Item::Number(self.counters.early)),
            ("worker_emptied", Item::Number(self.counters.emptied)),
            ("worker_failures", Item::Number(self.counters.failures)),
        ]
    }
}

impl Caller {
    /// The caller of a code of `enum cr_caller`; unknown ones count as some code.
    pub(crate) fn from_code(code: i32) -> Self {
        match code {
            1 => Self::Start,
            2 => Self::Regenerate,
            3 => Self::CreateId,
            4 => Self::Decode,
            5 => Self::Reset,
            6 => Self::Destroy,
            7 => Self::WriteClose,
            8 => Self::Gc,
            9 => Self::Nobody,
            _ => Self::Other,
        }
    }
}
