//! A whole site in one call: several php-fpm masters, as on several hosts, behind one nginx.

use std::path::Path;

use crate::error::Result;
use crate::{Browser, Endpoint, Folder, Fpm, FpmOptions, Nginx, NginxOptions, PhpSettings};

/// How a site is set up.
#[derive(Debug, Clone)]
pub struct SiteOptions {
    /// How many application servers there are; they are named A, B, C …
    pub servers: usize,
    /// What is the same for all of them; the name is set for each.
    pub fpm: FpmOptions,
    /// The web server in front.
    pub nginx: NginxOptions,
}

impl Default for SiteOptions {
    fn default() -> Self {
        Self { servers: 2, fpm: FpmOptions::default(), nginx: NginxOptions::default() }
    }
}

/// A running site with a document root of its own.
#[derive(Debug)]
pub struct Site {
    // The one in front ends first.
    nginx: Nginx,
    servers: Vec<Fpm>,
    root: Folder,
}

impl Site {
    /// Two servers with the given settings, and an empty document root.
    pub fn start(settings: PhpSettings) -> Result<Self> {
        let options = SiteOptions::default();
        Self::start_with(&SiteOptions { fpm: FpmOptions { settings, ..options.fpm.clone() }, ..options })
    }

    /// A site with options.
    pub fn start_with(options: &SiteOptions) -> Result<Self> {
        let root = Folder::new("root")?;
        let servers = ('A'..='Z')
            .take(options.servers)
            .map(|name| Fpm::start_with(&FpmOptions { server_name: name.into(), ..options.fpm.clone() }))
            .collect::<Result<Vec<Fpm>>>()?;
        let endpoints: Vec<Endpoint> = servers.iter().map(Fpm::endpoint).collect();
        let nginx = Nginx::start_with(root.path(), &endpoints, &options.nginx)?;
        Ok(Self { nginx, servers, root })
    }

    /// Puts a file into the document root.
    pub fn write(&self, name: impl AsRef<Path>, content: impl AsRef<[u8]>) -> Result<()> {
        self.root.write(name, content).map(drop)
    }

    /// The document root.
    pub fn root(&self) -> &Path {
        self.root.path()
    }

    /// The web server.
    pub fn nginx(&self) -> &Nginx {
        &self.nginx
    }

    /// The application servers, A first.
    pub fn servers(&self) -> &[Fpm] {
        &self.servers
    }

    /// The site's address, without a slash at its end.
    pub fn url(&self) -> String {
        self.nginx.url()
    }

    /// A new visitor.
    pub fn browser(&self) -> Browser {
        Browser::new(&self.url())
    }

    /// What PHP logged on all servers.
    pub fn php_logs(&self) -> String {
        self.servers.iter().map(Fpm::php_log).collect()
    }
}
