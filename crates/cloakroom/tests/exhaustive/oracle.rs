//! What must be true at the end of every run. It knows the requests' scripts, what each operation was told, and which
//! writes the store applied in which order; of the engine it uses only what an id opens at the end.

use std::collections::{BTreeMap, BTreeSet};

use cloakroom::{Committed, Dropped, MoveKind, Record, Rotated, State};

use super::explore::Broke;
use super::gate::Shared;
use super::history::{Event, How, Kind, Left, Op, Told, What};
use super::payload::{Edit, Value, Vars};
use super::requests::{OWNER, Page, first_vars};
use super::world::{Case, OLDER, Prepared, Start, View, World};

type Judged = Result<(), Broke>;

/// How one record moved to another.
#[derive(Debug, Clone, Copy)]
struct Link {
    to: usize,
    /// When, and by which operation; 0 and none for what had moved before the run.
    seq: u64,
    who: Option<usize>,
    op: Option<usize>,
    /// The kind as it is last.
    kind: MoveKind,
}

struct Facts<'a> {
    case: &'a Case,
    ops: Vec<Op>,
    events: Vec<Event>,
    passed: Vec<(u64, u64)>,
    left: Vec<Option<Left>>,
    names: Vec<String>,
    views: Vec<View>,
    records: Vec<Option<Record>>,
    links: BTreeMap<usize, Link>,
}

macro_rules! ensure {
    ($rule:literal, $holds:expr, $($text:tt)+) => {
        if !$holds {
            return Err(Broke { rule: $rule, text: format!("{}: {}", $rule, format!($($text)+)) });
        }
    };
}

/// Judges a run that has ended: now, after the grace, and after every tombstone has gone.
pub(crate) async fn judge(world: &mut World, prepared: &Prepared) -> Judged {
    let case = world.case.clone();
    let (ops, events, passed, left, names) = {
        let shared: &Shared = &world.lock();
        let log = &shared.log;
        let names: Vec<String> = shared.ids.iter().map(|(name, ..)| name.clone()).collect();
        (log.ops.clone(), log.events.clone(), log.passed.clone(), log.left.clone(), names)
    };
    let mut facts = Facts {
        case: &case,
        links: links(&ops, &events, prepared),
        ops,
        events,
        passed,
        left,
        names,
        views: Vec::new(),
        records: Vec::new(),
    };
    for index in 0..facts.names.len() {
        facts.views.push(world.view(index).await);
        facts.records.push(world.record(index).await);
    }
    facts.told_the_truth()?;
    facts.no_change_is_lost()?;
    facts.nothing_twice_and_nothing_from_nowhere()?;
    facts.records_keep_owner_and_deadline()?;
    facts.old_ids_gain_nothing()?;
    facts.rotations_are_one_or_unlinked()?;
    facts.tickets_lead_somewhere()?;
    facts.ended_stays_ended()?;
    for seconds in [case.settings.policy.grace.as_secs() + 1, case.settings.policy.tombstone.as_secs()] {
        world.pass(seconds);
        if seconds > 600 {
            world.sweep().await;
        }
        for index in 0..facts.names.len() {
            facts.views[index] = world.view(index).await;
        }
        facts.nothing_twice_and_nothing_from_nowhere()?;
        facts.ended_stays_ended()?;
        for (from, link) in &facts.links {
            // The fixed grace of the promise, whatever the settings say.
            let opened = facts.views[*from].how;
            let again = facts.evicted_after(*from, link.seq) && facts.created_after(*from, link.seq);
            ensure!(
                "grace",
                matches!(opened, How::Absent(_)) || again,
                "{} had moved and opens {opened:?} after the grace",
                facts.names[*from]
            );
        }
    }
    Ok(())
}

fn links(ops: &[Op], events: &[Event], prepared: &Prepared) -> BTreeMap<usize, Link> {
    let mut links = BTreeMap::new();
    for (from, to) in &prepared.moved {
        links.insert(*from, Link { to: *to, seq: 0, who: None, op: None, kind: MoveKind::Other(0) });
    }
    for event in events {
        if let Some(State::Moved { kind, .. }) = event.after.as_ref().map(|r| r.state) {
            let rotation =
                ops.iter().rev().find(|o| Some(o.who) == event.who && o.target.is_some() && o.start <= Some(event.seq));
            // Evicted, made anew and moved again: only the last move counts.
            let made = events.iter().rev().find(|e| e.id == event.id && e.what == What::Create && e.seq < event.seq);
            if links.get(&event.id).is_some_and(|l| made.is_some_and(|m| m.seq > l.seq)) {
                links.remove(&event.id);
            }
            let link: &mut Link = links.entry(event.id).or_insert(Link {
                to: rotation.and_then(|o| o.target).unwrap_or(event.id),
                seq: event.seq,
                who: event.who,
                op: event.op,
                kind,
            });
            link.kind = kind;
        }
    }
    links
}

impl Facts<'_> {
    fn page(&self, who: usize) -> Page {
        self.case.pages[who]
    }

    /// Where what was stored under an id is now.
    fn chain(&self, mut id: usize) -> Vec<usize> {
        let mut path = vec![id];
        // A moved record that was evicted and made anew leads nowhere any more.
        while let Some(link) = self.links.get(&id).filter(|l| !self.created_after(id, l.seq)) {
            id = link.to;
            path.push(id);
            if path.len() > self.names.len() {
                break;
            }
        }
        path
    }

    fn events_on<'a>(&'a self, id: usize, what: &'a [What]) -> impl Iterator<Item = &'a Event> {
        self.events.iter().filter(move |e| e.id == id && what.contains(&e.what))
    }

    fn evicted_after(&self, id: usize, seq: u64) -> bool {
        self.events_on(id, &[What::Evict]).any(|e| e.seq > seq)
    }

    fn created_after(&self, id: usize, seq: u64) -> bool {
        self.events_on(id, &[What::Create]).any(|e| e.seq > seq)
    }

    fn elapsed_at(&self, seq: u64) -> u64 {
        self.passed.iter().filter(|(at, _)| *at < seq).map(|(_, elapsed)| *elapsed).max().unwrap_or(0)
    }

    /// Whether so much time passed in the run that deadlines may have done something.
    fn much_time(&self) -> bool {
        let elapsed = self.elapsed_at(u64::MAX);
        let lifetime = self.case.lifetime;
        let least =
            lifetime.absolute.map_or(lifetime.idle, |a| a.min(lifetime.idle)).min(self.case.settings.policy.tombstone);
        elapsed >= least.as_secs()
    }

    fn loaded(&self, who: usize, before: u64) -> u64 {
        self.ops
            .iter()
            .rev()
            .filter(|o| o.who == who && o.kind == Kind::Open)
            .filter_map(|o| o.start)
            .find(|start| *start <= before)
            .unwrap_or(0)
    }

    fn opened(&self, op: &Op) -> Option<How> {
        let opened = self.ops.iter().rev().find(|o| o.who == op.who && o.kind == Kind::Open && o.start <= op.start)?;
        match &opened.told {
            Some(Told::Opened { how, .. }) => Some(*how),
            _ => None,
        }
    }

    /// Results are explained by what happened, and errors that say "nothing changed" are true.
    fn told_the_truth(&self) -> Judged {
        let faults = self.case.faults > 0;
        let evictions = self.events.iter().any(|e| e.what == What::Evict);
        let ends = self.events.iter().any(|e| e.what == What::End);
        let time = self.much_time();
        for (at, op) in self.ops.iter().enumerate() {
            let Some(told) = &op.told else { continue };
            let wrote = self.events.iter().any(|e| {
                e.op == Some(at)
                    && matches!(e.what, What::Create | What::Swap)
                    && e.after.as_ref().is_some_and(|r| r.state.is_live())
            });
            match told {
                Told::Failed { unknown, text } => {
                    ensure!("liveness", faults, "an operation failed although nothing did: {text}");
                    let moved = self.events.iter().any(|e| {
                        e.op == Some(at) && matches!(e.after.as_ref().map(|r| r.state), Some(State::Moved { .. }))
                    });
                    let changed = if op.kind == Kind::Rotate { moved } else { wrote && op.kind == Kind::Commit };
                    ensure!(
                        "truth",
                        *unknown || !changed,
                        "{:?} says that nothing changed, and it did: {text}",
                        op.kind
                    );
                }
                Told::Committed(Committed::Dropped(why)) | Told::Rotated(Rotated::Dropped(why)) => {
                    let explained = match why {
                        Dropped::Ended => ends || time,
                        // A successor that was lost before anybody knew it is told like this as well.
                        Dropped::OwnerEnded => {
                            ends || evictions || time || self.ops.iter().any(|o| o.kind == Kind::EndOwner)
                        }
                        Dropped::Moved => self.opened(op) == Some(How::Frozen),
                        // "May have been ended", it says.
                        Dropped::Gone => {
                            ends || evictions || time || self.events.iter().any(|e| e.what == What::Remove)
                        }
                        Dropped::Expired => time,
                        _ => false,
                    };
                    ensure!("liveness", explained, "{:?} of request {} was dropped: {why}", op.kind, op.who);
                    let live = self.events.iter().any(|e| {
                        e.op == Some(at)
                            && e.after.as_ref().is_some_and(|r| r.state.is_live())
                            && op.kind == Kind::Commit
                    });
                    ensure!("truth", !live || faults, "a commit was told dropped and was applied");
                }
                Told::Committed(Committed::Detached) => {
                    ensure!("truth", !wrote, "a detached request wrote");
                }
                Told::Committed(Committed::Written | Committed::Merged { .. }) => {
                    ensure!(
                        "truth",
                        !op.live || op.edits.is_empty() || self.opened(op) != Some(How::Detached),
                        "detached"
                    );
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Promise 1: every acknowledged change is there, unless something later explains that it is not.
    fn no_change_is_lost(&self) -> Judged {
        for (at, op) in self.ops.iter().enumerate().filter(|(_, op)| op.acknowledged()) {
            let start = op.start.unwrap_or(0);
            let path = self.chain(op.to);
            let last = path[path.len() - 1];
            let lost_otherwise = path
                .iter()
                .chain(std::iter::once(&op.from))
                .any(|id| self.evicted_after(*id, start) || self.events_on(*id, &[What::End]).next().is_some());
            if lost_otherwise || self.much_time() {
                continue;
            }
            let view = &self.views[last];
            if view.how != How::Live {
                let emptied = self.ops.iter().any(|o| o.edits.iter().any(|e| matches!(e, Edit::Remove(_))));
                ensure!(
                    "no lost update",
                    emptied && view.how != How::Frozen,
                    "what request {} wrote is under {}, which opens {:?}",
                    op.who,
                    self.names[last],
                    view.how
                );
                continue;
            }
            for (position, edit) in op.edits.iter().enumerate() {
                // What overlapped a rotation goes into the successor as far as it conflicts with nothing there; a removal as well.
                let name = match edit {
                    Edit::Set(name, _) => Some(name.to_string()),
                    Edit::Remove(name) => Some(name.to_string()),
                    Edit::Append(_) => None,
                };
                let conflicted = self.went_to_a_successor(at, op)
                    && matches!(&op.told, Some(Told::Committed(Committed::Merged { conflicts }))
                        if conflicts.iter().any(|c| Some(c) == name.as_ref()));
                let overridden = op.edits[position + 1..].iter().any(|e| same_place(e, edit))
                    || self.ops.iter().enumerate().any(|(other, o)| {
                        other != at
                            && (self.overrides(o, op, edit, &view.vars)
                                || self.beats_adopted(other, op, edit, &view.vars))
                    });
                ensure!(
                    "no lost update",
                    holds(&view.vars, edit) || overridden || conflicted,
                    "{edit:?} of request {} was acknowledged, and {} has {:?}",
                    op.who,
                    self.names[last],
                    view.vars
                );
            }
        }
        Ok(())
    }

    /// Whether it found its record moved, and so committed where the side that rotated wins. What it stored before the
    /// rotation was in no conflict with it.
    fn went_to_a_successor(&self, at: usize, op: &Op) -> bool {
        let moved = self.links.get(&op.to).is_some_and(|link| Some(link.seq) < op.end);
        let here = |e: &Event| e.op == Some(at) && e.id == op.to && e.after.as_ref().is_some_and(|r| r.state.is_live());
        moved && !self.events.iter().any(here)
    }

    /// Whether `op` rotated second and adopted the winner's session, where another operation had by then stored the value that
    /// is there: the side that rotated wins, and what others have made of its session since is on its side.
    fn beats_adopted(&self, other: usize, op: &Op, edit: &Edit, now: &Vars) -> bool {
        let Edit::Set(name, _) = edit else { return false };
        let there =
            |e: &Edit| matches!(e, Edit::Set(n, value) if n == name && now.get(name) == Some(&Value::Int(*value)));
        matches!(op.told, Some(Told::Rotated(Rotated::Adopted)))
            && self.ops[other].edits.iter().any(there)
            && self.events.iter().any(|e| e.op == Some(other) && e.id == op.to && Some(e.seq) < op.end)
    }

    /// Whether somebody who may have set a variable anew after it was removed lost it to this value, or it is his.
    fn set_anew(&self, removal: &Op, name: &str, value: u32) -> bool {
        let sets = |op: &Op, wanted: Option<u32>| {
            op.edits.iter().any(|e| matches!(e, Edit::Set(n, v) if *n == name && wanted.is_none_or(|w| w == *v)))
        };
        let start = removal.start.unwrap_or(0);
        let stored = |op: &Op| op.acknowledged() || matches!(op.told, None | Some(Told::Failed { unknown: true, .. }));
        let anew = |op: &&Op| {
            let knew = self.loaded(op.who, op.start.unwrap_or(0)) > start || op.who == removal.who;
            // An open that follows a session takes long: what it found says what it knew.
            let knew = knew || self.found_without(op, name);
            sets(op, None) && stored(op) && (self.wins(op) || knew)
        };
        self.ops.iter().filter(anew).any(|first| {
            let begun = first.start.unwrap_or(0);
            // To whom the variable was another one all the time, the later committer's value is the one that stays.
            self.ops.iter().any(|last| sets(last, Some(value)) && (!last.over_before(begun) || self.wins(last)))
        })
    }

    fn found_without(&self, op: &Op, name: &str) -> bool {
        let opened = self.ops.iter().rev().find(|o| o.who == op.who && o.kind == Kind::Open && o.start <= op.start);
        matches!(opened.and_then(|o| o.told.as_ref()), Some(Told::Opened { vars, .. }) if vars.get(name).is_none())
    }

    /// Whether its request rotates or changes the owner, and so wins conflicts.
    fn wins(&self, op: &Op) -> bool {
        let page = self.page(op.who);
        page.sets_owner() || page == Page::Rotate || page.attacks()
    }

    /// Whether another operation explains that a change is not there.
    fn overrides(&self, other: &Op, op: &Op, edit: &Edit, now: &Vars) -> bool {
        let wins = |other: &Op| self.wins(other);
        let start = op.start.unwrap_or(0);
        other.edits.iter().any(|e| match (edit, e) {
            (Edit::Set(name, _), Edit::Set(n, value)) => {
                name == n && now.get(name) == Some(&Value::Int(*value)) && (!other.over_before(start) || wins(other))
            }
            // A removal beats a change below it, and one that the change's request had seen was not there to be changed.
            (Edit::Set(name, _), Edit::Remove(n)) => name == n && now.get(name).is_none(),
            (Edit::Append(_), Edit::Remove(n)) => n == "list",
            (Edit::Remove(name), Edit::Set(n, value)) => {
                name == n && now.get(name) == Some(&Value::Int(*value)) && self.set_anew(op, name, *value)
            }
            (Edit::Remove(name), Edit::Append(_)) => {
                // A list that is changed while another removes it stays removed; one begun afterwards is a new one.
                let knew = self.loaded(other.who, other.start.unwrap_or(0)) > start || self.found_without(other, name);
                name == "list" && (wins(other) || knew || other.who == op.who)
            }
            _ => false,
        })
    }

    /// Who wrote a number, in which of its operations first.
    fn origin(&self, name: &str, number: u32) -> Option<&Op> {
        self.ops.iter().find(|o| {
            o.start.is_some()
                && o.edits.iter().any(|e| match e {
                    Edit::Set(n, value) => *n == name && *value == number,
                    Edit::Append(value) => name == "list" && *value == number,
                    Edit::Remove(_) => false,
                })
        })
    }

    fn was_there(&self, name: &str, number: u32) -> bool {
        let rotated = matches!(self.case.start, Start::LoggedIn | Start::Rotated);
        first_vars().numbers().any(|n| n == (name, number)) || rotated && (name, number) == ("login", 4)
    }

    fn nothing_twice_and_nothing_from_nowhere(&self) -> Judged {
        let opened = self.ops.iter().filter_map(|o| match &o.told {
            // A session that moved is loaded later than the operation begins.
            Some(Told::Opened { vars, .. }) => Some((vars, o.end.unwrap_or(0))),
            _ => None,
        });
        let views = self.views.iter().map(|v| (&v.vars, u64::MAX));
        for (vars, when) in opened.chain(views) {
            let mut elements = vars.list().to_vec();
            elements.sort_unstable();
            elements.dedup();
            ensure!("nothing twice", elements.len() == vars.list().len(), "{vars:?}");
            for (name, number) in vars.numbers() {
                let written = self.origin(name, number).is_some_and(|o| o.start.is_some_and(|s| s < when));
                ensure!(
                    "nothing from nowhere",
                    written || self.was_there(name, number),
                    "{name} = {number} in {vars:?}"
                );
            }
        }
        Ok(())
    }

    /// Promises 6 and 7: the owner changes only by who sets it, the absolute deadline and the time of creation never.
    fn records_keep_owner_and_deadline(&self) -> Judged {
        let begun = super::world::START;
        for event in self.events.iter().filter(|e| matches!(e.what, What::Create | What::Swap)) {
            let (Some(who), Some(op)) = (event.who, event.op) else { continue };
            let Some(after) = &event.after else { continue };
            let op = &self.ops[op];
            let asked = op.sets_owner.is_some();
            let owner = after.owner.as_ref().map(ToString::to_string);
            let own = event.id >= 2 && (event.id - 2) / 3 == who;
            if let Some(before) = event.before.as_ref().filter(|_| event.what == What::Swap) {
                // A successor that nobody knows yet takes on what others have done to the session meanwhile.
                let same = before.owner == after.owner
                    || own && self.ops.iter().any(|o| o.who != who && o.sets_owner.is_some());
                ensure!(
                    "owner",
                    same || asked && (owner.is_none() || owner.as_deref() == Some(OWNER)),
                    "request {who} changed the owner of {} to {owner:?}",
                    self.names[event.id]
                );
                ensure!(
                    "deadline",
                    before.absolute == after.absolute && before.created == after.created,
                    "{} had {:?} and has {:?}",
                    self.names[event.id],
                    before.absolute,
                    after.absolute
                );
            } else if !asked {
                let had = match self.case.start {
                    Start::Guest => false,
                    Start::Owned | Start::Rotated => true,
                    Start::LoggedIn => !self.page(who).attacks(),
                };
                let by_others = self.ops.iter().any(|o| o.sets_owner.is_some());
                ensure!(
                    "owner",
                    owner.is_none() || had || by_others,
                    "request {who} made {} with {owner:?}",
                    self.names[event.id]
                );
            }
            // What was loaded from the session that was there lives no longer than that.
            let derived = self.opened(op).is_some_and(|how| !matches!(how, How::Absent(_)));
            if derived && self.case.lifetime.absolute.is_some() {
                let absolute = begun.plus(self.case.lifetime.absolute.unwrap_or_default());
                ensure!(
                    "deadline",
                    own && self.opened(op) == Some(How::Frozen) || after.absolute == Some(absolute),
                    "request {who} made {} with the deadline {:?}",
                    self.names[event.id],
                    after.absolute
                );
            }
        }
        Ok(())
    }

    /// Promise 6: whoever has the old id gains nothing that it did not have before.
    fn old_ids_gain_nothing(&self) -> Judged {
        for op in &self.ops {
            let Some(Told::Opened { how, vars, owner }) = &op.told else { continue };
            let start = op.start.unwrap_or(0);
            let Some(link) = self.links.get(&op.from).filter(|l| l.seq < start) else { continue };
            let again = self.evicted_after(op.from, link.seq);
            let emptied = link.who.is_some_and(|who| {
                self.page(who).empties()
                    && self.ops.iter().any(|o| {
                        o.who == who
                            && o.over_before(start)
                            && o.acknowledged()
                            && o.edits.iter().any(|e| matches!(e, Edit::Remove(_)))
                    })
            });
            match how {
                How::Follow => {
                    let followed = owner.as_deref() == Some(OWNER) && !emptied;
                    let before = self.owner_before(op.from, link.seq);
                    ensure!(
                        "follow",
                        followed && before.as_deref() == Some(OWNER),
                        "followed as {owner:?} from {before:?}"
                    );
                }
                How::Frozen => {
                    ensure!("old id", owner.is_none(), "a frozen copy has the owner {owner:?}");
                    ensure!(
                        "old id",
                        !emptied || vars.0.is_empty(),
                        "after everything was removed the old id reads {vars:?}"
                    );
                    for (name, number) in vars.numbers() {
                        let by_rotation = self.origin(name, number).is_some_and(|o| {
                            Some(o.who) == link.who && o.kind == Kind::Rotate || o.start.is_some_and(|s| s > link.seq)
                        });
                        let login = link.seq == 0 && name == "login";
                        ensure!("old id", !by_rotation && !login, "the old id reads {name} = {number}");
                    }
                }
                How::Live => ensure!("old id", again, "{} had moved and is live", self.names[op.from]),
                How::Absent(_) | How::Detached => {}
            }
        }
        // What was written by who found it frozen is nowhere but in a session of its own.
        for op in self.ops.iter().filter(|o| self.opened(o) == Some(How::Frozen)) {
            for (id, view) in self.views.iter().enumerate() {
                let own = id >= 2 && (id - 2) / 3 == op.who;
                for (name, number) in view.vars.numbers() {
                    let his = op.edits.iter().any(|e| matches!(e, Edit::Set(n, v) if *n == name && *v == number))
                        || op.edits.iter().any(|e| matches!(e, Edit::Append(v) if name == "list" && *v == number));
                    ensure!("old id", !his || own, "{name} = {number} of the old id's holder is in {}", self.names[id]);
                }
            }
        }
        // Nobody gets a ticket of a rotation that may not be followed.
        for (who, left) in self.left.iter().enumerate() {
            let Some(left) = left.filter(|l| l.id >= 2) else { continue };
            if (left.id - 2) / 3 == who {
                continue;
            }
            let by = (left.id - 2) / 3;
            let link = self.links.values().find(|l| l.to == left.id);
            let owned = link.is_some_and(|l| self.owner_before(self.source(left.id), l.seq).as_deref() == Some(OWNER));
            ensure!(
                "follow",
                owned && !matches!(self.page(by), Page::LogIn if self.case.start == Start::Guest),
                "request {who} left with the ticket of request {by}"
            );
        }
        // What the store says of its records must fit what the rotations did.
        for event in &self.events {
            let Some(after) = &event.after else { continue };
            let State::Moved { kind, .. } = after.state else { continue };
            let who = event.who.unwrap_or(0);
            let removes = event.op.is_some_and(|op| self.ops[op].edits.iter().any(|e| matches!(e, Edit::Remove(_))));
            if kind == MoveKind::Follow {
                ensure!("follow", after.owner.is_some() && !removes, "request {who} lets others follow");
            }
        }
        Ok(())
    }

    fn source(&self, to: usize) -> usize {
        self.links.iter().find(|(_, l)| l.to == to).map_or(to, |(from, _)| *from)
    }

    /// The owner of a record before it moved.
    fn owner_before(&self, id: usize, seq: u64) -> Option<String> {
        let moved = self.events.iter().find(|e| e.id == id && e.seq == seq).and_then(|e| e.before.as_ref());
        match moved {
            Some(record) => record.owner.as_ref().map(ToString::to_string),
            None if id == OLDER && self.case.start == Start::Rotated => Some(OWNER.into()),
            None => None,
        }
    }

    /// Two rotations at once: one session, or two that do not know of each other.
    fn rotations_are_one_or_unlinked(&self) -> Judged {
        let mut from = BTreeSet::new();
        for (at, op) in self.ops.iter().enumerate() {
            let Some(Told::Rotated(rotated)) = &op.told else { continue };
            let start = op.start.unwrap_or(0);
            match rotated {
                Rotated::Moved => {
                    let gone = self.evicted_after(op.from, 0) || self.much_time();
                    ensure!("rotation", from.insert(op.from) || gone, "{} was moved twice", self.names[op.from]);
                    let link = self.links.get(&op.from).is_some_and(|l| l.op == Some(at) && Some(l.to) == op.target);
                    ensure!("rotation", link || gone, "request {} was told that it moved the session", op.who);
                    ensure!("rotation", Some(op.to) == op.target, "it has another id than it asked for");
                }
                Rotated::Unlinked => {
                    let mut records = self.events.iter().filter(|e| e.id == op.to).filter_map(|e| e.after.as_ref());
                    let last = records.next_back();
                    let trail = last.is_some_and(|r| !r.about.trail.is_empty()) && start > 0;
                    ensure!(
                        "rotation",
                        !trail || self.links.values().any(|l| l.to == op.to),
                        "an unlinked session has a trail"
                    );
                    ensure!("rotation", !self.links.values().any(|l| l.to == op.to), "an unlinked session is linked");
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Promise 5: a ticket that leaves leads to a record, or is new and bare.
    fn tickets_lead_somewhere(&self) -> Judged {
        for (who, left) in self.left.iter().enumerate() {
            let Some(left) = left.filter(|l| !l.detached || self.page(who) != Page::Attack) else { continue };
            let name = &self.names[left.id];
            let moved_by_itself = self.links.get(&left.id).is_some_and(|l| l.who == Some(who));
            // A client that comes again with the old ticket knows what it does; a request that was told that nobody can tell
            // what is stored, keeps the ticket it had.
            let unsure =
                self.ops.iter().any(|o| o.who == who && matches!(o.told, Some(Told::Failed { unknown: true, .. })));
            let excused = unsure || self.page(who) == Page::AttackAgain;
            ensure!("ticket", !moved_by_itself || excused, "request {who} left with {name}, which it had moved itself");
            let end = self.chain(left.id);
            let excused = end.iter().any(|id| {
                self.evicted_after(*id, 0) || self.events_on(*id, &[What::End, What::Swept]).next().is_some()
            }) || self.much_time();
            if left.stored {
                ensure!(
                    "ticket",
                    self.records[left.id].is_some() || excused,
                    "request {who} left with {name}, under which there is nothing"
                );
            } else if !left.detached && left.id >= 2 && (left.id - 2) / 3 == who {
                ensure!(
                    "ticket",
                    self.views[left.id].how != How::Live || self.unsure(who),
                    "request {who} left with {name} as one under which nothing is stored, and it opens"
                );
            }
        }
        Ok(())
    }

    /// Whether a request was told that it can't know.
    fn unsure(&self, who: usize) -> bool {
        self.ops.iter().any(|o| o.who == who && o.kind == Kind::Commit && matches!(o.told, Some(Told::Failed { .. })))
    }

    /// Promise 2: what was ended stays ended, under every id of that session.
    fn ended_stays_ended(&self) -> Judged {
        for op in &self.ops {
            if op.told != Some(Told::Ended) || op.end.is_none() {
                continue;
            }
            let (start, end) = (op.start.unwrap_or(0), op.end.unwrap_or(0));
            if op.kind == Kind::EndOwner {
                for (id, view) in self.views.iter().enumerate() {
                    let Some(OWNER) = view.owner.as_deref() else { continue };
                    let writer = self
                        .events
                        .iter()
                        .rev()
                        .find(|e| e.id == view.id && matches!(e.what, What::Create | What::Swap));
                    let later = writer.and_then(|e| Some(self.loaded(e.who?, e.seq) > start)).unwrap_or(false);
                    ensure!(
                        "logged out",
                        later,
                        "{} is still logged in after all of its owner were ended",
                        self.names[id]
                    );
                }
                continue;
            }
            if !op.live {
                continue;
            }
            let mut dead: BTreeSet<usize> = BTreeSet::from([op.from]);
            // What led to it, and where it went in a way that may be followed.
            loop {
                let size = dead.len();
                for (from, link) in &self.links {
                    // A moved record that is gone, by eviction or because the ending request is older than a tombstone
                    // lives, does not tell where it went.
                    let tombstone = self.case.settings.policy.tombstone.as_secs();
                    let gone = self.evicted_after(*from, link.seq)
                        || self.elapsed_at(start) - self.elapsed_at(link.seq) >= tombstone;
                    let followed = !gone
                        && match link.kind {
                            MoveKind::Follow => true,
                            MoveKind::Other(_) => self.case.start == Start::Rotated,
                            _ => false,
                        };
                    if dead.contains(&link.to) && self.ancestor(*from, op.from) {
                        dead.insert(*from);
                    }
                    if followed && dead.contains(from) {
                        dead.insert(link.to);
                    }
                }
                if dead.len() == size {
                    break;
                }
            }
            for id in dead {
                let forgotten = self.evicted_after(id, 0);
                let view = &self.views[id];
                let silent = view.vars.0.is_empty() && view.owner.is_none();
                ensure!(
                    "logged out",
                    silent || forgotten,
                    "{} opens {:?} with {:?} after {} was ended",
                    self.names[id],
                    view.how,
                    view.vars,
                    self.names[op.from]
                );
                for later in self.ops.iter().filter(|o| o.kind == Kind::Open && o.from == id && o.start > Some(end)) {
                    let Some(Told::Opened { how, vars, .. }) = &later.told else { continue };
                    let silent = matches!(how, How::Absent(_) | How::Detached) || vars.0.is_empty();
                    ensure!("logged out", silent || forgotten, "{} was opened {how:?} after the end", self.names[id]);
                }
            }
        }
        // A log-out by emptying and rotating leaves nothing under the old id.
        for op in self.ops.iter().filter(|o| self.page(o.who).empties() && o.acknowledged()) {
            let (who, removed) = (op.who, op.edits.iter().any(|e| matches!(e, Edit::Remove(_))));
            let Some((from, _)) = self.links.iter().find(|(_, l)| l.who == Some(who)) else { continue };
            let view = &self.views[*from];
            let again = self.evicted_after(*from, 0);
            ensure!(
                "old id",
                !removed || again || view.vars.0.is_empty(),
                "{} opens {:?} with {:?} after a log-out by rotation",
                self.names[*from],
                view.how,
                view.vars
            );
        }
        Ok(())
    }

    fn ancestor(&self, from: usize, of: usize) -> bool {
        from == of || self.chain(from).contains(&of)
    }
}

fn same_place(one: &Edit, two: &Edit) -> bool {
    let name = |e: &Edit| match e {
        Edit::Set(name, _) => (*name).to_owned(),
        Edit::Remove(name) => name.clone(),
        Edit::Append(_) => "list".to_owned(),
    };
    name(one) == name(two) && !matches!((one, two), (Edit::Append(_), Edit::Append(_)))
}

fn holds(vars: &Vars, edit: &Edit) -> bool {
    match edit {
        Edit::Set(name, value) => vars.get(name) == Some(&Value::Int(*value)),
        Edit::Append(element) => vars.list().contains(element),
        Edit::Remove(name) => vars.get(name).is_none(),
    }
}
