//! The store that requests wait before: each verb stops until the explorer says when, and how, it goes through.
//! It also keeps the ground truth (who wrote what, in which order), which no part of the engine is asked for.

use std::collections::hash_map::DefaultHasher;
use std::future::poll_fn;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

use async_trait::async_trait;
use cloakroom::store::{
    Created, Description, Ended, EndedOwner, Holder, LeaseName, LeaseOutcome, Leases, Owners, Page, Remove, Swapped,
    Swept, Touched,
};
use cloakroom::{
    Budget, CommitLog, Key, Loaded, MemoryStore, Owner, Record, SessionId, State, Store, StoreError, Time, Tombstone,
    Version,
};

use super::history::{Event, Kind, Op, What};

/// A verb that waits before the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Verb {
    /// No verb: the request thinks, and time may pass.
    Think,
    Load,
    Create,
    Swap,
    Touch,
    End,
    Remove,
    Take,
    Release,
    EndOwner,
    Find,
}

impl Verb {
    pub(crate) fn writes(self) -> bool {
        matches!(self, Verb::Create | Verb::Swap | Verb::Touch | Verb::End | Verb::Remove | Verb::EndOwner)
    }
}

/// How it goes through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Fate {
    Done,
    /// Applied; the reply is lost.
    LoseReply,
    /// Lost on the way, which the client can't tell from a lost reply.
    LoseRequest,
    /// Refused for certain.
    Fail,
}

/// What is broken on purpose, to show that the checker sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Broken {
    /// A swap goes through whatever the version.
    IgnoresVersions,
    /// Records come back without their commit ids.
    LosesCommitIds,
    /// Ending removes the record.
    EndsByDeleting,
    /// An end says yes and does nothing.
    EndsNothing,
    /// A lost swap says that it is done.
    LiesAboutSwaps,
    /// A create over a live record succeeds.
    CreatesOverOthers,
    /// A lost reply is told as a failure.
    CallsUnknownFailed,
    /// Ending an owner leaves no trace for those still running.
    ForgetsEndedOwners,
}

#[derive(Debug, Default)]
pub(crate) struct Slot {
    pub(crate) waits: Option<(Verb, usize)>,
    pub(crate) fate: Option<Fate>,
    /// A hash of everything this request was told so far: what it does next depends on nothing else.
    pub(crate) told: u64,
    /// The operation under way: index into the log's operations.
    pub(crate) op: Option<usize>,
}

/// What all stores of one run share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) ids: Vec<(String, SessionId, Key)>,
    pub(crate) slots: Vec<Slot>,
    /// For each id a hash of all that was ever done to its record.
    pub(crate) chains: Vec<u64>,
    /// The same for owners' tombstones and leases.
    pub(crate) owners_chain: u64,
    pub(crate) leases_chain: u64,
    pub(crate) log: super::history::History,
    pub(crate) broken: Option<Broken>,
    pub(crate) thinks: bool,
}

pub(crate) fn mix(parts: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    parts.hash(&mut hasher);
    hasher.finish()
}

impl Shared {
    pub(crate) fn index(&self, key: &Key) -> usize {
        self.ids.iter().position(|(_, _, k)| k == key).expect("only the ids of this run are used")
    }

    fn tell(&mut self, who: usize, what: impl Hash) {
        let told = self.slots[who].told;
        self.slots[who].told = mix((told, what));
    }
}

/// One request's connection to the store.
#[derive(Debug)]
pub(crate) struct Gate {
    pub(crate) who: usize,
    pub(crate) inner: MemoryStore,
    pub(crate) shared: Arc<Mutex<Shared>>,
}

fn unknown() -> StoreError {
    StoreError::Unknown { engine: "test", detail: "reply lost".into() }
}

fn failed() -> StoreError {
    StoreError::TimedOut { engine: "test" }
}

impl Gate {
    pub(crate) fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until the explorer lets this verb through.
    pub(crate) async fn turn(&self, verb: Verb, index: usize) -> Fate {
        poll_fn(|_| {
            let mut shared = self.lock();
            let slot = &mut shared.slots[self.who];
            match slot.fate.take() {
                Some(fate) => {
                    slot.waits = None;
                    Poll::Ready(fate)
                }
                None => {
                    slot.waits = Some((verb, index));
                    Poll::Pending
                }
            }
        })
        .await
    }

    /// As [`Gate::turn`] for a verb on a key. The operation begins, for the checks, when its first verb goes through.
    async fn verb(&self, verb: Verb, key: &Key) -> (Fate, usize) {
        let index = self.lock().index(key);
        let fate = self.turn(verb, index).await;
        self.begun(verb, fate);
        (fate, index)
    }

    fn begun(&self, verb: Verb, fate: Fate) {
        let mut shared = self.lock();
        let shared = &mut *shared;
        let seq = shared.log.tick();
        if let Some(op) = shared.slots[self.who].op
            && shared.log.ops[op].start.is_none()
        {
            shared.log.ops[op].start = Some(seq);
            // Which changes of others were over by then matters to the checks, so two runs that differ in it are
            // different.
            let ops = &shared.log.ops;
            let matters =
                |o: &&Op| o.end.is_some() && (!o.edits.is_empty() || matches!(o.kind, Kind::End | Kind::EndOwner));
            let over: Vec<usize> =
                (0..shared.slots.len()).map(|w| ops.iter().filter(|o| o.who == w).filter(matters).count()).collect();
            shared.tell(self.who, ("begins", over));
        }
        shared.tell(self.who, (verb, fate));
    }

    fn is(&self, broken: Broken) -> bool {
        self.lock().broken == Some(broken)
    }

    async fn peek(&self, budget: Budget, key: &Key) -> Option<Record> {
        self.inner.load(budget, key).await.expect("memory answers").record
    }

    /// Notes a write that was applied.
    async fn applied(&self, budget: Budget, index: usize, key: &Key, what: What, before: Option<Record>) {
        let after = self.peek(budget, key).await;
        let now = self.inner.now(budget).await.expect("memory answers");
        let mut shared = self.lock();
        let (told, chain) = (shared.slots[self.who].told, shared.chains[index]);
        shared.chains[index] = mix((chain, told, what, now.0));
        let op = shared.slots[self.who].op;
        let seq = shared.log.tick();
        shared.log.events.push(Event { seq, who: Some(self.who), op, id: index, what, before, after });
    }

    fn reply<T: Hash>(&self, fate: Fate, told: T) {
        if fate == Fate::Done {
            self.lock().tell(self.who, told);
        }
    }

    fn answer<T>(&self, fate: Fate, result: Result<T, StoreError>) -> Result<T, StoreError> {
        match fate {
            Fate::Done => result,
            Fate::LoseReply | Fate::LoseRequest if self.is(Broken::CallsUnknownFailed) => Err(failed()),
            Fate::LoseReply | Fate::LoseRequest => Err(unknown()),
            Fate::Fail => Err(failed()),
        }
    }
}

fn goes_through(fate: Fate) -> bool {
    matches!(fate, Fate::Done | Fate::LoseReply)
}

#[async_trait]
impl Store for Gate {
    fn describe(&self) -> Description {
        self.inner.describe()
    }

    async fn now(&self, budget: Budget) -> Result<Time, StoreError> {
        // No round trip, so no point where others come in between.
        let now = self.inner.now(budget).await?;
        self.lock().tell(self.who, ("now", now.0));
        Ok(now)
    }

    async fn load(&self, budget: Budget, key: &Key) -> Result<Loaded, StoreError> {
        let (fate, index) = self.verb(Verb::Load, key).await;
        if fate != Fate::Done {
            return Err(failed());
        }
        let mut loaded = self.inner.load(budget, key).await?;
        if self.is(Broken::LosesCommitIds)
            && let Some(record) = &mut loaded.record
        {
            record.about.commits = CommitLog::default();
        }
        let chain = self.lock().chains[index];
        self.reply(fate, (chain, loaded.record.is_some(), loaded.now.0));
        Ok(loaded)
    }

    async fn create(&self, budget: Budget, key: &Key, record: &Record, seen: Time) -> Result<Created, StoreError> {
        let (fate, index) = self.verb(Verb::Create, key).await;
        let mut result = Ok(Created::Done);
        if goes_through(fate) {
            let before = self.peek(budget, key).await;
            if self.is(Broken::CreatesOverOthers)
                && let Some(before) = &before
            {
                self.inner.swap(budget, key, before.version, record, seen).await?;
            } else {
                result = self.inner.create(budget, key, record, seen).await;
            }
            if result == Ok(Created::Done) {
                self.applied(budget, index, key, What::Create, before).await;
            }
            self.reply(fate, format!("{result:?}"));
        }
        self.answer(fate, result)
    }

    async fn swap(
        &self,
        budget: Budget,
        key: &Key,
        expected: Version,
        record: &Record,
        seen: Time,
    ) -> Result<Swapped, StoreError> {
        let (fate, index) = self.verb(Verb::Swap, key).await;
        let mut result = Ok(Swapped::Done);
        if goes_through(fate) {
            let before = self.peek(budget, key).await;
            let mut expected = expected;
            if self.is(Broken::IgnoresVersions)
                && let Some(before) = &before
            {
                expected = before.version;
            }
            result = self.inner.swap(budget, key, expected, record, seen).await;
            if result == Ok(Swapped::Done) {
                let what = if matches!(record.state, State::Ended { .. }) { What::End } else { What::Swap };
                self.applied(budget, index, key, what, before).await;
            } else if self.is(Broken::LiesAboutSwaps) {
                result = Ok(Swapped::Done);
            }
            self.reply(fate, format!("{result:?}"));
        }
        self.answer(fate, result)
    }

    async fn touch(
        &self,
        budget: Budget,
        key: &Key,
        expected: Version,
        touched: Time,
        idle: Time,
    ) -> Result<Touched, StoreError> {
        let (fate, index) = self.verb(Verb::Touch, key).await;
        let mut result = Ok(Touched::Done);
        if goes_through(fate) {
            let before = self.peek(budget, key).await;
            result = self.inner.touch(budget, key, expected, touched, idle).await;
            if result == Ok(Touched::Done) {
                self.applied(budget, index, key, What::Touch, before).await;
            }
            self.reply(fate, format!("{result:?}"));
        }
        self.answer(fate, result)
    }

    async fn end(&self, budget: Budget, key: &Key, tombstone: &Tombstone) -> Result<Ended, StoreError> {
        let (fate, index) = self.verb(Verb::End, key).await;
        let mut result = Ok(Ended::Done);
        if goes_through(fate) && !self.is(Broken::EndsNothing) {
            let before = self.peek(budget, key).await;
            result = self.inner.end(budget, key, tombstone).await;
            if self.is(Broken::EndsByDeleting) {
                let there = self.peek(budget, key).await.expect("just written");
                Remove::remove(&self.inner, budget, key, there.version).await?;
            }
            self.applied(budget, index, key, What::End, before).await;
            self.reply(fate, format!("{result:?}"));
        }
        self.answer(fate, result)
    }

    async fn sweep(&self, budget: Budget, limit: u32) -> Result<Swept, StoreError> {
        self.inner.sweep(budget, limit).await
    }

    fn remove(&self) -> Option<&dyn Remove> {
        Some(self)
    }
    fn leases(&self) -> Option<&dyn Leases> {
        Some(self)
    }
    fn owners(&self) -> Option<&dyn Owners> {
        Some(self)
    }
}

#[async_trait]
impl Remove for Gate {
    async fn remove(&self, budget: Budget, key: &Key, expected: Version) -> Result<bool, StoreError> {
        let (fate, index) = self.verb(Verb::Remove, key).await;
        let mut result = Ok(true);
        if goes_through(fate) {
            let before = self.peek(budget, key).await;
            result = Remove::remove(&self.inner, budget, key, expected).await;
            if result == Ok(true) {
                self.applied(budget, index, key, What::Remove, before).await;
            }
            self.reply(fate, format!("{result:?}"));
        }
        self.answer(fate, result)
    }
}

#[async_trait]
impl Leases for Gate {
    async fn take(
        &self,
        budget: Budget,
        name: &LeaseName,
        token: u64,
        holder: Holder,
        time: Duration,
        displacing: Option<u64>,
    ) -> Result<LeaseOutcome, StoreError> {
        let fate = self.turn(Verb::Take, 0).await;
        if fate != Fate::Done {
            self.begun(Verb::Take, fate);
            return Err(failed());
        }
        let taken = self.inner.take(budget, name, token, holder, time, displacing).await?;
        // Who finds the lease held is where it was before and asks again: that is one state, not a longer and longer run.
        if let LeaseOutcome::Taken(_) = taken {
            self.begun(Verb::Take, fate);
            let mut shared = self.lock();
            shared.leases_chain = mix((shared.leases_chain, shared.slots[self.who].told, "taken"));
        }
        Ok(taken)
    }

    async fn release(&self, budget: Budget, name: &LeaseName, token: u64) -> Result<bool, StoreError> {
        let fate = self.turn(Verb::Release, 0).await;
        self.begun(Verb::Release, fate);
        if fate != Fate::Done {
            return Err(failed());
        }
        let released = self.inner.release(budget, name, token).await?;
        let mut shared = self.lock();
        shared.leases_chain = mix((shared.leases_chain, "released", released));
        shared.tell(self.who, released);
        Ok(released)
    }
}

#[async_trait]
impl Owners for Gate {
    async fn find(&self, budget: Budget, owner: &Owner, after: Option<&[u8]>, limit: u32) -> Result<Page, StoreError> {
        let fate = self.turn(Verb::Find, 0).await;
        self.begun(Verb::Find, fate);
        if fate != Fate::Done {
            return Err(failed());
        }
        let chains = self.lock().chains.clone();
        self.lock().tell(self.who, chains);
        self.inner.find(budget, owner, after, limit).await
    }

    async fn end_owner(
        &self,
        budget: Budget,
        owner: &Owner,
        tombstone: &Tombstone,
        except: Option<&Key>,
    ) -> Result<EndedOwner, StoreError> {
        let fate = self.turn(Verb::EndOwner, 0).await;
        self.begun(Verb::EndOwner, fate);
        let mut result = Ok(EndedOwner { ended: 0, complete: true });
        if goes_through(fate) {
            let ids: Vec<Key> = self.lock().ids.iter().map(|(_, _, key)| *key).collect();
            let mut before = Vec::new();
            for key in &ids {
                before.push(self.peek(budget, key).await);
            }
            if self.is(Broken::ForgetsEndedOwners) {
                for (key, record) in ids.iter().zip(&before) {
                    if record.as_ref().is_some_and(|r| r.owner.as_ref() == Some(owner)) {
                        self.inner.end(budget, key, tombstone).await?;
                    }
                }
            } else {
                result = self.inner.end_owner(budget, owner, tombstone, except).await;
            }
            for (index, (key, before)) in ids.iter().zip(before).enumerate() {
                let live = before.as_ref().is_some_and(|r| !matches!(r.state, State::Ended { .. }));
                if live && self.peek(budget, key).await.is_some_and(|r| matches!(r.state, State::Ended { .. })) {
                    self.applied(budget, index, key, What::End, before).await;
                }
            }
            let mut shared = self.lock();
            shared.owners_chain = mix((shared.owners_chain, shared.slots[self.who].told));
            // Every create and swap for an owner may look at it, so their order with it matters.
            let chain = shared.owners_chain;
            for slot in &mut shared.chains {
                *slot = mix((*slot, chain));
            }
        }
        self.answer(fate, result)
    }
}
