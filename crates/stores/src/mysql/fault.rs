//! What the server's error numbers mean for a verb: try again, make the tables, or tell whom.

use cloakroom::StoreError;
use mysql_async::{Error, IoError, ServerError};

/// What to do about an error that the server answered with. Nothing was applied unless it says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fault {
    /// A table is missing.
    NoTable,
    /// Somebody else's lock was in the way, or a cluster's node lost a race: the same again may succeed.
    Busy,
    /// The connection is no good any more: a new one may do.
    Lost,
    /// The request is larger than the server takes.
    TooLarge,
    /// The server, or a proxy before it, does not know whether it was applied.
    Unknown,
    /// The server took too long and gave up: only what asked for a time limit gets this.
    Stopped,
    /// No; in these words.
    Refused(String),
}

/// Sorts an error of a statement.
pub(super) fn of(error: &ServerError) -> Fault {
    match error.code {
        1146 => Fault::NoTable,
        // Deadlock, lock wait, changed since read, table changed; WSREP aborts come as deadlocks.
        // 1467 is how a deadlock over the counter of a table's numbers is told.
        1205 | 1213 | 1020 | 1412 | 1467 => Fault::Busy,
        // Shutting down, killed, interrupted, timed out while idle; and prepared statements that are gone.
        1053 | 1317 | 1927 | 4031 | 1243 | 1615 => Fault::Lost,
        1153 | 1301 => Fault::TooLarge,
        // An error during commit; client errors, which proxies hand through.
        1180 | 2000..=2999 => Fault::Unknown,
        1969 | 3024 => Fault::Stopped,
        _ => Fault::Refused(words(error)),
    }
}

/// The server's answer at connect.
pub(super) fn at_connect(error: &ServerError, engine: &'static str, location: &str, written: &str) -> StoreError {
    let detail = match error.code {
        // Too many: it may pass, and nothing is wrong with the settings.
        1040 | 1203 | 1226 => format!(
            "{}; raise max_connections, or lower the number of PHP workers, or connections= in cloakroom.store",
            words(error)
        ),
        1045 | 1044 | 1698 => {
            format!("{}; check user and password in {written}, and the user's GRANT", words(error))
        }
        1049 => format!("{}; create the database, or correct its name in {written}", words(error)),
        1129 | 1130 => format!("{}; allow this host to connect (GRANT, FLUSH HOSTS)", words(error)),
        1047 | 1053 => {
            return StoreError::Unreachable { engine, location: location.to_owned(), detail: words(error) };
        }
        _ => words(error),
    };
    StoreError::Refused { engine, detail }
}

/// The server's words with everything in quotes left out but names of users, databases and tables; what operators most
/// often meet says what to do.
fn words(error: &ServerError) -> String {
    let advice = match error.code {
        1142 | 1044 | 1045 | 1049 | 1227 | 1698 => return format!("error {}: {}", error.code, error.message),
        1021 | 1114 | 1041 => "; the disk or the table space is full",
        1290 | 1792 | 1836 => "; the server is read-only: cloakroom.store must name the primary",
        1054 | 1136 => "; the table has another layout than this release knows",
        1461 => "; raise max_prepared_stmt_count",
        1665 => "; set binlog_format to MIXED or ROW",
        1118 => "; the record is too large for the table or the redo log (innodb_log_file_size)",
        _ => "",
    };
    let mut quoted = false;
    let mut plain = String::new();
    for part in error.message.split('\'') {
        plain.push_str(if quoted { "'…'" } else { part });
        quoted = !quoted;
    }
    format!("error {}: {plain}{advice}", error.code)
}

/// Whether a connection was there, and broke. One that was refused says that nobody is there.
pub(super) fn cut_short(error: &Error) -> bool {
    use std::io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, NotConnected, Other, UnexpectedEof};
    // Other: the client's own, for an end in the middle of a packet. A name that can't be looked up is none of these.
    let kinds = [BrokenPipe, ConnectionAborted, ConnectionReset, NotConnected, Other, UnexpectedEof];
    matches!(error, Error::Io(IoError::Io(error)) if kinds.contains(&error.kind()))
}

/// What the system, or the client, said of a connection that broke.
pub(super) fn detail(error: &Error) -> String {
    match error {
        Error::Io(IoError::Io(error)) => error.to_string(),
        Error::Driver(mysql_async::DriverError::UnexpectedPacket { .. }) => {
            "the server speaks a protocol that the client does not know".to_owned()
        }
        Error::Driver(error) => plain(error),
        Error::Other(error) => error.to_string(),
        Error::Server(error) => words(error),
        _ => "the connection broke".to_owned(),
    }
}

/// The first sentence; some of the client's errors show what was in a packet.
fn plain(error: &mysql_async::DriverError) -> String {
    match error {
        mysql_async::DriverError::FromRow { .. } | mysql_async::DriverError::FromValue { .. } => {
            "the server's answer can't be read".to_owned()
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(code: u16, message: &str) -> ServerError {
        ServerError { code, message: message.into(), state: "HY000".into() }
    }

    #[test]
    fn what_was_stored_is_not_told_in_errors() {
        let Fault::Refused(text) = of(&error(1366, "Incorrect value: 'a visitor''s word' for column 'x' at row 1"))
        else {
            panic!("not refused");
        };
        assert!(!text.contains("visitor") && !text.contains("word"), "{text}");
        assert!(text.contains("1366") && text.contains("at row 1"), "{text}");
    }

    #[test]
    fn an_operator_is_told_what_to_do_about_a_refused_connection() {
        for (code, word) in [(1040, "max_connections"), (1045, "password in"), (1049, "create the database")] {
            let text = at_connect(&error(code, "No"), "MariaDB", "mysql://u:***@h/d", "cloakroom.store").to_string();
            assert!(text.contains(word), "{text}");
        }
    }
}
