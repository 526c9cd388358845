//! PHP as the distribution installs it: which version, which settings on top of its unmodified php.ini, and one-off scripts.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::error::{Attempt, Error, Result};
use crate::folder::{find_program, project_root, target_dir};
use crate::mariadb::run;

/// Settings read after the distribution's own php.ini and conf.d, which stay as they are.
#[derive(Debug, Clone, Default)]
pub struct PhpSettings {
    extensions: Vec<PathBuf>,
    entries: Vec<(String, String)>,
}

impl PhpSettings {
    /// No settings: PHP as the distribution has it.
    pub fn new() -> Self {
        Self::default()
    }

    /// Loads the extension that was built last and makes it the session handler; `store` is the store's URL, if not the default.
    pub fn cloakroom(store: Option<&str>) -> Result<Self> {
        let settings = Self::new().extension(extension()?).set("session.save_handler", "cloakroom");
        Ok(match store {
            Some(url) => settings.set("cloakroom.store", url),
            None => settings,
        })
    }

    /// Loads an extension by its absolute path.
    #[must_use]
    pub fn extension(mut self, path: impl Into<PathBuf>) -> Self {
        self.extensions.push(path.into());
        self
    }

    /// Sets one entry.
    #[must_use]
    pub fn set(mut self, name: &str, value: &str) -> Self {
        self.entries.push((name.into(), value.into()));
        self
    }

    /// The settings as an ini file.
    pub fn to_ini(&self) -> String {
        let mut text = String::new();
        for path in &self.extensions {
            text.push_str(&format!("extension = {}\n", quote(&path.display().to_string())));
        }
        for (name, value) in &self.entries {
            text.push_str(&format!("{name} = {}\n", quote(value)));
        }
        text
    }

    /// Writes the settings into a folder and returns the value of `PHP_INI_SCAN_DIR` that adds it after the distribution's.
    pub fn write_to(&self, folder: &Path) -> Result<String> {
        std::fs::create_dir_all(folder).attempt(|| format!("make {}", folder.display()))?;
        let file = folder.join("99-testbed.ini");
        write_private(&file, &self.to_ini())?;
        // An empty first element stands for the compiled-in folder.
        Ok(format!(":{}", folder.display()))
    }
}

/// Writes a file that only its owner may read: settings hold passwords.
pub(crate) fn write_private(file: &Path, content: &str) -> Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.create(true).truncate(true).write(true).mode(0o600);
    let mut open = options.open(file).attempt(|| format!("open {}", file.display()))?;
    open.write_all(content.as_bytes()).attempt(|| format!("write {}", file.display()))
}

/// An ini value in double quotes; PHP expands `${…}` there and takes `\"` and `\\` for what they stand for.
fn quote(value: &str) -> String {
    let escaped = value.replace('\\', "\\\\").replace('"', "\\\"").replace('$', "\\$");
    format!("\"{escaped}\"")
}

/// PHP's minor version that extensions are built for, such as `8.2`.
pub fn php_version() -> Result<&'static str> {
    static VERSION: OnceLock<String> = OnceLock::new();
    if let Some(version) = VERSION.get() {
        return Ok(version);
    }
    let program = find_program("php-config").or_else(|_| find_program("php"))?;
    let full = if program.ends_with("php-config") {
        run(arguments(&program, &["--version"]))?
    } else {
        run(arguments(&program, &["-n", "-r", "echo PHP_VERSION;"]))?
    };
    let minor: Vec<&str> = full.trim().splitn(3, '.').take(2).collect();
    Ok(VERSION.get_or_init(|| minor.join(".")))
}

fn arguments(program: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(arguments);
    command
}

/// A program of PHP for that version, such as `php-fpm8.2`, or without the number where the system has only one.
pub(crate) fn program(name: &str) -> Result<PathBuf> {
    let version = php_version()?;
    find_program(&format!("{name}{version}")).or_else(|_| find_program(name))
}

/// PHP's command line with settings added; the folder takes their file.
pub fn cli(settings: &PhpSettings, folder: &Path) -> Result<Command> {
    let scan = settings.write_to(folder)?;
    let mut command = Command::new(program("php")?);
    command.env("PHP_INI_SCAN_DIR", scan);
    Ok(command)
}

/// The built extension: the file that `CLOAKROOM_SO` names, else the release or debug build, whichever is newer.
pub fn extension() -> Result<PathBuf> {
    if let Some(path) = std::env::var_os("CLOAKROOM_SO") {
        return Ok(project_root().join(path));
    }
    let release = target_dir().join("release/cloakroom.so");
    [release.clone(), target_dir().join("debug/libcloakroom_php.so")]
        .into_iter()
        .filter_map(|path| Some((std::fs::metadata(&path).ok()?.modified().ok()?, path)))
        .max()
        .map(|(_, path)| path)
        .ok_or_else(|| Error::NoFile {
            path: release,
            remedy: "run make build, or name the file in CLOAKROOM_SO".into(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Folder;

    #[test]
    fn settings_reach_php_as_they_were_given() {
        crate::needs!("php");
        let values =
            ["mysql://u:p$w;d&x@127.0.0.1/db?a=b", "with \"quotes\"", "back\\slash", "${HOME}", "a|b^c~d!e(f)"];
        for value in values {
            let folder = Folder::new("php").unwrap();
            let settings = PhpSettings::new().set("user_agent", value);
            let mut command = cli(&settings, &folder.join("conf.d")).unwrap();
            command.args(["-r", "echo ini_get('user_agent');"]);
            assert_eq!(run(command).unwrap(), value);
        }
    }

    #[test]
    fn the_distributions_own_settings_stay_in_force() {
        crate::needs!("php");
        let folder = Folder::new("php").unwrap();
        let mut command = cli(&PhpSettings::new(), &folder.join("conf.d")).unwrap();
        command.args(["-r", "echo php_ini_loaded_file(), php_ini_scanned_files();"]);
        let files = run(command).unwrap();
        assert!(files.contains("/etc/php/"), "{files}");
        assert!(files.contains("99-testbed.ini"), "{files}");
    }
}
