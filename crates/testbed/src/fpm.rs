//! A php-fpm master with one pool: one application server, as far as PHP can tell.

use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::{Attempt, Result};
use crate::folder::{is_root, web_user};
use crate::php::{PhpSettings, program};
use crate::ports::{PortLease, retry_on_collision};
use crate::service::Recipe;
use crate::{Endpoint, Folder, Service};

/// Where a worker answers without running a script.
const PING: &str = "/testbed-ping";

/// How a php-fpm master is set up.
#[derive(Debug, Clone)]
pub struct FpmOptions {
    /// What PHP finds in `$_SERVER['CLOAKROOM_SERVER']`.
    pub server_name: String,
    /// How many workers there are, always.
    pub workers: usize,
    /// Whom the workers run as when tests run as root; `None` is the distribution's web user.
    pub user: Option<String>,
    /// Settings on top of the distribution's php.ini.
    pub settings: PhpSettings,
    /// Further lines of the pool, such as `("request_terminate_timeout", "5")` or `("env[X]", "y")`.
    pub pool: Vec<(String, String)>,
    /// Sessions of PHP's own `files` handler go to a folder of this server, as on two hosts; off leaves the distribution's.
    pub own_session_folder: bool,
}

impl Default for FpmOptions {
    fn default() -> Self {
        Self {
            server_name: "A".into(),
            workers: 4,
            user: None,
            settings: PhpSettings::new(),
            pool: Vec::new(),
            own_session_folder: true,
        }
    }
}

/// A php-fpm master of a test; what can be done to it and its workers is in [`Service`].
#[derive(Debug)]
pub struct Fpm {
    service: Service,
    port: PortLease,
    folder: Folder,
}

impl Fpm {
    /// Starts one with the given settings and four workers.
    pub fn start(settings: PhpSettings) -> Result<Self> {
        Self::start_with(&FpmOptions { settings, ..FpmOptions::default() })
    }

    /// Starts one.
    pub fn start_with(options: &FpmOptions) -> Result<Self> {
        retry_on_collision(|port| {
            let folder = Folder::new("fpm")?;
            let service = Service::launch(recipe(&folder, port.number(), options)?)?;
            Ok(Self { service, port, folder })
        })
    }

    /// Where it speaks FastCGI.
    pub fn endpoint(&self) -> Endpoint {
        Endpoint::loopback(self.port.number())
    }

    /// What PHP itself logged (`error_log`), as opposed to the master's [`log`](Service::log).
    pub fn php_log(&self) -> String {
        std::fs::read(self.php_log_path()).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    }

    /// Where PHP itself logs.
    pub fn php_log_path(&self) -> PathBuf {
        self.folder.join("state/php.log")
    }

    /// Where this server's `files` handler keeps sessions.
    pub fn session_folder(&self) -> PathBuf {
        self.folder.join("state/sessions")
    }
}

impl Deref for Fpm {
    type Target = Service;

    fn deref(&self) -> &Service {
        &self.service
    }
}

pub(crate) fn recipe(folder: &Folder, port: u16, options: &FpmOptions) -> Result<Recipe> {
    let program = program("php-fpm")?;
    let user = options.user.as_deref().or(web_user()).filter(|_| is_root());
    let state = folder.join("state");
    for path in [&state, &state.join("sessions")] {
        std::fs::create_dir_all(path).attempt(|| format!("make {}", path.display()))?;
        if let Some(user) = user {
            give(path, user)?;
        }
    }
    let config = folder.write("php-fpm.conf", config(folder, port, options, user))?;
    let scan = options.settings.write_to(&folder.join("conf.d"))?;
    let log = folder.join("fpm.log");
    let endpoint = Endpoint::loopback(port);
    Ok(Recipe {
        name: format!("php-fpm {}", options.server_name),
        command: Box::new(move || {
            let mut command = Command::new(&program);
            command
                .args(["--nodaemonize", "--allow-to-run-as-root", "--fpm-config"])
                .arg(&config)
                .env("PHP_INI_SCAN_DIR", &scan);
            command
        }),
        probe: Box::new(move || ping(&endpoint)),
        log,
        temporary: folder.temporary(),
    })
}

fn config(folder: &Folder, port: u16, options: &FpmOptions, user: Option<&str>) -> String {
    let mut lines = vec![
        "[global]".to_string(),
        format!("error_log = {}", folder.join("fpm.log").display()),
        "daemonize = no".into(),
        "[www]".into(),
        format!("listen = 127.0.0.1:{port}"),
        "pm = static".into(),
        format!("ping.path = {PING}"),
        format!("pm.max_children = {}", options.workers),
        "catch_workers_output = yes".into(),
        "decorate_workers_output = no".into(),
        format!("env[CLOAKROOM_SERVER] = \"{}\"", options.server_name),
        format!("php_value[error_log] = {}", folder.join("state/php.log").display()),
        "php_value[log_errors] = on".into(),
    ];
    if options.own_session_folder {
        lines.push(format!("php_value[session.save_path] = {}", folder.join("state/sessions").display()));
    }
    if let Some(user) = user {
        lines.push(format!("user = {user}"));
    }
    lines.extend(options.pool.iter().map(|(name, value)| format!("{name} = {value}")));
    lines.join("\n") + "\n"
}

/// Asks a worker for a sign of life, over FastCGI: the master opens its socket long before a worker serves it.
fn ping(endpoint: &Endpoint) -> std::result::Result<(), String> {
    let record = |kind: u8, content: &[u8]| {
        let length = (content.len() as u16).to_be_bytes();
        [&[1, kind, 0, 1, length[0], length[1], 0, 0], content].concat()
    };
    let parameters: Vec<u8> = [("REQUEST_METHOD", "GET"), ("SCRIPT_NAME", PING), ("SCRIPT_FILENAME", PING)]
        .iter()
        .flat_map(|(name, value)| [&[name.len() as u8, value.len() as u8], name.as_bytes(), value.as_bytes()].concat())
        .collect();
    // FastCGI 1.0, section 8: begin (role responder), parameters and their end, an empty input.
    let request =
        [record(1, &[0, 1, 0, 0, 0, 0, 0, 0]), record(4, &parameters), record(4, &[]), record(5, &[])].concat();
    let reply = endpoint.ask(&request).map_err(|error| error.to_string())?;
    match reply.windows(4).any(|bytes| bytes == b"pong") {
        true => Ok(()),
        false => Err(String::from_utf8_lossy(&reply).into_owned()),
    }
}

/// Gives a file or folder to the user that workers run as.
pub(crate) fn give(path: &Path, user: &str) -> Result<()> {
    let passwd = std::fs::read_to_string("/etc/passwd").attempt(|| "read /etc/passwd".into())?;
    let ids = passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let found = fields.next()? == user;
        let uid = fields.nth(1)?.parse().ok()?;
        let gid = fields.next()?.parse().ok()?;
        found.then_some((uid, gid))
    });
    let (uid, gid): (u32, u32) = ids.unwrap_or((0, 0));
    std::os::unix::fs::chown(path, Some(uid), Some(gid)).attempt(|| format!("give {} to {user}", path.display()))
}
