//! A server that outlives the command that started it. Its pid file holds the process's number and start time, so that a
//! number that the system has given to somebody else is never signalled, and a print of its configuration, so that a change is
//! seen.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::error::{Attempt, Result};
use crate::process::{Identity, await_empty_group};
use crate::service::Recipe;

/// What had to be done to have a server running.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// It ran, as wanted.
    Kept,
    /// It did not run.
    Started,
    /// It ran, but with other settings, or it did not answer.
    Restarted,
}

/// A server of `make up`, running or not.
#[derive(Debug)]
pub(super) struct Daemon {
    pid_file: PathBuf,
}

struct Noted {
    identity: Identity,
    print: u64,
}

impl Daemon {
    /// The daemon of that name; `run` is the folder of pid files.
    pub(super) fn named(run: &Path, name: &str) -> Self {
        Self { pid_file: run.join(format!("{name}.pid")) }
    }

    fn noted(&self) -> Option<Noted> {
        let text = std::fs::read_to_string(&self.pid_file).ok()?;
        let mut words = text.split_whitespace();
        let identity = Identity { pid: words.next()?.parse().ok()?, started: words.next()?.parse().ok()? };
        Some(Noted { identity, print: words.next()?.parse().ok()? })
    }

    /// The number of its first process, while it lives.
    pub(super) fn pid(&self) -> Option<i32> {
        self.noted().filter(|noted| noted.identity.is_alive()).map(|noted| noted.identity.pid)
    }

    /// Starts it, or starts it again, if it does not run as the recipe and the files it reads say.
    pub(super) fn ensure(&self, recipe: &Recipe, files: &[PathBuf]) -> Result<Action> {
        let print = print(recipe, files);
        let running = self.noted().filter(|noted| noted.identity.is_alive());
        if let Some(noted) = &running
            && noted.print == print
            && answers_soon(recipe)
        {
            return Ok(Action::Kept);
        }
        self.stop();
        self.launch(recipe, print)?;
        Ok(if running.is_some() { Action::Restarted } else { Action::Started })
    }

    fn launch(&self, recipe: &Recipe, print: u64) -> Result<()> {
        let inner = recipe.command()?;
        // A session of its own: neither a Ctrl-C nor the end of the terminal reaches it.
        let mut command = Command::new("setsid");
        command.arg(inner.get_program()).args(inner.get_args()).current_dir("/");
        for (name, value) in inner.get_envs() {
            if let Some(value) = value {
                command.env(name, value);
            }
        }
        recipe.redirect(&mut command)?;
        let mut child = command.spawn().attempt(|| format!("start {}", recipe.name))?;
        let pid = child.id() as i32;
        let started = Identity::of(pid).map_or(0, |identity| identity.started);
        std::fs::write(&self.pid_file, format!("{pid} {started} {print}\n"))
            .attempt(|| format!("write {}", self.pid_file.display()))?;
        let answer = recipe.await_answer(|| child.try_wait().ok().flatten());
        if answer.is_err() {
            self.stop();
        }
        answer
    }

    /// Ends it with everything it started, first in its own way. True when it ran.
    pub(super) fn stop(&self) -> bool {
        let Some(noted) = self.noted() else { return false };
        let was_alive = noted.identity.is_alive();
        if was_alive {
            noted.identity.signal(Signal::TERM);
            // A frozen one would never see it.
            noted.identity.signal_group(Signal::CONT);
            let deadline = Instant::now() + Duration::from_secs(15);
            while noted.identity.is_alive() && Instant::now() < deadline {
                std::thread::sleep(Duration::from_millis(5));
            }
        }
        // Workers of a master that was killed. A group's number is not given out again while it has a member; and should the
        // group be empty, its number may by now be somebody else's, but then that one is the leader and started later.
        if Identity::of(noted.identity.pid).is_none_or(|now| now == noted.identity) {
            noted.identity.signal_group(Signal::KILL);
            await_empty_group(noted.identity.pid, Duration::from_secs(5));
        }
        let _ = std::fs::remove_file(&self.pid_file);
        was_alive
    }
}

/// Whether a running server answers; a busy one gets a second chance.
fn answers_soon(recipe: &Recipe) -> bool {
    (0..2).any(|_| (recipe.probe)().is_ok())
}

/// A print of the command and of the files it reads. A library counts by size and time, since it is large.
fn print(recipe: &Recipe, files: &[PathBuf]) -> u64 {
    let mut hasher = DefaultHasher::new();
    format!("{:?}", (recipe.command)()).hash(&mut hasher);
    for file in files {
        file.hash(&mut hasher);
        let data = std::fs::metadata(file).ok();
        match data {
            Some(data) if data.len() > 1 << 20 || file.extension().is_some_and(|end| end == "so") => {
                data.len().hash(&mut hasher);
                data.modified().ok().hash(&mut hasher);
            }
            _ => std::fs::read(file).unwrap_or_default().hash(&mut hasher),
        }
    }
    hasher.finish()
}
