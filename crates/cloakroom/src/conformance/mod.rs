//! The conformance kit: certifies that a store keeps the promises of [`crate::store`], whoever wrote it.
//!
//! Implement [`Harness`] for the store, then let [`conformance_tests!`](crate::conformance_tests) make one test of each
//! promise in [`suite`]. A promise is a plain `async fn` that panics with a sentence when it is broken, so a single one
//! can be run by hand, too.
//!
//! ```
//! use std::sync::Arc;
//! use cloakroom::{MemoryStore, Store};
//! use cloakroom::conformance::Harness;
//!
//! /// One store for one test; handles of it share its records.
//! struct Memory(MemoryStore);
//!
//! impl Harness for Memory {
//!     fn store(&self) -> Arc<dyn Store> {
//!         Arc::new(self.0.clone())
//!     }
//! }
//!
//! // In a file of tests, one line: a test named for each promise.
//! cloakroom::conformance_tests!(Memory(MemoryStore::default()));
//! ```
//!
//! # What a harness gives
//!
//! The expression is evaluated anew for each test and must give a store of its own, **empty, and used by nobody else**
//! while the test runs: a file, a database, a numbered database or prefix. The server behind may be shared, and tests run
//! side by side. Each [`Harness::store`] is a handle as another process would open it: with connections of its own.
//! Things that must outlive the test (a temporary folder, a server) belong into the harness.
//!
//! A store that follows a clock handed to it can be tested without waiting: move that clock in [`Harness::pass`].
//! A capability that the store does not have is not tested. Faults are injected only where the harness knows how to
//! ([`Harness::faults`]); what could not be tried is printed.

mod data;
pub mod faults;
mod hand;
pub mod history;
pub mod suite;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::store::Store;
pub use faults::{Fault, Faults, Unsupported};

/// How the kit reaches the store under test. See the [module's page](self) for what it must give.
#[async_trait]
pub trait Harness: Send + Sync {
    /// A new handle to the one store of this test, as another process would open it. Called from any thread, and also
    /// while faults are on; it must not block on the server.
    fn store(&self) -> Arc<dyn Store>;

    /// Returns when at least `time` has passed on the store's clock. The default waits for it.
    async fn pass(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }

    /// What can be done to the server and the network before it; `None` where nothing can, as for a store in memory.
    fn faults(&self) -> Option<&dyn Faults> {
        None
    }

    /// Words that no error may tell, such as the password that the store was opened with.
    fn secrets(&self) -> Vec<String> {
        Vec::new()
    }
}

/// A promise as the kit's list has it: for those who run the suite by other means than the macro.
#[derive(Clone, Copy)]
pub struct Promise {
    /// Its name, the name of the function in [`suite`].
    pub name: &'static str,
    /// Runs it; panics when it is broken.
    pub run: for<'a> fn(&'a dyn Harness) -> Running<'a>,
}

/// A promise being looked at.
pub type Running<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

impl std::fmt::Debug for Promise {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

/// All promises, in the order in which one would read them.
pub const PROMISES: &[Promise] = crate::__promises! { [crate::__promise_list] [] };

/// How long one promise may take before it counts as broken: a verb that never returns must fail the test, not hang it.
const PATIENCE: Duration = Duration::from_secs(120);

/// Runs the promise called `name` on a runtime of its own, of a single thread, as a PHP worker would.
///
/// # Panics
/// When the promise is broken, unknown or does not end.
pub fn certify(name: &str, harness: &dyn Harness) {
    let promise = PROMISES.iter().find(|p| p.name == name).unwrap_or_else(|| panic!("there is no promise {name}"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime can be made");
    let kept = runtime.block_on(async { tokio::time::timeout(PATIENCE, (promise.run)(harness)).await });
    assert!(kept.is_ok(), "{name} did not end within {PATIENCE:?}: a verb hangs");
}

/// Makes one `#[test]` of each promise of the [conformance kit](crate::conformance). The expression gives the
/// [`Harness`](crate::conformance::Harness) and is evaluated anew in each test.
#[macro_export]
macro_rules! conformance_tests {
    ($($make:tt)+) => { $crate::__promises! { [$crate::__promise_tests] [$($make)+] } };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __promise_tests {
    ([$make:expr] $($name:ident)*) => { $(
        #[test]
        fn $name() {
            let harness = $make;
            $crate::conformance::certify(stringify!($name), &harness);
        }
    )* };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __promise_list {
    ([] $($name:ident)*) => {
        &[$($crate::conformance::Promise { name: stringify!($name), run: |harness| ::std::boxed::Box::pin($crate::conformance::suite::$name(harness)) }),*]
    };
}
