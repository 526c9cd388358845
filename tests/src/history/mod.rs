//! Histories: many processes work on a few shared sessions, each writes down what it asked for and what it was told, things go
//! wrong meanwhile, and afterwards a checker that knows nothing of the engine says whether every promise was kept.
//!
//! - `client` is one process: like a worker of PHP it has a store handle, a thread and requests of its own;
//! - `run` starts and kills them, troubles the network and the server, and looks at every session at the end;
//! - `log` is what they write down, `vars` what they put into sessions;
//! - `check` judges; `lines` tells it which ids are one session, and where each change has gone;
//! - `blind` breaks a store on purpose, so that one sees the checker find it.

mod blind;
mod check;
#[cfg(test)]
mod check_tests;
mod client;
mod lines;
mod log;
mod run;
mod vars;

pub use check::Broken;
pub use client::run_if_asked;
pub use run::{Outcome, Plan, run};
