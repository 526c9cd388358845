//! Promises 4 and 6: what is stored opens nothing, and no id is adopted.

use std::sync::Arc;

use cloakroom::{Absent, Committed, Engine, KeyRing, Lifetime, Namespace, Opening, SessionId, SiteKey, Store, wire};

use super::{LIFETIME, budget, owner, site};

#[tokio::test]
async fn an_id_that_we_did_not_issue_opens_nothing() {
    let site = site();
    let planted = SessionId::parse(b"attackerschoice").expect("of the alphabet");
    assert_eq!(site.absent(&planted).await, Absent::Unknown);
}

#[tokio::test]
async fn the_store_holds_neither_the_id_nor_a_word_of_the_payload() {
    let site = site();
    let payload = b"secret|s:13:\"visitors-word\";";
    let id = site.stored(payload, owner("42")).await;
    let key = site.engine.key_of(&id);
    let record = site.store.load(budget(), &key).await.expect("loaded").record.expect("there");
    let bytes = [key.as_bytes().to_vec(), wire::encode(&record)].concat();
    for hidden in [id.expose(), b"visitors-word", b"secret"] {
        assert!(!bytes.windows(hidden.len()).any(|w| w == hidden));
    }
}

#[tokio::test]
async fn two_sites_on_one_store_never_open_each_others_sessions() {
    let site = site();
    let id = site.stored(b"cart|i:1;", None).await;
    let other = Engine::builder(Arc::new(site.store.clone()))
        .namespace(Namespace::new("other").expect("short"))
        .clock(site.clock.clone())
        .build();
    assert!(matches!(other.open(budget(), &id, LIFETIME).await, Opening::Absent(Absent::Unknown)));
}

#[tokio::test]
async fn a_row_copied_to_another_key_is_absent_and_counted() {
    let site = site();
    let victim = site.stored(b"user|i:42;", None).await;
    let record = site.store.load(budget(), &site.engine.key_of(&victim)).await.expect("loaded").record.expect("there");
    let thief = SessionId::draw().expect("randomness");
    site.store.create(budget(), &site.engine.key_of(&thief), &record, record.created).await.expect("copied");
    assert_eq!(site.absent(&thief).await, Absent::Unreadable);
    assert!(!site.engine.reporter().is_empty());
}

#[tokio::test]
async fn a_new_site_key_seals_at_the_next_commit_and_the_old_one_opens() {
    let site = site();
    let with = |keys: Vec<SiteKey>| {
        Engine::builder(Arc::new(site.store.clone())).ring(KeyRing::new(keys)).clock(site.clock.clone()).build()
    };
    let (old, new) = (SiteKey::new([1; 32]), SiteKey::new([2; 32]));
    let before = with(vec![old.clone()]);
    let mut session = before.fresh(SessionId::draw().expect("randomness"), LIFETIME);
    session.commit(&before, budget(), b"a|i:1;", 1).await.expect("committed");
    let id = session.id().expect("an id").clone();

    let both = with(vec![new.clone(), old]);
    let Opening::Live(mut session) = both.open(budget(), &id, LIFETIME).await else { panic!("does not open") };
    session.commit(&both, budget(), b"a|i:2;", 1).await.expect("committed");

    let after = with(vec![new]);
    assert!(matches!(after.open(budget(), &id, LIFETIME).await, Opening::Live(_)));
    let none = with(vec![]);
    assert!(matches!(none.open(budget(), &id, LIFETIME).await, Opening::Absent(Absent::Unreadable)));
}

#[tokio::test]
async fn named_records_need_a_site_key_and_move_under_the_first_one() {
    let site = site();
    assert!(site.engine.open_named(budget(), b"shop:42", LIFETIME).await.is_err());
    let with = |keys: Vec<SiteKey>| {
        Engine::builder(Arc::new(site.store.clone())).ring(KeyRing::new(keys)).clock(site.clock.clone()).build()
    };
    let (old, new) = (SiteKey::new([1; 32]), SiteKey::new([2; 32]));
    let lifetime = Lifetime { ..LIFETIME };
    let before = with(vec![old.clone()]);
    let mut cart = before.open_named(budget(), b"shop:42", lifetime).await.expect("opened");
    assert_eq!(cart.commit(&before, budget(), b"cart|i:1;", 1).await, Ok(Committed::Written));

    let both = with(vec![new.clone(), old]);
    let cart = both.open_named(budget(), b"shop:42", lifetime).await.expect("opened");
    assert_eq!(cart.payload(), b"cart|i:1;");
    let after = with(vec![new]);
    let mut cart = after.open_named(budget(), b"shop:42", lifetime).await.expect("opened");
    assert_eq!(cart.payload(), b"cart|i:1;");
    // Ended, and begun anew under the same name.
    cart.end(&after, budget(), cloakroom::EndKind::Destroyed).await.expect("ended");
    let mut cart = after.open_named(budget(), b"shop:42", lifetime).await.expect("opened");
    assert_eq!(cart.payload(), b"");
    cart.commit(&after, budget(), b"cart|i:9;", 1).await.expect("committed");
    assert_eq!(after.open_named(budget(), b"shop:42", lifetime).await.expect("opened").payload(), b"cart|i:9;");
}
