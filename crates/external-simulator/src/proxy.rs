//! A transparent TCP proxy that counts and remembers what a client sends, and cuts connections on demand.
//!
//! A contract suite puts it between a provider and its back end: what a provider really sends is seen here, whatever
//! the provider says about it. It knows no protocol: requests are counted by a marker that the clause puts into
//! them, or, on a connection in use, by turns (the client speaks after the server spoke).

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Where a connection is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// The request never reaches the server.
    Request,
    /// The server gets the request; its answer is lost.
    Reply,
}

#[derive(Debug, Default)]
struct Log {
    /// What the client sent, a buffer a connection.
    sent: Vec<Vec<u8>>,
    turns: u64,
    open: usize,
    cut: Option<(Vec<u8>, Cut)>,
    cuts: u64,
}

#[derive(Debug)]
struct Shared {
    upstream: String,
    log: Mutex<Log>,
    /// Counts severances: every connection older than the newest one ends.
    severed: watch::Sender<u64>,
    stalled: watch::Sender<bool>,
}

impl Shared {
    fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The proxy. It ends when it is dropped.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    acceptor: JoinHandle<()>,
}

impl Proxy {
    /// Starts a proxy on a free loopback port in front of `upstream` (`host:port`).
    ///
    /// # Errors
    ///
    /// If no port can be had.
    pub async fn start(upstream: impl Into<String>) -> io::Result<Self> {
        let (listener, address) = listen().await?;
        let shared = Arc::new(Shared {
            upstream: upstream.into(),
            log: Mutex::default(),
            severed: watch::Sender::new(0),
            stalled: watch::Sender::new(false),
        });
        let acceptor = tokio::spawn(accept(listener, Arc::clone(&shared)));
        Ok(Self { address, shared, acceptor })
    }

    /// Where the proxy listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many connections were opened so far.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.shared.log().sent.len()
    }

    /// How many connections are open now.
    #[must_use]
    pub fn open_connections(&self) -> usize {
        self.shared.log().open
    }

    /// How many bytes came from the client so far.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.shared.log().sent.iter().map(Vec::len).sum()
    }

    /// How often the client spoke after the server did, or first.
    #[must_use]
    pub fn turns(&self) -> u64 {
        self.shared.log().turns
    }

    /// How often the client sent this text.
    #[must_use]
    pub fn count(&self, marker: &str) -> usize {
        let log = self.shared.log();
        log.sent.iter().map(|sent| occurrences(sent, marker.as_bytes())).sum()
    }

    /// How many connections were cut by [`cut_on`](Self::cut_on).
    #[must_use]
    pub fn cuts(&self) -> u64 {
        self.shared.log().cuts
    }

    /// Cuts the next connection on which the client sends this text, and only that one.
    pub fn cut_on(&self, marker: &str, cut: Cut) {
        self.shared.log().cut = Some((marker.as_bytes().to_vec(), cut));
    }

    /// Ends every open connection.
    pub fn sever(&self) {
        self.shared.severed.send_modify(|count| *count += 1);
    }

    /// Holds back every answer of the server until told otherwise. Connections stay open.
    pub fn stall(&self, stalled: bool) {
        self.shared.stalled.send_replace(stalled);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.acceptor.abort();
        self.sever();
    }
}

async fn listen() -> io::Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    loop {
        match listener.accept().await {
            Ok((client, _)) => {
                let number = {
                    let mut log = shared.log();
                    log.sent.push(Vec::new());
                    log.open += 1;
                    log.sent.len() - 1
                };
                let shared = Arc::clone(&shared);
                tokio::spawn(async move {
                    serve(client, number, Arc::clone(&shared)).await;
                    shared.log().open -= 1;
                });
            }
            // Out of descriptors: others must end first.
            Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
}

/// What the two directions of one connection know of each other.
struct Connection {
    number: usize,
    shared: Arc<Shared>,
    /// Set once the reply to what was sent must not reach the client.
    swallow: watch::Sender<bool>,
    client_spoke: Mutex<bool>,
}

async fn serve(client: TcpStream, number: usize, shared: Arc<Shared>) {
    let mut severed = shared.severed.subscribe();
    let Ok(server) = TcpStream::connect(&shared.upstream).await else {
        return;
    };
    // Small packets must not wait for each other: the proxy would distort time.
    let _ = client.set_nodelay(true);
    let _ = server.set_nodelay(true);
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let connection =
        Connection { number, shared, swallow: watch::Sender::new(false), client_spoke: Mutex::new(false) };
    tokio::select! {
        () = requests(&connection, from_client, to_server) => {}
        () = replies(&connection, from_server, to_client) => {}
        _ = severed.changed() => {}
    }
}

async fn requests(connection: &Connection, mut client: OwnedReadHalf, mut server: OwnedWriteHalf) {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let Ok(read) = client.read(&mut buffer).await else {
            return;
        };
        if read == 0 {
            // The client only stopped talking: the answer may still come.
            let _ = server.shutdown().await;
            return std::future::pending().await;
        }
        match connection.note(&buffer[..read]) {
            Some(Cut::Request) => return,
            Some(Cut::Reply) => {
                connection.swallow.send_replace(true);
                let _ = server.write_all(&buffer[..read]).await;
            }
            None => {
                if server.write_all(&buffer[..read]).await.is_err() {
                    return;
                }
            }
        }
    }
}

async fn replies(connection: &Connection, mut server: OwnedReadHalf, mut client: OwnedWriteHalf) {
    let mut stalled = connection.shared.stalled.subscribe();
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let Ok(read) = server.read(&mut buffer).await else {
            return;
        };
        if read == 0 || *connection.swallow.borrow() {
            return;
        }
        if stalled.wait_for(|stalled| !stalled).await.is_err() {
            return;
        }
        *connection.client_spoke.lock().unwrap_or_else(PoisonError::into_inner) = false;
        if client.write_all(&buffer[..read]).await.is_err() {
            return;
        }
    }
}

impl Connection {
    /// Remembers what the client sent; answers whether the connection is to be cut now.
    fn note(&self, chunk: &[u8]) -> Option<Cut> {
        let mut log = self.shared.log();
        let mut spoke = self.client_spoke.lock().unwrap_or_else(PoisonError::into_inner);
        if !std::mem::replace(&mut *spoke, true) {
            log.turns += 1;
        }
        let sent = log.sent.get_mut(self.number)?;
        let before = sent.len();
        sent.extend_from_slice(chunk);
        let (marker, _) = log.cut.as_ref()?;
        // The marker may have begun in an earlier chunk.
        let from = before.saturating_sub(marker.len().saturating_sub(1));
        if occurrences(log.sent.get(self.number)?.get(from..)?, marker) == 0 {
            return None;
        }
        log.cuts += 1;
        log.cut.take().map(|(_, cut)| cut)
    }
}

fn occurrences(text: &[u8], marker: &[u8]) -> usize {
    if marker.is_empty() {
        return 0;
    }
    let mut count = 0;
    let mut rest = text;
    while let Some(at) = rest.windows(marker.len()).position(|window| window == marker) {
        count += 1;
        rest = &rest[at + marker.len()..];
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn echo() -> String {
        let (listener, address) = listen().await.unwrap();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let mut buffer = [0; 64];
                    while let Ok(read) = stream.read(&mut buffer).await {
                        if read == 0 || stream.write_all(&buffer[..read]).await.is_err() {
                            return;
                        }
                    }
                });
            }
        });
        address.to_string()
    }

    async fn ask(stream: &mut TcpStream, text: &str) -> io::Result<String> {
        stream.write_all(text.as_bytes()).await?;
        let mut buffer = [0; 64];
        let read = stream.read(&mut buffer).await?;
        Ok(String::from_utf8_lossy(&buffer[..read]).into_owned())
    }

    #[tokio::test]
    async fn counts_markers_and_turns() {
        let proxy = Proxy::start(echo().await).await.unwrap();
        let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
        assert_eq!(ask(&mut stream, "one m7 two").await.unwrap(), "one m7 two");
        assert_eq!(ask(&mut stream, "m7m7").await.unwrap(), "m7m7");
        assert_eq!((proxy.count("m7"), proxy.turns(), proxy.connections(), proxy.bytes()), (3, 2, 1, 14));
    }

    #[tokio::test]
    async fn cuts_one_connection_and_lets_the_next_one_pass() {
        let proxy = Proxy::start(echo().await).await.unwrap();
        for cut in [Cut::Request, Cut::Reply] {
            proxy.cut_on("bad", cut);
            let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
            assert_eq!(ask(&mut stream, "good").await.unwrap(), "good");
            // An end of file or a reset: either way no answer.
            assert!(ask(&mut stream, "b").await.is_ok_and(|answer| answer == "b"));
            assert!(ask(&mut stream, "ad").await.is_ok_and(|answer| answer.is_empty()) || proxy.cuts() > 0);
            let mut next = TcpStream::connect(proxy.address()).await.unwrap();
            assert_eq!(ask(&mut next, "bad").await.unwrap(), "bad");
        }
        assert_eq!(proxy.cuts(), 2);
    }

    #[tokio::test]
    async fn severs_what_is_open() {
        let proxy = Proxy::start(echo().await).await.unwrap();
        let mut stream = TcpStream::connect(proxy.address()).await.unwrap();
        ask(&mut stream, "x").await.unwrap();
        proxy.sever();
        let mut buffer = [0; 1];
        let end = tokio::time::timeout(Duration::from_secs(5), stream.read(&mut buffer)).await.unwrap();
        assert!(matches!(end, Ok(0) | Err(_)));
    }
}
