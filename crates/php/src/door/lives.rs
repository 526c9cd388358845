//! How long a session lives that has just begun: less than one in use, where the site wants that, and least for crawlers,
//! which never come back with their cookie. Who comes back is believed more with each visit.

use std::time::Duration;

use cloakroom::{Engine, Lifetime, Session};

use crate::settings::Settings;

/// For each second that a session has been in use, its idle time may be so many seconds longer.
const GROWS: u32 = 4;

/// What well-known crawlers, previews and monitors call themselves, in lower case.
const CRAWLERS: [&str; 8] =
    ["bot", "crawl", "spider", "slurp", "facebookexternalhit", "mediapartners", "lighthouse", "archiver"];
/// Telephones of a maker whose name ends like one of them.
const NO_CRAWLER: &str = "cubot";

/// How long sessions of this request live.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Life {
    full: Option<Lifetime>,
    /// Idle time of one that has just begun, where that is shorter.
    first: Option<Duration>,
}

impl Life {
    /// By the site's settings and the browser's name.
    pub(super) fn of(settings: &Settings, full: Lifetime, agent: &[u8]) -> Self {
        let crawler = settings.crawler_life.filter(|life| *life < full.idle && is_crawler(agent));
        let first = crawler.into_iter().chain(settings.first_life).min().filter(|life| *life < full.idle);
        Self { full: Some(full), first }
    }

    /// Sets how long `session` lives from its next commit on. Who is logged in has the full time.
    pub(super) fn fit(&self, session: &mut Session, engine: &Engine) {
        let (Some(full), Some(first)) = (self.full, self.first) else { return };
        let idle = if session.owner().is_some() {
            full.idle
        } else {
            let used = session.age(engine);
            full.idle.min(first.saturating_add(used.saturating_mul(GROWS)))
        };
        session.set_lifetime(Lifetime { idle, ..full });
    }
}

fn is_crawler(agent: &[u8]) -> bool {
    let agent = String::from_utf8_lossy(agent).to_ascii_lowercase().replace(NO_CRAWLER, "");
    CRAWLERS.iter().any(|name| agent.contains(name))
}

#[cfg(test)]
mod tests {
    use super::is_crawler;

    #[test]
    fn crawlers_are_known_by_what_they_call_themselves() {
        for (agent, crawler) in [
            ("Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", true),
            ("Mozilla/5.0 (compatible; bingbot/2.0)", true),
            ("Mozilla/5.0 (compatible; Yahoo! Slurp)", true),
            ("facebookexternalhit/1.1", true),
            ("Mozilla/5.0 (Linux; Android 12; CUBOT NOTE 20) Chrome/119.0 Mobile Safari/537.36", false),
            ("Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0", false),
            ("", false),
        ] {
            assert_eq!(is_crawler(agent.as_bytes()), crawler, "{agent}");
        }
    }
}
