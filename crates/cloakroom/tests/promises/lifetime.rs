//! Promise 7: expiry is ours, to the second.

use std::time::Duration;

use cloakroom::{Absent, Committed, Dropped, Lifetime, Opening, SessionId, Store};

use super::{budget, site};

#[tokio::test]
async fn an_idle_session_ends_to_the_second() {
    let site = site();
    let id = site.stored(b"a|i:1;", None).await;
    site.advance(1439);
    site.live(&id).await;
    site.advance(1);
    assert_eq!(site.absent(&id).await, Absent::Expired);
}

#[tokio::test]
async fn reading_keeps_a_session_alive_with_few_writes() {
    let site = site();
    let id = site.stored(b"a|i:1;", None).await;
    let key = site.engine.key_of(&id);
    let touched = async || site.store.load(budget(), &key).await.expect("loaded").record.expect("there").touched;
    let first = touched().await;
    site.advance(59);
    let mut session = site.live(&id).await;
    assert_eq!(site.commit(&mut session, b"a|i:1;").await, Committed::Unchanged);
    assert_eq!(touched().await, first, "less than a minute has passed");
    site.advance(1);
    let mut session = site.live(&id).await;
    site.commit(&mut session, b"a|i:1;").await;
    assert_ne!(touched().await, first);
    site.advance(1439);
    site.live(&id).await;
}

#[tokio::test]
async fn a_touch_never_lowers_the_deadline() {
    let site = site();
    let id = site.stored(b"a|i:1;", None).await;
    site.advance(120);
    let short = Lifetime { idle: Duration::from_secs(60), absolute: None };
    let Opening::Live(mut session) = site.engine.open(budget(), &id, short).await else { panic!("not live") };
    site.commit(&mut session, b"a|i:1;").await;
    site.commit(&mut session, b"a|i:2;").await;
    site.advance(1200);
    site.live(&id).await;
}

#[tokio::test]
async fn the_absolute_deadline_holds_whatever_comes_and_is_inherited() {
    let site = site();
    let lifetime = Lifetime { idle: Duration::from_secs(1440), absolute: Some(Duration::from_secs(2000)) };
    let mut session = site.engine.fresh(SessionId::draw().expect("randomness"), lifetime);
    site.commit(&mut session, b"a|i:1;").await;
    site.advance(1000);
    let Opening::Live(mut session) = site.engine.open(budget(), session.id().expect("an id"), lifetime).await else {
        panic!("not live")
    };
    let (_, id) = site.rotate(&mut session, b"a|i:2;").await;
    site.advance(999);
    let mut late = site.live(&id).await;
    site.advance(1);
    assert_eq!(site.absent(&id).await, Absent::Expired);
    assert_eq!(site.commit(&mut late, b"a|i:3;").await, Committed::Dropped(Dropped::Expired));
}

#[tokio::test]
async fn expired_records_are_swept_in_batches() {
    let site = site();
    for _ in 0..25 {
        site.stored(b"a|i:1;", None).await;
    }
    site.advance(1440);
    let kept = site.stored(b"a|i:1;", None).await;
    let swept = site.engine.sweep(budget(), 10).await.expect("swept");
    assert_eq!((swept.removed, swept.more), (10, true));
    while site.engine.sweep(budget(), 10).await.expect("swept").more {}
    site.live(&kept).await;
    assert_eq!(site.store.count().expect("counts").count(budget()).await.expect("counted").live, 1);
}
