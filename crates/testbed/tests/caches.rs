//! Page caches as hosts have them: what they keep without being told, and what keeps them from it.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests, too")]

use cloakroom_testbed::{
    Browser, FpmOptions, Mariadb, NginxOptions, PageCache, PhpSettings, Reply, Site, SiteOptions, Varnish, Wordpress,
    WordpressOptions, needs,
};

fn site() -> Site {
    let nginx = NginxOptions { cache: Some(PageCache::default()), ..NginxOptions::default() };
    let fpm = FpmOptions { settings: PhpSettings::new().set("session.save_handler", "files"), ..FpmOptions::default() };
    let site = Site::start_with(&SiteOptions { fpm, nginx, ..SiteOptions::default() }).unwrap();
    site.write("plain.php", "<?php echo random_int(1, PHP_INT_MAX);").unwrap();
    site.write("session.php", "<?php session_start(); echo random_int(1, PHP_INT_MAX);").unwrap();
    site.write("private.php", "<?php header('Cache-Control: private'); echo random_int(1, PHP_INT_MAX);").unwrap();
    site
}

fn states(site: &str, path: &str) -> Vec<String> {
    let ask = || Browser::new(site).get(path).unwrap();
    (0..3).map(|_| ask().header("x-cache").unwrap_or("none").to_string()).collect()
}

#[test]
fn nginx_keeps_a_plain_page_and_none_with_a_session() {
    needs!("php-fpm", "nginx");
    let site = site();
    assert_eq!(states(&site.url(), "/plain.php"), ["MISS", "HIT", "HIT"]);
    assert_eq!(states(&site.url(), "/session.php"), ["MISS", "MISS", "MISS"]);
    assert_eq!(states(&site.url(), "/private.php"), ["MISS", "MISS", "MISS"]);
    let visitor = site.browser();
    visitor.set_cookie("PHPSESSID", Some("x"));
    let past: Vec<Reply> = (0..2).map(|_| visitor.get("/plain.php").unwrap()).collect();
    assert!(past.iter().all(|reply| reply.header("x-cache") == Some("BYPASS")), "{past:?}");
    assert_ne!(past[0].body, past[1].body);
    assert_eq!(past[0].header("server-timing"), Some("cache;desc=\"BYPASS\""));
}

#[test]
fn varnish_keeps_a_plain_page_and_none_with_a_session() {
    needs!("php-fpm", "nginx", "varnishd");
    let nginx = NginxOptions::default();
    let site = Site::start_with(&SiteOptions { nginx, ..SiteOptions::default() }).unwrap();
    site.write("plain.php", "<?php echo random_int(1, PHP_INT_MAX);").unwrap();
    site.write("session.php", "<?php session_start(); echo random_int(1, PHP_INT_MAX);").unwrap();
    let varnish = Varnish::start(&site.nginx().endpoint(), "").unwrap();
    assert_eq!(states(&varnish.url(), "/plain.php"), ["MISS", "HIT", "HIT"]);
    assert!(!states(&varnish.url(), "/session.php").contains(&"HIT".to_string()));
}

#[test]
fn wordpress_runs_with_a_plugin_of_the_tests_own() {
    needs!("mariadbd", "php-fpm", "nginx", "wordpress");
    let settings = PhpSettings::new().set("session.save_handler", "files");
    let options = WordpressOptions { settings, config: "define( 'SAID', 'so' );".into(), ..Default::default() };
    let wordpress = Wordpress::start(Mariadb::start().unwrap(), &options).unwrap();
    wordpress.plugin("teller", "add_action( 'wp_footer', function () { echo 'it is said ' . SAID; } );").unwrap();
    let page = wordpress.browser().get("/").unwrap().body;
    assert!(page.contains("There are 0 items in your cart") && page.contains("it is said so"), "{page}");
    wordpress.deactivate("teller/teller.php").unwrap();
    assert!(!wordpress.browser().get("/").unwrap().body.contains("it is said"));
    assert_eq!(wordpress.php("echo get_option( 'blogname' );").unwrap(), "Cloakroom");
    assert!(wordpress.activate("no/such.php").is_err());
}
