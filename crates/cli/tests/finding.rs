//! The store is found as PHP is configured, and never made.

mod common;

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use common::{Machine, REFUSED};

const ON: &str = "extension=cloakroom\nsession.save_handler=cloakroom\n";

/// A store of a test's own with the seven known sessions.
fn filled(m: &Machine, path: &str) -> String {
    let path = m.path(path);
    fs::create_dir_all(path.parent().expect("a folder")).expect("made");
    let url = format!("sqlite:{}", path.display());
    m.fill(&url);
    url
}

fn live(m: &Machine, line: &[&str]) -> Result<u64, String> {
    let ran = m.run(&[&["--json", "count"], line].concat());
    if ran.code == 0 { Ok(ran.json()["live"].as_u64().expect("a number")) } else { Err(ran.error) }
}

#[test]
fn what_the_command_line_says_comes_first() {
    let m = Machine::new().with_fpm(&format!("{ON}cloakroom.store=\"redis://127.0.0.1:1\"\n"));
    let url = filled(&m, "/srv/a.sqlite");
    assert_eq!(live(&m, &["--store", &url]), Ok(5));
    m.write("/srv/store", &format!("# the shop's\n\n  {url}\n"));
    let file = m.path("/srv/store");
    assert_eq!(live(&m, &["--store-file", file.to_str().expect("text")]), Ok(5));
    assert!(live(&m, &[]).expect_err("refused").contains("127.0.0.1:1"));
}

#[test]
fn the_store_of_php_ini_a_pool_or_a_file_is_found() {
    for way in ["ini", "pool", "file", "last"] {
        let m = Machine::new().with_fpm(ON);
        let url = filled(&m, "/srv/a.sqlite");
        match way {
            "ini" => m.write("/etc/php/8.2/fpm/conf.d/30-store.ini", &format!("cloakroom.store = \"{url}\"\n")),
            "pool" => m.write(
                "/etc/php/8.2/fpm/pool.d/www.conf",
                &format!(
                    "[www]\nphp_admin_value[cloakroom.store] = {url}\nphp_value[cloakroom.store] = sqlite:/no/x\n"
                ),
            ),
            "file" => {
                m.write("/etc/cloakroom.store", &format!("{url}\n"));
                m.write("/etc/php/8.2/fpm/conf.d/30-store.ini", "cloakroom.store_file = /etc/cloakroom.store\n");
            }
            _ => {
                m.write("/etc/php/8.2/fpm/conf.d/30-store.ini", "cloakroom.store = sqlite:/no/x\n");
                m.write("/etc/php/8.2/fpm/conf.d/40-store.ini", &format!("cloakroom.store = {url}\n"));
            }
        }
        assert_eq!(live(&m, &[]), Ok(5), "{way}");
    }
}

#[test]
fn the_default_store_is_found_where_php_keeps_its_sessions() {
    let m = Machine::new().with_fpm(ON);
    m.fill(&m.default_store());
    assert_eq!(live(&m, &[]), Ok(5));
    assert_eq!(live(&m, &["--uid", "www-data"]), Ok(5));
    assert!(live(&m, &["--uid", "nobody-here"]).expect_err("refused").contains("nobody-here"));

    // Elsewhere, by php.ini; what a pool says later does not move it, as it does not in the extension.
    let m = Machine::new().with_fpm(&format!("{ON}session.save_path = \"5;0600;/srv/sessions\"\n"));
    m.write("/etc/php/8.2/fpm/pool.d/www.conf", "[www]\nuser = www-data\nphp_value[session.save_path] = /elsewhere\n");
    let url = m.default_store();
    m.fill(&url);
    let made = m.path("/var/lib/php/sessions");
    fs::create_dir_all(m.path("/srv")).expect("made");
    fs::rename(&made, m.path("/srv/sessions")).expect("renamed");
    assert_eq!(live(&m, &[]), Ok(5));
}

#[test]
fn of_several_default_stores_the_configured_one_is_taken_or_the_operator_asked() {
    let m = Machine::new().with_fpm(ON);
    m.fill(&m.default_store());
    let other = m.path(&format!("/var/lib/php/sessions/cloakroom-{}", m.around.uid + 7));
    fs::create_dir(&other).expect("made");
    assert_eq!(live(&m, &[]), Ok(5), "the pool runs as www-data");

    m.write("/etc/php/8.2/fpm/pool.d/www.conf", "[www]\nuser = $who\n");
    let asked = live(&m, &[]).expect_err("two");
    assert!(asked.contains("--uid") && asked.contains("www-data"), "{asked}");
    assert_eq!(live(&m, &["--uid", &m.around.uid.to_string()]), Ok(5));
}

#[test]
fn contradicting_pools_are_named_and_the_operator_asked() {
    let m = Machine::new().with_fpm(ON);
    m.write(
        "/etc/php/8.2/fpm/pool.d/www.conf",
        "[a]\nphp_value[cloakroom.store] = \"redis://:sesame@h/1\"\n[b]\nphp_value[cloakroom.store] = \"redis://:sesame@h/2\"\n",
    );
    let asked = live(&m, &[]).expect_err("two");
    assert!(asked.contains("pool a: redis://:***@h/1") && asked.contains("pool b"), "{asked}");
    assert!(!asked.contains("sesame"), "{asked}");
}

#[test]
fn errors_name_the_option_that_was_given() {
    let m = Machine::new();
    for url in ["oracle://h", "redis:h", "mysql://h", "sqlite:x", "sqlite:/nowhere/x.sqlite"] {
        m.write("/srv/store", url);
        let file = m.path("/srv/store").display().to_string();
        for (option, value) in [("--store", url), ("--store-file", &file)] {
            for command in ["count", "doctor"] {
                let ran = m.run(&[command, option, value]);
                let said = format!("{}{}", ran.out, ran.error);
                assert!(ran.code > 0 && said.contains(option) && !said.contains("cloakroom.store"), "{url}: {said}");
            }
        }
    }
}

#[test]
fn a_store_of_somebody_else_is_said_with_whom_to_be() {
    let mut m = Machine::new();
    let url = filled(&m, "/srv/a.sqlite");
    fs::set_permissions(m.folder.path(), fs::Permissions::from_mode(0o755)).expect("mode");
    m.around.uid = 54_321;
    if rustix::process::geteuid().is_root() {
        std::os::unix::fs::chown(m.path("/srv/a.sqlite"), Some(54_322), Some(54_322)).expect("given");
        m.write("/etc/passwd", "www-data:x:54322:54322::/:\n");
    }
    for said in [live(&m, &["--store", &url]).expect_err("closed"), m.run(&["doctor", "--store", &url]).out] {
        let said = said.replace("\n", " ").split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(said.contains("run the command as root, or with `sudo -u www-data`"), "{said}");
    }
}

#[test]
fn a_default_store_that_its_user_could_not_make_is_a_problem() {
    const USER: u32 = 54_321;
    let m = Machine::new().with_fpm(ON);
    fs::set_permissions(m.folder.path(), fs::Permissions::from_mode(0o755)).expect("mode");
    m.write("/etc/passwd", &format!("www-data:x:{USER}:{USER}:www:/var/www:/bin/false\n"));
    let sessions = m.path("/var/lib/php/sessions");
    let gid = fs::metadata(&sessions).expect("there").gid();
    let folder = |mode: u32| {
        fs::set_permissions(&sessions, fs::Permissions::from_mode(mode)).expect("mode");
        let ran = m.run(&["doctor"]);
        let words: Vec<&str> = ran.out.split_whitespace().collect();
        let text = words.join(" ");
        (text.contains("problem folder"), text)
    };
    let (ill, said) = folder(0o755);
    assert!(ill && said.contains("www-data can't make it") && said.contains("chmod 1733"), "{said}");
    let (ill, said) = folder(0o777);
    assert!(ill && said.contains("sticky bit") && said.contains("chmod +t"), "{said}");
    let (ill, said) = folder(0o1733);
    assert!(!ill && said.contains("ok folder There is none yet"), "{said}");
    assert!(folder(0o1770).0, "it is not of the folder's group");
    m.write("/etc/group", &format!("sessions:x:{gid}:other,www-data\n"));
    assert!(!folder(0o1770).0, "now it is");
    m.write("/etc/group", &format!("sessions:x:{gid}:\n"));
    m.write("/etc/php/8.2/fpm/pool.d/www.conf", "[www]\nuser = www-data\ngroup = sessions\n");
    assert!(!folder(0o1770).0, "the pool gives it that group");
    fs::set_permissions(m.path("/var/lib/php"), fs::Permissions::from_mode(0o700)).expect("mode");
    assert!(folder(0o1733).0, "it can't reach the folder");
    fs::set_permissions(m.path("/var/lib/php"), fs::Permissions::from_mode(0o755)).expect("mode");
}

#[test]
fn settings_that_the_extension_refuses_are_problems_where_no_php_can_be_asked() {
    for (line, name) in REFUSED {
        let m = Machine::new().with_fpm(&format!("{ON}{line}\n"));
        m.fill(&m.default_store());
        let ran = m.run(&["doctor"]);
        let said = ran.out.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(ran.code == 1 && said.contains(&format!("problem settings The extension refuses {name} =")), "{said}");
        assert!(!said.contains("All is well"), "{said}");
    }
}

#[test]
fn a_misspelt_setting_is_a_warning_with_the_name_that_is_meant() {
    let m = Machine::new().with_fpm(&format!("{ON}cloakroom.nmespace=shop\n"));
    m.fill(&m.default_store());
    let ran = m.run(&["doctor"]);
    let said = ran.out.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(ran.code == 0 && said.contains("warning settings There is no setting cloakroom.nmespace"), "{said}");
    assert!(said.contains("Is cloakroom.namespace meant?"), "{said}");
}

#[test]
fn php_ini_can_be_named() {
    let m = Machine::new().with_fpm(ON);
    let url = filled(&m, "/srv/a.sqlite");
    m.write("/srv/site/conf.d/99-site.ini", &format!("{ON}cloakroom.store = \"{url}\"\n"));
    let path = |p: &str| m.path(p).display().to_string();
    assert_eq!(live(&m, &["--php-ini", &path("/srv/site/conf.d")]), Ok(5));
    assert_eq!(live(&m, &["--php-ini", &path("/srv/site/conf.d/99-site.ini")]), Ok(5));
    assert_eq!(live(&m, &["--php-ini", &path("/etc/php/8.2/fpm"), "--php-ini", &path("/srv/site/conf.d")]), Ok(5));
    assert!(live(&m, &["--php-ini", &path("/srv/none")]).expect_err("refused").contains("not there"));
}

#[test]
fn a_folder_of_a_server_with_php_ini_elsewhere_can_be_named() {
    let m = Machine::new();
    let url = filled(&m, "/srv/a.sqlite");
    m.write("/srv/up/php-fpm-a/conf.d/99-site.ini", &format!("{ON}cloakroom.store = \"{url}\"\n"));
    let path = |p: &str| m.path(p).display().to_string();
    assert_eq!(live(&m, &["--php-ini", &path("/srv/up/php-fpm-a")]), Ok(5));
    let other = filled(&m, "/srv/b.sqlite");
    m.write(
        "/srv/up/php-fpm-a/php-fpm.conf",
        &format!("[www]\nuser = www-data\nphp_admin_value[cloakroom.store] = \"{other}\"\n"),
    );
    std::fs::remove_file(m.path("/srv/a.sqlite")).expect("removed");
    assert_eq!(live(&m, &["--php-ini", &path("/srv/up/php-fpm-a")]), Ok(5), "its pools are read too");
    let said = m.run(&["--php-ini", &path("/srv/up"), "doctor"]);
    assert!(said.code == 2 && said.error.contains("holds no settings"), "not looked for elsewhere: {said:?}");
}

#[test]
fn an_extension_whose_folder_is_not_known_is_not_said_to_be_there() {
    let m = Machine::new();
    let url = filled(&m, "/srv/a.sqlite");
    m.write("/srv/up/conf.d/99-site.ini", &format!("{ON}cloakroom.store = \"{url}\"\n"));
    let ran = m.run(&["--php-ini", &m.path("/srv/up").display().to_string(), "doctor", "--json"]);
    let said: serde_json::Value = serde_json::from_str(&ran.out).expect("JSON");
    let checks = said["sections"].as_array().expect("sections").iter().filter_map(|s| s["checks"].as_array()).flatten();
    let of: Vec<_> = checks.filter(|c| c["name"] == "extension").map(|c| c["level"].as_str()).collect();
    assert_eq!(of, [Some("warning")], "{said}");
}

#[test]
fn no_command_makes_a_store_or_a_folder() {
    let m = Machine::new().with_fpm(ON);
    let folder = m.path("/var/lib/php/sessions");
    let missing = format!("sqlite:{}", m.path("/var/lib/php/sessions/x.sqlite").display());
    for line in [&["count"][..], &["list"], &["sweep"], &["doctor"], &["end", "--all", "--yes"], &["show", "abcdef"]] {
        let ran = m.run(line);
        if line != ["doctor"] {
            assert_eq!(ran.code, 2, "{line:?}: {}", ran.error);
            assert!(ran.error.contains("no session store"), "{}", ran.error);
        }
        let ran = m.run(&[line, &["--store", &missing]].concat());
        assert!(ran.code > 0, "{line:?}");
        assert_eq!(fs::read_dir(&folder).expect("there").count(), 0, "{line:?}");
    }
}

#[test]
fn a_planted_or_open_default_folder_is_a_problem() {
    let m = Machine::new().with_fpm(ON);
    m.fill(&m.default_store());
    let own = m.path(&format!("/var/lib/php/sessions/cloakroom-{}", m.around.uid));
    fs::set_permissions(&own, fs::Permissions::from_mode(0o755)).expect("mode");
    assert!(live(&m, &[]).expect_err("refused").contains("open to others"));
    let ran = m.run(&["doctor"]);
    assert_eq!(ran.code, 1);
    assert!(ran.out.contains("problem  folder"), "{}", ran.out);
}

#[test]
fn an_apache_or_a_container_is_found_too() {
    let m = Machine::new();
    let url = filled(&m, "/srv/a.sqlite");
    m.write("/usr/local/etc/php/conf.d/cloakroom.ini", &format!("{ON}cloakroom.store=\"{url}\"\n"));
    assert_eq!(live(&m, &[]), Ok(5));
    let m = Machine::new();
    let url = filled(&m, "/srv/a.sqlite");
    m.write("/etc/php/8.4/apache2/php.ini", &format!("{ON}cloakroom.store=\"{url}\"\n"));
    assert_eq!(live(&m, &[]), Ok(5));
}

#[test]
fn sites_that_share_a_namespace_are_named() {
    let m = Machine::new().with_fpm(ON);
    m.fill(&m.default_store());
    let pools = "[shop]\nuser = www-data\n[blog]\nuser = www-data\n";
    m.write("/etc/php/8.2/fpm/pool.d/www.conf", pools);
    let said = m.run(&["doctor"]).out;
    assert!(said.contains("warning  namespace") && said.contains("pool shop; PHP"), "{said}");
    m.write(
        "/etc/php/8.2/fpm/pool.d/www.conf",
        "[shop]\nuser = www-data\nphp_admin_value[cloakroom.namespace] = shop\n[blog]\nuser = www-data\n",
    );
    let said = m.run(&["doctor"]).out;
    assert!(said.contains("ok       namespace"), "{said}");
}

#[test]
fn sections_for_hosts_and_folders_are_sites_of_their_own() {
    let m = Machine::new()
        .with_fpm(&format!("{ON}[HOST=b.example]\ncloakroom.cookie_secure=php\nsession.cookie_samesite=\"None\"\n"));
    m.fill(&m.default_store());
    let said = m.run(&["doctor"]).out;
    assert!(said.contains("host b.example") && said.contains("problem  samesite"), "{said}");
}

#[test]
fn root_reads_no_more_through_a_users_folder_than_the_user_could() {
    let m = Machine::new().with_fpm(ON);
    if m.around.uid != 0 {
        eprintln!("NOT RUN: only root can be led astray here");
        return;
    }
    const USER: u32 = 54_321;
    fs::set_permissions(m.folder.path(), fs::Permissions::from_mode(0o755)).expect("mode");
    // What root alone may read, and a link to it in a folder of the user's.
    let secret = filled(&m, "/root/secret.sqlite");
    fs::set_permissions(m.path("/root"), fs::Permissions::from_mode(0o700)).expect("mode");
    let own = m.path(&format!("/var/lib/php/sessions/cloakroom-{USER}"));
    fs::create_dir(&own).expect("made");
    fs::set_permissions(&own, fs::Permissions::from_mode(0o700)).expect("mode");
    let target = secret.strip_prefix("sqlite:").expect("a path");
    std::os::unix::fs::symlink(target, own.join("sessions.sqlite")).expect("linked");
    std::os::unix::fs::chown(&own, Some(USER), Some(USER)).expect("given");
    assert_eq!(live(&m, &["--store", &secret]), Ok(5), "root may, when it says so");
    assert!(live(&m, &["--uid", &USER.to_string()]).is_err(), "not by way of the user's link");
    assert_eq!(live(&m, &["--store", &secret]), Ok(5), "and is root again afterwards");
}

#[test]
fn a_store_of_another_host_can_be_checked_where_no_php_uses_it() {
    let m = Machine::new().with_fpm("");
    let url = filled(&m, "/srv/a.sqlite");
    assert_eq!(m.run(&["doctor"]).code, 1);
    let ran = m.run(&["doctor", "--store", &url]);
    assert_eq!(ran.code, 0, "{}", ran.out);
    assert!(ran.out.contains("ok       answers") || ran.out.contains("warning  answers"), "{}", ran.out);
}
