//! Places: temporary folders for servers, the project's own folders, and where programs are installed.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::error::{Attempt, Error, Result};

/// A folder that goes on drop, or stays after a failed test when `CLOAKROOM_TESTBED_KEEP` is set.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    guard: Option<tempfile::TempDir>,
}

impl Folder {
    /// A new temporary folder. Others may read it, since pools run as another user when tests run as root.
    pub fn new(purpose: &str) -> Result<Self> {
        let guard = tempfile::Builder::new()
            .prefix(&format!("cloakroom-{purpose}-"))
            .tempdir()
            .attempt(|| format!("make a temporary folder for {purpose}"))?;
        let path = guard.path().to_path_buf();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755))
            .attempt(|| format!("open {} to readers", path.display()))?;
        Ok(Self { path, guard: Some(guard) })
    }

    /// A folder that stays: made if it is not there.
    pub fn permanent(path: &Path) -> Result<Self> {
        std::fs::create_dir_all(path).attempt(|| format!("make the folder {}", path.display()))?;
        Ok(Self { path: path.to_path_buf(), guard: None })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where it is, if it is to go.
    pub(crate) fn temporary(&self) -> Option<PathBuf> {
        self.guard.as_ref().map(|_| self.path.clone())
    }

    /// A path inside.
    pub fn join(&self, name: impl AsRef<Path>) -> PathBuf {
        self.path.join(name)
    }

    /// Writes a file inside, making folders on the way; returns its path.
    pub fn write(&self, name: impl AsRef<Path>, content: impl AsRef<[u8]>) -> Result<PathBuf> {
        let path = self.path.join(name);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent).attempt(|| format!("make the folder {}", parent.display()))?;
        }
        std::fs::write(&path, content).attempt(|| format!("write {}", path.display()))?;
        Ok(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if std::thread::panicking()
            && std::env::var_os("CLOAKROOM_TESTBED_KEEP").is_some()
            && let Some(mut guard) = self.guard.take()
        {
            guard.disable_cleanup(true);
            eprintln!("kept for a look: {}", self.path.display());
        }
    }
}

/// The root of the project's source.
pub fn project_root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here).to_path_buf()
}

/// Cargo's target folder.
pub fn target_dir() -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(path) => project_root().join(path),
        None => project_root().join("target"),
    }
}

/// Finds a program on `PATH` or in the folders for servers, which are not on every user's `PATH`.
pub fn find_program(name: &str) -> Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin", "/usr/bin", "/usr/local/sbin", "/sbin"].map(PathBuf::from))
        .map(|folder| folder.join(name))
        .find(|candidate| candidate.is_file())
        .ok_or_else(|| Error::Missing { program: name.into() })
}

/// True when this process may become another user.
pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// The user that pools and web servers run as when we are root.
pub(crate) fn web_user() -> Option<&'static str> {
    if !is_root() {
        return None;
    }
    let passwd = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    Some(if passwd.lines().any(|line| line.starts_with("www-data:")) { "www-data" } else { "nobody" })
}
