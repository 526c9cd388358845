//! Promises 1, 2 and 5: no lost update, logged out stays out, nothing until something.

use cloakroom::store::Filter;
use cloakroom::{Committed, Dropped, EndKind, SessionId, Store};

use super::{LIFETIME, budget, owner, site, vars};

#[tokio::test]
async fn a_session_without_variables_is_not_stored() {
    let site = site();
    let mut session = site.engine.fresh(SessionId::draw().expect("randomness"), LIFETIME);
    assert_eq!(site.commit(&mut session, b"").await, Committed::Nothing);
    let page = site.store.list().expect("lists").page(budget(), &Filter::default(), None, 10).await.expect("a page");
    assert_eq!(page.records.len(), 0);
}

#[tokio::test]
async fn what_is_committed_is_read_by_the_next_request() {
    let site = site();
    let id = site.stored(b"cart|i:1;", None).await;
    let mut session = site.live(&id).await;
    assert_eq!(session.payload(), b"cart|i:1;");
    assert_eq!(site.commit(&mut session, b"cart|i:1;").await, Committed::Unchanged);
    assert_eq!(site.commit(&mut session, b"cart|i:2;").await, Committed::Written);
    assert_eq!(site.live(&id).await.payload(), b"cart|i:2;");
}

#[tokio::test]
async fn two_requests_that_change_different_things_keep_both() {
    let site = site();
    let id = site.stored(&vars(&[("a", 1)]), None).await;
    let (mut one, mut two) = (site.live(&id).await, site.live(&id).await);
    site.commit(&mut one, &vars(&[("a", 1), ("b", 2)])).await;
    let merged = site.commit(&mut two, &vars(&[("a", 1), ("c", 3)])).await;
    assert_eq!(merged, Committed::Merged { conflicts: vec![] });
    assert_eq!(site.live(&id).await.payload(), vars(&[("a", 1), ("b", 2), ("c", 3)]));
}

#[tokio::test]
async fn a_second_commit_of_a_merged_request_keeps_the_others_change() {
    let site = site();
    let id = site.stored(&vars(&[("a", 1)]), None).await;
    let (mut one, mut two) = (site.live(&id).await, site.live(&id).await);
    site.commit(&mut one, &vars(&[("a", 1), ("b", 2)])).await;
    site.commit(&mut two, &vars(&[("a", 1), ("c", 3)])).await;
    // The request still does not have `b`; that is not a removal.
    site.commit(&mut two, &vars(&[("a", 1), ("c", 4)])).await;
    assert_eq!(site.live(&id).await.payload(), vars(&[("a", 1), ("b", 2), ("c", 4)]));
}

#[tokio::test]
async fn fifty_writers_at_once_are_all_committed() {
    let site = site();
    let id = site.stored(b"start|i:0;", None).await;
    let mut sessions = Vec::new();
    for _ in 0..50 {
        sessions.push(site.live(&id).await);
    }
    let engine = &site.engine;
    let mut tasks = Vec::new();
    for (n, session) in sessions.iter_mut().enumerate() {
        let payload = [b"start|i:0;".to_vec(), format!("item{n}|i:{n};").into_bytes()].concat();
        tasks.push(async move { session.commit(engine, budget(), &payload, super::PHP).await });
    }
    for task in tasks {
        task.await.expect("committed");
    }
    let stored = site.live(&id).await.payload().to_vec();
    for n in 0..50 {
        let item = format!("item{n}|i:{n};").into_bytes();
        assert!(stored.windows(item.len()).any(|w| w == item), "item{n} is missing");
    }
}

#[tokio::test]
async fn a_logged_out_session_is_not_revived_by_a_late_write() {
    let site = site();
    let id = site.stored(b"user|i:42;", owner("42")).await;
    let (mut logout, mut late) = (site.live(&id).await, site.live(&id).await);
    logout.end(&site.engine, budget(), EndKind::Destroyed).await.expect("ended");
    assert_eq!(site.commit(&mut late, b"user|i:42;cart|i:1;").await, Committed::Dropped(Dropped::Ended));
    assert_eq!(site.absent(&id).await, cloakroom::Absent::Ended);
    // The one that logged out can't revive it either.
    assert_eq!(site.commit(&mut logout, b"user|i:42;").await, Committed::Dropped(Dropped::Ended));
    assert_eq!(site.absent(&id).await, cloakroom::Absent::Ended);
}

#[tokio::test]
async fn a_logout_by_unset_stands_against_a_late_write_below_it() {
    let site = site();
    let id = site.stored(b"user|a:1:{s:2:\"id\";i:42;}", None).await;
    let (mut logout, mut late) = (site.live(&id).await, site.live(&id).await);
    site.commit(&mut logout, b"cart|i:1;").await;
    let late = site.commit(&mut late, b"user|a:2:{s:2:\"id\";i:42;s:4:\"seen\";i:9;}").await;
    assert!(matches!(late, Committed::Merged { ref conflicts } if conflicts.len() == 1), "{late:?}");
    assert_eq!(site.live(&id).await.payload(), b"cart|i:1;");
}

#[tokio::test]
async fn ending_all_of_an_owner_stops_requests_that_loaded_before() {
    let site = site();
    let id = site.stored(b"user|i:42;", owner("42")).await;
    let mut late = site.live(&id).await;
    let mut login = site.engine.fresh(SessionId::draw().expect("randomness"), LIFETIME);
    let ended = site.engine.end_owner(budget(), &owner("42").expect("owner"), None).await.expect("ended");
    assert_eq!((ended.ended, ended.complete), (1, true));
    assert_eq!(site.commit(&mut late, b"user|i:42;x|i:1;").await, Committed::Dropped(Dropped::Ended));
    login.set_owner(owner("42"));
    assert_eq!(site.commit(&mut login, b"user|i:42;").await, Committed::Dropped(Dropped::OwnerEnded));
    // Whoever logs in afterwards may.
    site.advance(1);
    site.stored(b"user|i:42;", owner("42")).await;
}

#[tokio::test]
async fn an_evicted_record_is_made_anew_once_and_keeps_every_write() {
    let site = site();
    let id = site.stored(b"start|i:0;", None).await;
    let mut sessions = Vec::new();
    for _ in 0..20 {
        sessions.push(site.live(&id).await);
    }
    site.store.wipe();
    for (n, session) in sessions.iter_mut().enumerate() {
        let payload = [b"start|i:0;".to_vec(), format!("item{n}|i:{n};").into_bytes()].concat();
        site.commit(session, &payload).await;
    }
    let stored = site.live(&id).await.payload().to_vec();
    for n in 0..20 {
        let item = format!("item{n}|i:{n};").into_bytes();
        assert!(stored.windows(item.len()).any(|w| w == item), "item{n} is missing");
    }
    let counts = site.store.count().expect("counts").count(budget()).await.expect("counted");
    assert_eq!(counts.live, 1);
}

#[tokio::test]
async fn an_evicted_record_that_had_an_owner_is_not_made_anew() {
    let site = site();
    let id = site.stored(b"user|i:42;", owner("42")).await;
    let mut late = site.live(&id).await;
    site.store.wipe();
    assert_eq!(site.commit(&mut late, b"user|i:42;x|i:1;").await, Committed::Dropped(Dropped::Gone));
    assert_eq!(site.absent(&id).await, cloakroom::Absent::Unknown);
}

#[tokio::test]
async fn an_evicted_record_is_not_made_anew_when_a_tombstone_would_have_gone() {
    let site = site();
    let id = site.stored(b"cart|i:1;", None).await;
    let mut late = site.live(&id).await;
    site.store.wipe();
    site.advance(3600);
    assert_eq!(site.commit(&mut late, b"cart|i:2;").await, Committed::Dropped(Dropped::Gone));
}

#[tokio::test]
async fn a_payload_over_the_limit_is_refused_and_the_stored_one_stays() {
    let site = site();
    let id = site.stored(b"cart|i:1;", None).await;
    let mut session = site.live(&id).await;
    let large = vec![b'x'; 17 << 20];
    assert!(session.commit(&site.engine, budget(), &large, super::PHP).await.is_err());
    assert_eq!(site.live(&id).await.payload(), b"cart|i:1;");
}

#[tokio::test]
async fn what_another_request_removed_stays_removed_however_often_this_one_commits() {
    let site = site();
    let id = site.stored(&vars(&[("cart", 1), ("user", 42)]), None).await;
    let (mut logout, mut late) = (site.live(&id).await, site.live(&id).await);
    site.commit(&mut logout, &vars(&[("cart", 1)])).await;
    site.commit(&mut late, &vars(&[("cart", 1), ("user", 43)])).await;
    site.commit(&mut late, &vars(&[("cart", 2), ("user", 44)])).await;
    assert_eq!(site.live(&id).await.payload(), vars(&[("cart", 2)]));
}
