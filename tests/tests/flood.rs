//! A flood of new sessions can not push out those in use: on a Redis whose memory is full, the sessions that end first go
//! first, and those that have just begun end soonest (`cloakroom.first_life`). SQLite and MariaDB forget nothing.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests, too")]

use std::sync::Arc;
use std::time::Duration;

use cloakroom::{Budget, Clock, Engine, Lifetime, ManualClock, SessionId, SystemClock, Time};
use cloakroom_system_tests::{Options, Rig, Store, Visitor};

/// How many are in use.
const IN_USE: usize = 200;
/// Bytes that Redis may take for the flood, and how many bytes come.
const ROOM: usize = 6 << 20;
const FLOOD: usize = 2 * ROOM;
/// Bytes of one session of the flood, and how many of them come through PHP.
const EACH: usize = 4000;
const THROUGH_PHP: usize = 100;
/// Seconds: as long as sessions in use live, and as long as new ones do.
const FULL: u64 = 7200;
const FIRST: u64 = 300;
/// `cloakroom_format::Format::Php`, as records have it.
const PHP: u8 = 1;

struct Flooded {
    rig: Rig,
    visitors: Vec<Visitor>,
    /// How many sessions of the flood were written.
    came: usize,
}

/// Fills a Redis of this policy beyond its memory with new sessions, when 200 visitors have just clicked. `first`: what new ones
/// live.
fn flood(policy: &str, first: Option<u64>) -> Flooded {
    let first_life = first.map_or_else(String::new, |seconds| seconds.to_string());
    let options =
        Options::default().set("session.gc_maxlifetime", &FULL.to_string()).set("cloakroom.first_life", &first_life);
    let rig = Rig::with(Store::Redis, options);
    let redis = rig.backend.redis();
    let set = |name: &str, value: &str| {
        let reply = redis.command(&["CONFIG", "SET", name, value]).unwrap();
        assert!(reply.starts_with("+OK"), "{name}: {reply}");
    };
    set("appendonly", "no");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let store = {
        let _guard = runtime.enter();
        cloakroom_stores::open(&redis.url(), &cloakroom_stores::Options::default()).unwrap()
    };
    let keep = |engine: &Engine, id: SessionId, payload: &[u8], idle: u64| {
        let lifetime = Lifetime { idle: Duration::from_secs(idle), absolute: None };
        let mut session = engine.fresh(id, lifetime);
        runtime.block_on(session.commit(engine, Budget::of(Duration::from_secs(10)), payload, PHP)).unwrap();
    };

    // Begun an hour ago by the clock of who began them, and used in this minute, through PHP.
    let hour_ago = Time(SystemClock.now().0 - 3_600_000);
    let earlier = Engine::builder(store.clone()).clock(Arc::new(ManualClock::new(hour_ago))).build();
    let visitors: Vec<Visitor> = (0..IN_USE)
        .map(|n| {
            let id = format!("in-use-{n:0>36}");
            let item = format!("old{n}");
            let payload = format!("cart|a:1:{{i:0;s:{}:\"{item}\";}}", item.len());
            keep(&earlier, SessionId::parse(id.as_bytes()).unwrap(), payload.as_bytes(), FULL);
            let visitor = rig.visitor();
            visitor.hold(&id);
            let page = visitor.cart(&format!("add=new{n}"));
            assert!(page.saved && page.cart.len() == 2, "{page:?}");
            visitor
        })
        .collect();

    let used = redis.command(&["INFO", "memory"]).unwrap();
    let used = used.lines().find_map(|line| line.strip_prefix("used_memory:")).unwrap().trim();
    set("maxmemory", &(used.parse::<usize>().unwrap() + ROOM).to_string());
    set("maxmemory-policy", policy);

    let now = Engine::builder(store).build();
    let mut came = 0;
    for n in 0..FLOOD / EACH {
        if n % (FLOOD / EACH / THROUGH_PHP) == 0 {
            let visitor = rig.visitor();
            let page = visitor.cart(&format!("add=flood{n}"));
            assert!(page.saved && visitor.has_ticket(), "{page:?}");
            came += 1;
        }
        // Letters that don't repeat, so that compressing saves little.
        let mut seed = n as u64 + 1;
        let letters: String = (0..EACH)
            .map(|_| {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                char::from(b'!' + u8::try_from((seed >> 33) % 90).unwrap())
            })
            .collect();
        let id = SessionId::parse(format!("flood-{n:0>37}").as_bytes()).unwrap();
        keep(&now, id, format!("seen|s:{EACH}:\"{letters}\";").as_bytes(), first.unwrap_or(FULL));
        came += 1;
    }
    let left = rig.backend.records();
    assert!(left < came, "the flood was more than there is room for: {came} came and {left} are left");
    Flooded { rig, visitors, came }
}

impl Flooded {
    /// How many visitors still have all that they had.
    fn survivors(&self) -> usize {
        let whole = |(n, visitor): (usize, &Visitor)| {
            let page = visitor.cart("");
            let had = [format!("old{n}"), format!("new{n}")];
            usize::from(page.cart == had)
        };
        let whole = self.visitors.iter().enumerate().map(whole).sum();
        eprintln!("{whole} of {IN_USE} in use survived {} new ones; {} records", self.came, self.rig.backend.records());
        whole
    }
}

#[test]
fn a_flood_of_new_sessions_can_not_push_out_those_in_use() {
    if Store::Redis.is_there() {
        let flooded = flood("volatile-ttl", Some(FIRST));
        assert_eq!(flooded.survivors(), IN_USE);
        flooded.rig.assert_quiet();
    }
}

/// What the test above would show if it were not for the short first life.
#[test]
fn where_new_sessions_live_as_long_as_all_others_those_in_use_go_first() {
    if Store::Redis.is_there() {
        assert!(flood("volatile-ttl", None).survivors() < IN_USE);
    }
}

/// And if it were not for the policy.
#[test]
fn where_redis_evicts_at_random_some_in_use_are_among_them() {
    if Store::Redis.is_there() {
        assert!(flood("allkeys-random", Some(FIRST)).survivors() < IN_USE);
    }
}

/// Where nothing may be forgotten, a full Redis refuses new sessions, and keeps the others.
#[test]
fn a_redis_that_evicts_nothing_refuses_the_flood() {
    if !Store::Redis.is_there() {
        return;
    }
    let rig = Rig::with(Store::Redis, Options::default());
    let visitor = rig.visitor();
    visitor.fill(&["hat"]);
    let redis = rig.backend.redis();
    for (name, value) in [("maxmemory", "1000000"), ("maxmemory-policy", "noeviction")] {
        assert!(redis.command(&["CONFIG", "SET", name, value]).unwrap().starts_with("+OK"));
    }
    assert!(!rig.visitor().cart("add=hat").saved);
    assert_eq!(visitor.cart("").cart, ["hat"]);
}
