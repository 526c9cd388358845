//! The audit of source: where a folder's PHP uses sessions, and when that code runs.
//!
//! Files are found ([`walk`]), each is parsed by itself ([`scan`]), by as many threads as there are processors, and what
//! they say together tells when the code runs ([`reach`]). Nothing is executed.

mod calls;
mod condition;
pub mod facts;
mod hooks;
mod names;
pub mod reach;
mod scan;
mod show;
mod text;
mod uses;
pub mod walk;

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use facts::{Facts, Found};
use reach::{Reach, Reaches, Seen};

pub use scan::scan;
pub use show::Document;
pub(super) use show::{document, results, text as print};

use super::progress::Progress;

/// Bigger files are data with `<?php` before it; they are told, not read.
const BIGGEST: u64 = 8 << 20;

/// Folders inside a plugin that are no plugins.
const PARTS: [&str; 9] = ["admin", "classes", "inc", "include", "includes", "lib", "public", "src", "vendor"];

/// A place where sessions are used, and when it runs.
#[derive(Debug)]
pub struct Finding {
    /// The file, as shown.
    pub file: String,
    /// The plugin or theme whose it is.
    pub plugin: Option<String>,
    /// What was found.
    pub found: Found,
    /// The function or method it is in.
    pub within: String,
    /// When it runs.
    pub reach: Reach,
}

/// What the source says.
#[derive(Debug, Default)]
pub struct Report {
    /// How many files were read.
    pub files: usize,
    /// How many bytes they have.
    pub bytes: u64,
    /// How many plugins' main files are among them.
    pub plugins: usize,
    /// What was found, by file and line.
    pub findings: Vec<Finding>,
    /// What could not be read, or not wholly, and why.
    pub notes: Vec<(String, String)>,
}

/// Reads everything below the folders.
pub fn audit(roots: &[PathBuf], exclude: &[String], progress: &Progress) -> Report {
    let walked = walk::walk(roots, exclude);
    let mut report = Report { notes: walked.notes, ..Report::default() };
    let read = read(&walked.files, progress);
    let mut kept = Vec::new();
    for (file, result) in walked.files.iter().zip(read) {
        match result {
            Ok(mut facts) => {
                report.files += 1;
                report.bytes += file.size;
                // Elsewhere such a line is an example, or a library's that is a plugin as well.
                facts.plugin = facts.plugin.filter(|_| may_be_main(file));
                report.plugins += usize::from(facts.plugin.is_some());
                if let Some(line) = facts.broken {
                    report.notes.push((
                        file.shown.clone(),
                        format!("has a syntax error, or PHP that is not known here, in line {line}; what can be told was read"),
                    ));
                }
                kept.push((file, facts));
            }
            Err(why) => report.notes.push((file.shown.clone(), why)),
        }
    }
    let seen: Vec<Seen<'_>> =
        kept.iter().map(|(file, facts)| Seen { shown: &file.shown, facts, runs_as: runs_as(file, facts) }).collect();
    let reaches = Reaches::of(&seen);
    let own: HashSet<&str> = kept.iter().flat_map(|(_, f)| &f.own_functions).map(String::as_str).collect();
    let plugins = plugin_folders(&seen);
    for (f, (file, facts)) in kept.iter().enumerate() {
        for found in &facts.found {
            // In a namespace that has a session_start of its own, that one is called.
            if found.unless.as_deref().is_some_and(|name| own.contains(name)) {
                continue;
            }
            report.findings.push(Finding {
                file: file.shown.clone(),
                plugin: plugin_of(&plugins, &file.shown),
                within: facts.units.get(found.unit).map(|u| u.label.clone()).unwrap_or_default(),
                reach: reaches.place(f, found.unit, &found.way, &found.conditions),
                found: found.clone(),
            });
        }
    }
    report
}

/// Reads and parses the files; results in their order.
fn read(files: &[walk::File], progress: &Progress) -> Vec<Result<Facts, String>> {
    let next = AtomicUsize::new(0);
    let threads = std::thread::available_parallelism().map_or(1, |n| n.get().min(16));
    let mut done: Vec<(usize, Result<Facts, String>)> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|_| {
                scope.spawn(|| {
                    let mut mine = Vec::new();
                    loop {
                        let at = next.fetch_add(1, Ordering::Relaxed);
                        let Some(file) = files.get(at) else { return mine };
                        progress.at(at, files.len(), "files");
                        mine.push((at, read_one(file)));
                    }
                })
            })
            .collect();
        workers.into_iter().flat_map(|w| w.join().unwrap_or_default()).collect()
    });
    progress.done();
    done.sort_by_key(|(at, _)| *at);
    done.into_iter().map(|(_, result)| result).collect()
}

fn read_one(file: &walk::File) -> Result<Facts, String> {
    if file.size > BIGGEST {
        return Err(format!("was not read: it is bigger than {} MiB", BIGGEST >> 20));
    }
    let bytes = fs::read(&file.path).map_err(|e| format!("could not be read: {e}"))?;
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return Err("was not read: it is UTF-16, which PHP does not run either".into());
    }
    scan(&bytes).ok_or_else(|| "was not read: parsing it took too long".into())
}

/// Whether a plugin's header counts in this file: it is at the top of a plugin's folder, or in the folder of plugins.
fn may_be_main(file: &walk::File) -> bool {
    let path = file.path.canonicalize().unwrap_or_else(|_| file.path.clone());
    let name =
        |path: Option<&Path>| path.and_then(Path::file_name).and_then(|n| n.to_str()).unwrap_or_default().to_owned();
    let parent = path.parent();
    let (folder, above) = (name(parent), name(parent.and_then(Path::parent)));
    let holds = |folder: &str| folder == "plugins" || folder == "mu-plugins";
    if path.components().any(|part| part.as_os_str() == "wp-admin" || part.as_os_str() == "wp-includes") {
        return false;
    }
    let of_its_name = path.file_stem().is_some_and(|stem| stem == folder.as_str());
    // Of a folder that was named it is not known whether it is a plugin's or holds plugins.
    let near = file.depth == 0 || file.depth == 1 && !PARTS.contains(&folder.as_str());
    holds(&folder) || holds(&above) || of_its_name || near
}

/// Files that WordPress includes by itself.
fn runs_as(file: &walk::File, facts: &Facts) -> Option<&'static str> {
    if facts.plugin.is_some() {
        return Some("the plugin's main file");
    }
    let folder = file.path.parent()?;
    let name = file.path.file_name()?.to_str()?;
    if folder.file_name().is_some_and(|f| f == "mu-plugins") {
        return Some("a must-use plugin");
    }
    match name {
        "functions.php" if folder.join("style.css").is_file() => Some("the theme's functions.php"),
        "advanced-cache.php" | "object-cache.php" | "sunrise.php" | "db.php"
            if folder.file_name().is_some_and(|f| f == "wp-content") =>
        {
            Some("a drop-in of WordPress")
        }
        "wp-config.php" | "wp-settings.php" if folder.join("wp-load.php").is_file() => Some("WordPress's own start"),
        _ => None,
    }
}

/// Folders of plugins, with their names.
fn plugin_folders(files: &[Seen<'_>]) -> Vec<(String, String)> {
    let folder_of = |f: &Seen<'_>| f.shown.rfind('/').map_or("", |at| &f.shown[..=at]).to_owned();
    let mains: Vec<&Seen<'_>> = files.iter().filter(|f| f.facts.plugin.is_some()).collect();
    mains
        .iter()
        .filter_map(|f| {
            let folder = folder_of(f);
            // A plugin of one file shares the folder with others.
            let shared =
                folder.ends_with("plugins/") || mains.iter().filter(|other| folder_of(other) == folder).count() > 1;
            Some((if shared { f.shown.to_owned() } else { folder }, f.facts.plugin.clone()?))
        })
        .collect()
}

fn plugin_of(folders: &[(String, String)], file: &str) -> Option<String> {
    let fitting = folders.iter().filter(|(folder, _)| file.starts_with(folder.as_str()));
    fitting.max_by_key(|(folder, _)| folder.len()).map(|(_, name)| name.clone())
}
