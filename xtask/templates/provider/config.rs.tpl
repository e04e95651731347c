//! What can be set for {{Name}}.

use external_core::{BuildContext, Error, Result};
use serde::Deserialize;

use super::{{Name}}{{Domain}};

/// Configuration of [`{{Name}}{{Domain}}`].
#[derive(Debug, Clone, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct {{Name}}Config {
    /// Where it is, without credentials: those are fields of their own, of the type `Secret`.
    pub url: String,
}

impl {{Name}}Config {
    /// At `url`.
    #[must_use]
    pub fn new(url: impl Into<String>) -> Self {
        Self { url: url.into() }
    }

    /// Builds the provider. It opens nothing: whether somebody is there shows at the first call.
    ///
    /// # Errors
    ///
    /// `Configuration` naming the field that is wrong.
    pub fn build(self, _context: &BuildContext) -> Result<{{Name}}{{Domain}}> {
        if !self.url.contains("://") || self.url.contains('@') {
            return Err(Error::configuration("must be a URL without credentials").with_context("field", "url"));
        }
        Ok({{Name}}{{Domain}}::new(self))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_the_field_that_is_wrong() {
        for url in ["localhost", "http://user:password@localhost"] {
            let error = {{Name}}Config::new(url).build(&BuildContext::default()).unwrap_err();
            assert_eq!(error.context_value("field"), Some("url"));
        }
    }
}
