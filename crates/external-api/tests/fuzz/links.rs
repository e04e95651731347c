//! `Link` header fields: links that stand in the field, in its order, or none.

use external_api::rest::Link;
use external_contract::fuzz::Fuzz;

#[test]
fn links() {
    let words = [
        "<",
        ">",
        "</a>",
        "</b?x=1,2;3>",
        ";",
        ",",
        "=",
        "\"",
        "\\",
        " ",
        "\t",
        "rel",
        "rel=next",
        "REL=\"next prev\"",
        "anchor=\"#x\"",
        "title*=UTF-8''x",
        "title=\"a, </c>; b\"",
        "é",
    ];
    Fuzz::of("links")
        .with_words(&words)
        .with_example("</a>; rel=next; title=\"x, </b>; rel=prev\", </c>;REL=\"last\"")
        .with_cases(40_000)
        .run(|input| {
            let links = Link::parse(input);
            let brackets = input.iter().filter(|byte| **byte == b'<').count();
            assert!(links.len() <= brackets, "{} links, {brackets} brackets", links.len());
            let text = String::from_utf8_lossy(input);
            for link in links {
                assert!(!link.target.contains('>') && text.contains(&format!("<{}>", link.target)));
                for relation in &link.relations {
                    assert!(!relation.is_empty() && !relation.contains(|c: char| c.is_ascii_whitespace()));
                    assert!(link.is(relation) && !relation.contains(|c: char| c.is_ascii_uppercase()));
                }
                for (name, _) in &link.parameters {
                    assert!(!name.is_empty() && name != "rel" && !name.contains([' ', '\t', ';', ',', '=']));
                    assert!(link.parameter(name).is_some());
                }
            }
        });
}
