//! What is in force for one site: a pool of PHP-FPM, a `[PATH=…]` or `[HOST=…]` of php.ini, or a SAPI as a whole.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::find::{Php, Sapi, Setting};
use super::ini::Scope;

/// The settings in force for one site.
#[derive(Debug, Clone)]
pub struct Site {
    /// As people call it: `PHP 8.2 FPM, pool www`.
    pub name: String,
    /// The PHP that it is a part of: `PHP 8.2 FPM`.
    pub php: String,
    /// PHP's version, where known.
    pub version: Option<String>,
    /// What PHP runs in.
    pub sapi: Sapi,
    /// Whom PHP runs as, where the settings say.
    pub user: Option<String>,
    /// The group that the pool names beside the user.
    pub group: Option<String>,
    /// `[PATH=…]` or `[HOST=…]`, for settings of php.ini that hold there alone.
    pub scope: Scope,
    settings: HashMap<String, Setting>,
    /// Values of `extension=`, in order.
    pub extensions: Vec<Setting>,
    default_save_path: &'static str,
    /// `session.save_path` of php.ini: the place of the default store is fixed before a pool's own settings apply.
    system_save_path: Option<String>,
}

/// Every site of a PHP.
pub fn sites(php: &Php) -> Vec<Site> {
    let mut base = Site {
        name: php.name(),
        php: php.name(),
        version: php.version.clone(),
        sapi: php.sapi.clone(),
        user: None,
        group: None,
        scope: Scope::All,
        settings: HashMap::new(),
        extensions: Vec::new(),
        default_save_path: php.save_path,
        system_save_path: None,
    };
    for (scope, name, setting) in &php.values {
        if *scope == Scope::All {
            base.set(name, setting);
        }
    }
    base.system_save_path = base.settings.get("session.save_path").map(|s| s.value.clone());
    let mut sites = Vec::new();
    for pool in &php.pools {
        let mut site = base.clone();
        site.name = format!("{}, pool {}", base.name, pool.name);
        site.user.clone_from(&pool.user);
        site.group.clone_from(&pool.group);
        for (name, setting) in &pool.values {
            site.set(name, setting);
        }
        sites.push(site);
    }
    if sites.is_empty() {
        sites.push(base);
    }
    // Only what runs as CGI or PHP-FPM takes sections for paths and hosts.
    if matches!(php.sapi, Sapi::Cli | Sapi::Apache) {
        return sites;
    }
    let mut scopes: Vec<&Scope> = php.values.iter().map(|(scope, ..)| scope).filter(|s| **s != Scope::All).collect();
    scopes.sort();
    scopes.dedup();
    for scope in scopes {
        let own = php.values.iter().filter(|(s, name, _)| s == scope && ours(name));
        for base in sites.clone() {
            let mut site = base;
            let mut changed = false;
            for (_, name, setting) in own.clone() {
                site.set(name, setting);
                changed = true;
            }
            if changed {
                site.scope = scope.clone();
                site.name = match scope {
                    Scope::Path(path) => format!("{}, folder {path}", site.name),
                    Scope::Host(host) => format!("{}, host {host}", site.name),
                    Scope::All => site.name,
                };
                sites.push(site);
            }
        }
    }
    sites
}

fn ours(name: &str) -> bool {
    name.starts_with("session.") || name.starts_with("cloakroom.")
}

impl Site {
    fn set(&mut self, name: &str, setting: &Setting) {
        if name == "extension" {
            self.extensions.push(setting.clone());
        } else {
            self.settings.insert(name.to_owned(), setting.clone());
        }
    }

    /// A setting with its origin, where a file names it.
    pub fn setting(&self, name: &str) -> Option<&Setting> {
        self.settings.get(name)
    }

    /// The settings that files name and whose names begin so, by name.
    pub fn named(&self, begin: &str) -> Vec<(&str, &Setting)> {
        let mut named: Vec<_> = self.settings.iter().map(|(n, s)| (n.as_str(), s)).collect();
        named.retain(|(name, _)| name.starts_with(begin));
        named.sort_by_key(|(name, _)| *name);
        named
    }

    /// A setting's value, or PHP's own default.
    pub fn value(&self, name: &str) -> &str {
        self.settings.get(name).map_or_else(|| default(name), |s| s.value.as_str()).trim()
    }

    /// Whether a setting is on, as PHP reads switches.
    pub fn on(&self, name: &str) -> bool {
        let value = self.value(name).to_ascii_lowercase();
        matches!(value.as_str(), "on" | "yes" | "true") || value.parse::<i64>().is_ok_and(|n| n != 0)
    }

    /// Whether sessions are kept by Cloakroom.
    pub fn uses_cloakroom(&self) -> bool {
        self.value("session.save_handler") == "cloakroom"
    }

    /// Whether a store is named.
    pub fn names_store(&self) -> bool {
        !self.value("cloakroom.store").is_empty() || !self.value("cloakroom.store_file").is_empty()
    }

    /// Whether it answers visitors.
    pub fn is_web(&self) -> bool {
        self.sapi != Sapi::Cli
    }

    /// The entry `extension=cloakroom`, if there is one.
    pub fn extension(&self) -> Option<&Setting> {
        self.extensions.iter().find(|e| {
            let name = e.value.rsplit('/').next().unwrap_or_default();
            matches!(name, "cloakroom" | "cloakroom.so" | "libcloakroom_php.so")
        })
    }

    /// The file that an `extension=` entry loads; `None` where its folder can't be known.
    pub fn extension_file(&self, value: &str) -> Option<PathBuf> {
        if value.starts_with('/') {
            return Some(PathBuf::from(value));
        }
        let file = if value.ends_with(".so") { value.to_owned() } else { format!("{value}.so") };
        Some(self.extension_folder()?.join(file))
    }

    /// Where PHP looks for extensions, as far as it can be known without running it.
    pub fn extension_folder(&self) -> Option<PathBuf> {
        let named = self.value("extension_dir");
        if named.starts_with('/') {
            return Some(PathBuf::from(named));
        }
        // PHP's module API of each minor version, which names Debian's folder.
        let api = match self.version.as_deref()? {
            "8.1" => "20210902",
            "8.2" => "20220829",
            "8.3" => "20230831",
            "8.4" => "20240924",
            "8.5" => "20250925",
            _ => return None,
        };
        Some(Path::new("/usr/lib/php").join(api))
    }

    /// The folder where PHP keeps its sessions, and so the default store its own. Of `N;MODE;PATH` the path; what is
    /// empty or relative is the folder for temporary files.
    pub fn session_folder(&self) -> PathBuf {
        let path = self.system_save_path.as_deref().unwrap_or(self.default_save_path);
        let path = path.rsplit(';').next().unwrap_or_default();
        let path = path.strip_prefix("file://").unwrap_or(path);
        PathBuf::from(if path.starts_with('/') { path } else { "/tmp" })
    }
}

/// What PHP and Cloakroom take where nothing is set.
fn default(name: &str) -> &'static str {
    match name {
        "session.save_handler" => "files",
        "session.name" => "PHPSESSID",
        "session.gc_maxlifetime" => "1440",
        "session.use_only_cookies" | "session.use_cookies" => "1",
        "session.cache_limiter" => "nocache",
        "session.serialize_handler" => "php",
        "session.sid_length" => "32",
        "session.sid_bits_per_character" => "4",
        "cloakroom.strict" | "cloakroom.httponly" => "1",
        "cloakroom.id_bits" => "256",
        "cloakroom.timeout" => "2",
        "cloakroom.grace" => "60",
        _ => "",
    }
}
