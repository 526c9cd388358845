//! Checks histories of concurrent verbs: is there an order, one verb after the other, that explains all replies?
//!
//! Each client notes when it sent a verb, when the reply came and what it said. The history is right
//! (*linearizable*) if every verb can be given a moment between its sending and its reply so that, carried out one by one
//! at those moments, a [`Model`] of the store would have replied the same. A verb without a reply may have happened at
//! any moment since, or never. The search is that of Wing and Gong with Lowe's memory of what was tried (a set of verbs
//! done and the state they led to): quick for the short histories of one key, which are all that is needed, since keys
//! have nothing to do with each other.

use std::collections::HashSet;
use std::fmt::Debug;
use std::hash::Hash;
use std::marker::PhantomData;

/// A store as it should be, in so few words that nobody doubts them.
pub trait Model {
    /// What the store remembers.
    type State: Clone + Eq + Hash + Debug;
    /// A verb with its arguments.
    type Verb: Debug;
    /// What was replied.
    type Reply: Debug;

    /// Carries the verb out; `None` where the reply could not have been given in this state. Without a reply, any would do.
    fn step(state: &Self::State, verb: &Self::Verb, reply: Option<&Self::Reply>) -> Option<Self::State>;
}

/// A verb that a client sent.
#[derive(Debug, Clone)]
pub struct Event<V, R> {
    /// Which client; only for people who read the failure.
    pub client: usize,
    /// When it was sent, on a clock that all clients share, in any unit.
    pub sent: u64,
    /// When the reply came; `None` where none did.
    pub replied: Option<u64>,
    /// What was asked.
    pub verb: V,
    /// What was replied; `None` where the outcome is unknown.
    pub reply: Option<R>,
}

/// A history that no order explains.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Illegal {
    /// How many verbs the longest explanation covers.
    pub explained: usize,
    /// The whole history in words, with a mark at the verbs that could not be explained after that.
    pub story: String,
}

impl std::fmt::Display for Illegal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "No order of these verbs gives their replies ({} could be explained; ? marks what could not):\n{}",
            self.explained, self.story
        )
    }
}

/// Looks for an order that explains the history of one key.
///
/// # Errors
/// [`Illegal`] where there is none: the store is not atomic, or lies.
pub fn check<M: Model>(start: M::State, history: &[Event<M::Verb, M::Reply>]) -> Result<(), Illegal> {
    let mut search =
        Search::<M> { history, done: Done::new(history.len()), seen: HashSet::new(), best: None, model: PhantomData };
    if search.explain(start) {
        return Ok(());
    }
    let best = search.best.unwrap_or_else(|| Done::new(history.len()));
    let mut story: Vec<&Event<M::Verb, M::Reply>> = history.iter().collect();
    story.sort_by_key(|e| e.sent);
    let line = |e: &&Event<M::Verb, M::Reply>| {
        let at = history.iter().position(|other| std::ptr::eq(other, *e));
        let mark = if at.is_some_and(|at| best.has(at)) { ' ' } else { '?' };
        let until = e.replied.map_or("        -".to_string(), |t| format!("{t:>9}"));
        format!("{mark} {:>9} {until}  client {}  {:?} -> {:?}\n", e.sent, e.client, e.verb, e.reply)
    };
    Err(Illegal { explained: best.count(), story: story.iter().map(line).collect() })
}

struct Search<'a, M: Model> {
    history: &'a [Event<M::Verb, M::Reply>],
    done: Done,
    seen: HashSet<(Done, M::State)>,
    best: Option<Done>,
    model: PhantomData<M>,
}

impl<M: Model> Search<'_, M> {
    /// Depth first, with a stack of its own: a history may be longer than threads' stacks are deep.
    fn explain(&mut self, start: M::State) -> bool {
        let mut path: Vec<(usize, M::State)> = Vec::new();
        let (mut state, mut from) = (start, 0);
        loop {
            if self.finished() {
                return true;
            }
            match self.next_step(&state, from) {
                Some((at, new)) => {
                    self.done.set(at, true);
                    if !self.seen.insert((self.done.clone(), new.clone())) {
                        self.done.set(at, false);
                        from = at + 1;
                        continue;
                    }
                    if self.best.as_ref().is_none_or(|best| best.count() < self.done.count()) {
                        self.best = Some(self.done.clone());
                    }
                    path.push((at, std::mem::replace(&mut state, new)));
                    from = 0;
                }
                None => match path.pop() {
                    Some((at, before)) => {
                        self.done.set(at, false);
                        state = before;
                        from = at + 1;
                    }
                    None => return false,
                },
            }
        }
    }

    /// Whether all verbs that had a reply are explained.
    fn finished(&self) -> bool {
        self.history.iter().enumerate().all(|(at, e)| e.replied.is_none() || self.done.has(at))
    }

    /// The next verb, from place `from` on, that may come first of those not yet done and whose reply fits.
    fn next_step(&self, state: &M::State, from: usize) -> Option<(usize, M::State)> {
        let open = |at: &usize| !self.done.has(*at);
        // Nothing may come after a verb that was replied before it was sent.
        let earliest = (0..self.history.len()).filter(open).filter_map(|at| self.history[at].replied).min();
        let open = |at: &usize| !self.done.has(*at);
        (from..self.history.len()).filter(open).find_map(|at| {
            let event = &self.history[at];
            if earliest.is_some_and(|replied| event.sent > replied) {
                return None;
            }
            let new = M::step(state, &event.verb, event.reply.as_ref())?;
            // A verb of unknown outcome that would change nothing now is as good as one that never happened; to leave it
            // out of the search saves half of the search for each.
            (event.replied.is_some() || new != *state).then_some((at, new))
        })
    }
}

/// A set of places in a history.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Done(Vec<u64>);

impl Done {
    fn new(len: usize) -> Self {
        Self(vec![0; len.div_ceil(64)])
    }

    fn has(&self, at: usize) -> bool {
        self.0[at / 64] >> (at % 64) & 1 == 1
    }

    fn set(&mut self, at: usize, to: bool) {
        let bit = 1 << (at % 64);
        if to { self.0[at / 64] |= bit } else { self.0[at / 64] &= !bit }
    }

    fn count(&self) -> usize {
        self.0.iter().map(|word| word.count_ones() as usize).sum()
    }
}

pub use of_a_record::{OneRecord, Reply, Seen, Verb};

mod of_a_record {
    //! The model of what a store does to one key.

    use super::Model;
    use crate::version::Version;

    /// What a load shows of a record: all that a verb's outcome depends on, and a value that stands for the payload.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
    pub struct Seen {
        /// The version.
        pub version: Version,
        /// Live or ended.
        pub live: bool,
        /// What the envelope holds.
        pub value: u64,
    }

    /// A verb on one key.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub enum Verb {
        /// Reads it.
        Load,
        /// Makes it.
        Create(Seen),
        /// Swaps the version for a new record.
        Swap(Version, Seen),
        /// Touches it: shows only whether the version was right and the record live.
        Touch(Version),
        /// Ends it, leaving a tombstone of this version.
        End(Version),
        /// Removes it by version.
        Remove(Version),
    }

    /// What was replied.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub enum Reply {
        /// A load found this.
        Found(Option<Seen>),
        /// The verb was carried out; an end found a live record.
        Done,
        /// The verb was not carried out: `Exists`, `Stale`, not removed, ended already.
        Refused,
        /// An end found nothing, and left its tombstone.
        Absent,
    }

    /// One record that is never past its deadline.
    #[derive(Debug, Clone, Copy)]
    pub struct OneRecord;

    impl Model for OneRecord {
        type State = Option<Seen>;
        type Verb = Verb;
        type Reply = Reply;

        fn step(state: &Option<Seen>, verb: &Verb, reply: Option<&Reply>) -> Option<Option<Seen>> {
            let matches = |version: &Version| state.is_some_and(|s| s.version == *version);
            let (right, after) = match verb {
                Verb::Load => (Reply::Found(*state), *state),
                Verb::Create(_) if state.is_some() => (Reply::Refused, *state),
                Verb::Create(new) => (Reply::Done, Some(*new)),
                Verb::Swap(expected, new) if matches(expected) => (Reply::Done, Some(*new)),
                Verb::Touch(expected) if matches(expected) && state.is_some_and(|s| s.live) => (Reply::Done, *state),
                Verb::Remove(expected) if matches(expected) => (Reply::Done, None),
                Verb::Swap(..) | Verb::Touch(_) | Verb::Remove(_) => (Reply::Refused, *state),
                Verb::End(version) => {
                    let stone = Some(Seen { version: *version, live: false, value: 0 });
                    match state {
                        None => (Reply::Absent, stone),
                        Some(was) if was.live => (Reply::Done, stone),
                        Some(_) => (Reply::Refused, *state),
                    }
                }
            };
            reply.is_none_or(|told| *told == right).then_some(after)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::version::Version;

    fn seen(counter: u64, value: u64) -> Seen {
        Seen { version: Version { incarnation: 7, counter }, live: true, value }
    }

    fn swap(from: u64, to: u64, value: u64) -> Verb {
        Verb::Swap(Version { incarnation: 7, counter: from }, seen(to, value))
    }

    /// Events from (sent, replied, verb, reply); a reply at 0 never came.
    fn history(events: &[(u64, u64, Verb, Reply)]) -> Vec<Event<Verb, Reply>> {
        let event = |(client, &(sent, replied, verb, reply)): (usize, &(u64, u64, Verb, Reply))| Event {
            client,
            sent,
            replied: (replied > 0).then_some(replied),
            verb,
            reply: (replied > 0).then_some(reply),
        };
        events.iter().enumerate().map(event).collect()
    }

    fn right(events: &[(u64, u64, Verb, Reply)]) {
        if let Err(illegal) = check::<OneRecord>(None, &history(events)) {
            panic!("{illegal}");
        }
    }

    fn wrong(events: &[(u64, u64, Verb, Reply)]) {
        assert!(check::<OneRecord>(None, &history(events)).is_err(), "a bad history was let through: {events:?}");
    }

    const CREATE: Verb = Verb::Create(Seen { version: Version { incarnation: 7, counter: 1 }, live: true, value: 10 });

    #[test]
    fn verbs_one_after_the_other_are_explained() {
        right(&[]);
        right(&[
            (1, 2, Verb::Load, Reply::Found(None)),
            (3, 4, CREATE, Reply::Done),
            (5, 6, swap(1, 2, 20), Reply::Done),
            (7, 8, swap(1, 2, 30), Reply::Refused),
            (9, 10, Verb::Load, Reply::Found(Some(seen(2, 20)))),
            (11, 12, Verb::End(seen(9, 0).version), Reply::Done),
            (13, 14, swap(2, 3, 1), Reply::Refused),
            (15, 16, Verb::End(seen(8, 0).version), Reply::Refused),
        ]);
    }

    #[test]
    fn two_swaps_of_one_version_can_not_both_succeed() {
        wrong(&[(1, 2, CREATE, Reply::Done), (3, 9, swap(1, 2, 20), Reply::Done), (4, 8, swap(1, 2, 30), Reply::Done)]);
    }

    #[test]
    fn two_creates_can_not_both_succeed() {
        wrong(&[(1, 5, CREATE, Reply::Done), (2, 6, CREATE, Reply::Done)]);
        right(&[(1, 5, CREATE, Reply::Refused), (2, 6, CREATE, Reply::Done)]);
        wrong(&[(1, 5, CREATE, Reply::Refused), (6, 7, CREATE, Reply::Done)]);
    }

    #[test]
    fn a_load_can_not_see_the_past() {
        let stale = (7, 8, Verb::Load, Reply::Found(Some(seen(1, 10))));
        wrong(&[(1, 2, CREATE, Reply::Done), (3, 4, swap(1, 2, 20), Reply::Done), stale]);
        // While the swap is under way both are right.
        right(&[(1, 2, CREATE, Reply::Done), (3, 9, swap(1, 2, 20), Reply::Done), stale]);
    }

    #[test]
    fn two_loads_in_a_row_can_not_go_back() {
        let (new, old) = (Reply::Found(Some(seen(2, 20))), Reply::Found(Some(seen(1, 10))));
        let begun = [(1, 2, CREATE, Reply::Done), (3, 20, swap(1, 2, 20), Reply::Done)];
        right(&[begun[0], begun[1], (4, 5, Verb::Load, old), (6, 7, Verb::Load, new)]);
        wrong(&[begun[0], begun[1], (4, 5, Verb::Load, new), (6, 7, Verb::Load, old)]);
    }

    #[test]
    fn an_ended_record_can_not_be_live_again() {
        let end = (3, 4, Verb::End(seen(9, 0).version), Reply::Done);
        wrong(&[(1, 2, CREATE, Reply::Done), end, (5, 6, Verb::Load, Reply::Found(Some(seen(1, 10))))]);
        wrong(&[(1, 2, CREATE, Reply::Done), end, (5, 6, swap(1, 2, 20), Reply::Done)]);
        wrong(&[(1, 2, CREATE, Reply::Done), end, (5, 6, Verb::Touch(seen(1, 0).version), Reply::Done)]);
        wrong(&[(1, 2, CREATE, Reply::Done), end, (5, 6, Verb::Load, Reply::Found(None))]);
    }

    #[test]
    fn a_verb_without_a_reply_may_have_happened_late_or_never() {
        let lost = (3, 0, swap(1, 2, 20), Reply::Done);
        let (old, new) = (Reply::Found(Some(seen(1, 10))), Reply::Found(Some(seen(2, 20))));
        right(&[(1, 2, CREATE, Reply::Done), lost, (5, 6, Verb::Load, old), (7, 8, Verb::Load, old)]);
        right(&[(1, 2, CREATE, Reply::Done), lost, (5, 6, Verb::Load, old), (7, 8, Verb::Load, new)]);
        wrong(&[(1, 2, CREATE, Reply::Done), lost, (5, 6, Verb::Load, new), (7, 8, Verb::Load, old)]);
    }

    #[test]
    fn a_mixture_of_two_writes_is_seen() {
        let mixed = Reply::Found(Some(seen(2, 10)));
        wrong(&[(1, 2, CREATE, Reply::Done), (3, 9, swap(1, 2, 20), Reply::Done), (4, 8, Verb::Load, mixed)]);
    }

    #[test]
    fn a_long_history_of_a_crowd_is_checked_in_no_time() {
        // Eight clients at once, fifty rounds; the last load is wrong, so that everything has to be searched.
        let mut events = vec![(1, 2, CREATE, Reply::Done)];
        for round in 0..50u64 {
            let at = 10 * round + 10;
            events.push((at, at + 5, swap(round + 1, round + 2, round), Reply::Done));
            events.extend((0..7).map(|n| (at, at + 5, swap(round + 1, round + 2, 100 + n), Reply::Refused)));
        }
        right(&events);
        events.push((9000, 9001, Verb::Load, Reply::Found(Some(seen(51, 1)))));
        wrong(&events);
    }
}
