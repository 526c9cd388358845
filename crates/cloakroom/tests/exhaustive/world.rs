//! One run: a store, a few requests, and whatever comes in between, all in an order that the explorer decides.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use cloakroom::store::Remove;
use cloakroom::{
    Engine, Key, Lifetime, ManualClock, MemoryStore, Merge, Namespace, Opening, Owner, Policy, Record, SessionId,
    Store, Time,
};

use super::gate::{Broken, Fate, Gate, Shared, Slot, Verb, mix};
use super::history::{Event, History, How, What};
use super::payload::Vars;
use super::requests::{OWNER, PHP, Page, Visit, budget, first_vars};

pub(crate) const START: Time = Time(1_700_000_000_000);
/// Ids before those of the requests: the visitor's, and one that it had before.
pub(crate) const COOKIE: usize = 0;
pub(crate) const OLDER: usize = 1;
const IDS_EACH: usize = 3;

/// What is stored when the run begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Start {
    /// A session without owner.
    Guest,
    /// A session with one.
    Owned,
    /// A guest's session that a log-in has moved a moment ago; the old id is known to others.
    LoggedIn,
    /// A session with an owner that a periodic rotation has moved a moment ago.
    Rotated,
}

/// Anything that can happen next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Action {
    /// The verb at which this request waits goes through like this.
    Step(usize, Fate),
    /// It is applied, and the process of this request dies.
    Kill(usize),
    /// The store loses a record.
    Evict(usize),
    /// So many seconds pass.
    Pass(u64),
    /// The store sweeps what is past its deadline.
    Sweep,
}

/// What a run begins with and what may befall it.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    pub(crate) start: Start,
    pub(crate) pages: Vec<Page>,
    pub(crate) lifetime: Lifetime,
    /// How many replies or requests may be lost or fail, and processes die.
    pub(crate) faults: u32,
    /// How many records may be evicted, how often time may pass, and the steps it may take.
    pub(crate) evictions: u32,
    pub(crate) passes: u32,
    pub(crate) steps: Vec<u64>,
    pub(crate) broken: Option<Broken>,
    pub(crate) settings: Settings,
}

/// Settings of the engine; others than the usual ones show that the checker can fail.
#[derive(Debug, Clone, Default)]
pub(crate) struct Settings {
    pub(crate) policy: Policy,
    pub(crate) merge: Option<Arc<dyn Merge>>,
}

/// The records of a start, made once for each case.
#[derive(Clone)]
pub(crate) struct Prepared {
    ids: Vec<(String, SessionId, Key)>,
    records: Vec<(Key, Record)>,
    /// Where the ids lead at the beginning.
    pub(crate) moved: Vec<(usize, usize)>,
}

/// What an id opens, asked without the gate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct View {
    pub(crate) how: How,
    pub(crate) vars: Vars,
    pub(crate) owner: Option<String>,
    /// The id that the visitor has then.
    pub(crate) id: usize,
}

type Task = Pin<Box<dyn Future<Output = ()>>>;

pub(crate) struct World {
    pub(crate) store: MemoryStore,
    pub(crate) shared: Arc<Mutex<Shared>>,
    pub(crate) case: Arc<Case>,
    clocks: Vec<Arc<ManualClock>>,
    tasks: Vec<Option<Task>>,
    faults: u32,
    evictions: u32,
    passes: u32,
    pub(crate) elapsed: u64,
}

fn ids(pages: usize) -> Vec<(String, SessionId, Key)> {
    let mut names = vec!["cookie".to_owned(), "older".to_owned()];
    for who in 0..pages {
        names.extend([format!("rotated-{who}"), format!("rotated-again-{who}"), format!("fresh-{who}")]);
    }
    names
        .into_iter()
        .map(|name| {
            let id = SessionId::parse(format!("ticket-{name}").as_bytes()).expect("an id");
            let key = Key::of(&Namespace::default(), &id);
            (name, id, key)
        })
        .collect()
}

/// The store as the run finds it.
pub(crate) async fn prepare(case: &Case) -> Prepared {
    let ids = ids(case.pages.len());
    let clock = Arc::new(ManualClock::new(START));
    let store = MemoryStore::new(clock.clone());
    let engine = Engine::builder(Arc::new(store.clone())).clock(clock).build();
    let owner = || Some(Owner::new(OWNER).expect("short"));
    let rotated = matches!(case.start, Start::LoggedIn | Start::Rotated);
    let first = if rotated { OLDER } else { COOKIE };
    let mut session = engine.fresh(ids[first].1.clone(), case.lifetime);
    if matches!(case.start, Start::Owned | Start::Rotated) {
        session.set_owner(owner());
    }
    let mut vars = first_vars();
    session.commit(&engine, budget(), &vars.encode(), PHP).await.expect("stored");
    if rotated {
        session.set_owner(owner());
        vars.apply(&super::payload::Edit::Set("login", 4));
        session.rotate(&engine, budget(), ids[COOKIE].1.clone(), &vars.encode(), PHP).await.expect("rotated");
    }
    let mut records = Vec::new();
    for (_, _, key) in &ids {
        if let Some(record) = store.load(budget(), key).await.expect("memory answers").record {
            records.push((*key, record));
        }
    }
    Prepared { ids, records, moved: if rotated { vec![(OLDER, COOKIE)] } else { Vec::new() } }
}

impl World {
    pub(crate) async fn new(case: &Arc<Case>, prepared: &Prepared) -> Self {
        let count = case.pages.len();
        // The clock of each server is some seconds off; the store's is the first.
        let clocks: Vec<Arc<ManualClock>> = [0i64, 0, 7000, -7000]
            .map(|off| Arc::new(ManualClock::new(Time(START.0.saturating_add_signed(off)))))
            .into();
        let store = MemoryStore::new(clocks[0].clone());
        for (key, record) in &prepared.records {
            store.create(budget(), key, record, START).await.expect("memory answers");
        }
        let shared = Arc::new(Mutex::new(Shared {
            chains: vec![0; prepared.ids.len()],
            ids: prepared.ids.clone(),
            slots: (0..count).map(|_| Slot::default()).collect(),
            owners_chain: 0,
            leases_chain: 0,
            log: History { left: vec![None; count], ..History::default() },
            broken: case.broken,
            thinks: case.passes > 0,
        }));
        let mut world = Self {
            store: store.clone(),
            shared: shared.clone(),
            case: case.clone(),
            tasks: Vec::new(),
            faults: case.faults,
            evictions: case.evictions,
            passes: case.passes,
            elapsed: 0,
            clocks: clocks.clone(),
        };
        for (who, page) in case.pages.iter().enumerate() {
            let gate = Arc::new(Gate { who, inner: store.clone(), shared: shared.clone() });
            let visit = Visit {
                who,
                page: *page,
                engine: Arc::new(world.engine(gate.clone(), who + 1)),
                gate,
                shared: shared.clone(),
                lifetime: case.lifetime,
                cookie: if page.attacks() && !prepared.moved.is_empty() { OLDER } else { COOKIE },
                rotates_to: 2 + IDS_EACH * who,
                fresh: 4 + IDS_EACH * who,
                round: 0,
            };
            world.tasks.push(Some(Box::pin(visit.run())));
            world.run(who).await;
        }
        world
    }

    /// Each request has an engine of its own, as each PHP worker has.
    fn engine(&self, store: Arc<dyn Store>, clock: usize) -> Engine {
        let settings = &self.case.settings;
        let builder = Engine::builder(store).clock(self.clocks[clock].clone()).policy(settings.policy.clone());
        match &settings.merge {
            Some(merge) => builder.merge(merge.clone()).build(),
            None => builder.build(),
        }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs a request until it waits before the store, or is done.
    async fn run(&mut self, who: usize) {
        loop {
            let Some(task) = &mut self.tasks[who] else { return };
            if task.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready() {
                self.tasks[who] = None;
                let mut shared = self.lock();
                let told = shared.slots[who].told;
                shared.slots[who].told = mix((told, "done"));
                shared.slots[who].waits = None;
                return;
            }
            if self.lock().slots[who].waits.is_some() {
                return;
            }
            // It sleeps between two tries. Nobody else's time passes, and how long it was decides nothing.
            tokio::time::advance(Duration::from_secs(1)).await;
        }
    }

    /// A hash of everything that decides what can happen from here on, and how it is judged.
    pub(crate) fn state(&self) -> u64 {
        let shared = self.lock();
        let told: Vec<(u64, Option<(Verb, usize)>)> = shared.slots.iter().map(|s| (s.told, s.waits)).collect();
        mix((
            told,
            &shared.chains,
            shared.owners_chain,
            shared.leases_chain,
            self.elapsed,
            self.faults,
            self.evictions,
            self.passes,
        ))
    }

    pub(crate) async fn actions(&self) -> Vec<Action> {
        let mut actions = Vec::new();
        let waiting: Vec<(usize, Verb)> =
            self.lock().slots.iter().enumerate().filter_map(|(who, s)| Some((who, s.waits?.0))).collect();
        if waiting.is_empty() {
            return actions;
        }
        for (who, verb) in &waiting {
            if *verb == Verb::Think && self.passes == 0 {
                // Nothing can happen meanwhile that it would notice.
                return vec![Action::Step(*who, Fate::Done)];
            }
        }
        for (who, verb) in waiting {
            actions.push(Action::Step(who, Fate::Done));
            if self.faults > 0 && verb != Verb::Think {
                actions.push(Action::Step(who, Fate::Fail));
                if verb.writes() {
                    actions.push(Action::Step(who, Fate::LoseReply));
                    actions.push(Action::Step(who, Fate::LoseRequest));
                    actions.push(Action::Kill(who));
                }
            }
        }
        let count = self.lock().ids.len();
        let now = self.store.now(budget()).await.expect("memory answers");
        let mut sweeps = false;
        for index in 0..count {
            if let Some(record) = self.record(index).await {
                if self.evictions > 0 {
                    actions.push(Action::Evict(index));
                }
                sweeps |= record.expired(now);
            }
        }
        if sweeps {
            actions.push(Action::Sweep);
        }
        // A verb is over within its time budget, so much time passes only where nobody waits for one.
        let idle = self.lock().slots.iter().all(|s| match s.waits {
            None | Some((Verb::Think, _)) => true,
            Some((Verb::Load, _)) => s.told == 0,
            Some(_) => false,
        });
        if self.passes > 0 && idle {
            actions.extend(self.case.steps.iter().map(|seconds| Action::Pass(*seconds)));
        }
        actions
    }

    pub(crate) async fn record(&self, index: usize) -> Option<Record> {
        let key = self.lock().ids[index].2;
        self.store.load(budget(), &key).await.expect("memory answers").record
    }

    pub(crate) async fn take(&mut self, action: Action) {
        match action {
            Action::Step(who, fate) => {
                self.faults -= u32::from(fate != Fate::Done);
                self.lock().slots[who].fate = Some(fate);
                self.run(who).await;
            }
            Action::Kill(who) => {
                self.faults -= 1;
                self.lock().slots[who].fate = Some(Fate::LoseReply);
                if let Some(task) = &mut self.tasks[who] {
                    // The verb is applied in this poll; whatever the engine does after it is lost with the process.
                    let _: Poll<()> = task.as_mut().poll(&mut Context::from_waker(Waker::noop()));
                }
                self.tasks[who] = None;
                let mut shared = self.lock();
                let told = shared.slots[who].told;
                shared.slots[who].told = mix((told, "killed"));
                shared.slots[who].waits = None;
                shared.log.left[who] = None;
            }
            Action::Evict(index) => {
                self.evictions -= 1;
                if let Some(record) = self.record(index).await {
                    let key = self.lock().ids[index].2;
                    Remove::remove(&self.store, budget(), &key, record.version).await.expect("memory answers");
                    self.note(index, What::Evict, record);
                }
            }
            Action::Pass(seconds) => {
                self.passes -= 1;
                self.pass(seconds);
            }
            Action::Sweep => self.sweep().await,
        }
    }

    pub(crate) fn pass(&mut self, seconds: u64) {
        self.elapsed += seconds;
        for clock in &self.clocks {
            clock.advance(Duration::from_secs(seconds));
        }
        let elapsed = self.elapsed;
        let mut shared = self.lock();
        let seq = shared.log.tick();
        shared.log.passed.push((seq, elapsed));
    }

    pub(crate) async fn sweep(&self) {
        let count = self.lock().ids.len();
        let mut before = Vec::new();
        for index in 0..count {
            before.push(self.record(index).await);
        }
        self.store.sweep(budget(), 100).await.expect("memory answers");
        for (index, record) in before.into_iter().enumerate() {
            if let Some(record) = record
                && self.record(index).await.is_none()
            {
                self.note(index, What::Swept, record);
            }
        }
    }

    fn note(&self, index: usize, what: What, record: Record) {
        let mut shared = self.lock();
        let chain = shared.chains[index];
        shared.chains[index] = mix((chain, what));
        let seq = shared.log.tick();
        shared.log.events.push(Event { seq, who: None, op: None, id: index, what, before: Some(record), after: None });
    }

    /// What an id opens now, for whoever has it.
    pub(crate) async fn view(&self, index: usize) -> View {
        let engine = self.engine(Arc::new(self.store.clone()), 0);
        let id = self.lock().ids[index].1.clone();
        let (how, session) = match engine.open(budget(), &id, self.case.lifetime).await {
            Opening::Live(session) => (How::Live, session),
            Opening::Follow(session) => (How::Follow, session),
            Opening::Frozen(session) => (How::Frozen, session),
            Opening::Detached(..) => unreachable!("memory answers"),
            Opening::Absent(why) => {
                return View { how: How::Absent(why), vars: Vars::default(), owner: None, id: index };
            }
        };
        View {
            how,
            vars: Vars::decode(session.payload()),
            owner: session.owner().map(ToString::to_string),
            id: self.lock().index(session.key()),
        }
    }
}
