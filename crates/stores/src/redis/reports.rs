//! Reports: a hash for each kind and hour, with three fields a label (`c` count, `s` sum, `t` sample, then the label), and
//! a sorted set of which hashes there are. All of it expires.

use std::collections::BTreeMap;

use async_trait::async_trait;
use cloakroom::store::{Reports, TALLY_HOURS, TALLY_LABELS, Tally, TallyKind};
use cloakroom::{Budget, StoreError};

use super::link::{Kind, odd};
use super::refusal::refused;
use super::resp::{Reply, Request};
use super::{RedisStore, digits, scripts};

/// Reports fetched in one request: a report has at most some hundred kilobytes.
const AT_ONCE: usize = 24;
/// Tallies handed to the script at once; what keeps the server busy for a fraction of a millisecond.
const PER_CALL: usize = 100;

#[async_trait]
impl Reports for RedisStore {
    async fn add(&self, budget: Budget, tallies: &[Tally]) -> Result<(), StoreError> {
        let mut reports: BTreeMap<(u32, u8), Vec<&Tally>> = BTreeMap::new();
        for tally in tallies {
            reports.entry((tally.hour, tally.kind.code())).or_default().push(tally);
        }
        if reports.is_empty() {
            return Ok(());
        }
        // Not asked for the cached script: part of the calls would fail if it were not there.
        let mut request = Request::of(&[b"SCRIPT", b"LOAD", scripts::REPORT.text.as_bytes()]);
        for ((hour, kind), tallies) in reports {
            for tallies in tallies.chunks(PER_CALL) {
                self.add_call(&mut request, hour, kind, tallies);
            }
        }
        let done = |replies: &[Reply<'_>]| match replies.iter().find_map(|reply| match reply {
            Reply::Error(words) => Some(words),
            _ => None,
        }) {
            Some(words) => Err(refused(words)),
            None => Ok(()),
        };
        self.link.ask(budget, Kind::Write, &request, done).await
    }

    async fn read(
        &self,
        budget: Budget,
        kind: TallyKind,
        since_hour: u32,
        limit: u32,
    ) -> Result<Vec<Tally>, StoreError> {
        let list = self.names.reports();
        let request = Request::of(&[b"ZRANGEBYSCORE", &list, &digits(since_hour.into()), b"+inf"]);
        let code = kind.code();
        let hours = self.link.ask(budget, Kind::Read, &request, |replies| hours(replies, code)).await?;
        let mut found: Vec<Tally> = Vec::new();
        for hours in hours.chunks(AT_ONCE) {
            let mut request = Request::new();
            for hour in hours {
                request = request.and(&[b"HGETALL", &self.report(code, *hour)]);
            }
            let read = |replies: &[Reply<'_>]| {
                let tallies = replies.iter().zip(hours).map(|(reply, hour)| tallies(reply, kind, *hour));
                tallies.collect::<Result<Vec<_>, _>>()
            };
            found.extend(self.link.ask(budget, Kind::Read, &request, read).await?.into_iter().flatten());
            // What is not among the largest now is not among them later.
            found.sort_by(|a, b| {
                b.count.cmp(&a.count).then_with(|| a.label.cmp(&b.label)).then_with(|| a.hour.cmp(&b.hour))
            });
            found.truncate(limit as usize);
        }
        Ok(found)
    }
}

impl RedisStore {
    fn report(&self, kind: u8, hour: u32) -> Vec<u8> {
        [self.names.report(), member(kind, hour)].concat()
    }

    fn add_call(&self, request: &mut Request, hour: u32, kind: u8, tallies: &[&Tally]) {
        let number = |n: u64| digits(n.min(i64::MAX as u64));
        let numbers: Vec<_> = tallies.iter().map(|t| (number(t.count), number(t.sum))).collect();
        let kept = digits(u64::from(TALLY_HOURS + 1) * 3_600_000);
        let (member, hour_digits, labels) = (member(kind, hour), digits(hour.into()), digits(TALLY_LABELS.into()));
        let mut arguments: Vec<&[u8]> = vec![&member, &hour_digits, &kept, &labels];
        for (tally, (count, sum)) in tallies.iter().zip(&numbers) {
            arguments.extend([tally.label.as_bytes(), count, sum, tally.sample.as_bytes()]);
        }
        let keys = [&self.names.reports()[..], &self.report(kind, hour)];
        scripts::REPORT.add_to(request, false, &keys, &arguments);
    }
}

/// A report's name in the list.
fn member(kind: u8, hour: u32) -> Vec<u8> {
    format!("{kind}:{hour}").into_bytes()
}

/// The hours of this kind in a reply that lists reports.
fn hours(replies: &[Reply<'_>], kind: u8) -> Result<Vec<u32>, StoreError> {
    let members = match replies {
        [Reply::Array(members)] => members,
        [Reply::Error(words)] => return Err(refused(words)),
        _ => return Err(odd()),
    };
    let prefix = format!("{kind}:");
    let hour = |reply: &Reply<'_>| match reply {
        Reply::Bulk(member) => std::str::from_utf8(member).ok()?.strip_prefix(&prefix)?.parse().ok(),
        _ => None,
    };
    Ok(members.iter().filter_map(hour).collect())
}

/// The tallies of one report.
fn tallies(reply: &Reply<'_>, kind: TallyKind, hour: u32) -> Result<Vec<Tally>, StoreError> {
    let fields = match reply {
        Reply::Array(fields) => fields,
        Reply::Error(words) => return Err(refused(words)),
        _ => return Err(odd()),
    };
    let mut found: BTreeMap<&[u8], Tally> = BTreeMap::new();
    for pair in fields.chunks_exact(2) {
        let [Reply::Bulk(field), Reply::Bulk(value)] = pair else { return Err(odd()) };
        let Some((what, label)) = field.split_first() else { continue };
        let tally = found.entry(label).or_insert_with(|| Tally {
            kind,
            label: String::from_utf8_lossy(label).into_owned(),
            hour,
            count: 0,
            sum: 0,
            sample: String::new(),
        });
        let number = || std::str::from_utf8(value).ok().and_then(|n| n.parse().ok()).unwrap_or(0);
        match what {
            b'c' => tally.count = number(),
            b's' => tally.sum = number(),
            b't' => tally.sample = String::from_utf8_lossy(value).into_owned(),
            _ => {}
        }
    }
    Ok(found.into_values().collect())
}
