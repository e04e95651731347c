//! A service that hands out links to files: any HTTP client opens them, here the plainest one.
//!
//! features: serve
//! beside: tokio
//!
//! ```text
//! HTTP/1.1 200 OK
//! hello
//! without its signature: 403
//! ```

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use external_storage::{BuildContext, LocalConfig, Result, ServeConfig, StorageClient};

#[tokio::main]
async fn main() -> Result<()> {
    let folder = std::env::current_dir().expect("a working directory").join("objects");
    let config = LocalConfig::new(folder).with_serve(ServeConfig::new("127.0.0.1:0"));
    let storage = StorageClient::over(config.build(&BuildContext::default())?);
    storage.put("notes/a.txt", "hello").await?;
    let link = storage.get_url("notes/a.txt", Duration::from_secs(60)).await?;

    let answer = tokio::task::spawn_blocking(move || {
        let unsigned = link.split('?').next().unwrap_or_default().to_owned();
        (get(&link), get(&unsigned))
    });
    let (signed, unsigned) = answer.await.expect("two requests");
    println!("{}", signed.lines().next().unwrap_or_default());
    println!("{}", signed.rsplit("\r\n").next().unwrap_or_default());
    println!("without its signature: {}", unsigned.split(' ').nth(1).unwrap_or_default());
    storage.close(Duration::from_secs(5)).await;
    Ok(())
}

/// One request over a connection of its own, and the whole answer.
fn get(link: &str) -> String {
    let (authority, path) =
        link.strip_prefix("http://").and_then(|rest| rest.split_once('/')).expect("a URL");
    let mut connection = TcpStream::connect(authority).expect("the server of links");
    write!(connection, "GET /{path} HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\n\r\n")
        .expect("sent");
    let mut answer = String::new();
    connection.read_to_string(&mut answer).expect("an answer");
    answer
}
