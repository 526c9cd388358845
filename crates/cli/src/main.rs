//! The command `cloakroom`; everything it does is in the library beside it.

#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    cloakroom_cli::run(std::env::args_os(), &cloakroom_cli::Surroundings::of_this_process())
}
