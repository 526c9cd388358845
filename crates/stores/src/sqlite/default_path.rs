//! The default place: a folder `cloakroom-<uid>` in the directory where PHP keeps its sessions.
//!
//! That directory is shared by users who need not trust each other (Debian: `/var/lib/php/sessions`, root's, mode 1733:
//! everybody may make entries, nobody may list them, and the sticky bit keeps others from renaming them). So the folder
//! is made and checked through a handle on the directory, no link is followed, and a folder that is not the user's own
//! is refused. Debian's `sessionclean` walks into the folder as root, but deletes nothing except `sess_*`; no file here
//! may ever be named so.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use cloakroom::StoreError;
use rustix::fs::{CWD, FileType, Mode, OFlags};
use rustix::io::Errno;

/// The file inside the folder.
const FILE: &str = "sessions.sqlite";

/// Where the default store of user `uid` is below `dir`, the directory where PHP keeps its sessions; the folder is made
/// where `create` says so. The file itself is made at the first write.
///
/// # Errors
/// [`StoreError::Settings`] where there is no such directory or folder, or where someone else could put a hand on it:
/// the text says what is wrong and what to do.
pub fn prepare_default(dir: &Path, uid: u32, create: bool) -> Result<PathBuf, StoreError> {
    // O_PATH needs no right to read the directory, which is just what mode 1733 withholds.
    let handle = rustix::fs::openat(CWD, dir, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
        .map_err(|e| {
            trouble(format!(
                "PHP's session directory {} can't be reached ({}); make it, or let user {uid} reach it",
                dir.display(),
                said(e)
            ))
        })?;
    let stat = rustix::fs::fstat(&handle)
        .map_err(|e| trouble(format!("{} can't be examined ({}); look at its disk", dir.display(), said(e))))?;
    let others_write = stat.st_mode & 0o002 != 0;
    let sticky = stat.st_mode & 0o1000 != 0;
    if others_write && !sticky {
        return Err(trouble(format!(
            "everybody may write to {} and it has no sticky bit, so anyone could replace the sessions' folder; chmod +t it",
            dir.display()
        )));
    }
    let name = format!("cloakroom-{uid}");
    let folder = dir.join(&name);
    if create {
        match rustix::fs::mkdirat(&handle, name.as_str(), Mode::RWXU) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(e) => {
                return Err(trouble(format!(
                    "the folder {} can't be made ({}); let user {uid} make folders in {}, for instance by chmod 1733",
                    folder.display(),
                    said(e),
                    dir.display()
                )));
            }
        }
    }
    check(&handle, &name, &folder, uid)?;
    Ok(folder.join(FILE))
}

/// The folder is a real one, the user's own, and closed to everybody else.
fn check(dir: &OwnedFd, name: &str, folder: &Path, uid: u32) -> Result<(), StoreError> {
    let stat = match rustix::fs::statat(dir, name, rustix::fs::AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => stat,
        Err(Errno::NOENT) => {
            return Err(trouble(format!(
                "there is no store at {} yet. One is made when the first session is kept; wait for it",
                folder.display()
            )));
        }
        Err(e) => {
            return Err(trouble(format!(
                "the folder {} can't be examined ({}); look at its rights",
                folder.display(),
                said(e)
            )));
        }
    };
    let shown = folder.display();
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::Directory => {}
        FileType::Symlink => {
            return Err(trouble(format!("{shown} is a symbolic link, which someone else may have planted; remove it")));
        }
        _ => return Err(trouble(format!("{shown} is not a folder; remove it"))),
    }
    if stat.st_uid != uid {
        return Err(trouble(format!("the folder {shown} belongs to user {}, not to {uid}; remove it", stat.st_uid)));
    }
    if stat.st_mode & 0o077 != 0 {
        return Err(trouble(format!(
            "the folder {shown} is open to others (mode {:o}); chmod 700 it",
            stat.st_mode & 0o7777
        )));
    }
    Ok(())
}

/// What the system said, without the error's number.
fn said(error: Errno) -> String {
    std::io::Error::from(error).kind().to_string()
}

/// `what` is what is wrong, and ends with one remedy; the other is always there.
fn trouble(what: String) -> StoreError {
    StoreError::Settings(format!(
        "The default session store can't be used: {what}, or name a store in cloakroom.store."
    ))
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

    use super::*;

    fn directory() -> (tempfile::TempDir, u32) {
        let dir = tempfile::tempdir().expect("directory");
        fs::set_permissions(dir.path(), Permissions::from_mode(0o1733)).expect("mode");
        let uid = fs::metadata(dir.path()).expect("there").uid();
        (dir, uid)
    }

    fn error(result: Result<PathBuf, StoreError>) -> String {
        result.expect_err("refused").to_string()
    }

    #[test]
    fn the_folder_is_made_for_its_user_alone() {
        let (dir, uid) = directory();
        assert!(error(prepare_default(dir.path(), uid, false)).contains("no store"));
        assert!(!dir.path().join(format!("cloakroom-{uid}")).exists(), "who only looks makes nothing");
        let path = prepare_default(dir.path(), uid, true).expect("made");
        let folder = path.parent().expect("folder");
        assert_eq!(fs::metadata(folder).expect("there").permissions().mode() & 0o7777, 0o700);
        assert_eq!(prepare_default(dir.path(), uid, false).expect("found"), path);
        assert!(
            !path.file_name().expect("name").to_string_lossy().starts_with("sess_"),
            "sessionclean would delete it"
        );
    }

    #[test]
    fn a_planted_link_a_foreign_or_an_open_folder_is_refused() {
        let (dir, uid) = directory();
        let folder = dir.path().join(format!("cloakroom-{uid}"));
        let elsewhere = tempfile::tempdir().expect("directory");
        symlink(elsewhere.path(), &folder).expect("link");
        assert!(error(prepare_default(dir.path(), uid, true)).contains("symbolic link"));
        fs::remove_file(&folder).expect("removed");

        fs::write(&folder, b"").expect("file");
        assert!(error(prepare_default(dir.path(), uid, true)).contains("not a folder"));
        fs::remove_file(&folder).expect("removed");

        prepare_default(dir.path(), uid, true).expect("made");
        fs::set_permissions(&folder, Permissions::from_mode(0o750)).expect("mode");
        assert!(error(prepare_default(dir.path(), uid, true)).contains("open to others"));
        fs::set_permissions(&folder, Permissions::from_mode(0o700)).expect("mode");

        fs::rename(&folder, dir.path().join(format!("cloakroom-{}", uid + 1))).expect("renamed");
        assert!(error(prepare_default(dir.path(), uid + 1, false)).contains("belongs to user"));
    }

    #[test]
    fn what_is_wrong_is_a_whole_sentence_with_both_remedies() {
        let (dir, uid) = directory();
        let none_yet = error(prepare_default(dir.path(), uid, false));
        // Nobody, not even root, makes folders there.
        let not_made = error(prepare_default(Path::new("/proc"), uid, true));
        assert!(not_made.contains("can't be made (") && not_made.contains("chmod 1733"), "{not_made}");
        for text in [none_yet, not_made, error(prepare_default(&dir.path().join("none"), uid, true))] {
            assert!(text.ends_with(", or name a store in cloakroom.store.") && !text.contains("os error"), "{text}");
            assert!(!text.contains("), or name") && !text.contains("yet, or name"), "the other remedy first: {text}");
        }
    }

    #[test]
    fn a_directory_where_anyone_can_replace_the_folder_is_refused() {
        let (dir, uid) = directory();
        fs::set_permissions(dir.path(), Permissions::from_mode(0o777)).expect("mode");
        assert!(error(prepare_default(dir.path(), uid, true)).contains("sticky"));
        assert!(error(prepare_default(&dir.path().join("none"), uid, true)).contains("can't be reached"));
    }
}
