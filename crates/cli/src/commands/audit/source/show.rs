//! The source audit for people, as JSON and for SARIF.

use std::collections::BTreeMap;

use serde::Serialize;

use super::facts::{Kind, Use};
use super::reach::Reach;
use super::{Finding, Report};
use crate::commands::audit::sarif;
use crate::out::paint::{Ink, paint};
use crate::out::wrap::wrapped;
use crate::out::{Out, plain};
use crate::{Failure, units};

/// So many places of one kind are listed; JSON has all.
const MOST: usize = 40;

/// The report in JSON.
#[derive(Debug, Serialize)]
pub struct Document {
    files: usize,
    bytes: u64,
    plugins: usize,
    starts_on_every_request: usize,
    findings: Vec<FindingJson>,
    notes: Vec<NoteJson>,
}

#[derive(Debug, Serialize)]
struct FindingJson {
    kind: String,
    file: String,
    line: usize,
    column: usize,
    code: String,
    plugin: Option<String>,
    within: String,
    reached: &'static str,
    when: Vec<String>,
    by: Vec<String>,
}

#[derive(Debug, Serialize)]
struct NoteJson {
    file: String,
    note: String,
}

impl Report {
    /// Places where a session is started on every request.
    pub fn every(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(|f| f.found.kind.starts() && matches!(f.reach, Reach::Every { .. }))
    }

    /// Places where one is started at all.
    pub fn starts(&self) -> impl Iterator<Item = &Finding> {
        self.findings.iter().filter(|f| f.found.kind.starts())
    }
}

/// As JSON.
pub(crate) fn document(report: &Report) -> Document {
    Document {
        files: report.files,
        bytes: report.bytes,
        plugins: report.plugins,
        starts_on_every_request: report.every().count(),
        findings: report
            .findings
            .iter()
            .map(|f| {
                let (when, by) = match &f.reach {
                    Reach::Every { by } => (Vec::new(), by.clone()),
                    Reach::When { when, by } => (when.clone(), by.clone()),
                    Reach::Unknown => (Vec::new(), Vec::new()),
                };
                FindingJson {
                    kind: f.found.kind.word(),
                    file: f.file.clone(),
                    line: f.found.line,
                    column: f.found.column,
                    code: f.found.code.clone(),
                    plugin: f.plugin.clone(),
                    within: f.within.clone(),
                    reached: f.reach.word(),
                    when,
                    by,
                }
            })
            .collect(),
        notes: report.notes.iter().map(|(file, note)| NoteJson { file: file.clone(), note: note.clone() }).collect(),
    }
}

/// For SARIF.
pub(crate) fn results(report: &Report) -> Vec<sarif::Finding> {
    report
        .findings
        .iter()
        .map(|f| {
            let every = matches!(f.reach, Reach::Every { .. });
            let (rule, level) = match f.found.kind {
                kind if kind.starts() && every => ("session-on-every-request", "warning"),
                kind if kind.starts() => ("session-start", "note"),
                Kind::Call(_) => ("session-call", "note"),
                Kind::Dynamic(_) => ("session-dynamic", "note"),
                Kind::Variable(_) => ("session-variable", "note"),
                Kind::Ini => ("session-setting", "note"),
                Kind::Cookie => ("session-cookie", "note"),
                Kind::Plugin => ("plugin-session", "note"),
            };
            let message = format!("{}: reached {}.", f.found.code, f.reach.told());
            sarif::Finding { rule, level, message, uri: f.file.clone(), at: Some((f.found.line, f.found.column)) }
        })
        .collect()
}

/// For people.
///
/// # Errors
/// When the output can't be written.
pub(crate) fn text(report: &Report, out: &mut Out<'_>) -> Result<(), Failure> {
    let users: std::collections::BTreeSet<&str> = report.findings.iter().map(|f| f.file.as_str()).collect();
    let plugins: std::collections::BTreeSet<&str> =
        report.findings.iter().filter_map(|f| f.plugin.as_deref()).collect();
    let of_plugins = match report.plugins {
        0 => String::new(),
        all => format!("; {} of {} plugins", plugins.len(), units::number(all as u64)),
    };
    out.prose(&format!(
        "{} of PHP read ({}). Sessions are used in {}{of_plugins}.",
        counted(report.files, "file"),
        units::size(report.bytes),
        counted(users.len(), "file"),
    ))?;
    let sections = [
        ("A session is started on every request", Ink::Red, 0),
        ("A session is started at times", Ink::Yellow, 1),
        ("A session is started, when is not known", Ink::Yellow, 2),
    ];
    for (title, ink, rank) in sections {
        let these: Vec<&Finding> = report.starts().filter(|f| rank_of(&f.reach) == rank).collect();
        if these.is_empty() {
            continue;
        }
        out.line("")?;
        out.line(&format!("{}: {}", paint(title, ink, out.colour), counted(these.len(), "place")))?;
        for f in these.iter().take(MOST) {
            place(f, out)?;
        }
        rest(these.len(), out)?;
    }
    table(report, out)?;
    if !report.notes.is_empty() {
        out.line("")?;
        out.line(&format!("Not read, or not wholly: {}", counted(report.notes.len(), "file")))?;
        for (file, note) in report.notes.iter().take(MOST) {
            out.text(&wrapped(&format!("  {}", plain(file)), "", 80))?;
            out.text(&format!("      {}", wrapped(&plain(note), "      ", 80)))?;
        }
        rest(report.notes.len(), out)?;
    }
    out.line("")?;
    out.prose(&verdict(report))
}

/// On every request first.
fn rank_of(reach: &Reach) -> u8 {
    match reach {
        Reach::Every { .. } => 0,
        Reach::When { .. } => 1,
        Reach::Unknown => 2,
    }
}

/// One start: where, in which plugin, and when it runs.
fn place(f: &Finding, out: &mut Out<'_>) -> Result<(), Failure> {
    let whose = f.plugin.as_deref().map(|p| format!(" ({})", plain(p))).unwrap_or_default();
    out.line(&format!("  {}:{}:{}{whose}", plain(&f.file), f.found.line, f.found.column))?;
    out.line(&format!("      {}", f.found.code))?;
    let within = if f.within.is_empty() { String::new() } else { format!("in {}; ", plain(&f.within)) };
    out.text(&format!("      {}", wrapped(&format!("{within}{}", f.reach.told()), "      ", 80)))
}

/// What else there is, by file.
fn table(report: &Report, out: &mut Out<'_>) -> Result<(), Failure> {
    // Calls, reads, writes, removals, references, the rest.
    let mut files: BTreeMap<&str, ([usize; 6], u8)> = BTreeMap::new();
    for f in report.findings.iter().filter(|f| !f.found.kind.starts()) {
        let column = match f.found.kind {
            Kind::Call(_) | Kind::Dynamic(_) => 0,
            Kind::Variable(Use::Read) => 1,
            Kind::Variable(Use::Write) => 2,
            Kind::Variable(Use::Unset) => 3,
            Kind::Variable(Use::Reference) => 4,
            _ => 5,
        };
        let entry = files.entry(f.file.as_str()).or_insert(([0; 6], 2));
        entry.0[column] += 1;
        entry.1 = entry.1.min(rank_of(&f.reach));
    }
    if files.is_empty() {
        return Ok(());
    }
    out.line("")?;
    out.line("What else uses sessions")?;
    out.line("  CALLS  READ  WRITTEN  UNSET  BY REF  OTHER  REACHED        FILE")?;
    for (file, (n, rank)) in files.iter().take(MOST) {
        let cell = |i: usize| if n[i] == 0 { "-".to_owned() } else { n[i].to_string() };
        let reached = ["every request", "at times", "unknown"][usize::from(*rank)];
        out.line(&format!(
            "  {:>5}  {:>4}  {:>7}  {:>5}  {:>6}  {:>5}  {reached:<13}  {}",
            cell(0),
            cell(1),
            cell(2),
            cell(3),
            cell(4),
            cell(5),
            plain(file)
        ))?;
    }
    rest(files.len(), out)
}

fn rest(all: usize, out: &mut Out<'_>) -> Result<(), Failure> {
    if all > MOST {
        out.line(&format!("  and {} more; --json has all of them", units::number((all - MOST) as u64)))?;
    }
    Ok(())
}

fn verdict(report: &Report) -> String {
    let every = report.every().count();
    if every > 0 {
        let mut whose: Vec<String> = report
            .every()
            .map(|f| plain(f.plugin.as_deref().unwrap_or_else(|| f.file.split('/').next().unwrap_or(&f.file))))
            .collect();
        whose.dedup();
        let whose = match whose.len() {
            0..=5 => whose.join(", "),
            more => format!("{} and {} more", whose[..4].join(", "), more - 4),
        };
        return format!(
            "Every visitor gets a session, and no page cache can serve the pages: {whose}. With session.save_handler = \
             cloakroom a session in which nothing is stored leaves no cookie; else the start belongs to where the session \
             is first needed."
        );
    }
    match report.starts().count() {
        0 if report.findings.is_empty() => "No sessions are used.".into(),
        0 => "No session is started in this code.".into(),
        _ => "No session is started on every request, as far as the code tells.".into(),
    }
}

fn counted(n: usize, what: &str) -> String {
    format!("{} {what}{}", units::number(n as u64), if n == 1 { "" } else { "s" })
}
