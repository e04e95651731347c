//! Which prefixes mean what at a place of a document.

use std::sync::Arc;

/// The declarations that hold at a place: a list whose tail all deeper places share.
#[derive(Debug, Clone, Default)]
pub(super) struct Scope(Option<Arc<Binding>>);

#[derive(Debug)]
struct Binding {
    prefix: Box<str>,
    /// Empty: nothing, where the default namespace is taken back.
    namespace: Arc<str>,
    depth: usize,
    rest: Scope,
}

impl Scope {
    /// The same with one more declaration, which comes before the others.
    pub(super) fn with(self, prefix: &str, namespace: Arc<str>) -> Self {
        let depth = self.depth() + 1;
        Self(Some(Arc::new(Binding { prefix: prefix.into(), namespace, depth, rest: self })))
    }

    /// How many declarations there are, hidden ones included.
    pub(super) fn depth(&self) -> usize {
        self.0.as_ref().map_or(0, |binding| binding.depth)
    }

    /// What a prefix stands for; the empty one for the default namespace.
    pub(super) fn namespace(&self, prefix: &str) -> Option<&Arc<str>> {
        self.iter().find(|(known, _)| *known == prefix).map(|(_, namespace)| namespace)
    }

    /// The declarations, innermost first.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &Arc<str>)> {
        std::iter::successors(self.0.as_deref(), |binding| binding.rest.0.as_deref())
            .map(|binding| (&*binding.prefix, &binding.namespace))
    }
}
