//! What strangers, hostile texts and other ways in try with a real WordPress that has the plugin.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests, too")]

use std::process::Command;

use cloakroom_system_tests::{Store, WpSite};
use cloakroom_testbed::has_all;

const PASSWORD: &str = "anna-has-a-password";

#[test]
fn a_copy_among_the_must_use_plugins_is_the_only_one_and_works() {
    if !WpSite::is_there() {
        return;
    }
    let site = WpSite::start(Store::Sqlite);
    site.user("anna", PASSWORD);
    let root = site.wordpress.site().root().to_owned();
    let mu = root.join("wp-content/mu-plugins");
    std::fs::create_dir_all(&mu).unwrap();
    Command::new("cp").arg("-r").arg(root.join("wp-content/plugins/cloakroom")).arg(&mu).status().unwrap();
    std::fs::write(mu.join("load.php"), "<?php require __DIR__ . '/cloakroom/cloakroom.php';").unwrap();
    let anna = site.wordpress.browser();
    WpSite::basket(&anna, "hat");
    site.log_in(&anna, "anna", PASSWORD);
    assert_eq!(WpSite::basket(&anna, ""), "hat");
    assert!(anna.get("/?site_does=owner").unwrap().body.ends_with(":2"));
    let admin = site.wordpress.browser();
    site.log_in(&admin, "admin", site.wordpress.admin_password());
    for page in [
        "tools.php?page=cloakroom",
        "tools.php?page=cloakroom&tab=sessions",
        "plugins.php",
        "site-health.php",
        "site-health.php?tab=debug",
    ] {
        let r = admin.get(&format!("/wp-admin/{page}")).unwrap();
        assert_eq!(r.status, 200, "{page} {}", site.logs());
        if page.starts_with("tools") {
            assert!(r.body.contains("mu-plugins/cloakroom/assets/admin.css"), "{page}");
        }
        assert!(!r.body.contains(&anna.cookie("PHPSESSID").unwrap()));
    }
    site.assert_quiet();
}

#[test]
fn hostile_texts_are_text_and_no_id_is_in_any_page_option_or_log() {
    if !WpSite::is_there() {
        return;
    }
    let site = WpSite::start(Store::Sqlite);
    site.user("anna", PASSWORD);
    site.wordpress.php("$u = get_user_by('login','anna'); global $wpdb; $wpdb->update($wpdb->users, array('display_name' => '<script>alert(1)</script>`<b>x', 'user_login' => 'anna'), array('ID' => $u->ID));").unwrap();
    site.wordpress.plugin("evil", "add_action('init', function(){ if (isset($_GET['evil'])) { session_start(); $_SESSION['<img src=x onerror=alert(2)>'] = str_repeat('x', 200000); $_SESSION['\"><svg onload=alert(3)>'] = 1; echo 'ok'; exit; } });").unwrap();
    let anna = site.wordpress.browser();
    anna.get("/%3Cscript%3Ealert(4)%3C/script%3E?evil=1").unwrap();
    site.log_in(&anna, "anna", PASSWORD);
    anna.get("/?evil=1&x=%3Cscript%3E").unwrap();
    let admin = site.wordpress.browser();
    site.log_in(&admin, "admin", site.wordpress.admin_password());
    let id = anna.cookie("PHPSESSID").unwrap();
    let evil = "%22%3E%3Cscript%3Ealert(9)%3C/script%3E%27%20OR%201=1--%20";
    for page in [
        "",
        "&tab=sessions",
        "&tab=sessions&user=anna",
        "&tab=reports&hours=720",
        "&tab=health",
        "&tab=settings",
        &format!("&tab=sessions&s={evil}"),
        &format!("&tab=sessions&user={evil}"),
        &format!("&tab=sessions&after={evil}"),
        &format!("&tab={evil}&older={evil}&larger={evil}&named={evil}&hours={evil}"),
        "&tab[]=x&s[]=y&user[]=z&after[]=q",
    ] {
        let r = admin.get(&format!("/wp-admin/tools.php?page=cloakroom{page}")).unwrap();
        assert_eq!(r.status, 200, "{page} {}", site.logs());
        for bad in ["<script>alert", "<img src=x", "<svg onload", &id] {
            assert!(!r.body.contains(bad), "{page} {bad}");
        }
        assert!(!page.contains("reports") || r.body.contains("&lt;img src=x"), "shown, as text");
    }
    let r = admin.get("/wp-admin/user-edit.php?user_id=2").unwrap();
    assert!(!r.body.contains("<script>alert") && !r.body.contains(&id));
    // options and meta
    let dump = site.wordpress.php("global $wpdb; echo wp_json_encode( array( $wpdb->get_col(\"SELECT option_value FROM $wpdb->options\"), $wpdb->get_col(\"SELECT meta_value FROM $wpdb->usermeta\") ) );").unwrap();
    assert!(dump.len() > 1000 && !dump.contains(&id));
    assert!(!site.logs().contains(&id));
    // rest and ajax without log-in, open redirects
    let nobody = site.wordpress.browser();
    for action in
        ["end_one", "end_user", "end_old", "end_all", "end_many", "settings", "devices", "take_over", "sample"]
    {
        for place in ["admin-post.php", "admin-ajax.php"] {
            let r = nobody
                .post(
                    &format!("/wp-admin/{place}"),
                    &[
                        ("action", &format!("cloakroom_{action}")),
                        ("key", "0000000000"),
                        ("user", "1"),
                        ("confirm", "1"),
                        ("_wp_http_referer", "http://evil.invalid/"),
                        ("redirect_to", "http://evil.invalid/"),
                    ],
                )
                .unwrap();
            assert!(r.status >= 400 && r.header("location").is_none(), "{action} {place} {}", r.status);
            let r = anna
                .post(
                    &format!("/wp-admin/{place}"),
                    &[
                        ("action", &format!("cloakroom_{action}")),
                        ("key", "0000000000"),
                        ("user", "1"),
                        ("confirm", "1"),
                        ("plugin", "pantheon"),
                        ("_wpnonce", "aaaaaaaaaa"),
                    ],
                )
                .unwrap();
            assert!(r.status >= 400, "{action} {place} {}", r.status);
        }
    }
    let rest = nobody.get("/?rest_route=/").unwrap();
    assert!(!rest.body.contains("cloakroom"));
    site.assert_quiet();
}

#[test]
fn a_password_that_an_administrator_sets_ends_that_persons_sessions_and_no_others() {
    if !WpSite::is_there() {
        return;
    }
    let site = WpSite::start(Store::Sqlite);
    site.user("anna", PASSWORD);
    let anna = site.wordpress.browser();
    WpSite::basket(&anna, "hat");
    site.log_in(&anna, "anna", PASSWORD);
    let admin = site.wordpress.browser();
    WpSite::basket(&admin, "tie");
    site.log_in(&admin, "admin", site.wordpress.admin_password());
    let page = admin.get("/wp-admin/user-edit.php?user_id=2").unwrap().body;
    let field = |name: &str| {
        let at = page.find(&format!("name=\"{name}\"")).unwrap();
        page[at..].split("value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned()
    };
    let nonce = field("_wpnonce");
    let r = admin
        .post(
            "/wp-admin/user-edit.php",
            &[
                ("_wpnonce", &nonce),
                ("action", "update"),
                ("user_id", "2"),
                ("checkuser_id", "1"),
                ("email", "anna@example.invalid"),
                ("nickname", "anna"),
                ("pass1", "new-pass-word-1"),
                ("pass2", "new-pass-word-1"),
                ("role", "subscriber"),
                ("from", "profile"),
            ],
        )
        .unwrap();
    assert_eq!(r.status, 302, "{}", r.body);
    assert_eq!((WpSite::basket(&anna, ""), WpSite::basket(&admin, "")), (String::new(), "tie".into()));
    site.assert_quiet();
}

#[test]
fn other_ways_in_make_nobody_the_owner_of_a_visitors_session() {
    if !WpSite::is_there() || !has_all(&["curl"]) {
        return;
    }
    let site = WpSite::start_with(Store::Sqlite, "define( 'WP_ENVIRONMENT_TYPE', 'local' );");
    site.user("anna", PASSWORD);
    let code = "add_filter( 'rest_request_after_callbacks', function ( $r ) { session_start(); $_SESSION['rest'] = 1; return $r; } );
add_action( 'xmlrpc_call', function () { session_start(); $_SESSION['rpc'] = 1; } );
add_action( 'init', function () { if ( wp_doing_cron() ) { wp_set_current_user( 1 ); session_start(); $_SESSION['cron'] = 1; } } );
add_action( 'init', function () { if ( isset( $_GET['make_password'] ) ) { list( $p ) = WP_Application_Passwords::create_new_application_password( 2, array( 'name' => 'x' ) ); echo $p; exit; } } );";
    site.wordpress.plugin("ways", code).unwrap();
    let password = site.wordpress.browser().get("/?make_password=1").unwrap().body;
    let owner = |visitor: &cloakroom_testbed::Browser| visitor.get("/?site_does=owner").unwrap().body;
    // By an application password, with a visitor's cookie.
    let guest = site.wordpress.browser();
    WpSite::basket(&guest, "hat");
    let curl = |more: &[&str], path: &str| {
        let cookie = format!("PHPSESSID={}", guest.cookie("PHPSESSID").unwrap());
        let said = Command::new("curl").args(["-s", "-b", &cookie]).args(more).arg(site.url() + path).output().unwrap();
        String::from_utf8_lossy(&said.stdout).into_owned()
    };
    let me = curl(&["-u", &format!("anna:{password}")], "/?rest_route=/wp/v2/users/me");
    assert!(me.contains("\"name\":\"anna\""), "{me}");
    assert_eq!(owner(&guest), "");
    // By XML-RPC.
    let call = format!(
        "<?xml version=\"1.0\"?><methodCall><methodName>wp.getUsersBlogs</methodName><params><param><value>anna</value></param><param><value>{PASSWORD}</value></param></params></methodCall>"
    );
    let said = curl(&["-H", "Content-Type: text/xml", "-d", &call], "/xmlrpc.php");
    assert!(said.contains("blogName"), "{said}");
    assert_eq!(owner(&guest), "");
    guest.get("/wp-cron.php").unwrap();
    assert_eq!(owner(&guest), "");
    let count = site.does("count");
    assert!(count.contains("\"owned\":0"), "{count}");
    site.assert_quiet();
}

#[test]
fn a_user_who_is_deleted_from_a_network_leaves_no_cart_on_any_site() {
    if !WpSite::is_there() {
        return;
    }
    let site = WpSite::start(Store::Sqlite).into_network();
    let code =
        "class WC_Session { protected $_customer_id, $_data, $_dirty; } class WC_Session_Handler extends WC_Session {}
add_action( 'init', function () {
    if ( ! isset( $_GET['carts'] ) ) { return; }
    require_once ABSPATH . 'wp-admin/includes/ms.php';
    require_once ABSPATH . 'wp-admin/includes/user.php';
    $user  = wpmu_create_user( 'anna', 'x', 'anna@example.invalid' );
    $carts = function ( $make ) use ( $user ) {
        $found = array();
        foreach ( array( 1, 2 ) as $blog ) {
            switch_to_blog( $blog );
            add_user_to_blog( $blog, $make ? $user : 1, $make ? 'subscriber' : 'administrator' );
            $cart = Cloakroom\\Shop\\Cart::open( (string) $user );
            if ( $make ) { $cart->save( array( 'cart' => serialize( array( $blog ) ) ), time() + 600 ); }
            $found[] = $cart->exists();
            restore_current_blog();
        }
        return $found;
    };
    $made = $carts( true );
    wpmu_delete_user( $user );
    echo wp_json_encode( array( $made, $carts( false ) ) );
    exit;
} );";
    std::fs::create_dir_all(site.wordpress.site().root().join("wp-content/mu-plugins")).unwrap();
    std::fs::write(site.wordpress.site().root().join("wp-content/mu-plugins/shop.php"), format!("<?php {code}"))
        .unwrap();
    let said = site.wordpress.browser().get("/?carts=1").unwrap().body;
    assert_eq!(said, "[[true,true],[false,false]]", "{}", site.logs());
}
