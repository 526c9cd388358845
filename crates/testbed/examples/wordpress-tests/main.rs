//! Runs PHPUnit on the WordPress plugin, in a real WordPress: MariaDB, two php-fpm masters and nginx, the extension as handler.
//! What the tests are told stands in `wordpress/tests/bootstrap.php`. Arguments are PHPUnit's. scripts/tests/30-wordpress calls it.

use std::error::Error;
use std::process::ExitCode;

use cloakroom_testbed::{Folder, Mariadb, PhpSettings, Wordpress, WordpressOptions, cli, find_program, project_root};

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<bool, Box<dyn Error>> {
    let database = Mariadb::start()?;
    // Root's command line and the web server's user share it, as they could not share a file.
    let store = database.create_database("sessions")?;
    let settings = PhpSettings::cloakroom(Some(&store))?;
    let site =
        Wordpress::start(database, &WordpressOptions { settings: settings.clone(), ..WordpressOptions::default() })?;
    debugged(&site)?;
    site.deactivate("cloakroom-demo/cloakroom-demo.php")?;
    site.link_plugin(&project_root().join("wordpress/cloakroom"))?;
    site.activate("cloakroom/cloakroom.php")?;
    let root = site.site().root();
    let must_use = root.join("wp-content/mu-plugins");
    std::fs::create_dir_all(&must_use)?;
    std::os::unix::fs::symlink(project_root().join("wordpress/tests/probe/probe.php"), must_use.join("probe.php"))?;

    let folder = Folder::new("phpunit")?;
    let mut command = cli(&settings, folder.path())?;
    let status = command
        // What the tests print must not count as a page that has begun.
        .arg(find_program("phpunit")?)
        .args(["--stderr", "--configuration"])
        .arg(project_root().join("wordpress/tests/phpunit.xml"))
        .args(std::env::args_os().skip(1))
        .env("CLOAKROOM_TEST_ROOT", root)
        .env("CLOAKROOM_TEST_URL", site.url())
        .env("CLOAKROOM_TEST_PASSWORD", site.admin_password())
        .env("CLOAKROOM_TEST_PROJECT", project_root())
        .status()?;
    let log = site.site().php_logs();
    let complaints: Vec<&str> =
        log.lines().filter(|line| line.contains("PHP ") && line.contains("wordpress/cloakroom/")).collect();
    for line in &complaints {
        eprintln!("php-fpm complained of the plugin: {line}");
    }
    Ok(status.success() && complaints.is_empty())
}

/// Notices are wanted, and in the log.
fn debugged(site: &Wordpress) -> Result<(), Box<dyn Error>> {
    let config = site.site().root().join("wp-config.php");
    let text = std::fs::read_to_string(&config)?;
    let debug = "define( 'WP_DEBUG', true );\ndefine( 'WP_DEBUG_DISPLAY', false );";
    std::fs::write(&config, text.replace("define( 'WP_DEBUG', false );", debug))?;
    Ok(())
}
