//! Which files are read: PHP's, below the folders that were named, each once whatever links lead to it.

use std::collections::HashSet;
use std::fs;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Endings of files with PHP in them.
const ENDINGS: &[&str] =
    &["php", "php3", "php4", "php5", "php7", "php8", "phtml", "inc", "module", "install", "theme", "engine", "profile"];

/// More files than any site has: whoever names `/` is told so.
const MOST_FILES: usize = 200_000;

/// A file to read.
#[derive(Debug, Clone)]
pub struct File {
    /// Where it is.
    pub path: PathBuf,
    /// How it is shown: below the folder that was named.
    pub shown: String,
    /// How many folders it is below the folder that was named.
    pub depth: usize,
    /// In bytes.
    pub size: u64,
}

/// What was found below the folders.
#[derive(Debug, Default)]
pub struct Walked {
    /// In the order of their paths.
    pub files: Vec<File>,
    /// What could not be looked at, and why.
    pub notes: Vec<(String, String)>,
}

/// Finds the PHP files in `roots`, without what a glob of `exclude` fits. A root that is a file is taken as it is.
pub fn walk(roots: &[PathBuf], exclude: &[String]) -> Walked {
    let mut walked = Walked::default();
    let mut seen = HashSet::new();
    for root in roots {
        // With one folder its own name says nothing; of several it tells them apart.
        let prefix = if roots.len() == 1 && root.is_dir() { PathBuf::new() } else { root.clone() };
        let above = prefix.components().count() + 1;
        let mut open = vec![(root.clone(), prefix, true)];
        while let Some((path, shown, named)) = open.pop() {
            let name = shown.to_string_lossy().into_owned();
            if !named && exclude.iter().any(|glob| fits_path(glob, &name)) {
                continue;
            }
            let about = match fs::metadata(&path) {
                Ok(about) => about,
                Err(error) => {
                    // Dangling links are common in packages, and no file.
                    if named || error.kind() != std::io::ErrorKind::NotFound {
                        walked.notes.push((name, format!("could not be looked at: {error}")));
                    }
                    continue;
                }
            };
            if about.is_file() && !(named || is_php(&path)) || !(about.is_dir() || about.is_file()) {
                continue;
            }
            if !seen.insert((about.dev(), about.ino())) {
                continue;
            }
            if about.is_file() {
                let depth = shown.components().count().saturating_sub(above);
                walked.files.push(File { path, shown: name, depth, size: about.len() });
                if walked.files.len() >= MOST_FILES {
                    walked.notes.push((String::new(), format!("only the first {MOST_FILES} files were read")));
                    return sorted(walked);
                }
                continue;
            }
            match fs::read_dir(&path) {
                Ok(entries) => {
                    let mut inside: Vec<_> = entries.flatten().map(|e| e.file_name()).collect();
                    inside.sort_by(|a, b| b.cmp(a));
                    open.extend(inside.into_iter().map(|n| (path.join(&n), shown.join(&n), false)));
                }
                Err(error) => walked.notes.push((name, format!("could not be opened: {error}"))),
            }
        }
    }
    sorted(walked)
}

fn sorted(mut walked: Walked) -> Walked {
    walked.files.sort_by(|a, b| a.shown.cmp(&b.shown));
    walked
}

fn is_php(path: &Path) -> bool {
    match path.extension().and_then(|e| e.to_str()) {
        Some(ending) => ENDINGS.contains(&ending.to_ascii_lowercase().as_str()),
        // A program: #!/usr/bin/php.
        None => {
            let mut start = [0; 64];
            let read = fs::File::open(path).and_then(|mut f| f.read(&mut start)).unwrap_or(0);
            let line = start[..read].split(|b| *b == b'\n').next().unwrap_or_default();
            line.starts_with(b"#!") && line.windows(3).any(|w| w == b"php")
        }
    }
}

/// Whether a glob fits a path: `*` and `?` within a name, `**` across folders. A glob without a slash may fit any name in
/// the path, one with slashes the path's beginning.
pub fn fits_path(glob: &str, path: &str) -> bool {
    let glob = glob.trim_end_matches('/');
    if !glob.contains('/') {
        return path.split('/').any(|name| fits(glob.as_bytes(), name.as_bytes()));
    }
    fits(glob.trim_start_matches("./").as_bytes(), path.as_bytes())
}

/// Matching with one place to go back to for `*` and one for `**`: time grows with the product of the lengths at most.
fn fits(glob: &[u8], text: &[u8]) -> bool {
    // reachable[i]: the first i bytes of the glob fit the text so far.
    let mut reachable = vec![false; glob.len() + 1];
    reachable[0] = true;
    spread(glob, &mut reachable);
    for c in text {
        let mut next = vec![false; glob.len() + 1];
        for (i, _) in reachable.iter().enumerate().filter(|(_, r)| **r) {
            match glob.get(i) {
                Some(b'*') => {
                    let across = glob.get(i + 1) == Some(&b'*') || (i > 0 && glob[i - 1] == b'*');
                    next[i] |= across || *c != b'/';
                }
                Some(b'?') => next[i + 1] |= *c != b'/',
                Some(g) => next[i + 1] |= g == c,
                None => {}
            }
        }
        spread(glob, &mut next);
        reachable = next;
    }
    reachable[glob.len()]
}

/// A star fits nothing as well.
fn spread(glob: &[u8], reachable: &mut [bool]) {
    for (i, g) in glob.iter().enumerate() {
        if reachable[i] && *g == b'*' {
            reachable[i + 1] = true;
            // `**/` fits no folder at all, too.
            if i > 0 && glob[i - 1] == b'*' && glob.get(i + 1) == Some(&b'/') {
                reachable[i + 2] = true;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_fit_names_and_paths() {
        for (glob, path, fit) in [
            ("vendor", "a/vendor/b.php", true),
            ("vendor", "a/vendors/b.php", false),
            ("*.inc", "a/b.inc", true),
            ("*.inc", "a.inc/b.php", true),
            ("t?sts", "x/tests/y.php", true),
            ("a/*.php", "a/b.php", true),
            ("a/*.php", "a/b/c.php", false),
            ("a/**.php", "a/b/c.php", true),
            ("**/tests/*", "a/b/tests/c.php", true),
            ("**/tests/*", "tests/c.php", true),
            ("./a/b", "a/b", true),
            ("a/b/", "a/b", true),
            ("", "a", false),
            ("*", "a", true),
        ] {
            assert_eq!(fits_path(glob, path), fit, "{glob} {path}");
        }
    }

    #[test]
    fn links_in_circles_end_and_each_file_is_read_once() {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |p: &str| folder.path().join(p);
        fs::create_dir_all(at("a/b")).expect("made");
        fs::write(at("a/b/x.php"), "<?php").expect("written");
        fs::write(at("a/tool"), "#!/usr/bin/env php\n<?php").expect("written");
        fs::write(at("a/readme.txt"), "<?php").expect("written");
        std::os::unix::fs::symlink(at("a"), at("a/b/round")).expect("linked");
        std::os::unix::fs::symlink(at("a/b/x.php"), at("a/y.php")).expect("linked");
        std::os::unix::fs::symlink(at("nowhere"), at("a/z.php")).expect("linked");
        let walked = walk(&[folder.path().to_owned()], &[]);
        let shown: Vec<_> = walked.files.iter().map(|f| f.shown.as_str()).collect();
        assert_eq!(shown.len(), 2, "{shown:?}");
        assert!(shown.contains(&"a/tool") && shown.contains(&"a/b/x.php"), "{shown:?}");
        assert!(walked.notes.is_empty(), "{:?}", walked.notes);
        assert_eq!(walk(&[folder.path().to_owned()], &["b".into(), "tool".into()]).files.len(), 1);
    }
}
