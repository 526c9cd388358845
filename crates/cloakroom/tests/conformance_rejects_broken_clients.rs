//! The fault script can fail: a simulated server and network around the memory store, and clients of it that are broken
//! on purpose, each with the promise that must find it out.

use std::future::Future;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use cloakroom::conformance::{Fault, Faults, Harness, PROMISES, Unsupported, certify};
use cloakroom::store::*;
use cloakroom::{Key, ManualClock, MemoryStore, Record, Time, Tombstone, Version};

/// In which way the client, or the server behind it, is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flaw {
    Nothing,
    /// Says that nothing was applied when the reply does not come in time.
    DeniesWhatItSent,
    /// Sends a write again when its reply was lost, and tells the second reply.
    SendsTwice,
    /// Waits longer than its budget.
    Dawdles,
    /// Tells the first reply that comes, which is that of another request.
    AnswersForOthers,
    /// Hands an error to the caller when an idle connection was cut.
    TellsOfCuts,
    /// Says that a write may have been applied when it had no connection.
    FearsTheWorst,
    /// Never connects again after the server was gone.
    GivesUp,
    /// Tells keys in errors.
    TellsKeys,
    /// Tells the password in errors.
    TellsPasswords,
    /// Does not make dropped tables anew.
    MissesItsTables,
    /// Acknowledges what is not on disk.
    Forgets,
    /// Writes in two halves, between which a server may die.
    WritesHalves,
    /// Tells a load "nothing there" when it can't know.
    TakesSilenceForAbsence,
}

use Flaw::*;

const FLAWS: &[(Flaw, &str)] = &[
    (DeniesWhatItSent, "replies_that_stay_away_cost_the_budget_and_no_more"),
    (DeniesWhatItSent, "requests_that_do_not_arrive_cost_the_budget_and_no_more"),
    (DeniesWhatItSent, "a_lost_reply_is_never_told_as_a_failure"),
    (DeniesWhatItSent, "every_history_has_an_order_though_connections_are_cut"),
    (SendsTwice, "a_lost_reply_is_never_told_as_a_failure"),
    (Dawdles, "a_frozen_server_costs_the_budget_and_no_more"),
    (AnswersForOthers, "replies_that_stay_away_cost_the_budget_and_no_more"),
    (TellsOfCuts, "a_cut_connection_is_mended_unnoticed"),
    (FearsTheWorst, "an_absent_server_is_told_and_its_return_noticed"),
    (GivesUp, "an_absent_server_is_told_and_its_return_noticed"),
    (TellsKeys, "a_frozen_server_costs_the_budget_and_no_more"),
    (TellsPasswords, "an_absent_server_is_told_and_its_return_noticed"),
    (MissesItsTables, "a_dropped_schema_is_made_anew"),
    (Forgets, "nothing_acknowledged_is_lost_by_a_killed_server"),
    (WritesHalves, "nothing_acknowledged_is_lost_by_a_killed_server"),
    (TakesSilenceForAbsence, "a_frozen_server_costs_the_budget_and_no_more"),
];

const PASSWORD: &str = "correct horse";

/// The server, and everything between it and its clients.
#[derive(Debug)]
struct Server {
    flaw: Flaw,
    clock: Arc<ManualClock>,
    memory: MemoryStore,
    stuck: Mutex<Option<Fault>>,
    lose_reply: AtomicBool,
    tables: AtomicBool,
    /// How often connections were cut so far.
    cuts: AtomicU64,
    /// Keys written since the disk was last up to date.
    unwritten: Mutex<Vec<(Key, Version)>>,
}

/// A handle.
#[derive(Debug)]
struct Client {
    server: Arc<Server>,
    cuts_seen: AtomicU64,
    gave_up: AtomicBool,
    late_reply: AtomicBool,
}

struct Bench(Arc<Server>);

impl Bench {
    fn new(flaw: Flaw) -> Self {
        let clock = Arc::new(ManualClock::new(Time(1_800_000_000_000)));
        Self(Arc::new(Server {
            flaw,
            memory: MemoryStore::new(clock.clone()),
            clock,
            stuck: Mutex::default(),
            lose_reply: false.into(),
            tables: true.into(),
            cuts: 0.into(),
            unwritten: Mutex::default(),
        }))
    }
}

#[async_trait]
impl Harness for Bench {
    fn store(&self) -> Arc<dyn Store> {
        let cuts_seen = self.0.cuts.load(Ordering::SeqCst).into();
        let (gave_up, late_reply) = (false.into(), false.into());
        Arc::new(Client { server: self.0.clone(), cuts_seen, gave_up, late_reply })
    }

    async fn pass(&self, time: Duration) {
        self.0.clock.advance(time);
    }

    fn faults(&self) -> Option<&dyn Faults> {
        Some(&*self.0)
    }

    fn secrets(&self) -> Vec<String> {
        vec![PASSWORD.into()]
    }
}

impl Faults for Server {
    fn begin(&self, fault: Fault) -> Result<(), Unsupported> {
        match fault {
            Fault::Cut => _ = self.cuts.fetch_add(1, Ordering::SeqCst),
            Fault::LoseReply => self.lose_reply.store(true, Ordering::SeqCst),
            Fault::DropSchema => {
                self.memory.wipe();
                self.tables.store(false, Ordering::SeqCst);
            }
            fault => *self.stuck() = Some(fault),
        }
        if fault == Fault::Kill && self.flaw == Forgets {
            let unwritten = std::mem::take(&mut *self.unwritten.lock().unwrap_or_else(PoisonError::into_inner));
            // The last few writes were on no disk.
            for (key, version) in unwritten.into_iter().rev().take(5) {
                let memory = self.memory.clone();
                let _ =
                    now_or_never(
                        async move { Remove::remove(&memory, Budget::of(Duration::ZERO), &key, version).await },
                    );
            }
        }
        Ok(())
    }

    fn end(&self, fault: Fault) {
        match fault {
            Fault::LoseReply => self.lose_reply.store(false, Ordering::SeqCst),
            _ => *self.stuck() = None,
        }
    }
}

/// The memory store never waits, so one look at its future is enough.
fn now_or_never<T>(future: impl Future<Output = T>) -> T {
    let mut future = std::pin::pin!(future);
    match future.as_mut().poll(&mut std::task::Context::from_waker(std::task::Waker::noop())) {
        std::task::Poll::Ready(value) => value,
        std::task::Poll::Pending => unreachable!("memory never waits"),
    }
}

impl Server {
    fn stuck(&self) -> std::sync::MutexGuard<'_, Option<Fault>> {
        self.stuck.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn error(&self, key: Option<&Key>) -> String {
        match self.flaw {
            TellsKeys => format!("no answer for {}", key.map(Key::to_hex).unwrap_or_default()),
            TellsPasswords => format!("can't log in with {PASSWORD}"),
            _ => "no answer".into(),
        }
    }
}

const ENGINE: &str = "simulated";

impl Client {
    /// Sends a request; `work` is what the server does when it arrives.
    async fn call<T, F, W>(&self, budget: Budget, key: Option<&Key>, writes: bool, work: W) -> Result<T, StoreError>
    where
        T: Clone,
        F: Future<Output = Result<T, StoreError>> + Send,
        W: Fn() -> F + Send + Sync,
    {
        let server = &*self.server;
        let detail = server.error(key);
        let unknown = || StoreError::Unknown { engine: ENGINE, detail: detail.clone() };
        let timed_out = || StoreError::TimedOut { engine: ENGINE };
        let unreachable =
            || StoreError::Unreachable { engine: ENGINE, location: "nowhere".into(), detail: detail.clone() };
        let no_reply = || match (writes, server.flaw) {
            (_, TellsKeys) | (true, _) if server.flaw != DeniesWhatItSent => unknown(),
            _ => timed_out(),
        };
        tokio::task::yield_now().await;
        if self.gave_up.load(Ordering::SeqCst) {
            return Err(unreachable());
        }
        let cuts = server.cuts.load(Ordering::SeqCst);
        if self.cuts_seen.swap(cuts, Ordering::SeqCst) != cuts && server.flaw == TellsOfCuts {
            return Err(unreachable());
        }
        let stuck = *server.stuck();
        match stuck {
            Some(Fault::Kill) => {
                self.gave_up.store(server.flaw == GivesUp, Ordering::SeqCst);
                return Err(if server.flaw == FearsTheWorst && writes { unknown() } else { unreachable() });
            }
            Some(fault) => {
                if fault != Fault::Freeze {
                    let _ = work().await;
                }
                let more = if server.flaw == Dawdles { Duration::from_secs(1) } else { Duration::ZERO };
                tokio::time::sleep(budget.left() + more).await;
                self.late_reply.store(true, Ordering::SeqCst);
                return Err(no_reply());
            }
            None => {}
        }
        if !server.tables.swap(true, Ordering::SeqCst) && server.flaw == MissesItsTables {
            return Err(StoreError::Refused { engine: ENGINE, detail: "no such table".into() });
        }
        let told = work().await;
        if server.lose_reply.swap(false, Ordering::SeqCst) {
            return match server.flaw {
                SendsTwice => work().await,
                _ => Err(no_reply()),
            };
        }
        told
    }
}

#[async_trait]
impl Store for Client {
    fn describe(&self) -> Description {
        self.server.memory.describe()
    }

    async fn now(&self, budget: Budget) -> Result<Time, StoreError> {
        self.server.memory.now(budget).await
    }

    async fn load(&self, budget: Budget, key: &Key) -> Result<Loaded, StoreError> {
        let memory = &self.server.memory;
        let told = self.call(budget, Some(key), false, || memory.load(budget, key)).await;
        match (self.server.flaw, told) {
            (TakesSilenceForAbsence, Err(_)) => Ok(Loaded { record: None, now: memory.now(budget).await? }),
            (AnswersForOthers, Ok(loaded)) if self.late_reply.swap(false, Ordering::SeqCst) => {
                Ok(Loaded { record: None, ..loaded })
            }
            (_, told) => told,
        }
    }

    async fn create(&self, budget: Budget, key: &Key, record: &Record, seen: Time) -> Result<Created, StoreError> {
        let memory = &self.server.memory;
        self.server.unwritten.lock().unwrap_or_else(PoisonError::into_inner).push((*key, record.version));
        self.call(budget, Some(key), true, || memory.create(budget, key, record, seen)).await
    }

    async fn swap(
        &self,
        budget: Budget,
        key: &Key,
        expected: Version,
        record: &Record,
        seen: Time,
    ) -> Result<Swapped, StoreError> {
        let memory = &self.server.memory;
        if self.server.flaw == WritesHalves {
            let half = Record { envelope: record.envelope[..record.envelope.len() / 2].to_vec(), ..record.clone() };
            let first = self.call(budget, Some(key), true, || memory.swap(budget, key, expected, &half, seen)).await?;
            if first != Swapped::Done {
                return Ok(first);
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
            return self.call(budget, Some(key), true, || memory.swap(budget, key, half.version, record, seen)).await;
        }
        self.server.unwritten.lock().unwrap_or_else(PoisonError::into_inner).push((*key, record.version));
        self.call(budget, Some(key), true, || memory.swap(budget, key, expected, record, seen)).await
    }

    async fn touch(
        &self,
        budget: Budget,
        key: &Key,
        expected: Version,
        touched: Time,
        idle: Time,
    ) -> Result<Touched, StoreError> {
        let memory = &self.server.memory;
        self.call(budget, Some(key), true, || memory.touch(budget, key, expected, touched, idle)).await
    }

    async fn end(&self, budget: Budget, key: &Key, tombstone: &Tombstone) -> Result<Ended, StoreError> {
        let memory = &self.server.memory;
        self.call(budget, Some(key), true, || memory.end(budget, key, tombstone)).await
    }

    async fn sweep(&self, budget: Budget, limit: u32) -> Result<Swept, StoreError> {
        let memory = &self.server.memory;
        self.call(budget, None, true, || memory.sweep(budget, limit)).await
    }

    fn remove(&self) -> Option<&dyn Remove> {
        Some(self)
    }
}

#[async_trait]
impl Remove for Client {
    async fn remove(&self, budget: Budget, key: &Key, expected: Version) -> Result<bool, StoreError> {
        let memory = &self.server.memory;
        self.call(budget, Some(key), true, || Remove::remove(memory, budget, key, expected)).await
    }
}

#[test]
fn the_simulation_without_a_flaw_is_certified() {
    for promise in PROMISES {
        certify(promise.name, &Bench::new(Nothing));
    }
}

#[test]
fn each_flaw_breaks_the_promise_that_names_it() {
    let mut unnoticed = Vec::new();
    for (flaw, promise) in FLAWS {
        let bench = Bench::new(*flaw);
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| certify(promise, &bench)));
        if outcome.is_ok() {
            unnoticed.push((flaw, promise));
        }
    }
    assert!(unnoticed.is_empty(), "the kit certified what it should not: {unnoticed:#?}");
}
