//! `cloakroom count`.

use cloakroom::store::Counts;
use serde::Serialize;

use crate::desk::{self, Desk};
use crate::out::{Out, plain};
use crate::{Failure, Outcome, units};

#[derive(Debug, Serialize)]
struct CountJson {
    engine: &'static str,
    store: String,
    live: u64,
    logged_in: u64,
    moved: u64,
    ended: u64,
    bytes: u64,
}

pub(super) fn run(desk: &Desk, out: &mut Out<'_>) -> Result<Outcome, Failure> {
    let counter = desk.must(desk.store().count(), "count")?;
    let (counts, none_yet) = match desk.wait(counter.count(desk.budget())) {
        Err(error) if desk::nothing_yet(&error) => (Counts::default(), true),
        counts => (counts?, false),
    };
    let about = desk.store().describe();
    if out.json {
        out.document(&CountJson {
            engine: about.engine,
            store: about.location,
            live: counts.live,
            logged_in: counts.owned,
            moved: counts.moved,
            ended: counts.ended,
            bytes: counts.bytes,
        })?;
        return Ok(Outcome::Fine);
    }
    let rows = [
        (counts.live, format!("live, of these {} with an owner (logged in)", units::number(counts.owned))),
        (counts.moved, "moved: carried on under a new id".to_owned()),
        (counts.ended, "ended: kept a while, so that nothing brings them back".to_owned()),
    ];
    let width = rows.iter().map(|(n, _)| units::number(*n).len()).max().unwrap_or(0);
    out.line(&format!("Sessions in {}", plain(desk.name())))?;
    for (n, what) in rows {
        out.line(&format!("  {:>width$}  {what}", units::number(n)))?;
    }
    if none_yet {
        out.line("No session was kept there yet.")?;
        return Ok(Outcome::Fine);
    }
    out.line(&format!("Variables of live sessions: {}", units::size(counts.bytes)))?;
    Ok(Outcome::Fine)
}
