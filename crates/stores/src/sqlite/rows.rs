//! A record as a row, and back.

use cloakroom::wire::Damaged;
use cloakroom::{About, Key, Owner, Record, State, Time, Version};
use rusqlite::Row;
use rusqlite::types::ValueRef;

/// The place of a key: 63 of its bits. Keys are hashes, so places are spread evenly, and their order is the keys' order.
pub(super) fn home(key: &Key) -> i64 {
    let mut eight = [0u8; 8];
    eight.copy_from_slice(&key.as_bytes()[..8]);
    (u64::from_be_bytes(eight) >> 1).cast_signed()
}

/// A time as a column; compared by SQLite, so it must not wrap.
pub(super) fn time(time: Time) -> i64 {
    i64::try_from(time.0).unwrap_or(i64::MAX)
}

/// A column as a time.
pub(super) fn to_time(column: i64) -> Time {
    Time(u64::try_from(column).unwrap_or(0))
}

/// A row that was read: its place, its key, and the record unless it is damaged.
pub(super) struct Read {
    pub(super) id: i64,
    pub(super) key: Option<Key>,
    pub(super) record: Result<Record, Damaged>,
}

/// Reads a row of [`super::schema::LOAD`] or of a page; the latter has no envelope.
pub(super) fn read(row: &Row<'_>, with_envelope: bool) -> rusqlite::Result<Read> {
    let id = row.get(0)?;
    let key = blob(row, 1)?.and_then(|k| <[u8; 32]>::try_from(k).ok()).map(Key::from_bytes);
    let record = record(row, with_envelope)?;
    Ok(Read { id, key, record: if key.is_some() { record } else { Err(Damaged::Field) } })
}

/// The outer error is the engine's, the inner one says that the row is no record.
fn record(row: &Row<'_>, with_envelope: bool) -> rusqlite::Result<Result<Record, Damaged>> {
    let version =
        Version { incarnation: row.get::<_, i64>(2)?.cast_unsigned(), counter: row.get::<_, i64>(3)?.cast_unsigned() };
    let (Ok(state), Ok(kind)) = (u8::try_from(row.get::<_, i64>(4)?), u8::try_from(row.get::<_, i64>(5)?)) else {
        return Ok(Err(Damaged::State));
    };
    let Some(state) = State::from_codes(state, kind, to_time(row.get(6)?).0) else {
        return Ok(Err(Damaged::State));
    };
    let (Ok(format), Ok(size)) = (u8::try_from(row.get::<_, i64>(11)?), u32::try_from(row.get::<_, i64>(12)?)) else {
        return Ok(Err(Damaged::Field));
    };
    let owner = match blob(row, 13)?.map(Owner::new) {
        None => None,
        Some(Ok(owner)) => Some(owner),
        Some(Err(_)) => return Ok(Err(Damaged::Field)),
    };
    let about = match About::decode(blob(row, 14)?.unwrap_or_default()) {
        Ok(about) => about,
        Err(damage) => return Ok(Err(damage)),
    };
    Ok(Ok(Record {
        version,
        state,
        created: to_time(row.get(7)?),
        touched: to_time(row.get(8)?),
        idle: to_time(row.get(9)?),
        absolute: row.get::<_, Option<i64>>(10)?.map(to_time),
        owner,
        format,
        size,
        about,
        envelope: if with_envelope { blob(row, 15)?.unwrap_or_default().to_vec() } else { Vec::new() },
    }))
}

/// A column that holds bytes, or nothing.
fn blob<'r>(row: &'r Row<'_>, at: usize) -> rusqlite::Result<Option<&'r [u8]>> {
    Ok(match row.get_ref(at)? {
        ValueRef::Blob(bytes) => Some(bytes),
        _ => None,
    })
}

/// Binds the columns of a record to ?1 to ?18.
pub(super) fn bind(stmt: &mut rusqlite::Statement<'_>, id: i64, key: &Key, record: &Record) -> rusqlite::Result<()> {
    let (state, kind, at) = record.state.codes();
    stmt.raw_bind_parameter(1, id)?;
    stmt.raw_bind_parameter(2, key.as_bytes().as_slice())?;
    stmt.raw_bind_parameter(3, record.version.incarnation.cast_signed())?;
    stmt.raw_bind_parameter(4, record.version.counter.cast_signed())?;
    stmt.raw_bind_parameter(5, state)?;
    stmt.raw_bind_parameter(6, kind)?;
    stmt.raw_bind_parameter(7, time(Time(at)))?;
    stmt.raw_bind_parameter(8, time(record.created))?;
    stmt.raw_bind_parameter(9, time(record.touched))?;
    stmt.raw_bind_parameter(10, time(record.idle))?;
    stmt.raw_bind_parameter(11, record.absolute.map(time))?;
    stmt.raw_bind_parameter(12, record.format)?;
    stmt.raw_bind_parameter(13, record.size)?;
    let owner = record.owner.as_ref().map(Owner::as_bytes);
    stmt.raw_bind_parameter(14, owner)?;
    stmt.raw_bind_parameter(15, time(record.expires()))?;
    let about = record.about.encode();
    stmt.raw_bind_parameter(16, about.as_slice())?;
    stmt.raw_bind_parameter(17, record.envelope.as_slice())?;
    stmt.raw_bind_parameter(18, filler(owner.map_or(0, <[u8]>::len), about.len(), record.envelope.len()))
}

/// Variable bytes (blobs) that fit into a page together with the fixed columns. A longer row continues on pages of its own.
const FIRST_PAGE: usize = 3900;
/// Bytes of a row that each further page takes: all but the number of the next one.
const NEXT_PAGE: usize = super::schema::PAGE_SIZE as usize - 4;

/// Zeros that fill the last page of a row of several. A row that keeps its size is overwritten where it is; one that does
/// not gives its pages back and takes new ones, which writes two pages more and scatters them.
fn filler(owner: usize, about: usize, envelope: usize) -> u16 {
    let used = owner + stored(about) + stored(envelope);
    if used <= FIRST_PAGE {
        return 0;
    }
    let room = (FIRST_PAGE + NEXT_PAGE - used % NEXT_PAGE) % NEXT_PAGE;
    // The filler's own length takes one byte up to 57 bytes, else two.
    let length = if stored(room) == room + 1 { room } else { room - 1 };
    u16::try_from(length).unwrap_or(0)
}

/// Bytes that a blob takes in a row: its own, and the variable-length number that tells its type and length.
fn stored(length: usize) -> usize {
    let kind = 12 + 2 * length;
    let bits = usize::BITS - kind.leading_zeros();
    length + usize::try_from(bits.div_ceil(7)).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_rows_come_in_round_sizes_and_small_ones_carry_nothing() {
        assert_eq!(filler(0, 20, 1000), 0);
        let mut sizes: Vec<usize> =
            (5000..13000).map(|n| 7 + stored(20) + stored(n) + stored(filler(7, 20, n).into())).collect();
        sizes.dedup();
        // Some lengths can't be met to the byte; such a row only takes the longer way.
        assert!(sizes.len() < 10, "{sizes:?}");
        assert!((1..90_000).all(|n| usize::from(filler(0, 20, n)) < NEXT_PAGE));
    }

    #[test]
    fn places_are_never_negative_and_keep_the_order_of_keys() {
        let places: Vec<i64> = [0x00, 0x01, 0x7f, 0x80, 0xff].map(|b| home(&Key::from_bytes([b; 32]))).to_vec();
        assert!(places.iter().all(|p| *p >= 0));
        assert!(places.is_sorted());
    }
}
