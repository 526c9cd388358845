//! `cloakroom_doctor()`: what can be seen from within PHP. Never a password, never an id.

use std::time::{Duration, Instant, SystemTime};

use cloakroom::{Clock, Key, SystemClock, Time};

use super::Call;
use super::values::{Given, Value};

/// A load slower than this is worth a word.
const SLOW: Duration = Duration::from_millis(50);
/// A clock further off than this is worth a word.
const CLOCK_OFF: Duration = Duration::from_secs(5);

#[derive(Debug, Default)]
struct Findings(Vec<Value>);

impl Findings {
    fn fine(&mut self, check: &str, text: impl Into<String>) {
        self.say(check, true, text.into(), "");
    }

    fn bad(&mut self, check: &str, text: impl Into<String>, advice: &str) {
        self.say(check, false, text.into(), advice);
    }

    fn say(&mut self, check: &str, ok: bool, text: String, advice: &str) {
        self.0.push(Value::Map(vec![
            ("check", Value::text(check)),
            ("ok", Value::Bool(ok)),
            ("text", Value::text(text)),
            ("advice", Value::text(advice)),
        ]));
    }
}

impl Call<'_, '_> {
    pub(super) fn doctor(&mut self) -> Value {
        let mut found = Findings::default();
        self.handler(&mut found);
        match self.door.site(self.raw) {
            Ok(_) => found.fine("settings", "The settings can be used."),
            Err(text) => {
                found.bad("settings", text, "Mend the setting in php.ini; until then pages run without their session.");
                return Value::List(found.0);
            }
        }
        self.store(&mut found);
        self.ini(&mut found);
        self.lately(&mut found);
        // What was found is told in the list.
        self.door.api.error.clear();
        Value::List(found.0)
    }

    fn fact(&self, name: &str) -> String {
        let text = self.given.iter().find(|fact| fact.name == name.as_bytes()).and_then(Given::bytes);
        String::from_utf8_lossy(text.unwrap_or_default()).trim().to_ascii_lowercase()
    }

    fn is_on(&self, name: &str) -> bool {
        !matches!(self.fact(name).as_str(), "" | "0" | "off" | "no" | "false")
    }

    fn handler(&self, found: &mut Findings) {
        let (handler, wrapped) = (self.fact("handler"), self.fact("wrapped"));
        match (handler.as_str(), wrapped.as_str()) {
            ("cloakroom", _) => found.fine("handler", "PHP's sessions are kept by Cloakroom."),
            ("user", "cloakroom") => found.fine(
                "handler",
                "A handler of the application's is in force. Where it wraps PHP's own (SessionHandler), sessions are kept by \
                 Cloakroom.",
            ),
            ("user", _) => found.bad(
                "handler",
                "A handler of the application's keeps the sessions, not Cloakroom.",
                "Find what calls session_set_save_handler() (another session plugin, perhaps), and switch it off.",
            ),
            (other, _) => found.bad(
                "handler",
                format!("PHP's sessions are kept by its handler `{other}`, not by Cloakroom."),
                "Set session.save_handler=cloakroom in php.ini, and restart PHP.",
            ),
        }
    }

    fn store(&mut self, found: &mut Findings) {
        let Some(site) = self.site() else { return };
        let mut bytes = [0u8; 32];
        if getrandom::fill(&mut bytes).is_err() {
            found.bad("store", "The operating system gave no random numbers.", "No session is safe without them.");
            return;
        }
        let key = Key::from_bytes(bytes);
        let answer = self.run(&site, async |site, budget| {
            // The first one may have to connect; the second is what a request costs.
            site.engine.look(budget, &key).await?;
            let began = Instant::now();
            let (_, now) = site.engine.look(budget, &key).await?;
            Ok((began.elapsed(), now, SystemClock.now()))
        });
        let about = site.engine.store().describe();
        let place = format!("{} ({})", about.engine, about.location);
        match answer {
            None => found.bad(
                "store",
                format!("{place}: {}", self.door.api.error),
                "Check that the server runs, that this one reaches it, and what cloakroom.store says.",
            ),
            Some((took, now, here)) => {
                let millis = took.as_secs_f64() * 1000.0;
                let text = format!("{place} answers in {millis:.1} milliseconds.");
                if took > SLOW {
                    found.bad("store", text, "Every request with a session waits so long; bring the store nearer.");
                } else {
                    found.fine("store", text);
                }
                clock(now, here, found);
            }
        }
        if about.shared {
            found.fine("shared", format!("{} can be shared by several servers.", about.engine));
        } else {
            found.fine(
                "shared",
                format!("{} is for one server; several would each keep their own sessions.", about.engine),
            );
        }
        if about.may_evict {
            found.bad(
                "eviction",
                format!("{} may drop sessions before they end when its memory runs short.", about.engine),
                "Use a server that does not (Redis: maxmemory-policy noeviction), where log-outs must stand.",
            );
        } else if answer.is_some() {
            found.fine("eviction", format!("{} drops no session before it ends.", about.engine));
        }
        let store = site.engine.store();
        let can = [
            (store.count().is_some(), "count"),
            (store.list().is_some(), "list"),
            (store.owners().is_some(), "find and end the sessions of an owner"),
            (store.leases().is_some(), "lock"),
            (store.reports().is_some(), "keep reports"),
        ];
        let missing: Vec<&str> = can.iter().filter(|(can, _)| !can).map(|(_, what)| *what).collect();
        if missing.is_empty() {
            found.fine("capabilities", format!("{} can do all that Cloakroom asks of a store.", about.engine));
        } else {
            let text = format!("{} can't {}.", about.engine, missing.join(", nor "));
            found.bad("capabilities", text, "Use another store where that is needed.");
        }
        match site.settings.ring.keys().len() {
            0 => found.say(
                "keys",
                true,
                "No site key is set: sessions are sealed with their ids alone, and named records need a key of their own."
                    .into(),
                "Set cloakroom.keys (openssl rand -hex 32), with `,none` behind it until today's sessions are over.",
            ),
            number => found.fine("keys", format!("Site keys: {number}.")),
        }
        if let Some(text) = &site.settings.rules_wrong {
            found.bad("merge rules", text.as_str(), "Mend cloakroom.merge_rules.");
        }
    }

    fn ini(&mut self, found: &mut Findings) {
        let Ok(site) = self.door.site(self.raw) else { return };
        let settings = &site.settings;
        let mut quiet = true;
        let mut bad = |unsafe_now: bool, text: &str, advice: &str| {
            if unsafe_now {
                quiet = false;
                found.bad("php.ini", text, advice);
            }
        };
        bad(
            !settings.cookies_only && !self.is_on("session.use_only_cookies"),
            "session.use_only_cookies is off: PHP takes ids from addresses, where they are logged and passed on.",
            "Remove cloakroom.cookies_only, or set session.use_only_cookies=1.",
        );
        bad(
            !settings.cookies_only && self.is_on("session.use_trans_sid"),
            "session.use_trans_sid is on: PHP writes ids into addresses.",
            "Set session.use_trans_sid=0.",
        );
        bad(
            !settings.strict && !self.is_on("session.use_strict_mode"),
            "cloakroom.strict is `php` and session.use_strict_mode is off: PHP adopts any id that a visitor names.",
            "Set cloakroom.strict=1.",
        );
        bad(
            !settings.httponly && !self.is_on("session.cookie_httponly"),
            "cloakroom.httponly is `php` and session.cookie_httponly is off: scripts can read the cookie.",
            "Set cloakroom.httponly=1.",
        );
        if !settings.cookie_secure && !self.is_on("session.cookie_secure") {
            found.say(
                "cookie_secure",
                true,
                "cloakroom.cookie_secure is `php` and session.cookie_secure is off: the cookie is sent without encryption, too, where the site answers so."
                    .into(),
                "Remove cloakroom.cookie_secure.",
            );
        }
        if self.fact("session.cookie_samesite").is_empty() {
            found.say(
                "cookie_samesite",
                true,
                "session.cookie_samesite is not set; browsers then decide.".into(),
                "Lax keeps other sites' forms out; a return from a payment page by POST then comes without the session.",
            );
        }
        if quiet {
            found.fine("php.ini", "No setting of PHP's makes sessions unsafe.");
        }
    }

    fn lately(&mut self, found: &mut Findings) {
        let failures = self.door.counters.failures;
        match &self.door.last_outage {
            Some((at, error)) => {
                let ago = SystemTime::now().duration_since(*at).unwrap_or_default().as_secs();
                found.bad(
                    "failures",
                    format!("The store last failed {ago} seconds ago, as this worker saw it: {error}"),
                    "The server's log says when it was over.",
                );
            }
            None => {
                found.fine("failures", format!("This worker has seen no outage ({failures} failures of other kinds)."))
            }
        }
    }
}

fn clock(store: Time, here: Time, found: &mut Findings) {
    let off = store.since(here).max(here.since(store));
    if off > CLOCK_OFF {
        let text = format!("The store's clock and this server's are {} seconds apart.", off.as_secs());
        found.bad("clock", text, "Sessions end by the store's; set both by NTP.");
    } else {
        found.fine("clock", "The store's clock and this server's agree.");
    }
}
