//! `cloakroom doctor`: looks at PHP's settings and at the store, changes nothing, and says what to mend.
//!
//! `php` looks at each site's settings, `fits` whether PHP loads the extension, `settings` whether
//! the extension takes them, `together` at sites that share something, `store` asks the store, and `files` looks at the files of the embedded one.

mod check;
mod files;
mod fits;
mod php;
mod print;
mod settings;
mod store;
mod together;

use std::collections::BTreeMap;

use self::check::{Level, Section};
use crate::args::Cli;
use crate::out::Out;
use crate::php::{Site, find, site};
use crate::place::{self, Place, Where};
use crate::{Failure, Outcome, Surroundings};

pub(super) fn run(cli: &Cli, around: &Surroundings, out: &mut Out<'_>) -> Result<Outcome, Failure> {
    let sections = examine(cli, around)?;
    print::all(&sections, out)?;
    let worst = sections.iter().flat_map(|s| &s.checks).map(|c| c.level).max();
    Ok(match worst {
        Some(Level::Problem) => Outcome::Not,
        _ => Outcome::Fine,
    })
}

fn examine(cli: &Cli, around: &Surroundings) -> Result<Vec<Section>, Failure> {
    let named = cli.place.store.is_some() || cli.place.store_file.is_some();
    let phps = find::all(around, &cli.place.php_ini)?;
    if phps.is_empty() && !named {
        return Err(Failure::could_not(
            "No PHP was found on this machine, so there is nothing to check. Say where its php.ini is with --php-ini, or \
             check a store alone with --store.",
        ));
    }
    let sites: Vec<Site> = phps.iter().flat_map(site::sites).collect();
    let trials = fits::Trials::default();
    let mut sections = Vec::new();
    if !phps.is_empty() {
        sections.extend(php::overview(&phps, &sites, named, &trials, around));
    }
    let using: Vec<&Site> = sites.iter().filter(|s| s.uses_cloakroom() || s.extension().is_some()).collect();
    let others_use_it = using.iter().any(|s| s.is_web() && s.uses_cloakroom());
    for php in &phps {
        let of_it = using.iter().filter(|s| s.php == php.name());
        let (ours, others): (Vec<&Site>, Vec<&Site>) = of_it.partition(|s| s.uses_cloakroom());
        let [ours, others] = [ours, others]
            .map(|sites| sites.iter().map(|site| php::site(site, others_use_it, &trials, around)).collect::<Vec<_>>());
        sections.extend(check::shared_first(&format!("{}, all that uses Cloakroom", php.name()), ours));
        sections.extend(check::shared_first(&php.name(), others));
    }
    sections.extend(together::section(&using, around));
    sections.extend(stores(cli, &using, named, around));
    Ok(sections)
}

/// Every store that a site uses, or the one that the operator named.
fn stores(cli: &Cli, using: &[&Site], named: bool, around: &Surroundings) -> Vec<Section> {
    if !named && cli.place.uid.is_none() {
        let mut urls: BTreeMap<String, Vec<&str>> = BTreeMap::new();
        for site in using.iter().filter(|s| s.uses_cloakroom()) {
            if let Ok(Where::Url(url)) = place::of_site(site, around) {
                urls.entry(url).or_default().push(&site.name);
            }
        }
        let mut sections: Vec<Section> = urls
            .into_iter()
            .map(|(url, sites)| {
                store::section(
                    Place { url, found: format!("used by {}", sites.join("; ")), uid: None },
                    cli.timeout,
                    around,
                )
            })
            .collect();
        let mut defaults: Vec<Where> = Vec::new();
        for site in using.iter().filter(|s| s.uses_cloakroom()) {
            match place::of_site(site, around) {
                Ok(place @ Where::Default(..)) if !defaults.contains(&place) => defaults.push(place),
                _ => {}
            }
        }
        for place in defaults {
            let Where::Default(folder, uid) = place else { continue };
            sections.extend(files::default_stores(&folder, uid, using, cli.timeout, around));
        }
        // Two sites of unknown and of known users may lead to the same folder.
        let mut seen = Vec::new();
        sections.retain(|s| {
            !seen.contains(&s.title) && {
                seen.push(s.title.clone());
                true
            }
        });
        return sections;
    }
    let mut section = match place::resolve(&cli.place, around) {
        Ok(place) => store::section(place, cli.timeout, around),
        Err(failure) => {
            let mut section = Section::new("Store");
            section.problem("found", failure.text);
            section
        }
    };
    for check in &mut section.checks {
        check.text = cli.place.called(&check.text);
    }
    vec![section]
}
