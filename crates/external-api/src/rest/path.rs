//! Templates of paths: `/users/{id}/files/{*path}`.

use external_core::{Error, Result};

/// The template with its parameters in place, percent-encoded (RFC 3986): everything in a value but letters, digits and
/// `-._~` is, so that it stays within its segment; in `{*name}` slashes stay what they are.
pub(super) fn expand(template: &str, parameters: &[(&'static str, String)]) -> Result<String> {
    let mut path = String::with_capacity(template.len() + 32);
    let mut used = 0;
    let mut rest = template;
    while let Some((text, from_place)) = rest.split_once('{') {
        let Some((place, after)) = from_place.split_once('}') else {
            return Err(wrong("a template with a `{` that nothing closes"));
        };
        let (name, is_rest) = place.strip_prefix('*').map_or((place, false), |name| (name, true));
        let Some((name, value)) = parameters.iter().find(|(known, _)| *known == name) else {
            return Err(wrong("a parameter of the path is missing").with_context("parameter", name));
        };
        path.push_str(text);
        push(&mut path, value, is_rest).map_err(|error| error.with_context("parameter", name))?;
        used += 1;
        rest = after;
    }
    path.push_str(rest);
    match used < parameters.len() {
        true => Err(wrong("a parameter that the template of the path has no place for, or has twice")),
        false => Ok(path),
    }
}

fn push(path: &mut String, value: &str, is_rest: bool) -> Result<()> {
    for (at, segment) in value.split(if is_rest { &['/'][..] } else { &[] }).enumerate() {
        // Without it the path would be that of something else: of the collection, or of what is above.
        if segment.is_empty() || segment == "." || segment == ".." {
            return Err(wrong("a parameter of the path that is empty, or dots"));
        }
        if at > 0 {
            path.push('/');
        }
        push_encoded(path, segment);
    }
    Ok(())
}

/// Appends everything but what RFC 3986 calls unreserved percent-encoded.
pub(super) fn push_encoded(all: &mut String, text: &str) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => all.push(byte.into()),
            _ => all.extend(['%', HEX[usize::from(byte >> 4)].into(), HEX[usize::from(byte & 15)].into()]),
        }
    }
}

fn wrong(why: &'static str) -> Error {
    Error::invalid_argument(why)
}

#[cfg(test)]
mod tests {
    use external_http::HttpUrl;
    use proptest::prelude::*;

    use super::*;

    fn expanded(template: &str, parameters: &[(&'static str, &str)]) -> Result<String> {
        let parameters: Vec<_> =
            parameters.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        expand(template, &parameters)
    }

    #[test]
    fn a_value_stays_within_its_segment() {
        for (value, encoded) in [
            ("7", "7"),
            ("a b", "a%20b"),
            ("a/b", "a%2Fb"),
            ("../admin", "..%2Fadmin"),
            ("a?b=c#d", "a%3Fb%3Dc%23d"),
            ("100%", "100%25"),
            ("%2e%2e", "%252e%252e"),
            ("é", "%C3%A9"),
            ("a;b=1,c@d:e+f", "a%3Bb%3D1%2Cc%40d%3Ae%2Bf"),
            ("~._-", "~._-"),
            ("\r\n", "%0D%0A"),
            ("{id}", "%7Bid%7D"),
        ] {
            let path = expanded("/users/{id}/keys", &[("id", value)]).unwrap();
            assert_eq!(path, format!("/users/{encoded}/keys"));
            assert_eq!(HttpUrl::parse(&path).unwrap().path(), path);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2048))]

        #[test]
        fn whatever_it_is_a_value_is_one_segment(value in any::<String>()) {
            match expanded("/a/{x}/b?c", &[("x", &value)]) {
                Err(_) => prop_assert!(["", ".", ".."].contains(&value.as_str())),
                Ok(path) => {
                    let url = HttpUrl::parse(&path).unwrap();
                    let segments: Vec<_> = url.path().split('/').collect();
                    prop_assert_eq!((segments.len(), segments[1], segments[3]), (4, "a", "b"));
                    prop_assert_eq!(url.query(), Some("c"));
                    let read = percent_encoding::percent_decode_str(segments[2]).decode_utf8().unwrap();
                    prop_assert_eq!(read, value);
                }
            }
        }
    }

    #[test]
    fn a_rest_keeps_its_slashes() {
        let path = expanded("/r/{repo}/f/{*path}?raw=1", &[("repo", "x"), ("path", "a/b c/d")]).unwrap();
        assert_eq!(path, "/r/x/f/a/b%20c/d?raw=1");
    }

    #[test]
    fn what_would_be_another_path_is_refused() {
        for value in ["", ".", ".."] {
            assert!(expanded("/users/{id}", &[("id", value)]).is_err(), "{value:?}");
        }
        for value in ["", "/a", "a/", "a//b", "a/../b", "."] {
            assert!(expanded("/files/{*path}", &[("path", value)]).is_err(), "{value:?}");
        }
    }

    #[test]
    fn template_and_parameters_fit() {
        for (template, parameters) in [
            ("/{a}", &[][..]),
            ("/{a", &[("a", "1")]),
            ("/", &[("a", "1")]),
            ("/{a}", &[("a", "1"), ("a", "2")]),
            ("/{}", &[("a", "1")]),
        ] {
            assert!(expanded(template, parameters).is_err(), "{template}");
        }
        assert_eq!(expanded("/{a}", &[("a", "{b}")]).unwrap(), "/%7Bb%7D");
        let error = expanded("/{a}", &[("a", "..")]).unwrap_err();
        assert_eq!(error.context_value("parameter"), Some("a"));
    }
}
