//! What PHP with the real extension makes, the command finds, from the same settings.

mod common;

use std::os::unix::fs::PermissionsExt;

use clap::Parser;
use cloakroom_cli::args::Cli;
use cloakroom_cli::{Surroundings, commands};
use cloakroom_testbed::{Folder, PhpSettings, needs};

fn run(line: &[&str]) -> String {
    let cli = Cli::try_parse_from(["cloakroom"].iter().chain(line)).expect("a command line");
    let mut written = Vec::new();
    let around = Surroundings { colour: false, ask: None, ..Surroundings::of_this_process() };
    commands::run(&cli, &around, &mut written).unwrap_or_else(|failure| panic!("{line:?}: {failure}"));
    String::from_utf8(written).expect("text")
}

#[test]
fn a_session_that_php_keeps_in_its_default_store_is_found_shown_and_ended() {
    needs!("php", "extension");
    let folder = Folder::new("cli").expect("a folder");
    let sessions = folder.join("sessions");
    std::fs::create_dir(&sessions).expect("made");
    std::fs::set_permissions(&sessions, std::fs::Permissions::from_mode(0o1733)).expect("mode");
    let settings = PhpSettings::cloakroom(None)
        .expect("the extension")
        .set("session.save_path", sessions.to_str().expect("text"))
        .set("session.cookie_secure", "1");
    let php = |code: &str| {
        let mut command = cloakroom_testbed::cli(&settings, &folder.join("conf.d")).expect("php");
        let done = command.args(["-r", code]).output().expect("php runs");
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8(done.stdout).expect("text")
    };
    let said =
        php("session_start(); $_SESSION['cart'] = 'bowler hat'; cloakroom_owner('site:42'); session_write_close();
        echo cloakroom_status()['key'], ' ', session_id();");
    let (key, id) = said.trim().split_once(' ').expect("key and id");

    let conf = folder.join("conf.d").display().to_string();
    let shown = run(&["--php-ini", &conf, "show", key]);
    assert!(shown.contains("site:42") && shown.contains("live"), "{shown}");
    for line in [&["count"][..], &["list", "--json"], &["show", key, "--json"], &["doctor"]] {
        let out = run(&[&["--php-ini", &conf], line].concat());
        assert!(!out.contains(id) && !out.contains("bowler"), "{out}");
    }
    let doctor = run(&["--php-ini", &conf, "doctor"]);
    assert!(doctor.contains("1 live session") && doctor.contains("All is well."), "{doctor}");

    run(&["--php-ini", &conf, "end", key, "--yes"]);
    let again = php(&format!(
        "session_id('{id}'); session_start(); echo count($_SESSION), session_id() === '{id}' ? 'same' : 'new';"
    ));
    assert_eq!(again, "0new", "ended stays ended, and the old id is not adopted");
}

#[test]
fn what_two_requests_of_php_changed_at_once_is_reported() {
    needs!("php", "extension");
    let folder = Folder::new("cli-conflict").expect("a folder");
    let url = format!("sqlite:{}", folder.join("sessions.sqlite").display());
    let settings = PhpSettings::cloakroom(Some(&url)).expect("the extension");
    let other = r#"session_id($argv[1]); session_start(); $_SESSION['cart']['hat'] = 2; $_SESSION['other'] = 1;"#;
    let code = r#"session_start(); $_SESSION['cart']['hat'] = 1; session_write_close();
        session_start();
        passthru(escapeshellarg(PHP_BINARY) . ' -r ' . escapeshellarg($argv[1]) . ' -- ' . escapeshellarg(session_id()));
        $_SESSION['cart']['hat'] = 3; session_write_close();
        session_start(); echo json_encode($_SESSION), ' ', session_id();"#;
    let mut command = cloakroom_testbed::cli(&settings, &folder.join("conf.d")).expect("php");
    let done = command.args(["-r", code, "--", other]).output().expect("php runs");
    let said = String::from_utf8_lossy(&done.stdout).into_owned();
    let (variables, id) = said.split_once(' ').unwrap_or_else(|| panic!("{done:?}"));
    assert_eq!(variables, r#"{"cart":{"hat":3},"other":1}"#);

    let conf = folder.join("conf.d").display().to_string();
    let table = run(&["--php-ini", &conf, "conflicts"]);
    assert!(table.contains("cart.*") && table.contains("cloakroom.merge_rules"), "{table}");
    let json: serde_json::Value =
        serde_json::from_str(&run(&["--php-ini", &conf, "conflicts", "--json"])).expect("JSON");
    assert_eq!((&json["total"], &json["rows"][0]["label"]), (&1.into(), &"cart.*".into()), "{json}");
    let key = json["rows"][0]["sample"].as_str().expect("a key");
    assert!(run(&["--php-ini", &conf, "show", key]).contains("live"), "the sample names the session");
    assert!(!table.contains(id), "{table}");
}

#[test]
fn doctor_has_php_say_whether_it_loads_the_extension() {
    needs!("php", "extension");
    let version = cloakroom_testbed::php_version().expect("a version");
    let debian = format!("/etc/php/{version}/cli");
    if !std::path::Path::new(&debian).join("php.ini").is_file() {
        eprintln!("skipped: PHP is not laid out as in Debian");
        return;
    }
    let folder = Folder::new("cli-loads").expect("a folder");
    let doctor = |extension: &std::path::Path| {
        let settings = PhpSettings::new().extension(extension).set("session.save_handler", "cloakroom");
        settings.write_to(&folder.join("conf.d")).expect("written");
        run(&["--php-ini", &debian, "--php-ini", &folder.join("conf.d").display().to_string(), "doctor", "--json"])
    };
    let loads = |said: &str| {
        let said: serde_json::Value = serde_json::from_str(said).expect("JSON");
        let checks = said["sections"][0]["checks"].as_array().expect("checks").clone();
        let found = checks.iter().find(|c| c["name"] == "loads").cloned();
        found.map(|c| (c["level"].as_str().unwrap_or("").to_owned(), c["text"].as_str().unwrap_or("").to_owned()))
    };
    // A copy: only what nobody else can change is tried.
    let fits = folder.join("cloakroom.so");
    std::fs::copy(cloakroom_testbed::extension().expect("built"), &fits).expect("copied");
    let (level, text) = loads(&doctor(&fits)).expect("tried");
    assert_eq!(level, "ok", "{text}");

    std::fs::write(&fits, "built for something else, ".repeat(99)).expect("written");
    let (level, text) = loads(&doctor(&fits)).expect("tried");
    assert_eq!(level, "problem", "{text}");
    assert!(text.contains(&format!("php{version} can't load")) && text.contains("invalid ELF header"), "{text}");

    std::fs::set_permissions(&fits, std::fs::Permissions::from_mode(0o777)).expect("mode");
    assert_eq!(loads(&doctor(&fits)), None, "a file that others can write is not run");
}

#[test]
fn doctor_has_the_extension_say_which_settings_it_refuses() {
    needs!("php", "extension");
    let version = cloakroom_testbed::php_version().expect("a version");
    let debian = format!("/etc/php/{version}/cli");
    if !std::path::Path::new(&debian).join("php.ini").is_file() {
        eprintln!("skipped: PHP is not laid out as in Debian");
        return;
    }
    let folder = Folder::new("cli-refuses").expect("a folder");
    let fits = folder.join("cloakroom.so");
    std::fs::copy(cloakroom_testbed::extension().expect("built"), &fits).expect("copied");
    let conf = folder.join("conf.d");
    std::fs::create_dir(&conf).expect("made");
    // Whether the version is known decides whether PHP is run.
    let refused = |lines: &str, run_php: bool| {
        let on = format!("extension={}\nsession.save_handler=cloakroom\n{lines}\n", fits.display());
        std::fs::write(conf.join("99-site.ini"), on).expect("written");
        let conf = conf.display().to_string();
        let mut line = if run_php { vec!["--php-ini", &debian] } else { Vec::new() };
        line.extend(["--php-ini", &conf, "doctor", "--json"]);
        let said: serde_json::Value = serde_json::from_str(&run(&line)).expect("JSON");
        let sections = said["sections"].as_array().expect("sections").clone();
        let checks: Vec<_> = sections.iter().flat_map(|s| s["checks"].as_array().expect("checks").clone()).collect();
        assert_eq!(checks.iter().any(|c| c["name"] == "loads" && c["level"] == "ok"), run_php, "{said}");
        let settings = checks.iter().filter(|c| c["name"] == "settings" && c["level"] == "problem");
        settings.map(|c| c["text"].as_str().expect("text").to_owned()).collect::<Vec<_>>()
    };
    for (line, name) in common::REFUSED {
        let of_php = refused(line, true);
        assert_eq!(of_php.len(), 1, "{line}: {of_php:?}");
        assert!(of_php[0].contains(&format!("refuses {name} = ")), "{of_php:?}");
        assert_eq!(of_php, refused(line, false), "the table says what the extension says");
    }
    let several = refused("cloakroom.strict=0\ncloakroom.debug=2\ncloakroom.merge_rules=\"a=summ\"", true);
    assert_eq!(several.len(), 3, "{several:?}");
    let good = "cloakroom.strict=On\ncloakroom.grace=0\ncloakroom.max_size=2047M\ncloakroom.idle=\ncloakroom.warn=x\n\
                cloakroom.merge_rules=\"cart.*.quantity=sum, it's=last\"\ncloakroom.lock_paths=\"/a\\b, /$c\"";
    for run_php in [true, false] {
        assert_eq!(refused(good, run_php), [""; 0]);
    }
}

#[test]
fn ini_files_are_read_as_php_reads_them() {
    needs!("php");
    let folder = Folder::new("ini").expect("a folder");
    let values = [
        "plain",
        "a \"b\"c ; d",
        r#""x\ny\"z\\q""#,
        r"'b c\'d",
        "\"a\nb\"",
        "a#b",
        "a b  ",
        "On",
        "\"On\"",
        "none",
        "null",
        "yes please",
        "x?y=z",
        "x!y",
        "(x)",
        "{x}",
        "x}y",
        "x$y",
        "${NOT_SET_ANYWHERE}z",
        "\"a$b\"",
        "\"a\\$b\"",
        "a;b",
        "\"a\" b \"c\"",
        "'a' b",
        "a,b",
        "a[b",
        "a]b",
        "a @b",
        "a'b",
        "a\"b",
        "\"a",
        "",
        "mysql://u:p@h/db?table=x",
        "\"mysql://u:p@h/db?table=x&a=b\"",
        "5;0600;/srv",
        "\"5;0600;/srv\"",
    ];
    for value in values {
        let text = format!("[PHP]\nprecision=3\ndocref_root = {value}\nprecision=7\n");
        let file = folder.write("php.ini", &text).expect("written");
        let mut php = std::process::Command::new(cloakroom_testbed::find_program("php").expect("php"));
        php.arg("-c").arg(&file).env("PHP_INI_SCAN_DIR", "").args([
            "-d",
            "display_startup_errors=0",
            "-r",
            "echo json_encode([(string) ini_get('docref_root'), ini_get('precision')]);",
        ]);
        let said = String::from_utf8(php.output().expect("php runs").stdout).expect("text");
        let said = &said[said.rfind("[\"").unwrap_or(0)..];
        let of_php: [String; 2] = serde_json::from_str(said).unwrap_or_else(|e| panic!("{value}: {e}: {said}"));
        let ini = cloakroom_cli::php::ini::parse(text.as_bytes(), &std::collections::HashMap::new());
        let last = |name: &str| ini.entries.iter().rfind(|e| e.name == name).map_or("", |e| e.value.as_str());
        assert_eq!([last("docref_root"), last("precision")], [of_php[0].as_str(), of_php[1].as_str()], "{value}");
    }
}
