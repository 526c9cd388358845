//! Servers that let nobody in or take no writes, and what is said then; ways in that work.

use std::time::Duration;

use cloakroom::store::{Created, Swapped};
use cloakroom::{Clock, ManualClock, Record, StoreError, Time};
use cloakroom_stores::{Options, open};

use crate::common::*;

/// The error of a load and of a create at this URL.
fn errors(url: &str) -> [StoreError; 2] {
    let (worker, store) = (Worker::new(), store(url));
    let now = Time(1_800_000_000_000);
    let loaded = worker.run(store.load(ample(), &key(1))).expect_err("it should refuse a load");
    let created = worker.run(store.create(ample(), &key(1), &live(now), now));
    [loaded, created.expect_err("it should refuse a create")]
}

fn works(url: &str) {
    let (worker, store) = (Worker::new(), store(url));
    let now = worker.run(store.now(ample())).unwrap_or_else(|error| panic!("{url}: {error}"));
    let (key, record) = (key(9), owned(now, "site:42"));
    assert_eq!(worker.run(store.create(ample(), &key, &record, now)), Ok(Created::Done));
    let swapped = worker.run(store.swap(ample(), &key, record.version, &next(&record, b"x"), now));
    assert_eq!(swapped, Ok(Swapped::Done));
    worker.run(store.end(ample(), &key, &tombstone(now))).expect("it ends");
}

fn assert_says(error: &StoreError, what: &str) {
    let text = error.to_string();
    assert!(matches!(error, StoreError::Refused { .. }) && text.contains(what), "{text} should say {what:?}");
    assert!(!text.contains("sesame"), "it tells the password: {text}");
}

#[test]
fn a_password_is_asked_for_and_never_told() {
    let redis = redis(&[]);
    let reply = redis.command(&["CONFIG", "SET", "requirepass", "open sesame"]).expect("redis-server answers");
    assert!(reply.starts_with("+OK"), "{reply}");
    let at = format!("127.0.0.1:{}", redis.port());
    errors(&redis.url()).iter().for_each(|error| assert_says(error, "wants a password"));
    for wrong in [format!("redis://:sesame@{at}"), format!("redis://somebody:sesame@{at}")] {
        errors(&wrong).iter().for_each(|error| assert_says(error, "does not accept the user or password"));
    }
    works(&format!("redis://:open%20sesame@{at}"));
    works(&format!("redis://default:open%20sesame@{at}/3"));
    works(&format!("redis+unix:{}?db=2&password=open%20sesame", redis.socket().display()));
}

#[test]
fn a_password_that_nobody_asked_for_is_said() {
    let redis = redis(&[]);
    let url = format!("redis://:sesame@127.0.0.1:{}", redis.port());
    errors(&url).iter().for_each(|error| assert_says(error, "has no password"));
    works(&format!("unix:{}", redis.socket().display()));
    let url = format!("{}/99", redis.url());
    errors(&url).iter().for_each(|error| assert_says(error, "no database of that number"));
}

/// The rule in docs/stores/redis.md is enough, also for servers that keep their settings to themselves.
#[test]
fn the_documented_acl_rule_is_enough() {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/stores/redis.md"))
        .expect("the page is there");
    let rule = page.lines().find(|line| line.starts_with("user cloakroom ")).expect("the page has the rule");
    let redis = redis(&[]);
    let words: Vec<&str> = rule.split(' ').skip(2).map(|w| if w.starts_with('>') { ">sesame" } else { w }).collect();
    let reply = redis.command(&[&["ACL", "SETUSER", "cloakroom"], &words[..]].concat()).expect("redis-server answers");
    assert!(reply.starts_with("+OK"), "{reply}");
    let url = format!("redis://cloakroom:sesame@127.0.0.1:{}", redis.port());
    works(&url);
    let (worker, store) = (Worker::new(), store(&url));
    let budget = ample();
    worker.run(async {
        store.count().expect("it counts").count(budget).await.expect("it may count");
        let owners = store.owners().expect("it finds owners");
        owners.find(budget, &owner("site:42"), None, 10).await.expect("it may look for an owner");
        let now = store.now(budget).await.expect("it answers");
        owners.end_owner(budget, &owner("site:42"), &tombstone(now), None).await.expect("it may end an owner");
        store.list().expect("it lists").page(budget, &Default::default(), None, 10).await.expect("it may list");
        let tally = cloakroom::store::Tally {
            kind: cloakroom::store::TallyKind::Conflict,
            label: "cart".into(),
            hour: 5,
            count: 1,
            sum: 1,
            sample: String::new(),
        };
        let reports = store.reports().expect("it reports");
        reports.add(budget, std::slice::from_ref(&tally)).await.expect("it may report");
        let read = reports.read(budget, tally.kind, 0, 10).await.expect("it may read reports");
        assert_eq!(read, [tally]);
        store.sweep(budget, 10).await.expect("it may sweep");
        let lease = cloakroom::store::LeaseName::of(&key(1), b"commit");
        let leases = store.leases().expect("it has leases");
        let holder = cloakroom::store::Holder { host: [0; 16], pid: 1, started: 1 };
        leases.take(budget, &lease, 1, holder, HOUR, None).await.expect("it may take a lease");
        leases.release(budget, &lease, 1).await.expect("it may release a lease");
    });
    assert!(!store.describe().may_evict, "it may look at the policy");
    let reply = redis.command(&["ACL", "SETUSER", "cloakroom", "-set", "-evalsha"]).expect("redis-server answers");
    assert!(reply.starts_with("+OK"), "{reply}");
    let created = worker.run(store.create(ample(), &key(3), &live(Time(1)), Time(1)));
    assert_says(&created.expect_err("it may not"), "may not run a command");
}

#[test]
fn a_replica_is_told_from_a_primary() {
    let redis = redis(&[]);
    let (worker, store) = (Worker::new(), store(&redis.url()));
    let now = worker.run(store.now(ample())).expect("it answers");
    let record = live(now);
    assert_eq!(worker.run(store.create(ample(), &key(1), &record, now)), Ok(Created::Done));
    redis.command(&["REPLICAOF", "127.0.0.1", "1"]).expect("redis-server answers");
    let created = worker.run(store.create(ample(), &key(2), &record, now)).expect_err("it is read-only");
    assert_says(&created, "must name the primary");
    let swapped = worker.run(store.swap(ample(), &key(1), record.version, &next(&record, b"x"), now));
    assert_says(&swapped.expect_err("it is read-only"), "must name the primary");
    redis.command(&["REPLICAOF", "NO", "ONE"]).expect("redis-server answers");
    let swapped = worker.run(store.swap(ample(), &key(1), record.version, &next(&record, b"x"), now));
    assert_eq!(swapped, Ok(Swapped::Done));
}

#[test]
fn a_full_server_refuses_and_a_lossy_one_is_described() {
    let full = redis(&[("maxmemory", "1500000"), ("maxmemory-policy", "noeviction")]);
    let (worker, store_of) = (Worker::new(), store(&full.url()));
    let now = worker.run(store_of.now(ample())).expect("it answers");
    assert!(!store_of.describe().may_evict);
    let mut record = live(now);
    record.envelope = vec![1; 100_000];
    let outcomes: Vec<_> = (0..50).map(|n| worker.run(store_of.create(ample(), &key(n), &record, now))).collect();
    let refused = outcomes.into_iter().find_map(Result::err).expect("it is full");
    assert_says(&refused, "raise maxmemory");
    let theirs = Record { envelope: record.envelope, ..owned(now, "site:42") };
    let created = worker.run(store_of.create(ample(), &key(200), &theirs, now));
    assert_says(&created.expect_err("it is full"), "raise maxmemory");

    let lossy = redis(&[("maxmemory", "100mb"), ("maxmemory-policy", "allkeys-lru")]);
    let store_of = store(&lossy.url());
    assert!(store_of.describe().may_evict, "before it was asked");
    worker.run(store_of.now(ample())).expect("it answers");
    assert!(store_of.describe().may_evict);
    let owners = store_of.owners().expect("it finds owners");
    let ended = worker.run(owners.end_owner(ample(), &owner("x"), &tombstone(now), None)).expect("it answers");
    assert!(!ended.complete, "a server that evicts can't promise that nobody is left");
}

#[test]
fn one_who_speaks_something_else_is_told_from_redis() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let url = format!("redis://{}", listener.local_addr().expect("it has an address"));
    let server = std::thread::spawn(move || {
        for _ in 0..2 {
            let (mut stream, _) = listener.accept().expect("somebody comes");
            std::io::Write::write_all(&mut stream, b"HTTP/1.1 400 Bad Request\r\n\r\n").expect("it is sent");
        }
    });
    for error in errors(&url) {
        assert!(error.to_string().contains("not Redis's protocol"), "{error}");
    }
    server.join().expect("it does not panic");
}

#[test]
fn too_many_clients_are_told_so() {
    let redis = redis(&[("maxclients", "1")]);
    let (worker, first) = (Worker::new(), store(&redis.url()));
    // The testbed's own look may just be going.
    let got_in = || worker.run(first.now(ample())).is_ok();
    cloakroom_testbed::wait_until("one client is let in", HOUR / 60, got_in).expect("it is");
    let error = worker.run(store(&redis.url()).load(ample(), &key(1))).expect_err("it is full");
    assert!(error.to_string().contains("maxclients") || matches!(error, StoreError::Unreachable { .. }), "{error}");
}

#[test]
fn the_servers_clock_counts_and_not_ours() {
    let redis = redis(&[]);
    let worker = Worker::new();
    for ours in [Time(1), Time(4_000_000_000_000)] {
        let clock = std::sync::Arc::new(ManualClock::new(ours));
        let store =
            open(&redis.url(), &Options { clock: clock.clone(), ..Options::default() }).expect("the URL is right");
        let now = worker.run(store.load(ample(), &key(1))).expect("it answers").now;
        let truth = cloakroom::SystemClock.now();
        assert!(now.since(truth).max(truth.since(now)) < Duration::from_secs(2), "{now:?} and not {truth:?}");
        clock.advance(Duration::from_secs(50));
        let later = worker.run(store.now(ample())).expect("it answers");
        assert_eq!(later.since(now), Duration::from_secs(50));
    }
}
