//! Under PHP-FPM behind nginx: what only shows with several workers, a pool that reloads, and responses that leave early.

mod support;

use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use cloakroom_testbed::{Folder, FpmOptions, PhpSettings, Site, SiteOptions, wait_until};
use support::extension;
use support::rig::rig;

#[test]
fn requests_of_one_session_at_the_same_time_all_keep_what_they_changed() {
    let rig = rig(PhpSettings::new());
    let page =
        "<?php session_start(); usleep(100000); $_SESSION['k' . $_GET['k']] = 1; session_write_close(); echo 'done';";
    rig.site.write("set.php", page).expect("page");
    let visitor = rig.site.browser();
    visitor.get("/set.php?k=0").expect("page");
    std::thread::scope(|scope| {
        for k in 1..=7 {
            let copy = visitor.copy();
            scope.spawn(move || {
                assert_eq!(copy.get(&format!("/set.php?k={k}")).expect("page").body, "done");
            });
        }
    });
    let all: Vec<String> = (0..=7).map(|k| format!("\"k{k}\":1")).collect();
    assert_eq!(visitor.get("/show.php").expect("page").body, format!("{{{}}}", all.join(",")));
}

#[test]
fn fifty_clicks_on_two_servers_are_fifty_items_and_one_cookie() {
    let rig = rig(PhpSettings::new());
    let page =
        "<?php session_start(); $_SESSION['cart'][] = 1; echo $_SERVER['CLOAKROOM_SERVER'], count($_SESSION['cart']);";
    rig.site.write("add.php", page).expect("page");
    let visitor = rig.site.browser();
    let (mut cookies, mut servers) = (0, std::collections::BTreeSet::new());
    for click in 1..=50 {
        let reply = visitor.get("/add.php").expect("page");
        cookies += reply.set_cookies().len();
        servers.insert(reply.body[..1].to_owned());
        assert_eq!(reply.body[1..], click.to_string());
    }
    assert_eq!((cookies, servers.len()), (1, 2));
    assert_eq!(rig.site.php_logs(), "");
}

#[test]
fn what_is_changed_after_the_response_has_left_is_kept() {
    let rig = rig(PhpSettings::new());
    let finish =
        "<?php session_start(); echo 'early'; fastcgi_finish_request(); $_SESSION['late'] = 1; header('X: y');";
    let flush = "<?php session_start(); echo str_repeat('x', 100000); while (ob_get_level()) ob_end_flush(); flush(); $_SESSION['flushed'] = 1;";
    rig.site.write("finish.php", finish).expect("page");
    rig.site.write("flush.php", flush).expect("page");
    let visitor = rig.site.browser();
    assert_eq!(visitor.get("/finish.php").expect("page").body, "early");
    wait_until("the worker has saved", Duration::from_secs(10), || {
        visitor.get("/show.php").is_ok_and(|reply| reply.body == r#"{"late":1}"#)
    })
    .expect("saved");
    visitor.get("/flush.php").expect("page");
    assert_eq!(visitor.get("/show.php").expect("page").body, r#"{"flushed":1,"late":1}"#);
}

#[test]
fn a_pool_can_be_reloaded_and_its_settings_change() {
    let rig = rig(PhpSettings::new());
    rig.site
        .write(
            "add.php",
            "<?php session_start(); $_SESSION['n'] = ($_SESSION['n'] ?? 0) + 1; echo $_SESSION['n'], ' ', getmypid();",
        )
        .expect("page");
    let visitor = rig.site.browser();
    visitor.get("/add.php").expect("page");
    let workers: Vec<i32> = rig.site.servers().iter().flat_map(|fpm| fpm.workers()).collect();
    for server in rig.site.servers() {
        let pid = server.pid().and_then(rustix::process::Pid::from_raw).expect("pid");
        rustix::process::kill_process(pid, rustix::process::Signal::USR2).expect("signal");
    }
    wait_until("new workers answer", Duration::from_secs(20), || {
        let reply = visitor.get("/add.php");
        reply.is_ok_and(|r| {
            r.body.split(' ').nth(1).and_then(|p| p.parse().ok()).is_some_and(|p: i32| !workers.contains(&p))
        })
    })
    .expect("reloaded");
    let count: u32 =
        visitor.get("/add.php").expect("page").body.split(' ').next().and_then(|n| n.parse().ok()).expect("n");
    assert!(count >= 3, "{count}");
}

#[test]
fn a_page_that_calls_its_own_site_with_the_visitors_cookie_does_not_wait_for_itself() {
    let rig = rig(PhpSettings::new());
    let page = format!(
        "<?php session_start(); $_SESSION['outer'] = 1;
        $c = curl_init('{}/inner.php'); curl_setopt_array($c, [CURLOPT_RETURNTRANSFER => 1, CURLOPT_TIMEOUT => 5,
            CURLOPT_COOKIE => 'PHPSESSID=' . session_id()]);
        echo curl_exec($c);",
        rig.site.url()
    );
    rig.site.write("outer.php", page).expect("page");
    rig.site.write("inner.php", "<?php session_start(); $_SESSION['inner'] = 1; echo 'inner';").expect("page");
    let visitor = rig.site.browser();
    visitor.get("/outer.php").expect("page");
    assert_eq!(visitor.get("/outer.php").expect("page").body, "inner");
    assert_eq!(visitor.get("/show.php").expect("page").body, r#"{"inner":1,"outer":1}"#);
}

#[test]
fn a_pool_may_have_its_own_store_and_a_site_its_own_policy() {
    let folder = Folder::new("fpm-pool").expect("folder");
    std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o777)).expect("rights");
    let file = folder.join("pool.sqlite");
    let settings = PhpSettings::new()
        .extension(extension())
        .set("session.save_handler", "cloakroom")
        .set("cloakroom.store", "redis://127.0.0.1:1/0");
    let pool = vec![
        ("php_admin_value[cloakroom.store]".to_owned(), format!("sqlite:{}", file.display())),
        ("php_value[cloakroom.httponly]".to_owned(), "php".to_owned()),
    ];
    let fpm = FpmOptions { settings, pool, ..FpmOptions::default() };
    let site = Site::start_with(&SiteOptions { servers: 1, fpm, ..SiteOptions::default() }).expect("site");
    site.write("add.php", "<?php session_start(); $_SESSION['n'] = ($_SESSION['n'] ?? 0) + 1; echo $_SESSION['n'];")
        .expect("page");
    let visitor = site.browser();
    let reply = visitor.get("/add.php").expect("page");
    assert!(!reply.set_cookies()[0].contains("HttpOnly"), "{:?}", reply.set_cookies());
    assert_eq!(visitor.get("/add.php").expect("page").body, "2");
    assert!(file.is_file());
    assert_eq!(site.php_logs(), "");
}

#[test]
fn a_folders_own_settings_are_in_force_there_and_nowhere_else() {
    let folder = Folder::new("fpm-folders").expect("folder");
    std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o777)).expect("rights");
    let settings = PhpSettings::new()
        .extension(extension())
        .set("session.save_handler", "cloakroom")
        .set("cloakroom.store", &format!("sqlite:{}", folder.join("store.sqlite").display()));
    // One worker, so that each request finds what the one before has left behind.
    let fpm = FpmOptions { workers: 1, settings, ..FpmOptions::default() };
    let site = Site::start_with(&SiteOptions { servers: 1, fpm, ..SiteOptions::default() }).expect("site");
    let page = "<?php session_start(); $_SESSION['n'] = 1; echo getmypid();";
    site.write("start.php", page).expect("page");
    site.write("open/start.php", page).expect("page");
    site.write("open/.user.ini", "cloakroom.httponly=php\n").expect("settings");
    site.write("bits/start.php", page).expect("page");
    site.write("bits/.user.ini", "cloakroom.id_bits=384\n").expect("settings");
    let mut workers = std::collections::BTreeSet::new();
    for (path, httponly, characters) in [
        ("/start.php", true, 43),
        ("/open/start.php", false, 43),
        ("/start.php", true, 43),
        ("/bits/start.php", true, 64),
        ("/open/start.php", false, 43),
        ("/bits/start.php", true, 64),
        ("/start.php", true, 43),
        ("/start.php", true, 43),
    ] {
        let reply = site.browser().get(path).expect("page");
        workers.insert(reply.body.clone());
        let cookie = reply.set_cookies()[0].to_owned();
        let id = cookie.split(['=', ';']).nth(1).expect("id").replace("%2C", ",");
        assert_eq!((cookie.contains("HttpOnly"), id.len()), (httponly, characters), "{path}: {cookie}");
    }
    assert_eq!(workers.len(), 1);
    assert_eq!(site.php_logs(), "");
}
