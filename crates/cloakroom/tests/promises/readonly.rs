//! Requests that only read.

use cloakroom::store::TallyKind;
use cloakroom::{Absent, Committed, Dropped, EndKind, SessionId, Store};

use super::{LIFETIME, budget, owner, site};

#[tokio::test]
async fn a_request_that_only_reads_writes_nothing_and_says_so() {
    let site = site();
    let id = site.stored(b"cart|i:1;", None).await;
    let mut session = site.live(&id).await;
    session.set_readonly(true);
    assert!(session.is_readonly());
    assert_eq!(site.commit(&mut session, b"cart|i:2;").await, Committed::Dropped(Dropped::ReadOnly));
    assert_eq!(site.live(&id).await.payload(), b"cart|i:1;");
    // What it had changed is no part of what a later writing commit knows as stored.
    assert_eq!(session.payload(), b"cart|i:1;");
    session.set_readonly(false);
    assert_eq!(site.commit(&mut session, b"cart|i:2;").await, Committed::Written);

    site.engine.flush_reports(budget()).await.expect("flushed");
    let reports = site.store.reports().expect("reports");
    let dropped = reports.read(budget(), TallyKind::Dropped, 0, 10).await.expect("read");
    assert_eq!(dropped.len(), 1);
    assert_eq!((dropped[0].label.as_str(), dropped[0].count), (Dropped::ReadOnly.to_string().as_str(), 1));
}

#[tokio::test]
async fn reading_keeps_a_session_alive_whether_or_not_it_was_changed() {
    for payload in [&b"cart|i:1;"[..], b"cart|i:2;"] {
        let site = site();
        let id = site.stored(b"cart|i:1;", None).await;
        let before = site.live(&id).await.deadlines().expect("stored").1;
        site.advance(600);
        let mut session = site.live(&id).await;
        session.set_readonly(true);
        site.commit(&mut session, payload).await;
        let after = site.live(&id).await.deadlines().expect("stored").1;
        assert_eq!(after.since(before).as_secs(), 600);
    }
}

#[tokio::test]
async fn a_new_session_of_a_request_that_only_reads_is_not_stored() {
    let site = site();
    let mut session = site.engine.fresh(SessionId::draw().expect("randomness"), LIFETIME);
    session.set_readonly(true);
    assert_eq!(site.commit(&mut session, b"").await, Committed::Nothing);
    assert_eq!(site.commit(&mut session, b"cart|i:1;").await, Committed::Dropped(Dropped::ReadOnly));
    let id = session.id().expect("an id").clone();
    assert_eq!(site.absent(&id).await, Absent::Unknown);
}

#[tokio::test]
async fn a_request_that_only_reads_changes_no_owner_and_may_log_out() {
    let site = site();
    let id = site.stored(b"user|i:42;", owner("42")).await;
    let mut session = site.live(&id).await;
    session.set_readonly(true);
    session.set_owner(owner("1"));
    assert_eq!(site.commit(&mut session, b"user|i:42;").await, Committed::Dropped(Dropped::ReadOnly));
    assert_eq!(site.live(&id).await.owner(), owner("42").as_ref());
    session.end(&site.engine, budget(), EndKind::Destroyed).await.expect("ended");
    assert_eq!(site.absent(&id).await, Absent::Ended);
}
