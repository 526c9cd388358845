//! Placeholder.
use async_trait::async_trait;
use cloakroom::store::{Created, Description, Ended, Swapped, Swept, Touched};
use cloakroom::{Budget, Key, Loaded, Record, Store, StoreError, Time, Tombstone, Version};

use crate::Options;

/// Placeholder.
#[derive(Debug)]
pub struct RedisStore;

impl RedisStore {
    /// Placeholder.
    ///
    /// # Errors
    /// Always.
    pub fn open(_url: &str, _options: &Options) -> Result<Self, StoreError> {
        Err(StoreError::Settings("not built yet".into()))
    }
}

#[async_trait]
impl Store for RedisStore {
    fn describe(&self) -> Description {
        unreachable!()
    }
    async fn now(&self, _: Budget) -> Result<Time, StoreError> {
        unreachable!()
    }
    async fn load(&self, _: Budget, _: &Key) -> Result<Loaded, StoreError> {
        unreachable!()
    }
    async fn create(&self, _: Budget, _: &Key, _: &Record, _: Time) -> Result<Created, StoreError> {
        unreachable!()
    }
    async fn swap(&self, _: Budget, _: &Key, _: Version, _: &Record, _: Time) -> Result<Swapped, StoreError> {
        unreachable!()
    }
    async fn touch(&self, _: Budget, _: &Key, _: Version, _: Time, _: Time) -> Result<Touched, StoreError> {
        unreachable!()
    }
    async fn end(&self, _: Budget, _: &Key, _: &Tombstone) -> Result<Ended, StoreError> {
        unreachable!()
    }
    async fn sweep(&self, _: Budget, _: u32) -> Result<Swept, StoreError> {
        unreachable!()
    }
}
