//! One connection: a request goes out whole, its replies come back, and nothing happens in between. It needs no task of
//! its own, since in a PHP worker nothing runs between two verbs.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant};

use rustix::net::{RecvFlags, recv};
use tokio::io::AsyncReadExt;
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout_at;

use super::blocking::Socket;
use super::place::{Address, Place};
use super::resp::{NotRedis, Parsed, Reply, Request, parse};

/// Holds a session of 20 KiB with its reply in one read.
const BUFFER: usize = 32 * 1024;
/// A buffer that grew larger than this for one large session is given back.
const BUFFER_KEPT: usize = 256 * 1024;
/// How many names of a host are tried.
const ADDRESSES: usize = 4;

/// Why a request has no reply.
#[derive(Debug)]
pub(super) enum Fault {
    /// The server has not got it whole, so it has done nothing.
    NotSent(String),
    /// The same, since the time was up.
    NotSentInTime,
    /// It went out, and the connection broke, or the time ran out, before the reply was whole.
    Lost(String),
    /// The same, since the time was up.
    LostInTime,
}

impl Fault {
    fn lost(error: &io::Error) -> Self {
        Fault::Lost(plain(error))
    }
}

/// What the system said, without the error's number.
fn plain(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => "it closed the connection".into(),
        // Ours: the system gives a name that is not found no kind of its own.
        io::ErrorKind::Other => error.to_string(),
        kind => kind.to_string(),
    }
}

#[derive(Debug)]
enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
    Blocking(Socket),
}

/// Whether the verb's own time was up, and not some time-out of the system's.
fn late(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::TimedOut && error.raw_os_error().is_none()
}

fn late_error() -> io::Error {
    io::ErrorKind::TimedOut.into()
}

/// A connection to the server. Between two requests nothing is under way on it.
#[derive(Debug)]
pub(super) struct Conn {
    stream: Stream,
    received: Vec<u8>,
    /// A stream of tokio's answers only within the runtime that it was made in.
    runtime: Option<tokio::runtime::Id>,
    /// The last reply was the last thing that came.
    in_step: bool,
    /// When it was put aside last.
    pub(super) idle_since: Instant,
}

impl Conn {
    /// Connects; the server has not been spoken to yet.
    pub(super) async fn open(place: &Place, blocking: bool, deadline: Instant) -> Result<Self, Fault> {
        let stream = match timeout_at(deadline.into(), connect(&place.address, blocking, deadline)).await {
            Err(_) => return Err(Fault::NotSentInTime),
            Ok(Err(error)) if late(&error) => return Err(Fault::NotSentInTime),
            Ok(Err(error)) => return Err(Fault::NotSent(plain(&error))),
            Ok(Ok(stream)) => stream,
        };
        Ok(Self {
            stream,
            received: Vec::with_capacity(BUFFER),
            in_step: true,
            runtime: (!blocking).then(|| tokio::runtime::Handle::current().id()),
            idle_since: Instant::now(),
        })
    }

    /// A look at the socket that waits for nothing: whether it is still open, silent, and of this runtime. Measured, it
    /// costs an eighth of a microsecond, and spares writes an outcome that nobody knows.
    pub(super) fn is_alive(&self) -> bool {
        // Not tokio's try_read: it answers from what it knew when the runtime last ran.
        let look = |fd: BorrowedFd<'_>| recv(fd, &mut [0u8; 1][..], RecvFlags::PEEK | RecvFlags::DONTWAIT);
        let silent = |fd| matches!(look(fd), Err(rustix::io::Errno::AGAIN));
        self.in_step
            && match &self.stream {
                Stream::Tcp(stream) => silent(stream.as_fd()) && self.is_of_this_runtime(),
                Stream::Unix(stream) => silent(stream.as_fd()) && self.is_of_this_runtime(),
                Stream::Blocking(socket) => silent(socket.as_fd()),
            }
    }

    fn is_of_this_runtime(&self) -> bool {
        self.runtime == Some(tokio::runtime::Handle::current().id())
    }

    /// Sends a request and waits for all its replies. After a fault the connection must be dropped.
    pub(super) async fn ask(&mut self, request: &Request, deadline: Instant) -> Result<Vec<Reply<'_>>, Fault> {
        self.send(request, deadline).await?;
        let mut starts = Vec::with_capacity(request.commands());
        let mut at = 0;
        self.received.clear();
        self.received.shrink_to(BUFFER_KEPT);
        while starts.len() < request.commands() {
            let needs = match parse(&self.received, at) {
                Ok(Parsed::Whole(_, end)) => {
                    starts.push(at);
                    at = end;
                    continue;
                }
                Ok(Parsed::Needs(bytes)) => bytes,
                Err(NotRedis) => return Err(Fault::Lost("what it said is not Redis's protocol".into())),
            };
            while self.received.len() < needs {
                self.receive(needs, deadline).await?;
            }
        }
        self.in_step = at == self.received.len();
        let received = &self.received;
        let replies = starts.into_iter().map(|start| match parse(received, start) {
            Ok(Parsed::Whole(reply, _)) => Ok(reply),
            // It was whole a moment ago.
            _ => Err(Fault::Lost("what it said is not Redis's protocol".into())),
        });
        replies.collect()
    }

    async fn send(&mut self, request: &Request, deadline: Instant) -> Result<(), Fault> {
        let mut rest = request.bytes();
        // A command that did not arrive whole is not carried out; of several, the first may have been.
        let apart = request.is_whole_or_nothing();
        while !rest.is_empty() {
            let nothing_done = apart || rest.len() == request.bytes().len();
            match self.send_some(rest, deadline).await {
                Ok(sent) => rest = &rest[sent..],
                Err(error) => {
                    return Err(match (late(&error), nothing_done) {
                        (true, true) => Fault::NotSentInTime,
                        (true, false) => Fault::LostInTime,
                        (false, true) => Fault::NotSent(plain(&error)),
                        (false, false) => Fault::lost(&error),
                    });
                }
            }
        }
        Ok(())
    }

    async fn send_some(&mut self, bytes: &[u8], deadline: Instant) -> io::Result<usize> {
        loop {
            let tried = match &mut self.stream {
                Stream::Tcp(stream) => stream.try_write(bytes),
                Stream::Unix(stream) => stream.try_write(bytes),
                Stream::Blocking(socket) => return socket.send(bytes, deadline),
            };
            match tried {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                done => return done,
            }
            let writable = async {
                match &self.stream {
                    Stream::Tcp(stream) => stream.writable().await,
                    Stream::Unix(stream) => stream.writable().await,
                    Stream::Blocking(_) => Ok(()),
                }
            };
            timeout_at(deadline.into(), writable).await.map_err(|_| late_error())??;
        }
    }

    /// One read, with room for as many bytes as the reply is known to need.
    async fn receive(&mut self, needs: usize, deadline: Instant) -> Result<(), Fault> {
        let missing = needs.saturating_sub(self.received.len());
        // A claimed length reserves at most twice of what has come already: a false one costs no memory.
        let room = missing.min(self.received.len().max(BUFFER));
        if self.received.capacity() - self.received.len() < room {
            self.received.reserve(room);
        }
        let received = &mut self.received;
        // Not try_read: a poll that did not fill the buffer knows that the next one has to wait, and saves that system call.
        let read = match &mut self.stream {
            Stream::Tcp(stream) => timeout_at(deadline.into(), stream.read_buf(received)).await,
            Stream::Unix(stream) => timeout_at(deadline.into(), stream.read_buf(received)).await,
            Stream::Blocking(socket) => Ok(socket.receive(received, deadline)),
        };
        match read {
            Err(_) => Err(Fault::LostInTime),
            Ok(Err(error)) if late(&error) => Err(Fault::LostInTime),
            Ok(Err(error)) => Err(Fault::lost(&error)),
            Ok(Ok(0)) => Err(Fault::lost(&io::ErrorKind::UnexpectedEof.into())),
            Ok(Ok(_)) => Ok(()),
        }
    }
}

async fn connect(address: &Address, blocking: bool, deadline: Instant) -> io::Result<Stream> {
    let (host, port) = match address {
        Address::Unix(path) if blocking => return Socket::unix(path, deadline).map(Stream::Blocking),
        Address::Unix(path) => return UnixStream::connect(path).await.map(Stream::Unix),
        Address::Tcp(host, port) => (host.as_str(), *port),
    };
    // A name is looked up in a thread of tokio's, so that a dead name server can't outlast the budget; an address and
    // the name that everybody uses need none.
    let found: Vec<_> = match host {
        "localhost" => vec![([127, 0, 0, 1], port).into(), (std::net::Ipv6Addr::LOCALHOST, port).into()],
        host => tokio::net::lookup_host((host, port))
            .await
            .map_err(|_| io::Error::other("host name not found"))?
            .take(ADDRESSES)
            .collect(),
    };
    let mut last = io::Error::from(io::ErrorKind::NotFound);
    for address in found {
        let connected = match blocking {
            true => Socket::tcp(&address, deadline).map(Stream::Blocking),
            false => TcpStream::connect(address).await.and_then(|stream| {
                stream.set_nodelay(true)?;
                Ok(Stream::Tcp(stream))
            }),
        };
        match connected {
            Ok(stream) => return Ok(stream),
            // The first refusal is of the address people mean.
            Err(error) if last.kind() == io::ErrorKind::NotFound => last = error,
            Err(_) => {}
        }
    }
    Err(last)
}

/// How long a connection may lie unused.
pub(super) const IDLE: Duration = Duration::from_secs(60);
