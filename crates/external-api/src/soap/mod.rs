//! SOAP 1.1 and 1.2: messages, faults as errors, WS-Security, and services as their WSDL describes them.
//!
//! - [`SoapClient`] sends a [`SoapRequest`] and reads a [`SoapAnswer`]; both hold XML as [`Element`]s.
//! - [`SoapFault`] is what a server says instead: the source of the call's error, which has kind, effect and retry advice.
//! - [`WsSecurity`] puts name, password and time into each message.
//! - [`Wsdl`] is a description, read at run time; [`SoapService`] calls its operations by name, with values as in JSON.
//!
//! XML that comes from outside is read as if it were an attack: no document type, no entities beside the five, nothing
//! fetched, and [`XmlLimits`] on all that can grow.

mod client;
mod dynamic;
mod envelope;
mod fault;
mod reading;
mod request;
mod security;
mod wsdl;
mod xml;

pub use client::SoapClient;
pub use dynamic::SoapService;
pub use envelope::{SoapHeader, SoapVersion};
pub use fault::{FaultCode, SoapFault};
pub use request::{SoapAnswer, SoapRequest};
pub use security::WsSecurity;
pub use wsdl::{Wsdl, WsdlLoader, WsdlPort};
pub use xml::{Element, Name, Node, XmlError, XmlErrorKind, XmlLimits};
