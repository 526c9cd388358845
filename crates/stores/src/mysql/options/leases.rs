//! Leases: a row each, its value token, host, process id, its start, since and until, all in hexadecimal.

use std::time::Duration;

use async_trait::async_trait;
use cloakroom::store::{Holder, Lease, LeaseName, LeaseOutcome, Leases};
use cloakroom::wire::Damaged;
use cloakroom::{Budget, StoreError, Time};

use super::text::{hex, hex64, lease as name, number, unhex};
use super::{AUTOLOAD, OptionsStore};
use crate::mysql::row::Reader;
use crate::mysql::run::Effect;

/// Where a lease's value says when it ends, in SQL.
pub(super) const UNTIL: &str = "SUBSTRING(`option_value`,89,16)";
const TOKEN: &str = "SUBSTRING(`option_value`,1,16)";

#[async_trait]
impl Leases for OptionsStore {
    async fn take(
        &self,
        budget: Budget,
        lease: &LeaseName,
        token: u64,
        holder: Holder,
        time: Duration,
        displacing: Option<u64>,
    ) -> Result<LeaseOutcome, StoreError> {
        let name = name(lease);
        let displaced = displacing.map_or(String::new(), |token| format!(" OR {TOKEN}='{}'", hex64(token)));
        loop {
            let now = self.db.store_time(budget).await?;
            let value = format!(
                "{}{}{:08x}{}{}{}",
                hex64(token),
                hex(&holder.host),
                holder.pid,
                hex64(holder.started),
                hex64(now.0),
                hex64(now.plus(time).0)
            );
            let text = format!(
                "{} VALUES ('{name}','{value}','{AUTOLOAD}') ON DUPLICATE KEY UPDATE `option_value`=\
                 IF({UNTIL}<='{}' OR {TOKEN}='{}'{displaced},VALUES(`option_value`),`option_value`);\
                 SELECT `option_value` FROM {} WHERE `option_name`='{name}'",
                self.insert(),
                hex64(now.0),
                hex64(token),
                self.table()
            );
            let answers = self.run(budget, Effect::Repeatable, &text, 2).await?;
            // Given back between the two statements: free now.
            let Some(row) = answers.into_iter().flat_map(|a| a.rows).next() else { continue };
            let value = Reader::new(row).bytes().map_err(|d| self.damaged(d))?;
            let lease = read(&value).map_err(|d| self.damaged(d))?;
            return Ok(if lease.token == token { LeaseOutcome::Taken(lease) } else { LeaseOutcome::Held(lease) });
        }
    }

    async fn release(&self, budget: Budget, lease: &LeaseName, token: u64) -> Result<bool, StoreError> {
        let now = self.db.store_time(budget).await?.0;
        let text = format!(
            "DELETE FROM {} WHERE `option_name`='{}' AND {TOKEN}='{}' AND {UNTIL}>'{}'",
            self.table(),
            name(lease),
            hex64(token),
            hex64(now)
        );
        let answers = self.run(budget, Effect::Once, &text, 1).await?;
        Ok(answers.first().is_some_and(|a| a.affected > 0))
    }
}

fn read(value: &[u8]) -> Result<Lease, Damaged> {
    let part = |from: usize, to: usize| value.get(from..to).ok_or(Damaged::Short);
    let host = unhex(part(16, 48)?)?.try_into().map_err(|_| Damaged::Field)?;
    let pid = u32::try_from(number(part(48, 56)?)?).map_err(|_| Damaged::Field)?;
    let holder = Holder { host, pid, started: number(part(56, 72)?)? };
    let (since, until) = (Time(number(part(72, 88)?)?), Time(number(part(88, 104)?)?));
    Ok(Lease { token: number(part(0, 16)?)?, holder, since, until })
}
