//! The envelope: what versions differ in, how it is written, and how it is read whatever its prefixes.

use std::fmt;

use external_core::{Error, Result};

use super::xml::{Element, Name, XmlLimits};

/// Which SOAP is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum SoapVersion {
    /// SOAP 1.1: `text/xml`, the action in the header field `SOAPAction`.
    #[default]
    V1_1,
    /// SOAP 1.2: `application/soap+xml`, the action in its parameter `action`.
    V1_2,
}

impl SoapVersion {
    /// The namespace of its envelope.
    #[must_use]
    pub const fn namespace(self) -> &'static str {
        match self {
            Self::V1_1 => "http://schemas.xmlsoap.org/soap/envelope/",
            Self::V1_2 => "http://www.w3.org/2003/05/soap-envelope",
        }
    }

    /// The version with that namespace.
    #[must_use]
    pub fn of_namespace(namespace: &str) -> Option<Self> {
        [Self::V1_1, Self::V1_2].into_iter().find(|version| version.namespace() == namespace)
    }

    /// The name of the attribute that says for whom a header block is.
    pub(super) const fn role(self) -> &'static str {
        match self {
            Self::V1_1 => "actor",
            Self::V1_2 => "role",
        }
    }

    /// Whether a header block with this role is for whoever reads the message in the end, or for everybody.
    fn is_for_us(self, role: Option<&str>) -> bool {
        match (self, role) {
            (_, None | Some("")) => true,
            (Self::V1_1, Some(role)) => role == "http://schemas.xmlsoap.org/soap/actor/next",
            (Self::V1_2, Some(role)) => matches!(
                role.strip_prefix("http://www.w3.org/2003/05/soap-envelope/role/"),
                Some("next" | "ultimateReceiver")
            ),
        }
    }
}

impl fmt::Display for SoapVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V1_1 => "SOAP 1.1",
            Self::V1_2 => "SOAP 1.2",
        })
    }
}

/// A header block: an element, and how much its reader must heed it.
#[derive(Debug, Clone)]
pub struct SoapHeader {
    element: Element,
    is_required: bool,
    role: Option<String>,
}

impl SoapHeader {
    /// A block that may be ignored.
    #[must_use]
    pub fn new(element: Element) -> Self {
        Self { element, is_required: false, role: None }
    }

    /// The same block, which must be understood or the message be refused: `mustUnderstand`.
    #[must_use]
    pub fn required(mut self) -> Self {
        self.is_required = true;
        self
    }

    /// The same block for one who is named: `actor` in SOAP 1.1, `role` in 1.2.
    #[must_use]
    pub fn for_role(mut self, role: impl Into<String>) -> Self {
        self.role = Some(role.into());
        self
    }

    fn written(&self, version: SoapVersion) -> Element {
        let mut element = self.element.clone();
        if self.is_required {
            let name = Name::new(version.namespace(), "mustUnderstand");
            element = element.with_attribute_named(name, "1");
        }
        if let Some(role) = &self.role {
            element = element.with_attribute_named(Name::new(version.namespace(), version.role()), role);
        }
        element
    }
}

impl From<Element> for SoapHeader {
    fn from(element: Element) -> Self {
        Self::new(element)
    }
}

/// What stands in an envelope.
#[derive(Debug)]
pub(super) struct Envelope {
    pub(super) version: SoapVersion,
    pub(super) headers: Vec<Element>,
    pub(super) body: Vec<Element>,
}

impl Envelope {
    /// The fault in it, if it is one.
    pub(super) fn fault(&self) -> Option<&Element> {
        self.body.first().filter(|first| first.is(self.version.namespace(), "Fault"))
    }

    /// The header blocks that we must understand.
    pub(super) fn required(&self) -> impl Iterator<Item = &Element> {
        let namespace = self.version.namespace();
        self.headers.iter().filter(move |block| {
            let must = block.attribute_in(namespace, "mustUnderstand");
            let role = block.attribute_in(namespace, self.version.role());
            matches!(must.map(str::trim), Some("1" | "true")) && self.version.is_for_us(role)
        })
    }
}

/// An envelope as text.
pub(super) fn write(version: SoapVersion, headers: &[SoapHeader], body: &[Element]) -> Result<String> {
    let part = |local: &'static str| Element::new(version.namespace(), local);
    let mut envelope = part("Envelope").with_prefix("soap", version.namespace());
    if !headers.is_empty() {
        let blocks = headers.iter().map(|header| header.written(version));
        envelope = envelope.with_child(part("Header").with_children(blocks));
    }
    envelope = envelope.with_child(part("Body").with_children(body.iter().cloned()));
    Ok(format!("<?xml version=\"1.0\" encoding=\"utf-8\"?>{}", envelope.to_xml()?))
}

/// An envelope of either version.
pub(super) fn read(document: &[u8], limits: &XmlLimits) -> Result<Envelope> {
    let root = Element::from_xml_within(document, limits)?;
    if root.local_name() != "Envelope" {
        return Err(Error::corrupt("the answer is XML, but no SOAP envelope")
            .with_context("root", shortened(root.local_name())));
    }
    let namespace = root.namespace().unwrap_or_default();
    let Some(version) = SoapVersion::of_namespace(namespace) else {
        return Err(Error::corrupt("an envelope of neither SOAP 1.1 nor SOAP 1.2"));
    };
    let body = root.child_in(namespace, "Body").ok_or_else(|| Error::corrupt("the envelope has no body"))?;
    let headers = root.child_in(namespace, "Header").map(Element::children);
    Ok(Envelope {
        version,
        headers: headers.into_iter().flatten().cloned().collect(),
        body: body.children().cloned().collect(),
    })
}

fn shortened(text: &str) -> String {
    text.chars().take(80).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn both() -> [SoapVersion; 2] {
        [SoapVersion::V1_1, SoapVersion::V1_2]
    }

    #[test]
    fn what_is_written_is_read_as_it_was() {
        for version in both() {
            let header = SoapHeader::new(Element::new("urn:h", "Tenant").with_text("7")).required();
            let header = header.for_role("urn:gateway");
            let body = [Element::new("urn:m", "Add").with_field("a", "1")];
            let text = write(version, &[header], &body).unwrap();
            let envelope = read(text.as_bytes(), &XmlLimits::new()).unwrap();
            assert_eq!((envelope.version, &envelope.body[..]), (version, &body[..]));
            let block = &envelope.headers[0];
            assert_eq!(block.attribute_in(version.namespace(), "mustUnderstand"), Some("1"));
            assert_eq!(block.attribute_in(version.namespace(), version.role()), Some("urn:gateway"));
            // It is for somebody else.
            assert_eq!(envelope.required().count(), 0);
        }
    }

    #[test]
    fn a_block_must_be_understood_by_whom_it_is_for() {
        for (version, role, is_ours) in [
            (SoapVersion::V1_1, "http://schemas.xmlsoap.org/soap/actor/next", true),
            (SoapVersion::V1_2, "http://www.w3.org/2003/05/soap-envelope/role/next", true),
            (SoapVersion::V1_2, "http://www.w3.org/2003/05/soap-envelope/role/ultimateReceiver", true),
            (SoapVersion::V1_2, "http://www.w3.org/2003/05/soap-envelope/role/none", false),
            (SoapVersion::V1_1, "urn:other", false),
        ] {
            let header = SoapHeader::new(Element::new("urn:h", "H")).required().for_role(role);
            let text = write(version, &[header], &[]).unwrap();
            let envelope = read(text.as_bytes(), &XmlLimits::new()).unwrap();
            assert_eq!(envelope.required().count() == 1, is_ours, "{version} {role}");
        }
    }

    #[test]
    fn what_is_no_envelope_is_told_apart() {
        let refused = |text: &str| read(text.as_bytes(), &XmlLimits::new()).unwrap_err();
        assert_eq!(refused("<html/>").context_value("root"), Some("html"));
        assert!(refused("<Envelope xmlns='urn:x'/>").message().contains("neither"));
        let bare = format!("<Envelope xmlns='{}'/>", SoapVersion::V1_2.namespace());
        assert!(refused(&bare).message().contains("no body"));
    }
}
