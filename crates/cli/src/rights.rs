//! What a user may do with a file or a folder, told from owners and modes: the command looks for others than itself.

use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::fs::Access;

use crate::Surroundings;

/// Rights as a digit of a mode: read.
pub(crate) const READ: u32 = 4;
/// Write.
pub(crate) const WRITE: u32 = 2;
/// Search a folder.
pub(crate) const SEARCH: u32 = 1;

/// A user with the groups that come with it.
#[derive(Debug)]
pub(crate) struct User {
    uid: u32,
    groups: BTreeSet<u32>,
}

impl User {
    /// The user, and its groups in `/etc/passwd` and `/etc/group`.
    pub(crate) fn of(uid: u32, around: &Surroundings) -> Self {
        Self { uid, groups: around.groups_of(uid) }
    }

    /// With a group, by name or number, that it is given as it starts.
    pub(crate) fn with(mut self, group: Option<&str>, around: &Surroundings) -> Self {
        self.groups.extend(group.and_then(|group| around.group_id(group)));
        self
    }

    /// Whether the user may do all of `rights` with what is at `path`, and reach it. In doubt (nothing is there, or an
    /// access list rules) it may.
    pub(crate) fn may(&self, rights: u32, path: &Path, around: &Surroundings) -> bool {
        if self.uid == 0 {
            return true;
        }
        if self.uid == rustix::process::geteuid().as_raw() {
            let mut access = Access::EXISTS;
            for (bit, right) in [(READ, Access::READ_OK), (WRITE, Access::WRITE_OK), (SEARCH, Access::EXEC_OK)] {
                if rights & bit != 0 {
                    access |= right;
                }
            }
            return !matches!(
                rustix::fs::access(path, access),
                Err(rustix::io::Errno::ACCESS | rustix::io::Errno::ROFS)
            );
        }
        let (Ok(path), Ok(root)) = (path.canonicalize(), around.root.canonicalize()) else { return true };
        path.ancestors().enumerate().take_while(|(_, part)| part.starts_with(&root)).all(|(i, part)| {
            let wanted = if i == 0 { rights } else { SEARCH };
            let Ok(meta) = part.metadata() else { return true };
            let shift = match (meta.uid() == self.uid, self.groups.contains(&meta.gid())) {
                (true, _) => 6,
                (_, true) => 3,
                _ => 0,
            };
            meta.mode() >> shift & wanted == wanted || has_access_list(part)
        })
    }
}

fn has_access_list(path: &Path) -> bool {
    rustix::fs::getxattr(path, "system.posix_acl_access", &mut [0u8; 4096]).is_ok_and(|length| length > 0)
}
