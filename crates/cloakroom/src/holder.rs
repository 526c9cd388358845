//! Who holds a lease, and whether that process still lives: read from Linux's `/proc`, with nothing but files. It is only
//! ever *known* that a holder is dead; where anything is in doubt it counts as alive, and its lease runs out by itself.

use std::fs;
use std::io;

use sha2::{Digest, Sha256};

use crate::store::Holder;

/// `ESRCH`: the process went between opening its file and reading it.
const NO_SUCH_PROCESS: i32 = 3;

impl Holder {
    /// A holder of whom nothing can be known; never judged dead.
    pub const UNKNOWN: Self = Self { host: [0; 16], pid: 0, started: 0 };

    /// This process. On anything but Linux, or where `/proc` is missing or not this process's own, its host is unknown
    /// and nobody can judge it dead. Not to be kept across a fork.
    pub fn current() -> Self {
        Self::of_process(std::process::id()).unwrap_or(Self { pid: std::process::id(), ..Self::UNKNOWN })
    }

    /// The process with this id on this host; `None` where there is none, or it can't be seen.
    pub fn of_process(pid: u32) -> Option<Self> {
        let host = this_host()?;
        let stat = Stat::parse(&fs::read(format!("/proc/{pid}/stat")).ok()?)?;
        Some(Self { host, pid, started: stat.started })
    }

    /// Whether it is a process of the same host and boot as `observer`, which is known, too.
    pub fn is_on_host_of(&self, observer: &Self) -> bool {
        self.host == observer.host && self.host != Self::UNKNOWN.host
    }

    /// Whether it is certain that this process has ended, as seen by `observer`, which must be a process of this host:
    /// it ran here, and is gone, a zombie, or its id belongs to a process that started at another time. A process that
    /// can't be seen (another host, another container, `/proc` mounted with `hidepid`) is not known to be dead.
    pub fn is_known_dead(&self, observer: &Self) -> bool {
        if !self.is_on_host_of(observer) {
            return false;
        }
        let stat = fs::read(format!("/proc/{}/stat", self.pid));
        judge(stat, self.started, || fs::read("/proc/self/mountinfo").map_or(true, |mounts| hides_processes(&mounts)))
    }
}

/// Whether what was read of a process shows that the one that started at `started` has ended.
fn judge(stat: io::Result<Vec<u8>>, started: u64, hidden: impl FnOnce() -> bool) -> bool {
    match stat {
        Ok(stat) => Stat::parse(&stat).is_some_and(|stat| stat.ended || stat.started != started),
        Err(error) if error.raw_os_error() == Some(NO_SUCH_PROCESS) => true,
        // With `hidepid`, other users' living processes are not found either.
        Err(error) => error.kind() == io::ErrorKind::NotFound && !hidden(),
    }
}

/// What `/proc/PID/stat` says, as far as it is needed (proc_pid_stat(5)).
#[derive(Debug, PartialEq, Eq)]
struct Stat {
    /// A zombie of which no thread runs any more, or less than that.
    ended: bool,
    /// Ticks since boot.
    started: u64,
}

impl Stat {
    fn parse(text: &[u8]) -> Option<Self> {
        // The second field is the program's name in parentheses; the name may hold any byte, `)` and blanks too.
        let after_name = text.iter().rposition(|b| *b == b')')? + 1;
        let mut fields = std::str::from_utf8(&text[after_name..]).ok()?.split_ascii_whitespace();
        let state = fields.next()?;
        let threads: u64 = fields.nth(16)?.parse().ok()?;
        let started = fields.nth(1)?.parse().ok()?;
        // A first thread that has ended shows as a zombie while others go on.
        Some(Self { ended: matches!(state, "Z" | "X" | "x") && threads <= 1, started })
    }
}

/// Whether a `/proc` among these mounts (proc_pid_mountinfo(5)) hides processes of others.
fn hides_processes(mountinfo: &[u8]) -> bool {
    String::from_utf8_lossy(mountinfo).lines().any(|line| {
        let Some((mount, kind)) = line.split_once(" - ") else { return false };
        let mut kind = kind.split(' ');
        let is_proc = kind.next() == Some("proc") && mount.split(' ').nth(4) == Some("/proc");
        let option = kind.next_back().into_iter().flat_map(|options| options.split(','));
        is_proc && option.filter_map(|o| o.strip_prefix("hidepid=")).any(|value| value != "0" && value != "off")
    })
}

/// Names this host, its boot, and what makes a process's id and start time mean something else: the namespaces of
/// process ids and of time. `None` where it can't be told.
fn this_host() -> Option<[u8; 16]> {
    if !cfg!(target_os = "linux") {
        return None;
    }
    // A `/proc` of another namespace (mounted into a container, say) numbers processes otherwise.
    let own = fs::read_link("/proc/self").ok()?;
    if own.to_str()? != std::process::id().to_string() {
        return None;
    }
    let boot = fs::read("/proc/sys/kernel/random/boot_id").ok().filter(|boot| !boot.is_empty())?;
    let pids = fs::read_link("/proc/self/ns/pid").ok()?;
    // Neither is everywhere: containers may have no machine id, kernels before 5.6 no namespaces of time.
    let machine = fs::read("/etc/machine-id").unwrap_or_default();
    let times = fs::read_link("/proc/self/ns/time").unwrap_or_default();
    let mut hash = Sha256::new();
    hash.update(b"cloakroom/1 host");
    for part in [&machine[..], &boot, pids.as_os_str().as_encoded_bytes(), times.as_os_str().as_encoded_bytes()] {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    let mut host = [0; 16];
    host.copy_from_slice(&hash.finalize()[..16]);
    Some(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stat(name: &str, state: char, threads: u32, started: u64) -> Vec<u8> {
        format!("42 ({name}) {state} 1 42 42 0 -1 4194304 99 0 0 0 0 0 0 0 20 0 {threads} 0 {started} 3133440 407\n")
            .into_bytes()
    }

    fn seen() -> bool {
        false
    }

    #[test]
    fn a_process_with_another_start_is_another_process() {
        assert!(!judge(Ok(stat("php-fpm", 'S', 1, 700)), 700, seen));
        assert!(judge(Ok(stat("php-fpm", 'S', 1, 701)), 700, seen));
    }

    #[test]
    fn a_zombie_is_dead_unless_a_thread_of_it_runs() {
        assert!(judge(Ok(stat("php-fpm", 'Z', 1, 700)), 700, seen));
        assert!(!judge(Ok(stat("php-fpm", 'Z', 2, 700)), 700, seen));
    }

    #[test]
    fn the_program_s_name_may_hold_anything() {
        for name in ["a) Z 1 (b", "Z 9 9", "(", ")", ""] {
            assert_eq!(Stat::parse(&stat(name, 'R', 1, 700)), Some(Stat { ended: false, started: 700 }), "{name:?}");
        }
    }

    #[test]
    fn what_can_t_be_read_is_not_known_to_be_dead() {
        for text in ["", "42", "42 (php) S 1 2", "42 (php) Z 1 42 42 0 -1 4194304 99 0 0 0 0 0 0 0 20 0 x 0 y 9"] {
            assert!(!judge(Ok(text.into()), 700, seen), "{text:?}");
        }
        for kind in [io::ErrorKind::PermissionDenied, io::ErrorKind::Interrupted, io::ErrorKind::OutOfMemory] {
            assert!(!judge(Err(kind.into()), 700, seen), "{kind}");
        }
    }

    #[test]
    fn a_process_that_is_not_there_is_dead_unless_others_are_hidden() {
        let gone = || Err(io::ErrorKind::NotFound.into());
        assert!(judge(gone(), 700, || false));
        assert!(!judge(gone(), 700, || true));
        assert!(judge(Err(io::Error::from_raw_os_error(NO_SUCH_PROCESS)), 700, || true));
    }

    #[test]
    fn hidden_processes_are_seen_in_the_mounts() {
        let line = |at: &str, options: &str| format!("22 1 0:21 / {at} rw,nosuid shared:5 - proc proc {options}\n");
        for hiding in ["rw,hidepid=2", "rw,gid=4,hidepid=invisible", "rw,hidepid=1", "rw,hidepid=ptraceable"] {
            assert!(hides_processes(line("/proc", hiding).as_bytes()), "{hiding}");
        }
        for open in ["rw", "rw,hidepid=0", "rw,hidepid=off"] {
            assert!(!hides_processes(line("/proc", open).as_bytes()), "{open}");
        }
        assert!(!hides_processes(line("/srv/jail/proc", "rw,hidepid=2").as_bytes()));
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn this_process_is_known_and_alive() {
        let me = Holder::current();
        assert_ne!(me.host, Holder::UNKNOWN.host);
        assert_eq!((me.pid, Some(me)), (std::process::id(), Holder::of_process(std::process::id())));
        assert!(!me.is_known_dead(&me));
        assert!(Holder { started: me.started + 1, ..me }.is_known_dead(&me));
    }

    #[test]
    fn a_holder_of_another_or_an_unknown_host_is_never_judged_dead() {
        let me = Holder::current();
        let gone = Holder { pid: u32::MAX, ..me };
        assert!(!Holder { host: [9; 16], ..gone }.is_known_dead(&me));
        assert!(!Holder { host: Holder::UNKNOWN.host, ..gone }.is_known_dead(&Holder::UNKNOWN));
    }
}
