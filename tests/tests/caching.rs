//! A page that does not use its session stays in the page cache: WordPress with a plugin that starts a session for everyone,
//! behind nginx's cache and behind Varnish. The configurations are those of `docs/caching.md`, read from there.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests, too")]

use std::collections::BTreeMap;

use cloakroom_system_tests::{Shop, session_cookies};
use cloakroom_testbed::{Apache, Browser, NginxOptions, PageCache, Reply, Varnish, has_all};

/// Pages that a crawler asks for; all of them are made by WordPress, which has nothing against their being kept.
const ADDRESSES: [&str; 5] = ["/", "/?feed=rss2", "/?s=hat", "/?s=scarf", "/?s=coat"];

/// A code block of the documentation, by the line before it.
fn documented(title: &str) -> String {
    let text = include_str!("../../docs/caching.md");
    let block = text.split(title).nth(1).unwrap_or_else(|| panic!("docs/caching.md has nothing called {title}"));
    let block = block.split("```").nth(1).unwrap();
    block.split_once('\n').unwrap().1.to_string()
}

/// nginx as the documentation has it; the cache's folder alone is the test's own.
fn documented_nginx() -> NginxOptions {
    NginxOptions {
        http: documented("nginx, in `http`:").replace("/var/lib/nginx/pages", "pages"),
        php: documented("nginx, in the location of PHP:"),
        ..NginxOptions::default()
    }
}

/// nginx with no rule beyond the session's cookie.
fn plain_nginx() -> NginxOptions {
    NginxOptions { cache: Some(PageCache::default()), ..NginxOptions::default() }
}

fn state(reply: &Reply) -> String {
    // Apache adds its name.
    reply.header("x-cache").and_then(|state| state.split(' ').next()).unwrap_or("none").to_string()
}

/// What the cache did for one new visitor after the other.
fn crawl(site: &str, addresses: impl Iterator<Item = String>) -> BTreeMap<String, usize> {
    let mut states = BTreeMap::new();
    for address in addresses {
        let reply = Browser::new(site).get(&address).unwrap();
        assert!(reply.status == 200, "{address}: {} {}", reply.status, reply.body);
        *states.entry(state(&reply)).or_default() += 1;
    }
    states
}

#[test]
fn a_plugin_that_starts_a_session_for_everyone_costs_no_hit_and_leaves_no_record() {
    if !Shop::is_there() {
        return;
    }
    let shop = Shop::new(plain_nginx(), &[]);
    let rounds = |mark: &'static str| (0..20).flat_map(move |_| ADDRESSES.map(|page| mark_of(page, mark)));
    let eager = crawl(&shop.wordpress.url(), rounds("eager"));
    shop.wordpress.deactivate("cloakroom-demo/cloakroom-demo.php").unwrap();
    let plain = crawl(&shop.wordpress.url(), rounds("plain"));
    assert_eq!(plain.get("HIT"), Some(&(19 * ADDRESSES.len())), "the cache does not keep a plain page: {plain:?}");
    assert_eq!(eager, plain);
    assert_eq!(shop.records(), 0);
    assert_eq!(shop.wordpress.site().php_logs(), "");
}

fn mark_of(page: &str, mark: &str) -> String {
    format!("{page}{}{mark}", if page.contains('?') { "&" } else { "?" })
}

/// Every visit is another address: each one is made by PHP, and its session started and left unused.
#[test]
fn a_thousand_visits_without_a_cookie_leave_no_record() {
    if !Shop::is_there() {
        return;
    }
    let shop = Shop::new(plain_nginx(), &[]);
    std::thread::scope(|scope| {
        for part in 0..4 {
            let shop = &shop;
            scope.spawn(move || {
                for visit in 0..250 {
                    let reply = shop.wordpress.browser().get(&format!("/?visit={part}-{visit}")).unwrap();
                    assert_eq!((reply.status, state(&reply).as_str()), (200, "MISS"));
                    assert_eq!(reply.set_cookies(), Vec::<&str>::new());
                    for name in ["cache-control", "expires", "pragma"] {
                        assert_eq!(reply.header(name), None, "{name} stayed");
                    }
                }
            });
        }
    });
    assert_eq!(shop.records(), 0);
    assert_eq!(shop.wordpress.site().php_logs(), "");
}

/// One visitor's way through a cache: `past` is what the cache says when it lets a request through.
fn walk(shop: &Shop, site: &str, past: &str) {
    let visitor = Browser::new(site);
    let crawler = Browser::new(site);
    crawler.get("/").unwrap();
    let page = visitor.get("/").unwrap();
    assert_eq!((state(&page).as_str(), session_cookies(&page).len()), ("HIT", 0), "before");

    let filled = Shop::act(&visitor, "add&item=3");
    assert_eq!(session_cookies(&filled).len(), 1, "{:?}", filled.headers);
    let page = visitor.get("/").unwrap();
    assert_eq!(state(&page), past, "with a cart");
    assert!(page.body.contains("There is 1 item in your cart"), "{}", page.body);
    let other = crawler.get("/").unwrap();
    assert_eq!(state(&other), "HIT", "somebody else");
    assert!(other.body.contains("There are 0 items in your cart"), "{}", other.body);

    Shop::act(&visitor, "clear");
    assert!(visitor.cookie("PHPSESSID").is_some(), "the record stays until the next request");
    let page = visitor.get("/").unwrap();
    assert_eq!(state(&page), past, "one more request");
    assert!(page.body.contains("There are 0 items in your cart"), "{}", page.body);
    assert_eq!(visitor.cookie("PHPSESSID"), None, "{:?}", page.headers);
    assert_eq!(state(&visitor.get("/").unwrap()), "HIT", "back again");
    assert_eq!(shop.records(), 0);
}

#[test]
fn with_a_cart_a_visitor_goes_past_nginx_and_back_when_it_is_empty() {
    if !Shop::is_there() {
        return;
    }
    let shop = Shop::new(documented_nginx(), &[]);
    walk(&shop, &shop.wordpress.url(), "BYPASS");
    assert_eq!(shop.wordpress.site().php_logs(), "");
}

/// Varnish's built-in rules pass whoever has any cookie; the documented lines take out those that are nobody's business here.
#[test]
fn with_a_cart_a_visitor_goes_past_varnish_and_back_when_it_is_empty() {
    if !Shop::is_there() || !has_all(&["varnishd"]) {
        return;
    }
    let shop = Shop::new(NginxOptions::default(), &[]);
    let varnish = Varnish::start(&shop.wordpress.site().nginx().endpoint(), &documented("Varnish:")).unwrap();
    walk(&shop, &varnish.url(), "PASS");

    let reader = Browser::new(&varnish.url());
    reader.set_cookie("_ga", Some("GA1.1.1234.5678"));
    reader.set_cookie("_ga_ABC123", Some("GS1.1.99"));
    assert_eq!(state(&reader.get("/").unwrap()), "HIT", "with analytics' cookies alone");
    reader.set_cookie("wordpress_logged_in_x", Some("admin"));
    assert_eq!(state(&reader.get("/").unwrap()), "PASS", "logged in");
    assert_eq!(shop.wordpress.site().php_logs(), "");
}

#[test]
fn with_a_cart_a_visitor_goes_past_apache_and_back_when_it_is_empty() {
    if !Shop::is_there() || !has_all(&["apache2"]) {
        return;
    }
    let shop = Shop::new(NginxOptions::default(), &[]);
    let apache = Apache::start(&shop.wordpress.site().nginx().endpoint(), &documented("Apache:")).unwrap();
    walk(&shop, &apache.url(), "none");
    assert_eq!(shop.wordpress.site().php_logs(), "");
}

/// With PHP's own way the very same site has no hit at all, and a record for each visit: the test can see the difference.
#[test]
fn with_phps_own_eager_cookie_nothing_is_ever_a_hit() {
    if !Shop::is_there() {
        return;
    }
    let shop = Shop::new(plain_nginx(), &[("cloakroom.eager_cookie", "1")]);
    let visits = || (0..10).flat_map(|_| ADDRESSES.map(String::from));
    let states = crawl(&shop.wordpress.url(), visits());
    assert_eq!(states.get("HIT"), None, "{states:?}");
    assert_eq!(shop.records(), visits().count());
}
