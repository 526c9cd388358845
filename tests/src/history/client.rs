//! One client process: an engine and a store handle of its own, a thread, and requests one after the other until its time is
//! up or it is killed. Cookies come from and go to the browsers: one file a visitor.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use cloakroom::{
    Budget, Clock, Committed, EndKind, Engine, EngineError, Lifetime, Opening, Owner, PayloadMerge, Rotated, Session,
    SessionId, SystemClock, Time,
};
use serde::{Deserialize, Serialize};

use super::blind::Blind;
use super::log::{How, Line, Log, Told, What, now};
use super::vars::{COUNTER, Change, Edit, FORMAT, LIST, SHARED, Vars, own};

/// The variable that tells a process to be a client, and what for.
pub(crate) const TASK: &str = "CLOAKROOM_HISTORY_CLIENT";
/// The time budget of one verb of a request.
const TIMEOUT: Duration = Duration::from_millis(1500);
/// Nothing runs out during a run.
pub(crate) const LIFETIME: Lifetime = Lifetime { idle: Duration::from_secs(7200), absolute: None };

/// What a client is to do.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Task {
    /// Its name, also of its log; letters and digits.
    pub(crate) name: String,
    /// The store.
    pub(crate) url: String,
    /// Where logs and browsers are.
    pub(crate) folder: PathBuf,
    /// How many browsers there are.
    pub(crate) groups: usize,
    /// How far its server's clock is off, in milliseconds.
    pub(crate) clock: i64,
    /// Whether the store may hold up the thread, as in PHP's workers.
    pub(crate) blocking: bool,
    /// Whether the store ignores versions.
    pub(crate) blind: bool,
    /// Its dice.
    pub(crate) seed: u64,
    /// When to end by itself; see [`now`].
    pub(crate) until: u64,
}

/// The clock of a server that is off.
#[derive(Debug)]
struct Off(i64);

impl Clock for Off {
    fn now(&self) -> Time {
        Time(SystemClock.now().0.saturating_add_signed(self.0))
    }
}

/// An engine as every process of a history has it: only the clock differs.
///
/// # Errors
/// What is wrong with the URL.
pub(crate) fn engine(url: &str, clock: i64, blocking: bool, blind: bool) -> Result<Engine, String> {
    let clock: Arc<dyn Clock> = Arc::new(Off(clock));
    let options = cloakroom_stores::Options { clock: Arc::clone(&clock), blocking, ..Default::default() };
    let mut store = cloakroom_stores::open(url, &options).map_err(|error| error.to_string())?;
    if blind {
        store = Arc::new(Blind(store));
    }
    let rules = cloakroom_format::Rules::parse(&format!("{COUNTER}=sum")).map_err(|error| error.to_string())?;
    Ok(Engine::builder(store).clock(clock).merge(Arc::new(PayloadMerge::new(rules))).build())
}

/// A runtime as PHP's workers have it.
pub(crate) fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// Splitmix64.
#[derive(Debug)]
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, most: u64) -> u64 {
        self.next() % most.max(1)
    }

    /// True in so many of a thousand cases.
    pub(crate) fn promille(&mut self, chance: u64) -> bool {
        self.below(1000) < chance
    }
}

/// The file with a visitor's cookie.
pub(crate) fn jar(folder: &Path, group: usize) -> PathBuf {
    folder.join(format!("browser{group}"))
}

/// If this process was started to be a client: is one, to its end. Called by a test that does nothing otherwise.
pub fn run_if_asked() {
    if let Ok(task) = std::env::var(TASK) {
        let task: Task = serde_json::from_str(&task).unwrap();
        let engine = engine(&task.url, task.clock, task.blocking, task.blind).unwrap();
        let log = Log::create(&task.folder.join(format!("{}.log", task.name))).unwrap();
        let dice = Dice(task.seed);
        let old = vec![VecDeque::new(); task.groups];
        let mut client = Client { engine, log, dice, old, request: 0, tags: 0, task };
        runtime().block_on(async {
            while now() < client.task.until {
                client.request().await;
            }
        });
    }
}

struct Client {
    task: Task,
    engine: Engine,
    log: Log,
    dice: Dice,
    /// Ids that this client has had of each visitor, for requests that come late.
    old: Vec<VecDeque<String>>,
    request: u64,
    tags: u64,
}

/// A request under way.
struct Visit {
    group: usize,
    session: Session,
    vars: Vars,
    /// Changed, and not acknowledged.
    pending: Vec<Change>,
    /// Whether anything was changed, so that the payload is no longer what was read.
    changed: bool,
    /// Whether it has removed anything.
    removed: bool,
}

impl Visit {
    fn payload(&self) -> Vec<u8> {
        if self.changed { self.vars.encode() } else { self.session.payload().to_vec() }
    }

    fn key(&self) -> String {
        self.session.key().to_hex()
    }
}

fn budget() -> Budget {
    Budget::of(TIMEOUT)
}

fn name_of(owner: Option<&Owner>) -> Option<String> {
    owner.map(|owner| String::from_utf8_lossy(owner.as_bytes()).into_owned())
}

fn text_of(id: &SessionId) -> String {
    String::from_utf8_lossy(id.expose()).into_owned()
}

fn failed(error: &EngineError) -> Told {
    Told::Failed { unknown: matches!(error, EngineError::OutcomeUnknown(_)), text: error.to_string() }
}

/// What an id opened, as it is written down: the session where there is one, its key, and what was told.
pub(crate) fn told(opening: Opening, key: &str) -> (Option<Session>, String, Told) {
    let (how, session) = match opening {
        Opening::Live(session) => (How::Live, session),
        Opening::Follow(session) => (How::Follow, session),
        Opening::Frozen(session) => (How::Frozen, session),
        Opening::Absent(why) => {
            let how = How::Absent(format!("{why:?}"));
            return (None, key.into(), Told::Opened { how, vars: Vars::default(), owner: None });
        }
        Opening::Detached(..) => {
            return (None, key.into(), Told::Opened { how: How::Detached, vars: Vars::default(), owner: None });
        }
    };
    let owner = name_of(session.owner());
    let told = match Vars::decode(session.payload()) {
        Ok(vars) => Told::Opened { how, vars, owner },
        Err(text) => Told::Failed { unknown: false, text: format!("what was read can't be understood: {text}") },
    };
    let key = session.key().to_hex();
    (Some(session), key, told)
}

impl Client {
    fn write(&mut self, line: &Line) {
        self.log.write(line).unwrap();
    }

    fn begin(&mut self, key: &str, what: What) {
        let line = Line::Begin { request: self.request, at: now(), key: key.into(), what };
        self.write(&line);
        if self.dice.promille(8) {
            // Most of a request is waiting: so that deaths in the middle of a verb are not rare, some are near one's begin.
            let after = Duration::from_micros(self.dice.below(1500));
            std::thread::spawn(move || {
                std::thread::sleep(after);
                let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
            });
        }
    }

    fn end(&mut self, key: &str, told: Told) {
        let line = Line::End { at: now(), key: key.into(), told };
        self.write(&line);
    }

    async fn think(&mut self, most: u64) {
        let micros = self.dice.below(most);
        tokio::time::sleep(Duration::from_micros(micros)).await;
    }

    /// The id in the visitor's cookie; now and then one from before, of a request that was slow to arrive.
    fn cookie(&mut self, group: usize) -> Option<SessionId> {
        let late = self.dice.promille(80);
        let at = self.dice.below(self.old[group].len() as u64) as usize;
        if let Some(id) = self.old[group].get(at).filter(|_| late) {
            return SessionId::parse(id.as_bytes()).ok();
        }
        let id = std::fs::read(jar(&self.task.folder, group)).unwrap_or_default();
        SessionId::parse(&id).ok()
    }

    /// The reply arrives: the browser's cookie is this one, or none.
    fn reply(&mut self, group: usize, id: Option<&SessionId>) {
        let jar = jar(&self.task.folder, group);
        let fresh = self.task.folder.join(format!("{}.cookie", self.task.name));
        std::fs::write(&fresh, id.map(text_of).unwrap_or_default()).unwrap();
        std::fs::rename(fresh, jar).unwrap();
    }

    fn fresh(&mut self, group: usize) -> Session {
        let id = SessionId::draw().unwrap();
        let session = self.engine.fresh(id.clone(), LIFETIME);
        let key = session.key().to_hex();
        self.write(&Line::Request { request: self.request, group, key, id: text_of(&id) });
        session
    }

    async fn request(&mut self) {
        self.request += 1;
        let group = self.dice.below(self.task.groups as u64) as usize;
        let cookie = self.cookie(group);
        let (session, vars) = match &cookie {
            None => (self.fresh(group), Vars::default()),
            Some(id) => {
                let key = self.engine.key_of(id).to_hex();
                self.write(&Line::Request { request: self.request, group, key: key.clone(), id: text_of(id) });
                self.begin(&key, What::Open);
                let opening = self.engine.open(budget(), id, LIFETIME).await;
                let (session, after, told) = told(opening, &key);
                self.end(&after, told.clone());
                match (session, told) {
                    (Some(session), Told::Opened { vars, .. }) => (session, vars),
                    (None, Told::Opened { how: How::Absent(_), .. }) => (self.fresh(group), Vars::default()),
                    // The store is away: the breaker answers at once for a second.
                    _ => return self.think(40_000).await,
                }
            }
        };
        let pending = Vec::new();
        let mut visit = Visit { group, session, vars, pending, changed: false, removed: false };
        self.think(12_000).await;
        self.act(&mut visit).await;
        self.think(2_000).await;
        let before = cookie.as_ref().map(text_of);
        let id = visit.session.id().filter(|_| visit.session.is_stored()).cloned();
        let after = id.as_ref().map(text_of);
        if visit.session.over().is_some() && !visit.session.is_frozen() || id.is_some() && before != after {
            self.reply(group, id.as_ref());
        }
        if let Some(id) = after
            && !self.old[group].contains(&id)
        {
            self.old[group].push_front(id);
            self.old[group].truncate(4);
        }
        if self.dice.promille(20) {
            self.engine.maintain(budget()).await;
        }
    }

    async fn act(&mut self, visit: &mut Visit) {
        let owner = visit.session.owner().cloned();
        match self.dice.below(1000) {
            0..15 => self.end_session(visit).await,
            15..22 if owner.is_some() => self.end_owner(owner).await,
            22..80 if visit.session.is_stored() && owner.is_none() => {
                let user = Owner::new(format!("site:{}", visit.group)).unwrap();
                visit.session.set_owner(Some(user));
                self.rotate(visit, false).await;
            }
            80..150 if visit.session.is_stored() || visit.session.is_frozen() => {
                self.rotate(visit, owner.is_some()).await;
            }
            150..220 => self.commit(visit).await,
            220..290 => {
                self.change(visit);
                self.commit(visit).await;
                self.think(8_000).await;
                self.change(visit);
                self.commit(visit).await;
            }
            _ => {
                self.change(visit);
                self.commit(visit).await;
            }
        }
    }

    /// Changes this and that.
    fn change(&mut self, visit: &mut Visit) {
        for _ in 0..=self.dice.below(3) {
            self.tags += 1;
            let tag = format!("g{}{}n{}", visit.group, self.task.name, self.tags);
            let list = visit.vars.list();
            let edit = match self.dice.below(1000) {
                0..60 => {
                    let owned: Vec<&str> = visit.vars.owned().collect();
                    let at = self.dice.below(owned.len() as u64) as usize;
                    owned.get(at).map_or(Edit::Set, |tag| Edit::Unset(own(tag)))
                }
                60..70 => Edit::Unset(LIST.into()),
                70..85 => Edit::Unset(SHARED.into()),
                85..350 if list.len() > 30 => Edit::Remove(list[self.dice.below(30) as usize].clone()),
                85..110 if !list.is_empty() => Edit::Remove(list[0].clone()),
                110..150 if !list.is_empty() => Edit::Remove(list[self.dice.below(list.len() as u64) as usize].clone()),
                350..550 => Edit::Set,
                550..650 => Edit::Assign,
                650..780 => Edit::Add(1 + self.dice.below(9) as i64),
                _ => Edit::Append,
            };
            // What this request has not got it can't remove.
            let removes = match &edit {
                Edit::Unset(name) => Some(name),
                _ => None,
            };
            if removes.is_some_and(|name| visit.vars.get(name).is_none()) {
                continue;
            }
            // Nor what it has changed itself: then nothing would be left to look for.
            let mine = |change: &Change| match &edit {
                Edit::Unset(name) if name == LIST => matches!(change.edit, Edit::Append | Edit::Remove(_)),
                Edit::Unset(name) if name == SHARED => change.edit == Edit::Assign,
                Edit::Unset(name) => *name == own(&change.tag),
                Edit::Remove(element) => *element == change.tag,
                Edit::Append => change.edit == Edit::Unset(LIST.into()),
                Edit::Assign => change.edit == Edit::Unset(SHARED.into()) || change.edit == Edit::Assign,
                _ => false,
            };
            if visit.pending.iter().any(mine) {
                continue;
            }
            visit.removed |= matches!(edit, Edit::Unset(_) | Edit::Remove(_));
            let change = Change { tag, edit };
            visit.vars.apply(&change);
            visit.pending.push(change);
            visit.changed = true;
        }
    }

    async fn commit(&mut self, visit: &mut Visit) {
        for _ in 0..3 {
            self.begin(&visit.key(), What::Commit(visit.pending.clone()));
            let committed = visit.session.commit(&self.engine, budget(), &visit.payload(), FORMAT).await;
            let told = match &committed {
                Ok(Committed::Written) => Told::Written,
                Ok(Committed::Merged { conflicts }) => Told::Merged(conflicts.clone()),
                Ok(Committed::Unchanged) => Told::Unchanged,
                Ok(other) => Told::Refused(format!("{other:?}")),
                Err(error) => failed(error),
            };
            if matches!(told, Told::Written | Told::Merged(_) | Told::Unchanged) {
                visit.pending.clear();
            }
            let again = matches!(told, Told::Failed { .. }) && self.dice.promille(600);
            self.end(&visit.key(), told);
            if !again {
                return;
            }
            self.think(300_000).await;
        }
    }

    async fn rotate(&mut self, visit: &mut Visit, same_owner: bool) {
        self.change(visit);
        let id = SessionId::draw().unwrap();
        let what = What::Rotate {
            key: self.engine.key_of(&id).to_hex(),
            id: text_of(&id),
            changes: visit.pending.clone(),
            owner: name_of(visit.session.owner()),
            follow: same_owner && !visit.removed,
        };
        self.begin(&visit.key(), what);
        let rotated = visit.session.rotate(&self.engine, budget(), id, &visit.payload(), FORMAT).await;
        let stored = visit.session.is_stored();
        let told = match &rotated {
            Ok(Rotated::Moved) => Told::Moved,
            Ok(Rotated::Adopted) => Told::Adopted,
            Ok(Rotated::Unlinked) => Told::Unlinked { stored },
            Ok(other) => Told::Refused(format!("{other:?}")),
            Err(error) => failed(error),
        };
        let done = stored && rotated.is_ok();
        if done {
            visit.pending.clear();
        }
        self.end(&visit.key(), told);
        // Where it failed, the page goes on: what it wrote may still be stored, under the old id.
        if self.dice.promille(500) {
            self.think(8_000).await;
            self.change(visit);
            self.commit(visit).await;
        }
    }

    async fn end_session(&mut self, visit: &mut Visit) {
        let (live, frozen) = (visit.session.is_stored(), visit.session.is_frozen());
        self.begin(&visit.key(), What::End { live, frozen });
        let key = visit.key();
        let told = match visit.session.end(&self.engine, budget(), EndKind::Destroyed).await {
            Ok(()) => Told::Ended,
            Err(error) => failed(&error),
        };
        self.end(&key, told);
    }

    async fn end_owner(&mut self, owner: Option<Owner>) {
        let Some(owner) = owner else { return };
        self.begin("", What::EndOwner(name_of(Some(&owner)).unwrap_or_default()));
        let told = match self.engine.end_owner(budget(), &owner, None).await {
            Ok(_) => Told::Ended,
            Err(error) => failed(&error),
        };
        self.end("", told);
    }
}
