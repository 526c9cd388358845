//! A session as the commands show it: the same fields in tables and in JSON.

use cloakroom::store::Summary;
use cloakroom::{EndKind, MoveKind, State, Time};
use cloakroom_format::Format;
use serde::Serialize;

use crate::units;

/// One session in JSON. Times are RFC 3339 in UTC.
#[derive(Debug, Serialize)]
pub struct SessionJson {
    /// All 64 digits.
    pub key: String,
    /// `live`, `moved` or `ended`.
    pub state: &'static str,
    /// How it was moved or why it was ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<&'static str>,
    /// Since when it is moved or ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    /// Who is logged in.
    pub owner: Option<String>,
    /// Whether it is a named record, such as a shop's cart.
    pub named: bool,
    /// The site (`cloakroom.namespace`), where that is not the default one; a named record's has the application's behind it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// When the session began.
    pub created: String,
    /// When it was last used, to within a minute.
    pub last_used: String,
    /// When it ends, or when its trace goes.
    pub expires: String,
    /// Bytes of its variables before compression and sealing.
    pub size: u32,
    /// How they are encoded.
    pub format: String,
    /// A label of the visitor's device.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// The visitor's shortened address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
}

impl SessionJson {
    /// Of a summary.
    pub fn of(s: &Summary) -> Self {
        Self {
            key: s.key.to_hex(),
            state: state(s.state),
            kind: kind(s.state),
            since: since(s.state).map(units::rfc3339),
            owner: s.owner.as_ref().map(ToString::to_string),
            named: s.about.named,
            namespace: namespace(&s.about),
            created: units::rfc3339(s.created),
            last_used: units::rfc3339(s.touched),
            expires: units::rfc3339(s.expires),
            size: s.size,
            format: format(s.format),
            device: s.about.device.clone(),
            address: s.about.address.clone(),
        }
    }
}

/// The state's word.
pub fn state(state: State) -> &'static str {
    match state {
        State::Live => "live",
        State::Moved { .. } => "moved",
        State::Ended { .. } => "ended",
    }
}

/// The namespace as people write it: of a named record that PHP made, `site/application's`.
pub fn namespace(about: &cloakroom::About) -> Option<String> {
    let whole = about.namespace.as_slice();
    let parts = whole.split_first().filter(|_| about.named);
    let parts = parts.and_then(|(length, rest)| rest.split_at_checked(usize::from(*length)));
    let text = match parts {
        Some((site, own)) => format!("{}/{}", String::from_utf8_lossy(site), String::from_utf8_lossy(own)),
        None => String::from_utf8_lossy(whole).into_owned(),
    };
    (!text.is_empty()).then_some(text)
}

/// How it was moved or why it was ended.
pub fn kind(state: State) -> Option<&'static str> {
    match state {
        State::Live => None,
        State::Moved { kind, .. } => Some(match kind {
            MoveKind::Follow => "follow",
            MoveKind::Frozen => "frozen",
            MoveKind::Bare => "bare",
            _ => "other",
        }),
        State::Ended { kind, .. } => Some(match kind {
            EndKind::Destroyed => "destroyed",
            EndKind::Operator => "operator",
            EndKind::Owner => "owner",
            _ => "other",
        }),
    }
}

/// Since when it is moved or ended.
pub fn since(state: State) -> Option<Time> {
    match state {
        State::Live => None,
        State::Moved { at, .. } | State::Ended { at, .. } => Some(at),
    }
}

/// The payload format's name.
pub fn format(code: u8) -> String {
    Format::from_code(code).map_or_else(|| format!("unknown ({code})"), |f| f.name().to_owned())
}
