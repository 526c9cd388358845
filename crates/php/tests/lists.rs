//! Counting, listing, ending, reports and the doctor from PHP.

mod support;

use std::time::Duration;

use cloakroom_testbed::{Direction, PhpSettings, Proxy, Redis};
use support::rig::rig;
use support::{Site, Visitor};

/// A visitor with a session of this owner and about this size.
fn visitor(site: &Site, owner: &str, size: usize) -> Visitor {
    let mut visitor = Visitor::default();
    site.get(
        &mut visitor,
        &format!("session_start(); cloakroom_owner('{owner}'); $_SESSION['x'] = str_repeat('x', {size}); echo 'in';"),
    )
    .clean()
    .shows("in");
    visitor
}

#[test]
fn sessions_are_counted_and_listed_page_by_page_without_an_id() {
    let site = Site::new();
    let visitors: Vec<Visitor> = (0..5).map(|n| visitor(&site, &format!("site:{}", n % 2), 10 + n * 100)).collect();
    site.cli("$c = cloakroom_count(); unset($c['bytes']); echo json_encode($c);")
        .clean()
        .shows(r#"{"live":5,"owned":5,"moved":0,"ended":0,"estimate":false}"#);
    let pages = site.cli(
        "$next = null; $keys = []; $pages = 0;
        do { $p = cloakroom_page([], $next, 2); $pages++; foreach ($p['rows'] as $r) $keys[$r['key']] = $r; } while ($next = $p['next']);
        echo json_encode([count($keys), $pages, array_keys(reset($keys)), array_unique(array_map('strlen', array_keys($keys))),
            array_sum(array_map(fn($r) => time() - $r['created'] < 60 && $r['expires'] > time() + 1000, $keys))]);
        foreach ($keys as $r) echo json_encode($r);",
    );
    let body = pages.clean().body;
    assert!(
        body.starts_with(
            r#"[5,3,["key","created","touched","expires","owner","size","format","device","address","named","current"],[64],5]"#
        ),
        "{body}"
    );
    for visitor in &visitors {
        assert!(!body.contains(visitor.ticket.as_deref().expect("ticket")), "an id is shown");
    }
    site.cli(
        "$n = fn($f) => count(cloakroom_page($f)['rows']); $all = cloakroom_page()['rows']; $key = $all[0]['key'];
        echo json_encode([$n(['owner' => 'site:0']), $n(['owner' => 'nobody']), $n(['older_than' => 60]), $n(['older_than' => 0]),
            $n(['created_before' => time() - 60]), $n(['created_before' => time() + 60]),
            $n(['larger_than' => 200]), $n(['smaller_than' => 200]), $n(['search' => substr($key, 0, 9)]),
            cloakroom_page(['search' => substr($key, 0, 9)])['rows'][0]['key'] === $key, cloakroom_error()]);",
    )
    .clean()
    .shows(r#"[3,0,0,5,0,5,3,2,1,true,""]"#);
}

#[test]
fn a_session_is_shown_and_ended_by_its_key_or_the_beginning_of_it() {
    let site = Site::new();
    let mut first = visitor(&site, "site:1", 10);
    visitor(&site, "site:2", 10);
    site.cli(
        "$key = cloakroom_page(['owner' => 'site:1'])['rows'][0]['key'];
        $s = cloakroom_show(substr($key, 0, 11));
        echo json_encode([$s['key'] === $key, $s['state'], $s['version'], $s['trail'], isset($s['payload']), count($s)]);
        var_dump(cloakroom_end(substr($key, 0, 7)), cloakroom_error() !== '', cloakroom_end('zz'), cloakroom_end(strtoupper($key)),
            cloakroom_error(), cloakroom_end($key), cloakroom_show($key)['state'], cloakroom_show(str_repeat('0', 64)));",
    )
    .shows(concat!(
        r#"[true,"live",1,0,false,14]"#,
        "bool(false)\nbool(true)\nbool(false)\nbool(true)\nstring(0) \"\"\nbool(false)\nstring(5) \"ended\"\nNULL\n"
    ));
    site.cli("echo json_encode([cloakroom_count()['live'], cloakroom_count()['ended']]);").clean().shows("[1,1]");
    site.get(&mut first, "session_start(); echo json_encode($_SESSION);").clean().shows("[]");
}

#[test]
fn a_persons_other_sessions_end_and_the_present_one_stays_even_through_a_new_id() {
    let site = Site::new();
    let mut here = visitor(&site, "site:1", 10);
    let mut there = visitor(&site, "site:1", 10);
    let mut other = visitor(&site, "site:2", 10);
    site.get(
        &mut here,
        "session_start(); $p = cloakroom_page(['owner' => 'site:1']);
        echo array_sum(array_column($p['rows'], 'current')), json_encode(cloakroom_end_owner('site:1', true));
        session_regenerate_id(true); $_SESSION['y'] = 1; echo json_encode(session_write_close());
        $p = cloakroom_page(['owner' => 'site:1']); echo count($p['rows']), json_encode($p['rows'][0]['current']);",
    )
    .clean()
    .shows(r#"1{"ended":1,"complete":true}true1true"#);
    let has = "session_start(); echo count($_SESSION);";
    site.get(&mut here, has).clean().shows("2");
    site.get(&mut there, has).clean().shows("0");
    site.get(&mut other, has).clean().shows("1");
    site.get(&mut here, "echo json_encode(cloakroom_end_owner('site:1'));")
        .clean()
        .shows(r#"{"ended":1,"complete":true}"#);
    site.get(&mut here, has).clean().shows("0");
}

#[test]
fn all_sessions_end_in_steps_and_those_in_use_stay_where_an_age_is_given() {
    let site = Site::new();
    for n in 0..4 {
        visitor(&site, "site:1", n);
    }
    site.cli(
        "echo json_encode(cloakroom_end_all(3600)), json_encode(cloakroom_end_all()), cloakroom_count()['live'],
            json_encode(cloakroom_end_all()), json_encode(cloakroom_sweep());",
    )
    .clean()
    .shows(concat!(
        r#"{"ended":0,"more":false,"next":null}{"ended":4,"more":false,"next":null}0"#,
        r#"{"ended":0,"more":false,"next":null}{"removed":0,"more":false}"#
    ));
}

#[test]
fn expired_records_are_swept_as_many_as_asked_for() {
    let site = Site::new().set("cloakroom.idle", "1");
    for n in 0..4 {
        visitor(&site, "site:1", n);
    }
    site.cli(
        "for ($i = 0; $i < 200 && cloakroom_count()['live']; $i++) usleep(20000);
        $a = cloakroom_sweep(3); $b = cloakroom_sweep(3); echo json_encode([$a['removed'] + $b['removed'], $a['removed'] <= 3, $b['more']]);",
    )
    .clean()
    .shows("[4,true,false]");
}

#[test]
fn reports_tell_what_was_counted_and_an_unknown_kind_is_an_error() {
    let site = Site::new().set("cloakroom.keys", &"1".repeat(64));
    site.cli(
        "cloakroom_named_commit(cloakroom_named_open('c'), ['n' => 1]);
        $a = cloakroom_named_open('c'); $b = cloakroom_named_open('c');
        cloakroom_named_commit($a, ['n' => 2]); cloakroom_named_commit($b, ['n' => 3]);
        $r = cloakroom_report('conflicts'); echo json_encode([count($r), $r[0]['label'], $r[0]['count'], $r[0]['hour'] === intdiv(time(), 3600) * 3600]);
        foreach (['alarms', 'waits', 'dropped', 'blame', 'sizes', 'early', 'unreadable'] as $k) if (!is_array(cloakroom_report($k, 1))) echo 'no list';
        foreach ([fn() => cloakroom_report('colours'), fn() => cloakroom_report('waits', 0), fn() => cloakroom_page(['shape' => 1]),
            fn() => cloakroom_page([], 'x'), fn() => cloakroom_page([], null, 0), fn() => cloakroom_sweep(0),
            fn() => cloakroom_page(['owner' => []] + ['search' => 'id of somebody']), fn() => cloakroom_end_owner('')] as $f) {
            try { $f(); echo 'no error'; } catch (ValueError $e) { echo \"\\n\", $e->getMessage(); }
        }",
    )
    .clean()
    .shows(concat!(
        r#"[1,"n",1,true]"#,
        "\ncloakroom_report(): Argument #1 ($kind) must be one of \"conflicts\", \"alarms\", \"waits\", \"dropped\", \"blame\", \"sizes\", \"early\" and \"unreadable\"",
        "\ncloakroom_report(): Argument #2 ($hours) must be from 1 to 720",
        "\ncloakroom_page(): Argument #1 ($filter) has no option \"shape\"",
        "\ncloakroom_page(): Argument #2 ($cursor) must be the \"next\" of an earlier call",
        "\ncloakroom_page(): Argument #3 ($limit) must be from 1 to 500",
        "\ncloakroom_sweep(): Argument #1 ($limit) must be from 1 to 10000",
        "\ncloakroom_page(): Argument #1 ($filter) must have hexadecimal digits as \"search\"",
        "\ncloakroom_end_owner(): Argument #1 ($owner) must have 1 to 191 bytes",
    ));
}

#[test]
fn the_doctor_says_what_is_wrong_and_never_a_password() {
    let bad = "foreach (cloakroom_doctor() as $f) if (!$f['ok']) echo $f['check'], ' ';";
    Site::new().cli(bad).clean().shows("");
    let site = Site::new()
        .set("session.save_handler", "files")
        .set("session.use_trans_sid", "1")
        .set("session.use_only_cookies", "0");
    site.cli(bad).shows("handler ");
    // Ours come from cookies, unless the site leaves that to PHP.
    let site = site.set("cloakroom.cookies_only", "php");
    site.cli(bad).shows("handler php.ini php.ini ");
    let site =
        Site::new().set("cloakroom.store", "redis://:hunter2@127.0.0.1:1/0").set("cloakroom.keys", &"1".repeat(64));
    let reply =
        site.cli(&format!("{bad} echo json_encode([cloakroom_doctor(), cloakroom_settings(), cloakroom_error()]);"));
    assert!(reply.body.starts_with("store "), "{}", reply.body);
    assert!(reply.body.contains("\"keys\":1") && reply.body.contains("can't be reached"), "{}", reply.body);
    assert!(
        !reply.body.contains("hunter2") && !reply.body.contains("1111") && !reply.log.contains("hunter2"),
        "{}",
        reply.body
    );
    Site::new()
        .set("cloakroom.timeout", "never")
        .cli(&format!("{bad} echo json_encode([cloakroom_settings(), cloakroom_count(), cloakroom_error() != '']);"))
        .shows("settings [[],[],true]");
}

#[test]
fn a_store_that_is_down_costs_no_more_than_the_time_out_and_is_told_once() {
    // A port that takes the connection and never says a word.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("port");
    let url = format!("redis://{}/0", silent.local_addr().expect("address"));
    let site =
        Site::new().set("cloakroom.store", &url).set("cloakroom.timeout", "0.5").set("cloakroom.keys", &"1".repeat(64));
    let mut nobody = Visitor::default();
    let reply = site.get(
        &mut nobody,
        "$began = microtime(true);
        echo json_encode([cloakroom_count(), cloakroom_page(), cloakroom_show(str_repeat('a', 64)), cloakroom_end(str_repeat('a', 64)),
            cloakroom_end_owner('x'), cloakroom_end_all(), cloakroom_report('waits'), cloakroom_sweep(), cloakroom_named_open('c')]);
        echo microtime(true) - $began < 1.5 ? ' in time ' : ' late ', cloakroom_error() !== '' ? 'told' : 'silent';",
    );
    assert_eq!(
        reply.body,
        r#"[[],{"rows":[],"next":null},null,false,{"ended":0,"complete":false},{"ended":0,"more":false,"next":null},[],{"removed":0,"more":false},false] in time told"#
    );
    assert_eq!(reply.log.matches("Cloakroom:").count(), 1, "{}", reply.log);
    // With cloakroom.warn it is a warning, too, which may become an exception.
    let reply = site.set("cloakroom.warn", "1").cli(
        "set_error_handler(function ($n, $s) { throw new ErrorException($s); });
        try { cloakroom_count(); echo 'no'; } catch (ErrorException $e) { echo strpos($e->getMessage(), 'Cloakroom') !== false ? 'warned' : $e; }
        echo json_encode(cloakroom_count());",
    );
    reply.shows("warned[]");
}

#[test]
fn rules_that_the_application_adds_hold_for_its_request() {
    let rig = rig(PhpSettings::new().set("cloakroom.merge_rules", "m=first"));
    rig.page(
        "bump.php",
        "session_start(); $_SESSION['n'] = ($_SESSION['n'] ?? 0) + 1; $_SESSION['m'] = 'theirs' . $_SESSION['n'];",
    );
    for (name, code) in [
        ("before.php", "echo json_encode(cloakroom_rules('n=sum, m=last')); session_start();"),
        (
            "after.php",
            "session_start(); echo json_encode(cloakroom_rules('n=sum')), json_encode(cloakroom_rules('m=last'));",
        ),
        (
            "without.php",
            "session_start(); echo json_encode(cloakroom_rules('n=most')), cloakroom_error() !== '' ? '!' : '';",
        ),
    ] {
        rig.page(
            name,
            &format!("{code} $_SESSION['n'] += 10; $_SESSION['m'] = 'mine'; call('/bump.php'); session_write_close();"),
        );
    }
    for (name, said, n) in [("before.php", "true", 12), ("after.php", "truetrue", 12), ("without.php", "false!", 11)] {
        let visitor = rig.site.browser();
        visitor.get("/bump.php").expect("page");
        assert_eq!(visitor.get(&format!("/{name}")).expect("page").body, said);
        assert_eq!(visitor.get("/show.php").expect("page").body, format!(r#"{{"m":"theirs2","n":{n}}}"#), "{name}");
    }
}

#[test]
fn a_site_lists_and_ends_its_own_and_named_records_are_told_apart_and_spared() {
    let site = Site::new().set("cloakroom.keys", &"1".repeat(64)).set("cloakroom.namespace", "a");
    let mut a = visitor(&site, "site:1", 10);
    site.cli("cloakroom_named_commit(cloakroom_named_open('cart'), ['x' => 1]);").clean();
    let seen = "$n = fn($f = []) => count(cloakroom_page($f)['rows']); echo json_encode([$n(), $n(['named' => true]), $n(['named' => false])]);";
    site.cli(seen).clean().shows("[2,1,1]");
    let key = site.cli("echo cloakroom_page(['named' => false])['rows'][0]['key'];").clean().body;
    let b = site.set("cloakroom.namespace", "b");
    b.cli(seen).clean().shows("[0,0,0]");
    b.cli(&format!(
        "var_dump(cloakroom_show('{key}'), cloakroom_end('{key}'), cloakroom_end(substr('{key}', 0, 20)), cloakroom_end_all()['ended'], cloakroom_count()['live']);"
    ))
    .clean()
    .shows("NULL\nbool(false)\nbool(false)\nint(0)\nint(2)\n");
    let site = b.set("cloakroom.namespace", "a");
    site.get(&mut a, "session_start(); echo count($_SESSION);").clean().shows("1");
    site.cli(&format!("echo json_encode(cloakroom_end_all()); {seen}"))
        .clean()
        .shows(r#"{"ended":1,"more":false,"next":null}[1,1,0]"#);
    site.get(&mut a, "session_start(); echo count($_SESSION);").clean().shows("0");
}

#[test]
fn a_page_has_one_budget_for_all_its_calls_and_a_program_one_for_each() {
    let redis = Redis::start().expect("redis-server");
    let proxy = Proxy::start(redis.endpoint()).expect("proxy");
    proxy.delay(Direction::ToServer, Duration::from_millis(40));
    let site =
        Site::new().set("cloakroom.store", &format!("redis://{}/0", proxy.address())).set("cloakroom.timeout", "0.7");
    let calls = "$ok = 0; for ($i = 0; $i < 40; $i++) { cloakroom_sweep(); $ok += cloakroom_error() === ''; } echo $ok";
    // The session of a program has its own time as well.
    site.cli(&format!(
        "ob_start(); {calls}; session_start(); $_SESSION['x'] = 1; echo json_encode(session_write_close());"
    ))
    .clean()
    .shows("40true");
    let reply = site.get(&mut Visitor::default(), &format!("{calls} < 40 ? 'over' : 'all';"));
    assert_eq!(reply.body, "over", "{}", reply.log);
}

#[test]
fn a_page_that_finds_nothing_looks_at_a_bounded_part_of_the_store() {
    let site = Site::new().set("cloakroom.keys", &"1".repeat(64));
    site.cli(
        "for ($i = 0; $i < 4200; $i++) { $h = cloakroom_named_open(\"c$i\"); cloakroom_named_commit($h, ['x' => 1]); cloakroom_named_close($h); }
        $p = cloakroom_page(['named' => false], null, 500); echo json_encode([count($p['rows']), $p['next'] !== null]);
        $p = cloakroom_page(['named' => false], $p['next'], 500); echo json_encode($p);
        echo json_encode([cloakroom_end_all(), count(cloakroom_page([], null, 500)['rows'])]);",
    )
    .clean()
    .shows(concat!(
        r#"[0,true]{"rows":[],"next":null}"#,
        r#"[{"ended":0,"more":false,"next":null},500]"#
    ));
}
