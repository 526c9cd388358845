//! Breaking text into lines.

/// The text with lines of at most `width` characters, each but the first behind `indent`; lines already broken stay so.
/// A word that is longer (a path) stays whole. Ends with a line break.
pub fn wrapped(text: &str, indent: &str, width: usize) -> String {
    let mut out = String::new();
    let mut first = true;
    for line in text.lines() {
        // Lines that are set in by themselves are lists: not rewrapped.
        if line.starts_with(' ') {
            out.push_str(if first { "" } else { indent });
            out.push_str(line);
            out.push('\n');
            first = false;
            continue;
        }
        let mut used = 0;
        for word in line.split(' ').filter(|w| !w.is_empty()) {
            let length = word.chars().count();
            if used > 0 && used + 1 + length > width {
                out.push('\n');
                used = 0;
            }
            if used == 0 {
                if !first {
                    out.push_str(indent);
                }
                // The first line starts where the caller has put the cursor: as far in as the indent.
                used = indent.chars().count();
                first = false;
            } else {
                out.push(' ');
                used += 1;
            }
            out.push_str(word);
            used += length;
        }
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::wrapped;

    #[test]
    fn no_line_is_longer_than_asked_unless_a_word_is() {
        let text = "one two three four five six /a/very/long/path/that/can/not/be/broken seven";
        let out = wrapped(text, "   ", 20);
        assert!(out.lines().all(|l| l.chars().count() <= 20 || l.trim().starts_with("/a/very")), "{out}");
        assert_eq!(out.split_whitespace().collect::<Vec<_>>().join(" "), text);
        assert!(out.lines().skip(1).all(|l| l.starts_with("   ")), "{out}");
    }
}
