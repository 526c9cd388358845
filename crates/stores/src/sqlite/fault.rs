//! SQLite's errors in the words of the contract.

use std::path::Path;

use cloakroom::StoreError;
use rusqlite::ErrorCode;

/// How the store is called in errors.
pub(super) const ENGINE: &str = "SQLite";

/// What a failed statement means for the verb that ran it.
#[derive(Debug)]
pub(super) enum Fault {
    /// Somebody else holds the lock; nothing was changed.
    Busy,
    /// A table is missing; nothing was changed.
    NoTable,
    /// Everything else.
    Failed(StoreError),
}

/// Whether a verb changes anything: decides what an input/output error leaves in doubt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Read,
    Write,
}

/// Sorts an error of the engine. Its own text may quote data, so only its codes are told.
pub(super) fn fault(error: &rusqlite::Error, kind: Kind, path: &Path) -> Fault {
    let rusqlite::Error::SqliteFailure(code, text) = error else {
        // A column of another type than the table's: someone else's hand. rusqlite's text names columns and types only.
        return Fault::Failed(refused(format!("{} holds a row that is not ours ({error})", path.display())));
    };
    let extended = code.extended_code;
    let shown = path.display();
    Fault::Failed(match code.code {
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => return Fault::Busy,
        ErrorCode::Unknown if text.as_ref().is_some_and(|t| t.starts_with("no such table")) => return Fault::NoTable,
        ErrorCode::DiskFull => refused(format!("the disk, or the quota, that holds {shown} is full")),
        ErrorCode::ReadOnly => {
            refused(format!("{shown} may not be written by this process's user; give it the file and its folder"))
        }
        ErrorCode::PermissionDenied | ErrorCode::CannotOpen => StoreError::Settings(format!(
            "cloakroom.store: {shown} can't be opened (code {extended}); the file and its folder must belong to the user that this process runs as."
        )),
        ErrorCode::NotADatabase => foreign(path, "it is no SQLite database"),
        ErrorCode::DatabaseCorrupt => refused(format!(
            "{shown} is damaged (code {extended}); it is left as it is. Stop PHP, keep a copy, and move the file away: a new one is made"
        )),
        // The frame that commits may have reached the file before the error.
        ErrorCode::SystemIoFailure if kind == Kind::Write => StoreError::Unknown {
            engine: ENGINE,
            detail: format!("the disk that holds {shown} reported an error, code {extended}"),
        },
        ErrorCode::SystemIoFailure => {
            refused(format!("the disk that holds {shown} reported an error, code {extended}"))
        }
        ErrorCode::TooBig => StoreError::TooLarge { engine: ENGINE, size: 0, limit: 1_000_000_000 },
        // "no such column" and the like: tables of another shape. Such a text names the schema, never data.
        ErrorCode::Unknown => refused(format!(
            "{shown} has tables of another shape than this release makes ({}); if nothing else uses the file, stop PHP and move it away: a new one is made",
            text.as_deref().unwrap_or("SQLite's code 1")
        )),
        _ => refused(format!("{shown}: SQLite's code {extended}")),
    })
}

/// A file that is not ours.
pub(super) fn foreign(path: &Path, why: &str) -> StoreError {
    StoreError::Settings(format!(
        "cloakroom.store names {}, but {why}; it is left as it is. Name another path, or move the file away.",
        path.display()
    ))
}

fn refused(detail: String) -> StoreError {
    StoreError::Refused { engine: ENGINE, detail }
}
