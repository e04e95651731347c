//! The client that services hold: envelopes out, envelopes and faults in, each exchange through the pipeline.

use std::fmt;
use std::sync::Arc;

use external_core::{BuildContext, CallContext, Effect, Error, ErrorKind, Operation, Result};
use external_http::{HttpClient, HttpRequest, HttpTransport, HttpUrl, Statuses};
use external_resilience::{BoxFuture, Call};

use super::envelope::{self, SoapHeader, SoapVersion};
use super::reading::Reading;
use super::request::{SoapAnswer, SoapRequest};
use super::security::WsSecurity;
use super::xml::{Name, XmlLimits};
use crate::attempts::without_layers;
use crate::wire::{Wire, client};

/// The domain's name in operations and records.
const DOMAIN: &str = "soap";
/// What a policy may name: every message is one, since an action is known at run time alone.
const OPERATIONS: &[&str] = &["call"];

/// A SOAP service, behind the pipeline of an [`HttpClient`]. Cloning is cheap; clones share everything.
///
/// - Each message is one call of the operation `call`: a policy and call records name it so.
/// - A fault is an error with kind, effect and retry advice, whatever the status that it came with
///   ([`SoapFault`](super::SoapFault)).
/// - A message that may have taken effect is not repeated, unless it says that this is harmless.
///
/// ```
/// use external_api::external_http::{HttpClient, MemoryAnswer, MemoryHttp};
/// use external_api::soap::{Element, SoapClient, SoapRequest};
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// // In production: HttpClient::over(ReqwestConfig::new().build(&BuildContext::default())?).
/// let http = HttpClient::over(MemoryHttp::new().with_fallback(|request| {
///     assert_eq!(request.header("soapaction"), Some("\"urn:math/Add\""));
///     let answer = r#"<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"><e:Body>
///         <AddResponse xmlns="urn:math"><sum>3</sum></AddResponse></e:Body></e:Envelope>"#;
///     MemoryAnswer::new(200).with_header("content-type", "text/xml").with_body(answer)
/// }));
/// let math = SoapClient::over(http, "https://api.example.org/math")?;
///
/// let add = Element::new("urn:math", "Add").with_field("a", "1").with_field("b", "2");
/// let answer = math.send(&SoapRequest::new(add).with_action("urn:math/Add")).await?;
/// assert_eq!(answer.body()?.required("sum")?.parse::<i32>()?, 3);
/// # Ok::<(), external_api::Error>(()) }).unwrap();
/// ```
#[derive(Clone)]
pub struct SoapClient {
    shared: Arc<Shared>,
}

#[derive(Clone)]
pub(super) struct Shared {
    wire: Wire,
    /// The same without layers: what one attempt goes through.
    attempts: HttpClient,
    pub(super) endpoint: HttpUrl,
    pub(super) version: SoapVersion,
    pub(super) security: Option<WsSecurity>,
    pub(super) understood: Vec<Name>,
    pub(super) limits: XmlLimits,
    pub(super) context: BuildContext,
}

client!(SoapClient, Shared, OPERATIONS);

impl SoapClient {
    /// A client for the service at `endpoint`, which may be a path below the base of the HTTP client. It speaks SOAP 1.1.
    ///
    /// # Errors
    ///
    /// `InvalidArgument` for what is no URL.
    pub fn over(http: HttpClient, endpoint: &str) -> Result<Self> {
        let shared = Shared {
            endpoint: HttpUrl::parse(endpoint)?,
            attempts: without_layers(&http),
            wire: Wire::over(http),
            version: SoapVersion::V1_1,
            security: None,
            understood: Vec::new(),
            limits: XmlLimits::new(),
            context: BuildContext::default(),
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// The same client, which speaks this version.
    #[must_use]
    pub fn with_version(self, version: SoapVersion) -> Self {
        self.changed(|shared| shared.version = version)
    }

    /// The same client, whose messages carry this WS-Security header.
    #[must_use]
    pub fn with_security(self, security: WsSecurity) -> Self {
        self.changed(|shared| shared.security = Some(security))
    }

    /// The same client, whose caller heeds header blocks of this name: an answer that demands it is not refused.
    #[must_use]
    pub fn with_understood(self, header: Name) -> Self {
        self.changed(|shared| shared.understood.push(header))
    }

    /// The same client, which reads no more than this.
    #[must_use]
    pub fn with_limits(self, limits: XmlLimits) -> Self {
        self.changed(|shared| shared.limits = limits)
    }

    /// The same client with the clock and the random numbers of this context.
    #[must_use]
    pub fn with_context(self, context: &BuildContext) -> Self {
        self.changed(|shared| shared.context = context.clone())
    }

    /// Which version it speaks.
    #[must_use]
    pub fn version(&self) -> SoapVersion {
        self.shared.version
    }

    /// Sends a message and reads the answer.
    ///
    /// # Errors
    ///
    /// By the table at [`SoapFault`](super::SoapFault) for a fault; `InvalidArgument` for a message that XML cannot say, before
    /// anything is sent, and `Configuration` for a password that everyone on the way could read; `Corrupt` for an answer that is
    /// no envelope, HTML for one; `Unsupported` for one with a header block that must be understood and is not; else as
    /// [`HttpTransport::execute`].
    pub async fn send(&self, request: &SoapRequest) -> Result<SoapAnswer> {
        if let Some(security) = &self.shared.security {
            security.check_place(&self.http().place(&self.shared.endpoint))?;
        }
        let question = self.question(request)?;
        // Written before anybody waits for a turn, to see that it can be.
        let envelope = self.envelope(request)?;
        let operation = Operation::new(DOMAIN, "call", request.repeat).without_key();
        let call = Call::new(operation).with_body(envelope.len() as u64);
        let question = question.with_body(envelope);
        let cx = CallContext::new(&request.call);
        let answer = self.pipeline().run(call, &cx, |cx, _| self.attempt(cx, &question, request)).await;
        if answer.as_ref().is_err_and(|error| error.kind() == ErrorKind::Unauthenticated) {
            self.shared.security.iter().for_each(WsSecurity::forget);
        }
        answer
    }

    /// All of the HTTP request that is the same for each attempt.
    fn question(&self, request: &SoapRequest) -> Result<HttpRequest> {
        let Shared { wire, endpoint, version, limits, .. } = &*self.shared;
        let action = request.action.as_deref();
        // Both versions put it in quotes; a URI has none in it.
        if action.is_some_and(|action| action.contains(['"', '\\']) || !action.is_ascii()) {
            return Err(Error::invalid_argument("an action that is no URI"));
        }
        let question = HttpRequest::new(http::Method::POST, endpoint.clone());
        let question =
            match (version, action) {
                // An empty one says nothing, but the field must be there (SOAP 1.1, 6.1.1).
                (SoapVersion::V1_1, action) => question
                    .with_header("content-type", "text/xml; charset=utf-8")?
                    .with_header("soapaction", &format!("\"{}\"", action.unwrap_or_default()))?,
                (SoapVersion::V1_2, None) => {
                    question.with_header("content-type", "application/soap+xml; charset=utf-8")?
                }
                (SoapVersion::V1_2, Some(action)) => question.with_header(
                    "content-type",
                    &format!("application/soap+xml; charset=utf-8; action=\"{action}\""),
                )?,
            };
        let mut question = question.with_header("accept", "text/xml, application/soap+xml")?;
        wire.complete(&mut question.headers);
        Ok(question
            .with_statuses(Statuses::Any)
            .with_body_limit(limits.bytes as u64)
            .with_repeat(request.repeat))
    }

    fn envelope(&self, request: &SoapRequest) -> Result<String> {
        let Shared { version, security, context, .. } = &*self.shared;
        match security {
            None => envelope::write(*version, &request.headers, &request.body),
            Some(security) => {
                let mut headers = request.headers.clone();
                headers.push(SoapHeader::new(security.header(context)?).required());
                envelope::write(*version, &headers, &request.body)
            }
        }
    }

    fn attempt<'a>(
        &'a self,
        cx: &'a CallContext,
        question: &'a HttpRequest,
        request: &'a SoapRequest,
    ) -> BoxFuture<'a, Result<SoapAnswer>> {
        Box::pin(async move {
            // A time and a nonce are those of the attempt.
            let attempts = &self.shared.attempts;
            let answer = match self.shared.security {
                None => attempts.execute(cx, question).await?,
                Some(_) => {
                    let anew = self.envelope(request).map_err(|error| error.with_effect(Effect::NotSent))?;
                    attempts.execute(cx, &question.clone().with_body(anew)).await?
                }
            };
            Reading::of(&self.shared, &answer).answer(answer).await
        })
    }
}

impl fmt::Debug for SoapClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SoapClient")
            .field("endpoint", &self.shared.endpoint)
            .field("version", &self.shared.version)
            .field("http", self.http())
            .finish_non_exhaustive()
    }
}
