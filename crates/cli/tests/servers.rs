//! The commands against real servers, and what they do when a server is gone.

mod common;

use cloakroom_testbed::{Mariadb, Redis, needs};
use common::{Machine, id};

/// The whole round: count, list page by page, show, end, sweep, doctor.
fn a_round(url: &str) {
    let m = Machine::new();
    m.clock.set(cloakroom::Clock::now(&cloakroom::SystemClock));
    let engine = m.engine(url);
    let names: Vec<String> = (0..12).map(|n| format!("visitor-number-{n}")).collect();
    common::wait(async {
        for (n, name) in names.iter().enumerate() {
            common::keep(&engine, name, b"cart|i:1;", (n < 4).then_some("site:42")).await;
        }
    });
    let ring = cloakroom::KeyRing::new(vec![cloakroom::SiteKey::new([7; 32])]);
    let shop = engine.sibling().namespace(cloakroom::Namespace::new("\0named").expect("short")).ring(ring).build();
    common::wait(async {
        let mut cart = shop.open_named(common::budget(), b"cart:42", common::LIFETIME).await.expect("opened");
        cart.set_owner(Some(cloakroom::Owner::new("site:42").expect("short")));
        cart.commit(&shop, common::budget(), b"a:1:{s:3:\"tea\";i:2;}", 3).await.expect("kept");
    });
    drop((engine, shop));
    let run = |line: &[&str]| m.run(&[line, &["--store", url]].concat());

    assert_eq!(run(&["count", "--json"]).json()["live"], 13);
    assert_eq!(run(&["count", "--namespace", "", "--json"]).json()["named"], 1);
    let mut keys = std::collections::BTreeSet::new();
    let mut after = None::<String>;
    for _ in 0..50 {
        let mut line = vec!["list", "--json", "--limit", "5"];
        line.extend(after.iter().flat_map(|word| ["--after", word]));
        let page = run(&line).json();
        let sessions = page["sessions"].as_array().expect("a list").clone();
        assert!(sessions.len() <= 5);
        keys.extend(sessions.iter().map(|s| s["key"].as_str().expect("a key").to_owned()));
        after = page["next"].as_str().map(str::to_owned);
        if after.is_none() {
            break;
        }
    }
    assert_eq!(keys.len(), 13, "every session is on some page");
    assert_eq!(run(&["list", "--owner", "site:42", "--json"]).json()["sessions"].as_array().map(Vec::len), Some(5));
    assert_eq!(run(&["list", "--named", "--json"]).json()["sessions"].as_array().map(Vec::len), Some(1));

    let key = cloakroom::Key::of(&cloakroom::Namespace::default(), &id(&names[7])).to_hex();
    let shown = run(&["show", &key[..9]]);
    assert!(shown.out.contains(&key) && shown.out.contains("live"), "{shown:?}");
    assert!(!shown.out.contains(&names[7]), "no session id is printed");
    assert_eq!(run(&["end", &key[..9], "--yes", "--json"]).json()["ended"], 1);
    let ended = run(&["end", "--owner", "site:42", "--yes", "--json"]).json();
    assert_eq!((&ended["ended"], &ended["spared"]), (&4.into(), &1.into()), "the cart stays");
    assert_eq!(run(&["count", "--json"]).json()["live"], 8);
    assert_eq!(run(&["end", "--older-than", "1h", "--yes", "--json"]).json()["ended"], 0);
    assert_eq!(run(&["end", "--all", "--yes", "--json"]).json()["ended"], 7);
    assert_eq!(run(&["end", "--owner", "site:42", "--named", "--yes", "--json"]).json()["ended"], 1);
    assert_eq!(run(&["count", "--json"]).json()["live"], 0);
    assert_eq!(run(&["sweep"]).code, 0);

    let doctor = run(&["doctor"]);
    assert!(doctor.out.contains("ok       answers") || doctor.out.contains("warning  answers"), "{}", doctor.out);
    assert!(doctor.out.contains("ok       clock") && doctor.out.contains("can be shared"), "{}", doctor.out);
    assert!(doctor.out.contains("this machine's alone"), "{}", doctor.out);
    assert_eq!(doctor.code, 0, "{}", doctor.out);
}

#[test]
fn every_command_works_on_mariadb() {
    needs!("mariadbd", "mariadb", "mariadb-install-db");
    let server = Mariadb::start().expect("mariadbd starts");
    a_round(&server.url());
}

#[test]
fn every_command_works_on_a_wordpress_sites_database_and_on_its_options_table() {
    needs!("mariadbd", "mariadb", "mariadb-install-db");
    let server = Mariadb::start().expect("mariadbd starts");
    let options = "CREATE TABLE wp_options (option_id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY, option_name VARCHAR(191) NOT NULL UNIQUE, \
        option_value LONGTEXT NOT NULL, autoload VARCHAR(20) NOT NULL DEFAULT 'yes') DEFAULT CHARACTER SET utf8mb4";
    server.sql("cloakroom", options).expect("a table");
    let site = cloakroom_testbed::Folder::new("site").expect("a folder");
    let config = format!(
        "<?php\ndefine('DB_NAME', 'cloakroom');\ndefine('DB_USER', '{}');\ndefine('DB_PASSWORD', '{}');\n\
         define('DB_HOST', '127.0.0.1:{}');\n$table_prefix = 'wp_';\n",
        server.user(),
        server.password(),
        server.port()
    );
    std::fs::write(site.join("wp-config.php"), config).expect("writes");
    let url = format!("wordpress:{}", site.path().display());
    a_round(&url);
    a_round(&format!("{url}?table=options"));
    let ran = Machine::new().run(&["doctor", "--store", &url]);
    assert!(ran.out.contains("wp-config.php") && ran.out.contains("this machine's alone"), "{}", ran.out);
    assert!(!ran.out.contains(server.password()), "{}", ran.out);
    std::fs::write(site.join("wp-config.php"), "<?php\ndefine('DB_NAME', getenv('OPEN_SESAME'));\n").expect("writes");
    let ran = Machine::new().run(&["doctor", "--store", &url]);
    let said = ran.out.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(ran.code == 1 && said.contains("DB_NAME in line 2 is not a plain string"), "{}", ran.out);
    assert!(!said.contains("SESAME"), "{said}");
}

#[test]
fn every_command_works_on_redis() {
    needs!("redis-server");
    let server = Redis::start().expect("redis-server starts");
    a_round(&server.url());
}

#[test]
fn a_store_without_tables_is_not_given_any() {
    needs!("mariadbd", "mariadb", "mariadb-install-db");
    let server = Mariadb::start().expect("mariadbd starts");
    let m = Machine::new();
    let url = server.url();
    for line in [&["count"][..], &["list"]] {
        let ran = m.run(&[line, &["--store", &url]].concat());
        assert!(ran.code == 0 && ran.out.contains("No session was kept there yet."), "{ran:?}");
        let json = m.run(&[line, &["--json", "--store", &url]].concat());
        assert_eq!(json.code, 0, "{json:?}");
        let json = json.json();
        assert!(json["live"] == 0 || json["sessions"] == serde_json::json!([]), "{json}");
    }
    for command in ["conflicts", "alarms", "waits", "dropped"] {
        let ran = m.run(&[command, "--store", &url]);
        assert!(ran.code == 0 && ran.out.starts_with("No "), "{ran:?}");
    }
    for line in [&["sweep"][..], &["doctor"], &["end", "--all", "--yes"]] {
        let ran = m.run(&[line, &["--store", &url]].concat());
        let said = format!("{}{}", ran.out, ran.error);
        assert!(!said.contains(server.password()), "{said}");
        assert!(said.contains("there is no table"), "{said}");
        // A site that is set up and has had no visitor yet is no problem for doctor.
        assert_eq!(ran.code, if line == ["doctor"] { 0 } else { 2 }, "{said}");
    }
    assert_eq!(server.sql("cloakroom", "SHOW TABLES").expect("answers"), "");
}

#[test]
fn a_server_that_is_gone_is_said_within_the_time_given() {
    needs!("redis-server");
    let server = Redis::start().expect("redis-server starts");
    let (m, url) = (Machine::new(), server.url());
    assert_eq!(m.run(&["count", "--store", &url]).code, 0);
    server.freeze();
    let start = std::time::Instant::now();
    let ran = m.run(&["count", "--store", &url, "--timeout", "0.3"]);
    assert_eq!(ran.code, 2);
    assert!(ran.error.contains("--timeout") || ran.error.contains("reached"), "{}", ran.error);
    assert!(start.elapsed() < std::time::Duration::from_secs(5));
    server.thaw();
    server.kill9();
    let ran = m.run(&["doctor", "--store", &url, "--timeout", "0.3"]);
    assert_eq!(ran.code, 1);
    assert!(ran.out.contains("problem  answers"), "{}", ran.out);
}

#[test]
fn a_host_name_that_does_not_resolve_is_said_as_that() {
    let ran = Machine::new().run(&["count", "--store", "redis://no-such-host.invalid/0"]);
    assert_eq!(ran.code, 2);
    assert!(ran.error.replace("\n", " ").contains("host name not found"), "{}", ran.error);
}
