//! The server's own id of a request.

use http::HeaderMap;

/// Where vendors tell it, those that mean it most first.
const NAMES: &[&str] = &[
    "x-request-id",
    "request-id",
    "x-amzn-requestid",
    "x-amz-request-id",
    "x-ms-request-id",
    "x-goog-request-id",
    "x-github-request-id",
    "x-message-id",
    "x-correlation-id",
    "cf-ray",
];

/// More than any vendor's id is long.
const LONGEST: usize = 128;

/// The id that the server gave a request, under one of the names that vendors use. Anything that is no printable ASCII
/// or longer than 128 bytes is none.
#[must_use]
pub fn request_id(headers: &HeaderMap) -> Option<String> {
    let told = NAMES.iter().filter_map(|name| headers.get(*name)?.to_str().ok());
    let is_id =
        |id: &&str| !id.is_empty() && id.len() <= LONGEST && id.bytes().all(|byte| byte.is_ascii_graphic());
    told.map(str::trim).find(is_id).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use http::header::{HeaderName, HeaderValue};

    use super::*;

    #[test]
    fn the_first_name_that_holds_an_id_counts() {
        let headers = |pairs: &[(&'static str, &'static str)]| {
            let pair = |(name, value): &(&'static str, &'static str)| {
                (HeaderName::from_static(name), HeaderValue::from_static(value))
            };
            pairs.iter().map(pair).collect::<HeaderMap>()
        };
        assert_eq!(request_id(&headers(&[("cf-ray", "c"), ("request-id", "r")])).as_deref(), Some("r"));
        assert_eq!(
            request_id(&headers(&[("x-request-id", "two words"), ("cf-ray", "c")])).as_deref(),
            Some("c")
        );
        assert_eq!(request_id(&headers(&[("server", "x")])), None);
    }
}
