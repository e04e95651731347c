//! Fetching a description: from where it may come, and how much of it.

use external_core::{Effect, Error, ErrorKind, Result};
use external_http::{HttpClient, HttpRequest, HttpUrl};

use super::Wsdl;
use super::address::is_private;
use super::document::{Documents, Import};
use crate::soap::xml::XmlLimits;

/// Fetches descriptions.
///
/// Imports are followed within the origin of the description. Other origins must be allowed; addresses of this machine and
/// of private networks are never followed to, nor is anything but HTTP. Hosts are judged by what stands in the URL: what a
/// public name resolves to is the network's business. The client's credentials go to no other origin, whether it is allowed
/// or not.
///
/// ```no_run
/// use external_api::external_http::{BuildContext, HttpClient, ReqwestConfig};
/// use external_api::soap::WsdlLoader;
///
/// # async fn load() -> external_api::Result<()> {
/// let http = HttpClient::over(ReqwestConfig::new().build(&BuildContext::default())?);
/// let wsdl = WsdlLoader::new()
///     .with_origin("https://schemas.example.org")?
///     .load(&http, "https://api.example.org/orders?wsdl")
///     .await?;
/// # let _ = wsdl; Ok(()) }
/// ```
#[derive(Debug, Clone)]
pub struct WsdlLoader {
    origins: Vec<HttpUrl>,
    documents: usize,
    bytes: usize,
}

impl Default for WsdlLoader {
    fn default() -> Self {
        Self { origins: Vec::new(), documents: 64, bytes: 16 << 20 }
    }
}

impl WsdlLoader {
    /// Nothing but the origin of the description; 64 documents and 16 MiB in all.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets imports come from this origin, too.
    ///
    /// # Errors
    ///
    /// `InvalidArgument` for what is no absolute URL.
    pub fn with_origin(mut self, origin: &str) -> Result<Self> {
        let origin = HttpUrl::parse(origin)?;
        if !origin.is_absolute() {
            return Err(Error::invalid_argument("an origin has a host"));
        }
        self.origins.push(origin);
        Ok(self)
    }

    /// Sets how many documents a description may have.
    #[must_use]
    pub fn with_documents(mut self, documents: usize) -> Self {
        self.documents = documents;
        self
    }

    /// Sets how many bytes all documents may have together.
    #[must_use]
    pub fn with_bytes(mut self, bytes: usize) -> Self {
        self.bytes = bytes;
        self
    }

    /// Fetches a description and what it imports.
    ///
    /// # Errors
    ///
    /// As [`HttpClient::get`]; `PermissionDenied`, before anything is sent, for an import from where none may come from;
    /// `PayloadTooLarge` beyond a limit; `Corrupt` for what is no description, and `Unsupported` as [`Wsdl::parse`].
    pub async fn load(&self, http: &HttpClient, url: &str) -> Result<Wsdl> {
        let home = http.place(&HttpUrl::parse(url)?);
        let mut left = self.bytes;
        let mut documents = Documents::default();
        documents.is_new(&home.expose(), None);
        // Without a base a client takes whatever place it is asked for to be the one that its credentials are for.
        let stranger = http.clone().without_auth();
        let first = self.fetched(http, &home, &mut documents, None, &mut left).await?;
        let mut waiting: Vec<(HttpUrl, Import)> = with_base(&home, first);
        let mut count = 1;
        while let Some((from, import)) = waiting.pop() {
            let url = self.permitted(&home, &from, &import)?;
            if !documents.is_new(&url.expose(), Some(&import)) {
                continue;
            }
            count += 1;
            if count > self.documents {
                return Err(too_much("more documents than a description may have"));
            }
            let http = if url.has_origin_of(&home) { http } else { &stranger };
            let more = self.fetched(http, &url, &mut documents, Some(&import), &mut left).await?;
            waiting.extend(with_base(&url, more));
        }
        Wsdl::of(&documents, Some(home))
    }

    async fn fetched(
        &self,
        http: &HttpClient,
        url: &HttpUrl,
        documents: &mut Documents,
        import: Option<&Import>,
        left: &mut usize,
    ) -> Result<Vec<Import>> {
        let request = HttpRequest::new(http::Method::GET, url.clone()).with_body_limit(*left as u64);
        let answer = http.send(&request).await?;
        if !answer.status.is_success() {
            return Err(Error::unexpected("a document of the description is elsewhere")
                .with_http_status(answer.status.as_u16()));
        }
        let document = answer.bytes().await?;
        *left = left
            .checked_sub(document.len())
            .ok_or_else(|| too_much("more bytes than a description may have"))?;
        documents.add(&document, &XmlLimits::new(), import)
    }

    /// Where an import leads, if it may.
    fn permitted(&self, home: &HttpUrl, from: &HttpUrl, import: &Import) -> Result<HttpUrl> {
        let refused =
            |why: &'static str| Error::new(ErrorKind::PermissionDenied, why).with_effect(Effect::NotSent);
        let url = from
            .redirected(&import.location)
            .map_err(|_| refused("the description imports something that is not at an HTTP URL"))?;
        if url.has_origin_of(home) {
            return Ok(url);
        }
        if is_private(&url) {
            return Err(refused("the description imports something from a private address")
                .with_context("origin", &url));
        }
        match self.origins.iter().any(|origin| url.has_origin_of(origin)) {
            true => Ok(url),
            false => Err(refused("the description imports something from an origin that was not allowed")
                .with_context("origin", &url)),
        }
    }
}

fn with_base(base: &HttpUrl, imports: Vec<Import>) -> Vec<(HttpUrl, Import)> {
    imports.into_iter().map(|import| (base.clone(), import)).collect()
}

fn too_much(why: &'static str) -> Error {
    Error::payload_too_large(why)
}
