//! What a command takes from the machine it runs on.

use std::collections::BTreeSet;
use std::io::{BufRead, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cloakroom::{Clock, SystemClock, Time};

use crate::out::wrap;

/// The machine as a command sees it; tests make their own.
#[derive(Debug, Clone)]
pub struct Surroundings {
    /// Where the file system begins: `/`, but for tests.
    pub root: PathBuf,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// The effective user id of this process.
    pub uid: u32,
    /// Asks whoever sits at the terminal whether to go on; `None` where nobody does.
    pub ask: Option<fn(&str) -> bool>,
    /// Whether output may have colours.
    pub colour: bool,
}

impl Surroundings {
    /// This process: its terminal, its user, the system's clock.
    pub fn of_this_process() -> Self {
        let no_colour = std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty())
            || std::env::var_os("TERM").is_some_and(|t| t == "dumb");
        Self {
            root: PathBuf::from("/"),
            clock: Arc::new(SystemClock),
            uid: rustix::process::geteuid().as_raw(),
            ask: (std::io::stdin().is_terminal() && std::io::stderr().is_terminal())
                .then_some(agrees as fn(&str) -> bool),
            colour: std::io::stdout().is_terminal() && !no_colour,
        }
    }

    /// This machine's time.
    pub fn now(&self) -> Time {
        self.clock.now()
    }

    /// A path of the machine.
    pub fn at(&self, path: impl AsRef<Path>) -> PathBuf {
        let path = path.as_ref();
        self.root.join(path.strip_prefix("/").unwrap_or(path))
    }

    /// The path as the operator knows it.
    pub fn shown(&self, path: &Path) -> String {
        match path.strip_prefix(&self.root) {
            Ok(rest) => format!("/{}", rest.display()),
            Err(_) => path.display().to_string(),
        }
    }

    /// Text that names paths of this machine, as the operator knows them.
    pub fn told(&self, text: &str) -> String {
        match self.root.to_str() {
            Some(root) if root != "/" => text.replace(root, ""),
            _ => text.to_owned(),
        }
    }

    /// The user's name in `/etc/passwd`.
    pub fn user_name(&self, uid: u32) -> Option<String> {
        self.users().into_iter().find(|(_, id)| *id == uid).map(|(name, _)| name)
    }

    /// The user's id: a number, or a name in `/etc/passwd`.
    pub fn user_id(&self, user: &str) -> Option<u32> {
        user.parse().ok().or_else(|| self.users().into_iter().find(|(name, _)| name == user).map(|(_, id)| id))
    }

    /// The group's id: a number, or a name in `/etc/group`.
    pub fn group_id(&self, group: &str) -> Option<u32> {
        group.parse().ok().or_else(|| self.groups().into_iter().find(|(name, ..)| name == group).map(|(_, id, _)| id))
    }

    /// The groups that `/etc/passwd` and `/etc/group` give a user.
    pub fn groups_of(&self, uid: u32) -> BTreeSet<u32> {
        let text = std::fs::read(self.at("/etc/passwd")).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let mut groups = BTreeSet::new();
        for line in text.lines() {
            let fields: Vec<&str> = line.split(':').collect();
            if let [name, _, id, group, ..] = fields.as_slice()
                && id.parse() == Ok(uid)
            {
                groups.extend(group.parse::<u32>());
                let member = |members: &str| members.split(',').any(|member| member == *name);
                groups.extend(self.groups().into_iter().filter(|(_, _, members)| member(members)).map(|(_, id, _)| id));
            }
        }
        groups
    }

    /// Name, id and members.
    fn groups(&self) -> Vec<(String, u32, String)> {
        let text = std::fs::read(self.at("/etc/group")).unwrap_or_default();
        String::from_utf8_lossy(&text)
            .lines()
            .filter_map(|line| {
                let mut fields = line.split(':');
                let (name, id) = (fields.next()?.to_owned(), fields.nth(1)?.parse().ok()?);
                Some((name, id, fields.next().unwrap_or_default().trim().to_owned()))
            })
            .collect()
    }

    fn users(&self) -> Vec<(String, u32)> {
        let text = std::fs::read(self.at("/etc/passwd")).unwrap_or_default();
        String::from_utf8_lossy(&text)
            .lines()
            .filter_map(|line| {
                let mut fields = line.split(':');
                Some((fields.next()?.to_owned(), fields.nth(1)?.parse().ok()?))
            })
            .collect()
    }
}

/// Asks a question on the terminal (standard error, so that output stays clean); only `y` and `yes` are a yes.
fn agrees(question: &str) -> bool {
    let mut error = std::io::stderr().lock();
    let question = wrap::wrapped(&format!("{question} [y/N]"), "", 80);
    let _ = write!(error, "{} ", question.trim_end()).and_then(|()| error.flush());
    let mut answer = String::new();
    let _ = std::io::stdin().lock().read_line(&mut answer);
    matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes")
}
