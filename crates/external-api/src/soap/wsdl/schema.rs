//! From the elements of XML Schema to types.

use std::sync::Arc;

use external_core::{Error, Result};

use super::declarations::{
    Attribute, AttributeUse, ComplexType, Content, Declaration, Facets, Particle, SimpleType, Type, TypeRef,
    Types, Variety,
};
use super::document::{Documents, SchemaDocument};
use super::{XSD, broken};
use crate::soap::xml::{Element, Name};

/// Everything that the schemas declare. Of what is declared twice the first one counts.
pub(super) fn types(documents: &Documents) -> Result<Types> {
    let mut types = Types::default();
    for document in &documents.schemas {
        Reader { document, is_element_qualified: is_qualified(&document.root, "elementFormDefault") }
            .read(&mut types)?;
    }
    Ok(types)
}

struct Reader<'d> {
    document: &'d SchemaDocument,
    is_element_qualified: bool,
}

impl Reader<'_> {
    fn read(&self, types: &mut Types) -> Result<()> {
        for child in schema_children(&self.document.root) {
            self.declare(child, types)?;
            match child.local_name() {
                // What it declares stands on what had its name before: here a name means one thing.
                "redefine" if schema_children(child).any(|inner| inner.local_name() != "annotation") => {
                    return Err(Error::unsupported("xs:redefine"));
                }
                "override" => schema_children(child).try_for_each(|inner| self.declare(inner, types))?,
                _ => {}
            }
        }
        Ok(())
    }

    fn declare(&self, child: &Element, types: &mut Types) -> Result<()> {
        match child.local_name() {
            "element" => {
                let element = self.element(child, true)?;
                types.elements.entry(element.name.clone()).or_insert(element);
            }
            "complexType" => {
                let name = self.name(child)?;
                let complex = self.complex(child, Some(name.clone()))?;
                types.types.entry(name).or_insert_with(|| Arc::new(Type::Complex(complex)));
            }
            "simpleType" => {
                let simple = self.simple(child)?;
                types.types.entry(self.name(child)?).or_insert_with(|| Arc::new(Type::Simple(simple)));
            }
            "group" => {
                let particle = self.first_particle(child)?.unwrap_or(Particle::Sequence {
                    of: Vec::new(),
                    min: 1,
                    max: Some(1),
                });
                types.groups.entry(self.name(child)?).or_insert(particle);
            }
            "attribute" => {
                let attribute = self.attribute(child, true)?;
                types.attributes.entry(attribute.name.clone()).or_insert(attribute);
            }
            "attributeGroup" => {
                let uses = self.attribute_uses(child)?;
                types.attribute_groups.entry(self.name(child)?).or_insert(uses);
            }
            _ => {}
        }
        Ok(())
    }

    /// The name that a declaration has in the schema's namespace.
    fn name(&self, declaration: &Element) -> Result<Name> {
        let local = declaration
            .attribute("name")
            .ok_or_else(|| broken("a schema declares something without a name"))?;
        Ok(Name::new(self.document.target.clone(), local))
    }

    fn resolve(&self, at: &Element, qualified: &str) -> Result<Name> {
        self.document.resolve(at, qualified)
    }

    fn element(&self, element: &Element, is_global: bool) -> Result<Declaration> {
        let name = self.name(element)?;
        let is_qualified = match element.attribute("form") {
            Some(form) => form == "qualified",
            None => self.is_element_qualified,
        };
        let name = if is_global || is_qualified { name } else { Name::local(name.local_name()) };
        let of = match element.attribute("type") {
            Some(qualified) => TypeRef::Named(self.resolve(element, qualified)?),
            None => self.type_within(element)?.unwrap_or(TypeRef::Anything),
        };
        let (min, max) = occurs(element)?;
        Ok(Declaration {
            name,
            of,
            min,
            max,
            is_nillable: is_true(element, "nillable"),
            fixed: element.attribute("fixed").map(str::to_owned),
        })
    }

    /// The type that stands within a declaration.
    fn type_within(&self, declaration: &Element) -> Result<Option<TypeRef>> {
        for child in schema_children(declaration) {
            let found = match child.local_name() {
                "complexType" => Type::Complex(self.complex(child, None)?),
                "simpleType" => Type::Simple(self.simple(child)?),
                _ => continue,
            };
            return Ok(Some(TypeRef::Here(Arc::new(found))));
        }
        Ok(None)
    }

    fn complex(&self, element: &Element, name: Option<Name>) -> Result<ComplexType> {
        let mut complex = ComplexType {
            name,
            is_abstract: is_true(element, "abstract"),
            is_mixed: is_true(element, "mixed"),
            base: None,
            extends: false,
            content: Content::Empty,
            attributes: Vec::new(),
            takes_any_attribute: false,
        };
        let derived = schema_children(element)
            .find(|child| matches!(child.local_name(), "complexContent" | "simpleContent"));
        let Some(derived) = derived else {
            self.fill(&mut complex, element)?;
            return Ok(complex);
        };
        complex.is_mixed |= is_true(derived, "mixed");
        let derivation = schema_children(derived)
            .find(|child| matches!(child.local_name(), "extension" | "restriction"))
            .ok_or_else(|| {
                broken("a complex type with content that neither extends nor restricts anything")
            })?;
        let base = derivation
            .attribute("base")
            .ok_or_else(|| broken("a complex type that is derived from nothing"))?;
        complex.base = Some(TypeRef::Named(self.resolve(derivation, base)?));
        complex.extends = derivation.local_name() == "extension";
        self.fill(&mut complex, derivation)?;
        if derived.local_name() == "simpleContent" {
            complex.content = Content::Text;
        }
        Ok(complex)
    }

    fn fill(&self, complex: &mut ComplexType, element: &Element) -> Result<()> {
        if let Some(particle) = self.first_particle(element)? {
            complex.content = Content::Elements(particle);
        }
        complex.attributes = self.attribute_uses(element)?;
        complex.takes_any_attribute =
            schema_children(element).any(|child| child.local_name() == "anyAttribute");
        Ok(())
    }

    fn first_particle(&self, element: &Element) -> Result<Option<Particle>> {
        for child in schema_children(element) {
            if let Some(particle) = self.particle(child)? {
                return Ok(Some(particle));
            }
        }
        Ok(None)
    }

    fn particle(&self, element: &Element) -> Result<Option<Particle>> {
        let (min, max) = occurs(element)?;
        Ok(Some(match element.local_name() {
            "element" => match element.attribute("ref") {
                Some(name) => Particle::Reference { name: self.resolve(element, name)?, min, max },
                None => Particle::Element(self.element(element, false)?),
            },
            "sequence" | "all" => Particle::Sequence { of: self.particles(element)?, min, max },
            "choice" => Particle::Choice { of: self.particles(element)?, min, max },
            "group" => {
                let name = element
                    .attribute("ref")
                    .ok_or_else(|| broken("a type uses a group without saying which"))?;
                Particle::Group { name: self.resolve(element, name)?, min, max }
            }
            "any" => Particle::Any,
            _ => return Ok(None),
        }))
    }

    fn particles(&self, element: &Element) -> Result<Vec<Particle>> {
        schema_children(element).filter_map(|child| self.particle(child).transpose()).collect()
    }

    fn attribute_uses(&self, element: &Element) -> Result<Vec<AttributeUse>> {
        let mut uses = Vec::new();
        for child in schema_children(element) {
            let reference = child.attribute("ref").map(|name| self.resolve(child, name)).transpose()?;
            uses.push(match (child.local_name(), reference) {
                ("attribute", _) if child.attribute("use") == Some("prohibited") => continue,
                ("attribute", Some(name)) => {
                    AttributeUse::Reference { name, is_required: child.attribute("use") == Some("required") }
                }
                ("attribute", None) => AttributeUse::Declared(self.attribute(child, false)?),
                ("attributeGroup", Some(name)) => AttributeUse::Group(name),
                _ => continue,
            });
        }
        Ok(uses)
    }

    fn attribute(&self, element: &Element, is_global: bool) -> Result<Attribute> {
        let name = self.name(element)?;
        let is_qualified = match element.attribute("form") {
            Some(form) => form == "qualified",
            None => is_qualified(&self.document.root, "attributeFormDefault"),
        };
        let of = match element.attribute("type") {
            Some(qualified) => TypeRef::Named(self.resolve(element, qualified)?),
            None => self.type_within(element)?.unwrap_or_else(|| TypeRef::Named(Name::new(XSD, "string"))),
        };
        Ok(Attribute {
            name: if is_global || is_qualified { name } else { Name::local(name.local_name()) },
            of,
            is_required: element.attribute("use") == Some("required"),
            fixed: element.attribute("fixed").map(str::to_owned),
        })
    }

    fn simple(&self, element: &Element) -> Result<SimpleType> {
        let derivation = schema_children(element)
            .find(|child| matches!(child.local_name(), "restriction" | "list" | "union"))
            .ok_or_else(|| broken("a simple type that is derived from nothing"))?;
        let named = |attribute: &str| derivation.attribute(attribute).unwrap_or_default();
        let one = |attribute: &str| match named(attribute) {
            "" => self
                .type_within(derivation)?
                .ok_or_else(|| broken("a simple type that is derived from nothing")),
            name => Ok(TypeRef::Named(self.resolve(derivation, name)?)),
        };
        let variety = match derivation.local_name() {
            "restriction" => Variety::Restricts(one("base")?),
            "list" => Variety::ListOf(one("itemType")?),
            _ => {
                let mut members = Vec::new();
                for name in named("memberTypes").split_ascii_whitespace() {
                    members.push(TypeRef::Named(self.resolve(derivation, name)?));
                }
                for child in schema_children(derivation).filter(|child| child.local_name() == "simpleType") {
                    members.push(TypeRef::Here(Arc::new(Type::Simple(self.simple(child)?))));
                }
                Variety::OneOf(members)
            }
        };
        Ok(SimpleType { variety, facets: facets(derivation) })
    }
}

fn facets(derivation: &Element) -> Facets {
    let mut facets = Facets::default();
    for facet in schema_children(derivation) {
        let value = facet.attribute("value").unwrap_or_default();
        match facet.local_name() {
            "enumeration" => facets.values.push(value.to_owned()),
            "length" => (facets.min_length, facets.max_length) = (value.parse().ok(), value.parse().ok()),
            "minLength" => facets.min_length = value.parse().ok(),
            "maxLength" => facets.max_length = value.parse().ok(),
            "minInclusive" => facets.at_least = value.parse().ok().map(|bound| (bound, true)),
            "minExclusive" => facets.at_least = value.parse().ok().map(|bound| (bound, false)),
            "maxInclusive" => facets.at_most = value.parse().ok().map(|bound| (bound, true)),
            "maxExclusive" => facets.at_most = value.parse().ok().map(|bound| (bound, false)),
            _ => {}
        }
    }
    facets
}

fn schema_children(element: &Element) -> impl Iterator<Item = &Element> {
    element.children().filter(|child| child.namespace() == Some(XSD))
}

fn is_qualified(root: &Element, attribute: &str) -> bool {
    root.attribute(attribute) == Some("qualified")
}

fn is_true(element: &Element, attribute: &str) -> bool {
    matches!(element.attribute(attribute), Some("true" | "1"))
}

/// How often something may stand somewhere; `None`: any number of times.
fn occurs(element: &Element) -> Result<(usize, Option<usize>)> {
    let count = |text: &str| {
        text.trim().parse().map_err(|_| broken("a schema counts with something that is no number"))
    };
    let min = element.attribute("minOccurs").map(count).transpose()?.unwrap_or(1);
    let max = match element.attribute("maxOccurs") {
        Some("unbounded") => None,
        Some(text) => Some(count(text)?),
        None => Some(1),
    };
    Ok((min, max))
}
