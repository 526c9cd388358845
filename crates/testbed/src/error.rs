//! What can go wrong while a server is started; every text names the remedy or carries the server's log.

use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Duration;

/// A result of the testbed.
pub type Result<T> = std::result::Result<T, Error>;

/// Why a server could not be started or asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A program is not installed.
    #[error("the program {program} is not installed; run scripts/install-packages.sh test")]
    Missing {
        /// The program that was looked for.
        program: String,
    },
    /// The operating system refused something.
    #[error("could not {what}: {source}")]
    Io {
        /// What was attempted, as the words after "could not".
        what: String,
        /// The system's reason.
        source: std::io::Error,
    },
    /// The server did not answer before the deadline.
    #[error("{server} did not answer within {after:?} ({last}); its log ends:\n{log}")]
    NotReady {
        /// Which server.
        server: String,
        /// How long was waited.
        after: Duration,
        /// What the last look at it said.
        last: String,
        /// The end of its log.
        log: String,
    },
    /// The server ended instead of serving.
    #[error("{server} ended at once with {status}; its log ends:\n{log}")]
    Exited {
        /// Which server.
        server: String,
        /// How it ended.
        status: ExitStatus,
        /// The end of its log.
        log: String,
    },
    /// A helper program reported a failure.
    #[error("{program} failed with {status}:\n{output}")]
    Failed {
        /// The program.
        program: String,
        /// How it ended.
        status: ExitStatus,
        /// What it said.
        output: String,
    },
    /// A file that was expected is not there.
    #[error("{path} is not there: {remedy}", path = path.display())]
    NoFile {
        /// The file.
        path: PathBuf,
        /// What makes it.
        remedy: String,
    },
    /// An HTTP exchange failed before a reply was complete.
    #[error("no complete reply from {url}: {reason}")]
    Http {
        /// The address that was asked.
        url: String,
        /// Why there is no reply.
        reason: String,
    },
    /// Something else, in plain words.
    #[error("{0}")]
    Other(String),
}

impl Error {
    /// True when the server ended because somebody else holds its port.
    pub(crate) fn is_collision(&self) -> bool {
        match self {
            Error::Exited { log, .. } | Error::NotReady { log, .. } => {
                log.contains("in use") || log.contains("Bind on TCP/IP port")
            }
            _ => false,
        }
    }
}

/// Says what was attempted when the operating system refuses it.
pub(crate) trait Attempt<T> {
    /// `what` completes the sentence "could not …".
    fn attempt(self, what: impl FnOnce() -> String) -> Result<T>;
}

impl<T, E: Into<std::io::Error>> Attempt<T> for std::result::Result<T, E> {
    fn attempt(self, what: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|source| Error::Io { what: what(), source: source.into() })
    }
}
