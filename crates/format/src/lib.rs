//! Session payloads as lossless trees: PHP's `php`, `php_binary` and `php_serialize`, and JSON.
//!
//! A payload is read by [`decode`] into a [`Tree`]: a flat list of nodes that point into the payload, so that nothing is
//! copied, no object is ever built, nothing recurses, and what was not changed is written back byte for byte. On it rest
//! [`merge()`] (three versions of one session into one), [`join`] (variables of several payloads into one, back-references
//! renumbered) and [`convert`] (from one format to another).
//!
//! No I/O, no clock, no randomness: bytes in, bytes out.
//!
//! ```
//! use cloakroom_format::{Format, merge, MergeOptions};
//!
//! let base = b"cart|a:1:{s:3:\"tea\";i:1;}";
//! let mine = b"cart|a:2:{s:3:\"tea\";i:1;s:3:\"jam\";i:1;}";
//! let theirs = b"cart|a:1:{s:3:\"tea\";i:2;}seen|i:9;";
//! let merged = merge(Format::Php, base, mine, theirs, &MergeOptions::default())?;
//! assert_eq!(merged.payload, b"cart|a:2:{s:3:\"tea\";i:2;s:3:\"jam\";i:1;}seen|i:9;");
//! assert!(merged.conflicts.is_empty());
//! # Ok::<(), cloakroom_format::Refused>(())
//! ```
#![forbid(unsafe_code)]

mod convert;
mod emit;
mod error;
mod format;
mod group;
mod hollow;
mod json;
pub mod merge;
mod node;
mod number;
mod recognise;
mod same;
mod scan;
mod session;
mod summary;
mod tree;

pub use convert::{ConvertError, Converted, convert, join};
pub use error::{DecodeError, Fault};
pub use format::Format;
pub use hollow::is_hollow;
pub use merge::{Cause, Conflict, MergeOptions, Merged, Refused, Rule, RuleError, Rules, Side, Whole, Winner, merge};
pub use node::{Key, Kind};
pub use recognise::{Serializer, recognise};
pub use session::{Limits, decode, decode_with};
pub use summary::{Summary, count, empty, is_empty, summary};
pub use tree::{Entries, Tree, Value, Variable};
