//! What a thief of the store or of the logs gets: no session id, no word of a payload; and what somebody who can write to the
//! database gets by copying or altering rows: sessions that do not open.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests, too")]

use cloakroom_system_tests::{Options, Rig, Store, Visitor, on_each_store};
use cloakroom_testbed::{needs, wait_until};
use rusqlite::Connection;
use std::time::Duration;

/// Words that no other text holds.
const WORDS: [&str; 4] = ["Quetzalcoatlus", "Zwetschgenknoedel", "rhododendron-4711", "0xDEADBEEFcafe"];
const OWNER: &str = "owner-in-the-clear";

/// Which of the texts are in there, in one pass: stolen disks are large.
fn found_in<'a>(bytes: &[u8], texts: &'a [Vec<u8>]) -> Vec<&'a [u8]> {
    let mut by_start = vec![Vec::new(); 1 << 16];
    for text in texts {
        by_start[usize::from(u16::from_be_bytes([text[0], text[1]]))].push(text.as_slice());
    }
    let mut found = Vec::new();
    for (at, pair) in bytes.windows(2).enumerate() {
        let candidates = &by_start[usize::from(u16::from_be_bytes([pair[0], pair[1]]))];
        found.extend(candidates.iter().filter(|text| bytes[at..].starts_with(text)));
    }
    found
}

fn contains(bytes: &[u8], text: &[u8]) -> bool {
    !found_in(bytes, &[text.to_vec()]).is_empty()
}

/// Every shape of these secrets that is found.
fn betrayed<'a>(bytes: &[u8], secrets: impl Iterator<Item = &'a str>) -> Vec<String> {
    let shapes: Vec<Vec<u8>> = secrets.flat_map(shapes).collect();
    found_in(bytes, &shapes).into_iter().map(|text| String::from_utf8_lossy(text).into_owned()).collect()
}

/// A secret in every shape in which it might lie around.
fn shapes(secret: &str) -> Vec<Vec<u8>> {
    let hex: String = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
    let base64 = |skip: usize| {
        const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let whole = secret.as_bytes()[skip..].chunks_exact(3);
        whole
            .flat_map(|three| {
                let bits = u32::from_be_bytes([0, three[0], three[1], three[2]]);
                [18, 12, 6, 0].map(|shift| LETTERS[(bits >> shift & 63) as usize])
            })
            .collect::<Vec<u8>>()
    };
    let wide: Vec<u8> = secret.bytes().flat_map(|byte| [byte, 0]).collect();
    vec![
        secret.into(),
        secret.to_lowercase().into(),
        hex.clone().into(),
        hex.to_uppercase().into(),
        base64(0),
        base64(1),
        base64(2),
        wide,
    ]
}

/// Sessions of every kind: small and large, rotated, emptied, ended, failed. Returns every ticket that was ever given out.
fn live_a_little(rig: &Rig) -> Vec<String> {
    rig.code(
        "large.php",
        "session_start();
         $_SESSION[$_GET['w']] = str_repeat($_GET['w'] . ' ', 2000);
         $_SESSION['o'] = (object) [$_GET['w'] => [$_GET['w']]];",
    );
    // What makes noise in logs: a name that PHP's encoder refuses, a session that is ended while it is open, a fatal error.
    rig.code("pipe.php", "session_start(); $_SESSION['a|Zwetschgenknoedel'] = 'Quetzalcoatlus';");
    rig.code("fatal.php", "session_start(); $_SESSION['x'] = 'Quetzalcoatlus'; no_such_function();");
    let mut tickets = Vec::new();
    for word in WORDS {
        let visitor = rig.visitor();
        visitor.fill(&[word, word]);
        tickets.push(visitor.ticket());
        visitor.get(&format!("/large.php?w={word}"));
        visitor.cart(&format!("login={word}&rotate=true&owner={OWNER}"));
        tickets.push(visitor.ticket());
        let second = visitor.copy();
        visitor.get("/pipe.php");
        visitor.browser.get("/fatal.php").unwrap();
        visitor.cart(&format!("rotate=false&add={word}"));
        tickets.push(visitor.ticket());
        second.cart("");
        if word == WORDS[3] {
            visitor.cart("logout=1");
            second.cart("add=late");
        }
    }
    tickets
}

on_each_store! {
    fn a_stolen_store_holds_no_session_id_and_no_word_of_a_payload(store: Store) {
        let rig = Rig::with(store, Options { own: true, ..Options::default() });
        let tickets = live_a_little(&rig);
        let key = rig.visitor().cart("add=last").key;
        let stolen = rig.backend.stolen();
        // That we look in the right place, and find what is there.
        assert!(contains(&stolen, OWNER.as_bytes()), "not even the owner is found in {} bytes", stolen.len());
        let byte = |n: usize| u8::from_str_radix(&key[2 * n..2 * n + 2], 16).unwrap();
        let raw: Vec<u8> = (0..key.len() / 2).map(byte).collect();
        assert!(contains(&stolen, &raw) || contains(&stolen, key.as_bytes()), "the key {key} is not found");
        assert_eq!(betrayed(&stolen, tickets.iter().map(String::as_str).chain(WORDS)), Vec::<String>::new());
    }

    fn the_logs_hold_no_session_id_and_no_word_of_a_payload(store: Store) {
        let rig = Rig::with(store, Options { own: true, ..Options::default() }.set("cloakroom.warn", "1"));
        let tickets = live_a_little(&rig);
        if store != Store::Sqlite {
            rig.backend.service().kill9();
            let visitor = rig.visitor();
            visitor.hold(&tickets[0]);
            for query in ["add=x", "logout=1", "rotate=true"] {
                visitor.browser.get(&format!("/cart.php?{query}")).unwrap();
            }
        }
        // Words come in by the address, as they would not on a site that cares: what nginx notes of them is not ours.
        let logs: String = rig.site.servers().iter().map(|server| server.php_log() + &server.log()).collect();
        assert!(logs.contains("Cloakroom: ") && logs.contains("no_such_function"), "nothing was logged: {logs}");
        let betrayed = betrayed(logs.as_bytes(), tickets.iter().map(String::as_str).chain(WORDS));
        assert_eq!(betrayed, Vec::<String>::new(), "{logs}");
        let nginx = rig.site.nginx().access_log() + &rig.site.nginx().log();
        assert!(tickets.iter().all(|ticket| !nginx.contains(ticket)));
    }
}

/// Pages of a site that shows errors to everybody, with a store that fails: no password, no ticket, no path of the store.
#[test]
fn pages_that_show_errors_show_no_password_and_no_ticket() {
    needs!("php-fpm", "nginx", "mariadbd");
    let options = Options { own: true, ..Options::default() }.set("display_errors", "1");
    let rig = Rig::with(Store::Mysql, options.set("cloakroom.warn", "1").set("error_reporting", "-1"));
    rig.code(
        "info.php",
        "session_start(); unset($_COOKIE, $_SERVER['HTTP_COOKIE']); phpinfo(INFO_CONFIGURATION | INFO_MODULES);",
    );
    rig.code(
        "dump.php",
        "session_start(); var_dump(cloakroom_status(), ini_get_all('cloakroom')['cloakroom.timeout']);",
    );
    let visitor = rig.visitor();
    visitor.fill(&["hat"]);
    let ask = |page: &str| {
        let reply = visitor.browser.get(page).unwrap();
        assert!(!reply.body.contains("t3stbed-password"), "{page} shows the password");
        assert!(!reply.body.contains(&visitor.ticket()), "{page} shows the ticket: {}", reply.body);
        reply.body
    };
    assert!(ask("/info.php").contains("cloakroom.store"));
    assert!(ask("/dump.php").contains("location"));
    rig.backend.service().kill9();
    assert!(ask("/cart.php?add=x").contains("Warning"), "no warning was shown: this test has shown nothing");
    for page in ["/info.php", "/dump.php", "/cart.php?rotate=true", "/cart.php?logout=1"] {
        ask(page);
    }
}

/// That the test above can fail: PHP's own files hold all of it in the clear.
#[test]
fn without_cloakroom_words_and_ids_lie_open() {
    needs!("php-fpm", "nginx");
    let rig = Rig::with_files(1, Options::default());
    let visitor = rig.visitor();
    visitor.fill(&[WORDS[0]]);
    let folder = rig.site.servers()[0].session_folder();
    let file = std::fs::read_dir(folder).unwrap().next().unwrap().unwrap();
    assert!(file.file_name().to_string_lossy().contains(&visitor.ticket()));
    assert_eq!(betrayed(&std::fs::read(file.path()).unwrap(), WORDS.into_iter()), [WORDS[0]]);
}

/// Somebody who can write to the database.
struct Vandal<'a> {
    rig: &'a Rig,
    store: Store,
}

impl Vandal<'_> {
    /// Runs a statement; `records` and `k` are what the table and the key's column are called.
    fn run(&self, statement: &str) -> usize {
        match self.store {
            Store::Sqlite => {
                let file = Connection::open(self.rig.backend.file()).unwrap();
                file.busy_timeout(Duration::from_secs(10)).unwrap();
                file.execute(&statement.replace("records", "record"), []).unwrap()
            }
            _ => {
                let (server, database) = self.rig.backend.mysql();
                let statement = statement.replace("records", "cloakroom");
                let count = server.sql(database, &format!("{statement}; SELECT ROW_COUNT()")).unwrap();
                count.trim().parse().unwrap()
            }
        }
    }

    /// The condition for a visitor's row.
    fn row(&self, visitor: &Visitor) -> String {
        let key = visitor.cart("").key;
        assert!(!key.is_empty());
        format!("lower(hex(k)) LIKE '{key}%'")
    }

    /// Counted errors of records that did not open.
    fn counted(&self) -> i64 {
        match self.store {
            Store::Sqlite => {
                let file = Connection::open(self.rig.backend.file()).unwrap();
                file.busy_timeout(Duration::from_secs(10)).unwrap();
                let sum = "SELECT ifnull(sum(count), 0) FROM tally WHERE kind = 5";
                file.query_row(sum, [], |row| row.get(0)).unwrap()
            }
            _ => {
                let (server, database) = self.rig.backend.mysql();
                let sum = "SELECT ifnull(sum(count), 0) FROM cloakroom_reports WHERE kind = 5";
                server.sql(database, sum).unwrap().trim().parse().unwrap()
            }
        }
    }
}

/// What decides about a record, except its key.
const COLUMNS: [&str; 13] = [
    "incarnation",
    "counter",
    "state",
    "kind",
    "at",
    "created",
    "touched",
    "idle",
    "absolute",
    "owner",
    "format",
    "size",
    "about",
];

fn altered_rows_do_not_open(store: Store) {
    let rig = Rig::new(store);
    let vandal = Vandal { rig: &rig, store };
    // One more of each kind than is altered, so that a condition that meets all rows would show.
    let bystander = rig.visitor();
    bystander.fill(&["mine"]);
    let mut altered = 0;
    let mut alter = |what: &str, prepare: &dyn Fn(&Visitor), statement: &dyn Fn(&str) -> String| {
        let visitor = rig.visitor();
        visitor.fill(&["hat"]);
        prepare(&visitor);
        let before = visitor.ticket();
        let row = vandal.row(&visitor);
        assert_eq!(vandal.run(&statement(&row)), 1, "{what}: {}", statement(&row));
        let page = visitor.cart("add=new");
        assert_eq!((page.cart, page.user), (vec!["new".into()], None), "{what}: it opened");
        assert_ne!(visitor.ticket(), before, "{what}: the ticket was kept");
        assert_eq!(page.cookies.len(), 1, "{what}");
        altered += 1;
    };
    let set = |change: &'static str| move |row: &str| format!("UPDATE records SET {change} WHERE {row}");
    let nothing = |_: &Visitor| {};
    let owned = |visitor: &Visitor| drop(visitor.cart("owner=user7&login=ada"));

    let victim = rig.visitor();
    victim.fill(&["victims"]);
    victim.cart("owner=user1&login=victim");
    let of_victim = vandal.row(&victim);
    let whole = COLUMNS.iter().copied().chain(["envelope"]).map(|column| (column, column)).collect::<Vec<_>>();
    let copy = |columns: &[(&str, &str)], row: &str| match store {
        Store::Sqlite => {
            let names: Vec<&str> = columns.iter().map(|(name, _)| *name).collect();
            let names = names.join(",");
            format!("UPDATE records SET ({names}) = (SELECT {names} FROM record WHERE {of_victim}) WHERE {row}")
        }
        _ => {
            let sets: Vec<String> = columns.iter().map(|(name, _)| format!("mine.{name} = theirs.{name}")).collect();
            let (mine, theirs) = (row.replace("(k)", "(mine.k)"), of_victim.replace("(k)", "(theirs.k)"));
            format!("UPDATE records mine JOIN records theirs ON {theirs} SET {} WHERE {mine}", sets.join(","))
        }
    };
    alter("the victim's row copied over the thief's", &nothing, &|row| copy(&whole, row));
    alter("the victim's envelope alone", &nothing, &|row| copy(&[("envelope", "envelope")], row));
    alter("an owner given", &nothing, &set("owner = X'7573657231'"));
    alter("another owner", &owned, &set("owner = X'7573657231'"));
    alter("the owner taken away", &owned, &set("owner = NULL"));
    alter("a deadline given", &nothing, &set("absolute = idle + 1000000"));
    alter("a live record said to be moved", &nothing, &set("state = 1"));
    alter("a live record said to have ended", &nothing, &set("state = 2"));
    alter("the time of creation", &nothing, &set("created = created - 1000"));
    alter("an older version", &nothing, &set("counter = counter - 1"));

    // Records that are over, said to be live.
    let visitor = rig.visitor();
    visitor.fill(&["hat"]);
    let (row, ticket) = (vandal.row(&visitor), visitor.ticket());
    visitor.cart("logout=1");
    assert_eq!(vandal.run(&format!("UPDATE records SET state = 0 WHERE {row}")), 1);
    visitor.hold(&ticket);
    assert_eq!(visitor.cart("").cart, Vec::<String>::new(), "a tombstone was made to live");
    let visitor = rig.visitor();
    visitor.fill(&["hat"]);
    let (row, thief) = (vandal.row(&visitor), visitor.copy());
    visitor.cart("rotate=true&login=ada");
    assert_eq!(vandal.run(&format!("UPDATE records SET state = 0 WHERE {row}")), 1);
    let page = thief.cart("");
    assert_eq!((page.cart, page.user), (vec![], None), "a moved record was made to live");

    assert_eq!(bystander.cart("").cart, ["mine"]);
    assert_eq!(victim.cart("").user.as_deref(), Some("victim"));
    // Counters are handed to the store after a response, every ten seconds by each worker; the first ones at once.
    wait_until("errors are counted", Duration::from_secs(30), || {
        rig.visitor().cart("add=x");
        vandal.counted() >= altered / 2
    })
    .unwrap();
}

#[test]
fn a_row_of_sqlite_that_was_copied_or_altered_does_not_open() {
    needs!("php-fpm", "nginx");
    altered_rows_do_not_open(Store::Sqlite);
}

#[test]
fn a_row_of_mariadb_that_was_copied_or_altered_does_not_open() {
    needs!("php-fpm", "nginx", "mariadbd");
    altered_rows_do_not_open(Store::Mysql);
}

/// A site with an absolute deadline: it can't be moved, nor taken away.
#[test]
fn an_absolute_deadline_can_not_be_moved_in_the_database() {
    needs!("php-fpm", "nginx", "mariadbd");
    for store in [Store::Sqlite, Store::Mysql] {
        let rig = Rig::with(store, Options::default().set("cloakroom.absolute", "3600"));
        let vandal = Vandal { rig: &rig, store };
        for change in ["absolute = absolute + 1000", "absolute = NULL"] {
            let visitor = rig.visitor();
            visitor.fill(&["hat"]);
            let row = vandal.row(&visitor);
            assert_eq!(vandal.run(&format!("UPDATE records SET {change} WHERE {row} AND absolute IS NOT NULL")), 1);
            assert_eq!(visitor.cart("").cart, Vec::<String>::new(), "{store:?}: {change}: it opened");
        }
    }
}

/// Redis has no columns: a record copied over another one by Redis's own command.
#[test]
fn a_record_of_redis_that_was_copied_over_another_one_does_not_open() {
    needs!("php-fpm", "nginx", "redis-server");
    let rig = Rig::new(Store::Redis);
    let (victim, thief) = (rig.visitor(), rig.visitor());
    victim.fill(&["victims"]);
    let keys = || {
        let keys = rig.backend.redis().command(&["KEYS", "cloakroom:{*"]).unwrap();
        keys.lines().filter(|line| line.starts_with("cloakroom:")).map(String::from).collect::<Vec<_>>()
    };
    let of_victim = keys();
    assert_eq!(of_victim.len(), 1, "{of_victim:?}");
    thief.fill(&["thiefs"]);
    let of_thief = keys().into_iter().find(|key| *key != of_victim[0]).unwrap();
    let copied = rig.backend.redis().command(&["COPY", &of_victim[0], &of_thief, "REPLACE"]).unwrap();
    assert_eq!(copied, ":1\r\n");
    let before = thief.ticket();
    assert_eq!(thief.cart("add=new").cart, ["new"]);
    assert_ne!(thief.ticket(), before);
    assert_eq!(victim.cart("").cart, ["victims"]);
}
