//! The session's cookie carries what protects it, and sessions that have just begun do not stay for long.

mod support;

use support::{Reply, Site};

const WRITE: &str =
    "session_start(); $_SESSION['n'] = ($_SESSION['n'] ?? 0) + 1; echo session_name(), ' ', $_SESSION['n'];";

#[track_caller]
fn only_cookie(reply: &Reply) -> String {
    let cookies = reply.all("set-cookie");
    assert_eq!(cookies.len(), 1, "{:?} {}", reply.headers, reply.log);
    cookies[0].clone()
}

fn attributes(cookie: &str) -> Vec<String> {
    cookie.split(';').skip(1).map(|part| part.trim().to_ascii_lowercase()).collect()
}

fn pair(cookie: &str) -> &str {
    cookie.split(';').next().unwrap_or_default()
}

#[test]
fn by_https_the_cookie_is_secure_and_by_http_it_is_not() {
    let site = Site::new();
    let secure = |server: &[(&str, &str)]| {
        attributes(&only_cookie(&site.ask_with(server, WRITE).clean())).contains(&"secure".to_owned())
    };
    assert!(secure(&[("HTTPS", "on")]));
    assert!(secure(&[("HTTPS", "1")]));
    assert!(!secure(&[]));
    assert!(!secure(&[("HTTPS", "off")]));
    // Anybody can send this header.
    assert!(!secure(&[("HTTP_X_FORWARDED_PROTO", "https"), ("REMOTE_ADDR", "203.0.113.5")]));
}

#[test]
fn what_a_trusted_proxy_says_of_the_visitors_connection_counts_and_nobody_elses_word_does() {
    let site = Site::new().set("cloakroom.trusted_proxies", "10.0.0.0/8, 2001:db8::1");
    for (peer, word, secure) in [
        ("10.9.8.7", "https", true),
        ("10.9.8.7", "http", false),
        ("203.0.113.5", "https", false),
        ("2001:db8::1", "https", true),
    ] {
        let reply = site.ask_with(&[("REMOTE_ADDR", peer), ("HTTP_X_FORWARDED_PROTO", word)], WRITE).clean();
        assert_eq!(attributes(&only_cookie(&reply)).contains(&"secure".to_owned()), secure, "{peer} {word}");
    }
}

#[test]
fn left_to_php_the_cookie_is_as_php_has_it() {
    let site = Site::new().set("cloakroom.cookie_secure", "php");
    let reply = site.ask_with(&[("HTTPS", "on")], WRITE).clean();
    assert!(!attributes(&only_cookie(&reply)).contains(&"secure".to_owned()));
}

#[test]
fn a_host_prefix_brings_all_that_browsers_demand_and_the_session_is_found_again() {
    let site = Site::new()
        .set("cloakroom.cookie_prefix", "host")
        .set("session.cookie_domain", "example.org")
        .set("session.cookie_path", "/shop");
    let first = site.ask_with(&[("HTTPS", "on")], WRITE).clean().shows("__Host-PHPSESSID 1");
    let cookie = only_cookie(&first);
    let all = attributes(&cookie);
    assert!(cookie.starts_with("__Host-PHPSESSID="), "{cookie}");
    assert!(all.contains(&"secure".into()) && all.contains(&"path=/".into()), "{cookie}");
    assert!(!all.iter().any(|part| part.starts_with("domain")), "{cookie}");
    let again = site.ask_with(&[("HTTPS", "on"), ("HTTP_COOKIE", pair(&cookie))], WRITE).clean();
    again.shows("__Host-PHPSESSID 2");
    // A neighbouring host can set a cookie of the plain name, and no other.
    let planted = pair(&cookie).replace("__Host-", "");
    site.ask_with(&[("HTTPS", "on"), ("HTTP_COOKIE", &planted)], WRITE).clean().shows("__Host-PHPSESSID 1");
    // By HTTP no browser would take it.
    site.ask_with(&[], WRITE).clean().shows("PHPSESSID 1");
}

#[test]
fn a_rotation_and_a_withdrawal_keep_the_prefixs_attributes() {
    let site = Site::new().set("cloakroom.cookie_prefix", "host").set("cloakroom.cookie_partitioned", "1");
    let first = only_cookie(&site.ask_with(&[("HTTPS", "on")], WRITE).clean());
    let server = [("HTTPS", "on"), ("HTTP_COOKIE", pair(&first))];
    let rotated = only_cookie(&site.ask_with(&server, "session_start(); session_regenerate_id(true);").clean());
    assert!(rotated.starts_with("__Host-PHPSESSID=") && rotated.ends_with("; Partitioned"), "{rotated}");
    let server = [("HTTPS", "on"), ("HTTP_COOKIE", pair(&rotated))];
    site.ask_with(&server, "session_start(); $_SESSION = [];").clean();
    let gone = only_cookie(&site.ask_with(&server, "session_start();").clean());
    let all = attributes(&gone);
    assert!(gone.starts_with("__Host-PHPSESSID=deleted"), "{gone}");
    for attribute in ["secure", "path=/", "partitioned", "max-age=0"] {
        assert!(all.contains(&attribute.to_owned()), "{attribute}: {gone}");
    }
}

#[test]
fn partitioned_is_said_where_it_is_wished_for_and_the_visitor_came_by_https() {
    let site = Site::new().set("cloakroom.cookie_partitioned", "1");
    let https = only_cookie(&site.ask_with(&[("HTTPS", "on")], WRITE).clean());
    assert!(https.ends_with("; Partitioned"), "{https}");
    let http = only_cookie(&site.ask_with(&[], WRITE).clean());
    assert!(!http.contains("Partitioned"), "{http}");
    // Other cookies are the application's own business.
    let other = site.ask_with(&[("HTTPS", "on")], "setcookie('x', 'y', ['secure' => true]);").clean();
    assert_eq!(only_cookie(&other), "x=y; secure");
}

#[test]
fn a_hosts_preset_gives_the_cookie_a_name_that_its_cache_knows() {
    let site = Site::new().set("cloakroom.host_preset", "pantheon");
    let host = [("HTTPS", "on"), ("HTTP_HOST", "shop.example.org")];
    let cookie = only_cookie(&site.ask_with(&host, WRITE).clean());
    let name = pair(&cookie).split('=').next().unwrap_or_default();
    assert!(
        name.len() == 37 && name.starts_with("SSESS") && name[5..].bytes().all(|b| b.is_ascii_hexdigit()),
        "{name}"
    );
    let again = [host[0], host[1], ("HTTP_COOKIE", pair(&cookie))];
    site.ask_with(&again, WRITE).clean().shows(&format!("{name} 2"));
    // A name that the application has chosen is its own.
    let chosen = site.ask_with(&host, &format!("session_name('SHOP'); {WRITE}")).clean();
    assert!(only_cookie(&chosen).starts_with("SHOP="));
}

#[test]
fn ids_are_taken_from_cookies_only_whatever_php_ini_says() {
    let lax = |site: Site| site.set("session.use_only_cookies", "0").set("session.use_trans_sid", "1");
    let page = format!("ini_set('session.use_trans_sid', '1'); {WRITE}; echo '<a href=\"/next.php\">x</a>';");
    let site = lax(Site::new());
    let reply = site.ask_with(&[("QUERY_STRING", "PHPSESSID=planted")], &page);
    assert!(!reply.body.contains("PHPSESSID="), "{}", reply.body);
    assert!(reply.sets_cookie());
    let site = lax(Site::new().set("cloakroom.cookies_only", "php"));
    let reply = site.ask_with(&[], &page);
    assert!(reply.body.contains("PHPSESSID="), "{}", reply.body);
}

#[test]
fn a_marker_stands_in_for_the_cookie_of_an_empty_session_until_the_browser_has_brought_it_back() {
    let site = Site::new().set("cloakroom.first_visit", "marker");
    let asks = "session_start(); $ours['seen by'] = session_id(); echo 'page';";
    let first = only_cookie(&site.ask_with(&[], asks).clean());
    assert!(first.starts_with("cloakroom_visit=;"), "{first}");
    assert_eq!(records(&site), 0);
    let second = only_cookie(&site.ask_with(&[("HTTP_COOKIE", "cloakroom_visit=")], asks).clean());
    assert!(second.starts_with("PHPSESSID="), "{second}");
    assert_eq!(records(&site), 1);
    // What is stored is kept from the first visit on.
    assert!(only_cookie(&site.ask_with(&[], WRITE).clean()).starts_with("PHPSESSID="));
}

fn records(site: &Site) -> i64 {
    let path = site.folder.join("sessions.sqlite");
    if !path.exists() {
        return 0;
    }
    let store = rusqlite::Connection::open(path).expect("store");
    store.query_row("SELECT count(*) FROM record", [], |row| row.get(0)).unwrap_or(0)
}

/// Seconds from now until the session of this request ends.
fn left(site: &Site, server: &[(&str, &str)], script: &str) -> (String, i64) {
    let show = "session_write_close(); $row = cloakroom_page([], null, 1)['rows'][0]; \
        echo ' ', $row['expires'] - time();";
    let reply = site.ask_with(server, &format!("{script}; {show}")).clean();
    let seconds = reply.body.rsplit(' ').next().and_then(|n| n.parse().ok()).expect("seconds");
    let ticket = reply.all("set-cookie").first().map(|cookie| pair(cookie).to_owned()).unwrap_or_default();
    (ticket, seconds)
}

#[test]
fn a_session_that_has_just_begun_lives_shortly_and_fully_once_somebody_is_logged_in() {
    let site = Site::new().set("cloakroom.first_life", "600").set("session.gc_maxlifetime", "7200");
    let (ticket, new) = left(&site, &[], WRITE);
    assert!((595..=605).contains(&new), "{new}");
    let logged_in = format!("{WRITE}; cloakroom_owner('7')");
    let (_, known) = left(&site, &[("HTTP_COOKIE", &ticket)], &logged_in);
    assert!((7195..=7205).contains(&known), "{known}");
}

#[test]
fn crawlers_sessions_live_for_minutes_and_peoples_as_long_as_ever() {
    let site = Site::new().set("session.gc_maxlifetime", "7200");
    let crawler = [("HTTP_USER_AGENT", "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)")];
    assert!((295..=305).contains(&left(&site, &crawler, WRITE).1));
    let site = Site::new().set("session.gc_maxlifetime", "7200");
    let person = [("HTTP_USER_AGENT", "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0")];
    assert!((7195..=7205).contains(&left(&site, &person, WRITE).1));
}
