//! A page cache seen by a real browser: an empty cookie jar, a cart, and an empty jar again.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests, too")]

use cloakroom_system_tests::Shop;
use cloakroom_testbed::{Chromium, NginxOptions, PageCache, has_all};

/// What the page says that the cache did for it.
fn shown(browser: &Chromium) -> String {
    browser.property(".cloakroom-demo-cache", "innerText").unwrap().as_str().unwrap().to_string()
}

#[track_caller]
fn assert_page(browser: &Chromium, cache: &str, cart: &str, cookies: usize, when: &str) {
    browser.wait_for_text(".cloakroom-demo-cache", cache).unwrap();
    let text = browser.text(".cloakroom-demo-server").unwrap();
    assert!(text.contains(cart), "{when}: {text}");
    // Out of the cache, nobody answered.
    let says = if cache == "HIT" { "Made earlier by server " } else { "Server " };
    assert!(text.starts_with(says) && text.contains("answered") == (cache != "HIT"), "{when}: {text}");
    let jar = browser.cookies().unwrap();
    assert_eq!(jar.iter().filter(|cookie| cookie.name == "PHPSESSID").count(), cookies, "{when}: {jar:?}");
}

#[test]
fn a_browsers_jar_is_empty_before_the_cart_and_after_it() {
    if !Shop::is_there() || !has_all(&["chromium", "chromedriver"]) {
        return;
    }
    let nginx = NginxOptions { cache: Some(PageCache::default()), ..NginxOptions::default() };
    let shop = Shop::new(nginx, &[]);
    let (browser, other) = (Chromium::start().unwrap(), Chromium::start().unwrap());
    let home = shop.wordpress.url() + "/";

    browser.open(&home).unwrap();
    assert_page(&browser, "MISS", "There are 0 items", 0, "the first visit");
    other.open(&home).unwrap();
    assert_page(&other, "HIT", "There are 0 items", 0, "somebody else");
    browser.open(&home).unwrap();
    assert_page(&browser, "HIT", "There are 0 items", 0, "the second visit");

    browser.follow("button[value=add]").unwrap();
    assert_page(&browser, "BYPASS", "There is 1 item", 1, "with a cart");
    let cookie = browser.cookie("PHPSESSID").unwrap().unwrap();
    assert!(cookie.http_only, "{cookie:?}");
    other.open(&home).unwrap();
    assert_page(&other, "HIT", "There are 0 items", 0, "somebody else, again");

    // The form's reply is a redirect, and the page behind it is the one more request.
    browser.follow("button[value=clear]").unwrap();
    assert_page(&browser, "BYPASS", "There are 0 items", 0, "emptied");
    browser.open(&home).unwrap();
    assert_page(&browser, "HIT", "There are 0 items", 0, "back in the cache");
    assert!(shown(&browser).starts_with("HIT: "), "{}", shown(&browser));
    assert_eq!(browser.cookies().unwrap(), [], "no cookie of any kind");
    assert_eq!(shop.records(), 0);
    assert_eq!(browser.console().unwrap(), Vec::<String>::new());
    assert_eq!(shop.wordpress.site().php_logs(), "");
}
