//! Site keys: an optional second secret, kept on the servers, that is mixed into every envelope.

use std::fmt;

use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

/// A secret of the site: 32 bytes, and a public id of 8 bytes that tells in an envelope which key sealed it.
#[derive(Clone)]
pub struct SiteKey {
    id: [u8; 8],
    secret: Zeroizing<[u8; 32]>,
}

/// A site key from the settings that can't be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "A site key is 64 hexadecimal digits (32 random bytes); several are separated by commas, the first one seals; `none` behind them lets sessions open that have none."
)]
pub struct BadSiteKey;

impl SiteKey {
    /// A site key from 32 bytes.
    pub fn new(secret: [u8; 32]) -> Self {
        let mut hash = Sha256::new();
        hash.update(b"cloakroom/1 id of a site key");
        hash.update(secret);
        let digest: [u8; 32] = hash.finalize().into();
        let mut id = [0u8; 8];
        id.copy_from_slice(&digest[..8]);
        // All zeroes means "no site key" in an envelope.
        if id == [0; 8] {
            id[7] = 1;
        }
        Self { id, secret: Zeroizing::new(secret) }
    }

    /// A site key made of a secret text that the site has anyway. `None` where it is too short to be one: less than
    /// [`SiteKey::SHORTEST_TEXT`] bytes.
    pub fn from_text(text: &[u8]) -> Option<Self> {
        if text.len() < Self::SHORTEST_TEXT {
            return None;
        }
        let mut hash = Sha256::new();
        hash.update(b"cloakroom/1 site key of a text");
        hash.update(text);
        Some(Self::new(hash.finalize().into()))
    }

    /// The least length of a text that can be a site key, in bytes.
    pub const SHORTEST_TEXT: usize = 32;

    /// The public id: the first 8 bytes of a hash of the key.
    pub fn id(&self) -> [u8; 8] {
        self.id
    }

    pub(crate) fn expose(&self) -> &[u8] {
        &*self.secret
    }
}

impl fmt::Debug for SiteKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SiteKey({:016x})", u64::from_be_bytes(self.id))
    }
}

/// The site's keys: the first seals, all open. An empty ring is the default: the session id alone seals.
#[derive(Debug, Clone, Default)]
pub struct KeyRing {
    keys: Vec<SiteKey>,
    /// Whether what was sealed without a site key opens although there is one now.
    unkeyed: bool,
}

impl KeyRing {
    /// A ring of these keys, in this order.
    pub fn new(keys: Vec<SiteKey>) -> Self {
        Self { keys, unkeyed: false }
    }

    /// Whether an envelope that was sealed without a site key opens: where there is no key, or the site says so while it
    /// moves to keys. Else who can write to the database could leave the site key out.
    pub fn opens_unkeyed(&self) -> bool {
        self.keys.is_empty() || self.unkeyed
    }

    /// Reads keys of 64 hexadecimal digits, separated by commas or white space; an empty text is an empty ring. The word
    /// `none` among keys lets sessions open that were sealed before there was a key.
    ///
    /// # Errors
    /// [`BadSiteKey`] where one is not of that form.
    pub fn parse(text: &str) -> Result<Self, BadSiteKey> {
        let mut keys = Vec::new();
        let mut unkeyed = false;
        for word in text.split([',', ' ', '\t', '\n', '\r']).filter(|w| !w.is_empty()) {
            if word == "none" {
                unkeyed = true;
                continue;
            }
            let mut secret = Zeroizing::new([0u8; 32]);
            if word.len() != 64 || !word.bytes().all(|b| b.is_ascii_hexdigit()) {
                return Err(BadSiteKey);
            }
            for (slot, pair) in secret.iter_mut().zip(word.as_bytes().chunks_exact(2)) {
                let pair = std::str::from_utf8(pair).map_err(|_| BadSiteKey)?;
                *slot = u8::from_str_radix(pair, 16).map_err(|_| BadSiteKey)?;
            }
            keys.push(SiteKey::new(*secret));
        }
        Ok(Self { keys, unkeyed })
    }

    /// The key that seals, if there is one.
    pub fn first(&self) -> Option<&SiteKey> {
        self.keys.first()
    }

    /// The key with this public id.
    pub fn find(&self, id: [u8; 8]) -> Option<&SiteKey> {
        self.keys.iter().find(|k| k.id == id)
    }

    /// The ring with one more key at its end, if it was not in it: it seals only where there is no other.
    #[must_use]
    pub fn and(mut self, key: SiteKey) -> Self {
        if self.find(key.id).is_none() {
            self.keys.push(key);
        }
        self
    }

    /// All keys, the sealing one first.
    pub fn keys(&self) -> &[SiteKey] {
        &self.keys
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_a_key_of_its_own_if_it_is_long_enough() {
        assert!(SiteKey::from_text(&[b'x'; 31]).is_none());
        let key = SiteKey::from_text(b"the secret salt of a site, say..").expect("32 bytes");
        // For ever: records are found under it. SHA-256 of docs/format.md, by another program.
        assert_eq!(format!("{key:?}"), "SiteKey(fed808e9da499b41)");
        let ring = KeyRing::default().and(key.clone()).and(key.clone());
        assert_eq!(ring.keys().len(), 1);
        assert_eq!(ring.and(SiteKey::new([1; 32])).first().map(SiteKey::id), Some(key.id()));
    }

    #[test]
    fn keys_are_read_and_bad_ones_refused() {
        let one = "00".repeat(31) + "01";
        assert_eq!(KeyRing::parse("").expect("empty").keys().len(), 0);
        assert_eq!(KeyRing::parse(&format!("{one}, {one}")).expect("two").keys().len(), 2);
        for bad in ["00", "zz", &"g".repeat(64), &"+f".repeat(32)] {
            assert!(KeyRing::parse(bad).is_err(), "{bad}");
        }
        assert!(!format!("{:?}", KeyRing::parse(&one).expect("one")).contains("0001)"));
    }
}
