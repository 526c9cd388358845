//! How a command ends: three exit codes, and for a failure one whole sentence with its remedy.

use std::fmt;
use std::process::ExitCode;

use cloakroom::{EngineError, StoreError};

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Exit code 0: done as asked; for `doctor`: no problem found (warnings may be).
    Fine,
    /// Exit code 1: not done as asked: there is no such session, the question was answered with no, some of it could not
    /// be done; for `doctor`: problems found.
    Not,
    /// Exit code 2: could not be tried: wrong command line, no store found, the store does not answer.
    CouldNot,
}

impl Outcome {
    /// The process's exit code.
    pub fn code(self) -> u8 {
        match self {
            Outcome::Fine => 0,
            Outcome::Not => 1,
            Outcome::CouldNot => 2,
        }
    }
}

impl From<Outcome> for ExitCode {
    fn from(outcome: Outcome) -> Self {
        ExitCode::from(outcome.code())
    }
}

/// Why a command failed: what happened and what to do about it. Never holds a session id or a password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Exit code.
    pub outcome: Outcome,
    /// Whole sentences.
    pub text: String,
}

impl Failure {
    /// Something that was asked for is not there or was not done.
    pub fn not(text: impl Into<String>) -> Self {
        Self { outcome: Outcome::Not, text: text.into() }
    }

    /// It could not be tried.
    pub fn could_not(text: impl Into<String>) -> Self {
        Self { outcome: Outcome::CouldNot, text: text.into() }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::could_not(match error {
            StoreError::TimedOut { engine } => {
                format!(
                    "{engine} did not answer in time; nothing was changed. Try again, or wait longer with --timeout."
                )
            }
            other => other.to_string(),
        })
    }
}

impl From<EngineError> for Failure {
    fn from(error: EngineError) -> Self {
        match error {
            // The engine's words are about a visitor's session that was not saved; here nothing was to be saved.
            EngineError::Store(error) => error.into(),
            other => Self::could_not(other.to_string()),
        }
    }
}
