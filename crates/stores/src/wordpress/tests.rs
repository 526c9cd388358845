//! The URL: what it says, where the file is, and what errors tell.

use super::*;

fn place(url: &str) -> Place {
    Place::parse(url).expect(url)
}

#[test]
fn a_url_names_the_site_and_what_differs_from_it() {
    let plain = place("wordpress:/srv/www");
    assert_eq!((plain.folder.as_path(), &plain.config, &plain.table), (Path::new("/srv/www"), &None, &None));
    assert_eq!(place("wordpress:///srv/www"), plain);
    let full = place("wordpress:/srv/www?table=options&config=/etc/wordpress/config-a%20b.php&prefix=x_&connections=2");
    assert_eq!(full.config.as_deref(), Some(Path::new("/etc/wordpress/config-a b.php")));
    assert_eq!((full.table.as_deref(), full.prefix.as_deref()), (Some("options"), Some("x_")));
    for url in [
        "wordpress:",
        "wordpress:srv/www",
        "wordpress://srv/www",
        "wordpress:/srv?config=relative",
        "wordpress:/srv?socket=relative",
        "wordpress:/srv?password=sesame",
    ] {
        let error = Place::parse(url).expect_err(url).to_string();
        assert!(!error.contains("sesame"), "{error}");
    }
}

#[test]
fn the_file_is_in_the_folder_or_one_above_where_wordpress_looks() {
    let folder = tempfile::tempdir().expect("a folder");
    let site = folder.path().join("www");
    std::fs::create_dir(&site).expect("a folder");
    let here = place(&format!("wordpress:{}", site.display()));
    let error = here.file().expect_err("there is none").to_string();
    assert!(error.contains("no wp-config.php in it"), "{error}");
    let above = folder.path().join("wp-config.php");
    std::fs::write(&above, "").expect("writes");
    assert_eq!(here.file(), Ok(above.clone()));
    // The folder above is a WordPress of its own: that file is not ours.
    std::fs::write(folder.path().join("wp-settings.php"), "").expect("writes");
    assert!(here.file().is_err());
    std::fs::write(site.join("wp-config.php"), "").expect("writes");
    assert_eq!(here.file(), Ok(site.join("wp-config.php")));
    let other = place(&format!("wordpress:{}?config=/etc/wordpress/config-default.php", site.display()));
    assert_eq!(other.file(), Ok(PathBuf::from("/etc/wordpress/config-default.php")));
}

#[test]
fn an_error_says_what_to_do_and_never_the_password() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("wp-config.php");
    let url = format!("wordpress:{}", folder.path().display());
    let error = |text: &str, query: &str| {
        std::fs::write(&file, text).expect("writes");
        let error = open(&format!("{url}{query}"), &Options::default()).expect_err("can't be right").to_string();
        assert!(error.contains(&file.display().to_string()) && !error.contains("sesame"), "{error}");
        error
    };
    let rest = "define('DB_NAME','n');define('DB_USER','u');define('DB_PASSWORD','sesame');define('DB_HOST','h');";
    let computed = error("<?php\n\ndefine('DB_NAME', 'sesame' . getenv('X'));", "");
    assert!(computed.contains("DB_NAME in line 3") && computed.contains("cloakroom.store_file"), "{computed}");
    assert!(error(&format!("<?php {rest}"), "").contains("$table_prefix is not set"));
    assert!(error(&format!("<?php {rest} $table_prefix='a-b';"), "").contains("letters, digits"));
    assert!(error(&format!("<?php {rest} $table_prefix='a_';"), "?connections=none").contains("connections"));
    let host = rest.replace("'h'", "'h:sesame'");
    assert!(error(&format!("<?php {host} $table_prefix='a_';"), "").contains("DB_HOST"));
    let config = format!("?config={}", file.display());
    let store = |query: &str| {
        std::fs::write(&file, format!("<?php {rest}")).expect("writes");
        open(&format!("{url}{query}"), &Options::default()).expect("is right").describe().location
    };
    let shown = format!("as in {}", file.display());
    assert_eq!(store(&config), format!("mysql://u:***@h:3306/n?table=wp_cloakroom, {shown}"));
    assert_eq!(store("?prefix=x_&table=options"), format!("mysql://u:***@h:3306/n?table=x_options, {shown}"));
    assert_eq!(store("?prefix=x_&table=own"), format!("mysql://u:***@h:3306/n?table=own, {shown}"));
    std::fs::remove_file(&file).expect("removes");
    std::fs::create_dir(&file).expect("a folder of that name");
    assert!(open(&url, &Options::default()).expect_err("no file").to_string().contains("is no file"));
}
