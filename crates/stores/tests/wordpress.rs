//! What the stores of a WordPress site promise beyond the conformance kit: where they find the database, what they leave
//! alone, and how little they look at.

#![cfg(feature = "mysql")]

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use cloakroom::store::{Budget, Created, Ended, Swapped, Touched};
use cloakroom::{About, EndKind, Key, ManualClock, Owner, Record, State, Store, StoreError, Time, Tombstone, Version};
use cloakroom_stores::{Options, masked, open};
use cloakroom_testbed::{Folder, Mariadb, Proxy};

const TABLE: &str = "CREATE TABLE wp_options (\
    option_id bigint(20) unsigned NOT NULL auto_increment, option_name varchar(191) NOT NULL default '', \
    option_value longtext NOT NULL, autoload varchar(20) NOT NULL default 'yes', \
    PRIMARY KEY (option_id), UNIQUE KEY option_name (option_name), KEY autoload (autoload)) \
    DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_520_ci; \
    INSERT INTO wp_options (option_name, option_value) VALUES ('siteurl','http://shop')";

fn server() -> &'static Mariadb {
    static SERVER: OnceLock<Mariadb> = OnceLock::new();
    SERVER.get_or_init(|| Mariadb::start().expect("mariadbd starts"))
}

/// A site with a database of its own; the URL of its folder.
fn site(database: &str, host: &str) -> (Folder, String) {
    server().create_database(database).expect("a database");
    server().sql(database, TABLE).expect("a table");
    let folder = Folder::new("site").expect("a folder");
    let config = format!(
        "<?php\ndefine( 'DB_NAME', '{database}' );\ndefine( 'DB_USER', '{}' );\ndefine( 'DB_PASSWORD', '{}' );\n\
         define( 'DB_HOST', '{host}' );\n$table_prefix = 'wp_';\nrequire_once ABSPATH . 'wp-settings.php';\n",
        server().user(),
        server().password()
    );
    std::fs::write(folder.join("wp-config.php"), config).expect("writes");
    let url = format!("wordpress:{}", folder.path().display());
    (folder, url)
}

fn tcp() -> String {
    format!("127.0.0.1:{}", server().port())
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

/// Rows that the server has read since it was started, along an index or not.
fn rows_read(server: &Mariadb) -> u64 {
    let told = server.sql("cloakroom", "SHOW GLOBAL STATUS LIKE 'Handler_read%'").expect("asks");
    let counts = told.lines().filter_map(|line| line.rsplit('\t').next()?.parse::<u64>().ok());
    counts.sum()
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
fn a_sites_own_database_is_found_over_tcp_and_over_its_socket() {
    let socket = format!("localhost:{}", server().socket().display());
    for (database, host) in [("overtcp", tcp()), ("oversocket", socket)] {
        let (_folder, url) = site(database, &host);
        let (own, options) = (store(&url), store(&format!("{url}?table=options")));
        block_on(async {
            let now = own.now(budget()).await.expect("now");
            assert_eq!(own.create(budget(), &key(1), &record(now, vec![1]), now).await, Ok(Created::Done));
            assert_eq!(options.load(budget(), &key(1)).await.expect("load").record, None);
            assert_eq!(options.create(budget(), &key(2), &record(now, vec![1]), now).await, Ok(Created::Done));
        });
        let ask = |sql: &str| server().sql(database, sql).expect("asks").trim().to_owned();
        assert_eq!(ask("SELECT COUNT(*) FROM wp_cloakroom"), "1");
        assert_eq!(ask("SELECT COUNT(*) FROM wp_options WHERE option_name LIKE '\\_cloakroom\\_s\\_%'"), "1");
        let told = own.describe().location;
        assert!(told.contains("wp-config.php") && !told.contains(server().password()), "{told}");
        assert!(!masked(&url).contains(server().password()));
    }
}

#[test]
fn the_sites_own_table_is_made_again_when_it_is_gone_and_nobody_sees_an_error() {
    let (_folder, url) = site("remade", &tcp());
    let store = store(&url);
    block_on(async {
        let now = store.now(budget()).await.expect("now");
        assert_eq!(store.create(budget(), &key(1), &record(now, vec![1]), now).await, Ok(Created::Done));
        let drop = "DROP TABLE wp_cloakroom,wp_cloakroom_owners,wp_cloakroom_leases,wp_cloakroom_reports";
        server().sql("remade", drop).expect("drops");
        assert_eq!(store.load(budget(), &key(1)).await.expect("load").record, None);
        assert_eq!(store.create(budget(), &key(1), &record(now, vec![2]), now).await, Ok(Created::Done));
        server().sql("remade", drop).expect("drops");
        assert_eq!(store.create(budget(), &key(1), &record(now, vec![3]), now).await, Ok(Created::Done));
        server().sql("remade", drop).expect("drops");
        assert_eq!(store.end(budget(), &key(1), &tombstone(now)).await, Ok(Ended::Absent));
    });
}

#[test]
fn a_wrong_password_is_told_with_the_file_that_has_it() {
    let (folder, url) = site("refused", &tcp());
    let file = folder.join("wp-config.php");
    let text = std::fs::read_to_string(&file).expect("reads").replace(server().password(), "open-sesame");
    std::fs::write(&file, text).expect("writes");
    let error = block_on(store(&url).load(budget(), &key(1))).expect_err("refused");
    let text = error.to_string();
    assert!(matches!(error, StoreError::Refused { .. }), "{error:?}");
    assert!(text.contains("user and password in wp-config.php") && !text.contains("sesame"), "{text}");
}

#[test]
fn an_options_table_that_is_missing_or_has_no_unique_index_is_refused_with_what_to_do() {
    let url = server().create_database("unfit").expect("a database");
    let store = store(&format!("{url}?table=wp_options"));
    let refused = || match block_on(store.load(budget(), &key(1))) {
        Err(StoreError::Refused { detail, .. }) => detail,
        other => panic!("not refused: {other:?}"),
    };
    assert!(refused().contains("`wp_options` is not in the database"), "{}", refused());
    let table = TABLE.replace("UNIQUE KEY option_name (option_name)", "KEY option_name (option_name)");
    server().sql("unfit", &table).expect("a table");
    assert!(refused().contains("ADD UNIQUE KEY option_name"), "{}", refused());
    server().sql("unfit", "ALTER TABLE wp_options ADD UNIQUE KEY both_of (option_name, autoload)").expect("alters");
    assert!(refused().contains("ADD UNIQUE KEY option_name"), "{}", refused());
    server().sql("unfit", "ALTER TABLE wp_options ADD UNIQUE KEY u (option_name)").expect("alters");
    assert_eq!(block_on(store.load(budget(), &key(1))).expect("fits now").record, None);
    assert_eq!(server().sql("unfit", "SHOW TABLES").expect("lists").trim(), "wp_options", "a table was made");
}

#[test]
fn each_verb_of_a_request_is_one_round_trip_on_the_options_table() {
    let (_folder, _) = site("trips", &tcp());
    let proxy = Proxy::start(server().endpoint()).expect("a proxy");
    let store = store(&format!("{}?table=wp_options", server().url_at(&proxy.address(), "trips")));
    let owned = |record: Record| Record { owner: Some(Owner::new("site:1").expect("length")), ..record };
    block_on(async {
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
            for (verb, trips) in told.into_iter().filter(|_| round > 0) {
                assert_eq!(trips, 1, "{verb} took {trips} round trips");
            }
        }
    });
}

#[test]
fn a_sweep_of_the_options_table_looks_at_a_bounded_part_and_comes_round() {
    // Its own: what others read would count.
    let server = Mariadb::start().expect("mariadbd starts");
    server.sql("cloakroom", TABLE).expect("a table");
    let clock = Arc::new(ManualClock::new(Time(1_000_000)));
    let url = format!("{}?table=wp_options", server.url());
    let store = open(&url, &Options { clock: clock.clone(), ..Options::default() }).expect("the URL is right");
    let ask = |sql: &str| server.sql("cloakroom", sql).expect("asks").trim().to_owned();
    let reads = || rows_read(&server);
    block_on(async {
        let now = store.now(budget()).await.expect("now");
        let owner = Some(Owner::new("site:1").expect("length"));
        let short = Record { owner: owner.clone(), ..record(now, vec![1]) };
        assert_eq!(store.create(budget(), &key(1), &short, now).await, Ok(Created::Done));
        let long = Record { owner, idle: now.plus(Duration::from_secs(90_000)), ..record(now, vec![1]) };
        assert_eq!(store.create(budget(), &key(2), &long, now).await, Ok(Created::Done));
        // Four thousand that have run out, six thousand that have not, and twenty thousand of the site's own.
        let copy = |of: u8, from: u32, to: u32| {
            format!(
                "INSERT INTO wp_options (option_name,option_value,autoload) SELECT CONCAT('_cloakroom_s_',SHA2(seq,256)),\
                 option_value,'no' FROM wp_options,seq_{from}_to_{to} WHERE option_name='_cloakroom_s_{}'",
                key(of).to_hex()
            )
        };
        let others =
            "INSERT INTO wp_options (option_name,option_value) SELECT CONCAT('option_',seq),'x' FROM seq_1_to_20000";
        server
            .sql(
                "cloakroom",
                &format!("{};{};{others}; ANALYZE TABLE wp_options", copy(1, 1, 4000), copy(2, 4001, 10000)),
            )
            .expect("copies");
        clock.advance(Duration::from_secs(3700));
        let before = reads();
        let first = store.sweep(budget(), 100).await.expect("sweeps");
        let looked_at = reads() - before;
        assert!(first.more && first.removed <= 100 && looked_at < 3000, "{first:?} after a look at {looked_at} rows");
        let mut removed = first.removed;
        for _ in 0..1000 {
            let swept = store.sweep(budget(), 1000).await.expect("sweeps");
            removed += swept.removed;
            if !swept.more {
                break;
            }
        }
        assert_eq!(removed, 4001);
    });
    assert_eq!(ask("SELECT COUNT(*) FROM wp_options WHERE option_name LIKE '\\_cloakroom\\_s\\_%'"), "6001");
    assert_eq!(ask("SELECT COUNT(*) FROM wp_options WHERE option_name LIKE 'option\\_%'"), "20000");
    // Whose a session was goes with it, one sweep later at most.
    block_on(async { while store.sweep(budget(), 1000).await.expect("sweeps").more {} });
    assert_eq!(ask("SELECT COUNT(*) FROM wp_options WHERE option_name LIKE '\\_cloakroom\\_i\\_%'"), "1");
}

#[test]
fn no_verb_reads_more_of_the_options_table_than_its_own_rows() {
    let server = Mariadb::start().expect("mariadbd starts");
    server.sql("cloakroom", TABLE).expect("a table");
    let store = store(&format!("{}?table=wp_options", server.url()));
    let fill = "INSERT INTO wp_options (option_name,option_value) SELECT CONCAT('option_',seq),'x' FROM seq_1_to_5000; ANALYZE TABLE wp_options";
    server.sql("cloakroom", fill).expect("fills");
    let reads = || rows_read(&server);
    block_on(async {
        let now = store.now(budget()).await.expect("now");
        let owner = Owner::new("site:1").expect("length");
        let owned = Record { owner: Some(owner.clone()), ..record(now, vec![1]) };
        assert_eq!(store.create(budget(), &key(1), &owned, now).await, Ok(Created::Done));
        let before = reads();
        let next = Record { version: owned.version.next(), ..owned.clone() };
        assert_eq!(store.swap(budget(), &key(1), owned.version, &next, now).await, Ok(Swapped::Done));
        store.load(budget(), &key(1)).await.expect("load");
        assert_eq!(
            store.owners().expect("can").find(budget(), &owner, None, 10).await.expect("finds").records.len(),
            1
        );
        assert_eq!(
            store
                .list()
                .expect("can")
                .page(budget(), &Default::default(), None, 10)
                .await
                .expect("pages")
                .records
                .len(),
            1
        );
        assert_eq!(store.count().expect("can").count(budget()).await.expect("counts").live, 1);
        store.sweep(budget(), 100).await.expect("sweeps");
        assert_eq!(
            store.owners().expect("can").end_owner(budget(), &owner, &tombstone(now), None).await.map(|e| e.ended),
            Ok(1)
        );
        let looked_at = reads() - before;
        assert!(looked_at < 500, "{looked_at} rows were read");
    });
}

#[test]
fn the_documented_statement_takes_all_that_is_ours_and_nothing_else() {
    let (_folder, url) = site("leaving", &tcp());
    let store = store(&format!("{url}?table=options"));
    block_on(async {
        let now = store.now(budget()).await.expect("now");
        let owned = Record { owner: Some(Owner::new("site:1").expect("length")), ..record(now, vec![1]) };
        assert_eq!(store.create(budget(), &key(1), &owned, now).await, Ok(Created::Done));
    });
    let page = include_str!("../../../docs/stores/wordpress.md");
    let statement = page.lines().find(|line| line.starts_with("DELETE FROM wp_options")).expect("the page has it");
    server().sql("leaving", statement).expect("deletes");
    let left = server().sql("leaving", "SELECT option_name FROM wp_options").expect("asks");
    assert_eq!(left.trim(), "siteurl");
    // The table of its own goes as whole tables.
    let dropping = page.lines().find(|line| line.starts_with("DROP TABLE")).expect("the page has it");
    assert!(dropping.contains("wp_cloakroom_reports"), "{dropping}");
}

#[test]
fn a_damaged_row_is_an_error_and_the_others_are_shown() {
    let (_folder, url) = site("damaged", &tcp());
    let store = store(&format!("{url}?table=options"));
    block_on(async {
        let now = store.now(budget()).await.expect("now");
        for n in 0..4 {
            assert_eq!(store.create(budget(), &key(n), &record(now, vec![1, 2]), now).await, Ok(Created::Done));
        }
        for (n, damage) in [(0, "'no record'"), (1, "REPLACE(option_value,'.','!')"), (2, "CONCAT(option_value,'!')")] {
            let name = format!("_cloakroom_s_{}", key(n).to_hex());
            let sql = format!("UPDATE wp_options SET option_value={damage} WHERE option_name='{name}'");
            server().sql("damaged", &sql).expect("damages");
            let loaded = store.load(budget(), &key(n)).await;
            assert!(matches!(loaded, Err(StoreError::Damaged { .. })), "{damage}: {loaded:?}");
        }
        let page = store.list().expect("can").page(budget(), &Default::default(), None, 10).await.expect("pages");
        assert!(page.records.iter().any(|s| s.key == key(3)));
        assert_eq!(store.end(budget(), &key(2), &tombstone(now)).await, Ok(Ended::Done));
    });
}
