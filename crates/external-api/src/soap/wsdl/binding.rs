//! From the definitions of a WSDL to ports whose operations know how their messages look.

use external_core::Result;

use super::declarations::TypeRef;
use super::document::Documents;
use super::{WSDL, WsdlPort, broken};
use crate::soap::envelope::SoapVersion;
use crate::soap::xml::{Element, Name};

const SOAP_1_1: &str = "http://schemas.xmlsoap.org/wsdl/soap/";
const SOAP_1_2: &str = "http://schemas.xmlsoap.org/wsdl/soap12/";

/// What a port can be asked.
#[derive(Debug)]
pub(crate) struct Operation {
    pub(crate) name: String,
    pub(crate) action: Option<String>,
    pub(crate) input: Body,
    /// `None`: nobody answers.
    pub(crate) output: Option<Body>,
}

/// What stands in the body of a message.
#[derive(Debug)]
pub(crate) enum Body {
    /// A declared element, or nothing.
    Document(Option<Name>),
    /// An element named for the operation, in which each part is an element without a namespace.
    Rpc { wrapper: Name, parts: Vec<Part> },
    /// Something that is not understood: the reason.
    Unsupported(&'static str),
}

/// A part of an rpc message.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) name: String,
    pub(crate) of: TypeRef,
}

/// The ports over SOAP. Those over something else are left out.
pub(super) fn ports(documents: &Documents) -> Result<Vec<WsdlPort>> {
    let reader = Reader { documents };
    let mut ports: Vec<WsdlPort> = Vec::new();
    for definitions in &documents.definitions {
        for service in named(definitions, "service") {
            for port in named(service, "port") {
                // A document that is imported by what it imports is there twice.
                let is_known = |known: &WsdlPort| {
                    known.service == text(service, "name") && known.name == text(port, "name")
                };
                if !ports.iter().any(is_known) {
                    ports.extend(reader.port(service, port)?);
                }
            }
        }
    }
    Ok(ports)
}

struct Reader<'d> {
    documents: &'d Documents,
}

impl<'d> Reader<'d> {
    fn port(&self, service: &Element, port: &Element) -> Result<Option<WsdlPort>> {
        let Some((version, address)) = of_soap(port, "address") else { return Ok(None) };
        let binding = self.referred(port, "binding", "binding")?;
        let Some((_, style)) = of_soap(binding, "binding") else { return Ok(None) };
        let is_rpc = style.attribute("style") == Some("rpc");
        let port_type = self.referred(binding, "type", "portType")?;
        let operations = named(binding, "operation")
            .map(|operation| self.operation(operation, port_type, is_rpc))
            .collect::<Result<_>>()?;
        Ok(Some(WsdlPort {
            service: text(service, "name").to_owned(),
            name: text(port, "name").to_owned(),
            endpoint: text(address, "location").trim().to_owned(),
            version,
            operations,
        }))
    }

    fn operation(&self, bound: &Element, port_type: &Element, is_rpc: bool) -> Result<Operation> {
        let name = text(bound, "name");
        let soap = of_soap(bound, "operation").map(|(_, soap)| soap);
        let style = soap.and_then(|soap| soap.attribute("style"));
        let is_rpc = style.map_or(is_rpc, |style| style == "rpc");
        let action = soap.and_then(|soap| soap.attribute("soapAction")).filter(|action| !action.is_empty());
        // Operations may share a name; those that do are told apart by the names of their messages.
        let input_name = bound.child_in(WSDL, "input").and_then(|input| input.attribute("name"));
        let same_name = || named(port_type, "operation").filter(|operation| text(operation, "name") == name);
        let abstract_operation = same_name()
            .find(|operation| {
                let input = operation.child_in(WSDL, "input").and_then(|input| input.attribute("name"));
                input_name.is_none() || input == input_name
            })
            .or_else(|| same_name().next())
            .ok_or_else(|| broken(format!("the operation {name} is bound and not declared")))?;
        let body = |direction: &str, wrapper: String| -> Result<Option<Body>> {
            let Some(declared) = abstract_operation.child_in(WSDL, direction) else { return Ok(None) };
            let message = self.referred(declared, "message", "message")?;
            let bound = bound.child_in(WSDL, direction);
            Ok(Some(self.body(message, bound, is_rpc, &wrapper)?))
        };
        Ok(Operation {
            name: name.to_owned(),
            action: action.map(str::to_owned),
            input: body("input", name.to_owned())?.unwrap_or(Body::Document(None)),
            output: body("output", format!("{name}Response"))?,
        })
    }

    fn body(
        &self,
        message: &'d Element,
        bound: Option<&Element>,
        is_rpc: bool,
        wrapper: &str,
    ) -> Result<Body> {
        let soap_body = bound.and_then(soap_body);
        let attribute = |name: &str| soap_body.and_then(|body| body.attribute(name));
        if attribute("use") == Some("encoded") {
            return Ok(Body::Unsupported("encoded messages (use=\"encoded\")"));
        }
        let chosen = attribute("parts").map(|parts| parts.split_ascii_whitespace().collect::<Vec<_>>());
        // What goes into headers is not in the body, where nobody says which parts are.
        let in_headers: Vec<&str> =
            bound.into_iter().flat_map(Element::children).filter_map(header_part).collect();
        let parts = named(message, "part").filter(|part| {
            let name = text(part, "name");
            chosen.as_ref().map_or_else(|| !in_headers.contains(&name), |chosen| chosen.contains(&name))
        });
        if is_rpc {
            let parts = parts.map(rpc_part).collect::<Result<Option<_>>>()?;
            return Ok(match parts {
                Some(parts) => {
                    let namespace = attribute("namespace").unwrap_or_default();
                    Body::Rpc { wrapper: Name::new(namespace, wrapper), parts }
                }
                None => Body::Unsupported("an rpc message whose part is an element"),
            });
        }
        let parts: Vec<&Element> = parts.collect();
        match parts.as_slice() {
            [] => Ok(Body::Document(None)),
            [part] => match part.attribute("element") {
                Some(element) => Ok(Body::Document(Some(resolved(part, element)?))),
                None => Ok(Body::Unsupported("a document message whose part is a type")),
            },
            _ => Ok(Body::Unsupported("a document message of several parts")),
        }
    }

    /// The definition that an attribute refers to.
    fn referred(&self, at: &Element, attribute: &str, kind: &str) -> Result<&'d Element> {
        let name = resolved(at, text(at, attribute))?;
        let of_namespace = |definitions: &&'d Element| {
            text(definitions, "targetNamespace") == name.namespace().unwrap_or_default()
        };
        self.documents
            .definitions
            .iter()
            .filter(of_namespace)
            .flat_map(|definitions| named(definitions, kind))
            .find(|definition| text(definition, "name") == name.local_name())
            .ok_or_else(|| broken(format!("the description uses the {kind} {name} and does not define it")))
    }
}

fn rpc_part(part: &Element) -> Result<Option<Part>> {
    let Some(of) = part.attribute("type") else { return Ok(None) };
    let of = TypeRef::Named(resolved(part, of)?);
    Ok(Some(Part { name: text(part, "name").to_owned(), of }))
}

/// The `soap:body` of a message, or that within the first part of a MIME binding.
fn soap_body(bound: &Element) -> Option<&Element> {
    if let Some((_, body)) = of_soap(bound, "body") {
        return Some(body);
    }
    let multipart = bound.child("multipartRelated")?;
    multipart.children().find_map(|part| of_soap(part, "body")).map(|(_, body)| body)
}

fn header_part(element: &Element) -> Option<&str> {
    let is_header = element.is(SOAP_1_1, "header") || element.is(SOAP_1_2, "header");
    element.attribute("part").filter(|_| is_header)
}

/// What SOAP adds to an element of the description.
fn of_soap<'e>(element: &'e Element, local: &str) -> Option<(SoapVersion, &'e Element)> {
    element.children().find_map(|child| match child.namespace() {
        Some(SOAP_1_1) if child.local_name() == local => Some((SoapVersion::V1_1, child)),
        Some(SOAP_1_2) if child.local_name() == local => Some((SoapVersion::V1_2, child)),
        _ => None,
    })
}

fn named<'e>(element: &'e Element, local: &str) -> impl Iterator<Item = &'e Element> {
    element.children().filter(move |child| child.is(WSDL, local))
}

fn text<'e>(element: &'e Element, attribute: &str) -> &'e str {
    element.attribute(attribute).unwrap_or_default()
}

fn resolved(at: &Element, qualified: &str) -> Result<Name> {
    at.resolve(qualified).ok_or_else(|| {
        broken("the description uses a prefix that nobody declared, or a name that is none")
            .with_context("in", at.local_name())
    })
}
