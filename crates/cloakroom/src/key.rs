//! What stores index by: a hash of the session id, or for named records an HMAC of the name. Neither leads back.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::id::SessionId;
use crate::ring::SiteKey;

const DOMAIN_ID: &[u8] = b"cloakroom/1 key of a session id";
const DOMAIN_NAME: &[u8] = b"cloakroom/1 key of a named record";
const DOMAIN_NAME_SECRET: &[u8] = b"cloakroom/1 secret of a named record";

/// The key under which a store keeps a record: 32 bytes, no secret.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key([u8; 32]);

impl Key {
    /// SHA-256 over a fixed domain string, the namespace and the session id, each with its length in front
    /// (four bytes, big-endian).
    pub fn of(namespace: &Namespace, id: &SessionId) -> Self {
        let mut hash = Sha256::new();
        for part in [DOMAIN_ID, namespace.as_bytes(), id.expose()] {
            hash.update(length(part));
            hash.update(part);
        }
        Self(hash.finalize().into())
    }

    /// The key of a named record: HMAC-SHA-256, under a site key, over domain string, namespace and name.
    pub fn named(namespace: &Namespace, name: &[u8], site_key: &SiteKey) -> Self {
        Self(hmac_parts(site_key, [DOMAIN_NAME, namespace.as_bytes(), name]))
    }

    /// A key as a store has it.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes for the store.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// All 64 hexadecimal digits, for commands that take a key back.
    pub fn to_hex(&self) -> String {
        self.0.iter().map(|b| format!("{b:02x}")).collect()
    }

    /// Reads 64 hexadecimal digits.
    pub fn from_hex(hex: &str) -> Option<Self> {
        if hex.len() != 64 || !hex.is_ascii() {
            return None;
        }
        let mut out = [0u8; 32];
        for (slot, pair) in out.iter_mut().zip(hex.as_bytes().chunks_exact(2)) {
            *slot = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
        }
        Some(Self(out))
    }

    /// The first 12 hexadecimal digits: how people see a session.
    pub fn short(&self) -> String {
        self.0[..6].iter().map(|b| format!("{b:02x}")).collect()
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({})", self.short())
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.short())
    }
}

/// Which site a session belongs to; part of key and envelope, so that two sites on one store never open each other's.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Namespace(Vec<u8>);

/// A namespace that is too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("A namespace has at most 255 bytes; choose a shorter one.")]
pub struct BadNamespace;

impl Namespace {
    /// A namespace of at most 255 bytes; empty is the default one.
    ///
    /// # Errors
    /// [`BadNamespace`] when it is longer.
    pub fn new(name: impl Into<Vec<u8>>) -> Result<Self, BadNamespace> {
        let name = name.into();
        if name.len() > 255 { Err(BadNamespace) } else { Ok(Self(name)) }
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// The secret that opens a named record in place of a session id: known to whoever has a site key and the name.
#[derive(Clone)]
pub struct NamedSecret(Zeroizing<[u8; 32]>);

impl NamedSecret {
    /// HMAC-SHA-256, under a site key, over a domain string of its own, namespace and name.
    pub fn of(namespace: &Namespace, name: &[u8], site_key: &SiteKey) -> Self {
        Self(Zeroizing::new(hmac_parts(site_key, [DOMAIN_NAME_SECRET, namespace.as_bytes(), name])))
    }

    pub(crate) fn expose(&self) -> &[u8] {
        &*self.0
    }
}

impl fmt::Debug for NamedSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NamedSecret(secret)")
    }
}

fn hmac_parts(site_key: &SiteKey, parts: [&[u8]; 3]) -> [u8; 32] {
    let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(site_key.expose()).expect("HMAC takes a key of any length");
    for part in parts {
        mac.update(&length(part));
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

/// A part's length in four bytes, big-endian; parts here are short.
fn length(part: &[u8]) -> [u8; 4] {
    u32::try_from(part.len()).unwrap_or(u32::MAX).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_namespaces_never_share_a_key() {
        let id = SessionId::parse(b"abc").expect("valid");
        let a = Namespace::new("a").expect("short");
        let ab = Namespace::new("ab").expect("short");
        assert_ne!(Key::of(&a, &id), Key::of(&ab, &id));
        // The length in front keeps "a"+"babc" and "ab"+"abc" apart.
        let babc = SessionId::parse(b"babc").expect("valid");
        assert_ne!(Key::of(&a, &babc), Key::of(&ab, &id));
    }

    #[test]
    fn hex_leads_back_to_the_key() {
        let key = Key::of(&Namespace::default(), &SessionId::parse(b"x").expect("valid"));
        assert_eq!(Key::from_hex(&key.to_hex()), Some(key));
        assert_eq!(Key::from_hex("zz"), None);
        assert_eq!(Key::from_hex(&"ä".repeat(32)), None);
    }
}
