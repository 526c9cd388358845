//! Asks the store: does it answer, how fast, which clock, what kind, and what went wrong lately.

use std::time::{Duration, Instant};

use cloakroom::store::TallyKind;
use cloakroom::{Key, StoreError};
use cloakroom_stores::masked;

use super::check::Section;
use super::files;
use crate::commands::report;
use crate::desk::{self, Desk};
use crate::out::{mask, plain};
use crate::place::Place;
use crate::{Surroundings, units};

/// A clock further off than this is worth a word.
const CLOCK_OFF: Duration = Duration::from_secs(5);
/// A load slower than this is worth a word.
const SLOW: Duration = Duration::from_millis(50);

pub(super) fn section(place: Place, timeout: Duration, around: &Surroundings) -> Section {
    let mut section = Section::new(format!("Store {}", around.told(&masked(&place.url))));
    let mut found = place.found.clone();
    if let Some(first) = found.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    section.ok("found", format!("{found}."));
    if let Some(path) = place.url.strip_prefix("sqlite:") {
        files::around(path, &mut section);
    }
    let (mut here, written) = (here_alone(&place.url), place.url.starts_with("wordpress:"));
    let desk = match Desk::open(place, around, timeout) {
        Ok(desk) => desk,
        Err(failure) => {
            section.problem("url", around.told(&failure.text));
            return section;
        }
    };
    if written {
        // Which database that is, is known once its file was read.
        let location = desk.store().describe().location;
        section.ok("database", format!("It is {}.", around.told(&plain(&location))));
        here = here_alone(&location);
    }
    let reached = answers(&desk, around, &mut section);
    if reached {
        counts(&desk, &mut section);
        lately(&desk, &mut section);
    }
    let about = desk.store().describe();
    if let Some(how) = here.filter(|_| about.shared) {
        section.ok(
            "shared",
            format!(
                "{} can be shared by several servers, but this address is this machine's alone ({how}): several servers need \
                 one that all of them reach, else each keeps its own sessions.",
                about.engine
            ),
        );
    } else if about.shared {
        section.ok("shared", format!("{} can be shared by several servers.", about.engine));
    } else {
        section.ok(
            "shared",
            format!(
                "{} is fine for one host, however many PHPs it runs; several hosts need a store that they share.",
                about.engine
            ),
        );
    }
    // Whether it evicts is a setting of the server, so it is known only once the server has said so.
    if about.may_evict && reached {
        section.warning(
            "eviction",
            format!(
                "{} may drop sessions before they end when its memory runs short, and forget that one was ended. Use a server \
                 that does not (for Redis: maxmemory-policy noeviction), where that matters.",
                about.engine
            ),
        );
    }
    section
}

/// By what an address leads to a server on this very machine.
fn here_alone(url: &str) -> Option<String> {
    let (scheme, rest) = url.split_once(':')?;
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    match scheme {
        "redis+unix" | "unix" => return Some("a unix socket".into()),
        "mysql" if query.split('&').any(|pair| pair.starts_with("socket=")) => return Some("a unix socket".into()),
        "redis" | "mysql" => {}
        _ => return None,
    }
    // The last @ ends the user information: a password may hold one.
    let rest = rest.strip_prefix("//")?;
    let rest = rest.rsplit_once('@').map_or(rest, |(_, rest)| rest);
    let authority = rest.split_once('/').map_or(rest, |(authority, _)| authority);
    let host = match authority.strip_prefix('[') {
        Some(rest) => rest.split_once(']')?.0,
        None => authority.split_once(':').map_or(authority, |(host, _)| host),
    };
    let loopback = host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
    match host {
        "" => Some("it names no host".into()),
        host if loopback || host.trim_end_matches('.').eq_ignore_ascii_case("localhost") => Some(plain(host)),
        _ => None,
    }
}

/// Whether the store answers at all.
fn answers(desk: &Desk, around: &Surroundings, section: &mut Section) -> bool {
    let mut bytes = [0u8; 32];
    if getrandom::fill(&mut bytes).is_err() {
        section.problem("answers", "The operating system gave no random numbers, without which no session is safe.");
        return false;
    }
    let key = Key::from_bytes(bytes);
    // The first load also connects; the second one is what a request costs.
    let first = desk.wait(desk.store().load(desk.budget(), &key));
    let start = Instant::now();
    let loaded = match first.and_then(|_| desk.wait(desk.store().load(desk.budget(), &key))) {
        Ok(loaded) => loaded,
        Err(error) => {
            if let (true, StoreError::Refused { engine, detail }) = (desk::nothing_yet(&error), &error) {
                section
                    .warning("answers", format!("{engine} answers, and {detail}. Look again after the first visit."));
                return false;
            }
            section.problem("answers", around.told(&explain(&error)));
            return false;
        }
    };
    let took = start.elapsed();
    // Changing numbers would make every run differ: only what is out of the ordinary is worth one.
    if took > SLOW {
        section.warning(
            "answers",
            format!(
                "The store answers, and takes {} for one load; every request with a session waits so long.",
                units::measured(took)
            ),
        );
    } else {
        section.ok("answers", format!("One load takes {}.", units::measured(took)));
    }
    let here = around.now();
    let off = loaded.now.since(here).max(here.since(loaded.now));
    if off > CLOCK_OFF {
        section.warning(
            "clock",
            format!(
                "The store's clock and this machine's are {} apart. Sessions end by the store's; set both by NTP, so that logs \
                 and deadlines agree.",
                units::span(off)
            ),
        );
    } else {
        section.ok("clock", "The store's clock and this machine's agree.");
    }
    true
}

fn explain(error: &StoreError) -> String {
    match error {
        StoreError::TimedOut { engine } => {
            format!(
                "{engine} does not answer within the time of --timeout. Is the server up, and can this machine reach it?"
            )
        }
        other => other.to_string(),
    }
}

fn counts(desk: &Desk, section: &mut Section) {
    let Some(counter) = desk.store().count() else { return };
    match desk.wait(counter.count(desk.budget())) {
        Ok(counts) => section.ok(
            "sessions",
            format!(
                "{}, {} of them logged in, {}.",
                units::counted(counts.live, "live session"),
                units::number(counts.owned),
                units::size(counts.bytes)
            ),
        ),
        Err(error) => section.problem("sessions", format!("They can't be counted. {}", explain(&error))),
    }
}

/// What was reported in the last 24 hours.
fn lately(desk: &Desk, section: &mut Section) {
    if desk.store().reports().is_none() {
        return;
    }
    let kinds = [
        (TallyKind::Alarm, "alarms", "possible thefts", " `cloakroom alarms` tells more."),
        (TallyKind::Unreadable, "unreadable", "records that did not open", ""),
        (TallyKind::Dropped, "dropped", "writes dropped", " `cloakroom dropped` tells more."),
    ];
    let mut quiet = true;
    for (kind, name, what, more) in kinds {
        let sums = match report::sums(desk, kind, Duration::from_secs(86_400)) {
            Ok(sums) => sums,
            Err(error) => {
                section.warning("reports", format!("Reports can't be read. {error}"));
                return;
            }
        };
        if let Some(most) = sums.rows.first() {
            let label = plain(&mask::label(&most.label));
            section.warning(
                name,
                format!("In the last 24 hours {what}: {}, most of them: {label}.{more}", units::number(sums.total)),
            );
            quiet = false;
        }
    }
    if quiet {
        section.ok("reports", "Nothing was reported in the last 24 hours.");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_of_this_machine_alone_is_told_from_one_that_others_reach() {
        for url in [
            "redis+unix:/run/redis.sock",
            "unix:/run/redis.sock?db=1",
            "redis://127.0.0.1:6379/0",
            "redis://:p@ss@localhost",
            "redis://[::1]:6379",
            "mysql://u:p@127.0.0.1/db",
            "mysql://u:p@LOCALHOST:3306/db",
            "mysql://u:p@db.example/db?socket=/run/mysqld.sock",
        ] {
            assert!(here_alone(url).is_some(), "{url}");
        }
        for url in ["redis://10.0.0.7/0", "mysql://127.0.0.1:p@db.example/db", "redis://[2001:db8::1]:1", "sqlite:/x"] {
            assert_eq!(here_alone(url), None, "{url}");
        }
    }
}
