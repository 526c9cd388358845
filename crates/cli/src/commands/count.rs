//! `cloakroom count`.

use std::collections::HashSet;

use cloakroom::store::{Counts, Filter};
use cloakroom::{Key, State, StoreError};
use serde::Serialize;

use super::pick::Pick;
use crate::desk::{self, Desk};
use crate::out::{Out, plain};
use crate::{Failure, Outcome, units};

/// Records asked for at a time.
const PAGE: u32 = 500;

#[derive(Debug, Serialize)]
struct CountJson {
    engine: &'static str,
    store: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    namespace: Option<String>,
    live: u64,
    logged_in: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    named: Option<u64>,
    moved: u64,
    ended: u64,
    bytes: u64,
}

pub(super) fn run(desk: &Desk, namespace: Option<&str>, out: &mut Out<'_>) -> Result<Outcome, Failure> {
    let mut named = None;
    let counted = match namespace {
        None => {
            let counter = desk.must(desk.store().count(), "count")?;
            desk.wait(counter.count(desk.budget()))
        }
        Some(site) => {
            desk.must(desk.store().list(), "list its sessions, so those of one site can't be counted")?;
            one_by_one(desk, site).map(|(counts, carts)| {
                named = Some(carts);
                counts
            })
        }
    };
    let (counts, none_yet) = match counted {
        Err(error) if desk::nothing_yet(&error) => (Counts::default(), true),
        counts => (counts?, false),
    };
    let about = desk.store().describe();
    if out.json {
        out.document(&CountJson {
            engine: about.engine,
            store: about.location,
            namespace: namespace.map(str::to_owned),
            live: counts.live,
            logged_in: counts.owned,
            named,
            moved: counts.moved,
            ended: counts.ended,
            bytes: counts.bytes,
        })?;
        return Ok(Outcome::Fine);
    }
    let of_these = named.map_or_else(String::new, |n| format!(", {} named records", units::number(n)));
    let rows = [
        (counts.live, format!("live, of these {} with an owner (logged in){of_these}", units::number(counts.owned))),
        (counts.moved, "moved: carried on under a new id".to_owned()),
        (counts.ended, "ended: kept a while, so that nothing brings them back".to_owned()),
    ];
    let width = rows.iter().map(|(n, _)| units::number(*n).len()).max().unwrap_or(0);
    out.line(&format!("Sessions{} in {}", super::pick::of(namespace), plain(desk.name())))?;
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

/// Those of one site, and how many of the live ones are named records. Stores count only all there is.
fn one_by_one(desk: &Desk, site: &str) -> Result<(Counts, u64), StoreError> {
    let Some(list) = desk.store().list() else { return Ok((Counts::default(), 0)) };
    let pick = Pick { namespace: Some(site), named: None };
    let (mut counts, mut named, mut after) = (Counts::default(), 0, None::<Vec<u8>>);
    // A page may repeat what an earlier one had.
    let mut seen: HashSet<Key> = HashSet::new();
    loop {
        let page = desk.wait(list.page(desk.budget(), &Filter::default(), after.as_deref(), PAGE))?;
        for record in page.records.iter().filter(|record| pick.takes(record)) {
            if !seen.insert(record.key) {
                continue;
            }
            match record.state {
                State::Live => {
                    counts.live += 1;
                    counts.owned += u64::from(record.owner.is_some());
                    counts.bytes += u64::from(record.size);
                    named += u64::from(record.about.named);
                }
                State::Moved { .. } => counts.moved += 1,
                State::Ended { .. } => counts.ended += 1,
            }
        }
        after = page.next;
        if after.is_none() {
            return Ok((counts, named));
        }
    }
}
