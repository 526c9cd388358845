//! `cloakroom blame`: who starts sessions and what becomes of them, who writes which variable, and which are large.
//!
//! PHP counts under labels of three parts, `EVENT | WHO | WHERE` (crates/php/src/door/blame.rs).

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use cloakroom::store::{TALLY_HOURS, TallyKind};
use serde::Serialize;

use super::report::{self, Row, Sums};
use crate::args::ReportArgs;
use crate::desk::Desk;
use crate::out::{Out, mask, paint, plain, wrap};
use crate::{Failure, Outcome, Surroundings, php, units};

/// Lines below a row begin here.
const INDENT: &str = "        ";
/// Most addresses shown of one row.
const PAGES: usize = 4;
/// Of how few sessions that were looked at nothing is concluded.
const FEW: u64 = 5;
/// One request in so many is looked at where PHP's settings don't say.
const ONE_IN: u64 = 20;

/// A place in the code that starts sessions.
#[derive(Debug, Default, Serialize)]
struct Start {
    who: String,
    #[serde(rename = "where")]
    place: String,
    starts: u64,
    changed: u64,
    only_read: u64,
    empty: u64,
    waited_ms: f64,
    last_hour: String,
    pages: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    advice: Option<String>,
}

/// A place in the code that writes a variable, or is known to have written a large one.
#[derive(Debug, Serialize)]
struct Write {
    variable: String,
    who: String,
    #[serde(rename = "where")]
    place: String,
    count: u64,
    bytes: u64,
    mean_bytes: u64,
    last_hour: String,
    pages: Vec<String>,
}

#[derive(Debug, Serialize)]
struct BlameJson<'a> {
    report: &'static str,
    since: String,
    complete: bool,
    starts: &'a [Start],
    writes: &'a [Write],
    large: &'a [Write],
}

/// How many requests one that was looked at may stand for: by PHP's settings, the largest where sites differ.
pub(super) fn one_in(around: &Surroundings, named: &[PathBuf]) -> u64 {
    let sites = php::find::all(around, named).unwrap_or_default();
    let sites = sites.iter().flat_map(php::site::sites).filter(php::Site::uses_cloakroom);
    sites.filter_map(|site| site.value("cloakroom.blame").parse().ok().filter(|n| *n > 0)).max().unwrap_or(ONE_IN)
}

pub(super) fn run(desk: &Desk, args: &ReportArgs, one_in: u64, out: &mut Out<'_>) -> Result<Outcome, Failure> {
    let seen = report::sums(desk, TallyKind::Blame, args.since)?;
    let told = report::sums(desk, TallyKind::Large, args.since)?;
    let most = if args.limit == 0 { usize::MAX } else { args.limit as usize };
    let (mut starts, mut writes, mut large) = (starts(&seen, one_in), writes(&seen, "write "), writes(&told, "large "));
    let hidden = [starts.len(), writes.len(), large.len()].map(|rows| rows.saturating_sub(most)).iter().sum::<usize>();
    starts.truncate(most);
    writes.truncate(most);
    large.truncate(most);
    let complete = seen.complete && told.complete;
    if out.json {
        out.document(&BlameJson {
            report: "blame",
            since: units::rfc3339(seen.since),
            complete,
            starts: &starts,
            writes: &writes,
            large: &large,
        })?;
        return Ok(Outcome::Fine);
    }
    let kept = Duration::from_secs(u64::from(TALLY_HOURS) * 3600);
    let span = units::span(args.since.min(kept));
    if starts.is_empty() && writes.is_empty() && large.is_empty() {
        out.prose(&format!(
            "Nothing was seen in the last {span}: no session was started in a request that was looked at. \
             cloakroom.blame says how many are (by default one in 20); with 0 none is."
        ))?;
        return Ok(Outcome::Fine);
    }
    if !starts.is_empty() {
        table_of_starts(&starts, one_in, out)?;
    }
    table_of_writes("WRITTEN", &writes, one_in, out)?;
    table_of_writes("LARGE", &large, 1, out)?;
    let mut text = format!(
        "In the last {span}. PHP looks at one request in so many (cloakroom.blame), and counts it as so many: ~ marks an \
                 estimate."
    );
    if hidden > 0 {
        text.push_str(&format!(" {} not shown; --limit 0 shows all.", units::counted(hidden as u64, "more line")));
    }
    if !complete {
        text.push_str(" There are more counters than can be read at once; a shorter --since counts all of its time.");
    }
    if args.since > kept {
        text.push_str(" Reports are kept no longer.");
    }
    out.prose(&text)?;
    out.line("")?;
    out.prose(
        "CHANGED: something was stored or removed. READ: the session had something in it, and nothing was changed. \
         EMPTY: there was nothing in it before and after, so it was started for nothing.",
    )?;
    if !writes.is_empty() || !large.is_empty() {
        out.prose(
            "WRITTEN: by whom first in a request, and how much the variable then held. A name that is not in the site's \
             code may be made of a visitor's data: it is not kept, and shown as *.",
        )?;
    }
    if !large.is_empty() {
        out.prose("LARGE: saves with a variable above cloakroom.warn_size; here every save counts.")?;
    }
    Ok(Outcome::Fine)
}

fn table_of_starts(starts: &[Start], one_in: u64, out: &mut Out<'_>) -> Result<(), Failure> {
    out.line(&paint::paint("  STARTS  CHANGED     READ    EMPTY  BY", paint::Ink::Bold, out.colour))?;
    for row in starts {
        let number = |n: u64| if n == 0 { "-".to_owned() } else { about(n, one_in) };
        out.line(&format!(
            "{:>8}  {:>7}  {:>7}  {:>7}  {}",
            about(row.starts, one_in),
            number(row.changed),
            number(row.only_read),
            number(row.empty),
            row.who
        ))?;
        below(&row.place, &row.pages, out)?;
        if row.waited_ms >= 1.0 {
            let waited = units::measured(Duration::from_secs_f64(row.waited_ms / 1000.0));
            out.line(&format!("{INDENT}waited {waited} for locks, all together"))?;
        }
        if let Some(advice) = &row.advice {
            out.text(&format!("{INDENT}{}", wrap::wrapped(advice, INDENT, 80)))?;
        }
    }
    out.line("")
}

/// A count; an estimate where it may be more than what was seen.
fn about(count: u64, one_in: u64) -> String {
    format!("{}{}", if one_in > 1 && count >= one_in { "~" } else { "" }, units::number(count))
}

fn table_of_writes(what: &str, writes: &[Write], one_in: u64, out: &mut Out<'_>) -> Result<(), Failure> {
    if writes.is_empty() {
        return Ok(());
    }
    let width = writes.iter().map(|row| row.variable.chars().count()).max().unwrap_or(0).clamp("VARIABLE".len(), 24);
    let head = format!("{what:>8}      EACH  {:<width$}  BY", "VARIABLE");
    out.line(&paint::paint(&head, paint::Ink::Bold, out.colour))?;
    for row in writes {
        out.line(&format!(
            "{:>8}  {:>8}  {:<width$}  {}",
            about(row.count, one_in),
            units::size(row.mean_bytes),
            row.variable,
            row.who
        ))?;
        below(&row.place, &row.pages, out)?;
    }
    out.line("")
}

/// Where it is, and on which pages.
fn below(place: &str, pages: &[String], out: &mut Out<'_>) -> Result<(), Failure> {
    out.line(&format!("{INDENT}{place}"))?;
    if pages.is_empty() {
        return Ok(());
    }
    out.text(&format!("{INDENT}{}", wrap::wrapped(&format!("on {}", pages.join(", ")), INDENT, 80)))
}

/// Starts by who and where, the most frequent first.
fn starts(seen: &Sums, one_in: u64) -> Vec<Start> {
    let mut places: BTreeMap<(String, String), (Start, u32)> = BTreeMap::new();
    for row in &seen.rows {
        let Some((event, who, place)) = parts(&row.label).filter(|(event, ..)| !event.starts_with("write ")) else {
            continue;
        };
        let (start, last) = places.entry((who.into(), place.into())).or_default();
        start.starts = start.starts.saturating_add(row.count);
        let of_event = match event {
            "empty" => &mut start.empty,
            "kept" => &mut start.only_read,
            _ => &mut start.changed,
        };
        *of_event = of_event.saturating_add(row.count);
        start.waited_ms += row.sum as f64 / 1000.0;
        *last = (*last).max(row.last_hour);
        // The pages that start sessions for nothing tell most, so they come first.
        let new: Vec<String> = pages(row).filter(|page| !start.pages.contains(page)).collect();
        let at = if event == "empty" { 0 } else { start.pages.len() };
        start.pages.splice(at..at, new);
    }
    let mut list: Vec<Start> = places
        .into_iter()
        .map(|((who, place), (mut start, last))| {
            start.pages.truncate(PAGES);
            start.advice = advice(&start, &who, one_in);
            Start { who: shown(&who), place: shown(&place), last_hour: units::rfc3339(report::start_of(last)), ..start }
        })
        .collect();
    list.sort_by_key(|start| std::cmp::Reverse(start.starts));
    list
}

fn writes(sums: &Sums, event: &str) -> Vec<Write> {
    let row = |row: &Row| {
        let (what, who, place) = parts(&row.label)?;
        Some(Write {
            variable: plain(&mask::label(what.strip_prefix(event)?)),
            who: shown(who),
            place: shown(place),
            count: row.count,
            bytes: row.sum,
            mean_bytes: row.sum / row.count.max(1),
            last_hour: units::rfc3339(report::start_of(row.last_hour)),
            pages: pages(row).collect(),
        })
    };
    sums.rows.iter().filter_map(row).collect()
}

/// Event, who and where.
fn parts(label: &str) -> Option<(&str, &str, &str)> {
    let mut parts = label.splitn(3, " | ");
    Some((parts.next()?, parts.next()?, parts.next()?))
}

fn pages(row: &Row) -> impl Iterator<Item = String> {
    row.sample.split(' ').filter(|page| !page.is_empty()).map(shown)
}

/// A name, a path or an address without what may be a session id. Titles of posts have the letters of one, but for the
/// hyphens between short words.
fn shown(text: &str) -> String {
    let text = plain(text);
    let hide = |run: &str| run.len() >= 20 && run.bytes().any(|b| b.is_ascii_digit());
    text.split_inclusive(|c: char| !c.is_ascii_alphanumeric() && c != ',')
        .map(|piece| {
            let run = piece.trim_end_matches(|c: char| !c.is_ascii_alphanumeric() && c != ',');
            if hide(run) { format!("(hidden){}", &piece[run.len()..]) } else { piece.to_owned() }
        })
        .collect()
}

/// What is to be done about a place that starts sessions.
fn advice(start: &Start, who: &str, one_in: u64) -> Option<String> {
    let share = |part: u64| part.saturating_mul(100) / start.starts.max(1);
    if who == "php.ini" {
        return Some(
            "php.ini starts a session for every request. Unless the application counts on it, set session.auto_start = 0."
                .into(),
        );
    }
    // A single session that was looked at may be counted as so many.
    if start.starts < FEW.saturating_mul(one_in) {
        return None;
    }
    let whom = match who.split_once(' ') {
        Some(("plugin" | "theme" | "package", _)) => "ask its author to call",
        _ => "call",
    };
    if share(start.empty) >= 50 {
        return Some(format!(
            "Of 100 sessions started here {} stay empty: they are started on pages that do not use them. {} \
             session_start() only where something is stored or the visitor already has the cookie.",
            share(start.empty),
            capital(whom),
        ));
    }
    if share(start.only_read) >= 90 {
        return Some(format!(
            "Nearly all of these requests only read: {whom} session_start(['read_and_close' => true]) where nothing is \
             written."
        ));
    }
    None
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_an_id_is_hidden_and_titles_are_not() {
        assert_eq!(shown("/shop/q7Rk2mVbX09LtYw4Zp1HsA1/x"), "/shop/(hidden)/x");
        for kept in ["wp-content/plugins/class-wc-gateway-stripe-v2-api.php:12", "/2024/a-title-of-24-words-and-more/"]
        {
            assert_eq!(shown(kept), kept);
        }
    }

    #[test]
    fn advice_is_given_where_sessions_are_started_for_nothing() {
        let start = |empty, only_read, changed| Start {
            starts: empty + only_read + changed,
            empty,
            only_read,
            changed,
            ..Start::default()
        };
        let told = |start: &Start, who: &str| advice(start, who, 20).unwrap_or_default();
        assert!(told(&start(99, 0, 1), "plugin a").contains("99 stay empty"));
        assert!(told(&start(99, 0, 1), "plugin a").contains("Ask its author to call session_start()"));
        assert!(told(&start(99, 0, 1), "application a").contains(". Call session_start()"));
        assert!(told(&start(0, 95, 5), "theme a").contains("ask its author to call session_start(['read_and_close'"));
        assert!(told(&start(1, 0, 0), "php.ini").contains("auto_start = 0"));
        // The last two: one or two sessions were looked at.
        for fine in [start(10, 40, 50), start(4, 0, 0), start(20, 0, 0), start(0, 40, 0)] {
            assert_eq!(advice(&fine, "plugin a", 20), None);
        }
        assert!(advice(&start(5, 0, 0), "plugin a", 1).is_some());
    }
}
