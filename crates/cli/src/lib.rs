//! The operator's door: commands that look after the sessions of a site.
//!
//! Finding the store is half of the work: it is read from the settings of the PHP that uses it ([`php`], [`place`]), so
//! that an operator need not say it twice. The commands ([`commands`]) speak to the engine, print tables for people or
//! JSON for programs ([`out`]), and never print a session id: none is known to them.
//!
//! What the commands take from the machine (clock, terminal, root of the file system) comes in as [`Surroundings`], so
//! that tests see the same output on every machine.

#![forbid(unsafe_code)]

pub mod args;
pub mod commands;
pub mod desk;
mod error;
pub mod out;
pub mod php;
pub mod place;
mod rights;
mod surroundings;
pub mod units;

use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;

use clap::Parser;

pub use error::{Failure, Outcome};
pub use surroundings::Surroundings;

/// Runs a command line as given, program name first, on standard output and error.
pub fn run(words: impl IntoIterator<Item = OsString>, around: &Surroundings) -> ExitCode {
    let cli = match args::Cli::try_parse_from(words) {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version go to standard output and are no failure.
            let code = if error.use_stderr() { Outcome::CouldNot } else { Outcome::Fine };
            let _ = error.print();
            return code.into();
        }
    };
    let mut output = std::io::BufWriter::new(std::io::stdout().lock());
    match commands::run(&cli, around, &mut output) {
        Ok(outcome) => outcome.into(),
        Err(failure) => {
            let _ = output.flush();
            eprintln!("{}", out::failure(&failure, cli.json));
            failure.outcome.into()
        }
    }
}
