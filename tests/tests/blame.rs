//! A real WordPress with five plugins of which two start sessions: the report names both with file and line, and who writes
//! which variable.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests, too")]

use std::collections::BTreeMap;
use std::time::Duration;

use cloakroom_system_tests::Shop;
use cloakroom_testbed::{NginxOptions, wait_until};

/// Plugins: name, what they do. The code begins in line 2 of the file.
const PLUGINS: [(&str, &str); 5] = [
    // For everyone, and for nothing.
    (
        "tracker",
        "add_action( 'init', function () {\n\tif ( ! isset( $_GET['wish'] ) ) {\n\t\tsession_start();\n\t}\n} );",
    ),
    // Where there is something to keep.
    (
        "wishes",
        "add_action( 'init', function () {\n\tif ( isset( $_GET['wish'] ) ) {\n\t\tsession_start();\n\
         \t\t$_SESSION['wishes'][] = $_GET['wish'];\n\t}\n} );",
    ),
    // Deep inside WordPress.
    (
        "titles",
        "add_filter( 'the_title', function ( $title ) {\n\tif ( isset( $_GET['wish'] ) ) {\n\
         \t\t$_SESSION['last_title'] = $title;\n\t}\n\treturn $title;\n} );",
    ),
    ("reader", "add_action( 'wp', function () {\n\t$GLOBALS['seen'] = count( $_SESSION ?? array() );\n} );"),
    ("quiet", "add_action( 'wp', '__return_true' );"),
];

/// Labels and how often.
fn counted(shop: &Shop) -> BTreeMap<String, u64> {
    let query = "SELECT label, sum(count) FROM cloakroom_reports WHERE kind = 3 GROUP BY label";
    let rows = shop.wordpress.database().sql("sessions", query).unwrap_or_default();
    rows.lines().filter_map(|row| row.rsplit_once('\t')).map(|(label, n)| (label.into(), n.parse().unwrap())).collect()
}

#[test]
fn blame_names_the_two_of_five_plugins_that_start_sessions_and_who_writes_what() {
    if !Shop::is_there() {
        return;
    }
    let shop = Shop::new(NginxOptions::default(), &[("cloakroom.blame", "1"), ("opcache.file_update_protection", "0")]);
    shop.wordpress.deactivate("cloakroom-demo/cloakroom-demo.php").unwrap();
    for (slug, code) in PLUGINS {
        shop.wordpress.plugin(slug, code).unwrap();
    }
    let visitor = shop.wordpress.browser();
    let visit = |page: &str| assert_eq!(shop.wordpress.browser().get(page).unwrap().status, 200);
    wait_until("both plugins are counted", Duration::from_secs(60), || {
        visit("/?s=coat");
        assert_eq!(visitor.get("/?wish=hat").unwrap().status, 200);
        let counted = counted(&shop);
        counted.keys().any(|label| label.starts_with("empty | plugin tracker"))
            && counted.keys().any(|label| label.starts_with("write last_title | plugin titles"))
    })
    .unwrap();
    let counted = counted(&shop);
    let of = |start: &str| -> Vec<&str> {
        counted.keys().filter(|label| label.starts_with("write ") != start.is_empty()).map(String::as_str).collect()
    };
    for label in of("") {
        let (event, place) = label.split_once(" | ").unwrap();
        match event {
            "empty" => {
                assert!(place.starts_with("plugin tracker | wp-content/plugins/tracker/tracker.php:"), "{label}")
            }
            _ => assert!(place.starts_with("plugin wishes | wp-content/plugins/wishes/wishes.php:"), "{label}"),
        }
    }
    let writers: Vec<String> = of("write").iter().map(|label| label.rsplit_once(':').unwrap().0.to_owned()).collect();
    assert!(
        writers.iter().all(|label| {
            label == "write wishes | plugin wishes | wp-content/plugins/wishes/wishes.php"
                || label == "write last_title | plugin titles | wp-content/plugins/titles/titles.php"
        }),
        "{writers:?}"
    );
    assert!(counted.keys().all(|label| !label.contains("hat")), "{counted:?}");
    assert_eq!(shop.wordpress.site().php_logs(), "");
}
