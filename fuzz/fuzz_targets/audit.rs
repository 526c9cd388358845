//! What `cloakroom audit` reads: PHP source, sitemaps, and the headers of sites.
#![no_main]

use cloakroom_cli::commands::audit::{cookies, http, source};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = source::scan(bytes);
    let _ = http::sitemap::unpacked(bytes.to_vec(), 1 << 16).map(|b| http::sitemap::read(&b));
    let text = String::from_utf8_lossy(bytes);
    if let Some((glob, path)) = text.split_once('\n') {
        let _ = source::walk::fits_path(glob, path);
    }
    if let Some(cookie) = cookies::SetCookie::parse(&text) {
        let _ = cookies::purpose(&cookie.name);
        let _ = cookie.advice(true);
    }
    let lines = text.lines().filter_map(|l| l.split_once(": ").map(|(n, v)| (n.to_ascii_lowercase(), v.to_owned())));
    let headers = http::headers::Headers(lines.collect());
    let _ = http::headers::hit(&headers);
    let _ = http::headers::obstacles(&headers, 0);
});
