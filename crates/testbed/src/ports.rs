//! Free loopback ports that stay ours while a server is stopped and started again.
//!
//! Ports come from below the range that the kernel hands to outgoing connections, so a restart finds its port free; a lock
//! file per port keeps test processes that run side by side from drawing the same one.

use std::fs::File;
use std::hash::{BuildHasher, Hasher};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;

use crate::error::{Attempt, Error, Result};

/// A loopback port, kept from other testbeds until it is dropped.
#[derive(Debug)]
pub struct PortLease {
    port: u16,
    _lock: File,
}

impl PortLease {
    /// Leases a free port.
    pub fn take() -> Result<Self> {
        let folder = std::env::temp_dir().join("cloakroom-testbed-ports");
        if std::fs::create_dir(&folder).is_ok() {
            // Several users of one machine may run tests.
            std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o1777))
                .attempt(|| format!("open {} to all users", folder.display()))?;
        }
        let (first, count) = range();
        let start = random();
        for step in 0..count {
            let port = first + ((start + step) % count) as u16;
            // Another user's file can't be opened; that port is then theirs.
            let Ok(lock) = File::options().create(true).truncate(false).write(true).open(folder.join(port.to_string()))
            else {
                continue;
            };
            if lock.try_lock().is_ok() && is_free(port) {
                return Ok(Self { port, _lock: lock });
            }
        }
        Err(Error::Other("no free loopback port was found".into()))
    }

    /// The port's number.
    pub fn number(&self) -> u16 {
        self.port
    }
}

/// True when nobody listens on the loopback port.
pub(crate) fn is_free(port: u16) -> bool {
    TcpListener::bind(("127.0.0.1", port)).is_ok()
}

/// First port and how many follow, below the kernel's range for outgoing connections where that leaves room.
fn range() -> (u16, u64) {
    let outgoing = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range")
        .ok()
        .and_then(|text| text.split_whitespace().next()?.parse::<u16>().ok())
        .unwrap_or(32768);
    if outgoing > 14_000 { (12_000, u64::from(outgoing - 12_000)) } else { (12_000, 50_000) }
}

/// A number that differs from call to call; the standard library's hash keys are random enough for spreading.
pub(crate) fn random() -> u64 {
    std::collections::hash_map::RandomState::new().build_hasher().finish() >> 1
}

/// Tries again with another port when somebody took ours between the look and the start.
pub(crate) fn retry_on_collision<T>(mut start: impl FnMut(PortLease) -> Result<T>) -> Result<T> {
    let mut last = None;
    for _ in 0..5 {
        match start(PortLease::take()?) {
            Err(error) if error.is_collision() => last = Some(error),
            other => return other,
        }
    }
    Err(last.unwrap_or_else(|| Error::Other("no attempt to start was made".into())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_leases_never_share_a_port() {
        let leases: Vec<PortLease> = (0..50).map(|_| PortLease::take().unwrap()).collect();
        let mut ports: Vec<u16> = leases.iter().map(PortLease::number).collect();
        ports.sort_unstable();
        ports.dedup();
        assert_eq!(ports.len(), 50);
    }

    #[test]
    fn a_port_that_somebody_listens_on_is_not_free() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        assert!(!is_free(listener.local_addr().unwrap().port()));
    }
}
