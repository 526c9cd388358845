//! A MariaDB server. The empty data folder is made once per version under `target/testbed/` and copied for each server.
//!
//! Settings are those of the distribution where they matter (character set, connections, durability: InnoDB flushes at each
//! commit) and small where they only cost time (buffer pool, log, no performance schema).

use std::fs::File;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::error::{Attempt, Error, Result};
use crate::folder::{find_program, is_root, target_dir};
use crate::ports::{PortLease, retry_on_collision};
use crate::service::Recipe;
use crate::{Endpoint, Folder, Service};

/// The only account; it may do everything.
pub(crate) const USER: &str = "cloakroom";
pub(crate) const PASSWORD: &str = "t3stbed-password";
/// Part of the template's name: raise it when the template changes.
const TEMPLATE: u32 = 1;

/// A MariaDB server of a test; what can be done to it is in [`Service`].
#[derive(Debug)]
pub struct Mariadb {
    service: Service,
    port: PortLease,
    folder: Folder,
}

impl Mariadb {
    /// Starts one that holds an empty database `cloakroom`.
    pub fn start() -> Result<Self> {
        Self::start_with(&[])
    }

    /// Starts one with further server options, such as `--max-connections=20`.
    pub fn start_with(options: &[&str]) -> Result<Self> {
        retry_on_collision(|port| {
            let folder = Folder::new("mariadb")?;
            copy_template(&folder.join("data"))?;
            let service = Service::launch(recipe(&folder, port.number(), options)?)?;
            Ok(Self { service, port, folder })
        })
    }

    /// Its TCP port.
    pub fn port(&self) -> u16 {
        self.port.number()
    }

    /// Its TCP address.
    pub fn endpoint(&self) -> Endpoint {
        Endpoint::loopback(self.port())
    }

    /// Its unix socket.
    pub fn socket(&self) -> PathBuf {
        self.folder.join("db.sock")
    }

    /// The URL of its database `cloakroom` over TCP.
    pub fn url(&self) -> String {
        self.url_at(&format!("127.0.0.1:{}", self.port()), "cloakroom")
    }

    /// The URL of a database behind another address, such as that of a [`Proxy`](crate::Proxy).
    pub fn url_at(&self, address: &str, database: &str) -> String {
        format!("mysql://{USER}:{PASSWORD}@{address}/{database}")
    }

    /// Its user's name.
    pub fn user(&self) -> &'static str {
        USER
    }

    /// Its user's password.
    pub fn password(&self) -> &'static str {
        PASSWORD
    }

    /// Makes an empty database and returns its URL over TCP.
    pub fn create_database(&self, name: &str) -> Result<String> {
        self.sql("mysql", &format!("CREATE DATABASE `{name}`"))?;
        Ok(self.url_at(&format!("127.0.0.1:{}", self.port()), name))
    }

    /// Runs statements in a database with the command-line client; rows come as lines, columns between tabs.
    pub fn sql(&self, database: &str, statements: &str) -> Result<String> {
        sql(&self.socket(), PASSWORD, database, statements)
    }

    /// Everything in a database as SQL text, binary columns in hexadecimal.
    pub fn dump(&self, database: &str) -> Result<String> {
        let program = find_program("mariadb-dump")?;
        let mut command = Command::new(program);
        command
            .arg("--no-defaults")
            .arg(format!("--socket={}", self.socket().display()))
            .arg(format!("--user={USER}"))
            .args(["--hex-blob", "--skip-extended-insert", database])
            .env("MYSQL_PWD", PASSWORD);
        run(command)
    }
}

impl Deref for Mariadb {
    type Target = Service;

    fn deref(&self) -> &Service {
        &self.service
    }
}

/// Runs statements over a unix socket with the command-line client.
pub(crate) fn sql(socket: &Path, password: &str, database: &str, statements: &str) -> Result<String> {
    let mut command = Command::new(find_program("mariadb")?);
    command
        .arg("--no-defaults")
        .arg(format!("--socket={}", socket.display()))
        .arg(format!("--user={USER}"))
        .args(["--batch", "--skip-column-names", "--execute", statements, database])
        // The command line is seen by every user of the host.
        .env("MYSQL_PWD", password);
    run(command)
}

/// Runs a helper program to its end; what it printed, or an error with what it said.
pub(crate) fn run(mut command: Command) -> Result<String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.stdin(Stdio::null()).output().attempt(|| format!("run {program}"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(Error::Failed {
        program,
        status: output.status,
        output: [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat(),
    })
}

/// The server's options that the template and every server made of it must share.
fn common(data: &Path) -> Vec<String> {
    let mut options: Vec<String> = [
        "--no-defaults",
        "--innodb-log-file-size=16M",
        "--innodb-buffer-pool-size=32M",
        "--character-set-server=utf8mb4",
        "--collation-server=utf8mb4_general_ci",
        "--skip-name-resolve",
        "--performance-schema=OFF",
    ]
    .map(String::from)
    .to_vec();
    options.push(format!("--datadir={}", data.display()));
    if is_root() {
        options.push("--user=root".into());
    }
    options
}

pub(crate) fn recipe(folder: &Folder, port: u16, options: &[&str]) -> Result<Recipe> {
    let program = find_program("mariadbd")?;
    let mut arguments = common(&folder.join("data"));
    arguments.extend([
        format!("--socket={}", folder.join("db.sock").display()),
        format!("--port={port}"),
        "--bind-address=127.0.0.1".into(),
        format!("--pid-file={}", folder.join("db.pid").display()),
        format!("--log-error={}", folder.join("db.log").display()),
        format!("--tmpdir={}", folder.path().display()),
    ]);
    arguments.extend(options.iter().map(ToString::to_string));
    let endpoints = [Endpoint::loopback(port), Endpoint::Unix(folder.join("db.sock"))];
    Ok(Recipe {
        name: "mariadbd".into(),
        command: Box::new(move || {
            let mut command = Command::new(&program);
            command.args(&arguments);
            command
        }),
        probe: Box::new(move || {
            for endpoint in &endpoints {
                // The server speaks first: four bytes of packet header, then protocol version 10.
                let greeting = endpoint.ask(b"").map_err(|error| error.to_string())?;
                if greeting.get(4) != Some(&10) {
                    return Err(format!("greeting {greeting:?}"));
                }
            }
            Ok(())
        }),
        log: folder.join("db.log"),
        temporary: folder.temporary(),
    })
}

/// Copies the empty data folder to `to`, making it first if it is not there yet.
pub(crate) fn copy_template(to: &Path) -> Result<()> {
    let template = template()?;
    let mut command = Command::new("cp");
    command.args(["--archive", "--reflink=auto", "--sparse=always"]).arg(&template).arg(to);
    run(command).map(drop)
}

fn template() -> Result<PathBuf> {
    let version = run({
        let mut command = Command::new(find_program("mariadbd")?);
        command.args(["--no-defaults", "--version"]);
        command
    })?;
    let version = version.split_whitespace().skip_while(|word| *word != "Ver").nth(1).unwrap_or("unknown").to_string();
    let place = Folder::permanent(&target_dir().join("testbed"))?;
    let template = place.join(format!("mariadb-{version}-{TEMPLATE}"));
    // Test processes run side by side: the first makes it, the others wait.
    let lock = File::create(place.join("mariadb.lock")).attempt(|| "make a lock file".into())?;
    lock.lock().attempt(|| "lock the template".into())?;
    if template.is_dir() {
        return Ok(template);
    }
    let fresh = tempfile::tempdir_in(place.path()).attempt(|| "make a folder for the template".into())?;
    let data = fresh.path().join("data");
    let mut install = Command::new(find_program("mariadb-install-db")?);
    install
        .args(common(&data))
        // By force: without it, a host that does not know its own name is refused, though no name is ever looked up.
        .args(["--auth-root-authentication-method=normal", "--skip-test-db", "--force"]);
    run(install)?;
    bootstrap(&data)?;
    std::fs::rename(&data, &template).attempt(|| format!("put the template at {}", template.display()))?;
    Ok(template)
}

/// Leaves one account with a password, and an empty database.
fn bootstrap(data: &Path) -> Result<()> {
    let script = data.join("bootstrap.sql");
    let statements = [
        "FLUSH PRIVILEGES;",
        "DELETE FROM mysql.global_priv WHERE User IN ('', 'root') OR Host NOT IN ('localhost');",
        "FLUSH PRIVILEGES;",
        &format!("GRANT ALL PRIVILEGES ON *.* TO '{USER}'@'%' IDENTIFIED BY '{PASSWORD}' WITH GRANT OPTION;"),
        "CREATE DATABASE cloakroom;",
    ]
    .join("\n");
    std::fs::write(&script, statements).attempt(|| format!("write {}", script.display()))?;
    let input = File::open(&script).attempt(|| format!("read {}", script.display()))?;
    let output = Command::new(find_program("mariadbd")?)
        .args(common(data))
        .arg("--bootstrap")
        .stdin(input)
        .output()
        .attempt(|| "run mariadbd --bootstrap".into())?;
    std::fs::remove_file(&script).attempt(|| format!("remove {}", script.display()))?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    if output.status.success() && !said.contains("[ERROR]") {
        return Ok(());
    }
    Err(Error::Failed { program: "mariadbd --bootstrap".into(), status: output.status, output: said })
}
