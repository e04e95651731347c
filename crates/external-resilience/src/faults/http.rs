//! Faults around an HTTP transport.

use std::sync::Arc;

use external_core::http::{HttpRequest, HttpResponse, HttpTransport};
use external_core::{CallContext, Provider, Result, async_trait};

use super::{Contract, Faults};

impl Contract for dyn HttpTransport {
    fn as_provider(&self) -> &dyn Provider {
        self
    }

    fn with_faults(faults: Faults<Self>) -> Arc<Self> {
        Arc::new(faults)
    }
}

#[async_trait]
impl HttpTransport for Faults<dyn HttpTransport> {
    /// Meets faults up to the answer's head; a body that streams is the transport's.
    async fn execute(&self, cx: &CallContext, request: &HttpRequest) -> Result<HttpResponse> {
        self.plan.call(cx, request.operation(), self.inner.execute(cx, request)).await
    }
}
