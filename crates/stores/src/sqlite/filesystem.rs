//! Telling network file systems, on which several hosts could open the file: SQLite's log keeps its index in shared
//! memory, which hosts do not share, and their locks are not to be trusted.

use std::fs;
use std::path::Path;

/// Magic numbers from linux/magic.h and the file systems' own sources.
const NETWORK: &[(u64, &str)] = &[
    (0x6969, "NFS"),
    (0x517b, "SMB"),
    (0xff53_4d42, "CIFS"),
    (0xfe53_4d42, "SMB2"),
    (0x564c, "NCP"),
    (0x0102_1997, "9p"),
    (0x5346_414f, "AFS"),
    (0x6b41_4653, "AFS"),
    (0x7375_7245, "Coda"),
    (0x00c3_6400, "Ceph"),
    (0x0bd0_0bd0, "Lustre"),
    (0x4750_4653, "GPFS"),
    (0x0116_1970, "GFS2"),
    (0x7461_636f, "OCFS2"),
    (0x1980_0202, "BeeGFS"),
    (0xaad7_aaea, "PanFS"),
    (0x6e66_7364, "NFS"),
];
const FUSE: u64 = 0x6573_5546;

/// FUSE file systems that keep their data on this host. Others (sshfs, GlusterFS, S3 and the like) are refused, unknown
/// ones too: a wrong guess costs sessions, a refusal costs a line in php.ini.
const LOCAL_FUSE: &[&str] = &[
    "fuseblk",
    "virtiofs",
    "fuse.fuse-overlayfs",
    "fuse.bindfs",
    "fuse.encfs",
    "fuse.gocryptfs",
    "fuse.mergerfs",
    "fuse.zfs",
];

/// The network file system that holds `folder`; `None` for a local one, or where the kernel does not say.
pub(super) fn network(folder: &Path) -> Option<String> {
    let stat = rustix::fs::statfs(folder).ok()?;
    // Negative where the field is signed and the number large: only 32 bits count.
    let magic = u64::from(stat.f_type as u32);
    if magic == FUSE {
        let kind = mount_type(folder).unwrap_or_else(|| "fuse".into());
        return (!LOCAL_FUSE.contains(&kind.as_str())).then_some(kind);
    }
    NETWORK.iter().find(|(number, _)| *number == magic).map(|(_, name)| (*name).to_owned())
}

fn mount_type(folder: &Path) -> Option<String> {
    let folder = fs::canonicalize(folder).ok()?;
    type_in(&fs::read_to_string("/proc/self/mountinfo").ok()?, &folder)
}

/// The type of the mount that covers `folder`: the longest mount point, and of equal ones the last, which lies on top.
fn type_in(mountinfo: &str, folder: &Path) -> Option<String> {
    let mounts = mountinfo.lines().filter_map(|line| {
        let (left, right) = line.split_once(" - ")?;
        let point = left.split(' ').nth(4)?.replace("\\040", " ");
        folder.starts_with(&point).then(|| Some((point.len(), right.split(' ').next()?.to_owned())))?
    });
    mounts.max_by_key(|(length, _)| *length).map(|(_, kind)| kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_local_disk_is_not_taken_for_a_network() {
        let folder = tempfile::tempdir().expect("folder");
        assert_eq!(network(folder.path()), None);
    }

    #[test]
    fn the_mount_nearest_to_the_file_decides() {
        let table = "1 0 8:1 / / rw - ext4 /dev/sda1 rw\n\
                     2 1 0:9 / /srv rw shared:1 - fuse.sshfs you@host rw\n\
                     3 2 0:7 / /srv/local\\040disk rw - fuseblk /dev/sdb1 rw\n";
        assert_eq!(type_in(table, Path::new("/srv/a")).as_deref(), Some("fuse.sshfs"));
        assert_eq!(type_in(table, Path::new("/srv/local disk/a")).as_deref(), Some("fuseblk"));
        assert_eq!(type_in(table, Path::new("/srvx")).as_deref(), Some("ext4"));
    }
}
