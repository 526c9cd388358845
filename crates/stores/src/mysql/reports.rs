//! Reports: counters by kind, hour and label, added to in one transaction and one trip.

use async_trait::async_trait;
use cloakroom::store::{Reports, TALLY_LABELS, Tally, TallyKind};
use cloakroom::wire::Damaged;
use cloakroom::{Budget, StoreError};
use mysql_async::Row;

use super::MysqlStore;
use super::row::{Reader, hex};
use super::run::Effect;

/// Counters added to in one transaction.
const BATCH: usize = 200;

#[async_trait]
impl Reports for MysqlStore {
    async fn add(&self, budget: Budget, tallies: &[Tally]) -> Result<(), StoreError> {
        // Everybody takes the rows in the same order, so that no two wait for each other.
        let mut tallies: Vec<&Tally> = tallies.iter().collect();
        tallies.sort_by_key(|t| (t.kind.code(), t.hour, &t.label));
        for batch in tallies.chunks(BATCH) {
            let mut text = String::from("START TRANSACTION;");
            for tally in batch {
                text.push_str(&self.add_one(tally));
                text.push(';');
            }
            text.push_str("COMMIT");
            self.script(budget, Effect::Once, &text, batch.len() + 2).await?;
        }
        Ok(())
    }

    async fn read(
        &self,
        budget: Budget,
        kind: TallyKind,
        since_hour: u32,
        limit: u32,
    ) -> Result<Vec<Tally>, StoreError> {
        let text = format!(
            "SELECT `kind`,`hour`,`label`,`count`,`sum`,`sample` FROM {} WHERE `kind`={} AND `hour`>={since_hour} \
             ORDER BY `count` DESC,`label`,`hour` LIMIT {limit}",
            self.sql.reports,
            kind.code()
        );
        let answers = self.script(budget, Effect::Read, &text, 1).await?;
        let rows = answers.into_iter().flat_map(|a| a.rows);
        rows.map(tally).collect::<Result<_, _>>().map_err(|d| self.damaged(d))
    }
}

impl MysqlStore {
    /// A new label only while there are not too many of its kind and hour; a known one always.
    fn add_one(&self, tally: &Tally) -> String {
        let reports = &self.sql.reports;
        let (kind, hour) = (tally.kind.code(), tally.hour);
        let label = hex(cut(&tally.label, 191).as_bytes());
        let sample = hex(cut(&tally.sample, 1000).as_bytes());
        let (count, sum) = (tally.count, tally.sum);
        let add =
            |field: &str, by: u64| format!("`{field}`=IF(`{field}`>{},{},`{field}`+{by})", u64::MAX - by, u64::MAX);
        format!(
            "INSERT INTO {reports} (`kind`,`hour`,`label`,`count`,`sum`,`sample`) \
             SELECT {kind},{hour},{label},{count},{sum},{sample} FROM DUAL WHERE \
             (SELECT COUNT(*) FROM {reports} WHERE `kind`={kind} AND `hour`={hour})<{TALLY_LABELS} OR \
             EXISTS(SELECT 1 FROM {reports} WHERE `kind`={kind} AND `hour`={hour} AND `label`={label}) \
             ON DUPLICATE KEY UPDATE {},{},`sample`={sample}",
            add("count", count),
            add("sum", sum)
        )
    }
}

fn tally(row: Row) -> Result<Tally, Damaged> {
    let mut row = Reader::new(row);
    let kind = TallyKind::from_code(row.small()?);
    let hour = row.small()?;
    let label = String::from_utf8_lossy(&row.bytes()?).into_owned();
    let (count, sum) = (row.number()?, row.number()?);
    let sample = String::from_utf8_lossy(&row.bytes()?).into_owned();
    Ok(Tally { kind, label, hour, count, sum, sample })
}

/// The text, cut to so many bytes where a character ends.
pub(super) fn cut(text: &str, bytes: usize) -> &str {
    let end = (0..=bytes.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    &text[..end]
}
