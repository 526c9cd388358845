//! Counting and paging. Both are for people, not for requests, and bounded all the same.

use std::time::Duration;

use async_trait::async_trait;
use cloakroom::store::{Count, Counts, Filter, List, Page};
use cloakroom::wire::Damaged;
use cloakroom::{Budget, StoreError};

use super::MysqlStore;
use super::link::Answer;
use super::row::{self, Reader, SUMMARY, hex};
use super::run::Effect;
use super::sql::EXPIRES;

/// Rows that one page looks at, at most, whatever its filter lets through.
const LOOKED_AT: u32 = 5_000;
/// Of the keys' range, one part in so many is counted where counting all takes too long.
const SAMPLE: u64 = 64;

#[async_trait]
impl Count for MysqlStore {
    /// Exact where the server reads the whole table within half of the budget; else a 64th is counted and multiplied:
    /// keys are hashes, so any range of them is as good a sample as another.
    async fn count(&self, budget: Budget) -> Result<Counts, StoreError> {
        let now = self.store_time(budget).await?;
        let records = &self.sql.records;
        let text = |range: &str, time: Duration| {
            let millis = time.as_millis().max(10);
            let seconds = time.as_secs_f64().max(0.01);
            // Each server reads the limit that is meant for it, and takes the other one for a comment.
            format!(
                "/*M!100100 SET STATEMENT max_statement_time={seconds:.3} FOR */ \
                 SELECT /*+ MAX_EXECUTION_TIME({millis}) */ `state`,COUNT(*),COUNT(`owner`),CAST(SUM(`size`) AS UNSIGNED) \
                 FROM {records} WHERE {range} {EXPIRES}>{} GROUP BY `state`",
                now.0
            )
        };
        let all = text("", budget.left() / 2);
        match self.script(budget, Effect::Read, &all, 1).await {
            Ok(answers) => counts(answers, 1).map_err(|d| self.damaged(d)),
            Err(StoreError::TimedOut { .. }) if !budget.is_spent() => {
                let part = text("`k`<x'04' AND", budget.left());
                let answers = self.script(budget, Effect::Read, &part, 1).await?;
                counts(answers, SAMPLE).map_err(|d| self.damaged(d))
            }
            Err(error) => Err(error),
        }
    }
}

fn counts(answers: Vec<Answer>, times: u64) -> Result<Counts, Damaged> {
    let mut counts = Counts { estimate: times > 1, ..Counts::default() };
    for row in answers.into_iter().flat_map(|a| a.rows) {
        let mut row = Reader::new(row);
        let (state, rows, owned, bytes) = (row.number()?, row.number()?, row.number()?, row.number()?);
        let rows = rows.saturating_mul(times);
        match state {
            0 => {
                counts.live = rows;
                counts.owned = owned.saturating_mul(times);
                counts.bytes = bytes.saturating_mul(times);
            }
            1 => counts.moved = rows,
            2 => counts.ended = rows,
            // Damaged rows are told when they are loaded.
            _ => {}
        }
    }
    Ok(counts)
}

#[async_trait]
impl List for MysqlStore {
    /// In the order of keys; of one owner's by the index on owners. Looks at 5,000 rows at most.
    async fn page(
        &self,
        budget: Budget,
        filter: &Filter,
        after: Option<&[u8]>,
        limit: u32,
    ) -> Result<Page, StoreError> {
        let now = self.store_time(budget).await?;
        let Some((range, index)) = range(filter, after) else { return Ok(Page::default()) };
        let records = &self.sql.records;
        let mut conditions = format!("{EXPIRES}>{}", now.0);
        if filter.live {
            conditions.push_str(" AND `state`=0");
        }
        for (field, time) in [("touched", filter.touched_before), ("created", filter.created_before)] {
            if let Some(time) = time {
                conditions.push_str(&format!(" AND `{field}`<{}", time.0));
            }
        }
        if let Some(size) = filter.min_size {
            conditions.push_str(&format!(" AND `size`>={size}"));
        }
        let asked = u64::from(limit) + 1;
        // The first statement finds how far this page looks, by the index alone; the second one shows what is there.
        let text = format!(
            "SELECT MAX(`k`),COUNT(*) INTO @cloakroom_to,@cloakroom_seen FROM \
             (SELECT `k` FROM {records} FORCE INDEX ({index}) WHERE {range} ORDER BY `k` LIMIT {LOOKED_AT}) AS `seen`;\
             SELECT @cloakroom_to,@cloakroom_seen;\
             SELECT {SUMMARY} FROM {records} FORCE INDEX ({index}) WHERE {range} AND `k`<=@cloakroom_to AND {conditions} \
             ORDER BY `k` LIMIT {asked}"
        );
        let mut answers = self.script(budget, Effect::Read, &text, 3).await?.into_iter().skip(1);
        let damaged = |d| self.damaged(d);
        let mut bounds =
            Reader::new(answers.next().and_then(|a| a.rows.into_iter().next()).ok_or(damaged(Damaged::Short))?);
        let to = bounds.optional_bytes().map_err(damaged)?;
        let seen = bounds.number().map_err(damaged)?;
        let mut shown = Vec::new();
        for row in answers.next().map(|a| a.rows).unwrap_or_default() {
            let summary = row::summary(row);
            // One damaged row must not hide all others; it is told when it is loaded.
            shown.push(summary);
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

/// The range of keys, and the index to walk it by; `None` where no key can meet the filter.
fn range(filter: &Filter, after: Option<&[u8]>) -> Option<(String, &'static str)> {
    if filter.key_prefix.len() > 32 {
        return None;
    }
    let mut range = String::from("1=1");
    if !filter.key_prefix.is_empty() {
        let padded = |with: u8| {
            let mut key = filter.key_prefix.clone();
            key.resize(32, with);
            hex(&key)
        };
        range = format!("`k` BETWEEN {} AND {}", padded(0), padded(0xff));
    }
    if let Some(after) = after {
        range.push_str(&format!(" AND `k`>{}", hex(after)));
    }
    let index = match &filter.owner {
        Some(owner) => {
            range.push_str(&format!(" AND `owner`={}", hex(owner.as_bytes())));
            "`owner`"
        }
        None => "PRIMARY",
    };
    Some((range, index))
}
