//! Connections that are kept for the next mail: bounded in number, made when needed, looked at before they are lent.
//!
//! There is no task behind it. A connection that was not given back (its call was dropped, or failed) is closed: after a
//! half-finished exchange nobody knows which reply belongs to what.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use external_core::{Error, Result};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use super::connection::{Connection, Endpoint};

/// From which rest on a connection is asked whether it lives. Before that its silence is proof enough: looking costs
/// nothing, asking a round trip.
const ASK_AFTER: Duration = Duration::from_secs(10);

/// How many connections, and how long they serve.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) connections: usize,
    pub(super) idle: Duration,
    pub(super) mails: u32,
}

pub(super) struct Pool {
    endpoint: Endpoint,
    limits: Limits,
    permits: Arc<Semaphore>,
    idle: Mutex<Vec<(Connection, Instant)>>,
}

/// A connection on loan. Dropped without being given back, it is closed.
pub(super) struct Loan {
    pub(super) connection: Connection,
    /// Whether it carried mail before, so that it may have died unnoticed.
    pub(super) reused: bool,
    _permit: OwnedSemaphorePermit,
}

impl Pool {
    pub(super) fn new(endpoint: Endpoint, limits: Limits) -> Self {
        Self {
            endpoint,
            limits,
            permits: Arc::new(Semaphore::new(limits.connections)),
            idle: Mutex::new(Vec::new()),
        }
    }

    /// A connection: one that rests, else a new one. Waits while all are out.
    pub(super) async fn borrow(&self) -> Result<Loan> {
        let permit = self.permit().await?;
        while let Some((mut connection, since)) = self.take() {
            let rested = since.elapsed();
            if rested > self.limits.idle || connection.mails >= self.limits.mails || !connection.is_quiet() {
                continue;
            }
            if rested > ASK_AFTER && connection.check().await.is_err() {
                continue;
            }
            return Ok(Loan { connection, reused: true, _permit: permit });
        }
        Ok(Loan { connection: self.endpoint.connect().await?, reused: false, _permit: permit })
    }

    /// The same loan with a new connection.
    pub(super) async fn renew(&self, loan: Loan) -> Result<Loan> {
        let Loan { connection, _permit, .. } = loan;
        drop(connection);
        Ok(Loan { connection: self.endpoint.connect().await?, reused: false, _permit })
    }

    /// Takes a connection back for the next mail, if it is fit for one.
    pub(super) fn give_back(&self, loan: Loan) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let fit = loan.connection.clean && loan.connection.mails < self.limits.mails;
        if fit && !self.permits.is_closed() {
            idle.push((loan.connection, Instant::now()));
        }
    }

    /// Lends nothing any more, and says goodbye on what rests.
    pub(super) async fn close(&self) {
        self.permits.close();
        let idle = std::mem::take(&mut *self.idle.lock().unwrap_or_else(PoisonError::into_inner));
        for (connection, _) in idle {
            connection.quit().await;
        }
    }

    /// How many connections rest.
    pub(super) fn resting(&self) -> usize {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    async fn permit(&self) -> Result<OwnedSemaphorePermit> {
        let permits = self.permits.clone();
        permits.acquire_owned().await.map_err(|_| Error::closed("the mail provider was closed"))
    }

    /// The connection that rested least: those that are not needed grow old together.
    fn take(&self) -> Option<(Connection, Instant)> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }
}
