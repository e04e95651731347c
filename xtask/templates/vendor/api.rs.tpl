//! {{Name}}'s endpoints: one function each, one exchange each, the page of the vendor's documentation above it.
//!
//! What is sent and what is answered are structs in `wire.rs`, made from the contract's types by functions that need no
//! network. `crates/external-email/src/providers/sendgrid/` is one that is finished.

use std::sync::Arc;

use external_core::http::{HttpRequest, HttpResponse, HttpTransport, HttpUrl, Statuses};
use external_core::{BuildContext, CallContext, Effect, Result};
use external_http::auth::{BearerAuth, HttpAuth};
use external_http::{Method, StatusCode};

use super::error::refused;

/// More than any answer of these endpoints has.
const ANSWER: u64 = 1 << 20;

/// Where {{Name}} is, and as whom it is asked.
pub(super) struct Api {
    pub(super) transport: Arc<dyn HttpTransport>,
    pub(super) base: HttpUrl,
    pub(super) auth: BearerAuth,
    pub(super) context: BuildContext,
}

impl Api {
    pub(super) fn location(&self) -> String {
        self.base.expose()
    }

    pub(super) async fn close(&self) -> Result<()> {
        self.transport.close().await
    }

    /// One request that is answered as it should be: with this status.
    #[expect(dead_code, reason = "until the first endpoint is written above")]
    async fn exchange(
        &self,
        cx: &CallContext,
        method: Method,
        path: &str,
        body: Option<Vec<u8>>,
        wanted: StatusCode,
    ) -> Result<HttpResponse> {
        let url = HttpUrl::parse(path)?.below(&self.base);
        let mut request = HttpRequest::new(method, url)
            .with_statuses(Statuses::Any)
            .with_body_limit(ANSWER)
            .with_header("accept", "application/json")?;
        if let Some(body) = body {
            request = request.with_header("content-type", "application/json")?.with_body(body);
        }
        self.auth.authorize(cx, &mut request).await.map_err(|error| error.with_effect(Effect::NotSent))?;
        let answer = self.transport.execute(cx, &request).await?;
        if answer.status == StatusCode::UNAUTHORIZED {
            // A key in a file is read anew by the next call.
            self.auth.refused(&request).await;
        }
        if answer.status == wanted { Ok(answer) } else { Err(refused(answer, self.context.now()).await) }
    }
}
