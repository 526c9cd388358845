//! Writes values of several payloads into one, with back-references numbered anew.
//!
//! A payload with references is a graph: numbered slots, some of which hold the same object. Values may come out in another
//! order than they went in, so the first occurrence of a shared thing that is written carries its content and all later
//! ones refer to it, whichever of them carried it in the source. Nothing recurses.

use crate::format::Format;
use crate::node::{Kind, NOWHERE, Node};
use crate::tree::Tree;

struct Source<'e, 'a> {
    tree: &'e Tree<'a>,
    /// New number of each of the source's slots, 0 while it is not written. Empty where there are no references.
    slots: Vec<u32>,
    /// New number under which an object is known, by its slot in the source.
    objects: Vec<u32>,
    /// Something was written away from its place: text can't be copied wholesale any more.
    displaced: bool,
}

pub(crate) struct Emitter<'e, 'a> {
    pub(crate) out: Vec<u8>,
    sources: Vec<Source<'e, 'a>>,
    /// The number given out last.
    counter: u32,
    renumber: bool,
}

impl<'e, 'a> Emitter<'e, 'a> {
    pub(crate) fn new(sources: &[&'e Tree<'a>], capacity: usize) -> Self {
        let sources: Vec<Source<'e, 'a>> = sources
            .iter()
            .map(|tree| {
                let slots = if tree.refs { vec![0; tree.numbered.len() + 1] } else { Vec::new() };
                Source { tree, objects: slots.clone(), slots, displaced: false }
            })
            .collect();
        let renumber = sources.iter().any(|source| source.tree.refs);
        Self { out: Vec::with_capacity(capacity), sources, counter: 0, renumber }
    }

    pub(crate) fn tree(&self, source: usize) -> &'e Tree<'a> {
        self.sources[source].tree
    }

    /// Begins a session of so many variables.
    pub(crate) fn begin(&mut self, format: Format, count: usize) {
        match format {
            Format::PhpSerialize => self.open(Kind::Array, count),
            Format::Json => self.open(Kind::Map, count),
            _ => {}
        }
    }

    /// Ends the session.
    pub(crate) fn end(&mut self, format: Format) {
        match format {
            Format::PhpSerialize => self.close(Kind::Array),
            Format::Json => self.close(Kind::Map),
            _ => {}
        }
    }

    /// Begins an array that is written piece by piece.
    pub(crate) fn open(&mut self, kind: Kind, count: usize) {
        match kind {
            Kind::List => self.out.push(b'['),
            Kind::Map => self.out.push(b'{'),
            _ => {
                self.counter += 1;
                self.out.extend_from_slice(format!("a:{count}:{{").as_bytes());
            }
        }
    }

    pub(crate) fn close(&mut self, kind: Kind) {
        self.out.push(if kind == Kind::List { b']' } else { b'}' });
    }

    /// A variable's name, as it stands in its source.
    pub(crate) fn name(&mut self, source: usize, at: usize) {
        let tree = self.tree(source);
        let var = tree.vars[at];
        let name = &tree.source[var.name_start as usize..var.name_end as usize];
        match (tree.format, var.key) {
            (_, Some(key)) => self.key(source, key),
            (Format::PhpBinary, None) => {
                // Names come from a payload of this format, so that their length fits.
                self.out.push(name.len() as u8);
                self.out.extend_from_slice(name);
            }
            _ => {
                self.out.extend_from_slice(name);
                self.out.push(b'|');
            }
        }
    }

    /// An array's key, as it stands in its source.
    pub(crate) fn key(&mut self, source: usize, key: u32) {
        let tree = self.tree(source);
        self.out.extend_from_slice(tree.text(tree.node(key)));
        if tree.format == Format::Json {
            self.out.push(b':');
        }
    }

    /// A place in a PHP list.
    pub(crate) fn index(&mut self, index: usize) {
        self.out.extend_from_slice(format!("i:{index};").as_bytes());
    }

    /// A value made anew, without references or anything inside.
    pub(crate) fn scalar(&mut self, text: &[u8]) {
        self.counter += 1;
        self.out.extend_from_slice(text);
    }

    /// A value of a source, with all that is inside.
    pub(crate) fn copy(&mut self, source: usize, node: u32) {
        let tree = self.tree(source);
        let value = tree.node(node);
        if !self.renumber || !tree.refs {
            self.out.extend_from_slice(tree.text(value));
            self.counter += numbers(tree, value);
            return;
        }
        let mut open: Vec<(u32, u32)> = Vec::new();
        self.occurrence(source, node, &mut open);
        while let Some((at, end)) = open.last_mut() {
            if at == end {
                open.pop();
                self.out.push(b'}');
                continue;
            }
            let key = *at;
            *at = tree.node(key + 1).next;
            self.out.extend_from_slice(tree.text(tree.node(key)));
            self.occurrence(source, key + 1, &mut open);
        }
    }

    /// Writes one place where a value occurs; a container's inside is left to the caller, on `open`.
    fn occurrence(&mut self, source: usize, node: u32, open: &mut Vec<(u32, u32)>) {
        let from = &mut self.sources[source];
        let tree = from.tree;
        let value = tree.node(node);
        let mut away = value.kind == Kind::Reference;
        let (slot, mut holder) = if away { (value.reach, slot_node(tree, value.reach)) } else { (value.number, value) };
        let known = from.slots[slot as usize];
        if known != 0 {
            self.out.extend_from_slice(format!("R:{known};").as_bytes());
            return;
        }
        self.counter += 1;
        from.slots[slot as usize] = self.counter;
        while holder.kind == Kind::Same {
            holder = slot_node(tree, holder.reach);
            away = true;
        }
        if holder.kind.is_object() {
            let object = &mut from.objects[holder.number as usize];
            if *object != 0 {
                self.out.extend_from_slice(format!("r:{object};").as_bytes());
                return;
            }
            *object = self.counter;
        }
        from.displaced |= away;
        if !holder.kind.is_container() {
            self.out.extend_from_slice(tree.text(holder));
        } else if holder.reach == NOWHERE && !from.displaced {
            self.out.extend_from_slice(tree.text(holder));
            for inner in 1..numbers(tree, holder) {
                let old = (holder.number + inner) as usize;
                from.slots[old] = self.counter + inner;
                from.objects[old] = self.counter + inner;
            }
            self.counter += numbers(tree, holder) - 1;
        } else {
            self.out.extend_from_slice(&tree.source[holder.start as usize..holder.body as usize]);
            let first = tree.numbered[holder.number as usize - 1] + 1;
            open.push((first, holder.next));
        }
    }
}

fn slot_node<'t>(tree: &'t Tree<'_>, number: u32) -> &'t Node {
    tree.node(tree.numbered[number as usize - 1])
}

/// How many numbers a value takes, with all that is inside.
fn numbers(tree: &Tree<'_>, value: &Node) -> u32 {
    if value.kind == Kind::Reference { 0 } else { tree.node(value.next - 1).number - value.number + 1 }
}
