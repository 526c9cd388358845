//! Histories: processes that work on shared sessions while they are killed, the network fails, clocks differ and the server is
//! restarted; a checker that knows nothing of the engine finds no promise broken. Long with `CLOAKROOM_CHECK_LONG=1`.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests, too")]

use cloakroom_system_tests::history::{Outcome, Plan, run, run_if_asked};
use cloakroom_system_tests::{Store, on_each_store};

#[test]
#[ignore = "a process of the other tests: one client"]
fn client() {
    run_if_asked();
}

fn count(outcome: &Outcome, what: &str) -> usize {
    outcome.tally.iter().filter(|(told, _)| told.starts_with(what)).map(|(_, count)| count).sum()
}

#[track_caller]
fn report(outcome: &Outcome) {
    println!(
        "{} operations, {} losses, seed {}: {:?}",
        outcome.operations, outcome.sprung, outcome.seed, outcome.tally
    );
    for broken in outcome.broken.iter().take(20) {
        println!("{broken}");
    }
}

on_each_store! {
    fn processes_that_are_killed_and_cut_off_break_no_promise(store: Store) {
        let outcome = run(store, &Plan::usual(store));
        report(&outcome);
        assert!(outcome.broken.is_empty(), "{} broken, first: {}", outcome.broken.len(), outcome.broken[0]);
        // That it has shown something: everything that can happen has happened.
        for what in ["Written", "Merged", "Moved", "Ended", "killed", "opened Follow", "opened Frozen", "Refused"] {
            assert!(count(&outcome, what) > 0, "no {what}: {:?}", outcome.tally);
        }
        assert!(store == Store::Sqlite || outcome.sprung > 5, "{} replies and requests lost", outcome.sprung);
        assert!(count(&outcome, "Written") + count(&outcome, "Merged") > 300, "{:?}", outcome.tally);
    }
}

/// That it can fail: clients that overwrite whatever is there, as most session handlers do.
#[test]
fn clients_that_ignore_versions_are_caught() {
    let mut plan = Plan::usual(Store::Sqlite);
    plan.blind = true;
    plan.time = std::time::Duration::from_secs(5);
    let outcome = run(Store::Sqlite, &plan);
    report(&outcome);
    for rule in ["no change is lost", "ended stays ended"] {
        assert!(outcome.broken.iter().any(|broken| broken.rule == rule), "{rule} was not seen: {:?}", outcome.tally);
    }
}
