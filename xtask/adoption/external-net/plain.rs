//! A protocol of one's own over TCP: a greeting is read, and a port where nobody listens is known not to have got a thing.
//!
//! beside: tokio
//!
//! ```text
//! the peer says: hello
//! closed port: Unavailable, NotSent
//! plain peer, TLS asked for: NotSent
//! ```

use external_net::external_core::Result;
use external_net::external_core::build::TlsSettings;
use external_net::{Tls, dial, dial_tls};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = listener.local_addr().expect("it is bound").port();
    tokio::spawn(async move {
        // The first caller gets a greeting and the second one, who asks for TLS, the same.
        for _ in 0..2 {
            if let Ok((mut caller, _)) = listener.accept().await {
                let _ = caller.write_all(b"hello").await;
            }
        }
    });

    let mut connection = dial("127.0.0.1", port, None).await?;
    let mut greeting = String::new();
    connection.read_to_string(&mut greeting).await.expect("a greeting");
    println!("the peer says: {greeting}");

    let error = dial("127.0.0.1", 1, None).await.expect_err("nobody listens there");
    println!("closed port: {:?}, {:?}", error.kind(), error.effect());
    let tls = Tls::new(TlsSettings::new());
    let error = dial_tls("127.0.0.1", port, &tls, None).await.expect_err("it speaks no TLS");
    println!("plain peer, TLS asked for: {:?}", error.effect());
    Ok(())
}
