//! Blame: who starts sessions and who writes which variable, for the operator. Looked at in a sample of requests; counted
//! after the response, and handed to the store with the other counters.
//!
//! A label is `EVENT | WHO | WHERE`: the events `empty`, `kept` and `changed` say what became of a session that was
//! started there, `write NAME` who wrote a variable first in a request. Counts are scaled by the sample.

pub(super) mod culprit;
mod headers;

use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use cloakroom::store::TallyKind;
use cloakroom::{Clock, SystemClock};
use cloakroom_format::{Format, decode};

use super::{Caller, Door, Write};
use crate::worker::Site;
use culprit::{Culprit, Frame, Stack, culprit};
use headers::Headers;

/// So many requests of a worker are looked at before it begins to draw.
const FIRST: u32 = 8;
/// Most variables that are told apart in one request.
const VARIABLES: usize = 64;
/// Most sessions of one request that are counted.
const SESSIONS: usize = 8;
/// Larger payloads are not compared variable by variable.
const COMPARED: usize = 4 << 20;
/// Addresses kept as samples of one label.
const ADDRESSES: usize = 3;
/// Most labels that addresses are remembered for, and most variables whose writer is.
const REMEMBERED: usize = 128;
/// Longest address, in bytes.
const LONGEST_ADDRESS: usize = 80;
/// Longest variable's name, in characters.
const LONGEST_NAME: usize = 32;
/// Fewest letters of what may be a session id or a token.
const FEWEST_OF_ID: usize = 20;

/// What of one session of a sampled request is seen.
#[derive(Debug)]
pub(crate) struct Blame {
    site: Arc<Site>,
    /// How many requests this one stands for; 0: it is looked at for the log alone.
    weight: u32,
    path: String,
    root: Vec<u8>,
    starter: Option<Stack>,
    /// Whether writes are seen (opcache's JIT is off).
    sees_writers: bool,
    /// Who wrote first to a variable; without a name: who could have changed any, last.
    writers: Vec<(Option<Vec<u8>>, Stack)>,
    /// Names that stand in the site's code. Others may be made of visitors' data: they are not put into the store.
    literals: Vec<Vec<u8>>,
    before: Option<Variables>,
    after: Option<Variables>,
    destroyed: bool,
    waited: Duration,
}

/// Variables, encoded.
#[derive(Debug)]
struct Variables {
    format: Format,
    payload: Vec<u8>,
}

/// What a worker keeps of it.
#[derive(Debug, Default)]
pub(super) struct Book {
    sampler: Sampler,
    /// Waits for the response to have left.
    seen: Vec<Blame>,
    addresses: HashMap<String, VecDeque<String>>,
    writers: VecDeque<(Vec<u8>, Culprit)>,
    headers: RefCell<Headers>,
}

/// Which requests are looked at: the first ones, then one in so many, drawn, so that no rhythm of the site falls in step.
#[derive(Debug, Default)]
struct Sampler {
    seen: u32,
    left: u32,
}

impl Sampler {
    /// How many requests this one stands for, if it is looked at.
    fn draw(&mut self, one_in: u32) -> Option<u32> {
        if self.seen < FIRST {
            self.seen += 1;
            return Some(1);
        }
        if self.left > 0 {
            self.left -= 1;
            return None;
        }
        // From 0 to 2·one_in − 2 are left out: one in `one_in` on the average.
        let span = one_in.saturating_mul(2).saturating_sub(1).max(1);
        self.left = getrandom::u32().map_or(one_in.saturating_sub(1), |drawn| drawn % span);
        Some(one_in)
    }
}

impl Door {
    /// Whether the call stack is to be looked at in this request. Called when a session is opened.
    pub(super) fn sample(&mut self, caller: Caller) -> bool {
        if !matches!(caller, Caller::Start | Caller::Nobody) {
            return self.request.blame.is_some();
        }
        let earlier = self.blame_done();
        let Some(site) = self.request.site.clone() else { return false };
        let one_in = site.settings.blame;
        let weight = match earlier {
            Some(weight) => Some(weight),
            None if one_in == 0 => None,
            None => self.book.sampler.draw(one_in),
        };
        // The debug mode names who wrote to a session that is only read.
        let weight = weight.or((site.settings.debug && self.request.manners.readonly).then_some(0));
        self.request.blame = weight.map(|weight| {
            Box::new(Blame {
                site,
                weight,
                path: address(&self.request.manners.path),
                root: Vec::new(),
                starter: None,
                sees_writers: false,
                writers: Vec::new(),
                literals: Vec::new(),
                before: None,
                after: None,
                destroyed: false,
                waited: Duration::ZERO,
            })
        });
        self.request.blame.is_some()
    }

    /// The call stack of `session_start`; without frames PHP has started the session by itself.
    pub(crate) fn started(&mut self, frames: &[Frame<'_>], root: &[u8], sees_writers: bool) {
        let Some(blame) = &mut self.request.blame else { return };
        blame.starter = Some(Stack::of(frames));
        blame.root = root.to_vec();
        blame.sees_writers = sees_writers;
    }

    /// Whether it is to be told who writes to this variable (`None`: to any).
    pub(crate) fn wants_writer(&self, name: Option<&[u8]>) -> bool {
        let open = self.request.session().is_some();
        let Some(blame) = self.request.blame.as_ref().filter(|_| open) else { return false };
        match name {
            Some(_) if blame.writer(name).is_some() => false,
            _ => blame.writers.len() < VARIABLES,
        }
    }

    /// The call stack of a write.
    pub(crate) fn wrote(&mut self, name: Option<&[u8]>, literal: bool, frames: &[Frame<'_>]) {
        let Some(blame) = &mut self.request.blame else { return };
        let by = Stack::of(frames);
        blame.writers.retain(|(known, _)| known.is_some() || name.is_some());
        blame.writers.push((name.map(<[u8]>::to_vec), by));
        if let Some(name) = name.filter(|_| literal) {
            self.is_literal(name);
        }
    }

    /// A variable has a name that stands in the site's code.
    pub(crate) fn is_literal(&mut self, name: &[u8]) {
        let Some(blame) = &mut self.request.blame else { return };
        if blame.literals.len() < VARIABLES && !blame.is_literal(name) {
            blame.literals.push(name.to_vec());
        }
    }

    /// What was found in the session.
    pub(super) fn blame_loaded(&mut self) {
        if self.request.blame.is_none() {
            return;
        }
        let before = self.request.session().filter(|s| !s.is_detached()).map(|session| Variables {
            format: Format::from_code(session.format()).unwrap_or(Format::Opaque),
            payload: session.payload().to_vec(),
        });
        if let Some(blame) = &mut self.request.blame {
            blame.before = before;
        }
    }

    /// What the request wants to be in the session.
    pub(super) fn blame_write(&mut self, write: &Write<'_>) {
        if let Some(blame) = &mut self.request.blame {
            blame.after = Some(Variables { format: write.format(), payload: write.payload.to_vec() });
        }
    }

    /// The request ends the session.
    pub(super) fn blame_destroyed(&mut self) {
        if let Some(blame) = &mut self.request.blame {
            blame.destroyed = true;
        }
    }

    /// The request, or its session, is over: what was seen waits for the response to leave. How many requests it stands for.
    pub(super) fn blame_done(&mut self) -> Option<u32> {
        let mut blame = *self.request.blame.take()?;
        blame.waited = self.request.waited;
        let weight = blame.weight;
        if weight > 0 && self.book.seen.len() < SESSIONS {
            self.book.seen.push(blame);
        }
        Some(weight)
    }

    /// Counts what was seen.
    pub(super) fn blame_count(&mut self) {
        for blame in std::mem::take(&mut self.book.seen) {
            self.book.count(&blame);
        }
    }

    /// Who wrote a variable, as far as it is known: in this request, else when a sampled request was seen writing it.
    pub(super) fn writer_of(&self, name: &[u8]) -> Option<Culprit> {
        let blame = self.request.blame.as_ref();
        let now = blame.and_then(|blame| blame.writer(Some(name)).or_else(|| blame.writer(None)).map(|by| (blame, by)));
        match now {
            Some((blame, by)) => culprit(by, &blame.root, &mut self.book.headers.borrow_mut()),
            None => self.book.writers.iter().find(|(known, _)| known == name).map(|(_, by)| by.clone()),
        }
    }

    /// A variable's name for the store: not where it may be made of visitors' data.
    pub(super) fn name_to_store(&self, name: &[u8]) -> String {
        let literal = self.request.blame.as_ref().is_some_and(|blame| blame.is_literal(name))
            || self.book.writers.iter().any(|(known, _)| known == name);
        if literal { shown_name(name) } else { "*".into() }
    }

    /// Where the writes of this request came from, for the log.
    pub(super) fn writers_told(&self) -> String {
        let Some(blame) = &self.request.blame else { return String::new() };
        let told: Vec<String> = blame
            .writers
            .iter()
            .filter_map(|(_, by)| culprit(by, &blame.root, &mut self.book.headers.borrow_mut()))
            .take(8)
            .map(|by| format!("{} ({})", by.who, by.at))
            .collect();
        if told.is_empty() { String::new() } else { format!(" Written by {}.", told.join(", ")) }
    }
}

impl Blame {
    fn writer(&self, name: Option<&[u8]>) -> Option<&Stack> {
        self.writers.iter().find(|(known, _)| known.as_deref() == name).map(|(_, by)| by)
    }

    fn is_literal(&self, name: &[u8]) -> bool {
        self.literals.iter().any(|known| known == name)
    }

    /// What became of the session.
    fn event(&self) -> &'static str {
        let ignored = &self.site.settings.ignore_keys;
        let empty = |variables: &Variables| {
            cloakroom_format::is_hollow(variables.format, &variables.payload, |name| ignored.cover(name))
        };
        let Some(before) = &self.before else { return "kept" };
        let after = self.after.as_ref().unwrap_or(before);
        if self.destroyed {
            "changed"
        } else if empty(before) && empty(after) {
            "empty"
        } else if before.payload == after.payload {
            "kept"
        } else {
            "changed"
        }
    }

    /// The variables that the request has set or changed, with their sizes in bytes.
    fn changed(&self) -> Vec<(Vec<u8>, usize)> {
        let (Some(before), Some(after)) = (&self.before, &self.after) else { return Vec::new() };
        if before.payload == after.payload
            || after.payload.is_empty()
            || before.payload.len().max(after.payload.len()) > COMPARED
        {
            return Vec::new();
        }
        let was = decode(before.format, &before.payload).ok();
        let Ok(is) = decode(after.format, &after.payload) else {
            // igbinary and the like: carried unread.
            return vec![(b"*".to_vec(), after.payload.len())];
        };
        let mut out = Vec::new();
        for variable in is.variables() {
            let name = variable.name().to_bytes().into_owned();
            let known = was.as_ref().filter(|was| was.format() == is.format()).and_then(|was| was.get(&name));
            if known.is_none_or(|known| !known.same_as(&variable)) && out.len() < VARIABLES {
                out.push((name, variable.value().text().len()));
            }
        }
        out
    }
}

impl Book {
    fn count(&mut self, blame: &Blame) {
        let Some(starter) = &blame.starter else { return };
        if blame.before.is_none() {
            // The store had failed: nothing was found and nothing will be kept.
            return;
        }
        // Cloakroom's plugin opens one again for its own purposes: that is nobody's.
        let Some(starter) = self.whose(starter, blame) else { return };
        self.add(blame, blame.event(), &starter, u64::try_from(blame.waited.as_micros()).unwrap_or(u64::MAX));
        let unseen = Culprit::unseen(if blame.sees_writers {
            "inside an object or through a reference"
        } else {
            "opcache's JIT hides who writes"
        });
        for (name, size) in blame.changed() {
            let by = blame.writer(Some(&name)).or_else(|| blame.writer(None));
            let Some(by) = by.map_or_else(|| Some(unseen.clone()), |by| self.whose(by, blame)) else { continue };
            let literal = blame.is_literal(&name);
            let shown = if literal { shown_name(&name) } else { "*".into() };
            self.add(blame, &format!("write {shown}"), &by, size as u64);
            if literal && by != unseen {
                self.writers.retain(|(other, _)| *other != name);
                self.writers.push_front((name, by));
            }
        }
        self.writers.truncate(REMEMBERED);
    }

    fn whose(&mut self, stack: &Stack, blame: &Blame) -> Option<Culprit> {
        culprit(stack, &blame.root, self.headers.get_mut())
    }

    fn add(&mut self, blame: &Blame, event: &str, by: &Culprit, sum: u64) {
        let weight = u64::from(blame.weight);
        let label = label(event, by);
        let sample = self.sample(&label, &blame.path);
        let reporter = blame.site.engine.reporter();
        reporter.add(SystemClock.now(), TallyKind::Blame, &label, weight, sum.saturating_mul(weight), &sample);
    }

    /// The last few addresses of a label, this one among them.
    fn sample(&mut self, label: &str, path: &str) -> String {
        if self.addresses.len() >= REMEMBERED && !self.addresses.contains_key(label) {
            self.addresses.clear();
        }
        let known = self.addresses.entry(label.to_owned()).or_default();
        if !path.is_empty() && !known.iter().any(|other| other == path) {
            known.push_back(path.to_owned());
            if known.len() > ADDRESSES {
                known.pop_front();
            }
        }
        known.iter().map(String::as_str).collect::<Vec<_>>().join(" ")
    }
}

/// `EVENT | WHO | WHERE`.
pub(super) fn label(event: &str, by: &Culprit) -> String {
    format!("{event} | {} | {}", by.who.replace(" | ", " / "), by.at)
}

/// A variable's name for people.
pub(super) fn shown_name(name: &[u8]) -> String {
    let safe = |c: char| if c.is_control() || c == '|' { '?' } else { c };
    String::from_utf8_lossy(name).chars().map(safe).take(LONGEST_NAME).collect()
}

/// An address without its query and without what may be a session id, somebody's token or mail address.
pub(super) fn address(path: &str) -> String {
    let path = path.split([';', '?', '#']).next().unwrap_or_default();
    let secret = |part: &str| {
        if part.contains('@') || part.contains("%40") {
            return true;
        }
        let digits = part.bytes().filter(u8::is_ascii_digit).count();
        let capitals = part.bytes().filter(u8::is_ascii_uppercase).count();
        let longest = part.split(['-', '.']).map(str::len).max().unwrap_or(0);
        part.len() >= FEWEST_OF_ID && (digits + capitals > 6 || (longest == part.len() && digits + capitals > 1))
    };
    let shown: Vec<&str> = path.split('/').map(|part| if secret(part) { "*" } else { part }).collect();
    let safe = |c: char| if c.is_control() || c.is_whitespace() { '_' } else { c };
    let text: String = shown.join("/").chars().map(safe).collect();
    let mut end = text.len().min(LONGEST_ADDRESS);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_request_in_so_many_is_looked_at_and_the_first_ones_always() {
        let mut sampler = Sampler::default();
        assert!((0..FIRST).all(|_| sampler.draw(20) == Some(1)));
        let counted: u32 = (0..20_000).filter_map(|_| sampler.draw(20)).sum();
        assert!((18_000..22_000).contains(&counted), "{counted}");
        let mut every = Sampler::default();
        assert!((0..100).all(|_| every.draw(1) == Some(1)));
    }

    #[test]
    fn an_address_shows_no_id_and_no_token() {
        for id in [
            "0123456789abcdefghijkl",
            "Fa3,kX-9Qz77PmLw-0aVbc8dKe,Rtyu12MnOpq-3XyZ",
            "d8918238-b8d5-4f45-a27f-b80ed0000000",
        ] {
            assert_eq!(address(&format!("/reset/{id}/go?x={id}")), "/reset/*/go", "{id}");
            assert_eq!(address(&format!("/cart;sid={id}")), "/cart");
        }
        assert_eq!(address("/leave/ann@example.org/bob%40example.org/now"), "/leave/*/*/now");
        for kept in [
            "/",
            "/2024/05/a-long-title-of-a-post-about-2-things/",
            "/shop/product-category/woollen-socks/page/2/",
            "/wp-json/wc/store/v1/cart",
            "/impressum-und-datenschutz",
        ] {
            assert_eq!(address(kept), kept);
        }
    }

    #[test]
    fn a_label_has_three_parts_whatever_names_hold() {
        let by = Culprit { who: "plugin a | b".into(), at: "x | y.php:1".into() };
        let label = label(&format!("write {}", shown_name(b"a | b\n")), &by);
        assert_eq!(label.splitn(3, " | ").collect::<Vec<_>>(), ["write a ? b?", "plugin a / b", "x | y.php:1"]);
    }
}
