//! A provider of one call over TCP and its server: a line comes back as it was.
#![allow(clippy::unwrap_used, reason = "a test may")]

use std::io::{self, BufRead, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use external_contract::{ProviderCall, Traffic};
use external_core::{
    BuildContext, CallContext, Capabilities, Effect, Error, ErrorKind, Provider, ProviderEntry, ProviderInfo,
    ProviderKind, Result, Retry, Secret, Section, async_trait,
};
use serde::Deserialize;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout, timeout_at};

use crate::dial::{Dialler, Stream};

/// What is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(crate) enum Flaw {
    None,
    RetriesHidden,
    AsksTwice,
    NeverRedials,
    DeniesSending,
    RefusesAfterSending,
    IgnoresShout,
    KeepsDirtyConnection,
    LeavesConnectionOpen,
    DialsInBuild,
    TakesAnyField,
    SaysNotSentAfterReset,
    GivesUpForGood,
    IsImpatient,
    NeedsAnswersInOnePiece,
    IgnoresDeadline,
    WaitsWhileBytesCome,
    MarksTooLate,
    MarksTooEarly,
    PanicsOnGarbage,
    BelievesHalfAnAnswer,
    ReadsWithoutEnd,
    BlamesTheCaller,
    TrustsAnybody,
    NeverTrustsAnybody,
    NamesNoField,
    HidesRefusal,
    ProbeFails,
    ProbeIsSilent,
    HangsOnClose,
    StaysBusy,
    BlamesTheConfiguration,
    HidesDenial,
    ServesOneAtATime,
    QuotesTheLine,
}

/// The password that the server takes.
pub(crate) const PASSWORD: &str = "open sesame";

/// The contract.
#[async_trait]
pub(crate) trait Echo: Provider {
    async fn say(&self, cx: &CallContext, text: &str, shout: bool) -> Result<String>;
}

pub(crate) fn calls() -> Vec<ProviderCall<dyn Echo>> {
    vec![ProviderCall {
        name: "say",
        traffic: Traffic::Marked,
        run: |case, service, marker| {
            Box::pin(async move {
                let line = format!("{marker} {}", case.canary());
                let heard = service.say(&case.cx(), &line, false).await?;
                if heard == line { Ok(()) } else { Err(Error::corrupt("another caller's answer")) }
            })
        },
    }]
}

/// Starts the server once; answers where it listens.
pub(crate) fn server() -> String {
    static ADDRESS: OnceLock<String> = OnceLock::new();
    let start = || {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                std::thread::spawn(move || echo(stream));
            }
        });
        address
    };
    ADDRESS.get_or_init(start).clone()
}

/// Says each line again, but for passwords: whether it is the right one.
pub(crate) fn echo(stream: TcpStream) {
    let mut writer = stream.try_clone().unwrap();
    for line in io::BufReader::new(stream).lines().map_while(std::result::Result::ok) {
        let answer = match line.strip_prefix("password ") {
            Some(PASSWORD) => "welcome",
            Some(_) => "denied",
            None => &line,
        };
        if writer.write_all(format!("{answer}\n").as_bytes()).is_err() {
            return;
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    address: String,
    flaw: Flaw,
    password: Option<Secret>,
    #[serde(default)]
    tls: bool,
}

#[derive(Debug, Deserialize)]
struct LaxConfig {
    address: String,
}

/// As [`ENTRY`], but its schema describes nothing.
pub(crate) const UNDESCRIBED: ProviderEntry<dyn Echo> = ProviderEntry { schema: || "{}".to_owned(), ..ENTRY };

pub(crate) const ENTRY: ProviderEntry<dyn Echo> = ProviderEntry {
    id: "echo",
    feature: "",
    kind: ProviderKind::Remote,
    build,
    schema: || {
        r##"{"type":"object","$defs":{"Secret":{}},"properties":
            {"address":{"type":"string"},"flaw":{"type":"string"},"password":{"$ref":"#/$defs/Secret"}}}"##
            .to_owned()
    },
};

fn build(section: &Section, context: &BuildContext) -> Result<Arc<dyn Echo>> {
    let lax = section.value().at("flaw").is_some_and(|flaw| format!("{flaw:?}").contains("TakesAnyField"));
    let vague = section.value().at("flaw").is_some_and(|flaw| format!("{flaw:?}").contains("NamesNoField"));
    let config = if vague {
        section.parse::<Config>().map_err(|_| Error::configuration("something is wrong"))?
    } else if lax {
        let address = section.parse::<LaxConfig>()?.address;
        Config { address, flaw: Flaw::TakesAnyField, password: None, tls: false }
    } else {
        section.parse::<Config>()?
    };
    if config.flaw == Flaw::DialsInBuild {
        TcpStream::connect(&config.address).map_err(|error| Error::configuration(error.to_string()))?;
    }
    let capabilities = Capabilities::new().unsupported("shout");
    let info = ProviderInfo::new("echo", "echo", format!("echo://{}", config.address), capabilities);
    let dialler = Dialler {
        address: config.address,
        tls: config.tls.then(|| context.tls().clone()),
        password: config.password,
        flaw: config.flaw,
    };
    Ok(Arc::new(Client {
        info,
        dialler,
        flaw: config.flaw,
        line: Mutex::default(),
        busy: AtomicBool::default(),
    }))
}

type Line = BufReader<Box<dyn Stream>>;

/// More than any answer has.
const MOST: u64 = 64 << 10;

#[derive(Debug)]
struct Client {
    info: ProviderInfo,
    dialler: Dialler,
    flaw: Flaw,
    line: Mutex<Option<Line>>,
    busy: AtomicBool,
}

impl Client {
    /// Keeps the deadline of the call, as a client does for its provider.
    async fn ask(&self, cx: &CallContext, text: &str) -> Result<String> {
        let within = match self.flaw {
            Flaw::IgnoresDeadline => None,
            Flaw::IsImpatient => Some(Instant::now() + Duration::from_millis(300)),
            _ => cx.deadline(),
        };
        let Some(deadline) = within.filter(|_| self.flaw != Flaw::WaitsWhileBytesCome) else {
            return self.answer(cx, text).await;
        };
        let late = |_| {
            let effect = if cx.was_sent() { Effect::MaybeApplied } else { Effect::NotSent };
            Err(Error::timeout("no answer in time").with_effect(effect))
        };
        timeout_at(deadline, self.answer(cx, text)).await.unwrap_or_else(late)
    }

    async fn answer(&self, cx: &CallContext, text: &str) -> Result<String> {
        if self.flaw == Flaw::MarksTooEarly {
            cx.mark_sent();
        }
        let mut held = self.line.lock().await;
        if self.busy.swap(true, Ordering::Relaxed) && self.flaw == Flaw::StaysBusy {
            return Err(Error::unavailable("still busy with a call that is gone"));
        }
        // Taken out while in use: a call that is dropped half-way takes the connection with it.
        let mut line = match held.take() {
            Some(line) => line,
            None => match self.dialler.dial().await {
                Err(_) if self.flaw == Flaw::HidesRefusal => {
                    return Err(Error::unexpected("something went wrong"));
                }
                Err(error)
                    if self.flaw == Flaw::HidesDenial && error.kind() == ErrorKind::Unauthenticated =>
                {
                    return Err(Error::unavailable("no connection").with_effect(Effect::NotSent));
                }
                dialled => BufReader::new(dialled?),
            },
        };
        if self.flaw == Flaw::KeepsDirtyConnection {
            let line = held.insert(line);
            return self.exchange(cx, line, text).await;
        }
        if self.flaw == Flaw::LeavesConnectionOpen {
            // A call that is dropped half-way drops nothing.
            let mut kept = std::mem::ManuallyDrop::new(line);
            let heard = self.exchange(cx, &mut kept, text).await;
            *held = Some(std::mem::ManuallyDrop::into_inner(kept));
            return heard;
        }
        // Whoever comes meanwhile makes a connection of its own.
        let held = (self.flaw == Flaw::ServesOneAtATime).then_some(held);
        let heard = self.exchange(cx, &mut line, text).await;
        drop(held);
        self.busy.store(false, Ordering::Relaxed);
        if heard.is_ok() || self.flaw == Flaw::NeverRedials {
            *self.line.lock().await = Some(line);
        }
        heard
    }

    async fn exchange(&self, cx: &CallContext, line: &mut Line, text: &str) -> Result<String> {
        let broken = |error: io::Error| match (self.flaw, error.kind()) {
            (Flaw::SaysNotSentAfterReset, io::ErrorKind::ConnectionReset) => {
                Error::unavailable("the connection was reset").with_effect(Effect::NotSent)
            }
            (Flaw::HidesRefusal, _) => Error::unexpected("something went wrong"),
            (Flaw::GivesUpForGood, _) => Error::unavailable("the connection broke").with_retry(Retry::Never),
            _ => Error::unavailable("the connection broke"),
        };
        if self.flaw != Flaw::MarksTooLate {
            cx.mark_sent();
        }
        line.write_all(format!("{text}\n").as_bytes()).await.map_err(broken)?;
        let heard = self.read(cx, line).await.map_err(broken)?;
        cx.mark_sent();
        // Whatever comes but for its own words: no draw decides whether it is seen.
        let is_echo = heard.is_empty() || heard.strip_suffix(b"\n") == Some(text.as_bytes());
        assert!(is_echo || self.flaw != Flaw::PanicsOnGarbage, "nobody said this");
        let end = match heard.strip_suffix(b"\n") {
            Some(whole) => whole,
            None if self.flaw == Flaw::BelievesHalfAnAnswer => return Ok(text.to_owned()),
            None if heard.len() as u64 == MOST => return Err(Error::corrupt("the answer has no end")),
            None => return Err(broken(io::ErrorKind::UnexpectedEof.into())),
        };
        match std::str::from_utf8(end) {
            Ok(heard) => Ok(heard.to_owned()),
            Err(_) if self.flaw == Flaw::BlamesTheCaller => Err(Error::invalid_argument("what is this?")),
            Err(_) => Err(Error::corrupt("the answer is no text")),
        }
    }

    async fn read(&self, cx: &CallContext, line: &mut Line) -> io::Result<Vec<u8>> {
        let mut heard = Vec::new();
        match self.flaw {
            Flaw::ReadsWithoutEnd => drop(line.read_until(b'\n', &mut heard).await?),
            Flaw::NeedsAnswersInOnePiece => heard.extend_from_slice(line.fill_buf().await?),
            Flaw::WaitsWhileBytesCome => {
                let patience = cx.remaining().unwrap_or(Duration::MAX);
                while !heard.ends_with(b"\n") {
                    match timeout(patience, line.read_u8()).await {
                        Ok(byte) => heard.push(byte?),
                        Err(_) => return Err(io::ErrorKind::TimedOut.into()),
                    }
                }
            }
            _ => drop(line.take(MOST).read_until(b'\n', &mut heard).await?),
        }
        Ok(heard)
    }
}

#[async_trait]
impl Provider for Client {
    fn info(&self) -> &ProviderInfo {
        &self.info
    }

    async fn probe(&self, cx: &CallContext) -> Result<()> {
        match self.flaw {
            Flaw::ProbeFails => Err(Error::unavailable("the probe fails")),
            Flaw::ProbeIsSilent => Ok(()),
            _ => self.ask(cx, "probe").await.map(drop),
        }
    }

    async fn close(&self) -> Result<()> {
        if self.flaw == Flaw::HangsOnClose {
            std::future::pending::<()>().await;
        }
        self.line.lock().await.take();
        Ok(())
    }
}

#[async_trait]
impl Echo for Client {
    async fn say(&self, cx: &CallContext, text: &str, shout: bool) -> Result<String> {
        match (shout, self.flaw) {
            (true, Flaw::RefusesAfterSending) => {
                self.ask(cx, text).await?;
                return Err(Error::unsupported("shout"));
            }
            (true, Flaw::IgnoresShout) | (false, _) => {}
            (true, _) => return Err(Error::unsupported("shout")),
        }
        if self.flaw == Flaw::AsksTwice {
            self.ask(cx, text).await?;
        }
        let heard = self.ask(cx, text).await;
        match (heard, self.flaw) {
            (Err(_), Flaw::RetriesHidden) => self.ask(cx, text).await,
            (Ok(heard), Flaw::BlamesTheConfiguration) if heard != text => {
                Err(Error::configuration("what is this?"))
            }
            (Err(error), Flaw::DeniesSending) => Err(error.with_effect(Effect::NotSent)),
            (Err(error), Flaw::QuotesTheLine) => Err(error.with_context("line", text)),
            (heard, _) => heard,
        }
    }
}
