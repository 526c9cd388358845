//! Which store the operator means: said outright, or found as PHP is configured. Nothing is ever made here.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use cloakroom_stores::{masked, sqlite};

use crate::args::PlaceArgs;
use crate::php::{self, Site};
use crate::{Failure, Surroundings};

/// A store and how it was found.
#[derive(Clone, PartialEq, Eq)]
pub struct Place {
    /// Its URL, password included; never printed.
    pub url: String,
    /// How it was found, in a few words.
    pub found: String,
    /// Whose default store it is, for the default store.
    pub uid: Option<u32>,
}

impl std::fmt::Debug for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Place({}, {})", masked(&self.url), self.found)
    }
}

/// Where a site's settings say that its sessions are.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Where {
    /// Under a URL.
    Url(String),
    /// In the default store of a user, in the folder where PHP keeps its sessions; `None` where the user is not known.
    Default(PathBuf, Option<u32>),
}

/// Where a site keeps its sessions.
///
/// # Errors
/// A sentence for the operator: the file that names the store can't be read, or two settings contradict each other.
pub fn of_site(site: &Site, around: &Surroundings) -> Result<Where, String> {
    match (site.value("cloakroom.store"), site.value("cloakroom.store_file")) {
        ("", "") => {
            let uid = site.user.as_deref().and_then(|user| around.user_id(user));
            Ok(Where::Default(site.session_folder(), uid))
        }
        (url, "") => Ok(Where::Url(url.to_owned())),
        ("", file) => url_in(&around.at(file), &format!("cloakroom.store_file {file}")).map(Where::Url),
        _ => Err("cloakroom.store and cloakroom.store_file are both set; leave one of them empty.".into()),
    }
}

/// The store that the command is to work on.
///
/// # Errors
/// When there is none, or more than one: the text names what was found and says what to add.
pub fn resolve(args: &PlaceArgs, around: &Surroundings) -> Result<Place, Failure> {
    if let Some(url) = &args.store {
        return Ok(Place { url: url.clone(), found: "named by --store".into(), uid: None });
    }
    if let Some(file) = &args.store_file {
        let url = url_in(file, &format!("The file {}", file.display())).map_err(Failure::could_not)?;
        return Ok(Place { url, found: format!("named in {}", file.display()), uid: None });
    }
    let sites: Vec<Site> = php::find::all(around, &args.php_ini)?.iter().flat_map(php::site::sites).collect();
    let uid = match &args.uid {
        None => None,
        Some(user) => Some(around.user_id(user).ok_or_else(|| {
            Failure::could_not(format!("There is no user {user:?} on this machine; give --uid a name or a number."))
        })?),
    };
    if uid.is_some() {
        return default_place(&sites, BTreeSet::from([uid]), folders(&sites), around);
    }
    let chosen = using(&sites);
    let mut places = BTreeSet::new();
    for site in &chosen {
        places.insert(of_site(site, around).map_err(|e| Failure::could_not(format!("{}: {e}", site.name)))?);
    }
    let urls: BTreeSet<&String> =
        places.iter().filter_map(|p| if let Where::Url(url) = p { Some(url) } else { None }).collect();
    let defaults = places.len() - urls.len();
    match (urls.first(), urls.len() + usize::from(defaults > 0)) {
        (Some(url), 1) => {
            let found = format!("as {} is configured", names(&chosen));
            Ok(Place { url: (*url).clone(), found, uid: None })
        }
        (_, 0 | 1) => {
            let folders_used =
                places.iter().filter_map(|p| if let Where::Default(f, _) = p { Some(f.clone()) } else { None });
            let uids = places.iter().filter_map(|p| if let Where::Default(_, uid) = p { Some(*uid) } else { None });
            let (used, uids): (Vec<PathBuf>, BTreeSet<Option<u32>>) = (folders_used.collect(), uids.collect());
            let used = if used.is_empty() { folders(&sites) } else { used };
            default_place(&sites, uids, used, around)
        }
        _ => {
            let mut text = "PHP's settings name more than one session store:".to_owned();
            for site in &chosen {
                text.push_str(&format!("\n  {}: {}", site.name, shown(&of_site(site, around))));
            }
            text.push_str("\nSay which one with --store, --store-file, --uid or --php-ini.");
            Err(Failure::could_not(text))
        }
    }
}

/// The sites whose sessions we keep: those that answer visitors, else the command line, else those that name a store.
fn using(sites: &[Site]) -> Vec<&Site> {
    let by = |fits: &dyn Fn(&Site) -> bool| sites.iter().filter(|s| fits(s)).collect::<Vec<_>>();
    let ways: [&dyn Fn(&Site) -> bool; 3] =
        [&|s| s.is_web() && s.uses_cloakroom(), &|s| s.uses_cloakroom(), &|s| s.names_store()];
    ways.iter().map(|fits| by(fits)).find(|found| !found.is_empty()).unwrap_or_default()
}

fn names(sites: &[&Site]) -> String {
    match sites {
        [one] => one.name.clone(),
        [first, rest @ ..] => format!("{} (and {} more)", first.name, rest.len()),
        [] => "PHP".into(),
    }
}

/// How a place is shown, password masked.
pub fn shown(place: &Result<Where, String>) -> String {
    match place {
        Ok(Where::Url(url)) => masked(url),
        Ok(Where::Default(folder, Some(uid))) => format!("the default store {}/cloakroom-{uid}", folder.display()),
        Ok(Where::Default(folder, None)) => format!("the default store in {}", folder.display()),
        Err(error) => error.clone(),
    }
}

fn folders(sites: &[Site]) -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> = sites.iter().map(Site::session_folder).collect();
    if folders.is_empty() {
        folders = vec!["/var/lib/php/sessions".into(), "/var/lib/php/session".into(), "/tmp".into()];
    }
    folders.sort();
    folders.dedup();
    folders
}

/// The default store among these users' folders; where no user is known, whichever folder there is.
fn default_place(
    sites: &[Site],
    wanted: BTreeSet<Option<u32>>,
    folders: Vec<PathBuf>,
    around: &Surroundings,
) -> Result<Place, Failure> {
    let known: BTreeSet<u32> = wanted.iter().flatten().copied().collect();
    let everyone = wanted.is_empty() || wanted.contains(&None);
    let mut found: Vec<(PathBuf, u32)> = Vec::new();
    for folder in &folders {
        for uid in default_folders(&around.at(folder), sites, around) {
            if everyone || known.contains(&uid) {
                found.push((folder.clone(), uid));
            }
        }
    }
    found.sort();
    found.dedup();
    match found.as_slice() {
        [(folder, uid)] => open_default(folder, *uid, around),
        [] => {
            let places = folders.iter().map(|f| f.display().to_string()).collect::<Vec<_>>().join(" or ");
            let whose = if everyone { String::new() } else { format!(" of {}", list(&known, around)) };
            Err(Failure::could_not(format!(
                "There is no session store{whose} in {places}: no session was kept there yet, or PHP keeps them elsewhere. \
                 Say where with --store, --store-file or --php-ini; `cloakroom doctor` tells how PHP is configured."
            )))
        }
        several => {
            let uids = several.iter().map(|(_, uid)| *uid).collect();
            Err(Failure::could_not(format!(
                "There is more than one session store in {}: those of {}. Say whose with --uid.",
                several[0].0.display(),
                list(&uids, around)
            )))
        }
    }
}

/// Users as people know them.
fn list(uids: &BTreeSet<u32>, around: &Surroundings) -> String {
    let one =
        |uid: &u32| around.user_name(*uid).map_or_else(|| format!("user {uid}"), |name| format!("{name} ({uid})"));
    uids.iter().map(one).collect::<Vec<_>>().join(", ")
}

/// Whose default folders are in a directory. It can rarely be listed by others than root; then likely users are tried.
pub fn default_folders(dir: &Path, sites: &[Site], around: &Surroundings) -> Vec<u32> {
    let mut uids = BTreeSet::new();
    match std::fs::read_dir(dir) {
        Ok(entries) => {
            let names = entries.filter_map(|e| e.ok()?.file_name().into_string().ok());
            uids.extend(names.filter_map(|n| n.strip_prefix("cloakroom-")?.parse::<u32>().ok()));
        }
        Err(_) => {
            let users = sites.iter().filter_map(|s| around.user_id(s.user.as_deref()?));
            let usual = ["www-data", "apache", "nginx", "http", "nobody"].iter().filter_map(|u| around.user_id(u));
            let there = |uid: &u32| dir.join(format!("cloakroom-{uid}")).symlink_metadata().is_ok();
            uids.extend(users.chain(usual).chain([around.uid]).filter(there));
        }
    }
    uids.into_iter().collect()
}

fn open_default(folder: &Path, uid: u32, around: &Surroundings) -> Result<Place, Failure> {
    let path = sqlite::prepare_default(&around.at(folder), uid, false).map_err(Failure::from)?;
    if around.uid != 0 && around.uid != uid {
        let owner = around.user_name(uid).unwrap_or_else(|| format!("#{uid}"));
        return Err(Failure::could_not(format!(
            "The session store in {}/cloakroom-{uid} belongs to {owner}; run the command as root, or with `sudo -u {owner}`.",
            folder.display()
        )));
    }
    let whose = around.user_name(uid).unwrap_or_else(|| format!("user {uid}"));
    Ok(Place {
        url: format!("sqlite:{}", path.display()),
        found: format!("the default store of {whose}"),
        uid: Some(uid),
    })
}

/// The URL in a file: its first line that is neither empty nor a comment.
fn url_in(path: &Path, called: &str) -> Result<String, String> {
    let text = std::fs::read_to_string(path)
        .map_err(|e| format!("{called} can't be read ({e}); check its path, or run the command as root."))?;
    text.lines()
        .map(str::trim)
        .find(|line| !line.is_empty() && !line.starts_with('#'))
        .map(str::to_owned)
        .ok_or_else(|| format!("{called} names no store; put the store's URL into it."))
}
