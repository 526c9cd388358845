//! What happens to servers and sessions in a day: log-outs on one server while the other one works, reloads of a pool,
//! responses that leave early, sessions that start by themselves.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests, too")]

use std::time::Duration;

use cloakroom_system_tests::{Crowd, Options, Rig, on_each_store};
use cloakroom_testbed::wait_until;
use rustix::process::{Pid, Signal, kill_process};

on_each_store! {
    fn a_log_out_on_one_server_is_one_on_the_other(store: Store) {
        let rig = Rig::new(store);
        for _ in 0..4 {
            let visitor = rig.visitor();
            visitor.fill(&["hat"]);
            visitor.cart("rotate=true&login=ada");
            let (old, elsewhere) = (visitor.ticket(), visitor.copy());
            let out = visitor.cart("logout=1");
            assert!(out.saved, "{out:?}");
            // The other server, by the ticket that the other tab still has; it gets another one with its next thing.
            let page = elsewhere.cart("add=new");
            assert_ne!(page.server, out.server);
            assert_eq!((page.cart, page.user, page.saved), (vec!["new".into()], None, true));
            assert_ne!(elsewhere.ticket(), old);
        }
    }

    /// A session that is destroyed on A while B has it open: what B writes is dropped, and B is told.
    fn a_session_destroyed_on_one_server_while_the_other_has_it_open_stays_destroyed(store: Store) {
        let rig = Rig::new(store);
        rig.code("open.php", &format!("
            session_start();
            touch('{}');
            for ($i = 0; $i < 2000 && !file_exists('{}'); $i++) {{ usleep(5000); clearstatcache(); }}
            $_SESSION['cart'][] = 'late';
            echo $_SERVER['CLOAKROOM_SERVER'], json_encode(session_write_close());",
            rig.flag("open").display(), rig.flag("go").display()));
        let visitor = rig.visitor();
        visitor.fill(&["hat"]);
        let (ticket, other) = (visitor.ticket(), visitor.copy());
        std::thread::scope(|scope| {
            let late = scope.spawn(|| other.get("/open.php").body);
            wait_until("it is open", Duration::from_secs(20), || rig.flag("open").exists()).unwrap();
            let out = visitor.cart("logout=1");
            std::fs::write(rig.flag("go"), "").unwrap();
            let late = late.join().unwrap();
            assert_eq!(&late[1..], "false");
            assert_ne!(late[..1], out.server, "both ran on one server: this test has shown nothing");
        });
        visitor.hold(&ticket);
        assert_eq!(visitor.cart("").cart, Vec::<String>::new());
    }

    /// A reload (USR2) replaces all workers, a signal for the logs (USR1) none; neither costs anything that was acknowledged.
    fn reloads_of_the_pool_under_load_lose_nothing(store: Store) {
        let rig = Rig::with(store, Options { own: true, ..Options::default() });
        let record = Crowd::new(&rig, 3).click_while(|crowd| {
            for round in 0..6 {
                crowd.await_progress(20);
                let server = &rig.site.servers()[round % 2];
                let before = server.workers();
                let master = Pid::from_raw(server.pid().unwrap()).unwrap();
                kill_process(master, Signal::USR1).unwrap();
                kill_process(master, Signal::USR2).unwrap();
                wait_until("all workers are new", Duration::from_secs(30), || {
                    let now = server.workers();
                    now.len() == 4 && !now.iter().any(|pid| before.contains(pid))
                })
                .unwrap();
            }
            crowd.await_progress(20);
        });
        assert!(record.acknowledged() > 120, "{record:?}");
        assert_eq!(record.detached, 0, "{}", rig.site.php_logs());
    }

    fn what_is_written_after_the_response_has_left_is_kept(store: Store) {
        let rig = Rig::new(store);
        rig.code("early.php", &format!("
            session_start();
            $_SESSION['cart'][] = 'before';
            echo 'early';
            fastcgi_finish_request();
            $_SESSION['cart'][] = 'after';
            if (session_write_close()) {{ touch('{}' . $_GET['n']); }}", rig.flag("written").display()));
        rig.code("end.php", "session_start(); $_SESSION['cart'][] = 'end'; echo 'early'; fastcgi_finish_request();");
        for round in 0..3 {
            let visitor = rig.visitor();
            // Also in the very first request: its cookie has left before.
            assert_eq!(visitor.get(&format!("/early.php?n={round}")).body, "early");
            let written = rig.flag(&format!("written{round}"));
            wait_until("it is written", Duration::from_secs(20), || written.exists()).unwrap();
            assert_eq!(visitor.cart("").cart, ["before", "after"]);
            assert_eq!(visitor.get("/end.php").body, "early");
            wait_until("PHP's own end has written", Duration::from_secs(20), || {
                visitor.cart("").cart == ["before", "after", "end"]
            })
            .unwrap();
        }
    }

    fn sessions_that_start_by_themselves_are_sessions(store: Store) {
        let rig = Rig::with(store, Options::default().set("session.auto_start", "1"));
        rig.code("auto.php", "
            if (isset($_GET['add'])) { $_SESSION['cart'][] = $_GET['add']; }
            if (isset($_GET['rotate'])) { session_regenerate_id(true); }
            if (isset($_GET['out'])) { $_SESSION = []; session_destroy(); }
            echo json_encode($_SESSION['cart'] ?? []);");
        let visitor = rig.visitor();
        let first = visitor.get("/auto.php?add=hat");
        assert_eq!((first.body.as_str(), first.set_cookies().len()), (r#"["hat"]"#, 1));
        assert!(first.set_cookies()[0].to_ascii_lowercase().contains("httponly"));
        assert_eq!(visitor.get("/auto.php?add=scarf").body, r#"["hat","scarf"]"#);
        let before = visitor.ticket();
        visitor.get("/auto.php?rotate=1");
        assert_ne!(visitor.ticket(), before);
        assert_eq!(visitor.get("/auto.php").body, r#"["hat","scarf"]"#);
        let attacker = rig.visitor();
        attacker.hold("attackerchosen0123456789");
        attacker.get("/auto.php?add=x");
        assert_ne!(attacker.ticket(), "attackerchosen0123456789");
        visitor.get("/auto.php?out=1");
        assert_eq!(visitor.get("/auto.php").body, "[]");
        rig.assert_quiet();
    }
}
