//! The conformance kit on a real MariaDB. Promises share a server, each with a database of its own behind a proxy of its
//! own; those that kill or freeze the server have one to themselves.

#![cfg(feature = "mysql")]

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};

use cloakroom::Store;
use cloakroom::conformance::{Fault, Faults, Harness, Unsupported, certify};
use cloakroom_stores::{Options, open};
use cloakroom_testbed::{Direction, Mariadb, Proxy};

/// Many promises run side by side, some with many handles.
const ROOM: &str = "--max-connections=1000";

enum Server {
    Shared(&'static Mariadb),
    Own(Box<Mariadb>),
}

impl std::ops::Deref for Server {
    type Target = Mariadb;

    fn deref(&self) -> &Mariadb {
        match self {
            Self::Shared(server) => server,
            Self::Own(server) => server,
        }
    }
}

struct Database {
    server: Server,
    proxy: Proxy,
    name: String,
}

impl Database {
    fn on(server: Server) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let name = format!("kit{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        server.create_database(&name).expect("a database can be made");
        let proxy = Proxy::start(server.endpoint()).expect("a proxy starts");
        Self { server, proxy, name }
    }

    fn shared() -> Self {
        static SERVER: OnceLock<Mariadb> = OnceLock::new();
        Self::on(Server::Shared(SERVER.get_or_init(|| Mariadb::start_with(&[ROOM]).expect("mariadbd starts"))))
    }

    fn alone() -> Self {
        Self::on(Server::Own(Box::new(Mariadb::start_with(&[ROOM]).expect("mariadbd starts"))))
    }
}

impl Harness for Database {
    fn store(&self) -> Arc<dyn Store> {
        let url = self.server.url_at(&self.proxy.address(), &self.name);
        open(&url, &Options::default()).expect("the URL is right")
    }

    fn faults(&self) -> Option<&dyn Faults> {
        Some(self)
    }
}

impl Faults for Database {
    fn begin(&self, fault: Fault) -> Result<(), Unsupported> {
        match fault {
            Fault::Cut => self.proxy.cut(),
            Fault::LoseReply => self.proxy.swallow_next_reply(),
            Fault::StallReplies => self.proxy.stall(Direction::ToClient),
            Fault::StallRequests => self.proxy.stall(Direction::ToServer),
            Fault::DropSchema => {
                let tables = "cloakroom,cloakroom_owners,cloakroom_leases,cloakroom_reports";
                self.server.sql(&self.name, &format!("DROP TABLE IF EXISTS {tables}")).expect("tables can be dropped");
            }
            Fault::Freeze | Fault::Kill if matches!(self.server, Server::Shared(_)) => return Err(Unsupported),
            Fault::Freeze => self.server.freeze(),
            Fault::Kill => self.server.kill9(),
            _ => return Err(Unsupported),
        }
        Ok(())
    }

    fn end(&self, fault: Fault) {
        match fault {
            Fault::LoseReply | Fault::StallReplies | Fault::StallRequests => self.proxy.heal(),
            Fault::Freeze => self.server.thaw(),
            Fault::Kill => self.server.start().expect("mariadbd starts again"),
            _ => {}
        }
    }
}

cloakroom::conformance_tests!(Database::shared());

/// Those that the shared server is no place for.
mod alone {
    use super::*;

    #[test]
    fn a_frozen_server_costs_the_budget_and_no_more() {
        certify("a_frozen_server_costs_the_budget_and_no_more", &Database::alone());
    }

    #[test]
    fn an_absent_server_is_told_and_its_return_noticed() {
        certify("an_absent_server_is_told_and_its_return_noticed", &Database::alone());
    }

    #[test]
    fn nothing_acknowledged_is_lost_by_a_killed_server() {
        certify("nothing_acknowledged_is_lost_by_a_killed_server", &Database::alone());
    }
}
