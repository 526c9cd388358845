//! Named records: `cloakroom_named_*()`.

use std::sync::Arc;

use cloakroom::store::TallyKind;
use cloakroom::{Clock, Committed, Engine, EngineError, Lifetime, Onto, PayloadMerge, Session, SystemClock, Time};
use cloakroom_format::{Format, convert};

use super::Call;
use super::options::Options;
use super::values::{Value, number_at, text_at};
use crate::worker::Site;

/// Longest name, in bytes.
const LONGEST_NAME: usize = 1024;
/// Most records that one request has open.
const MOST: usize = 1000;
/// No variables, as `php_serialize` has them.
const EMPTY: &[u8] = b"a:0:{}";

/// A named record in the hands of a request.
#[derive(Debug, Clone)]
pub(super) struct Named {
    site: Arc<Site>,
    engine: Arc<Engine>,
    session: Session,
    options: Options,
    /// PHP could not read its variables.
    unread: bool,
}

impl Named {
    fn lifetime(&self, gc_maxlifetime: i64) -> Lifetime {
        let settings = &self.site.settings;
        let idle = match (self.options.expires, self.options.idle) {
            (Some(at), _) => self.session.idle_until(&self.engine, Time(at.saturating_mul(1000))),
            (None, Some(idle)) => idle,
            (None, None) => settings.lifetime(gc_maxlifetime).idle,
        };
        // A cart may outlive the log-in that cloakroom.absolute is meant for.
        Lifetime { idle, absolute: None }
    }
}

impl Call<'_, '_> {
    pub(super) fn named_open(&mut self) -> Value {
        let name = text_at(self.given, 0);
        let options = match Options::default().with(&self.given[1..]) {
            Ok(options) => options,
            Err(bad) => return self.bad(bad, 2),
        };
        if let Some(wrong) = wrong_name(name, 1) {
            return wrong;
        }
        if options.onto.is_some() {
            return Value::Wrong(2, "has no option \"onto\"".into());
        }
        self.open(name, options, 2)
    }

    fn open(&mut self, name: &[u8], options: Options, argument: i64) -> Value {
        match self.opened(name, options) {
            Ok(Some(named)) => self.hold(named),
            Ok(None) => Value::Bool(false),
            Err(bad) => self.bad(bad, argument),
        }
    }

    fn hold(&mut self, named: Named) -> Value {
        let api = &mut self.door.api;
        if api.named.len() >= MOST {
            self.refuse(format!(
                "A request has at most {MOST} named records open; close some (cloakroom_named_close)."
            ));
            return Value::Bool(false);
        }
        api.last_handle += 1;
        api.named.insert(api.last_handle, named);
        Value::Number(api.last_handle)
    }

    /// Loads a record; `None`, told, where the store failed.
    fn opened(&mut self, name: &[u8], options: Options) -> Result<Option<Named>, super::options::Bad> {
        let Some(site) = self.site() else { return Ok(None) };
        let engine = site
            .engine
            .sibling()
            .ring(options.ring(&site.settings.ring)?)
            .namespace(options.namespace(&site.settings.namespace)?)
            .merge(Arc::new(PayloadMerge::new(options.rules.clone())))
            .build();
        let gc = self.raw.gc_maxlifetime;
        let idle = options.idle.unwrap_or(site.settings.lifetime(gc).idle);
        let lifetime = Lifetime { idle, absolute: None };
        let session = self.run(&site, async |_, budget| engine.open_named(budget, name, lifetime).await);
        let Some(mut session) = session else { return Ok(None) };
        if let Some(owner) = &options.owner {
            session.set_owner(owner.clone());
        }
        let mut named = Named { site, engine: Arc::new(engine), session, options, unread: false };
        let lifetime = named.lifetime(gc);
        named.session.set_lifetime(lifetime);
        Ok(Some(named))
    }

    /// A wrong call, or a reason to say no.
    fn bad(&mut self, bad: super::options::Bad, argument: i64) -> Value {
        match bad.value(argument) {
            Ok(wrong) => wrong,
            Err(text) => {
                self.refuse(text);
                Value::Bool(false)
            }
        }
    }

    fn handle(&mut self) -> Option<i64> {
        let handle = number_at(self.given, 0).filter(|handle| self.door.api.named.contains_key(handle));
        if handle.is_none() {
            self.refuse(
                "There is no open named record with this handle; a handle is valid in the request that opened it.",
            );
        }
        handle
    }

    fn named(&mut self) -> Option<&mut Named> {
        let handle = self.handle()?;
        self.door.api.named.get_mut(&handle)
    }

    pub(super) fn named_exists(&mut self) -> Value {
        Value::Bool(self.named().is_some_and(|named| named.session.has_record()))
    }

    pub(super) fn named_data(&mut self) -> Value {
        let Some(named) = self.named() else { return Value::Null };
        let payload = named.session.payload();
        if payload.is_empty() {
            return Value::Null;
        }
        let format = Format::from_code(named.session.format()).unwrap_or(Format::Opaque);
        if format == Format::PhpSerialize {
            return Value::Encoded(payload.to_vec());
        }
        match convert(format, payload, Format::PhpSerialize) {
            Ok(converted) if converted.left_out.is_empty() => Value::Encoded(converted.payload),
            _ => self.named_data_failed(),
        }
    }

    /// PHP could not read what it was given.
    pub(super) fn named_data_failed(&mut self) -> Value {
        if let Some(named) = self.named() {
            named.unread = true;
            self.refuse("The variables of a named record could not be read; what is stored stays as it is.");
        }
        Value::Null
    }

    pub(super) fn named_expires(&mut self) -> Value {
        let Some(named) = self.named().filter(|named| named.session.has_record()) else { return Value::Null };
        Value::maybe(named.session.deadlines().map(|(_, expires)| Value::count(expires.seconds())))
    }

    pub(super) fn named_commit(&mut self) -> Value {
        let payload = text_at(self.given, 1);
        let gc = self.raw.gc_maxlifetime;
        let Some(named) = self.named() else { return Value::Bool(false) };
        if named.unread {
            self.refuse(
                "The named record was not saved, what is stored stays as it is: its variables could not be read in this \
                 request, so it can't be told what was changed.",
            );
            return Value::Bool(false);
        }
        if payload == EMPTY && !named.session.has_record() && named.session.over().is_none() {
            // A record exists when something is in it.
            return Value::Bool(true);
        }
        let lifetime = named.lifetime(gc);
        named.session.set_lifetime(lifetime);
        let (site, engine, mut session) = (named.site.clone(), named.engine.clone(), named.session.clone());
        let done = self.run(&site, async |_, budget| {
            let done = session.commit(&engine, budget, payload, Format::PhpSerialize.code()).await;
            if let Err(EngineError::Conflict(name)) = &done {
                let key = session.key().short();
                engine.reporter().count(SystemClock.now(), TallyKind::Conflict, name, 0, &key);
            }
            Ok((done, session))
        });
        let Some((done, session)) = done else { return Value::Bool(false) };
        self.back(session);
        let done = match done {
            Ok(done) => done,
            Err(error) => {
                self.failed(&error);
                return Value::Bool(false);
            }
        };
        self.came_to(&done)
    }

    /// What a commit came to; true where all is stored.
    fn came_to(&mut self, done: &Committed) -> Value {
        match done {
            Committed::Nothing | Committed::Unchanged | Committed::Written | Committed::Merged { .. } => {
                Value::Bool(true)
            }
            Committed::Dropped(why) => {
                self.refuse(format!("A named record was not saved: {why}."));
                Value::Bool(false)
            }
            Committed::Detached => Value::Bool(false),
        }
    }

    /// A record back from a verb of the engine. What is stored is what the application works with from here on.
    fn back(&mut self, mut session: Session) {
        session.rebase();
        if let Some(named) = self.named() {
            named.session = session;
        }
    }

    pub(super) fn named_move(&mut self) -> Value {
        let Some(source) = self.named().map(|named| named.clone()) else { return Value::Bool(false) };
        let to = text_at(self.given, 1);
        let options = match source.options.with(&self.given[2..]) {
            Ok(options) => options,
            Err(bad) => return self.bad(bad, 3),
        };
        if let Some(wrong) = wrong_name(to, 2) {
            return wrong;
        }
        let onto = options.onto.unwrap_or(Onto::Merge);
        let target = match self.opened(to, options) {
            Ok(Some(target)) => target,
            Ok(None) => return Value::Bool(false),
            Err(bad) => return self.bad(bad, 3),
        };
        let site = source.site.clone();
        let (mut target, mut session) = (target, source.session);
        let done = self.run(&site, async |_, budget| {
            let from = &source.engine;
            let done = target.engine.move_named(budget, from, &mut session, &mut target.session, onto).await?;
            Ok((done, session, target))
        });
        let Some((done, session, target)) = done else { return Value::Bool(false) };
        if self.came_to(&done) != Value::Bool(true) {
            return Value::Bool(false);
        }
        self.back(session);
        self.hold(target)
    }

    pub(super) fn named_touch(&mut self) -> Value {
        let asked = number_at(self.given, 1);
        let gc = self.raw.gc_maxlifetime;
        let Some(named) = self.named() else { return Value::Bool(false) };
        if let Some(at) = asked {
            named.options.expires = Some(u64::try_from(at).unwrap_or(0));
        }
        let lifetime = named.lifetime(gc);
        named.session.set_lifetime(lifetime);
        if !named.session.has_record() {
            self.door.api.error = "There is no record yet; it gets its deadline with the first commit.".into();
            return Value::Bool(false);
        }
        let (site, engine, mut session) = (named.site.clone(), named.engine.clone(), named.session.clone());
        let touched = self.run(&site, async |_, budget| {
            let until = session.until(&engine);
            let slack = if asked.is_some() { std::time::Duration::ZERO } else { lifetime.touch_after() };
            if session.deadlines().is_some_and(|(_, expires)| expires.plus(slack) >= until) {
                return Ok((true, session));
            }
            Ok((session.extend(&engine, budget, until).await?, session))
        });
        let Some((there, session)) = touched else { return Value::Bool(false) };
        self.back(session);
        if !there {
            self.door.api.error = "The record is gone: it was ended, or its time was over.".into();
        }
        Value::Bool(there)
    }

    pub(super) fn named_end(&mut self) -> Value {
        let Some(named) = self.named() else { return Value::Bool(false) };
        let (site, engine, mut session) = (named.site.clone(), named.engine.clone(), named.session.clone());
        let ended = self.run(&site, async |_, budget| {
            session.end_named(&engine, budget).await?;
            Ok(session)
        });
        let Some(session) = ended else { return Value::Bool(false) };
        self.back(session);
        Value::Bool(true)
    }

    pub(super) fn named_close(&mut self) -> Value {
        let handle = self.handle();
        Value::Bool(handle.is_some_and(|handle| self.door.api.named.remove(&handle).is_some()))
    }
}

fn wrong_name(name: &[u8], argument: i64) -> Option<Value> {
    let wrong = name.is_empty() || name.len() > LONGEST_NAME;
    wrong.then(|| Value::Wrong(argument, format!("must have 1 to {LONGEST_NAME} bytes")))
}
