//! `cloakroom end`: by key, all of them, those long unused, or those of one owner.

use std::collections::HashSet;

use cloakroom::store::Filter;
use cloakroom::{EndKind, EngineError, Key, State};
use serde::Serialize;

use super::pick::{self, Pick};
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
    /// Named records that were spared.
    #[serde(skip_serializing_if = "nothing")]
    spared: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    owner: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
}

impl EndJson {
    fn of(ended: u64, spared: u64) -> Self {
        Self { ended, complete: true, spared, key: None, owner: None, note: None }
    }
}

#[allow(clippy::trivially_copy_pass_by_ref)] // as serde asks
fn nothing(n: &u64) -> bool {
    *n == 0
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
    if done.spared > 0 {
        let (stay, them) = if done.spared == 1 { ("stays", "it") } else { ("stay", "them") };
        let carts = units::counted(done.spared, "named record");
        out.prose(&format!("{carts} (such as a cart) {stay}; --named ends {them} too."))?;
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
    let mut done = EndJson { key: Some(key.to_hex()), ..EndJson::of(0, 0) };
    if matches!(record.state, State::Ended { .. }) {
        return Ok(done);
    }
    let whose =
        record.owner.as_ref().map_or_else(|| "of nobody logged in".into(), |o| format!("of {}", plain(&o.to_string())));
    let what = if record.about.named { "named record" } else { "session" };
    let used = units::span(loaded.now.since(record.touched));
    ask(
        &format!("End the {} {what} {key} {whose}, last used {used} ago?", session::state(record.state)),
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
            "End all sessions of {}{} in {}{}?{}",
            plain(name),
            pick::of(args.namespace.as_deref()),
            plain(desk.name()),
            if args.namespace.is_none() { ", on every site (namespace) that shares it" } else { "" },
            also_named(args)
        ),
        args,
        around,
    )?;
    let mut done = EndJson::of(0, 0);
    done.owner = Some(name.to_owned());
    let all = Filter { owner: Some(owner.clone()), ..Filter::default() };
    if args.namespace.is_some() || (!args.named && has_named(desk, &all)?) {
        // An owner's tombstone would end those that are to stay.
        let some = walk(desk, args, &all)?;
        (done.ended, done.spared) = some;
        done.complete = false;
        done.note = Some(format!(
            "Sessions were ended one by one, since some of this owner's were to stay: one that began while this ran (a \
             log-in, a new id) may be left. Look again with `{} --owner`.",
            units::LIST
        ));
        return Ok(done);
    }
    let ended = desk.wait(desk.engine.end_owner(desk.budget(), &owner, None)).map_err(unsure)?;
    done.note = (!ended.complete).then(|| {
        format!(
            "{} may drop records when its memory runs short, so a request that was running just now could bring one back; \
             look again with `{} --owner`.",
            desk.store().describe().engine,
            units::LIST
        )
    });
    (done.ended, done.complete) = (ended.ended, ended.complete);
    Ok(done)
}

/// What the question says more.
fn also_named(args: &EndArgs) -> &'static str {
    if args.named { " Named records (such as carts) end too." } else { "" }
}

/// Whether there is a live named record among these.
fn has_named(desk: &Desk, filter: &Filter) -> Result<bool, Failure> {
    let list = desk.must(desk.store().list(), "list its sessions")?;
    let filter = Filter { live: true, ..filter.clone() };
    let mut after = None::<Vec<u8>>;
    loop {
        let page = desk.wait(list.page(desk.budget(), &filter, after.as_deref(), PAGE))?;
        if page.records.iter().any(|record| record.about.named) {
            return Ok(true);
        }
        after = page.next;
        if after.is_none() {
            return Ok(false);
        }
    }
}

fn many(desk: &Desk, args: &EndArgs, around: &Surroundings) -> Result<EndJson, Failure> {
    desk.must(desk.store().list(), "list its sessions, so they can't be ended together")?;
    let of = pick::of(args.namespace.as_deref());
    let now = desk.wait(desk.store().now(desk.budget()))?;
    let filter = Filter { touched_before: args.older_than.map(|age| list::before(now, age)), ..Filter::default() };
    let question = match args.older_than {
        Some(age) => {
            format!("End every session{of} not used for {} in {}?", units::span(age), plain(desk.name()))
        }
        None if args.namespace.is_some() => {
            format!("End all sessions{of} in {}? Whoever is logged in is logged out.", plain(desk.name()))
        }
        None => {
            let counts = desk.store().count().and_then(|count| desk.wait(count.count(desk.budget())).ok());
            if counts.is_some_and(|c| c.live + c.moved == 0) && !args.yes {
                // Nothing to ask about. Counts may be estimates, so --yes walks all the same.
                return Ok(EndJson::of(0, 0));
            }
            // The store counts named records with the others.
            let how_many = counts.map_or_else(String::new, |c| {
                let spared = if args.named { "" } else { " less the named records" };
                format!(" ({}{spared})", units::counted(c.live, "live session"))
            });
            format!("End all sessions{how_many} in {}? Whoever is logged in is logged out.", plain(desk.name()))
        }
    };
    ask(&(question + also_named(args)), args, around)?;
    let (ended, spared) = walk(desk, args, &filter)?;
    Ok(EndJson::of(ended, spared))
}

/// Ends one by one what is meant; how many live ones, and how many named records were spared.
fn walk(desk: &Desk, args: &EndArgs, filter: &Filter) -> Result<(u64, u64), Failure> {
    let store = desk.must(desk.store().list(), "list its sessions, so they can't be ended together")?;
    let pick = Pick { namespace: args.namespace.as_deref(), named: (!args.named).then_some(false) };
    // A page may repeat what an earlier one had, and moved sessions end with those they led to.
    let mut seen: HashSet<Key> = HashSet::new();
    let (mut ended, mut spared, mut after) = (0, 0, None::<Vec<u8>>);
    loop {
        let page = desk.wait(store.page(desk.budget(), filter, after.as_deref(), PAGE));
        let page = page.map_err(|e| so_far(e.into(), ended))?;
        let mut here = 0;
        for summary in page.records {
            if matches!(summary.state, State::Ended { .. }) || !seen.insert(summary.key) {
                continue;
            }
            let live = summary.state.is_live();
            if !pick.takes(&summary) {
                spared += u64::from(live && pick.of_site(&summary));
                continue;
            }
            let done = desk.wait(desk.engine.end_key(desk.budget(), &summary.key, EndKind::Operator));
            match done {
                Ok(was_there) => here += u64::from(was_there && live),
                Err(error) => return Err(so_far(unsure(error), ended + here)),
            }
        }
        ended += here;
        after = page.next;
        if after.is_none() {
            return Ok((ended, spared));
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
