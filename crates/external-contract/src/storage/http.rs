//! Opens links as any HTTP client would: just enough HTTP/1.1, so that no client of ours stands in between.

use std::time::Duration;

use external_core::storage::StorageService;
use external_net::{Connection, Tls, dial};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, timeout};

use crate::{Case, Finding};

/// How long one answer may take.
const WITHIN: Duration = Duration::from_secs(10);

/// What a server answered.
#[derive(Debug)]
#[non_exhaustive]
pub struct LinkAnswer {
    /// The status code.
    pub status: u16,
    headers: Vec<(String, String)>,
    /// The body, without transfer coding.
    pub body: Vec<u8>,
}

impl LinkAnswer {
    /// The value of a header, by its name in any case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }
}

/// Sends one request on a connection of its own; over TLS it trusts what the case's provider trusts.
///
/// # Errors
///
/// A finding if nothing that is HTTP comes back.
pub async fn open_link(
    case: &Case<dyn StorageService>,
    method: &str,
    url: &str,
    headers: &[(String, String)],
    body: &[u8],
) -> Result<LinkAnswer, Finding> {
    let told = |why: String| Finding::failed(format!("an HTTP answer to {method} {}", address(url)), why);
    let (encrypted, rest) = match (url.strip_prefix("http://"), url.strip_prefix("https://")) {
        (Some(rest), _) => (false, rest),
        (_, Some(rest)) => (true, rest),
        _ => return Err(told("no HTTP URL".to_owned())),
    };
    let (authority, target) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    let (host, port) = match authority.rsplit_once(':').map(|(host, port)| (host, port.parse::<u16>())) {
        Some((host, Ok(port))) => (host, port),
        _ => (authority, if encrypted { 443 } else { 80 }),
    };
    let mut request = format!("{method} {target} HTTP/1.1\r\nhost: {authority}\r\nconnection: close\r\n");
    for (name, value) in headers.iter().filter(|(name, _)| !name.eq_ignore_ascii_case("host")) {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    if method != "GET" {
        request.push_str(&format!("content-length: {}\r\n", body.len()));
    }
    request.push_str("\r\n");
    let exchange = async {
        let failed = |error: std::io::Error| Finding::failed("a request that is sent", error.to_string());
        let mut stream = Connection::Plain(dial(host, port, Some(Instant::now() + WITHIN)).await?);
        if encrypted {
            stream = stream.start_tls(host, &Tls::new(case.tls()?)).await?;
        }
        stream.write_all(request.as_bytes()).await.map_err(failed)?;
        // A server that refuses by the head alone may close before it has read the body.
        let _ = stream.write_all(body).await;
        let _ = stream.flush().await;
        let mut answer = Vec::new();
        let read = stream.read_to_end(&mut answer).await;
        if answer.is_empty() { read.map(|_| answer).map_err(failed) } else { Ok(answer) }
    };
    let answer = timeout(WITHIN, exchange).await.map_err(|_| told("none within 10 s".to_owned()))??;
    parse(&answer).ok_or_else(|| told(String::from_utf8_lossy(&answer).chars().take(200).collect()))
}

/// A URL without its query, which is as good as a credential.
fn address(url: &str) -> &str {
    url.split('?').next().unwrap_or_default()
}

fn parse(answer: &[u8]) -> Option<LinkAnswer> {
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = std::str::from_utf8(answer.get(..end)?).ok()?;
    let mut lines = head.split("\r\n");
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let headers: Vec<_> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
        .collect();
    let body = answer.get(end + 4..)?.to_vec();
    let mut answer = LinkAnswer { status, headers, body };
    if answer.header("transfer-encoding").is_some_and(|value| value.eq_ignore_ascii_case("chunked")) {
        answer.body = unchunked(&answer.body)?;
    }
    Some(answer)
}

fn unchunked(mut rest: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let end = rest.windows(2).position(|window| window == b"\r\n")?;
        let size = std::str::from_utf8(rest.get(..end)?).ok()?.split(';').next()?.trim();
        let size = usize::from_str_radix(size, 16).ok()?;
        if size == 0 {
            return Some(body);
        }
        body.extend_from_slice(rest.get(end + 2..end + 2 + size)?);
        rest = rest.get(end + 2 + size + 2..)?;
    }
}
