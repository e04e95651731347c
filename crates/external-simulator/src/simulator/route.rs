//! Which questions a handler answers.

use http::Method;

use super::Handler;
use crate::HttpQuestion;

pub(super) struct Route<S> {
    /// `None`: any, on any path.
    pub(super) method: Option<Method>,
    pub(super) form: &'static str,
    pub(super) handler: Box<Handler<S>>,
}

impl<S> Route<S> {
    /// The names in braces and what stands there, if the question is for this route.
    pub(super) fn takes<'a>(&self, question: &'a HttpQuestion) -> Option<Vec<(&'static str, &'a str)>> {
        match &self.method {
            None => Some(Vec::new()),
            Some(method) if *method == question.method => fits(self.form, question.path()),
            Some(_) => None,
        }
    }
}

/// What stands in a path where its form has names in braces.
pub(super) fn fits<'a>(form: &'static str, path: &'a str) -> Option<Vec<(&'static str, &'a str)>> {
    let (mut wanted, mut found) = (form.split('/'), path.split('/'));
    let mut parameters = Vec::new();
    loop {
        let (piece, is) = match (wanted.next(), found.next()) {
            (Some(piece), Some(is)) => (piece, is),
            (None, None) => return Some(parameters),
            _ => return None,
        };
        match piece.strip_prefix('{').and_then(|piece| piece.strip_suffix('}')) {
            Some(name) if !is.is_empty() => parameters.push((name, is)),
            None if piece == is => {}
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_in_braces_is_one_piece_of_the_path() {
        assert_eq!(fits("/a/{b}/c", "/a/x%2Fy/c"), Some(vec![("b", "x%2Fy")]));
        assert_eq!(fits("/a", "/a"), Some(vec![]));
        for path in ["/a//c", "/a/b", "/a/b/c/", "/a/b/c/d", "/b/b/c", ""] {
            assert_eq!(fits("/a/{b}/c", path), None, "{path}");
        }
    }
}
