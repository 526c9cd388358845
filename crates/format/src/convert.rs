//! Putting variables together anew: of several payloads, or in another format.

use crate::emit::Emitter;
use crate::error::DecodeError;
use crate::format::Format;
use crate::node::Key;
use crate::session::decode;
use crate::tree::{Tree, Variable};

/// Why variables can't be put together.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConvertError {
    /// The payload can't be read.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// Values of these two formats are written differently.
    #[error(
        "A payload of the format `{from}` can't be written as `{to}`: only PHP's formats can be turned into one another."
    )]
    Formats {
        /// The format it has.
        from: Format,
        /// The format that was asked for.
        to: Format,
    },
    /// A payload that can only be kept whole.
    #[error(
        "The session holds an object with an encoding of its own (`C:`), or a reference to the session itself: its references \
         can't be numbered anew, so that it can only be kept as it is."
    )]
    Indivisible,
}

/// A payload in another format.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Converted {
    /// The new payload.
    pub payload: Vec<u8>,
    /// Variables that the new format has no room for, which PHP would leave out too: integers as names, names with `|` in
    /// `php`, names over 127 bytes in `php_binary`.
    pub left_out: Vec<Vec<u8>>,
}

/// Puts variables, of one or several payloads of one format, together in the order given. References are numbered anew;
/// what they point to comes along, even out of a variable that does not.
///
/// The names should differ: of two variables of one name only the later one is seen by whoever reads the result.
///
/// # Errors
/// [`ConvertError::Formats`] if a payload is not of that format, [`ConvertError::Indivisible`] if one can't be taken apart.
pub fn join(format: Format, variables: &[Variable<'_, '_>]) -> Result<Vec<u8>, ConvertError> {
    let mut trees: Vec<&Tree<'_>> = Vec::new();
    let mut parts = Vec::with_capacity(variables.len());
    let mut size = 0;
    for variable in variables {
        let tree = variable.tree;
        if tree.format != format {
            return Err(ConvertError::Formats { from: tree.format, to: format });
        }
        if !tree.is_divisible() {
            return Err(ConvertError::Indivisible);
        }
        let source = trees.iter().position(|known| std::ptr::eq(*known, tree)).unwrap_or_else(|| {
            trees.push(tree);
            trees.len() - 1
        });
        size += tree.text(tree.root(variable.at)).len() + 32;
        parts.push((source, variable.at));
    }
    let mut out = Emitter::new(&trees, size);
    out.begin(format, parts.len());
    for (place, (source, at)) in parts.into_iter().enumerate() {
        if place > 0 && format == Format::Json {
            out.out.push(b',');
        }
        out.name(source, at);
        out.copy(source, out.tree(source).vars[at].value);
    }
    out.end(format);
    Ok(out.out)
}

/// Writes a payload in another of PHP's formats. Into its own format it is returned as it is.
///
/// # Errors
/// [`ConvertError`]: damaged, not PHP's, or with a `C:` object whose numbers would have to change.
pub fn convert(from: Format, payload: &[u8], to: Format) -> Result<Converted, ConvertError> {
    if from == to {
        return Ok(Converted { payload: payload.to_vec(), left_out: Vec::new() });
    }
    if !from.is_php() || !to.is_php() {
        return Err(ConvertError::Formats { from, to });
    }
    let tree = decode(from, payload)?;
    let (kept, left): (Vec<usize>, Vec<usize>) = tree.live().partition(|at| fits(to, &tree.name(*at)));
    let renumbers =
        from == Format::PhpSerialize || to == Format::PhpSerialize || !left.is_empty() || kept.len() < tree.vars.len();
    if tree.tied_to_root || (tree.custom && renumbers) {
        return Err(ConvertError::Indivisible);
    }
    let trees = [&tree];
    let mut out = Emitter::new(&trees, payload.len() + 16 * kept.len() + 16);
    out.begin(to, kept.len());
    for at in kept {
        write_name(&mut out.out, to, &tree.name(at));
        if renumbers {
            out.copy(0, tree.vars[at].value);
        } else {
            out.out.extend_from_slice(tree.text(tree.root(at)));
        }
    }
    out.end(to);
    let left_out = left.into_iter().map(|at| tree.name(at).to_bytes().into_owned()).collect();
    Ok(Converted { payload: out.out, left_out })
}

fn fits(format: Format, name: &Key<'_>) -> bool {
    match (format, name) {
        (Format::PhpSerialize, _) => true,
        (_, Key::Int(_)) => false,
        (Format::PhpBinary, Key::Str(name)) => name.len() <= 127,
        (_, Key::Str(name)) => !name.contains(&b'|'),
    }
}

fn write_name(out: &mut Vec<u8>, format: Format, name: &Key<'_>) {
    match (format, name) {
        (Format::PhpSerialize, Key::Int(int)) => out.extend_from_slice(format!("i:{int};").as_bytes()),
        (Format::PhpSerialize, Key::Str(name)) => {
            out.extend_from_slice(format!("s:{}:\"", name.len()).as_bytes());
            out.extend_from_slice(name);
            out.extend_from_slice(b"\";");
        }
        (Format::PhpBinary, name) => {
            let name = name.to_bytes();
            out.push(name.len() as u8);
            out.extend_from_slice(&name);
        }
        (_, name) => {
            out.extend_from_slice(&name.to_bytes());
            out.push(b'|');
        }
    }
}
