//! Where PHP's settings are on this machine: Debian's and Ubuntu's `/etc/php/VERSION/SAPI`, Red Hat's `/etc/php.ini`,
//! the official container's `/usr/local/etc/php`, or where the operator says.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::ini::{self, Ini, Scope};
use super::pools::{self, Pool};
use crate::{Failure, Surroundings};

/// What PHP runs in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sapi {
    /// PHP-FPM.
    Fpm,
    /// Apache's module.
    Apache,
    /// The command line.
    Cli,
    /// Anything else, by the name of its folder.
    Other(String),
}

impl Sapi {
    fn of(folder: &str) -> Self {
        match folder {
            "fpm" => Sapi::Fpm,
            "apache2" => Sapi::Apache,
            "cli" => Sapi::Cli,
            other => Sapi::Other(other.to_owned()),
        }
    }

    /// As people call it.
    pub fn name(&self) -> &str {
        match self {
            Sapi::Fpm => "FPM",
            Sapi::Apache => "Apache module",
            Sapi::Cli => "command line",
            Sapi::Other(name) => name,
        }
    }
}

/// The value of a setting and where it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// The value.
    pub value: String,
    /// File and line.
    pub origin: String,
    /// Whether it is a `php_admin_value`.
    pub admin: bool,
}

/// What was read, and what could not be.
#[derive(Debug, Clone, Default)]
pub struct Reading {
    /// Files read, in order.
    pub files: Vec<PathBuf>,
    /// Files that could not be read, and why.
    pub unreadable: Vec<(PathBuf, String)>,
    /// Files with a syntax error, and the line.
    pub broken: Vec<(PathBuf, usize)>,
    /// Files with a setting of ours that PHP computes a number from, and the line.
    pub computed: Vec<(PathBuf, usize)>,
}

impl Reading {
    pub(super) fn file(
        &mut self,
        around: &Surroundings,
        path: &Path,
        variables: &HashMap<String, String>,
    ) -> Option<Ini> {
        match std::fs::read(path) {
            Ok(bytes) => {
                let ini = ini::parse(&bytes, variables);
                if let Some(line) = ini.broken_at {
                    self.broken.push((path.to_owned(), line));
                }
                let ours = |e: &&ini::Entry| {
                    let name = e.offset.as_deref().unwrap_or(&e.name);
                    e.computed && (name.starts_with("session.") || name.starts_with("cloakroom."))
                };
                self.computed.extend(ini.entries.iter().filter(ours).map(|e| (path.to_owned(), e.line)));
                self.files.push(path.to_owned());
                Some(ini)
            }
            Err(error) => {
                self.unreadable.push((PathBuf::from(around.shown(path)), error.to_string()));
                None
            }
        }
    }
}

/// One PHP: a version in one SAPI, with its settings.
#[derive(Debug, Clone)]
pub struct Php {
    /// Its version (`8.2`), where its folder says.
    pub version: Option<String>,
    /// What it runs in.
    pub sapi: Sapi,
    /// What was read for it.
    pub reading: Reading,
    /// php.ini and the folder scanned after it, in the order in which PHP takes them.
    pub values: Vec<(Scope, String, Setting)>,
    /// Its pools, for PHP-FPM.
    pub pools: Vec<Pool>,
    /// Where it keeps sessions when nothing says where.
    pub save_path: &'static str,
}

impl Php {
    /// As people call it: `PHP 8.2 FPM`.
    pub fn name(&self) -> String {
        match &self.version {
            Some(version) => format!("PHP {version} {}", self.sapi.name()),
            None => format!("PHP {}", self.sapi.name()),
        }
    }

    fn new(version: Option<String>, sapi: Sapi) -> Self {
        let (reading, values, pools) = (Reading::default(), Vec::new(), Vec::new());
        Self { version, sapi, reading, values, pools, save_path: "" }
    }

    fn ini(&mut self, around: &Surroundings, path: &Path) {
        let variables =
            std::env::vars_os().filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?))).collect();
        let Some(ini) = self.reading.file(around, path, &variables) else { return };
        for entry in ini.entries {
            let origin = format!("{}:{}", around.shown(path), entry.line);
            self.values.push((entry.scope, entry.name, Setting { value: entry.value, origin, admin: false }));
        }
    }

    fn folder(&mut self, around: &Surroundings, folder: &Path) {
        for path in files_in(folder, |name| name.ends_with(".ini")) {
            self.ini(around, &path);
        }
    }
}

/// Every PHP of this machine, or the one that the operator named.
///
/// # Errors
/// When nothing can be read where the operator said.
pub fn all(around: &Surroundings, named: &[PathBuf]) -> Result<Vec<Php>, Failure> {
    for path in named {
        if !path.exists() {
            return Err(Failure::could_not(format!("{} is not there; check --php-ini.", path.display())));
        }
    }
    if let Some(first) = named.first() {
        let php = one(around, named);
        return match (php.reading.files.is_empty(), php.reading.unreadable.first()) {
            (false, _) => Ok(vec![php]),
            (true, Some((path, error))) => Err(Failure::could_not(format!(
                "{} can't be read ({error}); run the command as root, or as its owner.",
                path.display()
            ))),
            (true, None) => Err(Failure::could_not(format!(
                "{} holds no settings of PHP; give --php-ini a php.ini, a folder of ini files, or the folder of one SAPI.",
                first.display()
            ))),
        };
    }
    let mut found = Vec::new();
    for version in files_in(&around.at("/etc/php"), |name| name.starts_with(|c: char| c.is_ascii_digit())) {
        for folder in files_in(&version, |_| true) {
            if folder.join("php.ini").is_file() {
                found.push(debian(around, &folder));
            }
        }
    }
    for (file, folder, fpm) in [
        ("/etc/php.ini", "/etc/php.d", "/etc/php-fpm.conf"),
        ("/usr/local/etc/php/php.ini", "/usr/local/etc/php/conf.d", "/usr/local/etc/php-fpm.conf"),
    ] {
        let (file, folder, fpm) = (around.at(file), around.at(folder), around.at(fpm));
        if !file.is_file() && !folder.is_dir() {
            continue;
        }
        let mut php = Php::new(None, if fpm.is_file() { Sapi::Fpm } else { Sapi::Other("of this machine".into()) });
        if file.is_file() {
            php.ini(around, &file);
        }
        php.folder(around, &folder);
        if fpm.is_file() {
            php.pools = pools::read(around, &fpm, &mut php.reading);
        }
        found.push(php);
    }
    Ok(found)
}

/// The folder of one SAPI as Debian lays it out. Its build of PHP keeps sessions in a place of its own.
fn debian(around: &Surroundings, folder: &Path) -> Php {
    let name = |path: Option<&Path>| Some(path?.file_name()?.to_string_lossy().into_owned());
    let sapi = Sapi::of(&name(Some(folder)).unwrap_or_default());
    let version = name(folder.parent()).filter(|v| v.starts_with(|c: char| c.is_ascii_digit()));
    let mut php = Php::new(version, sapi);
    php.save_path = "/var/lib/php/sessions";
    let ini = folder.join("php.ini");
    if ini.is_file() {
        php.ini(around, &ini);
    }
    php.folder(around, &folder.join("conf.d"));
    let fpm = folder.join("php-fpm.conf");
    if fpm.is_file() {
        php.pools = pools::read(around, &fpm, &mut php.reading);
    }
    php
}

/// What the operator named, read in order as one PHP.
fn one(around: &Surroundings, named: &[PathBuf]) -> Php {
    let mut php = Php::new(None, Sapi::Other("as named by --php-ini".into()));
    let mut pools_named = Vec::new();
    for path in named {
        let folder = if path.is_dir() { Some(path.as_path()) } else { path.parent() };
        if folder.is_some_and(|f| f.starts_with(around.at("/etc/php"))) {
            php.save_path = "/var/lib/php/sessions";
        }
        // A server that takes php.ini from elsewhere has only the rest of such a folder.
        let of_a_sapi = |path: &Path| ["php.ini", "php-fpm.conf", "conf.d"].iter().any(|name| path.join(name).exists());
        if of_a_sapi(path) {
            let found = debian(around, path);
            php.values.extend(found.values);
            php.pools = found.pools;
            php.reading.files.extend(found.reading.files);
            php.reading.unreadable.extend(found.reading.unreadable);
            php.reading.broken.extend(found.reading.broken);
            php.reading.computed.extend(found.reading.computed);
            if found.version.is_some() {
                (php.version, php.sapi) = (found.version, found.sapi);
            }
        } else if path.is_dir() {
            php.folder(around, path);
        } else if path.extension().is_some_and(|e| e == "conf") {
            pools_named.extend(pools::read(around, path, &mut php.reading));
        } else {
            php.ini(around, path);
        }
    }
    if !pools_named.is_empty() {
        php.pools = pools_named;
    }
    php
}

/// What a folder holds under names that fit, sorted by name as PHP sorts them.
pub(super) fn files_in(folder: &Path, fits: impl Fn(&str) -> bool) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = std::fs::read_dir(folder)
        .map(|entries| entries.filter_map(|e| Some(e.ok()?.path())).collect())
        .unwrap_or_default();
    found.retain(|path| path.file_name().is_some_and(|name| fits(&name.to_string_lossy())));
    found.sort();
    found
}
