//! What people and programs see: text wrapped for 80 columns, aligned tables, colours on a terminal, or JSON.

pub mod mask;
pub mod paint;
pub mod session;
pub mod wrap;

use std::io::{self, Write};

use serde::Serialize;

use crate::{Failure, Surroundings};

/// Where a command writes, and how.
pub struct Out<'a> {
    writer: &'a mut dyn Write,
    /// Whether to write JSON.
    pub json: bool,
    /// Whether there may be colours.
    pub colour: bool,
}

impl<'a> Out<'a> {
    /// Output to `writer`.
    pub fn new(writer: &'a mut dyn Write, json: bool, around: &Surroundings) -> Self {
        Self { writer, json, colour: around.colour && !json }
    }

    /// Writes as is.
    ///
    /// # Errors
    /// When the output can't be written.
    pub fn text(&mut self, text: &str) -> Result<(), Failure> {
        check(self.writer.write_all(text.as_bytes()))
    }

    /// Writes a line.
    ///
    /// # Errors
    /// When the output can't be written.
    pub fn line(&mut self, text: &str) -> Result<(), Failure> {
        check(writeln!(self.writer, "{text}"))
    }

    /// Writes a sentence or several, wrapped.
    ///
    /// # Errors
    /// When the output can't be written.
    pub fn prose(&mut self, text: &str) -> Result<(), Failure> {
        self.text(&wrap::wrapped(text, "", 80))
    }

    /// Writes one JSON document.
    ///
    /// # Errors
    /// When the output can't be written.
    pub fn document(&mut self, value: &impl Serialize) -> Result<(), Failure> {
        let text = serde_json::to_string_pretty(value)
            .map_err(|e| Failure::could_not(format!("The output could not be made: {e}.")))?;
        self.line(&text)
    }

    /// Makes sure that everything has left.
    ///
    /// # Errors
    /// When the output can't be written.
    pub fn finish(&mut self) -> Result<(), Failure> {
        check(self.writer.flush())
    }
}

impl std::fmt::Debug for Out<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Out").field("json", &self.json).finish_non_exhaustive()
    }
}

/// Who pipes into `head` has read enough; a full disk is another matter.
fn check(result: io::Result<()>) -> Result<(), Failure> {
    match result {
        Err(e) if e.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::could_not(format!("The output could not be written: {e}.")))
        }
        _ => Ok(()),
    }
}

/// A failure as it goes to standard error: a wrapped sentence, or JSON.
pub fn failure(failure: &Failure, json: bool) -> String {
    if json {
        return serde_json::json!({ "error": failure.text, "exit_code": failure.outcome.code() }).to_string();
    }
    wrap::wrapped(&format!("cloakroom: {}", failure.text), "", 80).trim_end().to_owned()
}

/// Text from a store or a file, made safe for a terminal: control characters are shown, not obeyed.
pub fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// Cut to `width` characters, with an ellipsis where something is missing.
pub fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let mut out: String = text.chars().take(width.saturating_sub(1)).collect();
    out.push('…');
    out
}

/// As [`cut`], but after a whole word, where the first one is not too long itself.
pub fn cut_words(text: &str, width: usize) -> String {
    let short = cut(text, width);
    let Some(kept) = short.strip_suffix('…').filter(|_| short != text) else { return short };
    // The whole word fits where a blank follows it.
    let whole = text[kept.len()..].starts_with(' ');
    let end = if whole { kept.len() } else { kept.rfind(' ').unwrap_or(kept.len()) };
    format!("{}…", kept[..end].trim_end_matches([' ', ';', ':', ',']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_cut_is_cut_between_words() {
        assert_eq!(cut_words("d8918238b8d5: checkout.php; the wait ran out", 24), "d8918238b8d5…");
        assert_eq!(cut_words("d8918238b8d5: cart; the wait ran out", 24), "d8918238b8d5: cart; the…");
        assert_eq!(cut_words("/a/page/with/a/very/long/address", 24), "/a/page/with/a/very/lon…");
        assert_eq!(cut_words("short", 24), "short");
        assert_eq!(cut_words("one two", 5), "one…");
    }
}
