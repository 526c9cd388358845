//! Settings: nothing is needed, nothing secret is shown, what is unsafe does not start.

mod support;

use std::os::unix::fs::PermissionsExt;

use support::{Site, Visitor};

const ADD: &str = "session_start(); $_SESSION['n'] = ($_SESSION['n'] ?? 0) + 1; echo $_SESSION['n'];";

#[test]
fn without_any_setting_sessions_are_kept_in_a_folder_of_ones_own() {
    let site = Site::bare();
    let folder = site.folder.path().join("php");
    std::fs::create_dir(&folder).expect("folder");
    std::fs::set_permissions(&folder, PermissionsExt::from_mode(0o1733)).expect("rights");
    let site = site.set("session.save_path", &format!("2;0600;{}", folder.display()));
    let mut visitor = Visitor::default();
    site.get(&mut visitor, ADD).clean().shows("1");
    // What the application says later decides nothing.
    let elsewhere = format!("ini_set('session.save_path', '/nowhere'); {ADD}");
    site.get(&mut visitor, &elsewhere).shows("2");
    let own: Vec<_> = std::fs::read_dir(&folder).expect("folder").flatten().collect();
    assert_eq!(own.len(), 1);
    assert!(own[0].file_name().to_string_lossy().starts_with("cloakroom-"));
    assert_eq!(own[0].metadata().expect("folder").permissions().mode() & 0o777, 0o700);
}

#[test]
fn ids_that_can_be_guessed_stop_php_from_starting() {
    for (name, value) in [("cloakroom.id_bits", "64"), ("session.sid_length", "22")] {
        let site =
            Site::new().set("cloakroom.id_bits", "php").set("session.sid_bits_per_character", "4").set(name, value);
        let reply = site.cli("echo 'started';");
        assert_ne!(reply.code, Some(0));
        assert!(!reply.body.contains("started"), "{reply:?}");
        assert!((reply.log.clone() + &reply.body).contains("128 bits"), "{reply:?}");
    }
    // What code sets later does not get below it either.
    let site = Site::new().set("cloakroom.id_bits", "php");
    let script = "ini_set('session.sid_length', 22); ini_set('session.sid_bits_per_character', 4); session_start(); echo strlen(session_id());";
    site.cli(script).shows("32");
}

#[test]
fn phpinfo_shows_the_settings_and_no_secret() {
    let keys = "ab".repeat(32);
    let site = Site::new().set("cloakroom.store", "mysql://user:hunter2@127.0.0.1/db").set("cloakroom.keys", &keys);
    for reply in [
        site.cli("phpinfo(INFO_MODULES);"),
        site.get(&mut Visitor::default(), "phpinfo(INFO_MODULES);"),
        site.php(&["--ri", "cloakroom"]),
    ] {
        assert!(reply.body.contains("cloakroom.store") && reply.body.contains("cloakroom.strict"), "{}", reply.body);
        assert!(reply.body.contains("***@127.0.0.1"), "{}", reply.body);
        assert!(!reply.body.contains("hunter2") && !reply.body.contains(&keys));
    }
}

#[test]
fn code_of_the_site_does_not_read_the_secrets_of_php_ini() {
    let keys = "ab".repeat(32);
    let site = Site::new().set("cloakroom.store", "redis://:hunter2@127.0.0.1:1/0").set("cloakroom.keys", &keys);
    let script = "session_start(); echo ini_get('cloakroom.store'), json_encode(ini_get_all('cloakroom')), \
        get_cfg_var('cloakroom.store'), get_cfg_var('cloakroom.keys'), json_encode(cloakroom_status());";
    let reply = site.get(&mut Visitor { ticket: Some("0123456789abcdef".into()) }, script);
    assert!(reply.body.contains("***@127.0.0.1") && reply.body.contains("not shown"), "{}", reply.body);
    assert!(!reply.body.contains("hunter2") && !reply.body.contains(&keys), "{}", reply.body);
    // And they are still what is used.
    assert!(reply.log.contains("can't be reached"), "{}", reply.log);
    let site = Site::new().set("cloakroom.keys", &keys);
    let mut visitor = Visitor::default();
    site.get(&mut visitor, ADD).clean().shows("1");
    site.get(&mut visitor, ADD).clean().shows("2");
    let site = site.set("cloakroom.keys", &"cd".repeat(32));
    site.get(&mut visitor, ADD).shows("1");
}

#[test]
fn functions_may_be_disabled() {
    let all = "register_shutdown_function,cloakroom_commit,cloakroom_status,session_destroy,session_write_close,session_commit";
    let site = Site::new().set("disable_functions", all);
    let mut visitor = Visitor::default();
    site.get(&mut visitor, ADD).clean().shows("1");
    site.get(&mut visitor, ADD).clean().shows("2");
}

#[test]
fn applications_can_not_set_what_decides_over_their_visitors() {
    let script =
        "foreach (ini_get_all('cloakroom', false) as $name => $v) { echo ini_set($name, '1') === false ? '' : $name; }";
    Site::new().cli(script).shows("");
}

#[test]
fn the_url_may_stand_in_a_file_that_only_the_server_reads() {
    let site = Site::bare();
    let url = format!("# the store\nsqlite:{}\n", site.folder.join("sessions.sqlite").display());
    let file = site.folder.write("store", url).expect("file");
    std::fs::set_permissions(&file, PermissionsExt::from_mode(0o600)).expect("rights");
    let site = site.set("cloakroom.store_file", &file.display().to_string());
    let mut visitor = Visitor::default();
    site.get(&mut visitor, ADD).clean().shows("1");
    site.get(&mut visitor, ADD).clean().shows("2");
    assert!(site.folder.join("sessions.sqlite").is_file());
    let missing = Site::bare().set("cloakroom.store_file", "/nowhere/store");
    let reply = missing.get(&mut Visitor::default(), "session_start(); echo cloakroom_status()['state'];");
    assert!(reply.body == "detached" && reply.log.contains("cloakroom.store_file"), "{reply:?}");
}

#[test]
fn two_sites_on_one_store_never_open_each_others_sessions() {
    let site = Site::new().set("cloakroom.namespace", "shop");
    let mut visitor = Visitor::default();
    site.get(&mut visitor, ADD).clean().shows("1");
    let other = site.set("cloakroom.namespace", "blog");
    other.get(&mut visitor.clone(), ADD).clean().shows("1");
    let site = other.set("cloakroom.namespace", "shop");
    site.get(&mut visitor, ADD).clean().shows("2");
}

#[test]
fn the_status_tells_what_is_going_on_without_the_id() {
    let site = Site::new();
    let mut visitor = Visitor::default();
    site.get(&mut visitor, ADD).clean();
    let script = "echo cloakroom_status()['state']; session_start(); $_SESSION['x'] = 1; cloakroom_owner('site:1');
        $saved = cloakroom_commit(); $s = cloakroom_status();
        echo json_encode([$saved, $s['state'], $s['detached'], $s['owner'], $s['last'], strlen($s['key']), $s['engine'], $s['store_answers']]);
        echo str_contains(serialize($s), session_id()) ? 'leaks' : '';
        session_write_close(); echo cloakroom_status()['last'], json_encode([cloakroom_owner('x'), cloakroom_commit()]);";
    site.get(&mut visitor, script)
        .clean()
        .shows(r#"none[true,"live",false,"site:1","written",12,"SQLite",true]unchanged[false,false]"#);
}

#[test]
fn a_commit_in_the_middle_saves_at_once_and_the_rest_at_the_end() {
    let site = Site::new();
    let mut visitor = Visitor::default();
    site.get(&mut visitor, ADD).clean();
    site.get(&mut visitor, "session_start(); $_SESSION['a'] = 1; cloakroom_commit(); $_SESSION['b'] = 2;").clean();
    site.get(
        &mut visitor,
        "session_start(); $_SESSION['c'] = 3; cloakroom_commit(); unset($_SESSION['c']); echo json_encode($_SESSION);",
    )
    .clean();
    site.get(&mut visitor, "session_start(); echo json_encode($_SESSION);").clean().shows(r#"{"n":1,"a":1,"b":2}"#);
}

#[test]
fn idle_time_is_phps_unless_the_site_has_its_own() {
    for (name, value) in [("session.gc_maxlifetime", "1"), ("cloakroom.idle", "1"), ("cloakroom.absolute", "1")] {
        let site = Site::new().set(name, value);
        let mut visitor = Visitor::default();
        site.get(&mut visitor, ADD).clean().shows("1");
        let began = std::time::Instant::now();
        // Reads do not count as a visit of this visitor: a copy without effect would touch the session.
        while began.elapsed() < std::time::Duration::from_millis(1300) {
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
        site.get(&mut visitor, ADD).clean().shows("1");
    }
}
