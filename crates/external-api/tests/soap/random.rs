//! Whatever comes: the reader ends, with a tree that can be written or with an error.

use external_api::external_http::{HttpClient, MemoryHttp};
use external_api::soap::{Element, Name, Node, SoapClient, SoapService, Wsdl, XmlLimits};
use proptest::prelude::*;

use super::descriptions::file;

/// Pieces of XML, good and bad, so that what is put together of them often nearly is a document.
fn pieces() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop::sample::select(vec![
        "<a>",
        "</a>",
        "<a/>",
        "<b:c xmlns:b='urn:b'>",
        "</b:c>",
        "<a b='c' d=\"e\">",
        "<a b='&lt;&#x41;'>",
        "<!DOCTYPE a",
        "<!ENTITY x 'y'>",
        "[",
        "]>",
        "<![CDATA[",
        "]]>",
        "<!--",
        "-->",
        "--",
        "<?xml version='1.0'?>",
        "<?pi",
        "?>",
        "encoding='utf-16'",
        "&lt;",
        "&amp;",
        "&#0;",
        "&#xFFFFFFFFF;",
        "&x;",
        "&",
        ";",
        "<",
        ">",
        "/",
        "'",
        "\"",
        "=",
        " ",
        "\n",
        "xmlns=''",
        "xmlns:xml='urn:x'",
        "text",
        "\u{0}",
        "\u{FFFE}",
        "ä",
        "\u{10FFFF}",
        "a:b:c",
        ":",
    ]);
    prop_oneof![
        prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat().into_bytes()),
        prop::collection::vec(any::<u8>(), 0..200),
        (prop::collection::vec(any::<u8>(), 0..4), "(<a>|</a>|<b c='d'/>|x|&lt;){0,30}")
            .prop_map(|(head, rest)| [head, rest.into_bytes()].concat()),
    ]
}

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
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn every_document_is_read_or_refused(document in pieces()) {
        let limits = XmlLimits::new().with_depth(16).with_nodes(100);
        if let Ok(read) = Element::from_xml_within(&document, &limits) {
            let written = read.to_xml().unwrap();
            prop_assert_eq!(&Element::from_xml(&written).unwrap(), &read, "{}", written);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn every_tree_is_written_so_that_it_is_read_as_it_was(tree in tree()) {
        let written = tree.to_xml().unwrap();
        prop_assert_eq!(Element::from_xml(&written).unwrap(), tree, "{}", written);
    }
}

/// A description of one document, with something cut, doubled or put elsewhere, as often as this.
fn damaged() -> impl Strategy<Value = String> {
    let cuts = prop::collection::vec(
        (any::<prop::sample::Index>(), 1..200_usize, any::<prop::sample::Index>(), 0..3),
        1..4,
    );
    let names = prop::sample::select(vec!["calculator.wsdl", "rpc.wsdl"]);
    (names, cuts).prop_map(|(name, cuts)| {
        let mut text = String::from_utf8(file(name).unwrap()).unwrap();
        for (from, length, to, how) in cuts {
            let start = from.index(text.len());
            let end = (start + length).min(text.len());
            let piece = text[start..end].to_owned();
            match how {
                0 => text.replace_range(start..end, ""),
                1 => text.insert_str(to.index(text.len()), &piece),
                // What stands between quotes elsewhere is a name there is.
                _ => {
                    let names: Vec<&str> = text.split('"').skip(1).step_by(2).collect();
                    let other = names[to.index(names.len())].to_owned();
                    let inner = piece.split('"').nth(1).unwrap_or_default().to_owned();
                    text = text.replacen(&format!("\"{inner}\""), &format!("\"{other}\""), 1);
                }
            }
        }
        text
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn every_description_is_read_or_refused_and_so_are_values(text in damaged()) {
        let Ok(wsdl) = Wsdl::parse(&text) else { return Ok(()) };
        for port in wsdl.ports() {
            let client = SoapClient::over(HttpClient::over(MemoryHttp::new()), "/soap").unwrap();
            let service = SoapService::of(client, &wsdl, port.name()).unwrap();
            for operation in port.operations() {
                for arguments in [
                    serde_json::json!(null),
                    serde_json::json!({"intA": 1, "intB": 2}),
                    serde_json::json!({"pair": {"from": "A", "to": "B"}, "day": "2024-01-01"}),
                ] {
                    if let Ok(request) = service.request(operation, arguments) {
                        request.body.iter().for_each(|element| drop(element.to_xml()));
                    }
                }
            }
        }
    }
}
