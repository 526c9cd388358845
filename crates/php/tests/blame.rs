//! Who started sessions, who wrote which variable: plugin, file and line, counted after the response.

mod support;

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use cloakroom_testbed::{Folder, FpmOptions, PhpSettings, Site as Servers, SiteOptions, wait_until};
use support::{Site, Visitor, extension};

/// Something like WordPress: its own files, five plugins and a theme.
const WORDPRESS: [(&str, &str); 14] = [
    ("index.php", "<?php\nrequire __DIR__ . '/wp-blog-header.php';\n"),
    ("cart.php", "<?php\nrequire __DIR__ . '/wp-blog-header.php';\n"),
    (
        "wp-blog-header.php",
        "<?php\nrequire __DIR__ . '/wp-load.php';\ndo_action( 'wp' );\necho json_encode( $_SESSION ?? null );\n",
    ),
    ("wp-load.php", "<?php\nrequire __DIR__ . '/wp-settings.php';\n"),
    (
        "wp-settings.php",
        "<?php
require __DIR__ . '/wp-includes/plugin.php';
foreach ( glob( __DIR__ . '/wp-content/plugins/*/*.php' ) as $plugin ) {
	include $plugin;
}
require __DIR__ . '/wp-content/themes/blue/functions.php';
do_action( 'init' );
",
    ),
    (
        "wp-includes/plugin.php",
        "<?php
function add_action( $name, $what ) {
	$GLOBALS['wp_filter'][ $name ][] = $what;
}
function do_action( $name ) {
	foreach ( $GLOBALS['wp_filter'][ $name ] ?? array() as $what ) {
		call_user_func( $what );
	}
}
function remember( $name, $value ) {
	$_SESSION[ $name ] = $value;
}
",
    ),
    // Starts a session for everyone, and never uses it.
    (
        "wp-content/plugins/tracker/tracker.php",
        "<?php
add_action( 'init', function () {
	if ( false === strpos( $_SERVER['REQUEST_URI'], 'cart' ) ) {
		session_start();
	}
} );
",
    ),
    // Starts one by its library, where there is something to keep.
    (
        "wp-content/plugins/shop/shop.php",
        "<?php
require __DIR__ . '/vendor/acme/session/Session.php';
add_action( 'init', function () {
	if ( false !== strpos( $_SERVER['REQUEST_URI'], 'cart' ) ) {
		$session = new Acme\\Session();
		$session->open();
	}
} );
add_action( 'wp', function () {
	if ( PHP_SESSION_ACTIVE === session_status() && isset( $_GET['add'] ) ) {
		$_SESSION['cart']['items'][] = $_GET['add'];
		$_SESSION['cart']['total']   = 1;
	}
} );
",
    ),
    (
        "wp-content/plugins/shop/vendor/acme/session/Session.php",
        "<?php
namespace Acme;
class Session {
	public function open() {
		\\session_start();
	}
}
",
    ),
    // Writes to others' sessions: through WordPress, through a reference, and an object that it has put there.
    (
        "wp-content/plugins/popup/popup.php",
        "<?php
add_action( 'wp', function () {
	if ( isset( $_GET['add'] ) ) {
		remember( 'popup_seen', true );
	}
} );
",
    ),
    (
        "wp-content/plugins/forms/forms.php",
        "<?php
function forms_fill( &$where ) {
	$where['form_state'] = 'x';
}
add_action( 'wp', function () {
	if ( isset( $_GET['add'] ) ) {
		forms_fill( $_SESSION );
	}
} );
",
    ),
    ("wp-content/plugins/hello/hello.php", "<?php\nadd_action( 'wp', 'time' );\n"),
    (
        "wp-content/themes/blue/functions.php",
        "<?php
add_action( 'wp', function () {
	if ( isset( $_GET['add'] ) ) {
		$_SESSION['visits'] = ( $_SESSION['visits'] ?? 0 ) + 1;
		unset( $_SESSION['never'] );
	}
} );
",
    ),
    ("ready.php", "<?php echo 'ready';"),
];

/// What was counted.
#[derive(Debug, PartialEq, Eq)]
struct Counted {
    label: String,
    count: i64,
    sum: i64,
    sample: String,
}

fn counted(store: &Path, kind: u8) -> Vec<Counted> {
    let store = rusqlite::Connection::open(store).expect("store");
    let mut rows = store
        .prepare(
            "SELECT label, sum(count), sum(sum), max(sample) FROM tally WHERE kind = ?1 GROUP BY label ORDER BY label",
        )
        .expect("a table of counters");
    let rows = rows.query_map([kind], |row| {
        Ok(Counted { label: row.get(0)?, count: row.get(1)?, sum: row.get(2)?, sample: row.get(3)? })
    });
    rows.expect("rows").map(|row| row.expect("row")).collect()
}

const BLAME: u8 = 3;

struct WordPress {
    site: Servers,
    folder: Folder,
}

/// Each worker answers once, so that what it has counted is there when it has ended.
fn wordpress(settings: PhpSettings) -> WordPress {
    let folder = Folder::new("blame").expect("folder");
    std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o777)).expect("rights");
    let settings = settings
        // The files are seconds old.
        .set("opcache.file_update_protection", "0")
        .extension(extension())
        .set("session.save_handler", "cloakroom")
        .set("cloakroom.store", &format!("sqlite:{}", folder.join("store.sqlite").display()));
    let pool = vec![("pm.max_requests".to_owned(), "1".to_owned())];
    let fpm = FpmOptions { workers: 2, settings, pool, ..FpmOptions::default() };
    let site = Servers::start_with(&SiteOptions { servers: 1, fpm, ..SiteOptions::default() }).expect("site");
    for (name, code) in WORDPRESS {
        site.write(name, code).expect("file");
    }
    WordPress { site, folder }
}

impl WordPress {
    fn wait_for(&self, what: &str, count: i64) -> Vec<Counted> {
        let store = self.folder.join("store.sqlite");
        let total = || -> i64 {
            counted(&store, BLAME).iter().filter(|c| !c.label.starts_with("write ")).map(|c| c.count).sum()
        };
        wait_until(what, Duration::from_secs(20), || store.is_file() && total() >= count).expect(what);
        assert_eq!(total(), count);
        counted(&store, BLAME)
    }
}

#[test]
fn each_start_and_each_first_write_is_blamed_on_its_plugin_with_file_and_line() {
    let wordpress = wordpress(PhpSettings::new().set("cloakroom.blame", "1"));
    for page in ["/index.php?secret=1", "/index.php/about/", "/index.php?PHPSESSID=0123456789"] {
        wordpress.site.browser().get(page).expect("page");
    }
    let visitor = wordpress.site.browser();
    visitor.get("/cart.php?add=socks").expect("page");
    let cart = visitor.get("/cart.php").expect("page").body;
    assert_eq!(cart, r#"{"form_state":"x","popup_seen":true,"cart":{"items":["socks"],"total":1},"visits":1}"#);
    visitor.get("/index.php").expect("page");
    let counted = wordpress.wait_for("six starts are counted", 6);
    let rows: Vec<(&str, i64, i64)> = counted.iter().map(|c| (c.label.as_str(), c.count, c.sum)).collect();
    assert_eq!(
        rows,
        [
            ("changed | plugin shop | wp-content/plugins/shop/shop.php:6", 1, 0),
            ("empty | plugin tracker | wp-content/plugins/tracker/tracker.php:4", 3, 0),
            ("kept | plugin shop | wp-content/plugins/shop/shop.php:6", 1, 0),
            ("kept | plugin tracker | wp-content/plugins/tracker/tracker.php:4", 1, 0),
            ("write cart | plugin shop | wp-content/plugins/shop/shop.php:11", 1, 56),
            ("write form_state | plugin forms | wp-content/plugins/forms/forms.php:7", 1, 8),
            ("write popup_seen | plugin popup | wp-content/plugins/popup/popup.php:4", 1, 4),
            ("write visits | theme blue | wp-content/themes/blue/functions.php:4", 1, 4),
        ]
    );
    let pages: Vec<&str> = counted.iter().map(|c| c.sample.as_str()).collect();
    assert!(pages.iter().all(|page| page.starts_with('/') && !page.contains('?')), "{pages:?}");
    assert!(["/index.php", "/index.php/about/"].contains(&pages[1]), "{pages:?}");
    assert_eq!(wordpress.site.php_logs(), "");
}

/// PHP knows files by their real paths, which say nothing of WordPress where a plugin is linked into it.
#[test]
fn a_plugin_that_is_linked_into_wordpress_is_blamed_by_its_name_and_cloakrooms_own_is_not() {
    let wordpress = wordpress(PhpSettings::new().set("cloakroom.blame", "1"));
    let code = Folder::new("linked").expect("folder");
    std::fs::set_permissions(code.path(), PermissionsExt::from_mode(0o777)).expect("rights");
    let start = "<?php\nfunction ring_start() {\n\tcloakroom_start_for_others();\n\t$_SESSION['ring'] = 1;\n}\n";
    for (name, text) in [
        (
            "ring/ring.php",
            "<?php\n/* Plugin Name: Ring */\nrequire __DIR__ . '/includes/start.php';\nadd_action( 'wp', function () {\n\tif ( isset( $_GET['ring'] ) ) {\n\t\tring_start();\n\t}\n} );\n",
        ),
        ("ring/includes/start.php", start),
        ("cloakroom/cloakroom.php", "<?php\n/* Plugin Name: Cloakroom */\nrequire __DIR__ . '/includes/own.php';\n"),
        (
            "cloakroom/includes/own.php",
            "<?php\nfunction cloakroom_start_for_others() {\n\tsession_start();\n}\nadd_action( 'wp', function () {\n\tif ( isset( $_GET['health'] ) ) {\n\t\tsession_start();\n\t\tsession_write_close();\n\t}\n} );\n",
        ),
    ] {
        let path = code.join(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        std::fs::write(path, text).expect("written");
    }
    for name in ["ring", "cloakroom"] {
        let link = wordpress.site.root().join("wp-content/plugins").join(name);
        std::os::unix::fs::symlink(code.join(name), link).expect("linked");
    }
    for other in ["shop/shop.php", "tracker/tracker.php"] {
        std::fs::remove_file(wordpress.site.root().join("wp-content/plugins").join(other)).expect("removed");
    }
    wordpress.site.browser().get("/index.php?health=1&ring=1").expect("page");
    let counted = wordpress.wait_for("the start is counted", 1);
    let rows: Vec<&str> = counted.iter().map(|c| c.label.as_str()).collect();
    assert_eq!(
        rows,
        ["changed | plugin ring | ring/includes/start.php:3", "write ring | plugin ring | ring/includes/start.php:4",]
    );
    assert_eq!(wordpress.site.php_logs(), "");
}

#[test]
fn without_blame_nothing_is_counted() {
    let site = Site::new().set("cloakroom.blame", "0");
    site.get(&mut Visitor::default(), "session_start(); $_SESSION['a'] = 1;").clean();
    assert!(blamed(&site).is_empty(), "{:?}", blamed(&site));
}

#[test]
fn beside_the_jit_starts_are_blamed_and_the_jit_runs() {
    let settings = PhpSettings::new()
        .set("cloakroom.blame", "1")
        .set("opcache.enable", "1")
        .set("opcache.jit_buffer_size", "8M")
        .set("opcache.jit", "tracing");
    let wordpress = wordpress(settings);
    let status = "<?php $jit = opcache_get_status(false)['jit']; echo json_encode([$jit['enabled'], $jit['on']]);";
    wordpress.site.write("jit.php", status).expect("page");
    let visitor = wordpress.site.browser();
    assert_eq!(visitor.get("/jit.php").expect("page").body, "[true,true]");
    visitor.get("/cart.php?add=socks").expect("page");
    let counted = wordpress.wait_for("the start is counted", 1);
    assert_eq!(counted[0].label, "changed | plugin shop | wp-content/plugins/shop/shop.php:6");
    assert_eq!(counted[1].label, "write cart | unknown | opcache's JIT hides who writes");
    assert_eq!(wordpress.site.php_logs(), "");
}

fn blamed(site: &Site) -> Vec<String> {
    counted(&site.folder.join("sessions.sqlite"), BLAME).into_iter().map(|c| c.label).collect()
}

#[test]
fn whatever_way_a_variable_is_written_its_first_line_is_found() {
    for (line, name) in [
        ("$_SESSION['a'] = 1;", "a"),
        ("$_SESSION['a'] ??= 1;", "a"),
        ("$_SESSION['a'] .= 'x';", "a"),
        ("@$_SESSION['a']++;", "a"),
        ("$_SESSION['a']['b']['c'] = 1;", "a"),
        ("$_SESSION['a']['b'][] = 1;", "a"),
        ("$k = 'a'; $_SESSION[$k] = 1;", "a"),
        // A name that is made while the page runs may be a visitor's data.
        ("$_SESSION[strtolower('A') . 'b'] = 1;", "*"),
        ("$_SESSION[$_SERVER['REQUEST_METHOD']] = 1;", "*"),
        ("[$_SESSION['a'], $b] = [1, 2];", "a"),
        ("$_SESSION['a'] = new ArrayObject([1]);", "a"),
        ("$x = &$_SESSION['a']; $x = 1;", "a"),
        ("$x = &$_SESSION; $x['a'] = 1;", "a"),
        ("$_SESSION = ['a' => 1];", "a"),
        ("$_SESSION += ['a' => 1];", "a"),
        ("(function () { $_SESSION['a'] = 1; })();", "a"),
        ("foreach ([1, 2] as $_SESSION['a']) {}", "a"),
        ("$_SESSION['a'] = []; array_push($_SESSION['a'], 1);", "a"),
        ("preg_match('/x/', 'x', $_SESSION['a']);", "a"),
        ("$GLOBALS['_SESSION']['a'] = 1;", "a"),
        ("eval('$_SESSION[\"a\"] = 1;');", "a"),
        ("session_decode('a|i:1;');", "*"),
    ] {
        let site = Site::new().set("cloakroom.blame", "1").set("display_errors", "0").set("log_errors", "0");
        site.get(&mut Visitor::default(), &format!("session_start();\n\n{line}"));
        let page = site.folder.join("page.php");
        let all = blamed(&site);
        let write = all.iter().find(|label| label.starts_with("write ")).unwrap_or_else(|| panic!("{line}: {all:?}"));
        let folder = page.parent().and_then(|f| f.file_name()).expect("name").to_string_lossy();
        let place = if line.starts_with("session_decode") { "unknown" } else { &format!("application {folder}") };
        assert!(write.starts_with(&format!("write {name} | {place}")), "{line}: {write}");
        assert!(place == "unknown" || write.ends_with("page.php:4"), "{line}: {write}");
    }
}

#[test]
fn what_reads_or_removes_is_blamed_for_no_write() {
    let site = Site::new().set("cloakroom.blame", "1");
    let mut visitor = Visitor::default();
    site.get(&mut visitor, "session_start(); $_SESSION['a'] = $_SESSION['b'] = 1;").clean();
    site.get(
        &mut visitor,
        "session_start(); echo $_SESSION['a'], isset($_SESSION['c']), count($_SESSION);
        function f($x) { return $x; } f($_SESSION['a']); unset($_SESSION['b']); $_SESSION['a'] = 1;",
    )
    .clean();
    let writes: Vec<String> = blamed(&site).into_iter().filter(|label| label.starts_with("write ")).collect();
    assert_eq!(writes.len(), 2, "those of the first request: {writes:?}");
}

#[test]
fn a_session_with_nothing_but_what_does_not_count_stayed_empty() {
    let page = "session_start(); $_SESSION['_token'] = bin2hex(random_bytes(4)); $_SESSION['flash_old'] = ['x'];";
    for (ignored, event) in [("_token, flash_*", "empty"), ("_token", "changed")] {
        let site = Site::new().set("cloakroom.blame", "1").set("cloakroom.ignore_keys", ignored);
        site.get(&mut Visitor::default(), page).clean();
        let starts: Vec<String> = blamed(&site).into_iter().filter(|label| !label.starts_with("write ")).collect();
        assert!(starts.len() == 1 && starts[0].starts_with(event), "{ignored}: {starts:?}");
    }
}

#[test]
fn a_session_that_php_starts_by_itself_is_blamed_on_its_setting() {
    let site = Site::new().set("cloakroom.blame", "1").set("session.auto_start", "1");
    site.get(&mut Visitor::default(), "echo 1;").clean();
    assert_eq!(blamed(&site), ["empty | php.ini | session.auto_start"]);
}

#[test]
fn a_handler_that_wraps_ours_is_not_the_starter() {
    let site = Site::new().set("cloakroom.blame", "1");
    let script = "class W extends SessionHandler { function open($p, $n): bool {
            return parent::open($p, $n); } }
        session_set_save_handler(new W);
        \n session_start();";
    site.get(&mut Visitor::default(), script);
    let all = blamed(&site);
    assert!(all.len() == 1 && all[0].ends_with("page.php:6"), "{all:?}");
}

#[test]
fn several_sessions_in_one_request_are_each_counted() {
    let site = Site::new().set("cloakroom.blame", "1");
    let script = "session_start(); $_SESSION['a'] = 1; session_write_close();
        session_start(); session_write_close();
        session_start(); session_regenerate_id(); $_SESSION['b'] = 1; session_reset(); session_destroy();";
    site.get(&mut Visitor::default(), script);
    let starts: Vec<String> = blamed(&site).into_iter().filter(|label| !label.starts_with("write ")).collect();
    let events: Vec<&str> = starts.iter().filter_map(|label| label.split(' ').next()).collect();
    assert_eq!(events, ["changed", "changed", "kept"], "{starts:?}");
}

#[test]
fn the_debug_mode_names_the_line_that_wrote_to_a_session_that_is_only_read() {
    let site = Site::new().set("cloakroom.debug", "1").set("cloakroom.readonly_paths", "/page.php");
    let reply = site.get(&mut Visitor::default(), "session_start();\n$_SESSION['a'] = 1;");
    assert!(reply.log.contains("page.php:3") && reply.log.contains("Written by application"), "{}", reply.log);
}
