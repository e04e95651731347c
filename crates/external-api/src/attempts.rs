//! Attempts of calls whose answers say in their bodies what became of them: GraphQL and SOAP.
//!
//! Such an answer is understood before the layers judge the attempt: a 200 that says that the server failed counts as a
//! failure, a 500 that says that the question was wrong does not. So the layers go around exchange and understanding, and the
//! exchange has none of its own: each call is one record, and each attempt too.

use external_http::{HttpClient, Policy};
use external_resilience::Pipeline;

/// The same client without layers and observers; credentials, trace context and redirects are its own.
pub(crate) fn without_layers(http: &HttpClient) -> HttpClient {
    let bare = Pipeline::new(http.pipeline().instance(), http.info(), Policy::off());
    http.clone().with_pipeline(bare)
}
