//! From bytes to the tree: whatever comes, it ends with a tree within the limits or with an error.

use std::collections::HashMap;
use std::sync::Arc;

use quick_xml::XmlVersion;
use quick_xml::errors::{Error as Lexical, IllFormedError};
use quick_xml::events::{BytesRef, BytesStart, Event};
use quick_xml::reader::Reader as Lexer;

use super::element::{Element, Node};
use super::encoding::decoded;
use super::error::{XmlError, XmlErrorKind as Kind};
use super::limits::XmlLimits;
use super::name::{Name, is_character, is_name, is_text};
use super::scope::Scope;
use super::{XML, XMLNS};

pub(super) fn read(document: &[u8], limits: &XmlLimits) -> Result<Element, XmlError> {
    if document.len() > limits.bytes {
        return Err(XmlError::new(Kind::Limit, "a document larger than the limit", limits.bytes as u64));
    }
    let text = decoded(document)?;
    let mut lexer = Lexer::from_str(&text);
    let config = lexer.config_mut();
    config.check_comments = true;
    config.check_end_names = true;
    config.allow_dangling_amp = false;
    config.allow_unmatched_ends = false;
    let mut reader = Reader {
        limits,
        nodes: 0,
        offset: 0,
        open: Vec::new(),
        root: None,
        known: HashMap::new(),
        base: Scope::default().with("xml", XML.into()),
    };
    let mut is_first = true;
    loop {
        reader.offset = lexer.buffer_position();
        let event = lexer.read_event().map_err(|error| reader.lexical(&error))?;
        match event {
            Event::Eof => return reader.end(),
            Event::Decl(_) if is_first => {}
            event => reader.take(event)?,
        }
        is_first = false;
    }
}

struct Reader<'t> {
    limits: &'t XmlLimits,
    nodes: usize,
    offset: u64,
    /// The elements that are not closed yet.
    open: Vec<Element>,
    root: Option<Element>,
    /// Names and namespaces that came before: most come again.
    known: HashMap<Box<str>, Arc<str>>,
    base: Scope,
}

impl Reader<'_> {
    fn take(&mut self, event: Event<'_>) -> Result<(), XmlError> {
        match event {
            Event::Start(tag) => {
                let element = self.element(&tag)?;
                if self.open.len() >= self.limits.depth {
                    return Err(self.error(Kind::Limit, "elements deeper than the limit"));
                }
                self.open.push(element);
                Ok(())
            }
            Event::Empty(tag) => {
                let element = self.element(&tag)?;
                self.close(element)
            }
            Event::End(_) => match self.open.pop() {
                Some(element) => self.close(element),
                None => Err(self.error(Kind::Nesting, "an end without a beginning")),
            },
            Event::Text(text) => {
                if text.contains("]]>") {
                    return Err(self.error(Kind::Syntax, "an end of CDATA without its beginning"));
                }
                self.text(&text.xml10_content())
            }
            Event::CData(text) if !self.open.is_empty() => self.text(&text.xml10_content()),
            Event::GeneralRef(reference) if !self.open.is_empty() => {
                let c = self.character(&reference)?;
                self.text(c.encode_utf8(&mut [0; 4]))
            }
            Event::CData(_) | Event::GeneralRef(_) => {
                Err(self.error(Kind::Nesting, "text outside of the root element"))
            }
            Event::Comment(text) => self.checked(&text).map(drop),
            Event::PI(instruction) => {
                if instruction.target().eq_ignore_ascii_case("xml") {
                    return Err(self.error(Kind::Syntax, "a declaration of XML that is not at the beginning"));
                }
                self.checked(&instruction).map(drop)
            }
            Event::Decl(_) => {
                Err(self.error(Kind::Syntax, "a declaration of XML that is not at the beginning"))
            }
            Event::DocType(_) => {
                Err(self.error(Kind::Doctype, "a document type declaration, which is not read"))
            }
            Event::Eof => Ok(()),
        }
    }

    fn end(self) -> Result<Element, XmlError> {
        let error = |message| Err(XmlError::new(Kind::Nesting, message, self.offset));
        match self.root {
            Some(root) if self.open.is_empty() => Ok(root),
            Some(_) => error("an element that is not closed"),
            None if self.open.is_empty() => error("no root element"),
            None => error("an element that is not closed"),
        }
    }

    fn element(&mut self, tag: &BytesStart<'_>) -> Result<Element, XmlError> {
        if self.open.is_empty() && self.root.is_some() {
            return Err(self.error(Kind::Nesting, "a second root element"));
        }
        self.count(1)?;
        let outer = self.open.last().map_or(&self.base, Element::scope);
        let mut scope = outer.clone();
        let mut plain = Vec::new();
        for attribute in tag.attributes() {
            let attribute = attribute
                .map_err(|_| self.error(Kind::Attribute, "an attribute that is malformed or there twice"))?;
            self.count(1)?;
            if plain.len() >= self.limits.attributes {
                return Err(self.error(Kind::Limit, "more attributes than the limit"));
            }
            if attribute.value.contains('<') {
                return Err(self.error(Kind::Attribute, "markup in the value of an attribute"));
            }
            let value = attribute
                .normalized_value(XmlVersion::Implicit1_0)
                .map_err(|_| self.error(Kind::Entity, "an entity beside the five that XML has"))?;
            self.checked(&value)?;
            let key = attribute.key.0;
            let (prefix, local) = self.split(key)?;
            match (prefix, local) {
                ("", "xmlns") => scope = self.declared(scope, "", &value)?,
                ("xmlns", prefix) => scope = self.declared(scope, prefix, &value)?,
                _ => plain.push((prefix, local, value.into_owned())),
            }
        }
        let mut attributes: Vec<(Name, String)> = Vec::with_capacity(plain.len());
        for (prefix, local, value) in plain {
            let namespace = if prefix.is_empty() { None } else { self.namespace(&scope, prefix)? };
            let name = Name::of(namespace, self.interned(local));
            if attributes.iter().any(|(known, _)| *known == name) {
                return Err(self.error(Kind::Attribute, "an attribute that is there twice"));
            }
            attributes.push((name, value));
        }
        let name = tag.name();
        let (prefix, local) = self.split(name.0)?;
        if prefix == "xmlns" {
            return Err(self.error(Kind::Namespace, "an element in the namespace of declarations"));
        }
        let name = Name::of(self.namespace(&scope, prefix)?, self.interned(local));
        Ok(Element::read(name, attributes, scope))
    }

    fn close(&mut self, element: Element) -> Result<(), XmlError> {
        match self.open.last_mut() {
            Some(parent) => parent.push(Node::Element(element)),
            None => self.root = Some(element),
        }
        Ok(())
    }

    fn text(&mut self, text: &str) -> Result<(), XmlError> {
        self.checked(text)?;
        let Some(parent) = self.open.last_mut() else {
            return match text.trim_matches([' ', '\t', '\n', '\r']) {
                "" => Ok(()),
                _ => Err(self.error(Kind::Nesting, "text outside of the root element")),
            };
        };
        parent.push(Node::Text(text.to_owned()));
        self.count(1)
    }

    /// Prefix and rest of a name.
    fn split<'a>(&self, qualified: &'a str) -> Result<(&'a str, &'a str), XmlError> {
        if qualified.len() > self.limits.name {
            return Err(self.error(Kind::Limit, "a name longer than the limit"));
        }
        let (prefix, local) = qualified.split_once(':').unwrap_or(("", qualified));
        let is_good = is_name(local) && (is_name(prefix) || prefix.is_empty() && local == qualified);
        if is_good { Ok((prefix, local)) } else { Err(self.error(Kind::Syntax, "a name that is none")) }
    }

    fn declared(&mut self, scope: Scope, prefix: &str, namespace: &str) -> Result<Scope, XmlError> {
        if namespace.len() > self.limits.name {
            return Err(self.error(Kind::Limit, "a namespace longer than the limit"));
        }
        if scope.depth() >= self.limits.namespaces {
            return Err(self.error(Kind::Limit, "more declarations of namespaces than the limit"));
        }
        if (prefix == "xml") != (namespace == XML)
            || prefix == "xmlns"
            || namespace == XMLNS
            || namespace.is_empty() && !prefix.is_empty()
        {
            return Err(self.error(Kind::Namespace, "a declaration of a namespace that XML does not allow"));
        }
        let namespace = self.interned(namespace);
        Ok(scope.with(prefix, namespace))
    }

    fn namespace(&self, scope: &Scope, prefix: &str) -> Result<Option<Arc<str>>, XmlError> {
        match scope.namespace(prefix) {
            Some(namespace) => Ok(Some(namespace.clone()).filter(|namespace| !namespace.is_empty())),
            None if prefix.is_empty() => Ok(None),
            None => Err(self.error(Kind::Namespace, "a prefix that nobody declared")),
        }
    }

    /// The character that a reference stands for.
    fn character(&self, reference: &BytesRef<'_>) -> Result<char, XmlError> {
        let c = match &**reference {
            "lt" => '<',
            "gt" => '>',
            "amp" => '&',
            "apos" => '\'',
            "quot" => '"',
            _ => match reference.resolve_char_ref() {
                Ok(Some(c)) => c,
                Ok(None) => return Err(self.error(Kind::Entity, "an entity beside the five that XML has")),
                Err(_) => return Err(self.error(Kind::Character, "a reference to no character")),
            },
        };
        match is_character(c) {
            true => Ok(c),
            false => Err(self.error(Kind::Character, "a reference to a character that XML does not have")),
        }
    }

    fn checked<'a>(&self, text: &'a str) -> Result<&'a str, XmlError> {
        match is_text(text) {
            true => Ok(text),
            false => Err(self.error(Kind::Character, "a character that XML does not have")),
        }
    }

    fn interned(&mut self, text: &str) -> Arc<str> {
        if let Some(known) = self.known.get(text) {
            return known.clone();
        }
        let new: Arc<str> = text.into();
        self.known.insert(text.into(), new.clone());
        new
    }

    fn count(&mut self, more: usize) -> Result<(), XmlError> {
        self.nodes += more;
        match self.nodes > self.limits.nodes {
            true => Err(self.error(Kind::Limit, "more elements, texts and attributes than the limit")),
            false => Ok(()),
        }
    }

    fn lexical(&self, error: &Lexical) -> XmlError {
        let (kind, message) = match error {
            Lexical::IllFormed(
                IllFormedError::MissingEndTag(_)
                | IllFormedError::UnmatchedEndTag(_)
                | IllFormedError::MismatchedEndTag { .. },
            ) => (Kind::Nesting, "an element that is not closed where it should be"),
            Lexical::IllFormed(IllFormedError::UnclosedReference) | Lexical::Escape(_) => {
                (Kind::Entity, "a reference that does not end")
            }
            Lexical::InvalidAttr(_) => (Kind::Attribute, "an attribute that is malformed"),
            Lexical::Encoding(_) => (Kind::Encoding, "bytes that are no text"),
            _ => (Kind::Syntax, "markup that is none, or that does not end"),
        };
        self.error(kind, message)
    }

    fn error(&self, kind: Kind, message: &'static str) -> XmlError {
        XmlError::new(kind, message, self.offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(document: &str) -> Kind {
        Element::from_xml(document).unwrap_err().kind()
    }

    #[test]
    fn a_document_is_read_whatever_its_prefixes() {
        let one = Element::from_xml(
            "<?xml version=\"1.0\"?>\n<!-- c --><a:x xmlns:a='urn:x' a:k='1' k='2'>t&lt;&#x41;<![CDATA[<&]]><a:y/><?p i?></a:x>\n",
        );
        let other =
            Element::from_xml("<x k='2' z:k='1' xmlns='urn:x' xmlns:z='urn:x'>t&lt;A&lt;&amp;<y></y></x>");
        assert_eq!(one.unwrap(), other.unwrap());
    }

    #[test]
    fn the_root_of_all_bombs_is_refused() {
        let laughs = "<!DOCTYPE l [<!ENTITY a \"ha\"><!ENTITY b \"&a;&a;\">]><l>&b;</l>";
        assert_eq!(refused(laughs), Kind::Doctype);
        assert_eq!(refused("<!DOCTYPE l SYSTEM \"file:///etc/passwd\"><l/>"), Kind::Doctype);
        assert_eq!(refused("<l>&xxe;</l>"), Kind::Entity);
        assert_eq!(refused("<l a='&xxe;'/>"), Kind::Entity);
        let deep = "<a>".repeat(1000);
        assert_eq!(refused(&deep), Kind::Limit);
        let wide: String = (0..1000).map(|at| format!(" a{at}=''")).collect();
        assert_eq!(refused(&format!("<a{wide}/>")), Kind::Limit);
        let declared: String = (0..1000).map(|at| format!("<a xmlns:a{at}='urn:a'>")).collect();
        assert_eq!(refused(&declared), Kind::Limit);
        assert_eq!(refused(&format!("<{}/>", "a".repeat(2000))), Kind::Limit);
        let many = format!("<a>{}</a>", "<b/>".repeat(2000));
        let limits = XmlLimits::new().with_nodes(1000);
        assert_eq!(Element::from_xml_within(&many, &limits).unwrap_err().kind(), Kind::Limit);
        let limits = XmlLimits::new().with_bytes(100);
        assert_eq!(Element::from_xml_within(&many, &limits).unwrap_err().kind(), Kind::Limit);
    }

    #[test]
    fn what_is_no_xml_is_refused_by_its_kind() {
        for (document, kind) in [
            ("", Kind::Nesting),
            (" \n", Kind::Nesting),
            ("text", Kind::Nesting),
            ("<a/>text", Kind::Nesting),
            ("<a/><b/>", Kind::Nesting),
            ("<a/>&lt;", Kind::Nesting),
            ("<a/><![CDATA[]]>", Kind::Nesting),
            ("<a>", Kind::Nesting),
            ("<a></b>", Kind::Nesting),
            ("<a><b></a></b>", Kind::Nesting),
            ("</a>", Kind::Nesting),
            ("<a", Kind::Syntax),
            ("<a><!-- ", Kind::Syntax),
            ("<a>]]></a>", Kind::Syntax),
            ("<1a/>", Kind::Syntax),
            ("<a:/>", Kind::Syntax),
            ("<:a/>", Kind::Syntax),
            ("<a:b:c xmlns:a='urn:a'/>", Kind::Syntax),
            (" <?xml version='1.0'?><a/>", Kind::Syntax),
            ("<a><?xml version='1.0'?></a>", Kind::Syntax),
            ("<a b='1' b='2'/>", Kind::Attribute),
            ("<a x:b='1' y:b='2' xmlns:x='urn:x' xmlns:y='urn:x'/>", Kind::Attribute),
            ("<a b/>", Kind::Attribute),
            ("<a b=c/>", Kind::Attribute),
            ("<a b='<'/>", Kind::Attribute),
            ("<x:a/>", Kind::Namespace),
            ("<a x:b=''/>", Kind::Namespace),
            ("<a xmlns:x=''/>", Kind::Namespace),
            ("<a xmlns:xmlns='urn:x'/>", Kind::Namespace),
            ("<a xmlns:xml='urn:x'/>", Kind::Namespace),
            ("<a>&#0;</a>", Kind::Character),
            ("<a>&#x1b;</a>", Kind::Character),
            ("<a>&#xD800;</a>", Kind::Character),
            ("<a>\u{1}</a>", Kind::Character),
            ("<a b='\u{1}'/>", Kind::Character),
            ("<a>&lt</a>", Kind::Entity),
            ("<a>& </a>", Kind::Entity),
        ] {
            let refused = Element::from_xml(document);
            assert_eq!(refused.as_ref().map_err(XmlError::kind), Err(kind), "{document}");
        }
        assert_eq!(Element::from_xml(b"<a>\xff</a>").unwrap_err().kind(), Kind::Encoding);
    }

    #[test]
    fn an_error_tells_the_place_and_nothing_of_the_document() {
        let error = Element::from_xml("<a><s3cret></a>").unwrap_err();
        assert!(error.offset() >= 3 && !error.to_string().contains("s3cret"), "{error}");
    }
}
