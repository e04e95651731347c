//! SendGrid's endpoints: one function each, one exchange each.

use std::sync::Arc;

use external_core::http::{HttpRequest, HttpResponse, HttpTransport, HttpUrl, Statuses};
use external_core::{BuildContext, CallContext, Effect, Error, Result};
use external_http::auth::{BearerAuth, HttpAuth};
use external_http::{Method, StatusCode};
use serde::{Deserialize, Serialize};

use super::error::{refused, strange};
use super::wire::MailSendRequest;

/// More than any answer of these endpoints has.
const ANSWER: u64 = 1 << 20;

/// How many batches can be cancelled or paused at one time.
const CANCELLED: usize = 10;

/// Where SendGrid is, and as whom it is asked.
pub(super) struct Api {
    pub(super) transport: Arc<dyn HttpTransport>,
    pub(super) base: HttpUrl,
    pub(super) auth: BearerAuth,
    pub(super) on_behalf_of: Option<String>,
    /// Whether 200 is what a mail is answered.
    pub(super) is_sandbox: bool,
    pub(super) context: BuildContext,
}

#[derive(Serialize)]
struct CancelRequest<'a> {
    batch_id: &'a str,
    status: &'static str,
}

#[derive(Deserialize)]
struct Batch {
    batch_id: String,
}

impl Api {
    pub(super) fn location(&self) -> String {
        self.base.expose()
    }

    /// Hands a mail over, and returns SendGrid's name for it.
    ///
    /// <https://www.twilio.com/docs/sendgrid/api-reference/mail-send/mail-send>
    pub(super) async fn send_mail(
        &self,
        cx: &CallContext,
        body: &MailSendRequest<'_>,
    ) -> Result<Option<String>> {
        let answer = self.exchange(cx, Method::POST, "/v3/mail/send", Some(json(body)?)).await?;
        let taken = if self.is_sandbox { StatusCode::OK } else { StatusCode::ACCEPTED };
        if answer.status != taken {
            return Err(refused(answer, self.context.now()).await.0);
        }
        Ok(answer.header("x-message-id").map(str::to_owned))
    }

    /// Makes the id by which a mail that waits can be taken back. Nothing of the mail is sent by it, so the call's own sent
    /// mark stays unset and its errors are `NotSent`.
    ///
    /// <https://www.twilio.com/docs/sendgrid/api-reference/cancel-scheduled-sends/create-a-batch-id>
    pub(super) async fn create_batch(&self, cx: &CallContext) -> Result<String> {
        let before = cx.for_attempt(cx.attempt(), cx.deadline());
        let unsent = |error: Error| error.with_effect(Effect::NotSent);
        let answer = self.exchange(&before, Method::POST, "/v3/mail/batch", None).await.map_err(unsent)?;
        if !answer.status.is_success() {
            return Err(unsent(refused(answer, self.context.now()).await.0));
        }
        let batch: Batch = read(answer).await.map_err(unsent)?;
        Ok(batch.batch_id)
    }

    /// Takes back what waits under this id. Whether something did: SendGrid refuses an id that it does not know, and one
    /// that is cancelled already.
    ///
    /// <https://www.twilio.com/docs/sendgrid/api-reference/cancel-scheduled-sends/cancel-or-pause-a-scheduled-send>
    pub(super) async fn cancel_batch(&self, cx: &CallContext, batch: &str) -> Result<bool> {
        let body = json(&CancelRequest { batch_id: batch, status: "cancel" })?;
        let answer = self.exchange(cx, Method::POST, "/v3/user/scheduled_sends", Some(body)).await?;
        match answer.status {
            StatusCode::CREATED => Ok(true),
            StatusCode::BAD_REQUEST => {
                let (error, is_explained) = refused(answer, self.context.now()).await;
                // It refuses as well where too many are cancelled; only then is the mail still to leave.
                if !is_explained || self.has_no_room_for(cx, batch).await? { Err(error) } else { Ok(false) }
            }
            _ => Err(refused(answer, self.context.now()).await.0),
        }
    }

    /// Whether as many batches are cancelled or paused as can be, and this is none of them.
    ///
    /// <https://www.twilio.com/docs/sendgrid/api-reference/cancel-scheduled-sends/retrieve-all-scheduled-sends>
    async fn has_no_room_for(&self, cx: &CallContext, batch: &str) -> Result<bool> {
        let answer = self.exchange(cx, Method::GET, "/v3/user/scheduled_sends", None).await?;
        if answer.status != StatusCode::OK {
            return Err(refused(answer, self.context.now()).await.0);
        }
        let cancelled: Vec<Batch> = read(answer).await?;
        Ok(cancelled.len() >= CANCELLED && !cancelled.iter().any(|known| known.batch_id == batch))
    }

    /// Asks what the key may do.
    ///
    /// <https://www.twilio.com/docs/sendgrid/api-reference/api-key-permissions/retrieve-a-list-of-scopes-for-which-this-user-has-access>
    pub(super) async fn scopes(&self, cx: &CallContext) -> Result<()> {
        let answer = self.exchange(cx, Method::GET, "/v3/scopes", None).await?;
        match answer.status {
            StatusCode::OK => Ok(()),
            _ => Err(refused(answer, self.context.now()).await.0),
        }
    }

    pub(super) async fn close(&self) -> Result<()> {
        self.transport.close().await
    }

    /// One request, whatever it is answered.
    async fn exchange(
        &self,
        cx: &CallContext,
        method: Method,
        path: &str,
        body: Option<Vec<u8>>,
    ) -> Result<HttpResponse> {
        let url = HttpUrl::parse(path)?.below(&self.base);
        let mut request = HttpRequest::new(method, url)
            .with_statuses(Statuses::Any)
            .with_body_limit(ANSWER)
            .with_header("accept", "application/json")?;
        if let Some(subuser) = &self.on_behalf_of {
            request = request.with_header("on-behalf-of", subuser)?;
        }
        if let Some(body) = body {
            request = request.with_header("content-type", "application/json")?.with_body(body);
        }
        self.auth.authorize(cx, &mut request).await.map_err(|error| error.with_effect(Effect::NotSent))?;
        let answer = self.transport.execute(cx, &request).await?;
        if answer.status == StatusCode::UNAUTHORIZED {
            // A key in a file is read anew by the next call.
            self.auth.refused(&request).await;
        }
        Ok(answer)
    }
}

fn json(body: &impl Serialize) -> Result<Vec<u8>> {
    serde_json::to_vec(body)
        .map_err(|error| Error::invalid_argument("the request cannot be written as JSON").with_source(error))
}

async fn read<T: for<'de> Deserialize<'de>>(answer: HttpResponse) -> Result<T> {
    let (status, id) = (answer.status, answer.request_id.clone());
    let bytes = answer.bytes().await?;
    serde_json::from_slice(&bytes).map_err(|_| strange(status, id))
}
