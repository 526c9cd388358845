//! The embedded store's files: where the default one is, whose it is, the room around it, and its log.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use cloakroom_stores::sqlite;

use super::check::Section;
use super::store;
use crate::php::Site;
use crate::place::{self, Place};
use crate::rights::{SEARCH, User, WRITE};
use crate::{Surroundings, units};

/// A log longer than this is not being checkpointed.
const LONG_LOG: u64 = 256 << 20;
/// Less room than this on the disk is worth a word; less than a tenth of it is a problem.
const LITTLE_ROOM: u64 = 1 << 30;

/// The default stores in a folder: that of a user, or all where the user is not known.
pub(super) fn default_stores(
    folder: &Path,
    uid: Option<u32>,
    sites: &[&Site],
    timeout: Duration,
    around: &Surroundings,
) -> Vec<Section> {
    let sites: Vec<Site> = sites.iter().map(|s| (*s).clone()).collect();
    let uids = match uid {
        Some(uid) => vec![uid],
        None => place::default_folders(&around.at(folder), &sites, around),
    };
    if uids.is_empty() {
        let mut section = Section::new(format!("Default store in {}", folder.display()));
        match open_to_all(folder, around) {
            Some(problem) => section.problem("folder", problem),
            None => section.ok(
                "folder",
                "There is none yet: it is made when the first session is kept. (Others than root may not see it.)",
            ),
        }
        return vec![section];
    }
    uids.into_iter()
        .map(|uid| {
            let of_user = sites.iter().find(|s| s.user.as_deref().and_then(|user| around.user_id(user)) == Some(uid));
            let group = of_user.and_then(|site| site.group.as_deref());
            default_store(folder, uid, group, timeout, around)
        })
        .collect()
}

fn default_store(folder: &Path, uid: u32, group: Option<&str>, timeout: Duration, around: &Surroundings) -> Section {
    let whose = around.user_name(uid).unwrap_or_else(|| format!("user {uid}"));
    let title = format!("Default store of {whose} in {}", folder.display());
    let own = around.at(folder).join(format!("cloakroom-{uid}"));
    if own.symlink_metadata().is_err() && around.at(folder).is_dir() {
        let mut section = Section::new(title);
        let user = User::of(uid, around).with(group, around);
        if let Some(problem) = open_to_all(folder, around) {
            section.problem("folder", problem);
        } else if !user.may(WRITE | SEARCH, &around.at(folder), around) {
            section.problem(
                "folder",
                format!(
                    "There is none yet, and {whose} can't make it: it may not make folders in {0}. Until then no session is \
                     kept. Let it (as Debian does: `chmod 1733 {0}`, owned by root, and let it reach that folder), or name a \
                     store in cloakroom.store.",
                    folder.display()
                ),
            );
        } else {
            section.ok("folder", "There is none yet: it is made when the first session is kept.");
        }
        return section;
    }
    let path = match sqlite::prepare_default(&around.at(folder), uid, false) {
        Ok(path) => path,
        Err(error) => {
            let mut section = Section::new(title);
            section.problem("folder", error.to_string());
            return section;
        }
    };
    if (around.uid == 0 || around.uid == uid) && path.symlink_metadata().is_err() {
        let mut section = Section::new(title);
        section.ok("folder", "There is none yet: it is made when the first session is kept.");
        return section;
    }
    if around.uid != 0 && around.uid != uid {
        let mut section = Section::new(title);
        section.warning(
            "folder",
            format!("It belongs to {whose} and was not looked into; run doctor as root, or with `sudo -u {whose}`."),
        );
        return section;
    }
    let found = format!("the default store of {whose}, whose folder is closed to others");
    store::section(Place { url: format!("sqlite:{}", path.display()), found, uid: Some(uid) }, timeout, around)
}

/// What is wrong with a folder in which anybody could replace another user's store; the extension refuses it.
fn open_to_all(folder: &Path, around: &Surroundings) -> Option<String> {
    let mode = around.at(folder).metadata().ok()?.mode();
    (mode & 0o002 != 0 && mode & 0o1000 == 0).then(|| {
        format!(
            "There is none yet, and none is made: everybody may write to {0} and it has no sticky bit, so anyone could \
             replace the sessions' folder. `chmod +t {0}`, or name a store in cloakroom.store.",
            folder.display()
        )
    })
}

/// What can be seen of an SQLite store without opening it.
pub(super) fn around(path: &str, section: &mut Section) {
    let path = Path::new(path);
    if let Ok(meta) = path.metadata() {
        if meta.mode() & 0o077 != 0 {
            section.problem(
                "rights",
                format!(
                    "Others may read or write the file (mode {:o}). What is in it is sealed, but who can write can delete; \
                     `chmod 600` it.",
                    meta.mode() & 0o7777
                ),
            );
        } else {
            section.ok("rights", "The file is closed to everybody but its owner.");
        }
    }
    let folder = path.parent().unwrap_or(Path::new("/"));
    if let Ok(stat) = rustix::fs::statvfs(folder) {
        let free = stat.f_bavail.saturating_mul(stat.f_frsize);
        let text = format!("Free on its disk: {}", units::size(free));
        if free < LITTLE_ROOM / 10 {
            section.problem("disk", format!("{text}. When it is full no session is saved: make room."));
        } else if free < LITTLE_ROOM {
            section.warning("disk", format!("{text}. When it is full no session is saved."));
        } else {
            section.ok("disk", format!("{text}."));
        }
    }
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    let Ok(length) = PathBuf::from(log).metadata().map(|m| m.len()) else { return };
    if length > LONG_LOG {
        section.warning(
            "log",
            format!(
                "SQLite's log has grown to {}: a process holds it open and keeps it from being cleared. Restart PHP, and see \
                 which process has the file open (`fuser`).",
                units::size(length)
            ),
        );
    } else {
        section.ok("log", format!("SQLite's log has {}.", units::size(length)));
    }
}
