//! A small server that answers by script and remembers what it was told.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What a script says to a line. The end of a mail is the line `<end>`, a connection the line `<hello>`.
pub(super) enum Answer {
    Usual,
    Say(&'static str),
    /// Says nothing, for ever.
    Silence,
    /// Ends the connection.
    Close,
    /// Says something and ends the connection.
    SayAndClose(&'static str),
}

type Script = dyn Fn(&str, usize) -> Answer + Send + Sync;

pub(super) struct Server {
    pub(super) port: u16,
    seen: Arc<Seen>,
}

#[derive(Default)]
struct Seen {
    connections: AtomicUsize,
    open: AtomicUsize,
    peak: AtomicUsize,
    lines: Mutex<Vec<String>>,
    reads: Mutex<Vec<String>>,
    mails: Mutex<Vec<String>>,
}

impl Server {
    /// A server that offers these features and answers as the script says: line and number of the connection (from 0).
    pub(super) async fn start(
        features: &'static [&'static str],
        script: impl Fn(&str, usize) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let seen = Arc::new(Seen::default());
        let (server, script) = (seen.clone(), Arc::<Script>::from(Box::new(script) as Box<Script>));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let number = server.connections.fetch_add(1, Ordering::SeqCst);
                let open = server.open.fetch_add(1, Ordering::SeqCst) + 1;
                server.peak.fetch_max(open, Ordering::SeqCst);
                let (seen, script) = (server.clone(), script.clone());
                tokio::spawn(async move {
                    talk(stream, features, &seen, script.as_ref(), number).await;
                    seen.open.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        Self { port, seen }
    }

    pub(super) fn url(&self) -> String {
        format!("smtp://127.0.0.1:{}", self.port)
    }

    pub(super) fn connections(&self) -> usize {
        self.seen.connections.load(Ordering::SeqCst)
    }

    pub(super) fn peak(&self) -> usize {
        self.seen.peak.load(Ordering::SeqCst)
    }

    /// Every line of a command.
    pub(super) fn lines(&self) -> Vec<String> {
        self.seen.lines.lock().unwrap().clone()
    }

    /// How often a command with this beginning was heard.
    pub(super) fn heard(&self, beginning: &str) -> usize {
        self.lines().iter().filter(|line| line.starts_with(beginning)).count()
    }

    /// What each read brought.
    pub(super) fn reads(&self) -> Vec<String> {
        self.seen.reads.lock().unwrap().clone()
    }

    /// Every mail that came whole, dots undone.
    pub(super) fn mails(&self) -> Vec<String> {
        self.seen.mails.lock().unwrap().clone()
    }
}

async fn talk(mut stream: TcpStream, features: &[&str], seen: &Seen, script: &Script, number: usize) {
    let mut input = String::new();
    let mut content: Option<String> = None;
    let mut line = "<hello>".to_owned();
    loop {
        let answer = script(&line, number);
        let usual = usual(&line, features);
        let (say, close) = match answer {
            Answer::Usual => (usual, line.starts_with("QUIT")),
            Answer::Say(say) => (say.to_owned(), false),
            Answer::SayAndClose(say) => (say.to_owned(), true),
            Answer::Close => return,
            Answer::Silence => return std::future::pending().await,
        };
        if line.starts_with("DATA") && say.starts_with("354") {
            content = Some(String::new());
        }
        if stream.write_all(say.as_bytes()).await.is_err() || close {
            return;
        }
        line = loop {
            if let Some(end) = input.find("\r\n") {
                let next: String = input.drain(..end + 2).collect();
                match &mut content {
                    Some(_) if next == ".\r\n" => {
                        seen.mails.lock().unwrap().push(content.take().unwrap());
                        break "<end>".to_owned();
                    }
                    Some(mail) => mail.push_str(next.strip_prefix('.').unwrap_or(&next)),
                    None => {
                        let next = next.trim_end().to_owned();
                        seen.lines.lock().unwrap().push(next.clone());
                        break next;
                    }
                }
                continue;
            }
            let mut buffer = vec![0; 1 << 16];
            match stream.read(&mut buffer).await {
                Ok(0) | Err(_) => return,
                Ok(n) => {
                    let text = String::from_utf8_lossy(&buffer[..n]).into_owned();
                    seen.reads.lock().unwrap().push(text.clone());
                    input.push_str(&text);
                }
            }
        };
    }
}

fn usual(line: &str, features: &[&str]) -> String {
    let word = line.split([' ', ':']).next().unwrap_or_default();
    match word {
        "<hello>" => "220 test server\r\n".to_owned(),
        "EHLO" => {
            let mut lines = vec!["250-test server".to_owned()];
            lines.extend(features.iter().map(|feature| format!("250-{feature}")));
            lines.push("250 HELP\r\n".to_owned());
            lines.join("\r\n")
        }
        "DATA" => "354 go on\r\n".to_owned(),
        "<end>" => "250 2.0.0 queued as 4711\r\n".to_owned(),
        "AUTH" => "235 2.7.0 welcome\r\n".to_owned(),
        "QUIT" => "221 bye\r\n".to_owned(),
        _ => "250 2.1.5 ok\r\n".to_owned(),
    }
}
