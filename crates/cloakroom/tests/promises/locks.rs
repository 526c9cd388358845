//! Locks: strict order where a site asks for it, nobody refused for it, and nobody kept waiting by the dead.

use std::cell::Cell;
use std::future::Future;
use std::time::Duration;

use cloakroom::lock::Other;
use cloakroom::store::{Holder, LeaseName, LeaseOutcome, Leases, TallyKind};
use cloakroom::{
    CaughtUp, Committed, Concurrency, LockPaths, Locked, Locks, NotLocked, Opening, Policy, Scope, SessionId, Store,
    StoreError, Unlocked, Waited, Waiting,
};

use super::{LIFETIME, PHP, Site, budget, owner, site, vars};

/// What each attempt at the store may take.
const TIME: Duration = Duration::from_secs(5);
/// Ample, and with the test's own clock paused no time at all.
const PATIENT: Waiting = Waiting { lease: Duration::from_secs(30), wait: Duration::from_secs(60) };
/// One attempt.
const AT_ONCE: Waiting = Waiting { lease: Duration::from_secs(30), wait: Duration::ZERO };

impl Site {
    async fn lock(&self, locks: &mut Locks, id: &SessionId, scope: &Scope, waiting: Waiting) -> Locked {
        self.engine.lock(locks, TIME, &self.engine.key_of(id), scope, waiting).await
    }

    async fn unlock(&self, locks: &mut Locks, id: &SessionId, scope: &Scope) -> Unlocked {
        self.engine.unlock(locks, budget(), &self.engine.key_of(id), scope).await.expect("the store answers")
    }

    /// A lease as another process has it.
    async fn taken_by(&self, id: &SessionId, token: u64, holder: Holder) {
        let name = LeaseName::of(&self.engine.key_of(id), b"session");
        let taken = self.store.take(budget(), &name, token, holder, PATIENT.lease, None).await.expect("taken");
        assert!(matches!(taken, LeaseOutcome::Taken(_)), "{taken:?}");
    }

    /// Label, count and sum of the waits counted so far.
    async fn waits(&self) -> Vec<(String, u64, Duration)> {
        self.engine.flush_reports(budget()).await.expect("flushed");
        let tallies = self.store.reports().expect("reports").read(budget(), TallyKind::Wait, 0, 100).await;
        tallies.expect("read").into_iter().map(|t| (t.label, t.count, Duration::from_micros(t.sum))).collect()
    }
}

/// A process that does nothing, until the test ends.
struct Sleeper(std::process::Child);

impl Sleeper {
    fn start() -> (Self, Holder) {
        let process = std::process::Command::new("sleep").arg("600").stdout(std::process::Stdio::null()).spawn();
        let this = Self(process.expect("sleep starts"));
        let holder = Holder::of_process(this.0.id()).expect("it runs");
        (this, holder)
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The number in `n|i:NUMBER;`.
fn number(payload: &[u8]) -> i64 {
    let text = std::str::from_utf8(payload).expect("text");
    text.strip_prefix("n|i:").and_then(|t| t.strip_suffix(';')).and_then(|t| t.parse().ok()).expect("a number")
}

/// Runs all at once on this thread, as tasks of one runtime.
async fn together(tasks: Vec<impl Future<Output = ()>>) {
    let mut tasks: Vec<_> = tasks.into_iter().map(|task| (Box::pin(task), false)).collect();
    std::future::poll_fn(|context| {
        for (task, done) in tasks.iter_mut().filter(|(_, done)| !done) {
            *done = task.as_mut().poll(context).is_ready();
        }
        if tasks.iter().all(|(_, done)| *done) { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
}

/// 50 requests that each read a number, work for a while, and write it raised by one; what is there in the end.
async fn fifty_increments(site: &Site, locking: bool) -> i64 {
    let id = &site.stored(b"n|i:0;", None).await;
    let inside = &Cell::new(0);
    let request = || async move {
        let mut locks = Locks::default();
        let mut session = if locking {
            let (opening, locked) = site.engine.open_locked(&mut locks, TIME, id, LIFETIME, PATIENT).await;
            assert!(locked.is_held(), "{locked:?}");
            inside.set(inside.get() + 1);
            assert_eq!(inside.get(), 1, "two have the lock");
            let Opening::Live(session) = opening else { panic!("{opening:?}") };
            session
        } else {
            site.live(id).await
        };
        tokio::time::sleep(Duration::from_millis(7)).await;
        let payload = vars(&[("n", number(session.payload()) + 1)]);
        let committed = site.commit(&mut session, &payload).await;
        if locking {
            assert_eq!(committed, Committed::Written, "a locked commit met another");
            inside.set(inside.get() - 1);
            assert!(site.engine.unlock_all(&mut locks, budget()).await.expect("given back"));
        }
    };
    together((0..50).map(|_| request()).collect()).await;
    number(site.live(id).await.payload())
}

#[tokio::test(start_paused = true)]
async fn fifty_locked_increments_are_fifty() {
    assert_eq!(fifty_increments(&site(), true).await, 50);
    // Without the lock the last one wins, or this test would show nothing.
    assert!(fifty_increments(&site(), false).await < 50);
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_runs_out_goes_on_by_merging_and_says_so() {
    let site = site();
    let id = site.stored(&vars(&[("a", 1)]), None).await;
    let (mut one, mut two) = (Locks::default(), Locks::default());
    assert_eq!(site.lock(&mut one, &id, &Scope::Session, PATIENT).await, Locked::Held(Waited::default()));
    let began = tokio::time::Instant::now();
    let wait = Duration::from_secs(10);
    let (opening, locked) = site.engine.open_locked(&mut two, TIME, &id, LIFETIME, Waiting { wait, ..PATIENT }).await;
    let Locked::Merging(NotLocked::WaitedOut, waited) = locked else { panic!("{locked:?}") };
    assert!(began.elapsed() >= wait && began.elapsed() < wait + Duration::from_millis(200), "{:?}", began.elapsed());
    assert!(waited.time >= wait, "{waited:?}");
    assert!(matches!(waited.other, Some(Other { dead: false, same_host: true, .. })), "{waited:?}");
    assert!(!two.holds(&site.engine.key_of(&id), &Scope::Session) && two.is_empty());

    let Opening::Live(mut late) = opening else { panic!("{opening:?}") };
    let mut first = site.live(&id).await;
    assert_eq!(site.commit(&mut first, &vars(&[("a", 1), ("b", 2)])).await, Committed::Written);
    let merged = site.commit(&mut late, &vars(&[("a", 1), ("c", 3)])).await;
    assert_eq!(merged, Committed::Merged { conflicts: vec![] });
    assert_eq!(site.live(&id).await.payload(), vars(&[("a", 1), ("b", 2), ("c", 3)]));

    let waits = site.waits().await;
    assert_eq!(waits.len(), 1, "only who waited is counted: {waits:?}");
    assert_eq!((waits[0].0.as_str(), waits[0].1), ("session, not had", 1));
    assert!(waits[0].2 >= wait && waits[0].2 < wait + Duration::from_millis(200), "{waits:?}");
}

#[tokio::test(start_paused = true)]
async fn a_lock_given_back_is_had_within_a_blink_by_who_waits() {
    let site = &site();
    let id = &site.stored(b"n|i:0;", None).await;
    let mut first = Locks::default();
    site.lock(&mut first, id, &Scope::Session, PATIENT).await;
    // Who has waited for long is not behind newcomers; often enough that chance does not hide it.
    for (held, blink) in [(5, 20), (2_000, 55)].into_iter().chain([(40_000, 20); 8]) {
        let held = Duration::from_millis(held);
        let giving = async {
            tokio::time::sleep(held).await;
            assert_eq!(site.unlock(&mut first, id, &Scope::Session).await, Unlocked::Given);
        };
        let mut second = Locks::default();
        let (_, locked) = tokio::join!(giving, site.lock(&mut second, id, &Scope::Session, PATIENT));
        let Locked::Held(waited) = locked else { panic!("{locked:?}") };
        assert!(waited.time >= held && waited.time < held + Duration::from_millis(blink), "{held:?}: {waited:?}");
        first = second;
    }
    let waits = site.waits().await;
    assert_eq!((waits[0].0.as_str(), waits[0].1), ("session", 10));
    assert!(waits[0].2 >= Duration::from_millis(322_005), "{waits:?}");
}

#[tokio::test]
async fn a_lock_is_taken_again_by_its_request_and_given_back_as_often() {
    let site = site();
    let id = site.stored(b"n|i:0;", None).await;
    let (mut one, mut two) = (Locks::default(), Locks::default());
    for _ in 0..2 {
        assert!(site.lock(&mut one, &id, &Scope::Session, AT_ONCE).await.is_held());
    }
    assert_eq!(site.unlock(&mut one, &id, &Scope::Session).await, Unlocked::StillHeld);
    assert!(!site.lock(&mut two, &id, &Scope::Session, AT_ONCE).await.is_held());
    assert_eq!(site.unlock(&mut one, &id, &Scope::Session).await, Unlocked::Given);
    assert_eq!(site.unlock(&mut one, &id, &Scope::Session).await, Unlocked::NotHeld);
    assert!(site.lock(&mut two, &id, &Scope::Session, AT_ONCE).await.is_held());
}

#[tokio::test]
async fn a_lock_is_not_given_back_by_another_request() {
    let site = site();
    let id = site.stored(b"n|i:0;", None).await;
    let (mut one, mut two) = (Locks::default(), Locks::default());
    assert!(site.lock(&mut one, &id, &Scope::Session, AT_ONCE).await.is_held());
    assert!(!site.lock(&mut two, &id, &Scope::Session, AT_ONCE).await.is_held());
    assert_eq!(site.unlock(&mut two, &id, &Scope::Session).await, Unlocked::NotHeld);
    assert!(site.engine.unlock_all(&mut two, budget()).await.expect("answered"));
    let name = LeaseName::of(&site.engine.key_of(&id), b"session");
    assert!(!site.store.release(budget(), &name, 7).await.expect("answered"));
    assert!(!site.lock(&mut two, &id, &Scope::Session, AT_ONCE).await.is_held());
}

#[tokio::test]
async fn a_path_s_lock_keeps_only_that_path() {
    let site = site();
    let id = site.stored(b"n|i:0;", None).await;
    let other = site.stored(b"n|i:0;", None).await;
    let (mut one, mut two) = (Locks::default(), Locks::default());
    let (cart, user) = (Scope::Path("cart.items".into()), Scope::Path("user".into()));
    assert!(site.lock(&mut one, &id, &cart, AT_ONCE).await.is_held());
    assert!(!site.lock(&mut two, &id, &cart, AT_ONCE).await.is_held());
    for (id, scope) in [(&id, &user), (&id, &Scope::Session), (&other, &cart)] {
        assert!(site.lock(&mut two, id, scope, AT_ONCE).await.is_held(), "{scope:?}");
    }
    // What is below the first level is nobody's business.
    assert_eq!(site.waits().await[0].0, "path:cart.*, not had");
    assert!(site.engine.unlock_all(&mut two, budget()).await.expect("given back"));
    assert!(two.is_empty());
    assert!(site.lock(&mut one, &id, &user, AT_ONCE).await.is_held());
}

#[tokio::test]
async fn a_killed_holder_is_displaced_at_once_and_a_living_one_never() {
    let site = site();
    let id = site.stored(b"n|i:0;", None).await;
    let (mut sleeper, holder) = Sleeper::start();
    site.taken_by(&id, 77, holder).await;
    let mut locks = Locks::default();
    let alive = site.lock(&mut locks, &id, &Scope::Session, AT_ONCE).await;
    assert!(matches!(alive.waited().other, Some(Other { dead: false, same_host: true, .. })), "{alive:?}");
    assert!(!alive.is_held());

    sleeper.0.kill().expect("killed");
    // Its parent has not asked how it ended yet, so it is a zombie: dead all the same, as soon as the kernel is done.
    while !holder.is_known_dead(&Holder::current()) {
        tokio::task::yield_now().await;
    }
    let began = std::time::Instant::now();
    let (opening, locked) = site.engine.open_locked(&mut locks, TIME, &id, LIFETIME, PATIENT).await;
    assert!(matches!(opening, Opening::Live(_)), "{opening:?}");
    let Locked::Held(Waited { other: Some(other), .. }) = locked else { panic!("{locked:?}") };
    assert_eq!(other, Other { holder, since: other.since, same_host: true, dead: true });
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    assert!(site.engine.unlock_all(&mut locks, budget()).await.expect("given back"));

    sleeper.0.wait().expect("ended");
    assert!(holder.is_known_dead(&Holder::current()));
    assert_eq!(Holder::of_process(holder.pid), None);
}

#[tokio::test]
async fn a_holder_dies_while_others_wait_and_they_go_on() {
    let site = site();
    let id = site.stored(b"n|i:0;", None).await;
    let (mut sleeper, holder) = Sleeper::start();
    site.taken_by(&id, 77, holder).await;
    let mut locks = Locks::default();
    let dying = async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        sleeper.0.kill().expect("killed");
    };
    let (locked, ()) = tokio::join!(site.lock(&mut locks, &id, &Scope::Session, PATIENT), dying);
    assert!(locked.is_held(), "{locked:?}");
    assert!(locked.waited().time < Duration::from_secs(5), "{locked:?}");
}

#[tokio::test]
async fn a_holder_elsewhere_is_waited_for_until_its_lease_runs_out() {
    let site = site();
    let id = site.stored(b"n|i:0;", None).await;
    // A process id that is surely not here, on a host that is not this one or not known.
    for (token, host) in [(1, [9; 16]), (2, [0; 16])] {
        site.taken_by(&id, token, Holder { host, pid: u32::MAX, started: 1 }).await;
        let mut locks = Locks::default();
        let locked = site.lock(&mut locks, &id, &Scope::Session, AT_ONCE).await;
        assert!(!locked.is_held(), "{locked:?}");
        assert!(matches!(locked.waited().other, Some(Other { dead: false, same_host: false, .. })), "{locked:?}");
        site.advance(30);
        assert!(site.lock(&mut locks, &id, &Scope::Session, AT_ONCE).await.is_held());
        assert!(site.engine.unlock_all(&mut locks, budget()).await.expect("given back"));
    }
}

#[tokio::test]
async fn what_an_earlier_request_of_a_lone_process_left_is_taken_over() {
    let site = site();
    let id = site.stored(b"n|i:0;", None).await;
    let mut left = Locks::alone_in_process();
    assert!(site.lock(&mut left, &id, &Scope::Session, AT_ONCE).await.is_held());
    drop(left);
    // Who shares the process with others can't know.
    assert!(!site.lock(&mut Locks::default(), &id, &Scope::Session, AT_ONCE).await.is_held());
    assert!(site.lock(&mut Locks::alone_in_process(), &id, &Scope::Session, AT_ONCE).await.is_held());
    site.advance(30);
    // Another process on this host is not meant.
    let init = Holder { pid: 1, started: 0, ..Holder::current() };
    let other = Holder::of_process(1).unwrap_or(init);
    site.taken_by(&id, 5, other).await;
    assert!(!site.lock(&mut Locks::alone_in_process(), &id, &Scope::Session, AT_ONCE).await.is_held());
}

#[tokio::test(start_paused = true)]
async fn a_lock_that_is_kept_does_not_run_out_under_a_long_request() {
    let site = site();
    let id = site.stored(b"n|i:0;", None).await;
    let (mut one, mut two) = (Locks::default(), Locks::default());
    site.lock(&mut one, &id, &Scope::Session, AT_ONCE).await;
    for _ in 0..10 {
        for step in [14, 2] {
            tokio::time::advance(Duration::from_secs(step)).await;
            site.advance(step);
            assert!(site.engine.keep(&mut one, budget()).await.expect("answered"));
        }
        assert!(!site.lock(&mut two, &id, &Scope::Session, AT_ONCE).await.is_held());
    }
    assert_eq!(site.unlock(&mut one, &id, &Scope::Session).await, Unlocked::Given);
}

#[tokio::test(start_paused = true)]
async fn a_lock_that_ran_out_is_told_to_who_had_it() {
    let key = |site: &Site, id: &SessionId| site.engine.key_of(id);
    for (taken_meanwhile, given_back) in [(false, false), (true, false), (true, true)] {
        let site = site();
        let id = site.stored(b"n|i:0;", None).await;
        let (mut one, mut two) = (Locks::default(), Locks::default());
        site.lock(&mut one, &id, &Scope::Session, AT_ONCE).await;
        tokio::time::advance(Duration::from_secs(31)).await;
        site.advance(31);
        if taken_meanwhile {
            assert!(site.lock(&mut two, &id, &Scope::Session, AT_ONCE).await.is_held());
        }
        if given_back {
            assert_eq!(site.unlock(&mut two, &id, &Scope::Session).await, Unlocked::Given);
        }
        assert!(!site.engine.keep(&mut one, budget()).await.expect("answered"), "{taken_meanwhile} {given_back}");
        assert!(!one.holds(&key(&site, &id), &Scope::Session));
        assert_eq!(site.unlock(&mut one, &id, &Scope::Session).await, Unlocked::NotHeld);
        let waits = site.waits().await;
        assert_eq!((waits[0].0.as_str(), waits[0].1), ("session, ran out while held", 1));
        // Nobody is kept out by what it left.
        assert!(taken_meanwhile && !given_back || site.lock(&mut two, &id, &Scope::Session, AT_ONCE).await.is_held());
    }
    // Without `keep`, giving back tells it.
    let site = site();
    let id = site.stored(b"n|i:0;", None).await;
    let mut locks = Locks::default();
    site.lock(&mut locks, &id, &Scope::Session, AT_ONCE).await;
    site.advance(31);
    assert_eq!(site.unlock(&mut locks, &id, &Scope::Session).await, Unlocked::Lapsed);
}

#[tokio::test(start_paused = true)]
async fn a_followed_session_is_locked_under_its_new_key() {
    let site = &site();
    let id = site.stored(b"n|i:1;", owner("42")).await;
    let mut rotating = site.live(&id).await;
    let (_, new) = site.rotate(&mut rotating, b"n|i:1;").await;
    let mut holder = Locks::default();
    assert!(site.lock(&mut holder, &new, &Scope::Session, PATIENT).await.is_held());
    let giving = async {
        tokio::time::sleep(Duration::from_secs(3)).await;
        site.commit(&mut rotating, b"n|i:2;").await;
        site.unlock(&mut holder, &new, &Scope::Session).await;
    };
    let mut locks = Locks::default();
    let ((opening, locked), ()) =
        tokio::join!(site.engine.open_locked(&mut locks, TIME, &id, LIFETIME, PATIENT), giving);
    assert!(locked.is_held() && locked.waited().time >= Duration::from_secs(3), "{locked:?}");
    let Opening::Follow(session) = opening else { panic!("{opening:?}") };
    assert_eq!((*session.key(), session.payload()), (site.engine.key_of(&new), &b"n|i:2;"[..]));
    assert!(locks.holds(session.key(), &Scope::Session));
    assert!(!locks.holds(&site.engine.key_of(&id), &Scope::Session));
}

#[tokio::test]
async fn what_opens_to_nothing_is_not_kept_locked() {
    let site = site();
    let id = SessionId::draw().expect("randomness");
    let mut locks = Locks::default();
    let (opening, _) = site.engine.open_locked(&mut locks, TIME, &id, LIFETIME, PATIENT).await;
    assert!(matches!(opening, Opening::Absent(_)), "{opening:?}");
    assert!(locks.is_empty());
    assert!(site.lock(&mut Locks::default(), &id, &Scope::Session, AT_ONCE).await.is_held());
}

#[tokio::test]
async fn who_locks_in_the_middle_catches_up_with_what_others_wrote() {
    let site = site();
    let id = site.stored(&vars(&[("n", 1), ("a", 1)]), owner("42")).await;
    let mut session = site.live(&id).await;
    let mut other = site.live(&id).await;
    site.commit(&mut other, &vars(&[("n", 2), ("a", 1)])).await;

    let mut locks = Locks::default();
    assert!(site.lock(&mut locks, &id, &Scope::Path("n".into()), AT_ONCE).await.is_held());
    let mine = vars(&[("n", 1), ("a", 5)]);
    let caught = session.catch_up(&site.engine, budget(), &mine, PHP).await.expect("the store answers");
    let CaughtUp::Changed(now) = caught else { panic!("{caught:?}") };
    assert_eq!((now.payload, now.conflicts), (vars(&[("n", 2), ("a", 5)]), vec![]));
    assert_eq!(session.owner(), owner("42").as_ref());
    let raised = vars(&[("n", 3), ("a", 5)]);
    let again = session.catch_up(&site.engine, budget(), &raised, PHP).await.expect("the store answers");
    assert_eq!(again, CaughtUp::Same);
    assert_eq!(site.commit(&mut session, &raised).await, Committed::Written);
    assert_eq!(site.live(&id).await.payload(), raised);
}

#[tokio::test]
async fn catching_up_brings_what_an_own_commit_had_merged_in() {
    let site = site();
    let id = site.stored(&vars(&[("a", 1)]), None).await;
    let (mut session, mut other) = (site.live(&id).await, site.live(&id).await);
    site.commit(&mut other, &vars(&[("a", 1), ("b", 2)])).await;
    let mine = vars(&[("a", 1), ("c", 3)]);
    site.commit(&mut session, &mine).await;
    let caught = session.catch_up(&site.engine, budget(), &mine, PHP).await.expect("the store answers");
    let CaughtUp::Changed(now) = caught else { panic!("{caught:?}") };
    assert_eq!(now.payload, vars(&[("a", 1), ("b", 2), ("c", 3)]));
    assert_eq!(site.commit(&mut session, &now.payload).await, Committed::Unchanged);
}

#[tokio::test]
async fn who_logs_in_before_catching_up_is_logged_in_afterwards() {
    let site = site();
    let id = site.stored(&vars(&[("a", 1)]), None).await;
    let (mut session, mut other) = (site.live(&id).await, site.live(&id).await);
    site.commit(&mut other, &vars(&[("a", 1), ("b", 2)])).await;
    session.set_owner(owner("42"));
    session.catch_up(&site.engine, budget(), &vars(&[("a", 1)]), PHP).await.expect("the store answers");
    assert_eq!(session.owner(), owner("42").as_ref());
    assert_eq!(site.commit(&mut session, &vars(&[("a", 1), ("b", 2)])).await, Committed::Written);
    assert_eq!(site.live(&id).await.owner(), owner("42").as_ref());
}

#[tokio::test]
async fn catching_up_reads_nothing_of_where_a_session_has_moved() {
    let site = site();
    let id = site.stored(&vars(&[("a", 1)]), None).await;
    let (mut session, mut rotating) = (site.live(&id).await, site.live(&id).await);
    site.rotate(&mut rotating, &vars(&[("a", 1), ("secret", 2)])).await;
    let mine = vars(&[("a", 1)]);
    let caught = session.catch_up(&site.engine, budget(), &mine, PHP).await.expect("the store answers");
    assert_eq!((caught, session.payload()), (CaughtUp::NotLive, &mine[..]));
}

#[tokio::test]
async fn catching_up_revives_nothing() {
    let site = site();
    let id = site.stored(&vars(&[("a", 1)]), None).await;
    let (mut session, mut ending) = (site.live(&id).await, site.live(&id).await);
    ending.end(&site.engine, budget(), cloakroom::EndKind::Destroyed).await.expect("ended");
    let mine = vars(&[("a", 2)]);
    let caught = session.catch_up(&site.engine, budget(), &mine, PHP).await.expect("the store answers");
    assert_eq!(caught, CaughtUp::NotLive);
    assert_eq!(site.commit(&mut session, &mine).await, Committed::Dropped(cloakroom::Dropped::Ended));
}

#[test]
fn a_site_locks_all_or_the_paths_that_it_names() {
    assert!(!Policy::default().locks("/checkout"));
    assert!(Policy { concurrency: Concurrency::Lock, ..Policy::default() }.locks("/"));
    let some = Policy { lock_paths: LockPaths::parse("/checkout").expect("a list"), ..Policy::default() };
    assert!(some.locks("/checkout/pay") && !some.locks("/shop"));
}

#[tokio::test]
async fn a_store_that_can_t_lock_is_told_and_merged_on() {
    for (store, expected) in [
        (faulty::Store::NoLeases, "has no leases"),
        (faulty::Store::Refuses, "could not be locked"),
        (faulty::Store::LosesReplies, "could not be locked"),
    ] {
        let (site, engine) = faulty::over(store);
        let id = site.stored(&vars(&[("n", 1)]), None).await;
        let mut locks = Locks::default();
        let (_, locked) = engine.open_locked(&mut locks, TIME, &id, LIFETIME, PATIENT).await;
        let Locked::Merging(why, _) = &locked else { panic!("{locked:?}") };
        assert!(why.to_string().contains(expected) && why.to_string().contains("is merged"), "{why}");
        assert!(!locks.holds(&engine.key_of(&id), &Scope::Session));
        // The lease whose reply was lost is given back nevertheless.
        assert_eq!(locks.is_empty(), store != faulty::Store::LosesReplies);
        engine.unlock_all(&mut locks, budget()).await.expect("answered");
        assert!(site.lock(&mut Locks::default(), &id, &Scope::Session, AT_ONCE).await.is_held());
    }
}

/// A store whose leases fail in some way.
mod faulty {
    use std::sync::Arc;

    use async_trait::async_trait;
    use cloakroom::store::*;
    use cloakroom::{Engine, Key, MemoryStore, Record, Time, Tombstone, Version};

    use super::{Duration, Site, StoreError, site};

    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub(super) enum Store {
        NoLeases,
        Refuses,
        LosesReplies,
    }

    #[derive(Debug)]
    struct Faulty(MemoryStore, Store);

    pub(super) fn over(fault: Store) -> (Site, Engine) {
        let site = site();
        let engine = Engine::builder(Arc::new(Faulty(site.store.clone(), fault))).clock(site.clock.clone()).build();
        (site, engine)
    }

    type Result<T> = std::result::Result<T, StoreError>;

    #[async_trait]
    impl cloakroom::Store for Faulty {
        fn describe(&self) -> Description {
            self.0.describe()
        }
        async fn now(&self, budget: Budget) -> Result<Time> {
            self.0.now(budget).await
        }
        async fn load(&self, budget: Budget, key: &Key) -> Result<Loaded> {
            self.0.load(budget, key).await
        }
        async fn create(&self, budget: Budget, key: &Key, record: &Record, seen: Time) -> Result<Created> {
            self.0.create(budget, key, record, seen).await
        }
        async fn swap(&self, b: Budget, key: &Key, old: Version, record: &Record, seen: Time) -> Result<Swapped> {
            self.0.swap(b, key, old, record, seen).await
        }
        async fn touch(&self, b: Budget, key: &Key, old: Version, touched: Time, idle: Time) -> Result<Touched> {
            self.0.touch(b, key, old, touched, idle).await
        }
        async fn end(&self, budget: Budget, key: &Key, tombstone: &Tombstone) -> Result<Ended> {
            self.0.end(budget, key, tombstone).await
        }
        async fn sweep(&self, budget: Budget, limit: u32) -> Result<Swept> {
            cloakroom::Store::sweep(&self.0, budget, limit).await
        }
        fn leases(&self) -> Option<&dyn Leases> {
            (self.1 != Store::NoLeases).then_some(self)
        }
    }

    #[async_trait]
    impl Leases for Faulty {
        async fn take(
            &self,
            budget: Budget,
            name: &LeaseName,
            token: u64,
            holder: Holder,
            time: Duration,
            displacing: Option<u64>,
        ) -> Result<LeaseOutcome> {
            if self.1 == Store::Refuses {
                return Err(StoreError::Refused { engine: "test", detail: "no".into() });
            }
            self.0.take(budget, name, token, holder, time, displacing).await?;
            Err(StoreError::Unknown { engine: "test", detail: "the reply was lost".into() })
        }

        async fn release(&self, budget: Budget, name: &LeaseName, token: u64) -> Result<bool> {
            self.0.release(budget, name, token).await
        }
    }
}
