//! Trees of any shape: what is written is read as it was.

use external_api::soap::{Element, Name, Node};
use proptest::prelude::*;

fn name() -> impl Strategy<Value = Name> {
    ("(|urn:a|urn:b)", "[a-zA-Z_ä][a-zA-Z0-9._-]{0,5}")
        .prop_map(|(namespace, local)| Name::new(namespace, local))
}

fn text() -> impl Strategy<Value = String> {
    "[ -~\t\r\näß€\u{10000}]{1,20}"
}

fn tree() -> impl Strategy<Value = Element> {
    let attributes = || prop::collection::vec((name(), text()), 0..4);
    let bare = (name(), attributes()).prop_map(|(name, attributes)| with(name, attributes, Vec::new()));
    bare.prop_recursive(5, 40, 5, move |inner| {
        let node = prop_oneof![inner.prop_map(Node::Element), text().prop_map(Node::Text)];
        (name(), attributes(), prop::collection::vec(node, 0..5))
            .prop_map(|(name, attributes, nodes)| with(name, attributes, nodes))
    })
}

fn with(name: Name, attributes: Vec<(Name, String)>, nodes: Vec<Node>) -> Element {
    let element = attributes
        .into_iter()
        .fold(Element::named(name), |element, (name, value)| element.with_attribute_named(name, value));
    nodes.into_iter().fold(element, |element, node| match node {
        Node::Element(child) => element.with_child(child),
        Node::Text(text) => element.with_text(text),
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn every_tree_is_written_so_that_it_is_read_as_it_was(tree in tree()) {
        let written = tree.to_xml().unwrap();
        prop_assert_eq!(Element::from_xml(&written).unwrap(), tree, "{}", written);
    }
}
