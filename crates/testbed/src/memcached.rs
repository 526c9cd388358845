//! A Memcached server. It keeps nothing over a restart.

use std::ops::Deref;
use std::process::Command;

use crate::error::Result;
use crate::folder::{find_program, is_root};
use crate::ports::{PortLease, retry_on_collision};
use crate::service::Recipe;
use crate::{Endpoint, Folder, Service};

/// A Memcached server of a test; what can be done to it is in [`Service`].
#[derive(Debug)]
pub struct Memcached {
    service: Service,
    port: PortLease,
    _folder: Folder,
}

impl Memcached {
    /// Starts one with 64 MB.
    pub fn start() -> Result<Self> {
        Self::start_with(&[])
    }

    /// Starts one with further command-line options.
    pub fn start_with(options: &[&str]) -> Result<Self> {
        let program = find_program("memcached")?;
        retry_on_collision(|port| {
            let folder = Folder::new("memcached")?;
            let number = port.number();
            let mut arguments: Vec<String> =
                ["-l", "127.0.0.1", "-U", "0", "-m", "64", "-p"].map(String::from).to_vec();
            arguments.push(number.to_string());
            if is_root() {
                arguments.extend(["-u".to_string(), "root".to_string()]);
            }
            arguments.extend(options.iter().map(ToString::to_string));
            let program = program.clone();
            let service = Service::launch(Recipe {
                name: "memcached".into(),
                command: Box::new(move || {
                    let mut command = Command::new(&program);
                    command.args(&arguments);
                    command
                }),
                probe: Box::new(move || {
                    let reply = Endpoint::loopback(number).ask(b"version\r\n").map_err(|error| error.to_string())?;
                    match reply.starts_with(b"VERSION") {
                        true => Ok(()),
                        false => Err(String::from_utf8_lossy(&reply).into_owned()),
                    }
                }),
                log: folder.join("memcached.log"),
                temporary: folder.temporary(),
            })?;
            Ok(Self { service, port, _folder: folder })
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

    /// The URL of its address.
    pub fn url(&self) -> String {
        format!("memcached://127.0.0.1:{}", self.port())
    }
}

impl Deref for Memcached {
    type Target = Service;

    fn deref(&self) -> &Service {
        &self.service
    }
}
