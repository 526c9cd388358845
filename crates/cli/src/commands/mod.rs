//! One file for each command.

pub mod audit;
pub mod blame;
pub mod count;
pub mod doctor;
pub mod end;
pub mod key;
pub mod list;
mod pick;
pub mod report;
pub mod show;
pub mod sweep;

use std::io::Write;

use crate::args::{Cli, Command};
use crate::desk::Desk;
use crate::out::Out;
use crate::{Failure, Outcome, Surroundings, place};

/// Runs a command.
///
/// # Errors
/// What kept it from being done.
pub fn run(cli: &Cli, around: &Surroundings, writer: &mut dyn Write) -> Result<Outcome, Failure> {
    let mut out = Out::new(writer, cli.json, around);
    let ran = match &cli.command {
        Command::Doctor => doctor::run(cli, around, &mut out),
        Command::Audit(args) => audit::run(args, cli.timeout, around, &mut out),
        command => with_store(cli, around).and_then(|desk| match command {
            Command::Count { namespace } => count::run(&desk, namespace.as_deref(), &mut out),
            Command::Doctor | Command::Audit(_) => count::run(&desk, None, &mut out),
            Command::List(args) => list::run(&desk, args, &mut out),
            Command::Show { key } => show::run(&desk, key, &mut out),
            Command::End(args) => end::run(&desk, args, around, &mut out),
            Command::Conflicts(args) => report::run(&desk, &report::CONFLICTS, args, &mut out),
            Command::Alarms(args) => report::run(&desk, &report::ALARMS, args, &mut out),
            Command::Waits(args) => report::run(&desk, &report::WAITS, args, &mut out),
            Command::Dropped(args) => report::run(&desk, &report::DROPPED, args, &mut out),
            Command::Early(args) => report::run(&desk, &report::EARLY, args, &mut out),
            Command::Blame(args) => blame::run(&desk, args, blame::one_in(around, &cli.place.php_ini), &mut out),
            Command::Sweep { limit } => sweep::run(&desk, *limit, &mut out),
        }),
    };
    let outcome = ran.map_err(|failure| Failure { text: cli.place.called(&failure.text), ..failure })?;
    out.finish()?;
    Ok(outcome)
}

fn with_store(cli: &Cli, around: &Surroundings) -> Result<Desk, Failure> {
    Desk::open(place::resolve(&cli.place, around)?, around, cli.timeout)
}
