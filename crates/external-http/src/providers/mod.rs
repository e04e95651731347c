//! The provider table: a row each.

pub mod memory;
#[cfg(feature = "reqwest")]
pub mod reqwest;

use external_core::http::{HttpTransport, HttpUrl};
use external_core::{Error, ProviderEntry, Result};
use external_resilience::KnownProvider;

/// Every provider that is compiled in.
pub(crate) const TABLE: &[ProviderEntry<dyn HttpTransport>] = &[
    memory::ENTRY,
    #[cfg(feature = "reqwest")]
    reqwest::ENTRY,
];

/// Every provider there is, so that a missing one can name its feature.
pub(crate) const KNOWN: &[KnownProvider] =
    &[KnownProvider { id: "memory", feature: "" }, KnownProvider { id: "reqwest", feature: "reqwest" }];

/// The JSON Schema of a configuration.
pub(crate) fn schema<T: schemars::JsonSchema>() -> String {
    schemars::schema_for!(T).to_value().to_string()
}

/// What a transport's base must be: absolute, and without a query.
pub(crate) fn base(field: &'static str, text: &str) -> Result<HttpUrl> {
    let refused = |why| Error::configuration(why).with_context("field", field);
    let url = HttpUrl::parse(text).map_err(|error| refused("not a URL").with_source(error))?;
    if !url.is_absolute() {
        return Err(refused("a base names a host"));
    }
    if url.query().is_some() {
        return Err(refused("a base has no query"));
    }
    Ok(url)
}

/// The URL of a request to a transport with this base.
fn absolute(url: &HttpUrl, base: Option<&HttpUrl>) -> Result<HttpUrl> {
    match base {
        Some(base) => Ok(url.below(base)),
        None if url.is_absolute() => Ok(url.clone()),
        None => Err(Error::invalid_argument("a URL without a host, and no `base_url` to put before it")),
    }
}
