//! What a site's own configuration says of its database, as this store's settings: how WordPress finds its server.

use std::os::unix::fs::FileTypeExt;
use std::path::Path;
use std::sync::Arc;

use cloakroom::{Store, StoreError};

use super::settings::{self, Settings};
use crate::Options;

/// Where systems put the server's socket; the last one is what PHP takes where nobody says.
const SOCKETS: [&str; 6] = [
    "/run/mysqld/mysqld.sock",
    "/var/run/mysqld/mysqld.sock",
    "/var/lib/mysql/mysql.sock",
    "/run/mysql/mysql.sock",
    "/var/run/mysql/mysql.sock",
    "/tmp/mysql.sock",
];

/// A site's database, and which of its tables.
pub(crate) struct Site {
    pub(crate) user: String,
    pub(crate) password: String,
    /// As in `DB_HOST`.
    pub(crate) host: String,
    pub(crate) database: String,
    pub(crate) table: String,
    /// A socket that the URL names, in place of what the host says.
    pub(crate) socket: Option<String>,
    pub(crate) connections: Option<String>,
    /// Where all that was written.
    pub(crate) from: String,
}

/// Opens the store of a site.
///
/// # Errors
/// [`StoreError::Settings`] where host, table or number of connections make no sense.
pub(crate) fn open(site: Site, options: &Options) -> Result<Arc<dyn Store>, StoreError> {
    Ok(super::of(site.settings()?, options))
}

impl Site {
    fn settings(self) -> Result<Settings, StoreError> {
        let from = self.from;
        let wrong = |what: &str| StoreError::Settings(format!("cloakroom.store reads {from}: {what}."));
        let (table, kind) = settings::table(self.table).map_err(|_| {
            wrong("$table_prefix must be letters, digits and _, 41 of them at most, for its tables to have names")
        })?;
        let place = Host::parse(&self.host)
            .ok_or_else(|| wrong("DB_HOST is none of host, host:port, host:/path/of/socket and [address]:port"))?;
        let connections = match &self.connections {
            Some(value) => settings::connections(value).map_err(wrong)?,
            None => settings::CONNECTIONS,
        };
        let shown = place.shown();
        let socket = self.socket.or(place.socket);
        let mut location = format!("mysql://{}:***@{shown}/{}?table={table}", self.user, self.database);
        if let Some(socket) = &socket {
            location.push_str(&format!("&socket={socket}"));
        }
        location.push_str(&format!(", as in {from}"));
        Ok(Settings {
            user: Some(self.user).filter(|user| !user.is_empty()),
            password: Some(self.password),
            local: place.local,
            host: place.host,
            port: place.port,
            socket,
            database: self.database,
            table,
            kind,
            connections,
            written: "wp-config.php",
            location,
        })
    }
}

/// `DB_HOST`, taken apart as WordPress and PHP do.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Host {
    host: String,
    port: u16,
    socket: Option<String>,
    /// No host, or `localhost`: PHP then takes a socket, whatever the port.
    local: bool,
}

impl Host {
    fn parse(text: &str) -> Option<Self> {
        let (address, socket) = match text.find(":/") {
            Some(at) => (&text[..at], Some(text[at + 1..].to_owned())),
            None => (text, None),
        };
        let (host, port) = if address.matches(':').count() > 1 {
            let (host, port) = match address.strip_prefix('[') {
                Some(rest) => {
                    let (host, port) = rest.split_once(']')?;
                    (host, if port.is_empty() { port } else { port.strip_prefix(':')? })
                }
                None => (address, ""),
            };
            host.parse::<std::net::Ipv6Addr>().ok()?;
            (host, port)
        } else {
            address.split_once(':').unwrap_or((address, ""))
        };
        let port = if port.is_empty() { 3306 } else { port.parse().ok().filter(|port| *port > 0)? };
        if host.contains(|c: char| c.is_whitespace() || c.is_control() || "/@?#[]".contains(c)) {
            return None;
        }
        let local = host.is_empty() || host.eq_ignore_ascii_case("localhost");
        let host = if local { "localhost".to_owned() } else { host.to_owned() };
        // A socket is this machine's: for any other host PHP leaves it aside.
        Some(Self { host, port, socket: socket.filter(|_| local), local })
    }

    fn shown(&self) -> String {
        let Self { host, port, local, .. } = self;
        match (local, host.contains(':')) {
            (true, _) => host.clone(),
            (false, true) => format!("[{host}]:{port}"),
            (false, false) => format!("{host}:{port}"),
        }
    }
}

/// The socket of this machine's server, where there is one in a usual place.
pub(super) fn usual_socket() -> Option<String> {
    let there = |path: &&&str| Path::new(path).metadata().is_ok_and(|meta| meta.file_type().is_socket());
    SOCKETS.iter().find(there).map(|path| (*path).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_understood_as_wordpress_does() {
        for (text, host, port, socket, local) in [
            ("localhost", "localhost", 3306, None, true),
            ("", "localhost", 3306, None, true),
            ("LOCALHOST:3307", "localhost", 3307, None, true),
            ("localhost:/run/db.sock", "localhost", 3306, Some("/run/db.sock"), true),
            (":/run/db.sock", "localhost", 3306, Some("/run/db.sock"), true),
            ("localhost:3307:/run/db.sock", "localhost", 3307, Some("/run/db.sock"), true),
            ("127.0.0.1", "127.0.0.1", 3306, None, false),
            ("db.example:3310", "db.example", 3310, None, false),
            ("db.example:/run/db.sock", "db.example", 3306, None, false),
            ("[::1]:3307", "::1", 3307, None, false),
            ("[::1]", "::1", 3306, None, false),
            ("::1", "::1", 3306, None, false),
            ("2001:db8::7", "2001:db8::7", 3306, None, false),
        ] {
            let socket = socket.map(str::to_owned);
            let expected = Host { host: host.to_owned(), port, socket, local };
            assert_eq!(Host::parse(text), Some(expected), "{text}");
        }
        for text in ["db:port", "db:0", "db:70000", "[::1", "[::x]:1", "a b", "u:p@h", "1:2:3", "[::1]:x", "[::1]7"] {
            assert_eq!(Host::parse(text), None, "{text}");
        }
    }

    #[test]
    fn what_is_shown_of_a_site_has_no_password() {
        let site = |host: &str| Site {
            user: "wp".into(),
            password: "sesame".into(),
            host: host.into(),
            database: "shop".into(),
            table: "wp_cloakroom".into(),
            socket: None,
            connections: None,
            from: "/srv/www/wp-config.php".into(),
        };
        let settings = site("db.example:3310").settings().expect("right");
        assert_eq!(
            settings.location,
            "mysql://wp:***@db.example:3310/shop?table=wp_cloakroom, as in /srv/www/wp-config.php"
        );
        assert!(!format!("{settings:?}").contains("sesame"));
        let error = site("sesame@h:x").settings().expect_err("no host").to_string();
        assert!(!error.contains("sesame"), "{error}");
        let long = Site { table: format!("{}cloakroom", "x".repeat(42)), ..site("h") };
        assert!(long.settings().expect_err("too long").to_string().contains("$table_prefix"));
    }
}
