//! The audit of a site: its pages as a visitor without cookies gets them, each asked for twice.
//!
//! The second answer tells whether a cache kept the first. Two requests run at once at most, and a site that says it has
//! too much to do is left alone.

mod fetch;
pub mod headers;
mod pages;
mod show;
pub mod sitemap;

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use url::Url;

use super::cookies::{Purpose, SetCookie, purpose};
use super::progress::Progress;
use fetch::{Client, Fetched};
use headers::{Hit, Obstacle};

pub use pages::Wanted;
pub use show::Document;
pub(super) use show::{document, results, text as print};

/// So many requests at once.
const AT_ONCE: usize = 2;
/// So many answers of 429 or 503 end the audit.
const PATIENCE: usize = 3;

/// What is to be said of a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// A cache served it.
    Served,
    /// Nothing keeps a cache from it, and none served it.
    Cacheable,
    /// A cache passed it by, for no reason that shows.
    Passed,
    /// It can't be served from a page cache.
    Defeated,
    /// A cache hands the same session cookie to everybody.
    SharedSession,
    /// Another site is responsible.
    Elsewhere(String),
    /// It could not be looked at.
    Failed(String),
}

/// What was seen of a page.
#[derive(Debug)]
pub struct Page {
    /// The address that was asked for.
    pub url: String,
    /// Where it was found.
    pub found_at: String,
    /// The status.
    pub status: u16,
    /// What caches said the first and the second time.
    pub hits: (Hit, Hit),
    /// Which cache said so.
    pub cache: String,
    /// Cookies that were set, and what for.
    pub cookies: Vec<(SetCookie, Purpose)>,
    /// Headers that keep caches from keeping it.
    pub obstacles: Vec<Obstacle>,
    /// What is to be said of it.
    pub verdict: Verdict,
}

impl Page {
    /// Why it can't be served from a cache; parts of sentences.
    pub fn reasons(&self) -> Vec<String> {
        let limiter = |o: &&Obstacle| o.by == Some(headers::PHP_LIMITER);
        let limited = self.obstacles.iter().any(|o| limiter(&o));
        let mut told = false;
        let cookies = self.cookies.iter().filter_map(|(cookie, purpose)| {
            let name = crate::out::plain(&crate::out::cut(&stable(&cookie.name), 60));
            match purpose {
                // The cookie and the limiter's headers are one thing with one cause.
                Purpose::Session(whose) if limited && !told => {
                    told = true;
                    Some(format!("sets the session cookie {name} ({whose}) and session_start()'s no-store headers"))
                }
                Purpose::Session(whose) => Some(format!("sets the session cookie {name} ({whose})")),
                Purpose::Other => Some(format!("sets the cookie {name}")),
                Purpose::Analytics => Some(format!("sets the analytics cookie {name} on the server's side")),
                Purpose::Proxy => None,
            }
        });
        let mut reasons: Vec<String> = cookies.collect();
        let rest = self.obstacles.iter().filter(|o| !(told && limiter(o)));
        reasons.extend(rest.map(|o| format!("sends {}", o.told())));
        reasons
    }
}

/// Some cookies carry a hash in their names; pages with the same kind of cookie belong together.
fn stable(name: &str) -> String {
    match name.rsplit_once('_') {
        Some((start, hash)) if hash.len() >= 16 && hash.bytes().all(|b| b.is_ascii_hexdigit()) => format!("{start}_*"),
        _ => name.to_owned(),
    }
}

/// What the site says.
#[derive(Debug, Default)]
pub struct Report {
    /// Pages in the order in which they were named.
    pub pages: Vec<Page>,
    /// What could not be done.
    pub notes: Vec<String>,
    /// How many addresses there were; more than pages where there is a limit.
    pub known: usize,
}

/// Asks for the pages.
pub fn audit(wanted: &Wanted, timeout: Duration, insecure: bool, now_seconds: i64, progress: &Progress) -> Report {
    let client = Client::new(timeout, insecure);
    let mut report = Report::default();
    let urls = pages::collect(wanted, &client, &mut report);
    let (next, refused) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let done: Mutex<Vec<(usize, Page)>> = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some(url) = urls.get(at) else { return };
                    if refused.load(Ordering::Relaxed) >= PATIENCE {
                        return;
                    }
                    progress.at(at, urls.len(), "pages");
                    let page = look(&client, url, now_seconds);
                    if matches!(page.status, 429 | 503) {
                        refused.fetch_add(1, Ordering::Relaxed);
                    }
                    if let Ok(mut done) = done.lock() {
                        done.push((at, page));
                    }
                }
            });
        }
    });
    progress.done();
    let mut done = done.into_inner().unwrap_or_default();
    done.sort_by_key(|(at, _)| *at);
    if done.len() < urls.len() {
        report.notes.push(format!(
            "The site said several times that it has too much to do (429 or 503), so {} pages were not asked for.",
            urls.len() - done.len()
        ));
    }
    report.pages = done.into_iter().map(|(_, page)| page).collect();
    report
}

/// Looks at one page, twice.
fn look(client: &Client, url: &Url, now_seconds: i64) -> Page {
    let mut page = Page {
        url: url.to_string(),
        found_at: url.to_string(),
        status: 0,
        hits: (Hit::Silent, Hit::Silent),
        cache: String::new(),
        cookies: Vec::new(),
        obstacles: Vec::new(),
        verdict: Verdict::Cacheable,
    };
    let mut rounds: Vec<Vec<SetCookie>> = Vec::new();
    for round in 0..2 {
        let (answers, elsewhere) = match client.page(url) {
            Ok(Fetched::Page(answers)) => (answers, None),
            Ok(Fetched::Elsewhere(answers, to)) => (answers, Some(to)),
            Err(why) => {
                page.verdict = Verdict::Failed(why);
                return page;
            }
        };
        let cookies: Vec<SetCookie> =
            answers.iter().flat_map(|a| a.headers.all("set-cookie")).filter_map(SetCookie::parse).collect();
        for cookie in &cookies {
            if !page.cookies.iter().any(|(c, _)| c.name == cookie.name) {
                page.cookies.push((cookie.clone(), purpose(&cookie.name)));
            }
        }
        rounds.push(cookies);
        let Some(last) = answers.last() else { return page };
        page.status = last.status;
        page.found_at = last.url.to_string();
        if let Some(to) = elsewhere {
            page.verdict = Verdict::Elsewhere(to.host_str().unwrap_or_default().to_owned());
            return page;
        }
        if last.status >= 400 {
            page.verdict = Verdict::Failed(format!("it answers with status {}", last.status));
            return page;
        }
        let (hit, cache) = headers::hit(&last.headers);
        if round == 0 {
            page.hits.0 = hit;
            page.obstacles = headers::obstacles(&last.headers, now_seconds);
        } else {
            page.hits.1 = hit;
        }
        if !cache.is_empty() {
            page.cache = cache;
        }
    }
    let same = |c: &SetCookie| {
        !c.deleted && rounds.iter().all(|r| r.iter().any(|other| other.name == c.name && other.value == c.value))
    };
    let shared = page.cookies.iter().any(|(c, p)| matches!(p, Purpose::Session(_)) && same(c));
    let sets = page.cookies.iter().any(|(_, p)| *p != Purpose::Proxy);
    page.verdict = match page.hits.1 {
        Hit::Hit if shared => Verdict::SharedSession,
        // It is served although headers forbid it: this cache was told to ignore them.
        Hit::Hit if !sets => Verdict::Served,
        _ if !page.reasons().is_empty() => Verdict::Defeated,
        Hit::Bypass => Verdict::Passed,
        _ => Verdict::Cacheable,
    };
    page
}
