//! Whose a session is, in a real WordPress: it follows log-in, log-out, passwords and the deletion of users.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests, too")]

use cloakroom_system_tests::{Store, WpSite, on_each_store};
use cloakroom_testbed::Browser;

const PASSWORD: &str = "anna-has-a-password";

/// A site with a user `anna`, if this machine can have one.
fn site(store: Store) -> Option<WpSite> {
    let site = WpSite::is_there().then(|| WpSite::start(store))?;
    site.user("anna", PASSWORD);
    Some(site)
}

/// A device on which somebody has put something into the basket and then logged in.
#[track_caller]
fn device(site: &WpSite, user: &str, password: &str, item: &str) -> Browser {
    let device = site.wordpress.browser();
    WpSite::basket(&device, item);
    site.log_in(&device, user, password);
    assert_eq!(WpSite::basket(&device, ""), item);
    device
}

/// Logs out by the link that the administration's bar has.
#[track_caller]
fn log_out(visitor: &Browser) {
    let page = visitor.get("/wp-admin/profile.php").unwrap().body;
    let at = page.find("action=logout").unwrap();
    let nonce = page[at..].split("_wpnonce=").nth(1).unwrap();
    let nonce: String = nonce.chars().take_while(char::is_ascii_hexdigit).collect();
    let reply = visitor.get(&format!("/wp-login.php?action=logout&_wpnonce={nonce}")).unwrap();
    assert_eq!(reply.status, 302, "{}", reply.body);
    assert!(!WpSite::is_logged_in(visitor));
}

on_each_store! {
    fn a_log_out_ends_this_devices_session_and_no_other(store: Store) {
        let Some(site) = site(store) else { return };
        let (desk, phone) = (device(&site, "anna", PASSWORD, "coat"), device(&site, "anna", PASSWORD, "hat"));
        let boss = device(&site, "admin", site.wordpress.admin_password(), "tie");
        let copy = desk.copy();
        log_out(&desk);
        assert_eq!(desk.cookie("PHPSESSID"), None, "the ticket goes, too");
        assert_eq!(WpSite::basket(&copy, ""), "", "what is logged out stays out");
        assert_eq!((WpSite::basket(&phone, ""), WpSite::basket(&boss, "")), ("hat".into(), "tie".into()));
        site.assert_quiet();
    }

    fn a_new_password_ends_all_devices_of_that_person(store: Store) {
        let Some(site) = site(store) else { return };
        let (desk, phone) = (device(&site, "anna", PASSWORD, "coat"), device(&site, "anna", PASSWORD, "hat"));
        let boss = device(&site, "admin", site.wordpress.admin_password(), "tie");
        site.does("reset&who=anna&password=another-one");
        assert_eq!((WpSite::basket(&desk, ""), WpSite::basket(&phone, "")), (String::new(), String::new()));
        assert_eq!(WpSite::basket(&boss, ""), "tie");
        site.assert_quiet();
    }

    fn a_ticket_that_was_planted_is_worth_nothing_after_the_log_in(store: Store) {
        let Some(site) = site(store) else { return };
        let thief = site.wordpress.browser();
        WpSite::basket(&thief, "bait");
        let victim = site.wordpress.browser();
        victim.set_cookie("PHPSESSID", Some(&thief.cookie("PHPSESSID").unwrap()));
        site.log_in(&victim, "anna", PASSWORD);
        assert_ne!(victim.cookie("PHPSESSID"), thief.cookie("PHPSESSID"));
        assert_eq!(WpSite::basket(&victim, "secret"), "bait,secret");
        assert!(!WpSite::basket(&thief, "").contains("secret"));
        site.assert_quiet();
    }
}

#[test]
fn a_log_in_without_a_session_makes_none_and_one_that_begins_later_has_its_owner() {
    let Some(site) = site(Store::Sqlite) else { return };
    let anna = site.wordpress.browser();
    site.log_in(&anna, "anna", PASSWORD);
    anna.get("/").unwrap();
    assert_eq!(anna.cookie("PHPSESSID"), None);
    assert!(site.does("count").contains("\"live\":0"));
    // A cookie that opens nothing is not made into a session either.
    let other = site.wordpress.browser();
    other.set_cookie("PHPSESSID", Some("abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG"));
    site.log_in(&other, "anna", PASSWORD);
    assert!(site.does("count").contains("\"live\":0"), "{}", site.does("count"));
    WpSite::basket(&anna, "hat");
    let count = site.does("count");
    assert!(count.contains("\"live\":1,\"owned\":1"), "{count}");
    site.assert_quiet();
}

#[test]
fn a_user_who_is_deleted_has_no_session() {
    let Some(site) = site(Store::Sqlite) else { return };
    let anna = device(&site, "anna", PASSWORD, "coat");
    let guest = site.wordpress.browser();
    WpSite::basket(&guest, "hat");
    site.does("delete&who=anna");
    assert_eq!((WpSite::basket(&anna, ""), WpSite::basket(&guest, "")), (String::new(), "hat".into()));
    site.assert_quiet();
}

#[test]
fn personal_data_are_exported_without_ids_and_erased() {
    let Some(site) = site(Store::Sqlite) else { return };
    let anna = device(&site, "anna", PASSWORD, "coat");
    let boss = device(&site, "admin", site.wordpress.admin_password(), "tie");
    let export: serde_json::Value = serde_json::from_str(&site.does("export&who=anna")).unwrap();
    assert_eq!((export["data"].as_array().unwrap().len(), &export["done"]), (1, &true.into()), "{export}");
    assert!(!export.to_string().contains(&anna.cookie("PHPSESSID").unwrap()));
    let erased: serde_json::Value = serde_json::from_str(&site.does("erase&who=anna")).unwrap();
    assert_eq!((&erased["items_removed"], &erased["items_retained"]), (&true.into(), &false.into()), "{erased}");
    assert_eq!((WpSite::basket(&anna, ""), WpSite::basket(&boss, "")), (String::new(), "tie".into()));
    site.assert_quiet();
}

#[test]
fn a_site_may_keep_sessions_over_log_out_and_password() {
    let Some(site) = site(Store::Sqlite) else { return };
    site.does("policy&name=end_on_logout&value=0");
    site.does("policy&name=end_on_password&value=0");
    let (desk, phone) = (device(&site, "anna", PASSWORD, "coat"), device(&site, "anna", PASSWORD, "hat"));
    let before = desk.cookie("PHPSESSID");
    log_out(&desk);
    assert_eq!(WpSite::basket(&desk, ""), "coat");
    assert_ne!(desk.cookie("PHPSESSID"), before, "under a new id");
    let count = site.does("count");
    assert!(count.contains("\"owned\":1"), "nobody's any more: {count}");
    site.does("reset&who=anna&password=another-one");
    assert_eq!(WpSite::basket(&phone, ""), "hat");
    site.assert_quiet();
}

#[test]
fn a_networks_sites_share_sessions_or_not_as_it_says_and_its_screen_is_for_its_own_administrators() {
    if !WpSite::is_there() {
        return;
    }
    let site = WpSite::start(Store::Sqlite).into_network();
    let basket = |visitor: &Browser, place: &str| {
        let reply = visitor.get(&format!("{place}?basket=")).unwrap();
        reply.body.trim_start_matches("<body>").to_owned()
    };
    for (network, there) in [("", "hat"), ("site", ""), ("network", "hat")] {
        site.does(&format!("policy&name=network&value={network}"));
        let visitor = site.wordpress.browser();
        WpSite::basket(&visitor, "hat");
        assert_eq!((basket(&visitor, "/"), basket(&visitor, "/two/")), ("hat".into(), there.into()), "{network:?}");
    }
    let admin = site.wordpress.browser();
    site.log_in(&admin, "admin", site.wordpress.admin_password());
    assert_eq!(admin.get("/wp-admin/tools.php?page=cloakroom").unwrap().status, 403, "not a site's");
    let page = admin.get("/wp-admin/network/settings.php?page=cloakroom&tab=sessions").unwrap();
    assert!(page.status == 200 && page.body.contains("cloakroom_end_one"), "{}", page.body);
    let page = admin.get("/wp-admin/network/settings.php?page=cloakroom&tab=settings").unwrap();
    assert!(page.body.contains("cloakroom-network"), "{}", page.body);
    site.assert_quiet();
}

#[test]
fn whom_code_only_plays_does_not_become_the_owner() {
    let Some(site) = site(Store::Sqlite) else { return };
    let (anna, guest) = (device(&site, "anna", PASSWORD, "coat"), site.wordpress.browser());
    WpSite::basket(&guest, "hat");
    let owner = |visitor: &Browser| visitor.get("/?site_does=owner").unwrap().body;
    let annas = owner(&anna);
    assert!(annas.starts_with("wp-") && owner(&guest).is_empty(), "{annas}");
    for visitor in [&anna, &guest] {
        assert_eq!(visitor.get("/?site_does=play&who=admin").unwrap().body, "1");
    }
    assert_eq!((owner(&anna), owner(&guest)), (annas, String::new()));
    let key = anna.get("/?site_does=log_in_by_itself&who=admin").unwrap();
    assert_eq!(key.status, 200);
    assert!(owner(&anna).ends_with(":1"), "a log-in that a plugin makes counts");
    site.assert_quiet();
}

#[test]
fn a_network_that_gives_the_plugin_up_has_nothing_left_of_it_on_any_site() {
    if !WpSite::is_there() {
        return;
    }
    let site = WpSite::start(Store::Sqlite).into_network();
    let admin = site.wordpress.browser();
    site.log_in(&admin, "admin", site.wordpress.admin_password());
    for place in ["/wp-admin/", "/wp-admin/network/settings.php?page=cloakroom"] {
        assert_eq!(admin.get(place).unwrap().status, 200, "{place}");
    }
    site.does("policy&name=network&value=site");
    for place in ["/", "/two/"] {
        assert_eq!(site.wordpress.browser().get(&format!("{place}?site_does=old_names")).unwrap().body, "scheduled");
    }
    let left = site.does("give_up");
    assert_eq!(left, "{\"events\":[],\"rows\":[]}");
}

#[test]
fn wordpresss_own_button_ends_the_sessions_of_other_devices_too() {
    let Some(site) = site(Store::Sqlite) else { return };
    let (desk, phone) = (device(&site, "anna", PASSWORD, "coat"), device(&site, "anna", PASSWORD, "hat"));
    let page = desk.get("/wp-admin/profile.php").unwrap().body;
    let field = |name: &str| {
        let at = page.find(&format!("name=\"{name}\"")).unwrap();
        page[at..].split("value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned()
    };
    let (nonce, user) = (field("_wpnonce"), field("checkuser_id"));
    let press = |nonce: &str| {
        let fields = [("action", "destroy-sessions"), ("nonce", nonce), ("user_id", &user)];
        desk.post("/wp-admin/admin-ajax.php", &fields).unwrap().body
    };
    press("0123456789");
    assert_eq!(WpSite::basket(&phone, ""), "hat", "not without a nonce");
    let answer = press(&nonce);
    assert!(answer.contains("\"success\":true"), "{answer}");
    assert_eq!((WpSite::basket(&phone, ""), WpSite::basket(&desk, "")), (String::new(), "coat".into()));
    assert!(WpSite::is_logged_in(&desk) && !WpSite::is_logged_in(&phone));
    site.assert_quiet();
}
