//! What an answer's headers say: whether a cache served it, and what keeps caches from doing so.

/// An answer's headers, names in lower case, in their order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Headers(pub Vec<(String, String)>);

impl Headers {
    /// Every value of a header.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    /// The values, joined as HTTP allows.
    pub fn joined(&self, name: &str) -> String {
        self.all(name).collect::<Vec<_>>().join(", ")
    }

    fn has(&self, name: &str) -> bool {
        self.all(name).next().is_some()
    }
}

/// What a cache did with the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Hit {
    /// It served the page.
    Hit,
    /// It was told, or has a rule, not to.
    Bypass,
    /// It had nothing to serve.
    Miss,
    /// No cache says anything.
    Silent,
}

impl Hit {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Hit::Hit => "HIT",
            Hit::Bypass => "BYPASS",
            Hit::Miss => "MISS",
            Hit::Silent => "-",
        }
    }
}

/// Headers in which caches say what they did, and whose they are. A word in them decides.
const SAYING: &[(&str, &str)] = &[
    ("cf-cache-status", "Cloudflare"),
    ("x-vercel-cache", "Vercel"),
    ("x-nextjs-cache", "Next.js"),
    ("x-kinsta-cache", "Kinsta"),
    ("x-sucuri-cache", "Sucuri"),
    ("x-litespeed-cache", "LiteSpeed"),
    ("x-lsadc-cache", "LiteSpeed"),
    ("x-drupal-cache", "Drupal"),
    ("x-wp-cf-super-cache", "a page cache plugin"),
    ("x-cache-enabled", "a page cache plugin"),
    ("x-proxy-cache-info", "nginx"),
    ("x-cache-status", "nginx"),
    ("x-fastcgi-cache", "nginx"),
    ("x-nginx-cache", "nginx"),
    ("x-nginx-cache-status", "nginx"),
    ("x-srcache-fetch-status", "nginx"),
    ("x-proxy-cache", "nginx"),
    ("x-page-cache", "a page cache"),
    ("x-varnish-cache", "Varnish"),
    ("x-pass-why", "a page cache"),
    ("x-cache", ""),
];

/// What caches say, and which of them. A hit anywhere on the way is a hit.
pub fn hit(headers: &Headers) -> (Hit, String) {
    let mut said: Vec<(Hit, String)> = Vec::new();
    for (name, whose) in SAYING {
        for value in headers.all(name) {
            // Several caches on the way are separated by commas.
            for part in value.split(',') {
                if let Some(hit) = word(part) {
                    let whose = if whose.is_empty() { owner(headers, value) } else { whose };
                    said.push((hit, whose.to_owned()));
                }
            }
        }
    }
    said.extend(cache_status(headers));
    for value in headers.all("x-varnish") {
        // A second number is the request that brought the page into the cache.
        let ids = value.split_whitespace().filter(|id| id.bytes().all(|b| b.is_ascii_digit())).count();
        said.push((if ids >= 2 { Hit::Hit } else { Hit::Miss }, "Varnish".into()));
    }
    if let Some((hit, whose)) = said.into_iter().min_by_key(|(hit, _)| *hit) {
        return (hit, whose);
    }
    // Who counts how old a page is has kept it.
    let age = headers.all("age").filter_map(|a| a.trim().parse::<u64>().ok()).max().unwrap_or(0);
    if age > 0 {
        return (Hit::Hit, "a cache (Age)".into());
    }
    (Hit::Silent, String::new())
}

/// `HIT`, `Hit from cloudfront`, `TCP_MEM_HIT from …`, `hit-fresh`, `DYNAMIC`.
fn word(text: &str) -> Option<Hit> {
    let upper = text.trim().to_ascii_uppercase();
    let first = upper.split([' ', ';', ':', '(']).next().unwrap_or_default();
    let has = |w: &str| first.split(['_', '-']).any(|part| part == w);
    match first {
        "REFRESHHIT" | "STALE" | "UPDATING" | "REVALIDATED" | "PRERENDER" | "STATIC" => return Some(Hit::Hit),
        "DYNAMIC" | "BYPASS" | "PASS" | "NONE/UNKNOWN" | "UNCACHEABLE" | "SKIP" => return Some(Hit::Bypass),
        "EXPIRED" => return Some(Hit::Miss),
        _ => {}
    }
    if has("HIT") {
        Some(Hit::Hit)
    } else if has("BYPASS") || has("PASS") || has("NC") || has("SKIP") || upper.starts_with("NOT CACHE") {
        Some(Hit::Bypass)
    } else if has("MISS") || has("EXPIRED") || has("ERROR") {
        Some(Hit::Miss)
    } else {
        None
    }
}

/// Whose an `X-Cache` is.
fn owner<'a>(headers: &Headers, value: &str) -> &'a str {
    let lower = value.to_ascii_lowercase();
    let via = headers.joined("via").to_ascii_lowercase();
    if lower.contains("cloudfront") {
        "CloudFront"
    } else if lower.starts_with("tcp_") || lower.contains("akamai") {
        "Akamai"
    } else if headers.has("x-served-by") || headers.has("x-timer") {
        "Fastly"
    } else if headers.has("x-varnish") || via.contains("varnish") {
        "Varnish"
    } else if headers.joined("server").to_ascii_lowercase().contains("nginx") {
        "nginx"
    } else {
        "a cache"
    }
}

/// RFC 9211: `Origin; fwd=miss, "CDN"; hit; ttl=30`. The last is nearest to the visitor.
fn cache_status(headers: &Headers) -> Vec<(Hit, String)> {
    let joined = headers.joined("cache-status");
    let mut said = Vec::new();
    for member in joined.split(',').filter(|m| !m.trim().is_empty()) {
        let mut parts = member.split(';').map(str::trim);
        let name = parts.next().unwrap_or_default().trim_matches('"').to_owned();
        let mut hit = None;
        for part in parts {
            match part.split_once('=') {
                None if part == "hit" => hit = Some(Hit::Hit),
                Some(("hit", value)) => hit = Some(if value == "?0" { Hit::Miss } else { Hit::Hit }),
                Some(("fwd", why)) => {
                    hit.get_or_insert(if matches!(why, "bypass" | "method" | "request") {
                        Hit::Bypass
                    } else {
                        Hit::Miss
                    });
                }
                _ => {}
            }
        }
        said.extend(hit.map(|hit| (hit, crate::out::plain(&crate::out::cut(&name, 30)))));
    }
    said
}

/// What keeps a cache from keeping the page; sentences' parts, to be read after "because of".
pub fn obstacles(headers: &Headers, now_seconds: i64) -> Vec<Obstacle> {
    let mut found = Vec::new();
    let control = headers.joined("cache-control").to_ascii_lowercase();
    let directives: Vec<(&str, &str)> = control
        .split(',')
        .map(|d| d.split_once('=').map_or((d.trim(), ""), |(k, v)| (k.trim(), v.trim().trim_matches('"'))))
        .collect();
    let number = |name: &str| directives.iter().find(|(k, _)| *k == name).and_then(|(_, v)| v.parse::<i64>().ok());
    let expires = headers.joined("expires");
    let made_by = limiter(&expires);
    let forbidding: Vec<&str> =
        directives.iter().map(|(k, _)| *k).filter(|k| matches!(*k, "no-store" | "no-cache" | "private")).collect();
    if !forbidding.is_empty() {
        found.push(Obstacle::new(format!("Cache-Control: {}", forbidding.join(", ")), made_by));
    }
    let shared = number("s-maxage");
    let lifetime = shared.or_else(|| number("max-age"));
    if forbidding.is_empty() && lifetime == Some(0) {
        let name = if shared.is_some() { "s-maxage=0" } else { "max-age=0" };
        found.push(Obstacle::new(format!("Cache-Control: {name}"), None));
    }
    if control.is_empty() && headers.joined("pragma").to_ascii_lowercase().contains("no-cache") {
        found.push(Obstacle::new("Pragma: no-cache", made_by));
    }
    if lifetime.is_none() && forbidding.is_empty() && !expires.is_empty() {
        let past = date(&expires).is_none_or(|at| at <= date(&headers.joined("date")).unwrap_or(now_seconds));
        if past {
            found.push(Obstacle::new("Expires in the past", made_by));
        }
    }
    let vary = headers.joined("vary").to_ascii_lowercase();
    for field in vary.split(',').map(str::trim) {
        match field {
            "*" => found.push(Obstacle::new("Vary: *", None)),
            "cookie" => found.push(Obstacle::new("Vary: Cookie", None)),
            _ => {}
        }
    }
    found
}

/// One thing that keeps a cache from keeping the page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Obstacle {
    /// The header, as far as it matters.
    pub header: String,
    /// Who is known to write it so.
    pub by: Option<&'static str>,
}

impl Obstacle {
    fn new(header: impl Into<String>, by: Option<&'static str>) -> Self {
        Self { header: header.into(), by }
    }

    /// With who wrote it.
    pub fn told(&self) -> String {
        match self.by {
            Some(by) => format!("{} ({by})", self.header),
            None => self.header.clone(),
        }
    }
}

/// Who writes PHP's well-known `Expires`.
pub const PHP_LIMITER: &str = "from session_start(): PHP's cache limiter";

/// Two birthdays are known: PHP's session module and WordPress each write an `Expires` of their own.
fn limiter(expires: &str) -> Option<&'static str> {
    if expires.contains("19 Nov 1981") {
        Some(PHP_LIMITER)
    } else if expires.contains("11 Jan 1984") {
        Some("from WordPress's nocache_headers()")
    } else {
        None
    }
}

/// Seconds since 1970 of `Thu, 19 Nov 1981 08:52:00 GMT`.
pub fn date(text: &str) -> Option<i64> {
    let mut words = text.split([' ', '-', ':', ',']).filter(|w| !w.is_empty());
    words.next()?;
    let day: i64 = words.next()?.parse().ok()?;
    let names = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
    let month = words.next()?.get(..3)?.to_ascii_lowercase();
    let month = names.iter().position(|n| *n == month)? as i64 + 1;
    let mut year: i64 = words.next()?.parse().ok()?;
    if year < 100 {
        year += if year < 70 { 2000 } else { 1900 };
    }
    let mut time = || words.next()?.parse::<i64>().ok();
    let (hour, minute, second) = (time()?, time()?, time()?);
    if !(1..=31).contains(&day) || !(1..=9999).contains(&year) || hour > 24 || minute > 60 || second > 61 {
        return None;
    }
    // Days from the civil calendar, counted from March, so that leap days come last.
    let y = if month <= 2 { year - 1 } else { year };
    let days = 365 * y + y / 4 - y / 100 + y / 400 + (153 * ((month + 9) % 12) + 2) / 5 + day - 1 - 719_468;
    Some(days * 86_400 + hour * 3600 + minute * 60 + second)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[&str]) -> Headers {
        Headers(
            lines
                .iter()
                .map(|l| l.split_once(": ").expect("a header"))
                .map(|(n, v)| (n.to_ascii_lowercase(), v.into()))
                .collect(),
        )
    }

    #[test]
    fn what_caches_say_is_understood() {
        for (lines, expected, whose) in [
            (&["X-Cache-Status: HIT"][..], Hit::Hit, "nginx"),
            (&["X-FastCGI-Cache: BYPASS"], Hit::Bypass, "nginx"),
            (&["X-Proxy-Cache: EXPIRED"], Hit::Miss, "nginx"),
            (&["X-Cache: HIT", "Server: nginx"], Hit::Hit, "nginx"),
            (&["X-Varnish: 32770 3"], Hit::Hit, "Varnish"),
            (&["X-Varnish: 32770"], Hit::Miss, "Varnish"),
            (&["CF-Cache-Status: DYNAMIC"], Hit::Bypass, "Cloudflare"),
            (&["CF-Cache-Status: HIT"], Hit::Hit, "Cloudflare"),
            (&["X-Cache: Hit from cloudfront"], Hit::Hit, "CloudFront"),
            (&["X-Cache: RefreshHit from cloudfront"], Hit::Hit, "CloudFront"),
            (&["X-Cache: Miss from cloudfront"], Hit::Miss, "CloudFront"),
            (&["X-Cache: MISS, HIT", "X-Served-By: cache-a"], Hit::Hit, "Fastly"),
            (&["X-Cache: TCP_MEM_HIT from a.akamai (x)"], Hit::Hit, "Akamai"),
            (&["X-Cache: TCP_MISS from a.akamai"], Hit::Miss, "Akamai"),
            (&["X-Vercel-Cache: STALE"], Hit::Hit, "Vercel"),
            (&["Cache-Status: Origin; fwd=miss, \"Edge\"; hit; ttl=9"], Hit::Hit, "Edge"),
            (&["Cache-Status: Edge; fwd=bypass"], Hit::Bypass, "Edge"),
            (&["Age: 12"], Hit::Hit, "a cache (Age)"),
            (&["Age: 0"], Hit::Silent, ""),
            (&["X-Cache: whatever"], Hit::Silent, ""),
            (&["X-Cache-Status: MISS", "CF-Cache-Status: HIT"], Hit::Hit, "Cloudflare"),
        ] {
            assert_eq!(hit(&headers(lines)), (expected, whose.to_owned()), "{lines:?}");
        }
    }

    #[test]
    fn what_defeats_caches_is_named() {
        let told = |lines: &[&str]| {
            obstacles(&headers(lines), 1_700_000_000).iter().map(Obstacle::told).collect::<Vec<_>>().join("; ")
        };
        let php = told(&[
            "Expires: Thu, 19 Nov 1981 08:52:00 GMT",
            "Cache-Control: no-store, no-cache, must-revalidate",
            "Pragma: no-cache",
        ]);
        assert_eq!(php, "Cache-Control: no-store, no-cache (from session_start(): PHP's cache limiter)");
        assert!(told(&["Expires: Wed, 11 Jan 1984 05:00:00 GMT", "Cache-Control: no-cache"]).contains("WordPress"));
        assert_eq!(told(&["Cache-Control: private, max-age=600"]), "Cache-Control: private");
        assert_eq!(told(&["Cache-Control: max-age=0"]), "Cache-Control: max-age=0");
        assert_eq!(told(&["Cache-Control: max-age=0, s-maxage=60"]), "");
        assert_eq!(told(&["Pragma: no-cache"]), "Pragma: no-cache");
        assert_eq!(told(&["Expires: 0"]), "Expires in the past");
        assert_eq!(told(&["Expires: Fri, 01 Jan 2100 00:00:00 GMT"]), "");
        assert_eq!(told(&["Expires: 0", "Cache-Control: max-age=60"]), "");
        assert_eq!(told(&["Vary: Accept-Encoding, Cookie"]), "Vary: Cookie");
        assert_eq!(told(&["Vary: *"]), "Vary: *");
        assert_eq!(told(&["Cache-Control: public, max-age=60", "Vary: Accept-Encoding"]), "");
    }

    #[test]
    fn dates_are_read() {
        assert_eq!(date("Thu, 01 Jan 1970 00:00:00 GMT"), Some(0));
        assert_eq!(date("Tue, 14 Nov 2023 22:13:20 GMT"), Some(1_700_000_000));
        assert_eq!(date("Thu, 29 Feb 2024 00:00:00 GMT"), Some(1_709_164_800));
        for bad in ["", "0", "-1", "Thu, 99 Foo 1 2:3:4", "x y z ü"] {
            assert_eq!(date(bad), None, "{bad}");
        }
    }
}
