//! Which pages are looked at: those that were named, those of files and sitemaps, spread over all of them.

use std::collections::HashSet;

use url::Url;

use super::Report;
use super::fetch::Client;
use super::sitemap;

/// Sitemaps that are read at most, and how deep an index may nest.
const SITEMAPS: usize = 50;
const DEEP: usize = 3;
/// A sitemap is 50 MiB at most, says the protocol.
const SITEMAP_LIMIT: u64 = 50 << 20;

/// What was asked for.
#[derive(Debug, Default)]
pub struct Wanted {
    /// Addresses.
    pub pages: Vec<Url>,
    /// Sitemaps' addresses.
    pub sitemaps: Vec<Url>,
    /// At most so many pages of sitemaps and files.
    pub limit: usize,
}

/// The pages to look at, each once.
pub(super) fn collect(wanted: &Wanted, client: &Client, report: &mut Report) -> Vec<Url> {
    let mut lists: Vec<Vec<Url>> = vec![wanted.pages.clone()];
    let mut open: Vec<(Url, usize)> = wanted.sitemaps.iter().rev().map(|u| (u.clone(), 0)).collect();
    let mut seen = HashSet::new();
    while let Some((url, depth)) = open.pop() {
        if !seen.insert(url.to_string()) {
            continue;
        }
        if seen.len() > SITEMAPS {
            report.notes.push(format!("Only the first {SITEMAPS} sitemaps were read."));
            break;
        }
        match read(client, &url) {
            Ok(found) => {
                lists.push(found.pages.iter().filter_map(|p| Url::parse(p).ok()).collect());
                if depth < DEEP {
                    open.extend(found.sitemaps.iter().rev().filter_map(|s| Some((Url::parse(s).ok()?, depth + 1))));
                }
            }
            Err(why) => report.notes.push(format!("The sitemap {url} was not read: {why}.")),
        }
    }
    report.known = lists.iter().map(Vec::len).sum();
    spread(&lists, wanted.limit)
}

/// A sitemap, by way of redirects.
fn read(client: &Client, url: &Url) -> Result<sitemap::Sitemap, String> {
    let mut at = url.clone();
    for _ in 0..5 {
        let (answer, body) = client.get(&at, SITEMAP_LIMIT, true)?;
        match answer.status {
            200..=299 => {
                let body = sitemap::unpacked(body, SITEMAP_LIMIT).ok_or("it can't be unpacked")?;
                let found = sitemap::read(&body);
                return match found == sitemap::Sitemap::default() {
                    true if sitemap::is_html(&body) => Err("it is no sitemap (HTML)".into()),
                    true => Err("it names no pages".into()),
                    false => Ok(found),
                };
            }
            300..=399 => {
                at = at.join(&answer.headers.joined("location")).map_err(|_| "it redirects to what is no address")?
            }
            status => return Err(format!("it answers with status {status}")),
        }
    }
    Err("it redirects too often".into())
}

/// `limit` of them, each list in turn and evenly spread over it, so that every kind of page is among them.
fn spread(lists: &[Vec<Url>], limit: usize) -> Vec<Url> {
    let mut shares = vec![0; lists.len()];
    let mut left = limit;
    while left > 0 && shares.iter().zip(lists).any(|(share, list)| *share < list.len()) {
        for (share, list) in shares.iter_mut().zip(lists) {
            if left > 0 && *share < list.len() {
                *share += 1;
                left -= 1;
            }
        }
    }
    let mut seen = HashSet::new();
    let mut chosen = Vec::new();
    for (share, list) in shares.iter().zip(lists) {
        chosen.extend((0..*share).map(|i| &list[i * list.len() / share]).filter(|u| seen.insert(u.as_str())).cloned());
    }
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_has_pages_of_every_sitemap() {
        let list = |name: &str, n: usize| -> Vec<Url> {
            (0..n).map(|i| Url::parse(&format!("https://a/{name}/{i}")).expect("a URL")).collect()
        };
        let lists = [list("post", 1000), list("page", 2), list("product", 50)];
        let chosen = spread(&lists, 10);
        assert_eq!(chosen.len(), 10);
        for name in ["post", "page", "product"] {
            assert!(chosen.iter().any(|u| u.path().starts_with(&format!("/{name}/"))), "{name}");
        }
        assert!(chosen.iter().any(|u| u.path() == "/post/750"), "{chosen:?}");
        assert_eq!(spread(&lists, 10_000).len(), 1052);
        assert_eq!(spread(&[list("a", 2), list("a", 2)], 10).len(), 2, "each once");
    }
}
