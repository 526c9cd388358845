//! Somebody plants an id in a visitor's browser and goes on using it, reading, writing and rotating, before the log-in, at
//! it, in the grace and after it: never sees who logged in, and never gets a ticket that leads to the visitor's session.
//!
//! `make test` has a grace of three seconds; with `CLOAKROOM_CHECK_LONG` all settings are the default ones, and the attack lasts
//! for 120 s.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests, too")]

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use cloakroom_system_tests::{Options, Page, Rig, Store, Visitor};
use cloakroom_testbed::wait_until;

/// How long each part of the attack lasts.
#[derive(Debug, Clone)]
struct Plan {
    before: Duration,
    /// `cloakroom.grace`; none: the default one of 60 s.
    grace: Option<&'static str>,
    in_grace: Duration,
    after: Duration,
    /// Between two rounds of one attacker.
    pause: Duration,
}

fn plan() -> Plan {
    if std::env::var_os("CLOAKROOM_CHECK_LONG").is_some() {
        let seconds = Duration::from_secs;
        let pause = Duration::from_millis(300);
        return Plan { before: seconds(30), grace: None, in_grace: seconds(62), after: seconds(28), pause };
    }
    let milliseconds = Duration::from_millis;
    Plan {
        before: milliseconds(1500),
        grace: Some("3"),
        in_grace: milliseconds(3500),
        after: milliseconds(2500),
        pause: milliseconds(100),
    }
}

/// The longest request of an attacker's: nginx gives up on one after a minute.
const LOOK: Duration = Duration::from_secs(45);

/// A way to log in, and whether the attacker rotates from the beginning: then the victim, too, has an old id.
#[derive(Debug, Clone, Copy)]
struct Case {
    log_in: &'static str,
    rotates_before: bool,
}

const CASES: [Case; 4] = [
    Case { log_in: "/cart.php?rotate=true&login=victim&owner=user7&add=secret-first", rotates_before: false },
    Case { log_in: "/cart.php?rotate=false&login=victim&add=secret-first", rotates_before: false },
    // First the user, then the new id.
    Case { log_in: "/login.php", rotates_before: false },
    Case { log_in: "/cart.php?rotate=true&login=victim&owner=user8&add=secret-first", rotates_before: true },
];

/// What attacker and victim know of each other in this test.
#[derive(Debug, Default)]
struct Scene {
    /// Tickets that the attacker was given.
    loot: Mutex<BTreeSet<String>>,
    /// Tickets that the victim has had since it logged in.
    victims: Mutex<BTreeSet<String>>,
    /// When the reply to the log-in was there.
    logged_in: Mutex<Option<Instant>>,
    /// Items whose request began after that.
    late: Mutex<BTreeSet<String>>,
    over: AtomicBool,
    number: AtomicUsize,
    /// Pages under the planted id: live, frozen, empty.
    seen: [AtomicUsize; 3],
}

impl Scene {
    /// What no page of the attacker may show.
    #[track_caller]
    fn assert_harmless(&self, page: &Page, what: &str) {
        assert_eq!(page.user, None, "{what}: {page:?}");
        assert!(!page.cart.iter().any(|item| item.starts_with("secret")), "{what}: {page:?}");
    }

    /// Notes the ticket that the attacker has now, if it is another one.
    fn note(&self, attacker: &Visitor, before: &str) {
        if attacker.has_ticket() && attacker.ticket() != before {
            self.loot.lock().unwrap().insert(attacker.ticket());
        }
    }

    /// Everything that somebody can do with a ticket, once.
    fn abuse(&self, rig: &Rig, ticket: &str, planted: bool, rotates: bool) {
        let number = self.number.fetch_add(1, Ordering::Relaxed);
        let item = format!("evil{number}");
        if self.logged_in.lock().unwrap().is_some() {
            self.late.lock().unwrap().insert(item.clone());
        }
        let mut queries = vec![String::new(), format!("add={item}")];
        if rotates {
            let delete = number.is_multiple_of(2);
            queries.push(format!("rotate={delete}&add={item}"));
            queries.push(format!("rotate={delete}&owner=user7"));
        }
        for query in queries {
            // With the ticket itself each time, whatever the reply before said.
            let attacker = rig.visitor();
            attacker.hold(ticket);
            let page = attacker.cart(&query);
            self.assert_harmless(&page, &query);
            self.note(&attacker, ticket);
            if planted && query.is_empty() {
                let kind = match page.state.as_str() {
                    "frozen" => 1,
                    "live" if !page.cart.is_empty() => 0,
                    _ if page.cart.is_empty() => 2,
                    _ => continue,
                };
                self.seen[kind].fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// Until it is over: the planted ticket, and the latest of those that came with it.
    fn attack(&self, rig: &Rig, planted: &str, case: Case, pause: Duration) {
        while !self.over.load(Ordering::Relaxed) {
            let rotates = case.rotates_before || self.logged_in.lock().unwrap().is_some();
            self.abuse(rig, planted, true, rotates);
            let latest = self.loot.lock().unwrap().iter().next_back().cloned();
            if let Some(latest) = latest {
                self.abuse(rig, &latest, false, rotates);
            }
            std::thread::sleep(pause);
        }
    }

    /// Requests that look again and again while they run, the first of them from before the log-in until after it.
    fn look_all_the_time(&self, rig: &Rig, planted: &str, plan: &Plan) {
        let until = Instant::now() + plan.before + plan.in_grace + plan.after;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if left < Duration::from_secs(1) {
                return;
            }
            let attacker = rig.visitor();
            attacker.hold(planted);
            let body = attacker.get(&format!("/look.php?seconds={}", left.min(LOOK).as_secs_f64())).body;
            let (users, carts): (BTreeSet<Option<String>>, String) = serde_json::from_str(&body).unwrap();
            assert_eq!(users, BTreeSet::from([None]), "{body}");
            assert!(!carts.contains("secret"), "{body}");
            self.note(&attacker, planted);
        }
    }
}

/// The victim's visit: what is in its session at the end is its own, and all there.
fn visit(rig: &Rig, scene: &Scene, victim: &Visitor, case: Case, plan: &Plan) {
    let mut mine = Vec::new();
    let until = Instant::now() + plan.before;
    while Instant::now() < until {
        let item = format!("mine{}", mine.len());
        if victim.cart(&format!("add={item}")).saved {
            mine.push(item);
        }
        std::thread::sleep(plan.pause);
    }
    let reply = victim.get(case.log_in);
    let page: Page = serde_json::from_str(&reply.body).unwrap();
    assert!(page.saved && page.user.as_deref() == Some("victim"), "{case:?}: {page:?} {}", rig.site.php_logs());
    scene.victims.lock().unwrap().insert(victim.ticket());
    *scene.logged_in.lock().unwrap() = Some(Instant::now());
    let until = Instant::now() + plan.in_grace + plan.after;
    let mut secrets = vec!["secret-first".to_string()];
    while Instant::now() < until {
        let item = format!("secret{}", secrets.len());
        // From time to time with a new id, as sites do.
        let rotate = if secrets.len() % 7 == 0 { "&rotate=true" } else { "" };
        let page = victim.cart(&format!("add={item}{rotate}"));
        assert!(page.saved && page.user.as_deref() == Some("victim"), "{case:?}: {page:?} {}", rig.site.php_logs());
        secrets.push(item);
        scene.victims.lock().unwrap().insert(victim.ticket());
        std::thread::sleep(plan.pause);
    }
    let page = victim.cart("");
    let late = scene.late.lock().unwrap();
    let planted: Vec<&String> = page.cart.iter().filter(|item| late.contains(*item)).collect();
    assert!(planted.is_empty(), "{case:?}: written after the log-in under an old id: {planted:?}");
    let expected = secrets.iter().chain(if case.rotates_before { &[] } else { mine.as_slice() });
    for item in expected {
        assert!(page.cart.contains(item), "{case:?}: {item} is missing: {page:?}");
    }
}

/// One victim and its attackers.
fn crime(rig: &Rig, case: Case, plan: &Plan) {
    let (bait, victim, scene) = (rig.visitor(), rig.visitor(), Scene::default());
    bait.fill(&["bait"]);
    let planted = bait.ticket();
    victim.hold(&planted);
    std::thread::scope(|scope| {
        let attackers = [
            scope.spawn(|| scene.attack(rig, &planted, case, plan.pause)),
            scope.spawn(|| scene.look_all_the_time(rig, &planted, plan)),
        ];
        let visited = scope.spawn(|| visit(rig, &scene, &victim, case, plan)).join();
        scene.over.store(true, Ordering::Relaxed);
        for ended in [visited].into_iter().chain(attackers.into_iter().map(|attacker| attacker.join())) {
            ended.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        }
    });
    let (loot, victims) = (scene.loot.into_inner().unwrap(), scene.victims.into_inner().unwrap());
    let seen = scene.seen.map(AtomicUsize::into_inner);
    println!(
        "{case:?}: {} requests of attackers, live {} frozen {} empty {}, {} tickets given; {} tickets of the victim",
        scene.number.into_inner(),
        seen[0],
        seen[1],
        seen[2],
        loot.len(),
        victims.len()
    );
    assert!(loot.is_disjoint(&victims), "{case:?}: a ticket of the victim's was given away");
    // All times have been covered, and what the attacker had before the log-in it had.
    assert!(case.rotates_before || seen[0] > 2, "{seen:?}");
    assert!(seen[1] > 2 && seen[2] > 2 && !loot.is_empty(), "{seen:?}, {} tickets", loot.len());
    // Whatever the attacker was ever given opens nothing of the victim's, now that all is quiet.
    let each = loot.len().div_ceil(200);
    for ticket in loot.iter().step_by(each).chain([&planted]) {
        let attacker = rig.visitor();
        attacker.hold(ticket);
        for _ in 0..2 {
            let page = attacker.cart("");
            assert_eq!(page.user, None, "{case:?}: {page:?}");
            assert!(!page.cart.iter().any(|item| item.starts_with("secret")), "{case:?}: {page:?}");
        }
    }
    assert_eq!(victim.cart("").user.as_deref(), Some("victim"));
}

fn on(store: Store) {
    let plan = plan();
    // Each case has a request that lasts.
    let mut options = Options { workers: 6, ..Options::default() };
    if let Some(grace) = plan.grace {
        options = options.set("cloakroom.grace", grace);
    }
    let rig = Rig::with(store, options);
    rig.page(
        "login.php",
        &include_str!("../pages/cart.php").replace(
            "session_start();",
            "session_start();
            $_SESSION['user'] = 'victim'; $_SESSION['cart'][] = 'secret-first'; session_regenerate_id( true );",
        ),
    );
    // What the request has, then closed and opened anew, then read again, and something written in between.
    rig.code(
        "look.php",
        "ini_set('max_execution_time', '0'); session_start(); $users = $carts = [];
        for ($until = microtime(true) + (float) $_GET['seconds']; microtime(true) < $until; usleep(100000)) {
            $users[] = $_SESSION['user'] ?? null; $carts[] = json_encode($_SESSION['cart'] ?? null);
            match (mt_rand(0, 3)) {
                0 => session_reset(),
                1 => [session_write_close(), session_start()],
                2 => cloakroom_commit(),
                3 => null,
            };
        }
        echo json_encode([array_values(array_unique($users)), implode(array_unique($carts))]);",
    );
    std::thread::scope(|scope| {
        let crimes: Vec<_> = CASES
            .map(|case| {
                scope.spawn({
                    let (rig, plan) = (&rig, &plan);
                    move || crime(rig, case, plan)
                })
            })
            .into_iter()
            .collect();
        for crime in crimes {
            crime.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        }
    });
    wait_until("the use of old ids is told to the operator", Duration::from_secs(30), || {
        rig.visitor().cart("");
        rig.operator(&["alarms"])["total"].as_u64() > Some(0)
    })
    .unwrap();
}

/// The stores side by side: the time is real, and spent once.
#[test]
fn who_planted_the_id_polls_it_around_the_log_in_and_gains_nothing() {
    std::thread::scope(|scope| {
        let stores = [Store::Sqlite, Store::Mysql, Store::Redis].into_iter().filter(|store| store.is_there());
        let attacks: Vec<_> = stores.map(|store| (store, scope.spawn(move || on(store)))).collect();
        assert!(!attacks.is_empty() || std::env::var_os("CLOAKROOM_TEST_ALL").is_none());
        for (store, attack) in attacks {
            if let Err(panic) = attack.join() {
                println!("on {store:?}");
                std::panic::resume_unwind(panic);
            }
        }
    });
}
