//! What the server's refusals mean, said to the operator with the remedy. The server's own words may quote keys and
//! arguments, so they are passed on only where they can't.

use cloakroom::StoreError;
use cloakroom::wire::Damaged;

use super::ENGINE;

/// Code and remedy.
const KNOWN: &[(&str, &str)] = &[
    ("READONLY", "this server is a read-only replica; cloakroom.store must name the primary"),
    ("LOADING", "it is loading its data from disk after a start; this ends by itself"),
    ("MASTERDOWN", "this replica has lost its primary; cloakroom.store must name a primary that runs"),
    (
        "OOM",
        "its memory is full (maxmemory) and its policy does not let it make room; raise maxmemory, or remove other data",
    ),
    (
        "MISCONF",
        "it can't save its data to disk and takes no writes until it can; look at its log, its disk and stop-writes-on-bgsave-error",
    ),
    ("NOREPLICAS", "fewer replicas are connected than min-replicas-to-write asks for; look at the replicas"),
    ("NOAUTH", "it wants a password and cloakroom.store has none; write redis://:password@host"),
    ("WRONGPASS", "it does not accept the user or password in cloakroom.store"),
    (
        "NOPERM",
        "the user in cloakroom.store may not run a command or use a key that Cloakroom needs; docs/stores/redis.md has the ACL rule",
    ),
    ("BUSY", "a script of another application keeps it from answering; SCRIPT KILL ends that one"),
    ("DENIED", "its protected mode lets in nobody from other hosts; set a password (requirepass) and bind"),
    ("MOVED", "it is part of a Redis Cluster, which redis:// does not speak; name a single server"),
    ("ASK", "it is part of a Redis Cluster, which redis:// does not speak; name a single server"),
    ("CROSSSLOT", "it is part of a Redis Cluster, which redis:// does not speak; name a single server"),
    ("CLUSTERDOWN", "it is part of a Redis Cluster, which redis:// does not speak; name a single server"),
];

/// The error that a refusal becomes.
pub(super) fn refused(words: &[u8]) -> StoreError {
    let words = String::from_utf8_lossy(words);
    let code = code(&words);
    if code == "WRONGTYPE" {
        // Under one of our names is something that is no string: another application's.
        return StoreError::Damaged { engine: ENGINE, damage: Damaged::Magic };
    }
    let detail = match KNOWN.iter().find(|(known, _)| *known == code) {
        Some((_, remedy)) => (*remedy).to_owned(),
        None if words.contains("max number of clients") => {
            "it has as many clients as it takes (maxclients); raise maxclients or run fewer workers".to_owned()
        }
        None if words.contains("without any password configured") || words.contains("no password is set") => {
            "it has no password and cloakroom.store names one; remove it there or set requirepass".to_owned()
        }
        None if words.contains("DB index is out of range") => {
            "it has no database of that number; choose another one in cloakroom.store".to_owned()
        }
        None => format!("it answered {:?}", harmless(&words)),
    };
    StoreError::Refused { engine: ENGINE, detail }
}

/// Whether a script is not in the server's cache.
pub(super) fn is_noscript(words: &[u8]) -> bool {
    words.starts_with(b"NOSCRIPT")
}

/// The error's code. Redis 6 wraps errors inside scripts: "ERR Error running script (…): …: -OOM command not allowed".
fn code(words: &str) -> &str {
    let first = words.split(' ').next().unwrap_or_default();
    if first != "ERR" {
        return first;
    }
    let inner = words.split(": -").skip(1).filter_map(|rest| rest.split(' ').next());
    inner.filter(|code| code.len() > 2 && code.bytes().all(|b| b.is_ascii_uppercase())).last().unwrap_or(first)
}

/// As much of the server's words as holds no argument of ours.
fn harmless(words: &str) -> String {
    let end = [", with args", "cloakroom", "{"].iter().filter_map(|mark| words.find(mark)).min().unwrap_or(words.len());
    words[..end].chars().filter(|c| c.is_ascii_graphic() || *c == ' ').take(120).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(words: &str) -> String {
        refused(words.as_bytes()).to_string()
    }

    #[test]
    fn refusals_say_the_remedy_and_no_data() {
        assert!(text("OOM command not allowed when used memory > 'maxmemory'.").contains("raise maxmemory"));
        let wrapped =
            "ERR Error running script (call to f_0a): @user_script:2: @user_script: 2: -READONLY You can't write";
        assert!(text(wrapped).contains("must name the primary"));
        let unknown = "ERR unknown command 'EVALSHA', with args beginning with: 'ab' 'cloakroom:{00ff}'";
        assert!(text(unknown).contains("EVALSHA") && !text(unknown).contains("00ff"), "{}", text(unknown));
        assert!(matches!(refused(b"WRONGTYPE Operation"), StoreError::Damaged { .. }));
    }
}
