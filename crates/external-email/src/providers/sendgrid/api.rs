//! SendGrid's endpoints: one function each, one exchange each.

use external_core::http::HttpRequest;
use external_core::{CallContext, Effect, Result};
use external_http::StatusCode;
use external_http::vendor::{Vendor, json};
use serde::{Deserialize, Serialize};

use super::error::is_explained;
use super::wire::MailSendRequest;

/// How many batches can be cancelled or paused at one time.
const CANCELLED: usize = 10;

/// SendGrid's endpoints, for one account.
pub(super) struct Api {
    vendor: Vendor,
    /// What a mail is answered.
    taken: StatusCode,
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
    /// In sandbox mode 200 is what a mail is answered.
    pub(super) fn new(vendor: Vendor, is_sandbox: bool) -> Self {
        Self { vendor, taken: if is_sandbox { StatusCode::OK } else { StatusCode::ACCEPTED } }
    }

    pub(super) fn location(&self) -> String {
        self.vendor.location()
    }

    /// Hands a mail over, and returns SendGrid's name for it.
    ///
    /// <https://www.twilio.com/docs/sendgrid/api-reference/mail-send/mail-send>
    pub(super) async fn send_mail(
        &self,
        cx: &CallContext,
        body: &MailSendRequest<'_>,
    ) -> Result<Option<String>> {
        let answer = self.vendor.ask(cx, post("/v3/mail/send", body)?, self.taken).await?;
        Ok(answer.header("x-message-id").map(str::to_owned))
    }

    /// Makes the id by which a mail that waits can be taken back. Nothing of the mail is sent by it, so the call's own sent
    /// mark stays unset and its errors are `NotSent`.
    ///
    /// <https://www.twilio.com/docs/sendgrid/api-reference/cancel-scheduled-sends/create-a-batch-id>
    pub(super) async fn create_batch(&self, cx: &CallContext) -> Result<String> {
        let before = cx.for_attempt(cx.attempt(), cx.deadline());
        let made = async {
            let answer = self.vendor.send(&before, HttpRequest::post("/v3/mail/batch")?).await?;
            self.vendor.read::<Batch>(answer).await
        };
        Ok(made.await.map_err(|error| error.with_effect(Effect::NotSent))?.batch_id)
    }

    /// Takes back what waits under this id. Whether something did: SendGrid refuses an id that it does not know, and one
    /// that is cancelled already.
    ///
    /// <https://www.twilio.com/docs/sendgrid/api-reference/cancel-scheduled-sends/cancel-or-pause-a-scheduled-send>
    pub(super) async fn cancel_batch(&self, cx: &CallContext, batch: &str) -> Result<bool> {
        let request = post("/v3/user/scheduled_sends", &CancelRequest { batch_id: batch, status: "cancel" })?;
        match self.vendor.ask(cx, request, StatusCode::CREATED).await {
            Ok(_) => Ok(true),
            // It refuses as well where too many are cancelled; only then is the mail still to leave.
            Err(error) if error.http_status() == Some(400) && is_explained(&error) => {
                match self.has_no_room_for(cx, batch).await? {
                    true => Err(error),
                    false => Ok(false),
                }
            }
            Err(error) => Err(error),
        }
    }

    /// Whether as many batches are cancelled or paused as can be, and this is none of them.
    ///
    /// <https://www.twilio.com/docs/sendgrid/api-reference/cancel-scheduled-sends/retrieve-all-scheduled-sends>
    async fn has_no_room_for(&self, cx: &CallContext, batch: &str) -> Result<bool> {
        let request = HttpRequest::get("/v3/user/scheduled_sends")?;
        let answer = self.vendor.ask(cx, request, StatusCode::OK).await?;
        let cancelled: Vec<Batch> = self.vendor.read(answer).await?;
        Ok(cancelled.len() >= CANCELLED && !cancelled.iter().any(|known| known.batch_id == batch))
    }

    /// Asks what the key may do.
    ///
    /// <https://www.twilio.com/docs/sendgrid/api-reference/api-key-permissions/retrieve-a-list-of-scopes-for-which-this-user-has-access>
    pub(super) async fn scopes(&self, cx: &CallContext) -> Result<()> {
        self.vendor.ask(cx, HttpRequest::get("/v3/scopes")?, StatusCode::OK).await.map(drop)
    }

    pub(super) async fn close(&self) -> Result<()> {
        self.vendor.close().await
    }
}

fn post(path: &str, body: &impl Serialize) -> Result<HttpRequest> {
    json(HttpRequest::post(path)?, body)
}
