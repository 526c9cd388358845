//! The fault script: what a store does when the server or the way to it fails.

use std::time::{Duration, Instant};

use crate::conformance::Harness;
use crate::conformance::data::{Dice, HOUR, next, tombstone};
use crate::conformance::faults::{Fault, InForce};
use crate::conformance::hand::{Hand, budget, race};
use crate::key::Key;
use crate::record::{Owner, Record};
use crate::store::{Budget, Created, Filter, Holder, LeaseName, Store, StoreError, Swapped, Tally, TallyKind};
use crate::time::Time;
use crate::version::CommitId;

/// What a verb may take in an outage.
const TIME: Duration = Duration::from_millis(300);
/// What it may take beyond that, on a busy machine.
const SLACK: Duration = Duration::from_millis(350);
const OWNER: &[u8] = b"anna-whose-name-no-error-may-tell";
const PAYLOAD: &[u8] = b"a payload that no error may tell";

/// A verb with its arguments, and a record of its own where it needs one.
struct Errand {
    verb: &'static str,
    key: Key,
    /// What is there before.
    before: Option<Record>,
    /// What a swap or create puts there.
    after: Record,
    at: Time,
}

/// Verbs that write to one key, and those that only read or write elsewhere.
const WRITES: [&str; 5] = ["create", "swap", "touch", "end", "remove"];
const OTHERS: [&str; 10] = ["load", "sweep", "take", "release", "count", "page", "find", "end_owner", "add", "read"];

impl Errand {
    fn new(verb: &'static str, dice: &mut Dice, at: Time) -> Self {
        let owner = Owner::new(OWNER).expect("length");
        let there = Record { envelope: PAYLOAD.to_vec(), ..dice.owned(at, &owner) };
        let mut after = next(&there, PAYLOAD.repeat(2));
        after.about.commits.push(CommitId(dice.next()));
        Self { verb, key: dice.key(), before: (verb != "create").then_some(there), after, at }
    }

    async fn prepare(&self, hand: &Hand) {
        if let Some(before) = &self.before {
            hand.put(&self.key, before).await;
        }
    }

    /// Does the verb; tells in a word what it answered. `None` where the store has no such verb.
    async fn run(&self, store: &dyn Store, budget: Budget) -> Option<Result<String, StoreError>> {
        let (key, at) = (&self.key, self.at);
        let version = self.before.as_ref().map_or(self.after.version, |r| r.version);
        let holder = Holder { host: [1; 16], pid: 1, started: 1 };
        let name = LeaseName::of(key, b"commit");
        let owner = Owner::new(OWNER).expect("length");
        let tally =
            Tally { kind: TallyKind::Wait, label: "x".into(), hour: 1, count: 1, sum: 1, sample: String::new() };
        let told = match self.verb {
            "load" => store.load(budget, key).await.map(|l| format!("{:?}", l.record.map(|r| r.version))),
            "create" => store.create(budget, key, &self.after, at).await.map(|o| format!("{o:?}")),
            "swap" => store.swap(budget, key, version, &self.after, at).await.map(|o| format!("{o:?}")),
            "touch" => store.touch(budget, key, version, at, at.plus(HOUR * 5)).await.map(|o| format!("{o:?}")),
            "end" => store.end(budget, key, &tombstone(at)).await.map(|o| format!("{o:?}")),
            "sweep" => store.sweep(budget, 10).await.map(|o| format!("{o:?}")),
            "remove" => store.remove()?.remove(budget, key, version).await.map(|o| format!("{o:?}")),
            "take" => store.leases()?.take(budget, &name, 5, holder, HOUR, None).await.map(|_| String::new()),
            "release" => store.leases()?.release(budget, &name, 5).await.map(|_| String::new()),
            "count" => store.count()?.count(budget).await.map(|_| String::new()),
            "page" => store.list()?.page(budget, &Filter::default(), None, 5).await.map(|_| String::new()),
            "find" => store.owners()?.find(budget, &owner, None, 5).await.map(|_| String::new()),
            "end_owner" => {
                // Somebody else: the records of the other errands are to stay.
                let owner = Owner::new([OWNER, b"2"].concat()).expect("length");
                store.owners()?.end_owner(budget, &owner, &tombstone(at), None).await.map(|_| String::new())
            }
            "add" => store.reports()?.add(budget, &[tally]).await.map(|()| String::new()),
            "read" => store.reports()?.read(budget, TallyKind::Wait, 0, 5).await.map(|_| String::new()),
            other => unreachable!("{other} is no verb"),
        };
        Some(told)
    }

    /// Whether what is there now could have come of this errand, given what it was told.
    async fn judge(&self, hand: &Hand, told: &Result<String, StoreError>) {
        let found = hand.load(&self.key).await;
        let untouched = found == self.before;
        match told {
            Err(StoreError::Unknown { .. }) | Ok(_) => {
                let live = found.as_ref().is_none_or(|r| r.state.is_live());
                let whole = match self.verb {
                    "create" | "swap" => found.as_ref() == Some(&self.after),
                    "touch" => found.as_ref().is_some_and(|r| r.idle == self.at.plus(HOUR * 5)),
                    "end" => !live,
                    "remove" => found.is_none(),
                    _ => true,
                };
                assert!(untouched || whole, "an interrupted {} was half done: {found:?}", self.verb);
                if matches!(self.verb, "create" | "swap") {
                    let log = found.as_ref().map(|r| &r.about.commits);
                    let id = self.after.about.commits.ids().last().expect("it was pushed");
                    let there = log.is_some_and(|log| log.contains(*id));
                    assert_eq!(there, whole, "the commit id does not tell whether a {} was applied", self.verb);
                }
            }
            Err(error) => assert!(untouched, "a {} said \"{error}\" and was applied nevertheless", self.verb),
        }
    }
}

/// No error tells a key, an owner, a payload or a password.
fn assert_silent(harness: &dyn Harness, error: &StoreError, key: &Key) {
    let told = format!("{error} {error:?}");
    let mut secrets = harness.secrets();
    secrets.extend([key.to_hex(), key.to_hex().to_uppercase(), format!("{:?}", key.as_bytes())]);
    secrets.extend([OWNER, PAYLOAD].map(|b| String::from_utf8_lossy(b).into_owned()));
    for secret in secrets {
        assert!(!told.contains(&secret), "an error tells what it must not: {told}");
    }
}

/// A frozen server, lost packets in either direction: every verb, on a connection that stands as on a new one, returns by
/// its deadline, says what is true of what it did, and the store works again afterwards.
async fn outlast(harness: &dyn Harness, fault: Fault) {
    let (mut dice, warm) = (Dice::new(), Hand::of(harness));
    let at = warm.now().await;
    let mut errands = Vec::new();
    for on_new in [false, true] {
        for verb in WRITES.iter().chain(&OTHERS) {
            let errand = Errand::new(verb, &mut dice, at);
            errand.prepare(&warm).await;
            errands.push((errand, on_new));
        }
    }
    let Some(in_force) = InForce::begin(harness, fault) else { return };
    let mut tasks = Vec::new();
    let fresh = Hand::of(harness);
    for (errand, on_new) in errands {
        let hand = if on_new { fresh.clone() } else { warm.clone() };
        tasks.push(tokio::spawn(async move {
            let budget = Budget::of(TIME);
            let told = errand.run(&*hand.0, budget).await;
            (errand, told, Instant::now().saturating_duration_since(budget.deadline()))
        }));
    }
    let mut outcomes = Vec::new();
    for task in tasks {
        let (errand, told, late) = task.await.unwrap_or_else(|failed| std::panic::resume_unwind(failed.into_panic()));
        let Some(told) = told else { continue };
        assert!(late < SLACK, "{} under {fault:?} returned {late:?} after its deadline", errand.verb);
        match &told {
            Ok(answer) => panic!("{} under {fault:?} answered {answer:?}, which it can't know", errand.verb),
            Err(error) => assert_silent(harness, error, &errand.key),
        }
        outcomes.push((errand, told));
    }
    drop(in_force);
    // What was under way arrives now; give it time to, since it may come after the first load.
    let settled = Hand::of(harness);
    for _ in 0..5 {
        tokio::time::sleep(Duration::from_millis(40)).await;
        settled.load(&dice.key()).await;
    }
    for (errand, told) in &outcomes {
        if WRITES.contains(&errand.verb) {
            errand.judge(&settled, told).await;
        }
    }
    for hand in [&warm, &fresh] {
        let key = dice.key();
        hand.put(&key, &dice.live(at)).await;
        let (errand, _) = &outcomes[0];
        assert_eq!(hand.load(&errand.key).await, settled.load(&errand.key).await, "a handle is out of step");
        assert!(hand.load(&key).await.is_some());
    }
}

/// A server that stands still holds up nobody beyond the budget; see the sources for what else is looked at.
pub async fn a_frozen_server_costs_the_budget_and_no_more(harness: &dyn Harness) {
    outlast(harness, Fault::Freeze).await;
}

/// Replies that do not come: as above.
pub async fn replies_that_stay_away_cost_the_budget_and_no_more(harness: &dyn Harness) {
    outlast(harness, Fault::StallReplies).await;
}

/// Requests that do not arrive: as above. They may arrive later, so "nothing was applied" would be a lie.
pub async fn requests_that_do_not_arrive_cost_the_budget_and_no_more(harness: &dyn Harness) {
    outlast(harness, Fault::StallRequests).await;
}

/// A write that was applied and whose reply was lost is `Unknown` (or found out to be done), never "stale", "exists" or
/// failed; its commit id is in the record, and it was applied once.
pub async fn a_lost_reply_is_never_told_as_a_failure(harness: &dyn Harness) {
    let (mut dice, hand) = (Dice::new(), Hand::of(harness));
    let at = hand.now().await;
    for verb in WRITES {
        let errand = Errand::new(verb, &mut dice, at);
        errand.prepare(&hand).await;
        // What a verb needs at its first use only (a script, a prepared statement) is not what is to be lost.
        let first = Errand::new(verb, &mut dice, at);
        first.prepare(&hand).await;
        if let Some(Err(error)) = first.run(&*hand.0, budget()).await {
            panic!("{verb} failed on a healthy store: {error} ({error:?})");
        }
        let Some(in_force) = InForce::begin(harness, Fault::LoseReply) else { return };
        let told = errand.run(&*hand.0, Budget::of(Duration::from_secs(2))).await;
        drop(in_force);
        let Some(told) = told else { continue };
        match &told {
            Err(error @ StoreError::Unknown { .. }) => assert_silent(harness, error, &errand.key),
            Ok(answer) => assert!(["Done", "true"].contains(&answer.as_str()), "{verb} was applied, and said {answer}"),
            Err(error) => panic!("{verb} was applied, and said {error}"),
        }
        errand.judge(&hand, &told).await;
        assert_ne!(hand.load(&errand.key).await, errand.before, "{verb} reached the server and was not applied");
    }
    // A read is no risk: it may be tried again, but must not be answered wrongly.
    let errand = Errand::new("load", &mut dice, at);
    errand.prepare(&hand).await;
    if let Some(_in_force) = InForce::begin(harness, Fault::LoseReply)
        && let Ok(loaded) = hand.0.load(Budget::of(Duration::from_secs(2)), &errand.key).await
    {
        assert_eq!(loaded.record, errand.before, "a load whose reply was lost");
    }
}

/// Connections that were cut while they lay idle are noticed and made anew; the caller sees nothing of it.
pub async fn a_cut_connection_is_mended_unnoticed(harness: &dyn Harness) {
    let (mut dice, hand) = (Dice::new(), Hand::of(harness));
    let at = hand.now().await;
    for verb in WRITES.iter().chain(&OTHERS) {
        let errand = Errand::new(verb, &mut dice, at);
        errand.prepare(&hand).await;
        if InForce::begin(harness, Fault::Cut).is_none() {
            return;
        }
        // The farewell takes its way through the kernel.
        tokio::time::sleep(Duration::from_millis(20)).await;
        match errand.run(&*hand.0, budget()).await {
            Some(Err(error)) => panic!("{verb} on a connection that had been cut while idle: {error} ({error:?})"),
            Some(Ok(told)) => errand.judge(&hand, &Ok(told)).await,
            None => {}
        }
    }
}

/// A dropped table is made anew by whatever verb comes first, which answers as on an empty store.
pub async fn a_dropped_schema_is_made_anew(harness: &dyn Harness) {
    let (mut dice, hand) = (Dice::new(), Hand::of(harness));
    let at = hand.now().await;
    for verb in WRITES.iter().chain(&OTHERS) {
        let errand = Errand::new(verb, &mut dice, at);
        errand.prepare(&hand).await;
        if InForce::begin(harness, Fault::DropSchema).is_none() {
            return;
        }
        let expected = match *verb {
            "create" => "Done",
            "swap" | "touch" => "Stale",
            "end" => "Absent",
            "remove" => "false",
            "load" => "None",
            _ => "",
        };
        match errand.run(&*hand.0, budget()).await {
            Some(Err(error)) => panic!("{verb} after the tables were dropped: {error} ({error:?})"),
            Some(Ok(told)) if !expected.is_empty() => {
                assert_eq!(told, expected, "{verb} after the tables were dropped")
            }
            _ => {}
        }
        hand.put(&dice.key(), &dice.live(at)).await;
    }
}

/// Where no server is, that is said within the budget, and never that a write may have been applied when nothing could be
/// sent. When it is back, handles from before go on.
pub async fn an_absent_server_is_told_and_its_return_noticed(harness: &dyn Harness) {
    let (mut dice, warm) = (Dice::new(), Hand::of(harness));
    let at = warm.now().await;
    let errands = WRITES.iter().chain(&OTHERS).map(|verb| Errand::new(verb, &mut dice, at)).collect::<Vec<_>>();
    for errand in &errands {
        errand.prepare(&warm).await;
    }
    let Some(in_force) = InForce::begin(harness, Fault::Kill) else { return };
    let fresh = Hand::of(harness);
    let mut outcomes = Vec::new();
    for errand in &errands {
        for hand in [&fresh, &warm] {
            let budget = Budget::of(TIME);
            let Some(told) = errand.run(&*hand.0, budget).await else { continue };
            let late = Instant::now().saturating_duration_since(budget.deadline());
            assert!(late < SLACK, "{} with no server returned {late:?} after its deadline", errand.verb);
            match &told {
                Ok(answer) => panic!("{} with no server answered {answer:?}", errand.verb),
                Err(StoreError::Unknown { .. }) if std::ptr::eq(hand, &fresh) => {
                    panic!("{} can't have sent anything, and says that it may have been applied", errand.verb)
                }
                Err(error) => assert_silent(harness, error, &errand.key),
            }
            outcomes.push((errand, told));
        }
    }
    drop(in_force);
    for hand in [&warm, &fresh] {
        for (errand, told) in outcomes.iter().filter(|(e, _)| WRITES.contains(&e.verb)) {
            errand.judge(hand, told).await;
        }
        hand.put(&dice.key(), &dice.live(at)).await;
    }
}

/// A server killed in the midst of writes: every write that it acknowledged is there when it is back, and none is half
/// there.
pub async fn nothing_acknowledged_is_lost_by_a_killed_server(harness: &dyn Harness) {
    let hand = Hand::of(harness);
    let at = hand.now().await;
    // Tried out first, since there is no other way to know; the handle then meets a server that was started again.
    let Some(faults) = harness.faults().filter(|_| InForce::begin(harness, Fault::Kill).is_some()) else { return };
    let payload = |n: u64| n.to_be_bytes().repeat(400);
    let writers = race(harness, 4, move |_, hand| async move {
        let mut dice = Dice::new();
        let mut acknowledged = Vec::new();
        loop {
            let (key, mut record) = (dice.key(), dice.live(at));
            record.envelope = payload(0);
            let limit = || Budget::of(Duration::from_secs(1));
            if !matches!(hand.0.create(limit(), &key, &record, at).await, Ok(Created::Done)) {
                return acknowledged;
            }
            for n in 1..6 {
                acknowledged.push((key, n - 1));
                let new = next(&record, payload(n));
                if !matches!(hand.0.swap(limit(), &key, record.version, &new, at).await, Ok(Swapped::Done)) {
                    return acknowledged;
                }
                record = new;
            }
            acknowledged.push((key, 5));
        }
    });
    let kill = async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        faults.begin(Fault::Kill).is_ok()
    };
    let (acknowledged, killed) = tokio::join!(writers, kill);
    assert!(killed, "the harness could kill the server once and can't any more");
    faults.end(Fault::Kill);
    let mut writes = 0;
    for (key, n) in acknowledged.into_iter().flatten() {
        let found = hand.load(&key).await.unwrap_or_else(|| panic!("a record that was acknowledged is gone"));
        let told = found.envelope.first_chunk::<8>().map_or(0, |b| u64::from_be_bytes(*b));
        assert!(told >= n, "write {n} of a record was acknowledged, and write {told} is there");
        assert_eq!(found.envelope, payload(told), "a write is half there");
        writes += 1;
    }
    assert!(writes > 20, "only {writes} writes were acknowledged before the server was killed; that proves nothing");
}
