//! The site's audit for people, as JSON and for SARIF.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Page, Report, Verdict};
use crate::commands::audit::cookies::Purpose;
use crate::commands::audit::sarif;
use crate::out::paint::{Ink, paint};
use crate::out::wrap::wrapped;
use crate::out::{Out, cut, plain};
use crate::{Failure, units};

/// Pages that are listed below one reason.
const MOST: usize = 5;

/// The report in JSON.
#[derive(Debug, Serialize)]
pub struct Document {
    known: usize,
    looked_at: usize,
    not_cacheable: usize,
    set_session_cookies: usize,
    served_from_cache: usize,
    verdict: String,
    pages: Vec<PageJson>,
    notes: Vec<String>,
}

#[derive(Debug, Serialize)]
struct PageJson {
    url: String,
    found_at: String,
    status: u16,
    verdict: &'static str,
    reasons: Vec<String>,
    first: &'static str,
    second: &'static str,
    cache: String,
    cookies: Vec<CookieJson>,
}

#[derive(Debug, Serialize)]
struct CookieJson {
    name: String,
    session: bool,
    secure: bool,
    http_only: bool,
    same_site: Option<String>,
    advice: Vec<String>,
}

impl Report {
    /// Pages of a verdict.
    fn with(&self, fits: impl Fn(&Verdict) -> bool) -> Vec<&Page> {
        self.pages.iter().filter(|p| fits(&p.verdict)).collect()
    }

    fn defeated(&self) -> Vec<&Page> {
        self.with(|v| matches!(v, Verdict::Defeated | Verdict::SharedSession))
    }

    /// Pages that were looked at.
    pub fn looked_at(&self) -> usize {
        self.with(|v| !matches!(v, Verdict::Failed(_) | Verdict::Elsewhere(_))).len()
    }

    /// Whether there is something to mend, or something could not be looked at.
    pub fn bad(&self) -> bool {
        !self.defeated().is_empty() || !self.with(|v| matches!(v, Verdict::Failed(_))).is_empty()
    }

    /// All in one sentence.
    pub fn verdict(&self) -> String {
        let (looked, defeated) = (self.looked_at(), self.defeated());
        if looked == 0 {
            return "No page could be looked at.".into();
        }
        if defeated.is_empty() {
            let served = self.with(|v| *v == Verdict::Served).len();
            let how = match served {
                0 if looked == 1 => "no cache served it yet".to_owned(),
                0 => "no cache served any of them yet".to_owned(),
                1 if looked == 1 => "a cache serves it".to_owned(),
                n if n == looked => "a cache serves all of them".to_owned(),
                n => format!("a cache serves {} of them", units::number(n as u64)),
            };
            return format!(
                "Nothing keeps a page cache from serving {}; {how}.",
                if looked == 1 { "this page".to_owned() } else { format!("these {looked} pages") }
            );
        }
        let reasons: Vec<String> = by_reason(&defeated)
            .into_iter()
            .take(3)
            .map(|(reason, pages)| if looked == 1 { format!("it {reason}") } else { verb(&reason, pages.len()) })
            .collect();
        let which = if looked == 1 {
            "This page can't".to_owned()
        } else {
            format!("{} of {} pages can't", defeated.len(), looked)
        };
        format!("{which} be served from a page cache: {}.", reasons.join(", "))
    }
}

/// "9 set the session cookie PHPSESSID".
fn verb(reason: &str, n: usize) -> String {
    let plural = reason.replacen("sets ", "set ", 1).replacen("sends ", "send ", 1);
    format!("{n} {}", if n == 1 { reason } else { &plural })
}

/// Most pages first.
fn by_reason<'a>(pages: &[&'a Page]) -> Vec<(String, Vec<&'a Page>)> {
    let mut reasons: BTreeMap<String, Vec<&Page>> = BTreeMap::new();
    for page in pages {
        for reason in page.reasons() {
            reasons.entry(reason).or_default().push(page);
        }
    }
    let mut reasons: Vec<_> = reasons.into_iter().collect();
    // A session's cookie is the root of what its limiter sends.
    reasons
        .sort_by_key(|(reason, pages)| (usize::MAX - pages.len(), !reason.contains("session cookie"), reason.clone()));
    reasons
}

fn word(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Served => "served from a cache",
        Verdict::Cacheable => "could be cached",
        Verdict::Passed => "passed by a cache",
        Verdict::Defeated => "can't be cached",
        Verdict::SharedSession => "shares a session",
        Verdict::Elsewhere(_) => "elsewhere",
        Verdict::Failed(_) => "not looked at",
    }
}

/// As JSON.
pub(crate) fn document(report: &Report) -> Document {
    let session = |p: &Page| p.cookies.iter().any(|(_, p)| matches!(p, Purpose::Session(_)));
    Document {
        known: report.known,
        looked_at: report.looked_at(),
        not_cacheable: report.defeated().len(),
        set_session_cookies: report.pages.iter().filter(|p| session(p)).count(),
        served_from_cache: report.with(|v| *v == Verdict::Served).len(),
        verdict: report.verdict(),
        pages: report.pages.iter().map(page).collect(),
        notes: report.notes.clone(),
    }
}

fn page(page: &Page) -> PageJson {
    let mut reasons = page.reasons();
    if let Verdict::Failed(why) | Verdict::Elsewhere(why) = &page.verdict {
        reasons.push(why.clone());
    }
    PageJson {
        url: page.url.clone(),
        found_at: page.found_at.clone(),
        status: page.status,
        verdict: word(&page.verdict),
        reasons,
        first: page.hits.0.word(),
        second: page.hits.1.word(),
        cache: page.cache.clone(),
        cookies: page
            .cookies
            .iter()
            .map(|(cookie, purpose)| {
                let session = matches!(purpose, Purpose::Session(_));
                CookieJson {
                    name: cookie.name.clone(),
                    session,
                    secure: cookie.secure,
                    http_only: cookie.http_only,
                    same_site: cookie.same_site.clone(),
                    advice: if session { cookie.advice(page.found_at.starts_with("https:")) } else { Vec::new() },
                }
            })
            .collect(),
    }
}

/// For SARIF.
pub(crate) fn results(report: &Report) -> Vec<sarif::Finding> {
    let mut found = Vec::new();
    for page in &report.pages {
        let (rule, level, message) = match &page.verdict {
            Verdict::SharedSession => (
                "cached-session-cookie",
                "error",
                format!("A cache hands the same session to everybody: the page {}.", page.reasons().join(", ")),
            ),
            Verdict::Defeated => (
                "page-not-cacheable",
                "warning",
                format!("The page can't be cached: it {}.", page.reasons().join(", ")),
            ),
            Verdict::Failed(why) => ("page-not-fetched", "warning", format!("The page was not looked at: {why}.")),
            _ => continue,
        };
        found.push(sarif::Finding { rule, level, message, uri: page.url.clone(), at: None });
    }
    for (name, advice, uri) in advice(report) {
        let message = format!("The session cookie {name} {}", advice.join(" It "));
        found.push(sarif::Finding { rule: "cookie-attributes", level: "note", message, uri, at: None });
    }
    found
}

/// Each session cookie once: its name, what is to be said, and a page that sets it.
fn advice(report: &Report) -> Vec<(String, Vec<String>, String)> {
    let mut seen: BTreeMap<String, (Vec<String>, String)> = BTreeMap::new();
    for page in &report.pages {
        for (cookie, purpose) in &page.cookies {
            if matches!(purpose, Purpose::Session(_)) && !cookie.deleted {
                seen.entry(plain(&cut(&super::stable(&cookie.name), 60)))
                    .or_insert_with(|| (cookie.advice(page.found_at.starts_with("https:")), page.url.clone()));
            }
        }
    }
    seen.into_iter().map(|(name, (advice, url))| (name, advice, url)).collect()
}

/// For people.
///
/// # Errors
/// When the output can't be written.
pub(crate) fn text(report: &Report, out: &mut Out<'_>) -> Result<(), Failure> {
    let ink = if report.bad() { Ink::Red } else { Ink::Green };
    for line in wrapped(&report.verdict(), "", 80).lines() {
        out.line(&paint(line, ink, out.colour))?;
    }
    if report.known > report.pages.len() {
        out.prose(&format!(
            "Looked at {} of {} addresses, spread over all of them; --limit says how many.",
            units::number(report.pages.len() as u64),
            units::number(report.known as u64)
        ))?;
    }
    let shared = report.with(|v| *v == Verdict::SharedSession);
    if !shared.is_empty() {
        out.line("")?;
        out.prose(&paint("A cache hands the same session cookie to everybody: visitors see each other's carts and log-ins. Empty the \
             cache and keep it from storing answers with Set-Cookie, now.", Ink::Red, out.colour))?;
        list(&shared, out)?;
    }
    for (reason, pages) in by_reason(&report.defeated()) {
        out.line("")?;
        out.text(&wrapped(&format!("{}:", verb(&reason, pages.len())), "", 80))?;
        list(&pages, out)?;
    }
    let groups: [(&str, &[&Page]); 3] = [
        ("served from a cache", &report.with(|v| *v == Verdict::Served)),
        ("could be cached; no cache served the second request", &report.with(|v| *v == Verdict::Cacheable)),
        ("passed by a cache, for no reason that the headers tell", &report.with(|v| *v == Verdict::Passed)),
    ];
    for (title, pages) in groups {
        if !pages.is_empty() {
            out.line("")?;
            out.line(&format!("{} {title}:", units::number(pages.len() as u64)))?;
            list(pages, out)?;
        }
    }
    let forbidden: Vec<&Page> =
        report.with(|v| *v == Verdict::Served).into_iter().filter(|p| !p.obstacles.is_empty()).collect();
    if !forbidden.is_empty() {
        out.line("")?;
        out.prose("Served although headers forbid it: this cache ignores them, browsers and other caches don't.")?;
        list(&forbidden, out)?;
    }
    let failed: Vec<&Page> = report.with(|v| matches!(v, Verdict::Failed(_) | Verdict::Elsewhere(_)));
    if !failed.is_empty() {
        out.line("")?;
        out.line("Not looked at:")?;
        for page in failed.iter().take(20) {
            let why = match &page.verdict {
                Verdict::Elsewhere(host) => format!("it redirects to {}", plain(host)),
                Verdict::Failed(why) => plain(why),
                _ => String::new(),
            };
            out.line(&format!("  {}", plain(&page.url)))?;
            out.text(&format!("      {}", wrapped(&why, "      ", 80)))?;
        }
        more(failed.len(), 20, out)?;
    }
    for (name, advice, _) in advice(report) {
        out.line("")?;
        out.line(&format!("The session cookie {name}"))?;
        for sentence in advice {
            out.text(&format!("  {}", wrapped(&sentence, "    ", 80)))?;
        }
    }
    for note in &report.notes {
        out.line("")?;
        out.prose(&plain(note))?;
    }
    Ok(())
}

fn list(pages: &[&Page], out: &mut Out<'_>) -> Result<(), Failure> {
    for page in pages.iter().take(MOST) {
        let cache = match page.cache.as_str() {
            "" => String::new(),
            cache => format!("  ({}, then {}: {})", page.hits.0.word(), page.hits.1.word(), plain(cache)),
        };
        out.line(&format!("  {}{cache}", plain(&page.url)))?;
    }
    more(pages.len(), MOST, out)
}

fn more(all: usize, shown: usize, out: &mut Out<'_>) -> Result<(), Failure> {
    if all > shown {
        out.line(&format!("  and {} more; --json has all of them", units::number((all - shown) as u64)))?;
    }
    Ok(())
}
