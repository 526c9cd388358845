//! A record as one string of bytes, for stores without columns. The fixed fields come first at fixed offsets, so that
//! a script inside such a store can compare the version and move the idle deadline without knowing more.
//! `docs/format.md` specifies it byte by byte.

use crate::record::{About, Owner, Record, State};
use crate::time::Time;
use crate::version::Version;

/// The first four bytes: a magic and the version of this layout.
pub const MAGIC: [u8; 4] = *b"CkR\x01";
/// Offset of the version (incarnation and counter, 8 bytes each).
pub const VERSION_AT: usize = 4;
/// Offset of state and kind (a byte each) and the state's time (8 bytes).
pub const STATE_AT: usize = 20;
/// Offset of the time of creation.
pub const CREATED_AT: usize = 30;
/// Offset of `touched`, followed by the idle deadline (8 bytes each): what a touch rewrites.
pub const TOUCHED_AT: usize = 38;
/// Offset of the absolute deadline; 0 is none.
pub const ABSOLUTE_AT: usize = 54;
/// Offset of the format's code (1 byte) and the payload's size (4 bytes).
pub const FORMAT_AT: usize = 62;
/// Offset of the owner's length (1 byte) and the length of the tagged fields (4 bytes).
pub const LENGTHS_AT: usize = 67;
/// Length of the fixed fields; owner, tagged fields and envelope follow.
pub const HEADER: usize = 72;

/// A stored record that is not one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Damaged {
    /// Shorter than its own lengths say.
    #[error("the record is cut short")]
    Short,
    /// Does not begin like a record.
    #[error(
        "the record does not begin like one of Cloakroom's; another application may use the same keys, or a newer release wrote it"
    )]
    Magic,
    /// A state that no release has written.
    #[error("the record has an unknown state")]
    State,
    /// A tagged field that can't be read.
    #[error("a field of the record can't be read")]
    Field,
}

/// The record as bytes; all numbers big-endian.
pub fn encode(record: &Record) -> Vec<u8> {
    let about = record.about.encode();
    let owner = record.owner.as_ref().map_or(&[][..], Owner::as_bytes);
    let mut out = Vec::with_capacity(HEADER + owner.len() + about.len() + record.envelope.len());
    let (state, kind, at) = record.state.codes();
    out.extend_from_slice(&MAGIC);
    out.extend_from_slice(&record.version.incarnation.to_be_bytes());
    out.extend_from_slice(&record.version.counter.to_be_bytes());
    out.extend_from_slice(&[state, kind]);
    for time in [at, record.created.0, record.touched.0, record.idle.0, record.absolute.map_or(0, |t| t.0)] {
        out.extend_from_slice(&time.to_be_bytes());
    }
    out.push(record.format);
    out.extend_from_slice(&record.size.to_be_bytes());
    out.push(u8::try_from(owner.len()).unwrap_or(u8::MAX));
    out.extend_from_slice(&u32::try_from(about.len()).unwrap_or(u32::MAX).to_be_bytes());
    out.extend_from_slice(owner);
    out.extend_from_slice(&about);
    out.extend_from_slice(&record.envelope);
    out
}

/// Reads a record from bytes.
///
/// # Errors
/// [`Damaged`]; the engine treats such a record as absent, counts and reports it.
pub fn decode(bytes: &[u8]) -> Result<Record, Damaged> {
    let header = bytes.first_chunk::<HEADER>().ok_or(Damaged::Short)?;
    if header[..4] != MAGIC {
        return Err(Damaged::Magic);
    }
    let u64_at = |at: usize| {
        let mut eight = [0u8; 8];
        eight.copy_from_slice(&header[at..at + 8]);
        u64::from_be_bytes(eight)
    };
    let u32_at = |at: usize| u32::from_be_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
    let owner_len = usize::from(header[LENGTHS_AT]);
    let about_len = usize::try_from(u32_at(LENGTHS_AT + 1)).map_err(|_| Damaged::Short)?;
    let rest = &bytes[HEADER..];
    let owner = rest.get(..owner_len).ok_or(Damaged::Short)?;
    let about = rest[owner_len..].get(..about_len).ok_or(Damaged::Short)?;
    let absolute = u64_at(ABSOLUTE_AT);
    Ok(Record {
        version: Version { incarnation: u64_at(VERSION_AT), counter: u64_at(VERSION_AT + 8) },
        state: State::from_codes(header[STATE_AT], header[STATE_AT + 1], u64_at(STATE_AT + 2)).ok_or(Damaged::State)?,
        created: Time(u64_at(CREATED_AT)),
        touched: Time(u64_at(TOUCHED_AT)),
        idle: Time(u64_at(TOUCHED_AT + 8)),
        absolute: (absolute != 0).then_some(Time(absolute)),
        owner: if owner.is_empty() { None } else { Some(Owner::new(owner).map_err(|_| Damaged::Field)?) },
        format: header[FORMAT_AT],
        size: u32_at(FORMAT_AT + 1),
        about: About::decode(about)?,
        envelope: rest[owner_len + about_len..].to_vec(),
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::key::Key;
    use crate::record::{EndKind, MoveKind};
    use crate::version::{CommitId, CommitLog};

    pub(crate) fn any_record() -> impl Strategy<Value = Record> {
        let state = prop_oneof![
            Just(State::Live),
            any::<u64>().prop_map(|t| State::Moved { kind: MoveKind::Frozen, at: Time(t) }),
            any::<u64>().prop_map(|t| State::Ended { kind: EndKind::Destroyed, at: Time(t) }),
        ];
        let about = (
            prop::collection::vec(any::<u64>(), 0..16),
            prop::collection::vec(any::<[u8; 32]>(), 0..16),
            prop::option::of("[a-zA-Z ]{0,40}"),
            any::<bool>(),
            prop::collection::vec((8u8..=255, prop::collection::vec(any::<u8>(), 0..40)), 0..3),
        )
            .prop_map(|(commits, trail, device, asked, unknown)| About {
                commits: CommitLog::from_ids(commits.into_iter().map(CommitId)),
                trail: trail.into_iter().map(Key::from_bytes).collect(),
                address: device.clone(),
                named: device.is_some(),
                namespace: device.clone().unwrap_or_default().into_bytes(),
                device,
                asked,
                unknown,
            });
        (
            (any::<u64>(), any::<u64>(), state, any::<[u64; 3]>(), prop::option::of(1u64..)),
            (prop::option::of(prop::collection::vec(any::<u8>(), 1..191)), any::<u8>(), any::<u32>()),
            about,
            prop::collection::vec(any::<u8>(), 0..200),
        )
            .prop_map(
                |((incarnation, counter, state, t, absolute), (owner, format, size), about, envelope)| Record {
                    version: Version { incarnation, counter },
                    state,
                    created: Time(t[0]),
                    touched: Time(t[1]),
                    idle: Time(t[2]),
                    absolute: absolute.map(Time),
                    owner: owner.map(|o| Owner::new(o).expect("length")),
                    format,
                    size,
                    about,
                    envelope,
                },
            )
    }

    proptest! {
        #[test]
        fn a_record_comes_back_as_it_went(record in any_record()) {
            prop_assert_eq!(decode(&encode(&record)), Ok(record));
        }

        #[test]
        fn bytes_from_outside_are_an_error_and_never_a_crash(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = decode(&bytes);
            let mut with_magic = MAGIC.to_vec();
            with_magic.extend(bytes);
            let _ = decode(&with_magic);
        }

        #[test]
        fn a_record_cut_short_before_its_envelope_is_damaged(record in any_record(), cut in any::<prop::sample::Index>()) {
            let bytes = encode(&record);
            let cut = cut.index(bytes.len() - record.envelope.len());
            prop_assert!(decode(&bytes[..cut]).is_err());
        }
    }
}
