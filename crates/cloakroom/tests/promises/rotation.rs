//! Promise 6: rotation with its grace and its limits. Whoever planted or stole the old id gains nothing.

use cloakroom::{Absent, Committed, Dropped, EndKind, Opening, Rotated};

use super::{LIFETIME, budget, owner, site, vars};

#[tokio::test]
async fn a_rotation_is_carried_out_at_once() {
    let site = site();
    let old = site.stored(b"cart|i:1;", None).await;
    let mut session = site.live(&old).await;
    let (rotated, new) = site.rotate(&mut session, b"cart|i:1;user|i:42;").await;
    assert_eq!(rotated, Rotated::Moved);
    // The request dies here: everything is there.
    assert_eq!(site.live(&new).await.payload(), b"cart|i:1;user|i:42;");
    assert_eq!(site.commit(&mut session, b"cart|i:1;user|i:42;seen|i:1;").await, Committed::Written);
    assert_eq!(site.live(&new).await.payload(), b"cart|i:1;user|i:42;seen|i:1;");
}

#[tokio::test]
async fn a_rotation_before_anything_is_stored_costs_nothing() {
    let site = site();
    let mut session = site.engine.fresh(cloakroom::SessionId::draw().expect("randomness"), LIFETIME);
    let (rotated, new) = site.rotate(&mut session, b"user|i:42;").await;
    assert_eq!(rotated, Rotated::Fresh);
    site.commit(&mut session, b"user|i:42;cart|i:1;").await;
    assert_eq!(site.live(&new).await.payload(), b"user|i:42;cart|i:1;");
}

#[tokio::test]
async fn after_a_login_the_old_id_reads_the_frozen_copy_and_writes_nothing() {
    let site = site();
    let old = site.stored(b"cart|i:1;", None).await;
    let mut login = site.live(&old).await;
    login.set_owner(owner("42"));
    let (_, new) = site.rotate(&mut login, b"cart|i:1;user|i:42;").await;
    for _ in 0..5 {
        let mut attacker = site.frozen(&old).await;
        assert_eq!(attacker.payload(), b"cart|i:1;");
        assert_eq!(attacker.owner(), None);
        assert_eq!(site.commit(&mut attacker, b"cart|i:9;").await, Committed::Dropped(Dropped::Moved));
        // Rotating gives it a session of its own.
        let (rotated, own) = site.rotate(&mut attacker, b"cart|i:9;").await;
        assert_eq!(rotated, Rotated::Unlinked);
        site.commit(&mut attacker, b"cart|i:9;").await;
        assert_eq!(site.live(&own).await.payload(), b"cart|i:9;");
        site.advance(12);
    }
    assert_eq!(site.live(&new).await.payload(), b"cart|i:1;user|i:42;");
    site.advance(1);
    assert_eq!(site.absent(&old).await, Absent::MovedLate);
    site.engine.flush_reports(budget()).await.expect("flushed");
}

#[tokio::test]
async fn a_request_that_overlaps_a_login_adds_what_does_not_conflict() {
    let site = site();
    let old = site.stored(&vars(&[("cart", 1)]), None).await;
    let mut overlapping = site.live(&old).await;
    let mut login = site.live(&old).await;
    login.set_owner(owner("42"));
    let (_, new) = site.rotate(&mut login, &vars(&[("cart", 1), ("user", 42)])).await;
    let done = site.commit(&mut overlapping, &vars(&[("cart", 2), ("user", 666), ("item", 7)])).await;
    assert!(matches!(done, Committed::Merged { .. }), "{done:?}");
    let session = site.live(&new).await;
    assert_eq!(session.payload(), vars(&[("cart", 2), ("user", 42), ("item", 7)]));
    assert_eq!(session.owner(), owner("42").as_ref());
}

#[tokio::test]
async fn a_periodic_rotation_of_one_owner_is_followed() {
    let site = site();
    let a = site.stored(b"user|i:42;", owner("42")).await;
    let mut session = site.live(&a).await;
    let (_, b) = site.rotate(&mut session, b"user|i:42;").await;
    let mut session = site.live(&b).await;
    let (_, c) = site.rotate(&mut session, b"user|i:42;n|i:1;").await;
    let Opening::Follow(mut followed) = site.open(&a).await else { panic!("not followed") };
    assert_eq!(followed.id().expect("an id").expose(), c.expose());
    site.commit(&mut followed, b"user|i:42;n|i:2;").await;
    assert_eq!(site.live(&c).await.payload(), b"user|i:42;n|i:2;");
}

#[tokio::test]
async fn a_rotation_that_removes_a_variable_leaves_nothing_readable() {
    let site = site();
    let old = site.stored(b"cart|i:1;user|i:42;", owner("42")).await;
    let mut logout = site.live(&old).await;
    logout.set_owner(None);
    site.rotate(&mut logout, b"").await;
    assert_eq!(site.frozen(&old).await.payload(), b"");
}

#[tokio::test]
async fn a_removal_after_the_rotation_in_the_same_request_takes_the_copy_away() {
    let site = site();
    let old = site.stored(b"cart|i:1;user|i:42;", None).await;
    let mut logout = site.live(&old).await;
    site.rotate(&mut logout, b"cart|i:1;user|i:42;").await;
    assert_eq!(site.frozen(&old).await.payload(), b"cart|i:1;user|i:42;");
    site.commit(&mut logout, b"").await;
    assert_eq!(site.frozen(&old).await.payload(), b"");
}

#[tokio::test]
async fn a_logout_by_rotation_also_closes_the_copies_of_earlier_rotations() {
    let site = site();
    let a = site.stored(b"user|i:42;", None).await;
    let mut session = site.live(&a).await;
    let (_, b) = site.rotate(&mut session, b"user|i:42;").await;
    let mut logout = site.live(&b).await;
    site.rotate(&mut logout, b"").await;
    assert_eq!(site.absent(&a).await, Absent::Ended);
    assert_eq!(site.frozen(&b).await.payload(), b"");
}

#[tokio::test]
async fn ending_a_session_ends_the_moved_records_that_led_to_it() {
    let site = site();
    let old = site.stored(b"cart|i:1;", None).await;
    let mut session = site.live(&old).await;
    let (_, new) = site.rotate(&mut session, b"cart|i:1;").await;
    site.live(&new).await.end(&site.engine, budget(), EndKind::Destroyed).await.expect("ended");
    assert_eq!(site.absent(&old).await, Absent::Ended);
    assert_eq!(site.absent(&new).await, Absent::Ended);
}

#[tokio::test]
async fn a_logout_under_the_old_id_takes_its_copy_away_and_leaves_the_successor() {
    let site = site();
    let old = site.stored(b"cart|i:1;", None).await;
    let mut login = site.live(&old).await;
    login.set_owner(owner("42"));
    let (_, new) = site.rotate(&mut login, b"cart|i:1;user|i:42;").await;
    site.frozen(&old).await.end(&site.engine, budget(), EndKind::Destroyed).await.expect("ended");
    assert_eq!(site.absent(&old).await, Absent::Ended);
    assert_eq!(site.live(&new).await.payload(), b"cart|i:1;user|i:42;");
}

#[tokio::test]
async fn a_logout_that_overlaps_a_periodic_rotation_ends_the_successor() {
    let site = site();
    let old = site.stored(b"user|i:42;", owner("42")).await;
    let mut logout = site.live(&old).await;
    let mut periodic = site.live(&old).await;
    let (_, new) = site.rotate(&mut periodic, b"user|i:42;").await;
    logout.end(&site.engine, budget(), EndKind::Destroyed).await.expect("ended");
    assert_eq!(site.absent(&new).await, Absent::Ended);
}

#[tokio::test]
async fn of_two_rotations_at_once_with_one_owner_one_session_comes_out() {
    let site = site();
    let old = site.stored(b"user|i:42;", owner("42")).await;
    let (mut one, mut two) = (site.live(&old).await, site.live(&old).await);
    let (first, a) = site.rotate(&mut one, b"user|i:42;a|i:1;").await;
    let (second, b) = site.rotate(&mut two, b"user|i:42;b|i:2;").await;
    assert_eq!((first, second), (Rotated::Moved, Rotated::Adopted));
    assert_eq!(a.expose(), b.expose());
    assert_eq!(site.live(&a).await.payload(), b"user|i:42;a|i:1;b|i:2;");
    site.commit(&mut two, b"user|i:42;b|i:3;").await;
    assert_eq!(site.live(&a).await.payload(), b"user|i:42;a|i:1;b|i:3;");
}

#[tokio::test]
async fn what_the_later_of_two_rotations_loses_is_told_as_a_conflict() {
    let site = site();
    let old = site.stored(b"user|i:42;", owner("42")).await;
    let (mut one, mut two) = (site.live(&old).await, site.live(&old).await);
    let (_, new) = site.rotate(&mut one, b"user|i:43;").await;
    assert_eq!(site.rotate(&mut two, b"user|i:44;").await.0, Rotated::Adopted);
    assert_eq!(site.live(&new).await.payload(), b"user|i:43;");
    site.engine.flush_reports(budget()).await.expect("flushed");
    let reports = cloakroom::Store::reports(&site.store).expect("reports");
    let conflicts = reports.read(budget(), cloakroom::store::TallyKind::Conflict, 0, 10).await.expect("read");
    assert_eq!(conflicts.iter().map(|tally| tally.label.as_str()).collect::<Vec<_>>(), ["user"]);
}

#[tokio::test]
async fn of_two_rotations_at_once_without_owner_two_unlinked_sessions_come_out() {
    let site = site();
    let old = site.stored(b"cart|i:1;", None).await;
    let (mut victim, mut attacker) = (site.live(&old).await, site.live(&old).await);
    victim.set_owner(owner("42"));
    let (_, a) = site.rotate(&mut victim, b"cart|i:1;user|i:42;").await;
    let (second, b) = site.rotate(&mut attacker, b"cart|i:1;mine|i:1;").await;
    assert_eq!(second, Rotated::Unlinked);
    assert_ne!(a.expose(), b.expose());
    assert_eq!(site.live(&b).await.payload(), b"cart|i:1;mine|i:1;");
    // Ending the one does not touch the other.
    site.live(&b).await.end(&site.engine, budget(), EndKind::Destroyed).await.expect("ended");
    assert_eq!(site.live(&a).await.payload(), b"cart|i:1;user|i:42;");
}

#[tokio::test]
async fn a_write_between_load_and_rotation_is_in_the_successor() {
    let site = site();
    let old = site.stored(b"cart|i:1;", None).await;
    let (mut rotating, mut other) = (site.live(&old).await, site.live(&old).await);
    site.commit(&mut other, b"cart|i:1;item|i:7;").await;
    let (rotated, new) = site.rotate(&mut rotating, b"cart|i:1;user|i:42;").await;
    assert_eq!(rotated, Rotated::Moved);
    assert_eq!(site.live(&new).await.payload(), b"cart|i:1;item|i:7;user|i:42;");
    // The request does not have the item; writing on does not remove it, nor does rotating once more.
    site.commit(&mut rotating, b"cart|i:1;user|i:42;n|i:1;").await;
    assert_eq!(site.live(&new).await.payload(), b"cart|i:1;item|i:7;user|i:42;n|i:1;");
    let (_, newer) = site.rotate(&mut rotating, b"cart|i:1;user|i:42;n|i:2;").await;
    assert_eq!(site.live(&newer).await.payload(), b"cart|i:1;item|i:7;user|i:42;n|i:2;");
    site.commit(&mut rotating, b"cart|i:1;user|i:42;n|i:3;").await;
    assert_eq!(site.live(&newer).await.payload(), b"cart|i:1;item|i:7;user|i:42;n|i:3;");
    // Nothing was removed, so what was before stays readable in the grace.
    assert_eq!(site.frozen(&new).await.payload(), b"cart|i:1;item|i:7;user|i:42;n|i:1;");
}

#[tokio::test]
async fn a_rotation_of_a_session_ended_meanwhile_brings_nothing_back() {
    let site = site();
    let old = site.stored(b"user|i:42;", owner("42")).await;
    let (mut rotating, mut logout) = (site.live(&old).await, site.live(&old).await);
    logout.end(&site.engine, budget(), EndKind::Destroyed).await.expect("ended");
    let (rotated, new) = site.rotate(&mut rotating, b"user|i:42;").await;
    assert_eq!(rotated, Rotated::Dropped(Dropped::Ended));
    assert_eq!(site.commit(&mut rotating, b"user|i:42;x|i:1;").await, Committed::Dropped(Dropped::Ended));
    assert_eq!(site.absent(&new).await, Absent::Unknown);
}

#[tokio::test]
async fn a_logout_that_overlaps_any_rotation_ends_the_successor() {
    let site = site();
    let old = site.stored(b"user|s:5:\"alice\";", None).await;
    let mut logout = site.live(&old).await;
    let mut rotating = site.live(&old).await;
    let (_, new) = site.rotate(&mut rotating, b"user|s:5:\"alice\";").await;
    logout.end(&site.engine, budget(), EndKind::Destroyed).await.expect("ended");
    assert_eq!(site.absent(&new).await, Absent::Ended);
    assert_eq!(site.absent(&old).await, Absent::Ended);
}

#[tokio::test]
async fn a_logout_that_empties_a_value_and_rotates_leaves_nothing_readable() {
    let site = site();
    for after in [&b"user|N;"[..], b"user|a:0:{}", b"user|s:0:\"\";", b"user|b:0;"] {
        let old = site.stored(b"user|s:5:\"alice\";", None).await;
        let mut logout = site.live(&old).await;
        site.rotate(&mut logout, after).await;
        assert_eq!(site.frozen(&old).await.payload(), b"");
    }
}

#[tokio::test]
async fn a_removal_after_closing_and_opening_again_takes_the_copy_away() {
    let site = site();
    let old = site.stored(b"cart|i:1;user|i:42;", None).await;
    let mut first = site.live(&old).await;
    let (_, new) = site.rotate(&mut first, b"cart|i:1;user|i:42;").await;
    let rotation = first.take_rotation().expect("it has rotated");
    let mut again = site.live(&new).await;
    again.put_rotation(rotation);
    site.commit(&mut again, b"cart|i:1;").await;
    assert_eq!(site.frozen(&old).await.payload(), b"");
}
