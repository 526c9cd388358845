//! The session id: the secret in the visitor's cookie.
//!
//! It is never stored, logged or shown. It has no `Display`, its `Debug` prints nothing of it, and its memory is
//! wiped on drop.

use std::fmt;
use std::sync::{Arc, OnceLock};

use zeroize::Zeroizing;

use crate::envelope::Root;

/// The alphabet that PHP accepts in session ids (ext/session, `PS_EXTRA_VALID_CHARS` aside): 64 characters.
const ALPHABET: &[u8; 64] = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-,";

/// Longest session id that is taken from outside; PHP's own bound (`PS_MAX_SID_LENGTH`).
pub(crate) const MAX_ID_LEN: usize = 256;

/// A session id. Compare keys, not ids: this type has no `PartialEq` on purpose.
#[derive(Clone)]
pub struct SessionId(Arc<Inner>);

struct Inner {
    bytes: Zeroizing<Vec<u8>>,
    /// What envelopes' keys are derived from, with the public id of the site key that is in it: derived once a request,
    /// although a request opens one envelope and seals another.
    root: OnceLock<([u8; 8], Root)>,
}

/// A session id from outside that can't be one of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "The session id from the request has a length or characters that no session id has; it is treated as absent and the visitor gets a new one."
)]
pub struct BadSessionId;

impl SessionId {
    /// Draws a new id of 256 bits from the operating system's generator: 43 characters of `[A-Za-z0-9,-]`.
    ///
    /// # Errors
    /// Only when the operating system has no randomness to give; no session may be issued then.
    pub fn draw() -> Result<Self, getrandom::Error> {
        Self::draw_chars(43, 6)
    }

    /// Draws an id of `chars` characters with `bits_per_char` bits each (4, 5 or 6, as PHP's
    /// `session.sid_bits_per_character`; other values count as 6).
    ///
    /// # Errors
    /// As [`SessionId::draw`].
    pub fn draw_chars(chars: usize, bits_per_char: u8) -> Result<Self, getrandom::Error> {
        let mask = match bits_per_char {
            4 => 0x0f,
            5 => 0x1f,
            _ => 0x3f,
        };
        let mut bytes = Zeroizing::new(vec![0u8; chars.min(MAX_ID_LEN)]);
        getrandom::fill(&mut bytes)?;
        for b in bytes.iter_mut() {
            *b = ALPHABET[usize::from(*b & mask)];
        }
        Ok(Self::of(bytes))
    }

    /// Takes an id from a request. Length 1 to 256, alphabet `[A-Za-z0-9,-]`; whether it was issued by us only the
    /// store can tell.
    ///
    /// # Errors
    /// [`BadSessionId`] where it can't be a session id at all.
    pub fn parse(bytes: &[u8]) -> Result<Self, BadSessionId> {
        let valid = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b',' | b'-');
        if bytes.is_empty() || bytes.len() > MAX_ID_LEN || !bytes.iter().all(valid) {
            return Err(BadSessionId);
        }
        Ok(Self::of(Zeroizing::new(bytes.to_vec())))
    }

    /// The secret itself, for the cookie and for key derivation; nothing else.
    pub fn expose(&self) -> &[u8] {
        &self.0.bytes
    }

    fn of(bytes: Zeroizing<Vec<u8>>) -> Self {
        Self(Arc::new(Inner { bytes, root: OnceLock::new() }))
    }

    /// The root for a site key, remembered for the first one asked for.
    pub(crate) fn root(&self, site_key: [u8; 8], derive: impl Fn() -> Root) -> Root {
        let (kept_for, root) = self.0.root.get_or_init(|| (site_key, derive()));
        if *kept_for == site_key { root.clone() } else { derive() }
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionId(secret)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_has_256_bits_of_php_s_alphabet_and_never_repeats() {
        let ids: std::collections::HashSet<Vec<u8>> =
            (0..1000).map(|_| SessionId::draw().expect("randomness").expose().to_vec()).collect();
        assert_eq!(ids.len(), 1000);
        assert!(ids.iter().all(|id| id.len() == 43 && SessionId::parse(id).is_ok()));
        // 43 characters of 6 bits: every character of the alphabet must be able to occur.
        let seen: std::collections::HashSet<u8> = ids.iter().flatten().copied().collect();
        assert_eq!(seen.len(), 64);
    }

    #[test]
    fn a_debug_print_shows_nothing_of_the_id() {
        let id = SessionId::parse(b"abcdefgh").expect("valid");
        assert!(!format!("{id:?}").contains("abc"));
    }

    #[test]
    fn what_cannot_be_an_id_is_refused() {
        for bad in [&b""[..], b"a b", b"a\0", b"../x", "ä".as_bytes(), &[b'a'; 257]] {
            assert!(SessionId::parse(bad).is_err());
        }
        assert!(SessionId::parse(&[b'a'; 256]).is_ok());
    }
}
