//! XML: whatever comes, a tree within the limits that can be written, or an error that shows nothing of it.

use external_api::Error;
use external_api::soap::{Element, XmlErrorKind, XmlLimits};
use external_contract::fuzz::Fuzz;

use super::{CANARY, XML};

const DEPTH: usize = 16;
const NODES: usize = 100;

/// How deep it goes, and how many elements, texts and attributes it has.
fn measured(element: &Element) -> (usize, usize) {
    let inner = element.children().map(measured);
    let (depth, nodes) = inner.fold((0, 0), |(depth, nodes), (deep, more)| (deep.max(depth), nodes + more));
    let texts = element.nodes().len() - element.children().count();
    (depth + 1, nodes + 1 + texts + element.attributes().count())
}

#[test]
fn documents() {
    let limits = XmlLimits::new().with_depth(DEPTH).with_nodes(NODES).with_bytes(4_000);
    Fuzz::of("documents")
        .with_words(XML)
        .with_example("<?xml version=\"1.0\"?>\n<!-- c --><a:x xmlns:a='urn:x' a:k='1' k='2'>t&lt;&#x41;<![CDATA[<&]]><a:y/></a:x>")
        .with_example("\u{feff}<x>\r\n s3cret!</x>")
        .with_example(b"\xFF\xFE<\0a\0/\0>\0")
        .with_example("<!DOCTYPE l [<!ENTITY a \"ha\"><!ENTITY b \"&a;&a;\">]><l>&b;</l>")
        .with_cases(40_000)
        .run(|input| match Element::from_xml_within(input, &limits) {
            Ok(read) => {
                let (depth, nodes) = measured(&read);
                // The last element of a branch is none that others nest in.
                assert!(input.len() <= 4_000 && depth <= DEPTH + 1 && nodes <= NODES);
                let written = read.to_xml().unwrap();
                assert_eq!(Element::from_xml(&written).unwrap(), read, "{written}");
            }
            Err(error) => {
                let is_too_much = error.kind() == XmlErrorKind::Limit;
                assert!(is_too_much || input.len() <= 4_000);
                let error = Error::from(error);
                assert!(!format!("{error} {error:?} {}", error.report()).contains(CANARY));
            }
        });
}
