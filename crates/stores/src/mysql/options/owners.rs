//! A person's sessions: found by the rows that say whose they are, ended by marking first and looking after.

use async_trait::async_trait;
use cloakroom::store::{EndedOwner, Filter, List, Owners, Page};
use cloakroom::{Budget, Key, Owner, StoreError, Tombstone};

use super::text::{self, NO_KEY, hex, hex64};
use super::{AUTOLOAD, OptionsStore};
use crate::mysql::row::Reader;
use crate::mysql::run::Effect;

/// Sessions that one statement ends, at most.
const BATCH: usize = 500;

#[async_trait]
impl Owners for OptionsStore {
    async fn find(&self, budget: Budget, owner: &Owner, after: Option<&[u8]>, limit: u32) -> Result<Page, StoreError> {
        let filter = Filter { live: true, owner: Some(owner.clone()), ..Filter::default() };
        self.page(budget, &filter, after, limit).await
    }

    /// The owner's tombstone is committed behind the gate before sessions are looked for: a create or swap that comes
    /// later sees it, one that came earlier is found. The second look is for clusters, where another node's writers pass
    /// a gate of their own.
    async fn end_owner(
        &self,
        budget: Budget,
        owner: &Owner,
        tombstone: &Tombstone,
        except: Option<&Key>,
    ) -> Result<EndedOwner, StoreError> {
        let now = self.db.store_time(budget).await?;
        let value = "`option_value`";
        let part =
            |from: usize| (format!("SUBSTRING({value},{from},16)"), format!("SUBSTRING(VALUES({value}),{from},16)"));
        let ((at, new_at), (until, new_until)) = (part(1), part(17));
        let except = except.map_or_else(|| NO_KEY.to_owned(), |key| hex(key.as_bytes()));
        // A later end of the same owner goes further; one that comes late by a slow clock does not take it back.
        let mark = format!(
            "START TRANSACTION;\
             {} ON DUPLICATE KEY UPDATE {value}=VALUES({value});\
             {} VALUES ('{}','{}{}{except}','{AUTOLOAD}') ON DUPLICATE KEY UPDATE \
             {value}=CONCAT(GREATEST({at},{new_at}),GREATEST({until},{new_until}),SUBSTRING(VALUES({value}),33));\
             COMMIT",
            self.gate(),
            self.insert(),
            text::ended(owner),
            hex64(tombstone.at.0),
            hex64(tombstone.until.0),
        );
        self.run(budget, Effect::Repeatable, &mark, 4).await?;
        let mut ended = 0;
        for _look in 0..2 {
            let mut after = String::new();
            loop {
                let keys = self.keys_of(budget, owner, &after).await?;
                let Some(last) = keys.last().cloned() else { break };
                let names: Vec<String> =
                    keys.iter().filter(|k| **k != except).map(|k| format!("'{}{k}'", text::RECORDS)).collect();
                if !names.is_empty() {
                    let end = |state: &str| {
                        format!(
                            "UPDATE {} SET {value}={} WHERE `option_name` IN ({}) AND {}='{state}' AND {} AND {}>'{}'",
                            self.table(),
                            text::end(value, tombstone),
                            names.join(","),
                            text::state(value),
                            text::has_owner(value, owner),
                            text::expires(value),
                            hex64(now.0)
                        )
                    };
                    let both = format!("{};{}", end("00"), end("01"));
                    let answers = self.run(budget, Effect::Repeatable, &both, 2).await?;
                    ended += answers.first().map_or(0, |a| a.affected);
                }
                if keys.len() < BATCH {
                    break;
                }
                after = last;
            }
        }
        Ok(EndedOwner { ended, complete: true })
    }
}

impl OptionsStore {
    /// Keys, in hexadecimal, of sessions that are or were this owner's, in order.
    async fn keys_of(&self, budget: Budget, owner: &Owner, after: &str) -> Result<Vec<String>, StoreError> {
        let index = text::index(owner);
        let text = format!(
            "SELECT SUBSTRING(`option_name`,{}) FROM {} WHERE `option_name`>'{index}{after}' AND \
             `option_name`<'{index}g' ORDER BY `option_name` LIMIT {BATCH}",
            index.len() + 1,
            self.table()
        );
        let answers = self.run(budget, Effect::Read, &text, 1).await?;
        let mut keys = Vec::new();
        for row in answers.into_iter().flat_map(|a| a.rows) {
            let name = Reader::new(row).bytes().map_err(|d| self.damaged(d))?;
            let key = text::key(&name).map_err(|d| self.damaged(d))?;
            keys.push(hex(key.as_bytes()));
        }
        Ok(keys)
    }
}
