//! Who is measured: each handler with its settings, its own pool of php-fpm, and the server behind it.

use std::path::{Path, PathBuf};

use cloakroom_testbed::{Error, Folder, Fpm, FpmOptions, Mariadb, Memcached, PhpSettings, Redis, Result, extension};

use crate::cpu::Used;
use crate::fastcgi::Worker;

/// The most workers that are measured, and those that each pool has.
pub(crate) const WORKERS: usize = 8;

/// The names that ratios refer to.
pub(crate) const NONE: &str = "no session";
pub(crate) const ENCODING: &str = "PHP's encoding alone";
pub(crate) const FILES: &str = "files, disk";
pub(crate) const PHPREDIS_UNIX: &str = "phpredis, unix";
pub(crate) const PHPREDIS_TCP: &str = "phpredis, TCP";
pub(crate) const SQLITE: &str = "Cloakroom SQLite, disk";
pub(crate) const REDIS_UNIX: &str = "Cloakroom Redis, unix";
pub(crate) const REDIS_TCP: &str = "Cloakroom Redis, TCP";

/// The servers that handlers keep sessions in; each is shared by all that use it.
#[derive(Debug)]
pub(crate) struct Servers {
    redis: Redis,
    memcached: Memcached,
    mariadb: Mariadb,
}

impl Servers {
    pub(crate) fn start() -> Result<Self> {
        Ok(Self { redis: Redis::start()?, memcached: Memcached::start()?, mariadb: Mariadb::start()? })
    }

    fn processes(&self, server: Server) -> Vec<i32> {
        match server {
            Server::None => Vec::new(),
            Server::Redis => self.redis.pids(),
            Server::Memcached => self.memcached.pids(),
            Server::Mariadb => self.mariadb.pids(),
        }
    }
}

#[derive(Debug, Clone, Copy)]
enum Server {
    None,
    Redis,
    Memcached,
    Mariadb,
}

/// A handler with its settings.
struct Plan {
    name: &'static str,
    settings: PhpSettings,
    server: Server,
}

/// One who is measured: a pool that runs, and a kept connection to each of its workers.
#[derive(Debug)]
pub(crate) struct Subject {
    pub(crate) name: &'static str,
    /// In ini form, without secrets.
    pub(crate) settings: String,
    pub(crate) workers: Vec<Worker>,
    fpm: Fpm,
    php: Vec<i32>,
    server: Vec<i32>,
}

impl Subject {
    fn start(plan: Plan, script: &Path, servers: &Servers) -> Result<Self> {
        let fpm = Fpm::start_with(&FpmOptions {
            workers: WORKERS,
            // One user for all: who owns the folder of sessions must not decide who is quick.
            user: Some("root".into()),
            settings: plan.settings.clone(),
            own_session_folder: false,
            ..FpmOptions::default()
        })?;
        let script = script.display().to_string();
        let workers = (0..WORKERS).map(|_| Worker::connect(&fpm.endpoint(), &script)).collect::<Result<Vec<_>>>()?;
        let settings = plan.settings.to_ini().replace(servers.mariadb.password(), "***");
        let (php, server) = (fpm.workers(), servers.processes(plan.server));
        Ok(Self { name: plan.name, settings, workers, fpm, php, server })
    }

    /// PHP's workers and the server's processes.
    pub(crate) fn processes(&self) -> Vec<i32> {
        [self.php.as_slice(), &self.server].concat()
    }

    /// What the page is asked for.
    pub(crate) fn mode(&self) -> &'static str {
        match self.name {
            NONE => "none",
            ENCODING => "encode",
            _ => "count",
        }
    }

    /// Whether it keeps sessions at all.
    pub(crate) fn has_sessions(&self) -> bool {
        self.mode() == "count"
    }

    /// CPU used so far by PHP's workers and by the server, once both have come to rest.
    pub(crate) fn used(&self) -> (Used, Used) {
        (Used::at_rest(&self.php), Used::at_rest(&self.server))
    }

    /// What PHP and its master logged, for errors.
    pub(crate) fn log(&self) -> String {
        let tail = |text: String| text.lines().rev().take(10).map(String::from).collect::<Vec<_>>().join("\n");
        format!("{}\n{}", tail(self.fpm.php_log()), tail(self.fpm.log()))
    }
}

/// Starts all of them; `disk` and `memory` are folders on a disk and on a tmpfs.
pub(crate) fn start(servers: &Servers, script: &Path, disk: &Folder, memory: &Path) -> Result<Vec<Subject>> {
    plans(servers, disk, memory)?.into_iter().map(|plan| Subject::start(plan, script, servers)).collect()
}

/// Starts only the one of this name.
pub(crate) fn start_one(name: &str, servers: &Servers, script: &Path, disk: &Folder, memory: &Path) -> Result<Subject> {
    let mut plans = plans(servers, disk, memory)?;
    let Some(at) = plans.iter().position(|plan| plan.name == name) else {
        let names: Vec<&str> = plans.iter().map(|plan| plan.name).collect();
        return Err(Error::Other(format!("'{name}' is none of: {}", names.join(" · "))));
    };
    Subject::start(plans.swap_remove(at), script, servers)
}

/// Handlers with a lock, and how many of its holders are to be killed: phpredis keeps a dead holder's lock for half a minute.
pub(crate) fn locking(servers: &Servers, disk: &Folder) -> Result<Vec<(&'static str, PhpSettings, usize)>> {
    let folder = Folder::permanent(&disk.join("locking"))?;
    let files = PhpSettings::new().set("session.save_handler", "files");
    let unix = format!("unix:{}", servers.redis.socket().display());
    let phpredis = PhpSettings::new().set("session.save_handler", "redis").set("redis.session.locking_enabled", "1");
    let ours = |store: &str| -> Result<PhpSettings> {
        let settings = PhpSettings::new().extension(extension()?).set("session.save_handler", "cloakroom");
        Ok(settings.set("cloakroom.store", store).set("cloakroom.concurrency", "lock"))
    };
    let sqlite = format!("sqlite:{}", folder.join("locking.db").display());
    Ok(vec![
        ("files", files.set("session.save_path", &folder.path().display().to_string()), 10),
        ("Cloakroom SQLite, lock", ours(&sqlite)?, 20),
        ("Cloakroom Redis, lock", ours(&unix)?, 20),
        ("Cloakroom MariaDB, lock", ours(&servers.mariadb.url())?, 20),
        ("phpredis, locking", phpredis.set("session.save_path", &unix.replacen("unix:", "unix://", 1)), 2),
    ])
}

fn plans(servers: &Servers, disk: &Folder, memory: &Path) -> Result<Vec<Plan>> {
    let handler = |handler: &str, path: &str| {
        PhpSettings::new().set("session.save_handler", handler).set("session.save_path", path)
    };
    let files = |folder: PathBuf| -> Result<PhpSettings> {
        Folder::permanent(&folder)?;
        Ok(handler("files", &folder.display().to_string()))
    };
    let redis_unix = format!("unix://{}", servers.redis.socket().display());
    let redis_tcp = format!("tcp://127.0.0.1:{}", servers.redis.port());
    let memcached = format!("127.0.0.1:{}", servers.memcached.port());
    // Loading our extension costs a little even where another handler is used, so nobody else has it.
    let cloakroom = |store: &str| -> Result<PhpSettings> {
        let settings = PhpSettings::new().extension(extension()?);
        Ok(settings.set("session.save_handler", "cloakroom").set("cloakroom.store", store))
    };
    let sqlite = |folder: PathBuf| -> Result<PhpSettings> {
        Folder::permanent(&folder)?;
        cloakroom(&format!("sqlite:{}", folder.join("sessions.db").display()))
    };
    let mariadb = format!(
        "mysql://{}:{}@localhost/cloakroom?socket={}",
        servers.mariadb.user(),
        servers.mariadb.password(),
        servers.mariadb.socket().display()
    );
    let locking = |settings: PhpSettings| settings.set("redis.session.locking_enabled", "1");
    let without_lock = |settings: PhpSettings| settings.set("memcached.sess_locking", "Off");
    use Server::{Mariadb, Memcached, None, Redis};
    let plan = |name, settings, server| Plan { name, settings, server };
    Ok(vec![
        plan(NONE, PhpSettings::new(), None),
        plan(ENCODING, PhpSettings::new(), None),
        plan(FILES, files(disk.join("files"))?, None),
        plan(SQLITE, sqlite(disk.join("sqlite"))?, None),
        plan("files, tmpfs", files(memory.join("files"))?, None),
        plan("Cloakroom SQLite, tmpfs", sqlite(memory.join("sqlite"))?, None),
        plan(PHPREDIS_UNIX, handler("redis", &redis_unix), Redis),
        plan(REDIS_UNIX, cloakroom(&redis_unix.replacen("//", "", 1))?, Redis),
        plan("phpredis, unix, persistent", handler("redis", &format!("{redis_unix}?persistent=1")), Redis),
        plan("phpredis, unix, locking", locking(handler("redis", &redis_unix)), Redis),
        plan(PHPREDIS_TCP, handler("redis", &redis_tcp), Redis),
        plan(REDIS_TCP, cloakroom(&format!("redis://127.0.0.1:{}", servers.redis.port()))?, Redis),
        plan("phpredis, TCP, persistent", handler("redis", &format!("{redis_tcp}?persistent=1")), Redis),
        plan("phpredis, TCP, locking", locking(handler("redis", &redis_tcp)), Redis),
        plan("memcached (locking)", handler("memcached", &memcached), Memcached),
        plan("memcached, no locking", without_lock(handler("memcached", &memcached)), Memcached),
        plan(
            "memcached, no locking, persistent",
            without_lock(handler("memcached", &memcached)).set("memcached.sess_persistent", "On"),
            Memcached,
        ),
        plan("Cloakroom MariaDB, TCP", cloakroom(&servers.mariadb.url())?, Mariadb),
        plan("Cloakroom MariaDB, unix", cloakroom(&mariadb)?, Mariadb),
    ])
}
