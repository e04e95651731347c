//! The client that services hold: envelopes out, envelopes and faults in, each exchange through the pipeline.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use external_core::{BuildContext, ByteStream, CallContext, Effect, Error, Result};
use external_http::{
    HttpClient, HttpRequest, HttpResponse, HttpTransport, HttpUrl, Policy, StatusCode, Statuses, answered,
    retry_after,
};
use external_resilience::{BoxFuture, Call, CloseReport, Pipeline};
use http::header::CONTENT_TYPE;

use super::envelope::{self, SoapHeader, SoapVersion};
use super::fault::SoapFault;
use super::request::{SoapAnswer, SoapRequest};
use super::security::{WSSE, WsSecurity};
use super::xml::{Name, XmlLimits};

/// A SOAP service, behind the pipeline of an [`HttpClient`]. Cloning is cheap; clones share everything.
///
/// - Deadline, retries, breaker and limits are those of the HTTP client, whose other calls count with these.
/// - A fault is an error with kind, effect and retry advice, whatever the status that it came with ([`SoapFault`]).
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
    http: HttpClient,
    /// The same without a policy: what one attempt goes through.
    attempts: Arc<dyn HttpTransport>,
    settings: Arc<Settings>,
}

#[derive(Clone)]
struct Settings {
    endpoint: HttpUrl,
    version: SoapVersion,
    security: Option<WsSecurity>,
    understood: Vec<Name>,
    limits: XmlLimits,
    context: BuildContext,
}

impl SoapClient {
    /// A client for the service at `endpoint`, which may be a path below the base of the HTTP client. It speaks SOAP 1.1.
    ///
    /// # Errors
    ///
    /// `InvalidArgument` for what is no URL.
    pub fn over(http: HttpClient, endpoint: &str) -> Result<Self> {
        let settings = Settings {
            endpoint: HttpUrl::parse(endpoint)?,
            version: SoapVersion::V1_1,
            security: None,
            understood: Vec::new(),
            limits: XmlLimits::new(),
            context: BuildContext::default(),
        };
        let attempts = http.clone().with_policy(Policy::off()).into();
        Ok(Self { http, attempts, settings: Arc::new(settings) })
    }

    fn changed(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        change(Arc::make_mut(&mut self.settings));
        self
    }

    /// The same client, which speaks this version.
    #[must_use]
    pub fn with_version(self, version: SoapVersion) -> Self {
        self.changed(|settings| settings.version = version)
    }

    /// The same client, whose messages carry this WS-Security header.
    #[must_use]
    pub fn with_security(self, security: WsSecurity) -> Self {
        self.changed(|settings| settings.security = Some(security))
    }

    /// The same client, whose caller heeds header blocks of this name: an answer that demands it is not refused.
    #[must_use]
    pub fn with_understood(self, header: Name) -> Self {
        self.changed(|settings| settings.understood.push(header))
    }

    /// The same client, which reads no more than this.
    #[must_use]
    pub fn with_limits(self, limits: XmlLimits) -> Self {
        self.changed(|settings| settings.limits = limits)
    }

    /// The same client with the clock and the random numbers of this context.
    #[must_use]
    pub fn with_build_context(self, context: &BuildContext) -> Self {
        self.changed(|settings| settings.context = context.clone())
    }

    /// Which version it speaks.
    #[must_use]
    pub fn version(&self) -> SoapVersion {
        self.settings.version
    }

    /// The HTTP client below.
    #[must_use]
    pub fn http(&self) -> &HttpClient {
        &self.http
    }

    /// Sends a message and reads the answer.
    ///
    /// # Errors
    ///
    /// By the table at [`SoapFault`] for a fault; `InvalidArgument` for a message that XML cannot say, before anything is
    /// sent; `Corrupt` for an answer that is no envelope, HTML for one; `Unsupported` for one with a header block that must
    /// be understood and is not; else as [`HttpTransport::execute`].
    pub async fn send(&self, request: &SoapRequest) -> Result<SoapAnswer> {
        let question = self.question(request)?;
        // Written before anybody waits for a turn, to see that it can be.
        let envelope = self.envelope(request)?;
        let call = Call::new(question.operation()).with_body(envelope.len() as u64);
        let question = question.with_body(envelope);
        let cx = question.context();
        let answer = self.pipeline().run(call, &cx, |cx, _| self.attempt(cx, &question, request)).await;
        if answer.as_ref().is_err_and(|error| error.kind() == external_core::ErrorKind::Unauthenticated) {
            self.settings.security.iter().for_each(WsSecurity::forget);
        }
        answer
    }

    /// Refuses new calls, waits at most `within` for running ones, then closes the HTTP client. Says what was left.
    pub async fn close(&self, within: Duration) -> CloseReport {
        self.http.close(within).await
    }

    fn pipeline(&self) -> &Pipeline {
        self.http.pipeline()
    }

    /// All of the HTTP request that is the same for each attempt.
    fn question(&self, request: &SoapRequest) -> Result<HttpRequest> {
        let Settings { endpoint, version, limits, .. } = &*self.settings;
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
        Ok(question
            .with_header("accept", "text/xml, application/soap+xml")?
            .with_statuses(Statuses::Any)
            .with_body_limit(limits.bytes as u64)
            .with_repeat(request.repeat)
            .with_call_options(request.call.clone()))
    }

    fn envelope(&self, request: &SoapRequest) -> Result<String> {
        let Settings { version, security, context, .. } = &*self.settings;
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
            let answer = match self.settings.security {
                None => self.attempts.execute(cx, question).await?,
                Some(_) => {
                    let anew = self.envelope(request).map_err(|error| error.with_effect(Effect::NotSent))?;
                    self.attempts.execute(cx, &question.clone().with_body(anew)).await?
                }
            };
            self.read(answer).await
        })
    }

    async fn read(&self, answer: HttpResponse) -> Result<SoapAnswer> {
        let (status, request_id) = (answer.status, answer.request_id.clone());
        let told = |error: Error| {
            let error = error.with_http_status(status.as_u16());
            match &request_id {
                Some(id) => error.with_request_id(id),
                None => error,
            }
        };
        let headers = answer.headers.clone();
        let media = media_type(&answer);
        let document = answer.bytes().await?;
        let is_nothing = document.iter().all(u8::is_ascii_whitespace);
        if is_nothing && status.is_success() {
            let version = self.settings.version;
            return Ok(SoapAnswer { version, headers: Vec::new(), body: Vec::new(), request_id });
        }
        let read = match media.as_str() {
            "text/xml" | "application/soap+xml" | "application/xml" | "" if !is_nothing => {
                envelope::read(&document, &self.settings.limits)
            }
            _ => Err(Error::corrupt("the answer is no SOAP").with_context("content_type", &media)),
        };
        let envelope = match read {
            Ok(envelope) => envelope,
            // What a server says that does not speak SOAP is in the status.
            Err(error) if status.is_success() => return Err(told(error)),
            Err(_) => return Err(self.refusal(status, headers, &media).await),
        };
        if let Some(fault) = envelope.fault() {
            let after = retry_after(&headers, self.settings.context.now());
            let fault = SoapFault::read(envelope.version, fault).map_err(told)?;
            return Err(told(fault.into_error(after)));
        }
        if !status.is_success() {
            return Err(self.refusal(status, headers, &media).await);
        }
        self.understand(&envelope).map_err(told)?;
        let envelope::Envelope { version, headers, body } = envelope;
        Ok(SoapAnswer { version, headers, body, request_id })
    }

    /// Refuses what must be understood and is not (SOAP 1.1, 4.2.3; SOAP 1.2 part 1, 5.2.3).
    fn understand(&self, envelope: &envelope::Envelope) -> Result<()> {
        let Settings { security, understood, context, .. } = &*self.settings;
        for block in envelope.required() {
            if understood.contains(block.name()) {
                continue;
            }
            if security.is_some() && block.is(WSSE, "Security") {
                WsSecurity::check(block, context)?;
                continue;
            }
            return Err(Error::unsupported("soap-header")
                .with_effect(Effect::MaybeApplied)
                .with_context("header", block.name()));
        }
        Ok(())
    }

    /// The error that a status is, where no fault says more.
    async fn refusal(&self, status: StatusCode, headers: http::HeaderMap, media: &str) -> Error {
        let plain = HttpRequest::new(http::Method::POST, self.settings.endpoint.clone());
        let nothing = ByteStream::from_bytes(bytes::Bytes::new());
        let error = match answered(&plain, status, headers, nothing, self.settings.context.now()).await {
            Err(error) => error,
            Ok(_) => Error::unexpected("the server sent the message elsewhere, and it was not followed")
                .with_effect(Effect::NotApplied)
                .with_http_status(status.as_u16()),
        };
        if media.is_empty() { error } else { error.with_context("content_type", media) }
    }
}

/// The media type without its parameters, in lower case; no longer than one is.
fn media_type(answer: &HttpResponse) -> String {
    let value = answer.header(CONTENT_TYPE.as_str()).unwrap_or_default();
    let value = value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    value.chars().take(80).collect()
}

impl fmt::Debug for SoapClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SoapClient")
            .field("endpoint", &self.settings.endpoint)
            .field("version", &self.settings.version)
            .finish_non_exhaustive()
    }
}
