//! What this crate reads by hand, before inputs that nearly fit: so many cases each, whenever the tests run.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod bodies;
mod headers;
mod webhooks;

use http::HeaderMap;
use http::header::{HeaderName, HeaderValue};

/// The text of errors must not hold this, wherever inputs do.
const CANARY: &str = "s3cret";

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap()
        .block_on(future)
}

/// Lines of an input as header fields, each under the name that it begins with, or under the first one; what no field can
/// hold is left out.
fn fields(input: &[u8], names: &[&'static str]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for line in input.split(|byte| *byte == b'\n') {
        let named = names.iter().find_map(|name| {
            let value = line.strip_prefix(name.as_bytes())?.strip_prefix(b":")?;
            Some((*name, value))
        });
        let (name, value) = named.unwrap_or((names[0], line));
        if let Ok(value) = HeaderValue::from_bytes(value) {
            headers.append(HeaderName::from_static(name), value);
        }
    }
    headers
}
