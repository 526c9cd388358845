//! How findings look.

use serde::Serialize;

use super::check::{Level, Section};
use crate::out::paint::{Ink, paint};
use crate::out::{Out, plain, wrap};
use crate::{Failure, units};

#[derive(Serialize)]
struct DoctorJson<'a> {
    verdict: Level,
    problems: usize,
    warnings: usize,
    sections: &'a [Section],
}

/// Columns before a finding's text: two blanks, `problem`, two blanks, the name, two blanks.
const INDENT: &str = "                        ";

pub(super) fn all(sections: &[Section], out: &mut Out<'_>) -> Result<(), Failure> {
    let count = |level| sections.iter().flat_map(|s| &s.checks).filter(|c| c.level == level).count();
    let (problems, warnings) = (count(Level::Problem), count(Level::Warning));
    if out.json {
        let verdict = sections.iter().flat_map(|s| &s.checks).map(|c| c.level).max().unwrap_or(Level::Ok);
        return out.document(&DoctorJson { verdict, problems, warnings, sections });
    }
    for section in sections {
        out.line(&paint(&plain(&section.title), Ink::Bold, out.colour))?;
        for check in &section.checks {
            let (word, ink) = match check.level {
                Level::Ok => ("ok", Ink::Green),
                Level::Warning => ("warning", Ink::Yellow),
                Level::Problem => ("problem", Ink::Red),
            };
            let word = paint(&format!("{word:<7}"), ink, out.colour);
            out.text(&format!("  {word}  {:<11}  ", check.name))?;
            let text: Vec<String> = check.text.lines().map(plain).collect();
            out.text(&wrap::wrapped(&text.join("\n"), INDENT, 80))?;
        }
        out.line("")?;
    }
    let both = [(problems, "problem"), (warnings, "warning")];
    let said: Vec<String> =
        both.iter().filter(|(n, _)| *n > 0).map(|(n, what)| units::counted(*n as u64, what)).collect();
    match said.as_slice() {
        [] => out.line("All is well."),
        some => out.line(&format!("{}.", some.join(", "))),
    }
}
