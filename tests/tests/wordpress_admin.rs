//! The plugin in a real WordPress, seen by a real browser: Tools → Sessions, a person's devices on their profile, and whose a
//! session is.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests, too")]

use std::path::Path;

use cloakroom_system_tests::{Backend, Store, WpSite};
use cloakroom_testbed::{Chromium, has_all};

/// Whether this machine has a browser and everything for a WordPress.
fn is_there() -> bool {
    WpSite::is_there() && has_all(&["chromium", "chromedriver"])
}

/// Logs in by WordPress's form.
#[track_caller]
fn log_in(browser: &Chromium, site: &WpSite, user: &str, password: &str) {
    browser.open(&format!("{}/wp-login.php", site.url())).unwrap();
    browser.fill("#user_login", user).unwrap();
    browser.fill("#user_pass", password).unwrap();
    browser.follow("#wp-submit").unwrap();
    assert!(browser.exists("#wpadminbar").unwrap(), "{}: {}", browser.url().unwrap(), site.logs());
}

/// Opens a page of the administration; no cookie that is a secret stands in it.
#[track_caller]
fn open(browser: &Chromium, site: &WpSite, page: &str) -> String {
    browser.open(&format!("{}/wp-admin/{page}", site.url())).unwrap();
    secretless(browser)
}

/// The page, in which no value of a cookie stands that opens a session.
#[track_caller]
fn secretless(browser: &Chromium) -> String {
    let html = browser.html().unwrap();
    for cookie in browser.cookies().unwrap() {
        let tells_who = cookie.name.starts_with("PHPSESSID") || cookie.name.starts_with("wordpress_");
        if tells_who && cookie.value.len() > 20 {
            assert!(!html.contains(&cookie.value), "{} is in {}", cookie.name, browser.url().unwrap());
        }
    }
    html
}

/// Somebody puts something into their cart, by a page that starts a session.
#[track_caller]
fn put(browser: &Chromium, site: &WpSite, item: &str) {
    browser.open(&format!("{}/?basket={item}", site.url())).unwrap();
}

/// What is in the basket of this browser.
fn basket(browser: &Chromium, site: &WpSite) -> String {
    browser.open(&format!("{}/?basket=", site.url())).unwrap();
    browser.text("body").unwrap()
}

#[test]
fn the_screen_lists_sessions_and_ends_one_without_showing_any_id() {
    if !is_there() {
        return;
    }
    let site = WpSite::start(Store::Sqlite);
    let (admin, guest) = (Chromium::start().unwrap(), Chromium::start().unwrap());
    put(&guest, &site, "hat");
    assert_eq!(basket(&guest, &site), "hat");
    let id = guest.cookie("PHPSESSID").unwrap().unwrap().value;
    put(&admin, &site, "coat");
    log_in(&admin, &site, "admin", site.wordpress.admin_password());
    let html = open(&admin, &site, "tools.php?page=cloakroom");
    assert!(admin.text(".cloakroom-facts").unwrap().contains('2'), "{html}");
    let html = open(&admin, &site, "tools.php?page=cloakroom&tab=sessions");
    assert!(!html.contains(&id), "somebody else's id is shown");
    let rows = admin.texts(".cloakroom-table tbody tr").unwrap();
    assert_eq!(rows.len(), 2, "{rows:?}");
    assert!(rows.iter().any(|row| row.contains("Guest")), "{rows:?}");
    assert!(rows.iter().any(|row| row.contains("admin") && row.contains("yours")), "{rows:?}");
    // The guest's goes, by its button.
    let script = "const row = [...document.querySelectorAll('.cloakroom-table tbody tr')].find(r => r.innerText.includes('Guest'));
        row.querySelector('button').id = 'the-guests'; return row.querySelector('code').innerText;";
    let key = admin.run(script, &[]).unwrap();
    admin.follow("#the-guests").unwrap();
    admin.wait_for_text("[role=status]", key.as_str().unwrap()).unwrap();
    secretless(&admin);
    assert_eq!(admin.texts(".cloakroom-table tbody tr").unwrap().len(), 1);
    assert_eq!(basket(&guest, &site), "");
    assert_eq!(basket(&admin, &site), "coat");
    assert_eq!(admin.console().unwrap(), Vec::<String>::new());
    site.assert_quiet();
}
