//! What particles of a type ask of an object: which names they know, and which elements those are.

use std::borrow::Cow;

use external_core::Result;
use serde_json::{Map, Value};

use crate::soap::wsdl::{Declaration, Particle, Types};
use crate::soap::xml::Name;

/// How deep groups may hold groups. Only a ring is deeper.
const DEEPEST: usize = 64;

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
    Element(Cow<'t, Declaration>),
    Sequence(&'t [Particle], usize, Option<usize>),
    Choice(&'t [Particle], usize, Option<usize>),
    Any,
}

/// Follows a reference to an element or a group.
pub(super) fn step<'t>(types: &'t Types, particle: &'t Particle) -> Result<Step<'t>> {
    let mut particle = particle;
    let mut outer: Option<(usize, Option<usize>)> = None;
    for _ in 0..DEEPEST {
        let occurs = |min: usize, max: Option<usize>| outer.unwrap_or((min, max));
        match particle {
            Particle::Element(declaration) => return Ok(Step::Element(Cow::Borrowed(declaration))),
            Particle::Reference { name, min, max } => {
                let mut declaration = types.element(name)?.clone();
                (declaration.min, declaration.max) = (*min, *max);
                return Ok(Step::Element(Cow::Owned(declaration)));
            }
            Particle::Sequence { of, min, max } => {
                let (min, max) = occurs(*min, *max);
                return Ok(Step::Sequence(of, min, max));
            }
            Particle::Choice { of, min, max } => {
                let (min, max) = occurs(*min, *max);
                return Ok(Step::Choice(of, min, max));
            }
            Particle::Any => return Ok(Step::Any),
            Particle::Group { name, min, max } => {
                outer = Some(occurs(*min, *max));
                particle = types.group(name)?;
            }
        }
    }
    Ok(Step::Sequence(&[], 0, Some(0)))
}

/// Whether a group may stand several times.
pub(super) fn is_many(max: Option<usize>) -> bool {
    max.is_none_or(|max| max > 1)
}

/// Whether an object has something for a particle.
pub(super) fn has_any(
    types: &Types,
    particle: &Particle,
    object: &Map<String, Value>,
    depth: usize,
) -> Result<bool> {
    if depth > DEEPEST {
        return Ok(false);
    }
    Ok(match step(types, particle)? {
        Step::Element(declaration) => object.contains_key(declaration.name.local_name()),
        Step::Any => object.contains_key(ANY),
        Step::Sequence(_, _, max) | Step::Choice(_, _, max) if is_many(max) => object.contains_key(ITEMS),
        Step::Sequence(of, ..) | Step::Choice(of, ..) => {
            for particle in of {
                if has_any(types, particle, object, depth + 1)? {
                    return Ok(true);
                }
            }
            false
        }
    })
}

/// An element that may stand somewhere in a type.
pub(super) struct Known {
    pub(super) declaration: Declaration,
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

/// All elements that particles know.
#[derive(Default)]
pub(super) struct Shape {
    pub(super) known: Vec<Known>,
    pub(super) takes_any: bool,
}

impl Shape {
    pub(super) fn of(types: &Types, particles: &[&Particle]) -> Result<Self> {
        let mut shape = Self::default();
        for particle in particles {
            shape.add(types, particle, None, 0)?;
        }
        Ok(shape)
    }

    fn add(&mut self, types: &Types, particle: &Particle, item: Option<Item>, depth: usize) -> Result<()> {
        if depth > DEEPEST {
            return Ok(());
        }
        match step(types, particle)? {
            Step::Any => self.takes_any = true,
            Step::Element(declaration) => {
                let declaration = declaration.into_owned();
                // One that is named at two places can stand twice.
                match self.known.iter_mut().find(|known| known.declaration.name == declaration.name) {
                    Some(known) if known.item == item => known.is_many = item.is_none(),
                    _ => {
                        let is_many = is_many(declaration.max);
                        self.known.push(Known { declaration, is_many, item });
                    }
                }
            }
            Step::Sequence(of, _, max) => {
                let item = if is_many(max) { Some(Item::Together) } else { item.map(|_| Item::Together) };
                of.iter().try_for_each(|inner| self.add(types, inner, item, depth + 1))?;
            }
            Step::Choice(of, _, max) => {
                let item = if is_many(max) { Some(Item::Alone) } else { item };
                of.iter().try_for_each(|inner| self.add(types, inner, item, depth + 1))?;
            }
        }
        Ok(())
    }

    /// The element of that name; where servers forget namespaces, that of its local name.
    pub(super) fn find(&self, name: &Name) -> Option<&Known> {
        let exact = self.known.iter().find(|known| known.declaration.name == *name);
        exact.or_else(|| {
            self.known.iter().find(|known| known.declaration.name.local_name() == name.local_name())
        })
    }
}
