//! Names and sizes without a tree, and the empty session of each format.

use crate::error::{DecodeError, Fault};
use crate::format::Format;
use crate::node::Key;
use crate::recognise::recognise_other;
use crate::scan::{Scanned, Scanner};
use crate::session::{Limits, check_size, decode, named_values};
use std::borrow::Cow;
use std::collections::HashMap;

/// How much one variable holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary<'a> {
    /// The variable's name.
    pub name: Key<'a>,
    /// Its value's encoded size, in bytes, without the name.
    pub size: usize,
}

/// The payload of a session without variables.
pub const fn empty(format: Format) -> &'static [u8] {
    match format {
        Format::Opaque | Format::Php | Format::PhpBinary => b"",
        Format::PhpSerialize => b"a:0:{}",
        Format::Json => b"{}",
    }
}

/// Whether a payload is that of a session without variables; reads no more than needed for that. The empty payload is one
/// in every format; of those carried unread, what igbinary and msgpack write for an empty array is one too.
pub fn is_empty(format: Format, payload: &[u8]) -> bool {
    match format {
        _ if payload.is_empty() => true,
        Format::Php | Format::PhpBinary => false,
        Format::PhpSerialize => payload == b"a:0:{}",
        Format::Json => {
            let mut text = payload.iter().filter(|byte| !byte.is_ascii_whitespace());
            matches!(
                (text.next(), text.next(), text.next()),
                (Some(b'{'), Some(b'}'), None) | (Some(b'['), Some(b']'), None)
            )
        }
        Format::Opaque => matches!(payload, [0, 0, 0, 1 | 2, 0x14, 0] | [0x80] | [0x90]),
    }
}

/// How many variables a payload holds.
///
/// # Errors
/// As [`summary`].
pub fn count(format: Format, payload: &[u8]) -> Result<usize, DecodeError> {
    Ok(summary(format, payload)?.len())
}

/// Names and sizes of the variables, in their order. For PHP's formats no tree is built.
///
/// # Errors
/// As [`decode`].
pub fn summary(format: Format, payload: &[u8]) -> Result<Vec<Summary<'_>>, DecodeError> {
    let list = match format {
        Format::Php | Format::PhpBinary => named(format, payload),
        Format::Json | Format::PhpSerialize | Format::Opaque => {
            let tree = decode(format, payload)?;
            return Ok(tree
                .variables()
                .map(|var| Summary { name: var.name(), size: var.value().text().len() })
                .collect());
        }
    };
    list.map_err(|stop| DecodeError {
        format,
        offset: stop.offset,
        fault: stop.fault,
        seems: if stop.fault == Fault::TooLong { None } else { recognise_other(payload, format) },
    })
}

fn named(format: Format, payload: &[u8]) -> Scanned<Vec<Summary<'_>>> {
    let limits = Limits::default();
    check_size(payload, limits)?;
    let mut scanner = Scanner::<false>::new(payload, limits.depth);
    let mut list: Vec<Summary<'_>> = Vec::new();
    let mut repeated = HashMap::new();
    let bar = usize::from(format == Format::Php);
    named_values(format, &mut scanner, |scanner, (from, to), _| {
        let size = scanner.pos - to as usize - bar;
        let name = &payload[from as usize..to as usize];
        let at = *repeated.entry(name).or_insert(list.len());
        let summary = Summary { name: Key::Str(Cow::Borrowed(name)), size };
        match list.get_mut(at) {
            Some(earlier) => *earlier = summary,
            None => list.push(summary),
        }
    })?;
    Ok(list)
}
