//! Whether PHP can load the extension: a file for another version of PHP is there and looks right, and only the PHP of
//! that version can tell. It is run for a moment, with the extension alone: without any settings, and then with the site's own
//! `cloakroom.*` for the extension to judge. Passwords are never among them: others can see a command line.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::check::Section;
use crate::Surroundings;
use crate::out::plain;
use crate::php::{Sapi, Site};

/// Time for PHP to start and list its modules; it takes some hundredths of a second.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often it is looked whether it is done.
const LOOK: Duration = Duration::from_millis(5);

/// A start: PHP, the extension's file, and settings.
type Start = (PathBuf, PathBuf, Vec<String>);

/// What PHP said when it was started; each start is made once.
#[derive(Debug, Default)]
pub(super) struct Trials(RefCell<BTreeMap<Start, Loads>>);

impl Trials {
    /// Tries every extension file with the command line of its PHP, where that is there.
    pub(super) fn check(&self, sites: &[Site], around: &Surroundings, section: &mut Section) {
        let mut tried = BTreeSet::new();
        for site in sites {
            let Some((php, path, file)) = runs(site, around) else { continue };
            if !tried.insert((php.clone(), path.clone())) {
                continue;
            }
            let name = php.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
            match self.load(&php, &path, Vec::new()) {
                Loads::Well => section.ok("loads", format!("{name} loads {}.", file.display())),
                Loads::With(said) => section.warning(
                    "loads",
                    format!("{name} loads {} and says: {}", file.display(), around.told(&plain(&said))),
                ),
                Loads::Not(said) => section.problem(
                    "loads",
                    format!(
                        "{name} can't load {}: {} Use the extension that was built for this version of PHP.",
                        file.display(),
                        around.told(&plain(&said))
                    ),
                ),
                Loads::Unknown => {}
            }
        }
    }

    /// What the extension refuses of these settings, in its own words; `None` where it can't be asked. It names one at a
    /// time, so it is asked again without that one.
    pub(super) fn refused<'a>(
        &self,
        site: &Site,
        settings: &[(&'a str, &str)],
        around: &Surroundings,
    ) -> Option<Vec<(&'a str, String)>> {
        let (php, path, _) = runs(site, around)?;
        // What is said with no settings at all is not about them.
        if self.load(&php, &path, Vec::new()) != Loads::Well {
            return None;
        }
        let (mut left, mut refused) = (settings.to_vec(), Vec::new());
        while !left.is_empty() {
            let said = match self.load(&php, &path, left.iter().map(|(name, value)| given(name, value)).collect()) {
                Loads::Well => break,
                Loads::With(said) | Loads::Not(said) => said,
                Loads::Unknown => return None,
            };
            let found = left.iter().enumerate().filter_map(|(i, (name, _))| Some((said.find(name)?, i))).min();
            let (_, which) = found?;
            refused.push((left.remove(which).0, said));
        }
        Some(refused)
    }

    fn load(&self, php: &Path, extension: &Path, settings: Vec<String>) -> Loads {
        let key = (php.to_owned(), extension.to_owned(), settings);
        if let Some(known) = self.0.borrow().get(&key) {
            return known.clone();
        }
        let loads = try_to_load(php, extension, &key.2);
        self.0.borrow_mut().insert(key, loads.clone());
        loads
    }
}

/// A setting for PHP's option -d, which reads it as a line of php.ini: quoted, so that every character stands for itself.
fn given(name: &str, value: &str) -> String {
    if !value.contains('\'') {
        return format!("{name}='{value}'");
    }
    format!("{name}=\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""))
}

/// PHP, the extension's file, and the file as the site names it; `None` where PHP is not there or must not be run.
fn runs(site: &Site, around: &Surroundings) -> Option<(PathBuf, PathBuf, PathBuf)> {
    let file = site.extension().and_then(|entry| site.extension_file(&entry.value))?;
    let php = binary(site, around)?;
    let path = around.at(&file);
    // Who could put code there has PHP run it anyway; for others doctor is no way to have root run theirs.
    (path.is_file() && only_ours(&path, around.uid) && only_ours(&php, around.uid)).then_some((php, path, file))
}

/// The command line of the PHP that a site runs in; `None` where it is not there or can't be told.
fn binary(site: &Site, around: &Surroundings) -> Option<PathBuf> {
    let path = match (&site.version, &site.sapi) {
        (Some(version), _) => around.at(format!("/usr/bin/php{version}")),
        // Read from files that the operator named: of which PHP they are is not known.
        (None, Sapi::Other(name)) if name.starts_with("as named") => return None,
        (None, _) if around.at("/usr/local/etc/php").is_dir() => around.at("/usr/local/bin/php"),
        (None, _) => around.at("/usr/bin/php"),
    };
    path.is_file().then_some(path)
}

/// Whether nobody but root and this user can change the file, or put another one in its place.
fn only_ours(path: &Path, uid: u32) -> bool {
    let Ok(path) = path.canonicalize() else { return false };
    path.ancestors().enumerate().all(|(i, path)| {
        std::fs::metadata(path).is_ok_and(|meta| {
            let (mode, sticky) = (meta.permissions().mode(), i > 0 && meta.permissions().mode() & 0o1000 != 0);
            (meta.uid() == 0 || meta.uid() == uid)
                && (mode & 0o002 == 0 || sticky)
                && (mode & 0o020 == 0 || sticky || meta.gid() == 0)
        })
    })
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Loads {
    Well,
    With(String),
    Not(String),
    Unknown,
}

fn try_to_load(php: &Path, extension: &Path, settings: &[String]) -> Loads {
    let mut command = Command::new(php);
    command.args(["-n", "-d", "display_errors=stderr", "-d", "display_startup_errors=1", "-d", "log_errors=0"]);
    command.args(["-d", "html_errors=0", "-d"]).arg(format!("extension={}", extension.display()));
    command.args(settings.iter().flat_map(|setting| ["-d", setting])).arg("-m");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let Ok(mut child) = command.spawn() else { return Loads::Unknown };
    if !ended(&mut child) {
        let _ = child.kill();
        let _ = child.wait();
        return Loads::Not(format!("it did not start within {} s.", PATIENCE.as_secs()));
    }
    let (mut modules, mut said) = (Vec::new(), Vec::new());
    if let (Some(out), Some(error)) = (&mut child.stdout, &mut child.stderr) {
        let _ = out.read_to_end(&mut modules).and_then(|_| error.read_to_end(&mut said));
    }
    let (modules, said) = (String::from_utf8_lossy(&modules), String::from_utf8_lossy(&said));
    // Where the session extension is a file of its own, PHP without settings has it not.
    if said.contains("module \"session\" is not loaded") || said.contains("undefined symbol: php_session") {
        return Loads::Unknown;
    }
    let said: Vec<&str> = said.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let said = in_short(&said.join(" "), extension);
    match (modules.lines().any(|m| m == "cloakroom"), said.is_empty()) {
        (true, true) => Loads::Well,
        (true, false) => Loads::With(said),
        (false, true) => Loads::Not("it is no extension of that name.".to_owned()),
        (false, false) => Loads::Not(said),
    }
}

/// PHP's words without the places where it looked besides, and without the line of a script that there is not.
fn in_short(said: &str, extension: &Path) -> String {
    let said = said.split(" in Unknown on line").next().unwrap_or_default();
    let linker = format!("(tried: {0} ({0}: ", extension.display());
    if let Some((reason, _)) = said.split_once(&linker).and_then(|(_, rest)| rest.split_once("), ")) {
        return format!("{reason}.");
    }
    let said = ["Warning: ", "Fatal error: "].iter().find_map(|kind| said.strip_prefix(kind)).unwrap_or(said).trim();
    let stop = if said.is_empty() || said.ends_with('.') { "" } else { "." };
    format!("{said}{stop}")
}

/// Waits until it has ended; false where it takes too long. What it prints fits into a pipe, else it counts as stuck.
fn ended(child: &mut Child) -> bool {
    let start = Instant::now();
    while start.elapsed() < PATIENCE {
        match child.try_wait() {
            Ok(Some(_)) => return true,
            Ok(None) => std::thread::sleep(LOOK),
            Err(_) => return false,
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_php_are_cut_to_the_reason() {
        let said = "Warning: PHP Startup: Unable to load dynamic library '/x/c.so' (tried: /x/c.so (/x/c.so: invalid ELF \
                    header), /usr/lib/php//x/c.so.so (/usr/lib/php//x/c.so.so: no such file)) in Unknown on line 0";
        assert_eq!(in_short(said, Path::new("/x/c.so")), "invalid ELF header.");
        let said = "Warning: cloakroom: Unable to initialize module Module compiled with module API=20230831 PHP compiled \
                    with module API=20220829 These options need to match in Unknown on line 0";
        assert!(in_short(said, Path::new("/x/c.so")).ends_with("These options need to match."));
        assert_eq!(in_short("", Path::new("/x/c.so")), "");
    }

    #[test]
    fn a_file_that_others_can_change_is_not_tried() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("c.so");
        std::fs::write(&file, "").expect("written");
        let uid = std::fs::metadata(&file).expect("there").uid();
        let mode = |path: &Path, mode| {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("mode");
        };
        mode(&file, 0o644);
        assert!(only_ours(&file, uid));
        mode(folder.path(), 0o777);
        assert!(!only_ours(&file, uid), "somebody could put another one in its place");
        mode(folder.path(), 0o755);
        mode(&file, 0o666);
        assert!(!only_ours(&file, uid));
    }
}
