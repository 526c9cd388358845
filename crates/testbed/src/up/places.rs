//! What `make up` remembers between runs, in the folder `.up/`: ports, passwords, where things are.

use std::collections::BTreeMap;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::error::{Attempt, Error, Result};
use crate::folder::web_user;
use crate::php::write_private;
use crate::ports::is_free;

/// A unix socket's path may have 107 bytes; this leaves room for the longest name below the folder.
const LONGEST_PATH: usize = 90;

/// The folder `.up/` and what is remembered in it.
#[derive(Debug)]
pub(super) struct Places {
    pub(super) root: PathBuf,
    notes: BTreeMap<String, String>,
}

impl Places {
    pub(super) fn open(root: &Path) -> Result<Self> {
        if root.as_os_str().len() > LONGEST_PATH {
            return Err(Error::Other(format!(
                "the path {} is too long for unix sockets; move the project, or name another folder in CLOAKROOM_UP",
                root.display()
            )));
        }
        for folder in [root.to_path_buf(), root.join("run")] {
            std::fs::create_dir_all(&folder).attempt(|| format!("make {}", folder.display()))?;
            std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o755))
                .attempt(|| format!("open {} to the web server", folder.display()))?;
        }
        let notes = std::fs::read_to_string(root.join("notes")).unwrap_or_default();
        let notes = notes
            .lines()
            .filter_map(|line| line.split_once('='))
            .map(|(name, value)| (name.to_string(), value.to_string()))
            .collect();
        Ok(Self { root: root.to_path_buf(), notes })
    }

    pub(super) fn run(&self) -> PathBuf {
        self.root.join("run")
    }

    pub(super) fn note(&self, name: &str) -> Option<&str> {
        self.notes.get(name).map(String::as_str)
    }

    /// Remembers something, safe from a power cut between two runs: all of it or nothing.
    pub(super) fn remember(&mut self, name: &str, value: &str) -> Result<()> {
        if self.note(name) == Some(value) {
            return Ok(());
        }
        self.notes.insert(name.into(), value.into());
        let text: String = self.notes.iter().map(|(name, value)| format!("{name}={value}\n")).collect();
        let (new, file) = (self.root.join("notes.new"), self.root.join("notes"));
        write_private(&new, &text)?;
        std::fs::rename(&new, &file).attempt(|| format!("write {}", file.display()))
    }

    /// A secret of 128 bits in hexadecimal, drawn at its first use.
    pub(super) fn secret(&mut self, name: &str) -> Result<String> {
        if let Some(secret) = self.note(name) {
            return Ok(secret.into());
        }
        let mut bytes = [0; 16];
        std::fs::File::open("/dev/urandom")
            .and_then(|mut source| source.read_exact(&mut bytes))
            .attempt(|| "draw a random password".into())?;
        let secret: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        self.remember(name, &secret)?;
        Ok(secret)
    }

    /// The port for a server that does not run: the one asked for in the environment, else the one it had, else the usual one;
    /// or the next free one above it. First the port that was wanted, then the one it is.
    pub(super) fn port(&mut self, name: &str, usual: u16, taken_by_us: bool) -> Result<(u16, u16)> {
        let variable = format!("CLOAKROOM_{}_PORT", name.to_ascii_uppercase());
        let note = format!("port_{name}");
        let had = self.note(&note).and_then(|port| port.parse().ok());
        let asked = match std::env::var(&variable) {
            Ok(text) => {
                let port = text.parse::<u16>().ok().filter(|port| *port > 0);
                Some(port.ok_or_else(|| Error::Other(format!("{variable}={text} is no port number")))?)
            }
            Err(_) => None,
        };
        let first = asked.or(had).unwrap_or(usual);
        // The one that our own server holds is as good as free: it stays there while the one asked for is taken.
        let port = (first..=first.saturating_add(100))
            .find(|port| (taken_by_us && had == Some(*port)) || is_free(*port))
            .ok_or_else(|| Error::Other(format!("no port from {first} on is free; name one in {variable}")))?;
        self.remember(&note, &port.to_string())?;
        Ok((first, port))
    }

    /// Whom pools and web server run as: the web user where that one can get here, else we ourselves.
    pub(super) fn user(&self) -> Option<String> {
        let reachable =
            |path: &Path| std::fs::metadata(path).is_ok_and(|data| data.permissions().mode() & 0o005 == 0o005);
        let user = web_user()?;
        Some(if self.root.ancestors().all(reachable) { user } else { "root" }.into())
    }
}
