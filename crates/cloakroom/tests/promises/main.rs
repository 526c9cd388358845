//! The promises of the design, kept by the engine over the reference store, with a clock that the test moves.

mod commit;
mod faults;
mod identity;
mod lifetime;
mod locks;
mod named;
mod readonly;
mod removal;
mod rotation;

use std::sync::Arc;
use std::time::Duration;

use cloakroom::{
    Absent, Budget, Committed, Engine, Lifetime, ManualClock, MemoryStore, Opening, Owner, Session, SessionId, Time,
};

pub(crate) const PHP: u8 = 1;
pub(crate) const LIFETIME: Lifetime = Lifetime { idle: Duration::from_secs(1440), absolute: None };

pub(crate) struct Site {
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) store: MemoryStore,
    pub(crate) engine: Engine,
}

pub(crate) fn site() -> Site {
    let clock = Arc::new(ManualClock::new(Time(1_700_000_000_000)));
    let store = MemoryStore::new(clock.clone());
    let engine = Engine::builder(Arc::new(store.clone())).clock(clock.clone()).build();
    Site { clock, store, engine }
}

pub(crate) fn budget() -> Budget {
    Budget::of(Duration::from_secs(5))
}

pub(crate) fn owner(name: &str) -> Option<Owner> {
    Some(Owner::new(name).expect("short"))
}

/// `name|i:value;` for each.
pub(crate) fn vars(list: &[(&str, i64)]) -> Vec<u8> {
    list.iter().flat_map(|(name, value)| format!("{name}|i:{value};").into_bytes()).collect()
}

impl Site {
    pub(crate) fn advance(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }

    /// A stored session with these variables and owner; its id.
    pub(crate) async fn stored(&self, payload: &[u8], owner: Option<Owner>) -> SessionId {
        let mut session = self.engine.fresh(SessionId::draw().expect("randomness"), LIFETIME);
        session.set_owner(owner);
        assert_eq!(self.commit(&mut session, payload).await, Committed::Written);
        session.id().expect("an id").clone()
    }

    pub(crate) async fn open(&self, id: &SessionId) -> Opening {
        self.engine.open(budget(), id, LIFETIME).await
    }

    pub(crate) async fn live(&self, id: &SessionId) -> Session {
        match self.open(id).await {
            Opening::Live(session) => session,
            other => panic!("expected a live session, found {other:?}"),
        }
    }

    pub(crate) async fn absent(&self, id: &SessionId) -> Absent {
        match self.open(id).await {
            Opening::Absent(why) => why,
            other => panic!("expected no session, found {other:?}"),
        }
    }

    pub(crate) async fn frozen(&self, id: &SessionId) -> Session {
        match self.open(id).await {
            Opening::Frozen(session) => session,
            other => panic!("expected a frozen copy, found {other:?}"),
        }
    }

    pub(crate) async fn commit(&self, session: &mut Session, payload: &[u8]) -> Committed {
        session.commit(&self.engine, budget(), payload, PHP).await.expect("committed")
    }

    /// Rotates to a new id, which is returned.
    pub(crate) async fn rotate(&self, session: &mut Session, payload: &[u8]) -> (cloakroom::Rotated, SessionId) {
        let new = SessionId::draw().expect("randomness");
        let rotated = session.rotate(&self.engine, budget(), new, payload, PHP).await.expect("rotated");
        (rotated, session.id().expect("an id").clone())
    }
}
