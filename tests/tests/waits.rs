//! Nobody waits for nobody's sake: a fast request does not wait for a slow one, a page does not wait for itself, and a slow
//! store costs a request no more than its one budget.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests, too")]

use std::time::{Duration, Instant};

use cloakroom_system_tests::{Options, Rig, Visitor, on_each_server, on_each_store};
use cloakroom_testbed::{Direction, wait_until};

const LOCK: &str = "lock";

on_each_store! {
    /// No clock: the fast ones are answered while the slow one has its session open.
    fn a_fast_request_is_answered_while_a_slow_one_of_its_session_runs(store: Store) {
        let rig = Rig::new(store);
        rig.held_page("slow.php", "$_SESSION['cart'][] = 'slow'; echo json_encode(session_write_close());");
        let visitor = rig.visitor();
        visitor.fill(&["hat"]);
        std::thread::scope(|scope| {
            let slow = rig.hold(scope, &visitor, "/slow.php", 2);
            for n in 0..6 {
                assert!(visitor.cart(&format!("add=fast{n}")).saved);
            }
            assert_eq!(visitor.cart("").cart.len(), 7);
            assert!(slow.all_wait(), "a fast request came after a slow one");
            assert!(slow.go().iter().all(|reply| reply.body == "true"));
        });
        let cart = visitor.cart("").cart;
        assert_eq!((cart.len(), cart.iter().filter(|item| *item == "slow").count()), (9, 2), "{cart:?}");
        rig.assert_quiet();
    }

    /// Under lock a request that may write waits, as asked; whoever only reads, or comes when the session is closed, does not.
    fn under_lock_only_who_may_write_waits_for_a_slow_request(store: Store) {
        let options = Options::default().set("cloakroom.concurrency", LOCK).set("cloakroom.lock_wait", "60");
        let rig = Rig::with(store, options.set("cloakroom.readonly_paths", "/read.php"));
        let show = "echo json_encode([$_SESSION['cart'], cloakroom_status()['waited_milliseconds']]);";
        rig.held_page("slow.php", "$_SESSION['cart'][] = 'slow'; echo json_encode(session_write_close());");
        rig.held_page_that("closed.php", "session_start(); session_write_close();", "");
        rig.code("read.php", &format!("session_start(); {show}"));
        rig.code("close.php", &format!("session_start(['read_and_close' => true]); {show}"));
        let visitor = rig.visitor();
        visitor.fill(&["hat"]);
        std::thread::scope(|scope| {
            let slow = rig.hold(scope, &visitor, "/slow.php", 1);
            for page in ["/read.php", "/close.php", "/read.php", "/close.php"] {
                assert_eq!(visitor.get(page).body, r#"[["hat"],0]"#);
            }
            // Somebody else's session is somebody else's.
            rig.visitor().fill(&["coat"]);
            let writer = visitor.copy();
            let waiting = scope.spawn(move || writer.cart("add=fast").cart);
            for _ in 0..3 {
                assert_eq!(visitor.get("/read.php").body, r#"[["hat"],0]"#);
            }
            assert!(slow.all_wait() && !waiting.is_finished(), "a request that may write did not wait for the lock");
            slow.go();
            assert_eq!(waiting.join().unwrap(), ["hat", "slow", "fast"]);
            // A slow page that has closed its session holds no lock.
            let slow = rig.hold(scope, &visitor, "/closed.php", 1);
            assert_eq!(visitor.cart("add=gloves").cart, ["hat", "slow", "fast", "gloves"]);
            assert!(slow.all_wait(), "it waited for a page that had closed its session");
            slow.go();
        });
        rig.assert_quiet();
    }

    fn a_page_that_calls_itself_with_the_visitors_cookie_does_not_wait_in_either_mode(store: Store) {
        let ways = [
            "$c = curl_init($url); curl_setopt_array($c, [CURLOPT_RETURNTRANSFER => 1, CURLOPT_COOKIE => $cookie, CURLOPT_TIMEOUT => 40]);
             $reply = curl_exec($c);",
            "$c = curl_init($url); curl_setopt_array($c, [CURLOPT_RETURNTRANSFER => 1, CURLOPT_COOKIE => $cookie]);
             $m = curl_multi_init(); curl_multi_add_handle($m, $c);
             do { curl_multi_exec($m, $running); curl_multi_select($m, 0.1); } while ($running);
             $reply = curl_multi_getcontent($c);",
            "$reply = file_get_contents($url, false, stream_context_create(['http' => ['header' => 'Cookie: ' . $cookie]]));",
            "$s = fsockopen('127.0.0.1', (int) explode(':', $_SERVER['HTTP_HOST'])[1]);
             fwrite($s, \"GET /self.php?inner=1 HTTP/1.0\\r\\nHost: {$_SERVER['HTTP_HOST']}\\r\\nCookie: $cookie\\r\\n\\r\\n\");
             $reply = stream_get_contents($s);",
        ];
        for mode in ["merge", LOCK] {
            // Who waits for itself does so for a minute, and is told that it has waited.
            let options = Options::default().set("cloakroom.concurrency", mode).set("cloakroom.lock_wait", "60");
            let rig = Rig::with(store, options);
            let visitor = rig.visitor();
            visitor.fill(&["hat"]);
            for (n, way) in ways.iter().enumerate() {
                rig.code("self.php", &format!("
                    session_start();
                    if (isset($_GET['inner'])) {{
                        $_SESSION['cart'][] = 'inner{n}';
                        exit('waited ' . json_encode([cloakroom_status()['waited_milliseconds'], session_write_close()]));
                    }}
                    $url = 'http://' . $_SERVER['HTTP_HOST'] . '/self.php?inner=1';
                    $cookie = 'PHPSESSID=' . session_id();
                    $_SESSION['cart'][] = 'outer{n}';
                    {way}
                    echo strstr((string) $reply, 'waited'), json_encode(session_write_close());"));
                assert_eq!(visitor.get("/self.php").body, "waited [0,true]true", "{mode}: {way}");
                let cart = visitor.cart("").cart;
                for item in [format!("inner{n}"), format!("outer{n}")] {
                    assert_eq!(cart.iter().filter(|there| **there == item).count(), 1, "{mode}: {way}: {cart:?}");
                }
            }
            rig.assert_quiet();
        }
    }
}

/// `cloakroom.timeout` of the tests below.
const TIMEOUT: Duration = Duration::from_secs(1);
/// What else a page may take on a machine that has other things to do.
const SLACK: Duration = Duration::from_millis(1500);
/// How often a page opens its session.
const STARTS: usize = 16;

on_each_server! {
    /// Each answer of the store comes within the time-out; all together would take several times as long.
    fn several_session_starts_in_one_request_share_one_time_budget(store: Store) {
        let options = Options { proxied: true, ..Options::default() }.one_worker().set("cloakroom.timeout", "1");
        let rig = Rig::with(store, options);
        rig.code("many.php", &format!("
            $began = microtime(true); $told = [];
            for ($i = 0; $i < {STARTS}; $i++) {{
                session_start();
                $_SESSION['n'] = ($_SESSION['n'] ?? 0) + 1;
                if (isset($_GET['rotate'])) {{ session_regenerate_id(true); }}
                $told[] = [cloakroom_status()['state'], session_write_close()];
            }}
            echo json_encode([$told, microtime(true) - $began]);"));
        for query in ["", "?rotate=1"] {
            let visitor = rig.visitor();
            visitor.get("/many.php");
            rig.proxy().delay(Direction::ToClient, TIMEOUT * 3 / 20);
            let (told, took) = many(&visitor, query);
            assert!(took < TIMEOUT + SLACK, "{took:?} for {STARTS} starts{query}: {told:?}");
            // That the store was slow and not away: the first opening was within the budget.
            assert_eq!(told[0].0, "live", "{told:?}");
            assert_eq!(told.last().unwrap(), &("detached".to_string(), false), "{told:?}");
            rig.proxy().heal();
            back_again(&rig);
        }
        // A store that says nothing at all: the time-out once, and not once for each start.
        let visitor = rig.visitor();
        visitor.get("/many.php");
        rig.proxy().stall(Direction::ToClient);
        let (told, took) = many(&visitor, "");
        assert!(took < TIMEOUT + SLACK && took > TIMEOUT / 2, "{took:?}: {told:?}");
        assert!(told.iter().all(|told| *told == ("detached".to_string(), false)), "{told:?}");
        rig.proxy().heal();
        back_again(&rig);
    }
}

/// What each start of the page came to (state, saved), and how long it took inside of PHP.
#[track_caller]
fn many(visitor: &Visitor, query: &str) -> (Vec<(String, bool)>, Duration) {
    let began = Instant::now();
    let (told, took): (_, f64) = serde_json::from_str(&visitor.get(&format!("/many.php{query}")).body).unwrap();
    assert!(began.elapsed() < TIMEOUT + SLACK * 2, "the page itself took {:?}", began.elapsed());
    (told, Duration::from_secs_f64(took))
}

/// The worker has found its store again.
#[track_caller]
fn back_again(rig: &Rig) {
    wait_until("the store is there again", Duration::from_secs(20), || rig.visitor().cart("add=x").saved).unwrap();
}
