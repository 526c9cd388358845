//! `cloakroom audit`: what keeps pages out of the page cache.
//!
//! Asked with addresses it looks at the site as a visitor without cookies does ([`http`]); asked with folders it reads the
//! source ([`source`]). Both end in one report, and in exit code 1 when something was found.

pub mod cookies;
pub mod http;
mod progress;
pub mod sarif;
pub mod source;

use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;
use url::Url;

use crate::args::{AuditArgs, FailOn};
use crate::out::Out;
use crate::{Failure, Outcome, Surroundings};

/// A list of addresses is no bigger than this.
const LIST_LIMIT: u64 = 50 << 20;

#[derive(Debug, Serialize)]
struct Document {
    #[serde(skip_serializing_if = "Option::is_none")]
    site: Option<http::Document>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<source::Document>,
}

pub(super) fn run(
    args: &AuditArgs,
    timeout: Duration,
    around: &Surroundings,
    out: &mut Out<'_>,
) -> Result<Outcome, Failure> {
    let (wanted, folders) = wanted(args)?;
    let progress = progress::Progress::of_this_process();
    let asks = !(wanted.pages.is_empty() && wanted.sitemaps.is_empty());
    let now = i64::try_from(around.now().0 / 1000).unwrap_or(i64::MAX);
    let site = asks.then(|| http::audit(&wanted, timeout, args.insecure, now, &progress));
    let source = (!folders.is_empty()).then(|| source::audit(&folders, &args.exclude, &progress));
    let nothing = site.as_ref().is_none_or(|s| s.looked_at() == 0) && source.as_ref().is_none_or(|s| s.files == 0);
    let bad = site.as_ref().is_some_and(http::Report::bad)
        || source.as_ref().is_some_and(|r| match args.fail_on {
            FailOn::EveryRequest => r.every().count() > 0,
            FailOn::Start => r.starts().count() > 0,
            FailOn::Any => !r.findings.is_empty(),
        });
    if args.sarif {
        let findings: Vec<_> =
            site.iter().flat_map(http::results).chain(source.iter().flat_map(source::results)).collect();
        out.document(&sarif::document(&findings))?;
    } else if out.json {
        let (site, source) = (site.as_ref().map(http::document), source.as_ref().map(source::document));
        out.document(&Document { site, source })?;
    } else {
        if let Some(report) = &site {
            http::print(report, out)?;
        }
        if site.is_some() && source.is_some() {
            out.line("")?;
        }
        if let Some(report) = &source {
            source::print(report, out)?;
        }
    }
    Ok(match (nothing, bad) {
        (true, _) => Outcome::CouldNot,
        (false, true) => Outcome::Not,
        (false, false) => Outcome::Fine,
    })
}

/// Addresses and folders, told apart.
fn wanted(args: &AuditArgs) -> Result<(http::Wanted, Vec<PathBuf>), Failure> {
    let mut wanted = http::Wanted { limit: args.limit as usize, ..http::Wanted::default() };
    let mut folders = Vec::new();
    for what in &args.what {
        if what.contains("://") {
            wanted.pages.push(address(what)?);
        } else if Path::new(what).exists() {
            folders.push(PathBuf::from(what));
        } else {
            return Err(Failure::could_not(format!(
                "{what} is no file or folder that can be seen from here. An address begins with https:// or http://."
            )));
        }
    }
    for sitemap in &args.sitemap {
        wanted.sitemaps.push(address(sitemap)?);
    }
    if let Some(from) = &args.from {
        let shown = from.display();
        let mut text = String::new();
        let read = if from.as_os_str() == "-" {
            std::io::stdin().lock().take(LIST_LIMIT).read_to_string(&mut text)
        } else {
            std::fs::File::open(from).and_then(|f| f.take(LIST_LIMIT).read_to_string(&mut text))
        };
        read.map_err(|e| Failure::could_not(format!("The list of addresses {shown} could not be read: {e}.")))?;
        for line in text.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with('#')) {
            wanted.pages.push(address(line)?);
        }
        if wanted.pages.is_empty() {
            return Err(Failure::could_not(format!("The list {shown} names no address.")));
        }
    }
    Ok((wanted, folders))
}

fn address(text: &str) -> Result<Url, Failure> {
    let url = Url::parse(text).ok().filter(|u| matches!(u.scheme(), "http" | "https") && u.has_host());
    let url = url.ok_or_else(|| {
        Failure::could_not(format!("{} is no address; one begins with https:// or http://.", crate::out::plain(text)))
    })?;
    // A password in an address would end up in reports.
    if !url.username().is_empty() || url.password().is_some() {
        return Err(Failure::could_not("An address must not hold a user name or a password."));
    }
    Ok(url)
}
