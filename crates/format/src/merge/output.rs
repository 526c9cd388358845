//! The merged session as a list of steps, written down while deciding and carried out at the end: counts of arrays and the
//! numbers of values are only known then.

use crate::emit::Emitter;
use crate::format::Format;
use crate::node::Kind;
use crate::tree::Tree;

/// The two versions that values are taken from; the base is only compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum From {
    Mine = 0,
    Theirs = 1,
}

enum Step {
    Name(From, usize),
    Key(From, u32),
    Index(usize),
    Copy(From, u32),
    Scalar(Vec<u8>),
    Open(Kind, usize),
    Close(Kind),
}

#[derive(Default)]
pub(super) struct Output {
    steps: Vec<Step>,
    variables: usize,
    size: usize,
}

impl Output {
    pub(super) fn name(&mut self, from: From, at: usize) {
        self.variables += 1;
        self.steps.push(Step::Name(from, at));
    }

    pub(super) fn key(&mut self, from: From, key: u32) {
        self.steps.push(Step::Key(from, key));
    }

    pub(super) fn index(&mut self, index: usize) {
        self.steps.push(Step::Index(index));
    }

    pub(super) fn copy(&mut self, from: From, node: u32, size: usize) {
        self.size += size;
        self.steps.push(Step::Copy(from, node));
    }

    pub(super) fn scalar(&mut self, text: Vec<u8>) {
        self.steps.push(Step::Scalar(text));
    }

    /// Begins an array whose count is told later; returns its handle for [`Output::close`].
    pub(super) fn open(&mut self, kind: Kind) -> usize {
        self.steps.push(Step::Open(kind, 0));
        self.steps.len() - 1
    }

    pub(super) fn close(&mut self, handle: usize, children: usize) {
        if let Some(Step::Open(kind, count)) = self.steps.get_mut(handle) {
            *count = children;
            let kind = *kind;
            self.steps.push(Step::Close(kind));
        }
    }

    pub(super) fn write(self, format: Format, mine: &Tree<'_>, theirs: &Tree<'_>) -> Vec<u8> {
        let mut out = Emitter::new(&[mine, theirs], self.size + 32 * self.steps.len() + 16);
        out.begin(format, self.variables);
        // In JSON: whether a comma is due, by depth; and whether a name has just been written.
        let (mut comma, mut named) = (vec![false], false);
        for step in self.steps {
            if format == Format::Json
                && !named
                && !matches!(step, Step::Close(_))
                && let Some(due) = comma.last_mut()
            {
                if *due {
                    out.out.push(b',');
                }
                *due = true;
            }
            named = matches!(step, Step::Name(..) | Step::Key(..));
            match step {
                Step::Name(from, at) => out.name(from as usize, at),
                Step::Key(from, key) => out.key(from as usize, key),
                Step::Index(index) => out.index(index),
                Step::Copy(from, node) => out.copy(from as usize, node),
                Step::Scalar(text) => out.scalar(&text),
                Step::Open(kind, count) => {
                    comma.push(false);
                    out.open(kind, count);
                }
                Step::Close(kind) => {
                    comma.pop();
                    out.close(kind);
                }
            }
        }
        out.end(format);
        out.out
    }
}
