//! A real WordPress for tests: the distribution's package on a MariaDB, two php-fpm masters and nginx. Its page is the demo shop
//! (`wordpress/demo`), whose plugin starts a session on every request, as over-eager plugins do; a test brings its own plugins.

pub(crate) mod place;

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::{Error, Result};
use crate::folder::web_user;
use crate::mariadb::run;
use crate::php::program;
use crate::{Browser, FpmOptions, Mariadb, NginxOptions, PhpSettings, Site, SiteOptions};

/// The password of WordPress's user `admin`.
const ADMIN_PASSWORD: &str = "t3stbed-admin";
/// The database that WordPress has for itself.
const DATABASE: &str = "wordpress";

/// How a WordPress is set up.
#[derive(Debug, Clone, Default)]
pub struct WordpressOptions {
    /// Settings of PHP on both servers, such as the session handler.
    pub settings: PhpSettings,
    /// How many workers each server has; 0 is the usual number.
    pub workers: usize,
    /// The web server in front, with or without its page cache.
    pub nginx: NginxOptions,
    /// Further lines of `wp-config.php`, such as `define( 'WP_DEBUG_LOG', true );`.
    pub config: String,
    /// Whether Cloakroom's plugin (`wordpress/cloakroom`) is there and active.
    pub plugin: bool,
}

/// A running WordPress. PHP and nginx end first, then the database.
#[derive(Debug)]
pub struct Wordpress {
    site: Site,
    database: Mariadb,
}

impl Wordpress {
    /// Starts one on a database server, in a database `wordpress` that must not be there yet. Others of the same server may be
    /// used for sessions: make them before, with [`Mariadb::create_database`].
    ///
    /// # Errors
    /// When something is not installed, or does not answer.
    pub fn start(database: Mariadb, options: &WordpressOptions) -> Result<Self> {
        database.create_database(DATABASE)?;
        let usual = FpmOptions::default();
        let workers = if options.workers == 0 { usual.workers } else { options.workers };
        let fpm = FpmOptions { settings: options.settings.clone(), workers, ..usual };
        let site = Site::start_with(&SiteOptions { fpm, nginx: options.nginx.clone(), ..SiteOptions::default() })?;
        place::place(
            site.root(),
            &place::Settings {
                address: site.url(),
                database_port: database.port(),
                database_user: database.user().into(),
                database_password: database.password().into(),
                salt: "testbed".into(),
                user: web_user().map(String::from),
                more: options.config.clone(),
            },
        )?;
        let (folder, plugin) = place::plugin();
        if options.plugin {
            place::link(&folder, &site.root().join("wp-content/plugins/cloakroom"))?;
        }
        let plugins: &[&str] = if options.plugin { &[plugin] } else { &[] };
        place::install(site.root(), ADMIN_PASSWORD, plugins)?;
        Ok(Self { site, database })
    }

    /// nginx, the servers and the document root.
    pub fn site(&self) -> &Site {
        &self.site
    }

    /// The database's server.
    pub fn database(&self) -> &Mariadb {
        &self.database
    }

    /// The site's address, without a slash at its end.
    pub fn url(&self) -> String {
        self.site.url()
    }

    /// A new visitor.
    pub fn browser(&self) -> Browser {
        self.site.browser()
    }

    /// The password of the user `admin`.
    pub fn admin_password(&self) -> &'static str {
        ADMIN_PASSWORD
    }

    /// Where a plugin's folder is, or would be.
    pub fn plugin_folder(&self, slug: &str) -> PathBuf {
        self.site.root().join("wp-content/plugins").join(slug)
    }

    /// Writes a plugin of one file, `SLUG/SLUG.php`, and activates it. `code` comes without `<?php` and header.
    ///
    /// # Errors
    /// When WordPress refuses to activate it.
    pub fn plugin(&self, slug: &str, code: &str) -> Result<()> {
        let text = format!("<?php\n/**\n * Plugin Name: {slug}\n */\n\n{code}\n");
        self.site.write(format!("wp-content/plugins/{slug}/{slug}.php"), text)?;
        self.activate(&format!("{slug}/{slug}.php"))
    }

    /// Links a plugin's folder into the site, without activating it.
    ///
    /// # Errors
    /// When the link can't be made.
    pub fn link_plugin(&self, folder: &Path) -> Result<()> {
        let name = folder.file_name().ok_or_else(|| Error::Other(format!("{} has no name", folder.display())))?;
        place::link(folder, &self.site.root().join("wp-content/plugins").join(name))
    }

    /// Activates a plugin by its main file, such as `cloakroom/cloakroom.php`, as the administration's screen does.
    ///
    /// # Errors
    /// When WordPress refuses; its reason is in the error.
    pub fn activate(&self, file: &str) -> Result<()> {
        self.php(&format!(
            "require_once ABSPATH . 'wp-admin/includes/plugin.php';
            $result = activate_plugin( '{file}' );
            if ( is_wp_error( $result ) ) {{ fwrite( STDERR, $result->get_error_message() ); exit( 1 ); }}"
        ))
        .map(drop)
    }

    /// Deactivates a plugin by its main file.
    ///
    /// # Errors
    /// When WordPress can't be loaded.
    pub fn deactivate(&self, file: &str) -> Result<()> {
        self.php(&format!(
            "require_once ABSPATH . 'wp-admin/includes/plugin.php';
            deactivate_plugins( '{file}' );"
        ))
        .map(drop)
    }

    /// Runs a piece of PHP with WordPress loaded, on the command line; what it prints.
    ///
    /// # Errors
    /// When PHP ends with another status than 0; what it said is in the error.
    pub fn php(&self, code: &str) -> Result<String> {
        let start = format!(
            "$_SERVER['HTTP_HOST'] = '127.0.0.1'; $_SERVER['REQUEST_METHOD'] = 'GET'; $_SERVER['REQUEST_URI'] = '/';
            require '{}/wp-load.php';\n{code}",
            self.site.root().display()
        );
        let mut command = Command::new(program("php")?);
        // Whatever the command line's php.ini says of sessions is not for this.
        command.args(["-d", "session.save_handler=files", "-d", "display_errors=stderr", "-r", &start]);
        run(command)
    }
}
