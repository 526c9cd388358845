//! Sitemaps: which addresses one names. Reads bytes from outside; packed ones are unpacked up to a bound.

use std::io::Read;

use flate2::read::MultiGzDecoder;

/// What a sitemap says.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Sitemap {
    /// Addresses of pages.
    pub pages: Vec<String>,
    /// Addresses of further sitemaps.
    pub sitemaps: Vec<String>,
}

/// The longest address; the protocol says 2,048.
const LONGEST: usize = 2048;
/// The most addresses of one sitemap that are kept; the protocol says 50,000.
const MOST: usize = 50_000;

/// The document, unpacked if it is packed, up to `limit` bytes; `None` if it can't be unpacked.
pub fn unpacked(bytes: Vec<u8>, limit: u64) -> Option<Vec<u8>> {
    if !bytes.starts_with(&[0x1f, 0x8b]) {
        return Some(bytes);
    }
    let mut out = Vec::new();
    MultiGzDecoder::new(bytes.as_slice()).take(limit).read_to_end(&mut out).ok()?;
    Some(out)
}

/// Whether the document is a page for people. What stands before its first element (a declaration, comments) does not count.
pub fn is_html(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    let mut rest = text.trim_start_matches(|c: char| c.is_whitespace() || c == '\u{feff}');
    loop {
        let end = if rest.starts_with("<!--") {
            "-->"
        } else if rest.starts_with("<?") {
            "?>"
        } else {
            let begins = |with: &str| rest.get(..with.len()).is_some_and(|start| start.eq_ignore_ascii_case(with));
            return begins("<!doctype html") || begins("<html");
        };
        rest = rest.split_once(end).map_or("", |(_, rest)| rest).trim_start();
    }
}

/// Reads a sitemap or an index of sitemaps; in a list without any XML, each line is an address.
pub fn read(bytes: &[u8]) -> Sitemap {
    let text = String::from_utf8_lossy(bytes);
    let mut sitemap = Sitemap::default();
    if !text.contains('<') {
        sitemap.pages = text.lines().filter_map(address).take(MOST).collect();
        return sitemap;
    }
    // Only the element around a <loc> matters: <url> or <sitemap>; images and videos have their own.
    let mut inside_sitemap = false;
    let mut rest: &str = &text;
    while let Some(at) = rest.find('<') {
        rest = &rest[at..];
        if let Some(after) = rest.strip_prefix("<!--") {
            rest = after.split_once("-->").map_or("", |(_, rest)| rest);
            continue;
        }
        let Some(end) = rest.find('>') else { break };
        let (tag, after) = (&rest[1..end], &rest[end + 1..]);
        rest = after;
        let name = tag.split([' ', '\t', '\r', '\n', '/']).next().unwrap_or_default();
        let local = name.rsplit(':').next().unwrap_or(name);
        match local {
            "sitemap" => inside_sitemap = true,
            "url" => inside_sitemap = false,
            "loc" if !name.starts_with("image:") && !name.starts_with("video:") && !tag.ends_with('/') => {
                let text = after.split("</").next().unwrap_or_default();
                let list = if inside_sitemap { &mut sitemap.sitemaps } else { &mut sitemap.pages };
                if list.len() < MOST {
                    list.extend(address(&unescaped(text)));
                }
            }
            _ => {}
        }
    }
    sitemap
}

/// A line that is an address.
pub fn address(line: &str) -> Option<String> {
    let line = line.trim().trim_start_matches('\u{feff}');
    let lower = line.get(..8.min(line.len())).map(str::to_ascii_lowercase)?;
    let fits = lower.starts_with("http://") || lower.starts_with("https://");
    (fits && line.len() <= LONGEST && !line.contains(char::is_whitespace)).then(|| line.to_owned())
}

fn unescaped(text: &str) -> String {
    let text = text.trim();
    if let Some(inner) = text.strip_prefix("<![CDATA[").and_then(|t| t.strip_suffix("]]>")) {
        return inner.trim().to_owned();
    }
    text.replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&apos;", "'")
        .replace("&#38;", "&")
        .replace("&amp;", "&")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_and_further_sitemaps_are_told_apart() {
        let index = br#"<?xml version="1.0"?><sitemapindex xmlns="x"><!-- <loc>https://no/</loc> -->
            <sitemap><loc>https://a/1.xml</loc></sitemap><sitemap>
            <loc> https://a/2.xml?a=1&amp;b=2 </loc></sitemap></sitemapindex>"#;
        assert_eq!(read(index).sitemaps, ["https://a/1.xml", "https://a/2.xml?a=1&b=2"]);
        let pages = br#"<urlset><url><loc>https://a/</loc><image:image><image:loc>https://a/i.png</image:loc></image:image>
            </url><s:url><s:loc><![CDATA[https://a/b?c&d]]></s:loc></s:url><url><loc/></url><url><loc>nowhere</loc></url>"#;
        assert_eq!(read(pages).pages, ["https://a/", "https://a/b?c&d"]);
        assert_eq!(read(b"https://a/\n\n# no\nhttps://b/\n").pages, ["https://a/", "https://b/"]);
    }

    #[test]
    fn a_page_for_people_is_told_from_a_sitemap() {
        for page in ["<!DOCTYPE html><p>", "\u{feff}\n<HTML lang=x>", "<?xml version='1.0'?><!-- a --> <!doctype HTML>"]
        {
            assert!(is_html(page.as_bytes()), "{page}");
        }
        for other in
            ["", "<urlset/>", "<!-- <html> --><urlset>", "<!-- <html>", "<?xml <html>", "https://a/<html>", "\u{ff}é"]
        {
            assert!(!is_html(other.as_bytes()), "{other}");
        }
    }

    #[test]
    fn what_is_broken_ends_early() {
        for text in
            ["<", "<url", "<url><loc>", "<!-- ", "<loc>https://a/", "\u{ff}<loc></loc>", "<url><loc>https://a b/</loc>"]
        {
            let sitemap = read(text.as_bytes());
            assert!(sitemap.sitemaps.is_empty() && sitemap.pages.len() <= 1, "{text}");
        }
        assert_eq!(unpacked(vec![0x1f, 0x8b, 0, 1, 2], 100), None);
    }

    #[test]
    fn unpacking_stops_at_the_bound() {
        use std::io::Write;
        let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        packer.write_all(&vec![b' '; 1 << 20]).expect("packed");
        let packed = packer.finish().expect("packed");
        assert_eq!(unpacked(packed, 1000).map(|b| b.len()), Some(1000));
    }
}
