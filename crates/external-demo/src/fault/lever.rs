//! How a system is taken down and brought back.

use std::fmt;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::time::Duration;

use external_resilience::faults::FaultPlan;
use tokio::time::sleep;

/// How long the control port may take: it answers a start once the server does.
const ANSWER: Duration = Duration::from_secs(60);
/// How long a server stays frozen before it is killed, so that calls are running when it is.
const FROZEN: Duration = Duration::from_millis(150);

/// What takes one system down.
#[derive(Clone)]
pub(super) enum Lever {
    /// Faults injected in this process.
    Injected(FaultPlan),
    /// A server that the program behind the control port started.
    Server {
        /// Where the control port is.
        address: String,
        /// The server's name there.
        name: String,
    },
}

impl Lever {
    /// A server stops answering, with its connections open. An injected fault has nothing to freeze.
    pub(super) async fn freeze(&self) -> Result<(), String> {
        match self {
            Self::Injected(_) => Ok(()),
            Self::Server { .. } => self.ask("pause").await,
        }
    }

    /// A frozen server is killed with the calls that ran into it; nothing can be done in an orderly way any more.
    pub(super) async fn down(&self) -> Result<(), String> {
        match self {
            Self::Injected(plan) => plan.down(),
            Self::Server { .. } => {
                sleep(FROZEN).await;
                self.ask("kill").await?;
            }
        }
        Ok(())
    }

    /// It answers again, with what it had on disk.
    pub(super) async fn up(&self) -> Result<(), String> {
        match self {
            Self::Injected(plan) => plan.up(),
            Self::Server { .. } => self.ask("start").await?,
        }
        Ok(())
    }

    async fn ask(&self, what: &str) -> Result<(), String> {
        let Self::Server { address, name } = self else {
            return Ok(());
        };
        let (address, line) = (address.clone(), format!("{what} {name}"));
        let asked = tokio::task::spawn_blocking(move || {
            let answer = exchange(&address, &line).map_err(|error| error.to_string());
            match answer.as_deref() {
                Ok("ok") => Ok(()),
                Ok(answer) => Err(format!("{line}: the control port answered {answer:?}")),
                Err(error) => Err(format!("{line}: the control port {address}: {error}")),
            }
        });
        asked.await.map_err(|error| error.to_string())?
    }
}

fn exchange(address: &str, line: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(ANSWER))?;
    stream.write_all(format!("{line}\n").as_bytes())?;
    let mut answer = String::new();
    BufReader::new(stream).read_line(&mut answer)?;
    Ok(answer.trim_end().to_owned())
}

impl fmt::Display for Lever {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Injected(_) => f.write_str("the system"),
            Self::Server { name, .. } => f.write_str(name),
        }
    }
}
