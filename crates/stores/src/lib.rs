//! Stores for Cloakroom: one module and one cargo feature an engine, and [`open`] which takes a URL.
//!
//! | URL | engine |
//! |---|---|
//! | `sqlite:PATH` | SQLite, embedded: many processes on one host |
//! | `mysql://user:password@host:port/database` | MariaDB, MySQL: many servers |
//! | `mysql://…?table=wp_options` | the same server, in WordPress's options table |
//! | `wordpress:/path/to/site` | that site's own database, its settings read from wp-config.php |
//! | `redis://[:password@]host:port/db`, `redis+unix:PATH` | Redis, Valkey: many servers |
//! | `memory:` | this process only |

#![forbid(unsafe_code)]

mod masked;
#[cfg(feature = "mysql")]
pub mod mysql;
#[cfg(feature = "redis")]
pub mod redis;
#[cfg(feature = "sqlite")]
pub mod sqlite;
#[cfg(feature = "mysql")]
pub mod wordpress;

use std::sync::Arc;

use cloakroom::{Clock, MemoryStore, Store, StoreError, SystemClock};

pub use masked::masked;

/// What a store is opened with beside its URL.
#[derive(Debug, Clone)]
pub struct Options {
    /// The clock that stores without one of their own follow, and that others measure theirs against.
    pub clock: Arc<dyn Clock>,
    /// Whether a missing file or table may be made. A command that only looks sets this to false.
    pub create: bool,
    /// Whether a verb may hold up the thread that polls it until the server has answered, as far as its budget allows.
    /// That costs least where nothing else runs in the thread meanwhile, as in PHP's workers. A Rust web application
    /// leaves it false: there a waiting verb must let others go on. `redis:` heeds it; `sqlite:` holds up the thread
    /// always, `mysql:` never.
    pub blocking: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { clock: Arc::new(SystemClock), create: true, blocking: false }
    }
}

/// Opens the store that a URL names. Connects to nothing: that happens at the first verb, so that this may be called
/// before a process forks.
///
/// # Errors
/// [`StoreError::Settings`] where the URL is malformed, names an unknown engine, or one that this build leaves out.
pub fn open(url: &str, options: &Options) -> Result<Arc<dyn Store>, StoreError> {
    let scheme = url.split_once(':').map_or("", |(scheme, _)| scheme);
    match scheme {
        "memory" => Ok(Arc::new(MemoryStore::new(options.clock.clone()))),
        #[cfg(feature = "sqlite")]
        "sqlite" => Ok(Arc::new(sqlite::SqliteStore::open(url, options)?)),
        #[cfg(feature = "mysql")]
        "mysql" => mysql::open(url, options),
        #[cfg(feature = "mysql")]
        "wordpress" => wordpress::open(url, options),
        #[cfg(feature = "redis")]
        "redis" | "redis+unix" | "unix" => Ok(Arc::new(redis::RedisStore::open(url, options)?)),
        _ => Err(StoreError::Settings(format!(
            "cloakroom.store ({}) does not begin with the name of an engine that this build has: sqlite:PATH, mysql://…, wordpress:/path/to/site or redis://…",
            masked(url)
        ))),
    }
}
