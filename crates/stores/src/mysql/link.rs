//! One connection: made within a budget, looked at before it is used again, and closed without anybody's help.
//!
//! What this rests on in mysql_async: a `Conn` does nothing between calls, so nothing has to poll it. Dropping one that
//! it believes to be in order would spawn a task that says good-bye, which nobody would run in a PHP worker; so a
//! [`Link`] ends its connection itself, with one poll of that good-bye. In a forked child it does not even do that: the
//! socket, and the poll set it is registered in, belong to the parent as well.

use std::future::Future;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, ToSocketAddrs};
use std::os::fd::OwnedFd;
use std::pin::pin;
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

use cloakroom::Time;
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Opts, OptsBuilder, Params, Row, Statement, Value};
use rustix::net::RecvFlags;
use rustix::process::{PidfdFlags, PidfdGetfdFlags, pidfd_getfd, pidfd_open};
use tokio::runtime::{Handle, RuntimeFlavor};

use super::row::Reader;
use super::settings::Settings;
use super::site;
use super::sql::{Sql, VERBS, Verb};

/// The largest packet that the protocol knows; the server's own limit is asked for and minded by the store.
const LARGEST_PACKET: usize = 1 << 30;
/// After how many idle seconds the server ends a connection: it ends by itself where a PHP worker sleeps.
const WAIT_TIMEOUT: u32 = 600;

/// What a statement answered.
#[derive(Debug, Default)]
pub(super) struct Answer {
    pub(super) rows: Vec<Row>,
    /// Rows found by an update, removed by a delete.
    pub(super) affected: u64,
    /// What the statement said with `LAST_INSERT_ID`; 0 where it said nothing.
    pub(super) said: u64,
}

/// What the server said of itself at connect.
#[derive(Debug, Clone, Copy)]
pub(super) struct Server {
    pub(super) mariadb: bool,
    /// Whether it can skip rows that others have locked.
    pub(super) skip_locked: bool,
    /// Bytes of the largest request it takes.
    pub(super) max_packet: u64,
    /// Its time, and how long the question took.
    pub(super) time: Time,
    pub(super) took: Duration,
}

/// A connection.
pub(super) struct Link {
    /// `None` only while it is being dropped.
    conn: Option<Conn>,
    /// A second handle to the socket, to look at; `None` where the system does not give one.
    socket: Option<OwnedFd>,
    statements: [Option<Statement>; VERBS],
    process: u32,
    runtime: tokio::runtime::Id,
    used: Instant,
    pub(super) server: Server,
    /// Whether it has been used before this verb, so that it may have died in the meantime.
    pub(super) seasoned: bool,
    /// Whether what may change something has been handed to the network since the verb began.
    pub(super) sent: bool,
}

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Link").field("server", &self.server).finish_non_exhaustive()
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        let Some(conn) = self.conn.take() else { return };
        if self.process == std::process::id() {
            farewell(conn);
        } else {
            std::mem::forget(conn);
        }
    }
}

/// Says good-bye if that takes no waiting, and closes the socket.
fn farewell(conn: Conn) {
    let mut goodbye = pin!(conn.disconnect());
    let _ = goodbye.as_mut().poll(&mut Context::from_waker(Waker::noop()));
}

/// Closes a connection whose making was given up half-way.
struct Half(Option<Conn>);

impl Drop for Half {
    fn drop(&mut self) {
        if let Some(conn) = self.0.take() {
            farewell(conn);
        }
    }
}

impl Link {
    /// Connects: greeting, log-in, and one trip for settings and clock. The caller bounds the time.
    pub(super) async fn connect(settings: &Settings) -> mysql_async::Result<Self> {
        let mut half = Half(Some(Conn::new(opts(settings).await?).await?));
        let conn = half.0.as_mut().ok_or(mysql_async::DriverError::ConnectionClosed)?;
        // Statements wait at most a second for somebody's lock: then nothing was applied for certain, and there is time
        // left to try again. UTC, since a local time can't be told from the same one an hour later in autumn.
        let script = format!(
            "SET SESSION autocommit=1,time_zone='+00:00',sql_mode='STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION',\
             innodb_lock_wait_timeout=1,lock_wait_timeout=1,wait_timeout={WAIT_TIMEOUT};\
             SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED;\
             SELECT VERSION(),@@max_allowed_packet,UNIX_TIMESTAMP(NOW(3))"
        );
        let asked = Instant::now();
        let mut answers = Vec::new();
        run_script(conn, &script, 3, &mut answers).await?;
        let took = asked.elapsed();
        let row = answers.into_iter().flat_map(|a| a.rows).next();
        let server = row.and_then(|row| server(row, took)).ok_or_else(|| {
            mysql_async::Error::Other("the server's answer about its version and clock makes no sense".into())
        })?;
        let socket = second_handle(conn);
        Ok(Self {
            conn: half.0.take(),
            socket,
            statements: Default::default(),
            process: std::process::id(),
            runtime: Handle::current().id(),
            used: Instant::now(),
            server,
            seasoned: false,
            sent: false,
        })
    }

    /// Whether it may be used for another verb: a look, never a question. The server never speaks unasked, so whatever
    /// can be read now is its good-bye.
    pub(super) fn looks_alive(&self, idle: Duration) -> bool {
        let ours = self.process == std::process::id() && self.runtime == Handle::current().id();
        if !ours || self.used.elapsed() > idle {
            return false;
        }
        let Some(socket) = &self.socket else { return true };
        let mut byte = [0u8; 1];
        let look = rustix::net::recv(socket, &mut byte[..], RecvFlags::PEEK | RecvFlags::DONTWAIT);
        matches!(look, Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR))
    }

    fn conn(&mut self) -> mysql_async::Result<&mut Conn> {
        self.conn.as_mut().ok_or_else(|| mysql_async::DriverError::ConnectionClosed.into())
    }

    /// Runs a verb's statement, prepared on its first use in this connection: one trip from then on.
    pub(super) async fn exec(&mut self, sql: &Sql, verb: Verb, values: Vec<Value>) -> mysql_async::Result<Answer> {
        let statement = match &self.statements[verb as usize] {
            Some(statement) => statement.clone(),
            None => {
                let statement = self.conn()?.prep(sql.of(verb)).await?;
                self.statements[verb as usize] = Some(statement.clone());
                statement
            }
        };
        self.sent = true;
        let mut result = self.conn()?.exec_iter(statement, Params::Positional(values)).await?;
        let mut answer = Answer {
            rows: Vec::new(),
            affected: result.affected_rows(),
            said: result.last_insert_id().unwrap_or_default(),
        };
        while let Some(row) = result.next().await? {
            answer.rows.push(row);
        }
        drop(result);
        self.used = Instant::now();
        Ok(answer)
    }

    /// Runs `count` statements in one trip, as text. What was answered before an error is left in `answers`.
    pub(super) async fn script(
        &mut self,
        text: &str,
        count: usize,
        answers: &mut Vec<Answer>,
    ) -> mysql_async::Result<()> {
        self.sent = true;
        run_script(self.conn()?, text, count, answers).await?;
        self.used = Instant::now();
        Ok(())
    }
}

async fn run_script(conn: &mut Conn, text: &str, count: usize, answers: &mut Vec<Answer>) -> mysql_async::Result<()> {
    let mut result = conn.query_iter(text).await?;
    for _ in 0..count {
        // Told before the set is read to its end: by then the next one has answered.
        let mut answer = Answer {
            rows: Vec::new(),
            affected: result.affected_rows(),
            said: result.last_insert_id().unwrap_or_default(),
        };
        while let Some(row) = result.next().await? {
            answer.rows.push(row);
        }
        answers.push(answer);
    }
    Ok(())
}

async fn opts(settings: &Settings) -> mysql_async::Result<Opts> {
    let builder = OptsBuilder::default()
        .user(settings.user.clone())
        .pass(settings.password.clone())
        .db_name(Some(settings.database.clone()))
        .client_found_rows(true)
        // Given here, so that the client does not ask the server for them in a trip of its own.
        .max_allowed_packet(Some(LARGEST_PACKET))
        .wait_timeout(Some(WAIT_TIMEOUT as usize))
        .prefer_socket(false)
        // The link keeps its statements itself: no parsing and no look-up by text for each use.
        .stmt_cache_size(0);
    let socket = settings.socket.clone().or_else(|| settings.local.then(site::usual_socket).flatten());
    let builder = match socket {
        Some(path) => builder.socket(Some(path)),
        None => builder
            .ip_or_hostname(settings.host.clone())
            .tcp_port(settings.port)
            .tcp_keepalive(Some(Duration::from_secs(60)))
            .resolved_ips(Some(addresses(&settings.host, settings.port).await?)),
    };
    Ok(builder.into())
}

/// The host's addresses. A name is looked up in this thread where there is only one, since a PHP worker must not get
/// another one that its signals might hit; that look-up can't be bounded, addresses and `localhost` need none.
async fn addresses(host: &str, port: u16) -> mysql_async::Result<Vec<IpAddr>> {
    if let Ok(address) = host.parse::<IpAddr>() {
        return Ok(vec![address]);
    }
    if host == "localhost" {
        return Ok(vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]);
    }
    let found: Vec<IpAddr> = if Handle::current().runtime_flavor() == RuntimeFlavor::CurrentThread {
        (host, port).to_socket_addrs().map_err(mysql_async::Error::from)?.map(|a| a.ip()).collect()
    } else {
        tokio::net::lookup_host((host, port)).await.map_err(mysql_async::Error::from)?.map(|a| a.ip()).collect()
    };
    Ok(found)
}

fn server(row: Row, took: Duration) -> Option<Server> {
    let mut row = Reader::new(row);
    let version = String::from_utf8_lossy(&row.bytes().ok()?).into_owned();
    let max_packet = row.number().ok()?;
    let time = row.seconds().ok()?;
    let mariadb = version.contains("MariaDB");
    // Some proxies put 5.5.5- in front of MariaDB's version for old clients.
    let numbers = version.strip_prefix("5.5.5-").unwrap_or(&version);
    let mut numbers = numbers.split(|c: char| !c.is_ascii_digit()).map(|n| n.parse::<u32>().unwrap_or(0));
    let release = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    let skip_locked = if mariadb { release >= (10, 6, 0) } else { release >= (8, 0, 1) };
    Some(Server { mariadb, skip_locked, max_packet, time, took })
}

/// A handle of our own to the connection's socket. The client gives no access to it but names its number when it is
/// shown for debugging; the system then duplicates it, and refuses where a sandbox forbids that.
fn second_handle(conn: &Conn) -> Option<OwnedFd> {
    let shown = format!("{conn:?}");
    let shown = shown.split("Stream (endpoint=").nth(1)?;
    // A TCP stream shows the number itself, a unix stream the types around it, which have fields of that name too.
    let number = |text: &str| text.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok();
    let number = shown.split("fd: ").skip(1).find_map(number)?;
    let this = pidfd_open(rustix::process::getpid(), PidfdFlags::empty()).ok()?;
    let handle = pidfd_getfd(&this, number, PidfdGetfdFlags::empty()).ok()?;
    // The number came from a text for people: it must at least be a socket with nothing to say.
    let mut byte = [0u8; 1];
    let look = rustix::net::recv(&handle, &mut byte[..], RecvFlags::PEEK | RecvFlags::DONTWAIT);
    matches!(look, Err(rustix::io::Errno::AGAIN)).then_some(handle)
}
