//! The conformance kit on WordPress's options table in a real MariaDB, as `mysql_kit` does it on tables of their own.

#![cfg(feature = "mysql")]

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};

use cloakroom::Store;
use cloakroom::conformance::{Fault, Faults, Harness, Unsupported, certify};
use cloakroom_stores::{Options, open};
use cloakroom_testbed::{Direction, Mariadb, Proxy};

/// Many promises run side by side, some with many handles.
const ROOM: &str = "--max-connections=1000";

/// The table as WordPress makes it.
const TABLE: &str = "CREATE TABLE wp_options (\
    option_id bigint(20) unsigned NOT NULL auto_increment, option_name varchar(191) NOT NULL default '', \
    option_value longtext NOT NULL, autoload varchar(20) NOT NULL default 'yes', \
    PRIMARY KEY (option_id), UNIQUE KEY option_name (option_name), KEY autoload (autoload)) ";
/// Character sets and collations that sites have; each promise gets the next one.
const CHARSETS: [&str; 4] = [
    "DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_520_ci",
    "DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci",
    "DEFAULT CHARACTER SET latin1",
    "DEFAULT CHARACTER SET utf8 COLLATE utf8_bin",
];

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
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("kit{number}");
        server.create_database(&name).expect("a database can be made");
        let charset = CHARSETS[number as usize % CHARSETS.len()];
        let site = "INSERT INTO wp_options (option_name, option_value) VALUES ('siteurl','http://shop'),\
            ('_cloakroom_s_','not a record'),('_cloakroom_s_5''x','nor this'),('_cloakroom_zz','nor this')";
        server.sql(&name, &format!("{TABLE}{charset}; {site}")).expect("the table can be made");
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

impl Drop for Database {
    /// Whatever a promise did: the site's own rows are as they were, and ours are never autoloaded.
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        let ask = |sql: &str| self.server.sql(&self.name, sql).expect("asks").trim().to_owned();
        let others =
            ask("SELECT COUNT(*) FROM wp_options WHERE option_id<=4 AND autoload='yes' AND option_value RLIKE \
            '^(http://shop|not a record|nor this)$'");
        assert_eq!(others, "4", "a row that is not ours was changed");
        assert_eq!(ask("SELECT COUNT(*) FROM wp_options WHERE option_id>4 AND autoload<>'no'"), "0");
        assert_eq!(
            ask("SELECT COUNT(*) FROM wp_options WHERE option_id>4 AND option_name NOT LIKE '\\_cloakroom\\_%'"),
            "0"
        );
    }
}

impl Harness for Database {
    fn store(&self) -> Arc<dyn Store> {
        let url = self.server.url_at(&self.proxy.address(), &self.name);
        open(&format!("{url}?table=wp_options"), &Options::default()).expect("the URL is right")
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
            // The table is WordPress's: what can be lost of ours is the rows.
            Fault::DropSchema => {
                let rows = "DELETE FROM wp_options WHERE option_id>4";
                self.server.sql(&self.name, rows).expect("rows can be deleted");
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
