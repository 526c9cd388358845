//! Apache's httpd as a page cache in front of a web server (mod_cache on a disk), with the lines that a test gives it.

use std::ops::Deref;
use std::path::Path;
use std::process::Command;

use crate::error::{Attempt, Result};
use crate::folder::{find_program, web_user};
use crate::ports::{PortLease, retry_on_collision};
use crate::service::Recipe;
use crate::{Endpoint, Folder, Service};

/// Where the distribution keeps its modules.
const MODULES: &str = "/usr/lib/apache2/modules";

/// An Apache of a test; what can be done to it is in [`Service`].
#[derive(Debug)]
pub struct Apache {
    service: Service,
    port: PortLease,
    _folder: Folder,
}

impl Apache {
    /// Starts one in front of a web server. `lines` are of its configuration; `CACHE` in them stands for a folder that it may
    /// write to.
    ///
    /// # Errors
    /// When it is not installed, or refuses the lines; what it says of them is in the error.
    pub fn start(backend: &Endpoint, lines: &str) -> Result<Self> {
        let program = find_program("apache2").or_else(|_| find_program("httpd"))?;
        retry_on_collision(|port| {
            let folder = Folder::new("apache")?;
            let number = port.number();
            let cache = folder.join("cache");
            std::fs::create_dir_all(&cache).attempt(|| format!("make {}", cache.display()))?;
            if let Some(user) = web_user() {
                crate::fpm::give(&cache, user)?;
            }
            let file = folder.write(
                "httpd.conf",
                config(&folder, number, backend, &lines.replace("CACHE", &cache.display().to_string())),
            )?;
            let (program, endpoint) = (program.clone(), Endpoint::loopback(number));
            let service = Service::launch(Recipe {
                name: "apache".into(),
                command: Box::new(move || {
                    let mut command = Command::new(&program);
                    command.args(["-D", "FOREGROUND", "-f"]).arg(&file);
                    command
                }),
                probe: Box::new(move || {
                    let reply = endpoint.ask(b"OPTIONS /.testbed-ready HTTP/1.0\r\n\r\n");
                    match reply.map_err(|error| error.to_string())? {
                        reply if reply.starts_with(b"HTTP/1.1") => Ok(()),
                        reply => Err(String::from_utf8_lossy(&reply).into_owned()),
                    }
                }),
                log: folder.join("apache.log"),
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

impl Deref for Apache {
    type Target = Service;

    fn deref(&self) -> &Service {
        &self.service
    }
}

fn config(folder: &Folder, port: u16, backend: &Endpoint, lines: &str) -> String {
    let modules =
        ["mpm_event", "authz_core", "headers", "setenvif", "proxy", "proxy_http", "cache", "cache_disk"].map(|name| {
            let file = format!("{MODULES}/mod_{name}.so");
            // Some are compiled in, depending on the distribution.
            if Path::new(&file).exists() { format!("LoadModule {name}_module {file}\n") } else { String::new() }
        });
    let user = web_user().map(|user| format!("User {user}\nGroup {user}\n")).unwrap_or_default();
    format!(
        r#"{modules}{user}ServerName 127.0.0.1
ServerRoot {root}
DocumentRoot {root}
PidFile {root}/apache.pid
DefaultRuntimeDir {root}
ErrorLog {root}/apache.log
Listen 127.0.0.1:{port}
ProxyPass / http://{backend}/
{lines}
"#,
        modules = modules.concat(),
        root = folder.path().display(),
    )
}
