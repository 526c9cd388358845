//! Leases: a row each, taken by one statement that decides, and told by a second one in the same trip.

use std::time::Duration;

use async_trait::async_trait;
use cloakroom::store::{Holder, Lease, LeaseName, LeaseOutcome, Leases};
use cloakroom::wire::Damaged;
use cloakroom::{Budget, StoreError};
use mysql_async::{Row, Value};

use super::MysqlStore;
use super::row::{Reader, hex};
use super::run::Effect;
use super::sql::Verb;

#[async_trait]
impl Leases for MysqlStore {
    async fn take(
        &self,
        budget: Budget,
        name: &LeaseName,
        token: u64,
        holder: Holder,
        time: Duration,
        displacing: Option<u64>,
    ) -> Result<LeaseOutcome, StoreError> {
        let leases = &self.sql.leases;
        let (name, host) = (hex(name.as_bytes()), hex(&holder.host));
        let Holder { pid, started, .. } = holder;
        let displaced = displacing.map_or(String::new(), |t| format!(" OR `token`={t}"));
        loop {
            let now = self.store_time(budget).await?;
            let until = now.plus(time);
            // The token is set first and is the mark that the rest goes by; `until` is last, since the token's rule
            // reads it. A token is random: nobody else's equals ours.
            let mut text = format!(
                "INSERT INTO {leases} (`name`,`token`,`host`,`pid`,`started`,`since`,`until`) \
                 VALUES ({name},{token},{host},{pid},{started},{},{}) ON DUPLICATE KEY UPDATE \
                 `token`=IF(`until`<={}{displaced},VALUES(`token`),`token`)",
                now.0, until.0, now.0
            );
            for field in ["host", "pid", "started", "since", "until"] {
                text.push_str(&format!(",`{field}`=IF(`token`={token},VALUES(`{field}`),`{field}`)"));
            }
            text.push_str(&format!(
                ";SELECT `token`,`host`,`pid`,`started`,`since`,`until` FROM {leases} WHERE `name`={name}"
            ));
            let answers = self.script(budget, Effect::Repeatable, &text, 2).await?;
            // Given back between the two statements: free now.
            let Some(row) = answers.into_iter().flat_map(|a| a.rows).next() else { continue };
            let lease = lease(row).map_err(|d| self.damaged(d))?;
            return Ok(if lease.token == token { LeaseOutcome::Taken(lease) } else { LeaseOutcome::Held(lease) });
        }
    }

    async fn release(&self, budget: Budget, name: &LeaseName, token: u64) -> Result<bool, StoreError> {
        let now = self.store_time(budget).await?.0;
        let values = || vec![Value::Bytes(name.as_bytes().to_vec()), Value::UInt(token), Value::UInt(now)];
        let answer = self.verb(budget, Effect::Once, Verb::Release, 0, &values).await?;
        Ok(answer.affected > 0)
    }
}

fn lease(row: Row) -> Result<Lease, Damaged> {
    let mut row = Reader::new(row);
    let token = row.number()?;
    let holder = Holder { host: row.array()?, pid: row.small()?, started: row.number()? };
    Ok(Lease { token, holder, since: row.time()?, until: row.time()? })
}
