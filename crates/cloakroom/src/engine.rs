//! The engine: a store, the site's settings and a clock, and the doors' way in.

use std::sync::{Arc, OnceLock};

use crate::breaker::Breaker;
use crate::end;
use crate::id::SessionId;
use crate::key::{Key, Namespace};
use crate::merge::{Merge, PayloadMerge};
use crate::outcome::EngineError;
use crate::policy::{Lifetime, Policy};
use crate::record::{EndKind, Owner, Tombstone};
use crate::report::Reporter;
use crate::ring::KeyRing;
use crate::session::{Held, Session, Ticket};
use crate::store::{Budget, EndedOwner, Holder, Store, StoreError, Swept};
use crate::time::{Clock, SystemClock, Time};

/// Opens, commits, rotates and ends sessions. One for each process; cheap to make, connects to nothing by itself.
///
/// ```
/// use std::sync::Arc;
/// use std::time::Duration;
/// use cloakroom::{Budget, Engine, Lifetime, MemoryStore, Opening, SessionId};
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// let engine = Engine::builder(Arc::new(MemoryStore::default())).build();
/// let lifetime = Lifetime { idle: Duration::from_secs(1440), absolute: None };
/// let budget = || Budget::of(Duration::from_secs(2));
///
/// // A visitor without a ticket: no lookup, nothing stored until something is in it.
/// let mut session = engine.fresh(SessionId::draw()?, lifetime);
/// session.commit(&engine, budget(), b"cart|i:1;", 1).await?;
///
/// // The ticket comes back.
/// let id = session.id().unwrap().clone();
/// let Opening::Live(session) = engine.open(budget(), &id, lifetime).await else { panic!() };
/// assert_eq!(session.payload(), b"cart|i:1;");
/// # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
/// ```
#[derive(Debug)]
pub struct Engine {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) namespace: Namespace,
    pub(crate) ring: KeyRing,
    pub(crate) policy: Policy,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) merge: Arc<dyn Merge>,
    pub(crate) holder: OnceLock<Holder>,
    pub(crate) breaker: Arc<Breaker>,
    pub(crate) reporter: Arc<Reporter>,
}

/// Settings for an [`Engine`]; each has a default.
#[derive(Debug)]
pub struct EngineBuilder(Engine);

impl EngineBuilder {
    /// Which site the sessions belong to. Default: the empty namespace.
    #[must_use]
    pub fn namespace(mut self, namespace: Namespace) -> Self {
        self.0.namespace = namespace;
        self
    }

    /// The site keys. Default: none; the session id alone seals.
    #[must_use]
    pub fn ring(mut self, ring: KeyRing) -> Self {
        self.0.ring = ring;
        self
    }

    /// How long things live. Default: [`Policy::default`].
    #[must_use]
    pub fn policy(mut self, policy: Policy) -> Self {
        self.0.policy = policy;
        self
    }

    /// The clock. Default: the operating system's.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.0.clock = clock;
        self
    }

    /// How payloads are merged. Default: [`PayloadMerge`].
    #[must_use]
    pub fn merge(mut self, merge: Arc<dyn Merge>) -> Self {
        self.0.merge = merge;
        self
    }

    /// Who takes leases. Default: this process, as [`Holder::current`] finds it when the first lease is taken.
    #[must_use]
    pub fn holder(mut self, holder: Holder) -> Self {
        self.0.holder = holder.into();
        self
    }

    /// The engine.
    pub fn build(self) -> Engine {
        self.0
    }
}

impl Engine {
    /// An engine over this store.
    pub fn builder(store: Arc<dyn Store>) -> EngineBuilder {
        EngineBuilder(Engine {
            store,
            namespace: Namespace::default(),
            ring: KeyRing::default(),
            policy: Policy::default(),
            clock: Arc::new(SystemClock),
            merge: Arc::new(PayloadMerge::default()),
            holder: OnceLock::new(),
            breaker: Arc::default(),
            reporter: Arc::default(),
        })
    }

    /// The beginning of an engine over the same store, with the same clock, breaker and counters: for records of another
    /// namespace, other keys or other rules. What one of the two learns of an outage, the other knows.
    pub fn sibling(&self) -> EngineBuilder {
        EngineBuilder(Engine {
            store: self.store.clone(),
            namespace: self.namespace.clone(),
            ring: self.ring.clone(),
            policy: self.policy.clone(),
            clock: self.clock.clone(),
            merge: self.merge.clone(),
            holder: self.holder.clone(),
            breaker: self.breaker.clone(),
            reporter: self.reporter.clone(),
        })
    }

    /// The store below, for what only concerns stores: describing, counting, paging.
    pub fn store(&self) -> &dyn Store {
        &*self.store
    }

    /// Who takes leases here.
    pub(crate) fn holder(&self) -> Holder {
        *self.holder.get_or_init(Holder::current)
    }

    /// The site's settings.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// The breaker, for what a door writes to the log.
    pub fn breaker(&self) -> &Breaker {
        &self.breaker
    }

    /// What was counted since the last flush.
    pub fn reporter(&self) -> &Reporter {
        &self.reporter
    }

    /// The key of a session id at this site.
    pub fn key_of(&self, id: &SessionId) -> Key {
        Key::of(&self.namespace, id)
    }

    /// A new session under an id that was drawn just now. No lookup; nothing is stored until something is in it.
    pub fn fresh(&self, id: SessionId, lifetime: Lifetime) -> Session {
        let key = self.key_of(&id);
        Session::new(self, Ticket::Id(id), key, lifetime, Held::Fresh)
    }

    /// A session of which nothing is known because the store failed: empty, stores nothing.
    pub fn detached(&self, id: SessionId, lifetime: Lifetime) -> Session {
        let key = self.key_of(&id);
        Session::new(self, Ticket::Id(id), key, lifetime, Held::Detached)
    }

    /// Ends the session under `key`, and the moved records that led to it, as an operator does. Whether there was one.
    ///
    /// # Errors
    /// When the store fails; the session may not have been ended then.
    pub async fn end_key(&self, budget: Budget, key: &Key, kind: EndKind) -> Result<bool, EngineError> {
        let loaded = self.store.load(budget, key).await?;
        let Some(record) = loaded.record.filter(|r| !r.expired(loaded.now)) else { return Ok(false) };
        end::end_with_trail(self, budget, key, &record.about.trail, kind, loaded.now).await?;
        if let (Some(owner), Some(owners)) = (&record.owner, self.store.owners()) {
            // A rotation may have moved it while we looked; where it went is sealed, but its trail tells. What is found may
            // be moving as well, so this goes on until nothing is found.
            let mut after: Option<Vec<u8>> = None;
            let mut found = false;
            loop {
                let page = owners.find(budget, owner, after.as_deref(), 100).await?;
                for next in page.records.iter().filter(|r| r.about.trail.contains(key)) {
                    found = true;
                    end::end_with_trail(self, budget, &next.key, &next.about.trail, kind, loaded.now).await?;
                }
                after = page.next;
                if after.is_none() && !std::mem::take(&mut found) {
                    break;
                }
            }
        }
        Ok(!matches!(record.state, crate::record::State::Ended { .. }))
    }

    /// Ends all sessions of an owner but `except`.
    ///
    /// # Errors
    /// When the store fails or can't find sessions by owner.
    pub async fn end_owner(
        &self,
        budget: Budget,
        owner: &Owner,
        except: Option<&Key>,
    ) -> Result<EndedOwner, EngineError> {
        let owners = self.store.owners().ok_or_else(|| {
            StoreError::Settings("This store can't find sessions by their owner; end them one by one.".into())
        })?;
        let budget = self.breaker.admit(budget)?;
        let now = self.breaker.note(self.store.now(budget).await)?;
        let tombstone = Tombstone::new(EndKind::Owner, now, self.policy.tombstone)?;
        Ok(self.breaker.note_write(owners.end_owner(budget, owner, &tombstone, except).await)?)
    }

    /// Ends all sessions of an owner but this one, whose request has asked for it: its owner, its successors and what it
    /// writes from here on are those of somebody who has been seen since.
    ///
    /// # Errors
    /// When the store fails or can't find sessions by owner.
    pub async fn end_owner_but(
        &self,
        budget: Budget,
        owner: &Owner,
        session: &mut Session,
    ) -> Result<EndedOwner, EngineError> {
        let except = session.has_record().then_some(session.key);
        let ended = self.end_owner(budget, owner, except.as_ref()).await?;
        // Later than the tombstone, which was set before this.
        let now = self.store.now(budget).await?;
        session.seen = session.seen.max(Time(now.0 + 1));
        Ok(ended)
    }

    /// Housekeeping of the store's own, for the time after a response was sent. Costs nothing most of the time.
    pub async fn maintain(&self, budget: Budget) {
        self.store.maintain(budget).await;
    }

    /// Removes at most `limit` expired records.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn sweep(&self, budget: Budget, limit: u32) -> Result<Swept, EngineError> {
        Ok(self.store.sweep(budget, limit).await?)
    }
}
