//! A client of one's own meets a connection that breaks, and the proxy tells what the server got.
//!
//! beside: tokio
//!
//! ```text
//! as always: pong
//! the answer lost: the connection ended
//! ping seen 2 times, passed 2 times, 1 fault
//! ```

use external_simulator::{End, Fault, Proxy, Rule};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let server = listener.local_addr()?;
    tokio::spawn(async move {
        while let Ok((mut caller, _)) = listener.accept().await {
            let mut ping = [0; 4];
            if caller.read_exact(&mut ping).await.is_ok() {
                let _ = caller.write_all(b"pong").await;
            }
        }
    });

    let proxy = Proxy::start(server.to_string()).await?;
    println!("as always: {}", ping(&proxy).await?);
    proxy.inject(Rule::on_marker("ping", Fault::LoseAnswer(End::Close)));
    let answer = ping(&proxy).await?;
    println!("the answer lost: {}", if answer.is_empty() { "the connection ended" } else { "an answer" });
    println!("ping seen {} times, passed {} times, {} fault", proxy.count("ping"), proxy.passed("ping"), proxy.faults());
    Ok(())
}

async fn ping(proxy: &Proxy) -> std::io::Result<String> {
    let mut connection = TcpStream::connect(proxy.address()).await?;
    connection.write_all(b"ping").await?;
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await?;
    Ok(answer)
}
