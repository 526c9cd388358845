//! How PHP on this machine is configured, read from its files; nothing is executed.
//!
//! [`ini`] reads one file as PHP does, [`find`] knows where files are, [`pools`] takes PHP-FPM's pools, and [`site`] puts
//! together what is in force for each of them.

pub mod find;
pub mod ini;
pub mod pools;
pub mod site;

pub use find::{Php, Sapi};
pub use ini::{Ini, Scope};
pub use site::Site;
