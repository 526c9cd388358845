//! Where a rig keeps its sessions.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use cloakroom_testbed::{Endpoint, Folder, Mariadb, Redis, Service, has_all, wait_until};

/// Which store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Store {
    /// One file on this host.
    Sqlite,
    /// MariaDB.
    Mysql,
    /// Redis, every acknowledged write on disk.
    Redis,
}

impl Store {
    /// Whether this machine has what a rig on it needs; see `needs!`.
    #[track_caller]
    pub fn is_there(self) -> bool {
        has_all(match self {
            Self::Sqlite => &["php-fpm", "nginx"],
            Self::Mysql => &["php-fpm", "nginx", "mariadbd"],
            Self::Redis => &["php-fpm", "nginx", "redis-server"],
        })
    }
}

/// A store that runs.
#[derive(Debug)]
pub enum Backend {
    /// A folder with the file `sessions.sqlite`.
    Sqlite(Folder),
    /// A database of a MariaDB that all tests of this program share.
    Shared(&'static Mariadb, String),
    /// A MariaDB of this test's own, for what others must not suffer from; the database is `cloakroom`.
    Mysql(Mariadb),
    /// A Redis of this test's own.
    Redis(Redis),
}

impl Backend {
    /// Starts one; `own` asks for a server that the test may freeze and kill.
    pub(crate) fn start(store: Store, own: bool) -> Self {
        match store {
            Store::Sqlite => {
                let folder = Folder::new("system").unwrap();
                std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o1777)).unwrap();
                Self::Sqlite(folder)
            }
            Store::Mysql if own => Self::Mysql(Mariadb::start().unwrap()),
            Store::Mysql => {
                // Ended by its guard, since statics are never dropped.
                static SERVER: OnceLock<Mariadb> = OnceLock::new();
                static NEXT: AtomicU32 = AtomicU32::new(1);
                let server = SERVER.get_or_init(|| Mariadb::start_with(&["--max-connections=500"]).unwrap());
                let name = format!("sessions{}", NEXT.fetch_add(1, Ordering::Relaxed));
                server.create_database(&name).unwrap();
                Self::Shared(server, name)
            }
            // Uncompressed, so that a test can look for words in what is on disk.
            Store::Redis => Self::Redis(
                Redis::start_with(&[("appendonly", "yes"), ("appendfsync", "always"), ("rdbcompression", "no")])
                    .unwrap(),
            ),
        }
    }

    /// The URL for `cloakroom.store`; `address` is that of a proxy in between.
    pub(crate) fn url(&self, address: Option<String>) -> String {
        match self {
            Self::Sqlite(folder) => format!("sqlite:{}", folder.join("sessions.sqlite").display()),
            Self::Shared(..) | Self::Mysql(_) => {
                let (server, database) = self.mysql();
                server.url_at(&address.unwrap_or_else(|| format!("127.0.0.1:{}", server.port())), database)
            }
            Self::Redis(redis) => {
                format!("redis://{}", address.unwrap_or_else(|| format!("127.0.0.1:{}", redis.port())))
            }
        }
    }

    /// Where the server listens, where there is one.
    pub(crate) fn endpoint(&self) -> Endpoint {
        match self {
            Self::Sqlite(_) => panic!("a file listens nowhere"),
            Self::Shared(server, _) => server.endpoint(),
            Self::Mysql(server) => server.endpoint(),
            Self::Redis(redis) => redis.endpoint(),
        }
    }

    /// The server, to be frozen and killed.
    pub fn service(&self) -> &Service {
        match self {
            Self::Sqlite(_) => panic!("a file is no server"),
            Self::Shared(..) => panic!("this server is not the test's own: ask for `own`"),
            Self::Mysql(server) => server,
            Self::Redis(redis) => redis,
        }
    }

    /// Freezes the server, and waits until the last of its threads stands: one that still runs would answer a load and not
    /// the write after it.
    pub fn freeze(&self) {
        let server = self.service();
        server.freeze();
        wait_until("every thread stands", Duration::from_secs(20), || server.pids().into_iter().all(stands)).unwrap();
    }

    /// MariaDB and the database's name.
    pub fn mysql(&self) -> (&Mariadb, &str) {
        match self {
            Self::Shared(server, database) => (server, database),
            Self::Mysql(server) => (server, "cloakroom"),
            _ => panic!("not MariaDB"),
        }
    }

    /// Redis.
    pub fn redis(&self) -> &Redis {
        match self {
            Self::Redis(redis) => redis,
            _ => panic!("not Redis"),
        }
    }

    /// The SQLite file.
    pub fn file(&self) -> PathBuf {
        match self {
            Self::Sqlite(folder) => folder.join("sessions.sqlite"),
            _ => panic!("not SQLite"),
        }
    }

    /// How many records there are, tombstones included.
    pub fn records(&self) -> usize {
        match self {
            Self::Sqlite(_) => panic!("ask the file"),
            Self::Redis(redis) => {
                // Beside records there are leases, owners and reports.
                let count = "local n = 0 for _, name in ipairs(redis.call('KEYS', '*')) do \
                     if name:match('{%x+}$') and not name:match('lease:{') then n = n + 1 end end return n";
                let size = redis.command(&["EVAL", count, "0"]).unwrap();
                size.trim().trim_start_matches(':').parse().unwrap()
            }
            _ => {
                let (server, database) = self.mysql();
                // Before the first request there is no table.
                let count = server.sql(database, "SELECT COUNT(*) FROM cloakroom").unwrap_or_default();
                count.trim().parse().unwrap_or(0)
            }
        }
    }

    /// Everything that somebody who stole the store would have, as bytes.
    pub fn stolen(&self) -> Vec<u8> {
        match self {
            Self::Sqlite(folder) => everything_in(folder.path()),
            Self::Redis(redis) => {
                let saved = redis.command(&["SAVE"]).unwrap();
                assert!(saved.starts_with("+OK"), "{saved}");
                everything_in(redis.socket().parent().unwrap())
            }
            _ => {
                let (server, database) = self.mysql();
                let mut all = server.dump(database).unwrap().into_bytes();
                // Binary columns as they are, too: in the dump they are in hexadecimal.
                for column in unhex(&all) {
                    all.push(b'\n');
                    all.extend(column);
                }
                // And the server's own files: what a thief of the disk would have, redo log included.
                if let Self::Mysql(_) = self {
                    all.extend(everything_in(server.socket().parent().unwrap()));
                }
                all
            }
        }
    }
}

/// Whether every thread of a process is stopped.
fn stands(pid: i32) -> bool {
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten();
    threads.filter_map(|thread| std::fs::read_to_string(thread.ok()?.path().join("stat")).ok()).all(|stat| {
        // The state is the first word after the name, which stands in parentheses.
        stat[stat.rfind(')').unwrap_or(0)..].split_whitespace().nth(1) == Some("T")
    })
}

/// The bytes of all files of a folder, subfolders included.
fn everything_in(folder: &Path) -> Vec<u8> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            all.extend(everything_in(&entry.path()));
        } else if kind.is_file() {
            all.extend(std::fs::read(entry.path()).unwrap_or_default());
        }
    }
    all
}

/// What stands as `0xABCD…` in a dump, as bytes.
fn unhex(dump: &[u8]) -> Vec<Vec<u8>> {
    let text = String::from_utf8_lossy(dump);
    let digits = |rest: &str| -> Vec<u8> {
        let end = rest.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(rest.len());
        let pairs = rest.as_bytes()[..end].chunks_exact(2);
        pairs.filter_map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
    };
    text.split("0x").skip(1).map(digits).collect()
}
