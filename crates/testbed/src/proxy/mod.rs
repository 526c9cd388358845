//! A proxy in front of any server that does what networks do: delays, stalls, cuts, resets, and loses a request or a reply.
//! It counts round trips, so that a test can assert how often a store really asks.
//!
//! A rule set while connections are open holds for them from their next bytes on. A *round trip* is a burst of the client
//! followed by the first bytes of the server's answer; a request sent in several pieces, or a pipeline, counts once, and what
//! a server says without being asked (MariaDB's greeting) does not count.

mod pump;
mod rules;

use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::UnixListener;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::error::{Attempt, Error, Result};
use crate::{Endpoint, Folder, Stream};

use pump::Connection;
pub use rules::Direction;
use rules::{Fate, Shared, Trap};

/// A proxy of a test. On drop it closes all connections and its door.
pub struct Proxy {
    shared: Arc<Shared>,
    connections: Arc<Mutex<Vec<Weak<Connection>>>>,
    endpoint: Endpoint,
    door: Option<JoinHandle<()>>,
    _folder: Option<Folder>,
}

impl std::fmt::Debug for Proxy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Proxy").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Listener {
    fn accept(&self) -> std::io::Result<Stream> {
        match self {
            Self::Tcp(listener) => {
                let (stream, _) = listener.accept()?;
                stream.set_nodelay(true)?;
                Ok(Stream::Tcp(stream))
            }
            Self::Unix(listener) => Ok(Stream::Unix(listener.accept()?.0)),
        }
    }
}

impl Proxy {
    /// Starts one on a free TCP port, in front of a server that may come and go.
    pub fn start(server: Endpoint) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").attempt(|| "listen for a proxy".into())?;
        let address = listener.local_addr().attempt(|| "learn the proxy's address".into())?;
        Ok(Self::open(Listener::Tcp(listener), Endpoint::Tcp(address), server, None))
    }

    /// Starts one on a unix socket in a temporary folder.
    pub fn start_unix(server: Endpoint) -> Result<Self> {
        let folder = Folder::new("proxy")?;
        let path = folder.join("proxy.sock");
        let listener = UnixListener::bind(&path).attempt(|| format!("listen on {}", path.display()))?;
        Ok(Self::open(Listener::Unix(listener), Endpoint::Unix(path), server, Some(folder)))
    }

    fn open(listener: Listener, endpoint: Endpoint, server: Endpoint, folder: Option<Folder>) -> Self {
        let shared = Arc::new(Shared::default());
        let connections: Arc<Mutex<Vec<Weak<Connection>>>> = Arc::default();
        let door = std::thread::spawn({
            let (shared, connections) = (Arc::clone(&shared), Arc::clone(&connections));
            move || {
                while let Ok(client) = listener.accept() {
                    if shared.closed.load(Ordering::SeqCst) {
                        return;
                    }
                    shared.counters.connections.fetch_add(1, Ordering::SeqCst);
                    if shared.rules().refuse {
                        continue;
                    }
                    let Ok(server) = server.connect() else {
                        // A client sees what it would see without us: the connection does not stand.
                        continue;
                    };
                    let connection = Connection::open(client, server, Arc::clone(&shared));
                    let mut open = connections.lock().unwrap_or_else(PoisonError::into_inner);
                    open.retain(|known| known.strong_count() > 0);
                    open.push(connection);
                }
            }
        });
        Self { shared, connections, endpoint, door: Some(door), _folder: folder }
    }

    /// Where it listens.
    pub fn endpoint(&self) -> Endpoint {
        self.endpoint.clone()
    }

    /// Where it listens, as `127.0.0.1:PORT`, or the socket's path.
    pub fn address(&self) -> String {
        match &self.endpoint {
            Endpoint::Tcp(address) => address.to_string(),
            Endpoint::Unix(path) => path.display().to_string(),
        }
    }

    /// Its TCP address.
    ///
    /// # Errors
    /// When it listens on a unix socket.
    pub fn socket_addr(&self) -> Result<SocketAddr> {
        match &self.endpoint {
            Endpoint::Tcp(address) => Ok(*address),
            Endpoint::Unix(_) => Err(Error::Other("this proxy listens on a unix socket".into())),
        }
    }

    /// Holds every burst in one direction back for a while.
    pub fn delay(&self, direction: Direction, time: Duration) {
        self.shared.change(|rules| rules.delay[direction.index()] = time);
    }

    /// Holds everything in one direction back until [`heal`](Self::heal); connections stay open.
    pub fn stall(&self, direction: Direction) {
        self.shared.change(|rules| rules.stall[direction.index()] = true);
    }

    /// Closes every connection after that many more bytes in one direction, counted over all connections; once.
    pub fn cut_after(&self, direction: Direction, bytes: u64) {
        self.shared.change(|rules| rules.cut_after[direction.index()] = Some(bytes));
    }

    /// From now on connections end with a reset instead of an orderly close, whenever they are cut.
    pub fn cut_by_reset(&self) {
        self.shared.change(|rules| rules.reset = true);
    }

    /// Closes every open connection now; new ones are let in.
    pub fn cut(&self) {
        self.each(|connection| connection.cut(false));
    }

    /// Resets every open connection now; new ones are let in.
    pub fn reset(&self) {
        self.each(|connection| connection.cut(true));
    }

    /// Closes new connections as soon as they come; open ones stay.
    pub fn refuse(&self) {
        self.shared.change(|rules| rules.refuse = true);
    }

    /// Lets the next request through, waits until the server answers it, and cuts instead of passing the answer on; once.
    pub fn swallow_next_reply(&self) {
        self.swallow_reply_where(|_| true);
    }

    /// The same for the next request whose bytes so far meet a condition; once. Its reply is known to exist when the client
    /// sees the cut: what the request asks for has been applied.
    pub fn swallow_reply_where(&self, matches: impl Fn(&[u8]) -> bool + Send + 'static) {
        self.shared.change(|rules| rules.trap = Some(Trap { matches: Box::new(matches), fate: Fate::SwallowReply }));
    }

    /// Cuts instead of passing on the next request whose bytes so far meet a condition; once. The server never sees the
    /// piece that met it.
    pub fn lose_request_where(&self, matches: impl Fn(&[u8]) -> bool + Send + 'static) {
        self.shared.change(|rules| rules.trap = Some(Trap { matches: Box::new(matches), fate: Fate::LoseRequest }));
    }

    /// Forgets every rule and lets go what was held back.
    pub fn heal(&self) {
        self.shared.change(|rules| *rules = rules::Rules::default());
    }

    /// Round trips so far, over all connections.
    pub fn round_trips(&self) -> u64 {
        self.shared.counters.round_trips.load(Ordering::SeqCst)
    }

    /// Connections that came so far, refused ones included.
    pub fn connections(&self) -> u64 {
        self.shared.counters.connections.load(Ordering::SeqCst)
    }

    /// Connections that are open now.
    pub fn open_connections(&self) -> usize {
        let mut open = 0;
        self.each(|_| open += 1);
        open
    }

    /// Bytes passed on so far in one direction.
    pub fn bytes(&self, direction: Direction) -> u64 {
        self.shared.counters.bytes[direction.index()].load(Ordering::SeqCst)
    }

    /// How many times a rule has ended a connection: cut after bytes, a swallowed reply, a lost request.
    pub fn sprung(&self) -> u64 {
        self.shared.counters.sprung.load(Ordering::SeqCst)
    }

    fn each(&self, mut act: impl FnMut(&Connection)) {
        let open = self.connections.lock().unwrap_or_else(PoisonError::into_inner);
        for connection in open.iter().filter_map(Weak::upgrade) {
            if !connection.is_closed() {
                act(&connection);
            }
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.closed.store(true, Ordering::SeqCst);
        // Wakes the door, which waits in accept.
        let _ = self.endpoint.connect();
        if let Some(door) = self.door.take() {
            let _ = door.join();
        }
        self.cut();
    }
}
