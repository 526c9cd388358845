//! A Redis (or Valkey) server with its data in a temporary folder, on TCP and on a unix socket.

use std::ops::Deref;
use std::path::PathBuf;
use std::process::Command;

use crate::error::Result;
use crate::folder::find_program;
use crate::ports::{PortLease, retry_on_collision};
use crate::service::Recipe;
use crate::{Endpoint, Folder, Service};

/// A Redis server of a test; what can be done to it is in [`Service`].
#[derive(Debug)]
pub struct Redis {
    // Before the folder: the server ends first.
    service: Service,
    port: PortLease,
    folder: Folder,
}

impl Redis {
    /// Starts one without persistence.
    pub fn start() -> Result<Self> {
        Self::start_with(&[])
    }

    /// Starts one that has everything it acknowledged on disk.
    pub fn start_durable() -> Result<Self> {
        Self::start_with(&[("appendonly", "yes"), ("appendfsync", "always")])
    }

    /// Starts one with further options, as in `redis.conf`.
    pub fn start_with(options: &[(&str, &str)]) -> Result<Self> {
        retry_on_collision(|port| {
            let folder = Folder::new("redis")?;
            let service = Service::launch(recipe(&folder, port.number(), options)?)?;
            Ok(Self { service, port, folder })
        })
    }

    /// Its TCP port.
    pub fn port(&self) -> u16 {
        self.port.number()
    }

    /// Its TCP address.
    pub fn endpoint(&self) -> Endpoint {
        Endpoint::loopback(self.port())
    }

    /// Its unix socket.
    pub fn socket(&self) -> PathBuf {
        self.folder.join("redis.sock")
    }

    /// The URL of its TCP address.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port())
    }

    /// Sends one command, given as words, and returns the first 512 bytes of the raw reply.
    pub fn command(&self, words: &[&str]) -> Result<String> {
        use crate::error::Attempt;
        let mut request = format!("*{}\r\n", words.len());
        for word in words {
            request.push_str(&format!("${}\r\n{word}\r\n", word.len()));
        }
        let reply = self.endpoint().ask(request.as_bytes()).attempt(|| format!("send {} to Redis", words.join(" ")))?;
        Ok(String::from_utf8_lossy(&reply).into_owned())
    }
}

pub(crate) fn recipe(folder: &Folder, port: u16, options: &[(&str, &str)]) -> Result<Recipe> {
    let program = find_program("redis-server").or_else(|_| find_program("valkey-server"))?;
    let mut arguments: Vec<String> = Vec::new();
    let mut set = |name: &str, value: &str| arguments.extend([format!("--{name}"), value.to_string()]);
    set("bind", "127.0.0.1");
    set("port", &port.to_string());
    set("unixsocket", &folder.join("redis.sock").display().to_string());
    set("unixsocketperm", "777");
    set("dir", &folder.path().display().to_string());
    set("daemonize", "no");
    set("save", "");
    for (name, value) in options {
        set(name, value);
    }
    let (tcp, unix) = (Endpoint::loopback(port), Endpoint::Unix(folder.join("redis.sock")));
    Ok(Recipe {
        name: "redis-server".into(),
        command: Box::new(move || {
            let mut command = Command::new(&program);
            command.args(&arguments);
            command
        }),
        probe: Box::new(move || {
            for endpoint in [&tcp, &unix] {
                let reply = endpoint.ask(b"PING\r\n").map_err(|error| error.to_string())?;
                if !reply.starts_with(b"+PONG") {
                    return Err(String::from_utf8_lossy(&reply).into_owned());
                }
            }
            Ok(())
        }),
        log: folder.join("redis.log"),
        temporary: folder.temporary(),
    })
}

// Every server is a service with something added; saying `.service().kill9()` in each test would add nothing.
impl Deref for Redis {
    type Target = Service;

    fn deref(&self) -> &Service {
        &self.service
    }
}
