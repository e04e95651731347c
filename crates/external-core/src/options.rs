//! What every call may be given, whatever the domain.

use std::sync::Arc;
use std::time::Duration;

/// Options that every call has: they sit in each request's `call` field.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct CallOptions {
    timeout: Option<Duration>,
    transfer_deadline: bool,
    metadata: Option<Arc<Vec<(String, String)>>>,
}

impl CallOptions {
    /// No options.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How long the whole call may take, waits and retries included. Replaces the policy's total deadline.
    ///
    /// What a call sends is part of it: the body of an upload has to be through within this, in whichever attempt. An answer
    /// whose body streams is in time with its head, unless [`with_transfer_deadline`](Self::with_transfer_deadline) says
    /// otherwise.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Holds the body of an answer to the call's deadline as well: to [`with_timeout`](Self::with_timeout), else to the
    /// policy's total deadline; where there is neither, nothing is bounded. A body that is still on its way then ends with
    /// `Timeout`, however well it flows. For a download it is one deadline, however often that is resumed and in however
    /// many ranges it comes. Default: the deadline ends with the head, and a body ends early only where it stalls.
    ///
    /// Only a call knows how much it asks for, so no policy says this. Where no body streams, it changes nothing: such a call
    /// is over by its deadline, and a subscription, which has no end, has a deadline for its beginning only.
    #[must_use]
    pub fn with_transfer_deadline(mut self) -> Self {
        self.transfer_deadline = true;
        self
    }

    /// A pair for the call log (an order number, a tenant); never a secret. It does not travel to the vendor.
    #[must_use]
    pub fn with_metadata(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        Arc::make_mut(self.metadata.get_or_insert_with(Arc::default)).push((name.into(), value.into()));
        self
    }

    /// How long the whole call may take.
    #[must_use]
    pub fn timeout(&self) -> Option<Duration> {
        self.timeout
    }

    /// Whether the body of an answer has to be over by the call's deadline.
    #[must_use]
    pub fn has_transfer_deadline(&self) -> bool {
        self.transfer_deadline
    }

    /// The pairs for the call log.
    #[must_use]
    pub fn metadata(&self) -> &[(String, String)] {
        self.metadata.as_deref().map_or(&[], Vec::as_slice)
    }

    pub(crate) fn shared_metadata(&self) -> Option<Arc<Vec<(String, String)>>> {
        self.metadata.clone()
    }
}

/// Gives a request struct with a field `call: CallOptions` the setters every request has.
///
/// ```
/// #[derive(Debug, Default)]
/// struct PingRequest {
///     call: external_core::CallOptions,
/// }
/// external_core::call_options!(PingRequest);
///
/// let request = PingRequest::default().with_timeout(std::time::Duration::from_secs(2));
/// assert_eq!(request.call_options().timeout(), Some(std::time::Duration::from_secs(2)));
/// ```
#[macro_export]
macro_rules! call_options {
    ($($request:ty),+ $(,)?) => {$(
        impl $request {
            /// How long the whole call may take, waits and retries included.
            #[must_use]
            pub fn with_timeout(mut self, timeout: ::std::time::Duration) -> Self {
                self.call = self.call.with_timeout(timeout);
                self
            }

            /// A pair for the call log; never a secret. It does not travel to the vendor.
            #[must_use]
            pub fn with_metadata(
                mut self,
                name: impl ::std::convert::Into<::std::string::String>,
                value: impl ::std::convert::Into<::std::string::String>,
            ) -> Self {
                self.call = self.call.with_metadata(name, value);
                self
            }

            /// Replaces all call options.
            #[must_use]
            pub fn with_call_options(mut self, call: $crate::CallOptions) -> Self {
                self.call = call;
                self
            }

            /// The call's options.
            #[must_use]
            pub fn call_options(&self) -> &$crate::CallOptions {
                &self.call
            }
        }
    )+};
}
