//! Redis and Valkey: a record is one string, laid out as [`cloakroom::wire`] says, and expires by the server's own means.
//!
//! A load is a plain `GET`, a create without an owner a plain `SET … NX PXAT`; whatever must compare before it writes is
//! a cached script of a few lines. Relies on `SET … PXAT` and effect replication of scripts (Redis 6.2, every Valkey).
//! Names of keys, settings for the server and what is promised when it fails are in `docs/stores/redis.md`.

mod blocking;
mod conn;
mod leases;
mod link;
mod names;
mod owners;
mod paging;
mod place;
mod refusal;
mod reports;
mod resp;
mod scripts;

use async_trait::async_trait;
use cloakroom::store::{
    Count, Created, Description, Ended, Leases, List, Owners, Remove, Reports, Swapped, Swept, Touched,
};
use cloakroom::wire::{self, Damaged};
use cloakroom::{Budget, Key, Loaded, Record, Store, StoreError, Time, Tombstone, Version};

use crate::Options;
use link::{Kind, Link, odd};
use names::{Names, hex};
use place::Place;
use refusal::refused;
use resp::{MAX_BULK, Reply, Request};

/// What people call it; Valkey answers to it too.
const ENGINE: &str = "Redis";
/// The largest deadline that the server is told, some 285,000 years away: up to here its doubles are exact.
const LATEST: u64 = (1 << 53) - 1;
/// Records from this size on go to the server beside the script that puts them in their place: measured, the extra
/// command costs less from here on than the way through Lua.
const LARGE: usize = 1500;
/// How long what was laid down stays if the connection breaks before the script has run: 10 s.
const LAID_DOWN: &[u8] = b"10000";
const NO_RANDOMNESS: &str = "The operating system has no randomness to give.";
/// How long after its deadline a session is still in its owner's index, so that a clock measured badly forgets none.
const FORGOTTEN_AFTER: u64 = 3_600_000;

/// A store in a Redis or Valkey server, on TCP or a unix socket.
#[derive(Debug)]
pub struct RedisStore {
    link: Link,
    names: Names,
}

impl RedisStore {
    /// A store at `redis://[[user]:password@]host[:port][/db]`, `redis+unix:PATH` or `unix:PATH`; after `?` a URL may
    /// name `db`, `user`, `password` and `prefix` (of all names of keys; `cloakroom:` by default). Connects at the first
    /// verb.
    ///
    /// # Errors
    /// [`StoreError::Settings`] where the URL makes no sense.
    pub fn open(url: &str, options: &Options) -> Result<Self, StoreError> {
        let place = Place::parse(url)?;
        let names = Names::new(&place.prefix);
        Ok(Self { link: Link::new(place, options.clock.clone(), options.blocking), names })
    }

    /// Writes a record where the version is `expected`; an empty one stands for no record.
    async fn write(
        &self,
        budget: Budget,
        key: &Key,
        expected: &[u8],
        record: &Record,
        seen: Time,
    ) -> Result<Swapped, StoreError> {
        let (name, bytes, until) = (self.names.record(key), encode(record)?, deadline(record.expires()));
        let forgotten = digits(self.link.time_or_own().0.saturating_sub(FORGOTTEN_AFTER));
        let owners = record.owner.as_ref().map(|owner| (self.names.ended(owner), self.names.sessions(owner)));
        let (hex, seen) = (hex(key.as_bytes()), digits(seen.0));
        let swapped = |reply: &Reply<'_>| match int(reply)? {
            0 => Ok(Swapped::Stale),
            1 => Ok(Swapped::Done),
            2 => Ok(Swapped::OwnerEnded),
            _ => Err(odd()),
        };
        if bytes.len() >= LARGE {
            let unique = getrandom::u64().map_err(|_| StoreError::Settings(NO_RANDOMNESS.into()))?;
            let beside = self.names.laid_down(key, unique);
            let lay: [&[u8]; 5] = [b"SET", &beside, &bytes, b"PX", LAID_DOWN];
            let mut keys: Vec<&[u8]> = vec![&name, &beside];
            if let Some((ended, sessions)) = &owners {
                keys.extend([&ended[..], sessions]);
            }
            let arguments = [expected, &until, &hex, &seen, &forgotten];
            return self.link.run_after(budget, Some(&lay), &scripts::SWAP_LARGE, &keys, &arguments, swapped).await;
        }
        match &owners {
            Some((ended, sessions)) => {
                let arguments = [expected, &bytes, &until, &hex, &seen, &forgotten];
                self.link.run(budget, &scripts::SWAP_OWNED, &[&name, ended, sessions], &arguments, swapped).await
            }
            None => self.link.run(budget, &scripts::SWAP, &[&name], &[expected, &bytes, &until], swapped).await,
        }
    }
}

#[async_trait]
impl Store for RedisStore {
    fn describe(&self) -> Description {
        Description {
            engine: ENGINE,
            location: self.link.place.shown.clone(),
            shared: true,
            may_evict: self.link.may_evict(),
        }
    }

    async fn now(&self, budget: Budget) -> Result<Time, StoreError> {
        if self.link.known_time().is_none() {
            self.link.connect(budget).await?;
        }
        Ok(self.link.time_or_own())
    }

    async fn load(&self, budget: Budget, key: &Key) -> Result<Loaded, StoreError> {
        let mut request = Request::of(&[b"GET", &self.names.record(key)]);
        // A connection that is yet to be made brings the time itself.
        let measure = self.link.known_time().is_some() && self.link.clock_is_old();
        if measure {
            request = request.and(&[b"TIME"]);
        }
        let asked = self.link.stopwatch();
        let read = |replies: &[Reply<'_>]| {
            let record = match replies.first() {
                Some(Reply::Nil) => None,
                Some(Reply::Bulk(bytes)) => Some(wire::decode(bytes).map_err(damaged)?),
                Some(Reply::Error(words)) => return Err(refused(words)),
                _ => return Err(odd()),
            };
            if let Some(time) = replies.get(1) {
                self.link.learn_time(time, asked);
            }
            Ok(record)
        };
        let record = self.link.ask(budget, Kind::Read, &request, read).await?;
        Ok(Loaded { record, now: self.link.time_or_own() })
    }

    async fn create(&self, budget: Budget, key: &Key, record: &Record, seen: Time) -> Result<Created, StoreError> {
        if record.owner.is_some() {
            return Ok(match self.write(budget, key, b"", record, seen).await? {
                Swapped::Done => Created::Done,
                Swapped::Stale => Created::Exists,
                Swapped::OwnerEnded => Created::OwnerEnded,
            });
        }
        let (name, bytes) = (self.names.record(key), encode(record)?);
        let request = Request::of(&[b"SET", &name, &bytes, b"NX", b"PXAT", &deadline(record.expires())]);
        let read = |replies: &[Reply<'_>]| match replies.first() {
            Some(Reply::Status(_)) => Ok(Created::Done),
            Some(Reply::Nil) => Ok(Created::Exists),
            Some(Reply::Error(words)) => Err(refused(words)),
            _ => Err(odd()),
        };
        self.link.ask(budget, Kind::Write, &request, read).await
    }

    async fn swap(
        &self,
        budget: Budget,
        key: &Key,
        expected: Version,
        record: &Record,
        seen: Time,
    ) -> Result<Swapped, StoreError> {
        self.write(budget, key, &version(expected), record, seen).await
    }

    async fn touch(
        &self,
        budget: Budget,
        key: &Key,
        expected: Version,
        touched: Time,
        idle: Time,
    ) -> Result<Touched, StoreError> {
        let live = [&version(expected)[..], &[0]].concat();
        let (touched, raised, until) = (touched.0.to_be_bytes(), idle.0.to_be_bytes(), deadline(idle));
        let arguments = [&live[..], &touched, &raised, &until, &self.names.owners(), &hex(key.as_bytes())];
        let read = |reply: &Reply<'_>| match int(reply)? {
            1 => Ok(Touched::Done),
            0 => Ok(Touched::Stale),
            _ => Err(damaged(Damaged::Short)),
        };
        self.link.run(budget, &scripts::TOUCH, &[&self.names.record(key)], &arguments, read).await
    }

    async fn end(&self, budget: Budget, key: &Key, tombstone: &Tombstone) -> Result<Ended, StoreError> {
        let parts = TombstoneParts::of(tombstone);
        let read = |reply: &Reply<'_>| match int(reply)? {
            0 => Ok(Ended::Absent),
            1 => Ok(Ended::Already),
            2 | 3 => Ok(Ended::Done),
            _ => Err(odd()),
        };
        self.link.run(budget, &scripts::END, &[&self.names.record(key)], &parts.arguments(), read).await
    }

    /// Records, leases and the tombstones of owners go by themselves; what is left are reports.
    async fn sweep(&self, budget: Budget, limit: u32) -> Result<Swept, StoreError> {
        let hour = self.now(budget).await?.seconds() / 3600;
        let oldest = hour.saturating_sub(cloakroom::store::TALLY_HOURS.into());
        let arguments = [&digits(oldest)[..], &digits(limit.into()), &self.names.report()];
        let swept = |reply: &Reply<'_>| int(reply).map(|n| n.unsigned_abs());
        let gone = self.link.run(budget, &scripts::SWEEP, &[&self.names.reports()], &arguments, swept).await?;
        Ok(Swept { removed: 0, more: limit > 0 && gone >= u64::from(limit) })
    }

    fn remove(&self) -> Option<&dyn Remove> {
        Some(self)
    }
    fn leases(&self) -> Option<&dyn Leases> {
        Some(self)
    }
    fn count(&self) -> Option<&dyn Count> {
        Some(self)
    }
    fn list(&self) -> Option<&dyn List> {
        Some(self)
    }
    fn owners(&self) -> Option<&dyn Owners> {
        Some(self)
    }
    fn reports(&self) -> Option<&dyn Reports> {
        Some(self)
    }
}

#[async_trait]
impl Remove for RedisStore {
    async fn remove(&self, budget: Budget, key: &Key, expected: Version) -> Result<bool, StoreError> {
        let removed = |reply: &Reply<'_>| Ok(int(reply)? == 1);
        self.link.run(budget, &scripts::REMOVE, &[&self.names.record(key)], &[&version(expected)], removed).await
    }
}

/// A tombstone in the pieces that the script puts together with what was there.
struct TombstoneParts {
    head: Vec<u8>,
    middle: Vec<u8>,
    until: Vec<u8>,
    of_nothing: Vec<u8>,
}

impl TombstoneParts {
    fn of(tombstone: &Tombstone) -> Self {
        let of_nothing = wire::encode(&tombstone.record(None));
        Self {
            head: of_nothing[..wire::CREATED_AT].to_vec(),
            middle: of_nothing[wire::TOUCHED_AT..wire::LENGTHS_AT].to_vec(),
            until: deadline(tombstone.until),
            of_nothing,
        }
    }

    fn arguments(&self) -> [&[u8]; 4] {
        [&self.head, &self.middle, &self.until, &self.of_nothing]
    }
}

/// A record's bytes, where the server takes so many.
fn encode(record: &Record) -> Result<Vec<u8>, StoreError> {
    let bytes = wire::encode(record);
    if bytes.len() > MAX_BULK {
        return Err(StoreError::TooLarge { engine: ENGINE, size: bytes.len() as u64, limit: MAX_BULK as u64 });
    }
    Ok(bytes)
}

fn damaged(damage: Damaged) -> StoreError {
    StoreError::Damaged { engine: ENGINE, damage }
}

/// A version as it stands in a record.
fn version(version: Version) -> [u8; 16] {
    let mut out = [0; 16];
    out[..8].copy_from_slice(&version.incarnation.to_be_bytes());
    out[8..].copy_from_slice(&version.counter.to_be_bytes());
    out
}

/// A deadline as the server takes it: there is no time 0 for it.
fn deadline(time: Time) -> Vec<u8> {
    digits(time.0.clamp(1, LATEST))
}

fn digits(number: u64) -> Vec<u8> {
    number.to_string().into_bytes()
}

/// The number in a reply.
fn int(reply: &Reply<'_>) -> Result<i64, StoreError> {
    match reply {
        Reply::Int(n) => Ok(*n),
        Reply::Error(words) => Err(refused(words)),
        _ => Err(odd()),
    }
}
