//! A copy of the distribution's WordPress with a configuration of its own, and the demo's plugin and theme linked into it, so
//! that a change to them shows at the next click.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::{Attempt, Error, Result};
use crate::folder::{is_root, project_root};
use crate::fpm::give;
use crate::mariadb::run;
use crate::php::{program, write_private};

/// Where the distribution's package puts it.
const PACKAGE: &str = "/usr/share/wordpress";

/// The WordPress that is copied: the folder that `CLOAKROOM_WORDPRESS` names, such as that of a newer release, or the package.
fn package() -> PathBuf {
    std::env::var_os("CLOAKROOM_WORDPRESS").map_or_else(|| PACKAGE.into(), PathBuf::from)
}

/// What wp-config.php needs to know.
pub(crate) struct Settings {
    pub(crate) address: String,
    pub(crate) database_port: u16,
    pub(crate) database_user: String,
    pub(crate) database_password: String,
    pub(crate) salt: String,
    pub(crate) user: Option<String>,
    /// Further lines of PHP.
    pub(crate) more: String,
}

/// Puts the files in place. The copy is made anew when the package has changed.
pub(crate) fn place(root: &Path, settings: &Settings) -> Result<()> {
    let package = package();
    let version = std::fs::read(package.join("wp-includes/version.php"))
        .map_err(|_| Error::Missing { program: "wordpress".into() })?;
    if std::fs::read(root.join("wp-includes/version.php")).ok().as_ref() != Some(&version) {
        copy(&package, root)?;
    }
    let content = root.join("wp-content");
    for folder in ["plugins", "themes", "uploads"].map(|name| content.join(name)) {
        std::fs::create_dir_all(&folder).attempt(|| format!("make {}", folder.display()))?;
    }
    link(&project_root().join("wordpress/demo/cloakroom-demo"), &content.join("plugins/cloakroom-demo"))?;
    link(&project_root().join("wordpress/demo/theme"), &content.join("themes/cloakroom-demo"))?;
    let config = root.join("wp-config.php");
    write_private(&config, &config_text(settings))?;
    if let Some(user) = settings.user.as_deref().filter(|_| is_root()) {
        give(&config, user)?;
        give(&content.join("uploads"), user)?;
    }
    Ok(())
}

/// Copies the package next to its place and puts it there by renaming, so that half a copy is never served.
fn copy(package: &Path, root: &Path) -> Result<()> {
    let fresh = root.with_extension("new");
    for old in [&fresh, &root.to_path_buf()] {
        if old.exists() {
            std::fs::remove_dir_all(old).attempt(|| format!("remove {}", old.display()))?;
        }
    }
    let mut command = Command::new("cp");
    // Links are followed: the package keeps some libraries elsewhere, and WordPress takes its own place from its files' paths.
    // A link that leads nowhere (the .htaccess of a web server we have not) makes cp complain after everything is copied.
    command.args(["--recursive", "--dereference", "--reflink=auto"]).arg(package).arg(&fresh);
    if let Err(error) = run(command)
        && !fresh.join("wp-settings.php").is_file()
    {
        return Err(error);
    }
    for stock in ["wp-config.php", "wp-content", ".htaccess"].map(|name| fresh.join(name)) {
        let removed = if stock.is_dir() { std::fs::remove_dir_all(&stock) } else { std::fs::remove_file(&stock) };
        if stock.exists() {
            removed.attempt(|| format!("remove {}", stock.display()))?;
        }
    }
    std::fs::set_permissions(&fresh, std::fs::Permissions::from_mode(0o755))
        .attempt(|| format!("open {} to the web server", fresh.display()))?;
    std::fs::rename(&fresh, root).attempt(|| format!("put WordPress at {}", root.display()))
}

/// Links a folder to its place, if it is not linked yet.
pub(crate) fn link(target: &Path, place: &Path) -> Result<()> {
    if std::fs::read_link(place).is_ok_and(|found| found == target) {
        return Ok(());
    }
    let _ = std::fs::remove_file(place);
    symlink(target, place).attempt(|| format!("link {} to {}", place.display(), target.display()))
}

fn config_text(settings: &Settings) -> String {
    let keys: String = ["AUTH", "SECURE_AUTH", "LOGGED_IN", "NONCE"]
        .iter()
        .flat_map(|name| [format!("{name}_KEY"), format!("{name}_SALT")])
        .map(|name| format!("define( '{name}', '{name}-{}' );\n", settings.salt))
        .collect();
    format!(
        "<?php
// Written by the testbed; changes are lost at the next make up.
define( 'DB_NAME', 'wordpress' );
define( 'DB_USER', '{user}' );
define( 'DB_PASSWORD', '{password}' );
define( 'DB_HOST', '127.0.0.1:{port}' );
define( 'DB_CHARSET', 'utf8mb4' );
define( 'DB_COLLATE', '' );
define( 'WP_HOME', '{address}' );
define( 'WP_SITEURL', '{address}' );
define( 'WP_ENVIRONMENT_TYPE', 'local' );
// This site asks nobody outside, updates nothing, and calls itself only when told to.
define( 'WP_HTTP_BLOCK_EXTERNAL', true );
define( 'AUTOMATIC_UPDATER_DISABLED', true );
define( 'WP_AUTO_UPDATE_CORE', false );
define( 'DISABLE_WP_CRON', true );
define( 'DISALLOW_FILE_MODS', true );
define( 'WP_DEBUG', false );
{keys}{more}
$table_prefix = 'wp_';
if ( ! defined( 'ABSPATH' ) ) {{
	define( 'ABSPATH', __DIR__ . '/' );
}}
require_once ABSPATH . 'wp-settings.php';
",
        user = settings.database_user,
        password = settings.database_password,
        port = settings.database_port,
        address = settings.address,
        more = settings.more,
    )
}

/// The folder of Cloakroom's plugin, and the file by which WordPress knows it.
pub(crate) fn plugin() -> (PathBuf, &'static str) {
    (project_root().join("wordpress/cloakroom"), "cloakroom/cloakroom.php")
}

/// Installs it into its database, or repairs what is missing there. The demo's plugin is active then, and those that are named.
pub(crate) fn install(root: &Path, admin_password: &str, plugins: &[&str]) -> Result<()> {
    let script: PathBuf = project_root().join("wordpress/demo/install.php");
    let mut command = Command::new(program("php")?);
    command
        // Whatever the command line's php.ini says of sessions is not for this script.
        .args(["-d", "session.save_handler=files", "-d", "display_errors=stderr"])
        .arg(script)
        .arg(root)
        .env("CLOAKROOM_ADMIN_PASSWORD", admin_password)
        .env("CLOAKROOM_PLUGINS", plugins.join(" "));
    run(command).map(drop)
}
