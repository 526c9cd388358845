//! A store in this process's memory: for tests, and for applications of a single process. It is the reference that
//! other stores are compared with: each verb in the fewest words.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;

use crate::key::Key;
use crate::record::{Owner, Record, State, Tombstone};
use crate::store::{
    Budget, Count, Counts, Created, Description, Ended, EndedOwner, Filter, Holder, Lease, LeaseName, LeaseOutcome,
    Leases, List, Loaded, Owners, Page, Remove, Reports, Store, StoreError, Summary, Swapped, Swept, Tally, TallyKind,
    Touched,
};
use crate::store::{TALLY_HOURS, TALLY_LABELS};
use crate::time::{Clock, SystemClock, Time};
use crate::version::Version;

/// Records in memory. Clones share them.
#[derive(Debug, Clone)]
pub struct MemoryStore {
    clock: Arc<dyn Clock>,
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug, Default)]
struct Inner {
    records: BTreeMap<Key, Record>,
    ended_owners: HashMap<Owner, OwnerTombstone>,
    leases: HashMap<LeaseName, Lease>,
    tallies: BTreeMap<(TallyKind, u32, String), Tally>,
}

#[derive(Debug)]
struct OwnerTombstone {
    at: Time,
    until: Time,
    except: Option<Key>,
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new(Arc::new(SystemClock))
    }
}

impl MemoryStore {
    /// An empty store that follows this clock.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, inner: Arc::default() }
    }

    /// Drops everything without a trace, as an evicting cache or a wiped database does; for tests.
    pub fn wipe(&self) {
        *self.lock() = Inner::default();
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn owner_ended(&self, key: &Key, record: &Record, seen: Time) -> bool {
        let ended = record.owner.as_ref().and_then(|o| self.ended_owners.get(o));
        ended.is_some_and(|t| seen <= t.at && t.except != Some(*key))
    }
}

#[async_trait]
impl Store for MemoryStore {
    fn describe(&self) -> Description {
        Description { engine: "memory", location: "this process".into(), shared: false, may_evict: false }
    }

    async fn now(&self, _: Budget) -> Result<Time, StoreError> {
        Ok(self.clock.now())
    }

    async fn load(&self, _: Budget, key: &Key) -> Result<Loaded, StoreError> {
        Ok(Loaded { record: self.lock().records.get(key).cloned(), now: self.clock.now() })
    }

    async fn create(&self, _: Budget, key: &Key, record: &Record, seen: Time) -> Result<Created, StoreError> {
        let mut inner = self.lock();
        if inner.records.get(key).is_some_and(|r| !r.expired(self.clock.now())) {
            return Ok(Created::Exists);
        }
        if inner.owner_ended(key, record, seen) {
            return Ok(Created::OwnerEnded);
        }
        inner.records.insert(*key, record.clone());
        Ok(Created::Done)
    }

    async fn swap(
        &self,
        _: Budget,
        key: &Key,
        expected: Version,
        record: &Record,
        seen: Time,
    ) -> Result<Swapped, StoreError> {
        let mut inner = self.lock();
        if inner.records.get(key).is_none_or(|r| r.version != expected) {
            return Ok(Swapped::Stale);
        }
        if inner.owner_ended(key, record, seen) {
            return Ok(Swapped::OwnerEnded);
        }
        inner.records.insert(*key, record.clone());
        Ok(Swapped::Done)
    }

    async fn touch(
        &self,
        _: Budget,
        key: &Key,
        expected: Version,
        touched: Time,
        idle: Time,
    ) -> Result<Touched, StoreError> {
        match self.lock().records.get_mut(key) {
            Some(r) if r.version == expected && r.state.is_live() => {
                r.touched = touched;
                r.idle = r.idle.max(idle);
                Ok(Touched::Done)
            }
            _ => Ok(Touched::Stale),
        }
    }

    async fn end(&self, _: Budget, key: &Key, tombstone: &Tombstone) -> Result<Ended, StoreError> {
        let mut inner = self.lock();
        let was = inner.records.get(key).filter(|r| !r.expired(self.clock.now()));
        let outcome = match was.map(|r| r.state) {
            None => Ended::Absent,
            Some(State::Ended { .. }) => return Ok(Ended::Already),
            Some(_) => Ended::Done,
        };
        let record = tombstone.record(was);
        inner.records.insert(*key, record);
        Ok(outcome)
    }

    async fn sweep(&self, _: Budget, limit: u32) -> Result<Swept, StoreError> {
        let now = self.clock.now();
        let mut inner = self.lock();
        inner.leases.retain(|_, l| l.until > now);
        inner.ended_owners.retain(|_, t| t.until > now);
        let oldest = hour(now).saturating_sub(TALLY_HOURS);
        inner.tallies.retain(|(_, hour, _), _| *hour >= oldest);
        let limit = limit as usize;
        let gone: Vec<Key> =
            inner.records.iter().filter(|(_, r)| r.expired(now)).map(|(k, _)| *k).take(limit + 1).collect();
        for key in gone.iter().take(limit) {
            inner.records.remove(key);
        }
        Ok(Swept { removed: gone.len().min(limit) as u64, more: gone.len() > limit })
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
impl Remove for MemoryStore {
    async fn remove(&self, _: Budget, key: &Key, expected: Version) -> Result<bool, StoreError> {
        let mut inner = self.lock();
        let matches = inner.records.get(key).is_some_and(|r| r.version == expected);
        if matches {
            inner.records.remove(key);
        }
        Ok(matches)
    }
}

#[async_trait]
impl Leases for MemoryStore {
    async fn take(
        &self,
        _: Budget,
        name: &LeaseName,
        token: u64,
        holder: Holder,
        time: Duration,
        displacing: Option<u64>,
    ) -> Result<LeaseOutcome, StoreError> {
        let now = self.clock.now();
        let mut inner = self.lock();
        if let Some(held) = inner.leases.get(name) {
            let ours = held.token == token || Some(held.token) == displacing;
            if held.until > now && !ours {
                return Ok(LeaseOutcome::Held(*held));
            }
        }
        let lease = Lease { token, holder, since: now, until: now.plus(time) };
        inner.leases.insert(*name, lease);
        Ok(LeaseOutcome::Taken(lease))
    }

    async fn release(&self, _: Budget, name: &LeaseName, token: u64) -> Result<bool, StoreError> {
        let mut inner = self.lock();
        let ours = inner.leases.get(name).is_some_and(|l| l.token == token && l.until > self.clock.now());
        if ours {
            inner.leases.remove(name);
        }
        Ok(ours)
    }
}

#[async_trait]
impl Count for MemoryStore {
    async fn count(&self, _: Budget) -> Result<Counts, StoreError> {
        let now = self.clock.now();
        let mut counts = Counts::default();
        for r in self.lock().records.values().filter(|r| !r.expired(now)) {
            match r.state {
                State::Live => {
                    counts.live += 1;
                    counts.owned += u64::from(r.owner.is_some());
                    counts.bytes += u64::from(r.size);
                }
                State::Moved { .. } => counts.moved += 1,
                State::Ended { .. } => counts.ended += 1,
            }
        }
        Ok(counts)
    }
}

#[async_trait]
impl List for MemoryStore {
    async fn page(&self, _: Budget, filter: &Filter, after: Option<&[u8]>, limit: u32) -> Result<Page, StoreError> {
        let now = self.clock.now();
        let inner = self.lock();
        let matching = inner
            .records
            .iter()
            .filter(|(k, _)| after.is_none_or(|a| k.as_bytes().as_slice() > a))
            .filter(|(k, r)| !r.expired(now) && filter.accepts(k, r));
        let mut records: Vec<Summary> = matching.take(limit as usize + 1).map(|(k, r)| Summary::of(*k, r)).collect();
        let more = records.len() > limit as usize;
        records.truncate(limit as usize);
        let next = records.last().filter(|_| more).map(|s| s.key.as_bytes().to_vec());
        Ok(Page { records, next })
    }
}

#[async_trait]
impl Owners for MemoryStore {
    async fn find(&self, budget: Budget, owner: &Owner, after: Option<&[u8]>, limit: u32) -> Result<Page, StoreError> {
        let filter = Filter { live: true, owner: Some(owner.clone()), ..Filter::default() };
        self.page(budget, &filter, after, limit).await
    }

    async fn end_owner(
        &self,
        _: Budget,
        owner: &Owner,
        tombstone: &Tombstone,
        except: Option<&Key>,
    ) -> Result<EndedOwner, StoreError> {
        let now = self.clock.now();
        let mut inner = self.lock();
        inner.ended_owners.insert(
            owner.clone(),
            OwnerTombstone { at: tombstone.at, until: tombstone.until, except: except.copied() },
        );
        let mut ended = 0;
        for (key, record) in &mut inner.records {
            let theirs = record.owner.as_ref() == Some(owner) && Some(key) != except && !record.expired(now);
            if theirs && !matches!(record.state, State::Ended { .. }) {
                ended += u64::from(record.state.is_live());
                *record = tombstone.record(Some(record));
            }
        }
        Ok(EndedOwner { ended, complete: true })
    }
}

#[async_trait]
impl Reports for MemoryStore {
    async fn add(&self, _: Budget, tallies: &[Tally]) -> Result<(), StoreError> {
        let mut inner = self.lock();
        for tally in tallies {
            let place = (tally.kind, tally.hour, tally.label.clone());
            if let Some(kept) = inner.tallies.get_mut(&place) {
                kept.count = kept.count.saturating_add(tally.count);
                kept.sum = kept.sum.saturating_add(tally.sum);
                kept.sample.clone_from(&tally.sample);
            } else if inner.tallies.keys().filter(|(k, h, _)| (*k, *h) == (tally.kind, tally.hour)).count()
                < TALLY_LABELS as usize
            {
                inner.tallies.insert(place, tally.clone());
            }
        }
        Ok(())
    }

    async fn read(&self, _: Budget, kind: TallyKind, since_hour: u32, limit: u32) -> Result<Vec<Tally>, StoreError> {
        let inner = self.lock();
        let mut found: Vec<Tally> =
            inner.tallies.values().filter(|t| t.kind == kind && t.hour >= since_hour).cloned().collect();
        found.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.label.cmp(&b.label)));
        found.truncate(limit as usize);
        Ok(found)
    }
}

fn hour(now: Time) -> u32 {
    u32::try_from(now.seconds() / 3600).unwrap_or(u32::MAX)
}
