//! A file's bytes made ready for the parser, and shown to people.
//!
//! PHP regards files as bytes: everything from 0x80 may stand in a name, whatever the encoding. The grammar wants UTF-8.
//! So each such byte becomes an `x` before parsing; positions stay, and only what is shown is taken from the original.

use std::borrow::Cow;

use tree_sitter::Node;

/// A file.
#[derive(Debug)]
pub(super) struct Source<'a> {
    original: &'a [u8],
    masked: Vec<u8>,
}

impl<'a> Source<'a> {
    pub(super) fn new(original: &'a [u8]) -> Self {
        let mut masked: Vec<u8> = original.iter().map(|b| if *b >= 0x80 { b'x' } else { *b }).collect();
        // The grammar takes `<?` for PHP's short tag. In files that print XML it is not one.
        let mut at = 0;
        while let Some(found) = find(&masked[at..], b"<?xml") {
            masked[at + found + 1] = b'_';
            at += found + 5;
        }
        Self { original, masked }
    }

    /// What is parsed.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.masked
    }

    /// What stands behind this byte is data, not PHP.
    pub(super) fn truncate(&mut self, at: usize) {
        self.masked.truncate(at);
    }

    /// The node's text, with letters outside ASCII masked.
    pub(super) fn text(&self, node: Node<'_>) -> Cow<'_, str> {
        String::from_utf8_lossy(self.masked.get(node.byte_range()).unwrap_or_default())
    }

    /// The node's code for people: one line, no control characters, cut to `width`.
    pub(super) fn shown(&self, node: Node<'_>, width: usize) -> String {
        self.shown_range(node.start_byte(), node.end_byte(), width)
    }

    /// The same of a range.
    pub(super) fn shown_range(&self, from: usize, to: usize, width: usize) -> String {
        // No more than is shown is looked at: a node may be a whole file.
        let to = to.min(from + width * 8);
        let text = String::from_utf8_lossy(self.original.get(from..to).unwrap_or_default());
        let words: Vec<&str> = text.split_whitespace().collect();
        crate::out::cut(&crate::out::plain(&words.join(" ")), width)
    }

    /// `$_POST['x']` out of a condition that mentions it.
    pub(super) fn shown_parameter(&self, text: &str, variable: &str) -> String {
        let lower = text.to_ascii_lowercase();
        let Some(at) = lower.find(&format!("${variable}")) else { return format!("${variable}").to_ascii_uppercase() };
        let rest = &text[at..];
        let end = rest.find(']').map_or(variable.len() + 1, |e| e + 1);
        crate::out::cut(&crate::out::plain(&rest[..end]), 40)
    }

    /// The string that the node is, if it is one without variables in it.
    pub(super) fn literal(&self, node: Node<'_>) -> Option<String> {
        let text = match node.kind() {
            "string" => self.text(node),
            "encapsed_string"
                if (0..node.named_child_count() as u32)
                    .filter_map(|i| node.named_child(i))
                    .all(|c| matches!(c.kind(), "string_content" | "escape_sequence")) =>
            {
                self.text(node)
            }
            "parenthesized_expression" => return self.literal(node.named_child(0)?),
            _ => return None,
        };
        let text = text.trim_start_matches(['b', 'B']);
        let inner = text.get(1..text.len().checked_sub(1)?)?;
        Some(inner.replace("\\\\", "\\"))
    }
}

/// Where `needle` begins.
pub(super) fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|w| w.eq_ignore_ascii_case(needle))
}
