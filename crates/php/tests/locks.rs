//! Locks, where a site asks for them: one request after the other, given back whatever happens, and no page waits for itself.

mod support;

use std::time::{Duration, Instant};

use cloakroom_testbed::{Browser, Mariadb, PhpSettings, Redis, wait_until};
use support::rig::{Rig, rig, rig_on};
use support::{Site, Visitor};

const COUNT: &str = "session_start(); $n = $_SESSION['n'] ?? 0; usleep(30000); $_SESSION['n'] = $n + 1; echo 'done';";
/// Long enough that nobody takes it for a page without a wait.
const NO_WAIT: Duration = Duration::from_secs(3);

fn locking() -> PhpSettings {
    PhpSettings::new().set("cloakroom.concurrency", "lock")
}

/// So many requests of one visitor at the same time.
fn at_once(visitor: &Browser, path: &str, times: usize) {
    std::thread::scope(|scope| {
        for _ in 0..times {
            let copy = visitor.copy();
            scope.spawn(move || assert_eq!(copy.get(path).expect("page").body, "done"));
        }
    });
}

fn show(visitor: &Browser) -> String {
    visitor.get("/show.php").expect("page").body
}

/// Begins a page that holds the lock until it is told to go on, and waits until it does.
fn holding<'s>(rig: &'s Rig, scope: &'s std::thread::Scope<'s, '_>, visitor: &Browser) -> Holding {
    rig.page(
        "hold.php",
        &format!(
            "ignore_user_abort(true); session_start(); $_SESSION['held'] = 1; file_put_contents('{0}/pid', getmypid());
            for ($i = 0; $i < 2000 && !file_exists('{0}/go'); $i++) usleep(10000); echo 'done';",
            rig.folder.path().display()
        ),
    );
    let copy = visitor.copy();
    let thread = scope.spawn(move || copy.get("/hold.php").map(|reply| reply.body).unwrap_or_default());
    let pid = rig.folder.join("pid");
    wait_until("the page holds the lock", Duration::from_secs(10), || pid.is_file()).expect("pid");
    let mut text = String::new();
    wait_until("it has written its id", Duration::from_secs(10), || {
        text = std::fs::read_to_string(&pid).unwrap_or_default();
        !text.is_empty()
    })
    .expect("pid");
    let _ = thread;
    Holding { pid: text.parse().expect("number"), go: rig.folder.join("go") }
}

struct Holding {
    pid: i32,
    go: std::path::PathBuf,
}

impl Holding {
    fn go_on(&self) {
        std::fs::write(&self.go, "").expect("go");
    }
}

#[test]
fn under_lock_requests_of_one_session_run_one_after_the_other() {
    let rig = rig(locking());
    rig.page("count.php", COUNT);
    let visitor = rig.site.browser();
    visitor.get("/count.php").expect("page");
    at_once(&visitor, "/count.php", 8);
    assert_eq!(show(&visitor), r#"{"n":9}"#);
    assert_eq!((rig.leases(), rig.site.php_logs()), (0, String::new()));
}

#[test]
fn under_lock_other_stores_count_as_well() {
    let (redis, mariadb) = (Redis::start().expect("redis"), Mariadb::start().expect("mariadb"));
    for url in [redis.url(), mariadb.url()] {
        let rig = rig_on(Some(&url), locking());
        rig.page("count.php", COUNT);
        let visitor = rig.site.browser();
        visitor.get("/count.php").expect("page");
        at_once(&visitor, "/count.php", 8);
        assert_eq!(show(&visitor), r#"{"n":9}"#);
        std::thread::scope(|scope| {
            let holder = holding(&rig, scope, &visitor);
            let pid = rustix::process::Pid::from_raw(holder.pid).expect("pid");
            rustix::process::kill_process(pid, rustix::process::Signal::KILL).expect("kill");
            let began = Instant::now();
            assert_eq!(show(&visitor), r#"{"n":9}"#);
            assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
            holder.go_on();
        });
        assert_eq!(rig.site.php_logs(), "");
    }
}

#[test]
fn a_site_may_lock_for_some_paths_only() {
    let rig = rig(PhpSettings::new().set("cloakroom.lock_paths", "/count.php, /checkout/*"));
    rig.page("count.php", COUNT);
    rig.page("free.php", "session_start(); echo json_encode(cloakroom_status()['locked']);");
    let visitor = rig.site.browser();
    visitor.get("/count.php").expect("page");
    at_once(&visitor, "/count.php?x=1", 8);
    assert_eq!(show(&visitor), r#"{"n":9}"#);
    assert_eq!(visitor.get("/free.php").expect("page").body, "false");
}

#[test]
fn an_application_may_lock_for_a_moment_and_sees_what_others_stored() {
    for handler in ["php", "php_binary", "php_serialize"] {
        let rig = rig(PhpSettings::new().set("session.serialize_handler", handler));
        rig.page(
            "count.php",
            "session_start(); $alias = &$_SESSION; usleep(30000);
        if (!cloakroom_lock('n') || !cloakroom_lock('n')) exit('not locked');
        $n = $_SESSION['n'] ?? 0; usleep(5000); $_SESSION['n'] = $n + 1;
        if (ini_get('session.serialize_handler') !== 'php_serialize' && $alias['n'] !== $n + 1) exit('another array');
        if (!cloakroom_unlock('n') || !cloakroom_unlock('n') || cloakroom_unlock('n')) exit('not unlocked');
        usleep(20000);
        $_SESSION['k' . $_SERVER['REQUEST_TIME_FLOAT'] . getmypid()] = 1; echo 'done';",
        );
        rig.page("n.php", "session_start(); echo $_SESSION['n'], ' ', count($_SESSION);");
        let visitor = rig.site.browser();
        assert_eq!(visitor.get("/count.php").expect("page").body, "done");
        at_once(&visitor, "/count.php", 8);
        assert_eq!(visitor.get("/n.php").expect("page").body, "9 10", "{handler}");
        assert_eq!((rig.leases(), rig.site.php_logs()), (0, String::new()));
    }
}

#[test]
fn a_session_that_php_can_not_read_under_a_lock_stays_as_it_is() {
    let rig = rig(PhpSettings::new());
    rig.page("first.php", "session_start(); $_SESSION = ['a' => 1, 'z' => 1];");
    rig.page("grow.php", "session_start(); $_SESSION['big'] = str_repeat('x', 1 << 22); $_SESSION['n'] = 1;");
    rig.page(
        "lock.php",
        "session_start(); $_SESSION['mine'] = 1; call('/grow.php'); ini_set('memory_limit', '7M'); cloakroom_lock(); echo 'reached';",
    );
    rig.page(
        "sizes.php",
        "session_start(); ksort($_SESSION); echo json_encode(array_map(fn ($v) => strlen((string) $v), $_SESSION));",
    );
    let visitor = rig.site.browser();
    visitor.get("/first.php").expect("page");
    let reply = visitor.get("/lock.php").expect("page");
    assert!(!reply.body.contains("reached"), "the test must run out of memory: {}", reply.body);
    assert_eq!(visitor.get("/sizes.php").expect("page").body, r#"{"a":1,"big":4194304,"mine":1,"n":1,"z":1}"#);
    assert_eq!(rig.leases(), 0);
}

#[test]
fn a_page_that_calls_its_own_site_with_the_visitors_cookie_does_not_wait_for_itself() {
    let ways = [
        "call('/inner.php')",
        "file_get_contents(own('/inner.php'), false, stream_context_create(['http' => ['header' => 'Cookie: ' . cookie()]]))",
        "multi('/inner.php')",
        "raw(fsockopen(...explode(':', $_SERVER['HTTP_HOST'])))",
        "raw(stream_socket_client('tcp://' . $_SERVER['HTTP_HOST']))",
    ];
    for settings in [PhpSettings::new(), locking()] {
        let rig = rig(settings);
        rig.page(
            "inner.php",
            "session_start(); $_SESSION['inner'] = ($_SESSION['inner'] ?? 0) + $_SESSION['outer'];
            echo 'waited ', cloakroom_status()['waited_milliseconds'];",
        );
        let visitor = rig.site.browser();
        rig.page("first.php", "session_start(); $_SESSION['outer'] = 0;");
        visitor.get("/first.php").expect("page");
        for (at, way) in ways.iter().enumerate() {
            rig.page(
                "outer.php",
                &format!(
                    "function multi($path) {{
                        $c = curl_init(own($path)); curl_setopt_array($c, [CURLOPT_RETURNTRANSFER => 1, CURLOPT_COOKIE => cookie()]);
                        $m = curl_multi_init(); curl_multi_add_handle($m, $c);
                        do {{ curl_multi_exec($m, $running); curl_multi_select($m, 0.1); }} while ($running);
                        return curl_multi_getcontent($c);
                    }}
                    function raw($socket) {{
                        fwrite($socket, \"GET /inner.php HTTP/1.0\\r\\nHost: {{$_SERVER['HTTP_HOST']}}\\r\\nCookie: \" . cookie() . \"\\r\\n\\r\\n\");
                        return stream_get_contents($socket);
                    }}
                    session_start(); $_SESSION['outer'] = 1; $_SESSION['way'] = {at}; $reply = {way}; $_SESSION['after'] = {at};
                    echo preg_match('/waited (\\d+)$/', $reply, $m) ? $m[0] : \"nothing: $reply\";"
                ),
            );
            let began = Instant::now();
            let body = visitor.get("/outer.php").expect("page").body;
            assert!(began.elapsed() < NO_WAIT, "{way}: {:?}", began.elapsed());
            assert_eq!(body, "waited 0", "{way}");
            let stored = show(&visitor);
            assert!(
                stored.contains(&format!(r#""way":{at}"#)) && stored.contains(&format!(r#""after":{at}"#)),
                "{stored}"
            );
        }
        assert_eq!((rig.leases(), rig.site.php_logs()), (0, String::new()));
    }
}

#[test]
fn under_lock_a_call_of_the_own_site_finds_what_the_page_has_saved_and_nothing_half_done() {
    let rig = rig(locking());
    rig.page("inner.php", "session_start(); $_SESSION['inner'] = $_SESSION['outer'] ?? 'nothing';");
    rig.page(
        "outer.php",
        "session_start(); $_SESSION['outer'] = 'seen'; cloakroom_commit(); $_SESSION['outer'] = 'half';
        call('/inner.php'); $_SESSION['outer'] = 'seen'; $_SESSION['later'] = 1;
        echo json_encode(cloakroom_status()['locked']);",
    );
    // Calls to elsewhere change nothing.
    rig.page(
        "elsewhere.php",
        "session_start(); @file_get_contents('http://127.0.0.1:1/'); @fsockopen('127.0.0.1', 2); $c = curl_init('http://127.0.0.1:1/'); @curl_exec($c);
        echo json_encode(cloakroom_status()['locked']);",
    );
    rig.page("first.php", "session_start(); $_SESSION['n'] = 1;");
    let visitor = rig.site.browser();
    visitor.get("/first.php").expect("page");
    assert_eq!(visitor.get("/outer.php").expect("page").body, "false");
    assert_eq!(show(&visitor), r#"{"inner":"seen","later":1,"n":1,"outer":"seen"}"#);
    assert_eq!(visitor.get("/elsewhere.php").expect("page").body, "true");
}

#[test]
fn a_killed_holder_is_in_nobodys_way() {
    let rig = rig(locking());
    rig.page("count.php", COUNT);
    rig.page("waits.php", "session_start(); echo $_SESSION['n'], ' ', cloakroom_status()['worker_waits'];");
    let visitor = rig.site.browser();
    visitor.get("/count.php").expect("page");
    std::thread::scope(|scope| {
        let holder = holding(&rig, scope, &visitor);
        assert_eq!(rig.leases(), 1);
        let pid = rustix::process::Pid::from_raw(holder.pid).expect("pid");
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).expect("kill");
        let began = Instant::now();
        let body = visitor.get("/waits.php").expect("page").body;
        assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
        assert_eq!(body, "1 1", "nothing is lost, and the holder was in the way");
        holder.go_on();
    });
    assert_eq!(rig.leases(), 0);
}

#[test]
fn a_lock_is_given_back_however_the_request_ends() {
    let rig = rig(locking());
    rig.page("count.php", COUNT);
    let visitor = rig.site.browser();
    visitor.get("/count.php").expect("page");
    for code in [
        "session_write_close(); locked(false);",
        "session_abort(); locked(false);",
        "session_reset(); locked(true); session_write_close(); locked(false);",
        "session_regenerate_id(true); locked(true); session_write_close(); locked(false);",
        "session_write_close(); session_start(); locked(true);",
        "exit;",
        "throw new Exception('x');",
        "undefined_function();",
        "register_shutdown_function(function () { exit; }); exit;",
        "$_SESSION['x'] = new class { function __serialize(): array { exit; } };",
        "$_SESSION['x'] = new class { function __serialize(): array { throw new Exception('x'); } };",
        "ini_set('memory_limit', '8M'); str_repeat('x', 1 << 28);",
        "set_time_limit(1); while (true) {}",
        "session_write_close(); class Leaky extends SessionHandler { function close(): bool { return true; } }
            session_set_save_handler(new Leaky, false); session_start(); locked(true); session_write_close();",
        "session_destroy(); locked(false);",
    ] {
        rig.page(
            "end.php",
            &format!(
                "function locked($so) {{ if (cloakroom_status()['locked'] !== $so) echo 'wrongly locked or not'; }}
                session_start(); locked(true); {code}"
            ),
        );
        let reply = visitor.get("/end.php").expect("page");
        assert!(!reply.body.contains("wrongly"), "{code}: {}", reply.body);
        wait_until(code, Duration::from_secs(10), || rig.leases() == 0).expect("given back");
    }
}

#[test]
fn who_can_not_have_the_lock_goes_on_and_merges_and_who_reads_does_not_wait() {
    let rig = rig(locking().set("cloakroom.lock_wait", "0.2").set("cloakroom.readonly_paths", "/read.php"));
    rig.page("first.php", "session_start(); $_SESSION['n'] = 1;");
    rig.page("write.php", "session_start(); $_SESSION['other'] = 1; echo json_encode(cloakroom_status()['locked']);");
    let reads = "echo $_SESSION['n'], cloakroom_status()['waited_milliseconds'];";
    rig.page("read.php", &format!("session_start(); {reads}"));
    rig.page("close.php", &format!("session_start(['read_and_close' => true]); {reads}"));
    let visitor = rig.site.browser();
    visitor.get("/first.php").expect("page");
    std::thread::scope(|scope| {
        let holder = holding(&rig, scope, &visitor);
        for path in ["/read.php", "/close.php"] {
            assert_eq!(visitor.get(path).expect("page").body, "10");
        }
        assert_eq!(rig.site.php_logs(), "");
        assert_eq!(visitor.get("/write.php").expect("page").body, "false");
        holder.go_on();
    });
    assert_eq!(show(&visitor), r#"{"held":1,"n":1,"other":1}"#);
    let log = rig.site.php_logs();
    assert_eq!(log.matches("Cloakroom:").count(), 1, "{log}");
    assert!(log.contains("A lock was not had, after 0.") && log.contains("merged"), "{log}");
}

#[test]
fn a_new_id_is_locked_before_anybody_can_come_with_it() {
    let rig = rig(locking().set("cloakroom.lock_wait", "0.2"));
    rig.page("first.php", "session_start(); $_SESSION['n'] = 1;");
    rig.page(
        "rotate.php",
        &format!(
            "session_start(); session_regenerate_id(); file_put_contents('{0}/new', 'id=' . session_id());
            for ($i = 0; $i < 2000 && !file_exists('{0}/go'); $i++) usleep(10000); echo 'done';",
            rig.folder.path().display()
        ),
    );
    rig.page("new.php", "session_start(); echo json_encode([$_SESSION, cloakroom_status()['locked']]);");
    let visitor = rig.site.browser();
    visitor.get("/first.php").expect("page");
    std::thread::scope(|scope| {
        let (copy, early) = (visitor.copy(), visitor.copy());
        scope.spawn(move || assert_eq!(copy.get("/rotate.php").expect("page").body, "done"));
        let mut text = String::new();
        wait_until("the new id is there", Duration::from_secs(10), || {
            text = std::fs::read_to_string(rig.folder.join("new")).unwrap_or_default();
            text.len() > 40
        })
        .expect("new id");
        early.set_cookie("PHPSESSID", text.strip_prefix("id="));
        let body = early.get("/new.php").expect("page").body;
        std::fs::write(rig.folder.join("go"), "").expect("go");
        assert_eq!(body, r#"[{"n":1},false]"#, "it has waited in vain");
    });
    assert_eq!(rig.leases(), 0);
}

#[test]
fn waits_are_counted_in_the_store() {
    let rig = rig(locking());
    rig.page("count.php", COUNT);
    let visitor = rig.site.browser();
    visitor.get("/count.php").expect("page");
    at_once(&visitor, "/count.php", 6);
    let store = rusqlite::Connection::open(rig.store()).expect("store");
    let waits = || -> i64 {
        store
            .query_row("SELECT count(*) FROM tally WHERE kind = 4 AND label = 'session'", [], |r| r.get(0))
            .expect("row")
    };
    wait_until("a worker has handed in its counters", Duration::from_secs(30), || {
        show(&visitor);
        waits() > 0
    })
    .expect("counted");
}

#[test]
fn locks_without_a_session_or_with_a_wrong_name_are_refused() {
    let site = Site::new();
    let script = "echo json_encode([cloakroom_lock(), cloakroom_unlock()]); session_start();
        echo json_encode([cloakroom_unlock(), cloakroom_lock(), cloakroom_status()['locked'], cloakroom_unlock(), cloakroom_status()['locked']]);
        foreach ([['', 1], [str_repeat('x', 192), 1], ['x', -1], ['x', 301], ['x', NAN]] as $wrong) {
            try { cloakroom_lock(...$wrong); echo 'taken'; } catch (ValueError $e) { echo '.'; }
        }";
    site.get(&mut Visitor::default(), script).clean().shows("[false,false][false,true,true,true,false].....");
    // A child process does not give back what is its parent's.
    let script = "ini_set('session.use_cookies', '0'); session_start(); $_SESSION['n'] = 1; cloakroom_commit(); cloakroom_lock();
        $pid = pcntl_fork(); if ($pid === 0) { posix_kill(getmypid(), 15); } pcntl_waitpid($pid, $s);
        echo json_encode(cloakroom_unlock());";
    site.cli(script).shows("true");
}
