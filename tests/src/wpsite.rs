//! A real WordPress with the plugin, whose sessions are in a store of the test's choice; two servers.

use cloakroom_testbed::{Mariadb, NginxOptions, PhpSettings, Wordpress, WordpressOptions, has_all, project_root};

use crate::{Backend, Store, extension};

/// A page that starts a session where it is asked to: `?basket=hat` puts something in, `?basket=` tells what is there.
const BASKET: &str = r"
add_action( 'init', function () {
	if ( ! isset( $_GET['basket'] ) ) {
		return;
	}
	session_start();
	if ( '' !== $_GET['basket'] ) {
		$_SESSION['basket'][] = $_GET['basket'];
	}
	header( 'Content-Type: text/html' );
	echo esc_html( implode( ',', $_SESSION['basket'] ?? array() ) );
	exit;
} );";

/// The site. PHP and nginx end first, then the store.
#[derive(Debug)]
pub struct WpSite {
    /// WordPress, its servers and its database.
    pub wordpress: Wordpress,
    /// Where sessions are.
    pub backend: Backend,
}

impl WpSite {
    /// Whether this machine has what it needs; see `needs!`.
    #[track_caller]
    pub fn is_there() -> bool {
        has_all(&["mariadbd", "php-fpm", "nginx", "wordpress"])
    }

    /// One with the plugin and the page of baskets.
    pub fn start(store: Store) -> Self {
        Self::start_with(store, "")
    }

    /// One with further lines of `wp-config.php`.
    pub fn start_with(store: Store, config: &str) -> Self {
        let backend = Backend::start(store, false);
        let settings = PhpSettings::new()
            .extension(extension())
            .set("session.save_handler", "cloakroom")
            .set("cloakroom.blame", "1")
            .set("cloakroom.store", &backend.url(None));
        let debug = "@ini_set( 'display_errors', '0' );\ndefine( 'WP_DEBUG_LOG', false );";
        let options = WordpressOptions {
            settings,
            nginx: NginxOptions::default(),
            config: format!("{debug}\n{config}"),
            ..WordpressOptions::default()
        };
        let wordpress = Wordpress::start(Mariadb::start().unwrap(), &options).unwrap();
        // Notices are wanted, and in PHP's log.
        let place = wordpress.site().root().join("wp-config.php");
        let text = std::fs::read_to_string(&place).unwrap();
        let debugged = "define( 'WP_DEBUG', true );\ndefine( 'WP_DEBUG_DISPLAY', null );";
        std::fs::write(&place, text.replace("define( 'WP_DEBUG', false );", debugged)).unwrap();
        wordpress.deactivate("cloakroom-demo/cloakroom-demo.php").unwrap();
        wordpress.link_plugin(&project_root().join("wordpress/cloakroom")).unwrap();
        wordpress.activate("cloakroom/cloakroom.php").unwrap();
        wordpress.plugin("basket", BASKET).unwrap();
        Self { wordpress, backend }
    }

    /// The site's address.
    pub fn url(&self) -> String {
        self.wordpress.url()
    }

    /// What PHP has logged.
    pub fn logs(&self) -> String {
        self.wordpress.site().php_logs()
    }

    /// Nothing of ours was complained about, notices included.
    #[track_caller]
    pub fn assert_quiet(&self) {
        let logs = self.logs();
        let ours: Vec<_> = logs.lines().filter(|line| line.to_lowercase().contains("cloakroom")).collect();
        assert!(ours.is_empty(), "{}", ours.join("\n"));
    }
}
