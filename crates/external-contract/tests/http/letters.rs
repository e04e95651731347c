//! A provider that speaks HTTP, by hand: it knows what statuses mean, or is wrong about that in one way.
#![allow(clippy::unwrap_used, reason = "a test may")]

use std::sync::Arc;
use std::time::Duration;

use external_contract::{ProviderCall, Traffic};
use external_core::{
    BuildContext, CallContext, Capabilities, Effect, Error, ErrorKind, Provider, ProviderEntry, ProviderInfo,
    ProviderKind, Result, Retry, Section, async_trait,
};
use serde::Deserialize;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// What it gets wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(crate) enum Flaw {
    None,
    TakesGatewaysForRefusals,
    TakesRefusalsForFaults,
    ReadsPagesForReasons,
    RepeatsWhatIsUnavailable,
    ForgetsTheWait,
    KnowsNoDates,
    WaitsForGood,
    BelievesAnyPage,
    BlamesTheCallerForPages,
    FollowsRedirects,
    QuotesTheLetter,
}

/// The contract.
#[async_trait]
pub(crate) trait Letters: Provider {
    async fn post(&self, cx: &CallContext, letter: &str) -> Result<()>;

    /// That it was burnt a status says alone.
    async fn burn(&self, cx: &CallContext, letter: &str) -> Result<()>;
}

pub(crate) fn calls() -> Vec<ProviderCall<dyn Letters>> {
    vec![
        ProviderCall {
            name: "post",
            traffic: Traffic::Marked,
            run: |case, service, marker| {
                Box::pin(
                    async move { service.post(&case.cx(), &format!("{marker} {}", case.canary())).await },
                )
            },
        },
        ProviderCall {
            name: "burn",
            traffic: Traffic::Marked,
            run: |case, service, marker| {
                Box::pin(
                    async move { service.burn(&case.cx(), &format!("{marker} {}", case.canary())).await },
                )
            },
        },
    ]
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    address: String,
    flaw: Flaw,
}

pub(crate) const ENTRY: ProviderEntry<dyn Letters> = ProviderEntry {
    id: "letters",
    feature: "",
    kind: ProviderKind::Remote,
    build: |section: &Section, _: &BuildContext| {
        let config = section.parse::<Config>()?;
        let info = ProviderInfo::new("letters", "letters", "http://localhost", Capabilities::new());
        Ok(Arc::new(Office { info, config }) as Arc<dyn Letters>)
    },
    schema: || r#"{"properties":{"address":{},"flaw":{}}}"#.to_owned(),
};

#[derive(Debug)]
struct Office {
    info: ProviderInfo,
    config: Config,
}

#[async_trait]
impl Provider for Office {
    fn info(&self) -> &ProviderInfo {
        &self.info
    }

    async fn probe(&self, _: &CallContext) -> Result<()> {
        Ok(())
    }
}

#[async_trait]
impl Letters for Office {
    async fn post(&self, cx: &CallContext, letter: &str) -> Result<()> {
        self.hand_over(cx, letter, false).await
    }

    async fn burn(&self, cx: &CallContext, letter: &str) -> Result<()> {
        self.hand_over(cx, letter, true).await
    }
}

impl Office {
    async fn hand_over(&self, cx: &CallContext, letter: &str, is_silent: bool) -> Result<()> {
        // Whoever posts shows a stamp first.
        let stamp = self.exchange("/stamp", "").await?;
        if !stamp.ends_with("{\"stamp\":7}") {
            return Err(Error::corrupt("no stamp"));
        }
        cx.mark_sent();
        let mut answer = self.exchange("/letters", letter).await?;
        if answer.starts_with("HTTP/1.1 503") && self.config.flaw == Flaw::RepeatsWhatIsUnavailable {
            answer = self.exchange("/letters", letter).await?;
        }
        if answer.starts_with("HTTP/1.1 3") && self.config.flaw == Flaw::FollowsRedirects {
            answer = self.exchange("/elsewhere", letter).await?;
        }
        self.judged(&answer, is_silent).map_err(|error| match self.config.flaw {
            Flaw::QuotesTheLetter => error.with_context("letter", letter),
            _ => error,
        })
    }

    async fn exchange(&self, path: &str, body: &str) -> Result<String> {
        let io = |error: std::io::Error| Error::unavailable("the connection broke").with_source(error);
        let mut connection = TcpStream::connect(&self.config.address).await.map_err(io)?;
        let length = body.len();
        let request = format!(
            "POST {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
        );
        connection.write_all(request.as_bytes()).await.map_err(io)?;
        let mut answer = Vec::new();
        connection.read_to_end(&mut answer).await.map_err(io)?;
        Ok(String::from_utf8_lossy(&answer).into_owned())
    }

    fn judged(&self, answer: &str, is_silent: bool) -> Result<()> {
        let flaw = self.config.flaw;
        let status: u16 = answer.get(9..12).and_then(|status| status.parse().ok()).unwrap_or_default();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((answer, ""));
        let kind = match status {
            200 if is_silent || body == "{\"posted\":true}" || flaw == Flaw::BelievesAnyPage => return Ok(()),
            200 if flaw == Flaw::BlamesTheCallerForPages => ErrorKind::InvalidArgument,
            200 => ErrorKind::Corrupt,
            _ if flaw == Flaw::ReadsPagesForReasons && body.contains("Not now") => ErrorKind::RateLimited,
            401 => ErrorKind::Unauthenticated,
            403 => ErrorKind::PermissionDenied,
            404 => ErrorKind::NotFound,
            408 => ErrorKind::Timeout,
            409 | 412 => ErrorKind::Conflict,
            413 => ErrorKind::PayloadTooLarge,
            429 => ErrorKind::RateLimited,
            400 if flaw == Flaw::TakesRefusalsForFaults => ErrorKind::Unexpected,
            400 => ErrorKind::InvalidArgument,
            500..=599 => ErrorKind::Unavailable,
            _ => ErrorKind::Unexpected,
        };
        let effect = match status {
            502 if flaw == Flaw::TakesGatewaysForRefusals => Effect::NotApplied,
            400..=499 => Effect::NotApplied,
            _ => Effect::MaybeApplied,
        };
        let error = Error::new(kind, "the office refuses").with_effect(effect).with_http_status(status);
        Err(match self.wait(head).filter(|_| matches!(status, 429 | 503)) {
            Some(wait) => error.with_retry(Retry::After(wait)),
            None => error,
        })
    }

    /// Seconds, or a date, which counts from the server's own.
    fn wait(&self, head: &str) -> Option<Duration> {
        let field = |name| head.lines().find_map(|line| line.strip_prefix(name));
        let told = field("retry-after: ")?;
        let date = |text| httpdate::parse_http_date(text).ok();
        match (told.parse(), self.config.flaw) {
            (_, Flaw::ForgetsTheWait) => None,
            (Ok(seconds), _) => Some(Duration::from_secs(seconds)),
            (Err(_), Flaw::WaitsForGood) if !told.ends_with("GMT") => Some(Duration::MAX),
            (Err(_), Flaw::KnowsNoDates) => None,
            (Err(_), _) => date(told)?.duration_since(date(field("date: ")?)?).ok(),
        }
    }
}
