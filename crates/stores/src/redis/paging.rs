//! Walking through records: SCAN, then the front of each record. A cursor of the server's stands for a place that other
//! writes do not move, so that a record that lives through the walk is seen at least once; it may be seen twice.
//!
//! A page ends at its limit and a SCAN does not, so a place in the walk is the server's cursor (8 bytes, big-endian) and
//! the keys that the last SCAN gave and the page had no room for (32 bytes each).

use std::collections::HashSet;
use std::time::Duration;

use async_trait::async_trait;
use cloakroom::store::{Count, Counts, Filter, List, Page, Summary};
use cloakroom::wire::{self, Damaged};
use cloakroom::{Budget, Key, Record, State, Store, StoreError, Time};

use super::link::{Kind, odd};
use super::refusal::refused;
use super::resp::{Reply, Request};
use super::{RedisStore, digits};

/// SCANs in one page at most: a page may be short, or empty, though more follow.
const SCANS: usize = 20;
/// Keys that one SCAN looks at; keeps the server busy for a fraction of a millisecond.
const SCANNED: u32 = 500;
/// Records looked at in one request at least, where there are so many.
const AT_ONCE: usize = 50;
/// Bytes of a record that hold all but the envelope, nearly always.
const FRONT: usize = 2048;

/// Where a walk gets its keys from.
pub(super) enum Source {
    /// All records whose keys match this glob.
    Everything(Vec<u8>),
    /// The sorted set of that name.
    Index(Vec<u8>),
}

/// A place in a walk.
#[derive(Debug, Default, PartialEq, Eq)]
struct Place {
    /// The server's cursor; `None` when it has no more keys.
    cursor: Option<u64>,
    /// Keys that it has given already.
    pending: Vec<Key>,
}

impl Place {
    fn start() -> Self {
        Self { cursor: Some(0), pending: Vec::new() }
    }

    fn decode(bytes: &[u8]) -> Result<Self, StoreError> {
        let wrong = || StoreError::Settings("This place in the list is not one that Redis gave; begin anew.".into());
        let (cursor, pending) = bytes.split_first_chunk::<8>().ok_or_else(wrong)?;
        let (keys, []) = pending.as_chunks::<32>() else { return Err(wrong()) };
        // The server ends with the cursor it began with, so 0 here is the end.
        let cursor = Some(u64::from_be_bytes(*cursor)).filter(|c| *c != 0);
        Ok(Self { cursor, pending: keys.iter().map(|k| Key::from_bytes(*k)).collect() })
    }

    fn encode(&self) -> Option<Vec<u8>> {
        if self.cursor.is_none() && self.pending.is_empty() {
            return None;
        }
        let mut out = self.cursor.unwrap_or(0).to_be_bytes().to_vec();
        self.pending.iter().for_each(|key| out.extend_from_slice(key.as_bytes()));
        Some(out)
    }
}

#[async_trait]
impl List for RedisStore {
    async fn page(
        &self,
        budget: Budget,
        filter: &Filter,
        after: Option<&[u8]>,
        limit: u32,
    ) -> Result<Page, StoreError> {
        let source = match &filter.owner {
            // The index knows live and moved ones surely; tombstones may outlive their place in it.
            Some(owner) if filter.live => Source::Index(self.names.sessions(owner)),
            _ => Source::Everything(self.names.records(&filter.key_prefix)),
        };
        self.walk(budget, &source, filter, after, limit).await
    }
}

impl RedisStore {
    /// A page of the records that a source names and a filter accepts.
    pub(super) async fn walk(
        &self,
        budget: Budget,
        source: &Source,
        filter: &Filter,
        after: Option<&[u8]>,
        limit: u32,
    ) -> Result<Page, StoreError> {
        let mut place = after.map_or_else(|| Ok(Place::start()), Place::decode)?;
        let now = self.now(budget).await?;
        let limit = limit.max(1) as usize;
        let mut count = u32::try_from(limit).unwrap_or(SCANNED).clamp(10, SCANNED);
        let mut records: Vec<Summary> = Vec::new();
        let mut seen = HashSet::new();
        for _ in 0..SCANS {
            if place.pending.is_empty() {
                let Some(cursor) = place.cursor else { break };
                let (next, keys) = self.scan(budget, source, cursor, count).await?;
                place = Place { cursor: next, pending: keys };
                // If this was not enough, few keys are what is looked for.
                count = SCANNED;
            }
            let room = (limit - records.len()).max(AT_ONCE).min(place.pending.len());
            let fronts = self.fronts(budget, &place.pending[..room]).await?;
            let mut looked_at = 0;
            for (key, record) in place.pending.iter().zip(fronts) {
                if records.len() == limit {
                    break;
                }
                looked_at += 1;
                let Some(record) = record else { continue };
                if !record.expired(now) && filter.accepts(key, &record) && seen.insert(*key) {
                    records.push(Summary::of(*key, &record));
                }
            }
            place.pending.drain(..looked_at);
            if records.len() == limit {
                break;
            }
        }
        Ok(Page { records, next: place.encode() })
    }

    /// One step of the server's walk: the next cursor and the keys it gave.
    pub(super) async fn scan(
        &self,
        budget: Budget,
        source: &Source,
        cursor: u64,
        count: u32,
    ) -> Result<(Option<u64>, Vec<Key>), StoreError> {
        let (cursor, count) = (digits(cursor), digits(count.into()));
        let request = match source {
            Source::Everything(glob) => Request::of(&[b"SCAN", &cursor, b"MATCH", glob, b"COUNT", &count]),
            Source::Index(index) => Request::of(&[b"ZSCAN", index, &cursor, b"COUNT", &count]),
        };
        let read = |replies: &[Reply<'_>]| replies.first().map_or_else(|| Err(odd()), |r| self.scanned(r, source));
        self.link.ask(budget, Kind::Read, &request, read).await
    }

    /// The next cursor and the keys in a reply to SCAN or ZSCAN.
    pub(super) fn scanned(&self, reply: &Reply<'_>, source: &Source) -> Result<(Option<u64>, Vec<Key>), StoreError> {
        let (next, names) = scan_parts(reply)?;
        let keys = match source {
            Source::Everything(_) => names.iter().filter_map(|name| self.names.key(bulk(name)?)).collect(),
            // Each member is followed by its score.
            Source::Index(_) => {
                let members = names.iter().step_by(2).filter_map(bulk);
                members.filter_map(|hex| Key::from_hex(std::str::from_utf8(hex).ok()?)).collect()
            }
        };
        Ok((next, keys))
    }

    /// Records without their envelopes, for those keys that have one. A damaged record counts as absent here: one must
    /// not hide the others.
    async fn fronts(&self, budget: Budget, keys: &[Key]) -> Result<Vec<Option<Record>>, StoreError> {
        let mut records = Vec::with_capacity(keys.len());
        let mut long = Vec::new();
        for (reply, at) in self.ranges(budget, keys, FRONT).await?.into_iter().zip(0..) {
            records.push(match reply {
                Err(Damaged::Short) => {
                    long.push(at);
                    None
                }
                front => front.ok().flatten(),
            });
        }
        let keys: Vec<Key> = long.iter().map(|at| keys[*at]).collect();
        for (whole, at) in self.ranges(budget, &keys, usize::MAX).await?.into_iter().zip(long) {
            records[at] = whole.ok().flatten();
        }
        Ok(records)
    }

    /// The first bytes of the records under these keys.
    async fn ranges(
        &self,
        budget: Budget,
        keys: &[Key],
        bytes: usize,
    ) -> Result<Vec<Result<Option<Record>, Damaged>>, StoreError> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let last = if bytes == usize::MAX { b"-1".to_vec() } else { digits(bytes as u64 - 1) };
        let mut request = Request::new();
        for key in keys {
            request = request.and(&[b"GETRANGE", &self.names.record(key), b"0", &last]);
        }
        let read = |replies: &[Reply<'_>]| replies.iter().map(front).collect();
        self.link.ask(budget, Kind::Read, &request, read).await
    }
}

/// A record from a reply to GETRANGE, which gives an empty string where there is none.
fn front(reply: &Reply<'_>) -> Result<Result<Option<Record>, Damaged>, StoreError> {
    match reply {
        Reply::Bulk(b"") => Ok(Ok(None)),
        Reply::Bulk(bytes) => Ok(wire::decode(bytes).map(Some)),
        Reply::Error(words) => match refused(words) {
            StoreError::Damaged { damage, .. } => Ok(Err(damage)),
            error => Err(error),
        },
        _ => Err(odd()),
    }
}

#[async_trait]
impl Count for RedisStore {
    /// Walks through all keys; where the budget does not last that long, counts what it could and reckons the rest by it.
    async fn count(&self, budget: Budget) -> Result<Counts, StoreError> {
        let now = self.now(budget).await?;
        // What is left for the last steps and the way back.
        let reserve = (budget.left() / 5).max(Duration::from_millis(20));
        let total = |replies: &[Reply<'_>]| match replies.first() {
            Some(Reply::Int(n)) => Ok(n.unsigned_abs()),
            Some(Reply::Error(words)) => Err(refused(words)),
            _ => Err(odd()),
        };
        let total = self.link.ask(budget, Kind::Read, &Request::of(&[b"DBSIZE"]), total).await?;
        let (mut counts, mut scanned, mut cursor) = (Counts::default(), 0u64, 0u64);
        loop {
            let request = Request::of(&[b"SCAN", &digits(cursor), b"COUNT", &digits(SCANNED.into())]);
            let read = |replies: &[Reply<'_>]| {
                let (next, names) = replies.first().map_or_else(|| Err(odd()), scan_parts)?;
                let keys: Vec<Key> = names.iter().filter_map(|name| self.names.key(bulk(name)?)).collect();
                Ok((next, names.len() as u64, keys))
            };
            let (next, looked_at, keys) = self.link.ask(budget, Kind::Read, &request, read).await?;
            scanned += looked_at;
            self.count_these(budget, &keys, now, &mut counts).await?;
            let Some(next) = next else { return Ok(counts) };
            if budget.left() < reserve {
                return Ok(reckon(counts, scanned, total));
            }
            cursor = next;
        }
    }
}

impl RedisStore {
    /// Adds the records under these keys, told by their fixed fields alone.
    async fn count_these(
        &self,
        budget: Budget,
        keys: &[Key],
        now: Time,
        counts: &mut Counts,
    ) -> Result<(), StoreError> {
        if keys.is_empty() {
            return Ok(());
        }
        let mut request = Request::new();
        for key in keys {
            request = request.and(&[b"GETRANGE", &self.names.record(key), b"0", &digits(wire::HEADER as u64 - 1)]);
        }
        let read = |replies: &[Reply<'_>]| Ok(replies.iter().filter_map(|reply| fixed_fields(bulk(reply)?)).collect());
        let found: Vec<(Record, bool)> = self.link.ask(budget, Kind::Read, &request, read).await?;
        for (record, owned) in found.into_iter().filter(|(record, _)| !record.expired(now)) {
            match record.state {
                State::Live => {
                    counts.live += 1;
                    counts.owned += u64::from(owned);
                    counts.bytes += u64::from(record.size);
                }
                State::Moved { .. } => counts.moved += 1,
                State::Ended { .. } => counts.ended += 1,
            }
        }
        Ok(())
    }
}

/// A record's fixed fields, and whether it has an owner; nothing where it is damaged.
fn fixed_fields(bytes: &[u8]) -> Option<(Record, bool)> {
    let mut header = *bytes.first_chunk::<{ wire::HEADER }>()?;
    let owned = header[wire::LENGTHS_AT] != 0;
    // As if nothing followed.
    header[wire::LENGTHS_AT..].fill(0);
    Some((wire::decode(&header).ok()?, owned))
}

/// Counts of a part, taken for the whole.
fn reckon(counts: Counts, scanned: u64, total: u64) -> Counts {
    let whole =
        |n: u64| u64::try_from(u128::from(n) * u128::from(total) / u128::from(scanned.max(1))).unwrap_or(n).max(n);
    Counts {
        live: whole(counts.live),
        owned: whole(counts.owned),
        moved: whole(counts.moved),
        ended: whole(counts.ended),
        bytes: whole(counts.bytes),
        estimate: true,
    }
}

/// The next cursor and the names in a reply to SCAN.
fn scan_parts<'a, 'b>(reply: &'b Reply<'a>) -> Result<(Option<u64>, &'b [Reply<'a>]), StoreError> {
    match reply {
        Reply::Array(parts) => match &parts[..] {
            [Reply::Bulk(cursor), Reply::Array(names)] => {
                let cursor: Option<u64> = std::str::from_utf8(cursor).ok().and_then(|text| text.parse().ok());
                Ok((Some(cursor.ok_or_else(odd)?).filter(|c| *c != 0), names))
            }
            _ => Err(odd()),
        },
        Reply::Error(words) => Err(refused(words)),
        _ => Err(odd()),
    }
}

fn bulk<'a>(reply: &Reply<'a>) -> Option<&'a [u8]> {
    match reply {
        Reply::Bulk(bytes) => Some(bytes),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_in_the_walk_survives_the_way_out_and_back() {
        let keys = vec![Key::from_bytes([1; 32]), Key::from_bytes([2; 32])];
        for (cursor, pending) in [(Some(7), vec![]), (Some(u64::MAX), keys.clone()), (None, keys)] {
            let place = Place { cursor, pending };
            let bytes = place.encode().expect("there is more");
            assert_eq!(Place::decode(&bytes).expect("it is our own"), place);
        }
        assert_eq!(Place { cursor: None, pending: vec![] }.encode(), None);
        assert!(Place::decode(b"nonsense!").is_err());
    }

    #[test]
    fn a_count_of_a_part_is_taken_for_the_whole() {
        let part = Counts { live: 10, owned: 5, moved: 1, ended: 0, bytes: 1000, estimate: true };
        let whole = Counts { live: 40, owned: 20, moved: 4, ended: 0, bytes: 4000, estimate: true };
        assert_eq!(reckon(part, 25, 100), whole);
        assert_eq!(reckon(part, 100, 90), part, "what was seen is there");
    }
}
