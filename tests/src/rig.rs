//! Two application servers behind nginx, with sessions in one store.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use cloakroom_testbed::{
    Folder, FpmOptions, NginxOptions, PageCache, PhpSettings, Proxy, Site, SiteOptions, target_dir,
};

use crate::{Backend, Store, Visitor};

/// How a rig is set up.
#[derive(Debug, Clone)]
pub struct Options {
    /// How many application servers.
    pub servers: usize,
    /// How many workers each has.
    pub workers: usize,
    /// Settings of PHP on top of the distribution's and `session.save_handler = cloakroom`.
    pub settings: Vec<(&'static str, String)>,
    /// The store's server is this test's own, which may freeze and kill it.
    pub own: bool,
    /// A proxy stands between PHP and the store.
    pub proxied: bool,
    /// `cloakroom.store` is not set: sessions go where an operator who sets nothing finds them.
    pub unset: bool,
    /// nginx keeps pages.
    pub cache: Option<PageCache>,
}

impl Default for Options {
    fn default() -> Self {
        Self { servers: 2, workers: 4, settings: Vec::new(), own: false, proxied: false, unset: false, cache: None }
    }
}

impl Options {
    /// Sets an entry of php.ini.
    #[must_use]
    pub fn set(mut self, name: &'static str, value: &str) -> Self {
        self.settings.push((name, value.into()));
        self
    }

    /// One server with one worker: what a worker remembers can be seen, and no other one is in the count.
    #[must_use]
    pub fn one_worker(self) -> Self {
        Self { servers: 1, workers: 1, ..self }
    }
}

/// A site with its store. PHP ends first, then the store.
#[derive(Debug)]
pub struct Rig {
    /// nginx and the servers.
    pub site: Site,
    proxy: Option<Proxy>,
    /// The store.
    pub backend: Backend,
    url: String,
    flags: Folder,
}

impl Rig {
    /// Two servers of four workers each.
    pub fn new(store: Store) -> Self {
        Self::with(store, Options::default())
    }

    /// One with options.
    pub fn with(store: Store, options: Options) -> Self {
        let backend = Backend::start(store, options.own);
        let proxy = options.proxied.then(|| Proxy::start(backend.endpoint()).unwrap());
        let url = backend.url(proxy.as_ref().map(Proxy::address));
        let settings = PhpSettings::new().extension(extension()).set("session.save_handler", "cloakroom");
        let settings = match &backend {
            // The place for sessions as the system's ini files name it; that of the machine is none of a test's business.
            Backend::Sqlite(folder) if options.unset => {
                settings.set("session.save_path", &folder.path().display().to_string())
            }
            _ => settings.set("cloakroom.store", &url),
        };
        let site = start(settings, &options);
        Self::furnish(site, proxy, backend, url)
    }

    /// The same site without Cloakroom: sessions are kept by PHP's own files, on each server for itself.
    pub fn with_files(servers: usize, options: Options) -> Self {
        let settings = PhpSettings::new().set("session.save_handler", "files");
        let site = start(settings, &Options { servers, ..options });
        Self::furnish(site, None, Backend::start(Store::Sqlite, false), String::new())
    }

    fn furnish(site: Site, proxy: Option<Proxy>, backend: Backend, url: String) -> Self {
        let flags = Folder::new("flags").unwrap();
        std::fs::set_permissions(flags.path(), PermissionsExt::from_mode(0o777)).unwrap();
        let rig = Self { site, proxy, backend, url, flags };
        rig.page("cart.php", include_str!("../pages/cart.php"));
        rig
    }

    /// Another site with other settings on the same store; it has the page `cart.php`, too.
    pub fn neighbour(&self, options: &Options) -> Site {
        let settings = PhpSettings::new().extension(extension()).set("session.save_handler", "cloakroom");
        let site = start(settings.set("cloakroom.store", &self.url), options);
        site.write("cart.php", include_str!("../pages/cart.php")).unwrap();
        site
    }

    /// Puts a page into the document root.
    pub fn page(&self, name: &str, code: &str) {
        self.site.write(name, code).unwrap();
    }

    /// A page made of this code; what it prints is the reply.
    pub fn code(&self, name: &str, code: &str) {
        self.page(name, &format!("<?php\n{code}\n"));
    }

    /// A new visitor.
    pub fn visitor(&self) -> Visitor {
        Visitor::new(self.site.browser())
    }

    /// The proxy in front of the store.
    pub fn proxy(&self) -> &Proxy {
        self.proxy.as_ref().expect("a rig without a proxy")
    }

    /// A file that pages may write and tests may wait for.
    pub fn flag(&self, name: &str) -> PathBuf {
        self.flags.join(name)
    }

    /// What PHP, php-fpm and nginx have logged so far.
    pub fn logs(&self) -> String {
        let servers = self.site.servers().iter().map(|server| server.php_log() + &server.log());
        let nginx = self.site.nginx();
        servers.collect::<String>() + &nginx.access_log() + &nginx.log()
    }

    /// Lines of PHP's own logs with this text in them.
    pub fn log_lines(&self, text: &str) -> Vec<String> {
        self.site.php_logs().lines().filter(|line| line.contains(text)).map(String::from).collect()
    }

    /// Nothing was complained about in PHP's logs.
    #[track_caller]
    pub fn assert_quiet(&self) {
        let logs = self.site.php_logs();
        assert_eq!(logs, "", "the log should be empty");
    }

    /// Kills one worker of one server, drawn at random.
    pub fn kill_a_worker(&self, round: usize) -> Option<i32> {
        let servers = self.site.servers();
        servers[round % servers.len()].kill9_worker()
    }
}

fn start(mut settings: PhpSettings, options: &Options) -> Site {
    for (name, value) in &options.settings {
        settings = settings.set(name, value);
    }
    let fpm = FpmOptions { workers: options.workers, settings, ..FpmOptions::default() };
    let nginx = NginxOptions { cache: options.cache.clone(), ..NginxOptions::default() };
    Site::start_with(&SiteOptions { servers: options.servers, fpm, nginx }).unwrap()
}

/// The extension as operators get it.
///
/// # Panics
/// When it was not built: a test of another build would show nothing.
pub fn extension() -> PathBuf {
    let path = match std::env::var_os("CLOAKROOM_SO") {
        Some(_) => cloakroom_testbed::extension().unwrap(),
        None => target_dir().join("release/cloakroom.so"),
    };
    assert!(path.is_file(), "{} is not there; run make build, or name the file in CLOAKROOM_SO", path.display());
    path
}
