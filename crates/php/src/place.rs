//! Where sessions are kept when nothing is configured: SQLite in a folder of the worker's user where PHP keeps its own.

use std::path::PathBuf;

/// The folder that `session.save_path` names: `PATH`, `N;PATH` or `N;MODE;PATH`; empty is the system's folder for
/// temporary files.
pub(crate) fn session_folder(save_path: &[u8]) -> PathBuf {
    use std::os::unix::ffi::OsStrExt;
    let path = save_path.rsplit(|b| *b == b';').next().unwrap_or_default();
    let path = path.strip_prefix(b"file://").unwrap_or(path);
    if path.is_empty() || !path.starts_with(b"/") {
        return std::env::temp_dir();
    }
    PathBuf::from(std::ffi::OsStr::from_bytes(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_save_path_names_its_folder() {
        for text in ["/var/lib/php/sessions", "5;/var/lib/php/sessions", "5;0600;/var/lib/php/sessions"] {
            assert_eq!(session_folder(text.as_bytes()), PathBuf::from("/var/lib/php/sessions"));
        }
        assert_eq!(session_folder(b""), std::env::temp_dir());
        // A relative path would depend on where the process stands.
        assert_eq!(session_folder(b"sessions"), std::env::temp_dir());
    }
}
