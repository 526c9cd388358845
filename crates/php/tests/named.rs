//! Named records from PHP: two that change one, a move, expiry, keys, and what goes wrong.

mod support;

use cloakroom_testbed::{Mariadb, PhpSettings, Redis};
use support::Site;
use support::rig::{Rig, rig, rig_on};

const KEY: &str = "1111111111111111111111111111111111111111111111111111111111111111";

fn site() -> Site {
    Site::new().set("cloakroom.keys", KEY)
}

#[test]
fn what_was_committed_is_there_in_the_next_request() {
    let site = site();
    site.cli("$h = cloakroom_named_open('shop:42'); var_dump(cloakroom_named_exists($h), cloakroom_named_data($h), cloakroom_named_expires($h));")
        .clean()
        .shows("bool(false)\narray(0) {\n}\nNULL\n");
    site.cli(
        "$h = cloakroom_named_open('shop:42', ['idle' => 3600]);
        echo json_encode([cloakroom_named_commit($h, ['cart' => ['tea' => 2], 7 => 1.5]), cloakroom_named_exists($h),
            cloakroom_named_data($h), abs(cloakroom_named_expires($h) - time() - 3600) < 5, cloakroom_error()]);",
    )
    .clean()
    .shows(r#"[true,true,{"cart":{"tea":2},"7":1.5},true,""]"#);
    site.cli("echo json_encode(cloakroom_named_data(cloakroom_named_open('shop:42')));")
        .clean()
        .shows(r#"{"cart":{"tea":2},"7":1.5}"#);
    // Another name and another namespace are other records.
    site.cli(
        "echo json_encode([cloakroom_named_exists(cloakroom_named_open('shop:43')),
            cloakroom_named_exists(cloakroom_named_open('shop:42', ['namespace' => 'x']))]);",
    )
    .clean()
    .shows("[false,false]");
}

#[test]
fn two_handles_on_one_name_both_keep_what_they_changed() {
    let site = site();
    site.cli("cloakroom_named_commit(cloakroom_named_open('c'), ['cart' => ['tea' => 1, 'mug' => 1], 'seen' => [1]]);")
        .clean();
    site.cli(
        "$a = cloakroom_named_open('c'); $b = cloakroom_named_open('c');
        $da = cloakroom_named_data($a); $db = cloakroom_named_data($b);
        $da['cart']['tea'] = 5; $da['cart']['a'] = 1; $da['seen'][] = 2;
        $db['cart']['b'] = 1; unset($db['cart']['mug']); $db['notices'] = ['hello']; $db['seen'][] = 3;
        echo json_encode([cloakroom_named_commit($a, $da), cloakroom_named_commit($b, $db)]), json_encode(cloakroom_named_data($b));
        $db = cloakroom_named_data($b); $db['x'] = 1; cloakroom_named_commit($b, $db);
        echo json_encode(cloakroom_named_data(cloakroom_named_open('c')));",
    )
    .clean()
    .shows(concat!(
        r#"[true,true]{"cart":{"tea":5,"a":1,"b":1},"seen":[1,2,3],"notices":["hello"]}"#,
        r#"{"cart":{"tea":5,"a":1,"b":1},"seen":[1,2,3],"notices":["hello"],"x":1}"#
    ));
}

#[test]
fn two_processes_that_change_one_record_both_keep_their_changes() {
    let rig = rig(PhpSettings::new().set("cloakroom.keys", KEY));
    both_processes(&rig);
}

#[test]
fn two_processes_on_other_stores_as_well() {
    let mariadb = Mariadb::start().expect("mariadbd");
    let redis = Redis::start().expect("redis-server");
    for url in [mariadb.url(), redis.url()] {
        let rig = rig_on(Some(&url), PhpSettings::new().set("cloakroom.keys", KEY));
        both_processes(&rig);
        rig.page(
            "lists.php",
            "$c = cloakroom_count(); $p = cloakroom_page(); $key = $p['rows'][0]['key'];
            echo json_encode([$c['live'], count($p['rows']), $p['next'], cloakroom_show($key)['key'] === $key, cloakroom_end($key),
                cloakroom_show($key)['state'], count(cloakroom_page()['rows']), cloakroom_end_all()['ended'], cloakroom_error()]);",
        );
        let visitor = rig.site.browser();
        assert_eq!(visitor.get("/lists.php").expect("page").body, r#"[2,2,null,true,true,"ended",1,0,""]"#, "{url}");
        assert_eq!(rig.site.php_logs(), "");
    }
}

/// Four writers of one record, two workers at a time, then a move; two records are left.
fn both_processes(rig: &Rig) {
    rig.page(
        "add.php",
        "$h = cloakroom_named_open('shop:1', ['rules' => 'n=sum']); $d = cloakroom_named_data($h);
        $d['n'] = ($d['n'] ?? 0) + 1; $d['cart'][$_GET['item']] = ['qty' => 1]; $d['log'][] = 'x';
        if (isset($_GET['first'])) call('/add.php?item=' . $_GET['first']);
        echo json_encode(cloakroom_named_commit($h, $d));",
    );
    rig.page("data.php", "$d = cloakroom_named_data(cloakroom_named_open($_GET['name'])); ksort($d); if (isset($d['cart'])) ksort($d['cart']); echo json_encode($d);");
    let visitor = rig.site.browser();
    let get = |path: &str| visitor.get(path).expect("page").body;
    assert_eq!(get("/add.php?item=tea&first=mug"), "true");
    assert_eq!(get("/add.php?item=a&first=b"), "true");
    let stored = r#"{"cart":{"a":{"qty":1},"b":{"qty":1},"mug":{"qty":1},"tea":{"qty":1}},"log":["x","x","x"],"n":4}"#;
    assert_eq!(get("/data.php?name=shop:1"), stored);
    rig.page(
        "move.php",
        "$h = cloakroom_named_open('shop:1'); echo json_encode([$h, cloakroom_named_move($h, 'shop:user')]);",
    );
    assert_eq!(get("/move.php"), "[1,2]", "handles begin anew with each request");
    assert_eq!(get("/data.php?name=shop:user"), stored);
    assert_eq!(get("/data.php?name=shop:1"), "[]");
    rig.page("one.php", "echo json_encode(cloakroom_named_commit(cloakroom_named_open('shop:2'), ['x' => 1]));");
    assert_eq!(get("/one.php"), "true");
    rig.page("handle.php", "echo cloakroom_named_open('shop:2');");
    let handles: Vec<String> = (0..24).map(|_| get("/handle.php")).collect();
    assert!(handles.iter().all(|handle| handle == "1"), "a worker keeps handles: {handles:?}");
    assert_eq!(rig.site.php_logs(), "");
}

#[test]
fn a_guests_cart_goes_to_the_user_and_wins_where_both_have_the_same() {
    let site = site();
    let put = |name: &str, data: &str| {
        site.cli(&format!("cloakroom_named_commit(cloakroom_named_open('{name}'), {data});")).clean();
    };
    let moved = |options: &str| {
        let body = site
            .cli(&format!(
                "$g = cloakroom_named_open('guest'); $u = cloakroom_named_move($g, 'user', {options});
                echo json_encode(cloakroom_named_data($u)), json_encode([cloakroom_named_exists($g), cloakroom_named_exists($u),
                    cloakroom_named_commit($g, ['late' => 1]), cloakroom_error() !== '']);"
            ))
            .body;
        site.cli("echo json_encode([cloakroom_named_data(cloakroom_named_open('user')), cloakroom_named_exists(cloakroom_named_open('guest'))]);")
            .clean()
            .shows(&format!("[{},false]", body.split("[false").next().unwrap_or_default()));
        body
    };
    put("guest", "['cart' => ['tea' => 2], 'name' => 'guest', 'seen' => [1]]");
    // Without a target.
    assert_eq!(moved("[]"), r#"{"cart":{"tea":2},"name":"guest","seen":[1]}[false,true,false,true]"#);
    // With one: both together.
    put("guest", "['cart' => ['mug' => 1, 'tea' => 5], 'name' => 'again', 'seen' => [2]]");
    assert_eq!(
        moved("['idle' => 7200, 'owner' => 'site:1']"),
        r#"{"cart":{"tea":5,"mug":1},"name":"again","seen":[1,2]}[false,true,false,true]"#
    );
    // By rule.
    put("guest", "['cart' => ['tea' => 3]]");
    assert!(moved("['rules' => 'cart.*=sum']").starts_with(r#"{"cart":{"tea":8,"mug":1}"#));
    // In its place.
    put("guest", "['only' => 1]");
    assert_eq!(moved("['onto' => 'replace']"), r#"{"only":1}[false,true,false,true]"#);
    // Nothing to move, and a move to itself: what is there stays.
    site.cli(
        "$n = cloakroom_named_move(cloakroom_named_open('nobody'), 'user');
        $m = cloakroom_named_move(cloakroom_named_open('user'), 'user');
        echo json_encode([cloakroom_named_data($n), cloakroom_named_data($m), cloakroom_named_exists(cloakroom_named_open('user'))]);",
    )
    .clean()
    .shows(r#"[{"only":1},{"only":1},true]"#);
}

#[test]
fn a_record_ends_at_its_time_and_a_touch_moves_the_time_up_but_never_down() {
    let site = site();
    site.cli(
        "$h = cloakroom_named_open('c', ['idle' => 600]); echo json_encode(cloakroom_named_touch($h));
        cloakroom_named_commit($h, ['x' => 1]); $at = time() + 5000;
        $left = fn($h) => cloakroom_named_expires($h) - time();
        $other = cloakroom_named_open('c');
        echo json_encode([abs($left($h) - 600) < 5, cloakroom_named_touch($h, $at), abs($left($h) - 5000) < 5, cloakroom_named_touch($h, time() + 10),
            abs($left($h) - 5000) < 5, abs(cloakroom_named_expires(cloakroom_named_open('c')) - $at) < 2]);
        // Who had loaded before and commits since does not move it down.
        cloakroom_named_commit($other, ['x' => 2]);
        echo json_encode(abs(cloakroom_named_expires(cloakroom_named_open('c')) - $at) < 2);
        $e = cloakroom_named_open('e', ['expires' => time() + 100]); cloakroom_named_commit($e, ['x' => 1]);
        echo json_encode(abs($left($e) - 100) < 5);",
    )
    .clean()
    .shows("false[true,true,true,true,true,true]truetrue");
    site.cli(
        "$h = cloakroom_named_open('short', ['idle' => 1]); cloakroom_named_commit($h, ['x' => 1]);
        for ($i = 0; $i < 300 && cloakroom_named_exists(cloakroom_named_open('short')); $i++) usleep(20000);
        echo json_encode([$i > 10, $i < 300, cloakroom_named_touch($h), cloakroom_named_commit(cloakroom_named_open('short'), ['y' => 1]),
            cloakroom_named_data(cloakroom_named_open('short'))]);",
    )
    .shows(r#"[true,true,false,true,{"y":1}]"#);
}

#[test]
fn an_ended_record_stays_ended_for_who_had_loaded_it_and_its_name_can_be_used_again() {
    let site = site();
    site.cli(
        "$late = cloakroom_named_open('c'); $fresh = cloakroom_named_open('c');
        $a = cloakroom_named_open('c'); cloakroom_named_commit($a, ['x' => 1]);
        $late = cloakroom_named_open('c');
        // One that was opened before the record was there ends it all the same.
        echo json_encode([cloakroom_named_end($fresh), cloakroom_named_commit($late, ['x' => 2]), cloakroom_error() !== '',
            cloakroom_named_touch($late, time() + 9000)]);
        $b = cloakroom_named_open('c'); echo json_encode([cloakroom_named_exists($b), cloakroom_named_data($b), cloakroom_named_expires($b),
            cloakroom_named_commit($b, []), cloakroom_named_exists(cloakroom_named_open('c')),
            cloakroom_named_commit($b, ['y' => 1]), cloakroom_named_commit($late, ['x' => 3]), cloakroom_named_data(cloakroom_named_open('c'))]);",
    )
    .shows(r#"[true,false,true,false][false,[],null,true,false,true,false,{"y":1}]"#);
}

#[test]
fn records_are_found_under_old_keys_and_move_under_the_first() {
    let site = Site::new();
    let secret = "a secret of the site that is long enough";
    let put = |site: &Site, key: &str| {
        site.cli(&format!("$h = cloakroom_named_open('c', ['key' => '{key}']); echo json_encode(cloakroom_named_commit($h, ['x' => 1]));"))
            .clean()
            .shows("true");
    };
    let found = |site: &Site, option: &str| {
        site.cli(&format!("$h = cloakroom_named_open('c', {option}); echo json_encode(cloakroom_named_data($h));")).body
    };
    put(&site, secret);
    assert_eq!(found(&site, &format!("['key' => '{secret}']")), r#"{"x":1}"#);
    assert_eq!(found(&site, &format!("['key' => '{secret}!']")), "[]");
    // A list: the first seals, all find.
    assert_eq!(found(&site, &format!("['key' => ['{secret}!', '{secret}']]")), r#"{"x":1}"#);
    assert_eq!(found(&site, &format!("['key' => '{secret}!']")), r#"{"x":1}"#);
    assert_eq!(found(&site, &format!("['key' => '{secret}']")), "[]");
    // The site sets keys of its own later: what is there is found and comes under them.
    let site = site.set("cloakroom.keys", KEY);
    assert_eq!(found(&site, "[]"), "[]");
    assert_eq!(found(&site, &format!("['key' => '{secret}!']")), r#"{"x":1}"#);
    assert_eq!(found(&site, "[]"), r#"{"x":1}"#);
    let new = "2".repeat(64);
    let site = site.set("cloakroom.keys", &format!("{new},{KEY}"));
    assert_eq!(found(&site, "[]"), r#"{"x":1}"#);
    let site = site.set("cloakroom.keys", &new);
    assert_eq!(found(&site, "[]"), r#"{"x":1}"#);
    // The digits themselves are the same key as in the setting.
    let site = site.set("cloakroom.keys", "");
    assert_eq!(found(&site, &format!("['key' => '{new}']")), r#"{"x":1}"#);
}

#[test]
fn objects_and_references_come_back_as_they_were() {
    let site = site();
    site.cli(
        "class Item { public $n = 1; private $secret = 's'; function __wakeup() { $this->n++; } function secret() { return $this->secret; } }
        $h = cloakroom_named_open('c'); $o = new Item; $d = ['o' => $o, 'same' => $o, 'a' => 1]; $d['ref'] = &$d['a'];
        echo json_encode(cloakroom_named_commit($h, $d));
        $d = cloakroom_named_data(cloakroom_named_open('c')); $d['a'] = 7;
        echo json_encode([$d['o']->n, $d['o']->secret(), $d['o'] === $d['same'], $d['ref']]);
        // What another handle changes beside them is kept.
        $x = cloakroom_named_open('c'); $y = cloakroom_named_open('c'); $dx = cloakroom_named_data($x); $dx['x'] = 1; cloakroom_named_commit($x, $dx);
        $dy = cloakroom_named_data($y); $dy['y'] = 1; cloakroom_named_commit($y, $dy); $d = cloakroom_named_data($y);
        echo json_encode([$d['x'], $d['y'], $d['o'] === $d['same'], $d['o'] instanceof Item]);",
    )
    .clean()
    .shows(r#"true[2,"s",true,7][1,1,true,true]"#);
    // Without the class they stay what they are.
    site.cli(
        "$h = cloakroom_named_open('c'); $d = cloakroom_named_data($h); echo get_class($d['o']); $d['z'] = 1;
        echo json_encode(cloakroom_named_commit($h, $d));",
    )
    .clean()
    .shows("__PHP_Incomplete_Classtrue");
    site.cli(
        "class Item { public $n; } echo get_class(cloakroom_named_data(cloakroom_named_open('c'))['o']);
        $h = cloakroom_named_open('c');
        try { cloakroom_named_commit($h, ['f' => fn() => 1]); } catch (Exception $e) { echo ' ', $e->getMessage(); }
        echo ' ', json_encode(array_keys(cloakroom_named_data(cloakroom_named_open('c'))));",
    )
    .clean()
    .shows(r#"Item Serialization of 'Closure' is not allowed ["o","same","a","ref","x","y","z"]"#);
}

#[test]
fn what_could_not_be_read_is_not_taken_for_removed() {
    let site = site();
    site.cli(
        "class Angry { public $n = 1; } cloakroom_named_commit(cloakroom_named_open('c'), ['o' => new Angry, 'x' => 1]);",
    )
    .clean();
    site.cli(
        "class Angry { public $n; function __wakeup() { throw new Exception('no'); } }
        $h = cloakroom_named_open('c');
        try { cloakroom_named_data($h); echo 'read'; } catch (Exception $e) { echo $e->getMessage(); }
        echo json_encode([cloakroom_named_commit($h, ['y' => 1]), cloakroom_error() !== '']);",
    )
    .shows("no[false,true]");
    site.cli("class Angry {} echo count(cloakroom_named_data(cloakroom_named_open('c')));").clean().shows("2");
    // A class that calls back while it is read, or while it is written, does no harm.
    site.cli(
        "class Angry { public $n; function __wakeup() { $h = cloakroom_named_open('c'); cloakroom_named_exists($h); cloakroom_count(); cloakroom_named_close($h); }
            function __serialize(): array { cloakroom_named_commit(cloakroom_named_open('d'), ['in' => 1]); return ['n' => 1]; } }
        $h = cloakroom_named_open('c'); $d = cloakroom_named_data($h); $d['z'] = 1; echo json_encode(cloakroom_named_commit($h, $d));
        echo json_encode([count(cloakroom_named_data(cloakroom_named_open('c'))), cloakroom_named_data(cloakroom_named_open('d'))]);",
    )
    .clean()
    .shows(r#"true[3,{"in":1}]"#);
}

#[test]
fn wrong_calls_are_told_and_change_nothing() {
    let site = Site::new();
    // No key, one too short, rules that nobody understands.
    let reply = site.cli(
        "echo json_encode([cloakroom_named_open('c'), cloakroom_error()]), \"\\n\";
        echo json_encode([cloakroom_named_open('c', ['key' => 'password']), cloakroom_error()]), \"\\n\";
        echo json_encode([cloakroom_named_open('c', ['key' => str_repeat('k', 32), 'rules' => 'x=most']), cloakroom_error()]);
        echo json_encode([cloakroom_named_open('c', ['key' => str_repeat('k', 32)]), cloakroom_error()]);",
    );
    let lines: Vec<&str> = reply.body.lines().collect();
    assert!(lines[0].starts_with("[false,") && lines[0].contains("cloakroom.keys"), "{}", reply.body);
    assert!(lines[1].starts_with("[false,") && lines[1].contains("at least 32") && !reply.body.contains("password"));
    assert!(lines[2].starts_with("[false,") && lines[2].contains("`x=most`") && lines[2].ends_with(r#"[1,""]"#));
    let site = site.set("cloakroom.keys", KEY).set("cloakroom.max_size", "1K");
    site.cli(
        "echo json_encode([cloakroom_named_exists(7), cloakroom_named_data(7), cloakroom_named_commit(7, []), cloakroom_named_move(7, 'x'),
            cloakroom_named_end(-1), cloakroom_named_expires(0), cloakroom_named_touch(7), cloakroom_named_close(7), cloakroom_error() !== '']);
        $h = cloakroom_named_open('c'); cloakroom_named_close($h); echo json_encode(cloakroom_named_exists($h));
        foreach ([['colour' => 1], ['idle' => 'long'], ['idle' => -1], ['owner' => ''], ['owner' => []], ['owner' => [[]]], ['key' => 5], ['onto' => 'x'], ['onto' => 'merge'], [1],
            ['namespace' => str_repeat('n', 300)], ['idle' => new stdClass]] as $o) {
            try { var_dump(cloakroom_named_open('c', $o)); } catch (ValueError $e) { echo \"\\n\", $e->getMessage(); }
        }
        foreach (['', str_repeat('n', 2000)] as $n) try { cloakroom_named_open($n); } catch (ValueError $e) { echo \"\\n\", $e->getMessage(); }",
    )
    .shows(concat!(
        "[false,[],false,false,false,null,false,false,true]false",
        "\ncloakroom_named_open(): Argument #2 ($options) has no option \"colour\"",
        "\ncloakroom_named_open(): Argument #2 ($options) must have a number of seconds as \"idle\"",
        "\ncloakroom_named_open(): Argument #2 ($options) must have a number of seconds as \"idle\"",
        "\ncloakroom_named_open(): Argument #2 ($options) must have 1 to 191 bytes as \"owner\", or null",
        "int(2)\n",
        "\ncloakroom_named_open(): Argument #2 ($options) must hold options by name, with a plain value each",
        "\ncloakroom_named_open(): Argument #2 ($options) must have a string as \"key\"",
        "\ncloakroom_named_open(): Argument #2 ($options) must have \"merge\" or \"replace\" as \"onto\"",
        "\ncloakroom_named_open(): Argument #2 ($options) has no option \"onto\"",
        "\ncloakroom_named_open(): Argument #2 ($options) must hold options by name, with a plain value each",
        "\ncloakroom_named_open(): Argument #2 ($options) must have a shorter \"namespace\": with the site's it has at most 254 bytes",
        "\ncloakroom_named_open(): Argument #2 ($options) must hold options by name, with a plain value each",
        "\ncloakroom_named_open(): Argument #1 ($name) must have 1 to 1024 bytes",
        "\ncloakroom_named_open(): Argument #1 ($name) must have 1 to 1024 bytes",
    ));
    // Too large: told, and what was there stays.
    site.cli(
        "$h = cloakroom_named_open('c'); cloakroom_named_commit($h, ['x' => 1]);
        echo json_encode([cloakroom_named_commit($h, ['x' => str_repeat('x', 2000)]), strpos(cloakroom_error(), 'cloakroom.max_size') > 0,
            cloakroom_named_data($h), cloakroom_named_data(cloakroom_named_open('c'))]);",
    )
    .shows(r#"[false,true,{"x":1},{"x":1}]"#);
}

#[test]
fn sites_on_one_store_do_not_find_each_others_records() {
    let site = site().set("cloakroom.namespace", "a");
    site.cli("cloakroom_named_commit(cloakroom_named_open('c'), ['x' => 1]);").clean();
    let has = "echo json_encode(cloakroom_named_exists(cloakroom_named_open('c')));";
    site.cli(has).shows("true");
    let site = site.set("cloakroom.namespace", "b");
    site.cli(has).shows("false");
    // Nor by a namespace of the application's that looks like the site's.
    site.cli("echo json_encode(cloakroom_named_exists(cloakroom_named_open('c', ['namespace' => 'anamed'])));")
        .shows("false");
}

#[test]
fn a_child_process_has_none_of_its_parents_handles() {
    let site = site();
    site.cli(
        "$h = cloakroom_named_open('c'); cloakroom_named_commit($h, ['x' => 1]);
        if (!$pid = pcntl_fork()) {
            $mine = cloakroom_named_exists($h); $new = cloakroom_named_open('c'); $d = cloakroom_named_data($new); $d['y'] = 1;
            exit($mine || !cloakroom_named_commit($new, $d) ? 1 : 0);
        }
        pcntl_waitpid($pid, $status); $d = cloakroom_named_data($h); $d['z'] = 1;
        echo json_encode([$status, cloakroom_named_commit($h, $d), cloakroom_named_data($h)]);",
    )
    .shows(r#"[0,true,{"x":1,"y":1,"z":1}]"#);
}
