//! From elements to values: by the types of the description, and as tolerantly as they can be read.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use external_core::{Error, Result};
use serde_json::{Map, Value};

use super::place::Place;
use super::scalar;
use super::shape::{ANY, ITEMS, Item, Known, Shape, TEXT, TYPE};
use crate::soap::wsdl::{Body, ComplexType, Resolved, TypeRef, Types, XSI};
use crate::soap::xml::{Element, Name, Node};

/// What the body of an answer says.
pub(super) fn body(types: &Types, body: &Body, elements: &[Element], place: &Place<'_>) -> Result<Value> {
    let decoder = Decoder { types, shapes: RefCell::default() };
    let first = || elements.first().ok_or_else(|| place.corrupt("its body is empty"));
    match body {
        Body::Unsupported(what) => Err(Error::unsupported("soap-style")
            .with_context("message", what)
            .with_context("operation", place)),
        Body::Document(None) => Ok(Value::Null),
        Body::Document(Some(name)) => {
            let element = first()?;
            if element.local_name() != name.local_name() {
                return Err(place.corrupt(format!("expected the element {}", name.local_name())));
            }
            decoder.valued(element, &types.element(name)?.of, place)
        }
        Body::Rpc { parts, .. } => {
            // Whatever the name of the wrapper is, there is one.
            let wrapper = first()?;
            let mut object = Map::new();
            for part in parts {
                if let Some(child) = wrapper.child(&part.name) {
                    let value = decoder.valued(child, &part.of, &place.within(&part.name))?;
                    object.insert(part.name.clone(), value);
                }
            }
            Ok(Value::Object(object))
        }
    }
}

struct Decoder<'t> {
    types: &'t Types,
    /// Of the types that came before: lists have many elements of one.
    shapes: RefCell<HashMap<*const ComplexType, Rc<Shape<'t>>>>,
}

impl<'t> Decoder<'t> {
    /// The value of an element of a type.
    fn valued(&self, element: &Element, of: &'t TypeRef, place: &Place<'_>) -> Result<Value> {
        if place.is_too_deep() {
            return Err(place.corrupt("it nests deeper than anybody means"));
        }
        if matches!(element.attribute_in(XSI, "nil"), Some("true" | "1")) {
            return Ok(Value::Null);
        }
        match self.types.resolve(of)? {
            Resolved::Complex(declared) => self.told(element, declared, place),
            Resolved::Anything => anything(element),
            Resolved::Builtin(_) | Resolved::Simple(_) => {
                scalar::read(self.types, of, &element.text(), place)
            }
        }
    }

    /// By the type that the element says it has, if that is one derived from the declared one.
    fn told(&self, element: &Element, declared: &'t ComplexType, place: &Place<'_>) -> Result<Value> {
        let told = element.attribute_in(XSI, "type").and_then(|name| element.resolve(name));
        let derived = match told {
            Some(name) => self.types.derived(declared, &name)?,
            None => Vec::new(),
        };
        let mut object = Map::new();
        let complex = match *derived {
            [derived] if !std::ptr::eq(derived, declared) => {
                let name = self.name_of(derived, declared)?;
                object.extend(name.map(|name| (TYPE.to_owned(), Value::from(name))));
                derived
            }
            // None, or a wrong namespace that leaves several to choose from.
            _ => declared,
        };
        self.complex(element, complex, object, place)
    }

    /// What tells a type from others that are derived from the declared one: its local name, or all of its name.
    fn name_of(&self, derived: &ComplexType, declared: &ComplexType) -> Result<Option<String>> {
        let Some(name) = &derived.name else { return Ok(None) };
        let alike = self.types.derived(declared, &Name::local(name.local_name()))?;
        let is_enough = matches!(*alike, [one] if std::ptr::eq(one, derived));
        Ok(Some(if is_enough { name.local_name().to_owned() } else { name.to_string() }))
    }

    fn complex(
        &self,
        element: &Element,
        complex: &'t ComplexType,
        mut object: Map<String, Value>,
        place: &Place<'_>,
    ) -> Result<Value> {
        let shape = self.shape(complex)?;
        for (name, text) in element.attributes() {
            let key = format!("@{}", name.local_name());
            if let Some(declared) = shape.attributes.iter().find(|known| known.name == *name) {
                let value = scalar::read(self.types, &declared.of, text, &place.within(&key))?;
                object.insert(key, value);
            } else if complex.takes_any_attribute && name.namespace() != Some(XSI) {
                object.insert(key, Value::from(text));
            }
        }
        if let Some(of) = shape.text_of {
            let text = scalar::read(self.types, of, &element.text(), place)?;
            // Without attributes it is a text, and no object.
            if shape.attributes.is_empty() && object.is_empty() {
                return Ok(text);
            }
            object.insert(TEXT.to_owned(), text);
            return Ok(Value::Object(object));
        }
        if complex.is_mixed {
            let text = element.text();
            if !text.trim_ascii().is_empty() {
                object.insert(TEXT.to_owned(), Value::from(text));
            }
        }
        let mut reader = Reader { decoder: self, shape: &shape, object, items: Vec::new(), any: Vec::new() };
        for child in element.children() {
            reader.child(child, place)?;
        }
        Ok(Value::Object(reader.finish()))
    }

    fn shape(&self, complex: &'t ComplexType) -> Result<Rc<Shape<'t>>> {
        let key: *const ComplexType = complex;
        if let Some(shape) = self.shapes.borrow().get(&key) {
            return Ok(shape.clone());
        }
        let shape = Rc::new(Shape::of(self.types, complex)?);
        self.shapes.borrow_mut().insert(key, shape.clone());
        Ok(shape)
    }
}

/// Puts the children of one element where they belong, whatever their order.
struct Reader<'r, 't> {
    decoder: &'r Decoder<'t>,
    shape: &'r Shape<'t>,
    object: Map<String, Value>,
    /// What stands in groups that may stand several times.
    items: Vec<Map<String, Value>>,
    any: Vec<Value>,
}

impl Reader<'_, '_> {
    fn child(&mut self, child: &Element, place: &Place<'_>) -> Result<()> {
        let Some(known) = self.shape.find(child.name()) else {
            // What nobody knows is kept where the schema lets it stand, and passed over where it does not.
            if self.shape.takes_any {
                self.any.push(Value::from(child.to_xml()?));
            }
            return Ok(());
        };
        let Known { declaration, is_many, item } = known;
        let local = declaration.name.local_name();
        let value = self.decoder.valued(child, &declaration.of, &place.within(local))?;
        let object = match item {
            None => &mut self.object,
            Some(item) => {
                if self.begins_another(*item, local, *is_many) {
                    self.items.push(Map::new());
                }
                let Some(last) = self.items.last_mut() else { return Ok(()) };
                last
            }
        };
        match object.get_mut(local) {
            Some(Value::Array(values)) if *is_many => values.push(value),
            // The first one counts, of what may stand once.
            Some(_) => {}
            None => {
                let value = if *is_many { Value::Array(vec![value]) } else { value };
                object.insert(local.to_owned(), value);
            }
        }
        Ok(())
    }

    /// Whether another item begins with an element: each is one of a choice; of a sequence, what is there already.
    fn begins_another(&self, item: Item, local: &str, is_many: bool) -> bool {
        match self.items.last() {
            None => true,
            Some(last) => match last.contains_key(local) {
                true => !is_many,
                false => item == Item::Alone,
            },
        }
    }

    fn finish(mut self) -> Map<String, Value> {
        if !self.items.is_empty() {
            let items = self.items.into_iter().map(Value::Object).collect();
            self.object.insert(ITEMS.to_owned(), Value::Array(items));
        }
        if !self.any.is_empty() {
            self.object.insert(ANY.to_owned(), Value::Array(self.any));
        }
        self.object
    }
}

/// An element of which the description says nothing.
fn anything(element: &Element) -> Result<Value> {
    let has_elements = element.nodes().iter().any(|node| matches!(node, Node::Element(_)));
    if !has_elements {
        return Ok(Value::from(element.text()));
    }
    let children = element.children().map(|child| child.to_xml().map(Value::from));
    let mut object = Map::new();
    object.insert(ANY.to_owned(), Value::Array(children.collect::<Result<_>>()?));
    Ok(Value::Object(object))
}
