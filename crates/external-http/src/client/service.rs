//! The client as the contract: it can stand wherever a transport is wanted.

use std::sync::Arc;

use async_trait::async_trait;
use external_core::http::{HttpRequest, HttpResponse, HttpTransport};
use external_core::{CallContext, Provider, ProviderInfo, Result};

use super::{CLOSE_WITHIN, HttpClient};

#[async_trait]
impl Provider for HttpClient {
    fn info(&self) -> &ProviderInfo {
        self.shared.service.info()
    }

    async fn probe(&self, cx: &CallContext) -> Result<()> {
        self.shared.pipeline.probe(&*self.shared.service, cx).await
    }

    async fn close(&self) -> Result<()> {
        let report = self.shared.pipeline.close(&*self.shared.service, CLOSE_WITHIN).await;
        report.error.map_or(Ok(()), Err)
    }

    fn inner(&self) -> Option<&dyn Provider> {
        Some(&*self.shared.service)
    }
}

#[async_trait]
impl HttpTransport for HttpClient {
    async fn execute(&self, cx: &CallContext, request: &HttpRequest) -> Result<HttpResponse> {
        self.send_with(cx, request).await
    }
}

impl From<HttpClient> for Arc<dyn HttpTransport> {
    fn from(client: HttpClient) -> Self {
        Arc::new(client)
    }
}
