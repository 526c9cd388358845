//! One entry of the flat tree: nodes stand in the order of the text, a container before its children, each child's key
//! before its value. Offsets are 32 bits, which [`crate::Limits`] guarantees to suffice.

use std::borrow::Cow;

/// What a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// `N;` or `null`.
    Null,
    /// `b:0;`, `b:1;`, `false`, `true`.
    Bool,
    /// An integer.
    Int,
    /// A floating-point number, kept as its text.
    Float,
    /// A string of bytes (in JSON, of characters).
    Str,
    /// PHP's `S:`, a string with `\hh` escapes: read, never written anew.
    EscapedStr,
    /// A PHP array, list or not.
    Array,
    /// A PHP object, `O:`.
    Object,
    /// A PHP object with an encoding of its own, `C:`.
    Custom,
    /// A case of a PHP enum, `E:`.
    Enum,
    /// `r:`, the same object as an earlier value.
    Same,
    /// `R:`, a PHP reference to an earlier value.
    Reference,
    /// A JSON array.
    List,
    /// A JSON object.
    Map,
}

impl Kind {
    /// Whether values are inside.
    pub(crate) const fn is_container(self) -> bool {
        matches!(self, Self::Array | Self::Object | Self::List | Self::Map)
    }

    /// Whether it can be merged key by key.
    pub(crate) const fn is_array(self) -> bool {
        matches!(self, Self::Array | Self::List | Self::Map)
    }

    /// Whether `r:` may point to it.
    pub(crate) const fn is_object(self) -> bool {
        matches!(self, Self::Object | Self::Custom | Self::Enum | Self::Same)
    }
}

/// `reach` of a node without references.
pub(crate) const NOWHERE: u32 = u32::MAX;

#[derive(Debug, Clone, Copy)]
pub(crate) struct Node {
    pub(crate) kind: Kind,
    /// First byte of the text, and the first one after it.
    pub(crate) start: u32,
    pub(crate) end: u32,
    /// Where a string's content or a container's children begin.
    pub(crate) body: u32,
    /// Index of the first node that is not inside.
    pub(crate) next: u32,
    /// PHP's number of this value; for a key or an `R:`, which take none, the number given out last.
    pub(crate) number: u32,
    /// The lowest number that a reference in here points to (its target, for a reference itself), else [`NOWHERE`].
    pub(crate) reach: u32,
    /// Children of a container; for JSON strings, 1 if they hold escapes.
    pub(crate) count: u32,
}

/// Key of an array, name of a variable or property.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Key<'a> {
    /// An integer; in arrays also what PHP turns into one, like `"5"`.
    Int(i64),
    /// Bytes.
    Str(Cow<'a, [u8]>),
}

impl<'a> Key<'a> {
    /// As PHP's arrays see it: canonical decimal strings are integers.
    pub(crate) fn of_array(text: Cow<'a, [u8]>) -> Self {
        match canonical_int(&text) {
            Some(int) => Self::Int(int),
            None => Self::Str(text),
        }
    }

    /// The key as bytes; integers in decimal.
    pub fn to_bytes(&self) -> Cow<'_, [u8]> {
        match self {
            Self::Int(int) => Cow::Owned(int.to_string().into_bytes()),
            Self::Str(text) => Cow::Borrowed(text),
        }
    }
}

fn canonical_int(text: &[u8]) -> Option<i64> {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    match digits {
        [b'0'] if digits.len() == text.len() => return Some(0),
        [b'1'..=b'9', rest @ ..] if rest.len() < 19 && rest.iter().all(u8::is_ascii_digit) => {}
        _ => return None,
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn string_keys_become_integers_where_php_does_so() {
        for (text, int) in
            [("0", 0), ("7", 7), ("-7", -7), ("9223372036854775807", i64::MAX), ("-9223372036854775808", i64::MIN)]
        {
            assert_eq!(Key::of_array(Cow::Borrowed(text.as_bytes())), Key::Int(int), "{text}");
        }
        for text in ["", "-", "-0", "07", "+7", "7 ", "1.0", "9223372036854775808", "-9223372036854775809"] {
            assert!(matches!(Key::of_array(Cow::Borrowed(text.as_bytes())), Key::Str(_)), "{text}");
        }
    }
}
