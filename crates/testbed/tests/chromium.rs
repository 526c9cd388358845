//! A real browser: what it does by itself, and that two are two people.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests, too")]

use cloakroom_testbed::{Chromium, Identity, PhpSettings, Site, group_members, needs};

const PAGE: &str = r#"<?php
if ( isset( $_POST['name'] ) ) {
	setcookie( 'name', $_POST['name'], array( 'httponly' => true, 'samesite' => 'Lax' ) );
	$_COOKIE['name'] = $_POST['name'];
}
?><!doctype html><title>Register</title><link rel="icon" href="data:,">
<h1>Hello <?php echo htmlspecialchars( $_COOKIE['name'] ?? 'nobody' ); ?></h1>
<form method="post"><input id="name" name="name" value="old"><button id="send">Send</button></form>
<button id="late" onclick="setTimeout(() => { document.querySelector('#said').textContent = 'later'; }, 300)">Later</button>
<p id="said"></p>
<select id="list"><option value="a">A</option><option value="b">B</option></select>
<button id="ask" onclick="document.querySelector('#said').textContent = confirm('Sure?') ? 'yes' : 'no'">Ask</button>
<button id="hidden" style="display:none" onclick="document.querySelector('#said').textContent = 'shown'">Hidden</button>
<script>if (location.search === '?late') setTimeout(() => { document.querySelector('#hidden').style.display = 'inline'; }, 300);</script>
"#;

fn site() -> Site {
    let site = Site::start(PhpSettings::new()).unwrap();
    site.write("index.php", PAGE).unwrap();
    site
}

#[test]
fn a_form_is_filled_in_and_the_next_page_is_read() {
    needs!("chromium", "chromedriver", "nginx", "php-fpm");
    let site = site();
    let visitor = Chromium::start().unwrap();
    visitor.open(&site.url()).unwrap();
    assert_eq!(visitor.title().unwrap(), "Register");
    assert_eq!(visitor.text("h1").unwrap(), "Hello nobody");
    visitor.fill("#name", "Zoë").unwrap();
    visitor.follow("#send").unwrap();
    assert_eq!(visitor.text("h1").unwrap(), "Hello Zoë");
    let cookie = visitor.cookie("name").unwrap().unwrap();
    assert_eq!((cookie.value.as_str(), cookie.http_only, cookie.same_site.as_str()), ("Zo%C3%AB", true, "Lax"));
    visitor.delete_cookies().unwrap();
    visitor.open(&site.url()).unwrap();
    assert_eq!(visitor.text("h1").unwrap(), "Hello nobody");
    assert_eq!(visitor.console().unwrap(), Vec::<String>::new());
}

#[test]
fn what_comes_late_is_waited_for_and_what_never_comes_is_an_error() {
    needs!("chromium", "chromedriver", "nginx", "php-fpm");
    let site = site();
    let visitor = Chromium::start().unwrap();
    visitor.open(&format!("{}/?late", site.url())).unwrap();
    visitor.click("#late").unwrap();
    visitor.wait_for_text("#said", "later").unwrap();
    visitor.click("#hidden").unwrap();
    visitor.wait_for_text("#said", "shown").unwrap();
    visitor.choose("#list", "b").unwrap();
    assert_eq!(visitor.property("#list", "value").unwrap(), "b");
    visitor.click("#ask").unwrap();
    assert_eq!(visitor.accept_dialog().unwrap(), "Sure?");
    visitor.wait_for_text("#said", "yes").unwrap();
    visitor.run("console.error('a complaint')", &[]).unwrap();
    assert!(visitor.console().unwrap().iter().any(|line| line.contains("a complaint")));
    assert_eq!(visitor.run("return Promise.resolve(arguments[0] + 1)", &[41.into()]).unwrap(), 42);
    let error = visitor.text("#no-such").unwrap_err().to_string();
    assert!(error.contains("#no-such") && error.contains("?late"), "{error}");
    let error = visitor.open("http://cloakroom.example/").unwrap_err().to_string();
    assert!(error.contains("ERR_NAME_NOT_RESOLVED"), "{error}");
}

#[test]
fn two_browsers_share_no_cookie_and_leave_nothing_behind() {
    needs!("chromium", "chromedriver", "nginx", "php-fpm");
    let site = site();
    let (one, other) = (Chromium::start().unwrap(), Chromium::start().unwrap());
    for (browser, name) in [(&one, "Ann"), (&other, "Bob")] {
        browser.open(&site.url()).unwrap();
        browser.fill("#name", name).unwrap();
        browser.follow("#send").unwrap();
    }
    for (browser, name) in [(&one, "Ann"), (&other, "Bob")] {
        browser.open(&site.url()).unwrap();
        assert_eq!(browser.text("h1").unwrap(), format!("Hello {name}"));
    }
    let picture = std::env::temp_dir().join(format!("cloakroom-{}.png", std::process::id()));
    one.screenshot(&picture).unwrap();
    let bytes = std::fs::read(&picture).unwrap();
    std::fs::remove_file(&picture).unwrap();
    assert!(bytes.starts_with(b"\x89PNG\r\n\x1a\n") && bytes.len() > 1000, "{} bytes", bytes.len());

    let group = one.service().pid().unwrap();
    let members: Vec<Identity> = group_members(group).into_iter().filter_map(Identity::of).collect();
    assert!(members.len() > 2, "a browser is several processes: {members:?}");
    drop(one);
    assert!(members.iter().all(|process| !process.is_alive()));
}
