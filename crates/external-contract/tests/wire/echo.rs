//! A provider of one call over TCP and its server: a line comes back as it was.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may")]

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::sync::{Arc, OnceLock};

use external_contract::ProviderCall;
use external_core::{
    BuildContext, CallContext, Capabilities, Effect, Error, Provider, ProviderEntry, ProviderInfo,
    ProviderKind, Result, Section, async_trait,
};
use serde::Deserialize;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Mutex;

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
}

/// The contract.
#[async_trait]
pub(crate) trait Echo: Provider {
    async fn say(&self, cx: &CallContext, text: &str, shout: bool) -> Result<String>;
}

pub(crate) fn calls() -> Vec<ProviderCall<dyn Echo>> {
    vec![ProviderCall {
        name: "say",
        marked: true,
        run: |case, service, marker| {
            Box::pin(async move {
                let heard = service.say(&case.cx(), marker, false).await?;
                if heard == marker { Ok(()) } else { Err(Error::corrupt("another caller's answer")) }
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
                std::thread::spawn(move || {
                    let mut writer = stream.try_clone().unwrap();
                    for line in BufReader::new(stream).lines().map_while(std::result::Result::ok) {
                        if writer.write_all(format!("{line}\n").as_bytes()).is_err() {
                            return;
                        }
                    }
                });
            }
        });
        address
    };
    ADDRESS.get_or_init(start).clone()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    address: String,
    flaw: Flaw,
}

#[derive(Deserialize)]
struct LaxConfig {
    address: String,
}

pub(crate) const ENTRY: ProviderEntry<dyn Echo> = ProviderEntry {
    id: "echo",
    feature: "",
    kind: ProviderKind::Remote,
    build,
    schema: || {
        r#"{"type":"object","properties":{"address":{"type":"string"},"flaw":{"type":"string"}}}"#.to_owned()
    },
};

fn build(section: &Section, _: &BuildContext) -> Result<Arc<dyn Echo>> {
    let lax = section.value().at("flaw").is_some_and(|flaw| format!("{flaw:?}").contains("TakesAnyField"));
    let config = if lax {
        Config { address: section.parse::<LaxConfig>()?.address, flaw: Flaw::TakesAnyField }
    } else {
        section.parse::<Config>()?
    };
    if config.flaw == Flaw::DialsInBuild {
        std::net::TcpStream::connect(&config.address)
            .map_err(|error| Error::configuration(error.to_string()))?;
    }
    let capabilities = Capabilities::new().unsupported("shout");
    let info = ProviderInfo::new("echo", "echo", format!("echo://{}", config.address), capabilities);
    Ok(Arc::new(Client { info, address: config.address, flaw: config.flaw, line: Mutex::default() }))
}

type Line = tokio::io::BufReader<TcpStream>;

#[derive(Debug)]
struct Client {
    info: ProviderInfo,
    address: String,
    flaw: Flaw,
    line: Mutex<Option<Line>>,
}

impl Client {
    async fn ask(&self, cx: &CallContext, text: &str) -> Result<String> {
        let mut held = self.line.lock().await;
        // Taken out while in use: a call that is dropped half-way takes the connection with it.
        let mut line = match held.take() {
            Some(line) => line,
            None => {
                let dialled = TcpStream::connect(&self.address).await;
                let refused = |_| Error::unavailable("nobody listens").with_effect(Effect::NotSent);
                tokio::io::BufReader::new(dialled.map_err(refused)?)
            }
        };
        if self.flaw == Flaw::KeepsDirtyConnection {
            let line = held.insert(line);
            return Self::exchange(cx, line, text).await;
        }
        if self.flaw == Flaw::LeavesConnectionOpen {
            // A call that is dropped half-way drops nothing.
            let mut kept = std::mem::ManuallyDrop::new(line);
            let heard = Self::exchange(cx, &mut kept, text).await;
            *held = Some(std::mem::ManuallyDrop::into_inner(kept));
            return heard;
        }
        let heard = Self::exchange(cx, &mut line, text).await;
        if heard.is_ok() || self.flaw == Flaw::NeverRedials {
            *held = Some(line);
        }
        heard
    }

    async fn exchange(cx: &CallContext, line: &mut Line, text: &str) -> Result<String> {
        let broken = |_| Error::unavailable("the connection broke");
        cx.mark_sent();
        line.write_all(format!("{text}\n").as_bytes()).await.map_err(broken)?;
        let mut heard = String::new();
        if line.read_line(&mut heard).await.map_err(broken)? == 0 {
            return Err(Error::unavailable("the connection ended"));
        }
        Ok(heard.trim_end().to_owned())
    }
}

#[async_trait]
impl Provider for Client {
    fn info(&self) -> &ProviderInfo {
        &self.info
    }

    async fn probe(&self, cx: &CallContext) -> Result<()> {
        self.ask(cx, "probe").await.map(drop)
    }

    async fn close(&self) -> Result<()> {
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
            (Err(error), Flaw::DeniesSending) => Err(error.with_effect(Effect::NotSent)),
            (heard, _) => heard,
        }
    }
}
