//! Whether two values are the same, in normal form: a reference is where it points (which variable, how far into it), not
//! the number it happens to have. Without this any earlier change would make later variables look changed.

use crate::node::{Key, Kind, NOWHERE, Node};
use crate::tree::Tree;
use std::borrow::Cow;

/// Where a reference points.
#[derive(PartialEq)]
enum Aim<'a> {
    /// Into the compared value itself, that many numbers from its own.
    Inside(u32),
    /// Into another variable; displaced ones are told apart.
    Variable(Key<'a>, bool, u32),
    /// To what has no owner: the session's own array, or numbers inside `C:`.
    Nowhere(u32),
}

/// Compares two values; for trees of one format.
pub(crate) fn same(a: &Tree<'_>, a_root: u32, b: &Tree<'_>, b_root: u32) -> bool {
    let (left, right) = (a.node(a_root), b.node(b_root));
    if left.kind != right.kind {
        return false;
    }
    let plain = left.reach == NOWHERE && right.reach == NOWHERE;
    if plain && a.text(left) == b.text(right) {
        return true;
    }
    if plain && a.format.is_php() {
        // Text without references is its own normal form.
        return false;
    }
    let left_nodes = &a.nodes[a_root as usize..left.next as usize];
    let right_nodes = &b.nodes[b_root as usize..right.next as usize];
    // The order of the nodes and the counts of children determine the shape, so that a walk side by side suffices.
    left_nodes.len() == right_nodes.len()
        && left_nodes.iter().zip(right_nodes).all(|(x, y)| {
            x.kind == y.kind
                && match x.kind {
                    Kind::Same | Kind::Reference => aim(a, left, x) == aim(b, right, y),
                    kind if kind.is_container() => x.count == y.count && header(a, x) == header(b, y),
                    _ => a.text(x) == b.text(y),
                }
        })
}

/// What two values have in common exactly where they are the [`same`].
pub(crate) fn normal<'a>(tree: &Tree<'a>, root: u32) -> Cow<'a, [u8]> {
    let node = tree.node(root);
    if node.reach == NOWHERE && tree.format.is_php() {
        return Cow::Borrowed(tree.text(node));
    }
    // No payload's value begins with a zero.
    let mut out = vec![0];
    let mut put = |text: &[u8]| {
        out.extend_from_slice(&(text.len() as u32).to_be_bytes());
        out.extend_from_slice(text);
    };
    for inner in &tree.nodes[root as usize..node.next as usize] {
        match inner.kind {
            Kind::Same | Kind::Reference => {
                put(if inner.kind == Kind::Same { b"r" } else { b"R" });
                match aim(tree, node, inner) {
                    Aim::Inside(number) => put(format!("inside {number}").as_bytes()),
                    Aim::Variable(name, live, number) => {
                        put(format!("{live} {number}").as_bytes());
                        put(&name.to_bytes());
                    }
                    Aim::Nowhere(number) => put(format!("nowhere {number}").as_bytes()),
                }
            }
            kind if kind.is_container() => put(header(tree, inner)),
            _ => put(tree.text(inner)),
        }
    }
    Cow::Owned(out)
}

fn header<'a>(tree: &Tree<'a>, node: &Node) -> &'a [u8] {
    &tree.source[node.start as usize..node.body as usize]
}

fn aim<'a>(tree: &Tree<'a>, root: &Node, reference: &Node) -> Aim<'a> {
    let target = reference.reach;
    if root.kind != Kind::Reference && target >= root.number {
        return Aim::Inside(target - root.number);
    }
    match tree.owner(target) {
        Some((at, first)) => Aim::Variable(tree.name(at), tree.vars[at].live, target - first),
        None => Aim::Nowhere(target),
    }
}
