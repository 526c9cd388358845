//! The sweep. A deadline is inside a row's value, where no index finds it: so each sweep looks at a bounded range of
//! names and remembers how far it came. Every process begins somewhere else, so that many that look at little each come
//! round together; one that goes on comes round alone.

use cloakroom::store::{Swept, TALLY_HOURS};
use cloakroom::{Budget, StoreError, Time};

use super::text::{self, INDEX, LEASES, OWNERS, RECORDS, REPORTS, hex64};
use super::{OptionsStore, leases};
use crate::mysql::link::Answer;
use crate::mysql::row::Reader;
use crate::mysql::run::Effect;

/// Records that one step looks at.
const STEP: usize = 200;
/// Rows of each other kind that one step looks at.
const STEP_BESIDE: usize = 50;
/// Steps of one sweep, at most.
const STEPS: u32 = 4;

/// How far sweeps have come: records, the rows that say whose they are, ended owners, leases.
#[derive(Debug, Default, Clone)]
pub(super) struct Walks([Walk; 4]);

const KINDS: [&str; 4] = [RECORDS, INDEX, OWNERS, LEASES];

/// A round through the names of one kind, from anywhere to where it began.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Walk {
    /// Where this round began: what follows the beginning of a name.
    from: String,
    /// The last name looked at.
    at: String,
    stage: Stage,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Stage {
    /// Nothing was looked at yet.
    #[default]
    Start,
    /// On the way to the last name.
    First,
    /// On the way from the first name to where the round began.
    Second,
    /// All was looked at.
    Done,
}

impl Walk {
    /// Begins a new round where the last one ended.
    fn begin(&mut self, chance: u64) {
        match self.stage {
            Stage::Start => {
                self.from = hex64(chance);
                self.at.clone_from(&self.from);
                self.stage = Stage::First;
            }
            Stage::Done => {
                self.from.clone_from(&self.at);
                self.stage = Stage::First;
            }
            Stage::First | Stage::Second => {}
        }
    }

    /// The names to look at next.
    fn range(&self, column: &str, kind: &str) -> String {
        let to = if self.stage == Stage::First { "g" } else { &self.from };
        // Where a round began is looked at last.
        // Others may have given a name such a beginning, and any end.
        let quoted = |text: &str| text.replace('\\', "\\\\").replace('\'', "''");
        format!("{column}>'{kind}{}' AND {column}<='{kind}{}'", quoted(&self.at), quoted(to))
    }

    /// Goes on to the last name of `seen`, of which there were `asked` at most.
    fn advance(&mut self, seen: &[String], asked: usize) {
        if seen.len() < asked {
            match self.stage {
                Stage::First => (self.stage, self.at) = (Stage::Second, String::new()),
                _ => (self.stage, self.at) = (Stage::Done, self.from.clone()),
            }
        } else if let Some(last) = seen.last() {
            self.at.clone_from(last);
        }
    }
}

impl OptionsStore {
    /// Looks at a bounded number of rows, and removes at most `limit` records among them that are past their deadline,
    /// and what has run out of the other kinds.
    pub(super) async fn sweep_ranges(&self, budget: Budget, limit: u32) -> Result<Swept, StoreError> {
        let now = self.db.store_time(budget).await?;
        let mut walks = self.walks.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone();
        for walk in &mut walks.0 {
            let chance =
                getrandom::u64().map_err(|e| StoreError::Settings(format!("The system has no randomness: {e}")))?;
            walk.begin(chance);
        }
        let mut removed = 0;
        for _ in 0..STEPS {
            let left = u64::from(limit).saturating_sub(removed);
            if left == 0 || walks.0.iter().all(|walk| walk.stage == Stage::Done) {
                break;
            }
            removed += self.step(budget, now, &mut walks, usize::try_from(left).unwrap_or(STEP)).await?;
        }
        let more = walks.0.iter().any(|walk| walk.stage != Stage::Done);
        *self.walks.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = walks;
        Ok(Swept { removed, more })
    }

    /// A look, which waits for nobody, then removing, each row judged again under its own lock.
    async fn step(&self, budget: Budget, now: Time, walks: &mut Walks, limit: usize) -> Result<u64, StoreError> {
        let (table, now) = (self.table(), hex64(now.0));
        let step = limit.clamp(1, STEP);
        let beside = STEP_BESIDE.min(step);
        let [records, index, owners, leases] = &walks.0;
        let plain = |walk: &Walk, kind: &str, gone: &str, asked: usize| {
            format!(
                "SELECT `option_name`,{gone} FROM {table} WHERE {} ORDER BY `option_name` LIMIT {asked}",
                walk.range("`option_name`", kind)
            )
        };
        let expired = format!("{}<='{now}'", text::expires("`option_value`"));
        let ended = format!("SUBSTRING(`option_value`,17,16)<='{now}'");
        let free = format!("{}<='{now}'", leases::UNTIL);
        let record = record_of("`i`");
        let look = format!(
            "{};SELECT `i`.`option_name`,`r`.`option_id` IS NULL FROM {table} AS `i` LEFT JOIN {table} AS `r` ON {record} \
             WHERE {} ORDER BY `i`.`option_name` LIMIT {beside};{};{}",
            plain(records, RECORDS, &expired, step),
            index.range("`i`.`option_name`", INDEX),
            plain(owners, OWNERS, &ended, beside),
            plain(leases, LEASES, &free, beside),
        );
        let mut gone: [Vec<String>; 4] = Default::default();
        let answers = self.run(budget, Effect::Read, &look, 4).await?;
        for (n, answer) in answers.into_iter().enumerate().take(4) {
            let (seen, lost) = seen(answer, KINDS[n]).map_err(|d| self.damaged(d))?;
            let walk = &mut walks.0[n];
            if walk.stage != Stage::Done {
                walk.advance(&seen, if n == 0 { step } else { beside });
                gone[n] = lost;
            }
        }
        self.clear(budget, gone, &expired, &ended, &free).await
    }

    async fn clear(
        &self,
        budget: Budget,
        gone: [Vec<String>; 4],
        expired: &str,
        ended: &str,
        free: &str,
    ) -> Result<u64, StoreError> {
        let table = self.table();
        let hour = u32::try_from(self.db.time().seconds() / 3600).unwrap_or(u32::MAX).saturating_sub(TALLY_HOURS);
        let mut script = vec![format!(
            "DELETE FROM {table} WHERE `option_name`>'{REPORTS}' AND `option_name`<'{REPORTS}{hour:08x}' \
             ORDER BY `option_name` LIMIT {STEP}"
        )];
        let [records, index, owners, leases] = gone;
        for (names, kind, condition) in [(&owners, OWNERS, ended), (&leases, LEASES, free)] {
            if !names.is_empty() {
                script.push(format!(
                    "DELETE FROM {table} WHERE `option_name` IN ({}) AND {condition}",
                    list(names, kind)
                ));
            }
        }
        if !index.is_empty() {
            // Both rows are locked while this is decided, the one that goes first, as everybody who writes them has it.
            script.push(format!(
                "DELETE `i` FROM {table} AS `i` LEFT JOIN {table} AS `r` ON {} \
                 WHERE `i`.`option_name` IN ({}) AND `r`.`option_id` IS NULL",
                record_of("`i`"),
                list(&index, INDEX)
            ));
        }
        if !records.is_empty() {
            script.push(format!(
                "DELETE FROM {table} WHERE `option_name` IN ({}) AND {expired}",
                list(&records, RECORDS)
            ));
        }
        let swept = !records.is_empty();
        let answers = self.run(budget, Effect::Repeatable, &script.join(";"), script.len()).await?;
        Ok(if swept { answers.last().map_or(0, |a| a.affected) } else { 0 })
    }
}

/// How a row that says whose a session is finds that session: it is there, and its owner's hash is the one in the name.
fn record_of(index: &str) -> String {
    let start = INDEX.len() + 1;
    let value = "`r`.`option_value`";
    let owner = format!("SUBSTRING({value},145,2*CONV({},16,10))", text::owner_length(value));
    format!(
        "`r`.`option_name`=CONCAT('{RECORDS}',SUBSTRING({index}.`option_name`,{})) AND {}<>'00' AND \
         CAST(LEFT(SHA2(UNHEX({owner}),256),32) AS BINARY)=SUBSTRING({index}.`option_name`,{start},32)",
        start + 33,
        text::owner_length(value)
    )
}

/// What follows the beginning of each name, and of those among them that may go.
fn seen(answer: Answer, kind: &str) -> Result<(Vec<String>, Vec<String>), cloakroom::wire::Damaged> {
    let (mut seen, mut gone) = (Vec::new(), Vec::new());
    for row in answer.rows {
        let mut row = Reader::new(row);
        let name = String::from_utf8_lossy(&row.bytes()?).into_owned();
        // What is not exactly as we write it is not ours.
        let rest = name.get(kind.len()..).unwrap_or_default();
        let ours = name.starts_with(kind)
            && rest.bytes().all(|c| c == b'_' || c.is_ascii_digit() || (b'a'..=b'f').contains(&c));
        if row.number().unwrap_or(0) == 1 && ours {
            gone.push(rest.to_owned());
        }
        seen.push(rest.to_owned());
    }
    Ok((seen, gone))
}

fn list(names: &[String], kind: &str) -> String {
    names.iter().map(|rest| format!("'{kind}{rest}'")).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_round_sees_every_name_once_wherever_it_begins() {
        let names: Vec<String> = (0..10).map(|n| format!("{n}{n}")).collect();
        for chance in [0u64, u64::MAX, 0x4400_0000_0000_0000, 0x5555_0000_0000_0000] {
            let mut walk = Walk::default();
            walk.begin(chance);
            for _round in 0..3 {
                walk.begin(7);
                let mut looked_at = Vec::new();
                while walk.stage != Stage::Done {
                    let to = if walk.stage == Stage::First { "g" } else { &walk.from };
                    let found = names.iter().filter(|n| **n > walk.at && n.as_str() <= to);
                    let seen: Vec<String> = found.take(3).cloned().collect();
                    looked_at.extend(seen.clone());
                    walk.advance(&seen, 3);
                }
                looked_at.sort();
                assert_eq!(looked_at, names, "from {chance:x}");
            }
        }
    }

    #[test]
    fn a_name_that_is_not_ours_is_left_alone() {
        assert_eq!(list(&["ab".to_owned()], RECORDS), "'_cloakroom_s_ab'");
    }
}
