//! A client of the control port, through which the suite stops and starts back ends that others own.

use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::{Finding, Verdict};

/// One back end, as the control port knows it.
#[derive(Debug, Clone)]
pub struct Control {
    address: String,
    backend: String,
}

impl Control {
    pub(crate) fn new(address: String, backend: String) -> Self {
        Self { address, backend }
    }

    /// Stops the back end in an orderly way.
    ///
    /// # Errors
    ///
    /// A finding if the control port does not answer `ok`.
    pub async fn stop(&self) -> Verdict {
        self.command("stop").await
    }

    /// Kills the back end.
    ///
    /// # Errors
    ///
    /// As [`stop`](Self::stop).
    pub async fn kill(&self) -> Verdict {
        self.command("kill").await
    }

    /// Starts the back end again and waits until it is ready.
    ///
    /// # Errors
    ///
    /// As [`stop`](Self::stop).
    pub async fn start(&self) -> Verdict {
        self.command("start").await
    }

    async fn command(&self, verb: &str) -> Verdict {
        let line = format!("{verb} {}", self.backend);
        let told = |why: String| Finding::not_run(format!("control port: `{line}`: {why}"));
        // Starting a server takes its time.
        let answer = timeout(Duration::from_secs(60), self.exchange(&line)).await;
        match answer {
            Ok(Ok(answer)) if answer == "ok" => Ok(()),
            Ok(Ok(answer)) => Err(told(format!("answered `{answer}`"))),
            Ok(Err(error)) => Err(told(error.to_string())),
            Err(_) => Err(told("no answer within 60 s".to_owned())),
        }
    }

    async fn exchange(&self, line: &str) -> std::io::Result<String> {
        let mut stream = BufReader::new(TcpStream::connect(&self.address).await?);
        stream.get_mut().write_all(format!("{line}\n").as_bytes()).await?;
        let mut answer = String::new();
        stream.read_line(&mut answer).await?;
        Ok(answer.trim().to_owned())
    }
}
