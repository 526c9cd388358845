//! The store is stopped or frozen: pages come in time without their session, cookies stay, the log says it once for each
//! worker; and back again, nothing that a page without its session believed has been stored.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests, too")]

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use cloakroom_system_tests::{Backend, Options, Page, Rig, Store, Visitor, on_each_server};
use cloakroom_testbed::wait_until;

/// `cloakroom.timeout` of these tests.
const TIMEOUT: Duration = Duration::from_secs(1);
/// What else a page may take on a machine that has other things to do.
const SLACK: Duration = Duration::from_millis(1500);

const WORKERS: usize = 2;

fn rig(store: Store, on_failure: &str) -> Rig {
    let options = Options { workers: WORKERS, own: true, ..Options::default() }
        .set("cloakroom.timeout", "1")
        .set("cloakroom.on_failure", on_failure);
    let rig = Rig::with(store, options);
    // Tables are made by the first request, which may take its time on a busy machine.
    let made = || rig.visitor().cart("add=first").saved;
    wait_until("the store is ready", Duration::from_secs(20), made).unwrap();
    // Emptied, not made: it must stay PHP's own.
    for log in rig.site.servers().iter().map(|server| server.php_log_path()).filter(|log| log.exists()) {
        std::fs::write(log, "").unwrap();
    }
    rig
}

/// Lets every worker of the rig answer, so that each has its connection.
fn warm(rig: &Rig) {
    let pids = |pages: Vec<Page>| pages.into_iter().map(|page| page.pid).collect::<BTreeSet<i32>>();
    let mut seen = BTreeSet::new();
    wait_until("every worker has answered", Duration::from_secs(20), || {
        // Side by side, or one worker of each server would do all of it.
        std::thread::scope(|scope| {
            let asked: Vec<_> = (0..8).map(|_| scope.spawn(|| rig.visitor().cart("add=warm"))).collect();
            seen.extend(pids(asked.into_iter().map(|page| page.join().unwrap()).collect()));
        });
        seen.len() == 2 * WORKERS
    })
    .unwrap();
}

/// A page that came without its session, as it should.
#[track_caller]
fn without_session(page: Page) -> Page {
    assert_eq!((page.state.as_str(), page.saved), ("detached", false), "{page:?}");
    assert_eq!(page.cookies, Vec::<String>::new(), "a cookie left: {page:?}");
    assert!(page.took < TIMEOUT + SLACK, "{page:?}");
    page
}

/// Pages of every kind while the store does not answer; returns the workers that answered.
fn visit_during_outage(visitor: &Visitor, stranger: &Visitor) -> BTreeSet<i32> {
    let mut workers = BTreeSet::new();
    wait_until("every worker has met the outage", Duration::from_secs(30), || {
        std::thread::scope(|scope| {
            let queries =
                ["add=lost", "", "rotate=true&login=eve", "rotate=false&add=lost", "logout=1", "add=lost&login=eve"];
            let asked = queries.map(|query| {
                let ask = scope.spawn(move || without_session(visitor.cart(query)));
                (query, ask)
            });
            for (query, page) in asked {
                let page = page.join().unwrap();
                assert_eq!(page.cart.len(), usize::from(query.contains("add")), "a session was there: {page:?}");
                workers.insert(page.pid);
            }
        });
        workers.len() == 2 * WORKERS
    })
    .unwrap();
    // A visitor without a ticket gets none that would lead nowhere.
    without_session(stranger.cart("add=lost"));
    assert!(!stranger.has_ticket());
    // At once: of 40 pages, a worker's probes (one a second) may wait for the time-out, and no other one.
    let mut pages: Vec<Page> = (0..40).map(|_| without_session(visitor.cart("add=lost"))).collect();
    pages.sort_by_key(|page| page.took);
    let median = pages[20].took;
    assert!(median < TIMEOUT / 4, "half of the pages took longer than {median:?}");
    workers
}

/// An outage, from before to after.
fn outage(store: Store, begin: impl Fn(&Backend), end: impl Fn(&Backend)) {
    let rig = rig(store, "empty");
    let (visitor, stranger) = (rig.visitor(), rig.visitor());
    visitor.fill(&["hat", "scarf"]);
    warm(&rig);
    let ticket = visitor.ticket();
    rig.assert_quiet();

    begin(&rig.backend);
    let workers = visit_during_outage(&visitor, &stranger);
    let said = rig.log_lines("Pages are served without their session");
    assert_eq!(said.len(), workers.len(), "one line for each of {workers:?}: {}", rig.site.php_logs());
    // A log-out that could not be stored is a matter of its own, said once a worker, too.
    let other: Vec<String> = rig.log_lines("Cloakroom").into_iter().filter(|line| !said.contains(line)).collect();
    assert!(other.len() <= workers.len() && other.iter().all(|line| line.contains("log-out")), "{other:?}");
    assert!(!rig.logs().contains("t3stbed-password") && !rig.logs().contains(&ticket));

    end(&rig.backend);
    let mut back = BTreeSet::new();
    wait_until("every worker finds its store again", Duration::from_secs(20), || {
        let page = visitor.cart("");
        if page.state == "live" {
            assert_eq!((page.cart, page.user), (vec!["hat".into(), "scarf".into()], None), "a lost write came back");
            back.insert(page.pid);
        }
        back.is_superset(&workers)
    })
    .unwrap();
    assert_eq!(visitor.ticket(), ticket);
    visitor.fill(&["coat"]);
    assert_eq!(visitor.cart("").cart, ["hat", "scarf", "coat"]);
    assert_eq!(rig.log_lines("answers again").len(), workers.len(), "{}", rig.site.php_logs());
}

on_each_server! {
    fn a_frozen_store_costs_pages_their_session_and_nothing_else(store: Store) {
        outage(store, Backend::freeze, |backend| backend.service().thaw());
    }

    fn a_stopped_store_costs_pages_their_session_and_nothing_else(store: Store) {
        outage(store, |backend| backend.service().stop(), |backend| backend.service().start().unwrap());
    }

    fn where_the_site_asks_for_it_an_outage_is_an_error_page_that_tells_no_secrets(store: Store) {
        let rig = rig(store, "error");
        let visitor = rig.visitor();
        visitor.fill(&["hat"]);
        let ticket = visitor.ticket();
        rig.backend.freeze();
        for _ in 0..8 {
            let reply = visitor.browser.get("/cart.php?add=lost").unwrap();
            assert_eq!(reply.status, 503, "{}", reply.body);
            assert_eq!(reply.set_cookies(), Vec::<&str>::new());
            let page = reply.body.to_lowercase();
            let inside =
                ["redis", "mysql", "maria", "127.0.0.1", "t3stbed", ".php", "sql", "warning", "timed out", "stack"];
            let told: Vec<&str> = inside.into_iter().filter(|word| page.contains(word)).collect();
            assert!(told.is_empty() && !page.contains(&ticket), "{told:?} in {}", reply.body);
            assert!(page.contains("try again"), "{}", reply.body);
        }
        rig.backend.service().thaw();
        wait_until("pages come again", Duration::from_secs(20), || {
            visitor.try_cart("").is_ok_and(|page| page.cart == ["hat"])
        })
        .unwrap();
    }

    /// The first request of each worker meets the outage, without a connection to lose.
    fn workers_that_start_during_an_outage_serve_pages_too(store: Store) {
        let rig = rig(store, "empty");
        let visitor = rig.visitor();
        visitor.hold("0123456789012345678901234567890123456789abc");
        rig.backend.service().kill9();
        for _ in 0..8 {
            let page = visitor.cart("add=lost");
            assert_eq!((page.state.as_str(), page.cookies.len()), ("detached", 0), "{page:?}");
            assert!(page.took < TIMEOUT + SLACK, "{page:?}");
        }
    }

    /// The load went well and the write meets the outage: the page comes in time and says so, the ticket stays, and nothing
    /// but the write in doubt is changed, which is there once or not at all.
    fn a_store_that_freezes_in_the_middle_of_a_request_loses_at_most_that_write(store: Store) {
        let rig = rig(store, "empty");
        rig.code("middle.php", &format!("
            session_start();
            $_SESSION['cart'][] = 'doubtful';
            touch('{}' . $_GET['n']);
            for ($i = 0; $i < 2000 && !file_exists('{}' . $_GET['n']); $i++) {{ usleep(5000); clearstatcache(); }}
            if (isset($_GET['rotate'])) {{ session_regenerate_id(true); $_SESSION['user'] = 'doubtful'; }}
            echo json_encode(session_write_close());", rig.flag("read").display(), rig.flag("go").display()));
        for (round, query) in ["", "&rotate=1"].into_iter().enumerate() {
            let visitor = rig.visitor();
            visitor.fill(&["hat"]);
            let (ticket, page) = (visitor.ticket(), format!("/middle.php?n={round}{query}"));
            std::thread::scope(|scope| {
                let middle = scope.spawn(|| visitor.get(&page));
                let read = rig.flag(&format!("read{round}"));
                wait_until("it has read", Duration::from_secs(20), || read.exists()).unwrap();
                rig.backend.freeze();
                let began = Instant::now();
                std::fs::write(rig.flag(&format!("go{round}")), "").unwrap();
                let reply = middle.join().unwrap();
                assert!(began.elapsed() < TIMEOUT + SLACK, "{page}: {:?}", began.elapsed());
                assert_eq!((reply.body.as_str(), reply.set_cookies()), ("false", vec![]), "{page}");
            });
            rig.backend.service().thaw();
            assert_eq!(visitor.ticket(), ticket);
            let cart = visitor.live_cart();
            let once = [vec!["hat".to_string()], vec!["hat".into(), "doubtful".into()]];
            assert!(once.contains(&cart.cart) && cart.user.is_none(), "{page}: {cart:?}");
            assert_eq!(visitor.ticket(), ticket);
        }
    }
}
