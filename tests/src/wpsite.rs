//! A real WordPress with the plugin, whose sessions are in a store of the test's choice; two servers.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use cloakroom_testbed::{
    Browser, Mariadb, NginxOptions, PhpSettings, Wordpress, WordpressOptions, has_all, project_root, wait_until,
};

use crate::{Backend, Store, extension};

/// A page that starts a session where it is asked to: `?basket=hat` puts something in, `?basket=` tells what is there.
const BASKET: &str = r#"
add_action( 'init', function () {
	if ( ! isset( $_GET['basket'] ) ) {
		return;
	}
	session_start();
	if ( '' !== $_GET['basket'] ) {
		$_SESSION['basket'][] = $_GET['basket'];
	}
	header( 'Content-Type: text/html' );
	echo '<body>' . esc_html( implode( ',', $_SESSION['basket'] ?? array() ) );
	exit;
} );
// What the site does by itself, as a page of it.
add_action( 'init', function () {
	if ( ! isset( $_GET['site_does'] ) ) {
		return;
	}
	require_once ABSPATH . 'wp-admin/includes/user.php';
	$user = get_user_by( 'login', $_GET['who'] ?? '' );
	switch ( $_GET['site_does'] ) {
		case 'delete':
			wp_delete_user( $user->ID );
			break;
		case 'reset':
			reset_password( $user, $_GET['password'] );
			break;
		case 'export':
		case 'erase':
			$all = apply_filters( 'wp_privacy_personal_data_' . ( 'export' === $_GET['site_does'] ? 'exporters' : 'erasers' ), array() );
			echo wp_json_encode( call_user_func( $all['cloakroom']['callback'], $user->user_email, 1 ) );
			break;
		case 'policy':
			\Cloakroom\Owner\Policy::change( array( $_GET['name'] => 'network' === $_GET['name'] ? $_GET['value'] : '1' === $_GET['value'] ) );
			break;
		case 'second_site':
			update_site_option( 'active_sitewide_plugins', array( 'cloakroom/cloakroom.php' => time(), 'basket/basket.php' => time() ) );
			$made = wp_insert_site( array( 'domain' => $_SERVER['HTTP_HOST'], 'path' => '/two/', 'user_id' => 1, 'title' => 'Two' ) );
			// A port is lost on the way.
			$GLOBALS['wpdb']->update( $GLOBALS['wpdb']->blogs, array( 'domain' => $_SERVER['HTTP_HOST'] ), array( 'blog_id' => 2 ) );
			echo is_wp_error( $made ) ? $made->get_error_message() : $made;
			break;
		case 'owner':
			session_start();
			echo cloakroom_status()['owner'] ?? '';
			break;
		case 'play':
			session_start();
			$_SESSION['played'] = 1 + ( $_SESSION['played'] ?? 0 );
			wp_set_current_user( $user->ID );
			echo get_current_user_id();
			break;
		case 'log_in_by_itself':
			wp_set_current_user( $user->ID );
			wp_set_auth_cookie( $user->ID, true );
			break;
		case 'old_names':
			wp_session_register_garbage_collection();
			\Cloakroom\Settings::change( array() );
			echo wp_next_scheduled( 'wp_session_garbage_collection' ) ? 'scheduled' : 'not';
			break;
		case 'give_up':
			require_once ABSPATH . 'wp-admin/includes/plugin.php';
			$left = array( 'events' => array(), 'rows' => array() );
			deactivate_plugins( 'cloakroom/cloakroom.php', false, true );
			foreach ( array( 1, 2 ) as $site ) {
				switch_to_blog( $site );
				foreach ( array( 'wp_session_garbage_collection', 'cloakroom_sample' ) as $hook ) {
					if ( wp_next_scheduled( $hook ) ) {
						$left['events'][] = $site . ' ' . $hook;
					}
				}
				restore_current_blog();
			}
			define( 'WP_UNINSTALL_PLUGIN', 'cloakroom/cloakroom.php' );
			include WP_PLUGIN_DIR . '/cloakroom/uninstall.php';
			global $wpdb;
			foreach ( array( $wpdb->get_blog_prefix( 1 ) . 'options' => 'option_', $wpdb->get_blog_prefix( 2 ) . 'options' => 'option_', $wpdb->sitemeta => 'meta_', $wpdb->usermeta => 'meta_' ) as $table => $what ) {
				$key = 'option_' === $what ? 'option_name' : 'meta_key';
				foreach ( $wpdb->get_col( "SELECT $key FROM $table WHERE $key LIKE '%cloakroom%' AND $key NOT LIKE 'theme_mods%' OR {$what}value LIKE '%\"cloakroom\"%'" ) as $name ) {
					$left['rows'][] = $table . ' ' . $name;
				}
			}
			echo wp_json_encode( $left );
			break;
		case 'count':
			echo wp_json_encode( cloakroom_count() );
			break;
	}
	exit;
}, 20 );"#;

/// The plugin's folder: ours, or another version of it that `CLOAKROOM_PLUGIN` names (a folder called `cloakroom`).
fn plugin() -> PathBuf {
    std::env::var_os("CLOAKROOM_PLUGIN").map_or_else(|| project_root().join("wordpress/cloakroom"), PathBuf::from)
}

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
        // A copy, as on every other site: a link would make its files' paths another folder's.
        let copy =
            Command::new("cp").args(["--recursive"]).arg(plugin()).arg(wordpress.plugin_folder("cloakroom")).status();
        assert!(copy.unwrap().success());
        wordpress.activate("cloakroom/cloakroom.php").unwrap();
        wordpress.plugin("basket", BASKET).unwrap();
        // Avatars come from outside.
        wordpress.php("update_option( 'show_avatars', '' );").unwrap();
        Self { wordpress, backend }
    }

    /// The site's address.
    pub fn url(&self) -> String {
        self.wordpress.url()
    }

    /// Lets the site do something by itself: an action of its own page, with its arguments; what it says.
    #[track_caller]
    pub fn does(&self, action: &str) -> String {
        let reply = self.wordpress.browser().get(&format!("/?site_does={action}")).unwrap();
        assert_eq!(reply.status, 200, "{action}: {}", self.logs());
        reply.body
    }

    /// Makes a user without any rights but their own profile.
    pub fn user(&self, name: &str, password: &str) {
        let code = format!("wp_create_user( '{name}', '{password}', '{name}@example.invalid' );");
        self.wordpress.php(&code).unwrap();
    }

    /// A visitor who logs in by WordPress's form.
    #[track_caller]
    pub fn log_in(&self, visitor: &Browser, user: &str, password: &str) {
        visitor.get("/wp-login.php").unwrap();
        let form = [("log", user), ("pwd", password), ("wp-submit", "Log In"), ("testcookie", "1")];
        let reply = visitor.post("/wp-login.php", &form).unwrap();
        assert_eq!(reply.status, 302, "{}", self.logs());
        assert!(Self::is_logged_in(visitor), "{}", self.logs());
    }

    /// Whether WordPress knows a visitor.
    pub fn is_logged_in(visitor: &Browser) -> bool {
        visitor.get("/wp-admin/profile.php").unwrap().status == 200
    }

    /// Puts something into a visitor's basket (nothing for `""`); what is in it.
    #[track_caller]
    pub fn basket(visitor: &Browser, item: &str) -> String {
        let reply = visitor.get(&format!("/?basket={item}")).unwrap();
        assert_eq!(reply.status, 200, "{}", reply.body);
        reply.body.trim_start_matches("<body>").to_owned()
    }

    /// Makes a network of it, with a second site at `/two/`.
    pub fn into_network(self) -> Self {
        let address = self.url();
        let domain = address.trim_start_matches("http://");
        let code = format!(
            "require_once ABSPATH . 'wp-admin/includes/upgrade.php';
            global $wpdb;
            foreach ( $wpdb->tables( 'ms_global' ) as $table => $prefixed ) {{ $wpdb->$table = $prefixed; }}
            install_network();
            $made = populate_network( 1, '{domain}', 'admin@example.invalid', 'Network', '/', false );
            if ( is_wp_error( $made ) ) {{ echo $made->get_error_message(); }}"
        );
        let said = self.wordpress.php(&code).unwrap();
        let place = self.wordpress.site().root().join("wp-config.php");
        let text = std::fs::read_to_string(&place).unwrap();
        let network = format!(
            "define( 'MULTISITE', true );\ndefine( 'SUBDOMAIN_INSTALL', false );\n\
             define( 'DOMAIN_CURRENT_SITE', '{domain}' );\ndefine( 'PATH_CURRENT_SITE', '/' );\n\
             define( 'SITE_ID_CURRENT_SITE', 1 );\ndefine( 'BLOG_ID_CURRENT_SITE', 1 );\n$table_prefix"
        );
        std::fs::write(&place, text.replace("$table_prefix", &network)).unwrap();
        let mut answer = String::new();
        // Servers may remember the file for two seconds.
        let made = wait_until("a network", Duration::from_secs(20), || {
            answer =
                self.wordpress.browser().get("/?site_does=second_site").map(|reply| reply.body).unwrap_or_default();
            answer == "2"
        });
        assert!(made.is_ok(), "{said} {answer} {}", self.logs());
        self
    }

    /// What PHP has logged.
    pub fn logs(&self) -> String {
        self.wordpress.site().php_logs()
    }

    /// Nothing of ours was complained about, notices included.
    #[track_caller]
    pub fn assert_quiet(&self) {
        let logs = self.logs();
        let ours: Vec<_> = logs
            .lines()
            .filter(|line| {
                ["/cloakroom/", "cloakroom_", "Cloakroom", "basket.php"].iter().any(|word| line.contains(word))
            })
            .collect();
        assert!(ours.is_empty(), "{}", ours.join("\n"));
    }
}
