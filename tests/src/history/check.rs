//! Judges a history. Each time a client read a session, everything that had been acknowledged by then must be there, unless a
//! removal or an ending explains that it is not; nothing twice; nothing that nobody wrote, nothing of which was said that it
//! was not stored; and of what had been ended, nothing. What nobody knows the outcome of may be there or not.
//!
//! The last reads are those of the judge itself, of every id, when all is quiet.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::lines::{Fate, Kind, Lines, Link, Traced, may_be, stored};
use super::log::{History, How, Op, Told, What};
use super::vars::{COUNTER, Edit, LIST, SHARED, Vars};

/// The name under which the judge reads at the end.
pub(crate) const JUDGE: &str = "judge";
/// How far back an ending reaches: so many rotations are remembered in a record.
const TRAIL: usize = 16;

/// A broken promise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    /// Which rule.
    pub rule: &'static str,
    /// What happened.
    pub text: String,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.rule, self.text)
    }
}

/// What was read of a session.
struct Read<'a> {
    op: &'a Op,
    end: u64,
    how: &'a How,
    vars: &'a Vars,
    owner: Option<&'a str>,
    key: &'a str,
}

struct Judgement<'a> {
    history: &'a History,
    lines: Lines<'a>,
    /// Keys that are over, since when, and by what.
    over: BTreeMap<&'a str, (u64, &'a Op)>,
    /// Log-ins, with whom.
    logins: Vec<(&'a Op, &'a str)>,
    /// Changes of which a removal explained that they are not there: under which key, at what time. It explains it under
    /// that key and its successors from then on, so that it is not looked for at each read again.
    removed: BTreeMap<&'a str, (&'a str, u64)>,
    broken: Vec<Broken>,
}

/// Every promise that the history shows broken.
pub(crate) fn check(history: &History) -> Vec<Broken> {
    let lines = Lines::of(history, JUDGE);
    let logins = history.ops.iter().filter_map(|op| match &op.what {
        What::Rotate { owner: Some(owner), .. } => Some((op, owner.as_str())),
        _ => None,
    });
    let logins = logins.collect();
    let (over, removed) = (BTreeMap::new(), BTreeMap::new());
    let mut judgement = Judgement { history, lines, over, logins, removed, broken: Vec::new() };
    judgement.endings();
    judgement.rotations();
    for op in &history.ops {
        judgement.judge(op);
    }
    judgement.broken
}

impl<'a> Judgement<'a> {
    fn blame(&mut self, rule: &'static str, op: &Op, text: &str) {
        let Op { client, request, group, begin, key, what, .. } = op;
        let key = key.get(..8).unwrap_or(key);
        let what = match what {
            What::Open => "open",
            What::Commit(_) => "commit",
            What::Rotate { .. } => "rotation",
            What::End { .. } => "ending",
            What::EndOwner(_) => "ending of the owner",
        };
        self.broken.push(Broken {
            rule,
            text: format!("{text} [{what} of {client}, request {request}, at {begin}, visitor {group}, key {key}]"),
        });
    }

    /// Finds what is over.
    fn endings(&mut self) {
        let mut over: BTreeMap<String, (u64, &'a Op)> = BTreeMap::new();
        for op in &self.history.ops {
            let Some((at, Told::Ended, _)) = &op.told else { continue };
            let ended: Vec<&str> = match &op.what {
                What::End { live: true, .. } => vec![&op.key],
                What::End { frozen: true, .. } => {
                    // What the old id still reads is over, and no more.
                    over.entry(op.key.clone()).or_insert((*at, op));
                    continue;
                }
                What::EndOwner(owner) => self.owned(owner, op.begin),
                _ => continue,
            };
            for key in ended {
                let by_key = matches!(op.what, What::End { .. });
                for key in self.lines.future(key) {
                    let trail = if by_key { TRAIL } else { 0 };
                    for key in self.lines.past(key).into_iter().take(trail + 1) {
                        let earliest = over.entry(key.to_owned()).or_insert((*at, op));
                        if *at < earliest.0 {
                            *earliest = (*at, op);
                        }
                    }
                }
            }
        }
        let mut keys: BTreeSet<&'a str> = self.history.ops.iter().map(|op| op.key.as_str()).collect();
        keys.extend(self.history.ops.iter().filter_map(|op| Some(op.told.as_ref()?.2.as_str())));
        self.over = keys.into_iter().filter_map(|key| Some((key, *over.get(key)?))).collect();
    }

    /// The keys of sessions that were seen to belong to an owner before.
    fn owned(&self, owner: &str, before: u64) -> Vec<&'a str> {
        let mut owned = Vec::new();
        for op in &self.history.ops {
            let Some((at, told, key)) = &op.told else { continue };
            let now = match (&op.what, told) {
                (What::Open, Told::Opened { how: How::Live | How::Follow, owner, .. }) => owner.as_deref(),
                (What::Rotate { owner, .. }, Told::Moved | Told::Unlinked { stored: true }) => owner.as_deref(),
                _ => None,
            };
            if *at < before && now == Some(owner) {
                owned.push(key.as_str());
            }
        }
        owned
    }

    /// A session moves to one other id at most.
    fn rotations(&mut self) {
        let mut moved = BTreeMap::new();
        for op in &self.history.ops {
            if let (What::Rotate { key: asked, .. }, Some((_, Told::Moved, key))) = (&op.what, &op.told) {
                if let Some(other) = moved.insert(&op.key, key) {
                    self.blame("two successors", op, &format!("it had moved to {other} and moved again to {key}"));
                }
                if asked != key {
                    self.blame("truth", op, &format!("a rotation to {asked} led to {key}"));
                }
            }
        }
    }

    fn judge(&mut self, op: &'a Op) {
        let Some((end, told, key)) = &op.told else { return };
        if let Told::Opened { how, vars, owner } = told {
            let read = Read { op, end: *end, how, vars, owner: owner.as_deref(), key };
            self.read(&read);
        } else if op.what == What::Open {
            self.blame("value out of nothing", op, &format!("{told:?}"));
        } else if stored(told) && *told != Told::Unchanged && !matches!(told, Told::Unlinked { .. }) {
            let over = self.over.get(key.as_str()).or(self.over.get(op.key.as_str()));
            if let Some((since, by)) = over.filter(|(since, _)| *since < op.begin) {
                let text = format!("acknowledged ({told:?}), though {} had ended the session at {since}", by.client);
                self.blame("ended stays ended", op, &text);
            }
        }
    }

    fn read(&mut self, read: &Read<'a>) {
        let op = read.op;
        if op.client == JUDGE && !self.lines.is_known(&op.key) {
            // An id that nobody was ever given: what is under it is nobody's.
            return;
        }
        match read.how {
            How::Detached => return,
            How::Absent(why) => return self.absent(read, why),
            _ => {}
        }
        if let Some((since, by)) = self.over.get(op.key.as_str()).filter(|(since, _)| *since < op.begin) {
            let text = format!("it opens {:?}, though {} had ended it at {since}", read.how, by.client);
            self.blame("ended stays ended", op, &text);
        }
        let certain = |link: &&Link<'_>| link.kind == Kind::Certain && link.end < op.begin;
        let moved = self.lines.leading_from(&op.key).find(certain).map(|link| (link.to, link.end));
        if let Some((to, at)) = moved.filter(|_| *read.how == How::Live) {
            self.blame("moved stays moved", op, &format!("it is live, though it had moved to {to} at {at}"));
        }
        self.nothing_twice_or_out_of_nothing(read);
        if *read.how == How::Frozen {
            if !self.lines.leading_from(&op.key).any(|link| link.begin < read.end) {
                self.blame("moved stays moved", op, "it reads as moved, and nobody moved it");
            }
            if let Some(owner) = read.owner {
                self.blame("value out of nothing", op, &format!("a frozen copy with the owner {owner}"));
            }
            return;
        }
        if *read.how == How::Follow && !self.lines.sources(read.key).contains(op.key.as_str()) {
            self.blame("moved stays moved", op, &format!("it led to {}, where nobody moved it", read.key));
        }
        self.nothing_missing(read);
        self.shared(read);
        self.login(read);
    }

    fn absent(&mut self, read: &Read<'a>, why: &str) {
        let (op, lines) = (read.op, &self.lines);
        let before = |other: &&Op| other.group == op.group && other.begin < read.end;
        let explained = match why {
            "MovedLate" => lines.leading_from(&op.key).next().is_some(),
            "Unknown" => {
                let was = |other: &Op| {
                    let told = other.told.as_ref();
                    told.is_some_and(|(at, told, key)| {
                        *at < op.begin && *key == op.key && stored(told) && *told != Told::Unchanged
                    })
                };
                !self.history.ops.iter().any(was)
            }
            "Ended" => {
                let (sources, targets) = (lines.sources(&op.key), lines.targets(&op.key));
                let family = |key: &str| sources.contains(key) || targets.contains(key);
                self.history.ops.iter().filter(before).filter(|other| may_be(other)).any(|other| match &other.what {
                    What::EndOwner(_) => true,
                    What::End { live, frozen } => (*live || *frozen) && family(&other.key),
                    // One that removes a variable ends what had led there.
                    What::Rotate { .. } => {
                        lines.removers.contains(&(other.client.as_str(), other.request)) && family(&other.key)
                    }
                    _ => false,
                })
            }
            _ => false,
        };
        if !explained {
            self.blame("no session is lost", op, &format!("it opens nothing ({why}), and nobody ended it"));
        }
    }

    fn nothing_twice_or_out_of_nothing(&mut self, read: &Read<'a>) {
        let sources = self.lines.sources(read.key);
        let mut found = Vec::new();
        let mut seen = BTreeSet::new();
        for element in read.vars.list() {
            if !seen.insert(element) {
                found.push(("nothing twice", format!("{element} is in the list twice")));
            }
        }
        let frozen = *read.how == How::Frozen;
        let moved = self.lines.leading_from(read.key).filter(|link| frozen && link.kind == Kind::Certain);
        let until = moved.map(|link| link.end).min().unwrap_or(read.end).min(read.end);
        let traced = |tag: &str, edit: &Edit| {
            let Some(traced) = self.lines.changes.get(tag) else { return Some("nobody wrote it") };
            if traced.change.edit != *edit || traced.group != read.op.group {
                Some("it was written elsewhere")
            } else if traced.fate == Fate::Refused {
                Some("it was said not to be stored")
            } else if traced.begin > until {
                Some("it was written only later")
            } else if !traced.keys.iter().any(|key| sources.contains(key)) {
                Some("it was written to another session")
            } else {
                None
            }
        };
        let list = read.vars.list().iter().map(|tag| (tag.as_str(), Edit::Append));
        let owned = read.vars.owned().map(|tag| (tag, Edit::Set));
        let shared = read.vars.shared().into_iter().map(|tag| (tag, Edit::Assign));
        for (tag, edit) in list.chain(owned).chain(shared) {
            if let Some(why) = traced(tag, &edit) {
                found.push(("value out of nothing", format!("{tag} ({edit:?}): {why}")));
            }
        }
        for (name, _) in &read.vars.0 {
            if ![LIST, COUNTER, SHARED].contains(&name.as_str()) && !name.starts_with("v_") {
                found.push(("value out of nothing", format!("a variable {name}")));
            }
        }
        let most: i64 = self
            .lines
            .additions
            .get(&read.op.group)
            .into_iter()
            .flatten()
            .map(|tag| &self.lines.changes[tag])
            .filter(|t| t.fate != Fate::Refused && t.begin < until && t.keys.iter().any(|key| sources.contains(key)))
            .filter_map(added)
            .sum();
        if read.vars.counter() > most {
            let text = format!("the counter is {}, and at most {most} was added", read.vars.counter());
            found.push(("nothing twice", text));
        }
        found.into_iter().for_each(|(rule, text)| self.blame(rule, read.op, &text));
    }

    fn nothing_missing(&mut self, read: &Read<'a>) {
        let (past, sources) = (self.lines.past(read.key), self.lines.sources(read.key));
        let list: BTreeSet<&str> = read.vars.list().iter().map(String::as_str).collect();
        let owned: BTreeSet<&str> = read.vars.owned().collect();
        let (mut found, mut explained, mut least) = (Vec::new(), Vec::<&'a str>::new(), 0);
        for traced in self.lines.stored_under(&past).filter(|traced| traced.since() < read.op.begin) {
            let tag: &'a str = traced.change.tag.as_str();
            let there = match &traced.change.edit {
                Edit::Append => list.contains(tag),
                Edit::Set => owned.contains(tag),
                Edit::Assign => read.vars.shared().is_some(),
                Edit::Add(by) => {
                    least += by;
                    true
                }
                Edit::Unset(_) | Edit::Remove(_) => {
                    if let Some(text) = self.comes_back(read, traced, &past) {
                        found.push(text);
                    }
                    true
                }
            };
            let known = || self.removed.get(tag).is_some_and(|(key, at)| *at <= read.end && sources.contains(key));
            if there || known() {
                continue;
            }
            if self.lines.is_removed(traced, &sources, read.end) {
                explained.push(tag);
            } else {
                found.push(format!("{tag} ({:?}) was acknowledged at {}", traced.change.edit, traced.since()));
            }
        }
        if read.vars.counter() < least {
            found.push(format!("the counter is {}, and {least} was added and acknowledged", read.vars.counter()));
        }
        self.removed.extend(explained.into_iter().map(|tag| (tag, (read.key, read.end))));
        found.into_iter().for_each(|text| self.blame("no change is lost", read.op, &text));
    }

    /// Whether what was removed is there again.
    fn comes_back(&self, read: &Read<'_>, removal: &Traced<'_>, past: &[&str]) -> Option<String> {
        let target = removal.removes()?;
        let again = |tag: &str| format!("{tag} is there, though {} removed it", removal.change.tag);
        if let Some(tag) = target.strip_prefix("v_") {
            return read.vars.owned().any(|owned| owned == tag).then(|| again(tag));
        }
        let back = match &removal.change.edit {
            Edit::Remove(element) => read.vars.list().contains(element).then(|| again(element)),
            _ if target == LIST => {
                let was_there = |tag: &&String| {
                    self.lines.changes.get(tag.as_str()).is_some_and(|t| {
                        t.since() < removal.opened && t.stored_at.is_some_and(|key| past.contains(&key))
                    })
                };
                read.vars.list().iter().find(was_there).map(|tag| again(tag))
            }
            _ => None,
        }?;
        // What overlaps a rotation adds only what does not conflict; this one was told that it did.
        let before = |link: &Link<'_>| link.begin < removal.since();
        let moved = removal.stored_at.is_some_and(|key| self.lines.leading_from(key).any(before));
        let yielded = target == LIST && removal.disputed && moved;
        (!yielded && !self.kept_by_a_rotation(removal, read)).then_some(back)
    }

    /// Whoever rotates wins: where somebody removed the list as a whole meanwhile, it stays as the rotation has it, also
    /// with elements that others had removed by then.
    fn kept_by_a_rotation(&self, removal: &Traced<'_>, read: &Read<'_>) -> bool {
        let overlap = |a: &Traced<'_>, b: &Traced<'_>| a.since() >= b.opened && b.since() >= a.opened;
        let wholes: Vec<_> = self
            .lines
            .removals
            .get(LIST)
            .into_iter()
            .flatten()
            .map(|tag| &self.lines.changes[tag])
            .filter(|whole| whole.fate != Fate::Refused && whole.begin < read.end)
            .collect();
        let rotators = self.lines.list_rotators.get(&read.op.group).into_iter().flatten();
        rotators.map(|tag| &self.lines.changes[tag]).any(|rotator| {
            rotator.fate != Fate::Refused
                && rotator.opened <= removal.since()
                && wholes.iter().any(|whole| whole.group == read.op.group && overlap(whole, rotator))
        })
    }

    /// The shared variable holds what was assigned last, or at the same time as that.
    fn shared(&mut self, read: &Read<'a>) {
        let Some(tag) = read.vars.shared() else { return };
        let Some(assigned) = self.lines.changes.get(tag) else { return };
        let past = self.lines.past(read.key);
        let later = self.lines.stored_under(&past).find(|t| {
            let shared = t.change.edit == Edit::Assign || t.removes() == Some(SHARED);
            // Who knew what is asked last: it walks the whole line of ids.
            if !shared || t.opened <= assigned.since() || t.since() >= read.op.begin {
                return false;
            }
            t.stored_at.is_some_and(|at| {
                let past = self.lines.past(at);
                assigned.stored_at.is_some_and(|key| past.contains(&key))
            })
        });
        if let Some(later) = later {
            let text = format!("shared holds {tag}, though {} came after it", later.change.tag);
            self.blame("no change is lost", read.op, &text);
        }
    }

    fn login(&mut self, read: &Read<'a>) {
        let past = self.lines.past(read.key);
        let logins = || self.logins.iter().filter(|(op, _)| op.group == read.op.group);
        let found = match read.owner {
            Some(owner) if !logins().any(|(op, o)| *o == owner && op.begin < read.end) => {
                Some(("value out of nothing", format!("{owner} is logged in, and never came")))
            }
            None => logins()
                .find(|(op, _)| {
                    op.told.as_ref().is_some_and(|(at, told, key)| {
                        *at < read.op.begin && *told == Told::Moved && past.contains(&key.as_str())
                    })
                })
                .map(|(op, owner)| ("no change is lost", format!("{owner} had logged in at {}, and is not", op.begin))),
            _ => None,
        };
        if let Some((rule, text)) = found {
            self.blame(rule, read.op, &text);
        }
    }
}

fn added(traced: &Traced<'_>) -> Option<i64> {
    match traced.change.edit {
        Edit::Add(by) => Some(by),
        _ => None,
    }
}
