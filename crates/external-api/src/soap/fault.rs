//! Faults: what a server says instead of an answer, of both versions in one form.

use std::fmt;

use external_core::{Effect, Error, ErrorKind, Result, Retry};

use super::envelope::SoapVersion;
use super::security::WSSE;
use super::xml::{Element, Name, XML};
use crate::shown;

/// What a server says instead of an answer. It is the source of the error that a call ends with.
///
/// | code | kind | effect | retry |
/// |---|---|---|---|
/// | of WS-Security, or `Client.Authentication…` | `Unauthenticated` | `NotApplied` | never |
/// | `Client`, `Sender` | `InvalidArgument` | `NotApplied` | never |
/// | `Server`, `Receiver` without detail | `Unavailable` | `MaybeApplied` | backoff, or when the server says |
/// | `Server`, `Receiver` with detail: what the service has to say | `InvalidArgument` | `MaybeApplied` | never |
/// | `VersionMismatch`, `MustUnderstand`, `DataEncodingUnknown` | `Unsupported` | `NotApplied` | never |
/// | any other one | `InvalidArgument` | `MaybeApplied` | never |
///
/// The error shows the code alone, as vendor's code. Reasons and detail may repeat what was sent: they are handed out here,
/// and neither the error nor `Debug` shows them.
///
/// ```
/// use external_api::soap::{Element, FaultCode, SoapClient, SoapFault, SoapRequest};
/// use external_api::external_http::{HttpClient, MemoryAnswer, MemoryHttp};
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// let fault = r#"<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"><e:Body><e:Fault>
///     <faultcode>e:Client</faultcode><faultstring>no such account</faultstring>
///     <detail><NoAccount xmlns="urn:bank"><id>7</id></NoAccount></detail></e:Fault></e:Body></e:Envelope>"#;
/// let double = MemoryHttp::new()
///     .with_fallback(move |_| MemoryAnswer::new(500).with_header("content-type", "text/xml").with_body(fault));
/// let bank = SoapClient::over(HttpClient::over(double), "/bank")?;
/// let error = bank.send(&SoapRequest::new(Element::new("urn:bank", "Balance"))).await.unwrap_err();
/// let fault = SoapFault::of(&error).unwrap();
/// assert_eq!((fault.code(), fault.reason()), (FaultCode::Sender, "no such account"));
/// assert_eq!(fault.detail().unwrap().required("NoAccount")?.required("id")?.parse::<u32>()?, 7);
/// # Ok::<(), external_api::Error>(()) }).unwrap();
/// ```
#[derive(Clone)]
pub struct SoapFault {
    version: SoapVersion,
    code: FaultCode,
    name: Name,
    subcodes: Vec<Name>,
    reasons: Vec<(String, String)>,
    role: Option<String>,
    node: Option<String>,
    detail: Option<Element>,
}

/// The codes that SOAP itself has, by their names in version 1.2.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FaultCode {
    /// The envelope is of a version that the server does not speak.
    VersionMismatch,
    /// A header block that had to be understood was not.
    MustUnderstand,
    /// An encoding that the server does not know.
    DataEncodingUnknown,
    /// The message is wrong: `Client` in version 1.1.
    Sender,
    /// The server failed: `Server` in version 1.1.
    Receiver,
    /// One of the service's own, which version 1.1 allows.
    Other,
}

impl FaultCode {
    fn of(local: &str) -> Self {
        match local {
            "VersionMismatch" => Self::VersionMismatch,
            "MustUnderstand" => Self::MustUnderstand,
            "DataEncodingUnknown" => Self::DataEncodingUnknown,
            "Sender" | "Client" => Self::Sender,
            "Receiver" | "Server" => Self::Receiver,
            _ => Self::Other,
        }
    }
}

impl SoapFault {
    /// The fault that an error of a call is made of.
    #[must_use]
    pub fn of(error: &Error) -> Option<&Self> {
        std::error::Error::source(error)?.downcast_ref()
    }

    /// Of which version of SOAP it is.
    #[must_use]
    pub fn version(&self) -> SoapVersion {
        self.version
    }

    /// The code, if SOAP has it.
    #[must_use]
    pub fn code(&self) -> FaultCode {
        self.code
    }

    /// The code as the server wrote it. Version 1.1 lets it end with finer ones (`Client.Authentication`).
    #[must_use]
    pub fn code_name(&self) -> &Name {
        &self.name
    }

    /// The finer codes, the coarser before the finer one.
    #[must_use]
    pub fn subcodes(&self) -> &[Name] {
        &self.subcodes
    }

    /// What happened, in the server's first language; empty, if it does not say.
    #[must_use]
    pub fn reason(&self) -> &str {
        self.reasons.first().map_or("", |(_, text)| text)
    }

    /// What happened, in this language (`"de"`) if there is one.
    #[must_use]
    pub fn reason_in(&self, language: &str) -> Option<&str> {
        let is_it = |known: &str| {
            known.eq_ignore_ascii_case(language)
                || known.split('-').next().is_some_and(|first| first.eq_ignore_ascii_case(language))
        };
        self.reasons.iter().find(|(known, _)| is_it(known)).map(|(_, text)| text.as_str())
    }

    /// In which role the node acted that failed: `faultactor` in version 1.1.
    #[must_use]
    pub fn role(&self) -> Option<&str> {
        self.role.as_deref()
    }

    /// Which node on the message's way failed; version 1.2 alone has that.
    #[must_use]
    pub fn node(&self) -> Option<&str> {
        self.node.as_deref()
    }

    /// What the service has to say about it.
    #[must_use]
    pub fn detail(&self) -> Option<&Element> {
        self.detail.as_ref()
    }

    /// The finest code, as the error shows it.
    fn shown_code(&self) -> &str {
        shown::code(self.subcodes.last().unwrap_or(&self.name).local_name())
    }

    /// Reads one of either version.
    pub(super) fn read(version: SoapVersion, fault: &Element) -> Result<Self> {
        match version {
            SoapVersion::V1_1 => Self::read_1_1(fault),
            SoapVersion::V1_2 => Self::read_1_2(fault),
        }
    }

    fn read_1_1(fault: &Element) -> Result<Self> {
        let text = |local| fault.child(local).map(|child| child.text().trim().to_owned());
        let (code, name) = code(fault.required("faultcode")?, SoapVersion::V1_1);
        // `Client.Authentication`: what stands behind the dot is the finer code.
        let finer = name
            .local_name()
            .split_once('.')
            .map(|(_, finer)| Name::new(name.namespace().unwrap_or_default(), finer));
        let language = fault.child("faultstring").and_then(|text| text.attribute_in(XML, "lang"));
        let language = language.unwrap_or_default().to_owned();
        Ok(Self {
            version: SoapVersion::V1_1,
            code,
            name,
            subcodes: finer.into_iter().collect(),
            reasons: text("faultstring").map(|text| (language, text)).into_iter().collect(),
            role: text("faultactor"),
            node: None,
            detail: fault.child("detail").cloned(),
        })
    }

    fn read_1_2(fault: &Element) -> Result<Self> {
        let text = |local| fault.child(local).map(|child| child.text().trim().to_owned());
        let outermost = fault.required("Code")?;
        let (code, name) = code(outermost.required("Value")?, SoapVersion::V1_2);
        let mut subcodes = Vec::new();
        let mut next = outermost.child("Subcode");
        while let Some(subcode) = next {
            subcodes.extend(subcode.child("Value").map(qualified));
            next = subcode.child("Subcode");
        }
        let texts = fault.child("Reason").into_iter().flat_map(Element::children);
        let reasons = texts.map(|text| {
            let language = text.attribute_in(XML, "lang").unwrap_or_default();
            (language.to_owned(), text.text().trim().to_owned())
        });
        Ok(Self {
            version: SoapVersion::V1_2,
            code,
            name,
            subcodes,
            reasons: reasons.collect(),
            role: text("Role"),
            node: text("Node"),
            detail: fault.child("Detail").cloned(),
        })
    }

    /// The error that a call ends with. `retry` is the advice of the answer's header fields.
    pub(super) fn into_error(self, retry: Option<std::time::Duration>) -> Error {
        let (kind, effect, advice) = self.meaning();
        let advice = match (advice, retry) {
            (Retry::Backoff, Some(after)) => Retry::After(after),
            (advice, _) => advice,
        };
        Error::new(kind, "the server answered with a fault")
            .with_effect(effect)
            .with_retry(advice)
            .with_vendor_code(self.shown_code())
            .with_source(self)
    }

    fn meaning(&self) -> (ErrorKind, Effect, Retry) {
        use Effect::{MaybeApplied, NotApplied};
        if self.is_about_credentials() {
            return (ErrorKind::Unauthenticated, NotApplied, Retry::Never);
        }
        match self.code {
            FaultCode::Sender => (ErrorKind::InvalidArgument, NotApplied, Retry::Never),
            FaultCode::VersionMismatch | FaultCode::MustUnderstand | FaultCode::DataEncodingUnknown => {
                (ErrorKind::Unsupported, NotApplied, Retry::Never)
            }
            // Both versions say that the same message may succeed later. Who declares faults of a service's own sends
            // them under this code too, and those will not change.
            FaultCode::Receiver if !self.has_detail() => {
                (ErrorKind::Unavailable, MaybeApplied, Retry::Backoff)
            }
            FaultCode::Receiver | FaultCode::Other => {
                (ErrorKind::InvalidArgument, MaybeApplied, Retry::Never)
            }
        }
    }

    fn is_about_credentials(&self) -> bool {
        let of_security = |name: &Name| name.namespace().is_some_and(|namespace| namespace == WSSE);
        of_security(&self.name)
            || self.subcodes.iter().any(of_security)
            || self.code == FaultCode::Sender
                && self.subcodes.first().is_some_and(|finer| finer.local_name().starts_with("Authentication"))
    }

    fn has_detail(&self) -> bool {
        self.detail.as_ref().is_some_and(|detail| detail.children().next().is_some())
    }
}

/// The code that an element holds. Servers that forget the prefix, or to declare it, mean SOAP's own.
fn code(value: &Element, version: SoapVersion) -> (FaultCode, Name) {
    let name = qualified(value);
    let is_soaps = name.namespace().is_none_or(|namespace| SoapVersion::of_namespace(namespace).is_some());
    let coarse = name.local_name().split('.').next().unwrap_or_default();
    let code = if is_soaps { FaultCode::of(coarse) } else { FaultCode::Other };
    match code {
        FaultCode::Other => (code, name),
        _ => (code, Name::new(version.namespace(), name.local_name())),
    }
}

fn qualified(value: &Element) -> Name {
    let text = value.text();
    let text = text.trim();
    value.resolve(text).unwrap_or_else(|| Name::local(text.rsplit(':').next().unwrap_or_default()))
}

impl fmt::Display for SoapFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a fault of {} with code {}", self.version, self.shown_code())
    }
}

impl fmt::Debug for SoapFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SoapFault({self})")
    }
}

impl std::error::Error for SoapFault {}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(version: SoapVersion, inner: &str) -> SoapFault {
        let text = format!("<s:Fault xmlns:s='{}'>{inner}</s:Fault>", version.namespace());
        SoapFault::read(version, &Element::from_xml(text).unwrap()).unwrap()
    }

    #[test]
    fn one_of_version_1_2_is_read_in_full() {
        let fault = fault(
            SoapVersion::V1_2,
            "<s:Code><s:Value>s:Sender</s:Value><s:Subcode><s:Value xmlns:m='urn:m'>m:Timeout</s:Value><s:Subcode>
             <s:Value xmlns:m='urn:m'>m:Short</s:Value></s:Subcode></s:Subcode></s:Code>
             <s:Reason><s:Text xml:lang='en-US'>Too late</s:Text><s:Text xml:lang='de'>Zu spät</s:Text></s:Reason>
             <s:Node>urn:node</s:Node><s:Role>urn:role</s:Role><s:Detail><m:D xmlns:m='urn:m'/></s:Detail>",
        );
        assert_eq!((fault.code(), fault.code_name().local_name()), (FaultCode::Sender, "Sender"));
        assert_eq!(fault.subcodes(), [Name::new("urn:m", "Timeout"), Name::new("urn:m", "Short")]);
        assert_eq!((fault.reason(), fault.reason_in("de")), ("Too late", Some("Zu spät")));
        assert_eq!((fault.reason_in("en"), fault.reason_in("fr")), (Some("Too late"), None));
        assert_eq!((fault.node(), fault.role()), (Some("urn:node"), Some("urn:role")));
        assert!(fault.detail().unwrap().child_in("urn:m", "D").is_some());
        assert_eq!(fault.into_error(None).vendor_code(), Some("Short"));
    }

    #[test]
    fn codes_mean_what_the_table_says() {
        use Effect::{MaybeApplied, NotApplied};
        use ErrorKind::{InvalidArgument, Unauthenticated, Unavailable, Unsupported};
        let wsse = format!("<faultcode xmlns:w='{WSSE}'>w:FailedAuthentication</faultcode>");
        for (inner, kind, effect, retry) in [
            ("<faultcode>s:Client</faultcode>", InvalidArgument, NotApplied, Retry::Never),
            ("<faultcode>Client</faultcode>", InvalidArgument, NotApplied, Retry::Never),
            ("<faultcode>SOAP-ENV:Client</faultcode>", InvalidArgument, NotApplied, Retry::Never),
            (
                "<faultcode>s:Client.AuthenticationError</faultcode>",
                Unauthenticated,
                NotApplied,
                Retry::Never,
            ),
            (&wsse, Unauthenticated, NotApplied, Retry::Never),
            ("<faultcode>s:Server</faultcode>", Unavailable, MaybeApplied, Retry::Backoff),
            ("<faultcode>s:Server</faultcode><detail> </detail>", Unavailable, MaybeApplied, Retry::Backoff),
            (
                "<faultcode>s:Server</faultcode><detail><x/></detail>",
                InvalidArgument,
                MaybeApplied,
                Retry::Never,
            ),
            ("<faultcode>s:MustUnderstand</faultcode>", Unsupported, NotApplied, Retry::Never),
            ("<faultcode>s:VersionMismatch</faultcode>", Unsupported, NotApplied, Retry::Never),
            ("<faultcode xmlns:m='urn:m'>m:Server</faultcode>", InvalidArgument, MaybeApplied, Retry::Never),
        ] {
            let error = fault(SoapVersion::V1_1, inner).into_error(None);
            assert_eq!((error.kind(), error.effect(), error.retry()), (kind, effect, retry), "{inner}");
        }
        let after = std::time::Duration::from_secs(3);
        let busy = fault(SoapVersion::V1_1, "<faultcode>s:Server</faultcode>").into_error(Some(after));
        assert_eq!(busy.retry(), Retry::After(after));
    }

    #[test]
    fn reason_and_detail_are_handed_out_and_not_shown() {
        for (code, shown) in [("s:Client.Quota", "Quota"), ("s:Client.s3cret\u{e9}", "a code of its own")] {
            let inner = format!(
                "<faultcode>{code}</faultcode><faultstring>s3cret</faultstring><faultactor>s3cret</faultactor>
                 <detail><s3cret a='s3cret'>s3cret</s3cret></detail>"
            );
            let error = fault(SoapVersion::V1_1, &inner).into_error(None);
            let told = SoapFault::of(&error).unwrap();
            assert_eq!((told.reason(), told.role()), ("s3cret", Some("s3cret")));
            assert_eq!(told.detail().unwrap().required("s3cret").unwrap().text(), "s3cret");
            let seen = format!("{error} {error:?} {} {told} {told:?}", error.report());
            assert!(seen.contains(shown) && !seen.contains("s3cret"), "{seen}");
        }
    }
}
