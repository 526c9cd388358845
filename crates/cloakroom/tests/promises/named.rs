//! Named records: a move loses nothing and adds nothing twice wherever it breaks off; deadlines only move up; keys change.

use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use cloakroom::{Committed, Engine, KeyRing, Lifetime, Onto, PayloadMerge, Session, SiteKey, Store, Time};
use cloakroom_format::Rules;

use crate::faults::faulty;
use crate::{LIFETIME, PHP, Site, budget, owner, site};

const GUEST: &[u8] = b"list|a:1:{i:0;i:1;}n|i:3;";
const USER: &[u8] = b"list|a:1:{i:0;i:7;}n|i:4;";
const BOTH: &[u8] = b"list|a:2:{i:0;i:7;i:1;i:1;}n|i:7;";

/// An engine of its own, as another process has it, in which `n` is added up.
fn engine(site: &Site, store: Arc<dyn Store>, keys: &[u8]) -> Engine {
    let ring = KeyRing::new(keys.iter().map(|key| SiteKey::new([*key; 32])).collect());
    let rules = Rules::parse("n=sum").expect("rules");
    let merge = Arc::new(PayloadMerge::new(rules));
    Engine::builder(store).clock(site.clock.clone()).ring(ring).merge(merge).build()
}

fn plain(site: &Site, keys: &[u8]) -> Engine {
    engine(site, Arc::new(site.store.clone()), keys)
}

async fn named(engine: &Engine, name: &str) -> Session {
    engine.open_named(budget(), name.as_bytes(), LIFETIME).await.expect("opened")
}

async fn put(engine: &Engine, name: &str, payload: &[u8]) -> Session {
    let mut record = named(engine, name).await;
    record.commit(engine, budget(), payload, PHP).await.expect("committed");
    record
}

async fn payload(engine: &Engine, name: &str) -> Vec<u8> {
    named(engine, name).await.payload().to_vec()
}

#[tokio::test]
async fn a_move_that_broke_off_at_any_write_is_done_again_without_adding_twice() {
    for (writes, lost_reply) in [(0, false), (0, true), (1, false), (1, true)] {
        let (site, store) = faulty();
        let good = engine(&site, store.clone(), &[1]);
        put(&good, "guest", GUEST).await;
        put(&good, "user", USER).await;
        let (mut from, mut to) = (named(&good, "guest").await, named(&good, "user").await);
        store.skip.store(writes, SeqCst);
        (if lost_reply { &store.lose_replies } else { &store.lose_writes }).store(1, SeqCst);
        store.down_after_loss.store(true, SeqCst);
        let broken = good.move_named(budget(), &good, &mut from, &mut to, Onto::Merge).await;
        assert!(broken.is_err(), "{broken:?}");
        store.down.store(false, SeqCst);
        store.down_after_loss.store(false, SeqCst);
        // Another request does it again, and once more.
        let again = engine(&site, store.clone(), &[1]);
        for _ in 0..2 {
            let (mut from, mut to) = (named(&again, "guest").await, named(&again, "user").await);
            again.move_named(budget(), &again, &mut from, &mut to, Onto::Merge).await.expect("moved");
            assert_eq!(to.payload(), BOTH, "after {writes} writes, reply lost: {lost_reply}");
        }
        assert_eq!(payload(&again, "user").await, BOTH);
        assert!(!named(&again, "guest").await.has_record());
    }
}

#[tokio::test]
async fn who_moves_what_another_has_moved_adds_nothing_and_a_guest_who_began_anew_does() {
    let site = site();
    let engine = plain(&site, &[1]);
    put(&engine, "guest", GUEST).await;
    put(&engine, "user", USER).await;
    let (mut from1, mut to1) = (named(&engine, "guest").await, named(&engine, "user").await);
    let (mut from2, mut to2) = (from1.clone(), to1.clone());
    let moved = engine.move_named(budget(), &engine, &mut from1, &mut to1, Onto::Merge).await.expect("moved");
    assert_eq!(moved, Committed::Written);
    let (mut from, mut to) = (from2.clone(), to2.clone());
    engine.move_named(budget(), &engine, &mut from, &mut to, Onto::Merge).await.expect("moved");
    assert_eq!(payload(&engine, "user").await, BOTH);
    put(&engine, "guest", GUEST).await;
    engine.move_named(budget(), &engine, &mut from2, &mut to2, Onto::Merge).await.expect("moved");
    let stored = payload(&engine, "user").await;
    // The guest began anew and had the same again: that is more, not the same.
    assert_eq!(stored, b"list|a:3:{i:0;i:7;i:1;i:1;i:2;i:1;}n|i:10;");
}

#[tokio::test]
async fn what_others_write_to_the_source_while_it_moves_comes_along_or_is_told() {
    let site = site();
    let engine = plain(&site, &[1]);
    let mut late = put(&engine, "guest", GUEST).await;
    let mut later = late.clone();
    let (mut from, mut to) = (named(&engine, "guest").await, named(&engine, "user").await);
    // Written after the mover had loaded it.
    late.commit(&engine, budget(), b"list|a:1:{i:0;i:1;}n|i:5;x|i:1;", PHP).await.expect("committed");
    engine.move_named(budget(), &engine, &mut from, &mut to, Onto::Merge).await.expect("moved");
    assert_eq!(payload(&engine, "user").await, b"list|a:1:{i:0;i:1;}n|i:5;x|i:1;");
    // Written after it was ended.
    let dropped = later.commit(&engine, budget(), b"n|i:9;", PHP).await.expect("answered");
    assert!(matches!(dropped, Committed::Dropped(_)), "{dropped:?}");
    assert!(!named(&engine, "guest").await.has_record());
}

#[tokio::test]
async fn a_deadline_never_moves_down_whoever_commits_with_less() {
    let site = site();
    let engine = plain(&site, &[1]);
    let mut short = put(&engine, "c", GUEST).await;
    let mut long = named(&engine, "c").await;
    let far = Time(short.deadlines().expect("stored").1.0 + 1_000_000);
    assert_eq!(long.extend(&engine, budget(), far).await, Ok(true));
    short.commit(&engine, budget(), b"n|i:4;", PHP).await.expect("committed");
    assert_eq!(named(&engine, "c").await.deadlines().expect("stored").1, far);
    // And a commit of the one that moved it keeps what the other wrote.
    long.commit(&engine, budget(), b"list|a:1:{i:0;i:1;}n|i:4;", PHP).await.expect("committed");
    assert_eq!(payload(&engine, "c").await, b"n|i:5;", "one more on each side, and the list is gone");
    // Moved by one who had not seen the last commit.
    let mut stale = named(&engine, "c").await;
    put(&engine, "c", b"n|i:5;y|i:1;").await;
    let further = Time(far.0 + 1000);
    assert_eq!(stale.extend(&engine, budget(), further).await, Ok(true));
    stale.commit(&engine, budget(), b"n|i:6;", PHP).await.expect("committed");
    assert_eq!(payload(&engine, "c").await, b"n|i:6;y|i:1;");
    assert_eq!(named(&engine, "c").await.deadlines().expect("stored").1, further);
    stale.end_named(&engine, budget()).await.expect("ended");
    assert_eq!(long.extend(&engine, budget(), Time(further.0 + 1)).await, Ok(false));
}

#[tokio::test]
async fn a_change_of_keys_keeps_owner_and_deadline_and_brings_nothing_back_that_was_ended() {
    let site = site();
    let (old, both) = (plain(&site, &[1]), plain(&site, &[2, 1]));
    let lifetime = Lifetime { idle: Duration::from_secs(90_000), ..LIFETIME };
    let mut record = old.open_named(budget(), b"c", lifetime).await.expect("opened");
    record.set_owner(owner("site:1"));
    record.commit(&old, budget(), GUEST, PHP).await.expect("committed");
    let expires = record.deadlines().expect("stored").1;
    let found = named(&both, "c").await;
    assert_eq!((found.owner().cloned(), found.deadlines().map(|(_, e)| e)), (owner("site:1"), Some(expires)));
    assert!(!named(&old, "c").await.has_record());
    // A move under the first key that broke off leaves both; ended under the first, the rest does not come back.
    let mut left = old.open_named(budget(), b"d", lifetime).await.expect("opened");
    left.commit(&old, budget(), GUEST, PHP).await.expect("committed");
    put(&plain(&site, &[2]), "d", USER).await.end_named(&both, budget()).await.expect("ended");
    assert!(!named(&both, "d").await.has_record());
    // What an older server made after that is a new one.
    site.advance(1);
    left.end_named(&old, budget()).await.expect("ended");
    put(&old, "d", USER).await;
    assert_eq!(payload(&both, "d").await, USER);
}

#[tokio::test]
async fn while_the_store_is_known_to_be_down_named_records_and_lists_are_not_asked_for() {
    let (site, store) = faulty();
    let engine = engine(&site, store.clone(), &[1]);
    store.down.store(true, SeqCst);
    let open = || engine.open_named(budget(), b"c", LIFETIME);
    assert!(open().await.is_err());
    // It answers again, and nobody has asked yet: a probe a second.
    store.down.store(false, SeqCst);
    assert!(open().await.is_err());
    assert!(engine.look(budget(), named(&plain(&site, &[1]), "c").await.key()).await.is_err());
    // A sibling knows what the other has learned.
    let sibling = engine.sibling().ring(KeyRing::new(vec![SiteKey::new([9; 32])])).build();
    assert!(sibling.open_named(budget(), b"c", LIFETIME).await.is_err());
}
