//! One server: how it is started, how one sees that it answers, and everything a test may do to it.

use std::fs::OpenOptions;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::error::{Attempt, Error, Result};
use crate::process::{Group, group_members, workers_of};

/// How long a server may take to answer; generous, since build machines are slow and shared.
const PATIENCE: Duration = Duration::from_secs(60);

type CommandMaker = Box<dyn Fn() -> Command + Send + Sync>;
type Probe = Box<dyn Fn() -> std::result::Result<(), String> + Send + Sync>;

/// What is needed to start a server and to see that it answers.
pub(crate) struct Recipe {
    /// The server's name in errors.
    pub(crate) name: String,
    /// Makes the command that runs it in the foreground.
    pub(crate) command: CommandMaker,
    /// One look: does it answer?
    pub(crate) probe: Probe,
    /// Where its own log goes; what it prints goes there too.
    pub(crate) log: PathBuf,
    /// Its folder, where that is a temporary one.
    pub(crate) temporary: Option<PathBuf>,
}

impl Recipe {
    /// The command with its output appended to the log.
    pub(crate) fn command(&self) -> Result<Command> {
        let mut command = (self.command)();
        self.redirect(&mut command)?;
        Ok(command)
    }

    /// Appends what a command prints to the log.
    pub(crate) fn redirect(&self, command: &mut Command) -> Result<()> {
        let log = || {
            let file = OpenOptions::new().create(true).append(true).open(&self.log);
            file.attempt(|| format!("open the log {}", self.log.display()))
        };
        command.stdin(Stdio::null()).stdout(log()?).stderr(log()?);
        Ok(())
    }

    /// Waits until the server answers; `ended` tells whether it has given up.
    pub(crate) fn await_answer(&self, mut ended: impl FnMut() -> Option<std::process::ExitStatus>) -> Result<()> {
        let begin = Instant::now();
        loop {
            let last = match (self.probe)() {
                Ok(()) => return Ok(()),
                Err(reason) => reason,
            };
            if let Some(status) = ended() {
                return Err(Error::Exited { server: self.name.clone(), status, log: tail(&self.log) });
            }
            if begin.elapsed() > PATIENCE {
                return Err(Error::NotReady { server: self.name.clone(), after: PATIENCE, last, log: tail(&self.log) });
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// A server of a test. It ends on drop.
pub struct Service {
    recipe: Recipe,
    group: Mutex<Option<Group>>,
}

impl std::fmt::Debug for Service {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Service")
            .field("name", &self.recipe.name)
            .field("log", &self.recipe.log)
            .finish_non_exhaustive()
    }
}

impl Service {
    pub(crate) fn launch(recipe: Recipe) -> Result<Self> {
        let service = Self { recipe, group: Mutex::new(None) };
        service.start()?;
        Ok(service)
    }

    fn group(&self) -> MutexGuard<'_, Option<Group>> {
        // A test that panicked while it held the lock must still be able to end its server.
        self.group.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts the server if it does not run, and waits until it answers.
    pub fn start(&self) -> Result<()> {
        let mut slot = self.group();
        if let Some(group) = slot.as_mut()
            && group.ended().is_none()
        {
            return Ok(());
        }
        *slot = None;
        let command = self.recipe.command()?;
        let mut group = Group::spawn(command, self.recipe.temporary.as_deref())
            .attempt(|| format!("start {}", self.recipe.name))?;
        self.recipe.await_answer(|| group.ended())?;
        *slot = Some(group);
        Ok(())
    }

    /// Kills it with SIGKILL, workers included, and waits until it is gone.
    pub fn kill9(&self) {
        if let Some(mut group) = self.group().take() {
            group.kill();
        }
    }

    /// Ends it in its own orderly way (SIGTERM), or with SIGKILL after 20 s.
    pub fn stop(&self) {
        if let Some(mut group) = self.group().take() {
            group.stop(Duration::from_secs(20));
        }
    }

    /// Ends it in its own orderly way and starts it again on the same port and data.
    pub fn restart(&self) -> Result<()> {
        self.stop();
        self.start()
    }

    /// Stops it and its workers where they stand (SIGSTOP): connections stay open and nobody answers.
    pub fn freeze(&self) {
        if let Some(group) = self.group().as_ref() {
            group.identity().signal_group(Signal::STOP);
        }
    }

    /// Lets it run on after [`freeze`](Self::freeze).
    pub fn thaw(&self) {
        if let Some(group) = self.group().as_ref() {
            group.identity().signal_group(Signal::CONT);
        }
    }

    /// True while its first process lives.
    pub fn is_running(&self) -> bool {
        self.group().as_mut().is_some_and(|group| group.ended().is_none())
    }

    /// The number of its first process, while it runs.
    pub fn pid(&self) -> Option<i32> {
        self.group().as_ref().map(|group| group.identity().pid)
    }

    /// All its processes.
    pub fn pids(&self) -> Vec<i32> {
        self.pid().map(group_members).unwrap_or_default()
    }

    /// The children of its first process.
    pub fn workers(&self) -> Vec<i32> {
        self.pid().map(workers_of).unwrap_or_default()
    }

    /// Kills one worker, drawn at random, with SIGKILL; returns its number, or `None` when there is none.
    pub fn kill9_worker(&self) -> Option<i32> {
        let workers = self.workers();
        let index = crate::ports::random() % workers.len().max(1) as u64;
        let worker = *workers.get(index as usize)?;
        crate::process::Identity::of(worker)?.signal(Signal::KILL);
        Some(worker)
    }

    /// Everything in its log so far.
    pub fn log(&self) -> String {
        std::fs::read(&self.recipe.log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    }

    /// Where its log is.
    pub fn log_path(&self) -> &Path {
        &self.recipe.log
    }

    /// CPU time that its living processes have used, user and system together, in clock ticks of a hundredth of a second.
    pub fn cpu_ticks(&self) -> u64 {
        self.pids().into_iter().map(crate::process::cpu_ticks).sum()
    }
}

/// The last lines of a log, for errors.
pub(crate) fn tail(log: &Path) -> String {
    let text = std::fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(25)..].join("\n")
}

/// Waits until `condition` holds, looking every few milliseconds; an error says `what` was waited for in vain.
pub fn wait_until(what: &str, patience: Duration, mut condition: impl FnMut() -> bool) -> Result<()> {
    let deadline = Instant::now() + patience;
    while !condition() {
        if Instant::now() > deadline {
            return Err(Error::Other(format!("waited {patience:?} in vain until {what}")));
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}
