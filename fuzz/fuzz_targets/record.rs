//! Any bytes as a stored record: read, written back, and opened under the key of a visitor who has an id.
#![no_main]

use std::sync::Arc;
use std::time::Duration;

use cloakroom::{About, Budget, Engine, Lifetime, MemoryStore, Opening, SessionId, Store, Time, wire};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(about) = About::decode(bytes) {
        assert_eq!(About::decode(&about.encode()), Ok(about));
    }
    let Ok(record) = wire::decode(bytes) else { return };
    assert_eq!(wire::decode(&wire::encode(&record)).as_ref(), Ok(&record));

    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    runtime.block_on(async {
        let store = MemoryStore::default();
        let engine = Engine::builder(Arc::new(store.clone())).build();
        let id = SessionId::parse(b"an-id-that-somebody-has").expect("an id");
        let budget = Budget::of(Duration::from_secs(5));
        store.create(budget, &engine.key_of(&id), &record, Time(0)).await.expect("stored");
        let lifetime = Lifetime { idle: Duration::from_secs(1440), absolute: None };
        // Nobody can guess a seal.
        assert!(matches!(engine.open(budget, &id, lifetime).await, Opening::Absent(_)));
    });
});
