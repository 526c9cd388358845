//! Records and names as text that any character set and any collation leaves alone: lower-case hexadecimal and Base64.
//!
//! A record's text is its bytes (`docs/format.md`): everything before the envelope in hexadecimal, so that each fixed
//! field stands at a fixed place where SQL can compare it, then a dot, then the envelope in Base64.

use std::fmt::Write;

use cloakroom::store::LeaseName;
use cloakroom::wire::{self, ABSOLUTE_AT, CREATED_AT, Damaged, FORMAT_AT, HEADER, LENGTHS_AT, MAGIC};
use cloakroom::wire::{STATE_AT, TOUCHED_AT, VERSION_AT};
use cloakroom::{Key, Owner, Record, State, Time, Tombstone, Version};
use sha2::{Digest, Sha256};

/// Records: then the key.
pub(super) const RECORDS: &str = "_cloakroom_s_";
/// Which sessions an owner has: then the owner's hash, `_`, and the key. May name more than there are.
pub(super) const INDEX: &str = "_cloakroom_i_";
/// Owners whose sessions were all ended: then the owner's hash.
pub(super) const OWNERS: &str = "_cloakroom_o_";
/// Leases: then the lease's name.
pub(super) const LEASES: &str = "_cloakroom_l_";
/// Counters: then hour, `_`, kind, `_` and a hash of the label.
pub(super) const REPORTS: &str = "_cloakroom_t_";
/// The row that everybody passes who writes a session with an owner.
pub(super) const GATE: &str = "_cloakroom_gate";

/// Characters of an owner's or label's hash.
const HASH: usize = 32;
/// No key: stands in an owner's tombstone that excepts none. Never equal to one.
pub(super) const NO_KEY: &str = "zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz";

/// Bytes as hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        let _ = write!(out, "{byte:02x}");
    }
    out
}

/// A number in 16 digits, which sort as the number does.
pub(super) fn hex64(number: u64) -> String {
    format!("{number:016x}")
}

/// Bytes of hexadecimal text.
pub(super) fn unhex(text: &[u8]) -> Result<Vec<u8>, Damaged> {
    let digit = |c: u8| char::from(c).to_digit(16).and_then(|d| u8::try_from(d).ok()).ok_or(Damaged::Field);
    if !text.len().is_multiple_of(2) {
        return Err(Damaged::Short);
    }
    text.chunks_exact(2).map(|pair| Ok(digit(pair[0])? << 4 | digit(pair[1])?)).collect()
}

/// A number of hexadecimal text.
pub(super) fn number(text: &[u8]) -> Result<u64, Damaged> {
    let text = std::str::from_utf8(text).map_err(|_| Damaged::Field)?;
    u64::from_str_radix(text, 16).map_err(|_| Damaged::Field)
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Base64 with padding, appended.
pub(super) fn base64(bytes: &[u8], out: &mut String) {
    out.reserve(bytes.len().div_ceil(3) * 4);
    for three in bytes.chunks(3) {
        let at = |n: usize| u32::from(three.get(n).copied().unwrap_or(0));
        let bits = at(0) << 16 | at(1) << 8 | at(2);
        for n in 0..4 {
            let index = (bits >> (18 - 6 * n) & 63) as usize;
            out.push(if n <= three.len() { char::from(ALPHABET[index]) } else { '=' });
        }
    }
}

/// Bytes of Base64 text with padding.
pub(super) fn unbase64(text: &[u8]) -> Result<Vec<u8>, Damaged> {
    if !text.len().is_multiple_of(4) {
        return Err(Damaged::Short);
    }
    let end = text.len() - text.iter().rev().take(2).take_while(|c| **c == b'=').count();
    let mut out = Vec::with_capacity(text.len() / 4 * 3);
    for four in text[..end].chunks(4) {
        let mut bits = 0u32;
        for c in four {
            let value = match c {
                b'A'..=b'Z' => c - b'A',
                b'a'..=b'z' => c - b'a' + 26,
                b'0'..=b'9' => c - b'0' + 52,
                b'+' => 62,
                b'/' => 63,
                _ => return Err(Damaged::Field),
            };
            bits = bits << 6 | u32::from(value);
        }
        bits <<= 6 * (4 - four.len());
        let [_, a, b, c] = bits.to_be_bytes();
        out.extend_from_slice(&[a, b, c][..four.len().saturating_sub(1)]);
    }
    Ok(out)
}

/// A record as its row's value.
pub(super) fn of(record: &Record) -> String {
    let bytes = wire::encode(record);
    let (head, envelope) = bytes.split_at(bytes.len() - record.envelope.len());
    let mut text = hex(head);
    text.push('.');
    base64(envelope, &mut text);
    text
}

/// The record of a row's value, or of its beginning up to the dot, which is a record without its envelope.
pub(super) fn record(text: &[u8]) -> Result<Record, Damaged> {
    let dot = text.iter().position(|c| *c == b'.').unwrap_or(text.len());
    let mut bytes = unhex(&text[..dot])?;
    if let Some(envelope) = text.get(dot + 1..) {
        bytes.extend(unbase64(envelope)?);
    }
    wire::decode(&bytes)
}

/// Name of a record's row.
pub(super) fn name(key: &Key) -> String {
    format!("{RECORDS}{}", hex(key.as_bytes()))
}

/// The key in what follows the beginning of a row's name.
pub(super) fn key(text: &[u8]) -> Result<Key, Damaged> {
    Ok(Key::from_bytes(unhex(text)?.try_into().map_err(|_| Damaged::Field)?))
}

/// A hash for names; what it is of is compared where it counts.
pub(super) fn hash(bytes: &[u8]) -> String {
    let mut text = hex(&Sha256::digest(bytes));
    text.truncate(HASH);
    text
}

/// Beginning of the names of all rows that say which sessions an owner has.
pub(super) fn index(owner: &Owner) -> String {
    format!("{INDEX}{}_", hash(owner.as_bytes()))
}

/// Name of the row that holds an owner's tombstone.
pub(super) fn ended(owner: &Owner) -> String {
    format!("{OWNERS}{}", hash(owner.as_bytes()))
}

/// Name of a lease's row.
pub(super) fn lease(name: &LeaseName) -> String {
    format!("{LEASES}{}", hex(name.as_bytes()))
}

/// A field of a value in SQL: `count` bytes from `offset` of the record's.
fn field(value: &str, offset: usize, count: usize) -> String {
    format!("SUBSTRING({value},{},{})", 2 * offset + 1, 2 * count)
}

/// The version's text.
pub(super) fn version(version: Version) -> String {
    hex64(version.incarnation) + &hex64(version.counter)
}

/// Whether a value has this version.
pub(super) fn has_version(value: &str, of: Version) -> String {
    format!("{}='{}'", field(value, VERSION_AT, 16), version(of))
}

/// The state's two digits.
pub(super) fn state(value: &str) -> String {
    field(value, STATE_AT, 1)
}

/// When the idle deadline last moved.
pub(super) fn touched(value: &str) -> String {
    field(value, TOUCHED_AT, 8)
}

/// When the session began.
pub(super) fn created(value: &str) -> String {
    field(value, CREATED_AT, 8)
}

/// Bytes of the payload, eight digits.
pub(super) fn size(value: &str) -> String {
    field(value, FORMAT_AT + 1, 4)
}

/// Two digits: the owner's length, `00` where there is none.
pub(super) fn owner_length(value: &str) -> String {
    field(value, LENGTHS_AT, 1)
}

/// Whether a value has this owner.
pub(super) fn has_owner(value: &str, owner: &Owner) -> String {
    let bytes = owner.as_bytes();
    format!("{}='{:02x}' AND {}='{}'", owner_length(value), bytes.len(), field(value, HEADER, bytes.len()), hex(bytes))
}

/// When a row may go: the earlier of its deadlines.
pub(super) fn expires(value: &str) -> String {
    let (idle, absolute) = (field(value, TOUCHED_AT + 8, 8), field(value, ABSOLUTE_AT, 8));
    format!("LEAST({idle},IF({absolute}='{}',{idle},{absolute}))", hex64(0))
}

/// A value with the idle deadline raised.
pub(super) fn touch(value: &str, touched: Time, idle: Time) -> String {
    let (at, was) = (2 * TOUCHED_AT + 1, field(value, TOUCHED_AT + 8, 8));
    format!("INSERT({value},{at},32,CONCAT('{}',GREATEST({was},'{}')))", hex64(touched.0), hex64(idle.0))
}

/// The tombstone of what a value holds: [`Tombstone::record`] in SQL.
pub(super) fn end(value: &str, tombstone: &Tombstone) -> String {
    let (state, kind, at) = State::Ended { kind: tombstone.kind, at: tombstone.at }.codes();
    let before = format!("{}{}{state:02x}{kind:02x}{}", hex(&MAGIC), version(tombstone.version), hex64(at));
    // Touched, idle, no absolute deadline; format and size 0.
    let after = format!("{}{}{}0000000000", hex64(tombstone.at.0), hex64(tombstone.until.0), hex64(0));
    let created = field(value, CREATED_AT, 8);
    let rest = format!("SUBSTRING(SUBSTRING_INDEX({value},'.',1),{})", 2 * LENGTHS_AT + 1);
    format!("CONCAT('{before}',{created},'{after}',{rest},'.')")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn bytes_come_back_from_base64(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            let mut text = String::new();
            base64(&bytes, &mut text);
            prop_assert_eq!(unbase64(text.as_bytes()), Ok(bytes.clone()));
            prop_assert_eq!(unhex(hex(&bytes).as_bytes()), Ok(bytes));
        }

        #[test]
        fn any_text_in_a_row_is_an_error_and_never_a_crash(text in prop::collection::vec(any::<u8>(), 0..400)) {
            let _ = record(&text);
            let _ = unbase64(&text);
            let _ = key(&text);
        }
    }

    #[test]
    fn base64_is_everybody_elses() {
        let encoded = |bytes: &[u8]| {
            let mut text = String::new();
            base64(bytes, &mut text);
            text
        };
        // RFC 4648, section 10.
        for (bytes, text) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg==")] {
            assert_eq!(encoded(bytes.as_bytes()), text);
        }
        assert_eq!(encoded(&[0xfb, 0xff]), "+/8=");
        for damaged in ["Z", "Zg=", "Zg", "Z===", "Zm9v=A==", "Zm!v"] {
            assert!(unbase64(damaged.as_bytes()).is_err(), "{damaged}");
        }
    }

    #[test]
    fn names_fit_into_the_options_table() {
        let owner = Owner::new(vec![7; 191]).expect("length");
        let longest = index(&owner) + &hex(&[1; 32]);
        assert!(longest.len() <= 191, "{}", longest.len());
        assert!(name(&Key::from_bytes([0xab; 32])).starts_with("_cloakroom_s_abab"));
    }
}
