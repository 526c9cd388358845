//! What a payload of unknown make seems to be. Used where the configured format does not fit, to say what does.

use crate::format::Format;
use crate::session::{Limits, read};
use std::fmt;

/// What wrote a payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Serializer {
    /// A format that can be read.
    Known(Format),
    /// The igbinary extension.
    Igbinary,
    /// The msgpack extension.
    Msgpack,
    /// PHP's former `wddx`.
    Wddx,
    /// Text encrypted by the Defuse library (WP Session Manager with a key).
    Defuse,
    /// A zstd frame.
    Zstd,
}

impl fmt::Display for Serializer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Known(format) => format.fmt(f),
            Self::Igbinary => f.write_str("igbinary"),
            Self::Msgpack => f.write_str("msgpack"),
            Self::Wddx => f.write_str("wddx"),
            Self::Defuse => f.write_str("encrypted by Defuse"),
            Self::Zstd => f.write_str("compressed by zstd"),
        }
    }
}

/// What a payload seems to be: by its first bytes, else by what reads it strictly to its end. `None` if nothing fits, and
/// for the empty payload, which fits everything.
pub fn recognise(payload: &[u8]) -> Option<Serializer> {
    let first = *payload.first()?;
    if payload.starts_with(&[0, 0, 0, 1]) || payload.starts_with(&[0, 0, 0, 2]) {
        return Some(Serializer::Igbinary);
    }
    if payload.starts_with(b"<wddxPacket") {
        return Some(Serializer::Wddx);
    }
    if payload.starts_with(b"def50200") {
        return Some(Serializer::Defuse);
    }
    if payload.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
        return Some(Serializer::Zstd);
    }
    let readable = [Format::PhpSerialize, Format::Json, Format::PhpBinary, Format::Php];
    if let Some(format) = readable.into_iter().find(|format| read(*format, payload, Limits::default()).is_ok()) {
        return Some(Serializer::Known(format));
    }
    // Maps, and the empty list that the extension writes for an empty session; `php_binary` may begin with such a byte too.
    matches!(first, 0x80..=0x90 | 0xde | 0xdf).then_some(Serializer::Msgpack)
}

/// As [`recognise`], when one format is ruled out already.
pub(crate) fn recognise_other(payload: &[u8], not: Format) -> Option<Serializer> {
    recognise(payload).filter(|found| *found != Serializer::Known(not))
}
