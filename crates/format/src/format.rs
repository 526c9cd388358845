//! Which encoding a payload has. The codes are stored in every record and never change their meaning.

use std::fmt;

/// How a session's variables are encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// Anything we can't take apart: carried and merged as one sealed piece.
    Opaque,
    /// PHP's default: `name|value` repeated.
    Php,
    /// PHP's `php_binary`: one byte of length, name, value, repeated.
    PhpBinary,
    /// PHP's `php_serialize`: one serialized array.
    PhpSerialize,
    /// One JSON object.
    Json,
}

impl Format {
    /// Every format there is, in the order of their codes.
    pub const ALL: [Self; 5] = [Self::Opaque, Self::Php, Self::PhpBinary, Self::PhpSerialize, Self::Json];

    /// The code stored in records.
    pub const fn code(self) -> u8 {
        match self {
            Self::Opaque => 0,
            Self::Php => 1,
            Self::PhpBinary => 2,
            Self::PhpSerialize => 3,
            Self::Json => 4,
        }
    }

    /// The format of a stored code; `None` if only a newer release knows it. Treat that as [`Format::Opaque`], but keep the code.
    pub const fn from_code(code: u8) -> Option<Self> {
        match code {
            0 => Some(Self::Opaque),
            1 => Some(Self::Php),
            2 => Some(Self::PhpBinary),
            3 => Some(Self::PhpSerialize),
            4 => Some(Self::Json),
            _ => None,
        }
    }

    /// The format that PHP writes with this `session.serialize_handler`; handlers we can't read (igbinary, msgpack) give
    /// [`Format::Opaque`].
    pub fn from_handler(handler: &str) -> Self {
        match handler {
            "php" => Self::Php,
            "php_binary" => Self::PhpBinary,
            "php_serialize" => Self::PhpSerialize,
            "json" => Self::Json,
            _ => Self::Opaque,
        }
    }

    /// The name that people know it by; for PHP's formats the name of the handler.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Opaque => "opaque",
            Self::Php => "php",
            Self::PhpBinary => "php_binary",
            Self::PhpSerialize => "php_serialize",
            Self::Json => "json",
        }
    }

    /// Whether values are written in PHP's serialization (and references are numbered).
    pub(crate) const fn is_php(self) -> bool {
        matches!(self, Self::Php | Self::PhpBinary | Self::PhpSerialize)
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stored_codes_never_change() {
        let codes: Vec<(u8, &str)> = Format::ALL.iter().map(|f| (f.code(), f.name())).collect();
        assert_eq!(codes, [(0, "opaque"), (1, "php"), (2, "php_binary"), (3, "php_serialize"), (4, "json")]);
        for format in Format::ALL {
            assert_eq!(Format::from_code(format.code()), Some(format));
        }
        assert_eq!(Format::from_code(5), None);
        assert_eq!(Format::from_handler("igbinary"), Format::Opaque);
    }
}
