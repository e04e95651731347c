//! WSDL 1.1, read at run time: which services there are, what their operations take, and what that is made of.

mod address;
mod binding;
mod builtin;
mod check;
mod declarations;
mod document;
mod load;
mod schema;

use std::fmt;
use std::sync::Arc;

use external_core::{Error, Result, Retry};
use external_http::{HttpClient, HttpUrl};

use super::envelope::SoapVersion;
use super::xml::XmlLimits;

pub(super) use binding::{Body, Operation};
pub(super) use builtin::Builtin;
pub(super) use declarations::{
    Attribute, ComplexType, Declaration, Particle, Resolved, SimpleType, TypeRef, Types, Variety,
};
pub(super) use document::Documents;
pub use load::WsdlLoader;

/// The namespace of types that XML Schema has.
pub(super) const XSD: &str = "http://www.w3.org/2001/XMLSchema";
/// The namespace of `xsi:nil` and `xsi:type`.
pub(super) const XSI: &str = "http://www.w3.org/2001/XMLSchema-instance";
const WSDL: &str = "http://schemas.xmlsoap.org/wsdl/";

/// A description of services: ports, operations and types. Cloning is cheap.
///
/// What is understood: SOAP 1.1 and 1.2 bindings, `document`/`literal` and `rpc`/`literal`; complex types with sequences,
/// choices, `all`, groups, attributes, extension and restriction; simple types with enumerations, lengths, bounds, lists and
/// unions. Not: encoded messages (`use="encoded"`), patterns of texts, substitution groups, types that
/// are redefined (`xs:redefine`).
#[derive(Clone)]
pub struct Wsdl {
    model: Arc<Model>,
}

struct Model {
    ports: Vec<WsdlPort>,
    types: Types,
    /// Where the description came from, if it was fetched.
    origin: Option<HttpUrl>,
}

/// A place where a service is offered over SOAP.
pub struct WsdlPort {
    service: String,
    name: String,
    endpoint: String,
    version: SoapVersion,
    operations: Vec<Operation>,
}

impl Wsdl {
    /// Reads a description that stands in one document.
    ///
    /// # Errors
    ///
    /// `Corrupt` for what is no WSDL, naming what is wrong; `Unsupported` for `xs:redefine`; `InvalidArgument` if it imports
    /// another document.
    pub fn parse(document: impl AsRef<[u8]>) -> Result<Self> {
        Self::parse_with(document, |_| None)
    }

    /// As [`parse`](Self::parse), for a description in several documents: `imported` gives each by the location that the
    /// others know it by.
    ///
    /// # Errors
    ///
    /// As [`parse`](Self::parse); `InvalidArgument`, naming the location, for a document that there is not.
    pub fn parse_with(
        document: impl AsRef<[u8]>,
        imported: impl Fn(&str) -> Option<Vec<u8>>,
    ) -> Result<Self> {
        let limits = XmlLimits::new();
        let mut documents = Documents::default();
        let mut waiting = documents.add(document.as_ref(), &limits, None)?;
        while let Some(import) = waiting.pop() {
            if !documents.is_new(&import.location, Some(&import)) {
                continue;
            }
            let Some(document) = imported(&import.location) else {
                return Err(Error::invalid_argument("the description imports a document that is not here")
                    .with_context("location", &import.location));
            };
            waiting.extend(documents.add(&document, &limits, Some(&import))?);
        }
        Self::of(&documents, None)
    }

    /// Fetches a description and all that it imports from the same origin; [`WsdlLoader`] has the choices.
    ///
    /// # Errors
    ///
    /// As [`HttpClient::get`] and [`parse`](Self::parse); `PermissionDenied` for an import from elsewhere.
    pub async fn load(http: &HttpClient, url: &str) -> Result<Self> {
        WsdlLoader::new().load(http, url).await
    }

    fn of(documents: &Documents, origin: Option<HttpUrl>) -> Result<Self> {
        let types = schema::types(documents)?;
        check::check(&types)?;
        let ports = binding::ports(documents)?;
        Ok(Self { model: Arc::new(Model { ports, types, origin }) })
    }

    /// The ports over SOAP, in the order of the description.
    #[must_use]
    pub fn ports(&self) -> &[WsdlPort] {
        &self.model.ports
    }

    /// The first port over SOAP, or that of this name.
    ///
    /// # Errors
    ///
    /// `InvalidArgument`, naming those there are.
    pub fn port(&self, name: Option<&str>) -> Result<&WsdlPort> {
        let found = self.ports().iter().find(|port| name.is_none_or(|name| port.name == name));
        found.ok_or_else(|| {
            let known: Vec<&str> = self.ports().iter().map(WsdlPort::name).collect();
            Error::invalid_argument("the description has no such port over SOAP")
                .with_context("ports", known.join(", "))
        })
    }

    pub(super) fn types(&self) -> &Types {
        &self.model.types
    }

    pub(super) fn origin(&self) -> Option<&HttpUrl> {
        self.model.origin.as_ref()
    }
}

impl WsdlPort {
    /// The service it belongs to.
    #[must_use]
    pub fn service(&self) -> &str {
        &self.service
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where messages go, as the description says.
    #[must_use]
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// Which SOAP it speaks.
    #[must_use]
    pub fn version(&self) -> SoapVersion {
        self.version
    }

    /// The names of its operations.
    pub fn operations(&self) -> impl Iterator<Item = &str> {
        self.operations.iter().map(|operation| operation.name.as_str())
    }

    pub(super) fn operation(&self, name: &str) -> Result<&Operation> {
        self.operations.iter().find(|operation| operation.name == name).ok_or_else(|| {
            let known: Vec<&str> = self.operations().take(50).collect();
            Error::invalid_argument(format!("the port {} has no operation {name}", self.name))
                .with_context("operations", known.join(", "))
        })
    }
}

/// A description that contradicts itself, or that is none.
fn broken(why: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::corrupt(why).with_effect(external_core::Effect::NotSent).with_retry(Retry::Never)
}

impl fmt::Debug for Wsdl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wsdl").field("ports", &self.model.ports).finish_non_exhaustive()
    }
}

impl fmt::Debug for WsdlPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WsdlPort")
            .field("service", &self.service)
            .field("name", &self.name)
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}
