//! How much XML is read before somebody says that it is too much.

/// Limits of a document that is read. Whatever exceeds one is an error before it is built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct XmlLimits {
    /// The bytes of a document. Default 16 MiB.
    pub bytes: usize,
    /// How deep elements nest. Default 128.
    pub depth: usize,
    /// The elements, texts and attributes of a document, taken together. Default 500,000.
    pub nodes: usize,
    /// The attributes of one element, declarations of namespaces included. Default 128.
    pub attributes: usize,
    /// The declarations of namespaces that hold at one place. Default 256.
    pub namespaces: usize,
    /// The bytes of a name, and of a namespace. Default 1024.
    pub name: usize,
}

impl Default for XmlLimits {
    fn default() -> Self {
        Self { bytes: 16 << 20, depth: 128, nodes: 500_000, attributes: 128, namespaces: 256, name: 1024 }
    }
}

impl XmlLimits {
    /// The defaults.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the bytes of a document.
    #[must_use]
    pub fn with_bytes(mut self, bytes: usize) -> Self {
        self.bytes = bytes;
        self
    }

    /// Sets how deep elements nest. No more than 1024: each level is one of the stack's, where a tree ends.
    #[must_use]
    pub fn with_depth(mut self, depth: usize) -> Self {
        self.depth = depth.min(1024);
        self
    }

    /// Sets the elements, texts and attributes of a document.
    #[must_use]
    pub fn with_nodes(mut self, nodes: usize) -> Self {
        self.nodes = nodes;
        self
    }
}
