//! A store that ignores versions: whoever writes last overwrites what is there. It is what most session handlers do, and what
//! the checker must see.

use std::sync::Arc;

use async_trait::async_trait;
use cloakroom::store::{Budget, Created, Description, Ended, Leases, Loaded, Owners, Remove, Swapped, Swept, Touched};
use cloakroom::{Key, Record, Store, StoreError, Time, Tombstone, Version};

/// The wrapper.
#[derive(Debug)]
pub(crate) struct Blind(pub(crate) Arc<dyn Store>);

#[async_trait]
impl Store for Blind {
    fn describe(&self) -> Description {
        self.0.describe()
    }

    async fn now(&self, budget: Budget) -> Result<Time, StoreError> {
        self.0.now(budget).await
    }

    async fn load(&self, budget: Budget, key: &Key) -> Result<Loaded, StoreError> {
        self.0.load(budget, key).await
    }

    async fn create(&self, budget: Budget, key: &Key, record: &Record, seen: Time) -> Result<Created, StoreError> {
        self.0.create(budget, key, record, seen).await
    }

    async fn swap(
        &self,
        budget: Budget,
        key: &Key,
        expected: Version,
        record: &Record,
        seen: Time,
    ) -> Result<Swapped, StoreError> {
        let mut expected = expected;
        loop {
            let swapped = self.0.swap(budget, key, expected, record, seen).await?;
            match (swapped, self.0.load(budget, key).await?.record) {
                (Swapped::Stale, Some(there)) => expected = there.version,
                (swapped, _) => return Ok(swapped),
            }
        }
    }

    async fn touch(
        &self,
        budget: Budget,
        key: &Key,
        expected: Version,
        touched: Time,
        idle: Time,
    ) -> Result<Touched, StoreError> {
        self.0.touch(budget, key, expected, touched, idle).await
    }

    async fn end(&self, budget: Budget, key: &Key, tombstone: &Tombstone) -> Result<Ended, StoreError> {
        self.0.end(budget, key, tombstone).await
    }

    async fn sweep(&self, budget: Budget, limit: u32) -> Result<Swept, StoreError> {
        self.0.sweep(budget, limit).await
    }

    fn remove(&self) -> Option<&dyn Remove> {
        self.0.remove()
    }

    fn leases(&self) -> Option<&dyn Leases> {
        self.0.leases()
    }

    fn owners(&self) -> Option<&dyn Owners> {
        self.0.owners()
    }
}
