//! The client: what a service holds to send mail.
//!
//! It fills in defaults, renders templates, leaves out whom it must not mail, splits batches, and takes each exchange
//! through the pipeline. What it promises beyond the contract:
//!
//! - A mail without sender, Reply-To, Message-ID or date gets them once, before the first attempt, so that every attempt
//!   is the same mail.
//! - An idempotency key counts only where the provider honours keys; elsewhere a mail whose fate is unknown is never sent
//!   again.
//! - A suppressed address is an outcome, not an error, and a list that cannot be read stops the mail.

mod batch;
mod prepare;
mod service;
mod settings;
mod suppression;

use std::sync::Arc;
use std::time::Duration;

use external_core::email::{
    BatchReceipt, BatchRequest, CancelRequest, Cancelled, EmailService, Mailbox, Message, OutboxRequest,
    RawRequest, ScheduleReceipt, ScheduleRequest, SendReceipt, SendRequest, StoredMail,
    VendorTemplateRequest, supports,
};
use external_core::{
    BuildContext, CallContext, CallOptions, Capability, Error, Operation, Provider, ProviderInfo, Result,
};
use external_resilience::{CallObserver, CloseReport, Domain, Pipeline, Policy};
use serde::Serialize;

pub use settings::EmailSettings;
pub use suppression::{MemorySuppressionList, SuppressionList};

use crate::templates::{RenderedTemplate, Templates};

/// Sends mail through one provider. Cheap to clone; clones share everything.
///
/// ```
/// use external_email::{EmailClient, providers::memory::MemoryEmail};
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// let email = EmailClient::over(MemoryEmail::new()).with_from("Shop <shop@example.org>".parse()?);
/// let receipt = email.send_email("ada@example.org", "Your order", "It is on its way.", None).await?;
/// assert!(receipt.is_complete());
/// assert_eq!(email.provider::<MemoryEmail>().unwrap().sent().len(), 1);
/// # Ok::<(), external_core::Error>(()) }).unwrap();
/// ```
#[derive(Clone)]
pub struct EmailClient {
    service: Arc<dyn EmailService>,
    pipeline: Pipeline,
    shared: Arc<Shared>,
}

#[derive(Clone)]
struct Shared {
    settings: EmailSettings,
    context: BuildContext,
    templates: Arc<Templates>,
    suppression: Option<Arc<dyn SuppressionList>>,
    /// Whether the provider honours idempotency keys.
    keyed: bool,
}

impl EmailClient {
    fn assemble(
        service: Arc<dyn EmailService>,
        pipeline: Pipeline,
        settings: EmailSettings,
        context: &BuildContext,
    ) -> Result<Self> {
        let mut templates = Templates::shipped();
        if let Some(locale) = &settings.locale {
            templates = templates.with_fallback_locale(locale)?;
        }
        Ok(Self::with_parts(service, pipeline, settings, context, templates))
    }

    fn with_parts(
        service: Arc<dyn EmailService>,
        pipeline: Pipeline,
        settings: EmailSettings,
        context: &BuildContext,
        templates: Templates,
    ) -> Self {
        let keyed = supports(service.as_ref(), "idempotency-key") == Capability::Native;
        let shared = Shared {
            settings,
            context: context.clone(),
            templates: Arc::new(templates),
            suppression: None,
            keyed,
        };
        Self { service, pipeline, shared: Arc::new(shared) }
    }

    /// A client over a provider made in code, with the domain's policy.
    #[must_use]
    pub fn over(service: impl EmailService + 'static) -> Self {
        let service: Arc<dyn EmailService> = Arc::new(service);
        Self::from(service)
    }

    /// The same client under another policy. Breaker, clean-up and counts start anew.
    #[must_use]
    pub fn with_policy(self, policy: Policy) -> Self {
        Self { pipeline: self.pipeline.with_policy(policy, Self::operations()), ..self }
    }

    /// The same client, heard by one more observer. Breaker, clean-up and counts start anew.
    #[must_use]
    pub fn with_observer(self, observer: Arc<dyn CallObserver>) -> Self {
        Self { pipeline: self.pipeline.with_observer(observer), ..self }
    }

    /// Replaces the sender of mails that name none.
    #[must_use]
    pub fn with_from(self, from: Mailbox) -> Self {
        self.change(|shared| shared.settings.from = Some(from))
    }

    /// Replaces where answers go for mails that do not say.
    #[must_use]
    pub fn with_reply_to(self, reply_to: Vec<Mailbox>) -> Self {
        self.change(|shared| shared.settings.reply_to = reply_to)
    }

    /// Replaces the templates. [`Templates::shipped`] is the start for own ones beside those that are shipped.
    #[must_use]
    pub fn with_templates(self, templates: Templates) -> Self {
        self.change(|shared| shared.templates = Arc::new(templates))
    }

    /// Asks this list before every mail.
    #[must_use]
    pub fn with_suppression_list(self, list: Arc<dyn SuppressionList>) -> Self {
        self.change(|shared| shared.suppression = Some(list))
    }

    fn change(mut self, change: impl FnOnce(&mut Shared)) -> Self {
        change(Arc::make_mut(&mut self.shared));
        self
    }

    /// The short form: one mail to one person, `Name <address>` or bare; `body` is its plain text, `html` may go beside it.
    ///
    /// # Errors
    ///
    /// `InvalidArgument` naming the field; else as [`send`](Self::send).
    pub async fn send_email(
        &self,
        to: &str,
        subject: &str,
        body: &str,
        html: Option<&str>,
    ) -> Result<SendReceipt> {
        let to: Mailbox = to.parse().map_err(|error: Error| error.with_context("field", "to"))?;
        let subject = subject.parse().map_err(|error: Error| error.with_context("field", "subject"))?;
        let mut message = Message::new(subject).with_to(to).with_text(body);
        message.html = html.map(str::to_owned);
        self.send(message).await
    }

    /// Sends one mail: a [`Message`], or a [`SendRequest`] with options.
    ///
    /// # Errors
    ///
    /// As [`EmailService::send`]; `Closed` after [`close`](Self::close). An error with effect `MaybeApplied` means that the
    /// mail may have arrived: its Message-ID tells, if the message was given one.
    pub async fn send(&self, request: impl Into<SendRequest>) -> Result<SendReceipt> {
        let request = request.into();
        let cx = context(request.call_options(), request.idempotency_key.as_deref());
        self.send_with(&cx, request).await
    }

    /// Sends one message to many people, each with their own words. Splits at the provider's limit, one exchange a piece;
    /// where the provider has no batches, one mail after the other.
    ///
    /// A piece that fails is told mail by mail in the receipt, and never loses the others. A timeout of the request is that
    /// of the whole batch; the policy's total deadline is that of each exchange.
    ///
    /// # Errors
    ///
    /// What concerns the batch as a whole before anything is sent: as [`BatchEmail::send_batch`](external_core::email::BatchEmail::send_batch).
    pub async fn send_batch(&self, request: BatchRequest) -> Result<BatchReceipt> {
        let cx = context(request.call_options(), request.idempotency_key.as_deref());
        self.send_batch_with(&cx, &request).await
    }

    /// Sends finished bytes.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send); `Unsupported` where the provider takes none.
    pub async fn send_raw(&self, request: RawRequest) -> Result<SendReceipt> {
        let cx = context(request.call_options(), request.idempotency_key.as_deref());
        self.send_raw_with(&cx, &request).await
    }

    /// Hands over a mail to be sent at its time.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send); `Unsupported` where the provider cannot wait.
    pub async fn schedule(&self, request: ScheduleRequest) -> Result<ScheduleReceipt> {
        let cx = context(request.call_options(), request.idempotency_key.as_deref());
        self.schedule_with(&cx, &request).await
    }

    /// Takes a scheduled mail back, by the id of its receipt.
    ///
    /// # Errors
    ///
    /// `Unsupported` where the provider cannot wait; `Unavailable`, `Timeout`.
    pub async fn cancel(&self, request: CancelRequest) -> Result<Cancelled> {
        let cx = context(request.call_options(), None);
        self.cancel_with(&cx, &request).await
    }

    /// Sends a template that is kept at the vendor.
    ///
    /// # Errors
    ///
    /// As [`send`](Self::send); `Unsupported` where the vendor keeps none.
    pub async fn send_vendor_template(&self, request: VendorTemplateRequest) -> Result<SendReceipt> {
        let cx = context(request.call_options(), request.idempotency_key.as_deref());
        self.send_vendor_template_with(&cx, &request).await
    }

    /// The mails that were sent, where the provider keeps them.
    ///
    /// # Errors
    ///
    /// `Unsupported` where it keeps none.
    pub async fn sent(&self, request: OutboxRequest) -> Result<Vec<StoredMail>> {
        let cx = context(request.call_options(), None);
        self.sent_with(&cx, &request).await
    }

    /// Renders a template and sends it to one person.
    ///
    /// # Errors
    ///
    /// As [`render`](Self::render) and [`send`](Self::send).
    pub async fn send_template(
        &self,
        template: &str,
        to: &str,
        data: &(impl Serialize + Sync),
    ) -> Result<SendReceipt> {
        let to: Mailbox = to.parse().map_err(|error: Error| error.with_context("field", "to"))?;
        self.send(self.message(template, None, data)?.with_to(to)).await
    }

    /// A message made from a template, to which recipients, images and the rest are added.
    ///
    /// # Errors
    ///
    /// As [`render`](Self::render).
    pub fn message(&self, template: &str, locale: Option<&str>, data: &impl Serialize) -> Result<Message> {
        let rendered = self.render(template, locale, data)?;
        let mut message = Message::new(rendered.subject).with_text(rendered.text);
        message.html = rendered.html;
        Ok(message)
    }

    /// Renders a template in this locale, or in the fallback.
    ///
    /// # Errors
    ///
    /// As [`Templates::render`].
    pub fn render(
        &self,
        template: &str,
        locale: Option<&str>,
        data: &impl Serialize,
    ) -> Result<RenderedTemplate> {
        self.shared.templates.render(template, locale, data)
    }

    /// Who the provider is and what it declares.
    pub fn info(&self) -> &ProviderInfo {
        self.service.info()
    }

    /// Whether it can do something: an id of [`CAPABILITIES`](external_core::email::CAPABILITIES).
    pub fn supports(&self, capability: &str) -> Capability {
        supports(self.service.as_ref(), capability)
    }

    /// The provider itself, for what only it has.
    pub fn provider<T: Provider>(&self) -> Option<&T> {
        let provider: &dyn Provider = self.service.as_ref();
        provider.find()
    }

    /// One harmless round trip that proves reachability and credentials.
    ///
    /// # Errors
    ///
    /// The provider's.
    pub async fn probe(&self, options: &CallOptions) -> Result<()> {
        let provider: &dyn Provider = self.service.as_ref();
        self.pipeline.probe(provider, &CallContext::new(options)).await
    }

    /// Refuses new calls, waits for the running ones and closes the provider, all within this time. What was left.
    pub async fn close(&self, within: Duration) -> CloseReport {
        let provider: &dyn Provider = self.service.as_ref();
        self.pipeline.close(provider, within).await
    }

    /// The operation as it may be repeated here: a key that the provider does not honour counts for nothing.
    fn operation(&self, operation: Operation) -> Operation {
        if self.shared.keyed { operation } else { operation.without_key() }
    }
}

fn context(options: &CallOptions, key: Option<&str>) -> CallContext {
    CallContext::new(options).with_idempotency_key(key)
}

impl std::fmt::Debug for EmailClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EmailClient").field("provider", &self.info().id()).finish_non_exhaustive()
    }
}

/// With the domain's policy, no defaults, and the shipped templates.
impl From<Arc<dyn EmailService>> for EmailClient {
    fn from(service: Arc<dyn EmailService>) -> Self {
        let pipeline = Pipeline::new("default", service.info(), Self::policy());
        let context = BuildContext::default();
        Self::with_parts(service, pipeline, EmailSettings::default(), &context, Templates::shipped())
    }
}

impl From<EmailClient> for Arc<dyn EmailService> {
    fn from(client: EmailClient) -> Self {
        Arc::new(client)
    }
}

impl Domain for EmailClient {
    type Service = dyn EmailService;
    type Settings = EmailSettings;

    const NAME: &'static str = "email";
    const DEVELOPMENT: &'static str = "memory";
    /// Without a sender no mail could be sent. The domain is reserved for tests (RFC 2606, section 2).
    const DEVELOPMENT_SETTINGS: &'static [(&'static str, &'static str)] =
        &[("from", "Development <development@service.test>")];

    /// The general policy, but for the time an attempt may take: 3 minutes, 4 in all. A server may scan a mail for minutes
    /// before it answers (RFC 5321, section 4.5.3.2.6), and to give up before it does is not to know what became of the
    /// mail. What hangs earlier ends by the provider's own, shorter timeouts.
    fn policy() -> Policy {
        Policy::default()
            .with_attempt_timeout(Duration::from_secs(180))
            .with_total_deadline(Duration::from_secs(240))
    }

    fn new(
        service: Arc<dyn EmailService>,
        pipeline: Pipeline,
        settings: EmailSettings,
        context: &BuildContext,
    ) -> Result<Self> {
        Self::assemble(service, pipeline, settings, context)
    }

    fn service(&self) -> Arc<dyn EmailService> {
        Arc::new(self.clone())
    }

    fn pipeline(&self) -> &Pipeline {
        &self.pipeline
    }

    fn provider(service: &dyn EmailService) -> &dyn Provider {
        service
    }

    fn supports(service: &dyn EmailService, capability: &str) -> Capability {
        supports(service, capability)
    }

    fn capabilities() -> &'static [(&'static str, &'static str)] {
        external_core::email::CAPABILITIES
    }

    fn operations() -> &'static [&'static str] {
        external_core::email::OPERATIONS
    }

    fn settings_schema() -> String {
        crate::providers::schema::<EmailSettings>()
    }
}
