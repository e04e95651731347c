//! Endpoints as types.

use serde::de::DeserializeOwned;

use super::{FromAnswer, Paging, RestRequest};

/// One endpoint of an API: a type whose values are its calls.
///
/// ```
/// use external_api::rest::{Endpoint, RestRequest, Versioned};
///
/// #[derive(serde::Serialize)]
/// struct CreateOrder<'a> {
///     item: u64,
///     #[serde(skip)]
///     key: &'a str,
/// }
///
/// #[derive(serde::Deserialize)]
/// struct Order {
///     id: u64,
/// }
///
/// impl Endpoint for CreateOrder<'_> {
///     const NAME: &'static str = "create_order";
///     type Answer = Versioned<Order>;
///
///     fn request(&self) -> RestRequest {
///         RestRequest::post("/orders").with_json(self).with_idempotency_key(self.key)
///     }
/// }
/// ```
pub trait Endpoint: Send + Sync {
    /// What it is called in call records (the pair `endpoint`) and errors. It comes from code, never from data, so it
    /// is fit for a label of a metric.
    const NAME: &'static str;

    /// What the answer of a success is: any type of serde's for JSON, or another [`FromAnswer`].
    type Answer: FromAnswer;

    /// The request of this call. What is wrong with it shows when it is sent.
    fn request(&self) -> RestRequest;
}

/// An endpoint whose answers are the pages of a list: see [`RestClient::list`](super::RestClient::list).
pub trait PagedEndpoint: Send + Sync {
    /// As [`Endpoint::NAME`].
    const NAME: &'static str;

    /// What the list is of.
    type Item: DeserializeOwned + Send + 'static;

    /// The request for its first page.
    fn request(&self) -> RestRequest;

    /// How the next page is asked for, and where the items are.
    fn paging(&self) -> Paging;
}
