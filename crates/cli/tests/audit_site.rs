//! `cloakroom audit` on a site: every header that tells of caches, cookies, sitemaps, and being polite.

mod common;

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use cloakroom_testbed::{NginxOptions, PageCache, Site, SiteOptions};
use common::{Machine, Ran};

/// Answers a path: status, headers and body, by how often it was asked for.
type Answer = Box<dyn Fn(usize) -> (u16, Vec<String>, Vec<u8>) + Send + Sync>;

/// A server of the test's own, ended on drop.
struct Server {
    address: String,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    answers: HashMap<String, Answer>,
    asked: Mutex<Vec<(String, String)>>,
    counts: Mutex<HashMap<String, usize>>,
    at_once: AtomicUsize,
    most: AtomicUsize,
    over: AtomicBool,
}

impl Server {
    fn start(answers: Vec<(&str, Answer)>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = format!("http://{}", listener.local_addr().expect("an address"));
        let answers = answers.into_iter().map(|(path, answer)| (path.to_owned(), answer)).collect();
        let state = Arc::new(State { answers, ..State::default() });
        let shared = state.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if shared.over.load(Ordering::SeqCst) {
                    return;
                }
                let state = shared.clone();
                std::thread::spawn(move || serve(&state, stream));
            }
        });
        Self { address, state }
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.address)
    }

    fn audit(&self, line: &[&str]) -> Ran {
        let line: Vec<String> =
            line.iter()
                .map(|w| {
                    if w.starts_with('/') && !std::path::Path::new(w).is_file() { self.url(w) } else { (*w).to_owned() }
                })
                .collect();
        let line: Vec<&str> = line.iter().map(String::as_str).collect();
        let mut ran = Machine::new().run(&[&["audit"], &line[..]].concat());
        ran.out = ran.out.replace(&self.address, "https://shop.test");
        ran
    }

    fn asked(&self) -> Vec<(String, String)> {
        self.state.asked.lock().expect("unharmed").clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.state.over.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address.trim_start_matches("http://"));
    }
}

fn serve(state: &State, stream: TcpStream) {
    let mut reader = BufReader::new(stream.try_clone().expect("a stream"));
    let mut stream = stream;
    loop {
        let mut head = String::new();
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).unwrap_or(0) == 0 {
                return;
            }
            if line.trim().is_empty() {
                break;
            }
            head.push_str(&line);
        }
        let path = head.split(' ').nth(1).unwrap_or("/").to_owned();
        state.asked.lock().expect("unharmed").push((path.clone(), head));
        let now = state.at_once.fetch_add(1, Ordering::SeqCst) + 1;
        state.most.fetch_max(now, Ordering::SeqCst);
        let count = {
            let mut counts = state.counts.lock().expect("unharmed");
            let count = counts.entry(path.clone()).or_default();
            *count += 1;
            *count
        };
        let (status, headers, body) =
            state.answers.get(&path).map_or_else(|| (404, Vec::new(), Vec::new()), |answer| answer(count));
        let mut text = format!("HTTP/1.1 {status} Told\r\nContent-Length: {}\r\n", body.len());
        for header in headers {
            text.push_str(&format!("{header}\r\n"));
        }
        text.push_str("\r\n");
        let sent = stream.write_all(text.as_bytes()).and_then(|()| stream.write_all(&body));
        state.at_once.fetch_sub(1, Ordering::SeqCst);
        if sent.is_err() {
            return;
        }
    }
}

/// The same headers every time.
fn page(headers: &[&str]) -> Answer {
    let headers: Vec<String> = headers.iter().map(|h| (*h).to_owned()).collect();
    Box::new(move |_| (200, headers.clone(), b"<p>page</p>".to_vec()))
}

/// These headers, and a cache's word: MISS first, HIT then.
fn cached(headers: &[&str]) -> Answer {
    let headers: Vec<String> = headers.iter().map(|h| (*h).to_owned()).collect();
    Box::new(move |n| {
        let mut all = headers.clone();
        all.push(format!("X-Cache-Status: {}", if n == 1 { "MISS" } else { "HIT" }));
        (200, all, Vec::new())
    })
}

fn text(body: String) -> Answer {
    Box::new(move |_| (200, vec!["Content-Type: application/xml".into()], body.clone().into_bytes()))
}

const LIMITER: [&str; 3] = [
    "Expires: Thu, 19 Nov 1981 08:52:00 GMT",
    "Cache-Control: no-store, no-cache, must-revalidate",
    "Pragma: no-cache",
];

#[test]
fn each_page_gets_its_verdict() {
    let session = [&LIMITER[..], &["Set-Cookie: PHPSESSID=verysecret; path=/"]].concat();
    for (headers, verdict, reason, code) in [
        (&[][..], "could be cached", "", 0),
        (&session[..], "can't be cached", "sets the session cookie PHPSESSID (PHP)", 1),
        (&["Set-Cookie: SSESS0123456789abcdef0123456789abcdef=x; Secure"], "can't be cached", "Drupal", 1),
        (
            &["Set-Cookie: wp_woocommerce_session_0123456789abcdef0123456789abcdef=x"],
            "can't be cached",
            "wp_woocommerce_session_* (WooCommerce)",
            1,
        ),
        (&["Set-Cookie: _wp_session=x"], "can't be cached", "WP Session Manager", 1),
        (&["Set-Cookie: colour=red"], "can't be cached", "sets the cookie colour", 1),
        (&["Set-Cookie: _ga=GA1.2"], "can't be cached", "analytics cookie _ga", 1),
        (&["Set-Cookie: __cf_bm=x"], "could be cached", "", 0),
        (&["Cache-Control: private"], "can't be cached", "sends Cache-Control: private", 1),
        (&["Cache-Control: no-store"], "can't be cached", "sends Cache-Control: no-store", 1),
        (&["Pragma: no-cache"], "can't be cached", "sends Pragma: no-cache", 1),
        (
            &["Expires: Wed, 11 Jan 1984 05:00:00 GMT", "Cache-Control: no-cache"],
            "can't be cached",
            "WordPress's nocache_headers()",
            1,
        ),
        (&["Vary: Cookie"], "can't be cached", "sends Vary: Cookie", 1),
        (&["Vary: *"], "can't be cached", "sends Vary: *", 1),
        (&["CF-Cache-Status: DYNAMIC"], "passed by a cache", "", 0),
        (&["X-FastCGI-Cache: HIT"], "served from a cache", "", 0),
        (&["X-Varnish: 5 3", "Age: 7"], "served from a cache", "", 0),
        (&["X-Varnish: 5", "Cache-Control: max-age=60"], "could be cached", "", 0),
        (&["Cache-Status: \"edge\"; hit"], "served from a cache", "", 0),
        (&["X-Cache: Hit from cloudfront"], "served from a cache", "", 0),
        (&["X-Cache: HIT", "Cache-Control: private"], "served from a cache", "Cache-Control: private", 0),
        (&["X-Cache: HIT", "Set-Cookie: PHPSESSID=same-for-all"], "shares a session", "PHPSESSID", 1),
    ] {
        let server = Server::start(vec![("/", page(headers))]);
        let ran = server.audit(&["/", "--json"]);
        let json = ran.json();
        let page = &json["site"]["pages"][0];
        assert_eq!(page["verdict"], verdict, "{headers:?}: {page}");
        assert!(page["reasons"].to_string().contains(reason), "{headers:?}: {page}");
        assert_eq!(ran.code, code, "{headers:?}");
        assert!(!ran.out.contains("verysecret") && !ran.out.contains("same-for-all"), "no cookie's value is shown");
    }
}

#[test]
fn the_second_request_tells_whether_the_first_was_kept() {
    let server = Server::start(vec![("/", cached(&[])), ("/never", page(&["X-Cache-Status: MISS"]))]);
    let ran = server.audit(&["/", "/never", "--json"]);
    let json = ran.json();
    let pages = &json["site"]["pages"];
    assert_eq!((&pages[0]["first"], &pages[0]["second"]), (&"MISS".into(), &"HIT".into()));
    assert_eq!(pages[0]["verdict"], "served from a cache");
    assert_eq!(pages[1]["verdict"], "could be cached");
    let asked = server.asked();
    assert_eq!(asked.iter().filter(|(path, _)| path == "/").count(), 2);
    for (_, head) in asked {
        let lower = head.to_ascii_lowercase();
        assert!(!lower.contains("\r\ncookie:"), "no cookies are sent: {head}");
        assert!(lower.contains("user-agent: cloakroom-audit/"), "it says what it is: {head}");
    }
}

#[test]
fn sitemaps_are_followed_packed_ones_too() {
    use flate2::{Compression, write::GzEncoder};
    let server = Server::start(Vec::new());
    drop(server);
    // Addresses in a sitemap are absolute, so the server's own is needed: it names itself by the Host it is asked by.
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let base = format!("http://{}", listener.local_addr().expect("an address"));
    let mut packer = GzEncoder::new(Vec::new(), Compression::default());
    packer.write_all(format!("<urlset><url><loc>{base}/b</loc></url></urlset>").as_bytes()).expect("packed");
    let packed = packer.finish().expect("packed");
    let answers: Vec<(&str, Answer)> = vec![
        (
            "/sitemap.xml",
            text(format!(
                "<sitemapindex><sitemap><loc>{base}/1.xml</loc></sitemap><sitemap><loc>{base}/2.xml.gz</loc></sitemap><sitemap><loc>{base}/sitemap.xml</loc></sitemap><sitemap><loc>{base}/gone.xml</loc></sitemap><sitemap><loc>{base}/home</loc></sitemap></sitemapindex>"
            )),
        ),
        ("/1.xml", text(format!("<urlset><url><loc>{base}/a</loc></url><url><loc>{base}/lost</loc></url></urlset>"))),
        ("/2.xml.gz", Box::new(move |_| (200, Vec::new(), packed.clone()))),
        ("/home", text("<!doctype html><title>Home</title>".into())),
        ("/a", page(&[])),
        ("/b", page(&["Set-Cookie: PHPSESSID=x"])),
    ];
    let state =
        Arc::new(State { answers: answers.into_iter().map(|(p, a)| (p.to_owned(), a)).collect(), ..State::default() });
    let shared = state.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            if shared.over.load(Ordering::SeqCst) {
                return;
            }
            let state = shared.clone();
            std::thread::spawn(move || serve(&state, stream));
        }
    });
    let server = Server { address: base, state };
    let ran = server.audit(&["--sitemap", &server.url("/sitemap.xml")]);
    assert_eq!(ran.code, 1, "{}", ran.out);
    let flat = ran.out.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        flat.contains("1 of 2 pages can't be served from a page cache: 1 sets the session cookie PHPSESSID (PHP)."),
        "{}",
        ran.out
    );
    assert!(ran.out.contains("status 404"), "{}", ran.out);
    assert!(ran.out.contains("/gone.xml was not read"), "{}", ran.out);
    assert!(flat.contains("/home was not read: it is no sitemap (HTML)."), "{}", ran.out);
    let one = server.audit(&["--sitemap", &server.url("/sitemap.xml"), "--limit", "1", "--json"]);
    assert_eq!(one.json()["site"]["pages"].as_array().map(Vec::len), Some(1));
}

#[test]
fn redirects_are_followed_on_the_site_alone_and_not_for_ever() {
    let to = |place: &'static str| -> Answer {
        Box::new(move |_| (302, vec![format!("Location: {place}"), "Set-Cookie: PHPSESSID=x".into()], Vec::new()))
    };
    let server = Server::start(vec![
        ("/old", to("/new")),
        ("/new", page(&[])),
        ("/round", to("/round")),
        ("/away", to("https://elsewhere.test/")),
    ]);
    let json = server.audit(&["/old", "/round", "/away", "--json"]).json();
    let pages = &json["site"]["pages"];
    assert_eq!(pages[0]["verdict"], "can't be cached", "a cookie on the way counts: {pages}");
    assert_eq!(pages[1]["verdict"], "not looked at");
    assert!(pages[1]["reasons"].to_string().contains("redirects more than"), "{pages}");
    assert_eq!(pages[2]["verdict"], "elsewhere");
}

#[test]
fn a_site_is_not_pressed() {
    let answers = (0..30).map(|i| (Box::leak(format!("/{i}").into_boxed_str()) as &str, page(&[]))).collect();
    let server = Server::start(answers);
    let list = tempfile::NamedTempFile::new().expect("a file");
    let lines: String = (0..30).map(|i| format!("{}\n", server.url(&format!("/{i}")))).collect();
    std::fs::write(list.path(), format!("# pages\n\n{lines}")).expect("written");
    let ran = server.audit(&["--from", list.path().to_str().expect("text")]);
    assert!(ran.code == 0 && ran.out.contains("these 30 pages"), "{}", ran.out);
    assert!(server.state.most.load(Ordering::SeqCst) <= 2, "two at once");

    let busy = Server::start(
        (0..30)
            .map(|i| {
                (
                    Box::leak(format!("/{i}").into_boxed_str()) as &str,
                    Box::new(|_: usize| (503_u16, Vec::new(), Vec::new())) as Answer,
                )
            })
            .collect(),
    );
    std::fs::write(list.path(), lines.replace(&server.address, &busy.address)).expect("written");
    let ran = busy.audit(&["--from", list.path().to_str().expect("text")]);
    assert_eq!(ran.code, 2, "{}", ran.out);
    assert!(busy.asked().len() <= 5, "{} requests", busy.asked().len());
    assert!(ran.out.contains("too much to do"), "{}", ran.out);
}

#[test]
fn what_can_not_be_asked_is_said() {
    for (line, word) in [
        (&["ftp://a/"][..], "no address"),
        (&["https://u:p@a/"], "password"),
        (&["--from", "/no/such/list"], "could not be read"),
    ] {
        let ran = Machine::new().run(&[&["audit"], line].concat());
        assert!(ran.code == 2 && ran.error.contains(word), "{line:?}: {}", ran.error);
    }
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = format!("http://{}/", silent.local_addr().expect("an address"));
    let ran = Machine::new().run(&["audit", &address, "--timeout", "0.3"]);
    assert!(ran.code == 2 && ran.out.contains("did not answer in time"), "{}", ran.out);
    drop(silent);
    let ran = Machine::new().run(&["audit", &address]);
    assert!(ran.code == 2 && ran.out.contains("could not be reached"), "{}", ran.out);
}

#[test]
fn people_read_what_to_do() {
    let session = [&LIMITER[..], &["Set-Cookie: PHPSESSID=x; path=/; SameSite=Lax", "X-Cache-Status: MISS"]].concat();
    let server = Server::start(vec![
        ("/", page(&session)),
        ("/about/", page(&session)),
        ("/blog/", cached(&[])),
        ("/account/", page(&["Cache-Control: private"])),
    ]);
    let ran = server.audit(&["/", "/about/", "/blog/", "/account/"]);
    assert_eq!(ran.code, 1);
    common::golden("audit-site.txt", &ran.out);
    let sarif = server.audit(&["/", "--sarif"]).json();
    assert_eq!(sarif["runs"][0]["results"][0]["ruleId"], "page-not-cacheable");
}

#[test]
fn behind_a_real_nginx_the_pages_that_start_sessions_are_told_from_those_that_do_not() {
    cloakroom_testbed::needs!("php-fpm", "nginx");
    let options = SiteOptions {
        nginx: NginxOptions { cache: Some(PageCache::default()), ..NginxOptions::default() },
        ..SiteOptions::default()
    };
    let site = Site::start_with(&options).expect("a site");
    for (name, code) in [
        ("plain.php", "<?php echo 'the same for everybody';"),
        ("eager.php", "<?php session_start(); echo 'hello';"),
        ("nocache.php", "<?php header('Cache-Control: private'); echo 'hello';"),
    ] {
        site.write(name, code).expect("written");
    }
    let url = |name: &str| format!("{}/{name}", site.url());
    let ran = Machine::new().run(&["audit", &url("plain.php"), &url("eager.php"), &url("nocache.php"), "--json"]);
    let json = ran.json();
    let pages = &json["site"]["pages"];
    assert_eq!(pages[0]["verdict"], "served from a cache", "{pages}");
    assert_eq!((&pages[0]["first"], &pages[0]["second"]), (&"MISS".into(), &"HIT".into()));
    assert_eq!(pages[0]["cache"], "nginx");
    assert_eq!(pages[1]["verdict"], "can't be cached", "{pages}");
    assert!(pages[1]["reasons"].to_string().contains("PHPSESSID (PHP) and session_start()'s"), "{pages}");
    assert_eq!(pages[1]["second"], "MISS");
    assert_eq!(pages[2]["verdict"], "can't be cached", "{pages}");
    assert_eq!(ran.code, 1);
}
