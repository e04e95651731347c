//! Attempts of calls whose answers say in their bodies what became of them: GraphQL and SOAP.
//!
//! Such an answer is understood before the layers judge the attempt: a 200 that says that the server failed counts as a
//! failure, a 500 that says that the question was wrong does not. So the layers go around exchange and understanding, and the
//! exchange has none of its own: each call is one record, and each attempt too.

#[cfg(feature = "graphql")]
use external_core::Operation;
use external_http::{HttpClient, Policy};
use external_resilience::Pipeline;

/// The same client without layers and observers; credentials, trace context and redirects are its own.
pub(crate) fn without_layers(http: &HttpClient) -> HttpClient {
    let bare = Pipeline::new(http.pipeline().instance(), http.info(), Policy::off());
    http.clone().with_pipeline(bare)
}

/// That client for a body of unknown length, which the layers around leave the time of a very large one: it ends the attempt
/// where nothing of the body moves any more, after as long as those layers would leave it for what has been sent.
#[cfg(feature = "graphql")]
pub(crate) fn with_a_watched_body(bare: &HttpClient, layers: &Pipeline, operation: &Operation) -> HttpClient {
    let mut policy = Policy::off().with_attempt_timeout(layers.attempt_timeout(operation.name, 0));
    policy.floor_rate = layers.policy().floor_rate;
    bare.clone().with_pipeline(Pipeline::new(layers.instance(), bare.info(), policy))
}
