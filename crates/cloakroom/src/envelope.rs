//! The envelope: the sealed payload. Opened only with the session id (and the site key that sealed it, if any), and only
//! in the place, state, owner and lifetime for which it was sealed. `docs/format.md` specifies it byte by byte.

use aes_gcm::aead::{AeadInOut, KeyInit};
use aes_gcm::{Aes256Gcm, Nonce};
use hkdf::Hkdf;
use sha2::Sha256;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::id::SessionId;
use crate::key::{Key, NamedSecret};
use crate::record::{Owner, Record};
use crate::ring::{KeyRing, SiteKey};

const FORMAT: u8 = 1;
const AES_256_GCM: u8 = 1;
const PLAIN: u8 = 0;
const LZ4: u8 = 1;
/// Format, algorithm, compression, id of the site key, salt.
const HEADER: usize = 3 + 8 + 32;
const COMMITMENT: usize = 32;
const TAG: usize = 16;
/// Payloads from this size on are compressed where that makes them smaller.
const COMPRESS_FROM: usize = 1024;
/// No payload opens to more than this, whatever it says of itself: a session that is made to burst is one that does not
/// open.
const MAX_OPENED: usize = 64 << 20;
const DOMAIN: &[u8] = b"cloakroom/1 envelope";

/// What the keys of all envelopes of one secret and site key are expanded from.
pub(crate) type Root = Hkdf<Sha256>;

/// What opens an envelope: the session id, or the derived secret of a named record.
#[derive(Debug, Clone, Copy)]
pub enum Secret<'a> {
    /// The visitor's session id.
    Id(&'a SessionId),
    /// A named record's secret.
    Named(&'a NamedSecret),
}

/// An envelope that can't be made or opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeError {
    /// Not an envelope, cut, or altered; or the record was copied, or its owner, state or deadline changed.
    #[error("the envelope does not open: it was altered, or belongs to another record, state, owner or deadline")]
    Closed,
    /// Sealed by a site key that is not in the ring.
    #[error("the envelope was sealed with a site key that cloakroom.keys does not hold; add that key to the ring")]
    UnknownSiteKey,
    /// Written by a newer release.
    #[error("the envelope is of a format that this release does not know; all servers must run a release that does")]
    UnknownFormat,
    /// The operating system gave no randomness.
    #[error("the operating system gave no random numbers")]
    NoRandomness,
}

/// Seals a payload for a record. Everything bound must be set in `record` before: version, state, owner, time of
/// creation, absolute deadline and payload format. The record's own envelope is not looked at.
pub(crate) fn seal(
    secret: Secret<'_>,
    ring: &KeyRing,
    key: &Key,
    record: &Record,
    payload: &[u8],
) -> Result<Vec<u8>, EnvelopeError> {
    let mut salt = [0u8; 32];
    getrandom::fill(&mut salt).map_err(|_| EnvelopeError::NoRandomness)?;
    seal_salted(secret, ring, key, record, payload, salt)
}

/// As [`seal`], with a salt that must never have been used before.
fn seal_salted(
    secret: Secret<'_>,
    ring: &KeyRing,
    key: &Key,
    record: &Record,
    payload: &[u8],
    salt: [u8; 32],
) -> Result<Vec<u8>, EnvelopeError> {
    let mut header = [0u8; HEADER];
    header[0] = FORMAT;
    header[1] = AES_256_GCM;
    let site_key = ring.first();
    if let Some(site_key) = site_key {
        header[3..11].copy_from_slice(&site_key.id());
    }
    header[11..].copy_from_slice(&salt);
    let packed = if payload.len() >= COMPRESS_FROM {
        Some(lz4_flex::compress_prepend_size(payload)).filter(|packed| packed.len() < payload.len())
    } else {
        None
    };
    header[2] = if packed.is_some() { LZ4 } else { PLAIN };
    let body = packed.as_deref().unwrap_or(payload);

    let keys = Derived::new(secret, site_key, &header);
    let mut out = Vec::with_capacity(HEADER + COMMITMENT + body.len() + TAG);
    out.extend_from_slice(&header);
    out.extend_from_slice(keys.commitment());
    out.extend_from_slice(body);
    let tag = keys
        .cipher()
        .encrypt_inout_detached(&keys.nonce(), &bound(key, record, &header), (&mut out[HEADER + COMMITMENT..]).into())
        // Only for more than 64 GiB, which `MAX_OPENED` excludes long before.
        .map_err(|_| EnvelopeError::Closed)?;
    out.extend_from_slice(&tag);
    Ok(out)
}

/// Opens a record's envelope, which is taken apart in its place. The envelope that `record` itself holds is not looked at.
pub(crate) fn open(
    secret: Secret<'_>,
    ring: &KeyRing,
    key: &Key,
    record: &Record,
    mut envelope: Vec<u8>,
) -> Result<Vec<u8>, EnvelopeError> {
    let (header, rest) = envelope.split_first_chunk_mut::<HEADER>().ok_or(EnvelopeError::Closed)?;
    if header[0] != FORMAT || header[1] != AES_256_GCM || header[2] > LZ4 {
        return Err(EnvelopeError::UnknownFormat);
    }
    let mut id = [0u8; 8];
    id.copy_from_slice(&header[3..11]);
    let site_key = match id {
        [0, 0, 0, 0, 0, 0, 0, 0] if ring.opens_unkeyed() => None,
        id => Some(ring.find(id).ok_or(EnvelopeError::UnknownSiteKey)?),
    };
    let keys = Derived::new(secret, site_key, header);
    let (commitment, sealed) = rest.split_first_chunk_mut::<COMMITMENT>().ok_or(EnvelopeError::Closed)?;
    if !bool::from(commitment.as_slice().ct_eq(keys.commitment())) {
        return Err(EnvelopeError::Closed);
    }
    let (body, tag) = sealed.split_last_chunk_mut::<TAG>().ok_or(EnvelopeError::Closed)?;
    keys.cipher()
        .decrypt_inout_detached(&keys.nonce(), &bound(key, record, header), (&mut *body).into(), (&*tag).into())
        .map_err(|_| EnvelopeError::Closed)?;
    if header[2] == PLAIN {
        envelope.truncate(envelope.len() - TAG);
        envelope.drain(..HEADER + COMMITMENT);
        return Ok(envelope);
    }
    let (size, packed) = lz4_flex::block::uncompressed_size(body).map_err(|_| EnvelopeError::Closed)?;
    if size > MAX_OPENED {
        return Err(EnvelopeError::Closed);
    }
    lz4_flex::decompress(packed, size).map_err(|_| EnvelopeError::Closed)
}

/// Key, nonce and commitment of one envelope; used once, as the salt is random.
struct Derived(Zeroizing<[u8; 32 + 12 + COMMITMENT]>);

impl Derived {
    fn new(secret: Secret<'_>, site_key: Option<&SiteKey>, header: &[u8; HEADER]) -> Self {
        let root = match secret {
            Secret::Id(id) => id.root(site_key.map_or([0; 8], SiteKey::id), || root(1, id.expose(), site_key)),
            Secret::Named(named) => root(2, named.expose(), site_key),
        };
        let mut out = Zeroizing::new([0u8; 32 + 12 + COMMITMENT]);
        // The header holds the envelope's random salt, so that no two envelopes share a key.
        root.expand(header, &mut *out).expect("76 bytes are within what HKDF-SHA-256 gives");
        Self(out)
    }

    fn cipher(&self) -> Aes256Gcm {
        Aes256Gcm::new_from_slice(&self.0[..32]).expect("32 bytes are a key of AES-256")
    }

    fn nonce(&self) -> Nonce<<Aes256Gcm as aes_gcm::aead::AeadCore>::NonceSize> {
        Nonce::try_from(&self.0[32..44]).expect("12 bytes are a nonce")
    }

    fn commitment(&self) -> &[u8] {
        &self.0[44..]
    }
}

fn root(kind: u8, secret: &[u8], site_key: Option<&SiteKey>) -> Root {
    let site_key = site_key.map_or(&[][..], SiteKey::expose);
    let mut input = Zeroizing::new(Vec::with_capacity(16 + secret.len() + site_key.len()));
    input.push(kind);
    for part in [secret, site_key] {
        input.extend_from_slice(&length(part));
        input.extend_from_slice(part);
    }
    Root::new(Some(DOMAIN), &input)
}

/// The associated data: whatever decides who may read the payload, and when.
fn bound(key: &Key, record: &Record, header: &[u8; HEADER]) -> Vec<u8> {
    let owner = record.owner.as_ref().map_or(&[][..], Owner::as_bytes);
    let (state, kind, at) = record.state.codes();
    let mut out = Vec::with_capacity(HEADER + 32 + 16 + 10 + 16 + 1 + 4 + owner.len());
    out.extend_from_slice(header);
    out.extend_from_slice(key.as_bytes());
    out.extend_from_slice(&record.version.incarnation.to_be_bytes());
    out.extend_from_slice(&record.version.counter.to_be_bytes());
    out.extend_from_slice(&[state, kind]);
    out.extend_from_slice(&at.to_be_bytes());
    out.extend_from_slice(&record.created.0.to_be_bytes());
    out.extend_from_slice(&record.absolute.map_or(0, |t| t.0).to_be_bytes());
    out.push(record.format);
    out.extend_from_slice(&length(owner));
    out.extend_from_slice(owner);
    out
}

fn length(part: &[u8]) -> [u8; 4] {
    u32::try_from(part.len()).unwrap_or(u32::MAX).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{open as open_envelope, *};
    use crate::key::Namespace;
    use crate::record::{About, MoveKind, State};
    use crate::time::Time;
    use crate::version::Version;

    fn open(secret: Secret<'_>, ring: &KeyRing, key: &Key, record: &Record) -> Result<Vec<u8>, EnvelopeError> {
        open_envelope(secret, ring, key, record, record.envelope.clone())
    }

    fn record() -> Record {
        Record {
            version: Version { incarnation: 7, counter: 3 },
            state: State::Live,
            created: Time(1_000),
            touched: Time(2_000),
            idle: Time(3_000),
            absolute: Some(Time(9_000)),
            owner: Some(Owner::new("42").expect("short")),
            format: 1,
            size: 0,
            about: About::default(),
            envelope: Vec::new(),
        }
    }

    fn id(text: &str) -> SessionId {
        SessionId::parse(text.as_bytes()).expect("valid")
    }

    fn sealed(payload: &[u8], ring: &KeyRing) -> (SessionId, Key, Record) {
        let id = id("an-id");
        let key = Key::of(&Namespace::default(), &id);
        let mut record = record();
        record.envelope = seal(Secret::Id(&id), ring, &key, &record, payload).expect("sealed");
        (id, key, record)
    }

    #[test]
    fn a_row_copied_over_another_or_given_another_owner_state_or_deadline_does_not_open() {
        let ring = KeyRing::default();
        let (id_, key, good) = sealed(b"cart|i:1;", &ring);
        assert_eq!(open(Secret::Id(&id_), &ring, &key, &good).as_deref(), Ok(&b"cart|i:1;"[..]));
        let other = id("other");
        let other_key = Key::of(&Namespace::default(), &other);
        assert_eq!(open(Secret::Id(&other), &ring, &other_key, &good), Err(EnvelopeError::Closed));
        assert_eq!(open(Secret::Id(&id_), &ring, &other_key, &good), Err(EnvelopeError::Closed));
        let changes: [fn(&mut Record); 9] = [
            |r| r.owner = None,
            |r| r.owner = Some(Owner::new("43").expect("short")),
            |r| r.state = State::Moved { kind: MoveKind::Follow, at: Time(0) },
            |r| r.absolute = None,
            |r| r.absolute = Some(Time(9_001)),
            |r| r.created = Time(1),
            |r| r.version.counter += 1,
            |r| r.version.incarnation += 1,
            |r| r.format = 2,
        ];
        for change in changes {
            let mut bad = good.clone();
            change(&mut bad);
            assert_eq!(open(Secret::Id(&id_), &ring, &key, &bad), Err(EnvelopeError::Closed));
        }
        // A touch keeps it open.
        let mut touched = good;
        touched.touched = Time(5_000);
        touched.idle = Time(8_000);
        assert!(open(Secret::Id(&id_), &ring, &key, &touched).is_ok());
    }

    #[test]
    fn every_altered_byte_keeps_it_closed() {
        let ring = KeyRing::default();
        let (id, key, good) = sealed(b"cart|i:1;", &ring);
        for at in 0..good.envelope.len() {
            let mut bad = good.clone();
            bad.envelope[at] ^= 1;
            assert!(open(Secret::Id(&id), &ring, &key, &bad).is_err(), "byte {at}");
            bad.envelope.truncate(at);
            assert!(open(Secret::Id(&id), &ring, &key, &bad).is_err(), "cut at {at}");
        }
    }

    #[test]
    fn site_keys_are_a_ring_the_first_seals_all_open() {
        let (a, b) = (SiteKey::new([1; 32]), SiteKey::new([2; 32]));
        let old = KeyRing::new(vec![a.clone()]);
        let (id, key, record) = sealed(b"x|i:1;", &old);
        let both = KeyRing::new(vec![b.clone(), a]);
        assert!(open(Secret::Id(&id), &both, &key, &record).is_ok());
        let anew = seal(Secret::Id(&id), &both, &key, &record, b"").expect("sealed");
        assert_eq!(anew[3..11], b.id());
        let without = KeyRing::new(vec![b]);
        assert_eq!(open(Secret::Id(&id), &without, &key, &record), Err(EnvelopeError::UnknownSiteKey));
        assert_eq!(open(Secret::Id(&id), &KeyRing::default(), &key, &record), Err(EnvelopeError::UnknownSiteKey));
        // Sealed without a key: opens without one, and with one only where the site says so.
        let (id, key, record) = sealed(b"x|i:1;", &KeyRing::default());
        assert_eq!(open(Secret::Id(&id), &both, &key, &record), Err(EnvelopeError::UnknownSiteKey));
        let moving = KeyRing::parse(&format!("{}, none", "ab".repeat(32))).expect("a ring");
        assert!(open(Secret::Id(&id), &moving, &key, &record).is_ok());
    }

    #[test]
    fn a_large_payload_is_compressed_and_comes_back() {
        let ring = KeyRing::default();
        let payload = b"s:5:\"apple\";".repeat(1000);
        let (id, key, record) = sealed(&payload, &ring);
        assert!(record.envelope.len() < payload.len() / 10);
        assert_eq!(open(Secret::Id(&id), &ring, &key, &record).as_deref(), Ok(&payload[..]));
    }

    proptest! {
        #[test]
        fn what_is_sealed_opens_again(payload in prop::collection::vec(any::<u8>(), 0..5000)) {
            let ring = KeyRing::default();
            let (id, key, record) = sealed(&payload, &ring);
            prop_assert_eq!(open(Secret::Id(&id), &ring, &key, &record), Ok(payload));
        }

        #[test]
        fn bytes_from_outside_are_an_error(envelope in prop::collection::vec(any::<u8>(), 0..200), known in any::<bool>()) {
            let ring = KeyRing::default();
            let (id, key, mut record) = sealed(b"", &ring);
            record.envelope = envelope;
            if known && record.envelope.len() > 11 {
                record.envelope[..11].copy_from_slice(&[1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
            }
            prop_assert!(open(Secret::Id(&id), &ring, &key, &record).is_err());
        }
    }

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|b| format!("{b:02x}")).collect()
    }

    fn unhex(text: &str) -> Vec<u8> {
        (0..text.len()).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).expect("hex")).collect()
    }

    /// The records of the vectors: live without and with a site key and owner, compressed, moved, ended.
    fn vectors() -> Vec<(&'static str, Vec<(&'static str, String)>)> {
        use crate::open::MovedContent;
        use crate::record::{EndKind, Tombstone};
        use crate::version::{CommitId, CommitLog};

        let id = id("0123456789abcdefghijklmnopqrstuvwxyzABCDEFG");
        let namespace = Namespace::new("shop").expect("short");
        let key = Key::of(&namespace, &id);
        let site = SiteKey::new([0x42; 32]);
        let name = NamedSecret::of(&namespace, b"user:42", &site);
        let mut live = record();
        live.about.commits = CommitLog::from_ids([CommitId(1), CommitId(2)]);
        live.about.trail = vec![Key::from_bytes([9; 32])];
        live.about.device = Some("Firefox on Linux".into());
        live.about.unknown = vec![(200, b"later".to_vec())];
        let mut out = vec![(
            "inputs",
            vec![
                ("session id", hex(id.expose())),
                ("namespace", hex(namespace.as_bytes())),
                ("key", key.to_hex()),
                ("site key", hex(&[0x42; 32])),
                ("site key id", hex(&site.id())),
                ("name", hex(b"user:42")),
                ("named key", Key::named(&namespace, b"user:42", &site).to_hex()),
                ("named secret", hex(name.expose())),
            ],
        )];
        let mut add = |title, mut record: Record, payload: &[u8], ring: &KeyRing| {
            record.size = u32::try_from(payload.len()).expect("small");
            record.envelope = seal_salted(Secret::Id(&id), ring, &key, &record, payload, [0x5a; 32]).expect("sealed");
            out.push((title, vec![("payload", hex(payload)), ("record", hex(&crate::wire::encode(&record)))]));
        };
        let none = KeyRing::default();
        add(
            "live",
            Record { owner: None, absolute: None, about: About::default(), ..live.clone() },
            b"cart|i:1;",
            &none,
        );
        add("live, site key, owner, every field", live.clone(), b"cart|i:1;", &KeyRing::new(vec![site]));
        add("live, compressed", live.clone(), &b"item|s:5:\"apple\";".repeat(100), &none);
        let moved = Record { state: State::Moved { kind: MoveKind::Frozen, at: Time(2_500) }, ..live.clone() };
        let content =
            MovedContent { successor: super::tests::id("successor"), frozen: Some((1, b"cart|i:1;".to_vec())) };
        add("moved, frozen copy", moved, &content.encode(), &none);
        let stone = Tombstone {
            version: Version { incarnation: 99, counter: 1 },
            kind: EndKind::Destroyed,
            at: Time(2_600),
            until: Time(3_602_600),
        };
        out.push(("ended", vec![("record", hex(&crate::wire::encode(&stone.record(Some(&live)))))]));
        out
    }

    #[test]
    fn keys_and_envelopes_are_what_the_published_vectors_say() {
        let mut text = String::new();
        for (title, lines) in vectors() {
            text += &format!("[{title}]\n");
            for (name, value) in lines {
                text += &format!("{name} = {value}\n");
            }
        }
        let published = include_str!("../../../docs/format-vectors.txt");
        assert!(published.ends_with(&text), "the format is for ever; today's is\n{text}");
    }

    #[test]
    fn the_published_records_open() {
        let id = id("0123456789abcdefghijklmnopqrstuvwxyzABCDEFG");
        let key = Key::of(&Namespace::new("shop").expect("short"), &id);
        let ring = KeyRing::parse(&format!("{}, {}, none", "07".repeat(32), "42".repeat(32))).expect("a ring");
        let mut payload = Vec::new();
        let mut opened = 0;
        for line in include_str!("../../../docs/format-vectors.txt").lines() {
            match line.split_once(" = ") {
                Some(("payload", hex)) => payload = unhex(hex),
                Some(("record", hex)) => {
                    let record = crate::wire::decode(&unhex(hex)).expect("a record");
                    if !record.envelope.is_empty() {
                        assert_eq!(open(Secret::Id(&id), &ring, &key, &record).as_ref(), Ok(&payload));
                        opened += 1;
                    }
                }
                _ => {}
            }
        }
        assert_eq!(opened, 4);
    }
}
