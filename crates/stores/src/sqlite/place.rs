//! Where the file may be, and making it: on this host's own disk, readable by its owner alone.

use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use cloakroom::StoreError;

/// The path in `sqlite:PATH`, taken as it stands.
pub(super) fn path_of(url: &str) -> Result<PathBuf, StoreError> {
    let settings = |text: &str| Err(StoreError::Settings(format!("cloakroom.store is {url:?}, {text}")));
    let Some(path) = url.strip_prefix("sqlite:") else {
        return settings("which does not begin with sqlite:.");
    };
    // sqlite:///var/x is what people write who think of URLs.
    let path = path.strip_prefix("//").filter(|rest| rest.starts_with('/')).unwrap_or(path);
    if url.strip_prefix("sqlite:").is_some_and(|p| p.starts_with("//") && !p.starts_with("///")) {
        return settings("but sqlite: names a file of this host, as in sqlite:/var/lib/cloakroom/sessions.sqlite.");
    }
    if path.contains(['?', '\0']) {
        return settings("but sqlite: takes a plain path and no parameters.");
    }
    if !path.starts_with('/') || path.ends_with('/') {
        return settings("but needs the full path of a file, as in sqlite:/var/lib/cloakroom/sessions.sqlite.");
    }
    Ok(PathBuf::from(path))
}

/// Which file a path leads to; another pair after a while means that it was deleted or replaced.
pub(super) type Identity = (u64, u64);

/// The file now at `path`, if any.
pub(super) fn identity(path: &Path) -> Option<Identity> {
    fs::metadata(path).ok().map(|m| (m.dev(), m.ino()))
}

/// Makes sure that there is a file, and that it is on a disk of this host.
///
/// The file is never opened here when it exists: closing any descriptor of it would drop the locks that a connection of
/// this process holds on it (POSIX locks belong to process and file, not to the descriptor).
pub(super) fn prepare(path: &Path, create: bool) -> Result<(), StoreError> {
    let folder = path.parent().unwrap_or(Path::new("/"));
    if !folder.is_dir() {
        return Err(StoreError::Settings(format!(
            "cloakroom.store names {}, but its folder can't be reached; make it, owned by the user that PHP runs as, mode 0700.",
            path.display()
        )));
    }
    if let Some(kind) = super::filesystem::network(folder) {
        return Err(StoreError::Settings(format!(
            "cloakroom.store names {}, which is on a network file system ({kind}); SQLite would lose sessions there. \
             Use a local disk, or a server (mysql://, redis://) where several hosts share sessions.",
            path.display()
        )));
    }
    match fs::metadata(path) {
        Ok(meta) if meta.is_file() => Ok(()),
        Ok(_) => Err(super::fault::foreign(path, "that is not a plain file")),
        Err(e) if e.kind() == io::ErrorKind::NotFound && create => make(path),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Err(StoreError::Settings(format!(
            "There is no session store at {}: no session was kept there yet, or cloakroom.store names another file.",
            path.display()
        ))),
        Err(e) => {
            Err(StoreError::Settings(format!("cloakroom.store names {}, which can't be reached: {e}.", path.display())))
        }
    }
}

/// Makes the empty file, mode 0600; SQLite gives the files beside it the same mode.
fn make(path: &Path) -> Result<(), StoreError> {
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(_) => Ok(()),
        // Another process was first.
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(e) => Err(StoreError::Settings(format!(
            "cloakroom.store names {}, which can't be made: {e}. Its folder must belong to the user that PHP runs as.",
            path.display()
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_a_full_path_and_nothing_else() {
        assert_eq!(path_of("sqlite:/a b/c%20.db").expect("path"), Path::new("/a b/c%20.db"));
        assert_eq!(path_of("sqlite:///a/c.db").expect("path"), Path::new("/a/c.db"));
        for bad in ["sqlite:", "sqlite:c.db", "sqlite://c.db", "sqlite:/a/", "sqlite:/a.db?mode=ro", "mysql:/a"] {
            assert!(matches!(path_of(bad), Err(StoreError::Settings(_))), "{bad}");
        }
    }

    #[test]
    fn the_file_is_for_its_owner_alone_and_is_not_made_unasked() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("s.sqlite");
        assert!(matches!(prepare(&path, false), Err(StoreError::Settings(text)) if text.contains("no session store")));
        assert!(!path.exists());
        prepare(&path, true).expect("made");
        assert_eq!(fs::metadata(&path).expect("there").permissions().mode() & 0o7777, 0o600);
        assert!(matches!(prepare(folder.path(), true), Err(StoreError::Settings(_))), "a folder is no file");
        assert!(prepare(&folder.path().join("no/s.sqlite"), true).is_err(), "folders are not made");
    }
}
