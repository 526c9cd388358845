//! Varnish, a page cache in front of a web server: its built-in rules, and what a test adds to them.

use std::ops::Deref;
use std::process::Command;

use crate::error::{Attempt, Error, Result};
use crate::folder::find_program;
use crate::ports::{PortLease, retry_on_collision};
use crate::service::Recipe;
use crate::{Endpoint, Folder, Service};

/// A Varnish of a test; what can be done to it is in [`Service`].
#[derive(Debug)]
pub struct Varnish {
    service: Service,
    port: PortLease,
    _folder: Folder,
}

impl Varnish {
    /// Starts one in front of a web server. `vcl` goes between the backend and Varnish's built-in rules, which stay in force:
    /// subroutines such as `sub vcl_recv { … }`. Every reply says in `X-Cache` whether it is a `HIT`, a `MISS` or a `PASS`.
    ///
    /// # Errors
    /// When it is not installed, or refuses the rules; what it says of them is in the error.
    pub fn start(backend: &Endpoint, vcl: &str) -> Result<Self> {
        let program = find_program("varnishd")?;
        let Endpoint::Tcp(address) = backend else {
            return Err(Error::Other("Varnish is put in front of a TCP address here".into()));
        };
        retry_on_collision(|port| {
            let folder = Folder::new("varnish")?;
            let rules = format!(
                r#"vcl 4.1;
backend default {{ .host = "{host}"; .port = "{port}"; }}
# The site keeps the name that it knows itself by.
sub vcl_recv {{ set req.http.Host = "{host}:{port}"; }}
{vcl}
sub vcl_deliver {{
  set resp.http.X-Cache = "MISS";
  if (obj.hits > 0) {{ set resp.http.X-Cache = "HIT"; }}
  if (obj.uncacheable) {{ set resp.http.X-Cache = "PASS"; }}
}}
"#,
                host = address.ip(),
                port = address.port(),
            );
            let file = folder.write("rules.vcl", rules)?;
            let work = folder.join("work");
            std::fs::create_dir_all(&work).attempt(|| format!("make {}", work.display()))?;
            let number = port.number();
            let (program, endpoint) = (program.clone(), Endpoint::loopback(number));
            let service = Service::launch(Recipe {
                name: "varnishd".into(),
                command: Box::new(move || {
                    let mut command = Command::new(&program);
                    command
                        // In the foreground, without a jail and without a port for its administration.
                        .args(["-F", "-j", "none", "-T", "none", "-s", "default,64m"])
                        .args(["-a", &format!("127.0.0.1:{number}"), "-f"])
                        .arg(&file)
                        .arg("-n")
                        .arg(&work);
                    command
                }),
                probe: Box::new(move || {
                    // Any reply will do: it comes from Varnish, whatever the web server behind it says.
                    let reply = endpoint.ask(b"OPTIONS /.testbed-ready HTTP/1.1\r\nHost: x\r\n\r\n");
                    match reply.map_err(|error| error.to_string())? {
                        reply if reply.starts_with(b"HTTP/1.1") => Ok(()),
                        reply => Err(String::from_utf8_lossy(&reply).into_owned()),
                    }
                }),
                log: folder.join("varnish.log"),
                temporary: folder.temporary(),
            })?;
            Ok(Self { service, port, _folder: folder })
        })
    }

    /// The site's address behind it, without a slash at its end.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port.number())
    }
}

impl Deref for Varnish {
    type Target = Service;

    fn deref(&self) -> &Service {
        &self.service
    }
}
