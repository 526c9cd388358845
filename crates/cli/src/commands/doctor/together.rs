//! Sites that share a store and a namespace: each then opens the other's sessions.

use std::collections::BTreeMap;

use super::check::Section;
use crate::Surroundings;
use crate::php::{Scope, Site};
use crate::place::{self, Where};

pub(super) fn section(using: &[&Site], around: &Surroundings) -> Option<Section> {
    let sites: Vec<&&Site> = using.iter().filter(|s| s.uses_cloakroom() && s.is_web()).collect();
    if sites.len() < 2 {
        return None;
    }
    let mut section = Section::new("Sites beside each other");
    let mut groups: BTreeMap<(Where, &str), Vec<&Site>> = BTreeMap::new();
    for site in sites {
        if let Ok(place) = place::of_site(site, around) {
            groups.entry((place, site.value("cloakroom.namespace"))).or_default().push(site);
        }
    }
    for ((place, namespace), sites) in &groups {
        let [first, .., last] = sites.as_slice() else { continue };
        let names = sites.iter().map(|s| s.name.as_str()).collect::<Vec<_>>().join("; ");
        let called =
            if namespace.is_empty() { "no namespace".to_owned() } else { format!("the namespace {namespace:?}") };
        // Pools of the same name in two SAPIs or versions are usually one site that moves from one to the other.
        let separate =
            sites.iter().any(|s| s.scope != Scope::All) || (first.sapi == last.sapi && first.version == last.version);
        if separate {
            section.warning(
                "namespace",
                format!(
                    "These share {} and have {called}: {names}. A session of one opens on the other, so who is logged in on \
                     one may be on the other. If they are different sites, give each its own cloakroom.namespace.",
                    place::shown(&Ok(place.clone()))
                ),
            );
        }
    }
    if section.checks.is_empty() {
        section.ok("namespace", "No two of them share a store and a namespace.");
    }
    Some(section)
}
