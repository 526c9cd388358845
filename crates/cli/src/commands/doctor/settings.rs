//! Whether the extension takes the site's `cloakroom.*` settings. One that it refuses leaves pages without their session.
//!
//! Where PHP can be run (see `fits`) the extension itself says what it refuses. Elsewhere a table of the names and of what
//! each takes stands in for it; its words are those of the extension (crates/php/src/settings.rs).

use std::net::IpAddr;

use cloakroom::{Concurrency, LockPaths};
use cloakroom_format::Rules;

use super::check::Section;
use super::fits::Trials;
use crate::Surroundings;
use crate::out::plain;
use crate::php::{Sapi, Site};

/// What a setting takes.
#[derive(Debug, Clone, Copy)]
enum Takes {
    /// Looked at elsewhere, and never handed to PHP: what may hold a password, and what belongs to it.
    Apart,
    /// A number of seconds above 0.
    Time,
    /// A number of seconds, or nothing.
    TimeOrNone,
    /// Seconds from … to ….
    Seconds(f64, f64),
    /// On, or `php`.
    OnOrPhp,
    /// On or off.
    Switch,
    /// As PHP reads switches, so anything.
    Anything,
    /// Bits of an id.
    Bits,
    /// A size of memory.
    Size,
    /// A size of memory, or 0.
    SizeOrNone,
    /// One request in so many, or 0.
    OneIn,
    /// Words of `cloakroom.on_failure`.
    OnFailure,
    /// Words of `cloakroom.concurrency`.
    Concurrency,
    /// Merge rules.
    Rules,
    /// A list of addresses.
    Paths,
    /// A list of machines' addresses and blocks of them.
    Blocks,
    /// One of these words.
    Word(&'static [&'static str]),
}

/// Every setting there is.
const ALL: [(&str, Takes); 37] = [
    ("cloakroom.store", Takes::Apart),
    ("cloakroom.store_file", Takes::Apart),
    ("cloakroom.namespace", Takes::Apart),
    ("cloakroom.keys", Takes::Apart),
    ("cloakroom.timeout", Takes::Time),
    ("cloakroom.idle", Takes::TimeOrNone),
    ("cloakroom.absolute", Takes::TimeOrNone),
    ("cloakroom.grace", Takes::Seconds(0.0, 600.0)),
    ("cloakroom.strict", Takes::OnOrPhp),
    ("cloakroom.httponly", Takes::OnOrPhp),
    ("cloakroom.id_bits", Takes::Bits),
    ("cloakroom.on_failure", Takes::OnFailure),
    ("cloakroom.max_size", Takes::Size),
    ("cloakroom.merge_rules", Takes::Rules),
    ("cloakroom.conflict_log", Takes::Switch),
    ("cloakroom.readonly_paths", Takes::Paths),
    ("cloakroom.debug", Takes::Switch),
    ("cloakroom.concurrency", Takes::Concurrency),
    ("cloakroom.lock_paths", Takes::Paths),
    ("cloakroom.lock_wait", Takes::Seconds(0.0, 300.0)),
    ("cloakroom.lock_lease", Takes::Seconds(1.0, 3600.0)),
    ("cloakroom.eager_cookie", Takes::Switch),
    ("cloakroom.ignore_keys", Takes::Anything),
    ("cloakroom.vary_cookie", Takes::Switch),
    ("cloakroom.cache_cookies", Takes::Anything),
    ("cloakroom.warn", Takes::Anything),
    ("cloakroom.blame", Takes::OneIn),
    ("cloakroom.warn_size", Takes::SizeOrNone),
    ("cloakroom.cookie_secure", Takes::OnOrPhp),
    ("cloakroom.trusted_proxies", Takes::Blocks),
    ("cloakroom.cookie_prefix", Takes::Word(&["", "none", "host", "secure"])),
    ("cloakroom.cookie_partitioned", Takes::Switch),
    ("cloakroom.cookies_only", Takes::OnOrPhp),
    ("cloakroom.host_preset", Takes::Word(&["", "none", "pantheon", "acquia", "wpvip"])),
    ("cloakroom.first_visit", Takes::Word(&["", "cookie", "marker"])),
    ("cloakroom.first_life", Takes::TimeOrNone),
    ("cloakroom.crawler_life", Takes::TimeOrNone),
];

/// A name further from every known one than so many letters gets no guess.
const NEAR: usize = 4;

/// Says what the extension refuses of a site's settings, and which names it does not know.
pub(super) fn check(site: &Site, trials: &Trials, around: &Surroundings, section: &mut Section) {
    let mut set = Vec::new();
    for (name, setting) in site.named("cloakroom.") {
        match ALL.iter().find(|(known, _)| *known == name) {
            // Ids that can be guessed are said with all that is known of ids, but for the command line.
            Some((_, Takes::Bits)) if site.sapi != Sapi::Cli && setting.value.trim().parse().is_ok_and(few) => {}
            Some((_, Takes::Apart)) => {}
            Some((known, takes)) => set.push((*known, *takes, setting.value.trim())),
            None => section.warning("settings", unknown(name, &setting.origin)),
        }
    }
    let values: Vec<(&str, &str)> = set.iter().map(|(name, _, value)| (*name, *value)).collect();
    let refused = trials.refused(site, &values, around).unwrap_or_else(|| {
        set.iter().filter_map(|(name, takes, value)| takes.refuse(name, value).map(|why| (*name, why))).collect()
    });
    for (name, why) in refused {
        let setting = site.setting(name);
        let (value, origin) = setting.map_or(("", ""), |s| (s.value.trim(), s.origin.as_str()));
        let why = around.told(&plain(&why));
        section.problem("settings", format!("The extension refuses {name} = {:?} ({origin}): {why}", plain(value)));
    }
}

/// Whether `cloakroom.strict` or `cloakroom.httponly` have a value that is refused.
pub(super) fn refuses(site: &Site, name: &str) -> bool {
    Takes::OnOrPhp.refuse(name, site.value(name)).is_some()
}

fn few(bits: u64) -> bool {
    bits < 128
}

fn unknown(name: &str, origin: &str) -> String {
    let nearest = ALL.iter().map(|(known, _)| (distance(name, known), *known)).min();
    let guess = match nearest {
        Some((far, known)) if far <= NEAR => format!("Is {known} meant?"),
        _ => "docs/php.md lists those there are.".to_owned(),
    };
    format!("There is no setting {} ({origin}), so it does nothing. {guess}", plain(name))
}

/// How many letters must be added, removed or changed to make one word of the other.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut before = std::mem::replace(&mut row[0], i + 1);
        for (j, to) in b.iter().enumerate() {
            let change = before + usize::from(from != *to);
            before = row[j + 1];
            row[j + 1] = change.min(row[j] + 1).min(before + 1);
        }
    }
    row.last().copied().unwrap_or(0)
}

impl Takes {
    /// Why a value is refused.
    fn refuse(self, name: &str, value: &str) -> Option<String> {
        let number = || value.parse::<f64>().ok().filter(|n| (0.0..315_360_000.0).contains(n));
        let word = value.to_ascii_lowercase();
        let on = matches!(word.as_str(), "1" | "on" | "yes" | "true");
        let off = matches!(word.as_str(), "" | "0" | "off" | "no" | "false");
        let (fits, must) = match self {
            Takes::Apart | Takes::Anything => return None,
            Takes::Time => {
                (number().is_some_and(|n| n > 0.0), "must be a number of seconds above 0, such as 2 or 0.5.")
            }
            Takes::TimeOrNone => (
                matches!(value, "" | "0") || number().is_some_and(|n| n > 0.0),
                "must be a number of seconds, or empty for none of its own.",
            ),
            Takes::Seconds(least, most) => {
                let fits = number().is_some_and(|n| (least..=most).contains(&n));
                return (!fits).then(|| format!("{name} must be a number of seconds from {least} to {most}."));
            }
            Takes::OnOrPhp => (on || word == "php", "must be 1, or `php` to leave it to the session.* setting."),
            Takes::Switch => (on || off, "must be 0 or 1."),
            Takes::Bits => {
                let bits = value.parse::<u64>();
                if bits.as_ref().is_ok_and(|bits| few(*bits)) {
                    return Some(format!("ids of less than 128 bits can be guessed; set {name} to 256 (the default)."));
                }
                (
                    value == "php" || bits.is_ok_and(|b| b <= 1536),
                    "must be a number of bits from 128 to 1536, or `php`.",
                )
            }
            Takes::Size => (size(value).is_some(), "must be a number of bytes, such as 16M, below 2G."),
            Takes::SizeOrNone => (
                matches!(value, "" | "0") || size(value).is_some(),
                "must be a number of bytes, such as 256K, or 0 for no warning.",
            ),
            Takes::OneIn => (
                matches!(value, "" | "off" | "no" | "false") || value.parse::<u32>().is_ok_and(|n| n <= 1_000_000),
                "must be 0, or a number N up to 1000000: one request in N is looked at.",
            ),
            Takes::OnFailure => (matches!(value, "" | "empty" | "error"), "must be `empty` or `error`."),
            Takes::Concurrency => return Concurrency::parse(value).err().map(|error| error.to_string()),
            Takes::Rules => {
                return Rules::parse(value)
                    .err()
                    .map(|error| format!("{name}: {error} Until then no merge rule is in force, the others neither."));
            }
            Takes::Paths => return LockPaths::parse(value).err().map(|error| format!("{name}: {error}")),
            Takes::Blocks => {
                let wrong = value.split([',', ' ']).find(|item| !item.is_empty() && !is_block(item));
                return wrong.map(|item| {
                    format!("{name}: `{item}` is no address and no block of addresses such as 10.0.0.0/8.")
                });
            }
            Takes::Word(words) => {
                let named: Vec<String> =
                    words.iter().filter(|word| !word.is_empty()).map(|word| format!("`{word}`")).collect();
                return (!words.contains(&value)).then(|| format!("{name} must be {} or empty.", named.join(", ")));
            }
        };
        (!fits).then(|| format!("{name} {must}"))
    }
}

/// An address, or a block of them.
fn is_block(text: &str) -> bool {
    let (address, bits) = text.split_once('/').unwrap_or((text, "0"));
    address.parse::<IpAddr>().is_ok_and(|address| {
        let most = if address.is_ipv4() { 32 } else { 128 };
        bits.parse::<u8>().is_ok_and(|bits| bits <= most)
    })
}

/// A size as PHP writes them, above 0 and below 2 GiB.
fn size(text: &str) -> Option<u64> {
    let factor = match text.as_bytes().last()?.to_ascii_uppercase() {
        b'K' => 1u64 << 10,
        b'M' => 1 << 20,
        b'G' => 1 << 30,
        _ => 1,
    };
    let digits = if factor == 1 { text } else { text.get(..text.len() - 1)? };
    let size = digits.trim().parse::<u64>().ok()?.checked_mul(factor)?;
    (size > 0 && size < 1 << 31).then_some(size)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn the_table_names_the_settings_that_the_extension_has() {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../php/shim/module.c");
        let source = std::fs::read_to_string(source).expect("the extension's source");
        let entries = source.lines().filter_map(|line| line.trim().strip_prefix("PHP_INI_ENTRY"));
        let names: Vec<&str> = entries.filter_map(|entry| entry.split('"').nth(1)).collect();
        assert_eq!(names, ALL.map(|(name, _)| name));
    }

    #[test]
    fn what_the_extension_takes_by_default_is_not_refused() {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../php/shim/module.c");
        let source = std::fs::read_to_string(source).expect("the extension's source");
        for line in source.lines().filter(|line| line.trim().starts_with("PHP_INI_ENTRY")) {
            let words: Vec<&str> = line.split('"').collect();
            let (_, takes) = ALL.iter().find(|(name, _)| *name == words[1]).expect("known");
            // A default that the line has by a name takes anything.
            let default = words.get(3).copied().unwrap_or_default();
            assert_eq!(takes.refuse(words[1], default), None, "{line}");
        }
    }

    #[test]
    fn a_misspelt_name_is_told_with_the_nearest_known_one() {
        assert!(unknown("cloakroom.nmespace", "x:1").ends_with("Is cloakroom.namespace meant?"));
        assert!(unknown("cloakroom.lockwait", "x:1").ends_with("Is cloakroom.lock_wait meant?"));
        assert!(unknown("cloakroom.colour_of_the_hat", "x:1").ends_with("docs/php.md lists those there are."));
    }
}
