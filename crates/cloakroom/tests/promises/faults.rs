//! Promise 8: the store may fail. Lost replies double nothing; failed loads store nothing.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use cloakroom::store::{Created, Description, Ended, Leases, Remove, Swapped, Swept, Touched};
use cloakroom::{
    Budget, Committed, Dropped, EndKind, Engine, EngineError, Key, Loaded, MemoryStore, Notice, Opening, Record,
    Rotated, SessionId, Store, StoreError, Time, Tombstone, Version,
};

use super::{LIFETIME, PHP, Site, budget, owner, site};

/// What another server does.
#[derive(Debug, Clone, Copy)]
enum Meanwhile {
    Ends,
    Commits(u32),
}

/// Loses replies and fails when told to.
#[derive(Debug)]
pub(crate) struct Faulty {
    inner: MemoryStore,
    /// So many writes from now on are applied and their replies lost.
    pub(crate) lose_replies: AtomicU32,
    /// So many writes from now on are lost on the way, and so is what would be known of them.
    pub(crate) lose_writes: AtomicU32,
    /// So many writes before that go well.
    pub(crate) skip: AtomicU32,
    pub(crate) down: AtomicBool,
    /// The first loss is followed by an outage.
    pub(crate) down_after_loss: AtomicBool,
    /// After the first loss another server does something with what this id opens.
    after_loss: Mutex<Option<(Engine, SessionId, Meanwhile)>>,
}

impl Faulty {
    fn lost() -> StoreError {
        StoreError::Unknown { engine: "test", detail: "reply lost".into() }
    }

    fn check(&self) -> Result<(), StoreError> {
        if self.down.load(Ordering::SeqCst) { Err(StoreError::TimedOut { engine: "test" }) } else { Ok(()) }
    }

    fn take(counter: &AtomicU32) -> bool {
        counter.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1)).is_ok()
    }

    async fn write<T>(&self, verb: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
        self.check()?;
        if Self::take(&self.skip) {
            return verb.await;
        }
        let result = if Self::take(&self.lose_writes) { Err(Self::lost()) } else { verb.await };
        let result = if Self::take(&self.lose_replies) { Err(Self::lost()) } else { result };
        if result.is_err() && self.down_after_loss.load(Ordering::SeqCst) {
            self.down.store(true, Ordering::SeqCst);
        }
        let meanwhile = self.after_loss.lock().expect("whole").take_if(|_| result.is_err());
        if let Some((engine, id, what)) = meanwhile {
            let (Opening::Live(mut session) | Opening::Frozen(mut session)) =
                engine.open(budget(), &id, LIFETIME).await
            else {
                panic!("there is nothing")
            };
            match what {
                Meanwhile::Ends => session.end(&engine, budget(), EndKind::Destroyed).await.expect("ended"),
                Meanwhile::Commits(count) => {
                    for n in 0..count {
                        let payload = [session.payload(), format!("n{n}|i:1;").as_bytes()].concat();
                        session.commit(&engine, budget(), &payload, PHP).await.expect("committed");
                    }
                }
            }
        }
        result
    }
}

#[async_trait]
impl Store for Faulty {
    fn describe(&self) -> Description {
        self.inner.describe()
    }
    async fn now(&self, budget: Budget) -> Result<Time, StoreError> {
        self.check()?;
        self.inner.now(budget).await
    }
    async fn load(&self, budget: Budget, key: &Key) -> Result<Loaded, StoreError> {
        self.check()?;
        self.inner.load(budget, key).await
    }
    async fn create(&self, budget: Budget, key: &Key, record: &Record, seen: Time) -> Result<Created, StoreError> {
        self.write(self.inner.create(budget, key, record, seen)).await
    }
    async fn swap(
        &self,
        budget: Budget,
        key: &Key,
        expected: Version,
        record: &Record,
        seen: Time,
    ) -> Result<Swapped, StoreError> {
        self.write(self.inner.swap(budget, key, expected, record, seen)).await
    }
    async fn touch(
        &self,
        budget: Budget,
        key: &Key,
        expected: Version,
        touched: Time,
        idle: Time,
    ) -> Result<Touched, StoreError> {
        self.write(self.inner.touch(budget, key, expected, touched, idle)).await
    }
    async fn end(&self, budget: Budget, key: &Key, tombstone: &Tombstone) -> Result<Ended, StoreError> {
        self.write(self.inner.end(budget, key, tombstone)).await
    }
    async fn sweep(&self, budget: Budget, limit: u32) -> Result<Swept, StoreError> {
        self.inner.sweep(budget, limit).await
    }
    fn remove(&self) -> Option<&dyn Remove> {
        Store::remove(&self.inner)
    }
    fn leases(&self) -> Option<&dyn Leases> {
        self.inner.leases()
    }
}

pub(crate) fn faulty() -> (Site, Arc<Faulty>) {
    let mut site = site();
    let store = Arc::new(Faulty {
        inner: site.store.clone(),
        lose_replies: AtomicU32::new(0),
        lose_writes: AtomicU32::new(0),
        skip: AtomicU32::new(0),
        down: AtomicBool::new(false),
        down_after_loss: AtomicBool::new(false),
        after_loss: Mutex::new(None),
    });
    site.engine = Engine::builder(store.clone()).clock(site.clock.clone()).build();
    (site, store)
}

#[tokio::test]
async fn a_commit_whose_reply_was_lost_is_applied_once() {
    let (site, store) = faulty();
    let id = site.stored(b"list|a:1:{i:0;i:1;}", None).await;
    let mut session = site.live(&id).await;
    store.lose_replies.store(1, Ordering::SeqCst);
    site.commit(&mut session, b"list|a:2:{i:0;i:1;i:1;i:2;}").await;
    assert_eq!(site.live(&id).await.payload(), b"list|a:2:{i:0;i:1;i:1;i:2;}");
    // And in the contended path: another writer in between, the reply of the merge lost, twice.
    let (mut one, mut two) = (site.live(&id).await, site.live(&id).await);
    site.commit(&mut one, b"list|a:3:{i:0;i:1;i:1;i:2;i:2;i:3;}").await;
    store.lose_replies.store(1, Ordering::SeqCst);
    site.commit(&mut two, b"list|a:3:{i:0;i:1;i:1;i:2;i:2;i:4;}").await;
    assert_eq!(site.live(&id).await.payload(), b"list|a:4:{i:0;i:1;i:1;i:2;i:2;i:3;i:3;i:4;}");
}

#[tokio::test]
async fn a_commit_that_was_lost_on_the_way_is_made_up_for() {
    let (site, store) = faulty();
    let id = site.stored(b"a|i:1;", None).await;
    let mut session = site.live(&id).await;
    store.lose_writes.store(3, Ordering::SeqCst);
    site.commit(&mut session, b"a|i:2;").await;
    assert_eq!(site.live(&id).await.payload(), b"a|i:2;");
}

#[tokio::test]
async fn a_create_whose_reply_was_lost_is_applied_once() {
    let (site, store) = faulty();
    store.lose_replies.store(1, Ordering::SeqCst);
    let id = site.stored(b"list|a:1:{i:0;i:1;}", None).await;
    assert_eq!(site.live(&id).await.payload(), b"list|a:1:{i:0;i:1;}");
}

#[tokio::test]
async fn a_lost_reply_after_sixteen_other_commits_is_told_as_unknown() {
    let (site, store) = faulty();
    let id = site.stored(b"a|i:0;", None).await;
    let mut session = site.live(&id).await;
    let mut others = site.live(&id).await;
    for n in 1..=16 {
        site.commit(&mut others, format!("a|i:{n};").as_bytes()).await;
    }
    store.lose_writes.store(1, Ordering::SeqCst);
    let result = session.commit(&site.engine, budget(), b"a|i:99;", PHP).await;
    assert!(matches!(result, Err(EngineError::OutcomeUnknown(_))), "{result:?}");
    assert_eq!(site.live(&id).await.payload(), b"a|i:16;", "and is not tried again");
}

#[tokio::test]
async fn after_a_commit_of_unknown_outcome_the_next_one_writes_nothing_twice() {
    let (site, store) = faulty();
    let id = site.stored(b"list|a:1:{i:0;i:1;}", None).await;
    let mut session = site.live(&id).await;
    store.lose_replies.store(1, Ordering::SeqCst);
    // Applied, and the reply lost; what was there can't be looked at before the budget ends.
    let two = b"list|a:2:{i:0;i:1;i:1;i:2;}";
    let short = cloakroom::Budget::of(std::time::Duration::ZERO);
    let told = session.commit(&site.engine, short, two, PHP).await;
    assert!(matches!(told, Err(EngineError::OutcomeUnknown(_))), "{told:?}");
    site.commit(&mut session, b"list|a:3:{i:0;i:1;i:1;i:2;i:2;i:3;}").await;
    assert_eq!(site.live(&id).await.payload(), b"list|a:3:{i:0;i:1;i:1;i:2;i:2;i:3;}");
}

#[tokio::test]
async fn rotation_survives_every_single_lost_reply_and_lost_write() {
    for lose_writes in [false, true] {
        // Making the successor, moving the old record, the commit at the end.
        for skip in 0..3 {
            let (site, store) = faulty();
            let old = site.stored(b"cart|i:1;", None).await;
            let mut session = site.live(&old).await;
            let counter = if lose_writes { &store.lose_writes } else { &store.lose_replies };
            counter.store(1, Ordering::SeqCst);
            store.skip.store(skip, Ordering::SeqCst);
            let (rotated, new) = site.rotate(&mut session, b"cart|i:1;user|i:2;").await;
            assert_eq!(rotated, Rotated::Moved, "{lose_writes} {skip}");
            site.commit(&mut session, b"cart|i:1;user|i:2;seen|i:1;").await;
            assert_eq!(site.live(&new).await.payload(), b"cart|i:1;user|i:2;seen|i:1;", "{lose_writes} {skip}");
            assert_eq!(site.frozen(&old).await.payload(), b"cart|i:1;");
            assert_eq!(counter.load(Ordering::SeqCst), 0, "the fault was met");
        }
    }
}

#[tokio::test]
async fn a_rotation_that_failed_after_a_lost_race_takes_nothing_of_others_back() {
    let (site, store) = faulty();
    let id = site.stored(b"a|i:1;b|i:1;", owner("42")).await;
    let (mut session, mut other) = (site.live(&id).await, site.live(&id).await);
    site.commit(&mut other, b"a|i:1;b|i:2;c|i:2;").await;
    // The successor is made, the move loses the race; then the successor can't be brought up to date.
    store.skip.store(2, Ordering::SeqCst);
    store.lose_writes.store(1, Ordering::SeqCst);
    let new = SessionId::draw().expect("randomness");
    let told = session.rotate(&site.engine, budget(), new, b"a|i:1;b|i:1;d|i:3;", PHP).await;
    assert!(matches!(told, Err(EngineError::Store(_))), "{told:?}");
    assert_eq!(*session.key(), site.engine.key_of(&id), "and stays where it was");
    site.commit(&mut session, b"a|i:1;b|i:1;d|i:3;").await;
    assert_eq!(site.live(&id).await.payload(), b"a|i:1;b|i:2;c|i:2;d|i:3;");
}

#[tokio::test]
async fn after_a_rotation_of_unknown_outcome_the_next_commit_adds_nothing_twice() {
    for applied in [true, false] {
        let (site, store) = faulty();
        let id = site.stored(b"list|a:1:{i:0;i:1;}", owner("42")).await;
        let mut session = site.live(&id).await;
        // The successor is made; of the move nothing is heard, and the store is away when it is asked.
        store.skip.store(1, Ordering::SeqCst);
        let counter = if applied { &store.lose_replies } else { &store.lose_writes };
        counter.store(1, Ordering::SeqCst);
        store.down_after_loss.store(true, Ordering::SeqCst);
        let new = SessionId::draw().expect("randomness");
        let two = b"list|a:2:{i:0;i:1;i:1;i:2;}";
        let told = session.rotate(&site.engine, budget(), new, two, PHP).await;
        assert!(matches!(told, Err(EngineError::OutcomeUnknown(_))), "{told:?}");
        store.down.store(false, Ordering::SeqCst);
        let three = b"list|a:3:{i:0;i:1;i:1;i:2;i:2;i:3;}";
        site.commit(&mut session, three).await;
        let session = match site.open(&id).await {
            Opening::Live(session) if !applied => session,
            Opening::Follow(session) if applied => session,
            other => panic!("{applied}: {other:?}"),
        };
        assert_eq!(session.payload(), three, "{applied}");
    }
}

#[tokio::test]
async fn a_logout_whose_reply_was_lost_stands() {
    let (site, store) = faulty();
    let id = site.stored(b"user|i:42;", owner("42")).await;
    store.lose_replies.store(1, Ordering::SeqCst);
    site.live(&id).await.end(&site.engine, budget(), EndKind::Destroyed).await.expect("ended");
    assert_eq!(site.absent(&id).await, cloakroom::Absent::Ended);
}

#[tokio::test]
async fn a_detached_request_stores_nothing_and_the_cart_is_there_afterwards() {
    let (site, store) = faulty();
    let id = site.stored(b"cart|i:1;", None).await;
    store.down.store(true, Ordering::SeqCst);
    let Opening::Detached(mut session, _) = site.open(&id).await else { panic!("not detached") };
    assert_eq!(session.payload(), b"");
    assert!(matches!(site.engine.breaker().notice(), Some(Notice::Began(_))));
    assert_eq!(site.engine.breaker().notice(), None, "told once");
    store.down.store(false, Ordering::SeqCst);
    assert_eq!(site.commit(&mut session, b"cart|i:0;").await, Committed::Detached);
    assert_eq!(site.rotate(&mut session, b"cart|i:0;").await.0, Rotated::Detached);
    assert!(session.end(&site.engine, budget(), EndKind::Destroyed).await.is_err(), "nobody may believe it");
    // Within the second the breaker still answers for the store; a probe later it is back.
    assert!(matches!(site.open(&id).await, Opening::Detached(..)));
    std::thread::sleep(std::time::Duration::from_millis(1010));
    assert_eq!(site.live(&id).await.payload(), b"cart|i:1;");
    assert!(matches!(site.engine.breaker().notice(), Some(Notice::Over { .. })));
}

#[tokio::test]
async fn a_failed_commit_says_so_and_what_was_stored_stays() {
    let (site, store) = faulty();
    let id = site.stored(b"a|i:1;", None).await;
    let mut session = site.live(&id).await;
    store.down.store(true, Ordering::SeqCst);
    assert!(session.commit(&site.engine, budget(), b"a|i:2;", PHP).await.is_err());
    let fresh = &mut site.engine.fresh(SessionId::draw().expect("randomness"), LIFETIME);
    assert!(fresh.commit(&site.engine, budget(), b"a|i:2;", PHP).await.is_err());
    store.down.store(false, Ordering::SeqCst);
    // The application may try again in the same request.
    assert_eq!(site.commit(&mut session, b"a|i:2;").await, Committed::Written);
}

/// Another server does this right after the next loss.
fn after_loss(site: &Site, store: &Faulty, id: &SessionId, what: Meanwhile) {
    let engine = Engine::builder(Arc::new(site.store.clone())).clock(site.clock.clone()).build();
    *store.after_loss.lock().expect("whole") = Some((engine, id.clone(), what));
}

#[tokio::test]
async fn a_commit_that_reached_the_successor_before_its_end_is_told_as_done() {
    for applied in [true, false] {
        let (site, store) = faulty();
        let old = site.stored(b"cart|i:1;", None).await;
        let mut overlapping = site.live(&old).await;
        let (_, new) = site.rotate(&mut site.live(&old).await, b"cart|i:1;user|i:42;").await;
        // Its swap finds the session moved; of the one into the successor nothing is heard.
        store.skip.store(1, Ordering::SeqCst);
        let counter = if applied { &store.lose_replies } else { &store.lose_writes };
        counter.store(1, Ordering::SeqCst);
        after_loss(&site, &store, &new, Meanwhile::Ends);
        let told = site.commit(&mut overlapping, b"cart|i:1;item|i:7;").await;
        let expected = if applied { Committed::Written } else { Committed::Dropped(Dropped::Ended) };
        assert_eq!(told, expected);
        for id in [&old, &new] {
            assert_eq!(site.absent(id).await, cloakroom::Absent::Ended);
        }
        let told = site.commit(&mut overlapping, b"cart|i:1;item|i:8;").await;
        assert_eq!(told, Committed::Dropped(Dropped::Ended), "and brings nothing back");
    }
}

#[tokio::test]
async fn a_commit_whose_reply_from_the_successor_was_lost_is_never_applied_twice() {
    for others in [15, 16] {
        let (site, store) = faulty();
        let old = site.stored(b"list|a:1:{i:0;i:1;}", None).await;
        let mut overlapping = site.live(&old).await;
        let (_, new) = site.rotate(&mut site.live(&old).await, b"list|a:1:{i:0;i:1;}user|i:42;").await;
        store.skip.store(1, Ordering::SeqCst);
        store.lose_replies.store(1, Ordering::SeqCst);
        after_loss(&site, &store, &new, Meanwhile::Commits(others));
        let told = overlapping.commit(&site.engine, budget(), b"list|a:2:{i:0;i:1;i:1;i:2;}", PHP).await;
        // With so many others after it, nobody can know that it is there.
        let unknown = matches!(told, Err(EngineError::OutcomeUnknown(_)));
        assert!(if others > 15 { unknown } else { told == Ok(Committed::Written) }, "{others}: {told:?}");
        let payload = site.live(&new).await.payload().to_vec();
        assert!(payload.starts_with(b"list|a:2:{i:0;i:1;i:1;i:2;}"), "{}", String::from_utf8_lossy(&payload));
    }
}

#[tokio::test]
async fn a_rotation_whose_old_id_was_ended_after_it_had_moved_keeps_its_session() {
    for applied in [true, false] {
        let (site, store) = faulty();
        let old = site.stored(b"cart|i:1;", None).await;
        let mut login = site.live(&old).await;
        login.set_owner(owner("42"));
        // The successor is made; of the move nothing is heard, and then whoever has the old id ends what it opens.
        store.skip.store(1, Ordering::SeqCst);
        let counter = if applied { &store.lose_replies } else { &store.lose_writes };
        counter.store(1, Ordering::SeqCst);
        after_loss(&site, &store, &old, Meanwhile::Ends);
        let (told, new) = site.rotate(&mut login, b"cart|i:1;user|i:42;").await;
        assert_eq!(site.absent(&old).await, cloakroom::Absent::Ended);
        if applied {
            assert_eq!(told, Rotated::Moved);
            assert_eq!(site.live(&new).await.payload(), b"cart|i:1;user|i:42;");
        } else {
            assert_eq!(told, Rotated::Dropped(Dropped::Ended));
            assert!(matches!(site.open(&new).await, Opening::Absent(_)));
        }
    }
}
