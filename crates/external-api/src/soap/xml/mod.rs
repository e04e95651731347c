//! XML as SOAP needs it: a small tree, a strict writer, and a reader that expects the worst.

mod element;
mod encoding;
mod error;
mod limits;
mod name;
mod reader;
mod scope;
mod writer;

pub use element::{Element, Node};
pub use error::{XmlError, XmlErrorKind};
pub use limits::XmlLimits;
pub use name::Name;

/// The namespace of `xml:lang`.
pub(super) const XML: &str = "http://www.w3.org/XML/1998/namespace";
/// The namespace of `xmlns` itself.
const XMLNS: &str = "http://www.w3.org/2000/xmlns/";
