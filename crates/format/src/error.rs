//! What is wrong with a payload, where, and what it seems to be instead.

use crate::format::Format;
use crate::recognise::Serializer;
use std::fmt;

/// A payload that can't be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecodeError {
    /// The format it was read as.
    pub format: Format,
    /// Where reading stopped, in bytes from the payload's start.
    pub offset: usize,
    /// What was wrong there.
    pub fault: Fault,
    /// The serializer whose payload it seems to be instead, if another one fits: most likely the setting
    /// `session.serialize_handler` was changed, or differs between servers.
    pub seems: Option<Serializer>,
}

/// What was wrong at the place where reading stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// The payload ends inside a value.
    Ends,
    /// Something else stands where this was expected.
    Expected(&'static str),
    /// A string, class name or custom content is longer or shorter than it says.
    Length,
    /// A number that no integer of 64 bits, length or count can hold.
    Number,
    /// A back-reference to a value that has not come yet.
    Reference,
    /// A back-reference to an object (`r:`) points to something else.
    NotAnObject,
    /// Nested deeper than the limit.
    TooDeep,
    /// Longer than the limit, in bytes.
    TooLong,
    /// Bytes follow that belong to no variable.
    Trailing,
    /// No `|` ends the variable's name.
    Name,
    /// JSON text that is not UTF-8.
    NotUtf8,
    /// A format that is carried unread.
    Opaque,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ends => f.write_str("it ends in the middle of a value"),
            Self::Expected(what) => write!(f, "{what} is missing"),
            Self::Length => f.write_str("a text does not have the length that it states"),
            Self::Number => f.write_str("a number is out of range"),
            Self::Reference => f.write_str("a reference points to a value that has not come yet"),
            Self::NotAnObject => f.write_str("a reference to an object points to something else"),
            Self::TooDeep => f.write_str("it is nested deeper than the limit"),
            Self::TooLong => f.write_str("it is longer than the limit"),
            Self::Trailing => f.write_str("bytes follow that belong to no variable"),
            Self::Name => f.write_str("no `|` ends the variable's name"),
            Self::NotUtf8 => f.write_str("it is not UTF-8"),
            Self::Opaque => f.write_str("its format is one that is carried unread"),
        }
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "The payload can't be read as `{}`: at byte {}, {}.", self.format, self.offset, self.fault)?;
        if let Some(seems) = self.seems {
            write!(f, " It looks like `{seems}`: use one and the same session.serialize_handler on all servers.")?;
        }
        Ok(())
    }
}

impl std::error::Error for DecodeError {}
