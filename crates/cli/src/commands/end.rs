//! `cloakroom end`: by key, all of them, those long unused, or those of one owner.

use std::collections::HashSet;

use cloakroom::store::Filter;
use cloakroom::{EndKind, EngineError, Key, State};
use serde::Serialize;

use super::{key, list};
use crate::args::EndArgs;
use crate::desk::Desk;
use crate::out::{Out, plain, session};
use crate::{Failure, Outcome, Surroundings, units};

/// Records asked for at a time.
const PAGE: u32 = 500;

#[derive(Debug, Serialize)]
struct EndJson {
    /// Live sessions ended.
    ended: u64,
    /// Whether none can be left of those that were meant.
    complete: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    owner: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
}

pub(super) fn run(desk: &Desk, args: &EndArgs, around: &Surroundings, out: &mut Out<'_>) -> Result<Outcome, Failure> {
    let done = match (&args.key, &args.owner) {
        (Some(text), _) => one(desk, text, args, around)?,
        (_, Some(name)) => owner(desk, name, args, around)?,
        _ => many(desk, args, around)?,
    };
    if out.json {
        out.document(&done)?;
        return Ok(Outcome::Fine);
    }
    let whose = done.owner.as_deref().map_or_else(String::new, |o| format!(" of {}", plain(o)));
    match (&done.key, done.ended) {
        (Some(key), 0) => out.prose(&format!("Session {} was not live any more.", &key[..12]))?,
        (Some(key), _) => out.prose(&format!("Ended session {}.", &key[..12]))?,
        (None, 0) => out.prose(&format!("There was no live session{whose} to end."))?,
        (None, n) => out.prose(&format!("Ended {}{whose}.", units::counted(n, "session")))?,
    }
    if let Some(note) = &done.note {
        out.prose(note)?;
    }
    Ok(Outcome::Fine)
}

/// Asks, unless told not to.
fn ask(question: &str, args: &EndArgs, around: &Surroundings) -> Result<(), Failure> {
    if args.yes {
        return Ok(());
    }
    let Some(agrees) = around.ask else {
        return Err(Failure::could_not(
            "Ending sessions asks first, and there is no terminal to ask on. Nothing was ended. Add --yes to do it without asking.",
        ));
    };
    if agrees(question) { Ok(()) } else { Err(Failure::not("Nothing was ended.")) }
}

fn one(desk: &Desk, text: &str, args: &EndArgs, around: &Surroundings) -> Result<EndJson, Failure> {
    let key = key::find(desk, text)?;
    let loaded = desk.wait(desk.store().load(desk.budget(), &key))?;
    let record = loaded.record.filter(|r| !r.expired(loaded.now)).ok_or_else(|| key::absent(&key))?;
    let mut done = EndJson { ended: 0, complete: true, key: Some(key.to_hex()), owner: None, note: None };
    if matches!(record.state, State::Ended { .. }) {
        return Ok(done);
    }
    let whose =
        record.owner.as_ref().map_or_else(|| "of nobody logged in".into(), |o| format!("of {}", plain(&o.to_string())));
    let used = units::span(loaded.now.since(record.touched));
    ask(
        &format!("End the {} session {key} {whose}, last used {used} ago?", session::state(record.state)),
        args,
        around,
    )?;
    let was_there = desk.wait(desk.engine.end_key(desk.budget(), &key, EndKind::Operator)).map_err(unsure)?;
    done.ended = u64::from(was_there);
    Ok(done)
}

fn owner(desk: &Desk, name: &str, args: &EndArgs, around: &Surroundings) -> Result<EndJson, Failure> {
    let owner = list::owner(name)?;
    desk.must(desk.store().owners(), "find sessions by their owner, so end them one by one")?;
    ask(
        &format!(
            "End all sessions of {} in {}, on every site (namespace) that shares it?",
            plain(name),
            plain(desk.name())
        ),
        args,
        around,
    )?;
    let done = desk.wait(desk.engine.end_owner(desk.budget(), &owner, None)).map_err(unsure)?;
    let note = (!done.complete).then(|| {
        format!(
            "{} may drop records when its memory runs short, so a request that was running just now could bring one back; \
             look again with `{} --owner`.",
            desk.store().describe().engine,
            units::LIST
        )
    });
    Ok(EndJson { ended: done.ended, complete: done.complete, key: None, owner: Some(name.to_owned()), note })
}

fn many(desk: &Desk, args: &EndArgs, around: &Surroundings) -> Result<EndJson, Failure> {
    let store = desk.must(desk.store().list(), "list its sessions, so they can't be ended together")?;
    let now = desk.wait(desk.store().now(desk.budget()))?;
    let filter = Filter { touched_before: args.older_than.map(|age| list::before(now, age)), ..Filter::default() };
    let question = match args.older_than {
        Some(age) => format!("End every session not used for {} in {}?", units::span(age), plain(desk.name())),
        None => {
            let counts = desk.store().count().and_then(|count| desk.wait(count.count(desk.budget())).ok());
            if counts.is_some_and(|c| c.live + c.moved == 0) && !args.yes {
                // Nothing to ask about. Counts may be estimates, so --yes walks all the same.
                return Ok(EndJson { ended: 0, complete: true, key: None, owner: None, note: None });
            }
            let how_many =
                counts.map_or("all sessions".into(), |c| format!("all {}", units::counted(c.live, "live session")));
            format!("End {how_many} in {}? Whoever is logged in is logged out.", plain(desk.name()))
        }
    };
    ask(&question, args, around)?;
    // A page may repeat what an earlier one had, and moved sessions end with those they led to.
    let mut seen: HashSet<Key> = HashSet::new();
    let (mut ended, mut after) = (0, None::<Vec<u8>>);
    loop {
        let page = desk.wait(store.page(desk.budget(), &filter, after.as_deref(), PAGE));
        let page = page.map_err(|e| so_far(e.into(), ended))?;
        let mut here = 0;
        for summary in page.records {
            if matches!(summary.state, State::Ended { .. }) || !seen.insert(summary.key) {
                continue;
            }
            let live = summary.state.is_live();
            let done = desk.wait(desk.engine.end_key(desk.budget(), &summary.key, EndKind::Operator));
            match done {
                Ok(was_there) => here += u64::from(was_there && live),
                Err(error) => return Err(so_far(unsure(error), ended + here)),
            }
        }
        ended += here;
        after = page.next;
        if after.is_none() {
            return Ok(EndJson { ended, complete: true, key: None, owner: None, note: None });
        }
    }
}

/// A failure on the way, with what was done before it.
fn so_far(failure: Failure, ended: u64) -> Failure {
    if ended == 0 {
        return failure;
    }
    Failure { text: format!("{} Ended before that: {}.", failure.text, units::counted(ended, "session")), ..failure }
}

/// A failure to end: it may have been done nevertheless, and ending twice is ending once.
fn unsure(error: EngineError) -> Failure {
    match &error {
        EngineError::Store(inner) if inner.outcome_unknown() => {
            let failure = Failure::from(error);
            Failure { text: format!("{} Run the command again to be sure.", failure.text), ..failure }
        }
        _ => error.into(),
    }
}
