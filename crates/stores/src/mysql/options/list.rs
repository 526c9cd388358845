//! Counting and paging, along the index on names. Both are for people, not for requests, and bounded all the same.

use std::time::Duration;

use async_trait::async_trait;
use cloakroom::store::{Count, Counts, Filter, List, Page, Summary};
use cloakroom::wire::Damaged;
use cloakroom::{Budget, StoreError};

use super::OptionsStore;
use super::text::{self, RECORDS, hex, hex64};
use crate::mysql::link::Answer;
use crate::mysql::row::Reader;
use crate::mysql::run::Effect;

/// Rows that one page looks at, at most, whatever its filter lets through.
const LOOKED_AT: u32 = 5_000;
/// Of the keys' range, one part in so many is counted where counting all takes too long.
const SAMPLE: u64 = 64;

#[async_trait]
impl Count for OptionsStore {
    /// Exact where the server reads all sessions within half of the budget; else a 64th is counted and multiplied: keys
    /// are hashes, so any range of them is as good a sample as another.
    async fn count(&self, budget: Budget) -> Result<Counts, StoreError> {
        let now = self.db.store_time(budget).await?;
        let value = "`option_value`";
        let text = |end: &str, time: Duration| {
            let (millis, seconds) = (time.as_millis().max(10), time.as_secs_f64().max(0.01));
            // Each server reads the limit that is meant for it, and takes the other one for a comment.
            format!(
                "/*M!100100 SET STATEMENT max_statement_time={seconds:.3} FOR */ \
                 SELECT /*+ MAX_EXECUTION_TIME({millis}) */ {state},COUNT(*),CAST(SUM({}<>'00') AS UNSIGNED),\
                 CAST(SUM(CONV({},16,10)) AS UNSIGNED) FROM {} \
                 WHERE `option_name`>'{RECORDS}' AND `option_name`<'{RECORDS}{end}' AND {}>'{}' GROUP BY {state}",
                text::owner_length(value),
                text::size(value),
                self.table(),
                text::expires(value),
                hex64(now.0),
                state = text::state(value),
            )
        };
        let all = text("g", budget.left() / 2);
        match self.run(budget, Effect::Read, &all, 1).await {
            Ok(answers) => counts(answers, 1).map_err(|d| self.damaged(d)),
            Err(StoreError::TimedOut { .. }) if !budget.is_spent() => {
                let part = text("04", budget.left());
                let answers = self.run(budget, Effect::Read, &part, 1).await?;
                counts(answers, SAMPLE).map_err(|d| self.damaged(d))
            }
            Err(error) => Err(error),
        }
    }
}

fn counts(answers: Vec<Answer>, times: u64) -> Result<Counts, Damaged> {
    let mut counts = Counts::default();
    for row in answers.into_iter().flat_map(|a| a.rows) {
        let mut row = Reader::new(row);
        let (state, rows, owned, bytes) = (row.bytes()?, row.number()?, row.number()?, row.number()?);
        let rows = rows.saturating_mul(times);
        match state.as_slice() {
            b"00" => {
                counts.live = rows;
                counts.owned = owned.saturating_mul(times);
                counts.bytes = bytes.saturating_mul(times);
            }
            b"01" => counts.moved = rows,
            b"02" => counts.ended = rows,
            _ => {}
        }
    }
    Ok(counts)
}

#[async_trait]
impl List for OptionsStore {
    /// In the order of keys; of one owner's by the rows that say whose they are. Looks at 5,000 rows at most.
    async fn page(
        &self,
        budget: Budget,
        filter: &Filter,
        after: Option<&[u8]>,
        limit: u32,
    ) -> Result<Page, StoreError> {
        let now = self.db.store_time(budget).await?;
        if filter.key_prefix.len() > 32 {
            return Ok(Page::default());
        }
        let table = self.table();
        // `w` is walked along, `r` is the record.
        let (start, walked, from) = match &filter.owner {
            None => (RECORDS.to_owned(), "`r`.`option_name`", format!("{table} AS `r`")),
            Some(owner) => {
                let start = text::index(owner);
                let record = format!("CONCAT('{RECORDS}',SUBSTRING(`w`.`option_name`,{}))", start.len() + 1);
                let from = format!("{table} AS `w` STRAIGHT_JOIN {table} AS `r` ON `r`.`option_name`={record}");
                (start, "`w`.`option_name`", from)
            }
        };
        let mut range = format!("{walked}>'{start}{}'", after.map(hex).unwrap_or_default());
        if filter.key_prefix.is_empty() {
            range.push_str(&format!(" AND {walked}<'{start}g'"));
        } else {
            let prefix = hex(&filter.key_prefix);
            range.push_str(&format!(" AND {walked} BETWEEN '{start}{prefix:0<64}' AND '{start}{prefix:f<64}'"));
        }
        // Names that others gave such a beginning are not keys.
        range.push_str(&format!(" AND CHAR_LENGTH({walked})={}", start.len() + 64));
        let conditions = conditions(filter, now.0);
        let asked = u64::from(limit) + 1;
        let alias = if filter.owner.is_some() { "w" } else { "r" };
        // The first statement finds how far this page looks, by the index alone; the last one shows what is there.
        let script = format!(
            "SELECT MAX(`n`),COUNT(*) INTO @cloakroom_to,@cloakroom_seen FROM \
             (SELECT {walked} AS `n` FROM {table} AS `{alias}` WHERE {range} ORDER BY {walked} LIMIT {LOOKED_AT}) AS `seen`;\
             SELECT SUBSTRING(@cloakroom_to,{at}),@cloakroom_seen;\
             SELECT SUBSTRING({walked},{at}),SUBSTRING_INDEX(`r`.`option_value`,'.',1) FROM {from} \
             WHERE {range} AND {walked}<=@cloakroom_to AND {conditions} ORDER BY {walked} LIMIT {asked}",
            at = start.len() + 1,
        );
        let mut answers = self.run(budget, Effect::Read, &script, 3).await?.into_iter().skip(1);
        let damaged = |d| self.damaged(d);
        let bounds = answers.next().and_then(|a| a.rows.into_iter().next()).ok_or(damaged(Damaged::Short))?;
        let mut bounds = Reader::new(bounds);
        let to = bounds.optional_bytes().map_err(damaged)?.and_then(|to| text::unhex(&to).ok());
        let seen = bounds.number().map_err(damaged)?;
        // One damaged row must not hide all others; it is told when it is loaded.
        let mut shown: Vec<Result<Summary, Damaged>> = Vec::new();
        for row in answers.next().map(|a| a.rows).unwrap_or_default() {
            let mut row = Reader::new(row);
            let key = row.bytes().and_then(|key| text::key(&key));
            let head = row.bytes().and_then(|head| text::record(&head));
            shown.push(key.and_then(|key| Ok(Summary::of(key, &head?))));
        }
        let more = shown.len() as u64 == asked;
        shown.truncate(limit as usize);
        let records: Vec<_> = shown.into_iter().flatten().collect();
        let next = if more {
            records.last().map(|s| s.key.as_bytes().to_vec())
        } else {
            to.filter(|_| seen == u64::from(LOOKED_AT))
        };
        Ok(Page { records, next })
    }
}

/// What a filter asks of a record's value.
fn conditions(filter: &Filter, now: u64) -> String {
    let value = "`r`.`option_value`";
    let mut conditions = format!("{}>'{}'", text::expires(value), hex64(now));
    if filter.live {
        conditions.push_str(&format!(" AND {}='00'", text::state(value)));
    }
    for (field, time) in [(text::touched(value), filter.touched_before), (text::created(value), filter.created_before)]
    {
        if let Some(time) = time {
            conditions.push_str(&format!(" AND {field}<'{}'", hex64(time.0)));
        }
    }
    if let Some(size) = filter.min_size {
        conditions.push_str(&format!(" AND {}>='{size:08x}'", text::size(value)));
    }
    if let Some(owner) = &filter.owner {
        conditions.push_str(&format!(" AND {}", text::has_owner(value, owner)));
    }
    conditions
}
