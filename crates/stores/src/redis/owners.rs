//! A person's sessions. The index of an owner is written in the same step as the records it names, and never before a
//! record's deadline loses one; what it still names by mistake is recognised by the record itself.

use async_trait::async_trait;
use cloakroom::store::{EndedOwner, Filter, Owners, Page};
use cloakroom::{Budget, Key, Owner, StoreError, Tombstone};

use super::link::{Kind, odd};
use super::paging::Source;
use super::refusal::refused;
use super::resp::{Reply, Request};
use super::{RedisStore, TombstoneParts, deadline, digits, hex, int, scripts};

/// Sessions ended in one request.
const AT_ONCE: usize = 100;

#[async_trait]
impl Owners for RedisStore {
    async fn find(&self, budget: Budget, owner: &Owner, after: Option<&[u8]>, limit: u32) -> Result<Page, StoreError> {
        let filter = Filter { live: true, owner: Some(owner.clone()), ..Filter::default() };
        let source = Source::Index(self.names.sessions(owner));
        self.walk(budget, &source, &filter, after, limit).await
    }

    async fn end_owner(
        &self,
        budget: Budget,
        owner: &Owner,
        tombstone: &Tombstone,
        except: Option<&Key>,
    ) -> Result<EndedOwner, StoreError> {
        // First the tombstone: once it stands, no request that is under way adds a session that this walk would miss.
        let spared = except.map_or(Vec::new(), |key| hex(key.as_bytes()));
        let value = [&digits(tombstone.at.0)[..], b" ", &spared].concat();
        let request = Request::of(&[b"SET", &self.names.ended(owner), &value, b"PXAT", &deadline(tombstone.until)]);
        let set = |replies: &[Reply<'_>]| match replies.first() {
            Some(Reply::Status(_)) => Ok(()),
            Some(Reply::Error(words)) => Err(refused(words)),
            _ => Err(odd()),
        };
        self.link.ask(budget, Kind::Write, &request, set).await?;
        let parts = TombstoneParts::of(tombstone);
        let source = Source::Index(self.names.sessions(owner));
        let (mut ended, mut cursor) = (0, Some(0));
        while let Some(at) = cursor {
            let (next, mut keys) = self.scan(budget, &source, at, AT_ONCE as u32).await.map_err(half_done)?;
            cursor = next;
            keys.retain(|key| Some(key) != except);
            for keys in keys.chunks(AT_ONCE) {
                ended += self.end_all(budget, owner, &parts, keys).await.map_err(half_done)?;
            }
        }
        Ok(EndedOwner { ended, complete: !self.link.may_evict() })
    }
}

impl RedisStore {
    /// Ends those of the records that are the owner's; how many of them were live.
    async fn end_all(
        &self,
        budget: Budget,
        owner: &Owner,
        parts: &TombstoneParts,
        keys: &[Key],
    ) -> Result<u64, StoreError> {
        // The calls after this one find the script in the cache.
        let mut request = Request::of(&[b"SCRIPT", b"LOAD", scripts::END.text.as_bytes()]);
        let [head, middle, until, of_nothing] = parts.arguments();
        for key in keys {
            let arguments = [head, middle, until, of_nothing, owner.as_bytes()];
            scripts::END.add_to(&mut request, false, &[&self.names.record(key)], &arguments);
        }
        let count = |replies: &[Reply<'_>]| {
            if let Some(Reply::Error(words)) = replies.first() {
                return Err(refused(words));
            }
            let mut live = 0;
            for reply in replies.iter().skip(1) {
                match int(reply) {
                    Ok(code) => live += u64::from(code == 2),
                    // Something that is no record must not keep the others alive.
                    Err(StoreError::Damaged { .. }) => {}
                    Err(error) => return Err(error),
                }
            }
            Ok(live)
        };
        self.link.ask(budget, Kind::Write, &request, count).await
    }
}

/// An error after part of it was done: nobody may be told that nothing was changed.
fn half_done(error: StoreError) -> StoreError {
    match error {
        StoreError::Damaged { .. } | StoreError::Unknown { .. } => error,
        error => StoreError::Unknown {
            engine: super::ENGINE,
            detail: format!("the owner's tombstone stands, and not all of the sessions are ended: {error}"),
        },
    }
}
