//! Colours, where there are any.

/// What is painted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ink {
    /// Fine.
    Green,
    /// To be looked at.
    Yellow,
    /// To be mended.
    Red,
    /// A heading.
    Bold,
}

/// The text in a colour, if there are any.
pub fn paint(text: &str, ink: Ink, colour: bool) -> String {
    if !colour {
        return text.to_owned();
    }
    let code = match ink {
        Ink::Green => "32",
        Ink::Yellow => "33",
        Ink::Red => "1;31",
        Ink::Bold => "1",
    };
    format!("\u{1b}[{code}m{text}\u{1b}[0m")
}
