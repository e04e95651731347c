//! A TCP proxy that counts and remembers what a client sends, and makes connections go wrong by a script.
//!
//! A contract suite puts it between a provider and its back end: what a provider really sends is seen here, whatever
//! the provider says about it. It knows no protocol: requests are counted by a marker that the caller puts into
//! them, or, on a connection in use, by turns (the client speaks after the server spoke).

mod fault;
mod line;
mod pace;
mod tls;

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::Identity;
pub use fault::{End, Fault, Length, Rule};
use fault::{Script, occurrences};
pub use pace::Pace;

/// What passed, and what is to go wrong.
#[derive(Debug, Default)]
struct Log {
    lines: Vec<Sent>,
    turns: u64,
    open: usize,
    answered: usize,
    handshakes: usize,
    faults: u64,
    script: Script,
}

/// What the client sent on one connection.
#[derive(Debug, Default)]
struct Sent {
    text: Vec<u8>,
    /// How much of it went on to the server.
    passed: usize,
}

#[derive(Debug)]
struct Shared {
    upstream: String,
    seed: u64,
    log: Mutex<Log>,
    /// Counts severances: every connection older than the newest one ends.
    severed: watch::Sender<u64>,
    stalled: watch::Sender<bool>,
    pace: Mutex<Pace>,
    identity: Mutex<Option<Identity>>,
}

impl Shared {
    fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn pace(&self) -> Pace {
        *self.pace.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn identity(&self) -> Option<Identity> {
        self.identity.lock().unwrap_or_else(PoisonError::into_inner).clone()
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
    /// Starts a proxy on a free loopback port in front of `upstream` (`host:port`), with a seed of its own.
    ///
    /// # Errors
    ///
    /// If no port can be had.
    pub async fn start(upstream: impl Into<String>) -> io::Result<Self> {
        Self::start_seeded(upstream, fastrand::u64(..)).await
    }

    /// As [`start`](Self::start), with the seed of another run: what was drawn there is drawn again, connection by
    /// connection, as far as the network cuts what is said into the same pieces.
    ///
    /// # Errors
    ///
    /// If no port can be had.
    pub async fn start_seeded(upstream: impl Into<String>, seed: u64) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            upstream: upstream.into(),
            seed,
            log: Mutex::default(),
            severed: watch::Sender::new(0),
            stalled: watch::Sender::new(false),
            pace: Mutex::default(),
            identity: Mutex::default(),
        });
        let acceptor = tokio::spawn(accept(listener, Arc::clone(&shared)));
        Ok(Self { address, shared, acceptor })
    }

    /// Where the proxy listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What decides whatever is drawn. Whoever tells of a failure tells it, so that the run can be repeated.
    #[must_use]
    pub fn seed(&self) -> u64 {
        self.shared.seed
    }

    /// How many connections were opened so far.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.shared.log().lines.len()
    }

    /// How many connections are open now.
    #[must_use]
    pub fn open_connections(&self) -> usize {
        self.shared.log().open
    }

    /// How many bytes came from the client so far.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.shared.log().lines.iter().map(|sent| sent.text.len()).sum()
    }

    /// How many bytes went to the client so far, as far as its side of the connection took them.
    #[must_use]
    pub fn answered_bytes(&self) -> usize {
        self.shared.log().answered
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
        log.lines.iter().map(|sent| occurrences(&sent.text, marker.as_bytes())).sum()
    }

    /// How often this text, or the beginning of it, may have reached the server: what was lost on the way is left out.
    #[must_use]
    pub fn passed(&self, marker: &str) -> usize {
        let log = self.shared.log();
        let passed = log.lines.iter().map(|sent| sent.text.get(..sent.passed).unwrap_or_default());
        passed.map(|text| occurrences(text, marker.as_bytes())).sum()
    }

    /// How often a client trusted what [`meet_tls_as`](Self::meet_tls_as) showed it.
    #[must_use]
    pub fn handshakes(&self) -> usize {
        self.shared.log().handshakes
    }

    /// How often a rule of the script struck.
    #[must_use]
    pub fn faults(&self) -> u64 {
        self.shared.log().faults
    }

    /// Adds a rule to the script. The first one whose moment comes strikes.
    pub fn inject(&self, rule: Rule) {
        self.shared.log().script.add(rule);
    }

    /// Forgets all rules.
    pub fn clear(&self) {
        self.shared.log().script.clear();
    }

    /// From now on whatever passes does so at this pace.
    pub fn set_pace(&self, pace: Pace) {
        *self.shared.pace.lock().unwrap_or_else(PoisonError::into_inner) = pace;
    }

    /// From now on the proxy itself is the TLS server wherever a client begins a handshake, be it at once or in the middle
    /// of a conversation (STARTTLS). It shows this identity, counts who trusts it, and hangs up.
    pub fn meet_tls_as(&self, identity: Identity) {
        *self.shared.identity.lock().unwrap_or_else(PoisonError::into_inner) = Some(identity);
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

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    loop {
        match listener.accept().await {
            Ok((client, _)) => {
                let number = {
                    let mut log = shared.log();
                    log.lines.push(Sent::default());
                    log.open += 1;
                    log.lines.len()
                };
                let shared = Arc::clone(&shared);
                tokio::spawn(async move {
                    line::serve(client, number, &shared).await;
                    shared.log().open -= 1;
                });
            }
            // Out of descriptors: others must end first.
            Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
}
