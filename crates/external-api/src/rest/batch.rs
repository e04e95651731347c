//! Many calls, so many at a time.

use external_core::Result;
use futures_util::{StreamExt, stream};

use super::{Endpoint, RestClient};

impl RestClient {
    /// Calls each endpoint, `at_once` of them side by side (at least one), and answers the outcome of each, in their
    /// order. A failure is that of its call alone.
    ///
    /// ```
    /// # use external_api::rest::{Endpoint, RestClient, RestRequest};
    /// # use external_http::{HttpClient, MemoryAnswer, MemoryHttp, Method};
    /// # struct GetPrice(&'static str);
    /// # impl Endpoint for GetPrice {
    /// #     const NAME: &'static str = "get_price";
    /// #     type Answer = u64;
    /// #     fn request(&self) -> RestRequest { RestRequest::get("/prices/{of}").with_parameter("of", self.0) }
    /// # }
    /// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
    /// # let double = MemoryHttp::new().with_route(Method::GET, "/prices/tea", |_| MemoryAnswer::json(200, "3"));
    /// # let rest = RestClient::over(HttpClient::over(double));
    /// let prices = rest.batch([GetPrice("tea"), GetPrice("gold")], 8).await;
    /// assert_eq!(*prices[0].as_ref().unwrap(), 3);
    /// assert_eq!(prices[1].as_ref().unwrap_err().http_status(), Some(404));
    /// # });
    /// ```
    pub fn batch<E: Endpoint>(
        &self,
        endpoints: impl IntoIterator<Item = E>,
        at_once: usize,
    ) -> impl Future<Output = Vec<Result<E::Answer>>> {
        // Gathered at once, so that the future is fit for another thread whatever makes the endpoints.
        let call = |(at, endpoint)| async move { (at, self.call(&endpoint).await) };
        let calls: Vec<_> = endpoints.into_iter().enumerate().map(call).collect();
        async move {
            // Whoever is slow holds up its own place alone.
            let mut outcomes: Vec<_> = stream::iter(calls).buffer_unordered(at_once.max(1)).collect().await;
            outcomes.sort_unstable_by_key(|(at, _)| *at);
            outcomes.into_iter().map(|(_, outcome)| outcome).collect()
        }
    }
}
