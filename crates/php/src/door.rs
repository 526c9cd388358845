//! What each entry of the save handler means, in plain Rust: one request after another, each with the session it has open.

mod api;
mod blame;
mod encoding;
mod lifecycle;
mod lives;
mod locks;
mod loopback;
mod request;
mod response;
mod sizes;
mod status;
mod telling;

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use cloakroom::{Absent, Budget, EngineError, Notice, Opening, Session, SessionId};

use crate::log::Log;
use crate::settings::{Raw, Settings, StoreAt, Wrong};
use crate::worker::{Site, Worker, read_url};
use lives::Life;
use locks::Manners;

pub(crate) use api::{Cell, CellKind, Function, Given, GivenValue};
pub(crate) use blame::culprit::Frame;
pub(crate) use encoding::{Payload, Write};
pub(crate) use locks::LockTaken;
pub(crate) use loopback::Call;
pub(crate) use request::{Hardening, NO_TROUBLE, Request, Verdict};
pub(crate) use response::{Decision, Early, Hold, Line};
pub(crate) use status::Item;

/// How long an empty session is kept whose ticket has left.
const PLACE_HELD: Duration = Duration::from_secs(600);

const FOREIGN_ID: &str = "A session handler that wraps Cloakroom uses ids of its own, which Cloakroom has not issued and \
    does not adopt: the session was not saved. Pass PHP's id on, or set cloakroom.strict=php.";

/// Which function of PHP the handler is called for (`enum cr_caller`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Caller {
    /// Code runs, but none of the functions below.
    Other,
    /// `session_start`.
    Start,
    /// `session_regenerate_id`.
    Regenerate,
    /// `session_create_id`.
    CreateId,
    /// `session_decode`.
    Decode,
    /// `session_reset`.
    Reset,
    /// `session_destroy`.
    Destroy,
    /// `session_write_close`, `session_commit`.
    WriteClose,
    /// `session_gc`.
    Gc,
    /// No code runs: `session.auto_start`, the end of the request.
    Nobody,
}

/// Whether the visitor gets or has the cookie of a session that is being closed (`enum cr_leaves`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Leaves {
    /// There is no visitor, or no cookie.
    No,
    /// With the page, which may leave at any time.
    Now,
    /// The response is held back, and it is decided at its end.
    Held,
    /// As `Held`, with variables left in a session whose handler is one that wraps ours.
    HeldWrapped,
}

/// The door: what this process keeps, and the request it serves.
#[derive(Debug, Default)]
pub(crate) struct Door {
    pub(crate) log: Log,
    worker: Option<Worker>,
    pub(crate) request: Request,
    /// What `cloakroom.store_file` held when PHP started, which may have been as another user.
    url_from_file: Option<(String, String)>,
    /// The complaint about merge rules that was made when PHP started.
    rules_told: Option<String>,
    flushed: Option<Instant>,
    maintained: Option<Instant>,
    /// Responses until one is followed by a sweep; drawn at the first.
    until_sweep: Option<u32>,
    due: lifecycle::Due,
    held: locks::Held,
    /// The session as it was before `cloakroom_lock()` brought it up to date.
    before_lock: Option<Session>,
    counters: Counters,
    /// When the store last began to fail, and how.
    last_outage: Option<(SystemTime, String)>,
    api: api::Api,
    book: blame::Book,
    told_sizes: sizes::Told,
}

/// What this worker has done so far, for `cloakroom_status()`.
#[derive(Debug, Default)]
struct Counters {
    loads: u64,
    commits: u64,
    rotations: u64,
    failures: u64,
    waits: u64,
    /// Cookies that left before it was known whether anything would be in their session.
    early: u64,
    /// Sessions that were found empty and removed.
    emptied: u64,
}

impl Door {
    /// Reads the settings at start-up, as the user that PHP starts as. Opens nothing but `cloakroom.store_file`.
    pub(crate) fn check(&mut self, raw: &Raw<'_>) -> Result<(), Wrong> {
        let settings = Settings::read(raw)?;
        settings.check_start(raw)?;
        self.rules_told = settings.rules_wrong.clone();
        if let StoreAt::File(path) = &settings.store
            && let Ok(url) = read_url(path)
        {
            self.url_from_file = Some((path.clone(), url));
        }
        match settings.rules_wrong {
            Some(text) => Err(Wrong { text, fatal: false }),
            None => Ok(()),
        }
    }

    /// A session is about to be opened, also inside `session_regenerate_id` and `session_reset`.
    pub(crate) fn open(&mut self, raw: &Raw<'_>, caller: Caller) -> Hardening {
        if caller == Caller::Regenerate {
            let hide_cookie = self.request.session().is_some_and(Session::is_detached);
            return Hardening { hide_cookie, ..self.request.hardening };
        }
        self.request.opened(raw);
        match self.site(raw) {
            Ok(site) => {
                let site = self.with_rules(site);
                self.request.hardening = Hardening {
                    strict: site.settings.strict,
                    httponly: site.settings.httponly,
                    secure: site.settings.cookie_secure && site.settings.proxies.is_https(raw),
                    ..Hardening::default()
                };
                self.request.strict = site.settings.strict || raw.use_strict_mode;
                self.request.manners = Manners::of(&site.settings, raw);
                self.request.response.opened(&site.settings, raw);
                let full = site.settings.lifetime(raw.gc_maxlifetime);
                self.request.life = Life::of(&site.settings, full, raw.agent);
                self.request.lifetime = Some(full);
                self.request.site = Some(site);
            }
            Err(text) => {
                // Settings that can't work: safe and without a session, as in an outage.
                self.log.say(format!("{text} Until then pages run without their session."));
                self.request.site = None;
                self.request.hardening =
                    Hardening { strict: true, httponly: true, hide_cookie: true, ..Hardening::default() };
            }
        }
        self.request.hardening.blame = self.sample(caller);
        self.request.hardening
    }

    fn site(&mut self, raw: &Raw<'_>) -> Result<Arc<Site>, String> {
        match &self.worker {
            Some(worker) if worker.is_of_this_process() => {}
            // A child of a process that had sessions open: the connections belong to the parent, so they are left alone.
            Some(_) => {
                std::mem::forget(self.worker.take());
                self.worker = Some(Worker::new()?);
            }
            None => self.worker = Some(Worker::new()?),
        }
        let Some(worker) = &mut self.worker else { return Err("no worker".into()) };
        if let Some(site) = worker.last_site(raw.generation) {
            return Ok(site);
        }
        let fingerprint = raw.fingerprint();
        if let Some(site) = worker.known_site(raw.generation, &fingerprint) {
            return Ok(site);
        }
        let settings = Settings::read(raw).map_err(|wrong| wrong.text)?;
        if settings.rules_wrong != self.rules_told
            && let Some(text) = &settings.rules_wrong
        {
            self.log.say(text.as_str());
        }
        let url = match (&settings.store, &self.url_from_file) {
            (StoreAt::File(path), Some((known, url))) if path == known => Some(url.clone()),
            _ => None,
        };
        worker.make_site(raw.generation, fingerprint, settings, raw.save_path, url.as_deref())
    }

    /// The session is closed. Inside `session_regenerate_id` it goes on.
    pub(crate) fn close(&mut self, caller: Caller, leaves: Leaves) {
        if caller == Caller::Regenerate {
            return;
        }
        if leaves == Leaves::Now {
            self.hold_place();
            self.request.ticket_is_void |= self.is_fresh();
        }
        if leaves == Leaves::HeldWrapped {
            self.is_kept_elsewhere();
        }
        self.release_locks();
        self.before_lock = None;
        if let Some((id, session)) = self.request.closed()
            && matches!(leaves, Leaves::Held | Leaves::HeldWrapped)
        {
            self.keep_ticket(id, session);
        }
    }

    /// The headers leave. Whether the session's cookie is to be taken out of them, because it would lead nowhere.
    pub(crate) fn headers_leave(&mut self) -> bool {
        self.hold_place();
        self.is_fresh() || self.request.ticket_is_void
    }

    /// Whether a session is open that no record is there for yet.
    pub(crate) fn is_fresh(&self) -> bool {
        self.request.session().is_some_and(|s| !s.is_stored() && !s.is_detached() && s.over().is_none())
    }

    /// A ticket leaves and nothing is in the session: its place is kept for a while, or the visitor would be sent another
    /// ticket with every page until something is.
    fn hold_place(&mut self) {
        let Some(site) = self.request.site.clone() else { return };
        if site.engine.breaker().is_open() || !self.is_fresh() || self.request.manners.readonly {
            return;
        }
        let Some(id) = self.request.asked().map(<[u8]>::to_vec) else { return };
        let Some(mut session) = self.request.take(&id) else { return };
        if self.request.manners.lock {
            self.lock_new(&site, session.key());
        }
        let budget = self.budget(&site);
        let placed = self.wait(&site, session.hold_place(&site.engine, budget, PLACE_HELD));
        if let Some(Err(error)) = placed {
            // Nothing of the visitor's is lost: there was nothing.
            self.failed(&error);
        }
        self.request.put_back(id, session);
    }

    /// Whether PHP may go on with this id.
    pub(crate) fn validate(&mut self, id: &[u8], caller: Caller) -> Verdict {
        // PHP asks whether a new id is already taken. 256 random bits are not.
        if matches!(caller, Caller::Regenerate | Caller::CreateId) {
            return Verdict::NO;
        }
        let Ok(sid) = SessionId::parse(id) else { return Verdict::NO };
        if self.request.is_issued(id) {
            return Verdict::YES;
        }
        match self.load(&sid) {
            Found::Session => self.request.verdict(),
            Found::Successor | Found::Nothing(_) => Verdict::NO,
        }
    }

    /// A new id for PHP: a moved session's successor, or one drawn now.
    pub(crate) fn create_id(&mut self, caller: Caller) -> (Verdict, Vec<u8>) {
        if caller != Caller::CreateId
            && let Some(id) = self.request.successor_id()
        {
            return (Verdict::YES, id);
        }
        let Some(id) = self.draw() else { return (Verdict::NO, Vec::new()) };
        let out = id.expose().to_vec();
        self.request.issue(&out);
        if caller == Caller::CreateId {
            return (Verdict::YES, out);
        }
        // While the store is known to be down, a visitor without a ticket gets none that would lead nowhere.
        let down = self.request.site.as_ref().is_none_or(|site| site.engine.breaker().is_open());
        if down && matches!(self.load(&id), Found::Session) {
            return (self.request.verdict(), out);
        }
        // Who only reads has nothing that a new ticket could lead to.
        (if self.request.manners.readonly { Verdict::NO_COOKIE } else { Verdict::YES }, out)
    }

    fn draw(&mut self) -> Option<SessionId> {
        let (characters, bits) = match &self.request.site {
            Some(site) => site.settings.id.characters(self.request.sid_length, self.request.sid_bits),
            None => (43, 6),
        };
        match SessionId::draw_chars(characters, bits) {
            Ok(id) => Some(id),
            Err(_) => {
                self.log.say(EngineError::NoRandomness.to_string());
                None
            }
        }
    }

    /// The payload for PHP; and another id, where PHP has to go on under one (a wrapping handler without `validateId`, or
    /// PHP's own strictness switched off).
    pub(crate) fn read(&mut self, id: &[u8], caller: Caller) -> Reading {
        // PHP throws away what it reads here; the variables stay as they are.
        if caller == Caller::Regenerate {
            return Reading { verdict: Verdict::YES, payload: Payload::None, id: None };
        }
        let mut new_id = None;
        if !self.request.has_unread(id) {
            let found = match SessionId::parse(id) {
                Ok(sid) if self.request.is_issued(id) => {
                    self.fresh(sid);
                    Found::Session
                }
                Ok(sid) => self.load(&sid),
                Err(_) => Found::Nothing(Absent::Unknown),
            };
            match found {
                Found::Session => {}
                Found::Successor => new_id = self.request.successor_id(),
                // Not strict, by the site's own wish: PHP goes on with what the browser or the application named.
                Found::Nothing(Absent::Unknown | Absent::Expired)
                    if !self.request.strict && SessionId::parse(id).is_ok() =>
                {
                    if let Ok(sid) = SessionId::parse(id) {
                        self.fresh(sid);
                    }
                }
                Found::Nothing(_) => {
                    let Some(sid) = self.draw() else {
                        return Reading { verdict: Verdict::NO, payload: Payload::None, id: None };
                    };
                    self.request.issue(sid.expose());
                    new_id = Some(sid.expose().to_vec());
                    self.fresh(sid);
                }
            }
        }
        self.request.mark_read();
        let hold = self.begin_hold();
        self.blame_loaded();
        let payload = self.decoded();
        Reading { verdict: self.request.verdict().with(hold), payload, id: new_id }
    }

    /// Begins a session under an id that nobody else knows.
    fn fresh(&mut self, id: SessionId) {
        let (Some(site), Some(lifetime)) = (self.request.site.clone(), self.request.lifetime) else {
            self.request.without_store(id);
            return;
        };
        let asked = id.expose().to_vec();
        let mut session = site.engine.fresh(id, lifetime);
        self.request.life.fit(&mut session, &site.engine);
        locks::mark(&mut session, &self.request.manners);
        self.request.hold(asked, session);
    }

    /// Asks the store once; what it says is kept for validation and reading.
    fn load(&mut self, id: &SessionId) -> Found {
        let (Some(site), Some(lifetime)) = (self.request.site.clone(), self.request.lifetime) else {
            self.request.without_store(id.clone());
            return Found::Session;
        };
        self.counters.loads += 1;
        let opening = self.open_in_order(&site, id);
        let asked = id.expose().to_vec();
        match opening {
            Some(Opening::Live(mut session) | Opening::Frozen(mut session)) => {
                self.request.life.fit(&mut session, &site.engine);
                locks::mark(&mut session, &self.request.manners);
                self.request.hold(asked, session);
                Found::Session
            }
            Some(Opening::Follow(mut session)) => {
                self.request.life.fit(&mut session, &site.engine);
                locks::mark(&mut session, &self.request.manners);
                let successor = session.id().map(|id| id.expose().to_vec()).unwrap_or_default();
                self.request.hold(successor, session);
                self.request.following = true;
                Found::Successor
            }
            Some(Opening::Detached(session, _)) => {
                self.counters.failures += 1;
                self.request.failed = true;
                self.request.hold(asked, session);
                Found::Session
            }
            Some(Opening::Absent(why)) => {
                if why == Absent::MovedLate {
                    self.log.say(format!(
                        "Possible theft: the old id of a session was used after its grace (key {}). It opened nothing; \
                         whoever came with it got a new, empty session.",
                        site.engine.key_of(id).short()
                    ));
                }
                Found::Nothing(why)
            }
            None => {
                self.request.hold(asked, site.engine.detached(id.clone(), lifetime));
                Found::Session
            }
        }
    }

    /// Runs one verb of the engine, and tells the log what there is to tell. `None` only where this process has no runtime.
    fn wait<T>(&mut self, site: &Site, verb: impl Future<Output = T>) -> Option<T> {
        let began = Instant::now();
        let out = self.worker.as_ref()?.wait(verb);
        self.settle(site, began);
        Some(out)
    }

    /// Time left for the store in this request.
    fn budget(&self, site: &Site) -> Budget {
        Budget::of(site.settings.timeout.saturating_sub(self.request.spent))
    }

    /// After each verb: the time it took, and what the breaker has to say.
    fn settle(&mut self, site: &Site, began: Instant) {
        let took = began.elapsed();
        if took >= NO_TROUBLE {
            self.request.spent += took;
            self.request.troubled = Some(Instant::now());
        }
        while let Some(notice) = site.engine.breaker().notice() {
            self.log.say(match notice {
                Notice::Began(error) => {
                    self.last_outage = Some((SystemTime::now(), error.to_string()));
                    format!(
                        "{error} Pages are served without their session until it answers; cookies and stored sessions stay."
                    )
                }
                Notice::Over { lasted, detached } => format!(
                    "The store answers again after {}; {detached} requests of this process ran without their session.",
                    seconds(lasted)
                ),
            });
        }
    }
}

/// What reading gives to PHP.
#[derive(Debug)]
pub(crate) struct Reading {
    pub(crate) verdict: Verdict,
    pub(crate) payload: Payload,
    pub(crate) id: Option<Vec<u8>>,
}

/// What a lookup brought; the session is in the request's hands.
enum Found {
    /// The session of this id: live, frozen or detached.
    Session,
    /// The session of the id that this one has moved to.
    Successor,
    /// None.
    Nothing(Absent),
}

fn seconds(time: Duration) -> String {
    format!("{:.1} seconds", time.as_secs_f64())
}
