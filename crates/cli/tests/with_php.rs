//! What PHP with the real extension makes, the command finds, from the same settings.

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
