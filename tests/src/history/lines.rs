//! Which ids are one session, and where each change has gone, as far as what clients were told lets one say.
//!
//! A rotation that was acknowledged is a *certain* link from the old key to the new one. One of which nobody knows (its client
//! was killed, or the reply never came) becomes certain when the old id is found moved at the end and nothing else can have
//! moved it; until then it is a *possible* link. Links of every kind tell where a value may come from; only certain ones tell
//! where it must be.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::log::{History, How, Op, Told, What};
use super::vars::{Change, Edit, LIST, SHARED, own};

/// What has become of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// Stored, says the engine; since then.
    Stored(u64),
    /// Nobody knows.
    Open,
    /// Not stored, says the engine each time it was asked.
    Refused,
}

/// A change and its story.
#[derive(Debug, Clone)]
pub(crate) struct Traced<'a> {
    pub(crate) change: &'a Change,
    pub(crate) group: usize,
    /// When its request began: the change knows what had been stored by then.
    pub(crate) opened: u64,
    /// When it was first asked for.
    pub(crate) begin: u64,
    pub(crate) fate: Fate,
    /// The session's key when it was stored.
    pub(crate) stored_at: Option<&'a str>,
    /// The keys under which it may be.
    pub(crate) keys: BTreeSet<&'a str>,
    /// Whether its request rotated the session, and so wins conflicts.
    pub(crate) rotates: bool,
    /// Whether a conflict on the list was told as it was stored, or may have been where nobody could hear it.
    pub(crate) disputed: bool,
}

impl Traced<'_> {
    /// Since when it is certain to be stored; never, where it is not.
    pub(crate) fn since(&self) -> u64 {
        match self.fate {
            Fate::Stored(at) => at,
            _ => u64::MAX,
        }
    }

    /// What it removes.
    pub(crate) fn removes(&self) -> Option<&str> {
        match &self.change.edit {
            Edit::Unset(what) | Edit::Remove(what) => Some(what),
            _ => None,
        }
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Link<'a> {
    pub(crate) from: &'a str,
    pub(crate) to: &'a str,
    pub(crate) kind: Kind,
    /// Whether others were led along it.
    pub(crate) follow: bool,
    pub(crate) begin: u64,
    /// When it was known to be there.
    pub(crate) end: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Certain,
    Possible,
    /// A session of its own that began with what was read under the old id.
    Copied,
}

/// All of it.
#[derive(Debug)]
pub(crate) struct Lines<'a> {
    pub(crate) links: Vec<Link<'a>>,
    /// By tag.
    pub(crate) changes: BTreeMap<&'a str, Traced<'a>>,
    /// Tags of stored changes, by key.
    stored: BTreeMap<&'a str, Vec<&'a str>>,
    /// Tags of removals, by what they remove.
    pub(crate) removals: BTreeMap<&'a str, Vec<&'a str>>,
    /// Tags of what may have removed an element that others removed, too, where one of them was told of a conflict.
    contested: Vec<Vec<&'a str>>,
    /// Tags of additions to the counter, by visitor.
    pub(crate) additions: BTreeMap<usize, Vec<&'a str>>,
    /// Tags of changes to the list by requests that rotate, by visitor.
    pub(crate) list_rotators: BTreeMap<usize, Vec<&'a str>>,
    /// Keys that somebody got to know, but the judge.
    known: BTreeSet<&'a str>,
    /// Requests that removed something.
    pub(crate) removers: BTreeSet<Request<'a>>,
    from: BTreeMap<&'a str, Vec<usize>>,
    to: BTreeMap<&'a str, Vec<usize>>,
}

/// A request, by its client and number.
type Request<'a> = (&'a str, u64);

/// What is known of requests as a whole.
#[derive(Default)]
struct Requests<'a> {
    opened: BTreeMap<Request<'a>, u64>,
    removers: BTreeSet<Request<'a>>,
    rotators: BTreeSet<Request<'a>>,
}

impl<'a> Requests<'a> {
    fn of(history: &'a History) -> Self {
        let mut all = Self::default();
        for op in &history.ops {
            let request = (op.client.as_str(), op.request);
            let first = all.opened.entry(request).or_insert(op.begin);
            *first = op.begin.min(*first);
            if changes(op).iter().any(|change| matches!(change.edit, Edit::Unset(_) | Edit::Remove(_))) {
                all.removers.insert(request);
            }
            if matches!(op.what, What::Rotate { .. }) {
                all.rotators.insert(request);
            }
        }
        all
    }
}

/// What an operation asks to be stored.
pub(crate) fn changes(op: &Op) -> &[Change] {
    match &op.what {
        What::Commit(changes) | What::Rotate { changes, .. } => changes,
        _ => &[],
    }
}

/// Whether what was asked may have been done.
pub(crate) fn may_be(op: &Op) -> bool {
    match &op.told {
        None => true,
        Some((_, Told::Failed { unknown, .. }, _)) => *unknown,
        Some((_, Told::Refused(_), _)) => false,
        Some(_) => true,
    }
}

/// Whether what was asked to be stored is stored, says the engine.
pub(crate) fn stored(told: &Told) -> bool {
    matches!(
        told,
        Told::Written
            | Told::Merged(_)
            | Told::Unchanged
            | Told::Moved
            | Told::Adopted
            | Told::Unlinked { stored: true }
    )
}

impl<'a> Lines<'a> {
    pub(crate) fn of(history: &'a History, judge: &str) -> Self {
        let Requests { opened, removers, rotators } = Requests::of(history);
        let mut lines = Self {
            links: Vec::new(),
            changes: BTreeMap::new(),
            stored: BTreeMap::new(),
            removals: BTreeMap::new(),
            contested: Vec::new(),
            additions: BTreeMap::new(),
            list_rotators: BTreeMap::new(),
            known: BTreeSet::new(),
            removers,
            from: BTreeMap::new(),
            to: BTreeMap::new(),
        };
        let mut last = BTreeMap::new();
        for op in &history.ops {
            let request = (op.client.as_str(), op.request);
            lines.follow_change(op, opened[&request], rotators.contains(&request));
            lines.follow_rotation(op, !lines.removers.contains(&request));
            let told = op.told.as_ref();
            match told {
                Some((_, Told::Opened { how, .. }, after)) if op.client == judge => {
                    last.insert(op.key.as_str(), how);
                    // The judge knows an id only from the logs.
                    let _ = after;
                }
                Some((_, Told::Opened { how: How::Live | How::Follow, .. }, after)) => {
                    lines.known.insert(after);
                }
                Some((_, told, after)) if stored(told) => {
                    lines.known.insert(after);
                }
                _ => {}
            }
        }
        lines.settle(&last);
        for (at, link) in lines.links.iter().enumerate() {
            lines.from.entry(link.from).or_default().push(at);
            lines.to.entry(link.to).or_default().push(at);
        }
        for (tag, traced) in &lines.changes {
            if let Some(key) = traced.stored_at {
                lines.stored.entry(key).or_default().push(tag);
            }
            match traced.change.edit {
                Edit::Add(_) => lines.additions.entry(traced.group).or_default().push(tag),
                Edit::Append | Edit::Remove(_) if traced.rotates => {
                    lines.list_rotators.entry(traced.group).or_default().push(tag);
                }
                _ => {}
            }
            if let Edit::Unset(what) | Edit::Remove(what) = &traced.change.edit {
                lines.removals.entry(what).or_default().push(tag);
            }
        }
        // Once, and not for each element that is looked for: long histories have thousands of both.
        let may_be_removed = |tag: &&&'a str| {
            let removal = &lines.changes[**tag];
            removal.fate != Fate::Refused && matches!(removal.change.edit, Edit::Remove(_))
        };
        let contested = lines.removals.values().map(|tags| tags.iter().filter(may_be_removed).copied().collect());
        let contested: Vec<Vec<&'a str>> = contested.collect();
        let disputed = |tags: &Vec<&'a str>| tags.len() > 1 && tags.iter().any(|tag| lines.changes[tag].disputed);
        lines.contested = contested.into_iter().filter(disputed).collect();
        lines
    }

    fn follow_change(&mut self, op: &'a Op, opened: u64, rotates: bool) {
        for change in changes(op) {
            let traced = self.changes.entry(&change.tag).or_insert(Traced {
                change,
                group: op.group,
                opened,
                begin: op.begin,
                fate: Fate::Refused,
                stored_at: None,
                keys: BTreeSet::new(),
                rotates,
                disputed: rotates,
            });
            traced.keys.insert(&op.key);
            if let What::Rotate { key, .. } = &op.what {
                traced.keys.insert(key);
            }
            match &op.told {
                Some((_, Told::Merged(conflicts), _)) => {
                    traced.disputed |= conflicts.iter().any(|name| name.starts_with(LIST));
                }
                None | Some((_, Told::Failed { .. }, _)) => traced.disputed = true,
                _ => {}
            }
            if let Some((at, told, after)) = &op.told {
                traced.keys.insert(after);
                if stored(told) && traced.stored_at.is_none() {
                    traced.fate = Fate::Stored(*at);
                    traced.stored_at = Some(after);
                }
            }
            if traced.fate == Fate::Refused && may_be(op) {
                // A session of its own that is not stored yet: its first commit tells.
                let unlinked = matches!(op.told, Some((_, Told::Unlinked { .. }, _)));
                traced.fate = if unlinked { Fate::Refused } else { Fate::Open };
            }
        }
    }

    fn follow_rotation(&mut self, op: &'a Op, keeps_all: bool) {
        let What::Rotate { key, follow, .. } = &op.what else { return };
        let follow = *follow && keeps_all;
        let (kind, to, end) = match &op.told {
            None | Some((_, Told::Failed { unknown: true, .. }, _)) => (Kind::Possible, key, u64::MAX),
            Some((at, Told::Moved, after)) => (Kind::Certain, after, *at),
            Some((at, Told::Unlinked { .. }, after)) => (Kind::Copied, after, *at),
            _ => return,
        };
        self.links.push(Link { from: &op.key, to, kind, follow, begin: op.begin, end });
    }

    /// Makes certain what can be told at the end.
    fn settle(&mut self, last: &BTreeMap<&str, &How>) {
        for at in 0..self.links.len() {
            let Link { from, kind, .. } = self.links[at];
            let rivals = self.links.iter().filter(|link| link.from == from && link.kind != Kind::Copied).count();
            let moved = matches!(last.get(from), Some(How::Frozen | How::Follow));
            if kind == Kind::Possible && rivals == 1 && moved {
                self.links[at].kind = Kind::Certain;
            }
        }
    }

    /// Whether somebody holds this id, so that promises are made about it.
    pub(crate) fn is_known(&self, key: &str) -> bool {
        self.known.contains(key) || self.leading_to(key).any(|link| link.kind == Kind::Certain)
    }

    pub(crate) fn leading_to(&self, key: &str) -> impl Iterator<Item = &Link<'a>> {
        self.to.get(key).into_iter().flatten().map(|at| &self.links[*at])
    }

    pub(crate) fn leading_from(&self, key: &str) -> impl Iterator<Item = &Link<'a>> {
        self.from.get(key).into_iter().flatten().map(|at| &self.links[*at])
    }

    fn walk<'k>(&'k self, key: &'k str, next: impl Fn(&'k str) -> Vec<&'k str>) -> Vec<&'k str> {
        let (mut all, mut at, mut seen) = (vec![key], 0, HashSet::from([key]));
        while at < all.len() {
            for key in next(all[at]) {
                if seen.insert(key) {
                    all.push(key);
                }
            }
            at += 1;
        }
        all
    }

    /// The key and those that certainly led to it, nearest first.
    pub(crate) fn past<'k>(&'k self, key: &'k str) -> Vec<&'k str> {
        self.walk(key, |key| {
            self.leading_to(key).filter(|link| link.kind == Kind::Certain).map(|link| link.from).collect()
        })
    }

    /// The key and those of which something may be under it.
    pub(crate) fn sources<'k>(&'k self, key: &'k str) -> BTreeSet<&'k str> {
        self.walk(key, |key| self.leading_to(key).map(|link| link.from).collect()).into_iter().collect()
    }

    /// The key and those under which something of it may be.
    pub(crate) fn targets<'k>(&'k self, key: &'k str) -> BTreeSet<&'k str> {
        self.walk(key, |key| self.leading_from(key).map(|link| link.to).collect()).into_iter().collect()
    }

    /// The key and those to which it certainly led others on.
    pub(crate) fn future<'k>(&'k self, key: &'k str) -> Vec<&'k str> {
        let leads = |link: &&Link<'_>| link.kind == Kind::Certain && link.follow;
        self.walk(key, |key| self.leading_from(key).filter(leads).map(|link| link.to).collect())
    }

    /// Stored changes that must be seen under a key.
    pub(crate) fn stored_under<'k>(&'k self, past: &'k [&'k str]) -> impl Iterator<Item = &'k Traced<'a>> {
        past.iter().filter_map(|key| self.stored.get(key)).flatten().map(|tag| &self.changes[tag])
    }

    /// Whether a removal explains that a change is not seen at `until` under a key with these sources: one that may have been
    /// carried out, and was not over when the change's request began.
    pub(crate) fn is_removed(&self, traced: &Traced<'_>, sources: &BTreeSet<&str>, until: u64) -> bool {
        let tag = &traced.change.tag;
        let targets = match &traced.change.edit {
            Edit::Append => vec![LIST.to_owned(), tag.clone()],
            Edit::Set => vec![own(tag)],
            Edit::Assign => vec![SHARED.to_owned()],
            _ => vec![],
        };
        if traced.change.edit == Edit::Append && self.is_disputed(traced, sources, until) {
            return true;
        }
        let found = targets.iter().filter_map(|target| self.removals.get(target.as_str())).flatten();
        found.map(|tag| &self.changes[tag]).any(|removal| {
            removal.fate != Fate::Refused
                && removal.begin < until
                && removal.since() >= traced.opened
                && removal.keys.iter().any(|key| sources.contains(key))
        })
    }

    /// Whether it may have been the loser of a conflict that was told. An element that goes and one that comes at its place
    /// are, to whoever sees only the two lists, one that was changed; and where two requests removed the same element, their
    /// changes of it conflict.
    fn is_disputed(&self, traced: &Traced<'_>, sources: &BTreeSet<&str>, until: u64) -> bool {
        self.contested.iter().any(|tags| {
            let removals = || {
                tags.iter()
                    .map(|tag| &self.changes[tag])
                    .filter(|removal| removal.begin < until && removal.keys.iter().any(|key| sources.contains(key)))
            };
            removals().count() > 1 && removals().any(|removal| removal.disputed && removal.since() >= traced.opened)
        })
    }
}
