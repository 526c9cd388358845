//! Counters for the operator.

use async_trait::async_trait;
use cloakroom::store::{Reports, TALLY_LABELS, Tally, TallyKind};
use cloakroom::{Budget, StoreError};
use rusqlite::{Connection, Result as Sqlite, params};

use super::fault::Kind;
use super::{SqliteStore, verbs};

#[async_trait]
impl Reports for SqliteStore {
    async fn add(&self, budget: Budget, tallies: &[Tally]) -> Result<(), StoreError> {
        if tallies.is_empty() {
            return Ok(());
        }
        self.run(budget, Kind::Write, |db| {
            verbs::transaction(db, |db| tallies.iter().try_for_each(|tally| add(db, tally)))
        })
    }

    async fn read(
        &self,
        budget: Budget,
        kind: TallyKind,
        since_hour: u32,
        limit: u32,
    ) -> Result<Vec<Tally>, StoreError> {
        self.run(budget, Kind::Read, |db| {
            let mut stmt = db.prepare_cached(
                "SELECT kind,hour,label,count,sum,sample FROM tally WHERE kind=?1 AND hour>=?2 \
                 ORDER BY count DESC,label LIMIT ?3",
            )?;
            stmt.query_map(params![kind.code(), since_hour, limit], |row| {
                Ok(Tally {
                    kind: TallyKind::from_code(row.get(0)?),
                    hour: row.get(1)?,
                    label: row.get(2)?,
                    count: unsigned(row.get(3)?),
                    sum: unsigned(row.get(4)?),
                    sample: row.get(5)?,
                })
            })?
            .collect()
        })
    }
}

fn add(db: &Connection, tally: &Tally) -> Sqlite<()> {
    let (count, sum) = (signed(tally.count), signed(tally.sum));
    // SQLite would turn a sum that is too large into a floating point number.
    let mut update = db.prepare_cached(
        "UPDATE tally SET count=iif(count>9223372036854775807-?4,9223372036854775807,count+?4),\
         sum=iif(sum>9223372036854775807-?5,9223372036854775807,sum+?5),sample=?6 WHERE kind=?1 AND hour=?2 AND label=?3",
    )?;
    let row = params![tally.kind.code(), tally.hour, tally.label, count, sum, tally.sample];
    if update.execute(row)? == 0 {
        db.prepare_cached(
            "INSERT INTO tally(kind,hour,label,count,sum,sample) SELECT ?1,?2,?3,?4,?5,?6 \
             WHERE (SELECT count(*) FROM tally WHERE kind=?1 AND hour=?2)<?7",
        )?
        .execute(params![
            tally.kind.code(),
            tally.hour,
            tally.label,
            count,
            sum,
            tally.sample,
            TALLY_LABELS
        ])?;
    }
    Ok(())
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}
