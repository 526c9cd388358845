//! `cloakroom audit` on source: tricky cases with what is to be found in them, real applications counted independently by
//! PHP's own tokenizer, and when code runs.

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use cloakroom_testbed::needs;
use common::{Machine, Ran};
use serde_json::Value;

fn audit(line: &[&str]) -> Ran {
    Machine::new().run(&[&["audit"], line].concat())
}

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/audit_corpus")
}

fn findings(ran: &Ran) -> Vec<Value> {
    ran.json()["source"]["findings"].as_array().expect("a list").clone()
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_default()
}

#[test]
fn tricky_cases_are_found_and_nothing_else() {
    let mut looked_at = 0;
    for entry in fs::read_dir(corpus()).expect("the corpus") {
        let path = entry.expect("an entry").path();
        if path.extension().is_none_or(|e| e != "php") {
            continue;
        }
        let ran = audit(&[path.to_str().expect("text"), "--json"]);
        let mut found: Vec<String> =
            findings(&ran).iter().map(|f| format!("{} {}", f["line"], text(f, "kind"))).collect();
        let notes = ran.json()["source"]["notes"].to_string();
        assert_eq!(notes != "[]", path.ends_with("broken.php"), "{}: {notes}", path.display());
        let expected = fs::read_to_string(path.with_extension("expected")).expect("what is expected");
        let mut expected: Vec<String> = expected.lines().map(str::to_owned).collect();
        found.sort();
        expected.sort();
        assert_eq!(found, expected, "{}", path.display());
        looked_at += 1;
    }
    assert!(looked_at >= 7, "{looked_at} files");
}

#[test]
fn real_applications_are_counted_as_php_s_own_tokenizer_counts_them() {
    needs!("php", "wordpress");
    let mut roots = vec![PathBuf::from("/usr/share/wordpress")];
    let done = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/php-sources.sh"))
        .output()
        .expect("the script runs");
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    if !done.status.success() {
        // Where everything has to be there, the archive has to be as well.
        assert!(std::env::var_os("CLOAKROOM_TEST_ALL").is_none(), "{said}");
        eprintln!("left out: {said}");
        return;
    }
    roots.extend(String::from_utf8_lossy(&done.stdout).lines().map(PathBuf::from));
    assert!(roots.len() > 10, "{roots:?}");
    let mut all = 0;
    for root in roots {
        let name = root.to_str().expect("text");
        let counted = Command::new("php")
            .args(["-d", "short_open_tag=1", "-d", "memory_limit=1G"])
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/audit_count.php"))
            .arg(&root)
            .output()
            .expect("php runs");
        assert!(counted.status.success(), "{}", String::from_utf8_lossy(&counted.stderr));
        let counted: Value = serde_json::from_slice(&counted.stdout).expect("JSON");
        let ran = audit(&[name, "--json"]);
        assert_eq!(ran.json()["source"]["files"], counted["files"], "{name}: the same files are read");
        let mut found: BTreeMap<String, BTreeMap<String, u64>> = BTreeMap::new();
        for f in findings(&ran) {
            let file = fs::canonicalize(root.join(text(&f, "file"))).expect("there");
            // Which functions change their arguments is known to the audit alone.
            let kind = text(&f, "kind").replace("reference", "read");
            *found.entry(file.display().to_string()).or_default().entry(kind).or_default() += 1;
        }
        let counted: BTreeMap<String, BTreeMap<String, u64>> =
            serde_json::from_value(counted["counts"].clone()).expect("counts");
        for file in found.keys().chain(counted.keys()) {
            assert_eq!(found.get(file), counted.get(file), "{file}: found, and counted by PHP");
        }
        all += counted.values().flat_map(BTreeMap::values).sum::<u64>();
    }
    assert!(all > 1000, "only {all} places: nothing was shown");
}

/// A plugin whose files are these; what is said of each `session_start`, by file and line.
fn reached(files: &[(&str, &str)]) -> BTreeMap<String, String> {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, code) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        fs::write(path, code).expect("written");
    }
    let ran = audit(&[folder.path().to_str().expect("text"), "--json"]);
    findings(&ran)
        .iter()
        .filter(|f| text(f, "kind").ends_with("session_start"))
        .map(|f| {
            let when: Vec<&str> =
                f["when"].as_array().expect("a list").iter().map(|w| w.as_str().expect("text")).collect();
            let told = format!("{} {}", text(f, "reached"), when.join(", "));
            (format!("{}:{}", text(f, "file"), f["line"]), told.trim().to_owned())
        })
        .collect()
}

const MAIN: &str = "<?php\n/* Plugin Name: Demo */\n";

fn told(code: &str) -> String {
    let all = reached(&[("demo/demo.php", &format!("{MAIN}{code}"))]);
    all.into_values().collect::<Vec<_>>().join(" | ")
}

#[test]
fn what_runs_on_every_request_is_told() {
    for code in [
        "session_start();",
        "if (!session_id()) { session_start(); }",
        "if (session_status() === PHP_SESSION_NONE && !headers_sent()) session_start();",
        "if (!defined('ABSPATH')) exit; session_start();",
        "defined('ABSPATH') || exit; session_start();",
        "add_action('init', 'session_start');",
        "add_action('init', 'go'); function go() { if (session_id()) return; session_start(); }",
        "add_action('plugins_loaded', function () { session_start(); });",
        "add_action('wp_loaded', fn() => session_start());",
        "class A { function __construct() { add_action('init', [$this, 'go']); } function go() { $this->on(); } \
         function on() { session_start(); } } new A;",
        "class A { static $instance; static function instance() { if (null === self::$instance) self::$instance = new \
         self; return self::$instance; } function __construct() { add_action('init', array($this, 'go')); } function go() { \
         session_start(); } } A::instance();",
        "class A { static function go() { session_start(); } } add_action('template_redirect', ['A', 'go']);",
        "class A { static function go() { session_start(); } } add_action('init', 'A::go');",
        "class B { function go() { session_start(); } } class A extends B {} $a = new A; add_action('init', [$a, 'go']);",
        "class A { function run() { session_start(); } } function main() { $a = new A(); $a->run(); } main();",
        "if (!is_admin()) { session_start(); }",
        "(function () { session_start(); })();",
    ] {
        assert_eq!(told(code), "every request", "{code}");
    }
}

#[test]
fn what_runs_at_times_is_told_with_its_condition() {
    for (code, when) in [
        ("if (is_admin()) session_start();", "in the admin area"),
        ("add_action('admin_init', 'go'); function go() { session_start(); }", "in the admin area"),
        ("add_action('wp_ajax_nopriv_x', 'go'); function go() { session_start(); }", "in AJAX calls"),
        ("add_action('rest_api_init', function () { session_start(); });", "in the REST API"),
        ("add_shortcode('cart', 'go'); function go() { session_start(); }", "on pages with the shortcode [cart]"),
        (
            "register_activation_hook(__FILE__, 'go'); function go() { session_start(); }",
            "when the plugin is activated",
        ),
        ("if (isset($_POST['x'])) session_start();", "when the request brings `$_POST['x']`"),
        (
            "add_action('init', 'go'); function go() { if (!is_user_logged_in()) return; session_start(); }",
            "for visitors who are logged in",
        ),
        (
            "add_action('init', 'go'); function go() { if (get_option('s') == 1) session_start(); }",
            "when `get_option('s') == 1`",
        ),
        ("add_action('my_hook', 'go'); function go() { session_start(); }", "when the hook my_hook fires"),
        ("defined('DOING_AJAX') && DOING_AJAX && session_start();", "in AJAX calls"),
    ] {
        let said = told(code);
        assert!(said.starts_with("only when ") && said.contains(when), "{code}: {said}");
    }
}

#[test]
fn what_nothing_calls_is_unknown() {
    for code in [
        "function go() { session_start(); }",
        "class A { function go() { session_start(); } } function f($x) { $x->go(); } f(make());",
        "class A { function __construct() { add_action('init', [$this, 'go']); } function go() { session_start(); } }",
    ] {
        assert_eq!(told(code), "unknown", "{code}");
    }
}

#[test]
fn includes_are_followed_and_plugins_kept_apart() {
    let all = reached(&[
        (
            "a/a.php",
            "<?php\n/* Plugin Name: A */\nrequire_once __DIR__ . '/inc/boot.php';\nif (is_admin()) require 'admin.php';",
        ),
        ("a/inc/boot.php", "<?php session_start();"),
        ("a/admin.php", "<?php session_start();"),
        ("b/b.php", "<?php\n/* Plugin Name: B */\n"),
        ("b/inc/boot.php", "<?php session_start();"),
    ]);
    assert_eq!(all["a/inc/boot.php:1"], "every request");
    assert_eq!(all["a/admin.php:1"], "only when in the admin area");
    assert_eq!(all["b/inc/boot.php:1"], "only when when b/inc/boot.php is requested or included");
}

#[test]
fn a_plugins_header_counts_at_the_top_of_its_folder_alone_and_names_keep_their_case() {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, code: &str| {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        fs::write(path, code).expect("written");
    };
    let header = "<?php\n/* Plugin Name: Demo */\n";
    write("wp-admin/includes/plugin.php", "<?php\n/**\n * Plugin Name: Name of Plugin\n */\nsession_id();");
    write("demo/main.php", header);
    write(
        "demo/includes/x.php",
        "<?php\nnamespace Acme\\Shop;\nclass Cart_Box { function Open() { session_start(); } }",
    );
    write("demo/includes/example.php", header);
    let run = |name: &str, json: &[&str]| {
        let path = folder.path().join(name).display().to_string();
        audit(&[&[path.as_str()], json].concat())
    };
    let core = run("wp-admin", &[]).out;
    assert!(!core.contains("plugins"), "{core}");
    let plugin = run("demo", &[]).out;
    assert!(plugin.contains("1 of 1 plugins") && plugin.contains("in Acme\\Shop\\Cart_Box::Open();"), "{plugin}");
    assert_eq!(run("demo", &["--json"]).json()["source"]["findings"][0]["plugin"], "Demo");
}

#[test]
fn outside_wordpress_pages_are_counted() {
    let all = reached(&[
        ("index.php", "<?php require 'lib/start.php'; show();"),
        ("cart.php", "<?php require 'lib/start.php'; require 'lib/cart.php'; show();"),
        ("lib/start.php", "<?php session_start();"),
        ("lib/cart.php", "<?php session_start();"),
    ]);
    assert_eq!(all["lib/start.php:1"], "every request");
    assert_eq!(all["lib/cart.php:1"], "only when when cart.php is requested or included");
}

#[test]
fn the_exit_code_says_what_was_asked() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name).display().to_string();
    fs::write(at("clean.php"), "<?php echo 1;").expect("written");
    fs::write(at("at-times.php"), "<?php function f() { session_start(); }").expect("written");
    fs::write(at("always.php"), "<?php /*\nPlugin Name: X\n*/ session_start();").expect("written");
    fs::write(at("reads.php"), "<?php echo $_SESSION['x'];").expect("written");
    fs::write(at("utf16.php"), b"\xff\xfe<\0?\0").expect("written");
    for (line, code) in [
        (&["clean.php"][..], 0),
        (&["at-times.php"], 0),
        (&["at-times.php", "--fail-on", "start"], 1),
        (&["reads.php", "--fail-on", "start"], 0),
        (&["reads.php", "--fail-on", "any"], 1),
        (&["always.php"], 1),
        (&["utf16.php"], 2),
    ] {
        let path = at(line[0]);
        let ran = audit(&[&[path.as_str()], &line[1..]].concat());
        assert_eq!(ran.code, code, "{line:?}: {}", ran.out);
    }
    let nowhere = audit(&[&at("nowhere")]);
    assert!(nowhere.code == 2 && nowhere.error.contains("no file or folder"), "{}", nowhere.error);
    let root = folder.path().to_str().expect("text");
    assert_eq!(audit(&[root, "--exclude", "always.php"]).code, 0);
    assert_eq!(audit(&[root]).code, 1);
}

#[test]
fn sarif_names_rules_files_and_lines() {
    let path = corpus().join("names.php");
    let ran = audit(&[path.to_str().expect("text"), "--sarif"]);
    let document = ran.json();
    assert_eq!(document["version"], "2.1.0");
    let run = &document["runs"][0];
    let rules: Vec<&str> =
        run["tool"]["driver"]["rules"].as_array().expect("rules").iter().map(|r| text(r, "id")).collect();
    let results = run["results"].as_array().expect("results");
    assert_eq!(results.len(), 9);
    for result in results {
        assert!(rules.contains(&text(result, "ruleId")), "{result}");
        assert!(["note", "warning", "error"].contains(&text(result, "level")), "{result}");
        assert!(!text(&result["message"], "text").is_empty());
        let place = &result["locations"][0]["physicalLocation"];
        assert!(text(&place["artifactLocation"], "uri").ends_with("names.php"), "{result}");
        assert!(place["region"]["startLine"].as_u64() > Some(0) && place["region"]["startColumn"].as_u64() > Some(0));
    }
}

#[test]
fn what_can_not_be_read_wholly_is_said() {
    let ran = audit(&[corpus().join("broken.php").to_str().expect("text")]);
    assert!(ran.out.contains("syntax error") && ran.out.contains("line 3"), "{}", ran.out);
    let folder = tempfile::tempdir().expect("a folder");
    let big = folder.path().join("big.php");
    fs::File::create(&big).and_then(|f| f.set_len(9 << 20)).expect("written");
    let ran = audit(&[folder.path().to_str().expect("text")]);
    assert!(ran.out.contains("bigger than 8 MiB"), "{}", ran.out);
    // Nested beyond what any stack would bear.
    fs::write(&big, format!("<?php {}session_start(){};", "(".repeat(50_000), ")".repeat(50_000))).expect("written");
    let _ = audit(&[folder.path().to_str().expect("text")]);
}
