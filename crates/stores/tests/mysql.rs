//! What the MariaDB store promises beyond the conformance kit: how often it asks, what it tells the operator, and that it
//! needs nobody between two verbs.

#![cfg(feature = "mysql")]

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use cloakroom::store::{Budget, Created, Ended, Swapped, Touched};
use cloakroom::{About, EndKind, Key, ManualClock, Owner, Record, State, Store, StoreError, Time, Tombstone, Version};
use cloakroom_stores::{Options, open};
use cloakroom_testbed::{Direction, Mariadb, Proxy};

fn server() -> &'static Mariadb {
    static SERVER: OnceLock<Mariadb> = OnceLock::new();
    SERVER.get_or_init(|| Mariadb::start().expect("mariadbd starts"))
}

fn store(url: &str) -> Arc<dyn Store> {
    open(url, &Options::default()).expect("the URL is right")
}

fn budget() -> Budget {
    Budget::of(Duration::from_secs(20))
}

fn block_on<F: Future>(work: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(work)
}

fn key(n: u8) -> Key {
    Key::from_bytes([n; 32])
}

fn record(now: Time, envelope: Vec<u8>) -> Record {
    Record {
        version: Version::draw().expect("randomness"),
        state: State::Live,
        created: now,
        touched: now,
        idle: now.plus(Duration::from_secs(3600)),
        absolute: None,
        owner: None,
        format: 1,
        size: 3,
        about: About::default(),
        envelope,
    }
}

fn tombstone(now: Time) -> Tombstone {
    Tombstone::new(EndKind::Destroyed, now, Duration::from_secs(3600)).expect("randomness")
}

#[test]
fn each_verb_of_a_request_is_one_round_trip() {
    server().create_database("trips").expect("a database");
    let proxy = Proxy::start(server().endpoint()).expect("a proxy");
    let store = store(&server().url_at(&proxy.address(), "trips"));
    let owned = |record: Record| Record { owner: Some(Owner::new("site:1").expect("length")), ..record };
    block_on(async {
        // The first round prepares, and makes the tables; the second one is what a worker does all day.
        for round in 0..2u8 {
            let now = store.now(budget()).await.expect("now");
            let mut told = Vec::new();
            let mut before = proxy.round_trips();
            let mut trips = |verb: &'static str| {
                let after = proxy.round_trips();
                told.push((verb, after - before));
                before = after;
            };
            let (a, b) = (key(2 * round), key(2 * round + 1));
            let first = record(now, vec![7; 20_000]);
            assert_eq!(store.create(budget(), &a, &first, now).await, Ok(Created::Done));
            trips("create");
            assert_eq!(store.load(budget(), &a).await.expect("load").record.as_ref(), Some(&first));
            trips("load");
            let second = Record { version: first.version.next(), ..first.clone() };
            assert_eq!(store.swap(budget(), &a, first.version, &second, now).await, Ok(Swapped::Done));
            trips("swap");
            assert_eq!(store.touch(budget(), &a, second.version, now, now).await, Ok(Touched::Done));
            trips("touch");
            let login = owned(Record { version: second.version.next(), ..second.clone() });
            assert_eq!(store.swap(budget(), &a, second.version, &login, now).await, Ok(Swapped::Done));
            trips("swap with an owner");
            assert_eq!(store.create(budget(), &b, &owned(record(now, vec![])), now).await, Ok(Created::Done));
            trips("create with an owner");
            assert_eq!(store.end(budget(), &a, &tombstone(now)).await, Ok(Ended::Done));
            trips("end");
            let gone = store.load(budget(), &b).await.expect("load").record.expect("it is there");
            trips("load");
            assert_eq!(store.remove().expect("can").remove(budget(), &b, gone.version).await, Ok(true));
            trips("remove");
            if round > 0 {
                for (verb, trips) in told {
                    assert_eq!(trips, 1, "{verb} took {trips} round trips");
                }
            }
        }
        assert_eq!(proxy.connections(), 1, "all of it went over one connection");
    });
}

#[test]
fn a_new_connection_costs_two_round_trips_before_its_first_verb() {
    let url = server().create_database("connects").expect("a database");
    block_on(async {
        store(&url).load(budget(), &key(1)).await.expect("makes the tables");
        let proxy = Proxy::start(server().endpoint()).expect("a proxy");
        let store = store(&server().url_at(&proxy.address(), "connects"));
        store.now(budget()).await.expect("now");
        // The log-in, and one question for settings and clock.
        assert_eq!(proxy.round_trips(), 2);
        store.load(budget(), &key(1)).await.expect("load");
        assert_eq!(proxy.round_trips(), 4, "one more to prepare, and one to load");
    });
}

#[test]
fn a_store_leaves_no_task_behind_and_no_connection() {
    let url = server().create_database("tasks").expect("a database");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let connections = || {
        let sql = "SELECT COUNT(*) FROM information_schema.processlist WHERE db='tasks'";
        // The client that asks is one itself.
        server().sql("tasks", sql).expect("counts").trim().parse::<u32>().expect("a number") - 1
    };
    let store = store(&url);
    runtime.block_on(async {
        store.load(budget(), &key(1)).await.expect("load");
        // A verb given up in the middle of its reply.
        let one = key(1);
        let mut given_up = store.load(budget(), &one);
        std::future::poll_fn(|cx| {
            assert!(given_up.as_mut().poll(cx).is_pending(), "a reply can't be there at once");
            std::task::Poll::Ready(())
        })
        .await;
        drop(given_up);
        store.load(budget(), &key(1)).await.expect("load");
    });
    assert_eq!(connections(), 1);
    runtime.block_on(async { drop(store) });
    assert_eq!(runtime.metrics().num_alive_tasks(), 0, "somebody would have to poll these");
    let gone = || connections() == 0;
    cloakroom_testbed::wait_until("the connection is closed", Duration::from_secs(10), gone).expect("closed");
}

#[test]
fn a_store_can_be_used_from_one_runtime_after_another() {
    let url = server().create_database("runtimes").expect("a database");
    let store = store(&url);
    for _ in 0..3 {
        let now = block_on(store.now(budget())).expect("now");
        let created = block_on(store.create(budget(), &key(9), &record(now, vec![]), now));
        assert!(matches!(created, Ok(Created::Done | Created::Exists)), "{created:?}");
    }
}

#[test]
fn a_unix_socket_serves_as_well() {
    server().create_database("socket").expect("a database");
    let socket = server().socket();
    let url = format!("{}?socket={}", server().url_at("localhost", "socket"), socket.display());
    let store = store(&url);
    block_on(async {
        let now = store.now(budget()).await.expect("now");
        let record = record(now, vec![1, 2, 3]);
        assert_eq!(store.create(budget(), &key(1), &record, now).await, Ok(Created::Done));
        assert_eq!(store.load(budget(), &key(1)).await.expect("load").record, Some(record));
    });
}

#[test]
fn a_connection_that_the_server_ended_is_replaced_without_a_write_in_doubt() {
    server().create_database("ended").expect("a database");
    for place in ["127.0.0.1", "socket"] {
        let url = match place {
            "socket" => format!("{}?socket={}", server().url_at("localhost", "ended"), server().socket().display()),
            _ => server().url_at(&format!("127.0.0.1:{}", server().port()), "ended"),
        };
        let store = store(&url);
        block_on(async {
            let now = store.now(budget()).await.expect("now");
            let key = Key::from_bytes([place.len() as u8; 32]);
            let first = record(now, vec![]);
            assert_eq!(store.create(budget(), &key, &first, now).await, Ok(Created::Done));
            let next = |old: &Record| Record { version: old.version.next(), ..old.clone() };
            let old = next(&first);
            // Prepared now: a statement that is yet to be would meet the dead connection where nothing is in doubt.
            assert_eq!(store.swap(budget(), &key, first.version, &old, now).await, Ok(Swapped::Done));
            let ids = "SELECT CONCAT('KILL ', id, ';') FROM information_schema.processlist WHERE db='ended' AND id<>CONNECTION_ID()";
            let kill = server().sql("ended", ids).expect("lists");
            assert!(kill.contains("KILL"), "there is a connection to kill");
            server().sql("ended", &kill).expect("kills");
            let gone = || !server().sql("ended", ids).expect("lists").contains("KILL");
            cloakroom_testbed::wait_until("it is gone", Duration::from_secs(10), gone).expect("gone");
            // Must not be sent twice: that it is done shows that the dead connection was not asked.
            let swapped = store.swap(budget(), &key, old.version, &next(&old), now).await;
            assert_eq!(swapped, Ok(Swapped::Done), "over {place}");
        });
    }
}

#[test]
fn a_refused_connection_tells_the_operator_what_to_do() {
    let at = format!("127.0.0.1:{}", server().port());
    block_on(async {
        let wrong_password = format!("mysql://cloakroom:open-sesame@{at}/cloakroom");
        let unknown_database = server().url_at(&at, "nowhere");
        for (url, words) in [(wrong_password, "user and password"), (unknown_database, "create the database")] {
            let error = store(&url).load(budget(), &key(1)).await.expect_err("refused");
            assert!(matches!(error, StoreError::Refused { .. }), "{error:?}");
            let text = error.to_string();
            assert!(text.contains(words) && !text.contains("sesame"), "{text}");
        }
        let nobody = store("mysql://u:open-sesame@127.0.0.1:1/db").load(budget(), &key(1)).await.expect_err("nobody");
        assert!(matches!(nobody, StoreError::Unreachable { .. }), "{nobody:?}");
        assert!(!nobody.to_string().contains("sesame"), "{nobody}");
    });
}

#[test]
fn a_full_server_is_told_and_its_room_is_found() {
    let small = Mariadb::start_with(&["--max-connections=10"]).expect("mariadbd starts");
    block_on(async {
        let mut stores = Vec::new();
        let error = loop {
            let store = store(&small.url());
            match store.load(budget(), &key(1)).await {
                Ok(_) => stores.push(store),
                Err(error) => break error,
            }
            assert!(stores.len() < 20, "ten connections are allowed");
        };
        assert!(error.to_string().contains("max_connections"), "{error}");
        assert!(matches!(error, StoreError::Refused { .. }), "{error:?}");
        stores.clear();
        let late = store(&small.url());
        let deadline = Instant::now() + Duration::from_secs(10);
        while let Err(error) = late.load(budget(), &key(1)).await {
            assert!(Instant::now() < deadline, "{error}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
}

#[test]
fn one_process_opens_no_more_connections_than_it_may() {
    server().create_database("many").expect("a database");
    let proxy = Proxy::start(server().endpoint()).expect("a proxy");
    let store = store(&format!("{}?connections=3", server().url_at(&proxy.address(), "many")));
    block_on(async {
        let tasks: Vec<_> = (0..40u8)
            .map(|n| {
                let store = store.clone();
                tokio::spawn(async move { store.load(budget(), &key(n)).await.map(|l| l.record) })
            })
            .collect();
        for task in tasks {
            assert_eq!(task.await.expect("no panic"), Ok(None));
        }
    });
    assert!(proxy.connections() <= 3, "{} connections", proxy.connections());
}

#[test]
fn a_record_larger_than_a_packet_is_refused_before_it_is_sent() {
    let small = Mariadb::start_with(&["--max-allowed-packet=1M"]).expect("mariadbd starts");
    let store = store(&small.url());
    block_on(async {
        let now = store.now(budget()).await.expect("now");
        let created = store.create(budget(), &key(1), &record(now, vec![1; 1 << 20]), now).await;
        let Err(StoreError::TooLarge { size, limit, .. }) = created else { panic!("{created:?}") };
        assert_eq!((size, limit), (1 << 20, 1 << 20));
        let fits = record(now, vec![1; (1 << 20) - 4096]);
        assert_eq!(store.create(budget(), &key(1), &fits, now).await, Ok(Created::Done));
        assert_eq!(store.load(budget(), &key(1)).await.expect("load").record, Some(fits));
    });
}

#[test]
fn a_record_larger_than_a_frame_of_the_protocol_is_kept() {
    let large = Mariadb::start_with(&["--max-allowed-packet=64M"]).expect("mariadbd starts");
    let store = store(&large.url());
    block_on(async {
        let now = store.now(budget()).await.expect("now");
        // A frame has at most 16 MiB less a byte. More than a tenth of the redo log the server would refuse.
        let envelope: Vec<u8> = (0..17u32 << 20).map(|n| (n % 251) as u8).collect();
        let record = record(now, envelope);
        match store.create(budget(), &key(1), &record, now).await {
            Ok(Created::Done) => assert_eq!(store.load(budget(), &key(1)).await.expect("load").record, Some(record)),
            other => panic!("{other:?}"),
        }
    });
}

#[test]
fn a_command_that_only_looks_makes_no_table() {
    let url = server().create_database("looks").expect("a database");
    let looking = open(&url, &Options { create: false, ..Options::default() }).expect("the URL is right");
    let error = block_on(looking.load(budget(), &key(1))).expect_err("no table");
    assert!(error.to_string().contains("no table `cloakroom`"), "{error}");
    assert_eq!(server().sql("looks", "SHOW TABLES").expect("lists"), "");
}

#[test]
fn a_user_who_may_not_make_tables_is_told_so() {
    let root = server().create_database("poor").expect("a database");
    let grant = "CREATE USER poor@'%' IDENTIFIED BY 'pw'; GRANT SELECT,INSERT,UPDATE,DELETE ON poor.* TO poor@'%'";
    server().sql("poor", grant).expect("grants");
    let url = format!("mysql://poor:pw@127.0.0.1:{}/poor", server().port());
    block_on(async {
        let error = store(&url).load(budget(), &key(1)).await.expect_err("no CREATE");
        assert!(matches!(error, StoreError::Refused { .. }) && error.to_string().contains("Grant CREATE"), "{error}");
        store(&root).load(budget(), &key(1)).await.expect("somebody else makes them");
        let poor = store(&url);
        let now = poor.now(budget()).await.expect("now");
        let owned = Record { owner: Some(Owner::new("site:1").expect("length")), ..record(now, vec![]) };
        assert_eq!(poor.create(budget(), &key(1), &owned, now).await, Ok(Created::Done));
        assert_eq!(poor.sweep(budget(), 10).await.map(|s| s.removed), Ok(0));
    });
}

#[test]
fn two_tables_of_one_database_are_two_stores() {
    let url = server().create_database("tables").expect("a database");
    let (a, b) = (store(&url), store(&format!("{url}?table=wp_cloakroom")));
    block_on(async {
        let now = a.now(budget()).await.expect("now");
        assert_eq!(a.create(budget(), &key(1), &record(now, vec![]), now).await, Ok(Created::Done));
        assert_eq!(b.load(budget(), &key(1)).await.expect("load").record, None);
    });
    let tables = server().sql("tables", "SHOW TABLES").expect("lists");
    assert!(tables.contains("wp_cloakroom_leases"), "{tables}");
}

#[test]
fn what_lies_behind_a_table_lock_costs_the_budget_and_is_not_in_doubt() {
    let url = server().create_database("locked").expect("a database");
    let store = store(&url);
    block_on(async {
        let now = store.now(budget()).await.expect("now");
        assert_eq!(store.create(budget(), &key(1), &record(now, vec![]), now).await, Ok(Created::Done));
        // As a backup does; the lock is held until the client is told to end.
        let hold = std::thread::spawn(|| {
            server().sql("locked", "LOCK TABLES cloakroom WRITE; SELECT SLEEP(4); UNLOCK TABLES").expect("locks");
        });
        let held = "SELECT COUNT(*) FROM information_schema.processlist WHERE info LIKE 'SELECT SLEEP(4)%'";
        let locked = || server().sql("locked", held).expect("asks").trim() == "1";
        cloakroom_testbed::wait_until("the table is locked", Duration::from_secs(3), locked).expect("locked");
        let begun = Instant::now();
        let ended = store.end(Budget::of(Duration::from_millis(2500)), &key(1), &tombstone(now)).await;
        assert!(matches!(ended, Err(StoreError::TimedOut { .. })), "{ended:?}");
        assert!(begun.elapsed() < Duration::from_millis(2700), "{:?}", begun.elapsed());
        hold.join().expect("no panic");
        let found = store.load(budget(), &key(1)).await.expect("load").record.expect("it is there");
        assert!(found.state.is_live(), "what timed out was not applied");
    });
}

#[test]
fn a_damaged_row_is_an_error_and_the_others_are_shown() {
    let url = server().create_database("damaged").expect("a database");
    let store = store(&url);
    block_on(async {
        let now = store.now(budget()).await.expect("now");
        for n in 0..5 {
            assert_eq!(store.create(budget(), &key(n), &record(now, vec![]), now).await, Ok(Created::Done));
        }
        for (n, damage) in [(0, "state=9"), (1, "about=x'01ffffff'"), (2, "owner=''")] {
            let k = format!("x'{}'", key(n).to_hex());
            server().sql("damaged", &format!("UPDATE cloakroom SET {damage} WHERE k={k}")).expect("damages");
            let loaded = store.load(budget(), &key(n)).await;
            assert!(matches!(loaded, Err(StoreError::Damaged { .. })), "{damage}: {loaded:?}");
        }
        let page = store.list().expect("can").page(budget(), &Default::default(), None, 10).await.expect("pages");
        assert_eq!(page.records.iter().map(|s| s.key).collect::<Vec<_>>(), [key(3), key(4)]);
        let counts = store.count().expect("can").count(budget()).await.expect("counts");
        assert_eq!(counts.live, 4);
    });
}

#[test]
fn deadlines_follow_the_servers_clock() {
    let url = server().create_database("clock").expect("a database");
    // A web server whose clock is years off.
    let clock = Arc::new(ManualClock::new(Time(1_000_000)));
    let astray = open(&url, &Options { clock: clock.clone(), ..Options::default() }).expect("the URL is right");
    let right = store(&url);
    block_on(async {
        let (a, b) = (astray.now(budget()).await.expect("now"), right.now(budget()).await.expect("now"));
        assert!(a.since(b).max(b.since(a)) < Duration::from_secs(1), "{a:?} and {b:?}");
        assert_eq!(astray.create(budget(), &key(1), &record(a, vec![]), a).await, Ok(Created::Done));
        clock.advance(Duration::from_secs(3601));
        let now = astray.now(budget()).await.expect("now");
        assert_eq!(astray.create(budget(), &key(1), &record(now, vec![]), now).await, Ok(Created::Done));
    });
}

#[test]
fn a_request_leaves_the_index_of_deadlines_alone_and_the_sweep_moves_it() {
    let url = server().create_database("due").expect("a database");
    let clock = Arc::new(ManualClock::new(Time(1_000_000)));
    let store = open(&url, &Options { clock: clock.clone(), ..Options::default() }).expect("the URL is right");
    let due = || server().sql("due", "SELECT due FROM cloakroom").expect("asks").trim().to_owned();
    block_on(async {
        let now = store.now(budget()).await.expect("now");
        let first = record(now, vec![]);
        assert_eq!(store.create(budget(), &key(1), &first, now).await, Ok(Created::Done));
        assert_eq!(due(), first.idle.0.to_string());
        let later = now.plus(Duration::from_secs(7200));
        assert_eq!(store.touch(budget(), &key(1), first.version, now, later).await, Ok(Touched::Done));
        assert_eq!(due(), first.idle.0.to_string());
        clock.advance(Duration::from_secs(3700));
        assert_eq!(store.sweep(budget(), 10).await.map(|s| (s.removed, s.more)), Ok((0, false)));
        assert_eq!(due(), later.0.to_string());
        // An earlier deadline is minded at once.
        let soon = Record { version: first.version.next(), idle: now, ..first.clone() };
        assert_eq!(store.swap(budget(), &key(1), first.version, &soon, now).await, Ok(Swapped::Done));
        assert_eq!(due(), now.0.to_string());
        assert_eq!(store.sweep(budget(), 10).await.map(|s| (s.removed, s.more)), Ok((1, false)));
    });
}

#[test]
fn a_large_sweep_beside_a_locked_row_waits_for_nobody() {
    let url = server().create_database("sweeps").expect("a database");
    let clock = Arc::new(ManualClock::new(Time(1_000_000)));
    let store = open(&url, &Options { clock: clock.clone(), ..Options::default() }).expect("the URL is right");
    block_on(async {
        let now = store.now(budget()).await.expect("now");
        assert_eq!(store.create(budget(), &key(1), &record(now, vec![]), now).await, Ok(Created::Done));
        // Two thousand more like it, each under a key of its own.
        let copy = "INSERT INTO cloakroom SELECT UNHEX(SHA2(seq,256)),incarnation,counter,state,kind,at,created,touched,idle,absolute,owner,format,size,about,envelope,due FROM cloakroom,seq_1_to_2000";
        server().sql("sweeps", copy).expect("copies");
        clock.advance(Duration::from_secs(3700));
        let first = format!("x'{}'", key(1).to_hex());
        let lock = format!("BEGIN; SELECT k FROM cloakroom WHERE k={first} FOR UPDATE; SELECT SLEEP(3); COMMIT");
        let hold = std::thread::spawn(move || server().sql("sweeps", &lock).expect("locks"));
        let held = "SELECT COUNT(*) FROM information_schema.processlist WHERE info LIKE 'SELECT SLEEP(3)%'";
        let locked = || server().sql("sweeps", held).expect("asks").trim() == "1";
        cloakroom_testbed::wait_until("the row is locked", Duration::from_secs(3), locked).expect("locked");
        let begun = Instant::now();
        let swept = store.sweep(budget(), 3000).await.expect("sweeps");
        assert!(begun.elapsed() < Duration::from_secs(2), "the sweep waited {:?}", begun.elapsed());
        assert_eq!(swept.removed, 2000);
        hold.join().expect("no panic");
        assert_eq!(store.sweep(budget(), 3000).await.map(|s| (s.removed, s.more)), Ok((1, false)));
    });
}

#[test]
fn tables_are_binary_and_each_has_a_primary_key_and_says_its_version() {
    let url = server().create_database("schema").expect("a database");
    block_on(store(&url).load(budget(), &key(1))).expect("makes the tables");
    let ask = |sql: &str| server().sql("schema", sql).expect("asks");
    let tables = ask(
        "SELECT table_name,engine,table_collation,table_comment FROM information_schema.tables WHERE table_schema='schema'",
    );
    assert_eq!(tables.lines().count(), 4, "{tables}");
    for line in tables.lines() {
        assert!(line.contains("InnoDB\tbinary\tCloakroom ") && line.ends_with("schema 1"), "{line}");
    }
    let keys = ask(
        "SELECT DISTINCT table_name FROM information_schema.statistics WHERE table_schema='schema' AND index_name='PRIMARY'",
    );
    assert_eq!(keys.lines().count(), 4, "{keys}");
    let collated = ask(
        "SELECT COUNT(*) FROM information_schema.columns WHERE table_schema='schema' AND collation_name IS NOT NULL",
    );
    assert_eq!(collated.trim(), "0");
}

#[test]
fn an_emptied_table_of_owners_is_no_way_past_it() {
    let url = server().create_database("gate").expect("a database");
    let store = store(&url);
    block_on(async {
        let now = store.now(budget()).await.expect("now");
        let owner = Owner::new("site:1").expect("length");
        let owned = Record { owner: Some(owner.clone()), ..record(now, vec![]) };
        assert_eq!(store.create(budget(), &key(1), &owned, now).await, Ok(Created::Done));
        let guest = record(now, vec![]);
        assert_eq!(store.create(budget(), &key(2), &guest, now).await, Ok(Created::Done));
        server().sql("gate", "TRUNCATE cloakroom_owners").expect("truncates");
        assert_eq!(store.create(budget(), &key(3), &owned, now).await, Ok(Created::Done));
        server().sql("gate", "TRUNCATE cloakroom_owners").expect("truncates");
        let login = Record { version: guest.version.next(), owner: Some(owner.clone()), ..guest.clone() };
        assert_eq!(store.swap(budget(), &key(2), guest.version, &login, now).await, Ok(Swapped::Done));
        server().sql("gate", "TRUNCATE cloakroom_owners").expect("truncates");
        let ended = store.owners().expect("can").end_owner(budget(), &owner, &tombstone(now), None).await;
        assert_eq!(ended.map(|e| (e.ended, e.complete)), Ok((3, true)));
    });
    let gates = server().sql("gate", "SELECT COUNT(*) FROM cloakroom_owners WHERE owner=''").expect("asks");
    assert_eq!(gates.trim(), "1");
}

#[test]
fn a_log_in_that_is_being_written_is_found_by_the_end_of_its_owner() {
    let url = server().create_database("logins").expect("a database");
    let (store, other) = (store(&url), store(&url));
    let owner = Owner::new("site:1").expect("length");
    block_on(async {
        let now = store.now(budget()).await.expect("now");
        let guest = record(now, vec![]);
        assert_eq!(store.create(budget(), &key(1), &guest, now).await, Ok(Created::Done));
        // A log-in as the store writes one, by hand, so that it can be held between its check and its commit.
        let k = format!("x'{}'", key(1).to_hex());
        let held = format!(
            "BEGIN; SELECT 1 FROM cloakroom_owners WHERE owner='' LOCK IN SHARE MODE; SELECT SLEEP(0.7); \
             UPDATE cloakroom SET owner='site:1' WHERE k={k}; COMMIT"
        );
        let hold = std::thread::spawn(move || server().sql("logins", &held).expect("logs in"));
        let asked = "SELECT COUNT(*) FROM information_schema.processlist WHERE info LIKE 'SELECT SLEEP(0.7)%'";
        let begun = || server().sql("logins", asked).expect("asks").trim() == "1";
        cloakroom_testbed::wait_until("the log-in has checked", Duration::from_secs(3), begun).expect("checked");
        let ended = other.owners().expect("can").end_owner(budget(), &owner, &tombstone(now), None).await;
        assert_eq!(ended.map(|e| e.ended), Ok(1));
        hold.join().expect("no panic");
        let found = store.load(budget(), &key(1)).await.expect("load").record.expect("it is there");
        assert!(matches!(found.state, State::Ended { .. }), "{:?}", found.state);
    });
}

#[test]
fn a_log_in_that_meets_the_end_of_its_owner_waits_and_sees_it() {
    let url = server().create_database("gates").expect("a database");
    let store = store(&url);
    let owner = Owner::new("site:1").expect("length");
    block_on(async {
        let now = store.now(budget()).await.expect("now");
        let owned = Record { owner: Some(owner.clone()), ..record(now, vec![]) };
        let guest = record(now, vec![]);
        let login = Record { version: guest.version.next(), ..owned.clone() };
        assert_eq!(store.create(budget(), &key(1), &guest, now).await, Ok(Created::Done));
        for round in ["swap", "create"] {
            server().sql("gates", "DELETE FROM cloakroom_owners WHERE owner<>''").expect("deletes");
            // An end as the store writes one, held between the gate and its tombstone.
            let held = format!(
                "BEGIN; SELECT 1 FROM cloakroom_owners WHERE owner='' FOR UPDATE; SELECT SLEEP(0.6); \
                 INSERT INTO cloakroom_owners VALUES ('site:1',{},{},NULL); COMMIT",
                now.0,
                u64::MAX
            );
            let hold = std::thread::spawn(move || server().sql("gates", &held).expect("ends"));
            let asked = "SELECT COUNT(*) FROM information_schema.processlist WHERE info LIKE 'SELECT SLEEP(0.6)%'";
            let begun = || server().sql("gates", asked).expect("asks").trim() == "1";
            cloakroom_testbed::wait_until("the gate is taken", Duration::from_secs(3), begun).expect("taken");
            if round == "swap" {
                let swapped = store.swap(budget(), &key(1), guest.version, &login, now).await;
                assert_eq!(swapped, Ok(Swapped::OwnerEnded));
            } else {
                assert_eq!(store.create(budget(), &key(2), &owned, now).await, Ok(Created::OwnerEnded));
            }
            hold.join().expect("no panic");
        }
    });
}

#[test]
fn a_connection_that_breaks_while_it_is_made_is_made_again() {
    server().create_database("halves").expect("a database");
    for bytes in [1, 60, 120] {
        let proxy = Proxy::start(server().endpoint()).expect("a proxy");
        let store = store(&server().url_at(&proxy.address(), "halves"));
        proxy.cut_after(Direction::ToClient, bytes);
        let now = block_on(store.now(budget()));
        assert!(now.is_ok(), "cut after {bytes} bytes: {now:?}");
        assert_eq!(proxy.connections(), 2);
    }
}
