//! Counting, listing and ending sessions, and what was reported. Keys are shown, ids never.

use cloakroom::store::{Filter, Summary, TallyKind};
use cloakroom::{Clock, EndKind, EngineError, Key, Namespace, Owner, State, SystemClock, Time};
use cloakroom_format::Format;

use super::Call;
use super::options;
use super::values::{Given, GivenValue, Value, number_at, text_at};
use crate::worker::Site;

/// Most rows of one page.
const LONGEST_PAGE: i64 = 500;
/// Most pages of the store that one page here is put together from.
const STORE_PAGES: usize = 8;
/// Fewest digits by which a session is named.
const FEWEST_DIGITS: usize = 8;
/// Most rows of a report.
const REPORTED: u32 = 2000;
/// The code under which sessions that grew large are counted.
const SIZES: u8 = 8;
/// Longest time that a report goes back, in hours.
const LONGEST_REPORT: i64 = cloakroom::store::TALLY_HOURS as i64;
/// Most records of one sweep, and of each of its steps.
const SWEPT: i64 = 10_000;
const SWEPT_AT_ONCE: u32 = 200;

/// Which sessions a page shows: what the store looks at, and what is looked at here.
#[derive(Debug, Default)]
struct Wanted {
    filter: Filter,
    /// Seconds since they were last used.
    older_than: Option<u64>,
    smaller_than: Option<u32>,
    /// Hexadecimal digits, small.
    digits: String,
    /// Named records alone, or none of them.
    named: Option<bool>,
}

impl Wanted {
    /// From the options; the name of one that can't be taken.
    fn of(given: &[Given<'_>]) -> Result<Self, String> {
        let mut wanted = Self { filter: Filter { live: true, ..Filter::default() }, ..Self::default() };
        for option in given.iter().filter(|option| !option.is_null()) {
            let name = String::from_utf8_lossy(option.name).into_owned();
            let amount = || option.amount().ok_or_else(|| format!("must have a number as \"{name}\""));
            let size = || amount().map(|n| u32::try_from(n).unwrap_or(u32::MAX));
            match name.as_str() {
                "owner" => {
                    let owner = option.bytes().and_then(|owner| Owner::new(owner).ok());
                    wanted.filter.owner = Some(owner.ok_or("must have 1 to 191 bytes as \"owner\"")?);
                }
                "older_than" => wanted.older_than = Some(amount()?),
                "created_before" => wanted.filter.created_before = Some(Time(amount()?.saturating_mul(1000))),
                "larger_than" => wanted.filter.min_size = Some(size()?.saturating_add(1)),
                "smaller_than" => wanted.smaller_than = Some(size()?),
                "named" => match option.value {
                    GivenValue::Bool(named) => wanted.named = Some(named),
                    _ => return Err("must have true or false as \"named\"".into()),
                },
                "search" => {
                    wanted.digits = digits(option.bytes().unwrap_or_default())
                        .ok_or("must have hexadecimal digits as \"search\"")?;
                    wanted.filter.key_prefix = whole_bytes(&wanted.digits);
                }
                _ => return Err(format!("has no option \"{name}\"")),
            }
        }
        Ok(wanted)
    }

    fn shows(&self, site: &Namespace, summary: &Summary) -> bool {
        is_of(site, summary)
            && self.named.is_none_or(|named| summary.about.named == named)
            && self.smaller_than.is_none_or(|size| summary.size < size)
            && summary.key.to_hex().starts_with(&self.digits)
    }
}

impl Call<'_, '_> {
    /// The session of this request, also after it was closed.
    fn current(&self) -> Option<Key> {
        let request = &self.door.request;
        request.session().map(|session| *session.key()).or(request.last.full)
    }

    pub(super) fn count(&mut self) -> Value {
        let Some(site) = self.site() else { return Value::Map(Vec::new()) };
        let counts = self.run(&site, async |site, budget| site.engine.count(budget).await);
        Value::Map(counts.map_or_else(Vec::new, |counts| {
            vec![
                ("live", Value::count(counts.live)),
                ("owned", Value::count(counts.owned)),
                ("moved", Value::count(counts.moved)),
                ("ended", Value::count(counts.ended)),
                ("bytes", Value::count(counts.bytes)),
                ("estimate", Value::Bool(counts.estimate)),
            ]
        }))
    }

    pub(super) fn page(&mut self) -> Value {
        let page = |rows, next| Value::Map(vec![("rows", Value::List(rows)), ("next", Value::maybe(next))]);
        let Some(limit) = number_at(self.given, 1).filter(|limit| (1..=LONGEST_PAGE).contains(limit)) else {
            return Value::Wrong(3, format!("must be from 1 to {LONGEST_PAGE}"));
        };
        let wanted = match Wanted::of(&self.given[2..]) {
            Ok(wanted) => wanted,
            Err(text) => return Value::Wrong(1, text),
        };
        let after = match self.cursor() {
            Ok(after) => after,
            Err(wrong) => return wrong,
        };
        let Some(site) = self.site() else { return page(Vec::new(), None) };
        let limit = usize::try_from(limit).unwrap_or(1);
        let found = self.run(&site, async |site, budget| {
            let mut filter = wanted.filter.clone();
            if let Some(seconds) = wanted.older_than {
                filter.touched_before = Some(before(site.engine.store().now(budget).await?, seconds));
            }
            let (mut rows, mut after) = (Vec::new(), after.clone());
            for _ in 0..STORE_PAGES {
                let left = u32::try_from(limit - rows.len()).unwrap_or(1);
                let page = site.engine.page(budget, &filter, after.as_deref(), left).await?;
                rows.extend(page.records.into_iter().filter(|summary| wanted.shows(&site.settings.namespace, summary)));
                after = page.next;
                if after.is_none() || rows.len() >= limit {
                    break;
                }
            }
            Ok((rows, after))
        });
        let Some((rows, next)) = found else { return page(Vec::new(), None) };
        let current = self.current();
        let rows = rows.iter().map(|summary| Value::Map(row(summary, current))).collect();
        page(rows, next.map(|next| Value::text(cursor_text(&next))))
    }

    /// The cursor, always the first argument handed in.
    fn cursor(&self) -> Result<Option<Vec<u8>>, Value> {
        if self.given.first().is_none_or(Given::is_null) {
            return Ok(None);
        }
        match text_at(self.given, 0) {
            b"" => Ok(None),
            text => cursor_bytes(text).ok_or_else(|| Value::Wrong(2, "must be the \"next\" of an earlier call".into())),
        }
    }

    /// The session that a key or its beginning names. `None`, told, where there is none.
    async fn find(site: &Site, budget: cloakroom::Budget, text: &str) -> Result<Result<Summary, String>, EngineError> {
        let engine = &site.engine;
        let ours = |summary: &Summary| is_of(&site.settings.namespace, summary);
        if let Some(key) = Key::from_hex(text) {
            let record = engine.look(budget, &key).await?.0;
            let found = record.map(|record| Summary::of(key, &record)).filter(ours);
            return Ok(found.ok_or_else(|| "There is no session with this key; it may have expired.".into()));
        }
        let filter = Filter { key_prefix: whole_bytes(text), ..Filter::default() };
        let mut found: Vec<Summary> = Vec::new();
        let mut after: Option<Vec<u8>> = None;
        for _ in 0..STORE_PAGES {
            let page = engine.page(budget, &filter, after.as_deref(), 100).await?;
            for summary in page.records {
                let known = found.iter().any(|known| known.key == summary.key);
                if summary.key.to_hex().starts_with(text) && ours(&summary) && !known {
                    found.push(summary);
                }
            }
            after = page.next;
            if after.is_none() || found.len() > 1 {
                break;
            }
        }
        Ok(match (found.as_slice(), after) {
            ([], None) => Err("There is no session whose key begins so; it may have expired.".into()),
            ([one], None) => Ok(one.clone()),
            ([] | [_], Some(_)) => Err(format!(
                "{} holds too much to find a key by its beginning; give all 64 digits.",
                engine.store().describe().engine
            )),
            _ => Err("More than one session's key begins so; give more digits.".into()),
        })
    }

    /// The digits of a key, or a complaint that does not repeat what may be somebody's cookie.
    fn key_digits(&mut self) -> Option<String> {
        let found = digits(text_at(self.given, 0)).filter(|digits| (FEWEST_DIGITS..=64).contains(&digits.len()));
        if found.is_none() {
            self.refuse(format!(
                "That is no session's key: a key is 64 hexadecimal digits, or the first {FEWEST_DIGITS} or more of them."
            ));
        }
        found
    }

    pub(super) fn show(&mut self) -> Value {
        let Some(digits) = self.key_digits() else { return Value::Null };
        let Some(site) = self.site() else { return Value::Null };
        let found = self.run(&site, async |site, budget| Self::find(site, budget, &digits).await);
        match found {
            None => Value::Null,
            Some(Err(text)) => {
                self.door.api.error = text;
                Value::Null
            }
            Some(Ok(summary)) => {
                let mut row = row(&summary, self.current());
                let state = match summary.state {
                    State::Live => "live",
                    State::Moved { .. } => "moved",
                    State::Ended { .. } => "ended",
                };
                row.push(("state", Value::text(state)));
                row.push(("version", Value::count(summary.version.counter)));
                row.push(("trail", Value::count(summary.about.trail.len() as u64)));
                Value::Map(row)
            }
        }
    }

    pub(super) fn end(&mut self) -> Value {
        let Some(digits) = self.key_digits() else { return Value::Bool(false) };
        let Some(site) = self.site() else { return Value::Bool(false) };
        let ended = self.run(&site, async |site, budget| {
            let key = match Self::find(site, budget, &digits).await? {
                Ok(summary) => summary.key,
                Err(text) => return Ok(Err(text)),
            };
            Ok(Ok(site.engine.end_key(budget, &key, EndKind::Operator).await?))
        });
        match ended {
            None => Value::Bool(false),
            Some(Ok(true)) => Value::Bool(true),
            Some(Ok(false)) => {
                self.door.api.error =
                    "There is no session with this key that could be ended; it was over already.".into();
                Value::Bool(false)
            }
            Some(Err(text)) => {
                self.door.api.error = text;
                Value::Bool(false)
            }
        }
    }

    pub(super) fn end_owner(&mut self) -> Value {
        let answer =
            |ended, complete| Value::Map(vec![("ended", Value::count(ended)), ("complete", Value::Bool(complete))]);
        let owner = match Owner::new(text_at(self.given, 0)) {
            Ok(owner) => owner,
            Err(_) => return Value::Wrong(1, "must have 1 to 191 bytes".into()),
        };
        let keep = number_at(self.given, 1) == Some(1);
        let Some(site) = self.site() else { return answer(0, false) };
        let asked = self.door.request.asked().map(<[u8]>::to_vec).filter(|_| keep);
        let session = asked.as_deref().and_then(|id| self.door.request.take(id));
        let except = if keep { self.current() } else { None };
        // Back in the request's hands whatever comes of it.
        let mut kept = session;
        let ended = self.run(&site, async |site, budget| match &mut kept {
            Some(session) => site.engine.end_owner_but(budget, &owner, session).await,
            None => site.engine.end_owner(budget, &owner, except.as_ref()).await,
        });
        if let (Some(id), Some(session)) = (asked, kept) {
            self.door.request.put_back(id, session);
        }
        ended.map_or_else(|| answer(0, false), |ended| answer(ended.ended, ended.complete))
    }

    pub(super) fn end_all(&mut self) -> Value {
        let answer = |ended, next: Option<Value>| {
            Value::Map(vec![
                ("ended", Value::count(ended)),
                ("more", Value::Bool(next.is_some())),
                ("next", Value::maybe(next)),
            ])
        };
        let older_than = match number_at(self.given, 1) {
            None => None,
            Some(seconds) => match u64::try_from(seconds) {
                Ok(seconds) => Some(seconds),
                Err(_) => return Value::Wrong(1, "must be a number of seconds".into()),
            },
        };
        let after = match self.cursor() {
            Ok(after) => after,
            Err(wrong) => return wrong,
        };
        let Some(site) = self.site() else { return answer(0, None) };
        let ended = self.run(&site, async |site, budget| {
            let mut filter = Filter::default();
            if let Some(seconds) = older_than {
                filter.touched_before = Some(before(site.engine.store().now(budget).await?, seconds));
            }
            let after = after.filter(|after| !after.is_empty());
            let ours = |summary: &Summary| is_of(&site.settings.namespace, summary) && !summary.about.named;
            site.engine.end_some(budget, &filter, after, EndKind::Operator, ours).await
        });
        ended.map_or_else(
            || answer(0, None),
            |some| answer(some.ended, some.next.map(|next| Value::text(cursor_text(&next)))),
        )
    }

    pub(super) fn report(&mut self) -> Value {
        let kind = match text_at(self.given, 0) {
            b"conflicts" => TallyKind::Conflict,
            b"alarms" => TallyKind::Alarm,
            b"waits" => TallyKind::Wait,
            b"dropped" => TallyKind::Dropped,
            b"blame" => TallyKind::Blame,
            b"sizes" => TallyKind::from_code(SIZES),
            b"early" => TallyKind::Early,
            b"unreadable" => TallyKind::Unreadable,
            _ => {
                let text = "must be one of \"conflicts\", \"alarms\", \"waits\", \"dropped\", \"blame\", \"sizes\", \"early\" and \"unreadable\"";
                return Value::Wrong(1, text.into());
            }
        };
        let Some(hours) = number_at(self.given, 1).filter(|hours| (1..=LONGEST_REPORT).contains(hours)) else {
            return Value::Wrong(2, format!("must be from 1 to {LONGEST_REPORT}"));
        };
        let Some(site) = self.site() else { return Value::List(Vec::new()) };
        let hour = SystemClock.now().seconds() / 3600;
        let since = u32::try_from(hour.saturating_sub(hours.unsigned_abs() - 1)).unwrap_or(u32::MAX);
        let rows = self.run(&site, async |site, budget| site.engine.report(budget, kind, since, REPORTED).await);
        let rows = rows.unwrap_or_default().into_iter().map(|tally| {
            Value::Map(vec![
                ("label", Value::text(tally.label)),
                ("hour", Value::count(u64::from(tally.hour) * 3600)),
                ("count", Value::count(tally.count)),
                ("sum", Value::count(tally.sum)),
                ("sample", Value::text(tally.sample)),
            ])
        });
        Value::List(rows.collect())
    }

    pub(super) fn sweep(&mut self) -> Value {
        let answer = |removed, more| Value::Map(vec![("removed", Value::count(removed)), ("more", Value::Bool(more))]);
        let Some(limit) = number_at(self.given, 0).filter(|limit| (1..=SWEPT).contains(limit)) else {
            return Value::Wrong(1, format!("must be from 1 to {SWEPT}"));
        };
        let Some(site) = self.site() else { return answer(0, false) };
        let limit = limit.unsigned_abs();
        let swept = self.run(&site, async |site, budget| {
            let half = budget.left() / 2;
            let (mut removed, mut more) = (0, true);
            while more && removed < limit && (removed == 0 || budget.left() > half) {
                let step = u32::try_from(limit - removed).unwrap_or(SWEPT_AT_ONCE).min(SWEPT_AT_ONCE);
                let swept = site.engine.sweep(budget, step).await?;
                removed += swept.removed;
                more = swept.more && swept.removed > 0;
            }
            Ok((removed, more))
        });
        let (removed, more) = swept.unwrap_or((0, false));
        answer(removed, more)
    }
}

fn row(summary: &Summary, current: Option<Key>) -> Vec<(&'static str, Value)> {
    let text = |text: &Option<String>| Value::maybe(text.as_ref().map(|text| Value::text(text.as_str())));
    let format = Format::from_code(summary.format).map_or("unknown", Format::name);
    vec![
        ("key", Value::text(summary.key.to_hex())),
        ("created", Value::count(summary.created.seconds())),
        ("touched", Value::count(summary.touched.seconds())),
        ("expires", Value::count(summary.expires.seconds())),
        ("owner", Value::maybe(summary.owner.as_ref().map(|owner| Value::text(owner.as_bytes())))),
        ("size", Value::count(summary.size.into())),
        ("format", Value::text(format)),
        ("device", text(&summary.about.device)),
        ("address", text(&summary.about.address)),
        ("named", Value::Bool(summary.about.named)),
        ("current", Value::Bool(current == Some(summary.key))),
    ]
}

/// Whether a record was made by this site.
fn is_of(site: &Namespace, summary: &Summary) -> bool {
    if summary.about.named {
        summary.about.namespace.starts_with(&options::namespace_of(site))
    } else {
        summary.about.namespace == site.as_bytes()
    }
}

fn before(now: Time, seconds: u64) -> Time {
    Time(now.0.saturating_sub(seconds.saturating_mul(1000)))
}

/// At most 64 hexadecimal digits, small.
fn digits(text: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(text).ok()?.trim().to_ascii_lowercase();
    (text.len() <= 64 && text.bytes().all(|b| b.is_ascii_hexdigit())).then_some(text)
}

/// The bytes that two digits each make; a last single one is left out.
fn whole_bytes(digits: &str) -> Vec<u8> {
    let pairs = digits.as_bytes().chunks_exact(2);
    pairs.filter_map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
}

/// A place in the store's order as text; the letter keeps the first place from being an empty one.
fn cursor_text(place: &[u8]) -> String {
    place.iter().fold("c".to_owned(), |text, byte| text + &format!("{byte:02x}"))
}

fn cursor_bytes(text: &[u8]) -> Option<Option<Vec<u8>>> {
    let hex = text.strip_prefix(b"c").and_then(|hex| std::str::from_utf8(hex).ok())?;
    if !hex.len().is_multiple_of(2) || hex.len() > 1 << 16 || !hex.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    Some(Some(whole_bytes(hex)).filter(|place| !place.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_in_the_list_survives_the_way_through_a_browser() {
        for place in [&b""[..], b"\0", b"\xff\x01 place"] {
            let back = cursor_bytes(cursor_text(place).as_bytes()).expect("ours");
            assert_eq!(back.unwrap_or_default(), place);
        }
        for text in ["", "x", "c1", "cg0", "00"] {
            assert_eq!(cursor_bytes(text.as_bytes()), None, "{text}");
        }
    }
}
