//! Which plugin a file outside `wp-content` is part of. PHP knows files by their real paths, so of a plugin that is linked
//! into WordPress no path says its name; the header of its main file does.
//!
//! Files are read after the response as a rule, in requests that are looked at, and once for each file in a worker.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// So many folders above a file are looked into.
const LEVELS: usize = 8;
/// Most entries of one folder that are looked at, and most files of it that are read.
const ENTRIES: usize = 512;
const READ: usize = 32;
/// WordPress reads so much of a file for its header.
const HEAD: u64 = 8 << 10;
/// Files that are remembered.
const REMEMBERED: usize = 512;
/// Names of main files that say less than their folder's.
const PLAIN: [&str; 7] = ["plugin", "index", "main", "init", "load", "loader", "bootstrap"];

/// The plugin or theme that a file is part of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    /// `plugin shop`, `theme blue`.
    pub(super) who: String,
    /// Its folder, without a slash at the end.
    pub(super) folder: String,
}

/// What a worker has found.
#[derive(Debug, Default)]
pub(in crate::door) struct Headers(HashMap<String, Option<Found>>);

impl Headers {
    /// The plugin or theme of a file; none of folders that are named in `not`, which hold the site itself.
    pub(super) fn of(&mut self, file: &str, not: &[&str]) -> Option<Found> {
        if let Some(known) = self.0.get(file) {
            return known.clone();
        }
        let found = search(file, not);
        if self.0.len() >= REMEMBERED {
            self.0.clear();
        }
        self.0.insert(file.to_owned(), found.clone());
        found
    }
}

/// The nearest folder with a main file; a higher one where the nearer is a library that it brings.
fn search(file: &str, not: &[&str]) -> Option<Found> {
    let mut best: Option<Found> = None;
    let folders = Path::new(file).ancestors().skip(1).take(LEVELS);
    for folder in folders.filter_map(Path::to_str).take_while(|folder| folder.len() > 1 && !not.contains(folder)) {
        let brings = |inner: &str| {
            let between = inner.strip_prefix(folder).unwrap_or_default();
            let mut names = between.split('/').filter(|name| !name.is_empty());
            names.any(|name| super::culprit::is_part(name) || super::culprit::is_vendor(name))
        };
        if best.as_ref().is_none_or(|best| brings(&best.folder))
            && let Some(who) = main_file(folder, file)
        {
            best = Some(Found { who, folder: folder.to_owned() });
        }
    }
    best
}

/// The plugin or theme whose main file lies in a folder.
fn main_file(folder: &str, file: &str) -> Option<String> {
    let name = folder.rsplit('/').next().unwrap_or(folder);
    if has_header(&Path::new(folder).join(format!("{name}.php")), "plugin name:") {
        return Some(format!("plugin {name}"));
    }
    if has_header(&Path::new(folder).join("style.css"), "theme name:") {
        return Some(format!("theme {name}"));
    }
    let entries = std::fs::read_dir(folder).ok()?.take(ENTRIES).filter_map(|entry| Some(entry.ok()?.path()));
    let mut scripts: Vec<_> = entries.filter(|path| path.extension().is_some_and(|e| e == "php")).collect();
    // A plugin of one file may share its folder with others.
    scripts.sort_by_key(|path| (path != Path::new(file), path.clone()));
    let main = scripts.into_iter().take(READ).find(|path| has_header(path, "plugin name:"))?;
    let stem = main.file_stem()?.to_str()?;
    Some(format!("plugin {}", if PLAIN.contains(&stem) { name } else { stem }))
}

/// Whether a line of the file's beginning says a name, in a comment.
fn has_header(path: &Path, wanted: &str) -> bool {
    // Not a pipe, which would be waited for.
    if !path.metadata().is_ok_and(|meta| meta.is_file()) {
        return false;
    }
    let mut head = Vec::new();
    if File::open(path).and_then(|file| file.take(HEAD).read_to_end(&mut head)).is_err() {
        return false;
    }
    String::from_utf8_lossy(&head).to_ascii_lowercase().lines().any(|line| {
        let line = line.trim_start().trim_start_matches("<?php").trim_start_matches([' ', '\t', '/', '*', '#', '@']);
        line.strip_prefix(wanted).is_some_and(|name| !name.trim().is_empty())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_belongs_to_the_plugin_whose_main_file_lies_above_it() {
        let folder = cloakroom_testbed::Folder::new("headers").expect("a folder");
        let header = "<?php\n/**\n * Plugin Name: X\n */\n";
        for (path, text) in [
            ("src/hello.php", header),
            ("src/shop/shop.php", header),
            ("src/shop/includes/deep/cart.php", "<?php\n"),
            ("src/shop/packages/scheduler/scheduler.php", header),
            ("src/shop/packages/scheduler/classes/x.php", "<?php\n"),
            ("src/release-7/store.php", "<?php /* Plugin Name: Store */"),
            ("src/release-7/inc/a.php", "<?php\n"),
            ("src/blue/style.css", "/*\nTheme Name: Blue\n*/"),
            ("src/blue/functions.php", "<?php\n"),
            ("code/tool/tool.php", "<?php\n// has no Plugin Name: at all\n"),
        ] {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
            std::fs::write(path, text).expect("written");
        }
        let mut headers = Headers::default();
        let base = folder.path().to_str().expect("text").to_owned();
        let mut who = |file: &str| headers.of(&format!("{base}/{file}"), &[&base]).map(|found| found.who);
        assert_eq!(who("src/shop/includes/deep/cart.php").as_deref(), Some("plugin shop"));
        assert_eq!(who("src/shop/packages/scheduler/classes/x.php").as_deref(), Some("plugin shop"));
        assert_eq!(who("src/release-7/inc/a.php").as_deref(), Some("plugin store"));
        assert_eq!(who("src/blue/functions.php").as_deref(), Some("theme blue"));
        assert_eq!(who("src/hello.php").as_deref(), Some("plugin hello"));
        assert_eq!(who("code/tool/tool.php"), None);
    }
}
