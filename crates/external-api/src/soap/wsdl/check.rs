//! Whether types can be used: groups and texts must not hold themselves, and must not grow without end when they are spelt out.
//!
//! A description can do with groups what a bomb does with entities; whoever walks through types relies on what is checked here.

use std::collections::HashMap;

use external_core::Result;

use super::broken;
use super::declarations::{AttributeUse, ComplexType, Content, Particle, Type, TypeRef, Types, Variety};
use crate::soap::xml::Name;

/// How many parts a type may have, all groups spelt out.
const LARGEST: usize = 5_000;

/// How deep they may nest.
const DEEPEST: usize = 40;

pub(super) fn check(types: &Types) -> Result<()> {
    let mut checker = Checker { types, known: HashMap::new() };
    for name in types.groups.keys() {
        checker.named(Kind::Group, name)?;
    }
    for name in types.attribute_groups.keys() {
        checker.named(Kind::Attributes, name)?;
    }
    for name in types.types.keys() {
        checker.named(Kind::Type, name)?;
    }
    for element in types.elements.values() {
        checker.of(&element.of)?;
    }
    for attribute in types.attributes.values() {
        checker.of(&attribute.of)?;
    }
    Ok(())
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Kind {
    Group,
    Attributes,
    Type,
}

/// How much something is when it is spelt out.
#[derive(Debug, Clone, Copy)]
struct Size {
    parts: usize,
    depth: usize,
}

impl Size {
    const ONE: Self = Self { parts: 1, depth: 1 };

    /// As much as all of these, one level further out.
    fn around(inner: impl IntoIterator<Item = Result<Self>>) -> Result<Self> {
        let mut all = Self::ONE;
        for one in inner {
            let one = one?;
            all = Self { parts: all.parts + one.parts, depth: all.depth.max(one.depth + 1) };
            if all.parts > LARGEST || all.depth > DEEPEST {
                return Err(broken("a type of the description is larger than anybody means"));
            }
        }
        Ok(all)
    }
}

struct Checker<'t> {
    types: &'t Types,
    /// `None`: somebody is at it.
    known: HashMap<(Kind, &'t Name), Option<Size>>,
}

impl<'t> Checker<'t> {
    fn named(&mut self, kind: Kind, name: &'t Name) -> Result<Size> {
        match self.known.get(&(kind, name)) {
            Some(Some(size)) => return Ok(*size),
            Some(None) => return Err(broken(format!("{name} of the description holds itself"))),
            None => {}
        }
        self.known.insert((kind, name), None);
        let types = self.types;
        let size = match kind {
            Kind::Group => types.groups.get(name).map_or(Ok(Size::ONE), |group| self.particle(group))?,
            Kind::Attributes => match types.attribute_groups.get(name) {
                Some(uses) => self.attributes(uses)?,
                None => Size::ONE,
            },
            Kind::Type => types.types.get(name).map_or(Ok(Size::ONE), |known| self.spelt_out(known))?,
        };
        self.known.insert((kind, name), Some(size));
        Ok(size)
    }

    fn of(&mut self, of: &'t TypeRef) -> Result<Size> {
        match of {
            TypeRef::Anything => Ok(Size::ONE),
            TypeRef::Here(known) => self.spelt_out(known),
            TypeRef::Named(name) => self.named(Kind::Type, name),
        }
    }

    fn spelt_out(&mut self, known: &'t Type) -> Result<Size> {
        match known {
            Type::Simple(simple) => match &simple.variety {
                Variety::Restricts(of) | Variety::ListOf(of) => Size::around([self.of(of)]),
                Variety::OneOf(members) => Size::around(members.iter().map(|member| self.of(member))),
            },
            Type::Complex(complex) => self.complex(complex),
        }
    }

    fn complex(&mut self, complex: &'t ComplexType) -> Result<Size> {
        let base = complex.base.as_ref().map(|base| self.of(base));
        let content = match &complex.content {
            Content::Elements(particle) => Some(self.particle(particle)),
            Content::Empty | Content::Text => None,
        };
        let attributes = self.attributes(&complex.attributes);
        Size::around(base.into_iter().chain(content).chain([attributes]))
    }

    fn particle(&mut self, particle: &'t Particle) -> Result<Size> {
        match particle {
            // What stands in an element is another matter, but where its type stands here it is looked at here.
            Particle::Element(declared) => match &declared.of {
                TypeRef::Here(known) => self.spelt_out(known).map(|_| Size::ONE),
                TypeRef::Named(_) | TypeRef::Anything => Ok(Size::ONE),
            },
            Particle::Reference { .. } | Particle::Any => Ok(Size::ONE),
            Particle::Sequence { of, .. } | Particle::Choice { of, .. } => {
                Size::around(of.iter().map(|inner| self.particle(inner)))
            }
            Particle::Group { name, .. } => Size::around([self.named(Kind::Group, name)]),
        }
    }

    fn attributes(&mut self, uses: &'t [AttributeUse]) -> Result<Size> {
        Size::around(uses.iter().map(|used| match used {
            AttributeUse::Declared(attribute) => self.of(&attribute.of).map(|_| Size::ONE),
            AttributeUse::Reference { .. } => Ok(Size::ONE),
            AttributeUse::Group(name) => self.named(Kind::Attributes, name),
        }))
    }
}
