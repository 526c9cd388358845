//! Decides value by value; see the module above for the order.

use super::align::{Index, Three, elements, entries, is_closed, is_list, order};
use super::diff::{Edits, Fate, diff};
use super::output::{From, Output};
use super::{Cause, Conflict, MergeOptions, Merged, Refused, Rule, Winner};
use crate::group::Groups;
use crate::node::{Key, Kind};
use crate::number::Number;
use crate::same::{normal, same};
use crate::tree::Tree;
use std::borrow::Cow;
use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};

/// How deep arrays are merged key by key; what lies deeper is taken as a whole. This is the only recursion in the crate,
/// and it must fit the stack of any thread.
const DEPTH: usize = 100;

/// Merges three trees that can be taken apart.
pub(super) fn merge_trees<'a>(
    base: &Tree<'a>,
    mine: &Tree<'a>,
    theirs: &Tree<'a>,
    options: &MergeOptions<'_>,
) -> Result<Merged, Refused> {
    let mut walk =
        Walk { base, mine, theirs, options, path: Vec::new(), conflicts: Vec::new(), out: Output::default() };
    walk.session()?;
    let payload = walk.out.write(base.format, mine, theirs);
    Ok(Merged { payload, conflicts: walk.conflicts, whole: None })
}

struct Walk<'w, 'a> {
    base: &'w Tree<'a>,
    mine: &'w Tree<'a>,
    theirs: &'w Tree<'a>,
    options: &'w MergeOptions<'w>,
    path: Vec<Key<'a>>,
    conflicts: Vec<Conflict>,
    out: Output,
}

/// What becomes of a value.
enum Verdict {
    Gone,
    Take(From, u32),
    Scalar(Vec<u8>),
    Entries(u32, u32),
    Sequence(u32, u32),
    Union(u32, u32),
}

impl<'w, 'a> Walk<'w, 'a> {
    fn session(&mut self) -> Result<(), Refused> {
        let (base, mine, theirs) = (self.base, self.mine, self.theirs);
        let variables = |tree: &Tree<'a>| {
            Index::new(tree.live().map(|at| (tree.name(at), at as u32, tree.vars[at].value)).collect())
        };
        let mut groups = Groups::over(&[theirs, mine, base]);
        let mut pieces = HashMap::new();
        let (mut in_base, mut in_mine, mut in_theirs) = (variables(base), variables(mine), variables(theirs));
        for (name, at, three) in order(&mut in_base, &mut in_mine, &in_theirs) {
            let group = groups.as_mut().and_then(|groups| Some((groups.of(&name)?, groups)));
            let verdict = match group {
                None => {
                    self.path.push(name);
                    self.decide(three)?
                }
                Some((group, groups)) => {
                    if let Entry::Vacant(piece) = pieces.entry(group) {
                        let members: Vec<(Key<'a>, Three)> = groups
                            .members(group)
                            .into_iter()
                            .map(|name| {
                                let three = Three {
                                    base: in_base.find(&name),
                                    mine: in_mine.find(&name),
                                    theirs: in_theirs.find(&name),
                                };
                                (name, three)
                            })
                            .collect();
                        piece.insert(self.decide_group(&members)?);
                    }
                    let verdict = taken(pieces[&group], &three);
                    self.path.push(name);
                    verdict
                }
            };
            if !matches!(verdict, Verdict::Gone) {
                self.out.name(at.0, at.1 as usize);
                self.carry_out(verdict, three)?;
            }
            self.path.pop();
        }
        Ok(())
    }

    /// Which side a group of tied variables comes from, and whether what the other side removed is removed from it.
    fn decide_group(&mut self, members: &[(Key<'a>, Three)]) -> Result<(From, bool), Refused> {
        if members.iter().all(|(_, three)| self.unchanged(three.base, self.mine, three.mine)) {
            return Ok((From::Theirs, false));
        }
        if members.iter().all(|(_, three)| self.unchanged(three.base, self.theirs, three.theirs)) {
            return Ok((From::Mine, false));
        }
        let mut side = From::Mine;
        let mut first = true;
        for (name, three) in members {
            let equal = match (three.mine, three.theirs) {
                (Some(mine), Some(theirs)) => same(self.mine, mine, self.theirs, theirs),
                (mine, theirs) => mine.is_none() && theirs.is_none(),
            };
            if equal {
                continue;
            }
            let removed = three.base.is_some() && (three.mine.is_none() || three.theirs.is_none());
            self.path.push(name.clone());
            let wins = self.conflict(if removed { Cause::Removed } else { Cause::Changed });
            self.path.pop();
            let wins = wins?;
            if first {
                (side, first) = (wins, false);
            }
        }
        Ok((side, self.options.winner == Winner::Later))
    }

    fn decide(&mut self, three: Three) -> Result<Verdict, Refused> {
        let Three { base, mine, theirs } = three;
        if self.unchanged(base, self.mine, mine) {
            return Ok(theirs.map_or(Verdict::Gone, |node| Verdict::Take(From::Theirs, node)));
        }
        if self.unchanged(base, self.theirs, theirs) {
            return Ok(mine.map_or(Verdict::Gone, |node| Verdict::Take(From::Mine, node)));
        }
        match (mine, theirs) {
            (Some(mine), Some(theirs)) => self.decide_both(base, mine, theirs),
            (Some(mine), None) => self.removed(Winner::Mine, From::Mine, mine),
            (None, Some(theirs)) => self.removed(Winner::Theirs, From::Theirs, theirs),
            (None, None) => Ok(Verdict::Gone),
        }
    }

    /// One side removed the value, the other one, `from`, changed it.
    fn removed(&mut self, winner: Winner, from: From, node: u32) -> Result<Verdict, Refused> {
        self.conflict(Cause::Removed)?;
        Ok(if self.options.winner == winner { Verdict::Take(from, node) } else { Verdict::Gone })
    }

    fn decide_both(&mut self, base: Option<u32>, mine: u32, theirs: u32) -> Result<Verdict, Refused> {
        let rule = self.rule();
        if let Some(verdict) = self.by_rule(rule, base, mine, theirs) {
            return Ok(verdict);
        }
        let (left, right) = (self.mine.node(mine), self.theirs.node(theirs));
        let arrays = left.kind.is_array() && right.kind.is_array();
        let equal = same(self.mine, mine, self.theirs, theirs);
        let opens = arrays && self.path.len() < DEPTH && self.can_be_opened(base, mine, theirs);
        let base_array = base.filter(|node| self.base.node(*node).kind.is_array());
        // Two requests that set up the same list from nothing meant one list, not two.
        let appended = base_array.is_some() || !equal;
        if opens
            && appended
            && is_list(self.mine, mine)
            && is_list(self.theirs, theirs)
            && base_array.is_none_or(|node| is_list(self.base, node))
        {
            return Ok(if rule == Some(Rule::Union) {
                Verdict::Union(mine, theirs)
            } else {
                Verdict::Sequence(mine, theirs)
            });
        }
        // Equal arrays may hold changes that count twice: two increments under `sum`, two equal additions to a list.
        if equal && !(opens && base_array.is_some()) {
            return Ok(Verdict::Take(From::Theirs, theirs));
        }
        if opens {
            return Ok(Verdict::Entries(mine, theirs));
        }
        let side = self.conflict(Cause::Changed)?;
        Ok(Verdict::Take(side, if side == From::Mine { mine } else { theirs }))
    }

    fn by_rule(&self, rule: Option<Rule>, base: Option<u32>, mine: u32, theirs: u32) -> Option<Verdict> {
        let rule = rule.filter(|rule| matches!(rule, Rule::Sum | Rule::Max))?;
        let (left, right) = (number(self.mine, mine), number(self.theirs, theirs));
        let larger = |mine_is_larger| {
            if mine_is_larger { Verdict::Take(From::Mine, mine) } else { Verdict::Take(From::Theirs, theirs) }
        };
        match (rule, left, right) {
            (Rule::Sum, Some(left), Some(right)) => {
                let start = base.and_then(|node| number(self.base, node)).unwrap_or(Number::Int(0));
                right.plus_change(start, left).encode(self.mine.format).map(Verdict::Scalar)
            }
            (Rule::Max, Some(left), Some(right)) => Some(larger(left.at_least(right))),
            (Rule::Max, None, None) => {
                let (left, right) = (self.mine.node(mine), self.theirs.node(theirs));
                (left.kind == Kind::Str && right.kind == Kind::Str)
                    .then(|| larger(self.mine.bytes(left) >= self.theirs.bytes(right)))
            }
            _ => None,
        }
    }

    fn rule(&self) -> Option<Rule> {
        self.options.rules?.find(&self.path)
    }

    /// Counts a conflict at the present path, and tells who wins it.
    fn conflict(&mut self, cause: Cause) -> Result<From, Refused> {
        let rule = self.rule().unwrap_or_default();
        let name = self.path.first().map(|name| name.to_bytes().into_owned()).unwrap_or_default();
        let nested = self.path.len() > 1;
        if rule == Rule::Fail {
            return Err(Refused { name, nested });
        }
        let known =
            |conflict: &&mut Conflict| conflict.nested == nested && conflict.cause == cause && conflict.name == name;
        match self.conflicts.iter_mut().rev().find(known) {
            Some(conflict) => conflict.count += 1,
            None => self.conflicts.push(Conflict { name, nested, cause, count: 1 }),
        }
        Ok(match (self.options.winner, rule) {
            (Winner::Theirs, _) | (Winner::Later, Rule::First) => From::Theirs,
            _ => From::Mine,
        })
    }

    fn unchanged(&self, base: Option<u32>, tree: &Tree<'a>, node: Option<u32>) -> bool {
        match (base, node) {
            (Some(base), Some(node)) => same(self.base, base, tree, node),
            (None, None) => true,
            _ => false,
        }
    }

    /// Whether no reference leads from one element of the array into another or out of it, in any version.
    fn can_be_opened(&self, base: Option<u32>, mine: u32, theirs: u32) -> bool {
        base.is_none_or(|node| is_closed(self.base, node))
            && is_closed(self.mine, mine)
            && is_closed(self.theirs, theirs)
    }

    fn carry_out(&mut self, verdict: Verdict, three: Three) -> Result<(), Refused> {
        match verdict {
            Verdict::Gone => {}
            Verdict::Take(from, node) => self.take(from, node),
            Verdict::Scalar(text) => self.out.scalar(text),
            Verdict::Entries(mine, theirs) => self.entries(three.base, mine, theirs)?,
            Verdict::Sequence(mine, theirs) => self.sequence(three.base, mine, theirs)?,
            Verdict::Union(mine, theirs) => self.union(three.base, mine, theirs),
        }
        Ok(())
    }

    fn take(&mut self, from: From, node: u32) {
        let tree = if from == From::Mine { self.mine } else { self.theirs };
        self.out.copy(from, node, tree.text(tree.node(node)).len());
    }

    fn entries(&mut self, base: Option<u32>, mine: u32, theirs: u32) -> Result<(), Refused> {
        let kind = match (self.mine.node(mine).kind, self.theirs.node(theirs).kind) {
            (Kind::List, other) => other,
            (kind, _) => kind,
        };
        let entries = |tree: &Tree<'a>, node: u32| Index::new(entries(tree, node));
        let mut in_base = base.map_or_else(|| Index::new(Vec::new()), |node| entries(self.base, node));
        let (mut in_mine, in_theirs) = (entries(self.mine, mine), entries(self.theirs, theirs));
        let handle = self.out.open(kind);
        let mut count = 0;
        for (key, at, three) in order(&mut in_base, &mut in_mine, &in_theirs) {
            self.path.push(key);
            let verdict = self.decide(three)?;
            if !matches!(verdict, Verdict::Gone) {
                count += 1;
                self.out.key(at.0, at.1);
                self.carry_out(verdict, three)?;
            }
            self.path.pop();
        }
        self.out.close(handle, count);
        Ok(())
    }

    fn sequence(&mut self, base: Option<u32>, mine: u32, theirs: u32) -> Result<(), Refused> {
        let base = base.map_or_else(Vec::new, |node| elements(self.base, node));
        let (mine_list, theirs_list) = (elements(self.mine, mine), elements(self.theirs, theirs));
        let my = diff(base.len(), mine_list.len(), |a, b| same(self.base, base[a], self.mine, mine_list[b]));
        let their = diff(base.len(), theirs_list.len(), |a, b| same(self.base, base[a], self.theirs, theirs_list[b]));
        let mut list = List::open(&mut self.out, self.mine.node(mine).kind);
        for at in 0..=base.len() {
            for place in their.added[at].clone() {
                list.place(&mut self.out);
                self.take(From::Theirs, theirs_list[place]);
            }
            if !self.rewritten_alike(at, &my, &their, &mine_list, &theirs_list) {
                for place in my.added[at].clone() {
                    list.place(&mut self.out);
                    self.take(From::Mine, mine_list[place]);
                }
            }
            let Some(node) = base.get(at) else { break };
            self.path.push(Key::Int(at as i64));
            let (verdict, three) = self.element(*node, my.fates[at], their.fates[at], &mine_list, &theirs_list)?;
            if !matches!(verdict, Verdict::Gone) {
                list.place(&mut self.out);
                self.carry_out(verdict, three)?;
            }
            self.path.pop();
        }
        list.close(&mut self.out);
        Ok(())
    }

    /// Whether both sides replaced a stretch that ends here by the same longer one: then what is beyond its old length is
    /// not two additions but one.
    fn rewritten_alike(&self, at: usize, my: &Edits, their: &Edits, mine_list: &[u32], theirs_list: &[u32]) -> bool {
        let (left, right) = (my.added[at].clone(), their.added[at].clone());
        let replaced = |edits: &Edits| at > 0 && matches!(edits.fates[at - 1], Fate::Changed(_));
        replaced(my)
            && replaced(their)
            && left.len() == right.len()
            && left.zip(right).all(|(a, b)| same(self.mine, mine_list[a], self.theirs, theirs_list[b]))
    }

    fn element(
        &mut self,
        base: u32,
        my: Fate,
        their: Fate,
        mine: &[u32],
        theirs: &[u32],
    ) -> Result<(Verdict, Three), Refused> {
        let now = |fate, list: &[u32]| match fate {
            Fate::Kept(place) | Fate::Changed(place) => Some(list[place]),
            Fate::Removed => None,
        };
        let three = Three { base: Some(base), mine: now(my, mine), theirs: now(their, theirs) };
        let verdict = match (my, their) {
            // A plain value that was written over where the other side took the old one out: the new one was never removed.
            (Fate::Changed(place), Fate::Removed) if !self.opens(base, self.mine, mine[place]) => {
                Verdict::Take(From::Mine, mine[place])
            }
            (Fate::Removed, Fate::Changed(place)) if !self.opens(base, self.theirs, theirs[place]) => {
                Verdict::Take(From::Theirs, theirs[place])
            }
            _ => self.decide(three)?,
        };
        Ok((verdict, three))
    }

    /// Whether a change from base is one inside an array, so that the array can be said to be still there.
    fn opens(&self, base: u32, tree: &Tree<'a>, node: u32) -> bool {
        self.base.node(base).kind.is_array() && tree.node(node).kind.is_array()
    }

    fn union(&mut self, base: Option<u32>, mine: u32, theirs: u32) {
        let forms = |tree: &Tree<'a>, nodes: &[u32]| -> Vec<Cow<'a, [u8]>> {
            nodes.iter().map(|node| normal(tree, *node)).collect()
        };
        let set = |forms: &[Cow<'a, [u8]>]| -> HashSet<Cow<'a, [u8]>> { forms.iter().cloned().collect() };
        let (mine_list, theirs_list) = (elements(self.mine, mine), elements(self.theirs, theirs));
        let in_base = base.map_or_else(HashSet::new, |node| set(&forms(self.base, &elements(self.base, node))));
        let (my_forms, their_forms) = (forms(self.mine, &mine_list), forms(self.theirs, &theirs_list));
        let (in_mine, in_theirs) = (set(&my_forms), set(&their_forms));
        let mut seen = HashSet::new();
        let mut list = List::open(&mut self.out, self.mine.node(mine).kind);
        for (from, nodes, forms, other) in
            [(From::Theirs, theirs_list, their_forms, &in_mine), (From::Mine, mine_list, my_forms, &in_theirs)]
        {
            for (node, form) in nodes.into_iter().zip(forms) {
                let removed = in_base.contains(&form) && !other.contains(&form);
                if !removed && seen.insert(form) {
                    list.place(&mut self.out);
                    self.take(from, node);
                }
            }
        }
        list.close(&mut self.out);
    }
}

/// A list that is being written: places are counted, and written where the format has them.
struct List {
    kind: Kind,
    handle: usize,
    count: usize,
}

impl List {
    fn open(out: &mut Output, kind: Kind) -> Self {
        Self { kind, handle: out.open(kind), count: 0 }
    }

    fn place(&mut self, out: &mut Output) {
        if self.kind == Kind::Array {
            out.index(self.count);
        }
        self.count += 1;
    }

    fn close(self, out: &mut Output) {
        out.close(self.handle, self.count);
    }
}

fn number(tree: &Tree<'_>, node: u32) -> Option<Number> {
    let node = tree.node(node);
    match node.kind {
        Kind::Int => tree.int(node).map(Number::Int),
        Kind::Float => match tree.number_text(node)? {
            "INF" => Some(Number::Float(f64::INFINITY)),
            "-INF" => Some(Number::Float(f64::NEG_INFINITY)),
            "NAN" => Some(Number::Float(f64::NAN)),
            text => text.parse().ok().map(Number::Float),
        },
        _ => None,
    }
}

/// The verdict on one variable of a group whose side is known.
fn taken((side, removals): (From, bool), three: &Three) -> Verdict {
    let (node, other) = if side == From::Mine { (three.mine, three.theirs) } else { (three.theirs, three.mine) };
    let removed = removals && three.base.is_some() && other.is_none();
    match node {
        Some(node) if !removed => Verdict::Take(side, node),
        _ => Verdict::Gone,
    }
}
