//! Whether two requests mean the same to a server.

use external_core::http::HttpUrl;
use http::{HeaderMap, Method};
use percent_encoding::percent_decode_str;
use serde_json::Value;

use super::recording::{RecordedRequest, Recording, unreadable};
use crate::{Finding, Verdict, ensure, ensure_eq};

/// A request as one of our providers made it.
#[derive(Debug, Clone, Copy)]
pub struct Sent<'a> {
    /// The method.
    pub method: &'a Method,
    /// The whole URL.
    pub url: &'a HttpUrl,
    /// Header fields.
    pub headers: &'a HeaderMap,
    /// The body, as it was before any compression.
    pub body: &'a [u8],
}

impl Recording {
    /// Whether this request means what the SDK's means: same method and place, the same pairs in the query, every header field
    /// that the SDK sent, and a body of the same content. JSON is compared by value, forms by their pairs, everything else
    /// by byte; the lists at `unordered` (JSON pointers) may be in another order. More header fields are no harm.
    ///
    /// # Errors
    ///
    /// A failure that names the first difference.
    pub fn means_the_same(&self, sent: Sent<'_>, unordered: &[&str]) -> Verdict {
        self.means_the_same_read(sent, unordered, |body| body)
    }

    /// As [`means_the_same`](Self::means_the_same), of JSON that can say one thing in several ways: both bodies are compared
    /// as `read` makes them, and the lists at `unordered` are looked for in that.
    ///
    /// # Errors
    ///
    /// A failure that names the first difference.
    pub fn means_the_same_read(
        &self,
        sent: Sent<'_>,
        unordered: &[&str],
        read: impl Fn(Value) -> Value,
    ) -> Verdict {
        let request = self.request.as_ref().ok_or_else(|| unreadable("no request in it"))?;
        request.is_meant_by(sent, unordered, read)
    }
}

impl RecordedRequest {
    /// Whether `sent` means what this one of several requests does, as
    /// [`means_the_same_read`](Recording::means_the_same_read) says.
    ///
    /// # Errors
    ///
    /// A failure that names the first difference.
    pub fn is_meant_by(&self, sent: Sent<'_>, unordered: &[&str], read: impl Fn(Value) -> Value) -> Verdict {
        ensure_eq("the method", sent.method.as_str(), self.method.as_str())?;
        let (scheme, authority) = place(sent.url);
        ensure_eq("the scheme", scheme, self.scheme.as_str())?;
        ensure_eq("the host", &authority, &self.host.to_ascii_lowercase())?;
        ensure_eq("the path", &in_capitals(sent.url.path()), &in_capitals(&self.path))?;
        let mut pairs: (Vec<_>, Vec<_>) = (pairs(sent.url.query().unwrap_or_default()), self.query.clone());
        // Between pairs of different names order has no meaning, and a sort keeps that of one name.
        pairs.0.sort_by(|one, other| one.0.cmp(&other.0));
        pairs.1.sort_by(|one, other| one.0.cmp(&other.0));
        ensure_eq("the query", &pairs.0, &pairs.1)?;
        headers(self, sent.headers)?;
        body(self, sent.body, unordered, read)
    }
}

fn place(url: &HttpUrl) -> (&'static str, String) {
    let (scheme, usual) = if url.is_https() { ("https", 443) } else { ("http", 80) };
    let host = url.host().unwrap_or_default();
    match url.port() {
        Some(port) if port != usual => (scheme, format!("{host}:{port}")),
        _ => (scheme, host),
    }
}

fn headers(request: &RecordedRequest, sent: &HeaderMap) -> Verdict {
    // Some SDKs tell a type of no body.
    let is_blank = request.body()?.is_empty();
    let counts = |name: &str| name != "host" && !(is_blank && name == "content-type");
    for (name, expected) in request.headers.iter().filter(|(name, _)| counts(name)) {
        let seen: Vec<_> =
            sent.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes())).collect();
        let seen = seen.join(", ");
        let is_same = match name.as_str() {
            "content-type" | "accept" => essence(&seen) == essence(expected),
            _ => seen == *expected,
        };
        ensure(is_same, format!("{name}: {expected}"), if seen.is_empty() { "none" } else { &seen })?;
    }
    Ok(())
}

/// A media type without its parameters.
fn essence(text: &str) -> String {
    text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

fn body(
    request: &RecordedRequest,
    sent: &[u8],
    unordered: &[&str],
    read: impl Fn(Value) -> Value,
) -> Verdict {
    let expected = request.body()?;
    let kind = request.headers.get("content-type").map(|kind| essence(kind)).unwrap_or_default();
    if expected.is_empty() || sent.is_empty() {
        return ensure_eq("the length of the body", &sent.len(), &expected.len());
    }
    if kind == "application/json" || kind.ends_with("+json") {
        let (mut sent, mut expected) =
            (read(json("our body", sent)?), read(json("the SDK's body", &expected)?));
        for pointer in unordered {
            sort(&mut sent, pointer);
            sort(&mut expected, pointer);
        }
        return same("", &sent, &expected);
    }
    let (sent, expected) = (String::from_utf8_lossy(sent), String::from_utf8_lossy(&expected));
    if kind == "application/x-www-form-urlencoded" {
        let (mut sent, mut expected) = (pairs(&sent), pairs(&expected));
        sent.sort();
        expected.sort();
        return ensure_eq("the form", &sent, &expected);
    }
    ensure_eq("the body", &sent, &expected)
}

fn json(what: &str, bytes: &[u8]) -> Result<Value, Finding> {
    serde_json::from_slice(bytes)
        .map_err(|error| Finding::failed(format!("{what} is JSON"), error.to_string()))
}

fn sort(value: &mut Value, pointer: &str) {
    if let Some(Value::Array(items)) = value.pointer_mut(pointer) {
        items.sort_by_cached_key(Value::to_string);
    }
}

/// Compares two values, and names the place where they differ.
fn same(at: &str, sent: &Value, expected: &Value) -> Verdict {
    let place = if at.is_empty() { "the body" } else { at };
    match (sent, expected) {
        (Value::Object(sent), Value::Object(expected)) => {
            let names = |of: &serde_json::Map<String, Value>| {
                let mut names: Vec<_> = of.keys().cloned().collect();
                names.sort();
                names
            };
            ensure_eq(&format!("the members of {place}"), &names(sent), &names(expected))?;
            expected.iter().try_for_each(|(name, expected)| {
                same(&format!("{at}/{name}"), sent.get(name).unwrap_or(&Value::Null), expected)
            })
        }
        (Value::Array(sent), Value::Array(expected)) => {
            ensure_eq(&format!("the length of {place}"), &sent.len(), &expected.len())?;
            let both = sent.iter().zip(expected).enumerate();
            both.into_iter()
                .try_for_each(|(index, (sent, expected))| same(&format!("{at}/{index}"), sent, expected))
        }
        (Value::Number(sent), Value::Number(expected)) => {
            ensure(sent.as_f64() == expected.as_f64(), format!("{place} is {expected}"), sent)
        }
        _ => ensure(sent == expected, format!("{place} is {expected}"), sent),
    }
}

/// The pairs of a query or a form, decoded.
fn pairs(text: &str) -> Vec<(String, String)> {
    let decoded = |text: &str| {
        let text = text.replace('+', " ");
        percent_decode_str(&text).decode_utf8_lossy().into_owned()
    };
    text.split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decoded(name), decoded(value))
        })
        .collect()
}

/// `%2f` and `%2F` are one.
fn in_capitals(path: &str) -> String {
    let mut all = String::with_capacity(path.len());
    let mut left = 0_u8;
    for character in path.chars() {
        all.push(if left > 0 { character.to_ascii_uppercase() } else { character });
        left = if character == '%' { 2 } else { left.saturating_sub(1) };
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recording(body: &str, kind: &str) -> Recording {
        let text = serde_json::json!({
            "vendor": "acme", "operation": "send", "kind": "request",
            "request": {
                "method": "POST", "scheme": "https", "host": "api.acme.example", "path": "/v1/a%2fb",
                "query": [["page", "1"], ["name", "a b"]],
                "headers": {"host": "api.acme.example", "authorization": "Bearer k", "content-type": kind},
                "body_utf8": body
            }
        });
        serde_json::from_value(text).unwrap()
    }

    fn differs(recording: &Recording, url: &str, headers: &[(&'static str, &str)], body: &str) -> String {
        let url = HttpUrl::parse(url).unwrap();
        let headers = headers.iter().map(|(name, value)| {
            (http::HeaderName::from_static(name), http::HeaderValue::from_str(value).unwrap())
        });
        let headers: HeaderMap = headers.collect();
        let sent = Sent { method: &Method::POST, url: &url, headers: &headers, body: body.as_bytes() };
        recording
            .means_the_same(sent, &["/tags"])
            .map_or_else(|finding| finding.to_string(), |()| String::new())
    }

    const URL: &str = "https://api.acme.example/v1/a%2Fb?name=a+b&page=1";
    const HEADERS: &[(&str, &str)] = &[
        ("authorization", "Bearer k"),
        ("content-type", "application/json; charset=utf-8"),
        ("x-more", "1"),
    ];

    #[test]
    fn what_means_the_same_is_the_same() {
        let recording = recording(r#"{"tags": ["b", "a"], "n": 1, "list": [1, 2]}"#, "application/json");
        assert_eq!(differs(&recording, URL, HEADERS, r#"{"n":1.0,"list":[1,2],"tags":["a","b"]}"#), "");
    }

    #[test]
    fn each_of_several_requests_is_compared_with_its_own() {
        let one = |path: &str, status: u16| {
            serde_json::json!({
                "request": {
                    "method": "POST", "scheme": "https", "host": "api.acme.example", "path": path,
                    "headers": {"content-type": "application/json"}, "body_utf8": ""
                },
                "response": {"status": status}
            })
        };
        let exchanges = [one("/v1/id", 201), one("/v1/mails", 202)];
        let recording: Recording = serde_json::from_value(serde_json::json!({
            "vendor": "acme", "kind": "request", "exchanges": exchanges,
            "request": exchanges[1]["request"], "response": exchanges[1]["response"]
        }))
        .unwrap();
        let url = HttpUrl::parse("https://api.acme.example/v1/id").unwrap();
        let sent = Sent { method: &Method::POST, url: &url, headers: &HeaderMap::new(), body: b"" };
        let verdicts: Vec<_> = recording
            .exchanges()
            .into_iter()
            .map(|(request, answer)| {
                let is_meant = request.is_meant_by(sent, &[], |body| body).is_ok();
                (is_meant, answer.map(|answer| answer.status))
            })
            .collect();
        assert_eq!(verdicts, [(true, Some(201)), (false, Some(202))]);
        assert!(recording.means_the_same(sent, &[]).is_err());
    }

    #[test]
    fn what_is_said_in_another_way_is_read_first() {
        let recording = recording(r#"{"to": "a", "list": [2, 1]}"#, "application/json");
        let read = |mut body: Value| {
            let to = body["to"].as_str().map(str::to_owned);
            body["to"] = body["to"].get("email").cloned().or_else(|| to.map(Value::from)).unwrap_or_default();
            body
        };
        let url = HttpUrl::parse(URL).unwrap();
        let pairs = HEADERS.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
        let headers: HeaderMap = pairs.collect();
        let verdict = |body: &str| {
            let sent = Sent { method: &Method::POST, url: &url, headers: &headers, body: body.as_bytes() };
            recording.means_the_same_read(sent, &["/list"], read).map_err(|finding| finding.to_string())
        };
        verdict(r#"{"to": {"email": "a"}, "list": [1, 2]}"#).unwrap();
        let why = verdict(r#"{"to": {"email": "b"}, "list": [1, 2]}"#).unwrap_err();
        assert!(why.contains("/to is"), "{why}");
    }

    #[test]
    fn each_difference_is_named() {
        let json = recording(r#"{"tags": [], "list": [1, 2], "to": {"name": "Ada"}}"#, "application/json");
        let same = r#"{"tags": [], "list": [1, 2], "to": {"name": "Ada"}}"#;
        for (url, headers, body, place) in [
            ("http://api.acme.example/v1/a%2Fb?name=a+b&page=1", HEADERS, same, "the scheme"),
            ("https://api.acme.example:8443/v1/a%2Fb?name=a+b&page=1", HEADERS, same, "the host"),
            ("https://api.acme.example/v1/a/b?name=a+b&page=1", HEADERS, same, "the path"),
            ("https://api.acme.example/v1/a%2Fb?page=1", HEADERS, same, "the query"),
            (URL, &HEADERS[1..], same, "authorization"),
            (URL, &[("authorization", "Bearer k"), ("content-type", "text/plain")], same, "content-type"),
            (URL, HEADERS, r#"{"tags": [], "list": [2, 1], "to": {"name": "Ada"}}"#, "/list/0"),
            (URL, HEADERS, r#"{"tags": [], "list": [1, 2], "to": {"name": "Bob"}}"#, "/to/name"),
            (URL, HEADERS, r#"{"tags": [], "list": [1, 2], "to": {}}"#, "/to"),
            (URL, HEADERS, "", "the length of the body"),
            (URL, HEADERS, "no JSON", "our body"),
        ] {
            let seen = differs(&json, url, headers, body);
            assert!(seen.contains(place), "{place}: {seen}");
        }
    }

    #[test]
    fn forms_are_compared_by_their_pairs_and_texts_by_byte() {
        let form = "application/x-www-form-urlencoded";
        let headers = [("authorization", "Bearer k"), ("content-type", form)];
        assert_eq!(differs(&recording("a=1&b=%20", form), URL, &headers, "b=+&a=1"), "");
        assert!(differs(&recording("a=1", form), URL, &headers, "a=2").contains("the form"));
        let headers = [("authorization", "Bearer k"), ("content-type", "text/plain")];
        assert!(differs(&recording("x", "text/plain"), URL, &headers, "y").contains("the body"));
    }
}
