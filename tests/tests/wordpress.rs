//! Sessions in a WordPress site's own database: one line in php.ini, on two servers, in a table of their own and in the
//! options table.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests, too")]

use std::os::unix::fs::PermissionsExt;

use cloakroom_system_tests::{Options, Rig, Store};
use cloakroom_testbed::{Folder, Mariadb};

const TABLE: &str = "CREATE TABLE wp_options (\
    option_id bigint(20) unsigned NOT NULL auto_increment, option_name varchar(191) NOT NULL default '', \
    option_value longtext NOT NULL, autoload varchar(20) NOT NULL default 'yes', \
    PRIMARY KEY (option_id), UNIQUE KEY option_name (option_name), KEY autoload (autoload)) \
    DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_520_ci; \
    INSERT INTO wp_options (option_name, option_value) VALUES ('siteurl','http://shop')";

/// A WordPress site as far as its database goes, and PHP that keeps sessions there. What is further down ends last.
struct Site {
    rig: Rig,
    server: Mariadb,
    folder: Folder,
}

impl Site {
    fn new(query: &str) -> Self {
        let server = Mariadb::start().unwrap();
        server.sql("cloakroom", TABLE).unwrap();
        let folder = Folder::new("site").unwrap();
        std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o755)).unwrap();
        write(
            &folder,
            &format!(
                "define( 'DB_PASSWORD', '{}' );\ndefine( 'DB_HOST', '127.0.0.1:{}' );",
                server.password(),
                server.port()
            ),
        );
        let url = format!("wordpress:{}{query}", folder.path().display());
        // The place that a rig brings along stays empty.
        let rig = Rig::with(Store::Sqlite, Options { workers: 8, ..Options::default().set("cloakroom.store", &url) });
        Self { rig, server, folder }
    }

    fn ask(&self, sql: &str) -> String {
        self.server.sql("cloakroom", sql).unwrap().trim().to_owned()
    }
}

fn write(folder: &Folder, settings: &str) {
    let text = format!(
        "<?php\n/** Made by hand. */\ndefine( 'DB_NAME', 'cloakroom' );\ndefine( 'DB_USER', 'cloakroom' );\n{settings}\n\
         $table_prefix = 'wp_';\nrequire_once ABSPATH . 'wp-settings.php';\n"
    );
    let file = folder.join("wp-config.php");
    std::fs::write(&file, text).unwrap();
    std::fs::set_permissions(&file, PermissionsExt::from_mode(0o644)).unwrap();
}

/// A cart that both servers fill, tabs at the same time, a log-in, a rotation and a log-out.
fn a_visit(site: &Site) {
    let (rig, visitor) = (&site.rig, site.rig.visitor());
    rig.code(
        "put.php",
        "session_start(); usleep(20000); $_SESSION['items'][$_GET['n']] = 1; echo json_encode(session_write_close());",
    );
    rig.code("show.php", "session_start(); echo count($_SESSION['items'] ?? []), ' ', count($_SESSION['cart'] ?? []);");
    visitor.fill(&["hat"]);
    let mut servers = std::collections::BTreeSet::new();
    for item in ["coat", "scarf", "gloves", "umbrella"] {
        let page = visitor.cart(&format!("add={item}"));
        assert!(page.saved, "{page:?}");
        servers.insert(page.server);
    }
    assert_eq!(servers.len(), 2, "both servers had a hand in it");
    std::thread::scope(|scope| {
        for n in 0..16 {
            let tab = visitor.copy();
            scope.spawn(move || assert_eq!(tab.get(&format!("/put.php?n={n}")).body, "true"));
        }
    });
    assert_eq!(visitor.get("/show.php").body, "16 5");
    let page = visitor.cart("login=anna&owner=1&rotate=true");
    assert!(page.saved && page.cart.len() == 5, "{page:?}");
    assert_eq!(visitor.cart("").user.as_deref(), Some("anna"));
    assert!(visitor.cart("logout=1").saved);
    assert_eq!(visitor.cart("").user, None);
    rig.assert_quiet();
}

#[test]
fn a_cart_on_two_servers_is_kept_in_a_table_of_the_sites_own_database() {
    if !Store::Mysql.is_there() {
        return;
    }
    let site = Site::new("");
    a_visit(&site);
    assert_ne!(site.ask("SELECT COUNT(*) FROM wp_cloakroom"), "0");
    // Somebody drops the tables while workers are connected: the next visitor has a session, and nobody an error.
    site.ask("DROP TABLE wp_cloakroom,wp_cloakroom_owners,wp_cloakroom_leases,wp_cloakroom_reports");
    a_visit(&site);
    assert_eq!(site.ask("SELECT COUNT(*) FROM wp_options"), "1");
}

#[test]
fn a_cart_on_two_servers_is_kept_in_the_sites_options_table() {
    if !Store::Mysql.is_there() {
        return;
    }
    let site = Site::new("?table=options");
    a_visit(&site);
    assert_eq!(site.ask("SHOW TABLES"), "wp_options");
    assert_ne!(site.ask("SELECT COUNT(*) FROM wp_options WHERE option_name LIKE '\\_cloakroom\\_s\\_%'"), "0");
    assert_eq!(site.ask("SELECT option_name FROM wp_options WHERE autoload<>'no'"), "siteurl");
    site.ask("DELETE FROM wp_options WHERE autoload='no'");
    a_visit(&site);
}

#[test]
fn a_password_that_is_computed_is_told_in_the_log_by_its_line_and_the_page_comes() {
    if !Store::Mysql.is_there() {
        return;
    }
    let site = Site::new("");
    write(&site.folder, "define( 'DB_PASSWORD', 'open-' . 'sesame' );\ndefine( 'DB_HOST', 'localhost' );");
    let page = site.rig.visitor().cart("add=hat");
    assert_ne!(page.state, "live", "{page:?}");
    let logs = site.rig.logs();
    assert!(logs.contains("DB_PASSWORD in line 5") && logs.contains("wp-config.php"), "{logs}");
    assert!(!logs.contains("sesame"), "{logs}");
}
