//! The URL of a MariaDB or MySQL store, taken apart: `mysql://user:password@host:port/database?table=…&socket=…`.

use cloakroom::StoreError;
use percent_encoding::percent_decode_str;

use crate::masked;

/// Connections that one process opens at most, where the URL does not say.
pub(super) const CONNECTIONS: usize = 16;
/// Longest name of the table: the side tables' names are made of it, and an identifier has 64 characters.
const TABLE_LENGTH: usize = 50;
/// Longest name that the servers know.
const IDENTIFIER_LENGTH: usize = 64;

/// What the URL says.
#[derive(Clone)]
pub(super) struct Settings {
    pub(super) user: Option<String>,
    pub(super) password: Option<String>,
    pub(super) host: String,
    pub(super) port: u16,
    /// Path of a unix socket, in place of host and port.
    pub(super) socket: Option<String>,
    pub(super) database: String,
    pub(super) table: String,
    /// What kind of table that is.
    pub(super) kind: Kind,
    /// How many connections one process opens at most.
    pub(super) connections: usize,
    /// `localhost` means the system's own socket where there is one, as PHP has it.
    pub(super) local: bool,
    /// Where user and password are written.
    pub(super) written: &'static str,
    /// The URL as people may see it.
    pub(super) location: String,
}

/// What kind of table sessions are in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// One of their own, with its side tables.
    Own,
    /// WordPress's options table.
    Options,
}

impl Kind {
    /// What a table's name says: those that end in `options` are WordPress's.
    pub(super) fn of(table: &str) -> Self {
        if table.ends_with("options") { Self::Options } else { Self::Own }
    }
}

impl std::fmt::Debug for Settings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.location)
    }
}

impl Settings {
    /// Takes a URL apart; connects to nothing.
    pub(super) fn parse(url: &str) -> Result<Self, StoreError> {
        let location = masked(url);
        let wrong = |what: &str| {
            StoreError::Settings(format!(
                "cloakroom.store is {location:?}: {what}. Write mysql://user:password@host:3306/database, with special characters percent-encoded."
            ))
        };
        let rest = url.strip_prefix("mysql://").ok_or_else(|| wrong("it must begin with mysql://"))?;
        let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
        // A password may hold an @ that nobody encoded; a host can't.
        let (user_info, place) = match place.rsplit_once('@') {
            Some((user_info, place)) => (Some(user_info), place),
            None => (None, place),
        };
        let decode = |text: &str| -> Result<String, StoreError> {
            let text = percent_decode_str(text).decode_utf8().map_err(|_| wrong("a part of it is not UTF-8"))?;
            Ok(text.into_owned())
        };
        let (mut user, mut password) = (None, None);
        if let Some(user_info) = user_info {
            let (name, secret) = user_info.split_once(':').map_or((user_info, None), |(n, s)| (n, Some(s)));
            user = Some(decode(name)?).filter(|name| !name.is_empty());
            password = secret.map(decode).transpose()?;
        }
        let (address, database) = place.split_once('/').ok_or_else(|| wrong("it names no database"))?;
        let database = decode(database.trim_end_matches('/'))?;
        if database.is_empty() {
            return Err(wrong("it names no database"));
        }
        let (host, port) = match address.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => {
                (host, port.parse().map_err(|_| wrong("the port is not a number from 1 to 65535"))?)
            }
            _ => (address, 3306),
        };
        let host = decode(host.trim_start_matches('[').trim_end_matches(']'))?;
        let mut settings = Self {
            user,
            password,
            host: if host.is_empty() { "localhost".to_owned() } else { host },
            port,
            socket: None,
            database,
            table: "cloakroom".to_owned(),
            kind: Kind::Own,
            connections: CONNECTIONS,
            local: false,
            written: "cloakroom.store",
            location: location.clone(),
        };
        for (name, value) in query.split('&').filter(|p| !p.is_empty()).map(|p| p.split_once('=').unwrap_or((p, ""))) {
            let value = decode(value)?;
            match name {
                "socket" if value.starts_with('/') => settings.socket = Some(value),
                "socket" => return Err(wrong("socket must be an absolute path")),
                "table" => (settings.table, settings.kind) = table(value).map_err(wrong)?,
                "connections" => settings.connections = connections(&value).map_err(wrong)?,
                _ => return Err(wrong("it has a parameter that is none of table, socket and connections")),
            }
        }
        Ok(settings)
    }
}

/// A table's name that needs no quoting beyond backticks, and what kind of table it names.
pub(super) fn table(name: String) -> Result<(String, Kind), &'static str> {
    let kind = Kind::of(&name);
    let longest = if kind == Kind::Own { TABLE_LENGTH } else { IDENTIFIER_LENGTH };
    let plain = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'$');
    if name.is_empty() || name.len() > longest || !plain {
        return Err("the table's name must be 1 to 50 letters, digits, _ or $");
    }
    Ok((name, kind))
}

/// How many connections a process may open.
pub(super) fn connections(value: &str) -> Result<usize, &'static str> {
    let count = value.parse().ok().filter(|n| (1..=1000).contains(n));
    count.ok_or("connections must be a number from 1 to 1000")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_says_who_where_and_which_table() {
        let s =
            Settings::parse("mysql://me:p%40ss@w@[::1]:3307/shop?table=wp_cloakroom&connections=3").expect("parses");
        assert_eq!((s.user.as_deref(), s.password.as_deref()), (Some("me"), Some("p@ss@w")));
        assert_eq!((s.host.as_str(), s.port, s.database.as_str()), ("::1", 3307, "shop"));
        assert_eq!((s.table.as_str(), s.connections), ("wp_cloakroom", 3));
        let s = Settings::parse("mysql://me@localhost/db?socket=/run/mysqld/mysqld.sock").expect("parses");
        assert_eq!((s.socket.as_deref(), s.password), (Some("/run/mysqld/mysqld.sock"), None));
        assert_eq!((s.host.as_str(), s.port, s.table.as_str()), ("localhost", 3306, "cloakroom"));
    }

    #[test]
    fn a_table_of_options_is_wordpress_own() {
        for (name, kind) in [("wp_options", Kind::Options), ("options", Kind::Options), ("wp_cloakroom", Kind::Own)] {
            let settings = Settings::parse(&format!("mysql://u@h/db?table={name}")).expect("parses");
            assert_eq!((settings.table.as_str(), settings.kind), (name, kind));
        }
    }

    #[test]
    fn a_malformed_url_is_an_error_that_shows_no_password() {
        for url in [
            "mysql://u:sesame@h",
            "mysql://u:sesame@h/",
            "mysql://u:sesame@h:port/db",
            "mysql://u:sesame@h/db?table=a;b",
            "mysql://u:sesame@h/db?sslmode=on",
            "mysql://u:sesame@h/db?socket=relative",
            "mysql://u:sesame@h/db?connections=0",
            "mysql:u:sesame@h/db",
        ] {
            let error = Settings::parse(url).expect_err(url).to_string();
            assert!(!error.contains("sesame"), "{error}");
        }
    }
}
