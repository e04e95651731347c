//! Which function answers.

use http::Method;

use super::{MemoryAnswer, MemoryRequest};

pub(super) type Handler = dyn Fn(&MemoryRequest) -> MemoryAnswer + Send + Sync;

/// A method, a pattern of a path, and what answers.
pub(super) struct Route {
    method: Option<Method>,
    pattern: Vec<String>,
    pub(super) handler: Box<Handler>,
}

impl Route {
    pub(super) fn new(method: Option<Method>, pattern: &str, handler: Box<Handler>) -> Self {
        Self { method, pattern: segments(pattern).map(str::to_owned).collect(), handler }
    }

    /// What stands in the places of the pattern, if the request is one of this route's.
    pub(super) fn matches(&self, method: &Method, path: &str) -> Option<Vec<(String, String)>> {
        if self.method.as_ref().is_some_and(|known| known != method) {
            return None;
        }
        let mut parameters = Vec::new();
        let mut rest = segments(path);
        for known in &self.pattern {
            if let Some(name) = known.strip_prefix("{*").and_then(|name| name.strip_suffix('}')) {
                parameters.push((name.to_owned(), rest.by_ref().collect::<Vec<_>>().join("/")));
                return Some(parameters);
            }
            let segment = rest.next()?;
            match known.strip_prefix('{').and_then(|name| name.strip_suffix('}')) {
                Some(name) if !segment.is_empty() => parameters.push((name.to_owned(), segment.to_owned())),
                Some(_) => return None,
                None if known == segment => {}
                None => return None,
            }
        }
        rest.next().is_none().then_some(parameters)
    }
}

fn segments(path: &str) -> impl Iterator<Item = &str> {
    path.strip_prefix('/').unwrap_or(path).split('/')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matched(pattern: &str, path: &str) -> Option<String> {
        let route = Route::new(Some(Method::GET), pattern, Box::new(|_| MemoryAnswer::new(200)));
        let parameters = route.matches(&Method::GET, path)?;
        Some(
            parameters
                .into_iter()
                .map(|(name, value)| format!("{name}={value}"))
                .collect::<Vec<_>>()
                .join(","),
        )
    }

    #[test]
    fn patterns_match_segment_by_segment() {
        for (pattern, path, expected) in [
            ("/", "/", Some("")),
            ("/a/b", "/a/b", Some("")),
            ("/a/b", "/a/b/", None),
            ("/a/{id}", "/a/7", Some("id=7")),
            ("/a/{id}", "/a/", None),
            ("/a/{id}", "/a/7/b", None),
            ("/a/{id}/b", "/a/7/b", Some("id=7")),
            ("/a/{*rest}", "/a/b/c", Some("rest=b/c")),
            ("/{*all}", "/", Some("all=")),
        ] {
            assert_eq!(matched(pattern, path).as_deref(), expected, "{pattern} {path}");
        }
        let route = Route::new(Some(Method::GET), "/a", Box::new(|_| MemoryAnswer::new(200)));
        assert!(route.matches(&Method::POST, "/a").is_none());
    }
}
