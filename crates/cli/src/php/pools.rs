//! PHP-FPM's pools: `php-fpm.conf` and the files it includes.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::find::{Reading, Setting};
use crate::Surroundings;

/// How deep files may include files.
const DEPTH: u8 = 4;

/// One pool.
#[derive(Debug, Clone, Default)]
pub struct Pool {
    /// Its name, in brackets above it.
    pub name: String,
    /// Whom its workers run as, as configured.
    pub user: Option<String>,
    /// Their group, as configured.
    pub group: Option<String>,
    /// `php_value` and `php_flag`, then `php_admin_value` and `php_admin_flag`: the later ones win.
    pub values: Vec<(String, Setting)>,
}

/// Reads a file of PHP-FPM and what it includes; pools in the order in which they are found.
pub(super) fn read(around: &Surroundings, file: &Path, reading: &mut Reading) -> Vec<Pool> {
    let mut pools = Vec::new();
    read_into(around, file, reading, &mut pools, DEPTH);
    for pool in &mut pools {
        // A stable sort: among themselves the later line wins.
        pool.values.sort_by_key(|(_, setting)| setting.admin);
    }
    pools
}

fn read_into(around: &Surroundings, file: &Path, reading: &mut Reading, pools: &mut Vec<Pool>, depth: u8) {
    let Some(ini) = reading.file(around, file, &HashMap::new()) else { return };
    for entry in ini.entries {
        if entry.name == "include" && depth > 0 {
            for path in matching(&around.at(&entry.value)) {
                read_into(around, &path, reading, pools, depth - 1);
            }
            continue;
        }
        if entry.section.is_empty() || entry.section == "global" {
            continue;
        }
        let at = pools.iter().position(|p| p.name == entry.section).unwrap_or_else(|| {
            pools.push(Pool { name: entry.section.clone(), ..Pool::default() });
            pools.len() - 1
        });
        let value = entry.value.replace("$pool", &entry.section);
        let admin = entry.name.starts_with("php_admin_");
        match (entry.name.as_str(), entry.offset) {
            ("user", _) => pools[at].user = Some(value),
            ("group", _) => pools[at].group = Some(value),
            ("php_value" | "php_flag" | "php_admin_value" | "php_admin_flag", Some(name)) => {
                let origin = format!("{}:{}", around.shown(file), entry.line);
                pools[at].values.push((name, Setting { value, origin, admin }));
            }
            _ => {}
        }
    }
}

/// Files that a pattern with `*` in its last part names, sorted.
fn matching(pattern: &Path) -> Vec<PathBuf> {
    let name = pattern.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    let Some((head, tail)) = name.split_once('*') else { return vec![pattern.to_owned()] };
    let fits = |n: &str| n.len() >= head.len() + tail.len() && n.starts_with(head) && n.ends_with(tail);
    super::find::files_in(pattern.parent().unwrap_or(Path::new("/")), fits)
}
