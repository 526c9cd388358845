//! The URL of a MariaDB or MySQL store, taken apart: `mysql://user:password@host:port/database?table=…&socket=…`.

use cloakroom::StoreError;
use percent_encoding::percent_decode_str;

use crate::masked;

/// Connections that one process opens at most, where the URL does not say.
const CONNECTIONS: usize = 16;
/// Longest name of the table: the side tables' names are made of it, and an identifier has 64 characters.
const TABLE_LENGTH: usize = 50;

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
    /// How many connections one process opens at most.
    pub(super) connections: usize,
    /// The URL as people may see it.
    pub(super) location: String,
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
            connections: CONNECTIONS,
            location: location.clone(),
        };
        for (name, value) in query.split('&').filter(|p| !p.is_empty()).map(|p| p.split_once('=').unwrap_or((p, ""))) {
            let value = decode(value)?;
            match name {
                "socket" if value.starts_with('/') => settings.socket = Some(value),
                "socket" => return Err(wrong("socket must be an absolute path")),
                "table" => settings.table = table(value).map_err(wrong)?,
                "connections" => {
                    let count = value.parse().ok().filter(|n| (1..=1000).contains(n));
                    settings.connections = count.ok_or_else(|| wrong("connections must be a number from 1 to 1000"))?;
                }
                _ => return Err(wrong("it has a parameter that is none of table, socket and connections")),
            }
        }
        Ok(settings)
    }
}

/// A table's name that needs no quoting beyond backticks.
fn table(name: String) -> Result<String, &'static str> {
    let plain = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'$');
    if name.is_empty() || name.len() > TABLE_LENGTH || !plain {
        return Err("the table's name must be 1 to 50 letters, digits, _ or $");
    }
    if name.ends_with("_options") {
        return Err("keeping sessions in WordPress's options table is not built yet; name a table of their own");
    }
    Ok(name)
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
    fn a_malformed_url_is_an_error_that_shows_no_password() {
        for url in [
            "mysql://u:sesame@h",
            "mysql://u:sesame@h/",
            "mysql://u:sesame@h:port/db",
            "mysql://u:sesame@h/db?table=a;b",
            "mysql://u:sesame@h/db?table=wp_options",
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
