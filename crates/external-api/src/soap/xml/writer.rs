//! From the tree to text: nothing leaves that no reader could read.

use std::sync::Arc;

use external_core::{Error, Result};

use super::element::{Element, Node};
use super::name::{Name, is_character, is_name};
use super::scope::Scope;
use super::{XML, XMLNS};

pub(super) fn write(root: &Element) -> Result<String> {
    let mut writer = Writer { out: String::with_capacity(1024), made: 0 };
    // The one prefix that everybody knows.
    writer.element(root, &Scope::default().with("xml", XML.into()))?;
    Ok(writer.out)
}

struct Writer {
    out: String,
    /// How many prefixes were made up.
    made: usize,
}

impl Writer {
    /// `outer` is what is declared by then.
    fn element(&mut self, element: &Element, outer: &Scope) -> Result<()> {
        let mut declarations = String::new();
        let mut scope = self.declared(element, outer, &mut declarations)?;
        let tag = self.tag(element.name(), &mut scope, &mut declarations)?;
        let mut attributes = String::new();
        for (name, value) in element.attributes() {
            let name = self.attribute(name, &mut scope, &mut declarations)?;
            attribute(&mut attributes, &name, value)?;
        }
        self.out.push('<');
        self.out.push_str(&tag);
        self.out.push_str(&declarations);
        self.out.push_str(&attributes);
        if element.nodes().is_empty() {
            self.out.push_str("/>");
            return Ok(());
        }
        self.out.push('>');
        for node in element.nodes() {
            match node {
                Node::Element(child) => self.element(child, &scope)?,
                Node::Text(text) => escaped(&mut self.out, text, false)?,
            }
        }
        self.out.push_str("</");
        self.out.push_str(&tag);
        self.out.push('>');
        Ok(())
    }

    /// The prefixes that the element itself asks for, as far as they are not declared yet.
    fn declared(&self, element: &Element, outer: &Scope, out: &mut String) -> Result<Scope> {
        let mut scope = outer.clone();
        let mut seen = Vec::new();
        for (prefix, namespace) in element.scope().iter() {
            if prefix == "xml" || seen.contains(&prefix) {
                continue;
            }
            seen.push(prefix);
            let is_known = scope.namespace(prefix) == Some(namespace);
            // An element in no namespace cannot stand where there is a default one.
            let is_in_the_way = prefix.is_empty() && element.namespace().is_none();
            if !is_known && !is_in_the_way {
                scope = declare(scope, prefix, namespace, out)?;
            }
        }
        Ok(scope)
    }

    fn tag(&mut self, name: &Name, scope: &mut Scope, out: &mut String) -> Result<String> {
        let local = checked(name.local_name())?;
        let Some(namespace) = name.namespace() else {
            if scope.namespace("").is_some_and(|default| !default.is_empty()) {
                *scope = declare(scope.clone(), "", &Arc::from(""), out)?;
            }
            return Ok(local.to_owned());
        };
        let prefix = match prefix_of(scope, namespace, true) {
            Some(prefix) => prefix,
            None => self.made_up(namespace, scope, out)?,
        };
        Ok(if prefix.is_empty() { local.to_owned() } else { format!("{prefix}:{local}") })
    }

    fn attribute(&mut self, name: &Name, scope: &mut Scope, out: &mut String) -> Result<String> {
        let local = checked(name.local_name())?;
        let Some(namespace) = name.namespace() else { return Ok(local.to_owned()) };
        // The default namespace is not that of attributes.
        let prefix = match prefix_of(scope, namespace, false) {
            Some(prefix) => prefix,
            None => self.made_up(namespace, scope, out)?,
        };
        Ok(format!("{prefix}:{local}"))
    }

    fn made_up(&mut self, namespace: &str, scope: &mut Scope, out: &mut String) -> Result<String> {
        let prefix = loop {
            let prefix = format!("n{}", self.made);
            self.made += 1;
            if scope.namespace(&prefix).is_none() {
                break prefix;
            }
        };
        *scope = declare(scope.clone(), &prefix, &Arc::from(namespace), out)?;
        Ok(prefix)
    }
}

/// A prefix that stands for the namespace and is not hidden by an inner declaration.
fn prefix_of(scope: &Scope, namespace: &str, may_be_default: bool) -> Option<String> {
    scope
        .iter()
        .filter(|(prefix, known)| &***known == namespace && (may_be_default || !prefix.is_empty()))
        .find(|(prefix, known)| scope.namespace(prefix) == Some(*known))
        .map(|(prefix, _)| prefix.to_owned())
}

fn declare(scope: Scope, prefix: &str, namespace: &Arc<str>, out: &mut String) -> Result<Scope> {
    let is_good = prefix.is_empty() || is_name(prefix) && !namespace.is_empty() && prefix != "xmlns";
    if !is_good || &**namespace == XML || &**namespace == XMLNS {
        return Err(Error::invalid_argument("a declaration of a namespace that XML does not allow"));
    }
    let name = if prefix.is_empty() { "xmlns".to_owned() } else { format!("xmlns:{prefix}") };
    attribute(out, &name, namespace)?;
    Ok(scope.with(prefix, namespace.clone()))
}

fn attribute(out: &mut String, name: &str, value: &str) -> Result<()> {
    out.push(' ');
    out.push_str(name);
    out.push_str("=\"");
    escaped(out, value, true)?;
    out.push('"');
    Ok(())
}

fn checked(local: &str) -> Result<&str> {
    match is_name(local) {
        true => Ok(local),
        false => Err(Error::invalid_argument("not a name that XML allows")),
    }
}

/// What a reader would take for markup, or for white space of no meaning, is written as a reference.
fn escaped(out: &mut String, text: &str, in_attribute: bool) -> Result<()> {
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' if in_attribute => out.push_str("&quot;"),
            '\t' if in_attribute => out.push_str("&#9;"),
            '\n' if in_attribute => out.push_str("&#10;"),
            '\r' => out.push_str("&#13;"),
            c if is_character(c) => out.push(c),
            _ => return Err(Error::invalid_argument("a character that XML does not have")),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_means_the_same_when_it_is_read() {
        let tree = Element::new("urn:a", "root")
            .with_prefix("p", "urn:types")
            .with_attribute("plain", "a\"b\n<c>&\t'")
            .with_attribute_named(Name::new("urn:b", "x"), "p:Dog")
            .with_attribute_named(Name::new(XML, "lang"), "en")
            .with_child(Element::new("", "bare").with_child(Element::new("urn:a", "deep")))
            .with_text(" ]]> & \r\n")
            .with_child(Element::new("urn:c", "other").with_field("field", "ä"));
        let text = tree.to_xml().unwrap();
        let read = Element::from_xml(&text).unwrap();
        assert_eq!(read, tree, "{text}");
        assert_eq!(read.resolve("p:Dog"), Some(Name::new("urn:types", "Dog")));
        // And so does what is written of that.
        assert_eq!(Element::from_xml(read.to_xml().unwrap()).unwrap(), tree);
    }

    #[test]
    fn a_part_of_a_document_keeps_the_prefixes_that_it_uses() {
        let whole = r#"<a xmlns="urn:a" xmlns:p="urn:p"><b type="p:T"><c xmlns=""/></b></a>"#;
        let part = Element::from_xml(whole).unwrap().required("b").unwrap().to_xml().unwrap();
        let read = Element::from_xml(&part).unwrap();
        assert!(read.is("urn:a", "b") && read.child("c").unwrap().is("", "c"), "{part}");
        assert_eq!(read.resolve(read.attribute("type").unwrap()), Some(Name::new("urn:p", "T")));
    }

    #[test]
    fn what_xml_cannot_say_is_refused() {
        for wrong in [
            Element::new("", ""),
            Element::new("", "a b"),
            Element::new("", "a><b"),
            Element::new("", "p:a"),
            Element::new("", "a").with_attribute("x y", ""),
            Element::new("", "a").with_text("\u{0}"),
            Element::new("", "a").with_attribute("x", "\u{1b}"),
            Element::new("", "a").with_prefix("xmlns", "urn:x"),
            Element::new("", "a").with_prefix("p", ""),
            Element::new(XMLNS, "a"),
        ] {
            assert!(wrong.to_xml().is_err(), "{wrong:?}");
        }
    }
}
