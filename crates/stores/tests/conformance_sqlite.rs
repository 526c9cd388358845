//! The conformance kit on SQLite files, each promise on one of its own, by a clock that the test moves.

#![cfg(feature = "sqlite")]

use std::sync::Arc;
use std::time::Duration;

use cloakroom::conformance::{Fault, Faults, Harness, Unsupported};
use cloakroom::{ManualClock, Store, Time};
use cloakroom_stores::{Options, open};

struct File {
    folder: tempfile::TempDir,
    clock: Arc<ManualClock>,
}

impl File {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder can be made");
        Self { folder, clock: Arc::new(ManualClock::new(Time(1_800_000_000_000))) }
    }

    fn path(&self) -> std::path::PathBuf {
        self.folder.path().join("sessions.sqlite")
    }
}

#[async_trait::async_trait]
impl Harness for File {
    fn store(&self) -> Arc<dyn Store> {
        let options = Options { clock: self.clock.clone(), ..Options::default() };
        open(&format!("sqlite:{}", self.path().display()), &options).expect("the URL is right")
    }

    async fn pass(&self, time: Duration) {
        self.clock.advance(time);
    }

    fn faults(&self) -> Option<&dyn Faults> {
        Some(self)
    }
}

impl Faults for File {
    fn begin(&self, fault: Fault) -> Result<(), Unsupported> {
        if fault != Fault::DropSchema {
            return Err(Unsupported);
        }
        let file = rusqlite::Connection::open(self.path()).expect("the file opens");
        file.busy_timeout(Duration::from_secs(10)).expect("a time-out can be set");
        let names = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'";
        let tables: Vec<String> = file
            .prepare(names)
            .and_then(|mut list| list.query_map([], |row| row.get(0))?.collect())
            .expect("tables can be listed");
        for table in tables {
            file.execute_batch(&format!("DROP TABLE \"{table}\"")).expect("a table can be dropped");
        }
        Ok(())
    }

    fn end(&self, _: Fault) {}
}

cloakroom::conformance_tests!(File::new());
