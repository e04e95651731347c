//! What the clients here stand on, and what they have in common with those of other domains: a policy, observers, header
//! fields of every request, a probe, a close.

use external_core::{Error, Result};
use external_http::HttpClient;
use external_resilience::Pipeline;
use http::HeaderMap;
use http::header::{HeaderName, HeaderValue};

/// An HTTP client, and what every request over it bears.
#[derive(Clone)]
pub(crate) struct Wire {
    pub(crate) http: HttpClient,
    headers: HeaderMap,
}

impl Wire {
    pub(crate) fn over(http: HttpClient) -> Self {
        Self { http, headers: HeaderMap::new() }
    }

    /// Puts other layers around the calls.
    pub(crate) fn layer(&mut self, change: impl FnOnce(Pipeline) -> Pipeline) {
        let pipeline = change(self.http.pipeline().clone());
        self.http = self.http.clone().with_pipeline(pipeline);
    }

    pub(crate) fn set_header(&mut self, name: &str, value: &str) -> Result<()> {
        let (name, value) = header(name, value)?;
        self.headers.insert(name, value);
        Ok(())
    }

    /// Adds the header fields that every request bears, but for those that it has itself.
    pub(crate) fn complete(&self, headers: &mut HeaderMap) {
        for (name, value) in &self.headers {
            headers.entry(name).or_insert_with(|| value.clone());
        }
    }
}

/// A header field, parsed.
pub(crate) fn header(name: &str, value: &str) -> Result<(HeaderName, HeaderValue)> {
    let name: HeaderName =
        name.parse().map_err(|_| Error::invalid_argument("not a name of a header field"))?;
    let value = HeaderValue::from_str(value).map_err(|_| {
        Error::invalid_argument("not a value of a header field").with_context("header", &name)
    })?;
    Ok((name, value))
}

/// What a client has whose `shared`, behind an `Arc`, holds a [`Wire`]: the same for all of them.
macro_rules! client {
    ($client:ty, $shared:ty, $operations:expr) => {
        impl $client {
            /// The same client under another policy: start from [`HttpClient::policy`](external_http::Domain::policy).
            /// Until then policy, breaker and limits are those of the HTTP client, and count its other calls with these;
            /// with one of its own, breaker, clean-up and counts start anew.
            #[must_use]
            pub fn with_policy(self, policy: ::external_resilience::Policy) -> Self {
                self.changed(|shared| shared.wire.layer(|layers| layers.with_policy(policy, $operations)))
            }

            /// The same client, heard by one more observer. Breaker, clean-up and counts start anew.
            #[must_use]
            pub fn with_observer(
                self,
                observer: ::std::sync::Arc<dyn ::external_resilience::CallObserver>,
            ) -> Self {
                self.changed(|shared| shared.wire.layer(|layers| layers.with_observer(observer)))
            }

            /// The same client, whose requests all bear this HTTP header field, unless they have one of that name.
            ///
            /// # Errors
            ///
            /// `InvalidArgument` for a name or a value that no header field may have.
            pub fn with_header(mut self, name: &str, value: &str) -> ::external_core::Result<Self> {
                ::std::sync::Arc::make_mut(&mut self.shared).wire.set_header(name, value)?;
                Ok(self)
            }

            /// The HTTP client below, under the same policy.
            #[must_use]
            pub fn http(&self) -> &::external_http::HttpClient {
                &self.shared.wire.http
            }

            /// The pipeline its calls pass.
            #[must_use]
            pub fn pipeline(&self) -> &::external_resilience::Pipeline {
                self.http().pipeline()
            }

            /// One harmless round trip that proves reachability.
            ///
            /// # Errors
            ///
            /// As [`HttpClient::probe`](external_http::HttpClient::probe): `Unsupported` where the transport has no base.
            pub async fn probe(&self, options: &::external_core::CallOptions) -> ::external_core::Result<()> {
                self.http().probe(options).await
            }

            /// Refuses new calls, waits at most `within` for running ones, then closes the HTTP client's provider. Says what
            /// was left.
            pub async fn close(&self, within: ::std::time::Duration) -> ::external_resilience::CloseReport {
                self.http().close(within).await
            }

            pub(super) fn changed(mut self, change: impl FnOnce(&mut $shared)) -> Self {
                change(::std::sync::Arc::make_mut(&mut self.shared));
                self
            }
        }
    };
}

pub(crate) use client;

#[cfg(test)]
mod tests {
    use external_http::MemoryHttp;

    use super::*;

    #[test]
    fn a_request_keeps_what_it_has_and_gets_what_it_lacks() {
        let mut wire = Wire::over(HttpClient::over(MemoryHttp::new()));
        for (name, value) in [("x-version", "1"), ("x-version", "2"), ("x-tenant", "7")] {
            wire.set_header(name, value).unwrap();
        }
        let mut headers = HeaderMap::from_iter([header("x-tenant", "8").unwrap()]);
        wire.complete(&mut headers);
        assert!(headers.len() == 2 && headers["x-version"] == "2" && headers["x-tenant"] == "8");
        for (name, value) in [("x y", "1"), ("x", "a\r\nb: c")] {
            assert!(wire.set_header(name, value).is_err(), "{name}");
        }
    }
}
