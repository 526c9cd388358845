//! The options of named records.

use std::time::Duration;

use cloakroom::{KeyRing, Namespace, Onto, Owner, SiteKey};
use cloakroom_format::Rules;

use super::values::{Given, GivenValue, Value};

/// Longest time that a record may live without use, in seconds: ten years.
const LONGEST: u64 = 10 * 365 * 86_400;
/// Named records of all sites are apart from each other, and from those that an application keeps apart itself.
const NAMESPACE: &[u8] = b"named";

/// What `cloakroom_named_open()` and `cloakroom_named_move()` were asked for.
#[derive(Debug, Clone, Default)]
pub(super) struct Options {
    keys: Vec<Vec<u8>>,
    namespace: Option<Vec<u8>>,
    pub(super) idle: Option<Duration>,
    /// Unix time in seconds.
    pub(super) expires: Option<u64>,
    /// `Some(None)`: nobody.
    pub(super) owner: Option<Option<Owner>>,
    pub(super) rules: Rules,
    pub(super) onto: Option<Onto>,
}

/// Why options can't be taken.
#[derive(Debug)]
pub(super) enum Bad {
    /// The call is wrong.
    Call(String),
    /// A setting is.
    Setting(String),
}

impl Bad {
    fn call<T>(text: impl Into<String>) -> Result<T, Self> {
        Err(Bad::Call(text.into()))
    }
}

impl Options {
    /// These options on top of `self`; an owner and a form of move are for one call alone.
    pub(super) fn with(&self, given: &[Given<'_>]) -> Result<Self, Bad> {
        let mut options = Self { owner: None, onto: None, ..self.clone() };
        let mut keys = Vec::new();
        for option in given {
            let seconds = || match option.amount() {
                Some(seconds) if seconds > 0 && seconds <= LONGEST => Ok(Some(Duration::from_secs(seconds))),
                _ => Bad::call(format!("must have a number of seconds as \"{}\"", option.name.escape_ascii())),
            };
            match (option.name, option.value) {
                (b"key", GivenValue::Text(text)) => keys.push(text.to_vec()),
                (b"namespace", GivenValue::Text(text)) => options.namespace = Some(text.to_vec()),
                (b"idle", GivenValue::Null) => options.idle = None,
                (b"idle", _) => options.idle = seconds()?,
                (b"expires", GivenValue::Null) => options.expires = None,
                (b"expires", _) => match option.amount() {
                    Some(at) => options.expires = Some(at),
                    None => return Bad::call("must have a Unix time as \"expires\""),
                },
                (b"owner", GivenValue::Null) => options.owner = Some(None),
                (b"owner", GivenValue::Text(text)) => match Owner::new(text) {
                    Ok(owner) => options.owner = Some(Some(owner)),
                    Err(_) => return Bad::call("must have 1 to 191 bytes as \"owner\", or null"),
                },
                (b"rules", GivenValue::Text(text)) => {
                    options.rules = Rules::parse(&String::from_utf8_lossy(text))
                        .map_err(|error| Bad::Setting(error.to_string()))?;
                }
                (b"onto", GivenValue::Text(b"merge")) => options.onto = Some(Onto::Merge),
                (b"onto", GivenValue::Text(b"replace")) => options.onto = Some(Onto::Replace),
                (b"onto", _) => return Bad::call("must have \"merge\" or \"replace\" as \"onto\""),
                (b"key" | b"namespace" | b"rules", GivenValue::Null) => {}
                (b"key" | b"namespace" | b"owner" | b"rules", _) => {
                    return Bad::call(format!("must have a string as \"{}\"", option.name.escape_ascii()));
                }
                (name, _) => return Bad::call(format!("has no option \"{}\"", name.escape_ascii())),
            }
        }
        if !keys.is_empty() {
            options.keys = keys;
        }
        Ok(options)
    }

    /// The keys that seal and find: the site's own first, then those of the call, so that a site which sets
    /// `cloakroom.keys` later still finds what it had.
    pub(super) fn ring(&self, site: &KeyRing) -> Result<KeyRing, Bad> {
        let mut ring = site.clone();
        for text in &self.keys {
            let hexadecimal = std::str::from_utf8(text).ok().and_then(|text| KeyRing::parse(text).ok());
            let key = match hexadecimal.as_ref().map(KeyRing::keys) {
                Some([key]) => Some(key.clone()),
                _ => SiteKey::from_text(text),
            };
            let Some(key) = key else {
                return Err(Bad::Setting(format!(
                    "The key of a named record is too short: it must be a secret of at least {} random characters.",
                    SiteKey::SHORTEST_TEXT
                )));
            };
            ring = ring.and(key);
        }
        if ring.first().is_none() {
            return Err(Bad::Setting(
                "Named records need a site key: set cloakroom.keys (64 hexadecimal digits, as `openssl rand -hex 32` \
                 makes them), or hand a secret in as \"key\"."
                    .into(),
            ));
        }
        Ok(ring)
    }

    /// The namespace of the records: the site's and the application's, with a length between, so that two pairs are
    /// never the same.
    pub(super) fn namespace(&self, site: &Namespace) -> Result<Namespace, Bad> {
        let own = self.namespace.as_deref().unwrap_or(NAMESPACE);
        let mut both = namespace_of(site);
        both.extend_from_slice(own);
        Namespace::new(both)
            .or_else(|_| Bad::call("must have a shorter \"namespace\": with the site's it has at most 254 bytes"))
    }
}

/// What the namespaces of all named records of a site begin with: no two sites' begin alike.
pub(super) fn namespace_of(site: &Namespace) -> Vec<u8> {
    let mut start = vec![u8::try_from(site.as_bytes().len()).unwrap_or(u8::MAX)];
    start.extend_from_slice(site.as_bytes());
    start
}

impl Bad {
    /// As a value, where the call is wrong; `argument` is the place of the options.
    pub(super) fn value(self, argument: i64) -> Result<Value, String> {
        match self {
            Bad::Call(text) => Ok(Value::Wrong(argument, text)),
            Bad::Setting(text) => Err(text),
        }
    }
}
