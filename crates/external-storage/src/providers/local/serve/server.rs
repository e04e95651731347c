//! The listener: accepts connections, bounds them, and ends with the store.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use external_core::{Effect, Result};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;

use super::answer::Answers;
use super::patience::Patient;
use super::sign::Signer;
use crate::providers::local::error::from_io;
use crate::providers::local::tree::Store;

/// How many connections are served at once; more wait in the kernel's queue.
const CONNECTIONS: usize = 256;
/// How long a client may take to send its request's head, and a connection may idle between two requests.
const HEAD_WITHIN: Duration = Duration::from_secs(30);
/// How long an answer may wait for a client that takes nothing of it.
const TAKE_WITHIN: Duration = Duration::from_secs(30);
/// How long a close waits for answers that are on their way.
const CLOSE_WITHIN: Duration = Duration::from_secs(5);
/// The wait after a failed accept, which is a lack of file handles and passes.
const ACCEPT_AGAIN: Duration = Duration::from_millis(50);

/// A bound server. Dropped, it stops accepting, and its connections end with the answers they are giving.
#[derive(Debug)]
pub(super) struct Server {
    address: SocketAddr,
    stop: watch::Sender<bool>,
    running: Arc<Semaphore>,
    accepting: JoinHandle<()>,
}

impl Server {
    pub(super) async fn bind(
        bind: &str,
        store: Arc<Store>,
        signer: Arc<Signer>,
        upload_bytes_max: u64,
    ) -> Result<Self> {
        let refused = |error| {
            from_io("bind the address of links", error)
                .with_effect(Effect::NotSent)
                .with_context("bind", bind)
        };
        let listener = TcpListener::bind(bind).await.map_err(refused)?;
        let address = listener.local_addr().map_err(refused)?;
        let (stop, stopped) = watch::channel(false);
        let running = Arc::new(Semaphore::new(CONNECTIONS));
        let answers = Arc::new(Answers::new(store, signer, upload_bytes_max));
        let accepting = tokio::spawn(accept(listener, answers, running.clone(), stopped));
        Ok(Self { address, stop, running, accepting })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops accepting and waits, within bounds, for answers that are on their way.
    pub(super) async fn close(mut self) {
        self.stop.send_replace(true);
        // One that panicked has ended as well.
        let _ = (&mut self.accepting).await;
        let all = u32::try_from(CONNECTIONS).unwrap_or(u32::MAX);
        // What is left after that is cut off when its connection notices.
        let _ = tokio::time::timeout(CLOSE_WITHIN, self.running.acquire_many(all)).await;
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.send_replace(true);
    }
}

async fn accept(
    listener: TcpListener,
    answers: Arc<Answers>,
    running: Arc<Semaphore>,
    mut stopped: watch::Receiver<bool>,
) {
    loop {
        let next = async {
            let permit = running.clone().acquire_owned().await.ok()?;
            loop {
                match listener.accept().await {
                    Ok((stream, _)) => return Some((stream, permit)),
                    Err(error) => {
                        tracing::warn!(target: "external", %error, "a connection could not be accepted");
                        tokio::time::sleep(ACCEPT_AGAIN).await;
                    }
                }
            }
        };
        let stop = stopped.wait_for(|stopped| *stopped);
        let accepted = match futures_util::future::select(Box::pin(next), Box::pin(stop)).await {
            futures_util::future::Either::Left((accepted, _)) => accepted,
            futures_util::future::Either::Right(_) => None,
        };
        let Some((stream, permit)) = accepted else { return };
        let answers = answers.clone();
        let mut stopped = stopped.clone();
        tokio::spawn(async move {
            let service = service_fn(move |request| {
                let answers = answers.clone();
                async move { Ok::<_, std::convert::Infallible>(answers.answer(request).await) }
            });
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEAD_WITHIN)
                .serve_connection(TokioIo::new(Patient::new(stream, TAKE_WITHIN)), service);
            let mut connection = std::pin::pin!(connection);
            {
                let stop = std::pin::pin!(stopped.wait_for(|stopped| *stopped));
                // A client that breaks off is its own affair.
                if let futures_util::future::Either::Left(_) =
                    futures_util::future::select(connection.as_mut(), stop).await
                {
                    return;
                }
            }
            connection.as_mut().graceful_shutdown();
            let _ = connection.await;
            drop(permit);
        });
    }
}
