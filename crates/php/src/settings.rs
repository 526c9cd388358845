//! The site's settings: INI entries `cloakroom.*` as text, read into what the engine needs.

use std::time::Duration;

use cloakroom::{Concurrency, KeyRing, Lifetime, LockPaths, Namespace, Policy, Waiting};
use cloakroom_format::Rules;

use crate::cookies::{Prefix, Preset, Proxies};
use crate::names::Names;

/// How many `cloakroom.*` entries there are (`enum cr_setting` in `shim/door.h`).
pub(crate) const ENTRIES: usize = 36;
/// Where among them the words of the cookie's name are.
const TRUSTED_PROXIES: usize = 28;
const COOKIE_PREFIX: usize = 29;
const HOST_PRESET: usize = 32;

/// Fewest random bits an id may have.
const FEWEST_BITS: u64 = 128;
/// Longest wait for a lock.
const LONGEST_WAIT: Duration = Duration::from_secs(300);
/// Shortest and longest time that a lock is held without being given back.
const SHORTEST_LEASE: Duration = Duration::from_secs(1);
const LONGEST_LEASE: Duration = Duration::from_secs(3600);
/// Most requests of which one is looked at.
const MOST_LEFT_OUT: u32 = 1_000_000;
/// Longest id that PHP takes, in characters.
const LONGEST_ID: u64 = 256;

/// Settings as PHP has them at this moment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Raw<'a> {
    /// As long as it is the same, so are `values` and `save_path`.
    pub(crate) generation: u64,
    /// In the order of `enum cr_setting`.
    pub(crate) values: [&'a [u8]; ENTRIES],
    /// `session.save_path` of the system's ini files.
    pub(crate) save_path: &'a [u8],
    /// Seconds.
    pub(crate) gc_maxlifetime: i64,
    /// `session.sid_length`, characters.
    pub(crate) sid_length: i64,
    /// `session.sid_bits_per_character`.
    pub(crate) sid_bits: i64,
    /// `session.use_strict_mode`.
    pub(crate) use_strict_mode: bool,
    /// `session.serialize_handler`.
    pub(crate) serializer: &'a [u8],
    /// The request's address, with its query.
    pub(crate) path: &'a [u8],
    /// Where `session_start` was called: file and line.
    pub(crate) file: &'a [u8],
    pub(crate) line: i64,
    /// `session_start(['read_and_close' => true])`.
    pub(crate) read_and_close: bool,
    /// The response can be held back until the session's content is final.
    pub(crate) can_hold: bool,
    /// The web server says that the visitor came by HTTPS.
    pub(crate) https: bool,
    /// `REMOTE_ADDR`, and what it says of the visitor's connection; empty unless proxies are trusted.
    pub(crate) peer: &'a [u8],
    pub(crate) forwarded: &'a [u8],
    /// The host that the visitor asked for; empty unless a preset is chosen.
    pub(crate) host: &'a [u8],
    /// `User-Agent`.
    pub(crate) agent: &'a [u8],
}

#[cfg(test)]
impl Default for Raw<'_> {
    fn default() -> Self {
        Self {
            generation: 0,
            values: [b"".as_slice(); ENTRIES],
            save_path: b"",
            gc_maxlifetime: 1440,
            sid_length: 26,
            sid_bits: 5,
            use_strict_mode: false,
            serializer: b"php",
            path: b"",
            file: b"",
            line: 0,
            read_and_close: false,
            can_hold: false,
            https: false,
            peer: b"",
            forwarded: b"",
            host: b"",
            agent: b"",
        }
    }
}

impl Raw<'_> {
    /// What tells two sets of settings apart; holds secrets, so it is never shown.
    pub(crate) fn fingerprint(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for value in self.values.iter().chain([&self.save_path]) {
            out.extend_from_slice(&value.len().to_le_bytes());
            out.extend_from_slice(value);
        }
        out
    }
}

/// Where the store is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum StoreAt {
    /// Nothing is configured: the embedded store.
    Default,
    /// A URL.
    Url(String),
    /// A file that holds the URL.
    File(String),
}

/// How an id is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum IdShape {
    /// At least so many bits, six a character.
    Bits(u64),
    /// By `session.sid_length` and `session.sid_bits_per_character`.
    Php,
}

impl IdShape {
    /// Characters and bits per character; never less than 128 bits.
    pub(crate) fn characters(self, sid_length: i64, sid_bits: i64) -> (usize, u8) {
        let (length, bits) = match self {
            IdShape::Bits(bits) => (bits.div_ceil(6), 6),
            IdShape::Php => {
                let bits = sid_bits.clamp(4, 6).unsigned_abs();
                (sid_length.clamp(1, 256).unsigned_abs().max(FEWEST_BITS.div_ceil(bits)), bits)
            }
        };
        (usize::try_from(length.min(LONGEST_ID)).unwrap_or(43), u8::try_from(bits).unwrap_or(6))
    }
}

/// A site's settings.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    pub(crate) store: StoreAt,
    pub(crate) namespace: Namespace,
    pub(crate) ring: KeyRing,
    pub(crate) timeout: Duration,
    pub(crate) idle: Option<Duration>,
    pub(crate) absolute: Option<Duration>,
    pub(crate) policy: Policy,
    pub(crate) strict: bool,
    pub(crate) httponly: bool,
    pub(crate) id: IdShape,
    pub(crate) error_page: bool,
    pub(crate) rules: Rules,
    /// Why the rules can't be understood, and none is in force.
    pub(crate) rules_wrong: Option<String>,
    pub(crate) conflict_log: bool,
    /// Requests with these paths write nothing.
    pub(crate) readonly_paths: LockPaths,
    pub(crate) debug: bool,
    pub(crate) concurrency: Concurrency,
    /// Requests with these paths take the lock, whatever `concurrency` says.
    pub(crate) lock_paths: LockPaths,
    pub(crate) waiting: Waiting,
    /// Cookie and cache headers are sent as PHP does, also for a session that stays empty.
    pub(crate) eager_cookie: bool,
    /// Variables that don't count: a session with nothing else is empty.
    pub(crate) ignore_keys: Names,
    /// Pages whose cache headers were taken out say `Vary: Cookie`.
    pub(crate) vary_cookie: bool,
    /// Cookies that don't make a page personal.
    pub(crate) cache_cookies: Names,
    /// One request in so many is looked at for blame; 0: none.
    pub(crate) blame: u32,
    /// Bytes of one variable that are told of; 0: none are.
    pub(crate) warn_size: u32,
    /// The cookie is Secure where the visitor came by HTTPS.
    pub(crate) cookie_secure: bool,
    /// Ids come from cookies, whatever PHP's own setting says.
    pub(crate) cookies_only: bool,
    /// Proxies whose word counts for that.
    pub(crate) proxies: Proxies,
    /// Where an empty session's cookie would leave, a marker leaves until the browser has brought it back.
    pub(crate) marker: bool,
    /// How long a session lives that has just begun; it grows with use.
    pub(crate) first_life: Option<Duration>,
    /// The same for a crawler's.
    pub(crate) crawler_life: Option<Duration>,
}

/// What is wrong with the settings: a sentence with the remedy. Never holds a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wrong {
    pub(crate) text: String,
    /// Whether PHP must not start with it.
    pub(crate) fatal: bool,
}

fn wrong<T>(text: impl Into<String>) -> Result<T, Wrong> {
    Err(Wrong { text: text.into(), fatal: false })
}

impl Settings {
    /// Reads the settings.
    pub(crate) fn read(raw: &Raw<'_>) -> Result<Self, Wrong> {
        let [
            store,
            store_file,
            namespace,
            keys,
            timeout,
            idle,
            absolute,
            grace,
            strict,
            httponly,
            id_bits,
            on_failure,
            max_size,
            merge_rules,
            conflict_log,
            readonly_paths,
            debug,
            concurrency,
            lock_paths,
            lock_wait,
            lock_lease,
            eager_cookie,
            ignore_keys,
            vary_cookie,
            cache_cookies,
            blame,
            warn_size,
            cookie_secure,
            trusted_proxies,
            cookie_prefix,
            cookie_partitioned,
            cookies_only,
            host_preset,
            first_visit,
            first_life,
            crawler_life,
        ] = raw.values.map(|v| String::from_utf8_lossy(v).trim().to_owned());
        let id = id_shape(&id_bits)?;
        // The shim reads these two for itself, before there is a session.
        switch("cloakroom.cookie_partitioned", &cookie_partitioned)?;
        let cookies_only = ours_or_php("cloakroom.cookies_only", &cookies_only)?;
        if Prefix::parse(&cookie_prefix).is_none() {
            return wrong("cloakroom.cookie_prefix must be `none`, `host`, `secure` or empty.");
        }
        if Preset::parse(&host_preset).is_none() {
            return wrong("cloakroom.host_preset must be `none`, `pantheon`, `acquia`, `wpvip` or empty.");
        }
        let store = match (store.is_empty(), store_file.is_empty()) {
            (true, true) => StoreAt::Default,
            (false, true) => StoreAt::Url(store),
            (true, false) => StoreAt::File(store_file),
            (false, false) => {
                return wrong("cloakroom.store and cloakroom.store_file are both set; leave one of them empty.");
            }
        };
        let Some(timeout) = seconds(&timeout).filter(|t| !t.is_zero()) else {
            return wrong("cloakroom.timeout must be a number of seconds above 0, such as 2 or 0.5.");
        };
        let policy = Policy {
            grace: match seconds(&grace) {
                Some(grace) if grace <= Duration::from_secs(600) => grace,
                _ => return wrong("cloakroom.grace must be a number of seconds from 0 to 600."),
            },
            max_size: match bytes(&max_size) {
                Some(size) => size,
                None => return wrong("cloakroom.max_size must be a number of bytes, such as 16M, below 2G."),
            },
            ..Policy::default()
        };
        let (rules, rules_wrong) = match Rules::parse(&merge_rules) {
            Ok(rules) => (rules, None),
            Err(error) => (
                Rules::default(),
                Some(format!(
                    "cloakroom.merge_rules: {error} Until then no merge rule is in force, the others neither."
                )),
            ),
        };
        Ok(Self {
            store,
            rules,
            rules_wrong,
            conflict_log: switch("cloakroom.conflict_log", &conflict_log)?,
            readonly_paths: paths("cloakroom.readonly_paths", &readonly_paths)?,
            debug: switch("cloakroom.debug", &debug)?,
            concurrency: match Concurrency::parse(&concurrency) {
                Ok(concurrency) => concurrency,
                Err(error) => return wrong(error.to_string()),
            },
            lock_paths: paths("cloakroom.lock_paths", &lock_paths)?,
            waiting: Waiting {
                wait: match seconds(&lock_wait) {
                    Some(wait) if wait <= LONGEST_WAIT => wait,
                    _ => return wrong("cloakroom.lock_wait must be a number of seconds from 0 to 300."),
                },
                lease: match seconds(&lock_lease) {
                    Some(lease) if lease >= SHORTEST_LEASE && lease <= LONGEST_LEASE => lease,
                    _ => return wrong("cloakroom.lock_lease must be a number of seconds from 1 to 3600."),
                },
            },
            eager_cookie: switch("cloakroom.eager_cookie", &eager_cookie)?,
            ignore_keys: Names::parse(&ignore_keys),
            vary_cookie: switch("cloakroom.vary_cookie", &vary_cookie)?,
            cache_cookies: Names::parse(&cache_cookies),
            blame: match blame.as_str() {
                "" | "off" | "no" | "false" => 0,
                text => match text.parse::<u32>().ok().filter(|n| *n <= MOST_LEFT_OUT) {
                    Some(one_in) => one_in,
                    None => {
                        return wrong(
                            "cloakroom.blame must be 0, or a number N up to 1000000: one request in N is looked at.",
                        );
                    }
                },
            },
            warn_size: match bytes_or_none(&warn_size) {
                Some(size) => size,
                None => {
                    return wrong("cloakroom.warn_size must be a number of bytes, such as 256K, or 0 for no warning.");
                }
            },
            cookie_secure: ours_or_php("cloakroom.cookie_secure", &cookie_secure)?,
            proxies: match Proxies::parse(&trusted_proxies) {
                Ok(proxies) => proxies,
                Err(item) => {
                    return wrong(format!(
                        "cloakroom.trusted_proxies: `{item}` is no address and no block of addresses such as 10.0.0.0/8."
                    ));
                }
            },
            cookies_only,
            marker: match first_visit.as_str() {
                "" | "cookie" => false,
                "marker" => true,
                _ => return wrong("cloakroom.first_visit must be `cookie`, `marker` or empty."),
            },
            first_life: optional_seconds("cloakroom.first_life", &first_life)?,
            crawler_life: optional_seconds("cloakroom.crawler_life", &crawler_life)?,
            namespace: match Namespace::new(namespace) {
                Ok(namespace) => namespace,
                Err(error) => return wrong(format!("cloakroom.namespace: {error}")),
            },
            ring: match KeyRing::parse(&keys) {
                Ok(ring) => ring,
                Err(error) => return wrong(format!("cloakroom.keys: {error}")),
            },
            timeout,
            idle: optional_seconds("cloakroom.idle", &idle)?,
            absolute: optional_seconds("cloakroom.absolute", &absolute)?,
            policy,
            strict: ours_or_php("cloakroom.strict", &strict)?,
            httponly: ours_or_php("cloakroom.httponly", &httponly)?,
            id,
            error_page: match on_failure.as_str() {
                "" | "empty" => false,
                "error" => true,
                _ => return wrong("cloakroom.on_failure must be `empty` or `error`."),
            },
        })
    }

    /// What only matters when PHP starts: whether `session.sid_*` are enough where ids are left to them. What code sets
    /// later can't go below the least either ([`IdShape::characters`]).
    pub(crate) fn check_start(&self, raw: &Raw<'_>) -> Result<(), Wrong> {
        let bits = raw.sid_length.saturating_mul(raw.sid_bits);
        if self.id == IdShape::Php && bits < i64::try_from(FEWEST_BITS).unwrap_or(i64::MAX) {
            return Err(guessable(&format!(
                "cloakroom.id_bits is `php`, and session.sid_length × session.sid_bits_per_character is {bits}"
            )));
        }
        Ok(())
    }

    /// The deadlines of this request's sessions; `gc_maxlifetime` is what was in force at session_start.
    pub(crate) fn lifetime(&self, gc_maxlifetime: i64) -> Lifetime {
        let php = Duration::from_secs(gc_maxlifetime.max(1).unsigned_abs());
        Lifetime { idle: self.idle.unwrap_or(php), absolute: self.absolute }
    }
}

/// What decides the cookie's name, read alone as it is needed before a session starts. `None` where it can't be understood;
/// that is told when the session starts.
pub(crate) fn cookie_words(raw: &Raw<'_>) -> Option<(Proxies, Prefix, Preset)> {
    let word = |index: usize| std::str::from_utf8(raw.values[index]).map(str::trim).ok();
    Some((
        Proxies::parse(word(TRUSTED_PROXIES)?).ok()?,
        Prefix::parse(word(COOKIE_PREFIX)?)?,
        Preset::parse(word(HOST_PRESET)?)?,
    ))
}

fn id_shape(text: &str) -> Result<IdShape, Wrong> {
    if text == "php" {
        return Ok(IdShape::Php);
    }
    match text.parse::<u64>() {
        Ok(bits) if bits < FEWEST_BITS => Err(guessable(&format!("cloakroom.id_bits is {bits}"))),
        Ok(bits) if bits <= LONGEST_ID * 6 => Ok(IdShape::Bits(bits)),
        _ => wrong("cloakroom.id_bits must be a number of bits from 128 to 1536, or `php`."),
    }
}

fn guessable(what: &str) -> Wrong {
    let text = format!(
        "{what}; ids of less than {FEWEST_BITS} bits can be guessed, so PHP does not start with them. Set \
         cloakroom.id_bits to 256 (the default), or raise session.sid_length where PHP is to decide."
    );
    Wrong { text, fatal: true }
}

/// On by default, `php` hands it to `session.*`.
fn ours_or_php(name: &str, text: &str) -> Result<bool, Wrong> {
    match text.to_ascii_lowercase().as_str() {
        "1" | "on" | "yes" | "true" => Ok(true),
        "php" => Ok(false),
        _ => wrong(format!("{name} must be 1, or `php` to leave it to the session.* setting.")),
    }
}

fn switch(name: &str, text: &str) -> Result<bool, Wrong> {
    match text.to_ascii_lowercase().as_str() {
        "1" | "on" | "yes" | "true" => Ok(true),
        "" | "0" | "off" | "no" | "false" => Ok(false),
        _ => wrong(format!("{name} must be 0 or 1.")),
    }
}

fn paths(name: &str, text: &str) -> Result<LockPaths, Wrong> {
    match LockPaths::parse(text) {
        Ok(paths) => Ok(paths),
        Err(error) => wrong(format!("{name}: {error}")),
    }
}

fn seconds(text: &str) -> Option<Duration> {
    let number: f64 = text.parse().ok()?;
    Duration::try_from_secs_f64(number).ok().filter(|d| d.as_secs() < 10 * 365 * 86_400)
}

fn optional_seconds(name: &str, text: &str) -> Result<Option<Duration>, Wrong> {
    if text.is_empty() || text == "0" {
        return Ok(None);
    }
    match seconds(text).filter(|d| !d.is_zero()) {
        Some(time) => Ok(Some(time)),
        None => wrong(format!("{name} must be a number of seconds, or empty for none of its own.")),
    }
}

/// A size as PHP writes them: bytes, or with K, M or G.
fn bytes(text: &str) -> Option<u32> {
    let (digits, factor) = match text.as_bytes().last()?.to_ascii_uppercase() {
        b'K' => (&text[..text.len() - 1], 1u64 << 10),
        b'M' => (&text[..text.len() - 1], 1 << 20),
        b'G' => (&text[..text.len() - 1], 1 << 30),
        _ => (text, 1),
    };
    let size = digits.trim().parse::<u64>().ok()?.checked_mul(factor)?;
    u32::try_from(size).ok().filter(|s| *s > 0 && *s < 1 << 31)
}

/// As [`bytes`], or 0.
fn bytes_or_none(text: &str) -> Option<u32> {
    if matches!(text, "" | "0") { Some(0) } else { bytes(text) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEFAULTS: [&str; ENTRIES] = [
        "", "", "", "", "2", "", "", "60", "1", "1", "256", "empty", "16M", "", "0", "", "0", "merge", "", "10", "30",
        "0", "", "0", "_ga", "20", "256K", "1", "", "", "0", "1", "", "", "", "300",
    ];

    fn with(index: usize, value: &str) -> Result<Settings, Wrong> {
        let mut values = DEFAULTS;
        values[index] = value;
        Settings::read(&Raw { values: values.map(str::as_bytes), ..Raw::default() })
    }

    #[test]
    fn nothing_configured_is_the_embedded_store_with_safe_defaults() {
        let settings = with(0, "").expect("defaults");
        assert_eq!(settings.store, StoreAt::Default);
        assert!(settings.strict && settings.httponly && !settings.error_page);
        assert_eq!(settings.id.characters(26, 5), (43, 6));
        assert_eq!(settings.lifetime(1440).idle, Duration::from_secs(1440));
        assert_eq!(settings.lifetime(1440).absolute, None);
    }

    #[test]
    fn ids_below_128_bits_stop_php_from_starting() {
        let wrong = with(10, "96").expect_err("too few");
        assert!(wrong.fatal && wrong.text.contains("128"), "{}", wrong.text);
        // Debian's 26 × 5 = 130 bits is enough.
        assert_eq!(with(10, "php").expect("130 bits").id, IdShape::Php);
        assert_eq!(IdShape::Php.characters(26, 5), (26, 5));
        // What code sets later can't go below it either.
        assert_eq!(IdShape::Php.characters(22, 4), (32, 4));
    }

    #[test]
    fn a_wrong_setting_is_named_with_its_remedy_and_no_secret() {
        for (index, value, name) in [
            (3, "hunter2", "cloakroom.keys"),
            (4, "0", "cloakroom.timeout"),
            (5, "-1", "cloakroom.idle"),
            (7, "9999", "cloakroom.grace"),
            (8, "0", "cloakroom.strict"),
            (10, "many", "cloakroom.id_bits"),
            (11, "ignore", "cloakroom.on_failure"),
            (12, "9G", "cloakroom.max_size"),
            (14, "maybe", "cloakroom.conflict_log"),
            (15, "x".repeat(200).as_str(), "cloakroom.readonly_paths"),
            (17, "queue", "cloakroom.concurrency"),
            (19, "forever", "cloakroom.lock_wait"),
            (20, "0", "cloakroom.lock_lease"),
            (21, "perhaps", "cloakroom.eager_cookie"),
            (23, "perhaps", "cloakroom.vary_cookie"),
            (25, "often", "cloakroom.blame"),
            (26, "4G", "cloakroom.warn_size"),
            (27, "always", "cloakroom.cookie_secure"),
            (28, "10.0.0.0/99", "cloakroom.trusted_proxies"),
            (29, "__Host-", "cloakroom.cookie_prefix"),
            (30, "perhaps", "cloakroom.cookie_partitioned"),
            (31, "0", "cloakroom.cookies_only"),
            (32, "somewhere", "cloakroom.host_preset"),
            (33, "never", "cloakroom.first_visit"),
            (34, "-3", "cloakroom.first_life"),
            (35, "soon", "cloakroom.crawler_life"),
        ] {
            let wrong = with(index, value).expect_err(name);
            assert!(wrong.text.contains(name) && !wrong.fatal && !wrong.text.contains("hunter2"), "{}", wrong.text);
        }
        // A rule that can't be understood is no reason to lose sessions.
        let settings = with(13, "cart=sum, x=most").expect("settings");
        assert_eq!(settings.rules, Rules::default());
        assert!(settings.rules_wrong.is_some_and(|text| text.contains("`x=most`")));
        assert_eq!(bytes("512k"), Some(512 << 10));
    }
}
