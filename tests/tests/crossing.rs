//! Requests that cross a log-in, a rotation, a log-out or an eviction: they had opened the session before it, and write after
//! it. What they add is where it belongs, and an old id shows nothing that it did not show before.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests, too")]

use std::collections::BTreeSet;
use std::time::Duration;

use cloakroom_system_tests::{Backend, Options, Rig, Visitor, on_each_store, session_cookies};
use cloakroom_testbed::{Reply, wait_until};
use rusqlite::Connection;

/// Adds an item and says whether it was saved, and who was seen to be logged in.
const ADD: &str = "$_SESSION['cart'][] = 'item' . $_GET['n'];
    echo json_encode([session_write_close(), $_SESSION['user'] ?? null]);";

fn items(count: usize) -> BTreeSet<String> {
    (0..count).map(|n| format!("item{n}")).collect()
}

/// All were saved, saw nobody logged in, and got no cookie.
#[track_caller]
fn assert_saved_as_guests(rig: &Rig, replies: &[Reply]) {
    for reply in replies {
        assert_eq!(reply.body, "[true,null]", "{}", rig.site.php_logs());
        assert_eq!(session_cookies(reply), Vec::<String>::new());
    }
}

/// The cart of a visitor, as both servers show it, without an order.
#[track_caller]
fn cart(visitor: &Visitor) -> BTreeSet<String> {
    let [one, other] = [visitor.cart(""), visitor.cart("")];
    assert_eq!(one.cart, other.cart);
    let set: BTreeSet<String> = one.cart.iter().cloned().collect();
    assert_eq!(set.len(), one.cart.len(), "something is there twice: {:?}", one.cart);
    set
}

/// Sessions that are live.
fn live(rig: &Rig) -> u64 {
    rig.operator(&["count"])["live"].as_u64().unwrap()
}

/// Takes every record out of the store, as an eviction or an operator with a database client would.
fn evict(rig: &Rig) {
    match &rig.backend {
        Backend::Sqlite(_) => {
            let store = Connection::open(rig.backend.file()).unwrap();
            assert!(store.execute("DELETE FROM record", []).unwrap() > 0, "there was nothing");
        }
        Backend::Redis(redis) => assert_eq!(redis.command(&["FLUSHALL"]).unwrap().trim(), "+OK"),
        _ => {
            let (server, database) = rig.backend.mysql();
            server.sql(database, "DELETE FROM cloakroom").unwrap();
        }
    }
}

on_each_store! {
    fn what_ten_requests_add_that_began_before_a_log_in_is_in_the_new_session(store: Store) {
        let rig = Rig::with(store, Options { workers: 8, ..Options::default() });
        rig.held_page("add.php", ADD);
        for query in ["rotate=true&login=ada&owner=user7&add=gloves", "rotate=false&login=ada&add=gloves"] {
            let visitor = rig.visitor();
            visitor.fill(&["hat"]);
            let replies = std::thread::scope(|scope| {
                let held = rig.hold(scope, &visitor, "/add.php", 10);
                let page = visitor.cart(query);
                assert!(page.saved && page.cookies.len() == 1, "{page:?}");
                assert!(held.all_wait(), "this test has shown nothing");
                held.go()
            });
            assert_saved_as_guests(&rig, &replies);
            let mut expected = items(10);
            expected.extend(["hat".into(), "gloves".into()]);
            assert_eq!(cart(&visitor), expected, "{query}: {}", rig.site.php_logs());
            assert_eq!(visitor.cart("").user.as_deref(), Some("ada"));
        }
    }

    fn two_rotations_at_once_lead_to_one_session_for_a_known_owner_and_to_two_unlinked_ones_else(store: Store) {
        let rig = Rig::new(store);
        rig.held_page("rotate.php", "
            $added = $_SESSION['cart'][] = 'item' . $_GET['n'];
            $rotated = session_regenerate_id($_GET['delete'] === 'true');
            echo json_encode([$added, $rotated && session_write_close()]);");
        for (delete, owner) in [("true", true), ("false", true), ("true", false), ("false", false)] {
            let visitor = rig.visitor();
            visitor.cart(if owner { "add=hat&owner=user7&login=ada" } else { "add=hat" });
            let before = live(&rig) - 1;
            let replies = std::thread::scope(|scope| {
                let held = rig.hold(scope, &visitor, &format!("/rotate.php?delete={delete}"), 2);
                held.go()
            });
            let case = format!("delete {delete}, owner {owner}");
            let tabs: Vec<Visitor> = replies.iter().map(|reply| {
                let cookies = session_cookies(reply);
                assert_eq!(cookies.len(), 1, "{case}: {reply:?} {}", rig.site.php_logs());
                let tab = rig.visitor();
                tab.hold(cookies[0].trim_start_matches("PHPSESSID=").split(';').next().unwrap());
                assert_ne!(tab.ticket(), visitor.ticket());
                tab
            }).collect();
            for (n, reply) in replies.iter().enumerate() {
                assert_eq!(reply.body, format!(r#"["item{n}",true]"#), "{case}");
            }
            let hat = BTreeSet::from(["hat".to_string()]);
            if owner {
                assert_eq!(tabs[0].ticket(), tabs[1].ticket(), "{case}: two sessions");
                let both: BTreeSet<String> = hat.union(&items(2)).cloned().collect();
                assert_eq!(cart(&tabs[0]), both, "{case}");
                assert_eq!(live(&rig), before + 1, "{case}");
            } else {
                assert_ne!(tabs[0].ticket(), tabs[1].ticket(), "{case}: one session for whoever held the id");
                for (n, tab) in tabs.iter().enumerate() {
                    tab.cart(&format!("add=later{n}"));
                    let own = ["hat".to_string(), format!("item{n}"), format!("later{n}")].into();
                    assert_eq!(cart(tab), own, "{case}");
                }
                assert_eq!(live(&rig), before + 2, "{case}");
            }
        }
    }

    fn a_log_out_by_emptying_and_rotating_leaves_nothing_under_the_old_id_in_either_order(store: Store) {
        let rig = Rig::new(store);
        rig.held_page("add.php", ADD);
        rig.code("out.php", "
            session_start();
            $out = ['empty' => function () { $_SESSION = []; },
                'rotate' => function () { session_regenerate_id($_GET['delete'] === 'true'); },
                'unset' => function () { unset($_SESSION['user'], $_SESSION['cart']); }];
            foreach (explode(',', $_GET['do']) as $step) { $out[$step](); }
            echo json_encode(session_write_close());");
        for login in ["login=ada&owner=user7", "login=ada"] {
            for steps in ["empty,rotate", "rotate,empty", "unset,rotate", "rotate,unset"] {
                for delete in ["true", "false"] {
                    let case = format!("{login}, {steps}, delete {delete}");
                    let visitor = rig.visitor();
                    visitor.cart(&format!("add=hat&{login}"));
                    let thief = visitor.copy();
                    let late = std::thread::scope(|scope| {
                        let held = rig.hold(scope, &visitor, "/add.php", 1);
                        assert_eq!(visitor.get(&format!("/out.php?do={steps}&delete={delete}")).body, "true", "{case}");
                        // Nothing of what was there, whoever asks on which server; also not after a late write.
                        assert_shows_nothing(&thief, &case);
                        held.go()
                    });
                    assert_eq!(session_cookies(&late[0]), Vec::<String>::new(), "{case}");
                    assert_shows_nothing(&thief, &case);
                    let page = visitor.cart("");
                    assert_eq!(page.user, None, "{case}: {page:?}");
                    assert!(!page.cart.contains(&"hat".into()), "{case}: {page:?}");
                }
            }
        }
    }

    fn an_old_id_after_its_grace_opens_nothing_and_raises_an_alarm(store: Store) {
        let rig = Rig::with(store, Options::default().set("cloakroom.grace", "1"));
        let visitor = rig.visitor();
        visitor.fill(&["hat"]);
        let old = visitor.ticket();
        visitor.cart("rotate=true&login=ada&owner=user7&add=secret");
        assert_eq!(rig.operator(&["alarms"])["total"], 0);
        // In the grace it has what it had; then nothing.
        let mut late = rig.visitor();
        wait_until("the grace is over", Duration::from_secs(20), || {
            late = rig.visitor();
            late.hold(&old);
            let page = late.cart("");
            assert!(page.user.is_none() && (page.cart == ["hat"] || page.cart.is_empty()), "{page:?}");
            page.cart.is_empty()
        })
        .unwrap();
        assert_ne!(late.cart("add=more").key, visitor.cart("").key);
        assert_ne!(late.ticket(), old);
        assert!(late.ticket() != visitor.ticket());
        // Each worker hands in what it has counted after one of its responses.
        wait_until("the alarm is raised", Duration::from_secs(30), || {
            rig.visitor().cart("");
            rig.operator(&["alarms"])["total"].as_u64() > Some(0)
        })
        .unwrap();
        assert!(!rig.log_lines("Possible theft").is_empty(), "{}", rig.site.php_logs());
        assert_eq!(cart(&visitor), ["hat".to_string(), "secret".into()].into());
    }

    fn a_record_that_is_evicted_while_twenty_requests_of_its_session_run_is_one_record_with_all_they_added(store: Store) {
        let rig = Rig::with(store, Options { workers: 11, ..Options::default() });
        rig.held_page("add.php", ADD);
        let visitor = rig.visitor();
        visitor.fill(&["hat"]);
        let replies = std::thread::scope(|scope| {
            let held = rig.hold(scope, &visitor, "/add.php", 20);
            evict(&rig);
            assert_eq!(live(&rig), 0, "it was not evicted");
            assert!(held.all_wait(), "this test has shown nothing");
            held.go()
        });
        for reply in &replies {
            assert_eq!(reply.body, "[true,null]", "{}", rig.site.php_logs());
            // Who made the record anew may send the cookie once more; it is the one that the visitor has.
            let own = format!("PHPSESSID={};", visitor.ticket());
            assert!(session_cookies(reply).iter().all(|cookie| cookie.starts_with(&own)), "{reply:?}");
        }
        let mut expected = items(20);
        expected.insert("hat".into());
        assert_eq!(cart(&visitor), expected);
        assert_eq!(live(&rig), 1);
    }
}

/// Somebody who comes with an id finds neither user nor cart, on both servers.
#[track_caller]
fn assert_shows_nothing(thief: &Visitor, case: &str) {
    for _ in 0..2 {
        let page = thief.copy().cart("");
        assert_eq!((page.user, page.cart), (None, vec![]), "{case}");
    }
}
