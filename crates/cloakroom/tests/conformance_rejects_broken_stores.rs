//! The kit can fail: stores broken on purpose, each in one way, and the promise that must find it out.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use cloakroom::conformance::{Harness, PROMISES, certify};
use cloakroom::store::*;
use cloakroom::{About, EndKind, Key, ManualClock, MemoryStore, Owner, Record, State, Time, Tombstone, Version};

/// In which way a store is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flaw {
    Nothing,
    SwapIgnoresVersion,
    SwapComparesCounterOnly,
    SwapComparesIncarnationOnly,
    SwapComparesAsDouble,
    SwapMakesWhatIsMissing,
    SwapLooksThenWrites,
    SwapKeepsOldDeadline,
    SwapMergesFields,
    CreateReplaces,
    CreateReplacesTombstones,
    CreateRefusesOverExpired,
    CreateLooksThenWrites,
    TouchLowers,
    TouchIgnoresState,
    TouchIgnoresVersion,
    TouchRaisesVersion,
    TouchForgetsTouched,
    EndRemoves,
    EndKeepsEnvelope,
    EndForgetsOwner,
    EndForgetsAbout,
    EndReplacesTombstone,
    EndSkipsAbsent,
    EndKeepsDeadline,
    EndLooksThenWrites,
    KeyOfFirstEight,
    KeyOfLastEight,
    KeyFoldsCase,
    RemoveIgnoresVersion,
    ForgetsUnknownFields,
    ForgetsOtherKinds,
    OwnerIsText,
    EnvelopeUpTo64K,
    TimesInSeconds,
    NumbersAreDoubles,
    SweepIgnoresLimit,
    SweepSaysDone,
    SweepNeverEnds,
    SweepSkips,
    SweepTakesLiving,
    ClockStands,
    ClockOfItsOwn,
    LeaseForAll,
    LeaseReleasedByAnyone,
    LeaseForEver,
    LeaseDisplacedByAnyToken,
    LeaseNotProlonged,
    LeaseTakenOverLoosely,
    CountForgetsTombstones,
    CountsBytesOfAll,
    PageTooLong,
    PageSkips,
    PageShowsExpired,
    FilterIgnoresOwner,
    FilterIncludesTheTime,
    FilterIgnoresSize,
    FilterIgnoresPrefix,
    FindsEnded,
    EndOwnerLeavesNoTombstone,
    EndOwnerIgnoresException,
    EndOwnerEndsOthers,
    OwnerTombstoneRefusesAll,
    OwnerTombstoneRefusesException,
    ReportReplaces,
    ReportFoldsLabels,
    ReportLosesCounts,
    ReportUnsorted,
}

use Flaw::*;

/// Each flaw, and the promise that it breaks.
const FLAWS: &[(Flaw, &str)] = &[
    (SwapIgnoresVersion, "a_swap_needs_the_equal_version"),
    (SwapIgnoresVersion, "no_increment_is_lost"),
    (SwapIgnoresVersion, "an_ended_session_is_not_revived_by_a_late_write"),
    (SwapIgnoresVersion, "every_history_has_an_order"),
    (SwapComparesCounterOnly, "a_record_made_anew_is_another_record"),
    (SwapComparesIncarnationOnly, "a_swap_needs_the_equal_version"),
    (SwapComparesAsDouble, "large_numbers_are_kept_to_the_last_bit"),
    (SwapMakesWhatIsMissing, "a_swap_needs_the_equal_version"),
    (SwapLooksThenWrites, "no_increment_is_lost"),
    (SwapLooksThenWrites, "every_history_has_an_order"),
    (SwapLooksThenWrites, "a_handle_serves_many_tasks_at_once"),
    (SwapKeepsOldDeadline, "a_raised_deadline_counts"),
    (SwapMergesFields, "a_swap_replaces_every_field"),
    (CreateReplaces, "a_create_never_replaces_a_record"),
    (CreateReplacesTombstones, "an_ended_session_is_not_revived_by_a_late_write"),
    (CreateRefusesOverExpired, "a_create_takes_the_place_of_an_expired_record"),
    (CreateLooksThenWrites, "of_racing_creates_one_succeeds"),
    (TouchLowers, "a_touch_never_lowers_the_deadline"),
    (TouchIgnoresState, "a_touch_is_for_live_records_of_the_equal_version"),
    (TouchIgnoresVersion, "a_touch_is_for_live_records_of_the_equal_version"),
    (TouchRaisesVersion, "a_touch_never_lowers_the_deadline"),
    (TouchForgetsTouched, "a_touch_never_lowers_the_deadline"),
    (EndRemoves, "an_end_leaves_a_tombstone_of_what_was_there"),
    (EndRemoves, "nothing_lives_after_an_end"),
    (EndKeepsEnvelope, "an_end_leaves_a_tombstone_of_what_was_there"),
    (EndForgetsOwner, "an_end_leaves_a_tombstone_of_what_was_there"),
    (EndForgetsAbout, "tagged_fields_are_carried_along"),
    (EndReplacesTombstone, "an_end_leaves_a_tombstone_of_what_was_there"),
    (EndSkipsAbsent, "an_end_where_nothing_is_leaves_a_tombstone"),
    (EndKeepsDeadline, "a_tombstone_keeps_its_own_time"),
    (EndLooksThenWrites, "nothing_lives_after_an_end"),
    (KeyOfFirstEight, "a_key_is_compared_in_all_its_bytes"),
    (KeyOfFirstEight, "a_verb_never_strays_to_a_similar_key"),
    (KeyOfFirstEight, "a_sweep_never_strays_to_a_similar_key"),
    (KeyOfLastEight, "a_key_is_compared_in_all_its_bytes"),
    (KeyFoldsCase, "a_key_is_compared_in_all_its_bytes"),
    (RemoveIgnoresVersion, "a_record_is_removed_by_its_version_only"),
    (ForgetsUnknownFields, "tagged_fields_are_carried_along"),
    (ForgetsOtherKinds, "every_state_and_kind_is_kept"),
    (OwnerIsText, "an_owner_is_any_191_bytes"),
    (EnvelopeUpTo64K, "an_envelope_may_be_empty_or_large_and_holds_any_bytes"),
    (TimesInSeconds, "a_record_comes_back_as_it_went"),
    (NumbersAreDoubles, "large_numbers_are_kept_to_the_last_bit"),
    (SweepIgnoresLimit, "a_sweep_is_bounded_and_ends"),
    (SweepSaysDone, "a_sweep_is_bounded_and_ends"),
    (SweepNeverEnds, "a_sweep_is_bounded_and_ends"),
    (SweepSkips, "a_sweep_is_bounded_and_ends"),
    (SweepTakesLiving, "a_sweep_spares_what_is_not_expired"),
    (ClockStands, "the_clock_goes_on_and_is_shared"),
    (ClockOfItsOwn, "the_clock_goes_on_and_is_shared"),
    (LeaseForAll, "a_lease_has_one_holder"),
    (LeaseForAll, "a_lease_is_exclusive_under_a_crowd"),
    (LeaseReleasedByAnyone, "a_lease_is_released_by_its_token_only"),
    (LeaseForEver, "a_lease_runs_out_unless_it_is_prolonged"),
    (LeaseDisplacedByAnyToken, "a_lease_is_displaced_by_naming_its_holder"),
    (LeaseNotProlonged, "a_lease_runs_out_unless_it_is_prolonged"),
    (LeaseTakenOverLoosely, "a_lease_is_exclusive_under_a_crowd"),
    (CountForgetsTombstones, "a_count_tells_what_is_there"),
    (CountsBytesOfAll, "a_count_tells_what_is_there"),
    (PageTooLong, "paging_sees_every_record"),
    (PageSkips, "paging_sees_every_record"),
    (PageSkips, "paging_goes_on_while_records_come_and_go"),
    (PageShowsExpired, "paging_sees_every_record"),
    (FilterIgnoresOwner, "an_owners_live_sessions_are_found"),
    (FilterIncludesTheTime, "paging_keeps_every_condition"),
    (FilterIgnoresSize, "paging_keeps_every_condition"),
    (FilterIgnoresPrefix, "paging_keeps_every_condition"),
    (FindsEnded, "a_swap_moves_a_session_to_its_new_owner"),
    (EndOwnerLeavesNoTombstone, "an_ended_owner_refuses_what_loaded_before"),
    (EndOwnerLeavesNoTombstone, "an_owners_tombstone_is_kept_for_its_time"),
    (EndOwnerIgnoresException, "ending_an_owner_ends_all_but_the_one_excepted"),
    (EndOwnerEndsOthers, "ending_an_owner_ends_all_but_the_one_excepted"),
    (OwnerTombstoneRefusesAll, "an_ended_owner_refuses_what_loaded_before"),
    (OwnerTombstoneRefusesException, "the_excepted_session_goes_on"),
    (ReportReplaces, "counters_are_summed_and_kept_apart"),
    (ReportFoldsLabels, "labels_and_samples_are_any_text"),
    (ReportLosesCounts, "no_count_is_lost_in_a_crowd"),
    (ReportUnsorted, "counters_are_summed_and_kept_apart"),
];

#[derive(Debug, Clone)]
struct Broken {
    flaw: Flaw,
    memory: MemoryStore,
    /// When this handle was opened, for a clock of its own.
    skew: u64,
}

struct Bench {
    flaw: Flaw,
    memory: MemoryStore,
    clock: Arc<ManualClock>,
    opened: std::sync::atomic::AtomicU64,
}

impl Bench {
    fn new(flaw: Flaw) -> Self {
        let clock = Arc::new(ManualClock::new(Time(1_800_000_000_000)));
        Self { flaw, memory: MemoryStore::new(clock.clone()), clock, opened: 0.into() }
    }
}

#[async_trait]
impl Harness for Bench {
    fn store(&self) -> Arc<dyn Store> {
        let skew = self.opened.fetch_add(1, std::sync::atomic::Ordering::SeqCst) * 5000;
        Arc::new(Broken { flaw: self.flaw, memory: self.memory.clone(), skew })
    }

    async fn pass(&self, time: Duration) {
        self.clock.advance(time);
    }
}

/// Gives other threads and tasks the time that a second round trip would.
async fn a_round_trip() {
    tokio::time::sleep(Duration::from_micros(300)).await;
}

impl Broken {
    fn is(&self, flaw: Flaw) -> bool {
        self.flaw == flaw
    }

    fn key(&self, key: &Key) -> Key {
        let mut bytes = *key.as_bytes();
        match self.flaw {
            KeyOfFirstEight => bytes[8..].fill(0),
            KeyOfLastEight => bytes[..24].fill(0),
            KeyFoldsCase => bytes.make_ascii_lowercase(),
            _ => {}
        }
        Key::from_bytes(bytes)
    }

    /// The record as this store would keep it.
    fn kept(&self, record: &Record) -> Record {
        let mut r = record.clone();
        match self.flaw {
            ForgetsUnknownFields => r.about.unknown.clear(),
            ForgetsOtherKinds => {
                if let State::Ended { kind: kind @ EndKind::Other(_), .. } = &mut r.state {
                    *kind = EndKind::Destroyed;
                }
            }
            OwnerIsText => {
                let text = |o: Owner| Owner::new(String::from_utf8_lossy(o.as_bytes()).trim_end().as_bytes()).ok();
                r.owner = r.owner.and_then(text);
            }
            EnvelopeUpTo64K => r.envelope.truncate(65_535),
            TimesInSeconds => r.touched = Time(r.touched.seconds() * 1000),
            NumbersAreDoubles => r.created = Time(r.created.0 as f64 as u64),
            _ => {}
        }
        r
    }

    async fn peek(&self, key: &Key) -> Option<Record> {
        self.memory.load(Budget::of(Duration::from_secs(1)), key).await.expect("memory").record
    }

    /// Writes whatever is there.
    async fn force(&self, key: &Key, record: &Record) {
        let budget = Budget::of(Duration::from_secs(1));
        if let Some(was) = self.peek(key).await {
            Remove::remove(&self.memory, budget, key, was.version).await.expect("memory");
        }
        self.memory.create(budget, key, record, Time(u64::MAX)).await.expect("memory");
    }
}

#[async_trait]
impl Store for Broken {
    fn describe(&self) -> Description {
        self.memory.describe()
    }

    async fn now(&self, budget: Budget) -> Result<Time, StoreError> {
        Ok(match self.flaw {
            ClockStands => Time(1_800_000_000_000),
            ClockOfItsOwn => Time(self.memory.now(budget).await?.0 + self.skew),
            _ => self.memory.now(budget).await?,
        })
    }

    async fn load(&self, budget: Budget, key: &Key) -> Result<Loaded, StoreError> {
        let loaded = self.memory.load(budget, &self.key(key)).await?;
        Ok(Loaded { now: self.now(budget).await?, ..loaded })
    }

    async fn create(&self, budget: Budget, key: &Key, record: &Record, seen: Time) -> Result<Created, StoreError> {
        let (key, record) = (&self.key(key), &self.kept(record));
        let was = self.peek(key).await;
        match self.flaw {
            CreateReplaces => self.force(key, record).await,
            CreateReplacesTombstones if was.as_ref().is_some_and(|r| matches!(r.state, State::Ended { .. })) => {
                self.force(key, record).await;
            }
            CreateRefusesOverExpired if was.is_some() => return Ok(Created::Exists),
            CreateLooksThenWrites => {
                let now = self.memory.now(budget).await?;
                if was.is_some_and(|r| !r.expired(now)) {
                    return Ok(Created::Exists);
                }
                a_round_trip().await;
                self.force(key, record).await;
            }
            _ => {
                let seen = if self.is(OwnerTombstoneRefusesAll) { Time(0) } else { seen };
                return self.memory.create(budget, key, record, seen).await;
            }
        }
        Ok(Created::Done)
    }

    async fn swap(
        &self,
        budget: Budget,
        key: &Key,
        expected: Version,
        record: &Record,
        seen: Time,
    ) -> Result<Swapped, StoreError> {
        let (key, mut record, mut expected) = (&self.key(key), self.kept(record), expected);
        let was = self.peek(key).await;
        let Some(was) = was else {
            if self.is(SwapMakesWhatIsMissing) {
                self.force(key, &record).await;
                return Ok(Swapped::Done);
            }
            return Ok(Swapped::Stale);
        };
        let Version { incarnation, counter } = was.version;
        let loosely = match self.flaw {
            SwapIgnoresVersion => true,
            SwapComparesCounterOnly => counter == expected.counter,
            SwapComparesIncarnationOnly => incarnation == expected.incarnation,
            SwapComparesAsDouble => {
                counter as f64 == expected.counter as f64 && incarnation as f64 == expected.incarnation as f64
            }
            _ => false,
        };
        if loosely {
            expected = was.version;
        }
        match self.flaw {
            SwapKeepsOldDeadline => record.idle = was.idle,
            SwapMergesFields => {
                record.owner = record.owner.or(was.owner);
                record.absolute = record.absolute.or(was.absolute);
            }
            SwapLooksThenWrites if was.version == expected => {
                a_round_trip().await;
                self.force(key, &record).await;
                return Ok(Swapped::Done);
            }
            _ => {}
        }
        let seen = match self.flaw {
            OwnerTombstoneRefusesAll => Time(0),
            _ => seen,
        };
        if self.is(OwnerTombstoneRefusesException) && record.owner.is_some() {
            // What a create of another key of this owner would say is what the exception is denied.
            let probe = Key::from_bytes([0xee; 32]);
            let outcome = self.memory.create(budget, &probe, &record, seen).await?;
            if outcome == Created::OwnerEnded {
                return Ok(Swapped::OwnerEnded);
            }
            Remove::remove(&self.memory, budget, &probe, record.version).await?;
        }
        self.memory.swap(budget, key, expected, &record, seen).await
    }

    async fn touch(
        &self,
        budget: Budget,
        key: &Key,
        expected: Version,
        touched: Time,
        idle: Time,
    ) -> Result<Touched, StoreError> {
        let key = &self.key(key);
        let Some(was) = self.peek(key).await else { return Ok(Touched::Stale) };
        let right = was.version == expected;
        let raised = Record { touched, idle: was.idle.max(idle), ..was.clone() };
        let new = match self.flaw {
            TouchLowers if right && was.state.is_live() => Record { idle, ..raised },
            TouchIgnoresState if right => raised,
            TouchIgnoresVersion if was.state.is_live() => raised,
            TouchRaisesVersion if right && was.state.is_live() => Record { version: was.version.next(), ..raised },
            TouchForgetsTouched if right && was.state.is_live() => Record { touched: was.touched, ..raised },
            _ => return self.memory.touch(budget, key, expected, touched, idle).await,
        };
        self.force(key, &new).await;
        Ok(Touched::Done)
    }

    async fn end(&self, budget: Budget, key: &Key, tombstone: &Tombstone) -> Result<Ended, StoreError> {
        let key = &self.key(key);
        let was = self.peek(key).await;
        let outcome = match (self.flaw, &was) {
            (EndSkipsAbsent, None) => return Ok(Ended::Absent),
            (EndLooksThenWrites, Some(was)) if was.state.is_live() => {
                a_round_trip().await;
                // Only if nobody wrote meanwhile, and without saying so: the lost race of one who asks in two steps.
                let stone = tombstone.record(Some(was));
                self.memory.swap(budget, key, was.version, &stone, Time(u64::MAX)).await?;
                return Ok(Ended::Done);
            }
            _ => self.memory.end(budget, key, tombstone).await?,
        };
        let stone = tombstone.record(was.as_ref());
        match (self.flaw, was) {
            (EndRemoves, Some(_)) => _ = Remove::remove(&self.memory, budget, key, tombstone.version).await?,
            (EndKeepsEnvelope, Some(was)) => self.force(key, &Record { envelope: was.envelope, ..stone }).await,
            (EndForgetsOwner, Some(_)) => self.force(key, &Record { owner: None, ..stone }).await,
            (EndForgetsAbout, Some(_)) => self.force(key, &Record { about: About::default(), ..stone }).await,
            (EndReplacesTombstone, Some(_)) if outcome == Ended::Already => self.force(key, &stone).await,
            (EndKeepsDeadline, Some(was)) => self.force(key, &Record { absolute: was.absolute, ..stone }).await,
            _ => {}
        }
        Ok(outcome)
    }

    async fn sweep(&self, budget: Budget, limit: u32) -> Result<Swept, StoreError> {
        Ok(match self.flaw {
            SweepIgnoresLimit => self.memory.sweep(budget, 100_000).await?,
            SweepSaysDone => Swept { more: false, ..self.memory.sweep(budget, limit).await? },
            SweepNeverEnds => Swept { more: true, ..self.memory.sweep(budget, limit).await? },
            SweepSkips => Swept::default(),
            SweepTakesLiving => {
                let page = self.memory.page(budget, &Filter::default(), None, 1).await?;
                for found in &page.records {
                    Remove::remove(&self.memory, budget, &found.key, found.version).await?;
                }
                self.memory.sweep(budget, limit).await?
            }
            _ => self.memory.sweep(budget, limit).await?,
        })
    }

    fn remove(&self) -> Option<&dyn Remove> {
        Some(self)
    }
    fn leases(&self) -> Option<&dyn Leases> {
        Some(self)
    }
    fn count(&self) -> Option<&dyn Count> {
        Some(self)
    }
    fn list(&self) -> Option<&dyn List> {
        Some(self)
    }
    fn owners(&self) -> Option<&dyn Owners> {
        Some(self)
    }
    fn reports(&self) -> Option<&dyn Reports> {
        Some(self)
    }
}

#[async_trait]
impl Remove for Broken {
    async fn remove(&self, budget: Budget, key: &Key, expected: Version) -> Result<bool, StoreError> {
        let key = &self.key(key);
        let there = self.peek(key).await.map(|r| r.version);
        let expected = if self.is(RemoveIgnoresVersion) { there.unwrap_or(expected) } else { expected };
        Remove::remove(&self.memory, budget, key, expected).await
    }
}

#[async_trait]
impl Leases for Broken {
    async fn take(
        &self,
        budget: Budget,
        name: &LeaseName,
        token: u64,
        holder: Holder,
        time: Duration,
        displacing: Option<u64>,
    ) -> Result<LeaseOutcome, StoreError> {
        let time = if self.is(LeaseForEver) { Duration::from_secs(1 << 30) } else { time };
        let first = self.memory.take(budget, name, token, holder, time, displacing).await?;
        if let (LeaseNotProlonged, LeaseOutcome::Taken(lease)) = (self.flaw, first) {
            let soon = lease.since.plus(Duration::from_millis(700));
            let until = lease.until.min(soon).since(lease.since);
            return self.memory.take(budget, name, token, holder, until, None).await;
        }
        let LeaseOutcome::Held(held) = first else { return Ok(first) };
        let displacing = match self.flaw {
            LeaseForAll => Some(held.token),
            LeaseDisplacedByAnyToken if displacing.is_some() => Some(held.token),
            LeaseTakenOverLoosely => {
                a_round_trip().await;
                Some(held.token)
            }
            _ => return Ok(first),
        };
        self.memory.take(budget, name, token, holder, time, displacing).await
    }

    async fn release(&self, budget: Budget, name: &LeaseName, token: u64) -> Result<bool, StoreError> {
        if self.is(LeaseReleasedByAnyone) {
            let holder = Holder { host: [0; 16], pid: 0, started: 0 };
            let held = self.memory.take(budget, name, token, holder, Duration::from_millis(1), None).await?;
            let (LeaseOutcome::Held(lease) | LeaseOutcome::Taken(lease)) = held;
            return self.memory.release(budget, name, lease.token).await;
        }
        self.memory.release(budget, name, token).await
    }
}

#[async_trait]
impl Count for Broken {
    async fn count(&self, budget: Budget) -> Result<Counts, StoreError> {
        let counts = Count::count(&self.memory, budget).await?;
        Ok(match self.flaw {
            CountForgetsTombstones => Counts { moved: 0, ended: 0, ..counts },
            CountsBytesOfAll => {
                let all = self.memory.page(budget, &Filter::default(), None, 10_000).await?;
                Counts { bytes: all.records.iter().map(|r| u64::from(r.size)).sum(), ..counts }
            }
            _ => counts,
        })
    }
}

#[async_trait]
impl List for Broken {
    async fn page(
        &self,
        budget: Budget,
        filter: &Filter,
        after: Option<&[u8]>,
        limit: u32,
    ) -> Result<Page, StoreError> {
        let mut filter = filter.clone();
        let later = |t: Time| Time(t.0 + 1);
        match self.flaw {
            FilterIgnoresOwner => filter.owner = None,
            FilterIncludesTheTime => filter.created_before = filter.created_before.map(later),
            FilterIgnoresSize => filter.min_size = None,
            FilterIgnoresPrefix => filter.key_prefix.clear(),
            _ => {}
        }
        let limit = if self.is(PageTooLong) { limit + 1 } else { limit };
        let mut page = self.memory.page(budget, &filter, after, limit).await?;
        if self.is(PageSkips) && page.next.is_some() && page.records.len() > 1 {
            // The last of a page is lost between two pages.
            page.records.pop();
        }
        if self.is(PageShowsExpired) && page.next.is_none() {
            let key = Key::from_bytes([7; 32]);
            let stone = Tombstone {
                version: Version { incarnation: 1, counter: 1 },
                kind: EndKind::Owner,
                at: Time(1),
                until: Time(2),
            };
            page.records.push(Summary::of(key, &stone.record(None)));
        }
        Ok(page)
    }
}

#[async_trait]
impl Owners for Broken {
    async fn find(&self, budget: Budget, owner: &Owner, after: Option<&[u8]>, limit: u32) -> Result<Page, StoreError> {
        let filter = Filter { live: !self.is(FindsEnded), owner: Some(owner.clone()), ..Filter::default() };
        self.page(budget, &filter, after, limit).await
    }

    async fn end_owner(
        &self,
        budget: Budget,
        owner: &Owner,
        tombstone: &Tombstone,
        except: Option<&Key>,
    ) -> Result<EndedOwner, StoreError> {
        let except = if self.is(EndOwnerIgnoresException) { None } else { except };
        if self.is(EndOwnerEndsOthers) {
            let filter = Filter { live: true, ..Filter::default() };
            for found in self.memory.page(budget, &filter, None, 10_000).await?.records {
                if Some(&found.key) != except && found.owner.as_ref() != Some(owner) {
                    self.memory.end(budget, &found.key, tombstone).await?;
                }
            }
        }
        if self.is(EndOwnerLeavesNoTombstone) {
            let tombstone = Tombstone { at: Time(0), ..*tombstone };
            let filter = Filter { live: true, owner: Some(owner.clone()), ..Filter::default() };
            let found = self.memory.page(budget, &filter, None, 10_000).await?;
            let mut ended = 0;
            for found in found.records.iter().filter(|f| Some(&f.key) != except) {
                self.memory.end(budget, &found.key, &tombstone).await?;
                ended += 1;
            }
            return Ok(EndedOwner { ended, complete: true });
        }
        self.memory.end_owner(budget, owner, tombstone, except).await
    }
}

#[async_trait]
impl Reports for Broken {
    async fn add(&self, budget: Budget, tallies: &[Tally]) -> Result<(), StoreError> {
        let mut tallies = tallies.to_vec();
        for tally in &mut tallies {
            let held = self.memory.read(budget, tally.kind, tally.hour, 10_000).await?;
            let held =
                held.into_iter().find(|t| (&t.label, t.hour) == (&tally.label, tally.hour)).map_or(0, |t| t.count);
            match self.flaw {
                ReportFoldsLabels => tally.label = tally.label.trim_end().to_lowercase(),
                // What makes "held + new" out of "new" is what an overwrite lacks.
                ReportReplaces if held > 0 => tally.count = tally.count.saturating_sub(held),
                ReportLosesCounts if held > 0 => {
                    a_round_trip().await;
                    let now = self.memory.read(budget, tally.kind, tally.hour, 10_000).await?;
                    let now = now.into_iter().find(|t| t.label == tally.label).map_or(0, |t| t.count);
                    tally.count = (held + tally.count).saturating_sub(now);
                }
                _ => {}
            }
        }
        self.memory.add(budget, &tallies).await
    }

    async fn read(&self, budget: Budget, kind: TallyKind, since: u32, limit: u32) -> Result<Vec<Tally>, StoreError> {
        let mut found = self.memory.read(budget, kind, since, limit).await?;
        if self.is(ReportUnsorted) {
            found.reverse();
        }
        Ok(found)
    }
}

#[test]
fn the_wrapper_without_a_flaw_is_certified() {
    for promise in PROMISES {
        certify(promise.name, &Bench::new(Flaw::Nothing));
    }
}

#[test]
fn each_flaw_breaks_the_promise_that_names_it() {
    let mut unnoticed = Vec::new();
    for (flaw, promise) in FLAWS {
        let bench = Bench::new(*flaw);
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| certify(promise, &bench)));
        if outcome.is_ok() {
            unnoticed.push((flaw, promise));
        }
    }
    assert!(unnoticed.is_empty(), "the kit certified what it should not: {unnoticed:#?}");
}
