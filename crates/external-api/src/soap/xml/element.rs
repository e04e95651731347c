//! The tree: elements, their attributes, and text.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use external_core::{Error, Result};

use super::error::XmlError;
use super::limits::XmlLimits;
use super::name::{Name, is_name};
use super::scope::Scope;
use super::{reader, writer};

/// An element. `Debug` shows its name and how much it holds, since what it holds may be a secret; [`to_xml`](Self::to_xml)
/// shows all.
///
/// ```
/// use external_api::soap::Element;
///
/// let add = Element::new("urn:math", "Add").with_field("a", "1").with_field("b", "2");
/// assert_eq!(add.to_xml()?, r#"<n0:Add xmlns:n0="urn:math"><n0:a>1</n0:a><n0:b>2</n0:b></n0:Add>"#);
/// assert_eq!(add.required("b")?.parse::<i32>()?, 2);
/// # Ok::<(), external_api::Error>(())
/// ```
#[derive(Clone)]
pub struct Element {
    name: Name,
    attributes: Vec<(Name, String)>,
    nodes: Vec<Node>,
    /// The prefixes that hold here: what stands in texts and attributes may use them.
    scope: Scope,
}

/// What an element holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Node {
    /// An element.
    Element(Element),
    /// Text, without anything escaped.
    Text(String),
}

/// Building.
impl Element {
    /// An empty element; in no namespace, if that is empty.
    #[must_use]
    pub fn new(namespace: impl Into<Arc<str>>, local: impl Into<Arc<str>>) -> Self {
        Self::named(Name::new(namespace, local))
    }

    /// An empty element of that name.
    #[must_use]
    pub fn named(name: Name) -> Self {
        Self { name, attributes: Vec::new(), nodes: Vec::new(), scope: Scope::default() }
    }

    pub(super) fn read(name: Name, attributes: Vec<(Name, String)>, scope: Scope) -> Self {
        Self { name, attributes, nodes: Vec::new(), scope }
    }

    /// Sets an attribute in no namespace.
    #[must_use]
    pub fn with_attribute(self, local: impl Into<Arc<str>>, value: impl Into<String>) -> Self {
        self.with_attribute_named(Name::local(local), value)
    }

    /// Sets an attribute.
    #[must_use]
    pub fn with_attribute_named(mut self, name: Name, value: impl Into<String>) -> Self {
        self.attributes.retain(|(known, _)| *known != name);
        self.attributes.push((name, value.into()));
        self
    }

    /// Adds an element.
    #[must_use]
    pub fn with_child(mut self, child: Self) -> Self {
        self.push(Node::Element(child));
        self
    }

    /// Adds elements.
    #[must_use]
    pub fn with_children(mut self, children: impl IntoIterator<Item = Self>) -> Self {
        self.nodes.extend(children.into_iter().map(Node::Element));
        self
    }

    /// Adds text.
    #[must_use]
    pub fn with_text(mut self, text: impl Into<String>) -> Self {
        self.push(Node::Text(text.into()));
        self
    }

    /// Adds an element of this one's namespace that holds text.
    #[must_use]
    pub fn with_field(self, local: impl Into<Arc<str>>, text: impl Into<String>) -> Self {
        let name = Name::of(self.name.namespace().map(Arc::from), local.into());
        self.with_child(Self::named(name).with_text(text))
    }

    /// Declares a prefix, for a text or an attribute that uses it (`xsi:type="p:Dog"`).
    #[must_use]
    pub fn with_prefix(mut self, prefix: &str, namespace: impl Into<Arc<str>>) -> Self {
        self.scope = self.scope.with(prefix, namespace.into());
        self
    }

    pub(super) fn push(&mut self, node: Node) {
        match (node, self.nodes.last_mut()) {
            (Node::Text(more), Some(Node::Text(text))) => text.push_str(&more),
            (node, _) => self.nodes.push(node),
        }
    }
}

/// Looking.
impl Element {
    /// The name.
    #[must_use]
    pub fn name(&self) -> &Name {
        &self.name
    }

    /// The name without its namespace.
    #[must_use]
    pub fn local_name(&self) -> &str {
        self.name.local_name()
    }

    /// The namespace.
    #[must_use]
    pub fn namespace(&self) -> Option<&str> {
        self.name.namespace()
    }

    /// Whether this is its name.
    #[must_use]
    pub fn is(&self, namespace: &str, local: &str) -> bool {
        self.name.is(namespace, local)
    }

    /// All it holds.
    #[must_use]
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// The elements in it.
    pub fn children(&self) -> impl DoubleEndedIterator<Item = &Self> {
        self.nodes.iter().filter_map(|node| match node {
            Node::Element(element) => Some(element),
            Node::Text(_) => None,
        })
    }

    /// The first element in it of that local name, in whatever namespace.
    #[must_use]
    pub fn child(&self, local: &str) -> Option<&Self> {
        self.children().find(|child| child.local_name() == local)
    }

    /// The first element in it of that name.
    #[must_use]
    pub fn child_in(&self, namespace: &str, local: &str) -> Option<&Self> {
        self.children().find(|child| child.is(namespace, local))
    }

    /// As [`child`](Self::child), for what must be there.
    ///
    /// # Errors
    ///
    /// `Corrupt`, naming both elements.
    pub fn required(&self, local: &str) -> Result<&Self> {
        self.child(local)
            .ok_or_else(|| Error::corrupt(format!("the element {} has no {local}", self.local_name())))
    }

    /// The text in it, elements left out.
    #[must_use]
    pub fn text(&self) -> Cow<'_, str> {
        let mut texts = self.nodes.iter().filter_map(|node| match node {
            Node::Text(text) => Some(text.as_str()),
            Node::Element(_) => None,
        });
        match (texts.next(), texts.next()) {
            (None, _) => "".into(),
            (Some(text), None) => text.into(),
            (Some(first), Some(second)) => {
                [first, second].into_iter().chain(texts).collect::<String>().into()
            }
        }
    }

    /// The text in it as another type, white space around it dropped.
    ///
    /// # Errors
    ///
    /// `Corrupt`, naming the element.
    pub fn parse<T: FromStr>(&self) -> Result<T> {
        self.text().trim().parse().map_err(|_| {
            Error::corrupt(format!(
                "the element {} holds no {}",
                self.local_name(),
                std::any::type_name::<T>().rsplit("::").next().unwrap_or_default()
            ))
        })
    }

    /// The attributes; declarations of namespaces are none.
    pub fn attributes(&self) -> impl Iterator<Item = (&Name, &str)> {
        self.attributes.iter().map(|(name, value)| (name, value.as_str()))
    }

    /// The value of an attribute in no namespace.
    #[must_use]
    pub fn attribute(&self, local: &str) -> Option<&str> {
        self.attribute_in("", local)
    }

    /// The value of an attribute.
    #[must_use]
    pub fn attribute_in(&self, namespace: &str, local: &str) -> Option<&str> {
        self.attributes().find(|(name, _)| name.is(namespace, local)).map(|(_, value)| value)
    }

    /// The name that a text in this element, or the value of one of its attributes, means by its prefix; without a prefix,
    /// in the default namespace.
    #[must_use]
    pub fn resolve(&self, qualified: &str) -> Option<Name> {
        let qualified = qualified.trim();
        let (prefix, local) = qualified.split_once(':').unwrap_or(("", qualified));
        if !is_name(local) {
            return None;
        }
        match self.scope.namespace(prefix) {
            Some(namespace) => Some(Name::new(namespace.clone(), local)),
            None => prefix.is_empty().then(|| Name::local(local)),
        }
    }

    pub(super) fn scope(&self) -> &Scope {
        &self.scope
    }
}

/// Reading and writing.
impl Element {
    /// Reads a document, within the default limits.
    ///
    /// # Errors
    ///
    /// What is wrong with it, and where.
    pub fn from_xml(document: impl AsRef<[u8]>) -> Result<Self, XmlError> {
        Self::from_xml_within(document, &XmlLimits::default())
    }

    /// Reads a document: namespaces resolved, comments and processing instructions dropped, and everything refused that
    /// the five entities and references to characters cannot say.
    ///
    /// # Errors
    ///
    /// What is wrong with it, and where.
    pub fn from_xml_within(document: impl AsRef<[u8]>, limits: &XmlLimits) -> Result<Self, XmlError> {
        reader::read(document.as_ref(), limits)
    }

    /// As XML, without a declaration. Prefixes are those that were declared, else made up.
    ///
    /// # Errors
    ///
    /// `InvalidArgument` for a name that is none and for characters that XML does not have.
    pub fn to_xml(&self) -> Result<String> {
        writer::write(self)
    }
}

/// By what they mean: prefixes do not count, nor does the order of attributes.
impl PartialEq for Element {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
            && self.attributes.len() == other.attributes.len()
            && self.attributes.iter().all(|attribute| other.attributes.contains(attribute))
            && self.nodes == other.nodes
    }
}

impl Eq for Element {}

impl fmt::Debug for Element {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Element")
            .field("name", &self.name)
            .field("attributes", &self.attributes.len())
            .field("nodes", &self.nodes.len())
            .finish_non_exhaustive()
    }
}
