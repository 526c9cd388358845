//! Sizes of variables: measured when something large was written, told to the log and counted; and which one is to blame
//! where a session is too large to be stored.

use std::time::{Duration, Instant};

use cloakroom::store::TallyKind;
use cloakroom::{Clock, EngineError, SystemClock};
use cloakroom_format::{Format, summary};

use super::blame::culprit::Culprit;
use super::blame::{address, label, shown_name};
use super::{Door, Write};
use crate::worker::Site;

/// One variable is told of at most so often by each worker.
const TOLD_EVERY: Duration = Duration::from_secs(60);
/// Most variables of which it is remembered that they were told of.
const REMEMBERED: usize = 64;
/// Variables in `cloakroom_status()`.
const SHOWN: usize = 10;

/// What a worker has told of.
#[derive(Debug, Default)]
pub(super) struct Told(Vec<(Vec<u8>, Instant)>);

impl Told {
    /// Whether this variable is to be told of now.
    fn is_due(&mut self, name: &[u8]) -> bool {
        self.0.retain(|(_, at)| at.elapsed() < TOLD_EVERY);
        if self.0.len() >= REMEMBERED || self.0.iter().any(|(known, _)| known == name) {
            return false;
        }
        self.0.push((name.to_vec(), Instant::now()));
        true
    }
}

impl Door {
    /// Something was stored: tells which of its variables are large.
    pub(super) fn look_at_sizes(&mut self, site: &Site, write: &Write<'_>) {
        let limit = site.settings.warn_size as usize;
        if limit == 0 || write.payload.len() <= limit {
            return;
        }
        for (name, size) in largest(write.format(), write.payload).into_iter().take_while(|(_, size)| *size > limit) {
            let by = self.writer_of(&name);
            let counted = by.clone().unwrap_or_else(|| Culprit::unseen("not among the requests looked at"));
            let label = label(&format!("large {}", self.name_to_store(&name)), &counted);
            let path = address(&self.request.manners.path);
            site.engine.reporter().count(SystemClock.now(), TallyKind::Large, &label, size as u64, &path);
            if self.told_sizes.is_due(&name) {
                self.log.say(format!(
                    "The variable {} of a session has {} (cloakroom.warn_size is {}), written by {}. Every request of its \
                     visitor loads all of it; such things belong into the site's database or cache, and only their name \
                     into the session.",
                    shown_name(&name),
                    bytes(size),
                    bytes(limit),
                    self.blamed(by.as_ref()),
                ));
            }
        }
    }

    /// The words for a session that is too large to be stored, with the variable that makes it so.
    pub(super) fn too_large(&self, error: &EngineError, format: Format, payload: &[u8]) -> String {
        let Some((name, size)) = largest(format, payload).into_iter().next() else { return error.to_string() };
        format!(
            "{error} Its largest variable is {} with {}, written by {}.",
            shown_name(&name),
            bytes(size),
            self.blamed(self.writer_of(&name).as_ref()),
        )
    }

    fn blamed(&self, by: Option<&Culprit>) -> String {
        match by {
            Some(by) => format!("{} ({})", by.who, by.at),
            None => match address(&self.request.manners.path) {
                path if path.is_empty() => "a program without address".into(),
                path => format!("a request for {path}"),
            },
        }
    }

    /// Sizes and names of the open session's largest variables, a line each: bytes, space, name.
    pub(super) fn largest_told(&self) -> String {
        let Some(session) = self.request.session() else { return String::new() };
        let format = Format::from_code(session.format()).unwrap_or(Format::Opaque);
        let lines: Vec<String> = largest(format, session.payload())
            .into_iter()
            .take(SHOWN)
            .map(|(name, size)| format!("{size} {}", shown_name(&name)))
            .collect();
        lines.join("\n")
    }
}

/// The variables and their sizes in bytes, the largest first. Nothing where the payload can't be read.
fn largest(format: Format, payload: &[u8]) -> Vec<(Vec<u8>, usize)> {
    if payload.is_empty() {
        return Vec::new();
    }
    let mut list: Vec<(Vec<u8>, usize)> = summary(format, payload)
        .unwrap_or_default()
        .into_iter()
        .map(|variable| (variable.name.to_bytes().into_owned(), variable.size))
        .collect();
    list.sort_by_key(|(_, size)| std::cmp::Reverse(*size));
    list
}

/// A size in words.
fn bytes(size: usize) -> String {
    match size {
        0..10_240 => format!("{size} bytes"),
        10_240..10_485_760 => format!("{} KiB", size >> 10),
        _ => format!("{} MiB", size >> 20),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_variable_comes_first() {
        let found = largest(Format::Php, b"a|i:1;b|s:5:\"xxxxx\";c|b:1;");
        let found: Vec<(&[u8], usize)> = found.iter().map(|(name, size)| (name.as_slice(), *size)).collect();
        assert_eq!(found, [(&b"b"[..], 12), (b"a", 4), (b"c", 4)]);
        assert!(largest(Format::Php, b"damaged").is_empty());
    }

    #[test]
    fn a_variable_is_told_of_once_a_minute() {
        let mut told = Told::default();
        assert!(told.is_due(b"a") && told.is_due(b"b"));
        assert!(!told.is_due(b"a") && !told.is_due(b"b"));
    }
}
