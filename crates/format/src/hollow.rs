//! Whether a session holds anything that counts: variables whose names do, with values that are not empty.

use crate::format::Format;
use crate::session::decode;
use crate::summary::is_empty;

/// Whether a payload holds nothing that counts: no variables, or only such as are `ignored` by their name or empty (`null`,
/// `''`, an empty array). What can't be read counts. Where the first variable counts, nothing else is looked at.
///
/// ```
/// use cloakroom_format::{Format, is_hollow};
///
/// let flash = |name: &[u8]| name == b"flash";
/// assert!(is_hollow(Format::Php, br#"cart|a:0:{}flash|s:2:"hi";"#, flash));
/// assert!(!is_hollow(Format::Php, br#"cart|a:0:{}flash|s:2:"hi";"#, |_| false));
/// ```
pub fn is_hollow(format: Format, payload: &[u8], ignored: impl Fn(&[u8]) -> bool) -> bool {
    if is_empty(format, payload) {
        return true;
    }
    if let Some((name, value)) = first(format, payload)
        && !is_empty_value(format, value)
        && !ignored(name)
    {
        return false;
    }
    let Ok(tree) = decode(format, payload) else { return false };
    tree.variables().all(|variable| {
        let text = variable.value().text();
        (is_empty_value(format, text) && text.len() <= 7) || ignored(&variable.name().to_bytes())
    })
}

/// Whether the text of a value begins as an empty one does.
fn is_empty_value(format: Format, text: &[u8]) -> bool {
    let empty: &[&[u8]] = match format {
        Format::Json => &[b"null", b"\"\"", b"[]", b"{}"],
        _ => &[b"N;", b"s:0:\"\";", b"a:0:{}"],
    };
    empty.iter().any(|empty| text.starts_with(empty))
}

/// Name and beginning of the value of the first variable, where they are told without reading the rest.
fn first(format: Format, payload: &[u8]) -> Option<(&[u8], &[u8])> {
    match format {
        // A name that is marked may have no value.
        Format::Php if payload.first() != Some(&b'!') => {
            let bar = memchr::memchr(b'|', payload)?;
            Some((&payload[..bar], &payload[bar + 1..]))
        }
        Format::PhpBinary => {
            let (length, rest) = payload.split_first()?;
            rest.split_at_checked(usize::from(*length))
        }
        Format::PhpSerialize => {
            let rest = payload.strip_prefix(b"a:")?;
            let rest = &rest[memchr::memchr(b'{', rest)? + 1..];
            let rest = rest.strip_prefix(b"s:")?;
            let colon = memchr::memchr(b':', rest)?;
            let length: usize = std::str::from_utf8(&rest[..colon]).ok()?.parse().ok()?;
            let (name, rest) = rest.get(colon + 2..)?.split_at_checked(length)?;
            Some((name, rest.strip_prefix(b"\";")?))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: fn(&[u8]) -> bool = |_| false;

    #[test]
    fn null_and_empty_strings_and_arrays_do_not_count_in_any_format() {
        for (format, payload) in [
            (Format::Php, &b""[..]),
            (Format::Php, b"a|N;b|s:0:\"\";c|a:0:{}"),
            (Format::PhpBinary, b"\x01aN;\x01bs:0:\"\";"),
            (Format::PhpSerialize, b"a:2:{s:1:\"a\";N;i:5;a:0:{}}"),
            (Format::Json, b"{\"a\":null,\"b\":\"\",\"c\":[],\"d\":{}}"),
        ] {
            assert!(is_hollow(format, payload, NONE), "{}", payload.escape_ascii());
        }
    }

    #[test]
    fn everything_else_counts_wherever_it_stands() {
        for (format, payload) in [
            (Format::Php, &b"a|b:0;"[..]),
            (Format::Php, b"a|i:0;"),
            (Format::Php, b"a|N;b|d:0;"),
            (Format::Php, b"a|a:1:{i:0;N;}"),
            (Format::Php, b"a|N;torn|s:9:\"x"),
            (Format::PhpBinary, b"\x01aN;\x01bb:0;"),
            (Format::PhpSerialize, b"a:1:{s:1:\"a\";i:0;}"),
            (Format::PhpSerialize, b"a:1:{i:5;i:0;}"),
            (Format::Json, b"{\"a\":null,\"b\":0}"),
            (Format::Json, b"{\"a\":[0]}"),
            (Format::Opaque, b"whatever"),
        ] {
            assert!(!is_hollow(format, payload, NONE), "{}", payload.escape_ascii());
        }
    }

    #[test]
    fn ignored_names_do_not_count_and_others_do() {
        let flash = |name: &[u8]| name.starts_with(b"flash");
        assert!(is_hollow(Format::Php, b"flash|i:1;flash_old|a:1:{i:0;i:1;}x|N;", flash));
        assert!(!is_hollow(Format::Php, b"flash|i:1;x|i:1;", flash));
        assert!(is_hollow(Format::PhpBinary, b"\x05flashi:1;", flash));
        assert!(is_hollow(Format::PhpSerialize, b"a:1:{s:5:\"flash\";i:1;}", flash));
        assert!(is_hollow(Format::Json, b"{\"flash\":1}", flash));
    }
}
