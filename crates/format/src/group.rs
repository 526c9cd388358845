//! Which variables move together: those that references tie, across all payloads that are looked at together.

use crate::node::{Key, Kind, NOWHERE};
use crate::tree::Tree;
use std::collections::HashMap;

/// Disjoint sets of small numbers.
pub(crate) struct Sets(Vec<usize>);

impl Sets {
    pub(crate) fn new(count: usize) -> Self {
        Self((0..count).collect())
    }

    pub(crate) fn find(&mut self, mut of: usize) -> usize {
        while self.0[of] != of {
            self.0[of] = self.0[self.0[of]];
            of = self.0[of];
        }
        of
    }

    /// The smaller representative stays one, so that a group is known by its first member.
    pub(crate) fn join(&mut self, a: usize, b: usize) {
        let (a, b) = (self.find(a), self.find(b));
        self.0[a.max(b)] = a.min(b);
    }
}

/// Tells of every reference from one variable into another, as indexes into `tree.vars`, displaced ones included.
pub(crate) fn ties(tree: &Tree<'_>, mut tie: impl FnMut(usize, usize)) {
    if !tree.refs {
        return;
    }
    for (at, var) in tree.vars.iter().enumerate() {
        let root = tree.node(var.value);
        if root.reach == NOWHERE || (root.kind != Kind::Reference && root.reach >= root.number) {
            continue;
        }
        for node in &tree.nodes[var.value as usize..root.next as usize] {
            if matches!(node.kind, Kind::Same | Kind::Reference)
                && let Some((owner, _)) = tree.owner(node.reach)
                && owner != at
            {
                tie(at, owner);
            }
        }
    }
}

/// Groups of one payload, as indexes among its live variables.
pub(crate) fn groups_of(tree: &Tree<'_>) -> Vec<Vec<usize>> {
    let mut sets = Sets::new(tree.vars.len());
    if tree.tied_to_root || tree.custom {
        (1..tree.vars.len()).for_each(|at| sets.join(0, at));
    }
    ties(tree, |a, b| sets.join(a, b));
    let mut groups: Vec<Vec<usize>> = Vec::new();
    let mut known: HashMap<usize, usize> = HashMap::new();
    for (place, at) in tree.live().enumerate() {
        let group = *known.entry(sets.find(at)).or_insert_with(|| {
            groups.push(Vec::new());
            groups.len() - 1
        });
        groups[group].push(place);
    }
    groups
}

/// Groups over several payloads: variables of one name are one, and what is tied in any of them is tied.
pub(crate) struct Groups<'a> {
    ids: HashMap<Key<'a>, usize>,
    sets: Sets,
    sizes: Vec<u32>,
}

impl<'a> Groups<'a> {
    /// `None` if no payload has references from one variable into another: then each stands alone.
    pub(crate) fn over(trees: &[&Tree<'a>]) -> Option<Self> {
        let mut edges = Vec::new();
        for (number, tree) in trees.iter().enumerate() {
            ties(tree, |a, b| edges.push((number, a, b)));
        }
        if edges.is_empty() {
            return None;
        }
        // A displaced variable is a thing of its own that others can share; each gets an id beyond the names'.
        let mut ids: HashMap<Key<'a>, usize> = HashMap::new();
        let mut id_of = Vec::with_capacity(trees.len());
        for tree in trees {
            let mut list = vec![usize::MAX; tree.vars.len()];
            for at in tree.live() {
                let next = ids.len();
                list[at] = *ids.entry(tree.name(at)).or_insert(next);
            }
            id_of.push(list);
        }
        let names = ids.len();
        let mut next = names;
        for id in id_of.iter_mut().flatten().filter(|id| **id == usize::MAX) {
            *id = next;
            next += 1;
        }
        let mut sets = Sets::new(next);
        for (number, a, b) in edges {
            sets.join(id_of[number][a], id_of[number][b]);
        }
        let mut sizes = vec![0; next];
        for id in 0..names {
            sizes[sets.find(id)] += 1;
        }
        Some(Self { ids, sets, sizes })
    }

    /// The group that a variable belongs to, if others belong to it too.
    pub(crate) fn of(&mut self, name: &Key<'a>) -> Option<usize> {
        let group = self.sets.find(*self.ids.get(name)?);
        (self.sizes[group] > 1).then_some(group)
    }

    /// The names of a group.
    pub(crate) fn members(&mut self, group: usize) -> Vec<Key<'a>> {
        let mut members: Vec<(usize, Key<'a>)> = self
            .ids
            .iter()
            .filter(|(_, id)| self.sets.find(**id) == group)
            .map(|(name, id)| (*id, name.clone()))
            .collect();
        members.sort();
        members.into_iter().map(|(_, name)| name).collect()
    }
}
