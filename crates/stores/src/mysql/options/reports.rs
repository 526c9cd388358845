//! Reports: a row a counter. Its name has hour and kind, so that both reading and clearing away go by a range of names;
//! its value has count and sum in twenty digits each, then kind, label and sample.

use async_trait::async_trait;
use cloakroom::store::{Reports, TALLY_LABELS, Tally, TallyKind};
use cloakroom::wire::Damaged;
use cloakroom::{Budget, StoreError};

use super::text::{self, REPORTS};
use super::{AUTOLOAD, OptionsStore};
use crate::mysql::reports::cut;
use crate::mysql::row::Reader;
use crate::mysql::run::Effect;

/// Counters added to in one transaction.
const BATCH: usize = 200;

#[async_trait]
impl Reports for OptionsStore {
    async fn add(&self, budget: Budget, tallies: &[Tally]) -> Result<(), StoreError> {
        // Everybody takes the rows in the same order, so that no two wait for each other.
        let mut tallies: Vec<(String, &Tally)> = tallies.iter().map(|tally| (name(tally), tally)).collect();
        tallies.sort_by(|a, b| a.0.cmp(&b.0));
        for batch in tallies.chunks(BATCH) {
            let mut text = String::from("START TRANSACTION;");
            for (name, tally) in batch {
                text.push_str(&self.add_one(name, tally));
                text.push(';');
            }
            text.push_str("COMMIT");
            self.run(budget, Effect::Once, &text, 2 * batch.len() + 2).await?;
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
        let value = "`option_value`";
        let text = format!(
            "SELECT SUBSTRING(`option_name`,{},8),{value} FROM {} WHERE `option_name`>'{REPORTS}{since_hour:08x}' AND \
             `option_name`<'{REPORTS}g' AND SUBSTRING({value},41,2)='{:02x}' \
             ORDER BY SUBSTRING({value},1,20) DESC,`option_name` LIMIT {limit}",
            REPORTS.len() + 1,
            self.table(),
            kind.code()
        );
        let answers = self.run(budget, Effect::Read, &text, 1).await?;
        let mut tallies = Vec::new();
        for row in answers.into_iter().flat_map(|a| a.rows) {
            let mut row = Reader::new(row);
            let (hour, value) = (row.bytes(), row.bytes());
            let tally = hour.and_then(|hour| read(kind, &hour, &value?));
            tallies.push(tally.map_err(|d| self.damaged(d))?);
        }
        Ok(tallies)
    }
}

fn name(tally: &Tally) -> String {
    let label = text::hash(cut(&tally.label, 191).as_bytes());
    format!("{REPORTS}{:08x}_{:02x}_{label}", tally.hour, tally.kind.code())
}

impl OptionsStore {
    /// A new label only while there are not too many of its kind and hour; a known one always.
    fn add_one(&self, name: &str, tally: &Tally) -> String {
        let table = self.table();
        let (kind, count, sum) = (tally.kind.code(), tally.count, tally.sum);
        let mut rest = format!("{kind:02x}");
        text::base64(cut(&tally.label, 191).as_bytes(), &mut rest);
        rest.push('.');
        text::base64(cut(&tally.sample, 1000).as_bytes(), &mut rest);
        let add = |from: u32, by: u64| {
            let old = format!("CAST(SUBSTRING(`option_value`,{from},20) AS UNSIGNED)");
            format!("LPAD(IF({old}>{},{},{old}+{by}),20,'0')", u64::MAX - by, u64::MAX)
        };
        let of_hour = format!("{REPORTS}{:08x}_{kind:02x}_", tally.hour);
        let added = format!("`option_value`=CONCAT({},{},'{rest}')", add(1, count), add(21, sum));
        // A known one first: an insert takes the table's counter of numbers, and others wait for that.
        format!(
            "UPDATE {table} SET {added} WHERE `option_name`='{name}';\
             {} SELECT '{name}','{count:020}{sum:020}{rest}','{AUTOLOAD}' FROM DUAL WHERE ROW_COUNT()=0 AND \
             (SELECT COUNT(*) FROM {table} WHERE `option_name`>'{of_hour}' AND `option_name`<'{of_hour}g')<{TALLY_LABELS} \
             ON DUPLICATE KEY UPDATE {added}",
            self.insert(),
        )
    }
}

fn read(kind: TallyKind, hour: &[u8], value: &[u8]) -> Result<Tally, Damaged> {
    let number = |from: usize| -> Result<u64, Damaged> {
        let digits = value.get(from..from + 20).and_then(|d| std::str::from_utf8(d).ok()).ok_or(Damaged::Short)?;
        digits.parse().map_err(|_| Damaged::Field)
    };
    let hour = u32::try_from(text::number(hour)?).map_err(|_| Damaged::Field)?;
    let rest = value.get(42..).ok_or(Damaged::Short)?;
    let dot = rest.iter().position(|c| *c == b'.').ok_or(Damaged::Short)?;
    let words = |text: &[u8]| Ok(String::from_utf8_lossy(&text::unbase64(text)?).into_owned());
    let (label, sample) = (words(&rest[..dot])?, words(&rest[dot + 1..])?);
    Ok(Tally { kind, label, hour, count: number(0)?, sum: number(20)?, sample })
}
