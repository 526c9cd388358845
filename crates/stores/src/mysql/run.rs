//! Running a piece of work within a budget: which connection, what to do about each way it can fail, and what may be
//! said of it afterwards.

use std::time::{Duration, Instant};

use cloakroom::{Budget, StoreError};
use mysql_async::{Error, Value};
use tokio::time::timeout_at;

use super::fault::{self, Fault};
use super::link::{Answer, Link};
use super::settings::{Kind, Settings};
use super::sql::{NO_GATE, Verb};
use super::{MysqlStore, schema};

/// Connections kept open between verbs, at most.
const IDLE_KEPT: usize = 8;
/// A connection that has idled longer is not used again: something between us and the server may have forgotten it.
const IDLE_FOR: Duration = Duration::from_secs(300);

/// How often a connection that broke while it was being made is tried again: for about a tenth of a second in all.
const HANDSHAKES: u32 = 6;

/// What trying again, and losing the reply, would mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effect {
    /// Changes nothing.
    Read,
    /// Twice is the same as once.
    Repeatable,
    /// Must not be sent again when it may have been applied.
    Once,
}

/// What to run.
#[derive(Clone, Copy)]
pub(super) enum Work<'a> {
    /// A prepared statement, its values made anew for each attempt, and the bytes of the largest of them.
    Verb(Verb, &'a (dyn Fn() -> Vec<Value> + Sync), u64),
    /// So many statements as one text; nothing of them stands when one of them fails, because they are a transaction, or
    /// what stands may stand.
    Script(&'a str, usize),
}

impl Work<'_> {
    /// Bytes of what grows with the session.
    fn size(self) -> u64 {
        match self {
            Self::Verb(_, _, size) => size,
            Self::Script(text, _) => text.len() as u64,
        }
    }
}

/// Room for everything in a request but its large values.
const OVERHEAD: u64 = 2048;

impl MysqlStore {
    /// Runs a verb's statement.
    pub(super) async fn verb(
        &self,
        budget: Budget,
        effect: Effect,
        verb: Verb,
        size: usize,
        values: &(dyn Fn() -> Vec<Value> + Sync),
    ) -> Result<Answer, StoreError> {
        let mut answers = Vec::with_capacity(1);
        self.run(budget, effect, Work::Verb(verb, values, size as u64), &mut answers).await?;
        Ok(answers.pop().unwrap_or_default())
    }

    /// Runs a verb that asks for its owner's tombstone; puts the gate back where somebody emptied the table.
    pub(super) async fn guarded(
        &self,
        budget: Budget,
        verb: Verb,
        size: usize,
        values: &(dyn Fn() -> Vec<Value> + Sync),
    ) -> Result<Answer, StoreError> {
        loop {
            let answer = self.verb(budget, Effect::Once, verb, size, values).await?;
            if answer.said != NO_GATE || answer.affected > 0 {
                return Ok(answer);
            }
            let link = self.link(budget).await?;
            self.make_tables(budget, link).await?;
        }
    }

    /// Runs a script; all its answers.
    pub(super) async fn script(
        &self,
        budget: Budget,
        effect: Effect,
        text: &str,
        count: usize,
    ) -> Result<Vec<Answer>, StoreError> {
        let mut answers = Vec::with_capacity(count);
        self.run(budget, effect, Work::Script(text, count), &mut answers).await?;
        Ok(answers)
    }

    /// Runs work until it has an outcome. `answers` holds those of the last attempt, also after an error.
    pub(super) async fn run(
        &self,
        budget: Budget,
        effect: Effect,
        work: Work<'_>,
        answers: &mut Vec<Answer>,
    ) -> Result<(), StoreError> {
        let deadline = budget.deadline().into();
        let permit = timeout_at(deadline, self.permits.acquire()).await;
        let _permit = permit.map_err(|_| self.timed_out())?.map_err(|_| self.timed_out())?;
        let mut attempts = Attempts::default();
        loop {
            let mut link = match self.link(budget).await {
                Ok(link) => link,
                // What an earlier attempt may have done is not undone by not getting a connection now.
                Err(_) if attempts.in_doubt => return Err(self.unknown("the connection was lost")),
                Err(error) => return Err(error),
            };
            answers.clear();
            let size = work.size();
            if size + OVERHEAD > link.server.max_packet {
                let limit = link.server.max_packet;
                self.keep(link);
                return Err(StoreError::TooLarge { engine: self.engine(), size, limit });
            }
            // What is sent now would be carried out when nobody waits for it any more.
            if budget.is_spent() {
                self.keep(link);
                return Err(if attempts.in_doubt { self.unknown("no reply came in time") } else { self.timed_out() });
            }
            link.sent = false;
            let begun = Instant::now();
            let done = match timeout_at(deadline, attempt(self, &mut link, work, answers)).await {
                Ok(done) => done,
                Err(_) if link.sent && effect != Effect::Read => return Err(self.unknown("no reply came in time")),
                Err(_) if attempts.in_doubt => return Err(self.unknown("no reply came in time")),
                Err(_) => return Err(self.timed_out()),
            };
            let error = match done {
                Ok(()) => {
                    self.keep(link);
                    return Ok(());
                }
                Err(error) => error,
            };
            let Error::Server(error) = error else {
                // The connection broke.
                let detail = fault::detail(&error);
                let sent = link.sent && effect != Effect::Read;
                let seasoned = link.seasoned;
                drop(link);
                if (sent && effect == Effect::Once) || attempts.broken {
                    return Err(if sent || attempts.in_doubt {
                        self.unknown(&detail)
                    } else {
                        self.unreachable(detail)
                    });
                }
                attempts.broken = true;
                attempts.in_doubt |= sent;
                if seasoned {
                    // The others were made when it was.
                    self.forget_idle();
                }
                continue;
            };
            match fault::of(&error) {
                Fault::NoTable => {
                    if !self.create {
                        self.keep(link);
                        return Err(StoreError::Refused { engine: self.engine(), detail: self.no_table() });
                    }
                    attempts.tables += 1;
                    if attempts.tables > 3 {
                        return Err(StoreError::Refused { engine: self.engine(), detail: self.no_table() });
                    }
                    // A script may have begun a transaction; making tables would commit it, but nothing is in it.
                    self.make_tables(budget, link).await?;
                }
                Fault::Busy => {
                    if matches!(work, Work::Verb(..)) {
                        self.keep(link);
                    } else {
                        drop(link);
                    }
                    // As long as the last time, or there is no knowing what became of it.
                    let pause = pause(attempts.busy)?;
                    if budget.left() <= begun.elapsed() + pause + Duration::from_millis(50) {
                        return Err(if attempts.in_doubt { self.unknown(&busy(error.code)) } else { self.timed_out() });
                    }
                    attempts.busy += 1;
                    tokio::time::sleep(pause).await;
                }
                Fault::Lost => {
                    drop(link);
                    self.forget_idle();
                    if attempts.broken {
                        return Err(self.unreachable(fault::detail(&Error::Server(error))));
                    }
                    attempts.broken = true;
                }
                Fault::TooLarge => {
                    let limit = link.server.max_packet;
                    return Err(StoreError::TooLarge { engine: self.engine(), size, limit });
                }
                Fault::Unknown if effect != Effect::Read => {
                    return Err(self.unknown(&fault::detail(&Error::Server(error))));
                }
                Fault::Unknown => {
                    return Err(self.unreachable(fault::detail(&Error::Server(error))));
                }
                Fault::Stopped => {
                    self.keep(link);
                    return Err(self.timed_out());
                }
                Fault::Refused(detail) => {
                    if matches!(work, Work::Verb(..)) {
                        self.keep(link);
                    }
                    return Err(StoreError::Refused { engine: self.engine(), detail });
                }
            }
        }
    }

    /// A connection that looks alive, or a new one.
    pub(super) async fn link(&self, budget: Budget) -> Result<Link, StoreError> {
        while let Some(mut link) = self.idle().pop() {
            if link.looks_alive(IDLE_FOR) {
                link.seasoned = true;
                return Ok(link);
            }
        }
        let mut broken = 0;
        loop {
            if budget.is_spent() {
                return Err(self.timed_out());
            }
            match timeout_at(budget.deadline().into(), Link::connect(&self.settings)).await {
                Ok(Ok(link)) => {
                    self.met(&link.server);
                    return Ok(link);
                }
                Ok(Err(Error::Server(error))) => {
                    let Settings { written, location, .. } = &self.settings;
                    return Err(fault::at_connect(&error, self.engine(), location, written));
                }
                // Somebody was there and went away in the middle: a server that starts again, a proxy that changes over.
                Ok(Err(error)) if broken < HANDSHAKES && fault::cut_short(&error) => {
                    let pause = pause(broken)?;
                    if budget.left() <= pause {
                        return Err(self.unreachable(fault::detail(&error)));
                    }
                    broken += 1;
                    tokio::time::sleep(pause).await;
                }
                Ok(Err(error)) => return Err(self.unreachable(fault::detail(&error))),
                Err(_) => return Err(self.timed_out()),
            }
        }
    }

    /// Keeps a connection that is between two answers for the next verb.
    pub(super) fn keep(&self, link: Link) {
        let mut idle = self.idle();
        if idle.len() < IDLE_KEPT {
            idle.push(link);
        }
        // The oldest are in front: what a burst left behind goes one at a time.
        if idle.len() > 1 && !idle[0].looks_alive(IDLE_FOR) {
            idle.remove(0);
        }
    }

    fn forget_idle(&self) {
        let gone = std::mem::take(&mut *self.idle());
        drop(gone);
    }

    async fn make_tables(&self, budget: Budget, mut link: Link) -> Result<(), StoreError> {
        let text = schema::create(&self.sql);
        let mut answers = Vec::new();
        let made = link.script(&text, schema::STATEMENTS, &mut answers);
        match timeout_at(budget.deadline().into(), made).await {
            Ok(Ok(())) => {
                self.keep(link);
                Ok(())
            }
            Ok(Err(Error::Server(error))) => match fault::of(&error) {
                // Others are making them, too: the verb's next attempt sees.
                Fault::Busy | Fault::Lost => Ok(()),
                Fault::Refused(detail) => Err(StoreError::Refused {
                    engine: self.engine(),
                    detail: format!(
                        "{detail}; its tables are missing and could not be made. Grant CREATE, or make them as docs/stores/mysql.md shows"
                    ),
                }),
                _ => Err(self.unreachable(fault::detail(&Error::Server(error)))),
            },
            Ok(Err(error)) => Err(self.unreachable(fault::detail(&error))),
            Err(_) => Err(self.timed_out()),
        }
    }

    pub(super) fn no_table(&self) -> String {
        if self.settings.kind == Kind::Options {
            return format!(
                "the table {} is not in the database; sessions are kept in WordPress's options table where WordPress has made one: check table= and $table_prefix",
                self.sql.records
            );
        }
        format!(
            "there is no table {} (or not all that belong to it); it is made when the first session is kept",
            self.sql.records
        )
    }

    pub(super) fn timed_out(&self) -> StoreError {
        StoreError::TimedOut { engine: self.engine() }
    }

    fn unknown(&self, detail: &str) -> StoreError {
        StoreError::Unknown { engine: self.engine(), detail: detail.to_owned() }
    }

    fn unreachable(&self, detail: String) -> StoreError {
        StoreError::Unreachable { engine: self.engine(), location: self.settings.location.clone(), detail }
    }
}

/// What happened to earlier attempts.
#[derive(Debug, Default)]
struct Attempts {
    /// A connection broke.
    broken: bool,
    /// One may have been applied.
    in_doubt: bool,
    tables: u32,
    busy: u32,
}

async fn attempt(
    store: &MysqlStore,
    link: &mut Link,
    work: Work<'_>,
    answers: &mut Vec<Answer>,
) -> mysql_async::Result<()> {
    match work {
        Work::Verb(verb, values, _) => {
            let answer = link.exec(&store.sql, verb, values()).await?;
            answers.push(answer);
            Ok(())
        }
        Work::Script(text, count) => link.script(text, count, answers).await,
    }
}

/// 1 to 4 ms at first, twice as long each time, up to a quarter of a second; by chance, so that two that met do not meet
/// again.
fn pause(times: u32) -> Result<Duration, StoreError> {
    let chance = getrandom::u32().map_err(|e| StoreError::Settings(format!("The system has no randomness: {e}")))?;
    let longest = 4u32 << times.min(6);
    Ok(Duration::from_millis(u64::from(1 + chance % longest)))
}

fn busy(code: u16) -> String {
    format!("error {code} until the time was over")
}
