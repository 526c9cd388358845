//! Data for the suite: keys, owners and records of every shape that a release can write, drawn at random.

use std::time::Duration;

use crate::key::Key;
use crate::record::{About, EndKind, MoveKind, Owner, Record, State, Tombstone};
use crate::time::Time;
use crate::version::{CommitId, CommitLog, Version};

/// A small generator, seeded from the system and printed, since a failure must tell what it was drawn from.
#[derive(Debug)]
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new() -> Self {
        let seed = getrandom::u64().expect("the system has randomness") | 1;
        eprintln!("data drawn from seed {seed:#x}");
        Self(seed)
    }

    /// For what only has to differ from run to run.
    pub(crate) fn quiet() -> Self {
        Self(getrandom::u64().expect("the system has randomness"))
    }

    /// The next number (splitmix64: every number of 64 bits comes up).
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    /// A number that fits a signed 64-bit integer, often an extreme one: versions and times are no larger.
    pub(crate) fn number(&mut self) -> u64 {
        match self.below(6) {
            0 => 0,
            1 => i64::MAX as u64,
            2 => self.below(1000),
            _ => self.next() >> 1,
        }
    }

    pub(crate) fn bytes(&mut self, len: usize) -> Vec<u8> {
        let mut out: Vec<u8> = Vec::with_capacity(len + 8);
        while out.len() < len {
            out.extend_from_slice(&self.next().to_le_bytes());
        }
        out.truncate(len);
        out
    }

    pub(crate) fn key(&mut self) -> Key {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(&self.bytes(32));
        Key::from_bytes(bytes)
    }

    pub(crate) fn owner(&mut self) -> Owner {
        let len = 16 + self.below(176) as usize;
        Owner::new(self.bytes(len)).expect("length")
    }

    pub(crate) fn version(&mut self) -> Version {
        Version { incarnation: self.next() >> 1, counter: 1 + self.below(1000) }
    }

    /// A plain live record that lives for an hour from `now`.
    pub(crate) fn live(&mut self, now: Time) -> Record {
        Record {
            version: self.version(),
            state: State::Live,
            created: now,
            touched: now,
            idle: now.plus(HOUR),
            absolute: None,
            owner: None,
            format: 1,
            size: 40,
            about: About { commits: CommitLog::from_ids([CommitId(self.next())]), ..About::default() },
            envelope: self.bytes(60),
        }
    }

    /// A live record of that owner.
    pub(crate) fn owned(&mut self, now: Time, owner: &Owner) -> Record {
        Record { owner: Some(owner.clone()), ..self.live(now) }
    }

    /// A record with every field drawn anew, the deadlines in the future.
    pub(crate) fn any_record(&mut self, now: Time) -> Record {
        let state = self.any_state();
        let later = |dice: &mut Self| match dice.below(3) {
            0 => Time(i64::MAX as u64),
            1 => now.plus(HOUR * 24 * 366 * 90),
            _ => now.plus(HOUR + Duration::from_millis(dice.below(1_000_000_000))),
        };
        Record {
            version: Version { incarnation: self.number(), counter: self.number() },
            state,
            created: Time(self.number()),
            touched: Time(self.number()),
            idle: later(self),
            absolute: (self.below(2) == 0).then(|| later(self)),
            owner: match self.below(4) {
                0 => None,
                1 => Some(Owner::new(self.bytes(191)).expect("length")),
                2 => Some(Owner::new(self.bytes(1)).expect("length")),
                _ => Some(self.owner()),
            },
            format: self.next() as u8,
            size: self.next() as u32,
            about: self.any_about(),
            envelope: {
                let len = self.below(300) as usize;
                self.bytes(len)
            },
        }
    }

    fn any_state(&mut self) -> State {
        let code = self.next() as u8;
        let at = self.number();
        State::from_codes(self.below(3) as u8, code % 8, at)
            .into_iter()
            .chain(State::from_codes(1 + self.below(2) as u8, code, at))
            .nth(self.below(2) as usize)
            .expect("these states are known")
    }

    fn any_about(&mut self) -> About {
        About {
            commits: CommitLog::from_ids((0..self.below(17)).map(|_| CommitId(self.next())).collect::<Vec<_>>()),
            trail: (0..self.below(17)).map(|_| self.key()).collect(),
            device: (self.below(2) == 0).then(|| "Firefox \u{1f98a} auf Qu\u{e4}ntchen' -- \" \\ %_".to_string()),
            address: (self.below(2) == 0).then(|| "2001:db8::/48".to_string()),
            namespace: (0..self.below(3) * 100).map(|n| n as u8).collect(),
            named: self.below(2) == 0,
            asked: self.below(2) == 0,
            unknown: (0..self.below(3))
                .map(|n| {
                    let len = self.below(300) as usize;
                    (200 + n as u8, self.bytes(len))
                })
                .collect(),
        }
    }
}

pub(crate) const HOUR: Duration = Duration::from_secs(3600);
/// A deadline near enough to be awaited and far enough to act before it on a busy machine.
pub(crate) const SOON: Duration = Duration::from_millis(700);
/// Long enough that `SOON` has gone by for certain, the error of a measured clock included.
pub(crate) const AFTER_SOON: Duration = Duration::from_millis(1000);

/// All states and kinds that there are, unknown codes of newer releases included.
pub(crate) fn all_states(at: Time) -> Vec<State> {
    let moves = [MoveKind::Follow, MoveKind::Frozen, MoveKind::Bare, MoveKind::Other(0), MoveKind::Other(255)];
    let ends = [EndKind::Destroyed, EndKind::Operator, EndKind::Owner, EndKind::Other(0), EndKind::Other(200)];
    let moved = moves.into_iter().map(|kind| State::Moved { kind, at });
    let ended = ends.into_iter().map(|kind| State::Ended { kind, at });
    [State::Live].into_iter().chain(moved).chain(ended).collect()
}

/// A tombstone set at `at` that lives for an hour.
pub(crate) fn tombstone(at: Time) -> Tombstone {
    Tombstone::new(EndKind::Destroyed, at, HOUR).expect("the system has randomness")
}

/// The same record, one commit later: next version, another payload.
pub(crate) fn next(record: &Record, envelope: Vec<u8>) -> Record {
    Record { version: record.version.next(), envelope, ..record.clone() }
}
