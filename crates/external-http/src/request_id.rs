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
    // Answers have a few fields: fewer than there are names to look for.
    let told = headers.iter().filter_map(|(name, value)| {
        let rank = NAMES.iter().position(|known| *known == name.as_str())?;
        let id = value.to_str().ok()?.trim();
        let is_id = !id.is_empty() && id.len() <= LONGEST && id.bytes().all(|byte| byte.is_ascii_graphic());
        is_id.then_some((rank, id))
    });
    // Of several values of one field the first one counts.
    told.reduce(|best, other| if other.0 < best.0 { other } else { best }).map(|(_, id)| id.to_owned())
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
