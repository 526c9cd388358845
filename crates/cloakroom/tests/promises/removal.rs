//! Promise 5: an emptied session goes when it is found empty and left empty, and nothing that somebody adds goes with it.

use std::time::Duration;

use cloakroom::{Absent, Committed, SessionId};

use super::{LIFETIME, budget, owner, site, vars};

#[tokio::test]
async fn an_empty_session_is_removed_without_a_tombstone_and_an_add_makes_it_anew() {
    let site = site();
    let id = site.stored(&vars(&[("cart", 1)]), None).await;
    let mut emptied = site.live(&id).await;
    assert_eq!(site.commit(&mut emptied, b"").await, Committed::Written, "an emptied session stays, empty");
    let mut adds = site.live(&id).await;
    let mut finds_it_empty = site.live(&id).await;
    assert!(!finds_it_empty.is_placeholder());
    assert!(finds_it_empty.payload().is_empty());
    assert!(finds_it_empty.remove(&site.engine, budget()).await.expect("removed"));
    assert_eq!(site.absent(&id).await, Absent::Unknown, "no tombstone");
    assert_eq!(site.commit(&mut adds, &vars(&[("cart", 2)])).await, Committed::Written);
    assert_eq!(site.live(&id).await.payload(), vars(&[("cart", 2)]));
}

#[tokio::test]
async fn a_removal_loses_against_who_added_meanwhile() {
    let site = site();
    let id = site.stored(b"", owner("x")).await;
    let mut session = site.live(&id).await;
    assert!(!session.remove(&site.engine, budget()).await.expect("kept"), "somebody is logged in");
    let id = site.stored(b"", owner("y")).await;
    let mut asked = site.live(&id).await;
    asked.set_owner(None);
    asked.set_asked();
    site.commit(&mut asked, b"").await;
    let mut session = site.live(&id).await;
    assert!(session.is_asked(), "stored with the session");
    assert!(!session.remove(&site.engine, budget()).await.expect("kept"), "the application knows its id");
    let id = site.stored(&vars(&[("cart", 1)]), None).await;
    let mut emptied = site.live(&id).await;
    site.commit(&mut emptied, b"").await;
    let (mut adds, mut removes) = (site.live(&id).await, site.live(&id).await);
    site.commit(&mut adds, &vars(&[("cart", 2)])).await;
    assert!(!removes.remove(&site.engine, budget()).await.expect("lost"));
    assert_eq!(site.live(&id).await.payload(), vars(&[("cart", 2)]));
    // Nor does it take along what a merge has put there.
    let (mut one, mut two) = (site.live(&id).await, site.live(&id).await);
    site.commit(&mut one, &vars(&[("cart", 2), ("seen", 1)])).await;
    site.commit(&mut two, b"").await;
    assert!(!two.remove(&site.engine, budget()).await.expect("kept"));
    assert_eq!(site.live(&id).await.payload(), vars(&[("seen", 1)]));
}

#[tokio::test]
async fn a_place_that_is_held_is_told_from_a_session_that_became_empty() {
    let site = site();
    let mut early = site.engine.fresh(SessionId::draw().expect("randomness"), LIFETIME);
    early.hold_place(&site.engine, budget(), Duration::from_secs(600)).await.expect("placed");
    let id = early.id().expect("an id").clone();
    assert!(site.live(&id).await.is_placeholder());
    site.commit(&mut early, &vars(&[("cart", 1)])).await;
    assert!(!site.live(&id).await.is_placeholder());
    site.commit(&mut early, b"").await;
    assert!(!site.live(&id).await.is_placeholder(), "it has held something");
}
