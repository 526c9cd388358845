//! `wordpress:/path/to/site`: the database of a WordPress site, as its own wp-config.php names it, so that no password is
//! written twice. The file is read when the store is opened; nothing of it is run.
//!
//! Sessions are in a table of their own, `<prefix>cloakroom`; with `?table=options` in the site's options table.
//! `docs/stores/wordpress.md` is the operator's page.

mod config;
mod tokens;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use cloakroom::{Store, StoreError};
use percent_encoding::percent_decode_str;

pub use config::{Config, ConfigError, parse};

use crate::mysql::{Site, open_site};
use crate::{Options, masked};

/// Longest file that is read: a configuration is a few thousand bytes.
const LONGEST: u64 = 1 << 20;
/// The prefix where a file other than the site's own leaves it to that one, as Debian's do.
const USUAL_PREFIX: &str = "wp_";

/// What the URL says.
#[derive(Debug, PartialEq, Eq)]
struct Place {
    /// The site's folder.
    folder: PathBuf,
    /// The file to read in place of the site's own.
    config: Option<PathBuf>,
    /// The table's name; `options` is the site's options table.
    table: Option<String>,
    /// In place of `$table_prefix`.
    prefix: Option<String>,
    socket: Option<String>,
    connections: Option<String>,
}

/// Opens the store of `wordpress:/path/to/site`, with `?table=options`, `?config=`, `?prefix=`, `?socket=` and
/// `?connections=`.
///
/// # Errors
/// [`StoreError::Settings`] where the URL is malformed, the file can't be read, or does not say where the database is.
pub fn open(url: &str, options: &Options) -> Result<Arc<dyn Store>, StoreError> {
    let place = Place::parse(url)?;
    let file = place.file()?;
    let wrong = |text: String| {
        StoreError::Settings(format!(
            "cloakroom.store is {:?}, and its settings can't be taken from {}: {text}.",
            masked(url),
            file.display()
        ))
    };
    let bytes =
        read(&file).map_err(|error| wrong(format!("{error}. The user that PHP runs as must be able to read it")))?;
    let remedy = "Write it as a plain string there, name another file with ?config=, or keep mysql://user:password@host/database?table=… in a file that cloakroom.store_file names";
    let config = parse(&bytes).map_err(|error| wrong(format!("{error}. {remedy}")))?;
    let prefix = match (place.prefix, config.prefix) {
        (Some(prefix), _) | (None, Some(prefix)) => prefix,
        (None, None) if place.config.is_some() => USUAL_PREFIX.to_owned(),
        (None, None) => return Err(wrong("$table_prefix is not set there; say it with ?prefix=".to_owned())),
    };
    let table = match place.table.as_deref() {
        None => format!("{prefix}cloakroom"),
        Some("options") => format!("{prefix}options"),
        Some(table) => table.to_owned(),
    };
    let site = Site {
        user: config.user,
        password: config.password,
        host: config.host,
        database: config.name,
        table,
        socket: place.socket,
        connections: place.connections,
        from: file.display().to_string(),
    };
    open_site(site, options)
}

impl Place {
    fn parse(url: &str) -> Result<Self, StoreError> {
        let wrong = |what: &str| {
            StoreError::Settings(format!(
                "cloakroom.store is {:?}: {what}. Write wordpress:/path/to/site, the folder in which WordPress is.",
                masked(url)
            ))
        };
        let rest = url.strip_prefix("wordpress:").ok_or_else(|| wrong("it must begin with wordpress:"))?;
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        // wordpress:///srv/www is what people write who think of URLs.
        let path = path.strip_prefix("//").filter(|path| path.starts_with('/')).unwrap_or(path);
        if !path.starts_with('/') || path.starts_with("//") || path.contains('\0') {
            return Err(wrong("it needs the site's full path"));
        }
        let mut place = Self {
            folder: PathBuf::from(path),
            config: None,
            table: None,
            prefix: None,
            socket: None,
            connections: None,
        };
        for (name, value) in query.split('&').filter(|p| !p.is_empty()).map(|p| p.split_once('=').unwrap_or((p, ""))) {
            let value = percent_decode_str(value).decode_utf8().map_err(|_| wrong("a part of it is not UTF-8"))?;
            let value = value.into_owned();
            match name {
                "config" | "socket" if !value.starts_with('/') || value.contains('\0') => {
                    return Err(wrong("config and socket must be absolute paths"));
                }
                "config" => place.config = Some(PathBuf::from(value)),
                "socket" => place.socket = Some(value),
                "table" => place.table = Some(value),
                "prefix" => place.prefix = Some(value),
                "connections" => place.connections = Some(value),
                _ => {
                    return Err(wrong(
                        "it has a parameter that is none of table, config, prefix, socket and connections",
                    ));
                }
            }
        }
        Ok(place)
    }

    /// The site's configuration: in its folder, or one above where that is no WordPress of its own.
    fn file(&self) -> Result<PathBuf, StoreError> {
        if let Some(config) = &self.config {
            return Ok(config.clone());
        }
        let here = self.folder.join("wp-config.php");
        // What can't be looked at is told when it is opened.
        if here.try_exists().unwrap_or(true) {
            return Ok(here);
        }
        let above = self.folder.parent().filter(|above| {
            above.join("wp-config.php").try_exists().unwrap_or(true) && !above.join("wp-settings.php").exists()
        });
        above.map(|above| above.join("wp-config.php")).ok_or_else(|| {
            StoreError::Settings(format!(
                "cloakroom.store names the WordPress site {0}, but there is no wp-config.php in it, nor one folder above; name the folder in which WordPress is, or the file with ?config=.",
                self.folder.display()
            ))
        })
    }
}

fn read(file: &Path) -> std::io::Result<Vec<u8>> {
    use std::io::Read;
    let mut bytes = Vec::new();
    let open = std::fs::File::open(file)?;
    if !open.metadata()?.is_file() {
        return Err(std::io::Error::other("it is no file"));
    }
    open.take(LONGEST + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LONGEST {
        return Err(std::io::Error::other("it is larger than a configuration can be"));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests;
