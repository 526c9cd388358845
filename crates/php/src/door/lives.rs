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
        if self.first.is_none() {
            return;
        }
        let used = session.age(engine);
        if let Some(lifetime) = self.after(used, session.owner().is_some()) {
            session.set_lifetime(lifetime);
        }
    }

    /// How long a session lives that has been in use for so long.
    fn after(&self, used: Duration, owned: bool) -> Option<Lifetime> {
        let (full, first) = (self.full?, self.first?);
        let idle = if owned { full.idle } else { full.idle.min(first.saturating_add(used.saturating_mul(GROWS))) };
        Some(Lifetime { idle, ..full })
    }
}

fn is_crawler(agent: &[u8]) -> bool {
    let agent = String::from_utf8_lossy(agent).to_ascii_lowercase().replace(NO_CRAWLER, "");
    CRAWLERS.iter().any(|name| agent.contains(name))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use cloakroom::Lifetime;

    use super::{Life, is_crawler};

    #[test]
    fn a_session_lives_longer_the_longer_it_has_been_in_use_and_never_longer_than_all_others() {
        let full = Lifetime { idle: Duration::from_secs(7200), absolute: Some(Duration::from_secs(86_400)) };
        let life = Life { full: Some(full), first: Some(Duration::from_secs(600)) };
        let idle =
            |used: u64, owned| life.after(Duration::from_secs(used), owned).map(|l| (l.idle.as_secs(), l.absolute));
        assert_eq!(idle(0, false), Some((600, full.absolute)));
        assert_eq!(idle(300, false), Some((1800, full.absolute)));
        assert_eq!(idle(3600, false), Some((7200, full.absolute)));
        assert_eq!(idle(u64::MAX, false), Some((7200, full.absolute)));
        assert_eq!(idle(0, true), Some((7200, full.absolute)));
        assert_eq!(Life { full: Some(full), first: None }.after(Duration::ZERO, false), None);
    }

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
