//! Two application servers behind nginx, seen through a visitor's browser.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests, too")]

use cloakroom_testbed::{PhpSettings, Site, needs};

const CART: &str = r#"<?php
session_start();
if ('POST' === $_SERVER['REQUEST_METHOD']) {
    $_SESSION['cart'][] = $_POST['item'];
    header('Location: /?from=' . $_SERVER['CLOAKROOM_SERVER'], true, 303);
    exit;
}
echo $_SERVER['CLOAKROOM_SERVER'], ':', implode(',', $_SESSION['cart'] ?? []);
"#;

/// The trouble that Cloakroom ends, and the proof that the two servers of a site are apart.
#[test]
fn with_files_on_two_servers_a_cart_falls_apart() {
    needs!("php-fpm", "nginx");
    let site = Site::start(PhpSettings::new().set("session.save_handler", "files")).unwrap();
    site.write("index.php", CART).unwrap();
    let visitor = site.browser();
    for item in 1..=10 {
        // Each form goes to one server and the page after it to the other.
        assert_eq!(visitor.submit("/", &[("item", &format!("tea & {item}"))]).unwrap().status, 200);
        visitor.get("/").unwrap();
    }
    let carts: Vec<String> = (0..2).map(|_| visitor.get("/").unwrap().body).collect();
    let items = |cart: &String| cart.matches("tea & ").count();
    assert_eq!(carts.iter().map(items).sum::<usize>(), 10, "{carts:?}");
    assert!(carts.iter().all(|cart| items(cart) < 10), "{carts:?}");
}

#[test]
fn clones_of_a_browser_are_one_visitor_and_a_copy_is_another() {
    needs!("php-fpm", "nginx");
    let site = Site::start(PhpSettings::new()).unwrap();
    site.write("index.php", "<?php setcookie('seen', (string) (1 + (int) ($_COOKIE['seen'] ?? 0))); echo 'ok';")
        .unwrap();
    let visitor = site.browser();
    let first = visitor.get("/").unwrap();
    assert_eq!(first.set_cookies(), ["seen=1"]);
    let thief = visitor.copy();
    std::thread::scope(|scope| {
        let same = visitor.clone();
        scope.spawn(move || same.get("/").unwrap());
    });
    assert_eq!(visitor.cookie("seen").as_deref(), Some("2"));
    assert_eq!(thief.cookie("seen").as_deref(), Some("1"));
}
