//! Processes: who they are (a number and a start time, so that a recycled number is never killed), who belongs to a group,
//! and a group of our own with a guard that ends it when we die.

use std::fs;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

/// One process for as long as it lives: its number and the clock tick it was started at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    /// The process's number.
    pub pid: i32,
    /// Clock ticks between boot and its start.
    pub started: u64,
}

impl Identity {
    /// Who has this number now; `None` when nobody has, or only a zombie.
    pub fn of(pid: i32) -> Option<Self> {
        let stat = Stat::read(pid)?;
        (stat.state != 'Z' && stat.state != 'X').then_some(Self { pid, started: stat.started })
    }

    /// True while this very process lives.
    pub fn is_alive(self) -> bool {
        Self::of(self.pid) == Some(self)
    }

    /// Sends a signal to the process; one that is gone, or whose number somebody else has now, is left alone.
    pub fn signal(self, signal: Signal) {
        if self.is_alive()
            && let Some(pid) = Pid::from_raw(self.pid)
        {
            // It may end between the look and the signal; nothing is lost then.
            let _ = kill_process(pid, signal);
        }
    }

    /// Sends a signal to the process's whole group, of which it must be the leader.
    pub fn signal_group(self, signal: Signal) {
        if let Some(pid) = Pid::from_raw(self.pid)
            && !group_members(self.pid).is_empty()
        {
            let _ = kill_process_group(pid, signal);
        }
    }
}

/// What `/proc/PID/stat` says of a process.
struct Stat {
    state: char,
    parent: i32,
    group: i32,
    started: u64,
}

impl Stat {
    fn read(pid: i32) -> Option<Self> {
        let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name stands in parentheses and may itself contain some: the last one ends it.
        let mut fields = text[text.rfind(')')? + 1..].split_whitespace();
        Some(Self {
            state: fields.next()?.chars().next()?,
            parent: fields.next()?.parse().ok()?,
            group: fields.next()?.parse().ok()?,
            started: fields.nth(16)?.parse().ok()?,
        })
    }
}

fn all_processes() -> impl Iterator<Item = (i32, Stat)> {
    fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<i32>().ok())
        .filter_map(|pid| Some((pid, Stat::read(pid)?)))
        .filter(|(_, stat)| stat.state != 'Z' && stat.state != 'X')
}

/// The living members of a process group.
pub fn group_members(group: i32) -> Vec<i32> {
    all_processes().filter(|(_, stat)| stat.group == group).map(|(pid, _)| pid).collect()
}

/// CPU time a process has used, user and system together, in clock ticks.
pub(crate) fn cpu_ticks(pid: i32) -> u64 {
    let Ok(text) = fs::read_to_string(format!("/proc/{pid}/stat")) else {
        return 0;
    };
    let Some(end) = text.rfind(')') else { return 0 };
    text[end + 1..].split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum()
}

/// The living children of a process, which for php-fpm and nginx are its workers.
pub fn workers_of(parent: i32) -> Vec<i32> {
    all_processes().filter(|(_, stat)| stat.parent == parent).map(|(pid, _)| pid).collect()
}

/// Waits until nobody is left in the group; true when that came before the deadline.
pub(crate) fn await_empty_group(group: i32, patience: Duration) -> bool {
    let deadline = Instant::now() + patience;
    while !group_members(group).is_empty() {
        if Instant::now() > deadline {
            return false;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    true
}

/// A child in a process group of its own. A guard process waits for the end of a pipe that only we hold, and then kills the
/// group and removes the folder: so both go even when a test is killed, or keeps its server in a static that is never dropped.
#[derive(Debug)]
pub(crate) struct Group {
    child: Child,
    guard: Child,
    identity: Identity,
    status: Option<ExitStatus>,
}

impl Group {
    /// Starts a command; `folder` is what its guard removes after it, should we not come to that.
    pub(crate) fn spawn(mut command: Command, folder: Option<&Path>) -> io::Result<Self> {
        let mut child = command.process_group(0).stdin(Stdio::null()).spawn()?;
        let pid = child.id() as i32;
        let guard = Command::new("/bin/sh")
            .arg("-c")
            .arg(format!("read -r _; kill -s KILL -- -{pid} 2>/dev/null; test -z \"$1\" || rm -rf -- \"$1\""))
            .arg("guard")
            .arg(folder.unwrap_or(Path::new("")))
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // Out of reach of a Ctrl-C at the terminal, which is when it is needed.
            .process_group(0)
            .spawn();
        let guard = match guard {
            Ok(guard) => guard,
            Err(error) => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(error);
            }
        };
        // A child that already ended stays a zombie until we reap it: its number can't be somebody else's yet.
        let identity = Identity::of(pid).unwrap_or(Identity { pid, started: 0 });
        Ok(Self { child, guard, identity, status: None })
    }

    pub(crate) fn identity(&self) -> Identity {
        self.identity
    }

    /// How the leader ended, if it has.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        if self.status.is_none() {
            self.status = self.child.try_wait().ok().flatten();
        }
        self.status
    }

    /// Kills the whole group at once and waits until it is gone.
    pub(crate) fn kill(&mut self) {
        self.identity.signal_group(Signal::KILL);
        if self.ended().is_none() {
            self.status = self.child.wait().ok();
        }
        await_empty_group(self.identity.pid, Duration::from_secs(10));
    }

    /// Asks the leader to end, and kills what is left when `patience` has run out. True when it ended by itself.
    pub(crate) fn stop(&mut self, patience: Duration) -> bool {
        if self.ended().is_none() {
            self.identity.signal(Signal::TERM);
            self.identity.signal_group(Signal::CONT);
        }
        let deadline = Instant::now() + patience;
        while self.ended().is_none() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(2));
        }
        let clean = self.ended().is_some();
        self.kill();
        clean
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.kill();
        let _ = self.guard.kill();
        let _ = self.guard.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alive(pid: i32) -> bool {
        Identity::of(pid).is_some()
    }

    #[test]
    fn a_dropped_group_leaves_no_process_behind() {
        let mut command = Command::new("sh");
        command.args(["-c", "sleep 300 & sleep 300 & wait"]);
        let group = Group::spawn(command, None).unwrap();
        let leader = group.identity();
        let deadline = Instant::now() + Duration::from_secs(10);
        while group_members(leader.pid).len() < 3 {
            assert!(Instant::now() < deadline, "the shell never started its children");
        }
        let members = group_members(leader.pid);
        drop(group);
        assert!(members.iter().all(|pid| !alive(*pid)));
    }

    #[test]
    fn the_guard_ends_the_group_when_its_owner_is_gone() {
        let mut command = Command::new("sleep");
        command.arg("300");
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("data"), "x").unwrap();
        let mut group = Group::spawn(command, Some(folder.path())).unwrap();
        // What the kernel does to the pipe when we are killed.
        drop(group.guard.stdin.take());
        assert!(await_empty_group(group.identity().pid, Duration::from_secs(10)));
        let gone = || !folder.path().exists();
        crate::wait_until("the folder is gone", Duration::from_secs(10), gone).unwrap();
    }

    #[test]
    fn a_recycled_number_is_not_the_same_process() {
        let me = Identity::of(std::process::id() as i32).unwrap();
        let predecessor = Identity { started: me.started - 1, ..me };
        assert!(me.is_alive());
        assert!(!predecessor.is_alive());
    }
}
