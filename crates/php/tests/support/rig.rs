//! Two PHP-FPM servers of four workers each behind nginx, on one SQLite file.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use cloakroom_testbed::{Folder, FpmOptions, PhpSettings, Site, SiteOptions};

use super::extension;

/// What the pages of a rig may use: a call to their own site with the visitor's cookie.
const COMMON: &str = r#"<?php
function own($path) { return 'http://' . $_SERVER['HTTP_HOST'] . $path; }
function cookie() { return 'PHPSESSID=' . session_id(); }
function call($path) {
    $c = curl_init(own($path));
    curl_setopt_array($c, [CURLOPT_RETURNTRANSFER => 1, CURLOPT_TIMEOUT => 20, CURLOPT_COOKIE => cookie()]);
    return curl_exec($c);
}
"#;

pub struct Rig {
    pub site: Site,
    pub folder: Folder,
}

/// A rig with these settings on top.
pub fn rig(settings: PhpSettings) -> Rig {
    rig_on(None, settings)
}

/// A rig on another store.
pub fn rig_on(store: Option<&str>, settings: PhpSettings) -> Rig {
    let folder = Folder::new("fpm-store").expect("folder");
    std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o777)).expect("rights");
    let url = store.map_or_else(|| format!("sqlite:{}/sessions.sqlite", folder.path().display()), str::to_owned);
    let settings =
        settings.extension(extension()).set("session.save_handler", "cloakroom").set("cloakroom.store", &url);
    let fpm = FpmOptions { settings, ..FpmOptions::default() };
    let site = Site::start_with(&SiteOptions { fpm, ..SiteOptions::default() }).expect("site");
    site.write("common.php", COMMON).expect("page");
    site.write("show.php", "<?php session_start(); ksort($_SESSION); echo json_encode($_SESSION);").expect("page");
    Rig { site, folder }
}

impl Rig {
    pub fn store(&self) -> PathBuf {
        self.folder.join("sessions.sqlite")
    }

    /// How many leases there are now.
    pub fn leases(&self) -> u32 {
        let store = rusqlite::Connection::open(self.store()).expect("store");
        store.query_row("SELECT count(*) FROM lease", [], |row| row.get(0)).expect("leases")
    }

    /// Writes a page that may use `call()` and its kin.
    pub fn page(&self, name: &str, code: &str) {
        self.site.write(name, format!("<?php require __DIR__ . '/common.php'; {code}")).expect("page");
    }
}
