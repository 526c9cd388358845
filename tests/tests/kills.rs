//! Kill -9 of php-fpm workers and of the store's server under load: what was acknowledged is there, every session can be
//! read, nobody is stuck.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests, too")]

use std::time::Duration;

use cloakroom_system_tests::{Crowd, Options, Record, Rig, Store, on_each_server, on_each_store};
use cloakroom_testbed::wait_until;

const KILLS: usize = 20;
/// `cloakroom.timeout` of these tests, in seconds.
const TIMEOUT: &str = "2";
/// No request takes longer: the time-out, and slack for a machine that has other things to do.
const AT_MOST: Duration = Duration::from_secs(6);

fn options() -> Options {
    Options { own: true, ..Options::default() }.set("cloakroom.timeout", TIMEOUT)
}

/// Every worker of every server answers, and in time.
#[track_caller]
fn assert_nobody_is_stuck(rig: &Rig, record: &Record) {
    assert!(record.longest < AT_MOST, "a request took {:?}", record.longest);
    let visitor = rig.visitor();
    let mut in_a_row = 0;
    wait_until("every worker answers with its session", Duration::from_secs(20), || {
        let page = visitor.cart("add=after");
        assert!(page.took < AT_MOST, "{page:?}");
        in_a_row = if page.saved { in_a_row + 1 } else { 0 };
        in_a_row == 16
    })
    .unwrap();
}

on_each_store! {
    fn twenty_killed_workers_take_nothing_acknowledged_with_them(store: Store) {
        let rig = Rig::with(store, options());
        let record = Crowd::new(&rig, 3).click_while(|crowd| {
            for round in 0..KILLS {
                crowd.await_progress(10);
                let server = &rig.site.servers()[round % 2];
                let worker = server.kill9_worker().expect("a worker");
                wait_until("the master has replaced it", Duration::from_secs(20), || {
                    let workers = server.workers();
                    workers.len() == 4 && !workers.contains(&worker)
                })
                .unwrap();
            }
            crowd.await_progress(20);
        });
        assert!(record.acknowledged() > 200, "{record:?}");
        assert_eq!(record.detached, 0, "the store never failed: {}", rig.site.php_logs());
        assert_nobody_is_stuck(&rig, &record);
    }
}

on_each_server! {
    /// The server of the store and workers of PHP, in turn with progress in between. Redis has `appendfsync always`.
    fn twenty_kills_of_the_stores_server_lose_nothing_acknowledged(store: Store) {
        let rig = Rig::with(store, options());
        let server = rig.backend.service();
        let record = Crowd::new(&rig, 3).click_while(|crowd| {
            for round in 0..KILLS {
                crowd.await_progress(5);
                server.kill9();
                rig.kill_a_worker(round);
                server.start().unwrap();
            }
            crowd.await_progress(20);
        });
        assert!(record.detached > 0, "no request met an outage: this test has shown nothing");
        assert_nobody_is_stuck(&rig, &record);
    }
}

/// A crowd on a page of this kind, which does not keep what it acknowledges.
fn crowd_on(page: &str) {
    let rig = Rig::new(Store::Sqlite);
    let honest = "session_write_close();";
    let code = include_str!("../pages/cart.php");
    assert!(code.contains(honest));
    rig.page("cart.php", &code.replace(honest, page));
    let _record = Crowd::new(&rig, 2).click_while(|crowd| crowd.await_progress(100));
}

/// That the tests above can fail: a page that lies now and then.
#[test]
#[should_panic(expected = "acknowledged and lost")]
fn a_crowd_sees_what_is_acknowledged_and_lost() {
    crowd_on("('first' === ($_GET['add'] ?? 'first') || mt_rand(0, 9) ? session_write_close() : session_abort());");
}

/// A page that applies some things twice.
#[test]
#[should_panic(expected = "applied twice")]
fn a_crowd_sees_what_is_applied_twice() {
    crowd_on(
        "((isset($_GET['add']) && !mt_rand(0, 9) && $_SESSION['cart'][] = $_GET['add']) || true)
            && session_write_close();",
    );
}

/// Two servers that share nothing.
#[test]
#[should_panic(expected = "wrong pages")]
fn a_crowd_sees_a_page_without_its_session() {
    let rig = Rig::with_files(2, Options::default());
    let _record = Crowd::new(&rig, 2).click_while(|crowd| crowd.await_progress(100));
}
