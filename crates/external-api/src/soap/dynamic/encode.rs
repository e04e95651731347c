//! From values to elements, as strictly as the description says.

use std::collections::BTreeSet;

use external_core::{Error, Result};
use serde_json::{Map, Value};

use super::place::Place;
use super::scalar::{plain, what, written};
use super::shape::{ANY, ITEMS, Shape, Step, TEXT, TYPE, has_any, is_many, step};
use crate::soap::wsdl::{Body, ComplexType, Declaration, Particle, Resolved, TypeRef, Types, XSI};
use crate::soap::xml::{Element, Name};

/// What stands in the body of a message.
pub(super) fn body(types: &Types, body: &Body, value: &Value, place: &Place<'_>) -> Result<Vec<Element>> {
    match body {
        Body::Unsupported(what) => Err(Error::unsupported("soap-style")
            .with_context("message", what)
            .with_context("operation", place)),
        Body::Document(None) => match value {
            Value::Null => Ok(Vec::new()),
            Value::Object(object) if object.is_empty() => Ok(Vec::new()),
            _ => Err(place.wrong("it takes no arguments")),
        },
        Body::Document(Some(name)) => {
            let declaration = types.element(name)?;
            // Nothing is what an element without elements holds.
            let is_nothing = value.is_null() && !declaration.is_nillable;
            let nothing = Value::Object(Map::new());
            Ok(vec![element(types, declaration, if is_nothing { &nothing } else { value }, place)?])
        }
        Body::Rpc { wrapper, parts } => {
            let nothing = Map::new();
            let object = match value {
                Value::Object(object) => object,
                Value::Null => &nothing,
                _ => return Err(place.wrong(format!("expected an object, and there is {}", what(value)))),
            };
            let known: Vec<&str> = parts.iter().map(|part| part.name.as_str()).collect();
            refuse_others(object, |key| known.contains(&key), &known, place)?;
            let mut call = Element::named(wrapper.clone());
            for part in parts {
                let inner = place.within(&part.name);
                let value = object.get(&part.name).ok_or_else(|| inner.wrong("it is required"))?;
                let empty = Element::new("", part.name.as_str());
                call = call.with_child(filled(types, empty, &part.of, value, &inner)?);
            }
            Ok(vec![call])
        }
    }
}

/// An element as it is declared.
fn element(types: &Types, declared: &Declaration, value: &Value, place: &Place<'_>) -> Result<Element> {
    let empty = Element::named(declared.name.clone());
    if value.is_null() && declared.is_nillable {
        return Ok(empty.with_attribute_named(Name::new(XSI, "nil"), "true"));
    }
    let filled = filled(types, empty, &declared.of, value, place)?;
    match &declared.fixed {
        Some(fixed) if filled.text() != fixed.as_str() => Err(place.wrong(format!("expected {fixed}"))),
        _ => Ok(filled),
    }
}

/// An element with what a type lets stand in it.
fn filled(types: &Types, empty: Element, of: &TypeRef, value: &Value, place: &Place<'_>) -> Result<Element> {
    if place.is_too_deep() {
        return Err(place.wrong("values nest deeper than anybody means"));
    }
    match types.resolve(of)? {
        Resolved::Complex(complex) => self::complex(types, empty, complex, value, place),
        Resolved::Anything => anything(empty, value, place),
        Resolved::Builtin(_) | Resolved::Simple(_) => Ok(with_text(empty, written(types, of, value, place)?)),
    }
}

fn with_text(element: Element, text: String) -> Element {
    if text.is_empty() { element } else { element.with_text(text) }
}

fn complex(
    types: &Types,
    empty: Element,
    declared: &ComplexType,
    value: &Value,
    place: &Place<'_>,
) -> Result<Element> {
    let bare = Map::new();
    let text_of = types.text_of(declared)?;
    let object = match value {
        Value::Object(object) => object,
        _ if text_of.is_some() => &bare,
        _ => return Err(place.wrong(format!("expected an object, and there is {}", what(value)))),
    };
    let (complex, mut element) = match object.get(TYPE) {
        None if declared.is_abstract => {
            return Err(place.wrong(format!("its type is abstract: {TYPE} says which one it is")));
        }
        None => (declared, empty),
        Some(name) => {
            let derived = derived(types, declared, name.as_str().unwrap_or_default(), place)?;
            (derived, with_type(empty, derived))
        }
    };
    let mut used: BTreeSet<&str> = BTreeSet::from([TYPE]);
    element = attributes(types, element, complex, object, &mut used, place)?;
    if let Some(of) = types.text_of(complex)? {
        let text = if value.is_object() { object.get(TEXT) } else { Some(value) };
        let text = text.ok_or_else(|| place.wrong(format!("{TEXT} is required")))?;
        used.insert(TEXT);
        element = with_text(element, written(types, of, text, place)?);
    } else if complex.is_mixed
        && let Some(text) = object.get(TEXT)
    {
        used.insert(TEXT);
        let text = plain(text).ok_or_else(|| place.wrong(format!("{TEXT} is a text")))?;
        element = with_text(element, text);
    }
    let mut writer = Writer { types, object, used, place, known: Vec::new() };
    for particle in types.particles(complex)? {
        element = writer.particle(element, particle)?;
    }
    let Writer { used, known, .. } = writer;
    refuse_others(object, |key| used.contains(key), &known, place)?;
    Ok(element)
}

/// The type that a value says it is of: by its local name, or by all of it (`{urn:a}Dog`) where several have that one.
fn derived<'t>(
    types: &'t Types,
    declared: &ComplexType,
    told: &str,
    place: &Place<'_>,
) -> Result<&'t ComplexType> {
    let whole = told.strip_prefix('{').and_then(|told| told.split_once('}'));
    let name = whole.map_or_else(|| Name::local(told), |(namespace, local)| Name::new(namespace, local));
    let known = types.derived(declared, &name)?;
    match *known {
        [one] if whole.is_none() || one.name.as_ref() == Some(&name) => Ok(one),
        [_, _, ..] if whole.is_none() => {
            let mut names: Vec<String> =
                known.iter().filter_map(|one| one.name.as_ref()).map(ToString::to_string).collect();
            names.sort();
            let names = names.join(", ");
            Err(place.wrong(format!("{TYPE} names several types that may stand here: {names}")))
        }
        _ => Err(place.wrong(format!("{TYPE} names no type that may stand here"))),
    }
}

/// Names the type that is there instead of the declared one.
fn with_type(element: Element, derived: &ComplexType) -> Element {
    let Some(name) = &derived.name else { return element };
    let (element, value) = match name.namespace() {
        Some(namespace) => (element.with_prefix("t", namespace), format!("t:{}", name.local_name())),
        None => (element, name.local_name().to_owned()),
    };
    element.with_attribute_named(Name::new(XSI, "type"), value)
}

fn attributes<'v>(
    types: &Types,
    mut element: Element,
    complex: &ComplexType,
    object: &'v Map<String, Value>,
    used: &mut BTreeSet<&'v str>,
    place: &Place<'_>,
) -> Result<Element> {
    for declared in types.attributes(complex)? {
        let key = format!("@{}", declared.name.local_name());
        let inner = place.within(&key);
        let Some((key, value)) = object.get_key_value(&key) else {
            if declared.is_required {
                return Err(inner.wrong("it is required"));
            }
            continue;
        };
        used.insert(key.as_str());
        let text = written(types, &declared.of, value, &inner)?;
        if declared.fixed.as_ref().is_some_and(|fixed| *fixed != text) {
            return Err(inner.wrong(format!("expected {}", declared.fixed.unwrap_or_default())));
        }
        element = element.with_attribute_named(declared.name, text);
    }
    if complex.takes_any_attribute {
        for (key, value) in object {
            if let (Some(local), Some(text)) = (key.strip_prefix('@'), plain(value))
                && !used.contains(key.as_str())
            {
                element = element.with_attribute(local, text);
                used.insert(key);
            }
        }
    }
    Ok(element)
}

/// Writes the elements of one object.
struct Writer<'w, 'v> {
    types: &'w Types,
    object: &'v Map<String, Value>,
    used: BTreeSet<&'v str>,
    place: &'w Place<'w>,
    /// The names that would have been taken, for who wrote another one.
    known: Vec<String>,
}

impl<'v> Writer<'_, 'v> {
    fn particle(&mut self, element: Element, particle: &Particle) -> Result<Element> {
        match step(self.types, particle)? {
            Step::Element(declared, min, max) => self.elements(element, declared, min, max),
            Step::Any => self.any(element),
            Step::Sequence(_, min, max) | Step::Choice(_, min, max) if is_many(max) => {
                self.items(element, particle, min, max)
            }
            Step::Sequence(of, min, _) => {
                if min == 0 && !has_any(self.types, particle, self.object)? {
                    return Ok(element);
                }
                of.iter().try_fold(element, |element, inner| self.particle(element, inner))
            }
            Step::Choice(of, min, _) => self.choice(element, of, min),
        }
    }

    fn elements(
        &mut self,
        mut element: Element,
        declared: &Declaration,
        min: usize,
        max: Option<usize>,
    ) -> Result<Element> {
        let local = declared.name.local_name();
        self.known.push(local.to_owned());
        let place = self.place.within(local);
        let Some((key, value)) = self.object.get_key_value(local) else {
            return match min {
                0 => Ok(element),
                _ if declared.is_nillable => Err(place.wrong("it is required; null says that there is none")),
                _ => Err(place.wrong("it is required")),
            };
        };
        self.used.insert(key);
        let one = std::slice::from_ref(value);
        let values = match value {
            Value::Array(values) if is_many(max) => values.as_slice(),
            // Absent, by another word.
            Value::Null if min == 0 && !declared.is_nillable => &[],
            _ => one,
        };
        if values.len() < min || max.is_some_and(|max| values.len() > max) {
            let most = max.map_or_else(|| "any number".to_owned(), |max| max.to_string());
            return Err(place.wrong(format!(
                "expected {} to {most} of it, and there are {}",
                min,
                values.len()
            )));
        }
        for value in values {
            element = element.with_child(self::element(self.types, declared, value, &place)?);
        }
        Ok(element)
    }

    fn choice(&mut self, element: Element, of: &[Particle], min: usize) -> Result<Element> {
        let mut chosen = None;
        for particle in of {
            if has_any(self.types, particle, self.object)? {
                if chosen.is_some() {
                    return Err(self.place.wrong(format!("expected but one of {}", self.names(of)?)));
                }
                chosen = Some(particle);
            }
        }
        match chosen {
            Some(particle) => self.particle(element, particle),
            None if min == 0 => {
                let names = self.names(of)?;
                self.known.push(names);
                Ok(element)
            }
            None => {
                // One that may be empty is a choice, too.
                for particle in of {
                    let attempt = self.particle(Element::new("", "x"), particle);
                    if attempt.is_ok_and(|attempt| attempt.nodes().is_empty()) {
                        return Ok(element);
                    }
                }
                Err(self.place.wrong(format!("expected one of {}", self.names(of)?)))
            }
        }
    }

    fn names(&self, of: &[Particle]) -> Result<String> {
        let shape = Shape::of_particles(self.types, of)?;
        let names: Vec<&str> = shape.known.iter().map(|known| known.declaration.name.local_name()).collect();
        Ok(names.join(", "))
    }

    /// A group as often as there are objects for it.
    fn items(
        &mut self,
        mut element: Element,
        particle: &Particle,
        min: usize,
        max: Option<usize>,
    ) -> Result<Element> {
        self.known.push(ITEMS.to_owned());
        let place = self.place.within(ITEMS);
        let nothing = Vec::new();
        let items = match self.object.get_key_value(ITEMS) {
            None => &nothing,
            Some((key, Value::Array(items))) if !self.used.contains(key.as_str()) => {
                self.used.insert(key);
                items
            }
            Some((_, Value::Array(_))) => {
                return Err(place.wrong("its type has two groups that may stand several times"));
            }
            Some((_, other)) => {
                return Err(place.wrong(format!("expected an array, and there is {}", what(other))));
            }
        };
        if items.len() < min || max.is_some_and(|max| items.len() > max) {
            return Err(place.wrong(format!("there are {}, and its type allows another number", items.len())));
        }
        for item in items {
            let Value::Object(object) = item else {
                return Err(place.wrong(format!("expected an object, and there is {}", what(item))));
            };
            let mut inner =
                Writer { types: self.types, object, used: BTreeSet::new(), place: &place, known: Vec::new() };
            element = match step(self.types, particle)? {
                Step::Choice(of, ..) => inner.choice(element, of, 1)?,
                Step::Sequence(of, ..) => {
                    of.iter().try_fold(element, |element, one| inner.particle(element, one))?
                }
                Step::Element(..) | Step::Any => element,
            };
            let Writer { used, known, .. } = inner;
            refuse_others(object, |key| used.contains(key), &known, &place)?;
        }
        Ok(element)
    }

    /// Elements that nobody declared, as they are.
    fn any(&mut self, mut element: Element) -> Result<Element> {
        self.known.push(ANY.to_owned());
        let Some((key, value)) = self.object.get_key_value(ANY) else { return Ok(element) };
        if self.used.insert(key) {
            element = fragments(element, value, &self.place.within(ANY))?;
        }
        Ok(element)
    }
}

/// An element of a type that lets everything stand in it.
fn anything(empty: Element, value: &Value, place: &Place<'_>) -> Result<Element> {
    match value {
        Value::Null => Ok(empty.with_attribute_named(Name::new(XSI, "nil"), "true")),
        Value::Object(object) => {
            refuse_others(object, |key| key == ANY, &[ANY], place)?;
            object.get(ANY).map_or(Ok(empty.clone()), |value| fragments(empty, value, &place.within(ANY)))
        }
        _ => plain(value)
            .map(|text| with_text(empty, text))
            .ok_or_else(|| place.wrong(format!("expected a text or {ANY}, and there is {}", what(value)))),
    }
}

fn fragments(element: Element, value: &Value, place: &Place<'_>) -> Result<Element> {
    let Value::Array(fragments) = value else {
        return Err(place.wrong(format!("expected an array of XML texts, and there is {}", what(value))));
    };
    fragments.iter().try_fold(element, |element, fragment| {
        let text = fragment.as_str().ok_or_else(|| place.wrong("expected XML as text"))?;
        let child = Element::from_xml(text)
            .map_err(|error| place.wrong("expected XML as text").with_source(error))?;
        Ok(element.with_child(child))
    })
}

/// Refuses what the type does not know: a name that is misspelt would be lost.
fn refuse_others(
    object: &Map<String, Value>,
    is_known: impl Fn(&str) -> bool,
    known: &[impl AsRef<str>],
    place: &Place<'_>,
) -> Result<()> {
    match object.keys().find(|key| !is_known(key)) {
        None => Ok(()),
        Some(other) => {
            let known: Vec<&str> = known.iter().map(AsRef::as_ref).collect();
            let known = if known.is_empty() { "nothing".to_owned() } else { known.join(", ") };
            Err(place.within(other).wrong(format!("nothing of that name is known here; known: {known}")))
        }
    }
}
