//! Versions and commit ids: what makes a compare-and-swap safe when records go and come again, and a commit count once.

use std::fmt;

/// A record's version: a random incarnation, drawn when the record is made, and a counter that each commit raises.
/// Only equal pairs match, so a record made anew under an old key is never mistaken for the old one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Version {
    /// Random, drawn at creation.
    pub incarnation: u64,
    /// Commits since creation.
    pub counter: u64,
}

impl Version {
    /// A new incarnation with counter 1.
    ///
    /// # Errors
    /// When the operating system has no randomness to give.
    pub fn draw() -> Result<Self, getrandom::Error> {
        // The top bit stays clear so that every engine's signed 64-bit integer holds it.
        Ok(Self { incarnation: getrandom::u64()? >> 1, counter: 1 })
    }

    /// The version after one more commit.
    #[must_use]
    pub fn next(self) -> Self {
        Self { counter: self.counter + 1, ..self }
    }
}

/// Names one commit, so that after a lost reply it can be told whether it was applied.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct CommitId(pub u64);

impl CommitId {
    /// Draws a new commit id.
    ///
    /// # Errors
    /// When the operating system has no randomness to give.
    pub fn draw() -> Result<Self, getrandom::Error> {
        Ok(Self(getrandom::u64()?))
    }
}

impl fmt::Debug for CommitId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CommitId({:016x})", self.0)
    }
}

/// How many commit ids a record keeps.
pub(crate) const COMMITS_KEPT: usize = 16;

/// The last commits of a record and of the records it came from, oldest first; at most 16.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CommitLog(Vec<CommitId>);

impl CommitLog {
    /// Takes ids as they were stored; of more than 16 the newest are kept.
    pub fn from_ids(ids: impl IntoIterator<Item = CommitId>) -> Self {
        let mut log = Self(ids.into_iter().collect());
        log.trim();
        log
    }

    /// Adds the newest commit.
    pub fn push(&mut self, id: CommitId) {
        self.0.push(id);
        self.trim();
    }

    /// Whether this commit was applied.
    pub fn contains(&self, id: CommitId) -> bool {
        self.0.contains(&id)
    }

    /// The ids, oldest first.
    pub fn ids(&self) -> &[CommitId] {
        &self.0
    }

    /// Whether a commit made when the record had `known` as its log may have been pushed out of this one since.
    pub fn may_have_lost(&self, known: &CommitLog) -> bool {
        match known.0.last() {
            // The newest commit known then is still here: everything after it is, too.
            Some(last) => !self.contains(*last),
            None => self.0.len() >= COMMITS_KEPT,
        }
    }

    fn trim(&mut self) {
        let extra = self.0.len().saturating_sub(COMMITS_KEPT);
        self.0.drain(..extra);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_keeps_the_last_sixteen() {
        let mut log = CommitLog::default();
        (0..20).for_each(|n| log.push(CommitId(n)));
        assert_eq!(log.ids().len(), 16);
        assert!(log.contains(CommitId(19)) && log.contains(CommitId(4)) && !log.contains(CommitId(3)));
    }

    #[test]
    fn a_commit_is_lost_from_sight_only_when_what_came_before_it_is_gone() {
        let known = CommitLog::from_ids([CommitId(100)]);
        let mut now = known.clone();
        (0..15).for_each(|n| now.push(CommitId(n)));
        assert!(!now.may_have_lost(&known));
        now.push(CommitId(15));
        assert!(now.may_have_lost(&known));
    }
}
