//! `make up`: WordPress on two application servers of this host, for people to click on. Everything is under one folder and on
//! loopback; no service of the system is touched. Doing it again repairs what is down and leaves the rest alone.

mod daemon;
mod places;

use std::fs::File;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::error::{Attempt, Error, Result};
use crate::folder::{is_root, project_root};
use crate::fpm::give;
use crate::mariadb::{PASSWORD, USER, copy_template};
use crate::wordpress::place as wordpress;
use crate::{
    Endpoint, Folder, FpmOptions, NginxOptions, PageCache, PhpSettings, extension, fpm, mariadb, nginx, redis,
};

pub use daemon::Action;
use daemon::Daemon;
use places::Places;

/// Where sessions are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Store {
    /// One file on this host.
    Sqlite,
    /// WordPress's own MariaDB.
    Mysql,
    /// A Redis.
    Redis,
}

impl std::str::FromStr for Store {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "sqlite" => Ok(Self::Sqlite),
            "mysql" | "mariadb" => Ok(Self::Mysql),
            "redis" => Ok(Self::Redis),
            _ => Err(Error::Other(format!("there is no store '{text}'; there are sqlite, mysql and redis"))),
        }
    }
}

/// Who keeps sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Handler {
    /// Cloakroom, in that store.
    Cloakroom(Store),
    /// PHP's own files, on each server for itself: the trouble that Cloakroom ends.
    Files,
}

/// What is up.
#[derive(Debug)]
pub struct Report {
    /// The site's address, with a slash at its end.
    pub address: String,
    /// Each server, and what had to be done for it.
    pub servers: Vec<(String, Action)>,
    /// For each server whose port somebody else has, a sentence that says so.
    pub moved: Vec<String>,
    /// The address of the store, without its password; empty for files.
    pub store: String,
    /// The password of WordPress's user `admin`.
    pub admin_password: String,
}

/// All servers that there may be, in the order in which they are ended.
const SERVERS: [&str; 5] = ["nginx", "php-fpm-a", "php-fpm-b", "redis", "mariadb"];

/// The folder for everything: `CLOAKROOM_UP`, or `.up` in the project.
pub fn folder() -> PathBuf {
    std::env::var_os("CLOAKROOM_UP").map_or_else(|| project_root().join(".up"), PathBuf::from)
}

/// Brings everything up.
pub fn up(root: &Path, handler: Handler) -> Result<Report> {
    let mut places = Places::open(root)?;
    let _only_one = lock(root)?;
    let mut up = Up { run: places.run(), user: places.user(), servers: Vec::new(), moved: Vec::new() };

    let (database_port, password) = up.database(&mut places)?;
    let http_port = up.port(&mut places, "http", "nginx", 8080)?;
    let address = format!("http://127.0.0.1:{http_port}");
    let admin_password = places.secret("admin_password")?;
    let site = root.join("wordpress");
    wordpress::place(
        &site,
        &wordpress::Settings {
            address: address.clone(),
            database_port,
            database_user: USER.into(),
            database_password: password.clone(),
            salt: places.secret("salt")?,
            user: up.user.clone(),
            more: String::new(),
        },
    )?;
    // Without the extension (HANDLER=files) the plugin says what is missing.
    let (plugin, main_file) = wordpress::plugin();
    wordpress::link(&plugin, &site.join("wp-content/plugins/cloakroom"))?;
    wordpress::install(&site, &admin_password, &[main_file])?;

    let (settings, store) = match handler {
        Handler::Files => (PhpSettings::new().set("session.save_handler", "files"), String::new()),
        Handler::Cloakroom(store) => {
            let (url, shown) = up.store(&mut places, store, database_port, &password)?;
            // Two clicks on the same thing at the same moment are two.
            (PhpSettings::cloakroom(Some(&url))?.set("cloakroom.merge_rules", "cart.*=sum"), shown)
        }
    };
    if handler != Handler::Cloakroom(Store::Redis) {
        Daemon::named(&up.run, "redis").stop();
    }
    let endpoints = [("a", 9081), ("b", 9082)]
        .map(|(name, usual)| up.application_server(&mut places, name, usual, &settings, handler))
        .into_iter()
        .collect::<Result<Vec<Endpoint>>>()?;
    up.web_server(&places, http_port, &site, &endpoints)?;
    Ok(Report { address: format!("{address}/"), servers: up.servers, moved: up.moved, store, admin_password })
}

/// Ends everything; the data stays. Names what was running.
pub fn down(root: &Path) -> Result<Vec<&'static str>> {
    if !root.join("run").is_dir() {
        return Ok(Vec::new());
    }
    let _only_one = lock(root)?;
    Ok(SERVERS.into_iter().filter(|name| Daemon::named(&root.join("run"), name).stop()).collect())
}

/// Every server with the number of its first process, if it runs.
pub fn status(root: &Path) -> Vec<(&'static str, Option<i32>)> {
    SERVERS.map(|name| (name, Daemon::named(&root.join("run"), name).pid())).to_vec()
}

/// Two at once would start everything twice.
fn lock(root: &Path) -> Result<File> {
    let file = File::create(root.join("lock")).attempt(|| "make a lock file".into())?;
    file.lock().attempt(|| "wait for another make up or make down".into())?;
    Ok(file)
}

struct Up {
    run: PathBuf,
    user: Option<String>,
    servers: Vec<(String, Action)>,
    moved: Vec<String>,
}

impl Up {
    fn port(&mut self, places: &mut Places, name: &str, daemon: &str, usual: u16) -> Result<u16> {
        let process = Daemon::named(&self.run, daemon);
        let running = process.pid().is_some();
        if !running {
            // Workers of a dead master would hold its port.
            process.stop();
        }
        let (wanted, port) = places.port(name, usual, running)?;
        if wanted != port {
            self.moved.push(format!("{daemon}: port {wanted} is taken; using {port}"));
        }
        Ok(port)
    }

    fn ensure(&mut self, name: &str, recipe: &crate::service::Recipe, files: &[PathBuf]) -> Result<Action> {
        let action = Daemon::named(&self.run, name).ensure(recipe, files)?;
        self.servers.push((name.into(), action));
        Ok(action)
    }

    /// MariaDB with WordPress's database; its port and password.
    fn database(&mut self, places: &mut Places) -> Result<(u16, String)> {
        let port = self.port(places, "db", "mariadb", 13306)?;
        let folder = Folder::permanent(&places.root.join("mariadb"))?;
        if !folder.join("data").is_dir() {
            let fresh = folder.join("data.new");
            let _ = std::fs::remove_dir_all(&fresh);
            copy_template(&fresh)?;
            std::fs::rename(&fresh, folder.join("data")).attempt(|| "put the database in place".into())?;
        }
        self.ensure("mariadb", &mariadb::recipe(&folder, port, &["--max-connections=151"])?, &[])?;
        let password = places.secret("database_password")?;
        let socket = folder.join("db.sock");
        let statements = format!(
            "ALTER USER '{USER}'@'%' IDENTIFIED BY '{password}'; CREATE DATABASE IF NOT EXISTS wordpress CHARACTER SET utf8mb4"
        );
        if mariadb::sql(&socket, &password, "mysql", "CREATE DATABASE IF NOT EXISTS wordpress").is_err() {
            mariadb::sql(&socket, PASSWORD, "mysql", &statements)?;
        }
        Ok((port, password))
    }

    /// The store's URL, and the same without its password.
    fn store(
        &mut self,
        places: &mut Places,
        store: Store,
        database_port: u16,
        password: &str,
    ) -> Result<(String, String)> {
        Ok(match store {
            Store::Sqlite => {
                let folder = Folder::permanent(&places.root.join("sessions"))?;
                std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o700))
                    .attempt(|| format!("keep {} to its owner", folder.path().display()))?;
                if let Some(user) = self.user.as_deref().filter(|_| is_root()) {
                    give(folder.path(), user)?;
                }
                let url = format!("sqlite:{}", folder.join("sessions.sqlite").display());
                (url.clone(), url)
            }
            Store::Mysql => {
                let url = |password| format!("mysql://{USER}:{password}@127.0.0.1:{database_port}/wordpress");
                (url(password), url("***"))
            }
            Store::Redis => {
                let port = self.port(places, "redis", "redis", 16379)?;
                let folder = Folder::permanent(&places.root.join("redis"))?;
                let durable = [("appendonly", "yes"), ("appendfsync", "always")];
                self.ensure("redis", &redis::recipe(&folder, port, &durable)?, &[])?;
                let url = format!("redis://127.0.0.1:{port}");
                (url.clone(), url)
            }
        })
    }

    fn application_server(
        &mut self,
        places: &mut Places,
        name: &str,
        usual: u16,
        settings: &PhpSettings,
        handler: Handler,
    ) -> Result<Endpoint> {
        let daemon = format!("php-fpm-{name}");
        let port = self.port(places, &format!("fpm_{name}"), &daemon, usual)?;
        let folder = Folder::permanent(&places.root.join(&daemon))?;
        let options = FpmOptions {
            server_name: name.to_ascii_uppercase(),
            workers: 4,
            user: self.user.clone(),
            settings: settings.clone(),
            ..FpmOptions::default()
        };
        let recipe = fpm::recipe(&folder, port, &options)?;
        let mut files = vec![folder.join("php-fpm.conf"), folder.join("conf.d/99-testbed.ini")];
        if let Handler::Cloakroom(_) = handler {
            files.push(extension()?);
        }
        self.ensure(&daemon, &recipe, &files)?;
        Ok(Endpoint::loopback(port))
    }

    fn web_server(&mut self, places: &Places, port: u16, site: &Path, servers: &[Endpoint]) -> Result<()> {
        let folder = Folder::permanent(&places.root.join("nginx"))?;
        // Short enough that a change to the demo's source shows soon.
        let past = Some("wordpress_logged_in_|wp-postpass_|comment_author_".into());
        let cache = PageCache { past, keep: "60s".into(), ..PageCache::default() };
        let options =
            NginxOptions { fail_over: true, user: self.user.clone(), cache: Some(cache), ..NginxOptions::default() };
        let recipe = nginx::recipe(&folder, port, site, servers, &options)?;
        self.ensure("nginx", &recipe, &[folder.join("nginx.conf")])?;
        Ok(())
    }
}
