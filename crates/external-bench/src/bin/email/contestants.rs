//! Who sends mails: ours, lettre, mail-send, a socket by hand, and aiosmtplib in a process of its own.

use std::sync::Arc;
use std::time::Duration;

use external_bench::{Contestant, PYTHON, PythonPeer, Until, per_second};
use external_core::BuildContext;
use external_core::email::EmailService;
use external_email::EmailClient;
use external_email::providers::smtp::{Security, SmtpConfig};
use lettre::transport::smtp::PoolConfig;
use lettre::{AsyncSmtpTransport, AsyncTransport, Tokio1Executor};
use mail_send::mail_builder::MessageBuilder;
use mail_send::{SmtpClient, SmtpClientBuilder};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio::sync::Mutex;

const FROM: &str = "shop@example.org";
const TO: &str = "ada@example.net";
const SUBJECT: &str = "Your order";
const TEXT: &str =
    "Dear Ada,\r\n\r\nyour order is on its way. It will be with you in two days.\r\n\r\nThe shop\r\n";

const AIOSMTPLIB_SERVICE: &str = include_str!("aiosmtplib_service.py");

/// What a row is called, and how its service treats connections.
const AIOSMTPLIB: [(&str, &str); 2] = [
    ("aiosmtplib in a Python process, a connection each caller", "kept"),
    ("aiosmtplib in a Python process, a connection each mail", "anew"),
];

/// Connections that a caller keeps for itself, one each.
type Kept<T> = Arc<Vec<Mutex<Option<T>>>>;

/// Everyone, against one server with so many callers.
pub(crate) struct Contestants<'a> {
    runtime: &'a Runtime,
    port: u16,
    callers: usize,
}

impl<'a> Contestants<'a> {
    pub(crate) fn new(runtime: &'a Runtime, port: u16, callers: usize) -> Self {
        Self { runtime, port, callers }
    }

    /// # Errors
    ///
    /// That a process does not start.
    pub(crate) fn all(&self, slice: Duration) -> Result<Vec<Contestant<'a>>, String> {
        let mut all = vec![
            self.ours(slice),
            self.lettre(slice),
            self.mail_send(slice),
            self.anew(slice),
            self.raw(slice),
        ];
        for (name, connections) in AIOSMTPLIB {
            match PythonPeer::start(AIOSMTPLIB_SERVICE, &[connections, &self.port.to_string()])? {
                Some(service) => all.push(self.service(name, service, slice)),
                None => eprintln!("email: left out: {name}: {PYTHON} names no Python that has it"),
            }
        }
        Ok(all)
    }

    fn kept<T>(&self) -> Kept<T> {
        Arc::new((0..self.callers).map(|_| Mutex::new(None)).collect())
    }

    fn ours(&self, slice: Duration) -> Contestant<'a> {
        let (runtime, callers) = (self.runtime, self.callers);
        let smtp = SmtpConfig::new(format!("smtp://127.0.0.1:{}", self.port))
            .with_security(Security::None)
            .build(&BuildContext::default())
            .expect("the provider is configured");
        let service: Arc<dyn EmailService> = Arc::new(smtp);
        let client = EmailClient::from(service).with_from(FROM.parse().expect("an address"));
        Contestant::new("ours", move || {
            per_second(runtime, callers, slice, |_, until| {
                let client = client.clone();
                async move {
                    let mut mails = 0;
                    while until.goes_on() {
                        client.send_email(TO, SUBJECT, TEXT, None).await.expect("a mail is taken");
                        mails += 1;
                    }
                    mails
                }
            })
        })
    }

    fn lettre(&self, slice: Duration) -> Contestant<'a> {
        let (runtime, callers) = (self.runtime, self.callers);
        let pool = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous("127.0.0.1")
            .port(self.port)
            .pool_config(PoolConfig::new().max_size(10));
        // Its pool looks after itself in a task.
        let pool = runtime.block_on(async { pool.build() });
        Contestant::new("lettre, pool", move || {
            per_second(runtime, callers, slice, |_, until| {
                let pool = pool.clone();
                async move {
                    let mut mails = 0;
                    while until.goes_on() {
                        let mail = lettre::Message::builder()
                            .from(FROM.parse().expect("an address"))
                            .to(TO.parse().expect("an address"))
                            .subject(SUBJECT)
                            .message_id(None)
                            .body(TEXT.to_owned())
                            .expect("a mail");
                        pool.send(mail).await.expect("a mail is taken");
                        mails += 1;
                    }
                    mails
                }
            })
        })
    }

    fn mail_send(&self, slice: Duration) -> Contestant<'a> {
        let (runtime, callers, port) = (self.runtime, self.callers, self.port);
        let kept: Kept<SmtpClient<TcpStream>> = self.kept();
        Contestant::new("mail-send, a connection each caller", move || {
            per_second(runtime, callers, slice, |caller, until| {
                let kept = kept.clone();
                async move {
                    let mut kept = kept[caller].lock().await;
                    if kept.is_none() {
                        *kept = Some(builder(port).connect_plain().await.expect("a connection"));
                    }
                    let client = kept.as_mut().expect("just made");
                    let mut mails = 0;
                    while until.goes_on() {
                        client.send(message()).await.expect("a mail is taken");
                        mails += 1;
                    }
                    mails
                }
            })
        })
    }

    fn anew(&self, slice: Duration) -> Contestant<'a> {
        let (runtime, callers) = (self.runtime, self.callers);
        let builder = Arc::new(builder(self.port));
        Contestant::new("mail-send, a connection each mail", move || {
            per_second(runtime, callers, slice, |_, until| {
                let builder = builder.clone();
                async move {
                    let mut mails = 0;
                    while until.goes_on() {
                        let mut client = builder.connect_plain().await.expect("a connection");
                        client.send(message()).await.expect("a mail is taken");
                        mails += 1;
                    }
                    mails
                }
            })
        })
    }

    fn service(&self, name: &str, mut service: PythonPeer, slice: Duration) -> Contestant<'a> {
        let callers = self.callers;
        Contestant::new(name, move || service.per_second(callers, slice))
    }

    fn raw(&self, slice: Duration) -> Contestant<'a> {
        let (runtime, callers, port) = (self.runtime, self.callers, self.port);
        let kept: Kept<Raw> = self.kept();
        Contestant::new("raw socket, pipelined, the same bytes each time", move || {
            per_second(runtime, callers, slice, |caller, until| {
                let kept = kept.clone();
                async move { Raw::mails(&kept[caller], port, until).await }
            })
        })
    }
}

/// It reads the system's certificates, which takes milliseconds.
fn builder(port: u16) -> SmtpClientBuilder<&'static str> {
    SmtpClientBuilder::new("127.0.0.1", port).expect("TLS settings").helo_host("localhost")
}

fn message() -> MessageBuilder<'static> {
    MessageBuilder::new().from(FROM).to(TO).subject(SUBJECT).text_body(TEXT)
}

/// As little as a program can do: two writes a mail, and the answers counted.
struct Raw {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Raw {
    async fn mails(kept: &Mutex<Option<Self>>, port: u16, until: Until) -> u64 {
        let mut kept = kept.lock().await;
        if kept.is_none() {
            *kept = Some(Self::connect(port).await);
        }
        let raw = kept.as_mut().expect("just made");
        let envelope = format!("MAIL FROM:<{FROM}>\r\nRCPT TO:<{TO}>\r\nDATA\r\n");
        let mail = format!(
            "Date: Sun, 22 Nov 2026 12:00:00 +0000\r\nFrom: {FROM}\r\nTo: {TO}\r\nSubject: {SUBJECT}\r\n\
             Message-ID: <0123456789abcdef0123456789abcdef@example.org>\r\nMIME-Version: 1.0\r\n\
             Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 7bit\r\n\r\n{TEXT}.\r\n"
        );
        let mut mails = 0;
        while until.goes_on() {
            raw.stream.write_all(envelope.as_bytes()).await.expect("written");
            raw.answers(3).await;
            raw.stream.write_all(mail.as_bytes()).await.expect("written");
            raw.answers(1).await;
            mails += 1;
        }
        mails
    }

    async fn connect(port: u16) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).await.expect("a connection");
        stream.set_nodelay(true).expect("no delay");
        let mut raw = Self { stream, buffer: Vec::with_capacity(4096) };
        raw.answers(1).await;
        raw.stream.write_all(b"EHLO localhost\r\n").await.expect("written");
        raw.answers(1).await;
        raw
    }

    /// Waits for so many answers; a line whose code is followed by `-` is not the last of its answer.
    async fn answers(&mut self, wanted: usize) {
        self.buffer.clear();
        loop {
            let read = self.stream.read_buf(&mut self.buffer).await.expect("an answer");
            assert!(read > 0, "the server hung up");
            let complete = self.buffer.ends_with(b"\n");
            let last = |line: &&[u8]| line.len() > 3 && line[3] == b' ';
            if complete && self.buffer.split(|&byte| byte == b'\n').filter(last).count() >= wanted {
                assert!(matches!(self.buffer.first(), Some(b'2' | b'3')), "refused");
                return;
            }
        }
    }
}
