//! The memory store is the reference: it keeps every promise, by a clock of the test's as by the system's.

use std::sync::Arc;
use std::time::Duration;

use cloakroom::conformance::Harness;
use cloakroom::{ManualClock, MemoryStore, Store, Time};

struct Manual(MemoryStore, Arc<ManualClock>);

impl Manual {
    fn new() -> Self {
        let clock = Arc::new(ManualClock::new(Time(1_800_000_000_000)));
        Self(MemoryStore::new(clock.clone()), clock)
    }
}

#[async_trait::async_trait]
impl Harness for Manual {
    fn store(&self) -> Arc<dyn Store> {
        Arc::new(self.0.clone())
    }

    async fn pass(&self, time: Duration) {
        self.1.advance(time);
    }
}

mod by_a_clock_that_the_test_moves {
    cloakroom::conformance_tests!(super::Manual::new());
}

struct System(MemoryStore);

impl Harness for System {
    fn store(&self) -> Arc<dyn Store> {
        Arc::new(self.0.clone())
    }
}

mod by_the_systems_clock {
    cloakroom::conformance_tests!(super::System(cloakroom::MemoryStore::default()));
}
