//! What a type lets stand in an element: which names it knows, and what of an object is for which part of it.

use external_core::Result;
use serde_json::{Map, Value};

use crate::soap::wsdl::{Attribute, ComplexType, Declaration, Particle, TypeRef, Types};
use crate::soap::xml::Name;

/// The key of what stands in a group that may stand several times.
pub(super) const ITEMS: &str = "$items";
/// The key of elements that no schema knows.
pub(super) const ANY: &str = "$any";
/// The key of text beside attributes or elements.
pub(super) const TEXT: &str = "$text";
/// The key of the type that an element has instead of the declared one.
pub(super) const TYPE: &str = "@xsi:type";

/// A group with all references followed by one step.
pub(super) enum Step<'t> {
    /// A declaration, and how often it stands here.
    Element(&'t Declaration, usize, Option<usize>),
    Sequence(&'t [Particle], usize, Option<usize>),
    Choice(&'t [Particle], usize, Option<usize>),
    Any,
}

/// Follows a reference to an element or a group.
pub(super) fn step<'t>(types: &'t Types, particle: &'t Particle) -> Result<Step<'t>> {
    Ok(match particle {
        Particle::Element(declared) => Step::Element(declared, declared.min, declared.max),
        Particle::Reference { name, min, max } => Step::Element(types.element(name)?, *min, *max),
        Particle::Sequence { of, min, max } => Step::Sequence(of, *min, *max),
        Particle::Choice { of, min, max } => Step::Choice(of, *min, *max),
        // As often as it is used, whatever it says itself.
        Particle::Group { name, min, max } => match step(types, types.group(name)?)? {
            Step::Sequence(of, ..) => Step::Sequence(of, *min, *max),
            Step::Choice(of, ..) => Step::Choice(of, *min, *max),
            other => other,
        },
        Particle::Any => Step::Any,
    })
}

/// Whether a group may stand several times.
pub(super) fn is_many(max: Option<usize>) -> bool {
    max.is_none_or(|max| max > 1)
}

/// Whether an object has something for a particle.
pub(super) fn has_any(types: &Types, particle: &Particle, object: &Map<String, Value>) -> Result<bool> {
    Ok(match step(types, particle)? {
        Step::Element(declared, ..) => object.contains_key(declared.name.local_name()),
        Step::Any => object.contains_key(ANY),
        Step::Sequence(_, _, max) | Step::Choice(_, _, max) if is_many(max) => object.contains_key(ITEMS),
        Step::Sequence(of, ..) | Step::Choice(of, ..) => {
            for particle in of {
                if has_any(types, particle, object)? {
                    return Ok(true);
                }
            }
            false
        }
    })
}

/// An element that may stand somewhere in a type.
pub(super) struct Known<'t> {
    pub(super) declaration: &'t Declaration,
    /// Whether it may stand several times.
    pub(super) is_many: bool,
    /// What of a group that may itself stand several times it is.
    pub(super) item: Option<Item>,
}

/// How the elements of a group that may stand several times belong together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Item {
    /// Each is one: a choice.
    Alone,
    /// Several are one: a sequence.
    Together,
}

/// All that a type lets stand in an element.
#[derive(Default)]
pub(super) struct Shape<'t> {
    pub(super) known: Vec<Known<'t>>,
    pub(super) takes_any: bool,
    pub(super) attributes: Vec<Attribute>,
    /// The type of its text, if it has no elements.
    pub(super) text_of: Option<&'t TypeRef>,
}

impl<'t> Shape<'t> {
    pub(super) fn of(types: &'t Types, complex: &'t ComplexType) -> Result<Self> {
        let attributes = types.attributes(complex)?;
        let mut shape = Self { attributes, text_of: types.text_of(complex)?, ..Self::default() };
        for particle in types.particles(complex)? {
            shape.add(types, particle, None)?;
        }
        Ok(shape)
    }

    /// What may stand in the place of a choice.
    pub(super) fn of_particles(types: &'t Types, particles: &'t [Particle]) -> Result<Self> {
        let mut shape = Self::default();
        particles.iter().try_for_each(|particle| shape.add(types, particle, None))?;
        Ok(shape)
    }

    fn add(&mut self, types: &'t Types, particle: &'t Particle, item: Option<Item>) -> Result<()> {
        match step(types, particle)? {
            Step::Any => {
                self.takes_any = true;
                Ok(())
            }
            Step::Element(declaration, _, max) => {
                self.add_element(declaration, is_many(max), item);
                Ok(())
            }
            Step::Sequence(of, _, max) => {
                let item = if is_many(max) { Some(Item::Together) } else { item.map(|_| Item::Together) };
                of.iter().try_for_each(|inner| self.add(types, inner, item))
            }
            Step::Choice(of, _, max) => {
                let item = if is_many(max) { Some(Item::Alone) } else { item };
                of.iter().try_for_each(|inner| self.add(types, inner, item))
            }
        }
    }

    /// One that is named at two places can stand twice.
    fn add_element(&mut self, declaration: &'t Declaration, is_many: bool, item: Option<Item>) {
        let same = self.known.iter_mut().find(|known| known.declaration.name == declaration.name);
        match same.filter(|known| known.item == item) {
            Some(known) => known.is_many |= item.is_none(),
            None => self.known.push(Known { declaration, is_many, item }),
        }
    }

    /// The element of that name; where servers forget namespaces, that of its local name.
    pub(super) fn find(&self, name: &Name) -> Option<&Known<'t>> {
        let exact = self.known.iter().find(|known| known.declaration.name == *name);
        exact.or_else(|| {
            self.known.iter().find(|known| known.declaration.name.local_name() == name.local_name())
        })
    }
}
