//! Batches: split at the provider's limit, or sent one by one where the provider has none.

use external_core::email::{
    BatchReceipt, BatchRecipient, BatchRequest, Mailbox, SendReceipt, check, check_batch,
};
use external_core::{CallContext, Capability, Effect, Error, ErrorKind, Result};
use external_resilience::Call;

use super::EmailClient;
use super::prepare::LeftOut;
use crate::mime::new_message_id;

impl EmailClient {
    /// Everything is checked before the first exchange; afterwards nothing that fails loses what was sent.
    ///
    /// All exchanges share the caller's context, so a deadline is that of the batch.
    pub(super) async fn send_batch_with(
        &self,
        cx: &CallContext,
        request: &BatchRequest,
    ) -> Result<BatchReceipt> {
        let grade = self.supports("batch");
        if !grade.is_supported() {
            return Err(Error::unsupported("batch"));
        }
        let request = self.filled_batch(request)?;
        let addresses: Vec<_> = request.recipients.iter().map(|r| r.to.address()).collect();
        let left_out = self.left_out(cx, &addresses).await?;
        let mailed: Vec<BatchRecipient> = request
            .recipients
            .iter()
            .filter(|r| left_out.reason(r.to.address()).is_none())
            .cloned()
            .collect();
        let mails = if mailed.is_empty() {
            Vec::new()
        } else {
            let mut reduced = request.clone();
            reduced.recipients = mailed;
            match (self.service.batch(), grade) {
                (Some(_), Capability::Native) => self.send_pieces(cx, &reduced).await?,
                _ => self.send_one_by_one(cx, &reduced).await?,
            }
        };
        Ok(BatchReceipt::new(weave(&request, &left_out, mails)))
    }

    /// Defaults for all, an identity for each; whatever is wrong with the batch as a whole is found here.
    fn filled_batch(&self, request: &BatchRequest) -> Result<BatchRequest> {
        request.expand()?;
        let mut request = request.clone();
        request.message = self.filled(request.message);
        let sender = request.message.from.as_ref().map(Mailbox::address);
        for recipient in &mut request.recipients {
            if recipient.message_id.is_none() {
                recipient.message_id = sender.map(|sender| new_message_id(sender, &self.shared.context));
            }
        }
        Ok(request)
    }

    async fn send_pieces(
        &self,
        cx: &CallContext,
        request: &BatchRequest,
    ) -> Result<Vec<Result<SendReceipt>>> {
        let batch = self.service.batch().ok_or_else(|| Error::unsupported("batch"))?;
        let limit = self.info().capabilities().get_limit("batch-recipients").unwrap_or(u64::MAX);
        let limit = usize::try_from(limit).unwrap_or(usize::MAX).max(1);
        let mut pieces = Vec::new();
        for (number, recipients) in request.recipients.chunks(limit).enumerate() {
            let mut piece = request.clone();
            piece.recipients = recipients.to_vec();
            // Each piece is a batch of its own to the provider, and the same one when the caller repeats the whole.
            piece.idempotency_key = request.idempotency_key.as_ref().map(|key| format!("{key}.{number}"));
            check_batch(self.info(), &piece)?;
            pieces.push(piece);
        }
        let mut mails = Vec::with_capacity(request.recipients.len());
        let only = pieces.len() == 1;
        let mut stopped: Option<Error> = None;
        for piece in &pieces {
            let answer = match &stopped {
                Some(error) => Err(error.clone()),
                None => {
                    let body = piece.message.estimated_bytes().saturating_mul(piece.recipients.len() as u64);
                    let call = Call::new(self.operation(piece.operation())).with_body(body);
                    self.pipeline.run(call, cx, |cx, _| batch.send_batch(cx, piece)).await
                }
            };
            match answer {
                Ok(receipt) => mails.extend(receipt.mails),
                Err(error) if only => return Err(error),
                Err(error) => {
                    stopped = stopped.or_else(|| hopeless(&error));
                    mails.extend(piece.recipients.iter().map(|_| Err(error.clone())));
                }
            }
        }
        Ok(mails)
    }

    async fn send_one_by_one(
        &self,
        cx: &CallContext,
        request: &BatchRequest,
    ) -> Result<Vec<Result<SendReceipt>>> {
        let requests = request.expand()?;
        for (index, request) in requests.iter().enumerate() {
            check(self.info(), request).map_err(|error| error.with_context("recipient", index))?;
        }
        let only = requests.len() == 1;
        let mut mails = Vec::with_capacity(requests.len());
        let mut stopped: Option<Error> = None;
        for request in &requests {
            let answer = match &stopped {
                Some(error) => Err(error.clone()),
                None => self.exchange(cx, request).await,
            };
            match answer {
                Err(error) if only => return Err(error),
                Err(error) => {
                    stopped = stopped.or_else(|| hopeless(&error));
                    mails.push(Err(error));
                }
                Ok(receipt) => mails.push(Ok(receipt)),
            }
        }
        Ok(mails)
    }
}

/// What the rest of a batch gets without being tried, if this error says that trying is in vain.
fn hopeless(error: &Error) -> Option<Error> {
    let hopeless = matches!(
        error.kind(),
        ErrorKind::Unauthenticated | ErrorKind::Closed | ErrorKind::Configuration | ErrorKind::QuotaExhausted
    );
    hopeless.then(|| error.clone().with_effect(Effect::NotSent))
}

/// The receipts in the order of the request, those who were left out in their places.
fn weave(
    request: &BatchRequest,
    left_out: &LeftOut,
    mails: Vec<Result<SendReceipt>>,
) -> Vec<Result<SendReceipt>> {
    let mut mails = mails.into_iter();
    let mail_of = |recipient: &BatchRecipient| match left_out.reason(recipient.to.address()) {
        None => mails.next(),
        Some(reason) => Some(Ok(LeftOut::receipt(recipient, reason))),
    };
    request.recipients.iter().filter_map(mail_of).collect()
}
