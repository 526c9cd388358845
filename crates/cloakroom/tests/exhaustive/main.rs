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
                        println!("{} {:?} {:?}", seen.states, case.start, case.pages);
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

#[test]
fn one_request_with_two_faults_keeps_every_promise() {
    let starts = [Start::Guest, Start::Owned, Start::LoggedIn, Start::Rotated];
    let cases = starts
        .iter()
        .flat_map(|start| {
            choose(1).into_iter().map(|pages| Case { faults: 2, evictions: 1, passes: 1, ..case(*start, pages) })
        })
        .collect();
    check("one request", cases);
}

#[test]
fn two_requests_in_every_order_keep_every_promise() {
    let starts = [Start::Guest, Start::Owned, Start::LoggedIn, Start::Rotated];
    let cases = starts.iter().flat_map(|start| choose(2).into_iter().map(|pages| case(*start, pages))).collect();
    check("two requests", cases);
}

#[test]
fn two_requests_with_a_fault_an_eviction_or_passing_time_keep_every_promise() {
    let starts = [Start::Guest, Start::Owned, Start::LoggedIn, Start::Rotated];
    let cases = starts
        .iter()
        .flat_map(|start| {
            choose(2).into_iter().flat_map(|pages| {
                let plain = case(*start, pages);
                [
                    Case { faults: 1, ..plain.clone() },
                    Case { evictions: 1, ..plain.clone() },
                    Case { passes: 1, ..plain },
                ]
            })
        })
        .collect();
    check("two requests and a mishap", cases);
}

#[test]
fn three_requests_in_every_order_keep_every_promise() {
    let starts = [Start::Guest, Start::Owned];
    let cases = starts.iter().flat_map(|start| choose(3).into_iter().map(|pages| case(*start, pages))).collect();
    check("three requests", cases);
}
