//! What a client writes down: a line before it asks for something and a line when it was told what became of it. A client that
//! is killed leaves a line without its answer, or half a line, which counts as none.

use std::fs::File;
use std::io::Write;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::vars::{Change, Vars};

/// Nanoseconds on the clock that all processes of this host share and that nothing sets back.
pub(crate) fn now() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    u64::try_from(time.tv_sec).unwrap_or(0) * 1_000_000_000 + u64::try_from(time.tv_nsec).unwrap_or(0)
}

/// What is asked of the engine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum What {
    /// A cookie comes in.
    Open,
    /// The session is written, with everything changed that was not acknowledged before.
    Commit(Vec<Change>),
    /// The session gets a new id, with all that.
    Rotate {
        /// The new id's key, and the id, under which this may be found.
        key: String,
        id: String,
        changes: Vec<Change>,
        /// Who is logged in afterwards.
        owner: Option<String>,
        /// Whether the old id may lead others to the new one: somebody was logged in before, the same afterwards, and the
        /// request removes nothing.
        follow: bool,
    },
    /// The session is ended. Whether it was held live, or a frozen copy was, so that there was something to end.
    End { live: bool, frozen: bool },
    /// All sessions of this owner are ended.
    EndOwner(String),
}

/// What an id opened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum How {
    /// The session.
    Live,
    /// The session, under another id.
    Follow,
    /// A copy from before a rotation.
    Frozen,
    /// Nothing, and why.
    Absent(String),
    /// The store failed.
    Detached,
}

/// What the client was told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Told {
    /// What was read.
    Opened { how: How, vars: Vars, owner: Option<String> },
    /// Stored.
    Written,
    /// Stored together with what others had stored, and what both had changed.
    Merged(Vec<String>),
    /// Everything is as it is stored.
    Unchanged,
    /// Not stored, and why: dropped, nothing to store, detached.
    Refused(String),
    /// The rotation moved the session to the new id.
    Moved,
    /// The session has another's new id.
    Adopted,
    /// A session of its own; whether it is stored by that already.
    Unlinked { stored: bool },
    /// Ended.
    Ended,
    /// An error: nothing was stored, or nobody knows.
    Failed { unknown: bool, text: String },
}

/// A line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Line {
    /// A request begins with this id, which the client may have drawn itself.
    Request { request: u64, group: usize, key: String, id: String },
    /// Before.
    Begin { request: u64, at: u64, key: String, what: What },
    /// After: the answer to the line before; the key is what the session has by then.
    End { at: u64, key: String, told: Told },
}

/// Writes lines, each with one call to the kernel: it outlives the process.
#[derive(Debug)]
pub(crate) struct Log(File);

impl Log {
    /// A new file.
    pub(crate) fn create(path: &Path) -> std::io::Result<Self> {
        File::options().create_new(true).append(true).open(path).map(Self)
    }

    /// Writes a line.
    pub(crate) fn write(&mut self, line: &Line) -> std::io::Result<()> {
        let mut text = serde_json::to_string(line)?;
        text.push('\n');
        self.0.write_all(text.as_bytes())
    }
}

/// One operation of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Op {
    /// Which process.
    pub(crate) client: String,
    /// Which of its requests.
    pub(crate) request: u64,
    /// Which visitor's browser.
    pub(crate) group: usize,
    /// When it was asked.
    pub(crate) begin: u64,
    /// The key that the session had then; of an open, the cookie's.
    pub(crate) key: String,
    /// What was asked.
    pub(crate) what: What,
    /// When and what was told, and the session's key by then; `None` when the client was killed before.
    pub(crate) told: Option<(u64, Told, String)>,
}

/// What all processes wrote down.
#[derive(Debug, Clone, Default)]
pub(crate) struct History {
    /// The operations, by the time when they were asked.
    pub(crate) ops: Vec<Op>,
    /// Every id that any client ever had in hand or asked for: its visitor, key and id.
    pub(crate) ids: Vec<(usize, String, String)>,
}

impl History {
    /// Adds what one process wrote.
    ///
    /// # Errors
    /// A line that can't be understood, unless it is the last one and has no end.
    pub(crate) fn add(&mut self, client: &str, text: &str) -> Result<(), String> {
        let (mut group, mut waiting) = (0, None);
        for line in text.split_inclusive('\n').filter(|line| line.ends_with('\n')) {
            match serde_json::from_str(line).map_err(|error| format!("{client}: {error} in {line}"))? {
                Line::Request { group: of, key, id, .. } => {
                    group = of;
                    self.ids.push((group, key, id));
                }
                Line::Begin { request, at, key, what } => {
                    if let What::Rotate { key, id, .. } = &what {
                        self.ids.push((group, key.clone(), id.clone()));
                    }
                    waiting = Some(self.ops.len());
                    let client = client.to_owned();
                    self.ops.push(Op { client, request, group, begin: at, key, what, told: None });
                }
                Line::End { at, key, told } => {
                    let at_op = waiting.take().ok_or_else(|| format!("{client}: an answer to nothing: {line}"))?;
                    self.ops[at_op].told = Some((at, told, key));
                }
            }
        }
        Ok(())
    }

    /// All that has the name of a log in a folder.
    ///
    /// # Errors
    /// What can't be read.
    pub(crate) fn read(folder: &Path) -> Result<Self, String> {
        let mut history = Self::default();
        for entry in std::fs::read_dir(folder).map_err(|error| error.to_string())? {
            let path = entry.map_err(|error| error.to_string())?.path();
            if path.extension().is_some_and(|extension| extension == "log") {
                let text = std::fs::read(&path).map_err(|error| error.to_string())?;
                let name = path.file_stem().unwrap_or_default().to_string_lossy();
                history.add(&name, &String::from_utf8_lossy(&text))?;
            }
        }
        history.finish();
        Ok(history)
    }

    /// Brings what was added into its order.
    pub(crate) fn finish(&mut self) {
        self.ops.sort_by_key(|op| op.begin);
        self.ids.sort();
        self.ids.dedup();
    }
}
