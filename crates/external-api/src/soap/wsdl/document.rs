//! The documents of a description: definitions and schemas, and which others they ask for.

use std::collections::BTreeSet;
use std::sync::Arc;

use external_core::Result;

use super::{WSDL, XSD, broken};
use crate::soap::xml::{Element, Name, XmlLimits};

/// Namespaces that everybody imports and nobody needs to fetch.
const WELL_KNOWN: &[&str] = &[
    XSD,
    "http://www.w3.org/XML/1998/namespace",
    "http://schemas.xmlsoap.org/soap/encoding/",
    "http://schemas.xmlsoap.org/soap/envelope/",
    "http://www.w3.org/2003/05/soap-encoding",
    "http://www.w3.org/2003/05/soap-envelope",
    "http://schemas.xmlsoap.org/wsdl/",
    "http://schemas.xmlsoap.org/wsdl/soap/",
    "http://www.w3.org/2005/08/addressing",
    "http://www.w3.org/2005/05/xmlmime",
];

/// All documents of a description.
#[derive(Debug, Default)]
pub(crate) struct Documents {
    pub(super) definitions: Vec<Element>,
    pub(super) schemas: Vec<SchemaDocument>,
    seen: BTreeSet<(String, Option<String>)>,
}

/// A schema, and the namespace of what it declares.
#[derive(Debug)]
pub(super) struct SchemaDocument {
    pub(super) root: Element,
    pub(super) target: Arc<str>,
    /// Whether the namespace is that of who includes it: names without one mean that, too.
    pub(super) is_chameleon: bool,
}

/// What a document asks for.
#[derive(Debug, Clone)]
pub(crate) struct Import {
    /// Where it is, as the document says.
    pub(crate) location: String,
    /// The namespace of who includes it; for a schema that has none of its own.
    included_in: Option<Arc<str>>,
}

impl Documents {
    /// Whether a document at `place` was not read for this before; `None` for the first one. Cycles end here.
    pub(crate) fn is_new(&mut self, place: &str, import: Option<&Import>) -> bool {
        let included_in = import.and_then(|import| import.included_in.as_deref());
        self.seen.insert((place.to_owned(), included_in.map(str::to_owned)))
    }

    /// Reads a document, and says what it asks for.
    pub(crate) fn add(
        &mut self,
        document: &[u8],
        limits: &XmlLimits,
        import: Option<&Import>,
    ) -> Result<Vec<Import>> {
        let root = Element::from_xml_within(document, limits).map_err(|error| {
            broken("a document of the description is no XML that is read").with_source(error)
        })?;
        let mut imports = Vec::new();
        if root.is(WSDL, "definitions") {
            for import in root.children().filter(|child| child.is(WSDL, "import")) {
                imports.extend(asked(import, "location", None));
            }
            let types = root.children().filter(|child| child.is(WSDL, "types"));
            let schemas = types.flat_map(Element::children).filter(|child| child.is(XSD, "schema"));
            for schema in schemas {
                self.add_schema(schema.clone(), None, &mut imports);
            }
            self.definitions.push(root);
        } else if root.is(XSD, "schema") {
            self.add_schema(root, import.and_then(|import| import.included_in.as_ref()), &mut imports);
        } else {
            return Err(broken("a document of the description is neither WSDL nor XML Schema"));
        }
        Ok(imports)
    }

    fn add_schema(&mut self, root: Element, includer: Option<&Arc<str>>, imports: &mut Vec<Import>) {
        let own: Option<Arc<str>> = root.attribute("targetNamespace").map(Arc::from);
        let is_chameleon = own.is_none() && includer.is_some();
        let target = own.or_else(|| includer.cloned()).unwrap_or_else(|| Arc::from(""));
        for child in root.children().filter(|child| child.namespace() == Some(XSD)) {
            match child.local_name() {
                "import" => imports.extend(asked(child, "schemaLocation", None)),
                "include" | "redefine" | "override" => {
                    imports.extend(asked(child, "schemaLocation", Some(&target)));
                }
                _ => {}
            }
        }
        self.schemas.push(SchemaDocument { root, target, is_chameleon });
    }
}

impl SchemaDocument {
    /// The name that a text in this schema means.
    pub(super) fn resolve(&self, at: &Element, qualified: &str) -> Result<Name> {
        let name = at.resolve(qualified).ok_or_else(|| {
            broken("a schema uses a prefix that nobody declared, or a name that is none")
                .with_context("name", qualified)
        })?;
        Ok(match name.namespace() {
            None if self.is_chameleon => Name::new(self.target.clone(), name.local_name()),
            _ => name,
        })
    }
}

fn asked(element: &Element, attribute: &str, included_in: Option<&Arc<str>>) -> Option<Import> {
    let location = element.attribute(attribute)?.trim();
    let namespace = element.attribute("namespace").unwrap_or_default();
    let is_known = included_in.is_none() && WELL_KNOWN.contains(&namespace);
    (!is_known && !location.is_empty())
        .then(|| Import { location: location.to_owned(), included_in: included_in.cloned() })
}
