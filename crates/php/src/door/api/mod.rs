//! The functions for applications and for people who look after sessions: named records, lists, reports. They work
//! whether or not a session is open, with the settings in force, inside the one budget that a request has.

mod doctor;
mod lists;
mod named;
mod options;
mod peek;
mod rules;
mod values;

use std::collections::BTreeMap;
use std::sync::Arc;

use cloakroom::{Budget, EngineError};

use super::Door;
use crate::settings::Raw;
use crate::worker::Site;

pub(crate) use values::{Cell, CellKind, Given, GivenValue};
use values::{Value, flat};

/// `enum cr_function` of `shim/door.h`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Function {
    NamedOpen,
    NamedExists,
    NamedData,
    NamedDataFailed,
    NamedExpires,
    NamedCommit,
    NamedMove,
    NamedTouch,
    NamedEnd,
    NamedClose,
    Error,
    Count,
    Page,
    Show,
    End,
    EndOwner,
    EndAll,
    Report,
    Sweep,
    Doctor,
    Rules,
    Settings,
    Peek,
}

impl Function {
    const ALL: [Self; 23] = [
        Self::NamedOpen,
        Self::NamedExists,
        Self::NamedData,
        Self::NamedDataFailed,
        Self::NamedExpires,
        Self::NamedCommit,
        Self::NamedMove,
        Self::NamedTouch,
        Self::NamedEnd,
        Self::NamedClose,
        Self::Error,
        Self::Count,
        Self::Page,
        Self::Show,
        Self::End,
        Self::EndOwner,
        Self::EndAll,
        Self::Report,
        Self::Sweep,
        Self::Doctor,
        Self::Rules,
        Self::Settings,
        Self::Peek,
    ];

    pub(crate) fn from_code(code: i32) -> Option<Self> {
        Self::ALL.get(usize::try_from(code).ok()?).copied()
    }
}

/// What the functions keep during a request.
#[derive(Debug, Default)]
pub(crate) struct Api {
    /// Why the last call gave false or nothing; empty when it went well.
    error: String,
    named: BTreeMap<i64, named::Named>,
    last_handle: i64,
}

impl Door {
    /// Carries out one function.
    pub(crate) fn api(&mut self, function: Function, alone: bool, raw: &Raw<'_>, given: &[Given<'_>]) -> Vec<Cell> {
        if function == Function::Error {
            return flat(Value::text(self.api.error.as_str()));
        }
        self.api.error.clear();
        if self.worker.as_ref().is_some_and(|worker| !worker.is_of_this_process()) {
            // A child process has its parent's records in its memory, and with them the parent's connections.
            std::mem::forget(std::mem::take(&mut self.api.named));
        }
        let mut call = Call { door: self, raw, given, alone };
        flat(match function {
            Function::NamedOpen => call.named_open(),
            Function::NamedExists => call.named_exists(),
            Function::NamedData => call.named_data(),
            Function::NamedDataFailed => call.named_data_failed(),
            Function::NamedExpires => call.named_expires(),
            Function::NamedCommit => call.named_commit(),
            Function::NamedMove => call.named_move(),
            Function::NamedTouch => call.named_touch(),
            Function::NamedEnd => call.named_end(),
            Function::NamedClose => call.named_close(),
            Function::Count => call.count(),
            Function::Page => call.page(),
            Function::Show => call.show(),
            Function::End => call.end(),
            Function::EndOwner => call.end_owner(),
            Function::EndAll => call.end_all(),
            Function::Report => call.report(),
            Function::Sweep => call.sweep(),
            Function::Doctor => call.doctor(),
            Function::Rules => call.rules(),
            Function::Settings => call.settings(),
            Function::Peek => call.peek(),
            Function::Error => Value::Null,
        })
    }
}

/// One call of a function.
struct Call<'d, 'g> {
    door: &'d mut Door,
    raw: &'d Raw<'g>,
    given: &'d [Given<'g>],
    /// No page waits: each call has a budget of its own.
    alone: bool,
}

impl Call<'_, '_> {
    /// The site of the settings in force; told, where they can't work.
    fn site(&mut self) -> Option<Arc<Site>> {
        match self.door.site(self.raw) {
            Ok(site) => {
                self.door.due.used = true;
                Some(site)
            }
            Err(text) => {
                self.refuse(text);
                None
            }
        }
    }

    /// Notes why the call gives nothing, and tells the log.
    fn refuse(&mut self, text: impl Into<String>) {
        self.door.api.error = text.into();
        self.door.log.say(self.door.api.error.as_str());
    }

    /// Drives the engine within the request's budget. `None`, told, where it failed.
    fn run<T>(
        &mut self,
        site: &Arc<Site>,
        verb: impl AsyncFnOnce(&Site, Budget) -> Result<T, EngineError>,
    ) -> Option<T> {
        let budget = if self.alone {
            Budget::of(site.settings.timeout)
        } else {
            self.door.request.renew_budget();
            self.door.budget(site)
        };
        let before = (self.door.request.spent, self.door.request.troubled);
        let result = self.door.wait(site, verb(site, budget));
        if self.alone {
            (self.door.request.spent, self.door.request.troubled) = before;
        }
        match result {
            Some(Ok(out)) => Some(out),
            Some(Err(error)) => {
                self.failed(&error);
                None
            }
            None => {
                self.refuse("This process has no runtime.");
                None
            }
        }
    }

    /// Notes a failure of the engine. An outage is told to the log by the breaker, once.
    fn failed(&mut self, error: &EngineError) {
        self.door.counters.failures += 1;
        let (text, outage) = match error {
            // What these functions ask is more than saving a session.
            EngineError::Store(error) => (error.to_string(), error.is_outage()),
            error => (error.to_string(), false),
        };
        if !self.alone && (outage || matches!(error, EngineError::OutcomeUnknown(_) | EngineError::Busy)) {
            self.door.request.failed = true;
        }
        if outage {
            self.door.api.error = text;
        } else {
            self.refuse(text);
        }
    }
}
