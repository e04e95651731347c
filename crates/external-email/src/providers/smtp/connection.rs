//! One connection: greeting, EHLO, STARTTLS, login, and commands with their time limits.
//!
//! This protocol layer is our own, though the messages are lettre's: lettre's connection writes one command at a time,
//! stops at the first refused recipient, writes the end of a mail apart from the mail, and takes no stream that is
//! protected later. Here each phase is one write, and the replies say what became of each recipient.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use external_core::{Effect, Error, Result};
use external_net::{Connection as Socket, Tls, dial};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt, ReadBuf};
use tokio::time::{Instant, timeout};

use super::auth::Credentials;
use super::config::Security;
use super::error::{Step, refused};
use super::reply::Reply;

/// How much unread input a connection keeps at most: more replies than a mail can have.
const INBOX: usize = 1 << 20;

/// Where to connect, and how.
pub(super) struct Endpoint {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) security: Security,
    pub(super) tls: Tls,
    pub(super) hello: Option<String>,
    pub(super) credentials: Option<Credentials>,
    pub(super) insecure_plaintext_auth: bool,
    pub(super) timeouts: Timeouts,
}

/// How long each phase may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Timeouts {
    pub(super) connect: Duration,
    pub(super) greeting: Duration,
    pub(super) command: Duration,
    pub(super) block: Duration,
    pub(super) data: Duration,
}

/// What the server said it can do (EHLO).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Features {
    pub(super) pipelining: bool,
    pub(super) eight_bit: bool,
    pub(super) utf8: bool,
    pub(super) starttls: bool,
    /// Whether sizes are understood, and the largest one if the server told.
    pub(super) size: Option<Option<u64>>,
    pub(super) mechanisms: Vec<String>,
}

impl Features {
    fn of(reply: &Reply) -> Self {
        let mut features = Self::default();
        // The first line is the server's name and greeting.
        for line in reply.lines().skip(1) {
            let line = line.to_ascii_uppercase();
            let mut words = line.split([' ', '=']).filter(|word| !word.is_empty());
            match words.next() {
                Some("PIPELINING") => features.pipelining = true,
                Some("8BITMIME") => features.eight_bit = true,
                Some("SMTPUTF8") => features.utf8 = true,
                Some("STARTTLS") => features.starttls = true,
                Some("SIZE") => {
                    let limit = words.next().and_then(|size| size.parse().ok());
                    features.size = Some(limit.filter(|&size| size > 0));
                }
                Some("AUTH") => features.mechanisms.extend(words.map(str::to_owned)),
                _ => {}
            }
        }
        features
    }
}

/// A connection that is ready for mail.
pub(super) struct Connection {
    socket: Socket,
    inbox: Vec<u8>,
    features: Features,
    timeouts: Timeouts,
    /// How many mails it carried.
    pub(super) mails: u32,
    /// Whether it stands between two mails, with no reply due.
    pub(super) clean: bool,
}

impl Endpoint {
    /// Connects, protects the connection, greets and logs in.
    pub(super) async fn connect(&self) -> Result<Connection> {
        let deadline = Some(Instant::now() + self.timeouts.connect);
        let mut socket = Socket::Plain(dial(&self.host, self.port, deadline).await?);
        let hello = self.hello.clone().unwrap_or_else(|| own_name(&socket));
        if self.security == Security::Tls {
            socket = self.protect(socket).await?;
        }
        let mut connection = Connection {
            socket,
            inbox: Vec::new(),
            features: Features::default(),
            timeouts: self.timeouts,
            mails: 0,
            clean: true,
        };
        let greeting = connection.reply(Step::Greeting, self.timeouts.greeting).await?;
        if greeting.code != 220 {
            return Err(refused(Step::Greeting, &greeting));
        }
        connection.greet(&hello).await?;
        if self.security == Security::StartTls {
            connection = self.start_tls(connection).await?;
            // What was said before TLS may have been said by anyone.
            connection.greet(&hello).await?;
        }
        if let Some(credentials) = &self.credentials {
            if !connection.socket.is_encrypted() && !self.insecure_plaintext_auth {
                return Err(Error::configuration("credentials over an unprotected connection")
                    .with_effect(Effect::NotSent));
            }
            credentials.log_in(&mut connection).await?;
        }
        Ok(connection)
    }

    async fn start_tls(&self, mut connection: Connection) -> Result<Connection> {
        if !connection.features.starttls {
            return Err(Error::configuration(
                "the server offers no STARTTLS; an unprotected connection must be asked for by security = \"none\"",
            )
            .with_effect(Effect::NotSent));
        }
        let reply = connection.command(Step::StartTls, "STARTTLS\r\n").await?;
        if reply.code != 220 {
            return Err(refused(Step::StartTls, &reply));
        }
        if !connection.inbox.is_empty() {
            // Answers from before the handshake must not count as answers after it (CVE-2011-0411 and its kin).
            return Err(Error::corrupt(
                "the server said more before TLS than it was asked; someone may be on the line",
            )
            .with_effect(Effect::NotSent));
        }
        connection.socket = self.protect(connection.socket).await?;
        Ok(connection)
    }

    async fn protect(&self, socket: Socket) -> Result<Socket> {
        let protected = match timeout(self.timeouts.connect, socket.start_tls(&self.host, &self.tls)).await {
            Ok(protected) => protected,
            Err(_) => Err(Error::timeout("no TLS in time").with_effect(Effect::NotSent)),
        };
        protected.map_err(|error| error.with_context("peer", format_args!("{}:{}", self.host, self.port)))
    }
}

impl Connection {
    pub(super) fn features(&self) -> &Features {
        &self.features
    }

    async fn greet(&mut self, hello: &str) -> Result<()> {
        let reply = self.command(Step::Hello, &format!("EHLO {hello}\r\n")).await?;
        if reply.is_positive() {
            self.features = Features::of(&reply);
            return Ok(());
        }
        // Servers from before 1995 know no EHLO and nothing that follows from it.
        if matches!(reply.code, 500 | 502) {
            let reply = self.command(Step::Hello, &format!("HELO {hello}\r\n")).await?;
            if reply.is_positive() {
                self.features = Features::default();
                return Ok(());
            }
            return Err(refused(Step::Hello, &reply));
        }
        Err(refused(Step::Hello, &reply))
    }

    /// Writes one command, its line end included, and reads its reply.
    pub(super) async fn command(&mut self, step: Step, line: &str) -> Result<Reply> {
        self.write(step, line.as_bytes(), self.timeouts.command).await?;
        self.reply(step, self.timeouts.command).await
    }

    /// Writes all of these bytes at once.
    pub(super) async fn write(&mut self, step: Step, bytes: &[u8], limit: Duration) -> Result<()> {
        let writing = async {
            self.socket.write_all(bytes).await?;
            self.socket.flush().await
        };
        match within(limit, writing).await {
            Some(Ok(())) => Ok(()),
            Some(Err(error)) => Err(lost(step, error)),
            None => Err(late(step)),
        }
    }

    /// Reads the next reply.
    pub(super) async fn reply(&mut self, step: Step, limit: Duration) -> Result<Reply> {
        // Several may have come in one packet.
        if let Some(reply) = self.received(step)? {
            return Ok(reply);
        }
        match timeout(limit, self.read_reply(step)).await {
            Ok(reply) => reply,
            Err(_) => Err(late(step)),
        }
    }

    async fn read_reply(&mut self, step: Step) -> Result<Reply> {
        loop {
            if self.inbox.len() > INBOX {
                return Err(Error::corrupt("the answer is too large").with_effect(Effect::NotSent));
            }
            self.inbox.reserve(4096);
            match self.socket.read_buf(&mut self.inbox).await {
                Ok(0) => return Err(lost(step, io::ErrorKind::UnexpectedEof.into())),
                Ok(_) => {}
                Err(error) => return Err(lost(step, error)),
            }
            if let Some(reply) = self.received(step)? {
                return Ok(reply);
            }
        }
    }

    /// The next reply, if all of it has been read.
    fn received(&mut self, step: Step) -> Result<Option<Reply>> {
        if self.inbox.is_empty() {
            return Ok(None);
        }
        let parsed = Reply::parse(&self.inbox).map_err(|error| error.with_context("step", step.name()))?;
        Ok(parsed.map(|(reply, used)| {
            self.inbox.drain(..used);
            reply
        }))
    }

    /// Whether nothing has arrived on an unused connection: neither its end nor words that nobody asked for. Costs no
    /// round trip.
    pub(super) fn is_quiet(&mut self) -> bool {
        if !self.inbox.is_empty() {
            return false;
        }
        let mut byte = [0; 1];
        let mut buffer = ReadBuf::new(&mut byte);
        let mut context = Context::from_waker(Waker::noop());
        matches!(Pin::new(&mut self.socket).poll_read(&mut context, &mut buffer), Poll::Pending)
    }

    /// Asks whether the server is still there.
    pub(super) async fn check(&mut self) -> Result<()> {
        let reply = self.command(Step::Check, "NOOP\r\n").await?;
        if reply.is_positive() { Ok(()) } else { Err(refused(Step::Check, &reply)) }
    }

    pub(super) fn timeouts(&self) -> Timeouts {
        self.timeouts
    }

    /// Says goodbye, for as long as that is polite.
    pub(super) async fn quit(mut self) {
        let goodbye = async {
            self.socket.write_all(b"QUIT\r\n").await?;
            self.socket.flush().await?;
            self.read_reply(Step::Check).await.map_err(io::Error::other)?;
            self.socket.shutdown().await
        };
        // It has carried everything it had to; how it ends changes nothing.
        drop(timeout(Duration::from_secs(1), goodbye).await);
    }
}

/// Waits for `work`, at most so long; `None` if it takes longer. Most writes are over at once, and a timer for them would
/// cost more than they do: it is set only for what has to wait.
async fn within<T>(limit: Duration, work: impl Future<Output = T>) -> Option<T> {
    let mut work = std::pin::pin!(work);
    if let Poll::Ready(done) = poll_fn(|cx| Poll::Ready(work.as_mut().poll(cx))).await {
        return Some(done);
    }
    timeout(limit, work).await.ok()
}

/// `[192.0.2.1]` or `[IPv6:2001:db8::1]` (RFC 5321, 4.1.3).
fn own_name(socket: &Socket) -> String {
    let address = match socket {
        Socket::Plain(tcp) => tcp.local_addr(),
        Socket::Tls(tls) => tls.get_ref().0.local_addr(),
        _ => Err(io::ErrorKind::Unsupported.into()),
    };
    match address.map(|address| address.ip()) {
        Ok(std::net::IpAddr::V4(v4)) => format!("[{v4}]"),
        Ok(std::net::IpAddr::V6(v6)) => format!("[IPv6:{v6}]"),
        Err(_) => "localhost".to_owned(),
    }
}

/// The connection ended or broke. Until the end of the mail is written nothing can have taken effect.
fn lost(step: Step, error: io::Error) -> Error {
    Error::unavailable("the connection to the mail server was lost")
        .with_effect(Effect::NotSent)
        .with_context("step", step.name())
        .with_source(error)
}

fn late(step: Step) -> Error {
    Error::timeout("the mail server did not answer in time")
        .with_effect(Effect::NotSent)
        .with_context("step", step.name())
}
