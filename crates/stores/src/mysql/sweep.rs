//! The sweep: small batches along the index on `due`, skipping what others have locked.
//!
//! `due` is a lower bound of a record's deadline. Writing a session never raises it, so the index is not touched by
//! every request; the sweep raises it when it meets a row whose deadline has moved on, about once per idle time.

use cloakroom::store::{Swept, TALLY_HOURS};
use cloakroom::{Budget, StoreError, Time};

use super::MysqlStore;
use super::row::{Reader, hex};
use super::run::Effect;
use super::sql::EXPIRES;

/// Rows that one statement removes, at most: it holds their locks until it commits.
const BATCH: u32 = 200;

struct Batch {
    looked_at: u32,
    removed: u64,
    more: bool,
}

impl MysqlStore {
    /// Removes at most `limit` records past their deadline, and as many leases, owner tombstones and old counters each.
    pub(super) async fn sweep_batches(&self, budget: Budget, limit: u32) -> Result<Swept, StoreError> {
        let now = self.store_time(budget).await?;
        self.sweep_beside(budget, now, limit).await?;
        let mut swept = Swept { removed: 0, more: true };
        // Rows that are only given a later date count, too: a call stays short on a table where nothing has run out.
        let mut looked_at = 0;
        while swept.more && swept.removed < u64::from(limit) && looked_at < limit.saturating_mul(4).max(BATCH) {
            let left = limit - u32::try_from(swept.removed).unwrap_or(limit);
            let batch = self.sweep_batch(budget, now, left.min(BATCH)).await?;
            looked_at = looked_at.saturating_add(batch.looked_at);
            swept.removed += batch.removed;
            swept.more = batch.more;
        }
        Ok(swept)
    }

    /// What lies in the side tables.
    async fn sweep_beside(&self, budget: Budget, now: Time, limit: u32) -> Result<(), StoreError> {
        let hour = u32::try_from(now.seconds() / 3600).unwrap_or(u32::MAX).saturating_sub(TALLY_HOURS);
        let text = format!(
            "DELETE FROM {} WHERE `until`<={now} ORDER BY `until` LIMIT {limit};\
             DELETE FROM {} WHERE `until`<={now} ORDER BY `until` LIMIT {limit};\
             DELETE FROM {} WHERE `hour`<{hour} ORDER BY `hour` LIMIT {limit}",
            self.sql.leases,
            self.sql.owners,
            self.sql.reports,
            now = now.0,
        );
        self.script(budget, Effect::Repeatable, &text, 3).await?;
        Ok(())
    }

    /// One batch: a look at what is due, which waits for nobody, then removing or re-dating it row by row, each judged
    /// again under its own lock. No transaction is open between the two trips.
    async fn sweep_batch(&self, budget: Budget, now: Time, limit: u32) -> Result<Batch, StoreError> {
        let records = &self.sql.records;
        let skip = if self.skips_locked() { " FOR UPDATE SKIP LOCKED" } else { "" };
        let look = format!(
            "SELECT `k`,{EXPIRES}<={now} FROM {records} FORCE INDEX (`due`) WHERE `due`<={now} ORDER BY `due` LIMIT {}{skip}",
            u64::from(limit) + 1,
            now = now.0,
        );
        let answers = self.script(budget, Effect::Read, &look, 1).await?;
        let (mut gone, mut alive) = (Vec::new(), Vec::new());
        for row in answers.into_iter().flat_map(|a| a.rows) {
            let mut row = Reader::new(row);
            let key: [u8; 32] = row.array().map_err(|d| self.damaged(d))?;
            let expired = row.number().map_err(|d| self.damaged(d))? == 1;
            if expired { &mut gone } else { &mut alive }.push(key);
        }
        let looked_at = u32::try_from(gone.len() + alive.len()).unwrap_or(u32::MAX);
        let more = looked_at > limit;
        gone.truncate(limit as usize);
        // In the order of keys, so that two sweeps that meet do not wait for each other in a ring.
        gone.sort_unstable();
        alive.sort_unstable();
        let mut script = Vec::new();
        if !gone.is_empty() {
            // By their keys whatever the statistics say: a scan would wait at rows that are none of its business.
            script.push(format!(
                "DELETE `r` FROM {records} AS `r` FORCE INDEX (PRIMARY) WHERE `r`.`k` IN ({}) AND {EXPIRES}<={}",
                list(&gone),
                now.0
            ));
        }
        if !alive.is_empty() {
            script.push(format!(
                "UPDATE {records} FORCE INDEX (PRIMARY) SET `due`={EXPIRES} WHERE `k` IN ({}) AND {EXPIRES}>{}",
                list(&alive),
                now.0
            ));
        }
        let mut removed = 0;
        if !script.is_empty() {
            let answers = self.script(budget, Effect::Repeatable, &script.join(";"), script.len()).await?;
            removed = if gone.is_empty() { 0 } else { answers.first().map_or(0, |a| a.affected) };
        }
        Ok(Batch { looked_at, removed, more })
    }
}

fn list(keys: &[[u8; 32]]) -> String {
    keys.iter().map(|k| hex(k)).collect::<Vec<_>>().join(",")
}
