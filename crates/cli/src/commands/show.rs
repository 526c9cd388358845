//! `cloakroom show KEY`.

use cloakroom::store::Summary;
use cloakroom::{EndKind, MoveKind, Record, State, Time};
use serde::Serialize;

use super::key;
use crate::desk::Desk;
use crate::out::session::{self, SessionJson};
use crate::out::{Out, plain, wrap};
use crate::{Failure, Outcome, units};

#[derive(Debug, Serialize)]
struct ShowJson {
    #[serde(flatten)]
    session: SessionJson,
    /// When it ends if nobody comes.
    idle_deadline: String,
    /// When it ends in any case.
    absolute_deadline: Option<String>,
    /// How often it was written.
    changes: u64,
    /// Bytes of the sealed payload as stored.
    stored_size: usize,
    /// Keys of moved sessions that led here.
    came_from: Vec<String>,
}

pub(super) fn run(desk: &Desk, text: &str, out: &mut Out<'_>) -> Result<Outcome, Failure> {
    let key = key::find(desk, text)?;
    let loaded = desk.wait(desk.store().load(desk.budget(), &key))?;
    let now = loaded.now;
    let Some(record) = loaded.record.filter(|r| !r.expired(now)) else { return Err(key::absent(&key)) };
    let summary = Summary::of(key, &record);
    if out.json {
        out.document(&ShowJson {
            session: SessionJson::of(&summary),
            idle_deadline: units::rfc3339(record.idle),
            absolute_deadline: record.absolute.map(units::rfc3339),
            changes: record.version.counter,
            stored_size: record.envelope.len(),
            came_from: record.about.trail.iter().map(cloakroom::Key::to_hex).collect(),
        })?;
        return Ok(Outcome::Fine);
    }
    out.line(&format!("Session {}", key.to_hex()))?;
    for (name, value) in rows(&record, now) {
        out.text(&format!("  {name:<10}  "))?;
        out.text(&wrap::wrapped(&plain(&value), "              ", 80))?;
    }
    Ok(Outcome::Fine)
}

fn rows(record: &Record, now: Time) -> Vec<(&'static str, String)> {
    let ago = |time: Time| format!("{}, {} ago", units::utc(time), units::span(now.since(time)));
    let ahead = |time: Time| format!("{}, in {}", units::utc(time), units::span(time.since(now)));
    let mut rows = vec![("state", state(record.state))];
    if let Some(at) = session::since(record.state) {
        rows.push(("since", ago(at)));
    }
    rows.push(("owner", record.owner.as_ref().map_or_else(|| "none: nobody is logged in".into(), ToString::to_string)));
    rows.extend(record.about.named.then(|| ("named", "yes: found by a name, not by a visitor's cookie".into())));
    rows.extend(session::namespace(&record.about).map(|namespace| ("namespace", namespace)));
    rows.extend(record.about.device.clone().map(|device| ("device", device)));
    rows.extend(record.about.address.clone().map(|address| ("address", address)));
    rows.push(("started", ago(record.created)));
    if record.state.is_live() {
        rows.push(("last used", format!("{} (to within a minute)", ago(record.touched))));
        rows.push(("ends", format!("{}, if nobody comes", ahead(record.idle))));
        rows.push(("at latest", record.absolute.map_or_else(|| "no absolute deadline".into(), ahead)));
        rows.push((
            "variables",
            format!(
                "{} in format {}; sealed, {} as stored; {} opens them",
                units::size(u64::from(record.size)),
                session::format(record.format),
                units::size(record.envelope.len() as u64),
                if record.about.named { "the site key" } else { "the visitor's cookie" }
            ),
        ));
    } else {
        rows.push(("kept until", ahead(record.expires())));
    }
    rows.push(("changes", units::number(record.version.counter)));
    if !record.about.trail.is_empty() {
        let keys: Vec<String> = record.about.trail.iter().map(cloakroom::Key::short).collect();
        rows.push(("came from", keys.join(" ")));
    }
    rows
}

fn state(state: State) -> String {
    match state {
        State::Live => "live".into(),
        State::Moved { kind, .. } => match kind {
            MoveKind::Follow => "moved to a new id; requests with the old one still follow",
            MoveKind::Frozen => "moved to a new id; requests with the old one read what was there before",
            _ => "moved to a new id; requests with the old one read an empty session",
        }
        .into(),
        State::Ended { kind, .. } => match kind {
            EndKind::Destroyed => "ended by the application (a log-out)",
            EndKind::Operator => "ended by an operator",
            EndKind::Owner => "ended with all sessions of its owner",
            _ => "ended",
        }
        .into(),
    }
}
