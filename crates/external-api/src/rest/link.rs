//! `Link` header fields (RFC 8288).

use http::HeaderMap;
use http::header::LINK;

/// A link from an answer to somewhere else.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Link {
    /// Where it leads, as it was written: maybe relative to where the request went.
    pub target: String,
    /// What it is to the answer: `next`, `last`. In lower case.
    pub relations: Vec<String>,
    /// What else is said of it, names in lower case.
    pub parameters: Vec<(String, String)>,
}

impl Link {
    /// The links of all `Link` header fields, in their order. What is malformed is left out.
    #[must_use]
    pub fn of(headers: &HeaderMap) -> Vec<Self> {
        headers.get_all(LINK).iter().flat_map(|value| Self::parse(value.as_bytes())).collect()
    }

    /// The links of one header field's value. It takes any bytes; from where they are no links on there are none.
    ///
    /// ```
    /// use external_api::rest::Link;
    ///
    /// let links = Link::parse(b"</items?page=3>; rel=\"next\"; title=\"on, and on\", </items?page=9>; rel=last");
    /// assert_eq!(links[0].target, "/items?page=3");
    /// assert!(links[0].is("next") && links[1].is("last"));
    /// assert_eq!(links[0].parameter("title"), Some("on, and on"));
    /// ```
    #[must_use]
    pub fn parse(value: &[u8]) -> Vec<Self> {
        let mut reader = Reader { rest: value };
        let mut links = Vec::new();
        loop {
            reader.skip(|byte| is_space(byte) || byte == b',');
            match reader.link() {
                Some(link) => links.push(link),
                None => return links,
            }
        }
    }

    /// Whether it has this relation.
    #[must_use]
    pub fn is(&self, relation: &str) -> bool {
        self.relations.iter().any(|known| known.eq_ignore_ascii_case(relation))
    }

    /// What is said of it under this name.
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| &**value)
    }

    /// Where the next page is, if a link says so of the answer itself: one with an anchor speaks of something else.
    pub(super) fn next_of(headers: &HeaderMap) -> Option<String> {
        let mut links = Self::of(headers).into_iter();
        links.find(|link| link.is("next") && link.parameter("anchor").is_none()).map(|link| link.target)
    }
}

fn is_space(byte: u8) -> bool {
    byte == b' ' || byte == b'\t'
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// A target between angle brackets, and its parameters up to the next comma.
    fn link(&mut self) -> Option<Link> {
        self.eat(b'<')?;
        let target = self.until(|byte| byte == b'>');
        self.eat(b'>')?;
        let mut link = Link { target: text(target), relations: Vec::new(), parameters: Vec::new() };
        let mut has_relations = false;
        loop {
            self.skip(is_space);
            if self.eat(b';').is_none() {
                break;
            }
            let Some((name, value)) = self.parameter() else { continue };
            if name != "rel" {
                link.parameters.push((name, value));
            } else if !has_relations {
                // Only the first one counts (3.3).
                has_relations = true;
                link.relations = value.split_ascii_whitespace().map(str::to_ascii_lowercase).collect();
            }
        }
        // What belongs to nothing is skipped up to the next link.
        self.skip(|byte| byte != b',');
        Some(link)
    }

    /// A name, and a value as a token or between quotes.
    fn parameter(&mut self) -> Option<(String, String)> {
        self.skip(is_space);
        let name = text(self.until(|byte| is_space(byte) || b"=;,".contains(&byte))).to_ascii_lowercase();
        self.skip(is_space);
        let value = match self.eat(b'=') {
            None => String::new(),
            Some(()) => {
                self.skip(is_space);
                match self.eat(b'"') {
                    Some(()) => self.quoted(),
                    None => text(self.until(|byte| is_space(byte) || b";,".contains(&byte))),
                }
            }
        };
        (!name.is_empty()).then_some((name, value))
    }

    /// The rest of a quoted text; one that nothing closes ends where everything does.
    fn quoted(&mut self) -> String {
        let mut all = Vec::new();
        while let [byte, rest @ ..] = self.rest {
            self.rest = rest;
            match byte {
                b'"' => break,
                b'\\' => {
                    if let [escaped, rest @ ..] = self.rest {
                        all.push(*escaped);
                        self.rest = rest;
                    }
                }
                other => all.push(*other),
            }
        }
        text(&all)
    }

    fn eat(&mut self, wanted: u8) -> Option<()> {
        let (first, rest) = self.rest.split_first()?;
        (*first == wanted).then(|| self.rest = rest)
    }

    fn skip(&mut self, passes: impl Fn(u8) -> bool) {
        self.until(|byte| !passes(byte));
    }

    fn until(&mut self, ends: impl Fn(u8) -> bool) -> &'a [u8] {
        let at = self.rest.iter().position(|byte| ends(*byte)).unwrap_or(self.rest.len());
        let (before, rest) = self.rest.split_at(at);
        self.rest = rest;
        before
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn shown(value: &str) -> Vec<String> {
        let show = |link: Link| format!("{} {}", link.target, link.relations.join("+"));
        Link::parse(value.as_bytes()).into_iter().map(show).collect()
    }

    #[test]
    fn links_are_read_as_they_are_written() {
        for (value, links) in [
            ("</a>; rel=next", &["/a next"][..]),
            ("</a>;rel=\"next\",</b>;rel=\"prev last\"", &["/a next", "/b prev+last"]),
            (" , </a> ; REL = Next ,, </b>; rel=last,", &["/a next", "/b last"]),
            ("</a>; rel=next; rel=prev", &["/a next"]),
            ("</a?x=1,2;3>; rel=next", &["/a?x=1,2;3 next"]),
            ("</a>; title=\"x, </b>; rel=prev\"; rel=next", &["/a next"]),
            ("</a>; title=\"\\\"\"; rel=next", &["/a next"]),
            ("</a>; title*=UTF-8''x; rel=next", &["/a next"]),
            ("</a>; crossorigin; rel=next", &["/a next"]),
            ("</a>;;; rel=next", &["/a next"]),
            ("</a>; rel=\"", &["/a "]),
            ("</a>", &["/a "]),
            ("<>; rel=next", &[" next"]),
            ("</a> nonsense, </b>; rel=next", &["/a ", "/b next"]),
            ("</a", &[]),
            ("/a; rel=next", &[]),
            ("", &[]),
        ] {
            assert_eq!(shown(value), links, "{value}");
        }
    }

    #[test]
    fn the_next_page_is_that_of_the_answer() {
        let mut headers = HeaderMap::new();
        headers
            .append(LINK, HeaderValue::from_static("</other>; rel=next; anchor=\"#foo\", </last>; rel=last"));
        assert_eq!(Link::next_of(&headers), None);
        headers.append(LINK, HeaderValue::from_static("</2>; rel=\"Next\""));
        assert_eq!(Link::next_of(&headers).as_deref(), Some("/2"));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4096))]

        #[test]
        fn what_is_written_is_read(targets in proptest::collection::vec("[a-z/?=&,;]{0,12}", 1..5), quote in "[ -~]{0,12}") {
            let title = quote.replace('\\', "\\\\").replace('"', "\\\"");
            let links = targets.iter().map(|target| format!("<{target}>; title=\"{title}\"; rel=next"));
            let read = Link::parse(links.collect::<Vec<_>>().join(", ").as_bytes());
            prop_assert_eq!(read.len(), targets.len());
            for (link, target) in read.iter().zip(&targets) {
                prop_assert_eq!(&link.target, target);
                prop_assert!(link.is("next"));
                prop_assert_eq!(link.parameter("title"), Some(quote.as_str()));
            }
        }
    }
}
