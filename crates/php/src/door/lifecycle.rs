//! Writing, rotating, ending, cleaning up.

use std::time::{Duration, Instant};

use cloakroom::store::TallyKind;
use cloakroom::{
    Absent, Budget, Clock, Committed, EndKind, EngineError, Owner, Rotated, Session, SessionId, SystemClock,
};

use cloakroom_format::Format;

use super::encoding::Pending;
use super::locks;
use super::request::Outcome;
use super::{Caller, Door, Found, Hold, Verdict, Write};

/// Most expired records that are removed after one response; the store bounds the time that one such step takes.
const SWEPT_AT_ONCE: u32 = 200;
/// One response in so many is followed by a sweep.
const SWEEP_ONE_IN: u32 = 100;
/// Most steps of one `session_gc()`.
const GC_STEPS: u32 = 50;
/// Housekeeping may take so long.
const HOUSEKEEPING: Duration = Duration::from_millis(200);
/// Stores are asked at most so often whether they have something to tidy up.
const MAINTAIN_EVERY: Duration = Duration::from_millis(100);
/// Counters are handed to the store at most so often by each worker.
const FLUSH_EVERY: Duration = Duration::from_secs(10);

impl Door {
    /// Writes back what the request has changed; where it has changed nothing, the engine at most moves the deadline.
    pub(crate) fn write(&mut self, write: &Write<'_>, caller: Caller) -> Verdict {
        if caller == Caller::Regenerate {
            // PHP writes the old session once more before it asks for the new id; promise 6 says it is not committed there.
            self.request.pending = Some(Pending::of(write));
            return Verdict::YES;
        }
        if write.is_torso() {
            self.say_torso();
            self.request.outcome = Outcome::Not("a variable's name holds `|`".into());
            return Verdict::NO;
        }
        let Some(site) = self.request.site.clone() else {
            self.request.outcome = Outcome::Not("the settings can't work".into());
            return Verdict::YES;
        };
        let Some(mut session) = self.session_for(write.id) else {
            self.log.say(super::FOREIGN_ID);
            self.request.outcome = Outcome::Not("the id is none of ours".into());
            return Verdict::YES;
        };
        self.blame_write(write);
        if self.writes_nothing(&session, write.format(), write.payload) {
            self.request.put_back(write.id.to_vec(), session);
            self.request.outcome = Outcome::Done("nothing to store");
            return Verdict::YES;
        }
        self.counters.commits += 1;
        self.request.life.fit(&mut session, &site.engine);
        if caller == Caller::Other {
            // In the middle of a request that may still be long.
            self.keep_locks(&site);
        }
        let budget = self.budget(&site);
        let format = write.format().code();
        let incarnation = session.version().map(|version| version.incarnation);
        let result = self.wait(&site, session.commit(&site.engine, budget, write.payload, format));
        let anew = incarnation.is_some() && session.version().is_some_and(|v| Some(v.incarnation) != incarnation);
        if let Some(Ok(Committed::Dropped(why))) = &result {
            self.note_dropped(&session, write, *why);
        }
        self.request.put_back(write.id.to_vec(), session);
        self.note_conflicts(&site, result.as_ref());
        self.request.outcome = match result {
            Some(Ok(committed)) => {
                if matches!(committed, Committed::Written | Committed::Merged { .. }) {
                    self.look_at_sizes(&site, write);
                }
                committed_as(&committed)
            }
            Some(Err(error)) => self.not_written(&error, write.format(), write.payload),
            None => Outcome::Not("this process has no runtime".into()),
        };
        if anew { Verdict::SEND_AGAIN } else { Verdict::YES }
    }

    /// The session PHP names, loaded if it is not the one that is open (a handler that wraps ours may use ids of its own).
    fn session_for(&mut self, id: &[u8]) -> Option<Session> {
        if let Some(session) = self.request.take(id) {
            return Some(session);
        }
        let sid = SessionId::parse(id).ok()?;
        if self.request.is_issued(id) {
            self.fresh(sid);
            return self.request.take(id);
        }
        match self.load(&sid) {
            Found::Session => self.request.take(id),
            Found::Nothing(Absent::Unknown | Absent::Expired) if !self.request.strict => {
                self.fresh(sid);
                self.request.take(id)
            }
            Found::Successor | Found::Nothing(_) => None,
        }
    }

    /// Notes an error of the engine, and tells it to the log; an outage is told by the breaker, once.
    pub(super) fn failed(&mut self, error: &EngineError) -> Outcome {
        self.failed_as(error, error.to_string())
    }

    /// As [`Door::failed`] for a payload that was not written: of one that is too large, what makes it so.
    fn not_written(&mut self, error: &EngineError, format: Format, payload: &[u8]) -> Outcome {
        let words = match error {
            EngineError::TooLarge { .. } => self.too_large(error, format, payload),
            _ => error.to_string(),
        };
        self.failed_as(error, words)
    }

    fn failed_as(&mut self, error: &EngineError, words: String) -> Outcome {
        self.counters.failures += 1;
        if let (EngineError::Conflict(name), Some(site)) = (error, &self.request.site) {
            // The engine counts those that it has decided; this one the site's rule has.
            let key = self.request.session().map(|s| s.key().short()).unwrap_or_default();
            site.engine.reporter().count(SystemClock.now(), TallyKind::Conflict, name, 0, &key);
        }
        let outage = matches!(error, EngineError::Store(error) if error.is_outage());
        if outage || matches!(error, EngineError::OutcomeUnknown(_) | EngineError::Busy) {
            // The rest of the request has what is left of its time, and no more.
            self.request.failed = true;
        }
        if !outage {
            self.log.say(words.as_str());
        }
        Outcome::Not(words)
    }

    /// Whether `rotate` needs the variables from PHP.
    pub(crate) fn wants_payload(&self) -> bool {
        self.request.pending.is_none() && self.request.session().is_some_and(|s| !s.is_detached())
    }

    /// Gives the session a new id, at once. The id PHP goes on with; none when there is no randomness.
    pub(crate) fn rotate(&mut self, write: &Write<'_>) -> (Verdict, Vec<u8>) {
        let pending = self.request.pending.take();
        let (Some(site), Some(old)) = (self.request.site.clone(), self.request.asked().map(<[u8]>::to_vec)) else {
            // No session of ours is open: a new id and nothing to carry over.
            let Some(id) = self.draw() else { return (Verdict::NO, Vec::new()) };
            self.request.issue(id.expose());
            return (self.request.verdict(), id.expose().to_vec());
        };
        let Some(mut session) = self.request.take(&old) else { return (Verdict::NO, Vec::new()) };
        if session.is_detached() {
            // The browser keeps the ticket it has.
            self.request.put_back(old.clone(), session);
            return (self.request.verdict(), old);
        }
        let Some(new_id) = self.draw() else { return (Verdict::NO, Vec::new()) };
        let given = pending.as_ref().map_or(*write, |p| Write {
            id: &old,
            payload: &p.payload,
            serializer: &p.serializer,
            present: true,
            variables: p.variables,
        });
        let (payload, format) = if !given.present || session.is_readonly() {
            // A handler that wraps ours may store something else than PHP's encoding; it has its say at the last write.
            (session.payload().to_vec(), session.format())
        } else if given.is_torso() {
            self.say_torso();
            (session.payload().to_vec(), session.format())
        } else {
            (given.payload.to_vec(), given.format().code())
        };
        self.counters.rotations += 1;
        if self.held_lock_of(&session) {
            // Others follow to the new id as soon as it is stored.
            self.lock_new(&site, &site.engine.key_of(&new_id));
        }
        let budget = self.budget(&site);
        let result = self.wait(&site, session.rotate(&site.engine, budget, new_id.clone(), &payload, format));
        let rotated = match result {
            Some(Ok(rotated)) => rotated,
            failure => {
                // Nothing has moved, but the application believes it has: what it writes from here on (a log-in, perhaps)
                // must not land under the old id.
                self.request.outcome = match failure {
                    Some(Err(error)) => {
                        self.not_written(&error, Format::from_code(format).unwrap_or(Format::Opaque), &payload)
                    }
                    _ => Outcome::Not("this process has no runtime".into()),
                };
                if let (Ok(id), Some(lifetime)) = (SessionId::parse(&old), self.request.lifetime) {
                    self.request.put_back(old.clone(), site.engine.detached(id, lifetime));
                }
                return (self.request.verdict(), old);
            }
        };
        let id = session.id().map_or_else(|| old.clone(), |id| id.expose().to_vec());
        self.request.forget_issued(&old);
        if rotated == Rotated::Fresh {
            self.request.issue(&id);
        }
        self.request.outcome = match rotated {
            Rotated::Dropped(why) => Outcome::Not(why.to_string()),
            _ => Outcome::Done("rotated"),
        };
        if self.request.response.hold == Hold::Empty {
            // It has a new id that the browser is just getting.
            self.request.response.hold = Hold::No;
        }
        locks::mark(&mut session, &self.request.manners);
        self.request.put_back(id.clone(), session);
        (self.request.verdict(), id)
    }

    /// Ends the session. Within `session_regenerate_id` the rotation does that; and where PHP could not decode what it
    /// read (damage, memory limit), the visitor's session is not to be wiped for it.
    pub(crate) fn destroy(&mut self, id: &[u8], caller: Caller) -> Verdict {
        match caller {
            Caller::Regenerate | Caller::Start | Caller::Reset | Caller::Decode | Caller::Nobody => {
                return Verdict::YES;
            }
            _ => {}
        }
        let Some(site) = self.request.site.clone() else {
            self.request.outcome = Outcome::Not("the settings can't work".into());
            return Verdict::YES;
        };
        let Some(mut session) = self.session_for(id) else {
            self.request.outcome = Outcome::Done("ended");
            return Verdict::YES;
        };
        self.blame_destroyed();
        let budget = self.budget(&site);
        let result = self.wait(&site, session.end(&site.engine, budget, EndKind::Destroyed));
        self.request.put_back(id.to_vec(), session);
        self.request.forget_issued(id);
        self.request.outcome = match result {
            Some(Ok(())) => Outcome::Done("ended"),
            Some(Err(error)) => {
                self.log.say("A log-out could not be stored; session_destroy() has returned false.");
                self.failed(&error)
            }
            None => Outcome::Not("this process has no runtime".into()),
        };
        Verdict::YES
    }

    /// `session_gc()` cleans up now, in small steps; PHP's own dice are a hint for after the response.
    pub(crate) fn gc(&mut self, caller: Caller) -> i64 {
        let (Caller::Gc, Some(site)) = (caller, self.request.site.clone()) else {
            self.request.sweep_due = true;
            return 0;
        };
        let mut removed = 0;
        for _ in 0..GC_STEPS {
            let budget = self.budget(&site);
            if budget.is_spent() {
                break;
            }
            match self.wait(&site, site.engine.sweep(budget, SWEPT_AT_ONCE)) {
                Some(Ok(swept)) => {
                    removed += i64::try_from(swept.removed).unwrap_or(i64::MAX);
                    if !swept.more {
                        break;
                    }
                }
                Some(Err(error)) => {
                    self.failed(&error);
                    return -1;
                }
                None => return -1,
            }
        }
        removed
    }

    /// Whether the last thing that was to be stored was stored.
    pub(crate) fn last_ok(&self) -> bool {
        !matches!(self.request.outcome, Outcome::Not(_))
    }

    /// Says who is logged in.
    pub(crate) fn owner(&mut self, owner: Option<&[u8]>) -> bool {
        let owner = match owner.map(Owner::new).transpose() {
            Ok(owner) => owner,
            Err(error) => {
                self.log.say(format!("cloakroom_owner(): {error}"));
                return false;
            }
        };
        let Some(session) = self.request.session_mut().filter(|s| !s.is_readonly()) else { return false };
        session.set_owner(owner);
        true
    }

    /// The request is over.
    pub(crate) fn request_end(&mut self) {
        // After a fatal error, too, where PHP has closed nothing.
        self.release_locks();
        self.before_lock = None;
        self.api = super::api::Api::default();
        self.blame_done();
        let due = std::mem::take(&mut self.request).into_due();
        self.due.sweep |= due.sweep;
        self.due.used |= due.used;
    }

    /// The response has left: a little housekeeping, rarely, in nobody's way.
    pub(crate) fn after_response(&mut self) {
        let due = std::mem::take(&mut self.due);
        if !due.used {
            return;
        }
        self.blame_count();
        let Some(worker) = &self.worker else { return };
        // The first is drawn, so that workers which answer few requests have their share, and not all in step.
        let left = self.until_sweep.unwrap_or_else(|| getrandom::u32().map_or(SWEEP_ONE_IN, |n| n % SWEEP_ONE_IN));
        let dice = left == 0;
        self.until_sweep = Some(left.checked_sub(1).unwrap_or(SWEEP_ONE_IN - 1));
        let now = Instant::now();
        let maintain = self.maintained.is_none_or(|at| now.saturating_duration_since(at) >= MAINTAIN_EVERY);
        let flush = self.flushed.is_none_or(|at| now.saturating_duration_since(at) >= FLUSH_EVERY)
            && worker.sites().any(|site| !site.engine.reporter().is_empty());
        // Last, as it asks the kernel: a child process leaves its parent's stores alone.
        if !(maintain || flush || dice || due.sweep) || !worker.is_of_this_process() {
            return;
        }
        if maintain {
            self.maintained = Some(now);
        }
        for site in worker.sites() {
            if site.engine.breaker().is_open() {
                continue;
            }
            let budget = Budget::of(HOUSEKEEPING);
            if maintain {
                worker.wait(site.engine.maintain(budget));
            }
            if flush && !site.engine.reporter().is_empty() {
                self.flushed = Some(now);
                let _lost = worker.wait(site.engine.flush_reports(budget));
            }
            if (dice || due.sweep)
                && let Ok(swept) = worker.wait(site.engine.sweep(budget, SWEPT_AT_ONCE))
            {
                self.due.sweep |= swept.more;
            }
        }
    }

    /// The process ends: what it holds is closed, unless it belongs to the process it was forked from.
    pub(crate) fn process_end(&mut self) {
        self.request = super::Request::default();
        match self.worker.take() {
            Some(worker) if worker.is_of_this_process() => {
                // What it has counted since the last time.
                for site in worker.sites().filter(|site| !site.engine.breaker().is_open()) {
                    let _lost = worker.wait(site.engine.flush_reports(Budget::of(HOUSEKEEPING)));
                }
            }
            other => std::mem::forget(other),
        }
    }
}

/// What waits for the time after the response.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Due {
    pub(crate) used: bool,
    pub(crate) sweep: bool,
}

impl super::Request {
    fn into_due(self) -> Due {
        Due { used: self.used, sweep: self.sweep_due }
    }
}

fn committed_as(committed: &Committed) -> Outcome {
    match committed {
        Committed::Nothing => Outcome::Done("nothing to store"),
        Committed::Unchanged => Outcome::Done("unchanged"),
        Committed::Written => Outcome::Done("written"),
        Committed::Merged { .. } => Outcome::Done("merged"),
        Committed::Dropped(why) => Outcome::Not(why.to_string()),
        Committed::Detached => Outcome::Not("the store had failed when the session was opened".into()),
    }
}
