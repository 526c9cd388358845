//! Where the server is and how one gets in, from a URL.

use std::fmt;
use std::path::PathBuf;

use cloakroom::StoreError;
use percent_encoding::percent_decode_str;

/// A server's address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Address {
    /// Host name or address, and port.
    Tcp(String, u16),
    /// Path of a unix socket.
    Unix(PathBuf),
}

/// Everything a URL says.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) address: Address,
    pub(super) user: Option<String>,
    pub(super) password: Option<String>,
    pub(super) database: u32,
    /// What the names of all our keys begin with.
    pub(super) prefix: String,
    /// The URL as people may see it.
    pub(super) shown: String,
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Place").field(&self.shown).finish()
    }
}

impl Place {
    /// Reads `redis://[[user]:password@]host[:port][/db][?…]`, `redis+unix:PATH[?…]` or `unix:PATH[?…]`; the query may
    /// name `db`, `user`, `password` and `prefix`.
    pub(super) fn parse(url: &str) -> Result<Self, StoreError> {
        let shown = crate::masked(url);
        let wrong = |why: &str| StoreError::Settings(format!("cloakroom.store is {shown:?}: {why}."));
        let (scheme, rest) = url.split_once(':').ok_or_else(|| wrong("a URL begins with its scheme, as redis://"))?;
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let mut place = Place {
            address: Address::Tcp(String::new(), 6379),
            user: None,
            password: None,
            database: 0,
            prefix: "cloakroom:".into(),
            shown: shown.clone(),
        };
        let database = |text: &str| text.parse().map_err(|_| wrong("the database is a number, as redis://host/0"));
        if scheme == "redis" {
            let rest = rest.strip_prefix("//").ok_or_else(|| wrong("it should be redis://host:port/db"))?;
            // The last @ ends the user information: a password may hold one.
            let (user_info, rest) = rest.rsplit_once('@').map_or((None, rest), |(info, rest)| (Some(info), rest));
            let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
            if let Some(info) = user_info {
                let (user, password) = info.split_once(':').unwrap_or((info, ""));
                place.user = Some(decode(user)).filter(|u| !u.is_empty());
                place.password = Some(decode(password)).filter(|p| !p.is_empty());
            }
            if !path.is_empty() {
                place.database = database(path)?;
            }
            let (host, port) = match authority.strip_prefix('[') {
                Some(six) => {
                    let (host, port) = six.split_once(']').ok_or_else(|| wrong("an IPv6 address ends with ]"))?;
                    (host, port.strip_prefix(':').unwrap_or(port))
                }
                None => authority.rsplit_once(':').unwrap_or((authority, "")),
            };
            if host.is_empty() {
                return Err(wrong("it names no host; it should be redis://host:port/db"));
            }
            let port = if port.is_empty() { Ok(6379) } else { port.parse() };
            place.address = Address::Tcp(decode(host), port.map_err(|_| wrong("the port is no number below 65536"))?);
        } else {
            let path = rest.strip_prefix("//").unwrap_or(rest);
            if !path.starts_with('/') {
                return Err(wrong("it should name the socket by its full path, as redis+unix:/run/redis/redis.sock"));
            }
            place.address = Address::Unix(decode(path).into());
        }
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            match name {
                "db" => place.database = database(value)?,
                "user" => place.user = Some(decode(value)),
                "password" => place.password = Some(decode(value)),
                "prefix" => place.prefix = decode(value),
                _ => return Err(wrong("after ? it may name db, user, password and prefix, nothing else")),
            }
        }
        if place.user.is_some() && place.password.is_none() {
            return Err(wrong("it names a user and no password; a password alone is written redis://:password@host"));
        }
        // A brace in the prefix would become the hash tag, and put all sessions of a cluster on one server.
        if place.prefix.len() > 64 || place.prefix.contains(['{', '}']) {
            return Err(wrong("the prefix has at most 64 bytes and no braces"));
        }
        Ok(place)
    }
}

fn decode(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(url: &str) -> Place {
        Place::parse(url).unwrap_or_else(|e| panic!("{url}: {e}"))
    }

    #[test]
    fn urls_say_where_the_server_is() {
        let p = place("redis://h");
        assert_eq!((p.address, p.database, p.prefix.as_str()), (Address::Tcp("h".into(), 6379), 0, "cloakroom:"));
        assert_eq!(place("redis://[::1]:7/3").address, Address::Tcp("::1".into(), 7));
        let p = place("redis://u:p%40s@x@10.0.0.1:6380/2?prefix=a:");
        assert_eq!((p.user.as_deref(), p.password.as_deref()), (Some("u"), Some("p@s@x")));
        assert_eq!((p.address, p.database, p.prefix.as_str()), (Address::Tcp("10.0.0.1".into(), 6380), 2, "a:"));
        assert_eq!(place("redis://:s@h").user, None);
        let p = place("redis+unix:/run/r.sock?db=4&password=x");
        assert_eq!((p.address, p.database), (Address::Unix("/run/r.sock".into()), 4));
        assert_eq!(p.password.as_deref(), Some("x"));
        assert_eq!(place("unix:/a%20b").address, Address::Unix("/a b".into()));
        assert_eq!(place("redis+unix:///a").address, Address::Unix("/a".into()));
    }

    #[test]
    fn what_makes_no_sense_is_said_without_the_password() {
        for url in [
            "redis:h",
            "redis://",
            "redis://:sesame@",
            "redis://:sesame@h:99999",
            "redis://:sesame@h/x",
            "unix:relative?password=sesame",
            "redis://u@h",
            "redis://h?password=sesame&pasword=1",
            "redis://h?prefix={",
        ] {
            let text = Place::parse(url).expect_err(url).to_string();
            assert!(!text.contains("sesame"), "{text}");
        }
        assert!(!format!("{:?}", place("redis://:sesame@h")).contains("sesame"));
    }
}
