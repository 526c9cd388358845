//! A connection for processes in which nothing else waits meanwhile: PHP's workers. A verb is one `send` and, once the
//! server has answered, one `recv`; no poll set is asked and no timer is kept.
//!
//! The system's own time-outs of the socket bound each call. They are set once: a call that they end early is made again
//! until the verb's deadline, and only shortly before that are they made shorter, in steps, so that a short budget does
//! not set them for each call either.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::buffer::spare_capacity;
use rustix::io::Errno;
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketAddrUnix, SocketFlags, SocketType, connect, recv, send, socket_with,
};

/// The longest that one call of the system waits; each shorter step is half of the one before.
const LONGEST: Duration = Duration::from_millis(256);
/// The shortest: zero would mean for ever, and the kernel counts in ticks of some milliseconds.
const SHORTEST: Duration = Duration::from_millis(1);

/// A connected socket whose calls wait, but never longer than they are told.
#[derive(Debug)]
pub(super) struct Socket {
    fd: OwnedFd,
    /// What the socket is set to.
    step: Duration,
}

impl Socket {
    /// Connects to a unix socket. That of a server which accepts nobody is full at some time, and then this waits.
    pub(super) fn unix(path: &Path, deadline: Instant) -> io::Result<Self> {
        let address = SocketAddrUnix::new(path)?;
        let fd = socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
        let mut socket = Self::waiting(fd)?;
        socket.patiently(deadline, |fd| connect(fd, &address))?;
        Ok(socket)
    }

    /// Connects to an address.
    pub(super) fn tcp(address: &SocketAddr, deadline: Instant) -> io::Result<Self> {
        let left = deadline.saturating_duration_since(Instant::now());
        let stream = TcpStream::connect_timeout(address, left.max(SHORTEST))?;
        stream.set_nodelay(true)?;
        Self::waiting(stream.into())
    }

    fn waiting(fd: OwnedFd) -> io::Result<Self> {
        let mut socket = Self { fd, step: Duration::ZERO };
        socket.wait_for(LONGEST)?;
        Ok(socket)
    }

    fn wait_for(&mut self, step: Duration) -> Result<(), Errno> {
        if self.step != step {
            set_socket_timeout(&self.fd, Timeout::Recv, Some(step))?;
            set_socket_timeout(&self.fd, Timeout::Send, Some(step))?;
            self.step = step;
        }
        Ok(())
    }

    /// Some of the bytes, at least one. [`io::ErrorKind::TimedOut`] at the deadline.
    pub(super) fn send(&mut self, bytes: &[u8], deadline: Instant) -> io::Result<usize> {
        self.patiently(deadline, |fd| send(fd, bytes, SendFlags::NOSIGNAL))
    }

    /// What has come, as far as there is room; waits for the first byte of it. Nothing is the other side's good-bye.
    pub(super) fn receive(&mut self, into: &mut Vec<u8>, deadline: Instant) -> io::Result<usize> {
        self.patiently(deadline, |fd| recv(fd, spare_capacity(into), RecvFlags::empty()).map(|(read, _)| read))
    }

    /// Makes a call until it has an outcome or the time is up.
    fn patiently<T>(
        &mut self,
        deadline: Instant,
        mut call: impl FnMut(BorrowedFd<'_>) -> Result<T, Errno>,
    ) -> io::Result<T> {
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(io::ErrorKind::TimedOut.into());
            }
            self.wait_for(step(left))?;
            match call(self.fd.as_fd()) {
                Ok(done) => return Ok(done),
                // The socket's time-out, or a signal: PHP has some.
                Err(Errno::AGAIN | Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// The longest step that is not longer than `left`.
fn step(left: Duration) -> Duration {
    let mut step = LONGEST;
    while step > left && step > SHORTEST {
        step /= 2;
    }
    step
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}
