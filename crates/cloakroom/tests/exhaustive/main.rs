//! The commit protocol, checked exhaustively on the engine itself: up to three requests on one session, every order in
//! which their verbs can reach the store, lost replies, lost requests, failures, deaths, evictions and passing time.
//! `docs/protocol.md` says what is covered, and how.

mod explore;
mod gate;
mod history;
mod oracle;
mod payload;
mod requests;
mod world;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use cloakroom::Lifetime;

use explore::{Broke, Seen, explore};
use requests::Page;
use world::{Case, Settings, Start};

const LIFETIME: Lifetime = Lifetime { idle: Duration::from_secs(7200), absolute: Some(Duration::from_secs(5000)) };

fn case(start: Start, pages: Vec<Page>) -> Case {
    Case {
        start,
        pages,
        lifetime: LIFETIME,
        faults: 0,
        evictions: 0,
        passes: 0,
        steps: vec![61, 3601, 5001],
        broken: None,
        settings: Settings::default(),
    }
}

fn choose(count: usize) -> Vec<Vec<Page>> {
    fn more(from: usize, count: usize, so_far: &mut Vec<Page>, out: &mut Vec<Vec<Page>>) {
        if count == 0 {
            return out.push(so_far.clone());
        }
        for (at, page) in Page::ALL.iter().enumerate().skip(from) {
            so_far.push(*page);
            more(at, count - 1, so_far, out);
            so_far.pop();
        }
    }
    let mut out = Vec::new();
    more(0, count, &mut Vec::new(), &mut out);
    out
}

/// Explores all of them, on two threads; what was seen, and the first few promises that were broken.
fn run(cases: Vec<Case>, most: usize) -> (Seen, Vec<Broke>) {
    let next = AtomicUsize::new(0);
    let result = Mutex::new((Seen::default(), Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .enable_time()
                    .start_paused(true)
                    .build()
                    .expect("a runtime");
                loop {
                    let at = next.fetch_add(1, Ordering::SeqCst);
                    let Some(case) = cases.get(at) else { return };
                    let (seen, broke) = runtime.block_on(explore(case.clone()));
                    if std::env::var_os("CLOAKROOM_CHECK_CASES").is_some() {
                        println!(
                            "{} {:?} {:?} {} {} {}",
                            seen.states, case.start, case.pages, case.faults, case.evictions, case.passes
                        );
                        broke.iter().for_each(|broke| println!("{}", broke.text));
                    }
                    let mut result = result.lock().unwrap_or_else(PoisonError::into_inner);
                    result.0.states += seen.states;
                    result.0.ends += seen.ends;
                    result.0.runs += seen.runs;
                    result.1.extend(broke);
                    if result.1.len() >= most {
                        return;
                    }
                }
            });
        }
    });
    result.into_inner().unwrap_or_else(PoisonError::into_inner)
}

fn check(what: &str, cases: Vec<Case>) {
    let count = cases.len();
    let began = Instant::now();
    let (seen, broke) = run(cases, if std::env::var_os("CLOAKROOM_CHECK_ALL").is_some() { usize::MAX } else { 1 });
    println!(
        "{what}: {count} cases, {} states, {} ends, {} runs, {:?}",
        seen.states,
        seen.ends,
        seen.runs,
        began.elapsed()
    );
    let mut by_rule = std::collections::BTreeMap::<&str, usize>::new();
    for broke in &broke {
        let n = by_rule.entry(broke.rule).or_default();
        *n += 1;
        if *n <= 2 {
            println!("{}", broke.text);
        }
    }
    assert!(broke.is_empty(), "{what}: {by_rule:?}\n{}", broke[0].text);
}

/// The long variant, of `make check-long`: minutes instead of seconds.
fn long() -> bool {
    std::env::var_os("CLOAKROOM_CHECK_LONG").is_some()
}

/// Debug builds, some twenty times slower, take a part of it; `scripts/tests/15-exhaustive` runs the whole.
fn whole() -> bool {
    long() || !cfg!(debug_assertions)
}

const STARTS: [Start; 4] = [Start::Guest, Start::Owned, Start::LoggedIn, Start::Rotated];

/// Who comes twice has the most to interleave, so that is left to the long variant, where there is more than the order.
fn bounded(pages: &[Page]) -> bool {
    long() || !pages.contains(&Page::AttackAgain)
}

#[test]
fn one_request_with_two_mishaps_keeps_every_promise() {
    let mut cases = Vec::new();
    for start in STARTS {
        for pages in choose(1).into_iter().filter(|p| bounded(p)) {
            let plain = case(start, pages);
            cases.push(Case { faults: 2, ..plain.clone() });
            cases.push(Case { faults: 1, evictions: 1, ..plain.clone() });
            cases.push(Case { faults: 1, passes: 1, ..plain.clone() });
            cases.push(Case { evictions: 1, passes: 1, ..plain.clone() });
            if long() {
                cases.push(Case { faults: 2, evictions: 1, passes: 1, ..plain });
            }
        }
    }
    check("one request", cases);
}

#[test]
fn two_requests_in_every_order_keep_every_promise() {
    let pairs = choose(2).into_iter().filter(|p| whole() || bounded(p));
    let cases = pairs.flat_map(|pages| STARTS.map(|start| case(start, pages.clone()))).collect();
    check("two requests", cases);
}

#[test]
#[cfg_attr(debug_assertions, ignore = "takes an optimised build: scripts/tests/15-exhaustive")]
fn two_requests_and_a_mishap_keep_every_promise() {
    let starts: &[Start] = if long() { &STARTS } else { &STARTS[..2] };
    let mut cases = Vec::new();
    for start in starts {
        for pages in choose(2).into_iter().filter(|p| bounded(p)) {
            let plain = case(*start, pages);
            cases.push(Case { faults: 1, ..plain.clone() });
            cases.push(Case { evictions: 1, ..plain.clone() });
            cases.push(Case { passes: 1, ..plain });
        }
    }
    check("two requests and a mishap", cases);
}

/// Who is combined by threes in the short variant: one of each kind.
const SHORT: [Page; 8] = [
    Page::WriteX,
    Page::Append,
    Page::UnsetUser,
    Page::LogIn,
    Page::Rotate,
    Page::Destroy,
    Page::EmptyThenRotate,
    Page::EndOwner,
];

#[test]
#[cfg_attr(debug_assertions, ignore = "takes an optimised build: scripts/tests/15-exhaustive")]
fn three_requests_in_every_order_keep_every_promise() {
    let starts: &[Start] = if long() { &STARTS } else { &STARTS[..2] };
    let mut cases = Vec::new();
    for start in starts {
        for pages in choose(3).into_iter().filter(|p| long() || p.iter().all(|page| SHORT.contains(page))) {
            cases.push(case(*start, pages));
        }
    }
    // Those of every start first, so that a run that is ended early has seen all of them.
    cases.sort_by_key(|case| case.pages.iter().filter(|page| !SHORT.contains(page)).count());
    check("three requests", cases);
}

/// What is broken on purpose is found, by the promise that it breaks.
#[test]
fn the_checker_finds_what_is_broken() {
    use gate::Broken;
    let broken = [
        (Broken::IgnoresVersions, vec![Page::WriteX, Page::WriteY], 0, "no lost update"),
        (Broken::LosesCommitIds, vec![Page::Append, Page::Append], 1, "nothing twice"),
        (Broken::EndsByDeleting, vec![Page::WriteX, Page::EndKey], 0, "logged out"),
        (Broken::EndsNothing, vec![Page::EndKey], 0, "logged out"),
        (Broken::LiesAboutSwaps, vec![Page::WriteX, Page::WriteY], 0, "no lost update"),
        (Broken::CallsUnknownFailed, vec![Page::WriteX], 1, "truth"),
        (Broken::ForgetsEndedOwners, vec![Page::LogIn, Page::EndOwner], 0, "logged out"),
    ];
    for (broken, pages, faults, rule) in broken {
        let (_, broke) = run(vec![Case { faults, broken: Some(broken), ..case(Start::Guest, pages) }], 1);
        let found = broke.first().map(|b| b.rule);
        assert_eq!(found, Some(rule), "{broken:?}: {:?}", broke.first().map(|b| &b.text));
    }
    let merge = |settings: Settings, pages: Vec<Page>, start, rule| {
        let (_, broke) = run(vec![Case { settings, ..case(start, pages) }], 1);
        assert_eq!(broke.first().map(|b| b.rule), Some(rule), "{:?}", broke.first().map(|b| &b.text));
    };
    let blind = || Settings { merge: Some(std::sync::Arc::new(LastBlobWins)), ..Settings::default() };
    merge(blind(), vec![Page::WriteX, Page::WriteY], Start::Guest, "no lost update");
    merge(blind(), vec![Page::EmptyThenRotate], Start::Guest, "old id");
    // Told as a conflict, which is no excuse where nobody had rotated by then.
    let kept = Settings { merge: Some(std::sync::Arc::new(RemovalsLose)), ..Settings::default() };
    merge(kept.clone(), vec![Page::UnsetUser, Page::WriteUser], Start::Guest, "no lost update");
    merge(kept, vec![Page::UnsetUser, Page::WriteUser, Page::Rotate], Start::Guest, "no lost update");
}

/// Who removes what another has changed keeps it, and is told of a conflict.
#[derive(Debug)]
struct RemovalsLose;

impl cloakroom::Merge for RemovalsLose {
    fn merge(
        &self,
        base: cloakroom::Payload<'_>,
        mine: cloakroom::Payload<'_>,
        theirs: cloakroom::Payload<'_>,
        prefer: cloakroom::Prefer,
    ) -> Result<cloakroom::Merged, String> {
        let mut merged = cloakroom::PayloadMerge::default().merge(base, mine, theirs, prefer)?;
        let [before, mine, theirs] =
            [base, mine, theirs].map(|p| payload::Vars::decode(p.payload).get("user").cloned());
        if let Some(user) = theirs.filter(|user| mine.is_none() && before.as_ref().is_some_and(|was| was != user)) {
            let mut vars = payload::Vars::decode(&merged.payload);
            vars.0.retain(|(name, _)| name != "user");
            vars.0.push(("user".into(), user));
            merged = cloakroom::Merged { payload: vars.encode(), ..merged };
            merged.conflicts = vec!["user".into()];
        }
        Ok(merged)
    }

    fn is_empty(&self, payload: cloakroom::Payload<'_>) -> bool {
        payload.payload.is_empty()
    }

    fn removes(&self, before: cloakroom::Payload<'_>, after: cloakroom::Payload<'_>) -> bool {
        cloakroom::PayloadMerge::default().removes(before, after)
    }
}

/// The whole payload of the last one wins, and nothing counts as removed.
#[derive(Debug)]
struct LastBlobWins;

impl cloakroom::Merge for LastBlobWins {
    fn merge(
        &self,
        _: cloakroom::Payload<'_>,
        mine: cloakroom::Payload<'_>,
        _: cloakroom::Payload<'_>,
        _: cloakroom::Prefer,
    ) -> Result<cloakroom::Merged, String> {
        Ok(cloakroom::Merged { payload: mine.payload.to_vec(), format: mine.format, conflicts: Vec::new() })
    }

    fn is_empty(&self, payload: cloakroom::Payload<'_>) -> bool {
        payload.payload.is_empty()
    }

    fn removes(&self, _: cloakroom::Payload<'_>, _: cloakroom::Payload<'_>) -> bool {
        false
    }
}
