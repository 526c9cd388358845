//! A page whose session nobody needed, behind nginx's page cache: how many requests a second, and how many of them are hits.
//!
//! The page starts a session and leaves it empty. It is as cheap as a page can be, so that the difference is the least that a
//! cache can make.

use std::io::{BufRead, BufReader, Read, Write};
use std::time::{Duration, Instant};

use cloakroom_testbed::{
    Error, Folder, FpmOptions, NginxOptions, PageCache, PhpSettings, Result, Site, SiteOptions, extension,
};

use crate::figures::median;

/// Visitors at any time; none of them brings a cookie.
const VISITORS: usize = 8;
/// Handlers take turns, each this often.
const ROUNDS: usize = 3;
const TURN: Duration = Duration::from_secs(2);
const BODY: usize = 16 * 1024;

/// One handler's page behind the cache.
#[derive(Debug, Clone, serde::Serialize)]
pub(crate) struct Cached {
    pub(crate) name: &'static str,
    /// Requests a second, by round.
    pub(crate) rates: Vec<f64>,
    pub(crate) requests: usize,
    pub(crate) hits: usize,
    /// Sessions that were left behind.
    pub(crate) cookies: usize,
}

impl Cached {
    pub(crate) fn rate(&self) -> f64 {
        median(&self.rates)
    }

    pub(crate) fn hit_ratio(&self) -> f64 {
        self.hits as f64 / self.requests.max(1) as f64
    }
}

/// Measures all of them, in turn; `disk` is a folder on a disk.
pub(crate) fn measure(disk: &Folder) -> Result<Vec<Cached>> {
    let files = Folder::permanent(&disk.join("cached-files"))?;
    let sqlite = Folder::permanent(&disk.join("cached-sqlite"))?;
    let handler = |name: &str| PhpSettings::new().set("session.save_handler", name);
    let store = format!("sqlite:{}", sqlite.join("sessions.db").display());
    let ours = handler("cloakroom").extension(extension()?).set("cloakroom.store", &store);
    let eager = format!("<?php session_start(); {}", page());
    let plain = format!("<?php {}", page());
    let plans = [
        ("no session", PhpSettings::new(), &plain),
        ("files", handler("files").set("session.save_path", &files.path().display().to_string()), &eager),
        ("Cloakroom SQLite", ours.clone(), &eager),
        ("Cloakroom SQLite, eager_cookie=1", ours.set("cloakroom.eager_cookie", "1"), &eager),
    ];
    let mut all = Vec::new();
    for (name, settings, code) in plans {
        let fpm = FpmOptions {
            workers: 4,
            user: Some("root".into()),
            settings,
            own_session_folder: false,
            ..FpmOptions::default()
        };
        let nginx = NginxOptions { cache: Some(PageCache::default()), ..NginxOptions::default() };
        let site = Site::start_with(&SiteOptions { servers: 2, fpm, nginx })?;
        site.write("page.php", code)?;
        let nothing = Cached { name, rates: Vec::new(), requests: 0, hits: 0, cookies: 0 };
        all.push((site, nothing));
    }
    for round in 0..=ROUNDS {
        for (site, found) in &mut all {
            // The first round warms up.
            let seen = crowd(site, if round == 0 { TURN / 4 } else { TURN })?;
            if round > 0 {
                found.rates.push(seen.requests as f64 / seen.took.as_secs_f64());
                found.requests += seen.requests;
                found.hits += seen.hits;
                found.cookies += seen.cookies;
            }
        }
    }
    Ok(all.into_iter().map(|(_, found)| found).collect())
}

fn page() -> String {
    format!("header('Content-Length: {BODY}'); echo str_repeat('0123456789abcdef', {});", BODY / 16)
}

#[derive(Default)]
struct Seen {
    requests: usize,
    hits: usize,
    cookies: usize,
    took: Duration,
}

fn crowd(site: &Site, turn: Duration) -> Result<Seen> {
    let began = Instant::now();
    let results: Vec<Result<Seen>> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..VISITORS).map(|_| scope.spawn(|| visit(site, began + turn))).collect();
        let ended = |_| Err(Error::Other("a client panicked".into()));
        threads.into_iter().map(|thread| thread.join().unwrap_or_else(ended)).collect()
    });
    let mut all = Seen::default();
    for result in results {
        let seen = result?;
        all.requests += seen.requests;
        all.hits += seen.hits;
        all.cookies += seen.cookies;
    }
    all.took = began.elapsed();
    Ok(all)
}

/// One visitor after the other, over one connection as long as nginx keeps it.
fn visit(site: &Site, end: Instant) -> Result<Seen> {
    let told = |error: std::io::Error| Error::Other(format!("the cached page: {error}\n{}", site.php_logs()));
    let mut seen = Seen::default();
    while Instant::now() < end {
        let stream = site.nginx().endpoint().connect().map_err(told)?;
        let mut reader = BufReader::with_capacity(32 * 1024, &stream);
        let mut body = vec![0; BODY];
        let mut open = true;
        while open && Instant::now() < end {
            (&stream).write_all(b"GET /page.php HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n").map_err(told)?;
            let (mut hit, mut good) = (false, false);
            loop {
                let mut line = String::new();
                if reader.read_line(&mut line).map_err(told)? == 0 {
                    return Err(Error::Other("nginx closed before its reply was whole".into()));
                }
                let line = line.trim_end();
                good |= line == "HTTP/1.1 200 OK";
                hit |= line == "X-Cache: HIT";
                open &= line != "Connection: close";
                seen.cookies += usize::from(line.starts_with("Set-Cookie:"));
                if line.is_empty() {
                    break;
                }
            }
            reader.read_exact(&mut body).map_err(told)?;
            if !good {
                return Err(Error::Other(format!("the cached page is not 200\n{}", site.php_logs())));
            }
            seen.requests += 1;
            seen.hits += usize::from(hit);
        }
    }
    Ok(seen)
}
