//! Lines the versions of an array up: which keys there are, what they stand for in each, and what can be merged at all.

use super::output::From;
use crate::node::{Key, Kind, NOWHERE, Node};
use crate::tree::Tree;
use std::collections::HashMap;

/// One value's nodes in the three versions; `None` where it is missing.
#[derive(Clone, Copy, Default)]
pub(super) struct Three {
    pub(super) base: Option<u32>,
    pub(super) mine: Option<u32>,
    pub(super) theirs: Option<u32>,
}

/// Keys with what they stand for. Versions of one session have mostly the same keys in the same order, so that the place
/// after the last hit is tried first, and a table is made only if that fails.
pub(super) struct Index<'a> {
    list: Vec<(Key<'a>, u32, u32)>,
    next: usize,
    table: Option<HashMap<Key<'a>, usize>>,
    /// Which ones were found.
    hit: Vec<bool>,
}

impl<'a> Index<'a> {
    pub(super) fn new(list: Vec<(Key<'a>, u32, u32)>) -> Self {
        Self { hit: vec![false; list.len()], list, next: 0, table: None }
    }

    /// The value of that key.
    pub(super) fn find(&mut self, key: &Key<'a>) -> Option<u32> {
        if self.list.get(self.next).is_none_or(|(candidate, ..)| candidate != key) {
            let list = &self.list;
            let table = self
                .table
                .get_or_insert_with(|| list.iter().enumerate().map(|(at, (key, ..))| (key.clone(), at)).collect());
            self.next = *table.get(key)?;
        }
        let place = self.next;
        self.next += 1;
        self.hit[place] = true;
        Some(self.list[place].2)
    }
}

/// A key, where its text is taken from, and its values.
pub(super) type Ordered<'a> = (Key<'a>, (From, u32), Three);

/// All keys that theirs or mine has: in the order of theirs, then mine's new ones.
pub(super) fn order<'a>(base: &mut Index<'a>, mine: &mut Index<'a>, theirs: &Index<'a>) -> Vec<Ordered<'a>> {
    let mut all = Vec::with_capacity(theirs.list.len() + 4);
    for (key, at, value) in &theirs.list {
        let three = Three { base: base.find(key), mine: mine.find(key), theirs: Some(*value) };
        all.push((key.clone(), (From::Theirs, *at), three));
    }
    for (place, (key, at, value)) in mine.list.iter().enumerate() {
        if !mine.hit[place] {
            let three = Three { base: base.find(key), mine: Some(*value), theirs: None };
            all.push((key.clone(), (From::Mine, *at), three));
        }
    }
    all
}

/// The children of an array: key, the key's node, value.
pub(super) fn entries<'a>(tree: &Tree<'a>, node: u32) -> Vec<(Key<'a>, u32, u32)> {
    let root = tree.node(node);
    let list = root.kind == Kind::List;
    let mut all = Vec::with_capacity(root.count as usize);
    let mut at = node + 1;
    while root.kind.is_array() && at < root.next {
        let (key, value) = if list { (Key::Int(all.len() as i64), at) } else { (tree.key(at), at + 1) };
        all.push((key, at, value));
        at = tree.node(value).next;
    }
    all
}

/// The values of a list.
pub(super) fn elements(tree: &Tree<'_>, node: u32) -> Vec<u32> {
    let root = tree.node(node);
    let skip = u32::from(root.kind != Kind::List);
    let mut all = Vec::with_capacity(root.count as usize);
    let mut at = node + 1;
    while root.kind.is_array() && at < root.next {
        all.push(at + skip);
        at = tree.node(at + skip).next;
    }
    all
}

/// Whether an array's keys are 0…n-1 in this order. An empty one is a list.
pub(super) fn is_list(tree: &Tree<'_>, node: u32) -> bool {
    let root = tree.node(node);
    match root.kind {
        Kind::List => true,
        Kind::Array => {
            let (mut at, mut place) = (node + 1, 0);
            while at < root.next {
                if tree.node(at).kind != Kind::Int || tree.int(tree.node(at)) != Some(place) {
                    return false;
                }
                place += 1;
                at = tree.node(at + 1).next;
            }
            true
        }
        _ => root.count == 0,
    }
}

/// Whether no reference leads from one child into another or out of the array.
pub(super) fn is_closed(tree: &Tree<'_>, node: u32) -> bool {
    let root = tree.node(node);
    if root.reach == NOWHERE || !root.kind.is_array() {
        return true;
    }
    let own = |child: &Node| child.reach == NOWHERE || (child.kind.is_container() && child.reach >= child.number);
    elements(tree, node).into_iter().all(|child| own(tree.node(child)))
}
