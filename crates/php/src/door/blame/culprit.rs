//! Whom a call stack is blamed on: the innermost frame that is neither WordPress itself nor somebody's library.

use super::headers::{Found, Headers};

/// Longest name of a plugin, theme, package or folder, in bytes.
const LONGEST_WHO: usize = 60;
/// Longest place; of a longer one the end is kept.
const LONGEST_AT: usize = 88;

/// A frame of PHP code.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Frame<'a> {
    /// Its file, as PHP knows it.
    pub(crate) file: &'a [u8],
    /// The line it is in.
    pub(crate) line: i64,
}

/// The frames of one call, kept until somebody asks whose they are.
#[derive(Debug, Default)]
pub(in crate::door) struct Stack(Vec<(String, i64)>);

impl Stack {
    /// Of frames, innermost first.
    pub(in crate::door) fn of(frames: &[Frame<'_>]) -> Self {
        Self(frames.iter().map(code_of).collect())
    }
}

/// Who did something, and where.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Culprit {
    /// `plugin shop`, `theme shop`, `package acme/session`, `application forum`.
    pub(crate) who: String,
    /// File and line, below the site's folder where it is there.
    pub(crate) at: String,
}

/// Where a file belongs.
#[derive(Debug, PartialEq, Eq)]
struct Home {
    /// `None`: WordPress itself.
    who: Option<String>,
    /// Its path, as people know it.
    path: String,
    /// The library it is part of.
    package: Option<String>,
}

/// WordPress's own files in its folder. `index.php` has a name that others have as well.
const CORE: [&str; 13] = [
    "wp-activate.php",
    "wp-blog-header.php",
    "wp-comments-post.php",
    "wp-cron.php",
    "wp-links-opml.php",
    "wp-load.php",
    "wp-login.php",
    "wp-mail.php",
    "wp-settings.php",
    "wp-signup.php",
    "wp-trackback.php",
    "xmlrpc.php",
    "index.php",
];

/// What libraries are kept in.
const VENDOR: [&str; 3] = ["/vendor/", "/vendor-prefixed/", "/vendor_prefixed/"];
/// Folders of a site that web servers show, and that say nothing of what is in them.
const SHOWN: [&str; 7] = ["public", "web", "public_html", "htdocs", "httpdocs", "webroot", "www"];
/// Folders of a project's code; what is above them is the project.
const SOURCES: [&str; 5] = ["includes", "include", "inc", "src", "classes"];
/// Other folders that say nothing of whose they are.
const PARTS: [&str; 7] = ["lib", "libs", "libraries", "library", "packages", "modules", "core"];
/// Cloakroom's own plugin.
const OURS: &str = "plugin cloakroom";

impl Culprit {
    /// PHP itself, by its settings.
    pub(crate) fn auto_start() -> Self {
        Self { who: "php.ini".into(), at: "session.auto_start".into() }
    }

    /// Somebody who was not seen.
    pub(crate) fn unseen(why: &str) -> Self {
        Self { who: "unknown".into(), at: why.into() }
    }
}

/// Whom the frames (innermost first) are blamed on; nobody where there is only WordPress, and Cloakroom's plugin in it.
/// `root` is the site's document root.
pub(in crate::door) fn culprit(stack: &Stack, root: &[u8], headers: &mut Headers) -> Option<Culprit> {
    let files = &stack.0;
    let root = String::from_utf8_lossy(root);
    let root = root.trim_end_matches('/');
    let wordpress = files.iter().find_map(|(file, _)| wordpress_in(file));
    let mut homes: Vec<Home> = files.iter().map(|(file, _)| home(file, root, wordpress, headers)).collect();
    // What Cloakroom's plugin does it does for somebody else, as WordPress does.
    let ours = homes.iter_mut().filter(|home| wordpress.is_some() && home.who.as_deref() == Some(OURS));
    let skipped = ours.map(|home| home.who = None).count();
    let blamed = |index: usize, who: &str| {
        let (home, line) = (&homes[index], files[index].1);
        Culprit { who: cut(who, LONGEST_WHO), at: end(&home.path, line) }
    };
    let Some((first, who)) = homes.iter().enumerate().find_map(|(i, home)| Some((i, home.who.as_deref()?))) else {
        return match homes.len() {
            0 => Some(Culprit::auto_start()),
            _ if skipped > 0 => None,
            _ => Some(blamed(0, "WordPress")),
        };
    };
    let Some(package) = &homes[first].package else { return Some(blamed(first, who)) };
    let outer = || homes.iter().enumerate().skip(first + 1);
    if !who.starts_with("application") {
        let own = outer().find(|(_, home)| home.package.is_none() && home.who.as_deref() == Some(who));
        return Some(blamed(own.map_or(first, |(index, _)| index), who));
    }
    let caller = outer().find_map(|(i, home)| Some((i, home.who.as_deref()?)).filter(|_| home.package.is_none()));
    let several = |to: usize| homes[first..to].iter().filter_map(|h| h.package.as_ref()).any(|p| p != package);
    Some(match caller {
        // A front controller that has handed over to a framework has not asked for anything itself.
        Some((index, who)) if index + 1 < homes.len() || !several(index) => blamed(index, who),
        _ => blamed(first, &format!("package {package}")),
    })
}

/// File and line; of code in `eval()` those of the call.
fn code_of(frame: &Frame<'_>) -> (String, i64) {
    let file: String =
        String::from_utf8_lossy(frame.file).chars().map(|c| if c.is_control() { '?' } else { c }).collect();
    let evaluated = file.find(") : ").and_then(|end| {
        let (outer, line) = file[..end].rsplit_once('(')?;
        Some((outer.to_owned(), line.parse().ok()?))
    });
    evaluated.unwrap_or((file, frame.line))
}

/// The folder of a WordPress that this file is part of.
fn wordpress_in(file: &str) -> Option<&str> {
    if file.contains("/wp-content/") {
        return None;
    }
    if let Some(at) = ["/wp-includes/", "/wp-admin/"].iter().find_map(|folder| file.find(folder)) {
        return Some(&file[..at]);
    }
    let (folder, name) = file.rsplit_once('/')?;
    (CORE.contains(&name) && name.starts_with("wp-")).then_some(folder)
}

fn home(file: &str, root: &str, wordpress: Option<&str>, headers: &mut Headers) -> Home {
    if let Some(folder) = wordpress
        && (wordpress_in(file).is_some() || below(file, folder).is_some_and(|inside| CORE.contains(&inside)))
    {
        return Home { who: None, path: below(file, folder).unwrap_or(file).into(), package: None };
    }
    if let Some(at) = file.find("/wp-content/") {
        return match part(&file[at + "/wp-content/".len()..]) {
            Some((who, inner)) => Home { who: Some(who), path: file[at + 1..].into(), package: package_in(inner) },
            None => application(file, root, wordpress),
        };
    }
    // A site may have its plugins elsewhere.
    if wordpress.is_some()
        && let Some(at) = ["/mu-plugins/", "/plugins/", "/themes/"].iter().filter_map(|folder| file.find(folder)).min()
        && let Some((who, inner)) = part(&file[at + 1..])
    {
        let path = below(file, root).unwrap_or(&file[at + 1..]);
        return Home { who: Some(who), path: path.into(), package: package_in(inner) };
    }
    if let Some(folder) = wordpress
        && let Some(Found { who, folder }) = headers.of(file, &[root, folder])
    {
        let above = folder.rfind('/').map_or(0, |slash| slash + 1);
        return Home { who: Some(who), path: file[above..].into(), package: package_in(&file[folder.len()..]) };
    }
    application(file, root, wordpress)
}

/// The plugin or theme of a path inside WordPress's folder for content, and what of the path is inside that.
fn part(inside: &str) -> Option<(String, &str)> {
    let (kind, rest) = match inside.split_once('/') {
        Some(("plugins", rest)) => ("plugin", rest),
        Some(("mu-plugins", rest)) => ("must-use plugin", rest),
        Some(("themes", rest)) => ("theme", rest),
        Some(_) => return None,
        None => return Some((format!("drop-in {inside}"), "")),
    };
    let name = rest.split('/').next().unwrap_or(rest);
    Some((format!("{kind} {name}"), &rest[name.len()..]))
}

/// Code that belongs to no plugin: the folder of the site that it is in.
fn application(file: &str, root: &str, wordpress: Option<&str>) -> Home {
    let parent = root.rsplit_once('/').map_or("", |(parent, _)| parent);
    let last = |path: &str| path.rsplit('/').next().unwrap_or(path).to_owned();
    let shown = SHOWN.contains(&last(root).as_str()) && !parent.is_empty();
    let site = if shown { last(parent) } else { last(root) };
    let (name, path) = if let Some(path) = below(file, root) {
        let inside =
            path.split_once('/').map(|(folder, _)| folder).filter(|folder| !is_vendor(folder) && !is_part(folder));
        (inside.map_or(site, str::to_owned), path)
    } else if let Some(path) = wordpress.and_then(|folder| below(file, folder)) {
        (site, path)
    } else if shown && let Some(path) = below(file, parent) {
        (site, path)
    } else {
        (project(file).to_owned(), file)
    };
    Home { who: Some(format!("application {name}")), path: path.into(), package: package_in(&format!("/{path}")) }
}

/// The folder of a project, of a file in it: not what parts of any project are called.
fn project(file: &str) -> &str {
    let folders: Vec<&str> = file.rsplit_once('/').map_or("", |(folder, _)| folder).split('/').collect();
    let sources = folders.iter().rposition(|folder| SOURCES.contains(folder)).unwrap_or(folders.len());
    let above = folders[..sources].iter().rev().find(|folder| !is_part(folder) && !is_vendor(folder));
    above.filter(|folder| !folder.is_empty()).or(folders.last()).copied().unwrap_or_default()
}

/// Whether a folder is called as parts of any project are.
pub(super) fn is_part(folder: &str) -> bool {
    SOURCES.contains(&folder) || PARTS.contains(&folder)
}

/// Whether a folder is one that libraries are kept in.
pub(super) fn is_vendor(folder: &str) -> bool {
    VENDOR.iter().any(|vendor| vendor.trim_matches('/') == folder)
}

/// What of a path is below a folder.
fn below<'a>(file: &'a str, folder: &str) -> Option<&'a str> {
    if folder.is_empty() {
        return None;
    }
    file.strip_prefix(folder)?.strip_prefix('/')
}

/// The innermost library that a path leads into.
fn package_in(path: &str) -> Option<String> {
    let (at, vendor) = VENDOR.iter().filter_map(|vendor| Some((path.rfind(vendor)?, *vendor))).max()?;
    let mut names = path[at + vendor.len()..].split('/');
    match (names.next(), names.next(), names.next()) {
        (Some(organisation), Some(name), Some(_)) => Some(format!("{organisation}/{name}")),
        (Some(name), ..) => Some(name.to_owned()),
        _ => None,
    }
}

fn cut(text: &str, most: usize) -> String {
    let mut end = text.len().min(most);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].to_owned()
}

/// File and line, the end of it where it is long.
fn end(path: &str, line: i64) -> String {
    let at = format!("{path}:{line}");
    if at.len() <= LONGEST_AT {
        return at;
    }
    let mut from = at.len() - (LONGEST_AT - '…'.len_utf8());
    while !at.is_char_boundary(from) {
        from += 1;
    }
    format!("…{}", &at[from..])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blame(root: &str, files: &[&str]) -> String {
        let frames: Vec<Frame<'_>> =
            files.iter().zip(1..).map(|(file, line)| Frame { file: file.as_bytes(), line }).collect();
        let blamed = culprit(&Stack::of(&frames), root.as_bytes(), &mut Headers::default());
        blamed.map_or_else(|| "nobody".into(), |Culprit { who, at }| format!("{who} | {at}"))
    }

    const WORDPRESS: [&str; 6] = [
        "/srv/wp/wp-includes/class-wp-hook.php",
        "/srv/wp/wp-includes/plugin.php",
        "/srv/wp/wp-settings.php",
        "/srv/wp/wp-load.php",
        "/srv/wp/wp-blog-header.php",
        "/srv/wp/index.php",
    ];

    fn in_wordpress(inner: &[&str]) -> String {
        blame("/srv/wp", &[inner, &WORDPRESS].concat())
    }

    #[test]
    fn the_first_frame_outside_wordpress_is_blamed() {
        let shop = "/srv/wp/wp-content/plugins/shop/inc/cart.php";
        for (file, whom) in [
            (shop, "plugin shop | wp-content/plugins/shop/inc/cart.php:1"),
            ("/srv/wp/wp-content/plugins/hello.php", "plugin hello.php | wp-content/plugins/hello.php:1"),
            ("/srv/wp/wp-content/mu-plugins/a/b.php", "must-use plugin a | wp-content/mu-plugins/a/b.php:1"),
            ("/srv/wp/wp-content/themes/blue/x.php", "theme blue | wp-content/themes/blue/x.php:1"),
            ("/srv/wp/wp-content/db.php", "drop-in db.php | wp-content/db.php:1"),
            ("/srv/wp/wp-config.php", "application wp | wp-config.php:1"),
        ] {
            assert_eq!(in_wordpress(&[file]), whom);
        }
        let through = in_wordpress(&["/srv/wp/wp-includes/functions.php", shop]);
        assert_eq!(through, "plugin shop | wp-content/plugins/shop/inc/cart.php:2");
        assert_eq!(in_wordpress(&[]), "WordPress | wp-includes/class-wp-hook.php:1");
    }

    #[test]
    fn cloakrooms_plugin_is_passed_over_as_wordpress_is() {
        let ours = "/srv/wp/wp-content/plugins/cloakroom/includes/compat/class-wp-session.php";
        let shop = "/srv/wp/wp-content/plugins/shop/cart.php";
        assert_eq!(in_wordpress(&[ours, shop]), "plugin shop | wp-content/plugins/shop/cart.php:2");
        assert_eq!(in_wordpress(&[ours]), "nobody");
    }

    #[test]
    fn a_plugin_answers_for_the_libraries_it_brings() {
        let library = "/srv/wp/wp-content/plugins/shop/vendor/acme/session/Session.php";
        let caller = "/srv/wp/wp-content/plugins/shop/shop.php";
        let other = "/srv/wp/wp-content/plugins/other/other.php";
        assert_eq!(in_wordpress(&[library, caller]), "plugin shop | wp-content/plugins/shop/shop.php:2");
        assert_eq!(
            in_wordpress(&[library, other]),
            "plugin shop | wp-content/plugins/shop/vendor/acme/session/Session.php:1"
        );
    }

    #[test]
    fn content_folders_elsewhere_are_found_where_wordpress_runs() {
        let files = [
            "/srv/site/web/app/plugins/shop/a.php",
            "/srv/site/web/wp/wp-includes/plugin.php",
            "/srv/site/web/wp/wp-load.php",
            "/srv/site/web/index.php",
        ];
        assert_eq!(blame("/srv/site/web", &files), "plugin shop | app/plugins/shop/a.php:1");
        assert_eq!(blame("/srv/site/web", &files[..1]), "application app | app/plugins/shop/a.php:1");
    }

    #[test]
    fn elsewhere_the_application_is_blamed_or_the_package_that_runs_it() {
        let session = "/srv/shop/vendor/symfony/session/Native.php";
        let kernel = "/srv/shop/vendor/symfony/kernel/Kernel.php";
        let (front, code) = ("/srv/shop/public/index.php", "/srv/shop/src/Cart.php");
        let root = "/srv/shop/public";
        assert_eq!(blame(root, &[session, code, kernel, front]), "application shop | src/Cart.php:2");
        assert_eq!(
            blame(root, &[session, kernel, front]),
            "package symfony/session | vendor/symfony/session/Native.php:1"
        );
        assert_eq!(blame(root, &[session, front]), "application shop | index.php:2");
        assert_eq!(blame("/var/www/html", &["/var/www/html/forum/a.php"]), "application forum | forum/a.php:1");
        assert_eq!(blame("", &["/opt/tool/run.php"]), "application tool | /opt/tool/run.php:1");
        assert_eq!(blame("", &["/opt/tool/src/Deep/run.php"]), "application tool | /opt/tool/src/Deep/run.php:1");
        assert_eq!(blame("/srv/forum", &["/srv/forum/includes/a.php"]), "application forum | includes/a.php:1");
        assert_eq!(blame(root, &[]), "php.ini | session.auto_start");
    }

    #[test]
    fn code_in_eval_is_blamed_on_the_line_that_evaluates_it() {
        assert_eq!(blame("/srv", &["/srv/a/b.php(12) : eval()'d code"]), "application a | a/b.php:12");
    }

    #[test]
    fn a_label_stays_short() {
        let long = format!("/srv/wp/wp-content/plugins/{}/é{}.php", "p".repeat(200), "x".repeat(200));
        let blamed = in_wordpress(&[&long]);
        assert!(blamed.len() <= LONGEST_WHO + 3 + LONGEST_AT && blamed.ends_with("x.php:1"), "{blamed}");
    }
}
