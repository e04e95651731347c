//! A door in front of a link's server that looks at nothing: whatever is asked for there, the link itself is opened.

use external_core::storage::PresignedUrl;
use external_core::{Error, Result};
use tokio::io::{AsyncWriteExt, copy, sink};
use tokio::net::{TcpListener, TcpStream};

/// A link to read by, through such a door. It stands as long as the runtime that it was made in.
pub(super) async fn through_a_door(mut link: PresignedUrl) -> Result<PresignedUrl> {
    let no_door = |error: std::io::Error| Error::unavailable("no door for the link").with_source(error);
    let Some((authority, target)) = parts(&link.url) else { return Ok(link) };
    let request = format!("GET {target} HTTP/1.1\r\nhost: {authority}\r\nconnection: close\r\n\r\n");
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.map_err(no_door)?;
    let door = listener.local_addr().map_err(no_door)?;
    link.url = format!("http://{door}{target}");
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            // Whoever goes away in between has missed the answer.
            let _ = open(client, &authority, &request).await;
        }
    });
    Ok(link)
}

/// Host with port, and path with query.
fn parts(url: &str) -> Option<(String, String)> {
    let rest = url.strip_prefix("http://")?;
    let (authority, target) = rest.split_at(rest.find('/')?);
    Some((authority.to_owned(), target.to_owned()))
}

async fn open(mut client: TcpStream, authority: &str, request: &str) -> std::io::Result<()> {
    let mut server = TcpStream::connect(authority).await?;
    server.write_all(request.as_bytes()).await?;
    copy(&mut server, &mut client).await?;
    client.shutdown().await?;
    // What was asked is read, or the connection would end with a reset that takes the answer along.
    copy(&mut client, &mut sink()).await.map(drop)
}
