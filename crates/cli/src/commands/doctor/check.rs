//! One finding, and findings that belong together.

use serde::Serialize;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Level {
    /// As it should be.
    Ok,
    /// Works, and could bite.
    Warning,
    /// To be mended.
    Problem,
}

/// A finding: what was looked at, how it is, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Check {
    /// One word that stays the same from release to release.
    pub(super) name: &'static str,
    /// How it is.
    pub(super) level: Level,
    /// Whole sentences, with the remedy.
    pub(super) text: String,
}

/// Findings about one thing: a site, a store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Section {
    /// About what.
    pub(super) title: String,
    /// The findings.
    pub(super) checks: Vec<Check>,
}

impl Section {
    pub(super) fn new(title: impl Into<String>) -> Self {
        Self { title: title.into(), checks: Vec::new() }
    }

    pub(super) fn ok(&mut self, name: &'static str, text: impl Into<String>) {
        self.push(name, Level::Ok, text.into());
    }

    pub(super) fn warning(&mut self, name: &'static str, text: impl Into<String>) {
        self.push(name, Level::Warning, text.into());
    }

    pub(super) fn problem(&mut self, name: &'static str, text: impl Into<String>) {
        self.push(name, Level::Problem, text.into());
    }

    pub(super) fn push(&mut self, name: &'static str, level: Level, text: String) {
        self.checks.push(Check { name, level, text });
    }
}

/// What all of several sections find, said once in a section before them; what is left of them after it.
pub(super) fn shared_first(title: &str, mut sections: Vec<Section>) -> Vec<Section> {
    let [first, others @ ..] = sections.as_slice() else { return sections };
    if others.is_empty() {
        return sections;
    }
    let mut shared = Section::new(title);
    shared.checks = first.checks.iter().filter(|c| others.iter().all(|o| o.checks.contains(c))).cloned().collect();
    if shared.checks.is_empty() {
        return sections;
    }
    for section in &mut sections {
        section.checks.retain(|c| !shared.checks.contains(c));
    }
    sections.retain(|s| !s.checks.is_empty());
    sections.insert(0, shared);
    sections
}
