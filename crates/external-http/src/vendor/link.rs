//! Who closes a transport: whoever made it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use external_core::build::TlsSettings;
use external_core::http::HttpTransport;
use external_core::{BuildContext, Result};

use crate::ReqwestConfig;

/// A provider's transport: its own, or one that is lent to it.
#[derive(Clone)]
pub struct Link {
    transport: Arc<dyn HttpTransport>,
    is_own: bool,
}

impl Link {
    /// Connections of its own, which closing it gives back. Connects to nobody.
    ///
    /// # Errors
    ///
    /// `Configuration` naming the field that makes no sense: `connect_timeout`, which is longer than nothing, or what is
    /// wrong with `tls`. Without TLS settings those of the context hold.
    pub fn own(connect_timeout: Duration, tls: Option<TlsSettings>, context: &BuildContext) -> Result<Self> {
        let mut config = ReqwestConfig::new().with_connect_timeout(connect_timeout);
        config.tls = tls;
        Ok(Self { transport: Arc::new(config.build(context)?), is_own: true })
    }

    /// A transport that exists already, with its own timeouts and TLS: one that is shared, or a double. Whoever lent it
    /// closes it.
    #[must_use]
    pub fn lent(transport: Arc<dyn HttpTransport>) -> Self {
        Self { transport, is_own: false }
    }

    /// What makes the exchanges.
    #[must_use]
    pub fn transport(&self) -> &dyn HttpTransport {
        &*self.transport
    }

    /// Closes the transport if it is its own.
    ///
    /// # Errors
    ///
    /// What the transport says.
    pub async fn close(&self) -> Result<()> {
        if self.is_own { self.transport.close().await } else { Ok(()) }
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").field("is_own", &self.is_own).finish_non_exhaustive()
    }
}
