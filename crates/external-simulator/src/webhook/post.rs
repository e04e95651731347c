//! One request, as plain bytes: whoever plays a vendor decides what breaks off where.

use std::io;
use std::time::Duration;

use http::Uri;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Posts, and returns the status that is answered; with `hangs_up` it goes away before that.
pub(super) async fn post(
    url: &Uri,
    fields: &[(String, String)],
    body: &[u8],
    hangs_up: bool,
) -> io::Result<Option<u16>> {
    let nowhere = || io::Error::other(format!("{url}: not a URL of the form http://host:port/path"));
    let authority = url.authority().filter(|_| url.scheme_str() == Some("http")).ok_or_else(nowhere)?;
    let path = url.path_and_query().map_or("/", |path| path.as_str());
    let mut request = format!("POST {path} HTTP/1.1\r\nhost: {authority}\r\nconnection: close\r\n");
    for (name, value) in fields {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    request.push_str(&format!("content-length: {}\r\n\r\n", body.len()));

    let exchange = async {
        let mut stream = TcpStream::connect((authority.host(), authority.port_u16().unwrap_or(80))).await?;
        stream.write_all(&[request.as_bytes(), body].concat()).await?;
        if hangs_up {
            return Ok(None);
        }
        let mut said = [0; 12];
        stream.read_exact(&mut said).await?;
        let status = std::str::from_utf8(&said).ok().and_then(|line| line.strip_prefix("HTTP/1.1 "));
        let status = status.and_then(|status| status.parse().ok());
        Ok(Some(status.ok_or_else(|| io::Error::other("not an answer of HTTP/1.1"))?))
    };
    timeout(PATIENCE, exchange).await.map_err(io::Error::other)?
}
