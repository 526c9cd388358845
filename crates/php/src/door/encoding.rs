//! Payloads between PHP's serializers and the record: which format, and whether PHP's encoder has kept silent about
//! something that it could not write.

use cloakroom_format::{Format, convert};

use super::Door;

/// What PHP wants to have written.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Write<'a> {
    /// The id PHP knows the session by.
    pub(crate) id: &'a [u8],
    /// `$_SESSION`, encoded.
    pub(crate) payload: &'a [u8],
    /// `session.serialize_handler`.
    pub(crate) serializer: &'a str,
    /// Whether `payload` is `$_SESSION` at all.
    pub(crate) present: bool,
    /// How many variables have a name that is no number.
    pub(crate) variables: i64,
}

impl Write<'_> {
    /// The format's code, as records have it.
    pub(crate) fn format(&self) -> Format {
        Format::from_handler(self.serializer)
    }

    /// Whether there are variables and PHP's encoder has written none: the `php` encoder gives up without a word when a
    /// name holds `|`. To store that would empty the session.
    pub(crate) fn is_torso(&self) -> bool {
        self.payload.is_empty() && self.variables > 0 && self.format() != Format::PhpBinary
    }
}

/// What PHP is given to read.
#[derive(Debug)]
pub(crate) enum Payload {
    /// Nothing.
    None,
    /// The payload of the session that is open, as it is.
    AsStored,
    /// That payload, in another format.
    Converted(Vec<u8>),
}

/// What the write inside `session_regenerate_id(false)` has brought; it belongs to the successor.
#[derive(Debug, Clone)]
pub(crate) struct Pending {
    pub(crate) payload: Vec<u8>,
    pub(crate) serializer: String,
    pub(crate) variables: i64,
}

impl Pending {
    pub(crate) fn of(write: &Write<'_>) -> Self {
        Self { payload: write.payload.to_vec(), serializer: write.serializer.to_owned(), variables: write.variables }
    }
}

impl Door {
    /// The open session's payload, as PHP's serializer of this request reads it.
    pub(super) fn decoded(&mut self) -> Payload {
        let Some(session) = self.request.session() else { return Payload::None };
        if session.payload().is_empty() || Format::from_code(session.format()) == Some(self.wanted()) {
            return Payload::AsStored;
        }
        let (format, payload) = (session.format(), session.payload().to_vec());
        Payload::Converted(self.readable(format, &payload))
    }

    /// The format that PHP's serializer of this request reads.
    fn wanted(&self) -> Format {
        Format::from_handler(&self.request.serializer)
    }

    /// A payload as PHP's serializer of this request reads it.
    pub(super) fn readable(&mut self, format: u8, payload: &[u8]) -> Vec<u8> {
        if payload.is_empty() {
            return Vec::new();
        }
        let wanted = self.wanted();
        let has = Format::from_code(format).unwrap_or(Format::Opaque);
        if has == wanted {
            return payload.to_vec();
        }
        match convert(has, payload, wanted) {
            Ok(converted) => {
                if !converted.left_out.is_empty() {
                    self.log.say(format!(
                        "session.serialize_handler is {wanted} and the session was written as {has}: {} variables have \
                         names that {wanted} can't hold and were left out.",
                        converted.left_out.len()
                    ));
                }
                converted.payload
            }
            Err(_) => {
                let payload = payload.to_vec();
                self.log.say(format!(
                    "session.serialize_handler is {wanted} and the session was written as {has}, which can't be turned \
                     into it; PHP refuses such a session. Set the serializer that all sites of this namespace use."
                ));
                payload
            }
        }
    }

    /// The line for a torso.
    pub(super) fn say_torso(&mut self) {
        self.log.say(
            "The session was not saved, what was stored before stays: PHP's serializer `php` writes nothing at all when \
             the name of a variable in $_SESSION holds `|`. Rename it, or set session.serialize_handler=php_serialize.",
        );
    }
}
