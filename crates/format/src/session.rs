//! Frames of the formats: which bytes are names, which are values. Builds the [`Tree`].

use crate::error::{DecodeError, Fault};
use crate::format::Format;
use crate::json;
use crate::node::{Kind, Node};
use crate::recognise::recognise_other;
use crate::scan::{Scanned, Scanner, Stop};
use crate::tree::{Tree, Var};
use std::collections::HashMap;
use std::collections::hash_map::Entry;

/// What a payload may cost to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// How deep arrays and objects may nest. PHP itself reads 4,096 levels unless told otherwise.
    pub depth: usize,
    /// The longest payload, in bytes; never more than 1 GiB. A tree takes up to about eight times its payload.
    pub size: usize,
}

impl Default for Limits {
    /// 4,096 levels and 64 MiB.
    fn default() -> Self {
        Self { depth: 4096, size: 64 << 20 }
    }
}

/// Offsets and numbers are 32 bits wide.
const LONGEST: usize = 1 << 30;

/// How many bytes may be read again because an entry `!name|` turned out to have no value, beyond the payload's own length.
const SECOND_READINGS: usize = 1 << 16;

/// Reads a payload with the default [`Limits`].
///
/// The empty payload is an empty session in every format that can be read.
///
/// # Errors
/// [`DecodeError`] if it is damaged, of another format, or of a format that is carried unread.
pub fn decode(format: Format, payload: &[u8]) -> Result<Tree<'_>, DecodeError> {
    decode_with(format, payload, Limits::default())
}

/// Reads a payload with limits of one's own.
///
/// # Errors
/// As [`decode`].
pub fn decode_with(format: Format, payload: &[u8], limits: Limits) -> Result<Tree<'_>, DecodeError> {
    read(format, payload, limits).map_err(|stop| DecodeError {
        format,
        offset: stop.offset,
        fault: stop.fault,
        seems: match stop.fault {
            Fault::TooLong | Fault::TooDeep | Fault::Opaque => None,
            _ => recognise_other(payload, format),
        },
    })
}

/// Reads without guessing what else a damaged payload could be.
pub(crate) fn read(format: Format, payload: &[u8], limits: Limits) -> Scanned<Tree<'_>> {
    check_size(payload, limits)?;
    let tree = match format {
        Format::Opaque => return Err(Stop { offset: 0, fault: Fault::Opaque }),
        Format::Json => json_session(payload, limits)?,
        Format::PhpSerialize => serialized_array(payload, limits)?,
        Format::Php | Format::PhpBinary => {
            let mut scanner = Scanner::<true>::new(payload, limits.depth);
            let mut vars = Vec::new();
            named_values(format, &mut scanner, |_, name, value| {
                vars.push(Var { name_start: name.0, name_end: name.1, key: None, value, live: true });
            })?;
            from_scanner(format, scanner, vars)
        }
    };
    Ok(shadow(tree))
}

pub(crate) fn check_size(payload: &[u8], limits: Limits) -> Scanned<()> {
    let longest = limits.size.min(LONGEST);
    if payload.len() > longest {
        return Err(Stop { offset: longest, fault: Fault::TooLong });
    }
    Ok(())
}

/// Goes through the variables of `php` and `php_binary`, telling where each name lies and the node of its value.
///
/// PHP up to 7.0 wrote registered but unset variables as a marked name without a value (`!name|`, or the length's top bit);
/// they are passed over, as they hold nothing.
pub(crate) fn named_values<const KEEP: bool>(
    format: Format,
    scanner: &mut Scanner<'_, KEEP>,
    mut found: impl FnMut(&Scanner<'_, KEEP>, (u32, u32), u32),
) -> Scanned<()> {
    let mut again = scanner.source.len() + SECOND_READINGS;
    while scanner.pos < scanner.source.len() {
        let (start, end, unset) =
            if format == Format::PhpBinary { binary_name(scanner)? } else { barred_name(scanner)? };
        if format == Format::PhpBinary && unset {
            continue;
        }
        let before = (scanner.pos, scanner.nodes.len(), scanner.counter, scanner.custom);
        match scanner.value() {
            Ok(value) => found(scanner, (start, end), value),
            Err(stop) if unset && stop.offset - before.0 <= again => {
                again -= stop.offset - before.0;
                (scanner.pos, scanner.counter, scanner.custom) = (before.0, before.2, before.3);
                scanner.nodes.truncate(before.1);
                scanner.numbered.truncate(before.2 as usize);
            }
            Err(stop) => return Err(stop),
        }
    }
    Ok(())
}

fn binary_name<const KEEP: bool>(scanner: &mut Scanner<'_, KEEP>) -> Scanned<(u32, u32, bool)> {
    let length = scanner.source[scanner.pos];
    let start = scanner.pos + 1;
    let end = start + usize::from(length & 0x7f);
    if end > scanner.source.len() {
        return scanner.stop(Fault::Length);
    }
    scanner.pos = end;
    Ok((start as u32, end as u32, length & 0x80 != 0))
}

fn barred_name<const KEEP: bool>(scanner: &mut Scanner<'_, KEEP>) -> Scanned<(u32, u32, bool)> {
    let start = scanner.pos;
    let Some(length) = memchr::memchr(b'|', &scanner.source[start..]) else {
        return scanner.stop(Fault::Name);
    };
    scanner.pos = start + length + 1;
    Ok((start as u32, (start + length) as u32, scanner.source[start] == b'!'))
}

fn serialized_array(payload: &[u8], limits: Limits) -> Scanned<Tree<'_>> {
    // The session's own array is a level that the other formats don't have.
    let mut scanner = Scanner::<true>::new(payload, limits.depth + 1);
    if payload.is_empty() {
        return Ok(from_scanner(Format::PhpSerialize, scanner, Vec::new()));
    }
    if payload[0] != b'a' {
        return scanner.stop(Fault::Expected("an array of variables"));
    }
    scanner.value()?;
    if scanner.pos < payload.len() {
        return scanner.stop(Fault::Trailing);
    }
    let vars = keyed(&scanner.nodes);
    Ok(from_scanner(Format::PhpSerialize, scanner, vars))
}

fn json_session(payload: &[u8], limits: Limits) -> Scanned<Tree<'_>> {
    let nodes =
        if payload.iter().all(u8::is_ascii_whitespace) { Vec::new() } else { json::scan(payload, limits.depth + 1)? };
    let vars = match nodes.first() {
        None => Vec::new(),
        // PHP writes an empty array as a list.
        Some(Node { kind: Kind::List, count: 0, .. }) => Vec::new(),
        Some(Node { kind: Kind::Map, .. }) => keyed(&nodes),
        Some(node) => {
            return Err(Stop { offset: node.start as usize, fault: Fault::Expected("an object of variables") });
        }
    };
    Ok(Tree::new(Format::Json, payload, nodes, Vec::new(), false, vars))
}

/// The children of the first node as variables.
fn keyed(nodes: &[Node]) -> Vec<Var> {
    let Some(root) = nodes.first() else { return Vec::new() };
    let mut vars = Vec::with_capacity((root.count as usize).min(nodes.len() / 2));
    let mut key = 1;
    while key < root.next {
        let value = key + 1;
        vars.push(Var { name_start: 0, name_end: 0, key: Some(key), value, live: true });
        key = nodes[value as usize].next;
    }
    vars
}

fn from_scanner<'a>(format: Format, scanner: Scanner<'a, true>, vars: Vec<Var>) -> Tree<'a> {
    Tree::new(format, scanner.source, scanner.nodes, scanner.numbered, scanner.custom, vars)
}

/// Where a name comes twice, the last value counts, at the first one's place, as in PHP. What it displaced stays behind
/// it, not live, because references into it are still possible.
fn shadow(mut tree: Tree<'_>) -> Tree<'_> {
    let count = tree.vars.len();
    let mut first = HashMap::with_capacity(count);
    let mut again = Vec::new();
    for at in 0..count {
        match first.entry(tree.name(at)) {
            Entry::Vacant(free) => {
                free.insert(at);
            }
            Entry::Occupied(place) => again.push((*place.get(), at)),
        }
    }
    drop(first);
    for (place, at) in again {
        tree.vars[place].live = false;
        tree.vars.swap(place, at);
    }
    tree.index_owners();
    tree
}
