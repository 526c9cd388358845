//! `cloakroom list`.

use cloakroom::store::{Filter, List, Summary};
use cloakroom::{Owner, State, StoreError, Time};

use super::pick::Pick;
use crate::args::{ListArgs, StateArg};
use crate::desk::{self, Desk};
use crate::out::session::{self, SessionJson};
use crate::out::{Out, cut, paint, plain};
use crate::{Failure, Outcome, units};

/// Records asked for at a time.
const PAGE: u32 = 500;
/// Width of the last column, so that a line has 80.
const OWNER_WIDTH: usize = 21;

pub(super) fn run(desk: &Desk, args: &ListArgs, out: &mut Out<'_>) -> Result<Outcome, Failure> {
    let list = desk.must(desk.store().list(), "list its sessions")?;
    let now = desk.wait(desk.store().now(desk.budget()))?;
    let filter = Filter {
        live: args.state == StateArg::Live,
        owner: args.owner.as_deref().map(owner).transpose()?,
        touched_before: args.older_than.map(|age| before(now, age)),
        min_size: args.min_size,
        ..Filter::default()
    };
    let after = args.after.as_deref().map(|word| {
        from_hex(word).ok_or_else(|| Failure::could_not("--after takes the word that an earlier list printed last."))
    });
    let pick = Pick { namespace: args.namespace.as_deref(), named: args.named.then_some(true) };
    let mut walk = Walk { desk, list, filter, state: args.state, pick, after: after.transpose()?, over: false };
    let mut left = if args.limit == 0 { u32::MAX } else { args.limit };
    let mut shown = 0u64;
    // The first page before the first word: where the store fails there is no output, rather than half of it.
    let mut page = match walk.page(left.min(PAGE)) {
        Ok(page) => page,
        Err(error) if desk::nothing_yet(&error) => {
            if out.json {
                out.text("{\n  \"sessions\": [],\n  \"next\": null\n}\n")?;
            } else {
                out.line("No session was kept there yet.")?;
            }
            return Ok(Outcome::Fine);
        }
        Err(error) => return Err(error.into()),
    };
    if out.json {
        out.text("{\n  \"sessions\": [")?;
    }
    loop {
        for summary in std::mem::take(&mut page) {
            left -= 1;
            if out.json {
                let row = serde_json::to_string(&SessionJson::of(&summary))
                    .map_err(|e| Failure::could_not(format!("The output could not be made: {e}.")))?;
                out.text(&format!("{}\n    {row}", if shown > 0 { "," } else { "" }))?;
            } else {
                if shown == 0 {
                    let head = "KEY           STATE      SIZE  STARTED  LAST USED  ENDS IN  OWNER";
                    out.line(&paint::paint(head, paint::Ink::Bold, out.colour))?;
                }
                out.line(&row(&summary, now))?;
            }
            shown += 1;
        }
        if left == 0 || walk.over {
            break;
        }
        page = walk.page(left.min(PAGE))?;
    }
    let next = walk.after.filter(|_| !walk.over).map(|bytes| hex(&bytes));
    if out.json {
        let end = if shown > 0 { "\n  ]" } else { "]" };
        let next = next.map_or("null".to_owned(), |n| format!("\"{n}\""));
        out.text(&format!("{end},\n  \"next\": {next}\n}}\n"))?;
        return Ok(Outcome::Fine);
    }
    match (shown, next) {
        (0, None) => out.line(if args.narrows() { "No session fits." } else { "There is no session." })?,
        (_, None) => {}
        (_, Some(word)) => {
            out.line(&format!("There may be more. The next page: add --after {word}"))?;
        }
    }
    Ok(Outcome::Fine)
}

impl ListArgs {
    fn narrows(&self) -> bool {
        self.owner.is_some()
            || self.older_than.is_some()
            || self.min_size.is_some()
            || self.namespace.is_some()
            || self.named
            || self.after.is_some()
    }
}

/// A time so long ago.
pub(super) fn before(now: Time, age: std::time::Duration) -> Time {
    Time(now.0.saturating_sub(u64::try_from(age.as_millis()).unwrap_or(u64::MAX)))
}

/// An owner as the operator writes it.
pub(super) fn owner(text: &str) -> Result<Owner, Failure> {
    Owner::new(text).map_err(|error| Failure::could_not(format!("--owner: {error}")))
}

/// A walk through the store, page by page.
struct Walk<'a> {
    desk: &'a Desk,
    list: &'a dyn List,
    filter: Filter,
    state: StateArg,
    pick: Pick<'a>,
    after: Option<Vec<u8>>,
    over: bool,
}

impl Walk<'_> {
    /// At most `limit` more; may be fewer though more follow.
    fn page(&mut self, limit: u32) -> Result<Vec<Summary>, StoreError> {
        let page = self.list.page(self.desk.budget(), &self.filter, self.after.as_deref(), limit);
        let mut page = self.desk.wait(page)?;
        page.records.retain(|s| match self.state {
            StateArg::Live => s.state == State::Live,
            StateArg::Moved => matches!(s.state, State::Moved { .. }),
            StateArg::Ended => matches!(s.state, State::Ended { .. }),
            StateArg::All => true,
        });
        page.records.retain(|s| self.pick.takes(s));
        self.over = page.next.is_none();
        self.after = page.next;
        // A store that gives more than asked for would make the next page skip some.
        debug_assert!(page.records.len() <= limit as usize);
        page.records.truncate(limit as usize);
        Ok(page.records)
    }
}

fn row(s: &Summary, now: Time) -> String {
    // Whose it is, or that it is nobody's session.
    let owner = match (&s.owner, s.about.named) {
        (Some(owner), false) => owner.to_string(),
        (Some(owner), true) => format!("(named) {owner}"),
        (None, false) => "-".to_owned(),
        (None, true) => "(named)".to_owned(),
    };
    format!(
        "{}  {:<5}  {:>8}  {:>7}  {:>9}  {:>7}  {}",
        s.key.short(),
        session::state(s.state),
        units::size(u64::from(s.size)),
        units::span(now.since(s.created)),
        units::span(now.since(s.touched)),
        units::span(s.expires.since(now)),
        cut(&plain(&owner), OWNER_WIDTH)
    )
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    if !text.is_ascii() || !text.len().is_multiple_of(2) || text.is_empty() {
        return None;
    }
    text.as_bytes().chunks_exact(2).map(|p| u8::from_str_radix(std::str::from_utf8(p).ok()?, 16).ok()).collect()
}
