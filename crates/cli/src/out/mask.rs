//! Hiding what may be a session id in text that a store hands out. Reports are written without any; this is the second
//! lock on that door, for what a variable is named after or an address of a page holds.

/// Fewest characters of an id in PHP, which allows `session.sid_length` from 22 on.
const FEWEST: usize = 22;

/// The text without anything that has the length and the letters of a session id.
pub fn text(text: &str) -> String {
    without(text, |_| true)
}

/// As [`text`] for the name of a variable, which an operator needs for a rule: long names without any digit are kept. A
/// random id without one is rare, and a variable named by an id rarer.
pub fn label(text: &str) -> String {
    without(text, |run| run.bytes().any(|b| b.is_ascii_digit()))
}

fn without(text: &str, hide: impl Fn(&str) -> bool) -> String {
    let of_an_id = |c: char| c.is_ascii_alphanumeric() || c == ',' || c == '-';
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(of_an_id) {
        let (before, from) = rest.split_at(start);
        let (run, after) = from.split_at(from.find(|c| !of_an_id(c)).unwrap_or(from.len()));
        out.push_str(before);
        out.push_str(if run.len() >= FEWEST && hide(run) { "(hidden)" } else { run });
        rest = after;
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_may_be_an_id_is_shown() {
        let id = "0123456789abcdef-,ABCD";
        assert_eq!(text(&format!("/cart?sid={id}&x=1 {id}")), "/cart?sid=(hidden)&x=1 (hidden)");
        assert_eq!(text(&id[1..]), &id[1..], "21 characters are none");
        assert_eq!(label(&format!("tokens_{id}.*")), "tokens_(hidden).*");
        assert_eq!(text(&"a".repeat(300)), "(hidden)");
    }

    #[test]
    fn names_and_sentences_stay_as_they_are() {
        for name in ["recentlyViewedProductsOfTheShop", "a-very-long-name-with-dashes.*", "d8918238b8d5", "", "größe"]
        {
            assert_eq!(label(name), name);
        }
        let why = "the session was ended while the request ran, so what the request wrote was dropped";
        assert_eq!(text(why), why);
    }
}
