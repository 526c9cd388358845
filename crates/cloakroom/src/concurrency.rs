//! Whether the requests of a session run side by side or one after the other: settings that all doors share.

use std::fmt;
use std::time::Duration;

/// Most paths in one setting.
const MOST_PATHS: usize = 64;
/// Longest path, in bytes.
const LONGEST_PATH: usize = 191;

/// What requests of one session do about each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Concurrency {
    /// They run side by side, and what they change is merged.
    #[default]
    Merge,
    /// Each takes the session's lock before it loads; one runs after the other.
    Lock,
}

impl Concurrency {
    /// Reads the setting: `merge` or `lock`.
    ///
    /// # Errors
    /// For any other word.
    pub fn parse(text: &str) -> Result<Self, BadConcurrency> {
        match text.trim() {
            "merge" => Ok(Self::Merge),
            "lock" => Ok(Self::Lock),
            other => Err(BadConcurrency::Word(shortened(other))),
        }
    }
}

/// How long a lock is held and waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waiting {
    /// How long a lock lasts that is neither given back nor prolonged. Default 30 seconds.
    pub lease: Duration,
    /// How long to wait for one before going on by merging. Default 10 seconds; zero tries once. It is not part of the
    /// time that the store may take.
    pub wait: Duration,
}

impl Default for Waiting {
    fn default() -> Self {
        Self { lease: Duration::from_secs(30), wait: Duration::from_secs(10) }
    }
}

/// A list of paths, as settings have it: `cart, checkout.*` or `/checkout, /wp-json/*`. Which kind of path is meant (of
/// a page, of a variable in the session) is for the door to say, which asks with paths of that kind.
///
/// An entry names itself and all that is below it (`/checkout` also names `/checkout/pay`, `cart` also `cart.items`);
/// `*` stands for any characters, none included. Upper and lower case differ.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LockPaths(Vec<String>);

impl LockPaths {
    /// Reads a list whose entries are parted by commas or white space.
    ///
    /// # Errors
    /// For more than 64 entries, or one longer than 191 bytes.
    ///
    /// ```
    /// use cloakroom::LockPaths;
    ///
    /// let paths = LockPaths::parse("/checkout, /wp-json/*/pay")?;
    /// assert!(paths.cover("/checkout/confirm"));
    /// assert!(paths.cover("/wp-json/v2/pay"));
    /// assert!(!paths.cover("/checkouts"));
    /// # Ok::<(), cloakroom::BadConcurrency>(())
    /// ```
    pub fn parse(text: &str) -> Result<Self, BadConcurrency> {
        let entries = text.split(|c: char| c == ',' || c.is_whitespace()).filter(|entry| !entry.is_empty());
        let mut paths = Vec::new();
        for entry in entries {
            if paths.len() == MOST_PATHS {
                return Err(BadConcurrency::TooMany);
            }
            if entry.len() > LONGEST_PATH {
                return Err(BadConcurrency::TooLong(shortened(entry)));
            }
            paths.push(entry.to_owned());
        }
        Ok(Self(paths))
    }

    /// Whether an entry names this path.
    pub fn cover(&self, path: &str) -> bool {
        self.0.iter().any(|entry| names(entry, path))
    }

    /// Whether the list has no entry.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The entries.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

impl fmt::Display for LockPaths {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join(", "))
    }
}

/// A setting that can't be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadConcurrency {
    /// Neither of the two words.
    #[error("cloakroom.concurrency is `{0}`; it must be `merge` or `lock`.")]
    Word(String),
    /// Too many entries.
    #[error("The list of paths has more than 64 entries; use `*` to name several with one.")]
    TooMany,
    /// An entry that is too long.
    #[error("A path in the list is longer than 191 bytes: it begins with `{0}`.")]
    TooLong(String),
}

/// Whether the entry names the path or something above it.
fn names(entry: &str, path: &str) -> bool {
    let (entry, path) = (entry.as_bytes(), path.as_bytes());
    // The usual walk: at a mismatch the last star takes one byte more.
    let (mut e, mut p, mut star) = (0, 0, None);
    loop {
        let below = p > 0 && (p == path.len() || matches!(path[p], b'/' | b'.') || matches!(path[p - 1], b'/' | b'.'));
        if e == entry.len() && (below || p == path.len()) {
            return true;
        }
        if entry.get(e) == Some(&b'*') {
            star = Some((e, p));
            e += 1;
        } else if p < path.len() && entry.get(e) == Some(&path[p]) {
            (e, p) = (e + 1, p + 1);
        } else if let Some((at, taken)) = star.filter(|(_, taken)| *taken < path.len()) {
            star = Some((at, taken + 1));
            (e, p) = (at + 1, taken + 1);
        } else {
            return false;
        }
    }
}

fn shortened(text: &str) -> String {
    text.chars().take(40).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(text: &str) -> LockPaths {
        LockPaths::parse(text).expect("a list")
    }

    #[test]
    fn an_entry_names_itself_and_what_is_below() {
        let paths = list("cart, checkout.*\n/pay /api/");
        for covered in ["cart", "cart.items.0", "checkout.", "checkout.total", "/pay", "/pay/now", "/api/v1"] {
            assert!(paths.cover(covered), "{covered}");
        }
        for other in ["", "carts", "Cart", "a.cart", "checkout", "/payment", "/", "/api"] {
            assert!(!paths.cover(other), "{other}");
        }
    }

    #[test]
    fn a_star_stands_for_any_characters() {
        let paths = list("/a/*/z *.php");
        for covered in ["/a/b/z", "/a/b/c/z/deep", "/a//z", "x.php", ".php", "/pay/x.php/y", "/a/z/z"] {
            assert!(paths.cover(covered), "{covered}");
        }
        for other in ["/a/z", "/a/b/zz", "x.phps"] {
            assert!(!paths.cover(other), "{other}");
        }
        assert!(list("*").cover("anything") && list("*").cover(""));
    }

    #[test]
    fn many_stars_take_no_time() {
        let began = std::time::Instant::now();
        assert!(!list(&"*a".repeat(90)).cover(&"a".repeat(80)));
        assert!(!list(&format!("{}b", "*a".repeat(90))).cover(&"a".repeat(4000)));
        assert!(began.elapsed() < Duration::from_secs(5));
    }

    #[test]
    fn lists_and_words_are_bounded_and_checked() {
        assert_eq!(list(" ,, "), LockPaths::default());
        assert_eq!(list("a,b").to_string(), "a, b");
        assert_eq!(LockPaths::parse(&"a,".repeat(65)), Err(BadConcurrency::TooMany));
        assert!(matches!(LockPaths::parse(&"ä".repeat(100)), Err(BadConcurrency::TooLong(_))));
        assert_eq!(Concurrency::parse(" lock "), Ok(Concurrency::Lock));
        assert_eq!(Concurrency::parse("merge"), Ok(Concurrency::Merge));
        assert_eq!(Concurrency::parse("Lock"), Err(BadConcurrency::Word("Lock".into())));
    }
}
