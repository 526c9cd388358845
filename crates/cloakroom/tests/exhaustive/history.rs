//! What happened in one run: the operations as requests saw them, and the writes as the store saw them.

use cloakroom::{Absent, Committed, Record, Rotated};

use super::payload::{Edit, Vars};

/// What a request asked the engine for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Open,
    Commit,
    Rotate,
    End,
    EndOwner,
}

/// What it was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Told {
    Opened {
        how: How,
        vars: Vars,
        owner: Option<String>,
    },
    Committed(Committed),
    Rotated(Rotated),
    Ended,
    /// An error; whether its text leaves open what is stored.
    Failed {
        unknown: bool,
        text: String,
    },
}

/// What an id opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum How {
    Live,
    Follow,
    Frozen,
    Absent(Absent),
    Detached,
}

/// One operation of a request.
#[derive(Debug, Clone)]
pub(crate) struct Op {
    pub(crate) who: usize,
    pub(crate) kind: Kind,
    /// When its first verb went through, and when it returned; positions in the run's one order.
    pub(crate) start: Option<u64>,
    pub(crate) end: Option<u64>,
    /// The id the session had when it began and when it returned.
    pub(crate) from: usize,
    pub(crate) to: usize,
    /// For a rotation, the id it was given.
    pub(crate) target: Option<usize>,
    /// Everything that was not acknowledged before and is in what it hands over.
    pub(crate) edits: Vec<Edit>,
    /// The owner the request had asked for by then, if it had asked at all.
    pub(crate) sets_owner: Option<Option<&'static str>>,
    /// Whether the session was held live when it began.
    pub(crate) live: bool,
    pub(crate) told: Option<Told>,
}

impl Op {
    /// What it wrote is stored, says the engine.
    pub(crate) fn acknowledged(&self) -> bool {
        match &self.told {
            Some(Told::Committed(Committed::Written | Committed::Merged { .. })) => true,
            Some(Told::Rotated(Rotated::Moved | Rotated::Adopted)) => true,
            // A rotation that lost the race stores its session at once; one of a moved record stores nothing by itself.
            Some(Told::Rotated(Rotated::Unlinked)) => self.live,
            _ => false,
        }
    }

    pub(crate) fn over_before(&self, when: u64) -> bool {
        self.end.is_some_and(|end| end < when)
    }
}

/// What was done to a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum What {
    Create,
    Swap,
    Touch,
    End,
    Remove,
    /// By nobody's wish: the store ran out of memory.
    Evict,
    /// It was past its deadline.
    Swept,
}

/// A write that the store applied.
#[derive(Debug, Clone)]
pub(crate) struct Event {
    pub(crate) seq: u64,
    pub(crate) who: Option<usize>,
    pub(crate) op: Option<usize>,
    pub(crate) id: usize,
    pub(crate) what: What,
    pub(crate) before: Option<Record>,
    pub(crate) after: Option<Record>,
}

/// Everything.
#[derive(Debug, Default)]
pub(crate) struct History {
    pub(crate) seq: u64,
    pub(crate) ops: Vec<Op>,
    pub(crate) events: Vec<Event>,
    /// When time passed, and to which second since the run began.
    pub(crate) passed: Vec<(u64, u64)>,
    /// How each request left: the id in its cookie and whether it believes it stored. `None` for one that died.
    pub(crate) left: Vec<Option<Left>>,
}

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Left {
    pub(crate) seq: u64,
    pub(crate) id: usize,
    pub(crate) stored: bool,
    pub(crate) fresh: bool,
    pub(crate) detached: bool,
}

impl History {
    pub(crate) fn tick(&mut self) -> u64 {
        self.seq += 1;
        self.seq
    }
}
