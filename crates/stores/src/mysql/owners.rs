//! A person's sessions: found by the index on owners, ended by marking first and looking after.

use async_trait::async_trait;
use cloakroom::store::{EndedOwner, Filter, List, Owners, Page};
use cloakroom::{Budget, Key, Owner, State, StoreError, Tombstone};

use super::MysqlStore;
use super::row::hex;
use super::run::{Effect, Work};
use super::schema::GATE;
use super::sql::EXPIRES;

/// Sessions that one statement ends, at most. It holds their locks until it commits, which bothers nobody but their owner;
/// each statement passes the ended ones again, so that small ones would take long for a person of very many.
const BATCH: u64 = 5_000;

#[async_trait]
impl Owners for MysqlStore {
    async fn find(&self, budget: Budget, owner: &Owner, after: Option<&[u8]>, limit: u32) -> Result<Page, StoreError> {
        let filter = Filter { live: true, owner: Some(owner.clone()), ..Filter::default() };
        self.page(budget, &filter, after, limit).await
    }

    /// The owner's tombstone is committed behind the gate before sessions are looked for: a create or swap that comes
    /// later sees it, one that came earlier is found. The last look is for clusters, where another node's writers pass
    /// a gate of their own.
    async fn end_owner(
        &self,
        budget: Budget,
        owner: &Owner,
        tombstone: &Tombstone,
        except: Option<&Key>,
    ) -> Result<EndedOwner, StoreError> {
        let now = self.store_time(budget).await?;
        let owner = hex(owner.as_bytes());
        let except = except.map_or("NULL".to_owned(), |key| hex(key.as_bytes()));
        let (state, kind, at) = State::Ended { kind: tombstone.kind, at: tombstone.at }.codes();
        let until = tombstone.until.0;
        let owners = &self.sql.owners;
        // A later end of the same owner goes further; one that comes late by a slow clock does not take it back.
        let gate = format!(
            "INSERT INTO {owners} (`owner`,`at`,`until`,`except`) VALUES {GATE} ON DUPLICATE KEY UPDATE `at`=0"
        );
        let mark = format!(
            "INSERT INTO {owners} (`owner`,`at`,`until`,`except`) VALUES ({owner},{at},{until},{except}) \
             ON DUPLICATE KEY UPDATE `at`=GREATEST(`at`,VALUES(`at`)),`until`=GREATEST(`until`,VALUES(`until`)),\
             `except`=VALUES(`except`)"
        );
        let end = |live: &str| {
            format!(
                "UPDATE {} FORCE INDEX (`owner`) SET `incarnation`={},`counter`={},`state`={state},`kind`={kind},`at`={at},`touched`={at},\
                 `idle`={until},`absolute`=NULL,`format`=0,`size`=0,`envelope`='',`due`=LEAST(`due`,{until}) \
                 WHERE `owner`={owner} AND `state`={live} AND {EXPIRES}>{} AND ({except} IS NULL OR `k`<>{except}) \
                 LIMIT {BATCH}",
                self.sql.records, tombstone.version.incarnation, tombstone.version.counter, now.0
            )
        };
        let transaction = [String::from("START TRANSACTION"), gate, mark, String::from("COMMIT")];
        let text = transaction.into_iter().chain(["0", "1", "0"].map(end)).collect::<Vec<_>>().join(";");
        let mut ended = 0;
        loop {
            let mut answers = Vec::new();
            let done = self.run(budget, Effect::Repeatable, Work::Script(&text, 7), &mut answers).await;
            let affected = |n: usize| answers.get(n).map_or(0, |a| a.affected);
            ended += affected(4) + affected(6);
            done?;
            if (4..7).all(|n| affected(n) < BATCH) {
                return Ok(EndedOwner { ended, complete: true });
            }
        }
    }
}
