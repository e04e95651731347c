//! Types as a schema declares them, looked up by name when they are needed: elements may hold each other in rings. Groups,
//! texts and bases do not; that was [checked](super::check) before anybody walks through them.

use std::collections::HashMap;
use std::sync::Arc;

use external_core::Result;

use super::builtin::Builtin;
use super::{XSD, broken};
use crate::soap::xml::Name;

/// Everything that the schemas of a description declare.
#[derive(Debug, Default)]
pub(crate) struct Types {
    pub(super) elements: HashMap<Name, Declaration>,
    pub(super) types: HashMap<Name, Arc<Type>>,
    pub(super) groups: HashMap<Name, Particle>,
    pub(super) attributes: HashMap<Name, Attribute>,
    pub(super) attribute_groups: HashMap<Name, Vec<AttributeUse>>,
}

/// An element that may stand somewhere.
#[derive(Debug, Clone)]
pub(crate) struct Declaration {
    pub(crate) name: Name,
    pub(crate) of: TypeRef,
    pub(crate) min: usize,
    /// `None`: any number.
    pub(crate) max: Option<usize>,
    pub(crate) is_nillable: bool,
    pub(crate) fixed: Option<String>,
}

/// A type by its name, or where it is used.
#[derive(Debug, Clone)]
pub(crate) enum TypeRef {
    Named(Name),
    Here(Arc<Type>),
    Anything,
}

#[derive(Debug)]
pub(crate) enum Type {
    Simple(SimpleType),
    Complex(ComplexType),
}

/// A type of texts.
#[derive(Debug)]
pub(crate) struct SimpleType {
    pub(crate) variety: Variety,
    pub(crate) facets: Facets,
}

#[derive(Debug)]
pub(crate) enum Variety {
    Restricts(TypeRef),
    ListOf(TypeRef),
    OneOf(Vec<TypeRef>),
}

/// What narrows a type of texts down.
#[derive(Debug, Default)]
pub(crate) struct Facets {
    pub(crate) values: Vec<String>,
    pub(crate) min_length: Option<usize>,
    pub(crate) max_length: Option<usize>,
    /// The bound, and whether it belongs to the values.
    pub(crate) at_least: Option<(f64, bool)>,
    pub(crate) at_most: Option<(f64, bool)>,
}

/// A type of elements.
#[derive(Debug)]
pub(crate) struct ComplexType {
    pub(crate) name: Option<Name>,
    pub(crate) is_abstract: bool,
    pub(crate) is_mixed: bool,
    /// The type it extends or restricts.
    pub(crate) base: Option<TypeRef>,
    /// Whether what the base has stands before its own.
    pub(crate) extends: bool,
    pub(crate) content: Content,
    pub(crate) attributes: Vec<AttributeUse>,
    pub(crate) takes_any_attribute: bool,
}

#[derive(Debug)]
pub(crate) enum Content {
    Empty,
    Elements(Particle),
    /// Text of the base's type.
    Text,
}

/// What may stand in an element.
#[derive(Debug, Clone)]
pub(crate) enum Particle {
    Element(Declaration),
    /// A declared element, as often as this.
    Reference {
        name: Name,
        min: usize,
        max: Option<usize>,
    },
    /// One after the other; `all` is this too, since a strict writer may choose the order.
    Sequence {
        of: Vec<Self>,
        min: usize,
        max: Option<usize>,
    },
    Choice {
        of: Vec<Self>,
        min: usize,
        max: Option<usize>,
    },
    Group {
        name: Name,
        min: usize,
        max: Option<usize>,
    },
    Any,
}

#[derive(Debug, Clone)]
pub(crate) struct Attribute {
    pub(crate) name: Name,
    pub(crate) of: TypeRef,
    pub(crate) is_required: bool,
    pub(crate) fixed: Option<String>,
}

#[derive(Debug, Clone)]
pub(crate) enum AttributeUse {
    Declared(Attribute),
    Reference { name: Name, is_required: bool },
    Group(Name),
}

/// What a reference to a type leads to.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Resolved<'a> {
    Anything,
    Builtin(Builtin),
    Simple(&'a SimpleType),
    Complex(&'a ComplexType),
}

impl Types {
    /// The element of that name.
    pub(crate) fn element(&self, name: &Name) -> Result<&Declaration> {
        self.elements.get(name).ok_or_else(|| missing("element", name))
    }

    /// The type that a reference means.
    pub(crate) fn resolve<'a>(&'a self, of: &'a TypeRef) -> Result<Resolved<'a>> {
        let known = match of {
            TypeRef::Anything => return Ok(Resolved::Anything),
            TypeRef::Here(known) => known,
            TypeRef::Named(name) if name.namespace() == Some(XSD) => {
                return Ok(match name.local_name() {
                    "anyType" => Resolved::Anything,
                    local => Resolved::Builtin(Builtin::named(local).ok_or_else(|| missing("type", name))?),
                });
            }
            TypeRef::Named(name) => self.types.get(name).ok_or_else(|| missing("type", name))?,
        };
        Ok(match &**known {
            Type::Simple(simple) => Resolved::Simple(simple),
            Type::Complex(complex) => Resolved::Complex(complex),
        })
    }

    /// The types from this one to the one it stands on at last.
    fn line<'a>(&'a self, complex: &'a ComplexType) -> Result<Vec<&'a ComplexType>> {
        let mut line = vec![complex];
        let mut base = complex.base.as_ref();
        while let Some(of) = base {
            let Resolved::Complex(next) = self.resolve(of)? else { break };
            line.push(next);
            base = next.base.as_ref();
        }
        Ok(line)
    }

    /// What may stand in an element of this type: what its base has first.
    pub(crate) fn particles<'a>(&'a self, complex: &'a ComplexType) -> Result<Vec<&'a Particle>> {
        let mut particles = Vec::new();
        for one in self.line(complex)? {
            if let Content::Elements(particle) = &one.content {
                particles.push(particle);
            }
            if !one.extends {
                break;
            }
        }
        particles.reverse();
        Ok(particles)
    }

    /// The type of its text, if it has no elements but text.
    pub(crate) fn text_of<'a>(&'a self, complex: &'a ComplexType) -> Result<Option<&'a TypeRef>> {
        if !matches!(complex.content, Content::Text) {
            return Ok(None);
        }
        Ok(self.line(complex)?.last().and_then(|last| last.base.as_ref()))
    }

    /// The attributes of this type, those of its base included.
    pub(crate) fn attributes(&self, complex: &ComplexType) -> Result<Vec<Attribute>> {
        let mut attributes: Vec<Attribute> = Vec::new();
        for one in self.line(complex)? {
            for attribute in self.flat(&one.attributes)? {
                if attributes.iter().all(|known| known.name != attribute.name) {
                    attributes.push(attribute);
                }
            }
        }
        Ok(attributes)
    }

    fn flat(&self, uses: &[AttributeUse]) -> Result<Vec<Attribute>> {
        let mut flat = Vec::new();
        for used in uses {
            match used {
                AttributeUse::Declared(attribute) => flat.push(attribute.clone()),
                AttributeUse::Reference { name, is_required } => {
                    // One that nobody declared (`xml:lang`) is text.
                    let known = self.attributes.get(name).cloned();
                    let mut attribute = known.unwrap_or_else(|| Attribute {
                        name: name.clone(),
                        of: TypeRef::Named(Name::new(XSD, "string")),
                        is_required: false,
                        fixed: None,
                    });
                    attribute.is_required = *is_required;
                    flat.push(attribute);
                }
                AttributeUse::Group(name) => {
                    let group =
                        self.attribute_groups.get(name).ok_or_else(|| missing("attribute group", name))?;
                    flat.extend(self.flat(group)?);
                }
            }
        }
        Ok(flat)
    }

    /// The group of that name.
    pub(crate) fn group(&self, name: &Name) -> Result<&Particle> {
        self.groups.get(name).ok_or_else(|| missing("group", name))
    }

    /// The types that a name means where `base` is declared: the one of the whole name, else all of its local name.
    pub(crate) fn derived(&self, base: &ComplexType, name: &Name) -> Result<Vec<&ComplexType>> {
        let mut alike = Vec::new();
        for (known, of) in &self.types {
            let Type::Complex(complex) = &**of else { continue };
            let is_named = known.local_name() == name.local_name();
            if is_named && self.line(complex)?.iter().any(|one| std::ptr::eq(*one, base)) {
                if known == name {
                    return Ok(vec![complex]);
                }
                alike.push(complex);
            }
        }
        Ok(alike)
    }
}

fn missing(what: &str, name: &Name) -> external_core::Error {
    broken(format!("the description uses the {what} {name} and does not declare it"))
}
